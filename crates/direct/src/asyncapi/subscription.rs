//! Consuming messages: for how long, how many, and which.

use std::time::Duration;

use ::http::header::CONTENT_TYPE;
use ::http::{Method, StatusCode};
use connect::transport::{Answer, BODY_MAX, Effect, classify};
use model::{Value, json};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::condition::Condition;
use super::document::{Place, locate};
use super::stream::Reader;
use crate::Failure;
use crate::authentication::{Authentication, Refused};
use crate::call::Attempt;
use crate::http::{Answered, Outgoing, media_type, refused};

/// Most messages of one subscription.
const MESSAGES_MAX: usize = 10_000;
/// A subscription without an end of its own ends after a day.
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long to wait before a stream that ended is opened again, when the server does not say.
const RETRY: Duration = Duration::from_secs(1);
/// How often in a row opening again may fail.
const FAILURES_MAX: u32 = 5;
/// How much of an answer that is an error is read, in bytes.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// What a call wants to consume. `variables` of the subscription, where it is there, holds what the expressions see by name.
#[derive(Debug)]
pub(super) struct Subscription {
    filter: Option<Condition>,
    amount: Option<usize>,
    time: Duration,
    during: Option<Condition>,
    until: Option<Condition>,
}

impl Subscription {
    pub(super) fn read(value: &Value) -> Result<Self, Failure> {
        let consume = value.get("consume");
        if consume.as_object().is_none() {
            return Err(Failure::configuration("a subscription needs `consume`"));
        }
        let variables = value.get("variables");
        let condition = |name: &str, value: &Value| Condition::read(name, value, variables);
        let amount = match consume.get("amount") {
            Value::Null => None,
            amount => Some(
                amount
                    .as_i64()
                    .and_then(|amount| usize::try_from(amount).ok())
                    .filter(|amount| *amount <= MESSAGES_MAX)
                    .ok_or_else(|| {
                        Failure::configuration(format!("`amount` is a whole number of messages up to {MESSAGES_MAX}"))
                    })?,
            ),
        };
        let time = match consume.get("for") {
            Value::Null => TIME_MAX,
            time => duration(time)
                .ok_or_else(|| Failure::configuration("`for` is a duration such as `PT10S` or `seconds: 10`"))?
                .min(TIME_MAX),
        };
        Ok(Self {
            filter: condition("filter", value.get("filter"))?,
            amount,
            time,
            during: condition("while", consume.get("while"))?,
            until: condition("until", consume.get("until"))?,
        })
    }

    /// Whether it is over before another message is taken.
    fn is_over(&self, consumed: &[Value]) -> Result<bool, Failure> {
        if self.amount.is_some_and(|amount| consumed.len() >= amount) {
            return Ok(true);
        }
        match &self.until {
            Some(until) => until.holds(&Value::array(consumed.iter().cloned())),
            None => Ok(false),
        }
    }

    /// Takes a message; gives whether the subscription is over with it.
    fn take(&self, message: Value, consumed: &mut Vec<Value>) -> Result<bool, Failure> {
        if let Some(filter) = &self.filter
            && !filter.holds(&message)?
        {
            return Ok(false);
        }
        consumed.push(message);
        if let Some(during) = &self.during
            && !during.holds(&Value::array(consumed.iter().cloned()))?
        {
            return Ok(true);
        }
        if self.is_over(consumed)? {
            return Ok(true);
        }
        if consumed.len() >= MESSAGES_MAX {
            let detail = format!("the subscription would consume more than {MESSAGES_MAX} messages");
            return Err(Failure::new(workflow::FaultType::Runtime, detail));
        }
        Ok(false)
    }
}

/// `{ seconds: 10 }` or ISO 8601; a day has 24 hours.
fn duration(value: &Value) -> Option<Duration> {
    if let Some(text) = value.as_str() {
        let span: jiff::Span = text.parse().ok()?;
        let days = jiff::SpanRelativeTo::days_are_24_hours();
        return Duration::try_from(span.to_duration(days).ok()?).ok();
    }
    let units =
        [("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1000), ("milliseconds", 1)];
    let known = value.as_object()?.keys().all(|name| units.iter().any(|(unit, _)| *unit == &**name));
    let milliseconds = units.iter().try_fold(0_u64, |sum, (unit, each)| match value.get(unit) {
        Value::Null => Some(sum),
        amount => u64::try_from(amount.as_i64()?).ok()?.checked_mul(*each)?.checked_add(sum),
    });
    milliseconds.filter(|_| known).map(Duration::from_millis)
}

/// What became of a stream.
enum Stream {
    /// What was wanted has come.
    Over,
    /// The server has no more.
    Ended,
    /// The server ended a stream of events, which go on in another.
    Interrupted,
}

/// What has come until now, over all streams.
struct Progress {
    consumed: Vec<Value>,
    bytes: usize,
    events: Reader,
    /// Whether it was a stream of events: any other would begin anew.
    resumable: bool,
}

impl Attempt<'_> {
    /// Consumes until it is enough or the time is over; gives the messages.
    pub(super) async fn consume(
        &self,
        outgoing: Outgoing,
        authentication: &Authentication,
        place: &Place,
        subscription: &Subscription,
    ) -> Result<Value, Failure> {
        let mut progress = Progress { consumed: Vec::new(), bytes: 0, events: Reader::new(true), resumable: false };
        if subscription.is_over(&progress.consumed)? {
            return Ok(Value::from(progress.consumed));
        }
        let deadline = Instant::now() + subscription.time;
        let mut failures = 0;
        loop {
            let mut next = outgoing.clone();
            if !progress.events.last_id.is_empty() {
                next.set_header("last-event-id", &progress.events.last_id)?;
            }
            let before = progress.consumed.len();
            match timeout_at(deadline, self.stream(&next, authentication, place, subscription, &mut progress)).await {
                // The time is over: what has come until now is the answer.
                Err(_) | Ok(Ok(Stream::Over | Stream::Ended)) => return Ok(Value::from(progress.consumed)),
                Ok(Ok(Stream::Interrupted)) => failures = 0,
                Ok(Err(failure)) => {
                    failures = if progress.consumed.len() > before { 1 } else { failures + 1 };
                    let lost = matches!(failure.fault.status, 502..=504);
                    if !lost || !progress.resumable || failures >= FAILURES_MAX {
                        return Err(failure);
                    }
                }
            }
            let pause = Instant::now() + progress.events.retry.unwrap_or(RETRY);
            sleep_until(pause.min(deadline)).await;
            if pause >= deadline {
                return Ok(Value::from(progress.consumed));
            }
        }
    }

    /// Reads one stream.
    async fn stream(
        &self,
        outgoing: &Outgoing,
        authentication: &Authentication,
        place: &Place,
        subscription: &Subscription,
        progress: &mut Progress,
    ) -> Result<Stream, Failure> {
        let mut response = self.open(outgoing, authentication).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(Stream::Ended);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(media_type);
        let kind = kind.unwrap_or_default();
        let events = kind == "text/event-stream";
        progress.resumable |= events;
        let whole = kind == "application/json" || kind.ends_with("+json");
        let mut lines = Reader::new(false);
        let mut document = Vec::new();
        let lost = |error: &reqwest::Error| Failure::no_answer(&outgoing.name(), &classify(error, Effect::Read));
        let mut messages = Vec::new();
        loop {
            let chunk = response.chunk().await.map_err(|error| lost(&error))?;
            let ended = chunk.is_none();
            let chunk = chunk.unwrap_or_default();
            progress.bytes += chunk.len();
            if progress.bytes > BODY_MAX {
                let detail = format!("{}: the messages have more than {BODY_MAX} bytes", outgoing.name());
                return Err(Failure::new(workflow::FaultType::Runtime, detail));
            }
            let active = if events { &mut progress.events } else { &mut lines };
            if whole {
                document.extend_from_slice(&chunk);
            } else {
                let wrong = |error| Failure::new(workflow::FaultType::Runtime, format!("{}: {error}", outgoing.name()));
                active.take(&chunk, &mut messages).map_err(wrong)?;
            }
            if ended && whole {
                messages = listed(&outgoing.name(), &document)?;
            } else if ended {
                active.finish(&mut messages);
            }
            for mut message in messages.drain(..) {
                if let Some(location) = &place.correlation {
                    let id = locate(location, &message).clone();
                    message.set("correlationId", id);
                }
                if subscription.take(message, &mut progress.consumed)? {
                    return Ok(Stream::Over);
                }
            }
            if ended {
                return Ok(if events { Stream::Interrupted } else { Stream::Ended });
            }
        }
    }

    /// Opens a stream; once more with fresh credentials where those at hand are refused.
    async fn open(&self, outgoing: &Outgoing, authentication: &Authentication) -> Result<reqwest::Response, Failure> {
        let credentials = self.credentials(authentication, Some(outgoing), None).await?;
        let response = self.open_once(outgoing, credentials.as_ref()).await?;
        let refusal = Refused { credentials: credentials.as_ref(), headers: response.headers() };
        if response.status() == StatusCode::UNAUTHORIZED && authentication.may_try_again(&refusal) {
            let fresh = self.credentials(authentication, Some(outgoing), Some(&refusal)).await?;
            let response = self.open_once(outgoing, fresh.as_ref()).await?;
            return accepted(outgoing, response).await;
        }
        accepted(outgoing, response).await
    }

    async fn open_once(
        &self,
        outgoing: &Outgoing,
        credentials: Option<&crate::authentication::Credentials>,
    ) -> Result<reqwest::Response, Failure> {
        // The client's own limit is for a whole answer; here that is for the answer to begin.
        let request = self.request(outgoing, credentials)?.timeout(TIME_MAX);
        match tokio::time::timeout(self.direct.options.timeout, request.send()).await {
            Ok(response) => response.map_err(|error| {
                let effect = if outgoing.method == Method::GET { Effect::Read } else { Effect::Write };
                self.unanswered(outgoing, classify(&error, effect))
            }),
            Err(_) => Err(Failure::communication(504, format!("{}: no answer came in time", outgoing.name()))),
        }
    }
}

async fn accepted(outgoing: &Outgoing, mut response: reqwest::Response) -> Result<reqwest::Response, Failure> {
    if response.status().is_success() {
        return Ok(response);
    }
    let mut body = Vec::new();
    while body.len() < ERROR_BODY_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    let answer = Answer { status: response.status(), headers: response.headers().clone(), body: body.into() };
    Err(refused(&Answered { request: outgoing.clone(), answer }))
}

/// The items of a JSON list as messages; anything else is one message.
fn listed(name: &str, document: &[u8]) -> Result<Vec<Value>, Failure> {
    if document.is_empty() {
        return Ok(Vec::new());
    }
    let value = json::parse(document).map_err(|error| {
        Failure::communication(502, format!("{name}: the answer calls itself JSON but is not: {error}"))
    })?;
    let message = |payload: &Value| Value::object([("payload", payload.clone())]);
    Ok(match value.as_array() {
        Some(items) => items.iter().map(message).collect(),
        None => vec![message(&value)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_duration_are_read() {
        let read = |text: &str| duration(&json::parse(text.as_bytes()).expect("a value"));
        assert_eq!(read(r#"{"seconds":10,"milliseconds":5}"#), Some(Duration::from_millis(10_005)));
        assert_eq!(read(r#"{"days":1}"#), Some(Duration::from_secs(86_400)));
        assert_eq!(read(r#""PT1M30S""#), Some(Duration::from_secs(90)));
        assert_eq!(read(r#""P1DT1S""#), Some(Duration::from_secs(86_401)));
        for text in [r#""soon""#, r#"{"weeks":1}"#, r#"{"seconds":-1}"#, r#""-PT1S""#, "5"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
