//! A scripted system, and a dispatcher in front of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use connect::{
    Action, ActionInfo, Call, CallError, ChangePage, Connection, ErrorClass, FeedError, FeedItem, FeedRequest,
    NOT_UNDERSTOOD, Position, PushedChanges, RecordDescription, Selection,
};
use definitions::{ConnectionDefinition, ConnectionLimits, Effect, Function, ReferenceRule, RetryPolicy};
use dispatch::{Clock, Dispatcher, OpenConnection, Outcome, Report, Request, SystemClock};
use expr::Expression;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use model::{IntentId, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;
use workflow::Fault;

/// What the system does with one call or probe.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// What it should.
    Work,
    /// Nothing, and says so.
    Fail(CallError),
    /// What it should, and then fails.
    WorkThenFail(CallError),
    /// The connector panics.
    Panic,
    /// The connector forgets the call's result.
    Forget,
    /// What it should; but what it says of this call makes the whole answer one that nobody understands.
    Spoil,
    /// The answer never comes.
    Hang,
}

/// One request as the system saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) probe: bool,
    pub(crate) action: Action,
    pub(crate) record: Arc<str>,
    pub(crate) keys: Vec<String>,
    pub(crate) at: Instant,
}

type Script = Box<dyn FnMut(&Call, bool) -> Reply + Send>;

/// What the system has seen and done.
pub(crate) struct Memory {
    pub(crate) seen: Vec<Seen>,
    /// How often a record of this key was created.
    pub(crate) created: HashMap<String, u32>,
    pub(crate) under_way: usize,
    pub(crate) most_under_way: usize,
    pub(crate) latency: Duration,
    script: Script,
}

/// The scripted system.
pub(crate) struct System {
    memory: Mutex<Memory>,
}

impl System {
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// From now on it answers like this; the flag tells a probe.
    pub(crate) fn script(&self, script: impl FnMut(&Call, bool) -> Reply + Send + 'static) {
        self.memory().script = Box::new(script);
    }

    pub(crate) fn works(&self) {
        self.script(|_, _| Reply::Work);
    }

    /// The next calls are answered with these, later ones work.
    pub(crate) fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        let mut replies: std::collections::VecDeque<Reply> = replies.into_iter().collect();
        self.script(move |_, _| replies.pop_front().unwrap_or(Reply::Work));
    }

    /// How many calls each request carried.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.memory().seen.iter().map(|seen| seen.keys.len()).collect()
    }

    /// What was sent, as `key` or `probe key`.
    pub(crate) fn log(&self) -> Vec<String> {
        let told = |seen: &Seen| format!("{}{}", if seen.probe { "probe " } else { "" }, seen.keys.join(","));
        self.memory().seen.iter().map(told).collect()
    }

    fn arrive(&self, probe: bool, calls: &[Call]) -> (Vec<Reply>, Duration) {
        let mut memory = self.memory();
        let first = &calls[0];
        assert!(calls.iter().all(|call| call.action == first.action && call.record == first.record));
        let keys = calls.iter().map(key_of).collect();
        let (action, record) = (first.action, Arc::clone(&first.record));
        memory.seen.push(Seen { probe, action, record, keys, at: Instant::now() });
        memory.under_way += 1;
        memory.most_under_way = memory.most_under_way.max(memory.under_way);
        let replies = calls.iter().map(|call| (memory.script)(call, probe)).collect();
        (replies, memory.latency)
    }

    fn work(&self, call: &Call) -> Value {
        let key = key_of(call);
        if call.action == Action::Create {
            *self.memory().created.entry(key.clone()).or_default() += 1;
        }
        if call.action == Action::Read && key.starts_with("gone") {
            return Value::Null;
        }
        record(&key)
    }
}

/// Counts a request as back, however it ends.
struct Back<'a>(&'a System);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.memory().under_way -= 1;
    }
}

fn record(key: &str) -> Value {
    Value::object([("id", Value::from(format!("id-{key}"))), ("key", Value::from(key))])
}

fn key_of(call: &Call) -> String {
    let key = call.key.as_ref().map_or_else(|| call.body.get("key"), |key| &key.value);
    key.as_str().unwrap_or("?").to_owned()
}

impl Connection for System {
    fn execute<'a>(&'a self, calls: &'a [Call]) -> BoxFuture<'a, Vec<Result<Value, CallError>>> {
        async move {
            let (replies, latency) = self.arrive(false, calls);
            let _back = Back(self);
            tokio::time::sleep(latency).await;
            if replies.iter().any(|reply| matches!(reply, Reply::Spoil)) {
                let spoilt = || CallError::new(ErrorClass::Misconfigured, NOT_UNDERSTOOD, "it is not UTF-8");
                return calls.iter().map(|_| Err(spoilt())).collect();
            }
            let mut results = Vec::new();
            for (call, reply) in calls.iter().zip(replies) {
                match reply {
                    Reply::Work => results.push(Ok(self.work(call))),
                    Reply::Fail(error) => results.push(Err(error)),
                    Reply::WorkThenFail(error) => {
                        self.work(call);
                        results.push(Err(error));
                    }
                    Reply::Panic => panic!("the connector has a fault"),
                    Reply::Forget | Reply::Spoil => {}
                    Reply::Hang => std::future::pending().await,
                }
            }
            results
        }
        .boxed()
    }

    fn probe<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Option<Value>, CallError>> {
        async move {
            let (replies, latency) = self.arrive(true, std::slice::from_ref(call));
            let _back = Back(self);
            tokio::time::sleep(latency).await;
            match &replies[0] {
                Reply::Fail(error) | Reply::WorkThenFail(error) => return Err(error.clone()),
                Reply::Panic => panic!("the connector has a fault"),
                Reply::Hang => std::future::pending().await,
                Reply::Work | Reply::Forget | Reply::Spoil => {}
            }
            assert_eq!(&*call.probe[0].0, "Key");
            let key = call.probe[0].1.as_str().expect("a key").to_owned();
            Ok(self.memory().created.contains_key(&key).then(|| record(&key)))
        }
        .boxed()
    }

    fn describe<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<RecordDescription, CallError>> {
        async { Err(error(ErrorClass::Misconfigured)) }.boxed()
    }

    fn check(&self) -> BoxFuture<'_, Result<(), CallError>> {
        async { Ok(()) }.boxed()
    }

    fn subscribe<'a>(&'a self, _: FeedRequest, _: mpsc::Sender<FeedItem>) -> BoxFuture<'a, Result<(), FeedError>> {
        async { Ok(()) }.boxed()
    }

    fn receive(&self, _: &http::HeaderMap, _: &Bytes) -> Result<PushedChanges, CallError> {
        Ok(Vec::new())
    }

    fn changed_since<'a>(
        &'a self,
        record: &'a str,
        _: Timestamp,
        _: Option<Position>,
    ) -> BoxFuture<'a, Result<ChangePage, CallError>> {
        async move {
            let call = Call {
                intent: None,
                action: Action::Find,
                record: record.into(),
                key: None,
                body: Value::Null,
                select: Arc::default(),
                probe: Vec::new(),
                insist: false,
            };
            let (replies, latency) = self.arrive(false, std::slice::from_ref(&call));
            let _back = Back(self);
            tokio::time::sleep(latency).await;
            match &replies[0] {
                Reply::Fail(error) => Err(error.clone()),
                _ => Ok(ChangePage { records: vec![("1".into(), "a".into())], next: None }),
            }
        }
        .boxed()
    }
}

/// What the connector of the system says of itself.
pub(crate) static ACTIONS: [ActionInfo; 3] = [
    ActionInfo { action: Action::Create, gather_max: 10 },
    ActionInfo { action: Action::Read, gather_max: 10 },
    ActionInfo { action: Action::Upsert, gather_max: 200 },
];

/// What is not there is believed at once, but for the tests that say otherwise.
const SETTLE: Duration = Duration::ZERO;

pub(crate) const RETRY: RetryPolicy =
    RetryPolicy { first: Duration::from_millis(200), factor: 2.0, longest: Duration::from_secs(30), settle: SETTLE };

/// A system, a dispatcher in front of it, and its reports.
pub(crate) struct World {
    pub(crate) system: Arc<System>,
    pub(crate) dispatcher: Dispatcher,
    reports: mpsc::UnboundedReceiver<Report>,
}

impl World {
    pub(crate) fn new(concurrent: usize) -> Self {
        Self::limited(ConnectionLimits { concurrent, per_second: None, daily: None })
    }

    /// A system that may take so long until a lost call takes effect.
    pub(crate) fn settling(settle: Duration) -> Self {
        let limits = ConnectionLimits { concurrent: 4, per_second: None, daily: None };
        Self::with(limits, RetryPolicy { settle, ..RETRY })
    }

    pub(crate) fn limited(limits: ConnectionLimits) -> Self {
        Self::with(limits, RETRY)
    }

    /// Reached by a command that somebody waits for.
    pub(crate) fn for_command(concurrent: usize) -> Self {
        let limits = ConnectionLimits { concurrent, per_second: None, daily: None };
        Self::started(limits, RETRY, Dispatcher::start_for_command)
    }

    fn with(limits: ConnectionLimits, retry: RetryPolicy) -> Self {
        Self::started(limits, retry, Dispatcher::start)
    }

    fn started(
        limits: ConnectionLimits,
        retry: RetryPolicy,
        start: impl FnOnce(
            Arc<ConnectionDefinition>,
            OpenConnection,
            Arc<dyn Clock>,
            mpsc::UnboundedSender<Report>,
        ) -> Dispatcher,
    ) -> Self {
        let definition = ConnectionDefinition {
            name: "erp".into(),
            connector: "scripted".into(),
            settings: Value::Null,
            limits,
            retry,
            functions: indexmap::IndexMap::new(),
            feeds: indexmap::IndexMap::new(),
        };
        let system = Arc::new(System {
            memory: Mutex::new(Memory {
                seen: Vec::new(),
                created: HashMap::new(),
                under_way: 0,
                most_under_way: 0,
                latency: Duration::from_millis(20),
                script: Box::new(|_, _| Reply::Work),
            }),
        });
        let connection: Arc<dyn Connection> = Arc::clone(&system) as _;
        let (sender, reports) = mpsc::unbounded_channel();
        let open = OpenConnection { connection, actions: &ACTIONS };
        let dispatcher = start(Arc::new(definition), open, Arc::new(SystemClock), sender);
        Self { system, dispatcher, reports }
    }

    /// Submits one intent.
    pub(crate) fn submit(&self, function: &Arc<Function>, key: &str) -> IntentId {
        self.request(function, key, false)
    }

    pub(crate) fn request(&self, function: &Arc<Function>, key: &str, in_doubt: bool) -> IntentId {
        let intent = IntentId::now();
        self.dispatcher.submit(Request { intent, function: Arc::clone(function), input: input(key), in_doubt });
        intent
    }

    pub(crate) async fn report(&mut self) -> Report {
        self.reports.recv().await.expect("a report")
    }

    /// The next outcome, whatever delays are told before.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        loop {
            if let Report::Done(outcome) = self.report().await {
                return outcome;
            }
        }
    }

    /// The next delay: intent, attempts, class, doubt.
    pub(crate) async fn delay(&mut self) -> (IntentId, u32, ErrorClass, bool) {
        match self.report().await {
            Report::Delayed { intent, attempts, error, in_doubt } => (intent, attempts, error.class, in_doubt),
            Report::Done(outcome) => panic!("this is over: {outcome:?}"),
        }
    }

    /// Reports that came so far.
    pub(crate) fn told(&mut self) -> Vec<Report> {
        std::iter::from_fn(|| self.reports.try_recv().ok()).collect()
    }
}

/// The fault of an outcome.
pub(crate) fn fault(outcome: Outcome) -> Fault {
    outcome.result.expect_err("a fault")
}

pub(crate) fn input(key: &str) -> Value {
    Value::object([("key", key)])
}

pub(crate) fn error(class: ErrorClass) -> CallError {
    CallError::new(class, "CODE", "the system says no")
}

pub(crate) fn fail(class: ErrorClass) -> Reply {
    Reply::Fail(error(class))
}

fn jq(text: &str) -> Expression {
    Expression::compile(text).expect("jq")
}

/// A function as a definition would make it.
pub(crate) fn function(name: &str, action: Action, effect: Effect) -> Function {
    Function {
        name: name.into(),
        version: "1.0.0".into(),
        connection: "erp".into(),
        action,
        record: name.into(),
        effect,
        mapping: None,
        input: Some(jq(".")),
        output: None,
        key: None,
        business_key: Some(jq(".key")),
        probe: vec![("Key".into(), jq(".key"))],
        look_first: false,
        reference: None,
        select: Arc::new(Selection::default()),
        timeout: Duration::from_secs(10),
    }
}

/// Creates something each time.
pub(crate) fn create() -> Arc<Function> {
    let mut function = function("create-order", Action::Create, Effect::Once);
    function.reference = Some(ReferenceRule { object: "order".into(), key: jq(".key"), id: jq(".id") });
    Arc::new(function)
}

/// Creates what others may have made already.
pub(crate) fn link_or_create() -> Arc<Function> {
    let mut function = function("create-customer", Action::Create, Effect::Once);
    function.reference = Some(ReferenceRule { object: "customer".into(), key: jq(".key"), id: jq(".id") });
    function.look_first = true;
    Arc::new(function)
}

/// Can be repeated.
pub(crate) fn upsert() -> Arc<Function> {
    Arc::new(function("write-status", Action::Upsert, Effect::Repeatable))
}

/// Changes nothing.
pub(crate) fn price() -> Arc<Function> {
    Arc::new(function("price", Action::Invoke, Effect::None))
}
