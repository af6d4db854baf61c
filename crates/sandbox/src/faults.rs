//! Misfortune on demand: named faults with a rate each, drawn from a seeded generator, and announced outages.
//!
//! Both simulators offer the same controls under `/_sandbox` on their HTTP port, so that a test can change the weather
//! while traffic runs. A fault either surely changed nothing or surely committed, as its name says, and is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value as Json_, json};

/// A small generator of pseudo-random numbers (splitmix64): the same seed gives the same sequence on every machine.
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    /// A generator that starts from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next 64 bits.
    pub fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// The next number in `0.0..1.0`.
    pub fn unit(&self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        #[allow(clippy::cast_precision_loss)]
        let bits = (self.next() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }
}

/// One kind of fault.
#[derive(Debug)]
struct Fault {
    name: &'static str,
    /// Probability per opportunity, as the bits of an `f64`.
    rate: AtomicU64,
    happened: AtomicU64,
}

/// The faults of one simulator.
#[derive(Debug)]
pub struct Faults {
    faults: Vec<Fault>,
    dice: Dice,
    outage_until: Mutex<Option<Instant>>,
    outages: AtomicU64,
}

/// A rate that cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// No such fault.
    #[error("there is no fault `{name}`; this simulator knows: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names there are, comma-separated.
        known: String,
    },
    /// Not a probability.
    #[error("the rate of `{0}` must be a number from 0 to 1")]
    OutOfRange(String),
}

impl Faults {
    /// Faults of the given names, all at rate 0.
    #[must_use]
    pub fn new(names: &[&'static str], seed: u64) -> Self {
        let fault = |name: &&'static str| Fault { name, rate: AtomicU64::new(0), happened: AtomicU64::new(0) };
        Self {
            faults: names.iter().map(fault).collect(),
            dice: Dice::new(seed),
            outage_until: Mutex::new(None),
            outages: AtomicU64::new(0),
        }
    }

    /// Sets how likely a fault is at each opportunity.
    ///
    /// # Errors
    /// When there is no such fault, or the rate is not within 0 to 1.
    pub fn set_rate(&self, name: &str, rate: f64) -> Result<(), RateError> {
        let Some(fault) = self.find(name) else {
            let known: Vec<_> = self.faults.iter().map(|fault| fault.name).collect();
            return Err(RateError::Unknown { name: name.to_owned(), known: known.join(", ") });
        };
        if !(0.0..=1.0).contains(&rate) {
            return Err(RateError::OutOfRange(name.to_owned()));
        }
        fault.rate.store(rate.to_bits(), Ordering::Relaxed);
        Ok(())
    }

    /// Whether the fault happens now; when it does, it is counted. A name that does not exist never happens.
    #[must_use]
    pub fn strikes(&self, name: &str) -> bool {
        let Some(fault) = self.find(name) else { return false };
        let rate = f64::from_bits(fault.rate.load(Ordering::Relaxed));
        if rate <= 0.0 || self.dice.unit() >= rate {
            return false;
        }
        fault.happened.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// How often each fault has happened, in the order of their names; announced outages count as `outage`.
    #[must_use]
    pub fn happened(&self) -> Vec<(&'static str, u64)> {
        let counts = self.faults.iter().map(|fault| (fault.name, fault.happened.load(Ordering::Relaxed)));
        counts.chain([("outage", self.outages.load(Ordering::Relaxed))]).collect()
    }

    /// From now on and for so long, the simulator is down.
    pub fn start_outage(&self, length: Duration) {
        self.outages.fetch_add(1, Ordering::Relaxed);
        *self.outage_until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(length);
    }

    /// Whether an announced outage is under way.
    #[must_use]
    pub fn in_outage(&self) -> bool {
        self.outage_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    /// The generator, for what else must be drawn (how long a slow answer takes).
    #[must_use]
    pub const fn dice(&self) -> &Dice {
        &self.dice
    }

    fn find(&self, name: &str) -> Option<&Fault> {
        self.faults.iter().find(|fault| fault.name == name)
    }

    fn report(&self) -> Json_ {
        let rates: Map<String, Json_> = self
            .faults
            .iter()
            .map(|fault| (fault.name.to_owned(), json!(f64::from_bits(fault.rate.load(Ordering::Relaxed)))))
            .collect();
        let happened: Map<String, Json_> =
            self.happened().into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
        json!({"rates": rates, "happened": happened, "outage": self.in_outage()})
    }
}

/// The controls: `GET`/`PUT /_sandbox/faults`, `POST /_sandbox/outage`, `GET /_sandbox/health`.
pub fn routes<S: Clone + Send + Sync + 'static>(faults: Arc<Faults>) -> Router<S> {
    Router::new()
        .route("/_sandbox/faults", get(show).put(change))
        .route("/_sandbox/outage", post(outage))
        .route("/_sandbox/health", get(async || Json(json!({"status": "up"}))))
        .with_state(faults)
}

async fn show(State(faults): State<Arc<Faults>>) -> Json<Json_> {
    Json(faults.report())
}

async fn change(State(faults): State<Arc<Faults>>, body: Bytes) -> Response {
    let Ok(Json_::Object(rates)) = serde_json::from_slice(&body) else {
        return refuse("the body must be a JSON object of rates, such as {\"slow\": 0.1}");
    };
    // All names are checked before any rate is set, so that a refused request changes nothing.
    for (name, rate) in &rates {
        let valid = rate.as_f64().filter(|rate| (0.0..=1.0).contains(rate)).is_some();
        if faults.find(name).is_some() && !valid {
            return refuse(&RateError::OutOfRange(name.clone()).to_string());
        }
        if faults.find(name).is_none()
            && let Err(error) = faults.set_rate(name, 0.0)
        {
            return refuse(&error.to_string());
        }
    }
    for (name, rate) in &rates {
        if let Err(error) = faults.set_rate(name, rate.as_f64().unwrap_or(0.0)) {
            return refuse(&error.to_string());
        }
    }
    Json(faults.report()).into_response()
}

async fn outage(State(faults): State<Arc<Faults>>, body: Bytes) -> Response {
    let seconds = serde_json::from_slice::<Json_>(&body).ok().and_then(|body| body.get("seconds")?.as_f64());
    match seconds.filter(|seconds| (0.0..=86_400.0).contains(seconds)) {
        Some(seconds) => {
            faults.start_outage(Duration::from_secs_f64(seconds));
            Json(faults.report()).into_response()
        }
        None => refuse("the body must be {\"seconds\": N} with N from 0 to 86400"),
    }
}

fn refuse(message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": message}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_as_often_as_its_rate_says_and_counts() {
        let faults = Faults::new(&["row_lock", "slow"], 7);
        faults.set_rate("row_lock", 0.25).expect("a rate");
        let struck = (0..10_000).filter(|_| faults.strikes("row_lock")).count();
        assert!((2_300..2_700).contains(&struck), "{struck}");
        assert!(!faults.strikes("slow"));
        assert_eq!(faults.happened(), [("row_lock", struck as u64), ("slow", 0), ("outage", 0)]);
    }

    #[test]
    fn refuses_unknown_names_and_impossible_rates() {
        let faults = Faults::new(&["row_lock", "slow"], 7);
        let error = faults.set_rate("rowlock", 0.1).expect_err("unknown").to_string();
        assert!(error.contains("row_lock, slow"), "{error}");
        assert!(faults.set_rate("slow", 1.5).is_err());
        assert!(faults.set_rate("slow", f64::NAN).is_err());
    }

    #[test]
    fn the_same_seed_gives_the_same_weather() {
        let draw = |seed| {
            let dice = Dice::new(seed);
            std::array::from_fn::<u64, 4, _>(|_| dice.next())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
