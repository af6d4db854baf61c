//! HTTP for tests that wait for each answer.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::Runtime;

pub(crate) struct Http {
    runtime: Runtime,
    client: reqwest::Client,
}

impl Http {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        // Between two requests nobody looks after a connection: none is kept.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(20));
        Self { runtime, client: client.build().expect("a client") }
    }

    pub(crate) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Status and body; a body that is not JSON is a text.
    pub(crate) fn send(&self, request: RequestBuilder) -> (u16, Value) {
        self.attempt(request).expect("an answer")
    }

    /// The same, of a system that may break off.
    pub(crate) fn attempt(&self, request: RequestBuilder) -> Result<(u16, Value), String> {
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| error.to_string())?;
            let status = response.status().as_u16();
            let body = response.text().await.map_err(|error| error.to_string())?;
            Ok((status, serde_json::from_str(&body).unwrap_or(Value::String(body))))
        })
    }

    /// The body of an answer that has to be a success.
    pub(crate) fn done(&self, request: RequestBuilder) -> Value {
        let (status, body) = self.send(request);
        assert!((200..300).contains(&status), "{status}: {body}");
        body
    }
}
