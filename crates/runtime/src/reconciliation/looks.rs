//! One comparison: all records once, then those that differ again and again, until it is known which of them differ for good.
//!
//! What differs may only be on its way from one system to the other. So people are told of a finding when it was there at each look,
//! the last two of which found the same values, and nothing of it is being written.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use comparison::{Held, Sides, Subject};
use dispatch::Dispatcher;
use jiff::Timestamp;
use model::Problem;
use reconcile::{Finding, Identity, Line, OPEN_MAX, Pair, ReconcileError, Side, Totals, Verdict};
use store::{InboxRow, Mutation, Store, StoreError};
use tokio::sync::watch;

use super::keys::StoredKeys;
use super::outcome::Account;
use super::standing::{Knowledge, Standing, look_up};
use super::told::{Memory, open_items};
use super::words::{Told, tell};
use crate::core::{Core, ToIntake};

/// How long after what came before it each further look is made.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(8)];
/// The same after records were read again to mend them: from the first in growing steps to the last, until so long nothing got better.
const MENDED_FIRST: Duration = Duration::from_millis(500);
const MENDED_LAST: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);
/// How many findings are looked at again, besides those that people were told about, and how many of them at a time.
const CANDIDATES_MAX: usize = 10_000;
const AT_A_TIME: usize = 500;
/// How long a comparison waits for systems that do not answer.
const STALLED: Duration = Duration::from_secs(10 * 60);
const STALLED_EVERY: Duration = Duration::from_secs(5);
/// How many records are put on their way to be read again in one commit.
const REREAD_AT_ONCE: usize = 1_000;

/// What is looked at again.
#[derive(Debug, Clone)]
struct Candidate {
    identity: Arc<str>,
    key: Arc<str>,
    ids: Pair<Vec<Arc<str>>>,
    /// Of the first look: only that reads everything.
    verdict: Option<Verdict>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Missing(Side),
    Doubled(Side),
    Different,
}

/// What a look saw of a candidate.
#[derive(Debug, Clone)]
struct Seen {
    /// Of what it holds.
    print: u64,
    standing: Standing,
    /// The records that are read again to mend it, where ownership decides.
    mends: Option<Pair<Option<Arc<str>>>>,
}

/// A look.
#[derive(Default)]
struct Look {
    seen: HashMap<Arc<str>, Seen>,
    /// In words, as far as people are told.
    told: Vec<Told>,
}

/// What a comparison comes to, to be told.
pub(crate) struct Compared {
    pub(crate) begun: Timestamp,
    pub(crate) account: Account,
    /// In the order in which it was found: what is there for good. Only the first ones have words.
    pub(crate) found: Vec<Arc<str>>,
    /// What is still changing.
    pub(crate) moving: Vec<Arc<str>>,
    pub(crate) words: Vec<Told>,
}

/// What one comparison is made with.
pub(super) struct Looks<'a> {
    pub(super) core: Arc<Core>,
    pub(super) subject: Arc<Subject>,
    pub(super) dispatchers: Pair<&'a Dispatcher>,
    pub(super) folder: PathBuf,
    pub(super) repair: bool,
    pub(super) stop: watch::Receiver<bool>,
    /// How many records of each side are read.
    pub(super) progress: Arc<Pair<AtomicU64>>,
}

/// The store could not be read, and the process ends.
fn ending() -> Problem {
    ReconcileError::Stopped.problem()
}

impl Looks<'_> {
    pub(super) async fn carry_out(&self) -> Result<Compared, Problem> {
        let begun = self.core.clock.now();
        let object = self.subject.object.clone();
        let known = self.core.read(move |store| {
            let (memory, open) = (Memory::read(store, object.as_str())?, open_items(store, object.as_str())?);
            Ok(memory.told(&open, begun).into_keys().collect::<HashSet<_>>())
        });
        let known = Arc::new(known.await.ok_or_else(ending)?);
        let (mut account, mut candidates) = self.first(&known).await?;
        let mut before: HashMap<Arc<str>, Seen> = HashMap::new();
        let mut look = Look::default();
        for pause in PAUSES {
            if candidates.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
            before = std::mem::take(&mut look.seen);
            look = self.look(&candidates, &known).await?;
            account.settled += dissolved(&mut candidates, &look, &mut account.totals);
        }
        let steady = |seen: &HashMap<Arc<str>, Seen>, identity: &Arc<str>, before: &HashMap<Arc<str>, Seen>| {
            let print = |seen: &HashMap<Arc<str>, Seen>| seen.get(identity).map(|seen| seen.print);
            print(seen).is_some() && print(seen) == print(before)
        };
        if self.repair {
            let is_steady = |identity: &Arc<str>| steady(&look.seen, identity, &before);
            let mends: Vec<Pair<Option<Arc<str>>>> = look
                .seen
                .iter()
                .filter(|(identity, seen)| seen.standing == Standing::New && is_steady(identity))
                .filter_map(|(_, seen)| seen.mends.clone())
                .collect();
            if !mends.is_empty() {
                self.read_again(mends).await?;
                let (mut next, mut since, mut least) = (MENDED_FIRST, Instant::now(), usize::MAX);
                loop {
                    tokio::time::sleep(next).await;
                    next = (next * 2).min(MENDED_LAST);
                    before = std::mem::take(&mut look.seen);
                    look = self.look(&candidates, &known).await?;
                    account.mended += dissolved(&mut candidates, &look, &mut account.totals);
                    let hopeful = |seen: &&Seen| {
                        seen.standing == Standing::UnderWay || seen.standing == Standing::New && seen.mends.is_some()
                    };
                    let left = look.seen.values().filter(hopeful).count();
                    if left < least {
                        (least, since) = (left, Instant::now());
                    }
                    if left == 0 || since.elapsed() >= PATIENCE {
                        break;
                    }
                }
            }
        }
        let (mut found, mut moving) = (Vec::new(), Vec::new());
        for candidate in candidates {
            let identity = candidate.identity;
            let is_steady = steady(&look.seen, &identity, &before);
            let standing = look.seen.get(&identity).map_or(Standing::UnderWay, |seen| seen.standing);
            match standing {
                Standing::New if is_steady => found.push(identity),
                Standing::New | Standing::UnderWay => {
                    account.under_way += 1;
                    moving.push(identity);
                }
                // The other item is the one to answer.
                Standing::Asked => account.asked += 1,
                Standing::Meant => {
                    account.meant += 1;
                    candidate.kind.take_from(&mut account.totals);
                }
            }
        }
        Ok(Compared { begun, account, found, moving, words: look.told })
    }

    /// Reads and compares everything. Gives what is looked at again.
    async fn first(&self, known: &Arc<HashSet<Arc<str>>>) -> Result<(Account, Vec<Candidate>), Problem> {
        let held = self.read(None).await?;
        let (subject, stop, known) = (Arc::clone(&self.subject), self.stop.clone(), Arc::clone(known));
        blocking(move || {
            let (mut candidates, mut new, mut beyond) = (Vec::new(), 0_usize, 0);
            let goes_on = || !*stop.borrow();
            let compared = held.compare(&subject, goes_on, |finding, lines| {
                let identity = Identity::from(finding).text(&subject.judge);
                if !known.contains(&identity) {
                    if new >= CANDIDATES_MAX {
                        beyond += 1;
                        return Ok::<(), ReconcileError>(());
                    }
                    new += 1;
                }
                candidates.push(Candidate::of(identity, finding, &lines));
                Ok(())
            });
            let (totals, own_forms) = compared.map_err(|error| error.problem())?;
            let reads = &held.reads;
            let unreadable = Pair { left: reads.left.unreadable, right: reads.right.unreadable };
            Ok((Account { totals, unreadable, own_forms, beyond, ..Account::default() }, candidates))
        })
        .await
    }

    /// Reads and compares the records of these.
    async fn look(&self, candidates: &[Candidate], known: &Arc<HashSet<Arc<str>>>) -> Result<Look, Problem> {
        let (mut look, mut new) = (Look::default(), 0);
        for part in candidates.chunks(AT_A_TIME) {
            let part: HashMap<Arc<str>, Candidate> =
                part.iter().map(|candidate| (Arc::clone(&candidate.identity), candidate.clone())).collect();
            let ids = self.ids_of(part.values().cloned().collect()).await?;
            let held = self.read(Some(&ids)).await?;
            let (core, stop, known) = (Arc::clone(&self.core), self.stop.clone(), Arc::clone(known));
            let subject = Arc::clone(&self.subject);
            (look, new) = blocking(move || {
                let goes_on = || !*stop.borrow();
                let compared = held.compare(&subject, goes_on, |finding, lines| {
                    let identity = Identity::from(finding).text(&subject.judge);
                    let Some(candidate) = part.get(&identity) else { return Ok::<(), Wrong>(()) };
                    let lines = candidate.with_verdict(lines);
                    let knowledge = look_up(&core, &*core.store, &subject, finding)?;
                    let is_known = known.contains(&identity);
                    if knowledge.standing == Standing::New && (is_known || new < OPEN_MAX) {
                        new += usize::from(!is_known);
                        look.told.push(tell(&subject, &identity, finding, &lines, &knowledge));
                    }
                    look.seen.insert(identity, Seen::of(finding, &lines, knowledge));
                    Ok(())
                });
                compared.map_err(Wrong::problem)?;
                Ok((look, new))
            })
            .await?;
        }
        Ok(look)
    }

    /// The records of both sides that these are about, as far as any is known.
    async fn ids_of(&self, candidates: Vec<Candidate>) -> Result<Pair<Vec<Arc<str>>>, Problem> {
        let subject = Arc::clone(&self.subject);
        let found = self.core.read(move |store| {
            let mut ids = Pair { left: HashSet::new(), right: HashSet::new() };
            for candidate in &candidates {
                concerned(store, &subject, candidate, &mut ids)?;
            }
            let sorted = |ids: HashSet<Arc<str>>| {
                let mut ids: Vec<Arc<str>> = ids.into_iter().collect();
                ids.sort_unstable();
                ids
            };
            Ok(Pair { left: sorted(ids.left), right: sorted(ids.right) })
        });
        found.await.ok_or_else(ending)
    }

    /// Reads all records, or these, unless the systems do not answer for too long.
    async fn read(&self, ids: Option<&Pair<Vec<Arc<str>>>>) -> Result<Held, Problem> {
        let (core, object, sides) = (Arc::clone(&self.core), self.subject.object.clone(), self.subject.sides.clone());
        let keys = StoredKeys { core, object, sides };
        let heard = AtomicU64::new(0);
        let progress = |side: Side, records: u64| {
            heard.fetch_add(1, Ordering::Relaxed);
            if ids.is_none() {
                self.progress.of(side).store(records, Ordering::Relaxed);
            }
        };
        let dispatchers = Pair { left: self.dispatchers.left, right: self.dispatchers.right };
        let sides = Sides { subject: &self.subject, dispatchers, keys: &keys, progress: &progress };
        let stalled = async {
            let (mut last, mut since) = (0, Instant::now());
            while since.elapsed() < STALLED {
                tokio::time::sleep(STALLED_EVERY).await;
                let now = heard.load(Ordering::Relaxed);
                if now != last {
                    (last, since) = (now, Instant::now());
                }
            }
        };
        tokio::select! {
            held = sides.read(ids, &self.folder) => held,
            () = stalled => {
                let message = format!("the systems did not answer for {} minutes", STALLED.as_secs() / 60);
                Err(Problem::new("IL-REC-028", message, "Look at the page Connections: it says what is wrong with them"))
            }
        }
    }

    /// Has records read again by their feeds, so that ownership decides. Durable when this returns.
    async fn read_again(&self, records: Vec<Pair<Option<Arc<str>>>>) -> Result<(), Problem> {
        let now = self.core.clock.now();
        let mut rows: Vec<InboxRow> = Vec::new();
        for side in [Side::Left, Side::Right] {
            for feed in self.subject.feeds.of(side) {
                rows.extend(records.iter().filter_map(|ids| Some(intake::look_row(feed, ids.of(side).as_ref()?, now))));
            }
        }
        for rows in rows.chunks(REREAD_AT_ONCE) {
            self.core.commit(rows.iter().cloned().map(Mutation::PutInbox).collect(), None).await?;
            for row in rows {
                // The intake is gone only when everything stops.
                let _ = self.core.to_intake.send(ToIntake::Look { row: row.clone() });
            }
        }
        Ok(())
    }
}

impl Candidate {
    fn of(identity: Arc<str>, finding: &Finding, lines: &[Line]) -> Self {
        let mut ids = Pair::<Vec<Arc<str>>>::default();
        let kind = match finding {
            Finding::Missing { on, id, .. } => {
                ids.of_mut(on.other()).push(Arc::clone(id));
                Kind::Missing(*on)
            }
            Finding::Different { ids: two, .. } => {
                ids.left.push(Arc::clone(&two.left));
                ids.right.push(Arc::clone(&two.right));
                Kind::Different
            }
            Finding::Doubled { on, ids: several, .. } => {
                ids.of_mut(*on).clone_from(several);
                Kind::Doubled(*on)
            }
        };
        let verdict =
            lines.first().map(|line| line.verdict.clone()).filter(|one| matches!(one, Verdict::Unread { .. }));
        Self { identity, key: Arc::clone(finding.key()), ids, verdict, kind }
    }

    /// The lines of a later look with what only the first one can know.
    fn with_verdict(&self, mut lines: Vec<Line>) -> Vec<Line> {
        if let Some(verdict) = &self.verdict {
            lines.iter_mut().for_each(|line| line.verdict = verdict.clone());
        }
        lines
    }
}

impl Kind {
    /// It is no finding.
    fn take_from(self, totals: &mut Totals) {
        match self {
            Self::Missing(on) => *totals.missing.of_mut(on) -= 1,
            Self::Doubled(on) => *totals.doubled.of_mut(on) -= 1,
            Self::Different => {
                totals.different -= 1;
                totals.equal += 1;
            }
        }
    }
}

impl Seen {
    fn of(finding: &Finding, lines: &[Line], knowledge: Knowledge) -> Self {
        let mut hasher = DefaultHasher::new();
        format!("{finding:?}").hash(&mut hasher);
        let decided = |line: &Line| {
            line.verdict.written().is_some() || matches!(line.verdict, Verdict::Unowned(_) | Verdict::Stages)
        };
        // One that Interlock knows where it is missing was deleted there, of which reading it again tells.
        let was_there = match finding {
            Finding::Missing { on, .. } => knowledge.ids.of(*on).is_some(),
            _ => false,
        };
        let mends = (was_there || lines.iter().any(decided)).then_some(knowledge.ids);
        Self { print: hasher.finish(), standing: knowledge.standing, mends }
    }
}

/// Takes out what is not there any more. Gives how many these are.
fn dissolved(candidates: &mut Vec<Candidate>, look: &Look, totals: &mut Totals) -> u64 {
    let before = candidates.len();
    candidates.retain(|candidate| {
        let is_there = look.seen.contains_key(&candidate.identity);
        if !is_there {
            candidate.kind.take_from(totals);
        }
        is_there
    });
    (before - candidates.len()) as u64
}

/// The records that a candidate is about: its own, and those of the same objects.
fn concerned(
    store: &dyn Store,
    subject: &Subject,
    candidate: &Candidate,
    ids: &mut Pair<HashSet<Arc<str>>>,
) -> Result<(), StoreError> {
    let object = subject.object.as_str();
    let mut keys = HashSet::from([Arc::clone(&candidate.key)]);
    for side in [Side::Left, Side::Right] {
        for id in candidate.ids.of(side) {
            let known = store.reference_of_record(object, subject.sides.of(side).as_str(), id)?;
            keys.extend(known.map(|row| row.key));
            ids.of_mut(side).insert(Arc::clone(id));
        }
    }
    for key in &keys {
        for side in [Side::Left, Side::Right] {
            let known = store.reference(object, key, subject.sides.of(side).as_str())?;
            ids.of_mut(side).extend(known.map(|row| row.record_id));
        }
    }
    Ok(())
}

/// What can go wrong while rows are held against each other.
enum Wrong {
    Rows(ReconcileError),
    Store(StoreError),
}

impl Wrong {
    fn problem(self) -> Problem {
        match self {
            Self::Rows(error) => error.problem(),
            Self::Store(error) => error.problem(),
        }
    }
}

impl From<ReconcileError> for Wrong {
    fn from(error: ReconcileError) -> Self {
        Self::Rows(error)
    }
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// On a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(ending()))
}
