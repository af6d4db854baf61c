//! Business events as CloudEvents 1.0 with the keys only, sent to a webhook until it takes them.
//!
//! The webhook is asked first whether it wants them (CloudEvents HTTP webhook: `OPTIONS` with `WebHook-Request-Origin`).
//! When several events are waiting they go in one request, in batched mode; a webhook that does not know that mode (415)
//! gets them one by one. Delivery is at least once and in no particular order.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use sandbox::faults::Faults;
use serde_json::{Value as Json, json};
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use crate::erp::transaction::{Event, Subject};

use super::options::EventTarget;

/// Most events in one request.
const BATCH: usize = 100;
/// Most requests at a time.
const PARALLEL: usize = 4;
/// Most events that wait; older ones are given up, which is counted.
const WAITING_MAX: usize = 500_000;
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The name that the webhook is asked for.
const ORIGIN: &str = "s4hana.sandbox";

/// An event with its id, which stays the same however often it is sent.
#[derive(Debug, Clone)]
struct Queued {
    id: Uuid,
    event: Event,
}

/// Where events go now.
#[derive(Debug, Default)]
struct Destination {
    target: Option<EventTarget>,
    /// Counts the changes of the target: what waits for an earlier one is given up.
    generation: u64,
    allowed: bool,
    trouble: Option<String>,
}

/// The events of the system.
#[derive(Debug)]
pub(crate) struct Events {
    faults: Arc<Faults>,
    source: String,
    queue: Mutex<VecDeque<Queued>>,
    destination: Mutex<Destination>,
    waiting: Notify,
    one_by_one: AtomicBool,
    told: AtomicU64,
    sent: AtomicU64,
    lost: AtomicU64,
    duplicated: AtomicU64,
    requests: AtomicU64,
    retries: AtomicU64,
    given_up: AtomicU64,
    in_flight: AtomicU64,
}

impl Events {
    /// No events yet.
    #[must_use]
    pub(crate) fn new(faults: Arc<Faults>, target: Option<EventTarget>, client: &str) -> Self {
        Self {
            faults,
            source: format!("/default/sap.s4.beh/S4HCLNT{client}"),
            queue: Mutex::new(VecDeque::new()),
            destination: Mutex::new(Destination { target, ..Destination::default() }),
            waiting: Notify::new(),
            one_by_one: AtomicBool::new(false),
            told: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            duplicated: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
        }
    }

    /// Tells of events: without a target to nobody.
    pub(crate) fn tell(&self, events: Vec<Event>) {
        if events.is_empty() || self.target().0.is_none() {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            self.told.fetch_add(1, Ordering::Relaxed);
            if self.faults.strikes("lost_event") {
                self.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let queued = Queued { id: Uuid::now_v7(), event };
            if self.faults.strikes("duplicate_event") {
                self.duplicated.fetch_add(1, Ordering::Relaxed);
                queue.push_back(queued.clone());
            }
            queue.push_back(queued);
            if queue.len() > WAITING_MAX {
                queue.pop_front();
                self.given_up.fetch_add(1, Ordering::Relaxed);
            }
        }
        drop(queue);
        self.waiting.notify_one();
    }

    /// Sets where events go from now on.
    pub(crate) fn set_target(&self, target: Option<EventTarget>) {
        let mut destination = self.destination.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = destination.generation + 1;
        *destination = Destination { target, generation, ..Destination::default() };
        drop(destination);
        self.one_by_one.store(false, Ordering::Relaxed);
        self.waiting.notify_one();
    }

    fn target(&self) -> (Option<EventTarget>, u64, bool) {
        let destination = self.destination.lock().unwrap_or_else(PoisonError::into_inner);
        (destination.target.clone(), destination.generation, destination.allowed)
    }

    fn note(&self, generation: u64, allowed: bool, trouble: Option<String>) {
        let mut destination = self.destination.lock().unwrap_or_else(PoisonError::into_inner);
        if destination.generation == generation {
            (destination.allowed, destination.trouble) = (allowed, trouble);
        }
    }

    /// What has become of the events.
    pub(crate) fn report(&self) -> Json {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let waiting = self.queue.lock().unwrap_or_else(PoisonError::into_inner).len();
        let destination = self.destination.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "url": destination.target.as_ref().map(|target| &target.url),
            "allowed": destination.allowed,
            "trouble": destination.trouble,
            "told": count(&self.told),
            "sent": count(&self.sent),
            "lost": count(&self.lost),
            "duplicated": count(&self.duplicated),
            "requests": count(&self.requests),
            "retries": count(&self.retries),
            "given_up": count(&self.given_up),
            "waiting": waiting,
            "in_flight": count(&self.in_flight),
        })
    }

    fn take(&self, most: usize) -> Vec<Queued> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let count = queue.len().min(most);
        let taken: Vec<Queued> = queue.drain(..count).collect();
        self.in_flight.fetch_add(taken.len() as u64, Ordering::Relaxed);
        taken
    }

    fn write(&self, queued: &Queued, out: &mut String) {
        let (kind, key, value) = match &queued.event.subject {
            Subject::Order(number) => ("salesorder.v1.SalesOrder", "SalesOrder", number.to_string()),
            Subject::Delivery(number) => {
                ("outbounddelivery.v1.OutboundDelivery", "OutboundDelivery", number.to_string())
            }
            Subject::Billing(number) => ("billingdocument.v1.BillingDocument", "BillingDocument", number.to_string()),
            Subject::Return(number) => ("customerreturn.v1.CustomerReturn", "CustomerReturn", number.to_string()),
            Subject::Partner(number) => ("businesspartner.v1.BusinessPartner", "BusinessPartner", number.to_string()),
            Subject::Product(number) => ("product.v1.Product", "Product", number.to_string()),
        };
        let operation = if queued.event.created { "Created" } else { "Changed" };
        let time = Timestamp::from_millisecond(queued.event.at).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "{{\"specversion\":\"1.0\",\"type\":\"sap.s4.beh.{kind}.{operation}.v1\",\"source\":\"{}\",\"id\":\"{}\",\
             \"time\":\"{time}\",\"datacontenttype\":\"application/json\",\"data\":{{\"{key}\":{}}}}}",
            self.source,
            queued.id,
            Json::from(value)
        );
    }
}

/// Sends events, for as long as it is polled.
pub(crate) async fn run(system: Arc<super::system::System>) {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(PARALLEL)
        .tcp_nodelay(true)
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "no events can be sent");
            return;
        }
    };
    let permits = Arc::new(Semaphore::new(PARALLEL));
    let mut sending = tokio::task::JoinSet::new();
    loop {
        while sending.try_join_next().is_some() {}
        let events = &system.events;
        let (target, generation, allowed) = events.target();
        let is_empty = events.queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        let Some(target) = target.filter(|_| !is_empty && !system.faults.in_outage()) else {
            // An outage ends without anybody being told.
            let _ = tokio::time::timeout(Duration::from_millis(100), events.waiting.notified()).await;
            continue;
        };
        if !allowed {
            let answer = handshake(&client, &target).await;
            let pause = answer.is_err();
            events.note(generation, answer.is_ok(), answer.err());
            if pause {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            continue;
        }
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let most = if events.one_by_one.load(Ordering::Relaxed) { 1 } else { BATCH };
        let batch = events.take(most);
        let (system, client) = (Arc::clone(&system), client.clone());
        sending.spawn(async move {
            let count = batch.len() as u64;
            deliver(&system, &client, batch, generation).await;
            system.events.in_flight.fetch_sub(count, Ordering::Relaxed);
            drop(permit);
        });
    }
}

/// Asks whether a webhook wants events.
async fn handshake(client: &reqwest::Client, target: &EventTarget) -> Result<(), String> {
    let mut request = client.request(reqwest::Method::OPTIONS, &target.url).header("webhook-request-origin", ORIGIN);
    if let Some(token) = &target.token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.map_err(|error| format!("{} cannot be reached: {error}", target.url))?;
    let status = answer.status();
    let allowed = answer.headers().get("webhook-allowed-origin").and_then(|value| value.to_str().ok());
    match allowed {
        Some(allowed) if status.is_success() && (allowed == "*" || allowed.eq_ignore_ascii_case(ORIGIN)) => Ok(()),
        _ => Err(format!(
            "{} answered {status} without allowing the origin {ORIGIN} (WebHook-Allowed-Origin)",
            target.url
        )),
    }
}

/// Sends events until they are taken, or the target has changed.
async fn deliver(system: &super::system::System, client: &reqwest::Client, batch: Vec<Queued>, generation: u64) {
    let events = &system.events;
    let mut pause = Duration::from_millis(50);
    let mut batch = batch;
    while !batch.is_empty() {
        let (target, current, _) = events.target();
        let Some(target) = target.filter(|_| current == generation) else {
            events.given_up.fetch_add(batch.len() as u64, Ordering::Relaxed);
            return;
        };
        if system.faults.in_outage() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        let single = batch.len() == 1 || events.one_by_one.load(Ordering::Relaxed);
        let count = if single { 1 } else { batch.len() };
        let status = send(events, client, &target, &batch[batch.len() - count..]).await;
        events.requests.fetch_add(1, Ordering::Relaxed);
        match status {
            Some(status) if status.is_success() => {
                events.sent.fetch_add(count as u64, Ordering::Relaxed);
                batch.truncate(batch.len() - count);
                pause = Duration::from_millis(50);
                continue;
            }
            Some(StatusCode::UNSUPPORTED_MEDIA_TYPE) if !single => {
                events.one_by_one.store(true, Ordering::Relaxed);
                continue;
            }
            Some(StatusCode::GONE) => {
                tracing::warn!(url = target.url, "the webhook wants no more events");
                events.set_target(None);
                events.given_up.fetch_add(batch.len() as u64, Ordering::Relaxed);
                return;
            }
            _ => {}
        }
        events.retries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn send(events: &Events, client: &reqwest::Client, target: &EventTarget, batch: &[Queued]) -> Option<StatusCode> {
    let mut body = String::with_capacity(batch.len() * 320 + 2);
    let content_type = if let [only] = batch {
        events.write(only, &mut body);
        "application/cloudevents+json"
    } else {
        body.push('[');
        for (index, queued) in batch.iter().enumerate() {
            if index > 0 {
                body.push(',');
            }
            events.write(queued, &mut body);
        }
        body.push(']');
        "application/cloudevents-batch+json"
    };
    let mut request =
        client.post(&target.url).header("content-type", content_type).header("webhook-request-origin", ORIGIN);
    if let Some(token) = &target.token {
        request = request.bearer_auth(token);
    }
    let answer = request.body(body).send().await.ok()?;
    let status = answer.status();
    // Reading the answer to its end keeps the connection.
    let _ = answer.bytes().await;
    Some(status)
}
