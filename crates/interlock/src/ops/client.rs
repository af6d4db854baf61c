//! Requests to the ops API, and what went wrong with them as a sentence that says what to do.

use std::fmt;
use std::time::Duration;

use connect::transport::{self, Answer, ClientOptions, Effect};
use connect::{ErrorClass, Secret};
use model::{Problem, Value, json};
use reqwest::{StatusCode, Url, header};

use super::show::harmless;
use crate::failure::Failure;

/// Largest answer, in bytes: a run may hold much, and a list many.
const ANSWER_MAX: usize = 256 << 20;
/// Longest wait for an answer: something done with many runs takes a commit for each.
const WITHIN: Duration = Duration::from_secs(120);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no answer that can be used, or what the answer refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What happened, one sentence without a full stop.
    pub(crate) message: String,
    /// What to do about it, one sentence without a full stop.
    pub(crate) remedy: String,
    /// Its stable code.
    pub(crate) code: String,
    /// Whether the next request would meet the same: nobody is there, or nobody believes this token.
    pub(crate) lasts: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}. {}. [{}]", self.message, self.remedy, self.code)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Refused(trouble.to_string())
    }
}

/// A client of one Interlock's ops API.
pub(crate) struct Client {
    http: reqwest::Client,
    url: Url,
    token: Secret,
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub(crate) fn new(url: Url, token: Secret) -> Result<Self, Problem> {
        let options = ClientOptions { timeout: WITHIN, connect_timeout: CONNECT_WITHIN, ..ClientOptions::default() };
        Ok(Self { http: transport::client(&options)?, url, token })
    }

    /// Asks; `path` are the parts after `/ops`.
    ///
    /// # Errors
    /// When there is no answer, or it refuses.
    pub(crate) async fn ask(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Trouble> {
        let mut url = self.address(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.answer(self.http.get(url), Effect::Read).await
    }

    /// Tells; `path` are the parts after `/ops`.
    ///
    /// # Errors
    /// When there is no answer, or it refuses.
    pub(crate) async fn tell(&self, path: &[&str], body: &Value) -> Result<Value, Trouble> {
        let request = self.http.post(self.address(path)).header(header::CONTENT_TYPE, "application/json");
        self.answer(request.body(json::to_string(body)), Effect::Write).await
    }

    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        // An address with a host, which this one has, has a path.
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push("ops").extend(path);
        }
        url
    }

    async fn answer(&self, request: reqwest::RequestBuilder, effect: Effect) -> Result<Value, Trouble> {
        let request = request.bearer_auth(self.token.expose());
        let answer = transport::send(request, effect, ANSWER_MAX).await.map_err(|error| self.unanswered(&error))?;
        let value = json::parse(&answer.body).ok();
        match value {
            Some(value) if answer.status.is_success() => Ok(value),
            Some(problem) if problem.get("code").as_str().is_some() => Err(refused(answer.status, &problem)),
            _ => Err(self.something_else(&answer)),
        }
    }

    fn unanswered(&self, error: &connect::CallError) -> Trouble {
        let own = |code: &str, message: String, remedy: &str| Trouble {
            message,
            remedy: remedy.to_owned(),
            code: code.to_owned(),
            lasts: true,
        };
        match error.class {
            ErrorClass::Ambiguous => own(
                "IL-OPS-004",
                format!("the answer of {} was lost, so it may have been done or not: {}", self.place(), error.message),
                "Look at how it stands before you repeat it",
            ),
            // What stands last is the cause of all before it.
            _ if error.code == "connect" => own(
                "IL-OPS-003",
                format!(
                    "no Interlock answers at {}: {}",
                    self.place(),
                    error.message.rsplit(": ").next().unwrap_or_default()
                ),
                "Start it with `interlock run`, or say where it is with --url",
            ),
            _ => own("IL-OPS-003", format!("{} cannot be asked: {}", self.place(), error.message), "Try it again"),
        }
    }

    fn something_else(&self, answer: &Answer) -> Trouble {
        Trouble {
            message: format!(
                "what answers at {} is not Interlock's console: status {}",
                self.place(),
                answer.status.as_u16()
            ),
            remedy: "Give the address of the console, not that of the process APIs or of something else".to_owned(),
            code: "IL-OPS-005".to_owned(),
            lasts: true,
        }
    }

    fn place(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }
}

/// What problem details say.
fn refused(status: StatusCode, problem: &Value) -> Trouble {
    let text = |name: &str| harmless(problem.get(name).as_str().unwrap_or_default());
    let remedy = match status {
        StatusCode::UNAUTHORIZED => "Give a user's access token: in INTERLOCK_TOKEN, or by --token-file".to_owned(),
        StatusCode::TOO_MANY_REQUESTS => "Wait a minute, and give a user's access token".to_owned(),
        _ => text("remedy"),
    };
    // A user who may not act on one queue may act on another.
    let lasts =
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    Trouble { message: text("title"), remedy, code: text("code"), lasts }
}
