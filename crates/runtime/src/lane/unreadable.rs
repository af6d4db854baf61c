//! Records that cannot become canonical objects: each is a matter of its own with one open item, until it can be read.

use std::sync::Arc;

use intake::Unreadable;
use model::{Problem, Value};
use store::{Mutation, WorkItemRow, WorkItemStatus};

use super::LaneTask;
use super::queues::{DATA, NewItem, UNREADABLE};
use super::round::{After, Round};
use crate::core::ToIntake;
use crate::journal::line;
use crate::lane_id::LaneId;
use crate::matter::{self, RECORD, record_key};

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
            None => matter::new(LaneId::of_matter(RECORD, &key).matter(), &pair.0, &key, round.now),
        };
        row.title = format!("{} {} of {}", record.feed, record.id, record.connection).into();
        row.stage = UNREADABLE.into();
        row.closed = false;
        row.updated_at = round.now;
        let id = row.id;
        round.loaded.matters.insert(pair, Some(row.clone()));
        self.matters.insert(id, row);
        round.marked.insert(id);
        self.core.unreadable().insert(key);

        let mut content = Value::object([
            ("kind", Value::from(UNREADABLE)),
            ("record", record.record),
            ("connection", Value::from(record.connection.as_str())),
            ("feed", Value::from(Arc::clone(&record.feed))),
            ("id", Value::from(Arc::clone(&record.id))),
            ("reason", Value::from(record.reason.as_str())),
            ("allow", Value::array(["retry", "dismiss"])),
        ]);
        if !record.unmapped.is_null() {
            content.set("unmapped", record.unmapped);
        }
        let open = round.loaded.open.entry(id).or_default();
        if let Some(item) = open.first_mut().filter(|item| !round.resolved.contains(&item.id)) {
            item.content = content;
            item.reason = record.reason.into();
            round.mutations.push(Mutation::PutWorkItem(item.clone()));
            return Ok(());
        }
        let item = NewItem {
            queue: DATA,
            matter: id,
            run: None,
            title: format!("{} {} of {} cannot be read", record.feed, record.id, record.connection),
            reason: record.reason,
            amount: None,
            content,
        };
        self.open(round, item);
        if let Some(Mutation::PutWorkItem(item)) = round.mutations.last().cloned() {
            round.loaded.open.entry(id).or_default().insert(0, item);
        }
        Ok(())
    }

    /// The record can be read now: its item is not needed any more.
    pub(super) fn readable(&mut self, round: &mut Round, key: &Arc<str>) {
        let pair: (Arc<str>, Arc<str>) = (RECORD.into(), Arc::clone(key));
        let Some(Some(row)) = round.loaded.matters.get(&pair).cloned() else { return };
        for item in round.loaded.open.remove(&row.id).unwrap_or_default() {
            if round.resolved.contains(&item.id) {
                continue;
            }
            let resolution = Value::object([("reason", "a later version of the record can be read")]);
            let withdrawn = WorkItemRow { status: WorkItemStatus::Withdrawn, resolution, ..item };
            round.mutations.push(Mutation::PutWorkItem(withdrawn));
        }
        let title = "The record can be read now";
        round.mutations.push(line(row.id, round.now, "readable", None, title, Value::Null));
        self.close_record(round, row, "readable");
    }

    /// A person had the record read again, or wants nothing of it.
    pub(super) fn decide_record(&mut self, round: &mut Round, item: &WorkItemRow, action: &str) {
        let text = |name: &str| Arc::<str>::from(item.content.get(name).as_str().unwrap_or_default());
        let (connection, feed, id) = (text("connection"), text("feed"), text("id"));
        if action == "retry" {
            round.after.push(After::Intake(ToIntake::Reread { connection, feed, id }));
            return;
        }
        if let Some(row) = self.matters.get(&item.transaction).cloned() {
            self.close_record(round, row, "dismissed");
        }
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
