//! Records that cannot become canonical objects: each is a matter of its own with one open item, until it can be read.

use std::sync::Arc;

use intake::Unreadable;
use model::{Problem, Value};
use store::{Mutation, ReferenceRow, WorkItemRow, WorkItemStatus};

use super::LaneTask;
use super::queues::{DATA, IDENTITY, NewItem, UNREADABLE};
use super::round::{After, Linked, Round};
use crate::core::ToIntake;
use crate::identity::{LINK, NEW, new_key};
use crate::journal::line;
use crate::lane_id::LaneId;
use crate::matter::{self, RECORD, record_key};
use crate::work::Settled;

/// What the inbox row of a record says that a person linked: the object, in the form of a question about it.
pub(crate) const LINKED: &str = "linked";

/// A question about one object, which keeps it from being made in a connection.
fn about(object: &str, connection: &str, key: &str) -> Value {
    Value::object([
        ("object", Value::from(object)),
        ("connection", Value::from(connection)),
        ("candidates", Value::array([Value::object([("key", Value::from(key))])])),
    ])
}

impl LaneTask {
    /// Opens an item for the record, or brings the open one up to date.
    pub(super) fn unreadable(&mut self, round: &mut Round, record: Unreadable) -> Result<(), Problem> {
        let key = record_key(&record);
        let pair: (Arc<str>, Arc<str>) = (RECORD.into(), Arc::clone(&key));
        let known =
            round.loaded.matters.get(&pair).ok_or_else(|| {
                Problem::new("IL-RUN-012", "The store cannot be read", "Look at the disk and the log")
            })?;
        let mut row = match known {
            Some(row) => row.clone(),
            None => matter::new(LaneId::of_matter(RECORD, &key).matter(RECORD), &pair.0, &key, round.now),
        };
        row.title = format!("{} {} of {}", record.feed, record.id, record.connection).into();
        row.stage = UNREADABLE.into();
        row.closed = false;
        row.updated_at = round.now;
        let id = row.id;
        round.loaded.matters.insert(pair, Some(row.clone()));
        self.matters.insert(id, row);
        round.marked.insert(id);
        let row_key = Arc::clone(&key);
        self.core.unreadable().insert(key);

        let choice = record.choice;
        let kind = if choice.is_some() { IDENTITY } else { UNREADABLE };
        let mut content = Value::object([
            ("kind", Value::from(kind)),
            ("record", record.record),
            ("connection", Value::from(record.connection.as_str())),
            ("feed", Value::from(Arc::clone(&record.feed))),
            ("id", Value::from(Arc::clone(&record.id))),
            ("reason", Value::from(record.reason.as_str())),
            ("allow", Value::array(["retry", "dismiss"])),
        ]);
        let mut title = format!("{} {} of {} cannot be read", record.feed, record.id, record.connection);
        let mut queue: Arc<str> = DATA.into();
        if let Some(choice) = choice {
            title = format!("{} {} of {}: which {} is it?", record.feed, record.id, record.connection, choice.object);
            queue = choice.queue.unwrap_or(queue);
            let actions = choice.actions.items().iter().cloned().chain(["retry", "dismiss"].map(Value::from));
            content.set("allow", Value::array(actions));
            content.set("object", choice.object);
            content.set("candidates", choice.candidates);
            self.core.asked.open(Arc::clone(&row_key), &content);
        }
        if !record.unmapped.is_null() {
            content.set("unmapped", record.unmapped);
        }
        let open = round.loaded.open.entry(id).or_default();
        if let Some(item) = open.first_mut().filter(|item| !round.resolved.contains(&item.id)) {
            item.content = content;
            item.reason = record.reason.into();
            item.title = title.into();
            item.queue = queue;
            round.mutations.push(Mutation::PutWorkItem(item.clone()));
            return Ok(());
        }
        let item =
            NewItem { queue: &queue, matter: id, run: None, title, reason: record.reason, amount: None, content };
        self.open(round, item);
        if let Some(Mutation::PutWorkItem(item)) = round.mutations.last().cloned() {
            round.loaded.open.entry(id).or_default().insert(0, item);
        }
        Ok(())
    }

    /// The record can be read now, or is gone: its item is not needed any more.
    pub(super) fn settled(&mut self, round: &mut Round, key: &Arc<str>, how: Settled) {
        let (reason, title, stage) = match how {
            Settled::Readable => {
                ("a later version of the record can be read", "The record can be read now", "readable")
            }
            Settled::Gone => ("the record is not there any more", "The record is not there any more", "gone"),
        };
        let pair: (Arc<str>, Arc<str>) = (RECORD.into(), Arc::clone(key));
        let Some(Some(row)) = round.loaded.matters.get(&pair).cloned() else { return };
        for item in round.loaded.open.remove(&row.id).unwrap_or_default() {
            if round.resolved.contains(&item.id) {
                continue;
            }
            let resolution = Value::object([("reason", reason)]);
            let withdrawn = WorkItemRow { status: WorkItemStatus::Withdrawn, resolution, ..item };
            round.mutations.push(Mutation::PutWorkItem(withdrawn));
        }
        round.after.push(After::Answered { record: Arc::clone(key), linked: None });
        round.mutations.push(line(row.id, round.now, stage, None, title, Value::Null));
        self.close_record(round, row, stage);
    }

    /// A person had the record read again, said which object it is, or wants nothing of it.
    pub(super) fn decide_record(&mut self, round: &mut Round, item: &WorkItemRow, action: &str) -> Result<(), Problem> {
        let text = |name: &str| Arc::<str>::from(item.content.get(name).as_str().unwrap_or_default());
        let (connection, feed, id) = (text("connection"), text("feed"), text("id"));
        let record = crate::matter::key_of_record(&connection, &feed, &id);
        let chosen = match action.strip_prefix(LINK) {
            Some(key) => Some(Arc::from(key)),
            None if action == NEW => Some(new_key()),
            None => None,
        };
        if chosen.is_none() && action != "retry" {
            round.after.push(After::Answered { record, linked: None });
            if let Some(row) = self.matters.get(&item.transaction).cloned() {
                self.close_record(round, row, "dismissed");
            }
            return Ok(());
        }
        let known = self.core.release.connections.get(&*connection).and_then(|connection| connection.feeds.get(&*feed));
        let Some(followed) = known else {
            let message = format!("the connection {connection} has no feed {feed} any more");
            return Err(Problem::new("IL-FEED-001", message, "dismiss the item, or define the feed again"));
        };
        let mut row = intake::forced_look_row(followed, &id, round.now);
        if let Some(key) = chosen {
            let about = about(&text("object"), &connection, &key);
            row.content.set(LINKED, about.clone());
            round.mutations.push(Mutation::PutReference(ReferenceRow {
                object: text("object"),
                key: Arc::clone(&key),
                connection: Arc::clone(&connection),
                record_id: Arc::clone(&id),
            }));
            round.after.push(After::Answered { record, linked: Some(Linked { about, key }) });
        }
        round.mutations.push(Mutation::PutInbox(row.clone()));
        round.after.push(After::Intake(ToIntake::Look { row }));
        Ok(())
    }

    fn close_record(&mut self, round: &mut Round, mut row: store::TransactionRow, stage: &str) {
        row.stage = stage.into();
        row.closed = true;
        row.updated_at = round.now;
        self.core.unreadable().remove(&row.key);
        round.marked.insert(row.id);
        let pair: (Arc<str>, Arc<str>) = (RECORD.into(), Arc::clone(&row.key));
        round.loaded.matters.insert(pair, Some(row.clone()));
        self.matters.insert(row.id, row);
    }
}
