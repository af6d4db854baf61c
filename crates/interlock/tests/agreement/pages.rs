//! The console's pages, as a signed-in person gets them without a script.

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;

use crate::systems::{Interlock, OPERATOR};

/// A person who is signed in.
pub(crate) struct Visitor {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    console: String,
    cookie: String,
}

impl Visitor {
    pub(crate) fn of(interlock: &Interlock<'_>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).redirect(Policy::none());
        let client = client.build().expect("a client");
        let console = interlock.console.clone();
        let form = client.post(format!("{console}/sign-in")).form(&[("token", OPERATOR), ("next", "/")]);
        let answer = runtime.block_on(form.send()).expect("an answer");
        let cookie = answer.headers().get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok()).expect("a cookie");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Self { runtime, client, console, cookie }
    }

    /// The page at this address; its status in front when that is not 200.
    pub(crate) fn sees(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.console)).header(COOKIE, &self.cookie);
        self.runtime.block_on(async {
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            let text = answer.text().await.expect("a page");
            if status == 200 { text } else { format!("{status} {text}") }
        })
    }
}
