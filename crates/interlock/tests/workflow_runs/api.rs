//! A project that runs in a process of its own, and its ops API.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const TOKEN: &str = "a token of this test";

/// An address that nothing listens on.
pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address")
}

/// The settings of a project with a console there.
pub(crate) fn settings(console: SocketAddr) -> String {
    format!(
        "name: runs\nlisteners: {{ console: {{ address: '{console}' }} }}\nusers: [ {{ name: oscar, roles: [operator], token: env:TOKEN }} ]\n"
    )
}

/// Runs the project of a folder.
pub(crate) fn start(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(["run", "--child"])
        .arg(folder)
        .env("TOKEN", TOKEN)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts")
}

/// The ops API of a running project.
pub(crate) struct Api {
    client: reqwest::Client,
    address: SocketAddr,
}

impl Api {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        Self { client, address }
    }

    pub(crate) async fn ask(&self, path: &str) -> Option<Value> {
        let request = self.client.get(format!("http://{}{path}", self.address)).bearer_auth(TOKEN);
        let answer = request.send().await.ok()?;
        answer.error_for_status().ok()?.json().await.ok()
    }

    pub(crate) async fn tell(&self, path: &str, body: &Value) -> Option<Value> {
        let request = self.client.post(format!("http://{}{path}", self.address)).bearer_auth(TOKEN).json(body);
        let answer = request.send().await.ok()?;
        answer.error_for_status().ok()?.json().await.ok()
    }

    /// Until it is answered: the program may be starting.
    pub(crate) async fn asked(&self, path: &str) -> Value {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(value) = self.ask(path).await {
                return value;
            }
            assert!(Instant::now() < end, "no answer from {path}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many runs stand so.
    pub(crate) async fn count(&self, status: &str) -> usize {
        let mut count = 0;
        loop {
            let page = self.asked(&format!("/ops/runs?status={status}&limit=500&offset={count}")).await;
            let found = page["runs"].as_array().expect("runs").len();
            count += found;
            if found < 500 {
                return count;
            }
        }
    }
}
