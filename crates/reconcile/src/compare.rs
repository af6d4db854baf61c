//! Two sides against each other, part by part.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;

use model::{Value, json};
use sync::is_same;

use crate::ReconcileError;
use crate::finding::{Difference, Finding, Pair, Side, Totals};
use crate::part::Part;
use crate::row::Kept;
use crate::shape::Shape;
use crate::spool::{PARTITIONS, Spooled};
use crate::sums;

/// How many ids of doubled records are told.
const IDS_MAX: usize = 20;

/// Compares two sides. What is found goes to `visit`, in the same order for the same rows, however these came.
///
/// # Errors
/// When files cannot be read, the sides were spooled with other members, or `visit` does not want to go on.
pub fn compare<E: From<ReconcileError>>(
    left: &Spooled,
    right: &Spooled,
    visit: impl FnMut(&Finding) -> Result<(), E>,
) -> Result<Totals, E> {
    compare_while(left, right, || true, visit)
}

/// As [`compare`], for as long as `goes_on` says so, which is asked before each part of the rows.
///
/// # Errors
/// As [`compare`]; [`ReconcileError::Stopped`] when it is not to go on.
pub fn compare_while<E: From<ReconcileError>>(
    left: &Spooled,
    right: &Spooled,
    goes_on: impl Fn() -> bool,
    mut visit: impl FnMut(&Finding) -> Result<(), E>,
) -> Result<Totals, E> {
    if left.shape != right.shape {
        return Err(ReconcileError::Shapes.into());
    }
    let sums = sums::beside(&left.shape.amounts, &left.sums, &right.sums)?;
    let mut totals = Totals { rows: Pair { left: left.rows(), right: right.rows() }, sums, ..Totals::default() };
    // The next part is read and sorted while one is compared; nothing is read further ahead.
    let (sender, receiver) = mpsc::sync_channel(0);
    thread::scope(|scope| {
        scope.spawn(move || {
            for part in 0..PARTITIONS {
                let read = Part::read(left, part).and_then(|left| Ok((left, Part::read(right, part)?)));
                let failed = read.is_err();
                if sender.send(read).is_err() || failed {
                    return;
                }
            }
        });
        // Dropped when this ends early, so that the reader ends as well.
        for read in receiver {
            let (left_part, right_part) = read?;
            if !goes_on() {
                return Err(ReconcileError::Stopped.into());
            }
            let mut merge = Merge { shape: &left.shape, folder: left.folder(), totals: &mut totals };
            merge.parts(&left_part, &right_part, &mut visit)?;
        }
        Ok(totals)
    })
}

struct Merge<'a> {
    shape: &'a Shape,
    folder: &'a Path,
    totals: &'a mut Totals,
}

/// Rows of one key on one side.
#[derive(Clone, Copy)]
struct Group<'a> {
    first: Kept<'a>,
    count: usize,
}

impl<'a> Group<'a> {
    fn at(part: &'a Part, place: usize) -> Option<Self> {
        let first = part.row(place)?;
        let more = (place + 1..).map_while(|next| part.row(next)).take_while(|row| row.key == first.key).count();
        Some(Self { first, count: 1 + more })
    }
}

impl Merge<'_> {
    fn parts<E: From<ReconcileError>>(
        &mut self,
        left: &Part,
        right: &Part,
        visit: &mut impl FnMut(&Finding) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = Pair { left: 0, right: 0 };
        let (mut left_group, mut right_group) = (Group::at(left, 0), Group::at(right, 0));
        loop {
            let (one, other) = match (left_group, right_group) {
                (None, None) => return Ok(()),
                // Only those of the lower key are looked at now.
                (Some(one), Some(other)) => match one.first.key.cmp(other.first.key) {
                    std::cmp::Ordering::Less => (Some(one), None),
                    std::cmp::Ordering::Equal => (Some(one), Some(other)),
                    std::cmp::Ordering::Greater => (None, Some(other)),
                },
                alone => alone,
            };
            let counts = Pair {
                left: one.as_ref().map_or(0, |group| group.count),
                right: other.as_ref().map_or(0, |group| group.count),
            };
            match (&one, &other) {
                (Some(one), Some(other)) if counts.left == 1 && counts.right == 1 => {
                    if let Some(finding) = self.pair(&one.first, &other.first)? {
                        visit(&finding)?;
                    }
                }
                (Some(group), None) if group.count == 1 => visit(&self.missing(&group.first, Side::Right))?,
                (None, Some(group)) if group.count == 1 => visit(&self.missing(&group.first, Side::Left))?,
                _ => {
                    for (side, part, place) in [(Side::Left, left, at.left), (Side::Right, right, at.right)] {
                        if let Some(finding) = self.doubled(side, part, place, &counts) {
                            visit(&finding)?;
                        }
                    }
                }
            }
            // The side that was not looked at keeps its group: counting the rows of a key again for each key of the other side
            // would take the product of both.
            if counts.left > 0 {
                at.left += counts.left;
                left_group = Group::at(left, at.left);
            }
            if counts.right > 0 {
                at.right += counts.right;
                right_group = Group::at(right, at.right);
            }
        }
    }

    fn missing(&mut self, there: &Kept<'_>, on: Side) -> Finding {
        *self.totals.missing.of_mut(on) += 1;
        Finding::Missing { key: there.key.into(), on, id: there.id.into() }
    }

    fn doubled(&mut self, side: Side, part: &Part, place: usize, counts: &Pair<usize>) -> Option<Finding> {
        let (count, counterparts) = (*counts.of(side), *counts.of(side.other()) as u64);
        if count <= 1 {
            *self.totals.apart.of_mut(side) += count as u64;
            return None;
        }
        *self.totals.doubled.of_mut(side) += 1;
        *self.totals.doubled_rows.of_mut(side) += count as u64;
        let ids = (place..place + count.min(IDS_MAX)).filter_map(|place| Some(part.row(place)?.id.into())).collect();
        let key = part.row(place)?.key.into();
        Some(Finding::Doubled { key, on: side, ids, count: count as u64, counterparts })
    }

    fn pair(&mut self, left: &Kept<'_>, right: &Kept<'_>) -> Result<Option<Finding>, ReconcileError> {
        let members = if left.hash == right.hash { Vec::new() } else { self.differences(left, right)? };
        if members.is_empty() {
            self.totals.equal += 1;
            return Ok(None);
        }
        self.totals.different += 1;
        let stage = |row: &Kept<'_>| (!row.stage.is_empty()).then(|| Arc::from(row.stage));
        Ok(Some(Finding::Different {
            key: left.key.into(),
            ids: Pair { left: left.id.into(), right: right.id.into() },
            stages: Pair { left: stage(left), right: stage(right) },
            members,
        }))
    }

    fn differences(&self, left: &Kept<'_>, right: &Kept<'_>) -> Result<Vec<Difference>, ReconcileError> {
        let parsed = |row: &Kept<'_>| {
            // What was written as JSON is JSON: only a damaged file is not.
            json::parse(row.body.as_bytes()).map_err(|_| ReconcileError::Damaged { path: self.folder.to_owned() })
        };
        let (left, right) = (parsed(left)?, parsed(right)?);
        let difference = |(place, member): (usize, &crate::Member)| {
            let (left, right): (&Value, &Value) = (left.at(place), right.at(place));
            let (member, left, right) = (Arc::clone(&member.name), left.clone(), right.clone());
            (!is_same(&left, &right)).then_some(Difference { member, left, right })
        };
        Ok(self.shape.members.iter().enumerate().filter_map(difference).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{Member, Row, Spool};

    #[test]
    fn many_rows_of_one_key_are_counted_once_however_many_keys_the_other_side_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let members = vec![Member::new("name", None).expect("a path")];
        let shape = Arc::new(Shape { members, amounts: Vec::new() });
        let spool = |keys: &mut dyn Iterator<Item = String>| {
            let mut spool = Spool::create(folder.path(), Arc::clone(&shape)).expect("a spool");
            for key in keys {
                spool.push(Row { key: &key, id: "1", stage: None, object: &Value::Null }).expect("taken");
            }
            spool.finish().expect("finished")
        };
        const MANY: usize = 60_000;
        let doubled = spool(&mut std::iter::repeat_n("z".to_owned(), MANY));
        // All of the same part, and before the doubled key in the order.
        let same = |key: &String| crate::spool::part_of(key) == crate::spool::part_of("z");
        let single = spool(&mut (0..).map(|number| format!("a{number}")).filter(same).take(MANY));
        let (began, mut findings) = (Instant::now(), 0);
        let totals = compare(&doubled, &single, |_| {
            findings += 1;
            Ok::<(), ReconcileError>(())
        });
        let totals = totals.expect("compared");
        assert_eq!((findings, totals.missing.left, totals.doubled_rows.left), (MANY + 1, MANY as u64, MANY as u64));
        // The product of both would be four thousand million rows.
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }
}
