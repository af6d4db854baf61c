//! One process: started with only what it is given, watched, and killed with all its children when it takes too long, writes too
//! much, or nobody waits for it any more.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::OwnedSemaphorePermit;
use workflow::FaultType;

use super::command::{ScriptFile, own_path};
use crate::Failure;

/// A process before it is started.
pub(super) struct Prepared {
    pub(super) program: PathBuf,
    /// In words for messages.
    pub(super) what: String,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) stdin: Option<String>,
    pub(super) folder: PathBuf,
    pub(super) timeout: Duration,
    pub(super) output_max: usize,
    /// Kept until the process has ended.
    pub(super) _script: Option<ScriptFile>,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// A process with the group of its children; what is left of it is killed when this is dropped.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Nothing to kill is no error: it may have just ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Running {
    fn start(prepared: &Prepared, output: fn() -> Stdio) -> Result<Self, Failure> {
        let stdin = if prepared.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        let child = Command::new(&prepared.program)
            .args(&prepared.arguments)
            .env_clear()
            .env("PATH", own_path())
            .envs(prepared.environment.iter().map(|(name, text)| (name, text)))
            .current_dir(&prepared.folder)
            .stdin(stdin)
            .stdout(output())
            .stderr(output())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                Failure::new(FaultType::Runtime, format!("{} cannot be started: {error}", prepared.what))
            })?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, group })
    }

    async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        // What it left behind ends with it; it would hold the output open. The number may be another's from then on.
        if let Some(group) = self.group.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
        Ok(status)
    }
}

/// Runs a process to its end.
pub(super) async fn run(mut prepared: Prepared) -> Result<Ended, Failure> {
    let mut running = Running::start(&prepared, Stdio::piped)?;
    let (input, stdin) = (prepared.stdin.take(), running.child.stdin.take());
    let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
    let what = &prepared.what;
    let most = prepared.output_max;
    let feed = async {
        if let (Some(text), Some(mut pipe)) = (input, stdin) {
            // A process need not read what it is given.
            let _ = pipe.write_all(text.as_bytes()).await;
        }
        Ok(())
    };
    let work = async {
        let outputs = async { tokio::try_join!(read(stdout, most), read(stderr, most), feed) };
        let ((stdout, stderr, ()), status) =
            tokio::try_join!(outputs, async { running.wait().await.map_err(ReadError::Lost) })?;
        Ok(Ended { code: code(status), stdout, stderr })
    };
    let result = tokio::time::timeout(prepared.timeout, work).await;
    match result {
        Ok(Ok(ended)) => Ok(ended),
        Ok(Err(ReadError::TooMuch)) => {
            let detail = format!("{what} wrote more than {most} bytes, so it was ended");
            Err(Failure::new(FaultType::Runtime, detail).uncertain(true))
        }
        Ok(Err(ReadError::Lost(error))) => {
            Err(Failure::new(FaultType::Runtime, format!("{what} was lost: {error}")).uncertain(true))
        }
        Err(_) => {
            let detail = format!("{what} took longer than {} s, so it was ended", prepared.timeout.as_secs_f64());
            Err(Failure::new(FaultType::Timeout, detail).uncertain(true))
        }
    }
}

/// Starts a process that nobody waits for; it is ended all the same when it takes too long.
pub(super) fn start(mut prepared: Prepared, turn: OwnedSemaphorePermit) -> Result<(), Failure> {
    let mut running = Running::start(&prepared, Stdio::null)?;
    tokio::spawn(async move {
        let (input, stdin) = (prepared.stdin.take(), running.child.stdin.take());
        let work = async {
            if let (Some(text), Some(mut pipe)) = (input, stdin) {
                let _ = pipe.write_all(text.as_bytes()).await;
            }
            running.wait().await
        };
        let what = prepared.what.as_str();
        match tokio::time::timeout(prepared.timeout, work).await {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => tracing::warn!(code = code(status), "{what}, which nobody waits for, failed"),
            Ok(Err(error)) => tracing::warn!(%error, "{what}, which nobody waits for, was lost"),
            Err(_) => tracing::warn!("{what}, which nobody waits for, took too long and was ended"),
        }
        drop(turn);
    });
    Ok(())
}

enum ReadError {
    TooMuch,
    Lost(std::io::Error),
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, most: usize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        pipe.take(limit).read_to_end(&mut bytes).await.map_err(ReadError::Lost)?;
    }
    if bytes.len() > most { Err(ReadError::TooMuch) } else { Ok(bytes) }
}

/// The exit code; of a process that was killed, as shells say it.
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}
