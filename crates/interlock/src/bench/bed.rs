//! What a measured workflow runs on: a folder, a store in it, and a runtime whose functions are in this process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use definitions::{DirectCalls as Allowed, Purpose, Release};
use futures::future::BoxFuture;
use model::{IntentId, Problem, Value};
use runtime::{DirectAccess, DirectCalls, DirectFailure, InDoubt, Parts, Runtime};
use store::SqliteStore;
use tempfile::TempDir;
use workflow::{Fault, FaultType, Protocol};

/// A step: gives back what it was given, with its number raised.
struct Step;

impl DirectCalls for Step {
    fn perform<'a>(&'a self, _: Protocol, call: &'a Value, _: IntentId) -> BoxFuture<'a, Result<Value, DirectFailure>> {
        let number = call.get("body").get("n").as_i64().unwrap_or(0);
        Box::pin(std::future::ready(Ok(Value::object([("n", number + 1)]))))
    }

    fn is_repeatable(&self, _: Protocol, _: &Value) -> bool {
        true
    }

    fn fetch<'a>(&'a self, _: &'a Value) -> BoxFuture<'a, Result<Arc<str>, DirectFailure>> {
        let fault = Fault::new(FaultType::Configuration, "there is nothing to fetch");
        Box::pin(std::future::ready(Err(DirectFailure::known(fault))))
    }
}

/// Something is in the way of measuring.
pub(super) fn failed(what: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new("IL-BENCH-002", format!("{what}: {error}"), "Look at the disk of the folder given by --dir")
}

fn read(folder: &Path, number: usize, document: &str) -> Result<Release, Problem> {
    let file = folder.join(format!("measured-{number}.yaml"));
    std::fs::write(&file, document).map_err(|error| failed("the workflow cannot be written", &error))?;
    let allowed = Allowed { calls: true, ..Allowed::default() };
    let loaded = definitions::standalone(&file, Purpose::Run, allowed, &workflow::Environment::default())
        .map_err(|error| failed("the workflow cannot be read", &error))?;
    Ok(loaded.release)
}

/// What a measured workflow runs on.
pub(super) struct Bed {
    folder: PathBuf,
    /// Goes with everything in it, when it was made for this.
    _made: Option<TempDir>,
    release: Arc<Release>,
}

impl Bed {
    /// Writes the documents into the folder, or into a temporary one, and reads them as a user's would be.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(super) fn prepare(folder: Option<PathBuf>, documents: &[&str]) -> Result<Self, Problem> {
        let (folder, made) = match folder {
            Some(folder) => (folder, None),
            None => {
                let made = tempfile::Builder::new().prefix("interlock-bench-").tempdir();
                let made = made.map_err(|error| failed("no temporary folder can be made", &error))?;
                (made.path().to_owned(), Some(made))
            }
        };
        let mut release = None;
        for (number, document) in documents.iter().enumerate() {
            let read = read(&folder, number, document)?;
            match &mut release {
                None => release = Some(read),
                Some(release) => release.workflows.extend(read.workflows),
            }
        }
        let release = release.ok_or_else(|| failed("nothing is measured", &"no workflow is given"))?;
        Ok(Self { folder, _made: made, release: Arc::new(release) })
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a runtime on the store in the folder.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(super) async fn start(&self) -> Result<Runtime, Problem> {
        let store = SqliteStore::open(&self.folder.join("bench.db")).map_err(|error| error.problem_at_start())?;
        let parts = Parts {
            direct: Some(DirectAccess { calls: Arc::new(Step), in_doubt: InDoubt::Fail }),
            ..Parts::new(Arc::clone(&self.release), Arc::new(store), HashMap::new())
        };
        Runtime::start(parts).await
    }

    /// Bytes that the store takes on the disk.
    pub(super) fn stored(&self) -> u64 {
        let sizes = ["bench.db", "bench.db-wal"].map(|name| std::fs::metadata(self.folder.join(name)));
        sizes.into_iter().flatten().map(|found| found.len()).sum()
    }
}
