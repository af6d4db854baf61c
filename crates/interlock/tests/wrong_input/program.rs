//! The program as a process: what it says is read while it runs, and it never outlives the test that started it.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the program may take to start, and to refuse to.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// How long something may take that has to wait for retries and sweeps.
pub(crate) const LATER: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks again and again until something is so; what is in the way is told when it does not get so in time.
pub(crate) fn until<T>(within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < deadline, "not within {} s: {why}", within.as_secs()),
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What comes out of one end of a process.
struct Said {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Said {
    fn by(output: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let (mut lines, mut line) = (BufReader::new(output), Vec::new());
            while matches!(lines.read_until(b'\n', &mut line), Ok(length) if length > 0) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for what is still in the pipe of a process that has ended.
    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader ends with the pipe");
        }
    }
}

/// A running program.
pub(crate) struct Program {
    child: Child,
    output: Said,
    errors: Said,
    what: String,
}

impl Program {
    /// Starts the program with arguments and environment variables.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_interlock"))
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = Said::by(child.stdout.take().expect("its output"));
        let errors = Said::by(child.stderr.take().expect("its errors"));
        Self { child, output, errors, what: arguments.join(" ") }
    }

    /// Runs the program to its end.
    pub(crate) fn run(arguments: &[&str]) -> Ended {
        Self::start(arguments, &[]).end(SOON)
    }

    /// What it printed up to now.
    pub(crate) fn output(&self) -> String {
        self.output.text()
    }

    /// What it complained about up to now.
    pub(crate) fn errors(&self) -> String {
        self.errors.text()
    }

    /// Waits until it has printed something, and gives all that it printed.
    pub(crate) fn printed(&mut self, part: &str) -> String {
        until(SOON, || {
            let output = self.output();
            if output.contains(part) {
                return Ok(output);
            }
            let over = self.child.try_wait().expect("its state").is_some();
            assert!(!over, "`{}` ended: {}", self.what, self.errors());
            Err(format!("`{}` does not print `{part}`: {output}{}", self.what, self.errors()))
        })
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Sends a signal, such as `INT`.
    pub(crate) fn signal(&self, signal: &str) {
        let arguments = [format!("-{signal}"), self.child.id().to_string()];
        assert!(Command::new("kill").args(arguments).status().expect("there is a kill").success());
    }

    /// Pulls the plug.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it ends");
    }

    /// Waits for its end.
    pub(crate) fn end(mut self, within: Duration) -> Ended {
        let status = until(within, || {
            self.child.try_wait().expect("its state").ok_or_else(|| format!("`{}` does not end", self.what))
        });
        self.output.finish();
        self.errors.finish();
        Ended { status: status.code(), output: self.output(), errors: self.errors() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let errors = self.errors();
            let from = errors.char_indices().rev().nth(4_000).map_or(0, |(at, _)| at);
            eprintln!("`{}` said:\n{}", self.what, &errors[from..]);
        }
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit status; `None` when a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Ended {
    /// It refused: with this status, and one line that has all these parts.
    pub(crate) fn refused(&self, status: i32, parts: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        let lines: Vec<&str> = self.errors.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 1, "{}", self.errors);
        for part in parts {
            assert!(lines[0].contains(part), "`{part}` is not in: {}", lines[0]);
        }
    }
}

/// Nothing that a program says may be this.
pub(crate) fn no_panic(errors: &str) {
    for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
        assert!(!errors.contains(word), "{errors}");
    }
}
