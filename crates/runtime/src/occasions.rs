//! Several runs of a workflow for one key: one for each occasion of its record, one after the other.
//!
//! While a run lives, what the next occasion starts waits for its end. Which occasion that is, is not kept here: the record is read
//! again then, and says what holds now. That it has to be read is an inbox row of the intake, so that it survives the process:
//! at the next start the record is read at once, and waits again here when the run still lives.

use std::collections::HashMap;
use std::sync::Arc;

use definitions::Feed;
use intake::CanonicalEvent;
use store::InboxRow;

/// Which occasion of a record starts a run.
#[derive(Clone, Default)]
pub(crate) struct Occasion {
    /// Which it is; 0 where none are counted.
    pub(crate) number: u32,
    /// The record that is read again when it has to wait.
    pub(crate) record: Option<(Arc<Feed>, Arc<str>)>,
}

impl Occasion {
    pub(crate) fn of_event(event: &CanonicalEvent) -> Self {
        match event.occasion {
            0 => Self::default(),
            number => Self { number, record: Some((Arc::clone(&event.feed), Arc::clone(&event.record))) },
        }
    }
}

/// What waits for the end of runs, by workflow and the key of the first of them.
pub(crate) type WaitingOccasions = HashMap<(Arc<str>, Arc<str>), InboxRow, foldhash::fast::RandomState>;
