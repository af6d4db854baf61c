//! What `interlock.yaml` says.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;

/// What `interlock.yaml` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProjectSettings {
    /// The project's name.
    pub name: Arc<str>,
    /// The embedded store's file, relative to the project folder.
    pub store: PathBuf,
    /// Where process APIs and pushed events are served.
    pub api: Option<SocketAddr>,
    /// Where the console is served.
    pub console: Option<SocketAddr>,
    /// Who may use the console.
    pub users: Vec<User>,
    /// Secret reference of the bearer token that systems which push events present; without it, none are taken.
    pub events_token: Option<Arc<str>>,
    /// Who may call process APIs.
    pub clients: Vec<Client>,
    /// What workflows may reach without a connection.
    pub direct: DirectCalls,
    /// Secrets that workflows name under `use.secrets`: the reference of each.
    pub secrets: IndexMap<Arc<str>, Arc<str>>,
}

/// What workflows may reach without a connection. Nothing by default: a connection has limits, and its writes are looked for
/// when their fate is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DirectCalls {
    /// Whether they may call addresses: http, openapi, grpc, asyncapi, functions by address.
    pub calls: bool,
    /// The commands that `run: shell` may start, by name.
    pub shell: Vec<Arc<str>>,
    /// The languages that `run: script` may use, each with the command that runs a file of it.
    pub scripts: IndexMap<Arc<str>, Vec<Arc<str>>>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub name: Arc<str>,
    /// What they may do: roles that queues name; `operator` may do everything.
    pub roles: Vec<Arc<str>>,
    /// Secret reference of their access token.
    pub token: Arc<str>,
}

/// A program that calls process APIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Which.
    pub name: Arc<str>,
    /// Secret reference of its key.
    pub key: Arc<str>,
    /// The APIs it may call, by name.
    pub apis: Vec<Arc<str>>,
}
