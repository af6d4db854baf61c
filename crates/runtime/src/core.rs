//! What all parts of a running runtime share.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use definitions::{Release, WorkflowDefinition};
use dispatch::Clock;
use futures::future::BoxFuture;
use model::{Problem, RunId, TransactionId};
use store::{Committed, InboxRow, Mutation, Store, StoreError};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::asked::Asked;
use crate::correlation::{Correlations, Recent};
use crate::direct::{DirectAccess, UnderWay};
use crate::figures::Counters;
use crate::first_records::Loading;
use crate::identity::Remembered;
use crate::lane_id::LaneId;
use crate::launching::Waiters;
use crate::once::Once;
use crate::reconciliation::Reconciliations;
use crate::starts::Starts;
use crate::store_trouble::StoreTrouble;
use crate::timers::Timers;
use crate::waits::Waits;
use crate::watching::Happening;
use crate::work::{Pinned, Work};

/// How long to wait after the store failed, before it is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How often a batch is tried that the database refuses for a reason that time may not heal.
const REFUSED_MAX: u32 = 3;

/// A batch that is with the store: whether it is durable, or why not.
pub(crate) type Committing = BoxFuture<'static, Result<(), Problem>>;

struct Handed {
    batch: Arc<Vec<Mutation>>,
    committed: Committed,
    began: Instant,
}

/// What lanes tell the intake.
#[derive(Debug)]
pub(crate) enum ToIntake {
    /// A cross-reference is durable.
    Referenced { connection: Arc<str>, object: Arc<str>, key: Arc<str>, record: Arc<str> },
    /// A record has to be read again, as its inbox row says.
    Look { row: InboxRow },
}

/// What all parts share. It holds no dispatcher and no intake, which hold it.
pub(crate) struct Core {
    pub(crate) release: Arc<Release>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Compiled workflows by hash: those of the release, and older ones that live runs are pinned to.
    pub(crate) pinned: PinnedTexts,
    pub(crate) starts: Starts,
    pub(crate) correlations: Correlations,
    pub(crate) recent: Recent,
    pub(crate) timers: Timers,
    pub(crate) counters: Counters,
    /// What is being done right now and must happen once.
    pub(crate) once: Once,
    /// Keys of the records that have an open work item because they cannot be read.
    pub(crate) unreadable: Mutex<HashSet<Arc<str>>>,
    /// Matters of objects that people were told cannot be read.
    pub(crate) damaged: Mutex<HashSet<TransactionId>>,
    /// Objects that people are asked about.
    pub(crate) asked: Asked,
    /// What objects wait for before something of them can be written.
    pub(crate) waits: Waits,
    /// Held while it is found out which objects records are.
    pub(crate) identity: Arc<tokio::sync::Mutex<Remembered>>,
    /// The objects of which it is not known yet which records the sides have.
    pub(crate) loading: Loading,
    /// How comparisons stand.
    pub(crate) reconciliations: Reconciliations,
    pub(crate) lanes: Vec<mpsc::UnboundedSender<(LaneId, Work)>>,
    pub(crate) to_intake: mpsc::UnboundedSender<ToIntake>,
    pub(crate) trouble: StoreTrouble,
    pub(crate) changed: Notify,
    pub(crate) direct: Option<DirectAccess>,
    pub(crate) direct_under_way: Arc<UnderWay>,
    pub(crate) waiters: Waiters,
    pub(crate) watch: Option<mpsc::UnboundedSender<Happening>>,
    /// Whether some workflow listens for what happens to runs, or is started by it.
    pub(crate) life_cycle_is_heard: bool,
}

/// Compiled workflows by the hash of their text.
#[derive(Default)]
pub(crate) struct PinnedTexts(RwLock<HashMap<Arc<str>, Pinned>>);

impl PinnedTexts {
    pub(crate) fn new(pinned: HashMap<Arc<str>, Pinned>) -> Self {
        Self(RwLock::new(pinned))
    }

    pub(crate) fn get(&self, hash: &str) -> Option<Pinned> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    pub(crate) fn add(&self, pinned: &Pinned) {
        let mut texts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        texts.entry(Arc::clone(&pinned.hash)).or_insert_with(|| pinned.clone());
    }
}

impl Core {
    /// Gives work to the lane that looks after a run.
    pub(crate) fn send_to_run(&self, run: RunId, work: Work) {
        self.send(LaneId::of(run.uuid()), work);
    }

    /// Gives work to a lane. One that has stopped does not take it: it is found again at the next start.
    pub(crate) fn send(&self, lane: LaneId, work: Work) {
        if let Some(task) = self.lanes.get(lane.task(self.lanes.len())) {
            let _ = task.send((lane, work));
        }
    }

    /// Waits until what all lanes were given before is durable. `None` when the process ends.
    pub(crate) async fn pass_lanes(&self) -> Option<()> {
        let mut passed = Vec::with_capacity(self.lanes.len());
        for task in &self.lanes {
            let (answer, answered) = oneshot::channel();
            task.send((LaneId::default(), Work::Pass(answer))).ok()?;
            passed.push(answered);
        }
        for answered in passed {
            // It is never refused.
            let _ = answered.await.ok()?;
        }
        Some(())
    }

    /// Reads from the store on a thread that may block, again and again until that works. `None` when the process ends.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&dyn Store) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Option<T> {
        loop {
            let (store, attempt) = (Arc::clone(&self.store), read.clone());
            match tokio::task::spawn_blocking(move || attempt(&*store)).await {
                Ok(Ok(found)) => return Some(found),
                Ok(Err(StoreError::Closed)) | Err(_) => return None,
                Ok(Err(_)) if self.trouble.is_given_up() => return None,
                Ok(Err(error)) => {
                    tracing::error!(code = error.problem().code, %error, "the store cannot be read; tried again");
                    self.pause().await;
                }
            }
        }
    }

    /// The time between two tries, cut short when nothing waits for the store any more.
    pub(crate) async fn pause(&self) {
        // Either way it goes on.
        let _ = tokio::time::timeout(STORE_PAUSE, self.trouble.given_up()).await;
    }

    /// Writes a batch and waits until it is durable. While the disk is full or busy it waits and tries again, until
    /// Interlock stops or the patience is over, where there is an end to it.
    ///
    /// # Errors
    /// When the database refuses the batch for good, or it is given up: nothing of it is in the store.
    pub(crate) async fn commit(&self, batch: Vec<Mutation>, patience: Option<Duration>) -> Result<(), Problem> {
        let handed = self.hand_over(batch);
        self.durable(handed, patience).await
    }

    /// The same for who does not wait at once: the batch is with the store when this returns, before any that is handed over later.
    pub(crate) fn committing(self: &Arc<Self>, batch: Vec<Mutation>, patience: Option<Duration>) -> Committing {
        let (core, handed) = (Arc::clone(self), self.hand_over(batch));
        Box::pin(async move { core.durable(handed, patience).await })
    }

    fn hand_over(&self, batch: Vec<Mutation>) -> Option<Handed> {
        let batch = Arc::new(batch);
        let committed = (!batch.is_empty()).then(|| self.store.commit_shared(Arc::clone(&batch)))?;
        Some(Handed { batch, committed, began: Instant::now() })
    }

    async fn durable(&self, handed: Option<Handed>, patience: Option<Duration>) -> Result<(), Problem> {
        let Some(Handed { batch, mut committed, mut began }) = handed else { return Ok(()) };
        let begun = began;
        let mut refused = 0;
        let mut waits = None;
        loop {
            let error = match committed.durable().await {
                Ok(()) => {
                    self.counters.committed(began.elapsed());
                    self.changed.notify_one();
                    return Ok(());
                }
                Err(error) => error,
            };
            refused += u32::from(matches!(error, StoreError::Database(_)));
            let problem = error.problem();
            if !error.heals() && (refused == 0 || refused >= REFUSED_MAX) {
                return Err(problem);
            }
            if self.trouble.is_given_up() {
                self.trouble.tell(&problem);
                return Err(problem);
            }
            if patience.is_some_and(|patience| begun.elapsed() >= patience) {
                return Err(error.problem_of_wish());
            }
            waits.get_or_insert_with(|| self.trouble.wait(error.problem_of_wish()));
            self.pause().await;
            (committed, began) = (self.store.commit_shared(Arc::clone(&batch)), Instant::now());
        }
    }

    pub(crate) fn unreadable(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The workflow of the release with this name, as a task that runs another one names it.
    pub(crate) fn workflow(&self, namespace: &str, name: &str, version: &str) -> Option<Pinned> {
        self.release.workflow(namespace, name, version).map(|definition| Pinned::new(Arc::clone(definition)))
    }
}

/// The workflows of the release and those of older texts, compiled.
///
/// # Errors
/// When a text that a live run is pinned to is not there or does not fit the release any more.
pub(crate) fn compile(release: &Release, store: &dyn Store) -> Result<HashMap<Arc<str>, Pinned>, Problem> {
    let current = release.workflows.values().map(|definition| Pinned::new(Arc::clone(definition)));
    let mut pinned: HashMap<Arc<str>, Pinned> = current.map(|one| (Arc::clone(&one.hash), one)).collect();
    for hash in store.live_definitions().map_err(|error| error.problem())? {
        if pinned.contains_key(&hash) {
            continue;
        }
        let remedy = "Run the release that these runs began with until they have ended, or cancel them there";
        let missing = || {
            let message = format!("The workflow text {hash}, which runs are in the middle of, is not in the store");
            Problem::new("IL-RUN-010", message, remedy)
        };
        let text = store.definition(&hash).map_err(|error| error.problem())?.ok_or_else(missing)?;
        let workflow = release.load_workflow_text(&text).map_err(|problems| {
            let first = problems.iter().next().map(|problem| problem.message.clone()).unwrap_or_default();
            let message = format!(
                "Runs are in the middle of an earlier text of a workflow ({hash}) that does not fit this release: {first}"
            );
            Problem::new("IL-RUN-010", message, remedy)
        })?;
        let definition = WorkflowDefinition { workflow, text, file: "pinned workflow".into() };
        let one = Pinned::new(Arc::new(definition));
        pinned.insert(hash, one);
    }
    Ok(pinned)
}
