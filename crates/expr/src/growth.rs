//! How large and how deep the data is that an expression builds, and how much work single terms make. Values are shared, so `[., .]` is one step however large `.` is:
//! repeated, it would outgrow any memory once it is written out, and `[.]` any stack. What is put into a list or an object is
//! therefore weighed, and an evaluation may put in so much.

use std::cell::Cell;

use jaq_core::Error;
use model::Value;

use crate::jq::{Jq, TEXT_MAX, too_large};

/// So many lists and objects are put into others unweighed: most expressions build no more, and so few cannot grow far.
const FREE: u32 = 8;
/// How much may be put in, in values; a text counts for one in each 64 bytes.
const WEIGHT_MAX: u64 = 8_000_000;
/// How deep what is put in may be nested.
const DEPTH_MAX: usize = 500;

/// How much work an evaluation may make besides what its terms cost as such: a term that copies or compares lists may take as long as a
/// million others. In values copied or compared; about a second.
const WORK_MAX: u64 = 50_000_000;

#[derive(Clone, Copy)]
struct Meter {
    free: u32,
    left: u64,
}

thread_local! {
    static METER: Cell<Meter> = const { Cell::new(Meter { free: FREE, left: WEIGHT_MAX }) };
    /// What is left of the evaluation's work, and what all on this thread have made.
    static WORK: Cell<(u64, u64)> = const { Cell::new((WORK_MAX, 0)) };
    static EVALUATION: Cell<u64> = const { Cell::new(0) };
}

/// An evaluation begins on this thread.
pub(crate) fn begin() {
    METER.set(Meter { free: FREE, left: WEIGHT_MAX });
    WORK.set((WORK_MAX, WORK.get().1));
    EVALUATION.set(evaluation().wrapping_add(1));
}

/// The number of the evaluation in hand on this thread: another one for each.
pub(crate) fn evaluation() -> u64 {
    EVALUATION.get()
}

/// The error of an evaluation that makes more work than it may.
pub(crate) fn too_many_steps() -> Error<Jq> {
    Error::str("the expression takes more steps than it may")
}

/// Counts work that grows with the data.
///
/// # Errors
/// When the evaluation makes more than it may.
pub(crate) fn work(values: usize) -> Result<(), Error<Jq>> {
    let (left, done) = WORK.get();
    let values = u64::try_from(values).unwrap_or(u64::MAX);
    let rest = left.checked_sub(values);
    // What is refused is not done.
    WORK.set((rest.unwrap_or(0), if rest.is_some() { done.wrapping_add(values) } else { done }));
    if rest.is_some() { Ok(()) } else { Err(too_many_steps()) }
}

/// How many values the expressions evaluated on this thread have copied and compared in single terms so far. Who evaluates many in a
/// row learns from the difference whether it is time to let others have their turn.
#[must_use]
pub fn work_done() -> u64 {
    WORK.get().1
}

/// Counts values that are put into a list or an object.
///
/// # Errors
/// When the evaluation builds more, or deeper, than it may.
pub(crate) fn put<'v>(values: impl IntoIterator<Item = &'v Value>) -> Result<(), Error<Jq>> {
    let mut meter = METER.get();
    let mut fits = true;
    for value in values {
        if !matches!(value, Value::Array(_) | Value::Object(_)) {
            continue;
        }
        match meter.free.checked_sub(1) {
            Some(free) => meter.free = free,
            None => fits = fits && weigh(value, 1, &mut meter.left),
        }
    }
    METER.set(meter);
    if fits { Ok(()) } else { Err(too_large()) }
}

/// Takes the weight of a value from what is left; whether it was enough and the value not too deep.
fn weigh(value: &Value, depth: usize, left: &mut u64) -> bool {
    let own = match value {
        Value::String(text) => 1 + text.len() as u64 / 64,
        _ => 1,
    };
    let Some(rest) = left.checked_sub(own).filter(|_| depth <= DEPTH_MAX) else {
        *left = 0;
        return false;
    };
    *left = rest;
    match value {
        Value::Array(items) => items.iter().all(|item| weigh(item, depth + 1, left)),
        Value::Object(members) => members.values().all(|member| weigh(member, depth + 1, left)),
        _ => true,
    }
}

/// Whether a value written as JSON is no longer than a text may be. It may be found to be as long when it is somewhat shorter.
pub(crate) fn fits_a_text(value: &Value) -> bool {
    fn written(value: &Value, left: &mut usize) -> bool {
        let own = match value {
            Value::String(text) => text.len() + 2,
            Value::Number(_) => 40,
            Value::Object(members) => members.keys().map(|name| name.len() + 4).sum::<usize>() + 2,
            Value::Array(items) => items.len() + 2,
            Value::Null | Value::Bool(_) => 5,
        };
        let Some(rest) = left.checked_sub(own) else { return false };
        *left = rest;
        match value {
            Value::Array(items) => items.iter().all(|item| written(item, left)),
            Value::Object(members) => members.values().all(|member| written(member, left)),
            _ => true,
        }
    }
    // Numbers are mostly shorter than they may be.
    written(value, &mut TEXT_MAX.saturating_mul(4))
}
