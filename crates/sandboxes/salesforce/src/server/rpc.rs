//! One call of the Pub/Sub API: the id that it is traced by, and how it fails.

use tonic::{Code, Status};
use uuid::Uuid;

/// Why a call ends otherwise than by the client's wish.
#[derive(Debug)]
pub(super) struct Failure {
    code: Code,
    /// The vendor's own code; what is wrong with the transport has none.
    vendor: Option<&'static str>,
    message: String,
}

impl Failure {
    pub(super) fn new(code: Code, vendor: &'static str, message: impl Into<String>) -> Self {
        Self { code, vendor: Some(vendor), message: message.into() }
    }
}

/// What is wrong with a stream of requests.
impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { code: status.code(), vendor: None, message: status.message().to_owned() }
    }
}

/// The id of a call: all of its answers carry it, and so does the error that ends it.
#[derive(Debug, Clone)]
pub(super) struct Rpc(String);

impl Rpc {
    pub(super) fn begin() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    pub(super) fn id(&self) -> String {
        self.0.clone()
    }

    /// The error that ends the call.
    pub(super) fn failed(&self, failure: Failure) -> Status {
        let mut status = Status::new(failure.code, format!("{} rpcId: {}", failure.message, self.0));
        let code = failure.vendor.map(|vendor| format!("sfdc.platform.eventbus.grpc.{vendor}"));
        let trailers = [("error-code", code), ("rpc-id", Some(self.id()))];
        for (name, text) in trailers {
            if let Some(value) = text.and_then(|text| text.parse().ok()) {
                status.metadata_mut().insert(name, value);
            }
        }
        status
    }
}
