//! Plays the scenarios. A step that is not known fails its scenario.

use model::Value;

use crate::gherkin::{self, Scenario};
use crate::petstore::Hosts;
use crate::workflows::program::{Ended, Program, task_name};
use crate::workflows::{at_path, yaml};
use crate::{files, folder};

/// How many scenarios the standard has at least; fewer were read by mistake.
const SCENARIOS: usize = 21;

#[test]
fn every_scenario_of_the_standard_passes() {
    let hosts = Hosts::start();
    let (mut played, mut failed) = (0, Vec::new());
    for (file, text) in files(&folder("features"), "feature") {
        let feature = gherkin::read(&text).unwrap_or_else(|wrong| panic!("{file}: {wrong}"));
        assert!(!feature.scenarios.is_empty(), "{file} has no scenario");
        for scenario in &feature.scenarios {
            let outcome = play(scenario, &hosts);
            let word = if outcome.is_ok() { "passed" } else { "FAILED" };
            println!("{} · {} · {word}", feature.name, scenario.name);
            failed.extend(outcome.err().map(|why| format!("{file}: {}: {why}", scenario.name)));
            played += 1;
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert!(played >= SCENARIOS, "only {played} scenarios were played");
    println!("{played} scenarios passed");
}

#[test]
fn a_step_that_is_not_known_fails_its_scenario() {
    let text = "Feature: a\n Scenario: b\n Given a workflow with definition:\n \"\"\"yaml\n document:\n   dsl: '1.0.3'\n   \
                namespace: default\n   name: a\n   version: '1.0.0'\n do:\n   - one:\n       set: { a: 1 }\n \"\"\"\n When the \
                workflow is executed\n Then the workflow should complete\n And the workflow should be green";
    let feature = gherkin::read(text).expect("a feature");
    let told = play(&feature.scenarios[0], &Hosts::start()).expect_err("an unknown step");
    assert_eq!(told, "a step that is not known: the workflow should be green");
}

fn play(scenario: &Scenario, hosts: &Hosts) -> Result<(), String> {
    let mut program = Program::new();
    let mut ended: Option<Ended> = None;
    for step in &scenario.steps {
        let block = || step.block.as_deref().ok_or_else(|| format!("`{}` needs a block below it", step.text));
        match &*step.text {
            "a workflow with definition:" => program.file("workflow.yaml", &hosts.instead(block()?)?),
            "given the workflow input is:" => {
                program.file("input.yaml", block()?);
                program.option("--input", "input.yaml");
            }
            "the workflow is executed" => ended = Some(program.run("workflow.yaml")),
            text => {
                let ended = ended.as_ref().ok_or("nothing was executed yet")?;
                holds(text, step.block.as_deref(), ended)?;
            }
        }
    }
    match ended {
        Some(_) => Ok(()),
        None => Err("nothing was executed".to_owned()),
    }
}

/// Whether what a step says of a run is so.
fn holds(step: &str, block: Option<&str>, ended: &Ended) -> Result<(), String> {
    let expected = || yaml(block.ok_or_else(|| format!("`{step}` needs a block below it"))?);
    let quoted: Vec<&str> = step.split('\'').skip(1).step_by(2).collect();
    let words: Vec<&str> = step.split_whitespace().collect();
    match words[..] {
        ["the", "workflow", "should", "complete"] => output(ended).map(drop),
        ["the", "workflow", "should", "complete", "with", "output:"] => same(&output(ended)?, &expected()?, ended),
        ["the", "workflow", "should", "fault"] => fault(ended).map(drop),
        ["the", "workflow", "should", "fault", "with", "error:"] => {
            let (fault, expected) = (fault(ended)?, expected()?);
            let members = expected.as_object().ok_or("an error is an object")?;
            members.iter().try_for_each(|(name, wanted)| same(fault.get(name), wanted, ended))
        }
        ["the", "workflow", "output", "should", "have", "properties", ..] if !quoted.is_empty() => {
            let output = output(ended)?;
            quoted.iter().try_for_each(|path| match at_path(&output, path).is_null() {
                true => Err(format!("the output has no `{path}`: {}", ended.all())),
                false => Ok(()),
            })
        }
        ["the", "workflow", "output", "should", "have", "a", _, "property", "with", "value:"] => {
            same(at_path(&output(ended)?, quoted.first().ok_or("a name in quotes")?), &expected()?, ended)
        }
        ["the", "workflow", "output", "should", "have", "a", _, "property", "containing", count, "items"] => {
            let (output, count) = (output(ended)?, count.parse::<usize>().map_err(|error| error.to_string())?);
            match at_path(&output, quoted.first().ok_or("a name in quotes")?).as_array() {
                Some(items) if items.len() == count => Ok(()),
                _ => Err(format!("not {count} items: {}", ended.all())),
            }
        }
        [task, "should", "run", "first"] => is_task(ended.began().first(), task, ended),
        [task, "should", "run", "last"] => is_task(ended.began().last(), task, ended),
        [task, "should", "run", "after", other] => {
            let began = ended.began();
            let place = |task: &str| began.iter().position(|pointer| task_name(pointer) == task);
            match (place(other), place(task)) {
                (Some(before), Some(after)) if before < after => Ok(()),
                _ => Err(format!("{task} did not run after {other}: {began:?}")),
            }
        }
        _ => Err(format!("a step that is not known: {step}")),
    }
}

fn is_task(pointer: Option<&String>, task: &str, ended: &Ended) -> Result<(), String> {
    match pointer.is_some_and(|pointer| task_name(pointer) == task) {
        true => Ok(()),
        false => Err(format!("it was not {task}: {:?}", ended.began())),
    }
}

fn same(found: &Value, wanted: &Value, ended: &Ended) -> Result<(), String> {
    match found == wanted {
        true => Ok(()),
        false => Err(format!("{found} is not {wanted}: {}", ended.all())),
    }
}

/// The output of a run that has completed.
fn output(ended: &Ended) -> Result<Value, String> {
    match ended.status {
        Some(0) => ended.value(),
        _ => Err(format!("it did not complete: {}", ended.all())),
    }
}

/// The error of a run that has faulted: problem details, not a refused document or a crash.
fn fault(ended: &Ended) -> Result<Value, String> {
    let fault = ended.value()?;
    match ended.status == Some(1) && fault.get("type").as_str().is_some() && fault.get("status").as_i64().is_some() {
        true => Ok(fault),
        false => Err(format!("it did not fault: {}", ended.all())),
    }
}
