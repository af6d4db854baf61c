//! `interlock workflow`, as a person runs it: files in a folder, options, and what it prints.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model::{Value, json};
use tempfile::TempDir;

/// One that does not end by itself is a failure, not a test that hangs.
const AT_MOST: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(4);

/// A folder with documents, and how the program is to be called in it.
pub(crate) struct Program {
    folder: TempDir,
    options: Vec<String>,
    environment: Vec<(String, String)>,
}

/// What came of one call.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    /// Standard output.
    pub(crate) output: String,
    /// Standard error.
    pub(crate) told: String,
    /// The events in the trace, in order.
    pub(crate) trace: Vec<Value>,
    pub(crate) took: Duration,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), options: Vec::new(), environment: Vec::new() }
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a folder");
        }
        fs::write(path, text).expect("a file");
    }

    /// An option of `run` with its value.
    pub(crate) fn option(&mut self, name: &str, value: &str) {
        self.options.extend([name.to_owned(), value.to_owned()]);
    }

    pub(crate) fn variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// `interlock workflow check FILE`
    pub(crate) fn check(&self, file: &str) -> Ended {
        self.call(&["workflow", "check", file])
    }

    /// `interlock workflow run FILE`, with a trace.
    pub(crate) fn run(&self, file: &str) -> Ended {
        let mut arguments = vec!["workflow", "run", file, "--trace", "trace.jsonl"];
        arguments.extend(self.options.iter().map(String::as_str));
        let mut ended = self.call(&arguments);
        ended.trace = read(&self.folder.path().join("trace.jsonl"))
            .lines()
            .map(|line| json::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        ended
    }

    fn call(&self, arguments: &[&str]) -> Ended {
        let begun = Instant::now();
        let place = tempfile::tempdir().expect("a folder");
        let [output, told] = ["output", "told"].map(|name| place.path().join(name));
        // Into files: a pipe that nobody reads would stop a program that prints much.
        let mut child = Command::new(env!("CARGO_BIN_EXE_interlock"))
            .args(arguments)
            .current_dir(self.folder.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::create(&output).expect("a file"))
            .stderr(File::create(&told).expect("a file"))
            .spawn()
            .expect("the program starts");
        let status = loop {
            if let Some(status) = child.try_wait().expect("its state") {
                break status;
            }
            if begun.elapsed() > AT_MOST {
                child.kill().expect("it is ours");
                break child.wait().expect("its end");
            }
            std::thread::sleep(LOOK_EVERY);
        };
        let took = begun.elapsed();
        Ended { status: status.code(), output: read(&output), told: read(&told), trace: Vec::new(), took }
    }
}

/// The text of a file that may not be there.
fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

impl Ended {
    /// Standard output as JSON.
    pub(crate) fn value(&self) -> Result<Value, String> {
        json::parse(self.output.as_bytes()).map_err(|error| format!("no JSON was printed: {error}; {}", self.all()))
    }

    /// The pointers of the tasks that began, in their order.
    pub(crate) fn began(&self) -> Vec<String> {
        let started = |event: &&Value| event.get("type").as_str() == Some("io.serverlessworkflow.task.started.v1");
        let pointer = |event: &Value| event.get("data").get("task").as_str().map(str::to_owned);
        self.trace.iter().filter(started).filter_map(pointer).collect()
    }

    /// Everything, for the message of a failed test.
    pub(crate) fn all(&self) -> String {
        let status = self.status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
        format!("{status} after {:?}\n{}\n{}", self.took, self.output.trim_end(), self.told.trim_end())
    }
}

/// The name of the task at a pointer.
pub(crate) fn task_name(pointer: &str) -> String {
    pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~")
}
