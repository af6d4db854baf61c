//! The safety net: what changed according to the system itself, whatever its notifications said.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use connect::ErrorClass;
use jiff::{SignedDuration, Timestamp};
use store::{FeedPositionRow, Mutation};

use crate::beside::Beside;
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
/// Records of a sweep that are read in one go.
const GATHER_MAX: usize = 200;

impl Shared {
    /// Sweeps a feed's record for ever.
    pub(crate) async fn sweep(self: Arc<Self>, place: usize) {
        let line = Arc::clone(&self.lines[place]);
        let Some(sweep) = &line.feed.sweep else { return };
        let (every, overlap) = (sweep.every, sweep.overlap);
        let mut beside: Vec<Beside> = sweep.with.iter().map(|_| Beside::default()).collect();
        let name: Arc<str> = format!("sweep:{}", line.feed.name).into();
        let connection: Arc<str> = line.feed.connection.as_str().into();
        let overlap = SignedDuration::try_from(overlap).unwrap_or(SignedDuration::ZERO);
        let mut seen: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        let mut covered = loop {
            match self.store.feed_position(&connection, &name) {
                Ok(row) => break row.map(|row| row.at),
                Err(error) => {
                    tracing::error!(%error, "the place of a sweep cannot be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        };
        if covered.is_none() {
            // The first start: what changed before it is not this project's, what changes from now on is.
            let now = self.clock.now();
            self.put_covered(&connection, &name, now).await;
            covered = Some(now);
        }
        let every = every.min(Duration::from_secs(86_400));
        let mut soon = UNPROVEN_FIRST;
        loop {
            // What happened between joining a feed and its first word is found soon, not at the next usual time.
            let unproven = line.unproven.load(Ordering::Relaxed);
            let wait = if unproven { soon.min(every) } else { every };
            soon = if unproven { soon.saturating_mul(2) } else { UNPROVEN_FIRST };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = line.sweep_now.notified() => {}
            }
            let begun = self.clock.now();
            let since = covered.unwrap_or(begun).checked_sub(overlap).unwrap_or(Timestamp::MIN);
            let mut swept = self.sweep_once(place, since, &mut seen).await;
            for (with, beside) in sweep.with.iter().zip(&mut beside) {
                if swept.is_ok() {
                    swept = self.sweep_beside(place, with, since, beside).await;
                }
            }
            match swept {
                Ok(()) => {
                    covered = Some(begun);
                    self.put_covered(&connection, &name, begun).await;
                    line.count(|counters| counters.covered_until = counters.covered_until.max(Some(begun)));
                }
                Err(error) if error.class == ErrorClass::Misconfigured => {
                    tracing::warn!(feed = %line.feed.name, %connection, %error, "the feed cannot be swept");
                    return;
                }
                Err(error) => tracing::warn!(feed = %line.feed.name, %connection, %error, "a sweep failed"),
            }
        }
    }

    async fn sweep_once(
        &self,
        place: usize,
        since: Timestamp,
        seen: &mut HashMap<Arc<str>, Arc<str>>,
    ) -> Result<(), connect::CallError> {
        let line = &self.lines[place];
        let Some(dispatcher) = self.dispatchers.get(&line.feed.connection) else { return Ok(()) };
        let mut page = None;
        loop {
            let found = dispatcher.changed_since(&line.feed.record, since, page).await?;
            let now = self.clock.now();
            let newest = found.records.iter().filter_map(|(_, mark)| mark.parse::<Timestamp>().ok()).max();
            let new: Vec<_> = found.records.into_iter().filter(|(id, mark)| seen.get(id) != Some(mark)).collect();
            self.read_swept(line, new.iter().map(|(id, _)| Arc::clone(id)).collect()).await;
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
        let now = self.clock.now();
        for chunk in ids.chunks(GATHER_MAX) {
            let works = chunk.iter().map(|id| Work { swept: true, ..Work::new(Arc::clone(id), now, now) });
            let mut versions = line.turn.lock().await;
            let mut batch = Batch::default();
            let mut parked = self.convert(line, &mut versions, works.collect(), &mut batch).await;
            batch.mutations.extend(self.keep(line, &mut parked));
            self.hand_over(batch).await;
            self.park(line, parked).await;
            drop(versions);
        }
    }

    async fn put_covered(&self, connection: &Arc<str>, name: &Arc<str>, at: Timestamp) {
        let row =
            FeedPositionRow { connection: Arc::clone(connection), feed: Arc::clone(name), position: Vec::new(), at };
        self.hand_over(Batch { mutations: vec![Mutation::PutFeedPosition(row)], ..Batch::default() }).await;
    }
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
