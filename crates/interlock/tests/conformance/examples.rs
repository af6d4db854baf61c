//! Every example document of the standard is read without a mistake.

use crate::workflows::program::Program;
use crate::{files, folder};

/// How many examples the standard has at least.
const EXAMPLES: usize = 68;

#[test]
fn every_example_of_the_standard_checks() {
    let (mut checked, mut failed) = (0, Vec::new());
    let program = Program::new();
    for (file, text) in files(&folder("examples"), "yaml") {
        program.file(&file, &text);
        let ended = program.check(&file);
        let passed = ended.status == Some(0) && ended.output.contains("no mistakes");
        println!("{file} · {}", if passed { "checked" } else { "FAILED" });
        if !passed {
            failed.push(format!("{file}: {}", ended.all()));
        }
        checked += 1;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert!(checked >= EXAMPLES, "only {checked} examples were checked");
    println!("{checked} examples checked");
}

#[test]
fn an_example_with_a_mistake_is_told_with_file_line_and_column() {
    let (_, text) = files(&folder("examples"), "yaml").into_iter().find(|(file, _)| file == "set.yaml").expect("it");
    let program = Program::new();
    program.file("set.yaml", &text.replace("      set:", "      sett:"));
    let ended = program.check("set.yaml");
    assert_eq!(ended.status, Some(2), "{}", ended.all());
    assert!(ended.output.is_empty() && ended.told.contains("set.yaml:13:7"), "{}", ended.all());
    assert!(ended.told.contains("did you mean `set`?"), "{}", ended.all());
}
