//! What a person does with runs and work items at the command line, against a project that runs in a process of its own.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::{Api, TOKEN, free_address, settings, start};

const WAITS: &str = r"
document: { dsl: '1.0.3', namespace: ops, name: waits, version: '1.0.0' }
do:
  - hear:
      listen:
        to: { one: { with: { type: ops.go }, correlate: { id: { from: '.data.id', expect: '${ .id }' } } } }
";

/// Fails unless its input says that it is mended.
const STRICT: &str = r"
document: { dsl: '1.0.3', namespace: ops, name: strict, version: '1.0.0' }
do:
  - look:
      if: '${ .mended != true }'
      raise: { error: { type: 'https://example.com/teapot', status: 418, title: Teapot, detail: 'It is not mended' } }
";

/// A project that runs, and the command line beside it.
struct Project {
    folder: tempfile::TempDir,
    program: Child,
    api: Api,
    console: SocketAddr,
}

/// What came of a call.
struct Ended {
    status: Option<i32>,
    output: String,
    told: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.output, self.told))
    }

    /// Makes sure of the exit status, and that these texts were printed.
    fn must(&self, status: i32, texts: &[&str]) -> &Self {
        let all = format!("{}{}", self.output, self.told);
        assert_eq!(self.status, Some(status), "{all}");
        for text in texts {
            assert!(all.contains(text), "{text} is not in {all}");
        }
        self
    }
}

fn call(folder: &Path, environment: &[(&str, &str)], arguments: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("INTERLOCK_URL")
        .env_remove("INTERLOCK_TOKEN")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // One that reads nothing may have ended already.
    let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
    let ended = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { status: ended.status.code(), output: text(&ended.stdout), told: text(&ended.stderr) }
}

impl Project {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let console = free_address();
        fs::create_dir_all(folder.path().join("workflows")).expect("a folder");
        fs::write(folder.path().join("interlock.yaml"), settings(console)).expect("written");
        for (name, text) in [("waits", WAITS), ("strict", STRICT)] {
            fs::write(folder.path().join("workflows").join(format!("{name}.yaml")), text).expect("written");
        }
        let program = start(folder.path());
        let api = Api::new(console);
        api.asked("/ops/overview").await;
        Self { folder, program, api, console }
    }

    /// In the project's folder, which says where the console is.
    fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        call(self.folder.path(), &[("INTERLOCK_TOKEN", TOKEN)], arguments, input)
    }

    fn started(&self, arguments: &[&str], input: &str) -> String {
        let all = [&["runs", "start"], arguments, &["--input", "-", "--json"]].concat();
        let started = self.run_with(&all, input);
        started.must(0, &[]).json()["run"].as_str().expect("an id").to_owned()
    }

    /// Until so many runs stand so; their ids.
    async fn until(&self, workflow: &str, status: &str, count: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.api.asked(&format!("/ops/runs?workflow={workflow}&status={status}&limit=500")).await;
            let runs = found["runs"].as_array().expect("runs");
            if runs.len() == count {
                return runs.iter().map(|run| run["id"].as_str().expect("an id").to_owned()).collect();
            }
            assert!(Instant::now() < end, "{} are {status}: {found:#}", runs.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // It may have ended by itself, when the test fails.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[tokio::test]
async fn runs_are_started_listed_shown_and_operated() {
    let project = Project::start().await;
    let first = project.started(&["ops/waits", "--key", "one"], "{ id: 1 }");
    project.run(&["runs", "start", "ops/waits:1.0.0", "--key", "one"]).must(0, &["has run", &first]);
    let second = project.started(&["ops/waits", "--key", "two"], "{ id: 2 }");
    let third = project.started(&["ops/waits", "--key", "three"], "{ id: 3 }");
    project.run(&["runs", "start", "ops/nothing"]).must(1, &["ops/nothing", "[IL-RUN-014]"]);
    project.until("waits", "live", 3).await;

    let listed = project.run(&["runs", "list"]);
    listed.must(0, &["RUN", "WORKFLOW", "KEY", &first, &second, &third, "waits", "live"]);
    assert_eq!(listed.output.lines().count(), 4, "{}", listed.output);
    let listed = project.run(&["runs", "list", "--workflow", "waits", "--limit", "2", "--json"]).must(0, &[]).json();
    assert_eq!((listed["runs"].as_array().map(Vec::len), &listed["more"]), (Some(2), &json!(true)));
    project.run(&["runs", "list", "--status", "failed"]).must(0, &["No run fits."]);
    project.run(&["runs", "show", &first]).must(0, &["Status", "live", "WAITS AT", "/do/0/hear", "event", "Timeline"]);
    let shown = project.run(&["runs", "show", &first, "--json"]).must(0, &[]).json();
    assert_eq!((&shown["run"]["id"], &shown["run"]["waiting"][0]["for"]), (&json!(first), &json!("event")));

    project.run(&["runs", "suspend", &first]).must(0, &["suspended"]);
    project.run(&["runs", "suspend", &first]).must(1, &["already stands so", "[IL-RUN-008]"]);
    let all = ["--workflow", "waits", "--status"];
    project
        .run(&[&["runs", "suspend"], &all[..], &["live"]].concat())
        .must(2, &["suspend 2 runs of waits", "Add --yes"]);
    project.until("waits", "live", 2).await;
    project.run(&[&["runs", "suspend"], &all[..], &["live", "--yes"]].concat()).must(0, &["2 runs suspended."]);
    project.run(&["runs", "resume", "--status", "suspended", "--yes"]).must(0, &["3 runs resumed."]);

    // Begun anew, it is another run with the same key; each is begun anew once.
    let anew = project.run(&["runs", "restart", &first, &second, &second, "--yes", "--json"]).must(0, &[]).json();
    assert_eq!((&anew["done"], &anew["refused"]), (&json!(2), &json!([])));
    let live = project.until("waits", "live", 3).await;
    assert!(!live.contains(&first) && live.contains(&third), "{live:?}");
    project.run(&["runs", "show", &first]).must(1, &["There is no such run", "[IL-CON-031]"]);

    let event = |id: u32| json!({ "specversion": "1.0", "id": id.to_string(), "source": "/tests", "type": "ops.go", "data": { "id": id } });
    fs::write(project.folder.path().join("events.json"), format!("{}\n{}\n", event(1), json!({ "type": "ops.go" })))
        .expect("written");
    project.run(&["runs", "event", "events.json"]).must(1, &["event 2: ", "[IL-RUN-015]", "1 event taken, 1 refused."]);
    project.until("waits", "completed", 1).await;
    project.run_with(&["runs", "event", "-"], &event(2).to_string()).must(0, &["1 event taken."]);
    project.until("waits", "completed", 2).await;

    project.run(&["runs", "cancel", &third]).must(2, &["--reason"]);
    let unknown = "01a214fe-1fbf-7c16-948a-ccb634419c42";
    let ended = project.run(&["runs", "cancel", &third, unknown, "--yes", "--reason", "not needed", "--json"]);
    let ended = ended.must(1, &[unknown]).json();
    assert_eq!(
        (&ended["done"], &ended["refused"][0]["id"], &ended["refused"][0]["code"]),
        (&json!(1), &json!(unknown), &json!("IL-RUN-007"))
    );
    project.until("waits", "cancelled", 1).await;
}

#[tokio::test]
async fn what_failed_is_mended_by_another_input_or_in_its_queue() {
    let project = Project::start().await;
    for key in ["one", "two", "three", "four"] {
        project.started(&["ops/strict", "--key", key], "{ number: 1 }");
    }
    let failed = project.until("strict", "failed", 4).await;
    project.run(&["runs", "show", &failed[0]]).must(0, &["/do/0/look", "418", "It is not mended", "WORK ITEM"]);
    let shown = project.run(&["runs", "show", &failed[0], "--json"]).must(0, &[]).json();
    assert_eq!(shown["run"]["failed"]["input"], json!({ "number": 1 }), "{shown:#}");

    project.run_with(&["runs", "retry", &failed[0], &failed[1], "--input", "-"], "{}").must(2, &["for one run"]);
    project.run_with(&["runs", "retry", &failed[0], "--input", "-"], "mended: true").must(0, &["retried"]);
    project.until("strict", "completed", 1).await;
    // They fail again.
    let again = project.run(&["runs", "retry", "--workflow", "strict", "--status", "failed", "--yes"]);
    again.must(0, &["3 runs retried."]);
    project.until("strict", "failed", 3).await;

    project.run(&["queues", "list"]).must(0, &["QUEUE", "integration", "3"]);
    let items = project.run(&["queues", "list", "integration", "--json"]).must(0, &[]).json();
    let items: Vec<&str> =
        items["items"].as_array().expect("items").iter().filter_map(|item| item["id"].as_str()).collect();
    project.run(&["queues", "show", items[0]]).must(0, &["Reason", "ACTION", "retry", "correct", "--record"]);
    project.run(&["queues", "act", "dance", items[0]]).must(1, &["not possible", "Choose one of: ", "[IL-CON-012]"]);
    project.run_with(&["queues", "act", "correct", items[0], "--record", "-"], "mended: true").must(0, &["resolved"]);
    project.until("strict", "completed", 2).await;
    project.run(&["queues", "act", "cancel", "--queue", "integration"]).must(2, &["cancel 2 work items", "Add --yes"]);
    let ended = project.run(&["queues", "act", "cancel", items[0], items[1], items[2], "--yes"]);
    ended.must(1, &[items[0], "[IL-CON-011]", "2 work items resolved, 1 refused."]);
    project.until("strict", "cancelled", 2).await;
    project.run(&["queues", "list"]).must(0, &["No work item is open."]);
    project
        .run(&["queues", "list", "integration", "--status", "resolved", "--limit", "1"])
        .must(0, &["There are more"]);
}

#[tokio::test]
async fn more_than_one_request_takes_are_done_in_parts() {
    let project = Project::start().await;
    let started: Vec<Value> = (0..620).map(|id| json!({ "input": { "id": id } })).collect();
    for body in &started {
        project.api.tell("/ops/workflows/ops/waits/latest/runs", body).await.expect("started");
    }
    assert_eq!(project.api.count("live").await, 620);
    let listed = project.run(&["runs", "list", "--limit", "10000", "--json"]).must(0, &[]).json();
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(620));
    let ended = project.run(&["runs", "restart", "--status", "live", "--yes"]);
    ended.must(0, &["500 of 620 …", "620 runs restarted."]);
    assert_eq!(project.api.count("live").await, 620);
    project
        .run(&["runs", "cancel", "--status", "live", "--reason", "enough", "--yes"])
        .must(0, &["620 runs cancelled."]);
    assert_eq!(project.api.count("cancelled").await, 620);
}

#[tokio::test]
async fn what_is_in_the_way_is_one_clear_sentence() {
    let project = Project::start().await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let url = format!("http://{}", project.console);
    let token = elsewhere.path().join("token");
    fs::write(&token, format!("{TOKEN}\n")).expect("written");
    let [token, folder] = [&token, project.folder.path()].map(|path| path.to_str().expect("UTF-8").to_owned());
    let list = |environment: &[(&str, &str)], options: &[&str]| {
        call(elsewhere.path(), environment, &[&["runs", "list"], options].concat(), "")
    };
    let given = ("INTERLOCK_TOKEN", TOKEN);
    // All ways to say where it is and who asks.
    list(&[given], &["--url", &url]).must(0, &[]);
    list(&[given, ("INTERLOCK_URL", &url)], &[]).must(0, &[]);
    list(&[], &["--project", &folder, "--token-file", &token]).must(0, &[]);

    list(&[given], &[]).must(2, &["not known where Interlock runs", "--url", "INTERLOCK_URL"]);
    list(&[], &["--url", &url]).must(2, &["no access token", "INTERLOCK_TOKEN", "--token-file"]);
    list(&[given], &["--url", "127.0.0.1"]).must(2, &["no address of a console"]);
    list(&[given], &["--project", "nothing"]).must(2, &["is no project"]);
    let wrong = list(&[("INTERLOCK_TOKEN", "wrong")], &["--url", &url]);
    assert_eq!(wrong.must(1, &["nobody's", "INTERLOCK_TOKEN", "[IL-CON-030]"]).told.lines().count(), 1);
    let nobody = format!("http://{}", free_address());
    let gone = list(&[given], &["--url", &nobody]);
    assert_eq!(gone.must(1, &["no Interlock answers at", &nobody, "[IL-OPS-003]"]).told.lines().count(), 1);
    let page = list(&[given], &["--url", &format!("{url}/assets")]);
    page.must(1, &["is not Interlock's console", "[IL-OPS-005]"]);
    let unknown = "01a214fe-1fbf-7c16-948a-ccb634419c42";
    project.run(&["runs", "retry", unknown]).must(1, &["There is no run", "[IL-RUN-007]"]);
    project.run(&["runs", "retry", "something"]).must(2, &["not the id of a run"]);
    project.run(&["runs", "retry"]).must(2, &["required"]);
    project.run(&["queues", "show", unknown]).must(1, &["There is no such work item"]);
}
