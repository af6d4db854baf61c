//! The console as people at a browser meet it: an order desk, and a steward of master data.
//!
//! Needs Chromium and chromedriver: without them the tests say so and pass, but fail where `CI` is set.
//! `INTERLOCK_SCREENSHOTS=<folder>` has them write what they see as PNG files.

mod browser;
#[path = "../wrong_input/http.rs"]
mod http;
mod orders;
#[path = "../wrong_input/program.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod program;
mod steward;
#[path = "../wrong_input/systems.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod systems;
#[path = "../agreement/world.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod world;

use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
