//! The jq dialect of workflows and mappings, on [`model::Value`]: exact decimals, the same answer every time, and an end.
//!
//! Expressions are compiled once and cached. Evaluation reads no clock and no environment, counts every term against a budget
//! of fuel, and bounds what it builds, so that a hostile expression ends in an error of its own and never in a stuck worker.
//! Plain paths (`.customer.name`) and most of what is said about business data are answered without the engine (`native.rs`).

mod compile;
mod evaluate;
mod functions;
mod growth;
mod jq;
mod native;
mod regex;

pub use compile::{Expression, ExpressionError};
pub use evaluate::{EvaluationError, Limits};
pub use growth::work_done;
