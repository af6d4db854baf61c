//! A system of the tests, in memory: records, a feed per kind of record, and faults; and a project that works with it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use connect::{
    Action, ActionInfo, Call, CallError, Change, ChangeKind, ChangePage, Connection, Connector, ErrorClass, FeedError,
    FeedItem, FeedRequest, Follows, Position, PushedChanges, RecordDescription, SettingError, Settings,
};
use definitions::Release;
use futures::future::BoxFuture;
use jiff::Timestamp;
use model::{Problem, Value, WorkItemId, json};
use runtime::{Decision, OpenConnection, Parts, Runtime};
use store::{Page, SqliteStore, Store, TransactionRow, WorkItemFilter, WorkItemRow, WorkItemStatus};
use tokio::sync::{Notify, mpsc};

use crate::project::project;

pub(crate) const ALL: Page = Page { offset: 0, limit: 10_000 };

/// The system. It goes on when the runtime ends.
#[derive(Default)]
pub(crate) struct System {
    inside: Mutex<Inside>,
    news: Notify,
}

#[derive(Default)]
struct Inside {
    records: HashMap<String, Vec<Value>>,
    said: HashMap<String, Vec<FeedItem>>,
    number: u64,
    /// How many of 100 creates get lost before, and how many after they were done.
    weather: (u64, u64),
    random: u64,
    /// Whether each new order is invoiced at once.
    invoices: bool,
    /// Whether creates wait before they happen.
    holds: bool,
    /// How many processes there were: what waits of one that ended never happens.
    process: u64,
    /// Whether the next create is answered with a record that lacks its id.
    mumbles: bool,
    /// How many calls were made, by record and action.
    calls: HashMap<String, usize>,
}

impl Inside {
    fn draw(&mut self) -> u64 {
        // Numerical Recipes' generator; the high bits are the good ones.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % 100
    }

    fn put(&mut self, kind: &str, mut fields: Value) -> Value {
        let records = self.records.entry(kind.to_owned()).or_default();
        let id = match fields.get("Id") {
            Value::Null => {
                self.number += 1;
                let id = format!("{kind}-{}", self.number);
                fields.set("Id", id.as_str());
                records.push(fields.clone());
                Arc::<str>::from(id)
            }
            id => {
                let id: Arc<str> = id.as_str().unwrap_or_default().into();
                match records.iter_mut().find(|record| record.get("Id").as_str() == Some(&id)) {
                    Some(known) => {
                        for (name, value) in fields.as_object().into_iter().flatten() {
                            known.set(name.clone(), value.clone());
                        }
                        fields = known.clone();
                    }
                    None => records.push(fields.clone()),
                }
                id
            }
        };
        let said = self.said.entry(format!("/{kind}")).or_default();
        let change = Change {
            record: kind.into(),
            ids: vec![id],
            kind: ChangeKind::Updated,
            changed: Vec::new(),
            values: Value::Null,
            at: Timestamp::now(),
            ours: false,
        };
        let position = Position((said.len() as u64 + 1).to_be_bytes().to_vec());
        said.push(FeedItem { changes: vec![change], position });
        fields
    }

    fn create(&mut self, call: &Call) -> Result<Value, CallError> {
        if call.body.get("Total") == &Value::from(13) {
            return Err(CallError::new(ErrorClass::Rejected, "V1/13", "Thirteen is not a total"));
        }
        let (before, after) = self.weather;
        if self.draw() < before {
            return Err(CallError::new(ErrorClass::Unavailable, "down", "the system is down"));
        }
        let record = self.put(&call.record, call.body.clone());
        if self.invoices {
            let order = record.get("Key").clone();
            self.put("Invoice", Value::object([("Order", order), ("Net", record.get("Total").clone())]));
        }
        if self.draw() < after {
            return Err(CallError::new(ErrorClass::Ambiguous, "timeout", "no answer came"));
        }
        if std::mem::take(&mut self.mumbles) {
            return Ok(Value::object([("Key", record.get("Key").clone())]));
        }
        Ok(record)
    }

    fn find(&self, kind: &str, wanted: &[(Arc<str>, Value)]) -> Vec<Value> {
        let fits = |record: &&Value| wanted.iter().all(|(name, value)| record.get(name) == value);
        self.records.get(kind).into_iter().flatten().filter(fits).cloned().collect()
    }

    fn execute(&mut self, call: &Call) -> Result<Value, CallError> {
        *self.calls.entry(format!("{} {}", call.action.word(), call.record)).or_default() += 1;
        let key = || {
            let key = call.key.as_ref();
            key.map(|key| (if key.field.is_empty() { "Id".into() } else { Arc::clone(&key.field) }, key.value.clone()))
        };
        match call.action {
            Action::Create => self.create(call),
            Action::Read => {
                let wanted: Vec<_> = key().into_iter().collect();
                Ok(self.find(&call.record, &wanted).into_iter().next().unwrap_or_default())
            }
            Action::Update => {
                let mut fields = call.body.clone();
                let wanted: Vec<_> = key().into_iter().collect();
                let found = self.find(&call.record, &wanted).into_iter().next().unwrap_or_default();
                fields.set("Id", found.get("Id").clone());
                Ok(self.put(&call.record, fields))
            }
            _ => Err(CallError::new(ErrorClass::Misconfigured, "no", "not in these tests")),
        }
    }
}

impl System {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let system = Self::default();
        system.inside().random = seed;
        Arc::new(system)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a record and tells of it on its feed.
    pub(crate) fn write(&self, kind: &str, fields: &str) -> Value {
        let record = self.inside().put(kind, value(fields));
        self.news.notify_waiters();
        record
    }

    pub(crate) fn quote(&self, number: &str, total: i64, status: &str) {
        self.write(
            "Quote",
            &format!(r#"{{"Id": "{number}", "Number": "{number}", "Total": {total}, "Status": "{status}"}}"#),
        );
    }

    pub(crate) fn all(&self, kind: &str) -> Vec<Value> {
        self.inside().records.get(kind).cloned().unwrap_or_default()
    }

    pub(crate) fn calls(&self, name: &str) -> usize {
        self.inside().calls.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn set_weather(&self, lost_before: u64, lost_after: u64) {
        self.inside().weather = (lost_before, lost_after);
    }

    /// From now on creates wait before they happen, or those that waited happen.
    pub(crate) fn hold_creates(&self, hold: bool) {
        self.inside().holds = hold;
        self.news.notify_waiters();
    }

    /// The next create is answered with something that cannot be read.
    pub(crate) fn mumble(&self) {
        self.inside().mumbles = true;
    }

    pub(crate) fn invoice_at_once(&self) {
        self.inside().invoices = true;
    }
}

pub(crate) struct Memory;

const ACTIONS: [ActionInfo; 3] = [
    ActionInfo { action: Action::Read, gather_max: 50 },
    ActionInfo { action: Action::Create, gather_max: 4 },
    ActionInfo { action: Action::Update, gather_max: 4 },
];

impl Connector for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }
    fn actions(&self) -> &'static [ActionInfo] {
        &ACTIONS
    }
    fn follows(&self) -> Follows {
        Follows { topics: true, pushes: true }
    }
    fn check(&self, _: &Value) -> Vec<SettingError> {
        Vec::new()
    }
    fn open(&self, _: Settings<'_>) -> Result<Arc<dyn Connection>, Problem> {
        Err(Problem::new("IL-TEST", "the tests open it themselves", "do so"))
    }
}

struct Wire(Arc<System>);

impl Connection for Wire {
    fn execute<'a>(&'a self, calls: &'a [Call]) -> BoxFuture<'a, Vec<Result<Value, CallError>>> {
        Box::pin(async move {
            let process = self.0.inside().process;
            tokio::task::yield_now().await;
            loop {
                let news = self.0.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                let creates = calls.iter().any(|call| call.action == Action::Create);
                if !(creates && self.0.inside().holds) {
                    break;
                }
                news.await;
            }
            if self.0.inside().process != process {
                return std::future::pending().await;
            }
            let results = {
                let mut inside = self.0.inside();
                calls.iter().map(|call| inside.execute(call)).collect()
            };
            self.0.news.notify_waiters();
            results
        })
    }
    fn probe<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Option<Value>, CallError>> {
        Box::pin(async move {
            let mut inside = self.0.inside();
            *inside.calls.entry(format!("probe {}", call.record)).or_default() += 1;
            Ok(inside.find(&call.record, &call.probe).into_iter().next())
        })
    }
    fn describe<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<RecordDescription, CallError>> {
        Box::pin(async { Err(CallError::new(ErrorClass::Misconfigured, "no", "not in these tests")) })
    }
    fn check(&self) -> BoxFuture<'_, Result<(), CallError>> {
        Box::pin(async { Ok(()) })
    }
    fn subscribe<'a>(
        &'a self,
        request: FeedRequest,
        items: mpsc::Sender<FeedItem>,
    ) -> BoxFuture<'a, Result<(), FeedError>> {
        Box::pin(async move {
            request.opened.tell();
            let place = |Position(bytes): Position| u64::from_be_bytes(bytes.try_into().expect("eight bytes")) as usize;
            let mut next = request.after.map_or(0, place);
            loop {
                let news = self.0.news.notified();
                let item = self.0.inside().said.get(&*request.topic).and_then(|said| said.get(next)).cloned();
                match item {
                    None => news.await,
                    Some(item) => {
                        next += 1;
                        if items.send(item).await.is_err() {
                            return Ok(());
                        }
                    }
                }
            }
        })
    }
    fn receive(&self, _: &http::HeaderMap, _: &Bytes) -> Result<PushedChanges, CallError> {
        Err(CallError::new(ErrorClass::Rejected, "no", "not in these tests"))
    }
    fn changed_since<'a>(
        &'a self,
        _: &'a str,
        _: Timestamp,
        _: Option<Position>,
    ) -> BoxFuture<'a, Result<ChangePage, CallError>> {
        Box::pin(async { Ok(ChangePage { records: Vec::new(), next: None }) })
    }
}

pub(crate) fn value(text: &str) -> Value {
    json::parse(text.as_bytes()).expect("JSON")
}

pub(crate) fn open(folder: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(&folder.join("data/test.db")).expect("a store"))
}

pub(crate) async fn start(release: &Arc<Release>, store: Arc<dyn Store>, system: &Arc<System>) -> Runtime {
    try_start(release, store, system).await.expect("a runtime")
}

pub(crate) async fn try_start(
    release: &Arc<Release>,
    store: Arc<dyn Store>,
    system: &Arc<System>,
) -> Result<Runtime, Problem> {
    let connection: Arc<dyn Connection> = Arc::new(Wire(Arc::clone(system)));
    let connections = HashMap::from([("sys".into(), OpenConnection { connection, actions: &ACTIONS })]);
    let parts = Parts::new(Arc::clone(release), store, connections);
    Runtime::start(parts).await
}

/// A runtime on a folder of its own.
pub(crate) struct World {
    pub(crate) system: Arc<System>,
    pub(crate) runtime: Runtime,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (release, system) = (project(folder.path(), more), System::new(1));
        let runtime = start(&release, open(folder.path()), &system).await;
        Self { system, runtime, folder }
    }

    /// Waits until something is in the store.
    pub(crate) async fn until<T>(&self, what: &str, look: impl Fn(&dyn Store) -> Option<T>) -> T {
        until(&self.runtime, what, look).await
    }

    pub(crate) async fn matter(&self, key: &str, stage: &str) -> TransactionRow {
        let what = format!("quote {key} in stage {stage}");
        let look = |store: &dyn Store| {
            let row = store.transaction_of_key("quote", key).expect("a read")?;
            (&*row.stage == stage).then_some(row)
        };
        self.until(&what, look).await
    }

    pub(crate) async fn item(&self, queue: &str) -> WorkItemRow {
        self.until(&format!("an item in {queue}"), |store| open_items(store, queue).into_iter().next()).await
    }

    pub(crate) async fn decide(
        &self,
        item: WorkItemId,
        action: &str,
        note: Option<&str>,
        record: Option<&str>,
    ) -> Result<(), Problem> {
        let decision = Decision {
            action: action.into(),
            by: "olivia".into(),
            note: note.map(Into::into),
            record: record.map(value),
        };
        self.runtime.decide(item, decision).await
    }

    pub(crate) fn journal(&self, matter: &TransactionRow) -> Vec<String> {
        let lines = self.runtime.store().journal(matter.id, ALL).expect("a journal");
        lines.iter().map(|line| line.title.to_string()).collect()
    }

    /// Ends the runtime in order and starts another one on the same store.
    pub(crate) async fn restart(self, more: &[(&str, &str)]) -> Self {
        let Self { system, runtime, folder } = self;
        runtime.stop(Duration::from_secs(5)).await;
        drop(runtime);
        system.inside().process += 1;
        let release = project(folder.path(), more);
        let store = loop {
            match SqliteStore::open(&folder.path().join("data/test.db")) {
                Ok(store) => break store,
                Err(store::StoreError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        };
        let runtime = start(&release, Arc::new(store), &system).await;
        Self { system, runtime, folder }
    }
}

pub(crate) fn open_items(store: &dyn Store, queue: &str) -> Vec<WorkItemRow> {
    let filter =
        WorkItemFilter { queue: Some(queue.into()), status: Some(WorkItemStatus::Open), ..WorkItemFilter::default() };
    store.work_items(&filter, ALL).expect("a read")
}

pub(crate) async fn until<T>(runtime: &Runtime, what: &str, look: impl Fn(&dyn Store) -> Option<T>) -> T {
    let (store, mut changes) = (runtime.store(), runtime.changes());
    let waiting = async {
        loop {
            changes.mark_unchanged();
            if let Some(found) = look(&*store) {
                return found;
            }
            // The safety net: a change may have been told before this looked.
            let _ = tokio::time::timeout(Duration::from_millis(200), changes.changed()).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(60), waiting).await {
        Ok(found) => found,
        Err(_) => {
            let matters = store.transactions("", ALL).expect("matters");
            for matter in matters.iter().take(5) {
                eprintln!("{} {}: {}", matter.object, matter.key, matter.stage);
                for line in store.journal(matter.id, ALL).expect("a journal") {
                    eprintln!("    {} {}", line.kind, line.title);
                }
            }
            panic!("there is no {what}");
        }
    }
}
