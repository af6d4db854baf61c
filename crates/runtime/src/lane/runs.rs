//! Starting runs and telling them what happened.

use std::collections::VecDeque;
use std::sync::Arc;

use model::{Problem, RunId, Value};
use store::{Mutation, RunStatus};
use workflow::{
    Command, Fault, FaultType, Input, Parts, Position, RunContext, RunState, Status, Stepped, TraceEntry, TraceEvent,
};

use super::hooks::{Said, name_of};
use super::queues::{INTEGRATION, NOTICE, NewItem};
use super::round::{After, Earlier, FIRST, Other, Round};
use super::{LaneTask, Run};
use crate::core::ToIntake;
use crate::direct::InDoubt;
use crate::journal::line;
use crate::matter;
use crate::routing::{connection_of, started_it};
use crate::watching::{Happening, hears_life_cycle};
use crate::work::{Event, Pinned, Start, child_key, first_key, item_of, key_on, parent_of, run_key};

/// How often one input may be followed by others in the same round, such as milestones in a loop that never waits.
pub(super) const FOLLOWED_MAX: usize = 10_000;
/// Where the work item of a failed run stands: not at a waiting point.
pub(super) const FAILURE: &[u8] = b"failure";

/// How many other inputs one input may make due.
struct Answers {
    due: VecDeque<Input>,
    given: usize,
}

impl LaneTask {
    /// Starts the run of an event, unless its key has one on this occasion that lives or has completed. While one on an earlier
    /// occasion lives, it waits.
    pub(super) fn start(&mut self, round: &mut Round, start: &Start) -> Result<(), Problem> {
        let first = run_key(&start.object, &start.key);
        let occasion = start.occasion.number.max(FIRST);
        let key = key_on(&first, occasion);
        let workflow = Arc::clone(start.definition.name());
        let place = (Arc::clone(&workflow), first);
        let unread = || Problem::new("IL-RUN-012", "The store cannot be read", "Look at the disk and the log");
        let runs = round.loaded.earlier.get(&place).ok_or_else(unread)?;
        let earlier = runs.range(..occasion).any(|(_, earlier)| self.lives(*earlier));
        let mut in_doubt = false;
        match runs.get(&occasion).copied() {
            None if earlier => {
                self.wait_for_its_turn(round, place, start);
                return Ok(());
            }
            None => {}
            Some(Earlier { run, status: RunStatus::Cancelled }) => {
                // What the cancelled run gave up may have happened all the same.
                self.remove_run(round, run);
                in_doubt = true;
            }
            Some(Earlier { .. }) => return Ok(()),
        }
        let lane = crate::lane_id::LaneId::of_matter(&start.object, &start.key);
        let (id, matter) = match start.matter {
            Some(matter) => {
                if !self.matters.contains_key(&matter) {
                    return Err(unread());
                }
                (crate::lane_id::LaneId::of(matter.uuid()).started_by(start.event.id, &workflow), matter)
            }
            None => {
                let pair = (Arc::clone(&start.object), Arc::clone(&start.key));
                let known = round.loaded.matters.get(&pair).ok_or_else(unread)?.clone();
                let mut row = known
                    .unwrap_or_else(|| matter::new(lane.matter(&start.object), &start.object, &start.key, round.now));
                row = self.matters.get(&row.id).cloned().unwrap_or(row);
                row.closed = false;
                row.updated_at = round.now;
                let matter = row.id;
                round.loaded.matters.insert(pair, Some(row.clone()));
                round.marked.insert(matter);
                self.matters.insert(matter, row);
                (lane.started_by(start.event.id, &workflow), matter)
            }
        };
        let new = Earlier { run: id, status: RunStatus::Live };
        round.loaded.earlier.entry(place).or_default().insert(occasion, new);
        round.arrived = Some(start.event.arrived);
        let title = match occasion {
            FIRST => format!("{} {} starts {workflow}", start.object, start.key),
            later => format!("{} {} starts {workflow} again, on occasion {later}", start.object, start.key),
        };
        let event = &start.event.envelope;
        let detail = Value::object([
            ("type", event.get("type").clone()),
            ("source", event.get("source").clone()),
            ("event", event.get("id").clone()),
        ]);
        round.mutations.push(line(matter, round.now, "started", connection_of(event), title, detail));
        if !self.core.correlations.of_event(event).is_empty() {
            // It is stored for those who may listen; the run that it started is not told of it again.
            round.mutations.push(Mutation::PutHeard { run: id, event: start.event.id });
        }
        let run = NewRun { id, key, matter, started_at: start.event.arrived, in_doubt };
        let input = start.definition.definition.workflow.starts().input(event);
        self.begin(round, run, &start.definition, input);
        Ok(())
    }

    /// Whether a run of another occasion has not ended.
    fn lives(&self, earlier: Earlier) -> bool {
        match self.runs.get(&earlier.run) {
            // It may have ended in this round.
            Some(run) => !matches!(run.state.status(), Status::Completed | Status::Cancelled),
            None => !matches!(earlier.status, RunStatus::Completed | RunStatus::Cancelled),
        }
    }

    /// The next occasion is looked at when the run has ended: the record says then what holds. Of several that wait, the last counts.
    fn wait_for_its_turn(&mut self, round: &mut Round, place: (Arc<str>, Arc<str>), start: &Start) {
        let (Some((feed, record)), false) = (&start.occasion.record, self.occasions.contains_key(&place)) else {
            return;
        };
        let row = intake::look_again_row(feed, record, round.now);
        round.mutations.push(Mutation::PutInbox(row.clone()));
        self.occasions.insert(place, row);
    }

    /// Whether another occasion waits for the end of this run.
    pub(super) fn is_waited_for(&self, run: &Run) -> bool {
        self.occasions.contains_key(&(Arc::clone(run.pinned.name()), first_key(&run.key)))
    }

    pub(super) fn begin(&mut self, round: &mut Round, new: NewRun, pinned: &Pinned, input: Value) {
        let context = RunContext { run: new.id.to_string().into(), started: round.now };
        let (state, stepped) = workflow::start(&pinned.definition.workflow, context, input.clone(), round.now);
        let NewRun { id, key, matter, started_at, in_doubt } = new;
        self.runs.insert(
            id,
            Run {
                id,
                pinned: pinned.clone(),
                key,
                matter,
                started_at,
                in_doubt,
                state,
                parts: Parts::default(),
                new_input: Some(input),
            },
        );
        self.count_start();
        self.settle(round, id, stepped);
    }

    /// Tells a run something. What a step refuses is logged: only people can ask for what a run refuses.
    pub(super) fn tell(&mut self, round: &mut Round, id: RunId, input: Input) -> Told {
        let result = self.step(round, id, input);
        match result {
            Ok(told) => told,
            Err(problem) => {
                tracing::error!(run = %id, code = problem.code, %problem, "a run could not be told what happened");
                Told::Ignored
            }
        }
    }

    /// One step of a run and all that follows within it.
    pub(super) fn step(&mut self, round: &mut Round, id: RunId, input: Input) -> Result<Told, Problem> {
        let Some(run) = self.runs.get_mut(&id) else { return Ok(Told::Ignored) };
        let failed = run.state.status() == Status::Failed;
        let goes_on = failed && matches!(input, Input::Retry { .. } | Input::Cancel { .. } | Input::End { .. });
        let stepped = workflow::step(&run.pinned.definition.workflow, &mut run.state, input, round.now);
        let stepped = stepped.map_err(|error| {
            let remedy = match error {
                workflow::StepError::InputGone(_) => "Correct the input and retry with it",
                _ => "Look at where the run stands now",
            };
            Problem::new("IL-RUN-008", format!("This cannot be done with the run: {error}"), remedy)
        })?;
        if stepped.ignored.is_some() && stepped.commands.is_empty() {
            return Ok(Told::Ignored);
        }
        if goes_on {
            round.mutations.push(Mutation::WithdrawWorkItems {
                transaction: run.matter,
                run: id,
                position: FAILURE.to_vec(),
                resolution: Value::object([("reason", "the run went on or was ended")]),
            });
        }
        self.settle(round, id, stepped);
        Ok(Told::Taken)
    }

    /// Does what a step asks for, and steps again with what is answered at once.
    fn settle(&mut self, round: &mut Round, id: RunId, mut stepped: Stepped) {
        let mut answers = Answers { due: VecDeque::new(), given: 0 };
        round.touched.insert(id);
        loop {
            let output = stepped.commands.iter().find_map(|command| match command {
                Command::Complete { output } => Some(output.clone()),
                _ => None,
            });
            self.watched(round, id, stepped.trace, output.as_ref());
            for command in stepped.commands {
                self.command(round, id, command, &mut answers.due);
            }
            let Some(mut input) = answers.due.pop_front() else { return };
            answers.given += 1;
            if answers.given > FOLLOWED_MAX
                && let Input::Returned { result, .. } = &mut input
            {
                let detail = "more than 10,000 calls in a row were answered at once: this loop never waits";
                *result = Err(Fault::new(FaultType::Runtime, detail));
            }
            if answers.given > FOLLOWED_MAX * 2 {
                tracing::error!(run = %id, "a run does not come to rest");
                return;
            }
            let Some(run) = self.runs.get_mut(&id) else { return };
            match workflow::step(&run.pinned.definition.workflow, &mut run.state, input, round.now) {
                Ok(next) => stepped = next,
                Err(error) => {
                    tracing::error!(run = %id, %error, "a run could not be told what was answered at once");
                    return;
                }
            }
        }
    }

    /// A run failed. What a run above it catches goes there, and this one is over; anything else stays where it happened, for a
    /// person to mend. Where nobody is there to be asked, it goes to the run above either way.
    pub(super) fn fail(&mut self, round: &mut Round, id: RunId, fault: Fault) {
        let event = TraceEvent::Faulted(fault.clone());
        self.watched(round, id, vec![TraceEntry { pointer: "".into(), iterations: Vec::new(), event }], None);
        self.told_waiters(round, id, &Err(fault.clone()));
        let parent = self.runs.get(&id).and_then(|run| parent_of(&run.key));
        // Whoever is asked where a workflow does not decide has an item already.
        let waits =
            |(parent, position): &(RunId, Position)| self.taken_by(*parent, position, &fault, round.now).is_some();
        let nobody = self.core.direct.as_ref().is_some_and(|access| access.in_doubt == InDoubt::Fail)
            || self.item_above(id).is_some() && parent.as_ref().is_some_and(waits);
        let Some((parent, position)) = parent.filter(|_| nobody || self.is_caught_above(id, &fault, round.now)) else {
            match self.runs.get(&id).and_then(|run| item_of(&run.key)) {
                Some(item) => self.hook_failed(round, id, item, fault),
                None => self.failed(round, id, &fault),
            }
            return;
        };
        if let Some(run) = self.runs.get(&id) {
            let title = format!("{} failed: the run that waits for it goes on with that", run.pinned.name());
            let detail = Value::object([("fault", fault.to_value())]);
            round.mutations.push(line(run.matter, round.now, "failed", None, title, detail));
        }
        round.others.push_back(Other::Input(parent, Input::Returned { position, result: Err(fault) }));
        let reason = Value::from("the run that waited for it took its error");
        round.others.push_back(Other::Input(id, Input::End { reason }));
    }

    /// A run holds what cannot be stored: it could not be gone on with after the process ends. It is over, and whoever waits for it
    /// and people are told.
    pub(super) fn end_unstorable(&mut self, round: &mut Round, id: RunId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        // A row without a state has no parts.
        run.parts = Parts::default();
        let (matter, name) = (run.matter, Arc::clone(run.pinned.name()));
        let parent = parent_of(&run.key);
        let detail = "the run holds a value that is nested deeper than 512 levels, which cannot be stored";
        let fault = Fault::new(FaultType::Runtime, detail);
        self.told_waiters(round, id, &Err(fault.clone()));
        let what = self.matters.get(&matter).map_or_else(|| matter.to_string(), |matter| matter.title.to_string());
        let item = NewItem {
            queue: INTEGRATION,
            matter,
            run: None,
            title: format!("{what}: {name} was ended"),
            reason: format!("In {name}, {detail}. Mend the workflow, then start it again; what it did stands"),
            amount: self.matters.get(&matter).and_then(|matter| matter.amount),
            content: Value::object([
                ("kind", Value::from(NOTICE)),
                ("fault", fault.to_value()),
                ("workflow", Value::from(name)),
                ("allow", Value::array(["dismiss"])),
            ]),
        };
        self.open(round, item);
        if let Some((parent, position)) = parent {
            round.others.push_back(Other::Input(parent, Input::Returned { position, result: Err(fault) }));
        }
        self.tell(round, id, Input::End { reason: Value::from(detail) });
        self.settle_others(round);
    }

    /// The state in which a run would be that is told what went wrong in one that it waits for; `None` when it does not wait for it.
    fn taken_by(&self, run: RunId, position: &Position, fault: &Fault, now: jiff::Timestamp) -> Option<RunState> {
        let run = self.runs.get(&run)?;
        let mut copy = run.state.clone();
        let input = Input::Returned { position: position.clone(), result: Err(fault.clone()) };
        let stepped = workflow::step(&run.pinned.definition.workflow, &mut copy, input, now);
        stepped.is_ok_and(|stepped| stepped.ignored.is_none()).then_some(copy)
    }

    /// Whether one of the runs above catches what went wrong in this one. They are stepped on copies to know.
    fn is_caught_above(&self, id: RunId, fault: &Fault, now: jiff::Timestamp) -> bool {
        let (mut below, mut fault) = (id, fault.clone());
        while let Some((parent, position)) = self.runs.get(&below).and_then(|run| parent_of(&run.key)) {
            // Who does not wait for it, as it did not ask for an answer or is halted, catches nothing.
            let taken = self.taken_by(parent, &position, &fault, now);
            let Some(state) = taken.filter(|state| state.status() != Status::Suspended) else { return false };
            match state.fault() {
                None => return true,
                Some(own) => fault = own.clone(),
            }
            below = parent;
        }
        false
    }

    /// What happened is told to who watches, and to workflows that listen for it.
    pub(super) fn watched(&self, round: &mut Round, id: RunId, trace: Vec<TraceEntry>, output: Option<&Value>) {
        if self.core.watch.is_none() && !self.core.life_cycle_is_heard {
            return;
        }
        let Some(run) = self.runs.get(&id) else { return };
        let document = &run.pinned.definition.workflow;
        let heard = self.core.life_cycle_is_heard && !hears_life_cycle(document);
        for entry in trace {
            let workflow = [document.namespace(), document.name(), document.version()].map(Arc::clone);
            let ended = entry.pointer.is_empty() && matches!(entry.event, TraceEvent::Completed);
            let output = output.filter(|_| ended).cloned();
            let happening = Happening { at: round.now, run: id, workflow, entry, output };
            if heard {
                for event in happening.to_cloud_events() {
                    self.publish(round, run.matter, event);
                }
            }
            if self.core.watch.is_some() {
                round.after.push(After::Happened(happening));
            }
        }
    }

    /// Works on the runs that follow from the one that was in hand.
    pub(super) fn settle_others(&mut self, round: &mut Round) {
        while let Some(other) = round.others.pop_front() {
            round.followed += 1;
            match other {
                Other::Input(id, input) => {
                    self.tell(round, id, input);
                }
                Other::Child { parent, position, .. } if round.followed > FOLLOWED_MAX => {
                    let fault = Fault::new(FaultType::Runtime, "workflows run each other without an end");
                    self.tell(round, parent, Input::Returned { position, result: Err(fault) });
                }
                Other::Ask(item) => self.ask_hook(round, item),
                Other::Said(said) => self.hook_said(round, said),
                Other::Child { parent, position, workflow, input } => {
                    let Some(run) = self.runs.get(&parent) else { continue };
                    let (matter, in_doubt) = (run.matter, run.in_doubt);
                    let title = format!("{} runs {}", run.pinned.name(), workflow.name());
                    let child = NewRun {
                        id: self.lane_of(parent).child(parent, position.attempt),
                        key: child_key(parent, &position),
                        matter,
                        started_at: round.now,
                        in_doubt,
                    };
                    round.mutations.push(line(matter, round.now, "started", None, title, Value::Null));
                    self.begin(round, child, &workflow, input);
                }
            }
        }
    }

    /// Tells a run of an event at each place where it may wait for it.
    pub(super) fn hear(&mut self, round: &mut Round, id: RunId, positions: &[Arc<str>], event: &Event) {
        let Some(run) = self.runs.get(&id) else { return };
        if started_it(id, run.pinned.name(), event.id) {
            return;
        }
        let matter = run.matter;
        round.arrived = Some(event.arrived);
        // The line stands before what the event causes, and is taken back when nobody wanted the event.
        let place = round.mutations.len();
        round.mutations.push(heard(matter, round.now, event));
        let mut taken = false;
        for position in positions {
            let Ok(position) = position.parse::<Position>() else { continue };
            let input = Input::Heard { position, event: event.envelope.clone() };
            taken |= self.tell(round, id, input) == Told::Taken;
        }
        if taken {
            round.mutations.push(Mutation::PutHeard { run: id, event: event.id });
        } else {
            round.mutations.remove(place);
        }
    }

    /// A timer of a run is due.
    pub(super) fn fire(&mut self, round: &mut Round, id: RunId, position: &Arc<str>) {
        round.mutations.push(Mutation::RemoveTimer { run: id, position: position.as_bytes().to_vec() });
        if let Ok(position) = position.parse::<Position>() {
            self.tell(round, id, Input::Fired { position });
        }
    }

    /// A run is over: its parent gets the answer, or its matter is closed.
    pub(super) fn ended(&mut self, round: &mut Round, id: RunId, result: Result<Value, Fault>) {
        round.mutations.push(Mutation::ForgetRun(id));
        crate::figures::Counters::one_less(&self.core.counters.live);
        self.told_waiters(round, id, &result);
        let Some(run) = self.runs.get(&id) else { return };
        let cancelled = result.is_err();
        if !cancelled {
            crate::figures::Counters::add(&self.core.counters.completed, 1);
        }
        if let Some((parent, position)) = parent_of(&run.key) {
            round.others.push_back(Other::Input(parent, Input::Returned { position, result }));
            return;
        }
        if let Some(item) = item_of(&run.key) {
            round.others.push_back(Other::Said(Said { item, by: name_of(&run.pinned), result }));
            return;
        }
        let place = (Arc::clone(run.pinned.name()), first_key(&run.key));
        if let Some(row) = self.occasions.remove(&place) {
            round.after.push(After::Intake(ToIntake::Look { row }));
        }
        if let Some(matter) = self.matters.get_mut(&run.matter) {
            matter.closed = true;
            if cancelled {
                matter.stage = "cancelled".into();
            }
            matter.updated_at = round.now;
            round.marked.insert(run.matter);
        }
    }
}

impl LaneTask {
    /// Whoever waits for the end of a run is told once it is durable.
    pub(super) fn told_waiters(&self, round: &mut Round, run: RunId, result: &Result<Value, Fault>) {
        if self.core.waiters.has(run) {
            round.after.push(After::Ended { run, result: result.clone() });
        }
    }
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The run took it in.
    Taken,
    /// The run does not wait for it, or is over.
    Ignored,
}

/// A run to be begun.
pub(super) struct NewRun {
    pub(super) id: RunId,
    pub(super) key: Arc<str>,
    pub(super) matter: model::TransactionId,
    pub(super) started_at: jiff::Timestamp,
    pub(super) in_doubt: bool,
}

fn heard(matter: model::TransactionId, now: jiff::Timestamp, event: &Event) -> Mutation {
    let text = |name: &str| event.envelope.get(name).as_str();
    let event_type = text("type").unwrap_or("an event");
    let subject = text("subject").unwrap_or_default();
    let title = match event_type.strip_prefix("interlock.").and_then(|rest| rest.strip_suffix(".changed.v1")) {
        Some(object) => format!("Heard that {object} {subject} changed"),
        None => format!("Heard {event_type} {subject}").trim_end().to_owned(),
    };
    let detail = Value::object([
        ("type", Value::from(event_type)),
        ("event", event.envelope.get("id").clone()),
        ("data", crate::journal::summary(event.envelope.get("data"))),
    ]);
    line(matter, now, "heard", connection_of(&event.envelope), title, detail)
}
