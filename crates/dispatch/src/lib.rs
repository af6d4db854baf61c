//! Calls to the systems: gathered into what each system likes best, within its limits, retried while that can help, and
//! looked for by business key where it is not known whether they happened.

//!
//! A dispatcher keeps one queue per function. Whenever the system may be asked something, it hands over what waits in the
//! queue whose turn it is, as many calls at once as the connector likes; nothing is held back to be gathered, but a queue
//! with requests under way sends the next one only when it is fuller, so that batches grow with the load.
//!
//! An intent is told of until it is over. A transient error is retried with growing waits; a system that does not answer is
//! left alone and tried by one call at a time (`policy::Breaker`); one that refuses the credentials or a function is tried
//! now and then until a person has mended it. A call that must not be repeated and whose fate is unknown is given some
//! time, looked for by its business key, and sent again only when it is not there.

mod backlog;
mod choose;
mod faults;
mod figures;
mod gate;
mod group;
mod histogram;
mod item;
mod limits;
mod send;
mod settle;
mod state;
mod time;
mod told;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connect::{Action, Call, CallError, ChangePage, Connection, ErrorClass, Fate, Key, Position, Selection};
use definitions::{ConnectionDefinition, Effect, Function};
use jiff::Timestamp;
use model::{IntentId, ObjectName, Value};
use tokio::sync::{Notify, mpsc, oneshot};
use workflow::Fault;

pub use backlog::wait_for_few;
pub use figures::{BudgetFigures, ConnectionFigures, ConnectionState, Percentiles};
pub use histogram::Histogram;

use crate::choose::Next;
use crate::group::GroupKey;
use crate::item::{Item, Work};
use crate::settle::Ended;
use crate::state::State;
use crate::time::Time;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// An open connection and what its connector likes best.
#[derive(Clone)]
pub struct OpenConnection {
    /// The connection.
    pub connection: Arc<dyn Connection>,
    /// What its connector can do: how many calls of an action are gathered.
    pub actions: &'static [connect::ActionInfo],
}

/// One intent to be carried out.
#[derive(Debug, Clone)]
pub struct Request {
    /// The intent.
    pub intent: IntentId,
    /// The function.
    pub function: Arc<Function>,
    /// Its input.
    pub input: Value,
    /// Whether it may have been sent already, by a process that ended before it heard the answer.
    pub in_doubt: bool,
}

/// What is told of an intent.
#[derive(Debug, Clone)]
pub enum Report {
    /// It did not work yet and is tried again.
    Delayed {
        /// The intent.
        intent: IntentId,
        /// How often it was sent.
        attempts: u32,
        /// What was said.
        error: CallError,
        /// Whether it is not known if it happened.
        in_doubt: bool,
    },
    /// It is over.
    Done(Outcome),
}

/// What came of an intent.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The intent.
    pub intent: IntentId,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was sent first.
    pub sent_at: Timestamp,
    /// When it was over.
    pub finished_at: Timestamp,
    /// What it gave.
    pub result: Result<Success, Fault>,
}

/// What an intent gave.
#[derive(Debug, Clone)]
pub struct Success {
    /// The function's output.
    pub output: Value,
    /// The cross-reference it teaches: object, canonical key, record id.
    pub reference: Option<(ObjectName, Arc<str>, Arc<str>)>,
    /// Whether it had happened before and was found.
    pub found: bool,
    /// Whether it was there before anything was sent.
    pub linked: bool,
}

/// The way out to one connection. Cheap to clone. When the last clone is dropped, nothing new is sent.
#[derive(Clone)]
pub struct Dispatcher {
    handle: Arc<Handle>,
}

/// Ends the dispatcher's task with the last clone.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.halt();
    }
}

/// What the dispatcher's clones, its task and its requests share.
struct Shared {
    definition: Arc<ConnectionDefinition>,
    open: OpenConnection,
    time: Time,
    state: Mutex<State>,
    /// Something may be sent, or the next wait is another.
    changed: Notify,
    /// A request is back while nothing new is sent.
    returned: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in it is half done between two statements that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, ended: Ended) {
        let mut state = self.state();
        state.settle(ended, self.time.steady(), self.time.wall());
        let stopping = state.stopping;
        drop(state);
        if stopping {
            self.returned.notify_waiters();
        }
        self.changed.notify_one();
    }

    fn halt(&self) {
        self.state().halt(self.time.steady(), self.time.wall());
        self.changed.notify_one();
    }

    /// Sends whatever can be sent, whenever something changes.
    async fn work(self: Arc<Self>) {
        loop {
            let next = self.state().next(self.time.steady(), self.time.wall());
            match next {
                Next::Start(job) => drop(tokio::spawn(send::carry_out(Arc::clone(&self), job))),
                Next::Wait(None) => self.changed.notified().await,
                Next::Wait(Some(until)) => {
                    // Either way it looks again.
                    let _ = tokio::time::timeout_at(self.time.wake_at(until), self.changed.notified()).await;
                }
                Next::End => return,
            }
        }
    }
}

impl Dispatcher {
    /// A dispatcher that works on the current tokio runtime and tells of intents through `reports`.
    #[must_use]
    pub fn start(
        definition: Arc<ConnectionDefinition>,
        open: OpenConnection,
        clock: Arc<dyn Clock>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Self {
        let state = State::new(&definition, open.actions, reports);
        Self::begin(definition, open, clock, state)
    }

    /// As [`Self::start`], for a command that somebody waits for: reads that the system does not allow, or that do not fit it, are
    /// answered with its refusal instead of being tried until it has been put right.
    pub fn start_for_command(
        definition: Arc<ConnectionDefinition>,
        open: OpenConnection,
        clock: Arc<dyn Clock>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Self {
        let mut state = State::new(&definition, open.actions, reports);
        state.answers_refusals = true;
        Self::begin(definition, open, clock, state)
    }

    fn begin(definition: Arc<ConnectionDefinition>, open: OpenConnection, clock: Arc<dyn Clock>, state: State) -> Self {
        let state = Mutex::new(state);
        let time = Time::new(clock);
        let (changed, returned) = (Notify::new(), Notify::new());
        let shared = Arc::new(Shared { definition, open, time, state, changed, returned });
        tokio::spawn(Arc::clone(&shared).work());
        Self { handle: Arc::new(Handle { shared }) }
    }

    /// Takes an intent on; it is told of until it is over, however long the system is away. One that is not over yet is not
    /// taken on again. One that may have been sent already (`in_doubt`) and must not be repeated is looked for first.
    pub fn submit(&self, request: Request) {
        let shared = &self.handle.shared;
        shared.state().submit(request, shared.time.steady(), shared.time.wall());
        shared.changed.notify_one();
    }

    /// Nobody waits for this intent any more: what is not sent yet is not sent. What is under way, or may have happened, is
    /// told of as usual; when nothing happened, it is over with a fault of status 410.
    pub fn withdraw(&self, intent: IntentId, function: &Function) {
        let shared = &self.handle.shared;
        shared.state().withdraw(intent, function, shared.time.wall());
    }

    /// Calls a function that changes nothing, for a caller who waits. It is sent before what nobody waits for, and tried
    /// again while the caller's time allows.
    ///
    /// # Errors
    /// What the system said (status 422 when it refuses the call), that it did not answer in time (408), is down, refuses
    /// Interlock or is stopping (503), or that the day's budget is used up (429).
    pub async fn call(&self, function: &Arc<Function>, input: Value, within: Duration) -> Result<Value, Fault> {
        let shared = &self.handle.shared;
        if function.effect == Effect::Once {
            return Err(faults::not_for_callers(function));
        }
        let (answer, answered) = oneshot::channel();
        {
            let (now, wall) = (shared.time.steady(), shared.time.wall());
            let mut state = shared.state();
            if let Some(fault) = state.turns_away(function, now, wall) {
                return Err(fault);
            }
            let deadline = time::after(now, within);
            let work = Work::Ask { function: Arc::clone(function), input, deadline, answer };
            state.enqueue(GroupKey::of(function), function.action, Item::new(work, None));
        }
        shared.changed.notify_one();
        match tokio::time::timeout(within, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(faults::closed(function, "takes no calls any more: Interlock is stopping", None)),
            Err(_) => Err(faults::late(function, within)),
        }
    }

    /// Reads records by the system's own ids, gathered; `null` for one that is not there. Tried until the system answers:
    /// while it is down or refuses Interlock, this waits. An error is a refusal for good, or that Interlock is stopping.
    pub async fn read(
        &self,
        record: &Arc<str>,
        ids: Vec<Arc<str>>,
        select: &Arc<Selection>,
    ) -> Vec<Result<Value, CallError>> {
        let shared = &self.handle.shared;
        let mut results: Vec<Option<Result<Value, CallError>>> = vec![None; ids.len()];
        let (answers, mut answered) = mpsc::unbounded_channel();
        {
            let mut state = shared.state();
            if !state.stopping {
                let field: Arc<str> = "".into();
                for (place, id) in ids.into_iter().enumerate() {
                    let call = Call {
                        intent: None,
                        action: Action::Read,
                        record: Arc::clone(record),
                        key: Some(Key { field: Arc::clone(&field), value: Value::from(id) }),
                        body: Value::Null,
                        select: Arc::clone(select),
                        probe: Vec::new(),
                        insist: false,
                    };
                    let key = GroupKey::Read { record: Arc::clone(record), select: Arc::clone(select) };
                    let work = Work::Read { place, answers: answers.clone() };
                    state.enqueue(key, Action::Read, Item::new(work, Some(call)));
                }
            }
        }
        drop(answers);
        shared.changed.notify_one();
        // Ends when each is answered or dropped.
        while let Some((place, result)) = answered.recv().await {
            if let Some(slot) = results.get_mut(place) {
                *slot = Some(result);
            }
        }
        results.into_iter().map(|result| result.unwrap_or_else(|| Err(stopping()))).collect()
    }

    /// One page of what changed since an instant. Tried until the system answers.
    ///
    /// # Errors
    /// When the system refuses for good, its settings or the definitions have to be put right first
    /// ([`ErrorClass::Misconfigured`](connect::ErrorClass)), or Interlock is stopping.
    pub async fn changed_since(
        &self,
        record: &str,
        since: Timestamp,
        page: Option<Position>,
    ) -> Result<ChangePage, CallError> {
        let record: Arc<str> = record.into();
        let key = GroupKey::Changes { record: Arc::clone(&record) };
        self.ask_alone(key, |answer| Work::Changes { record, since, page, answer }).await
    }

    /// What has become of records that cannot be read, each at its place. Tried until the system answers.
    ///
    /// # Errors
    /// When the system refuses to say, or Interlock stops.
    pub async fn fates(&self, record: &str, ids: Vec<Arc<str>>) -> Result<Vec<Fate>, CallError> {
        let record: Arc<str> = record.into();
        let key = GroupKey::Fates { record: Arc::clone(&record) };
        self.ask_alone(key, |answer| Work::Fates { record, ids, answer }).await
    }

    /// Whether a sweep of these records waits: the system is down, or refuses Interlock or such reads. That it refuses something else
    /// says nothing of them.
    #[must_use]
    pub fn withholds(&self, record: &Arc<str>, select: &Arc<Selection>) -> bool {
        let [listed, read, sought] = [record, record, record].map(Arc::clone);
        let keys = [
            GroupKey::Changes { record: listed },
            GroupKey::Read { record: read, select: Arc::clone(select) },
            GroupKey::Fates { record: sought },
        ];
        let shared = &self.handle.shared;
        shared.state().withholds(&keys, shared.time.steady())
    }

    /// Asks for something that is not gathered with others, and waits for it.
    async fn ask_alone<T>(
        &self,
        key: GroupKey,
        work: impl FnOnce(oneshot::Sender<Result<T, CallError>>) -> Work,
    ) -> Result<T, CallError> {
        let shared = &self.handle.shared;
        let (answer, answered) = oneshot::channel();
        {
            let mut state = shared.state();
            if state.stopping {
                return Err(stopping());
            }
            state.enqueue(key, Action::Find, Item::new(work(answer), None));
        }
        shared.changed.notify_one();
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// The open connection, for feeds.
    #[must_use]
    pub fn connection(&self) -> Arc<dyn Connection> {
        Arc::clone(&self.handle.shared.open.connection)
    }

    /// The definition.
    #[must_use]
    pub fn definition(&self) -> &Arc<ConnectionDefinition> {
        &self.handle.shared.definition
    }

    /// The counters.
    #[must_use]
    pub fn figures(&self) -> ConnectionFigures {
        let shared = &self.handle.shared;
        shared.state().figures(&shared.definition, shared.time.steady(), shared.time.wall())
    }

    /// Sends nothing new, and waits for requests under way, at most so long. Callers who wait are told; intents that are not
    /// over stay with who submitted them.
    pub async fn stop(&self, within: Duration) {
        let shared = &self.handle.shared;
        shared.halt();
        let all_back = async {
            loop {
                let returned = shared.returned.notified();
                tokio::pin!(returned);
                // From here on no return is missed.
                returned.as_mut().enable();
                if shared.state().under_way == 0 {
                    return;
                }
                returned.await;
            }
        };
        // Who does not come back in time is looked for when Interlock starts again.
        let _ = tokio::time::timeout(within, all_back).await;
    }
}

fn stopping() -> CallError {
    CallError::new(ErrorClass::Unavailable, "stopping", "Interlock is stopping and sends nothing new")
}
