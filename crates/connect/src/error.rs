//! What came of a call that did not succeed.

use std::time::Duration;

use model::Value;

use crate::Existing;

/// What an error means for the caller. The first question is always: can anything have changed over there?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Nothing changed; the system refuses this request for a business or data reason. Repeating it as it is will not help.
    Rejected,
    /// Nothing changed; the record or its parent is locked by somebody. Repeating it soon will help.
    Locked,
    /// Nothing changed; somebody else changed the record since it was read (a stale ETag).
    Conflict,
    /// Nothing changed; too many calls, or a budget is used up. Wait as told.
    Throttled,
    /// Nothing changed; the system cannot be reached, or says that it is down.
    Unavailable,
    /// Nothing changed; the credentials are refused. A person has to look.
    Unauthorized,
    /// Nothing changed; the system does not know the record, field or function: the definitions do not fit this system.
    Misconfigured,
    /// It is unknown whether anything changed: the request was sent and no answer came. It has to be probed.
    Ambiguous,
}

impl ErrorClass {
    /// The word for it in journals and on screens.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Locked => "locked",
            Self::Conflict => "conflict",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Unauthorized => "unauthorized",
            Self::Misconfigured => "misconfigured",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// Whether repeating the same request later can succeed without anybody's help.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Locked | Self::Conflict | Self::Throttled | Self::Unavailable | Self::Ambiguous)
    }
}

/// The code of an answer that came and cannot be understood. One answer may be for many calls: it may be the fault of one of them.
pub const NOT_UNDERSTOOD: &str = "not-understood";

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct CallError {
    /// What it means.
    pub class: ErrorClass,
    /// The vendor's code, such as `UNABLE_TO_LOCK_ROW` or `V1/311`; ours (`timeout`, `connect`) where no answer came.
    pub code: String,
    /// The vendor's sentence, or ours.
    pub message: String,
    /// How long the system asked to wait.
    pub retry_after: Option<Duration>,
    /// More of the vendor's answer, for the timeline.
    pub details: Value,
    /// Of a refused create: what the system has already and takes for the record.
    pub existing: Option<Box<Existing>>,
}

impl CallError {
    /// An error without details.
    pub fn new(class: ErrorClass, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class,
            code: code.into(),
            message: message.into(),
            retry_after: None,
            details: Value::Null,
            existing: None,
        }
    }

    /// With how long the system asked to wait.
    #[must_use]
    pub fn retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// With more of the vendor's answer.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// With what the system has already.
    #[must_use]
    pub fn with_existing(mut self, existing: Existing) -> Self {
        self.existing = Some(Box::new(existing));
        self
    }
}
