//! Client libraries that others have written for the vendors' systems, against the simulators.
//!
//! The scripts beside this file hold the checks. They run in a Python environment below the target folder; where there is
//! no Python, or no registry to install the libraries from, the tests say so and pass, except when the variable `CI` is set.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vendor_clients");
const CRATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const TARGET: &str = env!("CARGO_TARGET_TMPDIR");

/// What the simulators are told to expect of those who sign in.
const SECRET: &str = "open sesame";
const USERNAME: &str = "clients@interlock.example";

/// How long a simulator may take to start and to end.
const SIMULATOR: Duration = Duration::from_secs(30);
/// How long one script may take.
const SCRIPT: Duration = Duration::from_secs(180);
/// How long each step of making the environment may take.
const INSTALL: Duration = Duration::from_secs(600);

/// Waits for the end of a process; one that does not end in time is killed, which is `None`.
fn ended(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait().expect("its state") {
            return Some(status);
        }
        if Instant::now() > deadline {
            child.kill().expect("it is ours");
            child.wait().expect("it ends");
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a command to its end with all that it says in a file; an error is what it said last, or why it did not run.
fn run(command: &mut Command, log: &Path, within: Duration) -> Result<(), String> {
    let file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let both = file.try_clone().map_err(|error| error.to_string())?;
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(both)
        .spawn()
        .map_err(|error| format!("{name} cannot be started: {error}"))?;
    let said = |what: String| {
        let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
        format!("{name} {what}:\n{}", text.trim_end())
    };
    match ended(&mut child, within) {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(said(format!("ended with {status}"))),
        None => Err(said(format!("did not end within {} seconds", within.as_secs()))),
    }
}

/// The Python of an environment in which the client libraries are installed.
fn python() -> Result<PathBuf, String> {
    let file = Path::new(SCRIPTS).join("requirements.txt");
    let wanted = fs::read_to_string(&file).expect("the requirements");
    // Tests are threads of one process, or processes of their own; whoever comes first makes the environment for all.
    let lock = File::create(Path::new(TARGET).join("vendor_clients.lock")).expect("a file");
    lock.lock().expect("the lock");
    let folder = Path::new(TARGET).join("vendor_clients");
    let python = folder.join("bin/python");
    let complete = folder.join("complete");
    if python.exists() && fs::read_to_string(&complete).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    // One that was left half done, or for other versions, is not mended.
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("it is ours");
    }
    let log = Path::new(TARGET).join("vendor_clients.log");
    // One line, without those that only tell of one more attempt.
    let shown = |error: String| {
        let lines = error.lines().map(str::trim).filter(|line| !line.starts_with("WARNING"));
        lines.collect::<Vec<_>>().join(" ")
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder), &log, INSTALL).map_err(shown)?;
    let mut pip = Command::new(&python);
    // Only what is built already: a compiler is more than these tests may ask for.
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", "--only-binary=:all:"]);
    run(pip.arg("--requirement").arg(&file), &log, INSTALL).map_err(shown)?;
    fs::write(&complete, wanted).expect("written");
    Ok(python)
}

/// The Python to run scripts with, unless the test is skipped.
fn python_or_skip(test: &str) -> Option<PathBuf> {
    match python() {
        Ok(python) => Some(python),
        Err(reason) => {
            assert!(std::env::var_os("CI").is_none(), "the vendors' client libraries are not available: {reason}");
            eprintln!("skipped {test}: the vendors' client libraries are not available: {reason}");
            None
        }
    }
}

/// A running simulator.
struct Simulator {
    child: Child,
    told: Value,
}

impl Simulator {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_interlock"))
            .arg("sandbox")
            .args(arguments)
            .arg("--child")
            .envs([("SANDBOX_CLIENT_SECRET", SECRET), ("SANDBOX_PASSWORD", SECRET), ("SANDBOX_USERNAME", USERNAME)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = child.stdout.take().expect("its output");
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = BufReader::new(output).read_line(&mut text);
            // The test may have given up.
            let _ = line.send(read.map(|_| text));
        });
        // From here on the child ends with this value, whatever fails.
        let mut simulator = Self { child, told: Value::Null };
        let line = lines.recv_timeout(SIMULATOR).expect("a line in time").expect("a line");
        simulator.told = serde_json::from_str(&line).expect("a line of JSON");
        simulator
    }

    fn told(&self, name: &str) -> &str {
        self.told[name].as_str().unwrap_or_else(|| panic!("{name} is not in {}", self.told))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        ended(&mut self.child, SIMULATOR);
    }
}

/// Runs a script; an error is what it said.
fn script(python: &Path, name: &str, environment: &[(&str, &str)]) -> Result<(), String> {
    let mut command = Command::new(python);
    command.arg(Path::new(SCRIPTS).join(name));
    command.envs(environment.iter().copied());
    // Nothing is left among the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    // The simulators are on this machine, where no proxy leads.
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    run(&mut command, &Path::new(TARGET).join(format!("{name}.log")), SCRIPT)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a readable path")
}

#[test]
fn clients_of_salesforce_can_talk_to_its_simulator() {
    let Some(python) = python_or_skip("clients_of_salesforce_can_talk_to_its_simulator") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let authority = folder.path().join("ca.pem");
    let metadata = Path::new(SCRIPTS).join("metadata.yaml");
    let keys = Path::new(CRATES).join("sandboxes/salesforce/tests/wire");
    let (private, public) = (keys.join("key.pem"), keys.join("key.pub.pem"));
    let proto = Path::new(CRATES).join("pubsub-proto/proto/pubsub_api.proto");
    let arguments =
        ["salesforce", "--metadata", path(&metadata), "--ca-file", path(&authority), "--public-key", path(&public)];
    // What others have written would be among the events, so each script has an org of its own.
    let check = |name| {
        let org = Simulator::start(&arguments);
        let environment = [
            ("SALESFORCE_URL", org.told("url")),
            ("SALESFORCE_PUBSUB", org.told("pubsub")),
            ("SALESFORCE_CLIENT_ID", org.told("clientId")),
            ("SALESFORCE_CLIENT_SECRET", SECRET),
            ("SALESFORCE_USERNAME", USERNAME),
            ("SALESFORCE_PRIVATE_KEY_FILE", path(&private)),
            ("SALESFORCE_CA_FILE", path(&authority)),
            ("SALESFORCE_PROTO_FILE", path(&proto)),
        ];
        script(&python, name, &environment)
    };
    let failures: Vec<String> =
        ["salesforce_rest.py", "salesforce_events.py"].into_iter().filter_map(|name| check(name).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn clients_of_s4hana_can_talk_to_its_simulator() {
    let Some(python) = python_or_skip("clients_of_s4hana_can_talk_to_its_simulator") else { return };
    let system = Simulator::start(&["s4hana"]);
    let environment =
        [("S4HANA_URL", system.told("url")), ("S4HANA_USER", system.told("user")), ("S4HANA_PASSWORD", SECRET)];
    if let Err(failure) = script(&python, "s4hana.py", &environment) {
        panic!("{failure}");
    }
}
