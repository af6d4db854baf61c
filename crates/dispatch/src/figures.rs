//! What a dispatcher counts: for the console. Nothing here is durable.

use std::sync::Arc;

use jiff::Timestamp;
use model::ConnectionName;

/// Percentiles in milliseconds; all 0 when nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Percentiles {
    /// Half of all are faster.
    pub p50: f64,
    /// 95 of 100 are faster.
    pub p95: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
    /// How many were measured.
    pub count: u64,
}

/// How a connection does.
#[derive(Debug, Clone)]
pub struct ConnectionFigures {
    /// Its name.
    pub name: ConnectionName,
    /// Whether calls go out.
    pub state: ConnectionState,
    /// Calls answered with success.
    pub succeeded: u64,
    /// Calls that the system refused for good.
    pub rejected: u64,
    /// Calls that were or will be sent again.
    pub retried: u64,
    /// How often a record was looked up by its business key: after answers that were lost or unclear, some of them several
    /// times, and before creates that look first.
    pub probed: u64,
    /// Creates that had happened although their answer was lost or unclear.
    pub found: u64,
    /// Requests on their way.
    pub under_way: u64,
    /// Intents that wait to be sent.
    pub waiting: u64,
    /// What is used of the day's requests; `None` when they are not limited.
    pub budget: Option<BudgetFigures>,
    /// What the system said last when something went wrong, and when.
    pub last_error: Option<(Arc<str>, Timestamp)>,
    /// Milliseconds per request.
    pub latency: Percentiles,
}

/// What is used of the requests that a connection may be asked in a day, by UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetFigures {
    /// Requests of today, of this process.
    pub used: u64,
    /// The limit of a day.
    pub limit: u64,
    /// Used up: until then all work waits. A twentieth of the limit is left for callers who wait.
    pub until: Option<Timestamp>,
}

/// Whether calls go out to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectionState {
    /// They do.
    #[default]
    Up,
    /// Some fail; they are tried again.
    Struggling,
    /// None do: the system is down, and is tried from time to time.
    Down,
    /// The system refuses the credentials or the definition: a person is needed.
    Refused,
}
