//! One subscription: what was asked for is sent as it happens, until nobody wants any more.

use std::time::Duration;

use pubsub_proto::{ConsumerEvent, FetchRequest, FetchResponse, ProducerEvent, ReplayPreset};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep_until};
use tonic::{Code, Status, Streaming};

use super::pubsub::unauthenticated;
use super::rpc::{Failure, Rpc};
use crate::events::Topic;
use crate::org::Org;
use crate::time;

/// Most events that a subscriber may be owed, however often it asks.
const OWED_MAX: i32 = 100;
/// Most events in one answer.
const ANSWER_MAX: usize = 100;
/// The vendor promises a sign of life within 270 seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// A subscriber that has asked for nothing for so long is let go.
const IDLE: Duration = Duration::from_secs(60);
/// How soon an outage ends a stream.
const OUTAGE_CHECK: Duration = Duration::from_millis(100);

type Answers = mpsc::Sender<Result<FetchResponse, Status>>;

/// Serves a subscription.
///
/// # Errors
/// What ends it otherwise than by the client's wish.
pub(super) async fn follow(
    org: &Org,
    rpc: &Rpc,
    token: &str,
    mut requests: Streaming<FetchRequest>,
    answers: &Answers,
) -> Result<(), Failure> {
    let Some(first) = requests.message().await? else { return Ok(()) };
    let Some(topic) = org.bus.topic(&first.topic_name) else {
        let message = "There is no such topic, or you may not read it.";
        return Err(Failure::new(Code::NotFound, "topic.not.found", message));
    };
    let mut latest = topic.watch();
    let mut place = begin(org, topic, &first)?;
    let mut owed = owed_with(0, &first)?;
    let mut quiet_until = Instant::now() + KEEP_ALIVE;
    let mut idle_since = Instant::now();
    let mut check = interval_at(Instant::now() + OUTAGE_CHECK, OUTAGE_CHECK);
    let mut asking = true;
    loop {
        latest.mark_unchanged();
        while owed > 0 {
            let most = usize::try_from(owed).unwrap_or(0).min(ANSWER_MAX);
            let events = topic.after(place, most);
            let Some(last) = events.last() else { break };
            if org.faults.strikes("stream_break") {
                return Err(Failure::new(Code::Unavailable, "service.unavailable", "The stream was reset."));
            }
            place = last.replay;
            owed -= i32::try_from(events.len()).unwrap_or(owed);
            let events = events.iter().map(|event| ConsumerEvent {
                event: Some(ProducerEvent {
                    id: event.id.to_string(),
                    schema_id: event.schema_id.to_string(),
                    payload: event.payload.clone(),
                    headers: Vec::new(),
                }),
                replay_id: event.replay.to_be_bytes().to_vec(),
            });
            if answers.send(Ok(response(rpc, events.collect(), place, owed))).await.is_err() {
                return Ok(());
            }
            quiet_until = Instant::now() + KEEP_ALIVE;
            idle_since = Instant::now();
        }
        tokio::select! {
            // An error says that the org stops, which ends the stream anyway.
            _ = latest.changed(), if owed > 0 => {}
            request = requests.message(), if asking => match request {
                Ok(Some(request)) => {
                    if !org.knows(token) {
                        return Err(unauthenticated());
                    }
                    owed = owed_with(owed, &request)?;
                    idle_since = Instant::now();
                }
                // Nothing more is asked for; what is owed is still sent.
                Ok(None) => asking = false,
                Err(_) => return Ok(()),
            },
            () = sleep_until(quiet_until) => {
                let newest = place.max(topic.latest());
                // Past events that are still owed nobody may be led.
                let newest = if topic.after(place, 1).is_empty() { newest } else { place };
                if answers.send(Ok(response(rpc, Vec::new(), newest, owed))).await.is_err() {
                    return Ok(());
                }
                quiet_until = Instant::now() + KEEP_ALIVE;
            }
            _ = check.tick() => {
                if org.faults.in_outage() {
                    return Err(Failure::new(Code::Unavailable, "service.unavailable", "The service is going down."));
                }
                if answers.is_closed() || (owed == 0 && (!asking || idle_since.elapsed() > IDLE)) {
                    return Ok(());
                }
            }
        }
    }
}

fn response(rpc: &Rpc, events: Vec<ConsumerEvent>, place: u64, owed: i32) -> FetchResponse {
    FetchResponse {
        events,
        latest_replay_id: place.to_be_bytes().to_vec(),
        rpc_id: rpc.id(),
        pending_num_requested: owed,
    }
}

/// What is owed once a request is added to what was owed before it.
fn owed_with(before: i32, request: &FetchRequest) -> Result<i32, Failure> {
    if request.num_requested <= 0 {
        let message = "The number of requested events must be greater than 0.";
        return Err(Failure::new(Code::InvalidArgument, "subscription.fetch.requested.events.invalid", message));
    }
    Ok(before.saturating_add(request.num_requested).min(OWED_MAX))
}

/// The place behind which the subscription begins.
fn begin(org: &Org, topic: &Topic, first: &FetchRequest) -> Result<u64, Failure> {
    org.bus.prune(topic, time::now());
    match first.replay_preset() {
        ReplayPreset::Latest => Ok(topic.latest()),
        ReplayPreset::Earliest => Ok(topic.earliest()),
        ReplayPreset::Custom => {
            let corrupted = || {
                let message = "The replay id is corrupted: subscribe with EARLIEST or LATEST.";
                Failure::new(Code::InvalidArgument, "subscription.fetch.replayid.corrupted", message)
            };
            let bytes: [u8; 8] = first.replay_id.as_slice().try_into().map_err(|_| corrupted())?;
            let replay = u64::from_be_bytes(bytes);
            if !org.bus.knows(replay) || replay < topic.earliest() {
                let message = "The replay id is not valid any more: events are kept for 72 hours.";
                let code = "subscription.fetch.replayid.validation.failed";
                return Err(Failure::new(Code::InvalidArgument, code, message));
            }
            Ok(replay)
        }
    }
}
