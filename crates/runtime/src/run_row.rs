//! The row of a run: its state in parts, and beside them what the run was started with.

use model::{Value, json};
use store::{RunPart, RunRow};
use workflow::{Parts, RunState, StateError};

/// The part that holds what the run was started with: kept for who starts it anew, and not in memory.
const INPUT_PART: u32 = u32::MAX;

/// The state of a stored run that has not ended, and what of it is in the store.
///
/// # Errors
/// When it is damaged.
pub fn state_of(row: &RunRow) -> Result<(RunState, Parts), StateError> {
    let parts = row.parts.iter().filter(|part| part.number != INPUT_PART);
    RunState::restore(&row.state, parts.map(|part| (part.number, &*part.content)))
}

/// What a stored run that has not ended was started with.
pub(crate) fn input_of(row: &RunRow) -> Option<Value> {
    let part = row.parts.iter().find(|part| part.number == INPUT_PART)?;
    json::parse(&part.content).ok()
}

/// The part that holds what a run is started with.
pub(crate) fn input_part(input: &Value) -> RunPart {
    RunPart { number: INPUT_PART, content: json::to_string(input).into_bytes() }
}
