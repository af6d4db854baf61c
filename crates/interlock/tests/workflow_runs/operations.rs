//! What programs do with runs: start, list, halt, begin anew, cancel, one and many; and events from outside.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::{Api, free_address, settings, start};

const WAITS: &str = r#"
document: { dsl: '1.0.3', namespace: ops, name: waits, version: '1.0.0' }
do:
  - hear:
      listen:
        to: { one: { with: { type: ops.go }, correlate: { id: { from: '.data.id', expect: '${ .id }' } } } }
"#;

const TICKS: &str = r"
document: { dsl: '1.0.3', namespace: ops, name: ticks, version: '1.0.0' }
schedule: { every: { milliseconds: 100 } }
do: [ { tick: { set: { ticked: true } } } ]
";

/// Counts the runs of the other one that end well, each in a run of its own.
const FOLLOWS: &str = r"
document: { dsl: '1.0.3', namespace: ops, name: follows, version: '1.0.0' }
schedule: { on: { one: { with: { type: io.serverlessworkflow.workflow.completed.v1, source: /workflows/ops/waits } } } }
do: [ { seen: { set: { name: '${ .[0].name }' } } } ]
";

/// Counts what is halted and goes on: of each run of the other one, the run itself and the task that it is in.
const HALTS: &str = r#"
document: { dsl: '1.0.3', namespace: ops, name: halts, version: '1.0.0' }
schedule:
  on:
    any:
      - { with: { type: io.serverlessworkflow.workflow.suspended.v1, source: /workflows/ops/waits, data: '${ .suspendedAt != null }' } }
      - { with: { type: io.serverlessworkflow.task.suspended.v1, source: /workflows/ops/waits, data: '${ .task == "/do/0/hear" }' } }
      - { with: { type: io.serverlessworkflow.workflow.resumed.v1, source: /workflows/ops/waits, data: '${ .resumedAt != null }' } }
      - { with: { type: io.serverlessworkflow.task.resumed.v1, source: /workflows/ops/waits, data: '${ .task == "/do/0/hear" }' } }
do: [ { seen: { set: { seen: '${ .[0] }' } } } ]
"#;

/// One whose error the run above catches, and one whose error nobody catches.
const ABOVE: &str = r"
document: { dsl: '1.0.3', namespace: ops, name: above, version: '1.0.0' }
do:
  - guarded:
      try: [ { below: { run: { workflow: { namespace: ops, name: between, version: '1.0.0' } } } } ]
      catch: { errors: { with: { status: 418 } }, do: [ { mend: { set: { mended: true } } } ] }
  - bare: { run: { workflow: { namespace: ops, name: below, version: '1.0.0' } } }
";
const BETWEEN: &str = r"
document: { dsl: '1.0.3', namespace: ops, name: between, version: '1.0.0' }
do: [ { deeper: { run: { workflow: { namespace: ops, name: below, version: '1.0.0' } } } } ]
";
const BELOW: &str = r"
document: { dsl: '1.0.3', namespace: ops, name: below, version: '1.0.0' }
do: [ { refuse: { raise: { error: { type: 'https://example.com/teapot', status: 418, title: Teapot } } } } ]
";

const DOCUMENTS: [(&str, &str); 7] = [
    ("waits", WAITS),
    ("ticks", TICKS),
    ("follows", FOLLOWS),
    ("halts", HALTS),
    ("above", ABOVE),
    ("between", BETWEEN),
    ("below", BELOW),
];

fn project(folder: &Path, console: std::net::SocketAddr) {
    fs::create_dir_all(folder.join("workflows")).expect("a folder");
    fs::write(folder.join("interlock.yaml"), settings(console)).expect("written");
    for (name, text) in DOCUMENTS {
        fs::write(folder.join("workflows").join(format!("{name}.yaml")), text).expect("written");
    }
}

/// The project at work: its folder, the program, and its ops API.
async fn running() -> (TempDir, Child, Api) {
    let folder = tempfile::tempdir().expect("a folder");
    let console = free_address();
    project(folder.path(), console);
    let program = start(folder.path());
    let api = Api::new(console);
    api.asked("/ops/overview").await;
    (folder, program, api)
}

async fn runs(api: &Api, query: &str) -> Vec<Value> {
    api.asked(&format!("/ops/runs?{query}")).await["runs"].as_array().expect("runs").clone()
}

/// Until so many runs of the workflow stand so.
async fn until(api: &Api, status: &str, count: usize) -> Vec<Value> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let found = runs(api, &format!("workflow=waits&status={status}")).await;
        if found.len() == count {
            return found;
        }
        assert!(Instant::now() < end, "{} are {status}: {found:#?}", found.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const RUNS: &str = "/ops/workflows/ops/waits/latest/runs";

#[tokio::test]
async fn runs_are_started_operated_and_ended_by_programs() {
    let (_folder, mut program, api) = running().await;

    let started = |id: u32| json!({ "key": format!("run-{id}"), "input": { "id": id } });
    for id in 0..4 {
        let first = api.tell(RUNS, &started(id)).await.expect("started");
        let again = api.tell(RUNS, &started(id)).await.expect("there already");
        assert_eq!((&first["new"], &again["new"]), (&json!(true), &json!(false)));
        assert_eq!(first["run"], again["run"], "the same key gives the same run");
    }
    assert!(
        api.tell("/ops/workflows/ops/nothing/latest/runs", &json!({})).await.is_none(),
        "there is no such workflow"
    );
    let live = until(&api, "live", 4).await;

    let halted =
        api.tell("/ops/runs/suspend", &json!({ "workflow": "waits", "status": "live" })).await.expect("halted");
    assert_eq!(halted["done"], 4, "{halted:#}");
    until(&api, "suspended", 4).await;
    let event = |id: u32| json!({ "specversion": "1.0", "id": format!("event-{id}"), "source": "/tests", "type": "ops.go", "data": { "id": id } });
    api.tell("/ops/events", &event(0)).await.expect("taken");
    assert!(api.tell("/ops/events", &json!({ "type": "ops.go" })).await.is_none(), "no id and no source");
    until(&api, "suspended", 4).await;
    api.tell("/ops/runs/resume", &json!({ "workflow": "waits", "status": "suspended" })).await.expect("resumed");
    // What came while it was halted has its effect now.
    until(&api, "completed", 1).await;
    until(&api, "live", 3).await;

    let second = live[1]["id"].as_str().expect("an id");
    api.tell(&format!("/ops/runs/{second}/restart"), &json!({})).await.expect("begun anew");
    let anew = until(&api, "live", 3).await;
    assert!(
        !anew.iter().any(|run| run["id"] == second) && anew.iter().any(|run| run["key"] == live[1]["key"]),
        "{anew:#?}"
    );
    api.tell("/ops/events", &event(1)).await.expect("taken");
    until(&api, "completed", 2).await;

    assert!(api.tell("/ops/runs/cancel", &json!({ "status": "live" })).await.is_none(), "cancelling needs a reason");
    let wish = json!({ "workflow": "waits", "status": "live", "note": "not needed any more" });
    assert_eq!(api.tell("/ops/runs/cancel", &wish).await.expect("cancelled")["done"], 2);
    until(&api, "cancelled", 2).await;
    let end = Instant::now() + Duration::from_secs(20);
    while runs(&api, "workflow=follows&status=completed").await.len() < 2 {
        assert!(Instant::now() < end, "what happens to runs starts others");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(runs(&api, "workflow=follows").await.len(), 2, "and nothing goes round");
    let halts = "workflow=halts&status=completed&limit=500";
    while runs(&api, halts).await.len() < 16 {
        assert!(Instant::now() < end, "that runs are halted and go on is told of them and of their tasks");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(runs(&api, halts).await.len(), 16, "once each");
    program.kill().expect("it is killed");
    program.wait().expect("it has ended");
}

#[tokio::test]
async fn an_error_goes_up_to_who_catches_it_and_stays_where_it_happened_when_nobody_does() {
    let (_folder, mut program, api) = running().await;
    api.tell("/ops/workflows/ops/above/1.0.0/runs", &json!({})).await.expect("started");
    let end = Instant::now() + Duration::from_secs(20);
    let failed = loop {
        let found = runs(&api, "status=failed").await;
        if !found.is_empty() {
            break found;
        }
        assert!(Instant::now() < end, "nothing has failed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((failed.len(), &failed[0]["workflow"]), (1, &json!("below")), "{failed:#?}");
    let items = api.asked("/ops/items?limit=500").await;
    assert_eq!(items["items"].as_array().expect("items").len(), 1, "what was caught needs nobody: {items:#}");
    assert_eq!(runs(&api, "workflow=above&status=live").await.len(), 1, "it waits for the second one");
    assert_eq!(runs(&api, "workflow=between&status=cancelled").await.len(), 1);
    program.kill().expect("it is killed");
    program.wait().expect("it has ended");
}

#[tokio::test]
async fn the_clock_starts_runs_and_goes_on_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let console = free_address();
    project(folder.path(), console);
    let api = Api::new(console);
    let mut seen = 0;
    for _ in 0..2 {
        let mut program = start(folder.path());
        let end = Instant::now() + Duration::from_secs(20);
        let ticks = loop {
            let found = runs(&api, "workflow=ticks&status=completed&limit=500").await;
            if found.len() >= seen + 3 {
                break found;
            }
            assert!(Instant::now() < end, "{} runs", found.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        program.kill().expect("it is killed");
        program.wait().expect("it has ended");
        let mut keys: Vec<&str> = ticks.iter().filter_map(|run| run["key"].as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), ticks.len(), "each time has one run");
        seen = ticks.len();
    }
}
