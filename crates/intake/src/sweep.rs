//! Sweeps, the safety net: what changed according to the system itself, whatever its notifications said.
//!
//! A sweep lists what changed since the last one began, some time further back (so far may clocks differ, and transactions
//! take), and has those records read that were not read since. It works at low urgency: one chunk after another, never two
//! sweeps of one kind of record at the same time. Until when a sweep covers everything is kept only when all that it found is
//! durable; that one is owed as well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connect::{CallError, ErrorClass};
use dispatch::Dispatcher;
use jiff::{SignedDuration, Timestamp};
use policy::Backoff;
use store::{Committed, FeedPositionRow, Mutation};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::Shared;
use crate::reading::{Origin, Reading, Receipt, Sweeper};
use crate::recent::Recent;
use crate::work::{GATHER_MAX, random};

/// How soon after the start the first sweep comes: it heals what was missed while Interlock was down.
const FIRST: Duration = Duration::from_secs(2);
/// Sweeps do not follow closer on each other.
const EVERY_MIN: Duration = Duration::from_millis(100);
/// How far a sweep reaches back that no feed has a rule for.
const OVERLAP: Duration = Duration::from_secs(300);
/// Notifications of what was just listed may be on their way; and a mark in whole seconds stands until its second is over.
const GRACE: Duration = Duration::from_millis(1_500);
/// Marks further back than this are older than any of that.
const SETTLED: SignedDuration = SignedDuration::from_mins(5);
/// A mark that is only a day cannot tell two changes of that day apart: the record is read again after so long.
const DAY_MARK_HOLDS: Duration = Duration::from_secs(600);
/// Marks remembered, of what was listed last.
const REMEMBERED: usize = 100_000;
/// What the row of a sweep that is owed says instead of a place.
const OWED: &[u8] = b"owed";
/// Waits after a sweep that did not come to its end.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(1), growth_percent: 200, longest: Duration::from_secs(60) };

/// The feeds that share the sweeps of one kind of record.
pub(crate) struct Group {
    pub(crate) connection: Arc<str>,
    pub(crate) record: Arc<str>,
    /// Numbers of the lines.
    pub(crate) lines: Vec<usize>,
    /// How often; `None` when only after a gap.
    every: Option<Duration>,
    overlap: Duration,
    covered: Mutex<Covered>,
    wake: Notify,
}

/// Until when everything is known to have been seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Covered {
    pub(crate) until: Timestamp,
    /// Whether a sweep from there on is owed.
    pub(crate) owed: bool,
    /// How often one was demanded.
    demands: u64,
}

/// Name under which the store keeps until when a feed is swept.
pub(crate) fn row_name(feed: &str) -> Arc<str> {
    format!("sweep:{feed}").into()
}

impl Group {
    pub(crate) fn new(connection: Arc<str>, record: Arc<str>, now: Timestamp) -> Self {
        let covered = Mutex::new(Covered { until: now, owed: false, demands: 0 });
        let (lines, wake) = (Vec::new(), Notify::new());
        Self { connection, record, lines, every: None, overlap: Duration::ZERO, covered, wake }
    }

    /// Adds a feed with its rule and the row that the store keeps of it.
    pub(crate) fn add(&mut self, line: usize, rule: Option<definitions::Sweep>, row: Option<FeedPositionRow>) {
        self.lines.push(line);
        if let Some(rule) = rule {
            let every = rule.every.max(EVERY_MIN);
            self.every = Some(self.every.map_or(every, |known| known.min(every)));
            self.overlap = self.overlap.max(rule.overlap);
        }
        if let Some(row) = row {
            let mut covered = self.covered();
            covered.until = covered.until.min(row.at);
            covered.owed |= row.position == OWED;
        }
    }

    fn covered(&self) -> MutexGuard<'_, Covered> {
        self.covered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when everything was seen; `None` when only the topic can tell.
    pub(crate) fn coverage(&self) -> Option<Covered> {
        let covered = *self.covered();
        (covered.owed || self.every.is_some()).then_some(covered)
    }
}

impl Shared {
    /// Hands the rows of a group to the store. Called with the lock on what they say, so that they are stored in order.
    fn put_covered(&self, group: &Group, covered: &Covered) -> Committed {
        let rows = group.lines.iter().map(|line| {
            Mutation::PutFeedPosition(FeedPositionRow {
                connection: Arc::clone(&group.connection),
                feed: row_name(&self.lines[*line].feed.name),
                position: if covered.owed { OWED.to_vec() } else { Vec::new() },
                at: covered.until,
            })
        });
        self.store.commit(rows.collect())
    }

    /// Keeps for every group until when it is covered, so that the next start knows.
    pub(crate) async fn begin_coverage(&self) -> Result<(), model::Problem> {
        for group in &self.groups {
            let kept = self.put_covered(group, &group.covered());
            kept.durable().await.map_err(|error| error.problem())?;
        }
        Ok(())
    }

    /// Has a sweep made since an instant, or since where the last one began. That it is owed is durable when this returns.
    pub(crate) async fn demand(&self, group: &Group, since: Option<Timestamp>) {
        let mut failures = 0_u32;
        loop {
            let kept = {
                let mut covered = group.covered();
                if failures == 0 {
                    // Without a rule, the topic alone tells until when everything was seen.
                    let knows = covered.owed || group.every.is_some();
                    covered.until = match since {
                        Some(since) if knows => covered.until.min(since),
                        Some(since) => since,
                        None => covered.until,
                    };
                    covered.owed = true;
                    covered.demands += 1;
                }
                self.put_covered(group, &covered)
            };
            let Err(error) = kept.durable().await else { break };
            failures = failures.saturating_add(1);
            tracing::error!(%error, "that a sweep is owed cannot be kept; it is tried again");
            tokio::time::sleep(AGAIN.wait(failures, random(), None)).await;
        }
        group.wake.notify_one();
    }

    /// Sweeps a kind of record for ever.
    pub(crate) async fn sweep(self: Arc<Self>, number: usize, dispatcher: Dispatcher) {
        let group = &self.groups[number];
        let mut marks = Recent::new(REMEMBERED);
        let mut next = group.every.map(|_| Instant::now() + FIRST);
        let mut failures = 0_u32;
        let mut was_refused = false;
        loop {
            let due = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = group.wake.notified() => {}
            }
            let (begun, before) = (self.clock.now(), *group.covered());
            let overlap = if group.every.is_some() { group.overlap } else { OVERLAP };
            let overlap = SignedDuration::try_from(overlap).unwrap_or(SignedDuration::MAX);
            let since = before.until.checked_sub(overlap).unwrap_or(Timestamp::MIN);
            let pause = match self.sweep_once(group, &dispatcher, since, &mut marks).await {
                Ok(()) => {
                    failures = 0;
                    self.covered_until(group, begun, before.demands).await;
                    group.every
                }
                Err(error) if error.class == ErrorClass::Misconfigured => {
                    if !std::mem::replace(&mut was_refused, true) {
                        tracing::warn!(connection = %group.connection, record = %group.record, %error,
                            "this kind of record cannot be swept: what a feed loses of it is not found");
                    }
                    // Perhaps a person mends it over there.
                    Some(group.every.unwrap_or_default().max(AGAIN.longest))
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let wait = AGAIN.wait(failures, random(), error.retry_after);
                    tracing::warn!(connection = %group.connection, record = %group.record, %error, wait_seconds = wait.as_secs(),
                        "a sweep failed: it is made again");
                    Some(wait)
                }
            };
            next = pause.and_then(|pause| Instant::now().checked_add(pause));
        }
    }

    /// A sweep that began at an instant has come to its end.
    async fn covered_until(&self, group: &Group, begun: Timestamp, demands: u64) {
        let kept = {
            let mut covered = group.covered();
            if covered.demands != demands {
                // Meanwhile another was demanded, perhaps from further back; it was told and follows at once.
                return;
            }
            (covered.until, covered.owed) = (begun, false);
            self.put_covered(group, &covered)
        };
        if let Err(error) = kept.durable().await {
            // The next start sweeps from further back.
            tracing::warn!(%error, "until when everything was swept cannot be kept");
        }
    }

    /// Reads what changed since an instant and was not read.
    async fn sweep_once(
        &self,
        group: &Group,
        dispatcher: &Dispatcher,
        since: Timestamp,
        marks: &mut Recent<(Arc<str>, Instant)>,
    ) -> Result<(), CallError> {
        let mut page = None;
        loop {
            let listed = Instant::now();
            let found = dispatcher.changed_since(&group.record, since, page).await?;
            let marked: Vec<(Arc<str>, Mark)> = found
                .records
                .into_iter()
                .map(|(id, mark)| (id, Mark::new(mark)))
                .filter(|(id, mark)| !self.is_seen(group, id, mark, marks))
                .collect();
            let settled = self.clock.now().checked_sub(SETTLED).unwrap_or(Timestamp::MIN);
            if marked.iter().any(|(_, mark)| mark.instant.is_none_or(|instant| instant > settled)) {
                tokio::time::sleep(GRACE).await;
            }
            for chunk in marked.chunks(GATHER_MAX) {
                let begun = Instant::now();
                if !self.read_swept(group, chunk, listed).await {
                    let message = "not everything that the sweep found was read";
                    return Err(CallError::new(ErrorClass::Unavailable, "unread", message));
                }
                for (id, mark) in chunk {
                    marks.put(Arc::clone(id), (Arc::clone(&mark.text), begun));
                }
            }
            page = found.next;
            if page.is_none() {
                return Ok(());
            }
        }
    }

    /// Whether every feed has read what a mark stands for.
    fn is_seen(&self, group: &Group, id: &str, mark: &Mark, marks: &mut Recent<(Arc<str>, Instant)>) -> bool {
        let holds = |begun: Instant| mark.instant.is_some() || begun.elapsed() < DAY_MARK_HOLDS;
        marks.get(id).is_some_and(|(text, begun)| text == mark.text && holds(begun))
            || mark.instant.is_some_and(|instant| group.lines.iter().all(|line| self.lines[*line].covers(id, instant)))
    }

    /// Has records read by every feed that has not read them since they were listed, and waits until that is durable.
    async fn read_swept(&self, group: &Group, records: &[(Arc<str>, Mark)], listed: Instant) -> bool {
        let (sender, mut durable) = mpsc::unbounded_channel();
        let now = self.clock.now();
        let mut expected = 0_usize;
        for line in &group.lines {
            let line = &self.lines[*line];
            let unread = records.iter().filter(|(id, _)| !line.was_read_since(id, listed));
            let readings = unread.map(|(id, mark)| {
                let receipt = Receipt::Sweep(Sweeper(sender.clone()));
                Reading::new(Arc::clone(id), mark.instant.unwrap_or(now), now, Origin::Swept).with(receipt)
            });
            let readings: Vec<Reading> = readings.collect();
            expected += readings.len();
            if !readings.is_empty() {
                line.put(readings);
            }
        }
        drop(sender);
        while durable.recv().await.is_some() {
            expected -= 1;
        }
        expected == 0
    }
}

/// The system's own mark of a record's version.
struct Mark {
    text: Arc<str>,
    /// `None` when it is only a day, or something else than a time.
    instant: Option<Timestamp>,
}

impl Mark {
    fn new(text: Arc<str>) -> Self {
        Self { instant: text.parse().ok(), text }
    }
}
