//! The connector for SAP S/4HANA over its OData V2 services.
//!
//! Records are named `SERVICE/EntitySet` (`API_SALES_ORDER_SRV/A_SalesOrder`), functions `SERVICE/FunctionImport`. What the
//! wire wants of each field is read from the service's own `$metadata`, so that no service is compiled in. S/4HANA has no
//! idempotency key and no upsert: a create whose fate is unknown is looked for by a business reference before it is sent again.

mod auth;
mod batch;
mod changes;
mod codec;
mod config;
mod connection;
mod describe;
mod edmx;
mod errors;
mod invoke;
mod literal;
mod metadata;
mod query;
mod read;
mod related;
mod session;
mod temporal;
mod wire;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use connect::{
    Action, ActionInfo, Call, CallError, ChangePage, Connection, Connector, ErrorClass, FeedError, FeedItem,
    FeedRequest, Follows, Position, PushedChanges, RecordDescription, SettingError, Settings,
};
use futures::future::BoxFuture;
use jiff::Timestamp;
use model::{Problem, Value};
use tokio::sync::mpsc;

use crate::config::{CREATES_MAX, READS_MAX};
use crate::connection::Erp;
use crate::wire::{Request, Wire};

/// The driver for S/4HANA.
#[derive(Debug, Clone, Copy, Default)]
pub struct S4Hana;

impl Connector for S4Hana {
    fn name(&self) -> &'static str {
        "s4hana"
    }

    fn actions(&self) -> &'static [ActionInfo] {
        const ACTIONS: &[ActionInfo] = &[
            ActionInfo { action: Action::Read, gather_max: READS_MAX },
            ActionInfo { action: Action::Find, gather_max: READS_MAX },
            ActionInfo { action: Action::Create, gather_max: CREATES_MAX },
            ActionInfo { action: Action::Update, gather_max: CREATES_MAX },
            ActionInfo { action: Action::Delete, gather_max: CREATES_MAX },
            ActionInfo { action: Action::Invoke, gather_max: READS_MAX },
        ];
        ACTIONS
    }

    fn follows(&self) -> Follows {
        Follows { topics: false, pushes: true }
    }

    fn check(&self, settings: &Value) -> Vec<SettingError> {
        config::read(settings).err().unwrap_or_default()
    }

    fn open(&self, settings: Settings<'_>) -> Result<Arc<dyn Connection>, Problem> {
        let config = config::read(settings.settings).map_err(|errors| {
            let told: Vec<String> = errors.iter().map(|error| format!("`{}` {}", error.path, error.message)).collect();
            let message = format!("the settings of the connection {} cannot work: {}", settings.name, told.join("; "));
            Problem::new("IL-S4-001", message, "Run `interlock check` and correct the file of the connection")
        })?;
        let wire = Wire::open(&config, settings.secrets)?;
        Ok(Arc::new(Erp::new(config, wire)))
    }
}

impl Connection for Erp {
    fn execute<'a>(&'a self, calls: &'a [Call]) -> BoxFuture<'a, Vec<Result<Value, CallError>>> {
        Box::pin(async move {
            let Some(first) = calls.first() else { return Vec::new() };
            match first.action {
                Action::Read => self.read_with_related(calls).await,
                Action::Find => self.find(calls).await,
                Action::Create => self.create(calls).await,
                Action::Update => self.update(calls).await,
                Action::Delete => self.delete(calls).await,
                Action::Invoke => self.invoke(calls).await,
                Action::Upsert => {
                    let message =
                        "S/4HANA has no upsert; find the record by its business reference, then create or update it";
                    vec![Err(CallError::new(ErrorClass::Misconfigured, "no-upsert", message)); calls.len()]
                }
            }
        })
    }

    fn probe<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Option<Value>, CallError>> {
        Box::pin(self.look_for(call))
    }

    fn describe<'a>(&'a self, record: &'a str) -> BoxFuture<'a, Result<RecordDescription, CallError>> {
        Box::pin(self.describe_record(record))
    }

    fn check(&self) -> BoxFuture<'_, Result<(), CallError>> {
        Box::pin(async {
            let request = Request::get(&self.config.check_service, "");
            match self.wire.ask(&request).await {
                Ok(_) => Ok(()),
                // The ERP knows the user; that this one service is not active says nothing about the connection.
                Err(error) if error.code.starts_with("/IWFND/") && error.class == ErrorClass::Misconfigured => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    fn subscribe<'a>(
        &'a self,
        _request: FeedRequest,
        _items: mpsc::Sender<FeedItem>,
    ) -> BoxFuture<'a, Result<(), FeedError>> {
        let message = "S/4HANA pushes its events: receive them at the event listener instead of subscribing";
        Box::pin(async move { Err(FeedError::Call(CallError::new(ErrorClass::Misconfigured, "push-only", message))) })
    }

    fn receive(&self, headers: &http::HeaderMap, body: &Bytes) -> Result<PushedChanges, CallError> {
        changes::receive(headers, body)
    }

    fn changed_since<'a>(
        &'a self,
        record: &'a str,
        since: Timestamp,
        page: Option<Position>,
    ) -> BoxFuture<'a, Result<ChangePage, CallError>> {
        Box::pin(self.sweep(record, since, page))
    }
}
