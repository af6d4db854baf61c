//! Looks for documents that make the reader or the machine panic, take long or take much memory.
//!
//! `cargo run --release -p workflow --example fuzz -- --seconds 600`
//!
//! Every document that loads is run: whatever it asks for is answered, and its state is stored and restored between steps.

use std::process::ExitCode;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::{Source, Value, json};
use workflow::{
    Catalog, Command, Fault, FaultType, FunctionReference, FunctionSignature, Input, Parts, Permissions, RunContext,
    RunState, SchemaCheck, Status, Workflow,
};

#[path = "../../expr/examples/fuzzing/mod.rs"]
mod fuzzing;

use fuzzing::{Corpus, Options, Outcome};

/// So many steps of one run are enough.
const STEPS_MAX: usize = 100;

const WORDS: &[&str] = &[
    "document:",
    "dsl: '1.0.3'",
    "namespace:",
    "name:",
    "version:",
    "do:",
    "use:",
    "input:",
    "output:",
    "export:",
    "from:",
    "as:",
    "schema:",
    "timeout:",
    "after:",
    "schedule:",
    "every:",
    "cron: '* * * * *'",
    "on:",
    "evaluate:",
    "mode: loose",
    "call: http",
    "call: openapi",
    "call: grpc",
    "call: asyncapi",
    "call: mcp",
    "call: a2a",
    "call: f:1.0.0@c",
    "with:",
    "method:",
    "endpoint:",
    "uri:",
    "headers:",
    "body:",
    "query:",
    "authentication:",
    "basic:",
    "bearer:",
    "oauth2:",
    "fork:",
    "branches:",
    "compete: true",
    "emit:",
    "event:",
    "type:",
    "data:",
    "for:",
    "each:",
    "in:",
    "at:",
    "while:",
    "listen:",
    "to:",
    "one:",
    "any:",
    "all:",
    "until:",
    "correlate:",
    "expect:",
    "foreach:",
    "item:",
    "read: envelope",
    "raise:",
    "error:",
    "status:",
    "title:",
    "detail:",
    "instance:",
    "run:",
    "workflow:",
    "script:",
    "shell:",
    "container:",
    "await: false",
    "return: all",
    "set:",
    "switch:",
    "when:",
    "then: continue",
    "then: exit",
    "then: end",
    "then: a",
    "try:",
    "catch:",
    "errors:",
    "exceptWhen:",
    "retry:",
    "delay: PT1S",
    "backoff:",
    "exponential: {}",
    "limit:",
    "attempt:",
    "count:",
    "jitter:",
    "wait:",
    "PT0S",
    "P1Y",
    "if: .a",
    "${ . }",
    "${ $context }",
    "${ $workflow.definition }",
    "${ [range(1e12)] }",
    "${ $input",
    "- a:",
    "{ a: 1 }",
    "&x",
    "*x",
    "<<: *x",
    "!!binary",
    "|",
    "---",
];

fn main() -> ExitCode {
    let options = match Options::of_command_line() {
        Ok(options) => options,
        Err(status) => return status,
    };
    let texts = documents();
    if texts.is_empty() {
        eprintln!("there are no documents to begin with: run this in the project");
        return ExitCode::from(2);
    }
    fuzzing::search(&options, Corpus::new(texts, WORDS, false), |text| {
        let source = Source { file: "fuzz.yaml".into(), text: text.into() };
        match Workflow::load(&source, &Anything, Permissions::all()) {
            Ok((workflow, warnings)) => {
                warnings.into_sorted().iter().for_each(|problem| drop(problem.render(Some(text), false)));
                run(&workflow);
                Outcome::Taken
            }
            Err(problems) => {
                problems.into_sorted().iter().for_each(|problem| drop(problem.render(Some(text), false)));
                Outcome::Refused
            }
        }
    })
}

/// The standard's examples and scenarios, and the cases of the tests by construct.
fn documents() -> Vec<String> {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../interlock/tests");
    let read = |folder: &str, ending: &str| -> Vec<String> {
        let entries = std::fs::read_dir(format!("{tests}/{folder}")).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == ending));
        paths.sort();
        paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
    };
    let mut texts = read("conformance/examples", "yaml");
    for feature in read("conformance/features", "feature") {
        texts.extend(feature.split("\"\"\"").map(dedented).filter(|block| block.contains("document:")));
    }
    for cases in read("constructs/cases", "yaml") {
        for case in cases.split("  workflow: |\n").skip(1) {
            let lines = case.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
            let text = dedented(&lines.collect::<Vec<_>>().join("\n"));
            let head = "document: { dsl: '1.0.3', namespace: test, name: case, version: '1.0.0' }\n";
            texts.push(if text.contains("document:") { text } else { format!("{head}{text}") });
        }
    }
    texts
}

fn dedented(block: &str) -> String {
    let block = block.strip_prefix("yaml").unwrap_or(block);
    let indents = block.lines().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len());
    let indent = indents.min().unwrap_or(0);
    block.lines().map(|line| line.get(indent..).unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// Runs a workflow with answers to everything that it asks for: every third is an error, to have errors caught and retried.
fn run(workflow: &Workflow) {
    let mut now = Timestamp::UNIX_EPOCH;
    let input = br#"{"a":1,"colors":["red"],"pets":[{"id":1}],"petId":1,"user":{"name":"Ada"},"n":2}"#;
    let context = RunContext { run: "00000000-0000-7000-8000-000000000000".into(), started: now };
    let (mut state, stepped) = workflow::start(workflow, context, json::parse(input).unwrap_or_default(), now);
    let mut asked: Vec<Command> = stepped.commands;
    for step in 0..STEPS_MAX {
        if state.status() != Status::Running {
            return;
        }
        let Some(command) = asked.pop() else { return };
        // It rests after 10,000 tasks that waited for nothing: it goes round without an end.
        if matches!(&command, Command::Sleep { until, .. } if step > 0 && *until <= now) {
            return;
        }
        let Some(told) = answer(command, step, &mut now) else { continue };
        // A state that is too deep to be stored is refused; any other comes back as it was.
        let Ok(stored) = state.store(&mut Parts::default()) else { return };
        let parts = stored.added.iter().map(|(number, bytes)| (*number, &**bytes));
        let restored = RunState::restore(&stored.state, parts);
        assert!(restored.is_ok_and(|(restored, _)| restored == state), "a stored state is another one");
        match workflow::step(workflow, &mut state, told, now) {
            Ok(stepped) => asked.extend(stepped.commands),
            Err(error) => panic!("a step is refused: {error}"),
        }
    }
}

fn answer(command: Command, step: usize, now: &mut Timestamp) -> Option<Input> {
    let result = match step % 3 {
        2 => Err(Fault::new(FaultType::Communication, "not now").with_status(503)),
        _ => Ok(Value::object([("id", Value::from(7)), ("list", Value::array([1, 2]))])),
    };
    match command {
        Command::Call { position, .. } | Command::Request { position, .. } | Command::StartRun { position, .. } => {
            Some(Input::Returned { position, result })
        }
        Command::Sleep { position, until } => {
            *now = until.max(*now).saturating_add(SignedDuration::from_millis(1)).unwrap_or(*now);
            Some(Input::Fired { position })
        }
        Command::Listen { position, filters, .. } => {
            let filter = filters.into_iter().next().unwrap_or_default();
            let mut event = Value::object([("specversion", "1.0"), ("source", "/fuzz")]);
            event.set("id", step.to_string());
            event.set("type", filter.event_type.unwrap_or_else(|| "any".into()));
            event.set("data", Value::object([("temperature", 39), ("bpm", 40)]));
            Some(Input::Heard { position, event })
        }
        _ => None,
    }
}

/// Surroundings in which everything is there.
struct Anything;

impl Catalog for Anything {
    fn look_up(&self, function: &FunctionReference) -> Option<FunctionSignature> {
        function.catalog.as_ref().map(|_| FunctionSignature::default())
    }

    fn schema(&self, _: &Value) -> Result<Option<Arc<dyn SchemaCheck>>, String> {
        Ok(None)
    }
}
