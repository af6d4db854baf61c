//! What every other room speaks: values with exact decimals, money, times, typed names and ids, problems and
//! diagnostics.
//!
//! Data from the outside is read once into a [`Value`], and that same value flows through mapping, expressions,
//! schema checks, the journal and back to the wire without conversion. Cloning a value is a reference count, numbers keep
//! the digits they came with, and reading has limits on depth and size. This crate does no I/O, reads no clock and draws
//! no random number, so that everything built on it can be tested as a function.

mod decimal;
mod diagnostic;
mod digits;
mod id;
pub mod json;
mod money;
mod name;
mod number;
mod object;
mod path;
mod problem;
mod value;

pub use decimal::{Decimal, DecimalError, Rounding};
pub use diagnostic::{Diagnostic, Diagnostics, Severity, Source, Span, nearest};
pub use id::{EventId, IntentId, RunId, TransactionId, WorkItemId};
pub use money::{Currency, Money, MoneyError};
pub use name::{ConnectionName, FunctionName, ObjectName, QueueName, WorkflowName};
pub use number::Number;
pub use object::{Members, MembersMut, Object};
pub use path::{Path, PathError};
pub use problem::Problem;
pub use value::{Text, Value};
