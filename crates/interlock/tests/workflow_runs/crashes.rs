//! Workflows of every kind of task on their way while Interlock is killed, again and again: each effect that was intended is
//! there once. What cannot be repeated is never sent twice by itself: it becomes a work item, and a person decides.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path as Segments, State};
use axum::http::HeaderMap;
use axum::routing::{get, post, put};
use serde_json::{Value, json};

use crate::api::{Api, free_address, settings, start};

const RUNS: usize = 2_000;
const KILLS: usize = 50;
/// Effects of one run, by their names: those that the target recognises when they come again, and the one that it does not.
const EFFECTS: [&str; 7] = ["first-0", "first-1", "first-2", "left", "right", "inner", "last"];
const WITHIN: Duration = Duration::from_secs(240);

const MAIN: &str = r#"
document: { dsl: '1.0.3', namespace: crashes, name: every-construct, version: '1.0.0' }
do:
  - prepare: { set: { id: '${ .id }', numbers: [0, 1, 2] }, export: { as: '${ {id: .id} }' } }
  - choose: { switch: [ { many: { when: '${ (.numbers | length) > 2 }', then: loop } }, { else: { then: end } } ] }
  - loop:
      for: { each: number, in: '${ .numbers }' }
      do:
        - tell:
            call: http
            with:
              method: post
              endpoint: HOST/once/{id}/first
              headers: { Idempotency-Key: '${ "\($context.id)-\($number)" }' }
              body: { effect: '${ "first-\($number)" }' }
            input: { from: '${ $context }' }
            output: { as: '${ $context }' }
  - guarded:
      try:
        - refuse: { raise: { error: { type: 'https://example.com/refused', status: 409, title: Refused } } }
      catch:
        errors: { with: { status: 409 } }
        do: [ { mend: { set: '${ $context }' } } ]
  - pause: { wait: { milliseconds: 30 } }
  - both:
      fork:
        branches:
          - left: { call: http, with: { method: put, endpoint: 'HOST/kept/{id}/left' }, input: { from: '${ $context }' } }
          - right: { call: http, with: { method: put, endpoint: 'HOST/kept/{id}/right' }, input: { from: '${ $context }' } }
  - inner:
      input: { from: '${ $context }' }
      run: { workflow: { namespace: crashes, name: inner, version: '1.0.0', input: { id: '${ .id }' } } }
  - announce: { emit: { event: { with: { source: /crashes, type: crashes.ready, data: { id: '${ $context.id }' } } } } }
  - hear:
      listen:
        to:
          one:
            with: { type: crashes.ready }
            correlate: { id: { from: '${ .data.id }', expect: '${ $context.id }' } }
  - last:
      input: { from: '${ $context }' }
      call: http
      with: { method: post, endpoint: 'HOST/every/{id}/last' }
"#;

const INNER: &str = r"
document: { dsl: '1.0.3', namespace: crashes, name: inner, version: '1.0.0' }
do:
  - again:
      try:
        - tell: { call: http, with: { method: put, endpoint: 'HOST/kept/{id}/inner' } }
      catch: { retry: { delay: { milliseconds: 20 }, limit: { attempt: { count: 3 } } } }
";

/// Messages over Interlock's own events: each run publishes one and consumes its own.
const MESSAGES: usize = 120;
const TALKS: &str = r#"
document: { dsl: '1.0.3', namespace: crashes, name: talks, version: '1.0.0' }
do:
  - pause: { wait: { milliseconds: 30 }, export: { as: '${ { id: .id } }' } }
  - publish:
      call: asyncapi
      with:
        document: { endpoint: messages.json }
        protocol: interlock
        channel: crashes.message
        message: { payload: { id: '${ $context.id }' }, headers: { tenant: acme } }
  - again: { wait: { milliseconds: 30 } }
  - consume:
      call: asyncapi
      with:
        document: { endpoint: messages.json }
        protocol: interlock
        channel: crashes.message
        subscription:
          filter: '${ .payload.id == $context.id }'
          consume: { amount: 1 }
          foreach: { item: message, do: [ { take: { set: { id: '${ $message.payload.id }', tenant: '${ $message.headers.tenant }' } } } ] }
  - judge:
      switch:
        - own: { when: '${ . == [ { id: $context.id, tenant: "acme" } ] }', then: end }
        - other: { then: wrong }
  - wrong: { raise: { error: { type: 'https://example.com/wrong', status: 400, title: Wrong } } }
"#;
/// Counts what was published, each in a run of its own.
const HEARS: &str = r"
document: { dsl: '1.0.3', namespace: crashes, name: hears, version: '1.0.0' }
schedule: { on: { one: { with: { type: crashes.message } } } }
do: [ { keep: { set: '${ .[0] }' } } ]
";

/// What the outside world has seen: requests by run and effect, and by key where they had one.
#[derive(Default)]
struct Outside {
    /// Distinct keys of the requests of an effect that can be recognised when it comes again.
    once: HashMap<(String, String), BTreeMap<String, u32>>,
    /// Writes of the same state, which may come again.
    kept: HashMap<(String, String), u32>,
    /// What happens each time it is asked for.
    every: HashMap<(String, String), u32>,
}

type Seen = Arc<Mutex<Outside>>;

/// Some answers take longer than others, so that kills fall before, into and after them.
async fn take_some_time(id: &str) {
    let number: u64 = id.parse().unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(number * 7 % 23)).await;
}

async fn once(
    State(seen): State<Seen>,
    Segments((id, _)): Segments<(String, String)>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> axum::Json<Value> {
    let key = headers.get("idempotency-key").map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let effect = body["effect"].as_str().expect("an effect").to_owned();
    *seen
        .lock()
        .expect("no panic")
        .once
        .entry((id.clone(), effect))
        .or_default()
        .entry(key.expect("a key"))
        .or_default() += 1;
    take_some_time(&id).await;
    axum::Json(json!({}))
}

async fn kept(State(seen): State<Seen>, Segments((id, effect)): Segments<(String, String)>) -> axum::Json<Value> {
    *seen.lock().expect("no panic").kept.entry((id.clone(), effect)).or_default() += 1;
    take_some_time(&id).await;
    axum::Json(json!({}))
}

async fn every(State(seen): State<Seen>, Segments((id, effect)): Segments<(String, String)>) -> axum::Json<Value> {
    *seen.lock().expect("no panic").every.entry((id.clone(), effect)).or_default() += 1;
    take_some_time(&id).await;
    axum::Json(json!({}))
}

async fn outside() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let router = Router::new()
        .route("/once/{id}/{step}", post(once))
        .route("/kept/{id}/{effect}", put(kept))
        .route("/every/{id}/{effect}", post(every))
        .route("/", get(|| async { "here" }))
        .with_state(Arc::clone(&seen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, seen)
}

fn project(folder: &Path, host: SocketAddr, console: SocketAddr) {
    fs::create_dir_all(folder.join("workflows")).expect("a folder");
    let settings = format!("{}direct: {{ calls: true }}\n", settings(console));
    fs::write(folder.join("interlock.yaml"), settings).expect("written");
    for (name, text) in [("main", MAIN), ("inner", INNER)] {
        let text = text.replace("HOST", &format!("http://{host}"));
        fs::write(folder.join("workflows").join(format!("{name}.yaml")), text).expect("written");
    }
}

/// Starts all runs, each until it is known to be stored; the same key gives the same run.
async fn launch(api: Arc<Api>, from: usize) {
    for id in (from..RUNS).step_by(8) {
        let body = json!({ "key": id.to_string(), "input": { "id": id.to_string() } });
        while api.tell("/ops/workflows/crashes/every-construct/1.0.0/runs", &body).await.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Decides on calls whose fate is not known, as a person does who looks there first.
async fn decide(api: &Api, seen: &Seen) -> usize {
    let items = api.asked("/ops/items?limit=500").await;
    let mut decided = 0;
    for item in items["items"].as_array().expect("items") {
        let title = item["title"].as_str().expect("a title");
        assert!(title.contains("is not known whether"), "nothing else needs a person: {item:#}");
        let id = title.split("/every/").nth(1).and_then(|rest| rest.split('/').next()).expect("an id").to_owned();
        let happened = seen.lock().expect("no panic").every.contains_key(&(id, "last".to_owned()));
        let action = if happened { "answer" } else { "again" };
        let path = format!("/ops/items/{}/{action}", item["id"].as_str().expect("an id"));
        decided += usize::from(api.tell(&path, &json!({})).await.is_some());
    }
    decided
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_and_double_no_effect_of_two_thousand_runs() {
    let (host, seen) = outside().await;
    let folder = tempfile::tempdir().expect("a folder");
    let console = free_address();
    project(folder.path(), host, console);
    let api = Arc::new(Api::new(console));

    let mut program = start(folder.path());
    let launches: Vec<_> = (0..8).map(|from| tokio::spawn(launch(Arc::clone(&api), from))).collect();
    let mut chance: u64 = 42;
    for _ in 0..KILLS {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis(250 + (chance >> 33) % 500)).await;
        program.kill().expect("it is killed");
        program.wait().expect("it has ended");
        program = start(folder.path());
    }
    for launched in launches {
        launched.await.expect("all are launched");
    }
    let mut decided = 0;
    let end = Instant::now() + WITHIN;
    // Each of them runs another one.
    while api.count("completed").await < 2 * RUNS {
        decided += decide(&api, &seen).await;
        assert!(
            Instant::now() < end,
            "{} of {} have completed, {} failed",
            api.count("completed").await,
            2 * RUNS,
            api.count("failed").await
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((api.count("live").await, api.count("failed").await), (0, 0));

    let seen = seen.lock().expect("no panic");
    let (mut repeated, mut effects) = (0, 0);
    for id in 0..RUNS {
        for effect in EFFECTS {
            let place = (id.to_string(), effect.to_owned());
            let happened = match effect {
                "last" => seen.every.get(&place).copied().unwrap_or(0),
                "left" | "right" | "inner" => {
                    let times = seen.kept.get(&place).copied().unwrap_or(0);
                    repeated += times.saturating_sub(1);
                    times.min(1)
                }
                _ => {
                    let keys = seen.once.get(&place);
                    repeated += keys.map_or(0, |keys| keys.values().sum::<u32>().saturating_sub(1));
                    u32::try_from(keys.map_or(0, BTreeMap::len)).expect("few")
                }
            };
            assert_eq!(happened, 1, "{effect} of run {id}");
            effects += 1;
        }
    }
    println!(
        "{effects} effects once each; {repeated} repetitions recognised, {decided} decided by a person, {KILLS} kills"
    );
    program.kill().expect("it is killed");
    program.wait().expect("it has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_and_double_no_message_over_own_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let console = free_address();
    fs::create_dir_all(folder.path().join("workflows")).expect("a folder");
    fs::write(folder.path().join("interlock.yaml"), settings(console)).expect("written");
    for (name, text) in [("talks", TALKS), ("hears", HEARS)] {
        fs::write(folder.path().join("workflows").join(format!("{name}.yaml")), text).expect("written");
    }
    let api = Arc::new(Api::new(console));
    let mut program = start(folder.path());
    let launching = {
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            for id in 0..MESSAGES {
                let body = json!({ "key": id.to_string(), "input": { "id": id.to_string() } });
                while api.tell("/ops/workflows/crashes/talks/1.0.0/runs", &body).await.is_none() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    };
    for kill in 0..8 {
        tokio::time::sleep(Duration::from_millis(300 + kill * 37)).await;
        program.kill().expect("it is killed");
        program.wait().expect("it has ended");
        program = start(folder.path());
    }
    launching.await.expect("all are launched");
    let end = Instant::now() + WITHIN;
    while api.count("completed").await < 2 * MESSAGES {
        let (done, failed) = (api.count("completed").await, api.count("failed").await);
        assert!(Instant::now() < end && failed == 0, "{done} of {} have completed, {failed} failed", 2 * MESSAGES);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let heard = api.asked("/ops/runs?workflow=hears&limit=500").await;
    assert_eq!(heard["runs"].as_array().expect("runs").len(), MESSAGES, "each message is published once");
    assert_eq!((api.count("live").await, api.count("failed").await), (0, 0));
    program.kill().expect("it is killed");
    program.wait().expect("it has ended");
}
