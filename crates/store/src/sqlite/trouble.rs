//! What keeps batches from being written, told once.

use std::time::{Duration, Instant};

use crate::StoreError;

/// A failing disk may take one batch and refuse the next: it counts as mended when it has refused none for so long.
pub(super) const MENDED_AFTER: Duration = Duration::from_secs(3);

/// What keeps batches from being written. Who handed them over tries again and again; the log is told when it begins
/// and when it is over.
pub(super) struct Trouble {
    file: String,
    /// Its code, while there is some.
    code: Option<&'static str>,
    /// Since when batches are written and none is refused.
    pub(super) writes_since: Option<Instant>,
}

impl Trouble {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), code: None, writes_since: None }
    }

    /// A batch was refused. Whether that was worth a line.
    pub(super) fn refused(&mut self, error: &StoreError) -> bool {
        let problem = error.problem();
        if error.heals() {
            self.writes_since = None;
            if self.code.replace(problem.code) == Some(problem.code) {
                return false;
            }
            tracing::error!("{problem}");
        } else {
            tracing::error!("a batch could not be written: {problem}");
        }
        true
    }

    pub(super) fn written(&mut self) {
        if self.code.is_some() {
            self.writes_since.get_or_insert_with(Instant::now);
        }
    }

    /// When it may be over.
    pub(super) fn may_end(&self) -> Option<Instant> {
        self.writes_since.map(|since| since + MENDED_AFTER)
    }

    pub(super) fn over(&mut self) {
        tracing::warn!("{} can be written again; what waited goes on", self.file);
        (self.code, self.writes_since) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> StoreError {
        StoreError::DiskFull { file: "store.db".into() }
    }

    #[test]
    fn a_full_disk_is_told_once_however_often_it_refuses() {
        let mut trouble = Trouble::new("store.db");
        assert!(trouble.refused(&full()) && !trouble.refused(&full()));
        // It took a small batch meanwhile.
        trouble.written();
        assert!(trouble.may_end().is_some());
        assert!(!trouble.refused(&full()) && trouble.may_end().is_none());
        let busy = StoreError::InUse { file: "store.db".into() };
        assert!(trouble.refused(&busy), "something else");
        trouble.written();
        trouble.over();
        assert!(trouble.may_end().is_none() && trouble.refused(&full()), "another time");
        let refused = StoreError::Database("no".into());
        assert!(trouble.refused(&refused) && trouble.refused(&refused), "each batch that is at fault itself");
    }

    #[test]
    fn a_disk_that_was_mended_long_enough_may_be_told_so() {
        let mut trouble = Trouble::new("store.db");
        trouble.refused(&full());
        trouble.writes_since = Instant::now().checked_sub(MENDED_AFTER);
        assert!(trouble.may_end().is_some_and(|end| end <= Instant::now()));
        trouble.over();
        assert_eq!((trouble.code, trouble.writes_since), (None, None));
    }
}
