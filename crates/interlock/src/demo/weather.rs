//! The weather: how often which fault strikes in which simulated system, and when one is away for a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use connect::transport::{self, ClientOptions};
use model::{Problem, Value, json};
use tracing::info;

use super::board::Board;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Faults {
    /// Nothing goes wrong.
    None,
    /// Each kind of fault now and then, and the ERP away for five seconds.
    Some,
    /// Each kind of fault often, both systems away several times.
    Many,
}

impl Faults {
    /// How often a fault strikes, per opportunity.
    fn rate(self, name: &str) -> f64 {
        // What ends a session or a stream is rarer than what spoils one request.
        let rare =
            ["expired", "break", "gap", "overflow", "reset", "drop", "close"].iter().any(|part| name.contains(part));
        match (self, rare) {
            (Self::None, _) => 0.0,
            (Self::Some, false) => 0.003,
            (Self::Some, true) => 0.001,
            (Self::Many, false) => 0.015,
            (Self::Many, true) => 0.004,
        }
    }

    /// Outages: after which share of the orders, which system, how long.
    fn outages(self) -> &'static [(f64, System, f64)] {
        match self {
            Self::None => &[],
            Self::Some => &[(0.5, System::Erp, 5.0)],
            Self::Many => &[
                (0.2, System::Erp, 4.0),
                (0.4, System::Crm, 3.0),
                (0.6, System::Erp, 5.0),
                (0.75, System::Crm, 2.0),
                (0.9, System::Erp, 2.0),
            ],
        }
    }
}

/// One of the two simulated systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Crm,
    Erp,
}

/// The controls of both simulators.
pub(crate) struct Weather {
    http: reqwest::Client,
    crm: String,
    erp: String,
    down: Mutex<Option<(System, Instant)>>,
}

impl Weather {
    /// Controls at these addresses.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn new(crm: &str, erp: &str) -> Result<Self, Problem> {
        let http = transport::client(&ClientOptions::default())?;
        Ok(Self { http, crm: crm.to_owned(), erp: erp.to_owned(), down: Mutex::new(None) })
    }

    fn url(&self, system: System, path: &str) -> String {
        let url = match system {
            System::Crm => &self.crm,
            System::Erp => &self.erp,
        };
        format!("{url}/_sandbox/{path}")
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, Problem> {
        let failed = |why: String| {
            let message = format!("the weather of a simulator cannot be changed: {why}");
            Problem::new("IL-DEMO-015", message, "Run the demo again; report this if it happens twice")
        };
        let response = request.send().await.map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| failed(error.to_string()))?;
        if !status.is_success() {
            return Err(failed(format!("{status}: {}", String::from_utf8_lossy(&body))));
        }
        json::parse(&body).map_err(|error| failed(error.to_string()))
    }

    /// The weather in a few words, for the display.
    pub(crate) fn word(&self, faults: Faults) -> &'static str {
        let down = *self.down.lock().unwrap_or_else(PoisonError::into_inner);
        match down {
            Some((System::Erp, until)) if Instant::now() < until => "the ERP is down",
            Some((System::Crm, until)) if Instant::now() < until => "the CRM is down",
            _ => match faults {
                Faults::None => "clear weather",
                Faults::Some => "some faults",
                Faults::Many => "many faults",
            },
        }
    }

    /// Sets every rate of both simulators.
    ///
    /// # Errors
    /// When a simulator does not take it.
    pub(crate) async fn set(&self, faults: Faults) -> Result<(), Problem> {
        for system in [System::Crm, System::Erp] {
            let url = self.url(system, "faults");
            let known = self.ask(self.http.get(&url)).await?;
            let Some(names) = known.get("rates").as_object() else { continue };
            let rates: serde_json::Map<String, serde_json::Value> =
                names.keys().map(|name| (name.to_string(), serde_json::json!(faults.rate(name)))).collect();
            self.ask(self.http.put(&url).json(&rates)).await?;
        }
        Ok(())
    }

    /// Sets how long the ERP takes for each step after an order.
    ///
    /// # Errors
    /// When the simulator does not take it.
    pub(crate) async fn pace(&self, milliseconds: u64) -> Result<(), Problem> {
        let steps = ["deliveryAfterMs", "goodsIssueAfterMs", "invoiceAfterMs", "paymentAfterMs"];
        let body: serde_json::Map<_, _> = steps.iter().map(|step| ((*step).to_owned(), milliseconds.into())).collect();
        self.ask(self.http.put(self.url(System::Erp, "timing")).json(&body)).await.map(|_| ())
    }

    /// How often each fault has happened, over both simulators.
    ///
    /// # Errors
    /// When a simulator does not tell.
    pub(crate) async fn happened(&self) -> Result<BTreeMap<String, i64>, Problem> {
        let mut all = BTreeMap::new();
        for (system, prefix) in [(System::Crm, "crm"), (System::Erp, "erp")] {
            let told = self.ask(self.http.get(self.url(system, "faults"))).await?;
            for (name, count) in told.get("happened").as_object().into_iter().flatten() {
                all.insert(format!("{prefix}.{name}"), count.as_i64().unwrap_or(0));
            }
        }
        Ok(all)
    }

    /// Lets outages happen as the orders come in; returns when the last one has begun.
    ///
    /// # Errors
    /// When a simulator does not take it.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) async fn outages(&self, faults: Faults, board: &Board, orders: u64) -> Result<(), Problem> {
        for (share, system, seconds) in faults.outages() {
            while (board.counts().accepted as f64) < orders as f64 * share {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            info!(?system, seconds, "outage");
            *self.down.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((*system, Instant::now() + Duration::from_secs_f64(*seconds)));
            let body = serde_json::json!({"seconds": seconds});
            self.ask(self.http.post(self.url(*system, "outage")).json(&body)).await?;
        }
        Ok(())
    }
}
