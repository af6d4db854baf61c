//! Records that are read again because somebody asks for it: kept in mind until that is done, also when the process ends.

use std::sync::Arc;

use model::{ConnectionName, ObjectName, Problem};
use store::{InboxRow, Mutation};

use crate::Runtime;

impl Runtime {
    /// Has records of an object read again by its feeds and handed over, whether they changed or not. Durable when this returns.
    ///
    /// # Errors
    /// When a connection has no feed of the object, or it cannot be stored now.
    pub async fn reread(
        &self,
        object: &ObjectName,
        records: Vec<(ConnectionName, Vec<Arc<str>>)>,
    ) -> Result<(), Problem> {
        let core = &self.shared.core;
        if let Some(problem) = core.trouble.now() {
            return Err(problem);
        }
        let now = core.clock.now();
        let mut rows: Vec<InboxRow> = Vec::new();
        for (connection, ids) in &records {
            let feeds = core.release.connections.get(connection).map(|definition| &definition.feeds);
            let feeds: Vec<_> =
                feeds.into_iter().flat_map(|feeds| feeds.values()).filter(|feed| feed.object == *object).collect();
            if feeds.is_empty() {
                let message = format!("the connection {connection} has no feed of {object}");
                return Err(Problem::new("IL-RUN-020", message, "Name a connection that has one"));
            }
            rows.extend(feeds.iter().flat_map(|feed| ids.iter().map(|id| intake::look_row(feed, id, now))));
        }
        core.commit(rows.iter().cloned().map(Mutation::PutInbox).collect(), Some(crate::ANSWER_PATIENCE)).await?;
        for row in &rows {
            self.shared.intake.look(row);
        }
        Ok(())
    }
}
