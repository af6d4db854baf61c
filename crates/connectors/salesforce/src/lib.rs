//! The connector for Salesforce: sObject REST, SOQL, collections and the Pub/Sub API.
//!
//! - Reads of the same kind become one SOQL query for many keys, with child lists in subqueries. A record comes back with
//!   `Id`, the key field and what was selected; child lists as lists; instants in UTC.
//! - Writes go through sObject collections, up to 200 records in one request, each with its own answer
//!   (`{"Id": …, "created": …}`). A create with children is one all-or-none tree.
//! - What a duplicate rule of the org refuses to make is sent once more by itself, so that the org names what it has already
//!   (`duplicates.rs`).
//! - First loads go by jobs of the Bulk API 2.0 (`bulk/`). Jobs that write are here, too; nothing asks for one yet.
//! - Changes come from change data capture over gRPC; a sweep by `SystemModstamp` finds what the feed lost.
//!
//! Every request carries `Sforce-Call-Options: client=…`, which comes back in the change events it causes.

mod auth;
mod avro;
mod bulk;
mod changes;
mod codec;
mod config;
mod describe;
mod duplicates;
mod errors;
mod fates;
mod neutral;
mod org;
mod read;
mod soql;
mod sweep;
mod tree;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use connect::transport::Effect;
use connect::{
    Action, ActionInfo, Bulk, Call, CallError, ChangePage, Connection, Connector, ErrorClass, Fate, FeedError,
    FeedItem, FeedRequest, Follows, Position, PushedChanges, RecordDescription, SettingError, Settings,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use model::{ConnectionName, Problem, Value};
use tokio::sync::{OnceCell, mpsc};

pub use org::ApiUsage;

use changes::Feeds;
use describe::Descriptions;
use org::Org;

/// How many records one gathered list of reads or writes should have.
const GATHER: usize = write::COLLECTION_MAX;

const ACTIONS: &[ActionInfo] = &[
    ActionInfo { action: Action::Read, gather_max: GATHER },
    ActionInfo { action: Action::Find, gather_max: GATHER },
    ActionInfo { action: Action::Create, gather_max: GATHER },
    ActionInfo { action: Action::Upsert, gather_max: GATHER },
    ActionInfo { action: Action::Update, gather_max: GATHER },
    ActionInfo { action: Action::Delete, gather_max: GATHER },
    ActionInfo { action: Action::Invoke, gather_max: 1 },
];

/// The driver for Salesforce orgs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Salesforce;

impl Salesforce {
    /// Makes an instance whose own methods can be used, besides those of the contract.
    ///
    /// # Errors
    /// When a secret is missing or a setting is wrong.
    pub fn connection(&self, settings: &Settings<'_>) -> Result<SalesforceConnection, Problem> {
        let config = config::read(settings.settings).map_err(|errors| {
            let first = errors.first();
            let place = first.map_or("", |error| error.path.as_str());
            let what = first.map_or("", |error| error.message.as_str());
            let help = first.and_then(|error| error.help.clone()).unwrap_or_else(|| "Correct the setting".to_owned());
            Problem::new("IL-CRM-001", format!("connection `{}`: `{place}`: {what}", settings.name), help)
        })?;
        let ca_pem = match config.pubsub.as_ref().and_then(|pubsub| pubsub.ca_file.as_ref()) {
            Some(path) => Some(changes::trusted(path, settings.secrets)?),
            None => None,
        };
        let org = Org::open(config, settings.secrets)?;
        Ok(SalesforceConnection {
            name: settings.name.clone(),
            org,
            descriptions: Descriptions::default(),
            ca_pem,
            feeds: OnceCell::new(),
        })
    }
}

impl Connector for Salesforce {
    fn name(&self) -> &'static str {
        "salesforce"
    }

    fn actions(&self) -> &'static [ActionInfo] {
        ACTIONS
    }

    fn follows(&self) -> Follows {
        Follows { topics: true, pushes: false }
    }

    fn check(&self, settings: &Value) -> Vec<SettingError> {
        config::read(settings).err().unwrap_or_default()
    }

    fn open(&self, settings: Settings<'_>) -> Result<Arc<dyn Connection>, Problem> {
        Ok(Arc::new(self.connection(&settings)?))
    }
}

/// One org.
pub struct SalesforceConnection {
    name: ConnectionName,
    org: Org,
    descriptions: Descriptions,
    ca_pem: Option<Vec<u8>>,
    feeds: OnceCell<Feeds>,
}

impl SalesforceConnection {
    /// The org's request budget as of its latest answer; `None` before the first answer that told.
    #[must_use]
    pub fn api_usage(&self) -> Option<ApiUsage> {
        self.org.usage()
    }

    async fn feeds(&self) -> Result<&Feeds, CallError> {
        let Some(config) = &self.org.config.pubsub else {
            let message = format!("connection `{}` has no `pubsub` settings, so it cannot follow changes", self.name);
            return Err(CallError::new(ErrorClass::Misconfigured, "pubsub", message));
        };
        let open = || async { Feeds::open(config, self.ca_pem.as_deref()) };
        self.feeds
            .get_or_try_init(open)
            .await
            .map_err(|problem| CallError::new(ErrorClass::Misconfigured, problem.code, problem.message))
    }
}

impl Connection for SalesforceConnection {
    fn execute<'a>(&'a self, calls: &'a [Call]) -> BoxFuture<'a, Vec<Result<Value, CallError>>> {
        async move {
            let Some(first) = calls.first() else { return Vec::new() };
            let (org, descriptions) = (&self.org, &self.descriptions);
            match first.action {
                Action::Read => read::read(org, descriptions, calls).await,
                Action::Find => read::find(org, descriptions, calls).await,
                Action::Create | Action::Upsert | Action::Update | Action::Delete => {
                    write::write(org, descriptions, calls).await
                }
                Action::Invoke => {
                    let mut results = Vec::with_capacity(calls.len());
                    for call in calls {
                        results.push(write::invoke(org, call).await);
                    }
                    results
                }
            }
        }
        .boxed()
    }

    fn probe<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Option<Value>, CallError>> {
        async move {
            let wanted: Vec<(Arc<str>, Value)> = match (&call.key, call.probe.is_empty()) {
                (_, false) => call.probe.clone(),
                (Some(key), true) => vec![(Arc::clone(&key.field), key.value.clone())],
                (None, true) => Vec::new(),
            };
            // A probe for nothing in particular would find any record and take it for ours.
            if wanted.is_empty() || wanted.iter().any(|(_, value)| value.is_null()) {
                let message = format!(
                    "a {} of `{}` cannot be probed without values to look for",
                    call.action.word(),
                    call.record
                );
                return Err(CallError::new(ErrorClass::Misconfigured, "probe", message));
            }
            read::find_first(&self.org, &self.descriptions, &call.record, &call.select, &wanted).await
        }
        .boxed()
    }

    fn describe<'a>(&'a self, record: &'a str) -> BoxFuture<'a, Result<RecordDescription, CallError>> {
        async move { Ok(self.descriptions.refresh(&self.org, record).await?.description.clone()) }.boxed()
    }

    fn check(&self) -> BoxFuture<'_, Result<(), CallError>> {
        async move {
            // The list of resources needs a valid session and exists only in versions that the org serves.
            let path = self.org.data_path("");
            let answer = self.org.json(http::Method::GET, &path, None, Effect::Read).await;
            answer.map_err(|mut error| {
                if error.code == "NOT_FOUND" {
                    error.class = ErrorClass::Misconfigured;
                    error.message = format!("the org does not serve API version {}", self.org.config.api_version);
                }
                error
            })?;
            match &self.org.config.pubsub {
                Some(_) => self.feeds().await?.check(&self.org).await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn subscribe<'a>(
        &'a self,
        request: FeedRequest,
        items: mpsc::Sender<FeedItem>,
    ) -> BoxFuture<'a, Result<(), FeedError>> {
        async move { self.feeds().await?.subscribe(&self.org, request, items).await }.boxed()
    }

    fn receive(&self, _headers: &http::HeaderMap, _body: &Bytes) -> Result<PushedChanges, CallError> {
        let message = format!("connection `{}` gets its changes from the Pub/Sub API, not by requests", self.name);
        Err(CallError::new(ErrorClass::Rejected, "not-pushed", message))
    }

    fn changed_since<'a>(
        &'a self,
        record: &'a str,
        since: Timestamp,
        page: Option<Position>,
    ) -> BoxFuture<'a, Result<ChangePage, CallError>> {
        sweep::changed_since(&self.org, record, since, page).boxed()
    }

    fn fates<'a>(&'a self, record: &'a str, ids: &'a [Arc<str>]) -> BoxFuture<'a, Result<Vec<Fate>, CallError>> {
        fates::fates(&self.org, &self.descriptions, record, ids).boxed()
    }

    fn bulk(&self) -> Option<&dyn Bulk> {
        Some(self)
    }
}
