//! Pages with pictures of workflows, as a browser gets them: by HTTP from a console over a store on disk.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use connect::{Secret, SecretError, Secrets};
use console::{ConsoleOptions, Doing, Launching, Operations};
use definitions::{Release, User};
use jiff::Timestamp;
use model::{ConnectionName, ObjectName, RunId, TransactionId, Value, WorkItemId};
use runtime::{Decision, Figures, RunOperation};
use store::{Mutation, RunPart, RunRow, RunStatus, SqliteStore, Store, TransactionRow, WorkItemRow, WorkItemStatus};
use tempfile::TempDir;
use tokio::sync::watch;
use workflow::{Fault, FaultType, Input, Parts, Position, RunContext, RunState, Workflow};

const WORKFLOW: &str = "
document: { dsl: '1.0.3', namespace: sales, name: order, version: '1.0.0', title: 'Orders <at once>' }
do:
  - prepare: { set: { total: 1 } }
  - askForCredit:
      call: credit:1.0.0@queue
      with: { title: Beyond the limit, reason: Look at it }
  - pause: { wait: PT1H }
";

/// A release and a store, and nobody who acts.
struct Still {
    release: Arc<Release>,
    store: Arc<dyn Store>,
    changes: watch::Sender<u64>,
}

impl Operations for Still {
    fn release(&self) -> Arc<Release> {
        Arc::clone(&self.release)
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn figures(&self) -> Figures {
        Figures::default()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn decide(&self, _: WorkItemId, _: Decision) -> Doing<'_> {
        Box::pin(async { Ok(()) })
    }

    fn launch<'a>(&'a self, _: [&'a str; 3], _: Option<Arc<str>>, _: Value) -> Launching<'a> {
        Box::pin(async { Ok((RunId::now(), true)) })
    }

    fn publish(&self, _: Value) -> Doing<'_> {
        Box::pin(async { Ok(()) })
    }

    fn reread<'a>(&'a self, _: &'a ObjectName, _: Vec<(ConnectionName, Vec<Arc<str>>)>) -> Doing<'a> {
        Box::pin(async { Ok(()) })
    }

    fn operate<'a>(&'a self, _: RunId, _: RunOperation, _: &'a str) -> Doing<'a> {
        Box::pin(async { Ok(()) })
    }
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn get(&self, _: &str) -> Result<Secret, SecretError> {
        Ok(Secret::new("a token that nobody uses here".to_owned()))
    }
}

/// A console and what is behind it.
struct World {
    address: SocketAddr,
    client: reqwest::Client,
    store: Arc<dyn Store>,
    release: Arc<Release>,
    matter: TransactionId,
    _folder: TempDir,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("an instant")
}

fn project(folder: &Path) -> Release {
    let files = [
        ("interlock.yaml", "name: test\n"),
        (
            "queues/credit.yaml",
            "queue: credit\ntitle: Credit hold\npurpose: Beyond the limit.\nwho: [desk]\nclock: 4h\nactions:\n  release: { label: Release }\n",
        ),
        ("workflows/order.yaml", WORKFLOW),
    ];
    for (name, text) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    }
    match definitions::load(folder, &[], &|_| None) {
        Ok((release, _)) => release,
        Err(error) => panic!("{}", error.render(false)),
    }
}

impl World {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let release = Arc::new(project(folder.path()));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("test.db")).expect("a store"));
        let (changes, _) = watch::channel(0);
        let user = User { name: "olivia".into(), roles: Vec::new(), token: "env:OLIVIA".into() };
        let operations = Still { release: Arc::clone(&release), store: Arc::clone(&store), changes };
        let options = ConsoleOptions { demo_user: Some(user) };
        let router = console::router(operations, &NoSecrets, options).expect("a console");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = reqwest::Client::new();
        let world = Self { address, client, store, release, matter: TransactionId::now(), _folder: folder };
        let matter = TransactionRow {
            id: world.matter,
            object: "quote".into(),
            key: "Q-1".into(),
            title: "ACME".into(),
            stage: "held".into(),
            closed: false,
            amount: None,
            opened_at: at(0),
            updated_at: at(0),
        };
        world.commit(vec![Mutation::PutTransaction(matter)]).await;
        world
    }

    async fn commit(&self, batch: Vec<Mutation>) {
        self.store.commit(batch).durable().await.expect("durable");
    }

    fn workflow(&self) -> &Workflow {
        &self.release.workflows.get("order").expect("the workflow").workflow
    }

    /// Starts a run of a workflow and takes it as far as the steps do.
    async fn run(&self, workflow: &Workflow, steps: Vec<Input>) -> RunRow {
        let id = RunId::now();
        let context = RunContext { run: id.to_string().into(), started: at(0) };
        let (mut state, _) = workflow::start(workflow, context, Value::empty_object(), at(0));
        for input in steps {
            let stepped = workflow::step(workflow, &mut state, input, at(60)).expect("a step");
            assert_eq!(stepped.ignored, None);
        }
        let row = self.row(id, workflow, &state);
        self.commit(vec![Mutation::PutRun(row.clone())]).await;
        row
    }

    fn row(&self, id: RunId, workflow: &Workflow, state: &RunState) -> RunRow {
        let stored = state.store(&mut Parts::default()).expect("a state is stored");
        let parts = stored.added.into_iter().map(|(number, content)| RunPart { number, content });
        let status = match state.status() {
            workflow::Status::Failed => RunStatus::Failed,
            workflow::Status::Suspended => RunStatus::Suspended,
            workflow::Status::Completed => RunStatus::Completed,
            workflow::Status::Cancelled => RunStatus::Cancelled,
            workflow::Status::Running => RunStatus::Live,
        };
        RunRow {
            id,
            workflow: Arc::clone(workflow.name()),
            definition: workflow.hash().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
            key: "quote:Q-1".into(),
            transaction: self.matter,
            status,
            state: stored.state,
            parts: parts.collect(),
            removed_parts: Vec::new(),
            started_at: at(0),
            updated_at: at(0),
            in_doubt: false,
        }
    }

    /// The item of a run at a place.
    async fn item(&self, run: RunId, place: &str, status: WorkItemStatus) {
        let item = WorkItemRow {
            id: WorkItemId::now(),
            queue: "credit".into(),
            transaction: self.matter,
            run: Some((run, place.as_bytes().to_vec())),
            status,
            title: "ACME".into(),
            reason: "why".into(),
            amount: None,
            content: Value::Null,
            opened_at: at(0),
            due_at: at(3600),
            resolution: Value::Null,
        };
        self.commit(vec![Mutation::PutWorkItem(item)]).await;
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let request = self.client.get(format!("http://{}{path}", self.address));
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a page"))
    }

    async fn matter_page(&self) -> String {
        let (status, page) = self.get(&format!("/transactions/{}", self.matter)).await;
        assert_eq!(status, 200, "{page}");
        page
    }
}

const ASKS: &str = "/do/1/askForCredit";

/// The classes of a task in the picture.
fn classes<'a>(page: &'a str, pointer: &str) -> &'a str {
    let (before, _) = page.split_once(&format!("data-pointer=\"{pointer}\"")).expect("the task is drawn");
    let (_, classes) = before.rsplit_once("class=\"").expect("classes");
    classes.split('"').next().expect("classes")
}

/// The place at which a run waits, of which this is the number.
fn place(attempt: u32) -> String {
    Position { pointer: ASKS.into(), iterations: Vec::new(), attempt }.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_shows_where_its_run_waits_for_a_person() {
    let world = World::open().await;
    let run = world.run(world.workflow(), Vec::new()).await;
    world.item(run.id, &place(1), WorkItemStatus::Open).await;
    let page = world.matter_page().await;
    assert_eq!(classes(&page, "/do/0/prepare"), "node task kind-set is-done");
    assert_eq!(classes(&page, ASKS), "node task kind-call is-current");
    assert_eq!(classes(&page, "/do/2/pause"), "node task kind-wait");
    assert!(page.contains("Here now: waits for a person: Credit hold, since 2023-11-14 22:13 UTC"), "{page}");
    // It is followed live, can be reached by keyboard, and read without looking at it.
    assert!(page.contains("<div class=\"stack\" id=\"pictures\" data-live>"), "{page}");
    assert!(page.contains("data-scroll tabindex=\"0\" role=\"region\" aria-label=\"Order as a picture\""), "{page}");
    let name = format!("run-{}", run.id);
    let link = page.split_once(&format!("href=\"#{name}-task-")).expect("a link to where it is").1;
    let number = link.split('"').next().expect("a number");
    assert!(page.contains(&format!(" id=\"{name}-task-{number}\"")), "the link leads into the picture");
    assert!(page.contains("prepare (set) · sets total · Done"), "{page}");
    assert!(!page.contains("earlier text"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_with_pictures_keep_to_the_policy_that_forbids_inline_styles() {
    let world = World::open().await;
    world.run(world.workflow(), Vec::new()).await;
    let page = world.matter_page().await;
    assert!(page.contains("<svg class=\"workflow-picture\""));
    assert!(!page.contains("<style") && !page.contains(" style="), "{page}");
    let (status, style) = world.get("/assets/workflow.css").await;
    assert_eq!(status, 200);
    assert!(style.contains(".workflow-picture .is-current"));
    assert!(page.contains("href=\"/assets/workflow.css\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_shows_what_failed() {
    let world = World::open().await;
    let position = Position { pointer: ASKS.into(), iterations: Vec::new(), attempt: 1 };
    let down = Fault::new(FaultType::Communication, "the <desk> is closed");
    world.run(world.workflow(), vec![Input::Returned { position, result: Err(down) }]).await;
    let page = world.matter_page().await;
    assert_eq!(classes(&page, ASKS), "node task kind-call is-failed");
    assert!(page.contains("Failed: Communication Error: the &lt;desk&gt; is closed"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_an_earlier_text_is_drawn_by_it_or_said_to_have_no_picture() {
    let world = World::open().await;
    let text: Arc<str> = WORKFLOW.replace("askForCredit", "askFirst").into();
    let earlier = world.release.load_workflow_text(&text).expect("it fits");
    let run = world.run(&earlier, Vec::new()).await;
    let page = world.matter_page().await;
    assert!(page.contains("which is not kept any more: there is no picture of it"), "{page}");
    assert!(!page.contains("<svg class=\"workflow-picture\""));

    world.commit(vec![Mutation::PutDefinition { hash: Arc::clone(&run.definition), text }]).await;
    let page = world.matter_page().await;
    assert!(page.contains("that is the one drawn here"), "{page}");
    assert_eq!(classes(&page, "/do/1/askFirst"), "node task kind-call is-current");

    // What another text was, by a made-up hash.
    let text: Arc<str> = WORKFLOW.replace("credit:1.0.0@queue", "gone:1.0.0@queue").into();
    let hash: Arc<str> = "00".repeat(32).into();
    let put = Mutation::PutDefinition { hash: Arc::clone(&hash), text };
    world.commit(vec![put, Mutation::PutRun(RunRow { definition: hash, parts: Vec::new(), ..run })]).await;
    let page = world.matter_page().await;
    assert!(page.contains("does not fit the functions of today: there is no picture of it"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_run_has_a_page_with_what_it_did() {
    let world = World::open().await;
    let asks = Position { pointer: ASKS.into(), iterations: Vec::new(), attempt: 1 };
    let pauses = Position { pointer: "/do/2/pause".into(), iterations: Vec::new(), attempt: 2 };
    let steps =
        vec![Input::Returned { position: asks, result: Ok(Value::empty_object()) }, Input::Fired { position: pauses }];
    let run = world.run(world.workflow(), steps).await;
    assert_eq!(run.status, RunStatus::Completed);
    for _ in 0..2 {
        world.item(run.id, &place(1), WorkItemStatus::Resolved).await;
    }
    let page = world.matter_page().await;
    let link = format!("/workflows/order?run={}", run.id);
    assert!(!page.contains("<svg class=\"workflow-picture\"") && page.contains(&link), "{page}");
    let (status, page) = world.get(&link).await;
    assert_eq!(status, 200);
    for pointer in ["/do/0/prepare", ASKS, "/do/2/pause"] {
        assert!(classes(&page, pointer).ends_with("is-done"), "{pointer}");
    }
    assert!(page.contains("Done 2 times") && page.contains("Completed"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_has_a_page_and_what_is_no_workflow_has_none() {
    let world = World::open().await;
    let run = world.run(world.workflow(), Vec::new()).await;
    let (status, page) = world.get("/workflows/order").await;
    assert_eq!(status, 200);
    assert!(page.contains("Orders &lt;at once&gt;") && page.contains("workflows/order.yaml"), "{page}");
    assert!(classes(&page, ASKS) == "node task kind-call" && !page.contains("is-current"));
    for path in [
        "/workflows/nothing".to_owned(),
        "/workflows/%3Cscript%3E".to_owned(),
        "/workflows/order?run=nonsense".to_owned(),
        format!("/workflows/order?run={}", RunId::now()),
        format!("/workflows/other?run={}", run.id),
    ] {
        let (status, page) = world.get(&path).await;
        assert_eq!(status, 404, "{path}: {page}");
        assert!(!page.contains("<script>"));
    }
}
