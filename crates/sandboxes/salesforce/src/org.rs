//! The running org: its records, who is signed in, and what happens after a commit.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sandbox::faults::Faults;

use crate::bulk::Jobs;
use crate::cell::Cell;
use crate::duplicates::Rule;
use crate::events::{Bus, drafts};
use crate::id::RecordId;
use crate::options::Options;
use crate::schema::Schema;
use crate::soql::Cursors;
use crate::store::{Store, Writer};
use crate::time;

/// The faults that there are.
pub(crate) const FAULTS: [&str; 10] = [
    "row_lock",
    "request_limit",
    "session_expired",
    "unavailable",
    "timeout_after_commit",
    "duplicate_event",
    "lost_event",
    "gap_event",
    "stream_break",
    "slow",
];

/// Requests per day.
pub(crate) const DAILY_REQUESTS: u64 = 15_000_000;
/// Most sessions at once; when there are more, all have to sign in again.
const SESSIONS_MAX: usize = 10_000;

/// The running org.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) schema: Arc<Schema>,
    pub(crate) store: RwLock<Store>,
    pub(crate) bus: Bus,
    pub(crate) cursors: Cursors,
    pub(crate) jobs: Jobs,
    pub(crate) faults: Arc<Faults>,
    pub(crate) options: Options,
    /// Where the REST API is: `http://127.0.0.1:8000`.
    pub(crate) url: String,
    pub(crate) id: RecordId,
    pub(crate) user: RecordId,
    sessions: Mutex<HashSet<String>>,
    used: AtomicU64,
}

impl Org {
    pub(crate) fn new(options: Options, url: String, schema: Schema, rules: Vec<Rule>, faults: Arc<Faults>) -> Self {
        let schema = Arc::new(schema);
        let mut store = Store::new(Arc::clone(&schema));
        store.duplicate_rules = rules;
        let now = time::now().div_euclid(1000) * 1000;
        let text = |text: &str| Cell::Text(text.into());
        let object = |name: &str| schema.find(name).map(|object| object.at);
        // Both are standard objects, which no metadata file can take away.
        let user = object("User").map(|at| {
            let values = [
                ("Username", text(&options.username)),
                ("FirstName", text("Integration")),
                ("LastName", text("User")),
                ("IsActive", Cell::Bool(true)),
            ];
            store.plant(at, None, now, &values)
        });
        let id = object("Organization").map(|at| {
            let values = [
                ("Name", text("Interlock Sandbox")),
                ("InstanceName", text("SANDBOX")),
                ("IsSandbox", Cell::Bool(true)),
                ("OrganizationType", text("Developer Edition")),
            ];
            store.plant(at, user, now, &values)
        });
        if let Some(at) = object("Pricebook2") {
            let truth = Cell::Bool(true);
            let values = [("Name", text("Standard Price Book")), ("IsActive", truth.clone()), ("IsStandard", truth)];
            store.plant(at, user, now, &values);
        }
        let unknown =
            RecordId::parse("000000000000000").unwrap_or_else(|| RecordId::new(crate::id::Prefix::custom(0), 0));
        Self {
            bus: Bus::new(Arc::clone(&schema), options.retention, time::now()),
            store: RwLock::new(store),
            schema,
            cursors: Cursors::default(),
            jobs: Jobs::default(),
            faults,
            id: id.unwrap_or(unknown),
            user: user.unwrap_or(unknown),
            options,
            url,
            sessions: Mutex::default(),
            used: AtomicU64::new(0),
        }
    }

    /// Lets somebody in: the access token.
    pub(crate) fn sign_in(&self) -> String {
        let id = self.id.to_string();
        let random = || uuid::Uuid::now_v7().simple().to_string().split_off(16);
        let secret = format!("{}{}{}{}", random(), random(), random(), random());
        let token = format!("{}!AQ{secret}", &id[..15]);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS_MAX {
            sessions.clear();
        }
        sessions.insert(token.clone());
        token
    }

    /// Whether a token is that of a session.
    pub(crate) fn knows(&self, token: &str) -> bool {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).contains(token)
    }

    /// Ends a session.
    pub(crate) fn sign_out(&self, token: &str) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }

    /// Ends all sessions. Answers how many there were.
    pub(crate) fn end_sessions(&self) -> usize {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sessions.len();
        sessions.clear();
        count
    }

    /// Counts a request. Answers how many there were.
    pub(crate) fn count_request(&self) -> u64 {
        self.used.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// One transaction. What it changed is told to subscribers in the order of the commits. Answers too whether it changed
    /// anything.
    pub(crate) fn write<T>(&self, origin: &str, work: impl FnOnce(&mut Writer<'_>) -> T) -> (T, bool) {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let now = time::now();
        let (result, touched) = {
            let mut writer = Writer::begin(&mut store, self.user, now, &self.faults);
            let result = work(&mut writer);
            (result, std::mem::take(&mut writer.touched))
        };
        let changed = !touched.is_empty();
        if changed {
            let drafts = drafts(&store, &touched, &self.bus.shapes);
            self.bus.publish(&drafts, origin, self.user, now, &self.faults);
        }
        (result, changed)
    }
}
