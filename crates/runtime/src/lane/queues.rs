//! Work items: a workflow asks people, or failed and needs them.

use std::sync::Arc;
use std::time::Duration;

use definitions::Queue;
use jiff::{SignedDuration, Timestamp};
use model::{Money, RunId, TransactionId, Value, WorkItemId};
use store::{Mutation, WorkItemRow, WorkItemStatus};
use workflow::{Fault, Position};

use super::LaneTask;
use super::round::Round;
use super::runs::FAILURE;
use crate::journal::{line, shortened, summary};
use crate::lane_id::LaneId;
use crate::workload::Workload;

/// The queue of failed runs and of records that cannot be read, and how soon their items are due when the project does not
/// define these queues.
pub(crate) const INTEGRATION: &str = "integration";
pub(crate) const DATA: &str = "data";
const CLOCK: Duration = Duration::from_secs(4 * 3600);

/// Longest title and reason of an item, in characters.
const TITLE_MAX: usize = 200;
pub(super) const REASON_MAX: usize = 2_000;

/// What a work item is about: the member `kind` of its content.
pub(crate) const TASK: &str = "task";
pub(crate) const FAILED: &str = "failure";
pub(crate) const UNREADABLE: &str = "unreadable";
/// A write that keeps systems in agreement was refused, or a field goes to and fro.
pub(crate) const WRITE: &str = "write";
/// Two systems differ about a field that neither owns.
pub(crate) const CONFLICT: &str = "conflict";
/// It is not clear which object a record is.
pub(crate) const IDENTITY: &str = "identity";
/// A system has records already that it takes for the one to be made: which one is it?
pub(crate) const EXISTING: &str = "existing";
/// An object was deleted in one system: what becomes of its record in another?
pub(crate) const DELETED: &str = "deleted";
/// Two systems differ, as a comparison of all records found.
pub(crate) const FINDING: &str = "finding";
/// Something to know; a person has seen it.
pub(crate) const NOTICE: &str = "notice";

/// A work item to be opened.
pub(super) struct NewItem<'a> {
    pub(super) queue: &'a str,
    pub(super) matter: TransactionId,
    pub(super) run: Option<(RunId, Vec<u8>)>,
    pub(super) title: String,
    pub(super) reason: String,
    pub(super) amount: Option<Money>,
    pub(super) content: Value,
}

impl LaneTask {
    /// A workflow asks people.
    pub(super) fn ask_people(
        &mut self,
        round: &mut Round,
        id: RunId,
        position: &Position,
        queue: &Arc<Queue>,
        input: &Value,
    ) {
        let Some(run) = self.runs.get(&id) else { return };
        let matter = run.matter;
        let text = |name: &str| input.get(name).as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let title = text("title").or_else(|| self.matters.get(&matter).map(|matter| matter.title.to_string()));
        let mut content = Value::object([
            ("kind", Value::from(TASK)),
            ("record", input.get("record").clone()),
            ("allow", input.get("allow").clone()),
            ("workflow", Value::from(Arc::clone(run.pinned.name()))),
            ("pointer", Value::from(Arc::clone(&position.pointer))),
        ]);
        if !input.get("fields").is_null() {
            content.set("fields", input.get("fields").clone());
        }
        let item = NewItem {
            queue: queue.name.as_str(),
            matter,
            run: Some((id, position.to_string().into_bytes())),
            title: title.unwrap_or_else(|| queue.title.to_string()),
            reason: text("reason").unwrap_or_else(|| queue.purpose.to_string()),
            amount: Money::from_value(input.get("amount")),
            content,
        };
        self.open(round, item);
    }

    /// A run failed: a person retries it, with another input if need be, or cancels it.
    pub(super) fn failed(&mut self, round: &mut Round, id: RunId, fault: &Fault) {
        let Some(run) = self.runs.get(&id) else { return };
        let matter = run.matter;
        let (pointer, input) = match run.state.failed() {
            Some((pointer, input)) => (Arc::clone(pointer), input.cloned()),
            None => (Arc::clone(&fault.instance), None),
        };
        let allow = match &input {
            Some(_) => Value::array(["retry", "correct", "cancel"]),
            None => Value::array(["correct", "cancel"]),
        };
        let what = self.matters.get(&matter).map_or_else(|| run.key.to_string(), |matter| matter.title.to_string());
        let reason = fault.detail.as_deref().or(fault.title.as_deref()).unwrap_or("it failed without a word");
        let name = pointer.rsplit('/').next().unwrap_or_default();
        let title = format!("{what}: {name} of {} failed", run.pinned.name());
        let mut content = Value::object([
            ("kind", Value::from(FAILED)),
            ("record", input.unwrap_or_default()),
            ("allow", allow),
            ("fault", fault.to_value()),
            ("pointer", Value::from(pointer)),
            ("workflow", Value::from(Arc::clone(run.pinned.name()))),
        ]);
        add_unmapped(&mut content, fault);
        let item = NewItem {
            queue: INTEGRATION,
            matter,
            run: Some((id, FAILURE.to_vec())),
            title,
            reason: reason.to_owned(),
            amount: self.matters.get(&matter).and_then(|matter| matter.amount),
            content,
        };
        let detail = Value::object([("fault", fault.to_value())]);
        round.mutations.push(line(matter, round.now, "failed", None, format!("Failed: {reason}"), detail));
        self.open(round, item);
    }

    /// Opens an item.
    pub(super) fn open(&self, round: &mut Round, item: NewItem<'_>) {
        let queue = self.core.release.queues.get(item.queue);
        let label = queue.map_or_else(|| item.queue.to_owned(), |queue| queue.title.to_string());
        let title = shortened(item.title, TITLE_MAX);
        let reason = shortened(item.reason, REASON_MAX);
        let detail = Value::object([
            ("queue", Value::from(item.queue)),
            ("reason", Value::from(reason.as_str())),
            ("record", summary(item.content.get("record"))),
        ]);
        let sentence = format!("Waits for a person: {label}");
        round.mutations.push(line(item.matter, round.now, "work-item", None, sentence, detail));
        let mut row = WorkItemRow {
            id: WorkItemId::new(LaneId::of(item.matter.uuid()).id(Workload::of(item.matter.uuid()))),
            queue: item.queue.into(),
            transaction: item.matter,
            run: item.run,
            status: WorkItemStatus::Open,
            title: title.into(),
            reason: reason.into(),
            amount: item.amount,
            content: item.content,
            opened_at: round.now,
            due_at: due(round.now, queue.map_or(CLOCK, |queue| queue.clock)),
            resolution: Value::Null,
        };
        self.prepare_hook(round, &mut row);
        round.mutations.push(Mutation::PutWorkItem(row));
    }
}

fn due(now: Timestamp, clock: Duration) -> Timestamp {
    let clock = SignedDuration::try_from(clock).unwrap_or(SignedDuration::MAX);
    now.checked_add(clock).unwrap_or(Timestamp::MAX)
}

/// Values that no value map knows and for which a call was refused: who mends the maps looks for them in the item.
pub(super) fn add_unmapped(content: &mut Value, fault: &Fault) {
    let unmapped = fault.data.get("unmapped");
    if !unmapped.is_null() {
        content.set("unmapped", unmapped.clone());
    }
}
