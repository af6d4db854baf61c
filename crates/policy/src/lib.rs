//! How Interlock treats systems that are slow, busy or down, and work that is much: as state machines that are told what happened and
//! what time it is.
//!
//! Nothing here reads a clock, draws a random number or waits: instants come in, decisions come out. So every policy can be
//! tested through hours of weather in a microsecond, shown on a screen as it stands, and tripped or reset by a person.

mod backoff;
mod breaker;
mod fair;
mod rate;

pub use backoff::Backoff;
pub use breaker::{Breaker, BreakerSettings, BreakerState, Verdict};
pub use fair::Fair;
pub use rate::{Priority, Rate, RateLimit};
