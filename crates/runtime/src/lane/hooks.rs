//! Workflows that are asked what would otherwise be asked of a person. Each such item has a run of its own: it begins in the commit
//! that opens the item, in the same lane and the same matter, and the commit that ends it holds what follows from its answer. So
//! there is one run for each item whatever happens, and its answer counts once. An item that nobody decides so is a person's.

use std::sync::Arc;

use definitions::{Hook, Question};
use indexmap::IndexMap;
use model::{RunId, TransactionId, Value, WorkItemId};
use store::{Mutation, WorkItemRow, WorkItemStatus};
use sync::{Agreement, Retired, object_of};
use workflow::{Fault, Input};

use super::LaneTask;
use super::agreement::{Pair, WRITE_PLACE};
use super::gone::RETIRE_PLACE;
use super::queues::{CONFLICT, DELETED, REASON_MAX, WRITE};
use super::round::{After, Other, Round};
use super::runs::NewRun;
use crate::Decision;
use crate::journal::{line, shortened};
use crate::lane_id::LaneId;
use crate::work::{Pinned, item_key, item_of, parent_of};
use crate::workload::Workload;

/// The member of an item's content that says which workflow is asked, and why it did not decide.
const HOOK: &str = "hook";
/// In that member: why the workflow did not decide.
const UNDECIDED: &str = "undecided";
/// The action of a workflow that leaves an item to people.
const ASK: &str = "ask";
/// How often in a row a workflow may have a write tried again: one that does so at once would go on for ever.
const TRIED_MAX: u32 = 100;
/// Longest sentence about why a workflow did not decide, in characters.
const WHY_MAX: usize = 600;
/// The member of a stored state that counts these.
const TRIED: &str = "tried";

/// What came of a run that was to decide a work item.
pub(super) struct Said {
    pub(super) item: WorkItemId,
    /// The workflow.
    pub(super) by: Arc<str>,
    pub(super) result: Result<Value, Fault>,
}

/// Where an item stands whose workflow is under way: its matter and its place.
pub(super) type Place = (TransactionId, Vec<u8>);

/// A workflow that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deciding {
    pub(super) item: WorkItemId,
    pub(super) run: RunId,
}

/// How often workflows had writes of an object tried again, by place, as long as these are not taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Tried(IndexMap<Arc<str>, u32>);

impl Tried {
    pub(super) fn of_state(state: &Value) -> Self {
        let counted = state.get(TRIED).as_object().into_iter().flatten();
        let number = |value: &Value| value.as_i64().and_then(|number| u32::try_from(number).ok());
        Self(counted.filter_map(|(place, value)| Some((place.clone().into(), number(value)?))).collect())
    }

    pub(super) fn put_into(&self, state: &mut Value) {
        if !self.0.is_empty() {
            let counted = self.0.iter().map(|(place, times)| (Arc::clone(place), Value::from(i64::from(*times))));
            state.set(TRIED, Value::object(counted));
        }
    }

    /// It was taken, or a person decided. Gives whether it was counted.
    pub(super) fn over(&mut self, place: &str) -> bool {
        self.0.shift_remove(place).is_some()
    }

    /// Forgets those that are neither refused nor tried.
    pub(super) fn settle(&mut self, agreement: &Agreement) {
        self.0.retain(|place, _| {
            if let Some(holding) = place.strip_prefix(WRITE_PLACE).and_then(|side| agreement.sides.get(side)) {
                return holding.refused.is_some() || holding.waiting.is_some() || holding.checking;
            }
            let holding = place.strip_prefix(RETIRE_PLACE).and_then(|side| agreement.sides.get(side));
            let retired = holding.and_then(|holding| holding.retired.as_ref());
            matches!(retired, Some(Retired::Doing(_) | Retired::Undoing(_)))
        });
    }

    fn times(&self, place: &str) -> u32 {
        self.0.get(place).copied().unwrap_or_default()
    }
}

impl LaneTask {
    /// Has a workflow asked first when the definitions say so: the item names it and its run, and is put to it in this round.
    pub(super) fn prepare_hook(&self, round: &mut Round, row: &mut WorkItemRow) {
        let Some(hook) = self.hook_of(row) else { return };
        let run = RunId::new(LaneId::of(row.transaction.uuid()).id(Workload::named(&hook.name)));
        let about = [("workflow", Value::from(hook.to_string())), ("run", Value::from(run.to_string()))];
        row.content.set(HOOK, Value::object(about));
        round.loaded.items.insert(row.id, Some(row.clone()));
        round.others.push_back(Other::Ask(row.id));
    }

    fn hook_of(&self, row: &WorkItemRow) -> Option<&Hook> {
        let question = match row.content.get("kind").as_str()? {
            CONFLICT => Question::Conflict,
            DELETED => Question::Deleted,
            // What goes to and fro, or round in a circle, would only do so again.
            WRITE if row.content.has("side") => Question::Refused,
            _ => return None,
        };
        let object = &self.matters.get(&row.transaction)?.object;
        self.core.release.synchronised.get(&**object)?.hooks.get(&question)
    }

    /// Begins the run that is to decide an item which was just opened.
    pub(super) fn ask_hook(&mut self, round: &mut Round, item: WorkItemId) {
        let Some(row) = round.loaded.items.get(&item).cloned().flatten() else { return };
        let Some(hook) = self.hook_of(&row) else { return };
        let by: Arc<str> = format!("{}/{}", hook.namespace, hook.name).into();
        let pinned = self.core.workflow(&hook.namespace, &hook.name, &hook.version);
        let (Some(pinned), Some(run)) = (pinned, run_of(&row)) else {
            self.leave(round, row, format!("{by} is not asked: it is not in this release"));
            return;
        };
        let (tried, input) = self.put(&row);
        if tried >= TRIED_MAX {
            let sentence = format!("{by} is not asked again: it has had this tried {tried} times in a row");
            self.leave(round, row, sentence);
            return;
        }
        if let Some((_, place)) = &row.run {
            let asked = self.hooks.insert((row.transaction, place.clone()), Deciding { item, run });
            round.after.extend(asked.map(|asked| given_up(asked.run, "what it was asked is asked anew")));
        }
        let sentence = format!("{by} is asked first");
        round.mutations.push(line(row.transaction, round.now, "started", None, sentence, Value::Null));
        let new =
            NewRun { id: run, key: item_key(item), matter: row.transaction, started_at: round.now, in_doubt: false };
        self.begin(round, new, &pinned, input);
    }

    /// What a workflow is given about an item, and how often it has had the same tried again.
    fn put(&self, row: &WorkItemRow) -> (u32, Value) {
        let mut input = row.content.clone();
        input.remove(HOOK);
        let actions = input.remove("allow").unwrap_or_default();
        input.set("id", row.id.to_string());
        input.set("title", Arc::clone(&row.title));
        input.set("reason", Arc::clone(&row.reason));
        input.set("openedAt", row.opened_at.to_string());
        input.set("actions", actions);
        let mut tried = 0;
        if let Some(matter) = self.matters.get(&row.transaction) {
            let pair: Pair = (Arc::clone(&matter.object), Arc::clone(&matter.key));
            input.set("object", Arc::clone(&pair.0));
            input.set("key", Arc::clone(&pair.1));
            if let Some(agreed) = self.agreements.get(&pair) {
                let sides = agreed.agreement.sides.iter().map(|(side, holding)| {
                    let of_side = [("id", Value::from(holding.id.clone())), ("values", object_of(&holding.held))];
                    (Arc::<str>::from(side.as_str()), Value::object(of_side))
                });
                input.set("sides", Value::object(sides));
                input.set("agreed", object_of(&agreed.agreement.agreed));
                tried = agreed.tried.times(place_of(row));
            }
        }
        input.set("tried", i64::from(tried));
        (tried, input)
    }

    /// A run that was to decide an item is over. Its answer changes nothing when the item was decided or withdrawn meanwhile.
    pub(super) fn hook_said(&mut self, round: &mut Round, said: Said) {
        let Said { item, by, result } = said;
        let Some(row) = round.loaded.items.get(&item).cloned().flatten() else { return };
        if let Some((_, place)) = &row.run {
            let place = (row.transaction, place.clone());
            if self.hooks.get(&place).is_some_and(|asked| asked.item == item) {
                self.hooks.remove(&place);
            }
        }
        let is_open =
            row.status == WorkItemStatus::Open && !round.resolved.contains(&item) && !round.has_withdrawn(&row);
        if !is_open || !row.content.get(HOOK).get(UNDECIDED).is_null() {
            return;
        }
        let decision = match result.map(|output| answer(&output, &by)) {
            Ok(Ok(Answer::Decided(decision))) => decision,
            Ok(Ok(Answer::People(note))) => {
                let note = note.map(|note| format!(": {note}")).unwrap_or_default();
                return self.leave(round, row, format!("{by} leaves it to people{note}"));
            }
            Ok(Err(why)) => return self.leave(round, row, format!("{by} does not decide: {why}")),
            Err(fault) => {
                let why = fault.detail.as_deref().or(fault.title.as_deref()).unwrap_or("it failed without a word");
                return self.leave(round, row, format!("{by} does not decide: {why}"));
            }
        };
        let (tried, _) = self.put(&row);
        let again = &*decision.action == "retry";
        match self.decide(round, item, decision) {
            Ok(()) if again => self.count_tried(&row, tried + 1),
            Ok(()) => {}
            Err(problem) => {
                let why = format!("{by} does not decide: {}. {}", problem.message, problem.remedy);
                self.leave(round, row, why);
            }
        }
    }

    fn count_tried(&mut self, row: &WorkItemRow, times: u32) {
        let Some(matter) = self.matters.get(&row.transaction) else { return };
        let pair: Pair = (Arc::clone(&matter.object), Arc::clone(&matter.key));
        if let Some(agreed) = self.agreements.get_mut(&pair) {
            agreed.tried.0.insert(place_of(row).into(), times);
        }
    }

    /// An item is a person's, and says why.
    fn leave(&self, round: &mut Round, mut row: WorkItemRow, sentence: String) {
        let sentence = shortened(sentence, WHY_MAX);
        let reason = shortened(row.reason.trim_end_matches('.').to_owned(), REASON_MAX - WHY_MAX - 3);
        row.reason = format!("{reason}. {sentence}").into();
        let mut hook = row.content.get(HOOK).clone();
        hook.set(UNDECIDED, sentence.as_str());
        row.content.set(HOOK, hook);
        round.mutations.push(line(row.transaction, round.now, "work-item", None, sentence, Value::Null));
        round.mutations.push(Mutation::PutWorkItem(row.clone()));
        round.loaded.items.insert(row.id, Some(row));
    }

    /// A run that was to decide an item failed: it is over, as the item is there for a person already.
    pub(super) fn hook_failed(&mut self, round: &mut Round, id: RunId, item: WorkItemId, fault: Fault) {
        let Some(run) = self.runs.get(&id) else { return };
        let by = name_of(&run.pinned);
        let reason = fault.detail.as_deref().or(fault.title.as_deref()).unwrap_or("it failed without a word");
        let detail = Value::object([("fault", fault.to_value())]);
        round.mutations.push(line(run.matter, round.now, "failed", None, format!("Failed: {reason}"), detail));
        let reason = Value::from(reason);
        round.others.push_back(Other::Said(Said { item, by, result: Err(fault) }));
        round.others.push_back(Other::Input(id, Input::End { reason }));
    }

    /// The item that a run, or the one above it, is to decide.
    pub(super) fn item_above(&self, id: RunId) -> Option<WorkItemId> {
        let mut run = self.runs.get(&id)?;
        while let Some((parent, _)) = parent_of(&run.key) {
            run = self.runs.get(&parent)?;
        }
        item_of(&run.key)
    }

    /// A person decided an item: its workflow need not go on.
    pub(super) fn give_up_hook(&mut self, round: &mut Round, item: WorkItemId) {
        let Some((_, place)) = round.loaded.items.get(&item).and_then(|row| row.as_ref()?.run.clone()) else { return };
        let Some(row) = round.loaded.items.get(&item).and_then(Option::as_ref) else { return };
        if let Some(asked) = self.hooks.remove(&(row.transaction, place)) {
            round.after.push(given_up(asked.run, "a person decided what it was asked"));
        }
    }

    /// Workflows whose items are withdrawn in this round need not go on.
    pub(super) fn give_up_hooks(&mut self, round: &mut Round) {
        if self.hooks.is_empty() {
            return;
        }
        let withdrawn = round.mutations.iter().filter_map(|mutation| match mutation {
            Mutation::WithdrawWorkItems { transaction, position, .. } => Some((*transaction, position.clone())),
            _ => None,
        });
        for place in withdrawn.collect::<Vec<Place>>() {
            let Some(asked) = self.hooks.get(&place).copied() else { continue };
            if round.withdraws(asked.item, place.0, RunId::new(place.0.uuid()), &place.1) {
                self.hooks.remove(&place);
                round.after.push(given_up(asked.run, "what it was asked is settled otherwise"));
            }
        }
    }

    /// Takes up a workflow that was under way when the process ended.
    pub(crate) fn hold_hook(&mut self, item: &WorkItemRow) {
        if let (Some((_, place)), Some(run)) = (&item.run, run_of(item)) {
            self.hooks.insert((item.transaction, place.clone()), Deciding { item: item.id, run });
        }
    }
}

/// Whether a workflow is asked what an item asks, and has not answered yet.
pub(crate) fn is_asked(item: &WorkItemRow) -> bool {
    run_of(item).is_some() && item.content.get(HOOK).get(UNDECIDED).is_null()
}

fn run_of(item: &WorkItemRow) -> Option<RunId> {
    item.content.get(HOOK).get("run").as_str()?.parse().ok()
}

fn place_of(item: &WorkItemRow) -> &str {
    item.run.as_ref().and_then(|(_, place)| std::str::from_utf8(place).ok()).unwrap_or_default()
}

fn given_up(run: RunId, reason: &str) -> After {
    After::CancelRun { run, reason: reason.into(), by: "its work item" }
}

/// What people call a workflow that decides.
pub(super) fn name_of(pinned: &Pinned) -> Arc<str> {
    let workflow = &pinned.definition.workflow;
    format!("{}/{}", workflow.namespace(), workflow.name()).into()
}

/// What the output of a run says.
#[derive(Debug, PartialEq)]
enum Answer {
    Decided(Decision),
    /// It is left to people, for this reason.
    People(Option<Arc<str>>),
}

fn answer(output: &Value, by: &Arc<str>) -> Result<Answer, String> {
    let text = |name: &str| match output.get(name) {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(Arc::<str>::from(text.clone()))),
        other => Err(format!("`{name}` of its output is no text but {other}")),
    };
    if !output.is_null() && output.as_object().is_none() {
        return Err(format!("its output is no object with an `action` but {output}"));
    }
    let (action, note) = (text("action")?, text("note")?);
    let record = Some(output.get("record").clone()).filter(|record| !record.is_null());
    Ok(match action.filter(|action| **action != *ASK && !action.is_empty()) {
        Some(action) => Answer::Decided(Decision { action, by: Arc::clone(by), note, record }),
        None => Answer::People(note.filter(|note| !note.trim().is_empty())),
    })
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    #[test]
    fn an_output_is_a_decision_or_is_left_to_people_or_is_wrong() {
        let by: Arc<str> = "orders/decide".into();
        let said = |text: &str| answer(&json::parse(text.as_bytes()).expect("JSON"), &by);
        let decision = said(r#"{"action": "keep-crm", "note": "longer", "record": {"a": 1}, "more": 1}"#);
        let Ok(Answer::Decided(decision)) = decision else { panic!("{decision:?}") };
        assert_eq!((&*decision.action, decision.note.as_deref(), &*decision.by), ("keep-crm", Some("longer"), &*by));
        assert_eq!(decision.record.expect("a record").get("a").as_i64(), Some(1));
        for left in ["null", "{}", r#"{"action": "ask"}"#, r#"{"action": "", "note": " "}"#] {
            assert_eq!(said(left), Ok(Answer::People(None)), "{left}");
        }
        assert_eq!(said(r#"{"action": "ask", "note": "too hard"}"#), Ok(Answer::People(Some("too hard".into()))));
        for wrong in [r#""keep-crm""#, "[1]", r#"{"action": 7}"#, r#"{"action": "keep-crm", "note": ["x"]}"#] {
            assert!(said(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_tried_is_counted_until_it_is_taken() {
        let mut agreement = Agreement::default();
        agreement.sides.entry("erp".into()).or_default().refused = Some(Default::default());
        agreement.sides.entry("crm".into()).or_default();
        let mut tried = Tried::default();
        for place in ["/@sync/erp", "/@sync/crm", "/@retire/erp"] {
            tried.0.insert(place.into(), 3);
        }
        tried.settle(&agreement);
        let mut state = Value::empty_object();
        tried.put_into(&mut state);
        let mut tried = Tried::of_state(&state);
        assert_eq!((tried.0.len(), tried.times("/@sync/erp")), (1, 3));
        assert!(tried.over("/@sync/erp") && !tried.over("/@sync/erp"));
    }
}
