//! Direct calls of workflows, as the runtime asks for them, and the secrets that they may use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connect::{Secret, Secrets};
use definitions::DirectCalls as Allowed;
use direct::{Direct, Options, Processes, SecretStandIns};
use futures::future::BoxFuture;
use model::{IntentId, Problem, Value};
use runtime::{DirectCalls, DirectFailure};
use store::{Mutation, Store};
use uuid::Uuid;
use workflow::{Environment, Protocol};

/// Where the text that makes stand-ins for secrets unguessable is kept: runs that are stored hold such stand-ins.
const NONCE: &str = "@secret-stand-ins";

/// Carries out direct calls for the runtime.
struct Calls(Direct);

impl DirectCalls for Calls {
    fn perform<'a>(
        &'a self,
        protocol: Protocol,
        call: &'a Value,
        intent: IntentId,
    ) -> BoxFuture<'a, Result<Value, DirectFailure>> {
        Box::pin(async move { self.0.perform(protocol, call, &intent.to_string()).await.map_err(failure) })
    }

    fn is_repeatable(&self, protocol: Protocol, call: &Value) -> bool {
        self.0.repeatable(protocol, call)
    }

    fn fetch<'a>(&'a self, endpoint: &'a Value) -> BoxFuture<'a, Result<Arc<str>, DirectFailure>> {
        Box::pin(async move { self.0.fetch(endpoint).await.map_err(failure) })
    }
}

fn failure(failure: direct::Failure) -> DirectFailure {
    DirectFailure { fault: failure.fault, may_have_happened: failure.may_have_happened }
}

/// What calls of workflows are made with.
pub(crate) struct Setting<'a> {
    /// Where relative paths begin.
    pub(crate) folder: &'a Path,
    /// What is allowed.
    pub(crate) allowed: &'a Allowed,
    /// Certificates in PEM that are trusted besides the system's own.
    pub(crate) ca_pem: Option<Vec<u8>>,
    /// The secrets of workflows.
    pub(crate) secrets: &'a SecretStandIns,
}

/// Carries out what is allowed.
///
/// # Errors
/// When the certificates cannot be read, or TLS cannot be set up.
pub(crate) fn calls(setting: Setting<'_>) -> Result<Arc<dyn DirectCalls>, Problem> {
    let texts = |words: &[Arc<str>]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
    let Allowed { shell, scripts, .. } = setting.allowed;
    let processes = Processes {
        scripts: scripts.iter().map(|(language, command)| (language.to_string(), texts(command))).collect(),
        shell: texts(shell),
        ..Processes::default()
    };
    let direct = Direct::new(Options {
        folder: PathBuf::from(setting.folder),
        ca_pem: setting.ca_pem,
        secrets: setting.secrets.clone(),
        processes,
        ..Options::default()
    })?;
    Ok(Arc::new(Calls(direct)))
}

/// Reads the secrets of workflows by their references.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn secrets<'a>(
    references: impl IntoIterator<Item = (&'a str, &'a str)>,
    from: &dyn Secrets,
    nonce: &str,
) -> Result<SecretStandIns, Problem> {
    let mut read: BTreeMap<String, Secret> = BTreeMap::new();
    for (name, reference) in references {
        let secret = from.get(reference).map_err(|error| {
            let message = format!("the secret `{name}` of workflows: {error}");
            Problem::new("IL-RUN-016", message, "Set it where the reference points to, or remove it")
        })?;
        read.insert(name.to_owned(), secret);
    }
    Ok(SecretStandIns::new(nonce, read))
}

/// What expressions see of the deployment.
pub(crate) fn environment(secrets: &SecretStandIns) -> Environment {
    Environment { secrets: secrets.expression_value(), ..Environment::default() }
}

/// A text that nobody can guess.
pub(crate) fn fresh_nonce() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// The unguessable text of this store, made when it is first asked for.
///
/// # Errors
/// When the store cannot be used.
pub(crate) async fn nonce_of(store: &dyn Store) -> Result<String, Problem> {
    if let Some(nonce) = store.definition(NONCE).map_err(|error| error.problem_at_start())? {
        return Ok(nonce.to_string());
    }
    let nonce = fresh_nonce();
    let kept = Mutation::PutDefinition { hash: NONCE.into(), text: nonce.as_str().into() };
    store.commit(vec![kept]).durable().await.map_err(|error| error.problem_at_start())?;
    Ok(nonce)
}
