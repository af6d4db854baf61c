//! Signals: the first one asks to stop, a second one is not waited for.

use std::process;

/// Exit status of a program that was stopped by Ctrl-C.
const STATUS_INTERRUPTED: i32 = 130;

/// Completes at Ctrl-C or SIGTERM.
pub(crate) async fn asked() {
    tokio::select! {
        () = interrupted() => {}
        () = terminated() => {}
    }
}

/// Completes at Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Completes at SIGTERM; a child does not listen to Ctrl-C but must not die of it.
pub(crate) async fn terminated() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let _interrupts = signal(SignalKind::interrupt());
        if let Ok(mut signals) = signal(SignalKind::terminate()) {
            signals.recv().await;
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// From now on one more signal ends the process at once.
pub(crate) fn at_once_next_time() {
    tokio::spawn(async {
        asked().await;
        eprintln!("interlock: stopped at once; what was acknowledged is safe");
        process::exit(STATUS_INTERRUPTED);
    });
}
