//! What is logged, on standard error: warnings and errors (in the demo, where faults are
//! wanted, errors alone), or what the environment variable `INTERLOCK_LOG` asks for
//! (`info`, `runtime=debug,warn`). `INTERLOCK_LOG_FORMAT=json` makes each line a JSON object.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

/// Starts to log; `usual` is what is logged when nobody asks for more.
pub(crate) fn start(usual: &str) {
    let filter = EnvFilter::try_from_env("INTERLOCK_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal());
    // An error says that there is a subscriber already, which then is as good.
    let _ = match std::env::var("INTERLOCK_LOG_FORMAT").as_deref() {
        Ok("json") => builder.json().try_init(),
        _ => builder.compact().try_init(),
    };
}
