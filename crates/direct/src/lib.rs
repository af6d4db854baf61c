//! What a workflow reaches without a connection: HTTP and OpenAPI calls, gRPC, messages described by AsyncAPI, scripts and
//! shell commands.
//!
//! [`Direct::perform`] carries out one `workflow::Command::Request`. Nothing here is durable and nothing is repeated: the
//! driver stores first, and [`Failure::may_have_happened`] with [`Direct::repeatable`] tell it what it may do again.
//!
//! Sources: the reference of the Open Workflow DSL 1.0.3 (<https://github.com/open-workflow-specification/specification>)
//! for the members of a call and for what is an error. Where it is open: redirects are followed where that repeats the
//! same request or the answer is told to be elsewhere (303), never with credentials to another origin, and not at all with
//! `redirect: true`, which gives them back; a process that ends with another code than 0 is an error unless the code is asked for.

mod asyncapi;
mod authentication;
mod cache;
mod call;
mod failure;
mod grpc;
mod http;
mod openapi;
mod process;
mod resource;
mod secrets;
mod veil;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use connect::transport::{self, ClientOptions};
use model::{Problem, Value};
use prost_reflect::DescriptorPool;
use tokio::sync::Semaphore;
use tonic::transport::Channel;
use workflow::Protocol;

use cache::Cache;
use call::Attempt;

pub use failure::Failure;
pub use secrets::SecretStandIns;

/// How long documents that calls refer to are kept before they are fetched again.
const DOCUMENT_TIME: Duration = Duration::from_secs(10 * 60);
/// How many of them are kept.
const DOCUMENTS_MAX: usize = 32;
/// How many connections to gRPC services are kept.
const CHANNELS_MAX: usize = 64;
/// How many processes run at once; others wait for their turn.
const PROCESSES_MAX: usize = 32;

/// How requests are carried out.
#[derive(Debug)]
pub struct Options {
    /// Where relative paths and `file:` addresses begin; nothing outside of it is read.
    pub folder: PathBuf,
    /// Longest time for one request with its answer.
    pub timeout: Duration,
    /// Certificates in PEM that are trusted besides the system's own.
    pub ca_pem: Option<Vec<u8>>,
    /// The secrets that workflows may use.
    pub secrets: SecretStandIns,
    /// The processes that workflows may run.
    pub processes: Processes,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("."),
            timeout: Duration::from_secs(30),
            ca_pem: None,
            secrets: SecretStandIns::default(),
            processes: Processes::default(),
        }
    }
}

/// The processes that workflows may run; by default none.
#[derive(Debug, Clone)]
pub struct Processes {
    /// By the language of a script the words of the command that runs it, such as `node`; the file with the script and its
    /// arguments are appended. `js` and `javascript` are the same language.
    pub scripts: BTreeMap<String, Vec<String>>,
    /// The commands that `run: shell` may name; `*` for any. A command is taken apart as a shell would, and run without one.
    /// Where a shell itself is listed (`sh`, `bash`), every command is given to it, so that pipes and variables work: that
    /// allows everything.
    pub shell: Vec<String>,
    /// Longest time for one process, after which it is killed.
    pub timeout: Duration,
    /// Most bytes of its output, and as many of its errors; a process that writes more is killed.
    pub output_max: usize,
}

impl Default for Processes {
    fn default() -> Self {
        Self {
            scripts: BTreeMap::new(),
            shell: Vec::new(),
            timeout: Duration::from_secs(60),
            output_max: 4 * 1024 * 1024,
        }
    }
}

/// Carries out what workflows ask for without a connection.
#[derive(Debug)]
pub struct Direct {
    client: reqwest::Client,
    options: Options,
    texts: Cache<String, Arc<str>>,
    /// By the hash of their document.
    apis: Cache<[u8; 32], Arc<openapi::Api>>,
    /// By the hash of their address and source.
    protos: Cache<[u8; 32], DescriptorPool>,
    channels: Cache<grpc::Target, Channel>,
    tokens: authentication::Tokens,
    /// One for each process that may run at once.
    turns: Arc<Semaphore>,
}

impl Direct {
    /// Sets up the client.
    ///
    /// # Errors
    /// When the certificates in [`Options::ca_pem`] cannot be read, or TLS cannot be set up.
    pub fn new(options: Options) -> Result<Self, Problem> {
        let client = transport::client(&ClientOptions {
            timeout: options.timeout,
            ca_pem: options.ca_pem.clone(),
            ..ClientOptions::default()
        })?;
        Ok(Self {
            client,
            options,
            texts: Cache::new(DOCUMENTS_MAX, DOCUMENT_TIME),
            apis: Cache::new(DOCUMENTS_MAX, DOCUMENT_TIME),
            protos: Cache::new(DOCUMENTS_MAX, DOCUMENT_TIME),
            channels: Cache::new(CHANNELS_MAX, DOCUMENT_TIME),
            tokens: authentication::Tokens::default(),
            turns: Arc::new(Semaphore::new(PROCESSES_MAX)),
        })
    }

    /// Carries out one request of a workflow: `call` as the machine evaluated it. `idempotency_key` is the same whenever the
    /// same request is repeated; it goes with `POST` and `PATCH`, so that a target that recognises it acts once.
    ///
    /// # Errors
    /// As the standard says for the protocol; the fault never holds a secret.
    pub async fn perform(&self, protocol: Protocol, call: &Value, idempotency_key: &str) -> Result<Value, Failure> {
        let attempt = Attempt::new(self, idempotency_key);
        attempt.perform(protocol, call).await.map_err(|failure| attempt.cover(failure))
    }

    /// Whether carrying out this request again changes nothing more than doing it once.
    #[must_use]
    pub fn repeatable(&self, protocol: Protocol, call: &Value) -> bool {
        match protocol {
            Protocol::Http => http::repeatable(call),
            Protocol::OpenApi => self.openapi_repeatable(call),
            // Loading a function changes nothing; what its task asks for is another request.
            Protocol::Function => true,
            // Consuming again finds other messages, but changes nothing.
            Protocol::AsyncApi => call.get("message").is_null(),
            _ => false,
        }
    }

    /// The text at an endpoint, `{ uri, authentication }` or an address: of HTTP, of a file or relative to the folder.
    ///
    /// # Errors
    /// When it cannot be had, is no text, or is larger than 8 MB.
    pub async fn fetch(&self, endpoint: &Value) -> Result<Arc<str>, Failure> {
        let attempt = Attempt::new(self, "");
        attempt.text(endpoint).await.map(|document| document.text).map_err(|failure| attempt.cover(failure))
    }
}
