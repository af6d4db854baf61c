//! The safety net: what changed according to the system itself, whatever its notifications said.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use connect::ErrorClass;
use jiff::{SignedDuration, Timestamp};
use store::{FeedPositionRow, Mutation, StoreError};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::beside::Beside;
use crate::coverage::{GapReason, Ledger};
use crate::record::Line;
use crate::work::Work;
use crate::{Batch, Shared};

/// So many records of past sweeps are remembered, by their version marks.
const SEEN_MAX: usize = 200_000;
/// How soon the first sweep comes when a feed is not proven yet; each further one waits twice as long.
const UNPROVEN_FIRST: Duration = Duration::from_secs(1);
/// A mark that is at least so much older than the newest one will not stand for another change: marks of Salesforce have whole
/// seconds, and what changed twice within one bears the same mark.
const MARK_SETTLES: SignedDuration = SignedDuration::from_secs(2);
/// The same, when nothing newer is there to compare with: more than the clocks of two systems differ.
const MARK_SETTLES_ALONE: SignedDuration = SignedDuration::from_secs(60);
/// How often it is looked whether a sweep waits for a system that is down.
const LOOK: Duration = Duration::from_secs(1);
/// Records of a sweep that are read in one go.
const GATHER_MAX: usize = 200;

impl Shared {
    /// Sweeps a feed's record for ever.
    pub(crate) async fn sweep(self: Arc<Self>, place: usize) {
        let line = Arc::clone(&self.lines[place]);
        let Some(sweep) = &line.feed.sweep else { return };
        let (every, overlap) = (sweep.every, sweep.overlap);
        let mut beside: Vec<Beside> = sweep.with.iter().map(|_| Beside::default()).collect();
        let connection = &line.feed.connection;
        let overlap = SignedDuration::try_from(overlap).unwrap_or(SignedDuration::ZERO);
        let every = every.min(Duration::from_secs(86_400));
        let mut seen: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        let mut soon = UNPROVEN_FIRST;
        let mut told = None;
        let mut looked_beside: Option<Instant> = None;
        // From the first start on every change is owed.
        self.put_coverage(place).await;
        loop {
            // What happened between joining a feed and its first word is found soon, not at the next usual time.
            let unproven = line.unproven.load(Ordering::Relaxed);
            let wait = if unproven { soon.min(every) } else { every };
            soon = if unproven { soon.saturating_mul(2) } else { UNPROVEN_FIRST };
            let asked = tokio::select! {
                () = tokio::time::sleep(wait) => false,
                () = line.sweep_now.notified() => true,
            };
            let due = |looked: Instant| sweep.with_every.is_none_or(|every| looked.elapsed() >= every);
            let looks_beside = asked || unproven || looked_beside.is_none_or(due);
            let begun = self.clock.now();
            let since = line.prove(|ledger| ledger.begin(begun, overlap)).unwrap_or(begun);
            let over = Notify::new();
            let sweeping = async {
                let mut ended = self.sweep_once(place, since, &mut seen, |work| Work { swept: true, ..work }).await;
                for (with, beside) in sweep.with.iter().zip(&mut beside).filter(|_| looks_beside) {
                    if ended.is_ok() {
                        ended = self.sweep_beside(place, with, since, beside).await;
                    }
                }
                over.notify_one();
                ended
            };
            let (ended, ()) = tokio::join!(sweeping, self.watch_outage(place, &over));
            match ended {
                Ok(()) => {
                    told = None;
                    if looks_beside {
                        looked_beside = Some(Instant::now());
                    }
                    line.count(|counters| counters.swept = true);
                    let missing = line.prove(|ledger| ledger.prove(since, begun));
                    self.put_coverage(place).await;
                    if missing == Some(true) {
                        line.sweep_now.notify_one();
                    }
                }
                Err(error) if error.class == ErrorClass::Misconfigured => {
                    line.prove(Ledger::abandon);
                    line.count(|counters| counters.swept = false);
                    // Until somebody has put it right: said once, not every time.
                    let trouble = error.to_string();
                    if told.as_ref() != Some(&trouble) {
                        tracing::warn!(feed = %line.feed.name, %connection, %error, "the feed cannot be swept");
                        told = Some(trouble);
                    }
                }
                Err(error) => {
                    let now = self.clock.now();
                    line.prove(|ledger| {
                        ledger.abandon();
                        ledger.failed(now);
                    });
                    tracing::warn!(feed = %line.feed.name, %connection, %error, "a sweep failed");
                    self.put_coverage(place).await;
                }
            }
        }
    }

    /// A call to a system that is down waits until it answers, and a sweep with it: that is told meanwhile.
    async fn watch_outage(&self, place: usize, over: &Notify) {
        let line = &self.lines[place];
        let Some(dispatcher) = self.dispatchers.get(&line.feed.connection) else { return };
        let (record, select) = (&line.feed.record, &line.feed.select);
        let beside = line.feed.sweep.iter().flat_map(|sweep| &sweep.with).map(|with| &with.record);
        let records: Vec<&Arc<str>> = std::iter::once(record).chain(beside).collect();
        let mut kept = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = over.notified() => return,
            }
            // What else the system refuses keeps no sweep waiting.
            if records.iter().any(|record| dispatcher.withholds(record, select)) {
                let now = self.clock.now();
                line.prove(|ledger| ledger.failed(now));
                if !std::mem::replace(&mut kept, true) {
                    self.put_coverage(place).await;
                }
            }
        }
    }

    /// What was proven of each swept feed when the last process ended; what changed before the first start is not this project's.
    pub(crate) fn recover_coverage(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for line in &self.lines {
            let Some(sweep) = &line.feed.sweep else { continue };
            let row = self.store.feed_position(line.feed.connection.as_str(), &row_name(&line.feed.name))?;
            let mut ledger = row.map_or_else(|| Ledger::new(now), |row| Ledger::from_bytes(&row.position, row.at));
            let until = ledger.complete_until();
            let usual = SignedDuration::try_from(sweep.every.saturating_mul(2)).unwrap_or(SignedDuration::MAX);
            if now.duration_since(until) > usual {
                ledger.doubt(until, now, GapReason::Stopped);
                line.sweep_now.notify_one();
            }
            line.count(|counters| (counters.ledger, counters.swept) = (Some(ledger), true));
        }
        Ok(())
    }

    /// Reads everything once that changed since an instant, except what was seen with the same mark. Each is read as `why` says.
    pub(crate) async fn sweep_once(
        &self,
        place: usize,
        since: Timestamp,
        seen: &mut HashMap<Arc<str>, Arc<str>>,
        why: impl Fn(Work) -> Work,
    ) -> Result<(), connect::CallError> {
        let line = &self.lines[place];
        let Some(dispatcher) = self.dispatchers.get(&line.feed.connection) else { return Ok(()) };
        let mut page = None;
        loop {
            let found = dispatcher.changed_since(&line.feed.record, since, page).await?;
            let now = self.clock.now();
            let newest = found.records.iter().filter_map(|(_, mark)| mark.parse::<Timestamp>().ok()).max();
            let new: Vec<_> = found.records.into_iter().filter(|(id, mark)| seen.get(id) != Some(mark)).collect();
            let listed = new.iter().map(|(id, mark)| (Arc::clone(id), Some(Arc::clone(mark))));
            self.read_again(line, listed.collect(), &why).await;
            if seen.len() + new.len() > SEEN_MAX {
                seen.clear();
            }
            seen.extend(new.into_iter().filter(|(_, mark)| has_settled(mark, newest, now)));
            page = found.next;
            if page.is_none() {
                return Ok(());
            }
        }
    }

    /// Has records read again that a sweep found.
    pub(crate) async fn read_swept(&self, line: &Line, ids: Vec<Arc<str>>) {
        let ids = ids.into_iter().map(|id| (id, None)).collect();
        self.read_again(line, ids, |work| Work { swept: true, ..work }).await;
    }

    /// Records by their ids, with their marks where a list told of them.
    async fn read_again(&self, line: &Line, ids: Vec<(Arc<str>, Option<Arc<str>>)>, why: impl Fn(Work) -> Work) {
        let now = self.clock.now();
        for chunk in ids.chunks(GATHER_MAX) {
            let works = chunk.iter().map(|(id, mark)| {
                let mark = mark.clone();
                why(Work { mark, ..Work::new(Arc::clone(id), now, now) })
            });
            let mut versions = line.turn.lock().await;
            let mut batch = Batch::default();
            let mut parked = self.convert(line, &mut versions, works.collect(), &mut batch).await;
            batch.mutations.extend(self.keep(line, &mut parked));
            self.hand_over(batch).await;
            self.park(line, parked).await;
            drop(versions);
        }
    }

    /// Something was missed from an instant on.
    pub(crate) async fn doubt(&self, place: usize, from: Timestamp, reason: GapReason) {
        let now = self.clock.now();
        self.lines[place].prove(|ledger| ledger.doubt(from, now, reason));
        self.put_coverage(place).await;
    }

    /// Keeps what is known of a feed. That does not wait for records that are being read: while a system is down that takes long, and
    /// what is missing has to be known after a crash.
    async fn put_coverage(&self, place: usize) {
        let turn = self.lines[place].coverage_turn.lock().await;
        let mutations: Vec<Mutation> = self.coverage_row(place).into_iter().collect();
        self.hand_over(Batch { mutations, ..Batch::default() }).await;
        drop(turn);
    }

    /// The row of what is known of a feed, for a commit within its coverage's turn.
    pub(crate) fn coverage_row(&self, place: usize) -> Option<Mutation> {
        let line = &self.lines[place];
        let (position, at) = line.prove(|ledger| (ledger.to_bytes(), ledger.complete_until()))?;
        let (connection, feed) = (line.feed.connection.as_str().into(), row_name(&line.feed.name));
        Some(Mutation::PutFeedPosition(FeedPositionRow { connection, feed, position, at }))
    }
}

fn row_name(feed: &str) -> Arc<str> {
    format!("sweep:{feed}").into()
}

/// Whether no further change of a record can bear this mark. One that is no instant is the record's own version.
fn has_settled(mark: &str, newest: Option<Timestamp>, now: Timestamp) -> bool {
    let Ok(mark) = mark.parse::<Timestamp>() else { return true };
    newest.is_some_and(|newest| newest.duration_since(mark) >= MARK_SETTLES)
        || now.duration_since(mark) >= MARK_SETTLES_ALONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_settles_when_its_second_is_over() {
        let at = |text: &str| -> Timestamp { text.parse().expect("an instant") };
        let newest = Some(at("2026-11-23T10:00:05Z"));
        let now = at("2026-11-23T10:00:05.3Z");
        assert!(!has_settled("2026-11-23T10:00:05Z", newest, now));
        assert!(!has_settled("2026-11-23T10:00:04Z", newest, now));
        assert!(has_settled("2026-11-23T10:00:03Z", newest, now));
        assert!(has_settled("2026-11-23T10:00:05Z", newest, at("2026-11-23T10:01:05Z")));
        assert!(has_settled("W/\"7\"", newest, now));
    }
}
