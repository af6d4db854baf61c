//! A system of the tests: records in memory, a feed that can be told what to say, and the sink that keeps what is handed over.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use connect::{
    Action, ActionInfo, Call, CallError, Change, ChangeKind, ChangePage, Connection, Connector, ErrorClass, FeedError,
    FeedItem, FeedRequest, Follows, Position, PushedChange, PushedChanges, RecordDescription, RefusedChange,
    SettingError, Settings,
};
use definitions::Release;
use dispatch::{Clock, ConnectionState, Dispatcher, OpenConnection, SystemClock};
use futures::future::BoxFuture;
use intake::{Batch, CanonicalEvent, Intake, NotReceived, Received, Sink, Unreadable};
use jiff::{SignedDuration, Timestamp};
use model::{ConnectionName, ObjectName, Problem, Value, json};
use store::{InboxRow, Mutation, ReferenceRow, SqliteStore, Store};
use tokio::sync::mpsc;

/// Records by kind and id, with a version that grows, and what the feed said.
#[derive(Default)]
pub(crate) struct System {
    records: Mutex<BTreeMap<(String, String), (u64, Value)>>,
    version: Mutex<u64>,
    said: Mutex<Vec<FeedItem>>,
    lost: Mutex<bool>,
    /// Whether the feed cannot be followed.
    pub(crate) refuses: Mutex<bool>,
    /// So many lists of what changed are refused first.
    pub(crate) refuse_lists: Mutex<u32>,
    /// So long a list of what changed takes.
    pub(crate) list_takes: Mutex<Duration>,
    /// The kind of record that nobody may read, and why.
    pub(crate) refused_reads: Mutex<Option<(String, CallError)>>,
    mark: Mutex<Option<Arc<str>>>,
    news: tokio::sync::Notify,
    pub(crate) reads: Mutex<HashMap<String, usize>>,
}

impl System {
    /// Changes a record without telling anybody.
    pub(crate) fn write(&self, kind: &str, id: &str, record: &str) {
        let mut version = self.version.lock().expect("lock");
        *version += 1;
        let record = json::parse(record.as_bytes()).expect("json");
        self.records.lock().expect("lock").insert((kind.into(), id.into()), (*version, record));
    }

    /// Tells of a change on the feed.
    pub(crate) fn say(&self, kind: &str, ids: &[&str], what: ChangeKind) {
        let mut said = self.said.lock().expect("lock");
        let change = Change {
            record: kind.into(),
            ids: ids.iter().map(|id| (*id).into()).collect(),
            kind: what,
            changed: Vec::new(),
            values: Value::Null,
            at: Timestamp::now(),
            ours: false,
        };
        let position = Position(vec![u8::try_from(said.len() + 1).expect("few")]);
        said.push(FeedItem { changes: vec![change], position });
        drop(said);
        self.news.notify_waiters();
    }

    /// From now on every change bears this mark.
    pub(crate) fn mark(&self, mark: &str) {
        *self.mark.lock().expect("lock") = Some(mark.into());
    }

    /// The feed does not know its old places any more.
    pub(crate) fn lose_places(&self) {
        *self.lost.lock().expect("lock") = true;
    }
}

/// The connector, for definitions.
pub(crate) struct Memory;

const ACTIONS: [ActionInfo; 1] = [ActionInfo { action: Action::Read, gather_max: 50 }];

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

pub(crate) struct Wire(pub(crate) Arc<System>);

fn unsupported<T>() -> Result<T, CallError> {
    Err(CallError::new(ErrorClass::Misconfigured, "no", "not in these tests"))
}

impl Connection for Wire {
    fn execute<'a>(&'a self, calls: &'a [Call]) -> BoxFuture<'a, Vec<Result<Value, CallError>>> {
        Box::pin(async move {
            let records = self.0.records.lock().expect("lock");
            let mut reads = self.0.reads.lock().expect("lock");
            let refused = self.0.refused_reads.lock().expect("lock");
            let read = |call: &Call| {
                let id = call.key.as_ref().and_then(|key| key.value.as_str()).unwrap_or_default().to_owned();
                *reads.entry(id.clone()).or_default() += 1;
                if let Some((_, error)) = refused.as_ref().filter(|(kind, _)| **kind == *call.record) {
                    return Err(error.clone());
                }
                Ok(records.get(&(call.record.to_string(), id)).map_or(Value::Null, |(_, record)| record.clone()))
            };
            calls.iter().map(read).collect()
        })
    }
    fn probe<'a>(&'a self, _: &'a Call) -> BoxFuture<'a, Result<Option<Value>, CallError>> {
        Box::pin(async { unsupported() })
    }
    fn describe<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<RecordDescription, CallError>> {
        Box::pin(async { unsupported() })
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
            if std::mem::take(&mut *self.0.lost.lock().expect("lock")) {
                return Err(FeedError::PositionLost("too old".into()));
            }
            if *self.0.refuses.lock().expect("lock") {
                let error = CallError::new(ErrorClass::Misconfigured, "topic", "there is no such topic");
                return Err(FeedError::Call(error));
            }
            request.opened.tell();
            let latest = self.0.said.lock().expect("lock").len();
            let mut next = request.after.map_or(latest, |Position(bytes)| usize::from(bytes[0]));
            loop {
                let news = self.0.news.notified();
                let item = self.0.said.lock().expect("lock").get(next).cloned();
                match item {
                    Some(item) => {
                        next += 1;
                        if items.send(item).await.is_err() {
                            return Ok(());
                        }
                    }
                    None => news.await,
                }
            }
        })
    }
    fn receive(&self, _: &http::HeaderMap, body: &Bytes) -> Result<PushedChanges, CallError> {
        let value = json::parse(body).map_err(|_| CallError::new(ErrorClass::Rejected, "json", "not JSON"))?;
        let read = |event: &Value| {
            let text = |name: &str| event.get(name).as_str().map(Arc::from);
            let (id, event_type) = (text("id"), text("type"));
            match (id, event_type) {
                (Some(id), Some(event_type)) => {
                    let source = text("source").unwrap_or_default();
                    Ok(PushedChange { id, source, event_type, at: Timestamp::now(), keys: event.get("data").clone() })
                }
                (id, event_type) => Err(RefusedChange { id, event_type, reason: "it has no id or no type".into() }),
            }
        };
        Ok(match &value {
            Value::Array(events) => events.iter().map(read).collect(),
            event => vec![read(event)],
        })
    }
    fn changed_since<'a>(
        &'a self,
        record: &'a str,
        _: Timestamp,
        _: Option<Position>,
    ) -> BoxFuture<'a, Result<ChangePage, CallError>> {
        Box::pin(async move {
            if let Some(left @ 1..) = Some(&mut *self.0.refuse_lists.lock().expect("lock")) {
                *left -= 1;
                return unsupported();
            }
            let takes = *self.0.list_takes.lock().expect("lock");
            tokio::time::sleep(takes).await;
            let records = self.0.records.lock().expect("lock");
            let of_kind = records.iter().filter(|((kind, _), _)| kind == record);
            let mark = self.0.mark.lock().expect("lock").clone();
            let mark = |version: &u64| mark.clone().unwrap_or_else(|| version.to_string().into());
            let records = of_kind.map(|((_, id), (version, _))| (id.as_str().into(), mark(version))).collect();
            Ok(ChangePage { records, next: None })
        })
    }
}

/// Keeps what is handed over, in the store and for the tests.
pub(crate) struct Kept {
    store: Arc<dyn Store>,
    pub(crate) events: Mutex<Vec<CanonicalEvent>>,
    pub(crate) unreadable: Mutex<Vec<Unreadable>>,
    /// So many batches are refused first.
    pub(crate) refuse: Mutex<u32>,
    news: tokio::sync::Notify,
}

impl Sink for Kept {
    fn take(&self, batch: Batch) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(async move {
            {
                let mut refuse = self.refuse.lock().expect("lock");
                if *refuse > 0 {
                    *refuse -= 1;
                    return Err(Problem::new("IL-TEST", "the disk is full", "make room"));
                }
            }
            self.store.commit(batch.mutations).durable().await.map_err(|error| error.problem())?;
            self.events.lock().expect("lock").extend(batch.events);
            self.unreadable.lock().expect("lock").extend(batch.unreadable);
            self.news.notify_waiters();
            Ok(())
        })
    }

    fn loaded(&self, _: &ObjectName) {}
}

const SETTINGS: &str = "name: test\nstore: { sqlite: data/test.db }\n";
const CONNECTION: &str = "
connector: memory
feeds:
  quotes: { topic: /quotes, record: Quote, mapping: quote.sys, object: quote, key: .number, only: '.status != \"draft\"', sweep: { every: SWEEP, overlap: 5m } }
  invoices:
    push: erp.invoice.*
    id: .Invoice
    record: Invoice
    mapping: invoice.sys
    object: invoice
    key: .number
    resolve: { as: quote, object: quote, id: .quoteId }
  receipts:
    record: Receipt
    mapping: receipt.sys
    object: receipt
    key: .number
    resolve: { as: quoteThere, object: quote, id: .quoteId, at: other }
    sweep: { every: SWEEP, overlap: 5m }
  bills:
    record: Bill
    mapping: invoice.sys.bill
    object: invoice
    key: .number
    resolve: { as: quote, object: quote, id: .quoteId, unknown: wait }
    sweep: { every: SWEEP, overlap: 5m }
  notes:
    record: Note
    mapping: invoice.sys.note
    object: invoice
    key: .number
    resolve: { as: quote, object: quote, id: .quoteId, unknown: name }
    sweep: { every: SWEEP, overlap: 5m }
  slips: { topic: /quotes, record: Slip, mapping: invoice.sys.slip, object: invoice, key: .number }
";
const OBJECTS: [(&str, &str); 3] = [
    ("quote", "number: { type: string }, status: { type: [string, 'null'] }"),
    (
        "invoice",
        "number: { type: string }, quoteId: { type: [string, 'null'] }, quote: { type: [string, object, 'null'] }",
    ),
    (
        "receipt",
        "number: { type: string }, quoteId: { type: [string, 'null'] }, quoteThere: { type: [string, 'null'] }",
    ),
];
const QUOTE: &str = "object: quote\nconnection: sys\nrecord: Quote\nfields:\n  number: { field: Number, required: true }\n  status: Status\n";
const INVOICE: &str =
    "object: invoice\nconnection: sys\nrecord: Invoice\nfields:\n  number: Number\n  quoteId: QuoteId\n";
const RECEIPT: &str =
    "object: receipt\nconnection: sys\nrecord: Receipt\nfields:\n  number: Number\n  quoteId: QuoteId\n";

fn project(folder: &Path, sweep: &str) -> Arc<Release> {
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    };
    write("interlock.yaml", SETTINGS);
    write("connections/sys.yaml", &CONNECTION.replace("SWEEP", sweep));
    for (name, properties) in OBJECTS {
        write(
            &format!("objects/{name}.yaml"),
            &format!("object: {name}\nschema: {{ type: object, properties: {{ {properties} }} }}\n"),
        );
    }
    write("mappings/quote.sys.yaml", QUOTE);
    write("mappings/invoice.sys.yaml", INVOICE);
    write("mappings/receipt.sys.yaml", RECEIPT);
    write("mappings/invoice.sys.bill.yaml", &INVOICE.replace("record: Invoice", "record: Bill"));
    write("mappings/invoice.sys.note.yaml", &INVOICE.replace("record: Invoice", "record: Note"));
    write("mappings/invoice.sys.slip.yaml", &INVOICE.replace("record: Invoice", "record: Slip"));
    write("connections/other.yaml", "connector: memory\n");
    let (release, _) =
        definitions::load(folder, &[&Memory], &|_| None).unwrap_or_else(|error| panic!("{}", error.render(false)));
    Arc::new(release)
}

/// The machine's clock, and what the tests let pass.
#[derive(Default)]
pub(crate) struct Passing(Mutex<SignedDuration>);

impl Clock for Passing {
    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock().expect("lock")
    }
}

/// An intake over a store in a folder. Dropped without a word, it leaves what a killed process leaves.
pub(crate) struct World {
    pub(crate) intake: Intake,
    pub(crate) kept: Arc<Kept>,
    pub(crate) store: Arc<SqliteStore>,
    release: Arc<Release>,
    clock: Arc<Passing>,
    dispatchers: HashMap<ConnectionName, Dispatcher>,
}

impl World {
    pub(crate) async fn start(folder: &Path, system: &Arc<System>) -> Self {
        Self::sweeping(folder, system, "1h").await
    }

    pub(crate) async fn sweeping(folder: &Path, system: &Arc<System>, sweep: &str) -> Self {
        let world = Self::unfollowed(folder, system, sweep).await;
        world.connected().await;
        world
    }

    /// Without waiting until the topic is followed.
    pub(crate) async fn unfollowed(folder: &Path, system: &Arc<System>, sweep: &str) -> Self {
        let release = project(folder, sweep);
        let store = Arc::new(SqliteStore::open(&folder.join("data/test.db")).expect("a store"));
        let clock = Arc::new(Passing::default());
        let (reports, _) = mpsc::unbounded_channel();
        let dispatchers = release.connections.iter().map(|(name, definition)| {
            let open = OpenConnection { connection: Arc::new(Wire(Arc::clone(system))), actions: &ACTIONS };
            let dispatcher = Dispatcher::start(Arc::clone(definition), open, Arc::new(SystemClock), reports.clone());
            (name.clone(), dispatcher)
        });
        let dispatchers: HashMap<ConnectionName, Dispatcher> = dispatchers.collect();
        let kept = Arc::new(Kept {
            store: Arc::clone(&store) as Arc<dyn Store>,
            events: Mutex::default(),
            unreadable: Mutex::default(),
            refuse: Mutex::default(),
            news: tokio::sync::Notify::new(),
        });
        let time = Arc::clone(&clock) as _;
        let (way_out, sink) = (dispatchers.clone(), Arc::clone(&kept) as _);
        let intake = Intake::start(Arc::clone(&release), Arc::clone(&store) as _, way_out, time, sink).await;
        Self { intake: intake.expect("an intake"), kept, store, release, clock, dispatchers }
    }

    /// How the system does.
    pub(crate) fn state(&self) -> ConnectionState {
        self.dispatchers[&ConnectionName::from("sys")].figures().state
    }

    /// A person has a record read again: that is durable, and nobody has told the intake of it yet.
    pub(crate) async fn ask_for(&self, feed: &str, id: &str) -> InboxRow {
        let feed = &self.release.connections["sys"].feeds[feed];
        let row = intake::forced_look_row(feed, &id.into(), self.now());
        self.store.commit(vec![Mutation::PutInbox(row.clone())]).durable().await.expect("durable");
        row
    }

    /// The same, and the intake is told.
    pub(crate) async fn look_again(&self, feed: &str, id: &str) {
        let row = self.ask_for(feed, id).await;
        self.intake.look(&row);
    }

    /// Waits until the topic is followed.
    pub(crate) async fn connected(&self) {
        self.until(|world| world.intake.figures().iter().any(|feed| feed.connected)).await;
        // The subscription asks for the latest place on its first poll, which is under way now.
        tokio::task::yield_now().await;
    }

    /// Waits until something holds; ten seconds are taken for never.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let news = self.kept.news.notified();
                if holds(self) {
                    return;
                }
                let _ = tokio::time::timeout(Duration::from_millis(20), news).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it comes about");
    }

    pub(crate) async fn events(&self, count: usize) -> Vec<CanonicalEvent> {
        self.until(|world| world.kept.events.lock().expect("lock").len() >= count).await;
        self.kept.events.lock().expect("lock").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.kept.events.lock().expect("lock").len()
    }

    pub(crate) async fn push(&self, id: &str, invoice: &str) -> Result<usize, NotReceived> {
        let body = format!(r#"{{"id":"{id}","type":"erp.invoice.created","data":{{"Invoice":"{invoice}"}}}}"#);
        self.push_text(body).await.map(|received| received.taken)
    }

    pub(crate) async fn push_text(&self, body: String) -> Result<Received, NotReceived> {
        self.intake.receive(&"sys".into(), &http::HeaderMap::new(), &Bytes::from(body)).await
    }

    /// Learns which quote a record is.
    pub(crate) async fn refer(&self, key: &str, record_id: &str) {
        self.refer_silently(key, record_id).await;
        self.intake.referenced("sys", "quote", key, record_id);
    }

    /// Learns it, and nobody tells the intake.
    pub(crate) async fn refer_silently(&self, key: &str, record_id: &str) {
        self.put_reference("sys", key, record_id).await;
    }

    /// Learns which record of the other system a quote is.
    pub(crate) async fn refer_other(&self, key: &str, record_id: &str) {
        self.put_reference("other", key, record_id).await;
        self.intake.referenced("other", "quote", key, record_id);
    }

    async fn put_reference(&self, connection: &str, key: &str, record_id: &str) {
        let row = ReferenceRow {
            object: "quote".into(),
            key: key.into(),
            connection: connection.into(),
            record_id: record_id.into(),
        };
        self.store.commit(vec![Mutation::PutReference(row)]).durable().await.expect("durable");
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Time passes, and parents are looked for.
    pub(crate) async fn pass(&self, minutes: i64) {
        *self.clock.0.lock().expect("lock") += SignedDuration::from_mins(minutes);
        self.intake.look_for_parents().await;
    }

    /// As a process that is killed: nothing is finished, the store is closed.
    pub(crate) async fn kill(self) {
        self.intake.stop().await;
    }
}
