//! The console: what people look at and act on, as pages that are made here and work without a script.
//!
//! | file | holds |
//! |---|---|
//! | `operations.rs` | what the console needs of the runtime |
//! | `door.rs` | who may come in: sessions, sign-in, the token of forms, safe headers |
//! | `session.rs` | users by access token, sessions by cookie |
//! | `here.rs` | what every page is made with: who looks, at which release, and what waits |
//! | `reads.rs`, `story.rs`, `record.rs` | what pages read from the store |
//! | `samples.rs` | rates, and since when a connection is as it is |
//! | `live.rs` | pages that change while they are looked at: server-sent events |
//! | `act.rs` | what people do by a form: decide on items, one or many, and operate runs |
//! | `actions.rs` | which actions an item has, who may take them, and taking one |
//! | `choosing.rs` | what people need to choose: what each action will do, records side by side |
//! | `record_form.rs` | a record as a form, and a form as a record |
//! | `ops.rs`, `ops_runs.rs`, `ops_objects.rs`, `ops_records.rs`, `ops_reconciliations.rs`, `ops_metrics.rs` | the same for programs: a JSON API under `/ops` |
//! | `picture.rs` | workflows as pictures, and on them how runs stand |
//! | `layout.rs`, `parts.rs`, `timeline.rs`, `stages.rs`, `format.rs`, `json_view.rs` | what pages are made of |
//! | `pages/` | one file per page |
//! | `assets/` | the style sheet and the script, built in |

mod act;
mod actions;
mod choosing;
mod door;
mod format;
mod here;
mod json_view;
mod layout;
mod live;
mod operations;
mod ops;
mod ops_metrics;
mod ops_objects;
mod ops_reconciliations;
mod ops_records;
mod ops_runs;
mod pages;
mod parts;
mod picture;
mod reads;
mod record;
mod record_form;
mod samples;
mod session;
mod stages;
mod story;
mod timeline;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use connect::Secrets;
use definitions::{ProjectSettings, User};
use jiff::Timestamp;
use model::Problem;

pub use operations::{Doing, Launching, Operations};

use crate::live::Boards;
use crate::samples::Samples;
use crate::session::Sessions;

/// How the console is opened.
#[derive(Debug, Clone, Default)]
pub struct ConsoleOptions {
    /// Who everybody is without signing in: for a demo, and only on an address of this machine.
    pub demo_user: Option<User>,
}

pub(crate) struct Console {
    pub(crate) operations: Arc<dyn Operations>,
    pub(crate) sessions: Sessions,
    pub(crate) samples: Samples,
    pub(crate) boards: Boards,
}

/// Whether everybody who may come in has a token that can be used, before anything begins to work.
///
/// # Errors
/// `IL-CON-001` and `IL-CON-002` when a user's access token cannot be had or is too short.
pub fn check(settings: &ProjectSettings, secrets: &dyn Secrets) -> Result<(), Problem> {
    Sessions::new(&settings.users, None, secrets).map(|_| ())
}

/// All pages and the ops API. Call it inside an async runtime: the counters are sampled for as long as the router lives.
///
/// # Errors
/// `IL-CON-001` and `IL-CON-002` when a user's access token cannot be had or is too short, `IL-CON-004` when a demo user is
/// wanted on an address that others reach.
pub fn router(
    operations: impl Operations + 'static,
    secrets: &dyn Secrets,
    options: ConsoleOptions,
) -> Result<Router, Problem> {
    let release = operations.release();
    if options.demo_user.is_some()
        && let Some(address) = release.settings.console
        && !address.ip().is_loopback()
    {
        return Err(Problem::new(
            "IL-CON-004",
            format!("a console without sign-in cannot be served on {address}, which others may reach"),
            "Use 127.0.0.1 under `listeners.console` in interlock.yaml, or sign in with a user's token",
        ));
    }
    let console = Arc::new(Console {
        sessions: Sessions::new(&release.settings.users, options.demo_user, secrets)?,
        operations: Arc::new(operations),
        samples: Samples::default(),
        boards: Boards::default(),
    });
    sample(&console);
    let router = Router::new()
        .route("/", get(pages::overview::page))
        .route("/transactions", get(pages::transactions::page))
        .route("/transactions/{id}", get(pages::transaction::page))
        .route("/runs/{id}", post(act::operate))
        .route("/queues", get(pages::queues::page))
        .route("/queues/{queue}", get(pages::queue::page).post(act::many))
        .route("/items/{id}", get(pages::item::page).post(act::one))
        .route("/records", get(pages::records::first))
        .route("/records/{object}", get(pages::records::page))
        .route("/records/{object}/{key}", get(pages::record::page))
        .route("/reconciliation", get(pages::reconciliation::page))
        .route("/connections", get(pages::connections::page))
        .route("/workflows/{name}", get(pages::workflow::page))
        .route("/live", get(live::follow))
        .route("/sign-in", get(pages::sign_in::page).post(door::sign_in))
        .route("/sign-out", post(door::sign_out))
        .route("/assets/{name}", get(layout::asset))
        .route("/ops/overview", get(ops::overview))
        .route("/ops/metrics", get(ops_metrics::metrics))
        .route("/ops/reconciliations", get(ops_reconciliations::list))
        .route("/ops/items", get(ops::items))
        .route("/ops/items/{id}", get(ops::item))
        .route("/ops/items/{id}/{action}", post(ops::decide))
        .route("/ops/runs/{id}/{operation}", post(ops::operate))
        .route("/ops/runs", get(ops_runs::list))
        // What stands last in the path is a run for the one, an operation for the other.
        .route("/ops/runs/{id}", get(ops_runs::show).post(ops_runs::many))
        .route("/ops/workflows/{namespace}/{name}/{version}/runs", post(ops_runs::start))
        .route("/ops/objects/{object}/references", get(ops_records::references))
        .route("/ops/objects/{object}/reread", post(ops_records::reread))
        .route("/ops/objects/{object}/{key}", get(ops_objects::show))
        .route("/ops/events", post(ops_runs::publish))
        .route("/ops/transactions", get(ops::transactions))
        .route("/ops/transactions/{id}", get(ops::transaction))
        .fallback(pages::problem::nothing)
        .method_not_allowed_fallback(pages::problem::not_so)
        .layer(middleware::from_fn_with_state(Arc::clone(&console), door::guard))
        .with_state(console);
    Ok(router)
}

fn sample(console: &Arc<Console>) {
    let watched = Arc::downgrade(console);
    let Ok(handle) = tokio::runtime::Handle::try_current() else { return };
    handle.spawn(async move {
        let mut ticks = tokio::time::interval(samples::EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let Some(console) = watched.upgrade() else { return };
            console.samples.take(&console.operations.figures(), Instant::now(), Timestamp::now());
        }
    });
}
