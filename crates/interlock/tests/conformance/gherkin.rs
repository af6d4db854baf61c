//! Reads the part of Gherkin that the standard's scenarios are written in. Whatever else a file holds is a mistake, so that
//! nothing is passed over in silence.

/// A file of scenarios.
#[derive(Debug, PartialEq)]
pub(crate) struct Feature {
    pub(crate) name: String,
    pub(crate) scenarios: Vec<Scenario>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// A step without its first word, and the text in triple quotes below it.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) text: String,
    pub(crate) block: Option<String>,
}

const STEP_WORDS: [&str; 5] = ["Given ", "When ", "Then ", "And ", "But "];

/// Reads one file.
///
/// # Errors
/// The number of the line that is not understood, and why.
pub(crate) fn read(text: &str) -> Result<Feature, String> {
    let mut feature: Option<Feature> = None;
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let wrong = |why: &str| Err(format!("line {}: {why}: {}", index + 1, line.trim()));
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix("Feature:") {
            if feature.is_some() {
                return wrong("a second feature");
            }
            feature = Some(Feature { name: name.trim().to_owned(), scenarios: Vec::new() });
            continue;
        }
        let Some(feature) = &mut feature else { return wrong("something before the feature") };
        if let Some(name) = trimmed.strip_prefix("Scenario:") {
            feature.scenarios.push(Scenario { name: name.trim().to_owned(), steps: Vec::new() });
            continue;
        }
        let Some(scenario) = feature.scenarios.last_mut() else {
            // The words below a feature's name say what it is for.
            match trimmed.contains(':') || trimmed.starts_with(['"', '@', '|']) {
                true => return wrong("not understood"),
                false => continue,
            }
        };
        if let Some(kind) = trimmed.strip_prefix("\"\"\"") {
            if !matches!(kind.trim(), "" | "yaml") {
                return wrong("a block that is not YAML");
            }
            match scenario.steps.last_mut() {
                Some(step) if step.block.is_none() => {
                    let indent = line.len() - line.trim_start().len();
                    let block = block(&mut lines, indent).ok_or(format!("line {}: no end of the block", index + 1))?;
                    step.block = Some(block);
                }
                _ => return wrong("a block that belongs to no step"),
            }
        } else if let Some(step) = STEP_WORDS.iter().find_map(|word| trimmed.strip_prefix(word)) {
            scenario.steps.push(Step { text: step.trim().to_owned(), block: None });
        } else {
            return wrong("not understood");
        }
    }
    feature.ok_or_else(|| "there is no feature".to_owned())
}

/// The lines up to the closing quotes, without the indentation of the opening ones.
fn block<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>, indent: usize) -> Option<String> {
    let mut inside: Vec<&str> = Vec::new();
    for (_, line) in lines {
        if line.trim() == "\"\"\"" {
            return Some(inside.join("\n"));
        }
        let own = line.len() - line.trim_start().len();
        inside.push(&line[own.min(indent)..]);
    }
    None
}

#[test]
fn a_feature_is_read_with_its_scenarios_steps_and_blocks() {
    let text = "Feature: Some\n  As one\n\n  # a remark\n  Scenario: First one\n    Given a thing:\n    \"\"\"yaml\n    a:\n      \
                b: 1\n    \"\"\"\n    When it runs\n  Scenario: Second\n    Then it ends";
    let step = |text: &str, block: Option<&str>| Step { text: text.to_owned(), block: block.map(str::to_owned) };
    let read = read(text).expect("a feature");
    assert_eq!(read.name, "Some");
    let [first, second] = &read.scenarios[..] else { panic!("{read:?}") };
    assert_eq!((&*first.name, &*second.name), ("First one", "Second"));
    assert_eq!(first.steps, [step("a thing:", Some("a:\n  b: 1")), step("it runs", None)]);
    assert_eq!(second.steps, [step("it ends", None)]);
}

#[test]
fn what_is_not_understood_is_a_mistake_at_its_line() {
    for (text, wanted) in [
        ("Scenario: before", "line 1: something before the feature"),
        ("Feature: a\nFeature: b", "line 2: a second feature"),
        ("Feature: a\n  Background:", "line 2: not understood"),
        ("Feature: a\n  @tag", "line 2: not understood"),
        ("Feature: a\n Scenario: b\n  Given c\n  | d |", "line 4: not understood"),
        ("Feature: a\n Scenario: b\n  Examples:", "line 3: not understood"),
        ("Feature: a\n Scenario: b\n \"\"\"\n x\n \"\"\"", "line 3: a block that belongs to no step"),
        ("Feature: a\n Scenario: b\n Given c\n \"\"\"json\n {}\n \"\"\"", "line 4: a block that is not YAML"),
        ("Feature: a\n Scenario: b\n Given c\n \"\"\"yaml\n x", "line 4: no end of the block"),
        ("", "there is no feature"),
    ] {
        let told = read(text).expect_err(text);
        assert!(told.starts_with(wanted), "{text}: {told}");
    }
}
