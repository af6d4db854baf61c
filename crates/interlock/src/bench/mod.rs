//! `interlock bench workflow`: how many durable steps per second the workflow engine makes on this machine, beside what the disk
//! itself allows in the same run.

mod ceiling;
mod workflow;

use std::time::Duration;

pub(crate) use workflow::{WorkflowBench, workflow};

/// A value of a sorted list below which so many of a hundred lie, in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).map_or(0.0, |duration| duration.as_secs_f64() * 1_000.0)
}
