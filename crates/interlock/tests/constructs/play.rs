//! Runs cases and compares what came of them.

use model::Value;

use crate::case::{self, Case};
use crate::outside::Outside;
use crate::workflows::at_path;
use crate::workflows::program::{Ended, Program, task_name};

/// Plays all cases of a file and tells every one that fails.
pub(crate) fn group(name: &str) {
    let cases = case::read(name);
    assert!(!cases.is_empty(), "{name} has no cases");
    let mut failed = Vec::new();
    for case in &cases {
        let outcome = play(case);
        println!("{name} · {} · {}", case.name, if outcome.is_ok() { "passed" } else { "FAILED" });
        failed.extend(outcome.err().map(|why| format!("{name} · {}: {why}", case.name)));
    }
    assert!(failed.is_empty(), "{} of {} fail:\n\n{}", failed.len(), cases.len(), failed.join("\n\n"));
}

fn play(case: &Case) -> Result<(), String> {
    let outside = Outside::start();
    let here = |text: &str| outside.here_in(text);
    let mut program = Program::new();
    program.file("workflow.yaml", &here(&case.document()));
    for (name, text) in case.pairs("files") {
        program.file(&name, &here(&text));
    }
    if let Some(input) = case.get("input") {
        program.file("input.json", &here(&input.to_string()));
        program.option("--input", "input.json");
    }
    if let Some(events) = case.get("events") {
        let lines: Vec<String> = events.items().iter().map(|event| complete(event).to_string()).collect();
        program.file("events.jsonl", &here(&lines.join("\n")));
        program.option("--events", "events.jsonl");
    }
    for option in case.texts("options") {
        let (name, value) = option.split_once(' ').ok_or("an option is a name and a value")?;
        program.option(name, &here(value));
    }
    for (name, value) in case.pairs("environment") {
        program.variable(&name, &value);
    }
    let ended = match case.get("check") {
        Some(_) => program.check("workflow.yaml"),
        None => program.run("workflow.yaml"),
    };
    judge(case, &ended, &outside)
}

/// An event with the attributes that every event has.
fn complete(event: &Value) -> Value {
    let mut event = event.clone();
    for (name, value) in [("specversion", "1.0"), ("source", "/tests")] {
        if !event.has(name) {
            event.set(name, value);
        }
    }
    if !event.has("id") {
        event.set("id", model::EventId::now().to_string());
    }
    event
}

fn judge(case: &Case, ended: &Ended, outside: &Outside) -> Result<(), String> {
    let here = |value: &Value| outside.here(value);
    let mut asked = false;
    if let Some(wanted) = case.get("output") {
        same(&completed(ended)?, &here(wanted), ended)?;
        asked = true;
    }
    if let Some(members) = case.get("output has") {
        let output = completed(ended)?;
        for (path, wanted) in members.as_object().into_iter().flatten() {
            same(at_path(&output, path), &here(wanted), ended)?;
            asked = true;
        }
    }
    if let Some(wanted) = case.text("printed") {
        completed(ended)?;
        if ended.output.trim_end() != wanted {
            return Err(format!("{} was not printed: {}", wanted, ended.all()));
        }
        asked = true;
    }
    if let Some(members) = case.get("fault") {
        let fault = faulted(ended)?;
        for (name, wanted) in members.as_object().into_iter().flatten() {
            same(fault.get(name), &here(wanted), ended)?;
            asked = true;
        }
    }
    for text in case.texts("says") {
        let told = match case.get("check") {
            Some(_) => completed_check(ended)?.to_owned(),
            None => faulted(ended)?.get("detail").as_str().unwrap_or_default().to_owned(),
        };
        within(&told, &text, ended)?;
        asked = true;
    }
    for text in case.texts("refused") {
        if ended.status != Some(2) || !ended.output.is_empty() {
            return Err(format!("it was not refused: {}", ended.all()));
        }
        within(&ended.told, &text, ended)?;
        asked = true;
    }
    if !asked {
        return Err("the case does not say how it ends".to_owned());
    }
    for text in case.texts("warned") {
        within(&ended.told, &text, ended)?;
    }
    let traced = ended.trace.iter().map(ToString::to_string).collect::<String>();
    for text in case.texts("never") {
        if [&ended.output, &ended.told, &traced].iter().any(|told| told.contains(&text)) {
            return Err(format!("`{text}` was told: {}\n{traced}", ended.all()));
        }
    }
    if let Some(wanted) = case.get("requests") {
        requests(wanted, outside, ended)?;
    }
    if case.get("began").is_some() {
        let began: Vec<String> = ended.began().iter().map(|pointer| task_name(pointer)).collect();
        if began != case.texts("began") {
            return Err(format!("other tasks began: {began:?}: {}", ended.all()));
        }
    }
    if case.get("traced").is_some() {
        let traced: Vec<String> = ended.trace.iter().map(in_short).collect();
        if traced != case.texts("traced") {
            return Err(format!("other events were traced: {traced:#?}: {}", ended.all()));
        }
    }
    for wanted in case.get("traced data").map(Value::items).unwrap_or_default() {
        let fits = |event: &&Value| {
            wanted.as_object().into_iter().flatten().all(|(name, value)| match &**name {
                "type" => in_short(event).split(' ').next() == value.as_str(),
                name => event.get("data").get(name) == value,
            })
        };
        if !ended.trace.iter().any(|event| fits(&event)) {
            return Err(format!("{wanted} was not traced: {traced}: {}", ended.all()));
        }
    }
    if let Some(bounds) = case.get("takes") {
        let took = i64::try_from(ended.took.as_millis()).unwrap_or(i64::MAX);
        let (least, most) = (bounds.get("at least").as_i64().unwrap_or(0), bounds.get("at most").as_i64());
        if took < least || most.is_some_and(|most| took > most) {
            return Err(format!("it took {took} ms: {}", ended.all()));
        }
    }
    Ok(())
}

/// `task.started /do/0/a` for an event of the trace.
fn in_short(event: &Value) -> String {
    let event_type = event.get("type").as_str().unwrap_or_default();
    let short = event_type.trim_start_matches("io.serverlessworkflow.").trim_end_matches(".v1");
    format!("{short} {}", event.get("data").get("task").as_str().unwrap_or_default()).trim_end().to_owned()
}

fn requests(wanted: &Value, outside: &Outside, ended: &Ended) -> Result<(), String> {
    let seen = outside.seen();
    let told = || seen.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    if seen.len() != wanted.items().len() {
        return Err(format!("{} requests came: {}\n{}", seen.len(), told(), ended.all()));
    }
    for (request, wanted) in seen.iter().zip(wanted.items()) {
        for (member, wanted) in wanted.as_object().into_iter().flatten() {
            let fits = match (&**member, wanted) {
                ("headers", Value::Object(headers)) => {
                    headers.iter().all(|(name, wanted)| *request.get("headers").get(name) == outside.here(wanted))
                }
                _ => *request.get(member) == outside.here(wanted),
            };
            if !fits {
                return Err(format!("`{member}` is not {wanted} in a request: {}\n{}", told(), ended.all()));
            }
        }
    }
    Ok(())
}

fn same(found: &Value, wanted: &Value, ended: &Ended) -> Result<(), String> {
    match found == wanted {
        true => Ok(()),
        false => Err(format!("{found} is not {wanted}: {}", ended.all())),
    }
}

fn within(text: &str, wanted: &str, ended: &Ended) -> Result<(), String> {
    match text.contains(wanted) {
        true => Ok(()),
        false => Err(format!("`{wanted}` was not said: {}", ended.all())),
    }
}

fn completed(ended: &Ended) -> Result<Value, String> {
    match ended.status {
        Some(0) => ended.value(),
        _ => Err(format!("it did not complete: {}", ended.all())),
    }
}

fn completed_check(ended: &Ended) -> Result<&str, String> {
    match ended.status {
        Some(0) => Ok(&ended.output),
        _ => Err(format!("it did not check: {}", ended.all())),
    }
}

fn faulted(ended: &Ended) -> Result<Value, String> {
    match ended.status {
        Some(1) => ended.value(),
        _ => Err(format!("it did not fault: {}", ended.all())),
    }
}
