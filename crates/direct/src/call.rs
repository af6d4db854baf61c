//! One request of a workflow on its way.

use model::Value;
use workflow::Protocol;

use crate::veil::Veil;
use crate::{Direct, Failure};

/// One request with what must not be told of it.
pub(crate) struct Attempt<'a> {
    pub(crate) direct: &'a Direct,
    pub(crate) idempotency_key: &'a str,
    pub(crate) veil: Veil<'a>,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(direct: &'a Direct, idempotency_key: &'a str) -> Self {
        Self { direct, idempotency_key, veil: Veil::new(&direct.options.secrets) }
    }

    pub(crate) fn cover(&self, failure: Failure) -> Failure {
        self.veil.cover(failure)
    }

    pub(crate) async fn perform(&self, protocol: Protocol, call: &Value) -> Result<Value, Failure> {
        match protocol {
            Protocol::Http => self.http(call).await,
            Protocol::OpenApi => self.openapi(call).await,
            Protocol::Grpc => self.grpc(call).await,
            Protocol::AsyncApi => self.asyncapi(call).await,
            Protocol::Script => self.script(call).await,
            Protocol::Shell => self.shell(call).await,
            Protocol::Container | Protocol::A2a | Protocol::Mcp | Protocol::Function => Err(not_served(protocol)),
        }
    }
}

fn not_served(protocol: Protocol) -> Failure {
    Failure::configuration(match protocol {
        Protocol::Container => {
            "containers are not run here: run a script or a shell command that the deployment allows, or call a service \
             over HTTP"
        }
        Protocol::A2a => "agents are not called over A2A here: call the agent's HTTP interface with `call: http`",
        Protocol::Mcp => "tools are not called over MCP here: call the service behind them with `call: http`",
        Protocol::Function => {
            "a function at an address is carried out by the one who runs the workflow, not as a request of its own"
        }
        _ => "this protocol is not served here: call a function of a connection instead",
    })
}
