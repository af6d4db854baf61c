//! What came of a request that did not succeed.

use connect::{CallError, ErrorClass};
use model::Value;
use workflow::{Fault, FaultType};

/// A request that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// As the workflow catches it. It never holds a secret.
    pub fault: Fault,
    /// Whether the request may have changed something: it may have reached the other side, and its answer did not come.
    pub may_have_happened: bool,
}

impl Failure {
    pub(crate) fn new(fault_type: FaultType, detail: impl Into<std::sync::Arc<str>>) -> Self {
        Self { fault: Fault::new(fault_type, detail), may_have_happened: false }
    }

    /// The call, the document behind it or the deployment is wrong: repeating it will not help.
    pub(crate) fn configuration(detail: impl Into<std::sync::Arc<str>>) -> Self {
        Self::new(FaultType::Configuration, detail)
    }

    /// The other side failed, with a status in the sense of HTTP.
    pub(crate) fn communication(status: u16, detail: impl Into<std::sync::Arc<str>>) -> Self {
        Self::new(FaultType::Communication, detail).with_status(status)
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.fault = self.fault.with_status(status);
        self
    }

    pub(crate) fn with_data(mut self, data: Value) -> Self {
        self.fault = self.fault.with_data(data);
        self
    }

    /// With whether it may have happened all the same.
    pub(crate) fn uncertain(mut self, may: bool) -> Self {
        self.may_have_happened = may;
        self
    }

    /// An exchange over HTTP without a usable answer; `what` names it, such as `GET https://host/path`.
    pub(crate) fn no_answer(what: &str, error: &CallError) -> Self {
        let failure = match error.code.as_str() {
            "connect" => Self::communication(503, format!("{what}: {}", error.message)),
            "timeout" => Self::communication(504, format!("{what}: {}", error.message)),
            "request" => Self::configuration(format!("{what}: {}", error.message)),
            _ => Self::communication(502, format!("{what}: {}", error.message)),
        };
        failure.uncertain(error.class == ErrorClass::Ambiguous)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.fault.fmt(formatter)
    }
}
impl std::error::Error for Failure {}
