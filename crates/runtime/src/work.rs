//! What a lane is given to do.

use std::sync::Arc;

use definitions::WorkflowDefinition;
use dispatch::Report;
use intake::Unreadable;
use jiff::Timestamp;
use model::{EventId, Problem, RunId, TransactionId, Value, WorkItemId};
use tokio::sync::oneshot;
use workflow::{Fault, Position};

use crate::existing::Exists;
use crate::identity::IdentityHeld;
use crate::lane::{Changed, LaunchAnswer, Lost, Performed};
use crate::launching::Launch;
use crate::matter::RECORD;
use crate::occasions::Occasion;
use crate::reconciliation::Findings;
use crate::workload::Workload;
use crate::{Decision, RunOperation};

/// Whoever asked is told when it is durable.
pub(crate) type Answer = oneshot::Sender<Result<(), Problem>>;

/// An event on its way to the runs that it concerns.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: EventId,
    pub(crate) envelope: Value,
    /// When it reached this process.
    pub(crate) arrived: Timestamp,
}

/// One thing to do.
pub(crate) enum Work {
    /// An event starts a run, unless there is one for the matter.
    Start(Start, Answer),
    /// An event that a run may wait for, at these places; `stored` when it was looked up because it may have come too early.
    Hear { run: RunId, positions: Vec<Arc<str>>, event: Event, stored: bool },
    /// Stored events that a run waits for are to be told.
    Replay { run: RunId },
    /// They were.
    Replayed { run: RunId },
    /// The turn of an intent that waited for another one with the same business key.
    Go(model::IntentId),
    /// A timer is due.
    Fire { run: RunId, position: Arc<str> },
    /// What a dispatcher tells.
    Report(Report),
    /// A system has records already that it takes for the one to be made, and it is known who has them.
    Exists(Box<Exists>),
    /// A call that can no longer be made.
    Lost { intent: model::IntentId, fault: Fault },
    /// A person decided.
    Decide(WorkItemId, Decision, Option<IdentityHeld>, Answer),
    /// A person does something with a run.
    Operate { run: RunId, operation: RunOperation, by: Arc<str>, answer: Option<Answer> },
    /// A record was read, of an object that systems are kept in agreement about.
    Changed(Box<Changed>, Answer),
    /// A record is not there any more, of an object that systems are kept in agreement about.
    Gone(Box<Lost>, Answer),
    /// An object that systems are kept in agreement about is to be looked at: some side may lack it.
    Review((Arc<str>, Arc<str>), Answer),
    /// All records of an object were compared.
    Compared(Box<Findings>, Answer),
    /// A record that needs a person.
    Unreadable(Box<Unreadable>, Answer),
    /// A record that needed one does not need one any more.
    Settled { key: Arc<str>, how: Settled },
    /// Somebody asks for a run.
    Launch(Box<Launch>, LaunchAnswer),
    /// A direct call that is made once more.
    PerformAgain(model::IntentId),
    /// What came of a direct call.
    Performed(Box<Performed>),
    /// Nothing but an answer, when what was begun before is durable.
    Pass(Answer),
    /// Stop, after everything before.
    Stop(oneshot::Sender<()>),
}

/// Why nobody has to look at a record any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It can be read.
    Readable,
    /// It is not there any more.
    Gone,
}

impl Work {
    /// Whose turn it is when its turn comes.
    pub(crate) fn workload(&self) -> Workload {
        match self {
            Self::Start(start, _) => Workload::named(start.definition.name()),
            Self::Launch(launch, _) => Workload::named(launch.definition.name()),
            Self::Hear { run, .. }
            | Self::Replay { run }
            | Self::Replayed { run }
            | Self::Fire { run, .. }
            | Self::Operate { run, .. } => Workload::of(run.uuid()),
            Self::Go(intent) | Self::Lost { intent, .. } | Self::PerformAgain(intent) => Workload::of(intent.uuid()),
            Self::Report(Report::Delayed { intent, .. }) => Workload::of(intent.uuid()),
            Self::Report(Report::Done(outcome)) => Workload::of(outcome.intent.uuid()),
            Self::Exists(exists) => Workload::of(exists.outcome.intent.uuid()),
            Self::Performed(performed) => Workload::of(performed.intent.uuid()),
            Self::Changed(changed, _) => Workload::named(changed.event.object.as_str()),
            Self::Gone(lost, _) => Workload::named(lost.gone.feed.object.as_str()),
            Self::Review(pair, _) => Workload::named(&pair.0),
            Self::Compared(findings, _) => Workload::named(&findings.object),
            Self::Unreadable(..) | Self::Settled { .. } => Workload::named(RECORD),
            Self::Decide(item, ..) => Workload::of(item.uuid()),
            Self::Pass(_) | Self::Stop(_) => Workload(0),
        }
    }

    /// Whether a person waits for it.
    pub(crate) const fn is_asked(&self) -> bool {
        matches!(self, Self::Decide(..) | Self::Operate { answer: Some(_), .. })
    }
}

/// A run to be started by an event.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) definition: Pinned,
    pub(crate) object: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) event: Event,
    /// The matter, when it is not the one of the object and key.
    pub(crate) matter: Option<TransactionId>,
    pub(crate) occasion: Occasion,
}

/// A workflow and the hash that runs pin.
#[derive(Clone)]
pub(crate) struct Pinned {
    pub(crate) definition: Arc<WorkflowDefinition>,
    pub(crate) hash: Arc<str>,
}

impl Pinned {
    pub(crate) fn new(definition: Arc<WorkflowDefinition>) -> Self {
        let hash = hex(definition.workflow.hash());
        Self { definition, hash }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        self.definition.workflow.name()
    }
}

fn hex(bytes: &[u8]) -> Arc<str> {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

/// The key of the run that an event starts, unique per workflow.
pub(crate) fn run_key(object: &str, key: &str) -> Arc<str> {
    format!("{object}:{key}").into()
}

/// The key of the run on this occasion, of which `first` is the one on the first. No object has an `@` in its name.
pub(crate) fn key_on(first: &Arc<str>, occasion: u32) -> Arc<str> {
    match first.split_once(':') {
        Some((object, key)) if occasion > 1 => format!("{object}@{occasion}:{key}").into(),
        _ => Arc::clone(first),
    }
}

/// The key of the run on the first occasion, of which this is the key on any.
pub(crate) fn first_key(key: &str) -> Arc<str> {
    let Some((object, rest)) = key.split_once(':') else { return key.into() };
    match object.split_once('@') {
        Some((name, _)) if !name.is_empty() => run_key(name, rest),
        _ => key.into(),
    }
}

/// Marks the key of a run that another run started; no object may have such a name.
const CHILD: &str = "@run:";

/// The key of a run that another run started: it says where the answer belongs.
pub(crate) fn child_key(parent: RunId, position: &Position) -> Arc<str> {
    format!("{CHILD}{parent}{position}").into()
}

/// Where the answer of such a run belongs; `None` for a run that an event started.
pub(crate) fn parent_of(key: &str) -> Option<(RunId, Position)> {
    const UUID_LENGTH: usize = 36;
    let rest = key.strip_prefix(CHILD)?;
    let (run, position) = (rest.get(..UUID_LENGTH)?, rest.get(UUID_LENGTH..)?);
    Some((run.parse().ok()?, position.parse().ok()?))
}

/// Marks the key of a run that decides a work item; no object may have such a name.
const ITEM: &str = "@item:";

/// The key of the run that decides a work item: there is one for each.
pub(crate) fn item_key(item: WorkItemId) -> Arc<str> {
    format!("{ITEM}{item}").into()
}

/// The work item that such a run decides; `None` for any other run.
pub(crate) fn item_of(key: &str) -> Option<WorkItemId> {
    key.strip_prefix(ITEM)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_child_names_its_parent() {
        let parent = RunId::now();
        let position = Position { pointer: "/do/0/a".into(), iterations: vec![2], attempt: 7 };
        assert_eq!(parent_of(&child_key(parent, &position)), Some((parent, position)));
        assert_eq!(parent_of(&run_key("quote", "1")), None);
    }

    #[test]
    fn the_keys_of_all_occasions_say_which_the_first_is() {
        let first = run_key("quote", "a@2:b");
        for occasion in [0, 1, 2, 11] {
            assert_eq!(first_key(&key_on(&first, occasion)), first);
        }
        assert_eq!(key_on(&first, 1), first);
        assert_ne!(key_on(&first, 2), first);
        let parent = child_key(RunId::now(), &Position { pointer: "/do".into(), iterations: vec![], attempt: 1 });
        assert_eq!(first_key(&parent), parent);
    }

    #[test]
    fn the_key_of_a_run_that_decides_an_item_names_it() {
        let item = WorkItemId::now();
        assert_eq!(item_of(&item_key(item)), Some(item));
        assert_eq!((item_of(&run_key("quote", "1")), parent_of(&item_key(item))), (None, None));
    }
}
