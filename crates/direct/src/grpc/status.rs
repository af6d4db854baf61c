//! The status of a call as a fault.

use model::Value;
use tonic::{Code, Status};
use workflow::FaultType;

use super::channel::with_causes;
use crate::Failure;

/// Name and HTTP status of a code, as `google/rpc/code.proto` maps them.
const fn known(code: Code) -> (&'static str, u16) {
    match code {
        Code::Ok => ("OK", 200),
        Code::Cancelled => ("CANCELLED", 499),
        Code::Unknown => ("UNKNOWN", 500),
        Code::InvalidArgument => ("INVALID_ARGUMENT", 400),
        Code::DeadlineExceeded => ("DEADLINE_EXCEEDED", 504),
        Code::NotFound => ("NOT_FOUND", 404),
        Code::AlreadyExists => ("ALREADY_EXISTS", 409),
        Code::PermissionDenied => ("PERMISSION_DENIED", 403),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", 429),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", 400),
        Code::Aborted => ("ABORTED", 409),
        Code::OutOfRange => ("OUT_OF_RANGE", 400),
        Code::Unimplemented => ("UNIMPLEMENTED", 501),
        Code::Internal => ("INTERNAL", 500),
        Code::Unavailable => ("UNAVAILABLE", 503),
        Code::DataLoss => ("DATA_LOSS", 500),
        Code::Unauthenticated => ("UNAUTHENTICATED", 401),
    }
}

pub(super) fn failure(what: &str, status: &Status) -> Failure {
    let (name, http) = known(status.code());
    let kind = match status.code() {
        Code::Unauthenticated => FaultType::Authentication,
        Code::PermissionDenied => FaultType::Authorization,
        Code::DeadlineExceeded => FaultType::Timeout,
        _ => FaultType::Communication,
    };
    // A status with a cause was not sent by the service but made here, of a connection that was lost.
    let lost = std::error::Error::source(status);
    let unreachable = lost.is_some_and(never_connected);
    let detail = match lost {
        Some(cause) if unreachable => format!("{what}: the service cannot be reached: {}", with_causes(cause)),
        Some(cause) => format!("{what}: the connection was lost: {}", with_causes(cause)),
        None => format!("{what} answered {name}: {}", status.message()),
    };
    let data = Value::object([("code", name), ("message", status.message())]);
    Failure::new(kind, detail).with_status(http).with_data(data).uncertain(lost.is_some() && !unreachable)
}

/// Whether the cause is that there was no connection to send anything over.
fn never_connected(cause: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(cause), |error| error.source()).any(|error| error.is::<tonic::ConnectError>())
}
