//! A console over a store on disk, as a browser and as programs reach it.

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
use workflow::{Input, Parts, RunContext, RunState, Workflow};

pub(crate) const WORKFLOW: &str = "
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

/// What olivia shows to be let in.
const TOKEN: &str = "olivias-own-token";

struct OneSecret;

impl Secrets for OneSecret {
    fn get(&self, _: &str) -> Result<Secret, SecretError> {
        Ok(Secret::new(TOKEN.to_owned()))
    }
}

/// A console and what is behind it.
pub(crate) struct World {
    address: SocketAddr,
    client: reqwest::Client,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) release: Arc<Release>,
    pub(crate) matter: TransactionId,
    _folder: TempDir,
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("an instant")
}

fn project(folder: &Path) -> Release {
    let files = [
        ("interlock.yaml", "name: test\nusers:\n  - { name: olivia, roles: [operator], token: 'env:OLIVIA' }\n"),
        (
            "queues/credit.yaml",
            "queue: credit\ntitle: Credit hold\npurpose: Beyond the limit.\nwho: [desk]\nclock: 4h\nactions:\n  release: { label: Release }\n",
        ),
        (
            "queues/data.yaml",
            "queue: data\ntitle: Data\npurpose: Unknown values.\nwho: [desk]\nclock: 4h\nactions:\n  retry: { label: Retry }\n",
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
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let release = Arc::new(project(folder.path()));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("test.db")).expect("a store"));
        let (changes, _) = watch::channel(0);
        let user = User { name: "olivia".into(), roles: Vec::new(), token: "env:OLIVIA".into() };
        let operations = Still { release: Arc::clone(&release), store: Arc::clone(&store), changes };
        let options = ConsoleOptions { demo_user: Some(user) };
        let router = console::router(operations, &OneSecret, options).expect("a console");
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

    pub(crate) async fn commit(&self, batch: Vec<Mutation>) {
        self.store.commit(batch).durable().await.expect("durable");
    }

    pub(crate) fn workflow(&self) -> &Workflow {
        &self.release.workflows.get("order").expect("the workflow").workflow
    }

    /// Starts a run of a workflow and takes it as far as the steps do.
    pub(crate) async fn run(&self, workflow: &Workflow, steps: Vec<Input>) -> RunRow {
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
    pub(crate) async fn item(&self, run: RunId, place: &str, status: WorkItemStatus) {
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

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let request = self.client.get(format!("http://{}{path}", self.address));
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a page"))
    }

    /// As a program that asks the ops API.
    pub(crate) async fn ops(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("http://{}/ops/{path}", self.address)).bearer_auth(TOKEN);
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, model::json::parse(&answer.bytes().await.expect("a body")).expect("JSON"))
    }

    pub(crate) async fn matter_page(&self) -> String {
        let (status, page) = self.get(&format!("/transactions/{}", self.matter)).await;
        assert_eq!(status, 200, "{page}");
        page
    }
}
