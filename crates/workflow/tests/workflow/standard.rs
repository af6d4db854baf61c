//! The standard's own example documents and conformance scenarios, where its files are at hand.

use std::path::PathBuf;

use model::{Source, Value};
use workflow::{Command, Fault, FaultType, Input, Permissions, Protocol, Status, Workflow};

use crate::support::{Anything, Run, value};

/// The folder with the standard's files: `OPEN_WORKFLOW`, or where this project keeps them.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("OPEN_WORKFLOW").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/open-workflow"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there (set OPEN_WORKFLOW to the standard's files)", folder.display());
    None
}

fn files(folder: &std::path::Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("a text")))
        .collect();
    files.sort();
    files
}

#[test]
fn every_example_loads() {
    let Some(folder) = folder("examples") else { return };
    let mut processes = 0;
    for (file, text) in files(&folder) {
        let source = Source { file: file.as_str().into(), text: text.as_str().into() };
        if let Err(problems) = Workflow::load(&source, &Anything, Permissions::all()) {
            let problems: Vec<String> = problems.into_sorted().iter().map(|p| p.render(Some(&text), false)).collect();
            panic!("{}", problems.join("\n"));
        }
        let strict = Permissions { processes: false, ..Permissions::all() };
        let refused = Workflow::load(&source, &Anything, strict).is_err();
        let runs_process = ["container:", "script:", "shell:"].iter().any(|word| text.contains(word));
        assert_eq!(refused, runs_process, "{file}");
        processes += u32::from(refused);
    }
    assert!(processes > 5);
}

/// A scenario: its name and its lines, with texts in triple quotes joined to the line before.
struct Scenario {
    name: String,
    steps: Vec<(String, Option<String>)>,
}

fn scenarios(text: &str) -> Vec<Scenario> {
    let mut found: Vec<Scenario> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix("Scenario:") {
            found.push(Scenario { name: name.trim().to_owned(), steps: Vec::new() });
        } else if trimmed.starts_with("\"\"\"") {
            let indent = line.len() - line.trim_start().len();
            let body: Vec<&str> = lines
                .by_ref()
                .take_while(|line| !line.trim().starts_with("\"\"\""))
                .map(|line| line.get(indent..).unwrap_or(""))
                .collect();
            let steps = &mut found.last_mut().expect("a scenario").steps;
            steps.last_mut().expect("a step").1 = Some(body.join("\n"));
        } else if ["Given ", "When ", "Then ", "And "].iter().any(|word| trimmed.starts_with(word)) {
            let step = trimmed.split_once(' ').map_or("", |(_, step)| step).to_owned();
            found.last_mut().expect("a scenario").steps.push((step, None));
        }
    }
    found
}

/// YAML as a value, by way of a document that sets it.
fn yaml(text: &str) -> Value {
    let indented: Vec<String> = text.lines().map(|line| format!("            {line}")).collect();
    let document =
        crate::support::document(&format!("do:\n  - a:\n      set:\n          it:\n{}\n", indented.join("\n")));
    Run::start(crate::support::load(&document), Value::Null).output().get("it").clone()
}

/// The pet store and the others, as far as the scenarios need them.
fn answer(protocol: Protocol, call: &Value) -> Result<Value, Fault> {
    let pet = |id: i64| {
        let mut pet = value(r#"{"name": "Rex", "status": "available"}"#);
        pet.set("id", id);
        pet
    };
    let uri = call.get("endpoint").get("uri").as_str().unwrap_or_default().to_owned();
    let content = if protocol == Protocol::OpenApi {
        match call.get("operationId").as_str() {
            Some("findPetsByStatus") => Value::array([pet(1), pet(2)]),
            _ => pet(call.get("parameters").get("petId").as_i64().unwrap_or_default()),
        }
    } else if uri.contains("findByStatus?status=available") {
        Value::array([pet(1), pet(2)])
    } else if let Some(id) = uri.strip_prefix("https://petstore.swagger.io/v2/pet/").and_then(|id| id.parse().ok()) {
        pet(id)
    } else if uri.contains("basic-auth/serverless-workflow/conformance-test") {
        let basic = call.get("endpoint").get("authentication").get("basic");
        assert_eq!(basic.get("username").as_str(), Some("serverless-workflow"));
        value(r#"{"authenticated": true}"#)
    } else {
        return Err(Fault::new(FaultType::Communication, "not found").with_status(404));
    };
    if call.get("output").as_str() == Some("response") {
        let mut response =
            value(r#"{"request": {"method": "get", "uri": "", "headers": {}}, "headers": {}, "statusCode": 200}"#);
        response.set("content", content);
        return Ok(response);
    }
    Ok(content)
}

fn at_path<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, name| value.get(name))
}

fn play(scenario: &Scenario) {
    let name = &scenario.name;
    let mut workflow = None;
    let mut input = Value::Null;
    let mut run: Option<Run> = None;
    for (step, text) in &scenario.steps {
        let text = text.as_deref().unwrap_or_default();
        let expected = || yaml(text);
        match step.as_str() {
            "a workflow with definition:" => workflow = Some(crate::support::load(text)),
            "given the workflow input is:" => input = yaml(text),
            "the workflow is executed" => {
                let mut started = Run::start(workflow.take().expect("a workflow"), std::mem::take(&mut input));
                while started.state.status() == Status::Running {
                    let Some(Command::Request { position, protocol, call }) =
                        started.commands.iter().find(|command| matches!(command, Command::Request { .. })).cloned()
                    else {
                        panic!("{name}: {:#?}", started.commands);
                    };
                    started.commands.retain(|command| crate::support::awaited(command) != Some(&position));
                    let result = answer(protocol, &call);
                    started.step(Input::Returned { position, result });
                }
                run = Some(started);
            }
            step => {
                let run = run.as_ref().expect("a run");
                check(name, run, step, &expected);
            }
        }
    }
}

fn check(name: &str, run: &Run, step: &str, expected: &dyn Fn() -> Value) {
    let quoted: Vec<&str> = step.split('\'').skip(1).step_by(2).collect();
    match step {
        "the workflow should complete" => drop(run.output()),
        "the workflow should fault" => drop(run.fault()),
        "the workflow should complete with output:" => assert_eq!(run.output(), expected(), "{name}"),
        "the workflow should fault with error:" => {
            let fault = run.fault().to_value();
            for (member, wanted) in expected().as_object().expect("an error") {
                assert_eq!(fault.get(member), wanted, "{name}");
            }
        }
        _ if step.starts_with("the workflow output should have properties") => {
            for path in quoted {
                assert!(!at_path(&run.output(), path).is_null(), "{name}: {path} of {}", run.output());
            }
        }
        _ if step.ends_with("property with value:") => {
            assert_eq!(at_path(&run.output(), quoted[0]), &expected(), "{name}");
        }
        _ if step.contains("property containing") => {
            let count = step.split_whitespace().find_map(|word| word.parse().ok()).expect("a number");
            assert_eq!(at_path(&run.output(), quoted[0]).items().len(), count, "{name}");
        }
        _ => {
            let began = run.began();
            let words: Vec<&str> = step.split_whitespace().collect();
            let place = |task: &str| began.iter().position(|began| *began == task);
            match words[..] {
                [task, "should", "run", "first"] => assert_eq!(began.first(), Some(&task), "{name}"),
                [task, "should", "run", "last"] => assert_eq!(began.last(), Some(&task), "{name}"),
                [task, "should", "run", "after", other] => assert!(place(task) > place(other), "{name}"),
                _ => panic!("{name}: a step that is not known: {step}"),
            }
        }
    }
}

#[test]
fn the_conformance_scenarios_pass() {
    let Some(folder) = folder("features") else { return };
    let mut played = 0;
    for (file, text) in files(&folder) {
        for scenario in scenarios(&text) {
            println!("{file}: {}", scenario.name);
            play(&scenario);
            played += 1;
        }
    }
    assert!(played >= 20, "{played}");
    println!("{played} scenarios");
}
