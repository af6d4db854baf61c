//! Work that cannot be done now because something that it concerns cannot be read: it is done a little later, and not lost.

use std::sync::PoisonError;

use model::{Problem, RunId, TransactionId, Value, WorkItemId};
use store::TransactionRow;

use super::agreement::{side_of, unread, withdrawn};
use super::load::DAMAGED;
use super::queues::{INTEGRATION, NOTICE, NewItem};
use super::round::Round;
use super::{Held, LaneTask};
use crate::lane_id::LaneId;
use crate::matter::RECORD;
use crate::work::{Work, item_of, parent_of};

/// Where the item about a damaged object belongs, in place of a task's pointer.
const DAMAGED_PLACE: &str = "/@damaged/";
/// What stays as it is until a person mends it: damaged rows, and runs whose text or state is of no use.
const LASTING: [&str; 4] = [DAMAGED, "IL-STORE-006", "IL-RUN-010", "IL-RUN-011"];

/// What stands in the way of work.
pub(super) struct Obstacle {
    /// Where the work belongs.
    pub(super) lane: LaneId,
    pub(super) problem: Problem,
}

impl Obstacle {
    /// Whether it may be gone after a while.
    pub(super) fn heals(&self) -> bool {
        !LASTING.contains(&self.problem.code)
    }
}

impl LaneTask {
    /// Why work that nobody waits for cannot be done now.
    pub(super) fn obstacle(&self, round: &Round, work: &Work) -> Option<Obstacle> {
        let loaded = &round.loaded;
        if loaded.gone.is_empty() && loaded.unread.is_empty() && loaded.damaged.is_empty() && !loaded.incomplete {
            return None;
        }
        let of_run =
            |run: RunId| self.run_unread(round, run).map(|problem| Obstacle { lane: LaneId::of(run.uuid()), problem });
        let of_intent = |id| self.of_intent(round, self.intents.get(id)?);
        match work {
            Work::Hear { run, .. } | Work::Fire { run, .. } | Work::Operate { run, answer: None, .. } => of_run(*run),
            Work::Report(dispatch::Report::Done(outcome)) => of_intent(&outcome.intent),
            Work::Exists(exists) => of_intent(&exists.outcome.intent),
            Work::Lost { intent, .. } => of_intent(intent),
            Work::Performed(performed) => of_intent(&performed.intent),
            Work::Review(pair, _) => {
                let lacks = !loaded.matters.contains_key(pair);
                let problem = loaded.damaged.get(pair).cloned().or_else(|| lacks.then(unread))?;
                Some(Obstacle { lane: LaneId::of_matter(&pair.0, &pair.1), problem })
            }
            Work::Settled { key, .. } => {
                let lacks = !loaded.matters.contains_key(&(RECORD.into(), std::sync::Arc::clone(key)));
                lacks.then(|| Obstacle { lane: LaneId::of_matter(RECORD, key), problem: unread() })
            }
            _ => None,
        }
    }

    /// Work that cannot be done before somebody mends what is stored. What it is about is found again at the next start.
    pub(super) fn left(&self, round: &mut Round, work: Work, problem: &Problem) {
        tracing::error!(code = problem.code, %problem, "something cannot be done, as it cannot be read what it concerns");
        let matter = match &work {
            Work::Report(dispatch::Report::Done(outcome)) => self.intents.get(&outcome.intent).map(|held| held.matter),
            Work::Exists(exists) => self.intents.get(&exists.outcome.intent).map(|held| held.matter),
            Work::Lost { intent, .. } => self.intents.get(intent).map(|held| held.matter),
            Work::Review(pair, _) => round.loaded.matters.get(pair).and_then(|row| row.as_ref()).map(|row| row.id),
            _ => None,
        };
        if let Some(row) = matter.and_then(|matter| self.matters.get(&matter)).cloned() {
            self.tell_damaged(round, &row, problem);
        }
        if let Work::Review(_, answer) = work {
            round.answer(answer, Err(problem.clone()));
        }
    }

    /// People are told once that what is agreed about an object cannot be read. What else its feeds bring goes on.
    pub(super) fn tell_damaged(&self, round: &mut Round, row: &TransactionRow, problem: &Problem) {
        let mut told = self.core.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.insert(row.id) {
            return;
        }
        round.mutations.push(withdrawn(row.id, DAMAGED_PLACE));
        let item = NewItem {
            queue: INTEGRATION,
            matter: row.id,
            run: Some((RunId::new(row.id.uuid()), DAMAGED_PLACE.as_bytes().to_vec())),
            title: format!("{} is not kept in agreement", row.title),
            reason: format!("{}. {}", problem.message, problem.remedy),
            amount: row.amount,
            content: Value::object([("kind", Value::from(NOTICE)), ("allow", Value::array(["dismiss"]))]),
        };
        self.open(round, item);
    }

    /// What a feed brings of an object that cannot be read is passed over when that lasts: it must not keep the feed from going on.
    ///
    /// # Errors
    /// When it may be read later.
    pub(super) fn pass_damaged(
        &self,
        round: &mut Round,
        row: Option<&TransactionRow>,
        problem: Problem,
    ) -> Result<(), Problem> {
        if !LASTING.contains(&problem.code) {
            return Err(problem);
        }
        match row {
            Some(row) => self.tell_damaged(round, row, &problem),
            None => tracing::error!(code = problem.code, %problem, "an object is not kept in agreement"),
        }
        Ok(())
    }

    fn of_intent(&self, round: &Round, held: &Held) -> Option<Obstacle> {
        let problem = match side_of(&held.position) {
            None => self.run_unread(round, held.row.run),
            Some(_) => round.loaded.unread.get(&held.matter).cloned().or_else(|| {
                let row = self.matters.get(&held.matter)?;
                round.loaded.damaged.get(&(row.object.clone(), row.key.clone())).cloned()
            }),
        };
        problem.map(|problem| Obstacle { lane: LaneId::of(held.row.run.uuid()), problem })
    }

    /// Why it cannot be read now what the answer of a run decides.
    fn answer_unread(&self, round: &Round, item: WorkItemId, matter: TransactionId) -> Option<Problem> {
        if !round.loaded.items.contains_key(&item) {
            return Some(unread());
        }
        let row = self.matters.get(&matter)?;
        let problem = round.loaded.damaged.get(&(row.object.clone(), row.key.clone()))?;
        // One that stays so is told to people with the item.
        (!LASTING.contains(&problem.code)).then(|| problem.clone())
    }

    /// Why a run, or one that waits for its end, cannot be read.
    fn run_unread(&self, round: &Round, run: RunId) -> Option<Problem> {
        let mut next = Some(run);
        while let Some(id) = next {
            if let Some(gone) = round.loaded.gone.get(&id) {
                return gone.clone();
            }
            let run = self.runs.get(&id)?;
            if let Some(problem) = round.loaded.unread.get(&run.matter) {
                return Some(problem.clone());
            }
            if let Some(item) = item_of(&run.key) {
                return self.answer_unread(round, item, run.matter);
            }
            next = parent_of(&run.key).map(|(parent, _)| parent);
        }
        None
    }
}
