//! Programs that the demo starts: this same executable, with the simulators or the middleware in a process of its own.
//!
//! A child ends with its parent, also when the parent is killed: its standard input is a pipe that closes then.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use model::{Problem, Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a child may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
const LINE_MAX: usize = 64 * 1024;

/// A running child.
pub(crate) struct Running {
    child: Child,
    /// What it said when it was ready.
    pub(crate) ready: Value,
}

impl Running {
    /// Starts this executable with arguments and environment variables, and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not get ready.
    pub(crate) async fn start(what: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Self, Problem> {
        let failed = |why: String| {
            Problem::new("IL-DEMO-017", format!("{what} could not be started: {why}"), "Look at what it said above")
        };
        let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        Self::spawn(what, &program, arguments, environment).await.map_err(failed)
    }

    async fn spawn(
        what: &str,
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(arguments).envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let Some(output) = child.stdout.take() else { return Err("it has no output".to_owned()) };
        let mut lines = BufReader::new(output);
        let mut line = Vec::new();
        let read = tokio::time::timeout(READY_WITHIN, lines.read_until(b'\n', &mut line)).await;
        match read {
            Err(_) => return Err(format!("it was not ready after {} s", READY_WITHIN.as_secs())),
            Ok(Err(error)) => return Err(error.to_string()),
            Ok(Ok(0)) => {
                let status = child.wait().await.map_err(|error| error.to_string())?;
                return Err(format!("it ended with {status}"));
            }
            Ok(Ok(_)) => {}
        }
        line.truncate(LINE_MAX);
        let ready =
            json::parse(&line).map_err(|_| format!("it said `{}`", String::from_utf8_lossy(&line).trim_end()))?;
        // Whatever it prints later is read, so that it never has to wait for a reader.
        let name = what.to_owned();
        tokio::spawn(async move {
            let mut line = String::new();
            while matches!(lines.read_line(&mut line).await, Ok(length) if length > 0) {
                tracing::debug!(child = %name, "{}", line.trim_end());
                line.clear();
            }
        });
        Ok(Self { child, ready })
    }

    /// The process's number, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Something it said when it was ready.
    ///
    /// # Errors
    /// When it did not say it.
    pub(crate) fn said(&self, name: &str) -> Result<&str, Problem> {
        self.ready.get(name).as_str().ok_or_else(|| {
            let message = format!("a child process did not tell its `{name}`");
            Problem::new("IL-DEMO-018", message, "This is a mistake in Interlock: please report it")
        })
    }

    /// Ends it at once, as a power cut would.
    pub(crate) async fn kill(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill().await;
    }

    /// Closes its standard input, which asks it to end, and waits.
    pub(crate) async fn stop(mut self, within: Duration) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(within, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }
}
