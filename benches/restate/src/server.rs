//! A Restate server in a process of its own, with an empty folder, which knows the worker.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::Outcome;

/// Where the server takes calls and administration unless it is told otherwise.
const INGRESS: &str = "http://127.0.0.1:8080";
const ADMIN: &str = "http://127.0.0.1:9070";
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A server that runs; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    process: u32,
}

impl Server {
    /// Starts it in an empty folder, and tells it of the worker.
    pub(crate) async fn start(program: &Path, folder: &Path, worker: SocketAddr) -> Outcome<Self> {
        if folder.exists() {
            return Err(format!("{} is there already: name a new folder with --dir", folder.display()).into());
        }
        for address in ["127.0.0.1:8080", "127.0.0.1:9070"] {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Err(format!("something listens on {address} already, which the server needs").into());
            }
        }
        let wrong = |error| format!("{} cannot be started: {error}", program.display());
        // The server starts in a folder of its own, where a relative path is another one.
        let program = program.canonicalize().map_err(wrong)?;
        fs::create_dir_all(folder)?;
        let log = File::create(folder.join("server.log"))?;
        let child = Command::new(program)
            .args(["--no-logo", "--node-name", "bench", "--listen-mode", "tcp", "--bind-ip", "127.0.0.1"])
            .current_dir(folder)
            .env("RESTATE_BASE_DIR", folder.join("data"))
            .env("DO_NOT_TRACK", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let process = child.id().ok_or("the server ended at once")?;
        let server = Self { child, process };
        server.register(worker).await?;
        Ok(server)
    }

    async fn register(&self, worker: SocketAddr) -> Outcome<()> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        let end = Instant::now() + READY_WITHIN;
        let body = serde_json::json!({ "uri": format!("http://{worker}") }).to_string();
        loop {
            let request = client.post(format!("{ADMIN}/deployments")).header("content-type", "application/json");
            let told = match request.body(body.clone()).send().await {
                Ok(answer) if answer.status().is_success() => return self.until_called(&client, end).await,
                Ok(answer) => format!("{}: {}", answer.status(), answer.text().await.unwrap_or_default()),
                Err(error) => error.to_string(),
            };
            if Instant::now() > end {
                return Err(format!("the server does not take the worker: {told}").into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// It takes a moment until what is called by clients knows the worker, too.
    async fn until_called(&self, client: &reqwest::Client, end: Instant) -> Outcome<()> {
        loop {
            let request =
                client.post(self.handler("FiveSteps/go")).header("content-type", "application/json").body("0");
            if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err("the server does not call the worker".into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The server's process.
    pub(crate) const fn process(&self) -> u32 {
        self.process
    }

    /// Where a handler is called.
    pub(crate) fn handler(&self, name: &str) -> String {
        format!("{INGRESS}/{name}")
    }

    /// Ends it, and removes its folder.
    pub(crate) async fn stop(mut self, folder: &Path) {
        // It has nothing that is needed any more.
        let _ = self.child.kill().await;
        let _ = fs::remove_dir_all(folder);
    }
}
