//! `interlock sandbox`: a simulated system in the foreground. It prints one line of JSON when it is ready.

use std::io::Read as _;

use model::{Problem, Value, json};
use sandbox_s4hana::EventTarget;

use crate::cli::{S4HanaArgs, SalesforceArgs, SandboxCommand};
use crate::failure::Failure;
use crate::stop;

/// Runs a simulated system until it is told to stop.
///
/// # Errors
/// When a port is taken, or an option is wrong.
pub(crate) async fn run(system: SandboxCommand) -> Result<(), Failure> {
    match system {
        SandboxCommand::Salesforce(arguments) => salesforce(arguments).await,
        SandboxCommand::S4hana(arguments) => s4hana(arguments).await,
    }
}

async fn salesforce(arguments: SalesforceArgs) -> Result<(), Failure> {
    let defaults = sandbox_salesforce::Options::default();
    let key = |file: std::path::PathBuf| {
        std::fs::read_to_string(&file).map_err(|error| {
            let message = format!("{} cannot be read: {error}", file.display());
            Problem::new("IL-SANDBOX-004", message, "Give the public key that belongs to the connection's private key")
        })
    };
    let options = sandbox_salesforce::Options {
        listen: arguments.common.listen,
        pubsub: arguments.pubsub,
        metadata: arguments.metadata,
        client_id: variable_or("SANDBOX_CLIENT_ID", defaults.client_id.clone()),
        client_secret: variable_or("SANDBOX_CLIENT_SECRET", defaults.client_secret.clone()),
        username: variable_or("SANDBOX_USERNAME", defaults.username.clone()),
        public_key_pem: arguments.public_key.map(key).transpose()?,
        ca_file: arguments.ca_file,
        seed: arguments.common.seed,
        faults: arguments.common.fault,
        ..defaults
    };
    let client = options.client_id.clone();
    let running = sandbox_salesforce::serve(options).await?;
    ready([
        ("url", Value::from(running.url.as_str())),
        ("pubsub", Value::from(running.pubsub.as_str())),
        ("clientId", Value::from(client)),
        ("ca", Value::from(running.ca_pem.as_str())),
    ]);
    ended(arguments.common.child).await;
    running.serving.stop();
    running.serving.wait().await;
    Ok(())
}

async fn s4hana(arguments: S4HanaArgs) -> Result<(), Failure> {
    let defaults = sandbox_s4hana::Options::default();
    let token = arguments.events_token.as_deref().map(variable).transpose()?;
    let options = sandbox_s4hana::Options {
        listen: arguments.common.listen,
        user: variable_or("SANDBOX_USER", defaults.user),
        password: variable_or("SANDBOX_PASSWORD", defaults.password),
        events: arguments.events.map(|url| EventTarget { url, token }),
        seed: arguments.common.seed,
        faults: arguments.common.fault,
        ..sandbox_s4hana::Options::default()
    };
    let user = options.user.clone();
    let running = sandbox_s4hana::serve(options).await?;
    ready([("url", Value::from(running.url.as_str())), ("user", Value::from(user))]);
    ended(arguments.common.child).await;
    running.serving.stop();
    running.serving.wait().await;
    Ok(())
}

/// What the one who started it has to know, in one line.
pub(crate) fn ready<const N: usize>(told: [(&str, Value); N]) {
    let told = [("ready", Value::from(true))].into_iter().chain(told);
    println!("{}", json::to_string(&Value::object(told)));
}

/// Waits for a signal, or for a child also for the end of its standard input.
pub(crate) async fn ended(child: bool) {
    if !child {
        stop::asked().await;
        return;
    }
    tokio::select! {
        // Ctrl-C in a terminal reaches the whole group; the parent decides when its children end.
        () = stop::terminated() => {}
        () = input_closed() => {}
    }
}

async fn input_closed() {
    let (closed, waits) = tokio::sync::oneshot::channel();
    // A thread of its own: a read that never ends must not hold up the end of the process.
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        while matches!(std::io::stdin().read(&mut buffer), Ok(length) if length > 0) {}
        // Nobody may be waiting any more.
        let _ = closed.send(());
    });
    let _ = waits.await;
}

fn variable(name: &str) -> Result<String, Problem> {
    std::env::var(name).map_err(|_| {
        let message = format!("the environment variable {name} is not set");
        Problem::new("IL-ENV-003", message, "Set it to the bearer token that the receiver of events wants")
    })
}

fn variable_or(name: &str, default: String) -> String {
    std::env::var(name).unwrap_or(default)
}
