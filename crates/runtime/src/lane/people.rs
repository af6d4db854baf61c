//! What people do: decide on work items, and retry, cancel, halt or resume runs.

use std::sync::Arc;

use model::{Problem, RunId, Value, WorkItemId};
use store::{Mutation, WorkItemRow, WorkItemStatus};
use workflow::{Input, Position};

use super::LaneTask;
use super::direct::DOUBT;
use super::queues::{CONFLICT, DELETED, EXISTING, FAILED, FINDING, IDENTITY, NOTICE, UNREADABLE, WRITE};
use super::round::Round;
use super::runs::{NewRun, Told};
use crate::journal::line;
use crate::work::{Pinned, item_of, parent_of};
use crate::workload::Workload;
use crate::{Decision, RunOperation};

/// Longest note, in characters.
const NOTE_MAX: usize = 2_000;

/// What is known of an action.
struct Allowed {
    edit: bool,
    note_required: bool,
}

impl LaneTask {
    pub(super) fn decide(&mut self, round: &mut Round, id: WorkItemId, decision: Decision) -> Result<(), Problem> {
        let missing = || {
            let message = format!("There is no work item {id}");
            Problem::new("IL-RUN-002", message, "Go back to the queue: it shows what is open")
        };
        let item = round.loaded.items.get(&id).cloned().flatten().ok_or_else(missing)?;
        if item.status != WorkItemStatus::Open || round.resolved.contains(&id) || round.has_withdrawn(&item) {
            return Err(not_open(&item));
        }
        if let Some((run, _)) = &item.run
            && let Some(Some(problem)) = round.loaded.gone.get(run)
        {
            return Err(problem.clone());
        }
        let kind = item.content.get("kind").as_str().unwrap_or_default().to_owned();
        let allowed = self.allowed(&item, &kind, &decision.action)?;
        let note = decision.note.clone().filter(|note| !note.trim().is_empty());
        if allowed.note_required && note.is_none() {
            let message = format!("`{}` needs a note", decision.action);
            return Err(Problem::new("IL-RUN-005", message, "Say in a sentence why"));
        }
        if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_MAX) {
            let message = format!("The note is longer than {NOTE_MAX} characters");
            return Err(Problem::new("IL-RUN-005", message, "Keep to what the next reader needs"));
        }
        if decision.record.is_some() && !allowed.edit {
            let message = format!("`{}` does not take another record", decision.action);
            return Err(Problem::new(
                "IL-RUN-006",
                message,
                "Choose an action that corrects, or leave the record as it is",
            ));
        }
        if let Some(record) = &decision.record {
            keeps_to_fields(&item.content, record)?;
        }
        let place = round.mutations.len();
        match &*kind {
            FAILED => self.decide_failure(round, &item, &decision)?,
            UNREADABLE | IDENTITY => self.decide_record(round, &item, &decision.action)?,
            FINDING => self.decide_finding(round, &item, &decision.action)?,
            NOTICE => {}
            WRITE | CONFLICT | DELETED | EXISTING => self.decide_agreement(round, &item, &decision)?,
            DOUBT => {
                let place = place_of(&item).ok_or_else(|| not_open(&item))?;
                let record = decision.record.clone();
                if !self.decide_doubt(round, place, &decision.action, &item.content, record) {
                    return Err(not_open(&item));
                }
            }
            _ => self.decide_task(round, &item, &decision, note.as_ref())?,
        }
        // What a person did stands in front of what follows from it.
        let label = self.label(&item.queue, &decision.action);
        let detail = Value::object([
            ("action", Value::from(Arc::clone(&decision.action))),
            ("by", Value::from(Arc::clone(&decision.by))),
            ("note", Value::from(note.clone())),
            ("edited", Value::from(decision.record.is_some())),
        ]);
        let title = format!("{}: {label}", decision.by);
        let resolution = Value::object([
            ("action", Value::from(Arc::clone(&decision.action))),
            ("by", Value::from(Arc::clone(&decision.by))),
            ("note", Value::from(note)),
            ("record", decision.record.into()),
            ("at", Value::from(round.now.to_string())),
        ]);
        round.mutations.insert(place, line(item.transaction, round.now, "decided", None, title, detail));
        let resolved = WorkItemRow { status: WorkItemStatus::Resolved, resolution, ..item };
        round.mutations.insert(place, Mutation::PutWorkItem(resolved));
        round.resolved.insert(id);
        Ok(())
    }

    fn allowed(&self, item: &WorkItemRow, kind: &str, action: &str) -> Result<Allowed, Problem> {
        let names = item.content.get("allow").items();
        let listed = names.is_empty() || names.iter().any(|name| name.as_str() == Some(action));
        let known = self.core.release.queues.get(&*item.queue).and_then(|queue| queue.actions.get(action));
        let own = match (kind, action) {
            (FAILED, "retry" | "cancel") | (UNREADABLE, "retry" | "dismiss") => {
                Some(Allowed { edit: false, note_required: false })
            }
            (NOTICE, "dismiss") | (WRITE | FINDING, "retry" | "dismiss") => {
                Some(Allowed { edit: false, note_required: false })
            }
            (CONFLICT, action) if action.starts_with("keep-") => Some(Allowed { edit: false, note_required: false }),
            (DELETED | IDENTITY | EXISTING, _) => Some(Allowed { edit: false, note_required: false }),
            (FAILED, "correct") | (DOUBT, "answer") => Some(Allowed { edit: true, note_required: false }),
            (DOUBT, "again" | "fail") => Some(Allowed { edit: false, note_required: false }),
            _ => None,
        };
        let allowed = match (known, own) {
            (Some(known), Some(own)) => Some(Allowed { edit: own.edit, note_required: known.note_required }),
            (Some(known), None)
                if ![FAILED, UNREADABLE, NOTICE, DOUBT, WRITE, CONFLICT, DELETED, IDENTITY, EXISTING, FINDING]
                    .contains(&kind) =>
            {
                Some(Allowed { edit: known.edit, note_required: known.note_required })
            }
            (None, own) => own,
            (Some(_), None) => None,
        };
        allowed.filter(|_| listed).ok_or_else(|| {
            let possible: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            let remedy = match possible.is_empty() {
                true => "Choose one of the actions that its queue defines".to_owned(),
                false => format!("Choose one of: {}", possible.join(", ")),
            };
            Problem::new("IL-RUN-004", format!("`{action}` is not possible with this work item"), remedy)
        })
    }

    fn label(&self, queue: &str, action: &str) -> String {
        let known = self.core.release.queues.get(queue).and_then(|queue| queue.actions.get(action));
        known.map_or_else(|| action.to_owned(), |known| known.label.to_string())
    }

    fn decide_task(
        &mut self,
        round: &mut Round,
        item: &WorkItemRow,
        decision: &Decision,
        note: Option<&Arc<str>>,
    ) -> Result<(), Problem> {
        let (run, position) = place_of(item).ok_or_else(|| not_open(item))?;
        let record = decision.record.clone().unwrap_or_else(|| item.content.get("record").clone());
        let answer = Value::object([
            ("action", Value::from(Arc::clone(&decision.action))),
            ("by", Value::from(Arc::clone(&decision.by))),
            ("note", Value::from(note.cloned())),
            ("record", record),
        ]);
        match self.step(round, run, Input::Returned { position, result: Ok(answer) })? {
            Told::Taken => Ok(()),
            Told::Ignored => {
                let resolution = Value::object([("reason", "nobody waits for it any more")]);
                let withdrawn = WorkItemRow { status: WorkItemStatus::Withdrawn, resolution, ..item.clone() };
                round.mutations.push(Mutation::PutWorkItem(withdrawn));
                Err(not_open(item))
            }
        }
    }

    fn decide_failure(&mut self, round: &mut Round, item: &WorkItemRow, decision: &Decision) -> Result<(), Problem> {
        let Some((run, _)) = item.run else { return Err(not_open(item)) };
        let input = match &*decision.action {
            "cancel" => {
                Input::Cancel { reason: Value::from(decision.note.clone().unwrap_or_else(|| "cancelled".into())) }
            }
            _ => Input::Retry {
                pointer: item.content.get("pointer").as_str().map(Arc::from),
                input: decision.record.clone(),
            },
        };
        match self.step(round, run, input)? {
            Told::Taken => Ok(()),
            Told::Ignored => Err(not_open(item)),
        }
    }

    pub(super) fn operate(
        &mut self,
        round: &mut Round,
        id: RunId,
        operation: RunOperation,
        by: &Arc<str>,
    ) -> Result<(), Problem> {
        if let Some(Some(problem)) = round.loaded.gone.get(&id) {
            return Err(problem.clone());
        }
        let Some(run) = self.runs.get(&id) else {
            let message = format!("There is no run {id} that has not ended");
            return Err(Problem::new("IL-RUN-007", message, "Look it up again: it may have ended meanwhile"));
        };
        let matter = run.matter;
        let name = Arc::clone(run.pinned.name());
        let (input, did) = match operation {
            RunOperation::Restart => return self.restart(round, id, by),
            RunOperation::Retry { input } => {
                let did = if input.is_some() { "retried with another input" } else { "retried" };
                (Input::Retry { pointer: None, input }, did)
            }
            RunOperation::Cancel { reason } => (Input::Cancel { reason: Value::from(reason) }, "cancelled"),
            RunOperation::Suspend => (Input::Suspend, "halted"),
            RunOperation::Resume => (Input::Resume, "resumed"),
        };
        let place = round.mutations.len();
        if self.step(round, id, input)? == Told::Ignored {
            let message = format!("{name} already stands so that it cannot be {did}");
            return Err(Problem::new("IL-RUN-008", message, "Look at where the run stands now"));
        }
        let title = format!("{by}: {name} {did}");
        round.mutations.insert(place, line(matter, round.now, "operated", None, title, Value::Null));
        Ok(())
    }
}

/// Refuses a record that differs in members which the task does not offer for correction.
fn keeps_to_fields(content: &Value, record: &Value) -> Result<(), Problem> {
    let fields = content.get("fields").items();
    if fields.is_empty() {
        return Ok(());
    }
    let shown = content.get("record");
    let names = [shown, record].into_iter().filter_map(Value::as_object).flat_map(|members| members.keys());
    let offered = |name: &str| fields.iter().any(|field| field.as_str() == Some(name));
    let mut others: Vec<&str> = names
        .map(|name| &**name)
        .filter(|name| !offered(name))
        .filter(|name| shown.has(name) != record.has(name) || shown.get(name) != record.get(name))
        .collect();
    others.sort_unstable();
    others.dedup();
    if others.is_empty() && (record.as_object().is_some() || record == shown) {
        return Ok(());
    }
    let message = match others.as_slice() {
        [] => "The record is no object any more".to_owned(),
        others => format!("The task does not offer `{}` for correction", others.join("`, `")),
    };
    let fields: Vec<&str> = fields.iter().filter_map(Value::as_str).collect();
    let remedy = format!("Change only `{}`, and leave the rest of the record as it is", fields.join("`, `"));
    Err(Problem::new("IL-RUN-022", message, remedy))
}

impl LaneTask {
    /// Begins a run anew. It does not take back what it did: that is looked for, where it can be, before it is done again.
    fn restart(&mut self, round: &mut Round, id: RunId, by: &Arc<str>) -> Result<(), Problem> {
        let Some(run) = self.runs.get(&id) else { return Ok(()) };
        if parent_of(&run.key).is_some() {
            let message = "This run was started by another one, which waits for it";
            return Err(Problem::new(
                "IL-RUN-017",
                message,
                "Restart the run that started it, or retry the failed task",
            ));
        }
        if item_of(&run.key).is_some() {
            let message = "This run decides a work item, which is put to it once";
            return Err(Problem::new("IL-RUN-017", message, "Cancel it, and decide the work item"));
        }
        let document = &run.pinned.definition.workflow;
        let live = self.core.release.workflow(document.namespace(), document.name(), document.version());
        let pinned = live.map_or_else(|| run.pinned.clone(), |live| Pinned::new(Arc::clone(live)));
        let (key, matter) = (Arc::clone(&run.key), run.matter);
        let input = round.loaded.inputs.get(&id).cloned().ok_or_else(|| {
            let message = "What the run was started with cannot be read";
            Problem::new("IL-RUN-018", message, "Cancel it, and start another one")
        })?;
        let title = format!("{by}: {} restarted", pinned.name());
        round.mutations.push(line(matter, round.now, "operated", None, title, Value::Null));
        self.step(round, id, Input::End { reason: Value::from("restarted") })?;
        // Its key is for the new one.
        round.touched.shift_remove(&id);
        self.runs.remove(&id);
        self.remove_run(round, id);
        if let Some(row) = self.matters.get_mut(&matter) {
            row.closed = false;
            row.stage = "new".into();
        }
        let new = NewRun {
            id: RunId::new(self.lane_of(id).id(Workload::of(id.uuid()))),
            key,
            matter,
            started_at: round.now,
            in_doubt: true,
        };
        self.begin(round, new, &pinned, input);
        Ok(())
    }
}

/// The run that waits for the item, and where.
fn place_of(item: &WorkItemRow) -> Option<(RunId, Position)> {
    let (run, position) = item.run.as_ref()?;
    Some((*run, std::str::from_utf8(position).ok()?.parse().ok()?))
}

fn not_open(item: &WorkItemRow) -> Problem {
    let by = item.resolution.get("by").as_str().map(|by| format!(" by {by}")).unwrap_or_default();
    let message =
        format!("The work item \"{}\" is not open any more: it was resolved or withdrawn meanwhile{by}", item.title);
    Problem::new("IL-RUN-003", message, "Reload the queue")
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    #[test]
    fn only_what_a_task_offers_can_be_corrected() {
        let value = |text: &str| json::parse(text.as_bytes()).expect("JSON");
        let content =
            value(r#"{"record": {"total": 5.0, "city": "Leeds", "lines": [1]}, "fields": ["total", "note"]}"#);
        let refused = |record: &str| keeps_to_fields(&content, &value(record)).err().map(|problem| problem.message);
        for right in [
            r#"{"lines": [1], "total": 7, "city": "Leeds"}"#,
            r#"{"city": "Leeds", "lines": [1], "note": "new"}"#,
            r#"{"total": 5, "city": "Leeds", "lines": [1]}"#,
        ] {
            assert_eq!(refused(right), None, "{right}");
        }
        for (wrong, names) in [
            (r#"{"total": 5, "city": "York", "lines": [1]}"#, "`city`"),
            (r#"{"total": 5, "lines": [2]}"#, "`city`, `lines`"),
            (r#"{"total": 5, "city": "Leeds", "lines": [1], "more": null}"#, "`more`"),
            ("7", "`city`, `lines`"),
        ] {
            assert!(refused(wrong).is_some_and(|told| told.contains(names)), "{wrong}");
        }
        assert_eq!(keeps_to_fields(&value(r#"{"record": {"a": 1}}"#), &value("7")), Ok(()), "all members are offered");
    }
}
