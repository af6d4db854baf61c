//! What this machine makes of the workflow engine and of its parts, beside what its disk allows where that bounds it:
//! `interlock bench workflow` (durable steps per second), `interlock bench waiting` (what runs take that only wait), `interlock bench
//! beside` (what one workflow's flood costs another one), `interlock bench reconcile` (what comparing two sides takes), and
//! `interlock bench mapping` (how many records one core maps).

mod bed;
mod beside;
mod ceiling;
mod mapping;
mod reconcile;
mod waiting;
mod workflow;

use std::time::Duration;

pub(crate) use self::beside::{BesideBench, beside};
pub(crate) use self::reconcile::reconcile;
pub(crate) use mapping::{MappingBench, mapping};
pub(crate) use waiting::waiting;
pub(crate) use workflow::{WorkflowBench, workflow};

/// A value of a sorted list below which so many of a hundred lie, in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).map_or(0.0, |duration| duration.as_secs_f64() * 1_000.0)
}

/// 1,000, 10,000 and so on up to the number, and the number itself.
fn decades(runs: usize) -> Vec<usize> {
    let mut marks: Vec<usize> =
        std::iter::successors(Some(1_000_usize), |mark| mark.checked_mul(10)).take_while(|mark| *mark < runs).collect();
    marks.push(runs);
    marks
}
