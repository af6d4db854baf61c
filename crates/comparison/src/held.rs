//! Both sides, read and held against each other.

use std::path::Path;
use std::sync::Arc;

use dispatch::Dispatcher;
use model::Problem;
use reconcile::{Finding, Line, Pair, ReconcileError, Side, Spool, Spooled, Totals, Verdict, compare_while, lines};

use crate::forms::without_own_forms;
use crate::keys::Keys;
use crate::reading::{Read, Reader};
use crate::subject::Subject;

/// What a comparison reads with.
pub struct Sides<'a> {
    /// What is compared.
    pub subject: &'a Subject,
    /// The systems.
    pub dispatchers: Pair<&'a Dispatcher>,
    /// Which record is which object.
    pub keys: &'a dyn Keys,
    /// Told how many records of a side are read, again and again.
    pub progress: &'a (dyn Fn(Side, u64) + Sync),
}

/// All rows of both sides, on the disk until this is dropped.
pub struct Held {
    rows: Pair<Spooled>,
    /// What came of reading each side.
    pub reads: Pair<Read>,
}

impl Sides<'_> {
    /// Reads all records of both sides, or these, and keeps them in files in a folder.
    ///
    /// # Errors
    /// When a system refuses, or the disk is full.
    pub async fn read(&self, ids: Option<&Pair<Vec<Arc<str>>>>, folder: &Path) -> Result<Held, Problem> {
        let spool = || Spool::create(folder, Arc::clone(&self.subject.shape)).map_err(|error| error.problem());
        let (mut left_spool, mut right_spool) = (spool()?, spool()?);
        let (left, right) = futures::future::try_join(
            self.read_side(Side::Left, ids, &mut left_spool),
            self.read_side(Side::Right, ids, &mut right_spool),
        )
        .await?;
        let finished = |spool: Spool| spool.finish().map_err(|error| error.problem());
        let rows = Pair { left: finished(left_spool)?, right: finished(right_spool)? };
        Ok(Held { rows, reads: Pair { left, right } })
    }

    async fn read_side(
        &self,
        side: Side,
        ids: Option<&Pair<Vec<Arc<str>>>>,
        spool: &mut Spool,
    ) -> Result<Read, Problem> {
        let Self { subject, keys, progress, .. } = *self;
        let reader = Reader { subject, side, dispatcher: self.dispatchers.of(side), keys, progress };
        match ids {
            Some(ids) => reader.these(ids.of(side), spool).await,
            None => reader.all(spool).await,
        }
    }
}

impl Held {
    /// Holds both sides against each other, for as long as `goes_on` says so. Each finding goes to `visit`, with its lines. Gives
    /// the totals, and how many pairs differ only in the form in which a system can hold a value: they count as equal.
    ///
    /// # Errors
    /// When files cannot be read, it is stopped, or `visit` does not want to go on.
    pub fn compare<E: From<ReconcileError>>(
        &self,
        subject: &Subject,
        goes_on: impl Fn() -> bool,
        mut visit: impl FnMut(&Finding, Vec<Line>) -> Result<(), E>,
    ) -> Result<(Totals, u64), E> {
        let mut own_forms = 0;
        let mut totals = compare_while(&self.rows.left, &self.rows.right, goes_on, |finding| {
            let finding = match &subject.synchronised {
                Some(synchronised) => without_own_forms(finding, synchronised, &subject.judge),
                None => Some(finding.clone()),
            };
            let Some(finding) = finding else {
                own_forms += 1;
                return Ok::<(), E>(());
            };
            let mut lines = lines(&finding, &subject.judge);
            if let Finding::Missing { key, on, .. } = &finding
                && self.reads.of(*on).may_be_unread(key)
            {
                lines.iter_mut().for_each(|line| line.verdict = Verdict::Unread { on: *on });
            }
            visit(&finding, lines)
        })?;
        totals.different -= own_forms;
        totals.equal += own_forms;
        Ok((totals, own_forms))
    }
}
