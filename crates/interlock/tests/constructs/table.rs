//! The table in `docs/workflow-language.md` names every construct of the standard's schema, and only cases that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use model::Value;

use crate::case;
use crate::workflows::yaml;

fn text(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn table() -> String {
    text("../../docs/workflow-language.md")
}

/// Every name that the schema gives to a member of a document, and every word that it lets one choose from.
fn words(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| words(item, found)),
        Value::Object(members) => {
            for (name, member) in members.iter() {
                match (&**name, member) {
                    ("properties", Value::Object(properties)) => {
                        found.extend(properties.keys().map(ToString::to_string));
                        properties.values().for_each(|property| words(property, found));
                    }
                    ("enum", Value::Array(choices)) => {
                        found.extend(choices.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    ("const", Value::String(choice)) => drop(found.insert(choice.to_string())),
                    _ => words(member, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_construct_of_the_schema_is_in_the_table() {
    let schema = yaml(&text("tests/conformance/workflow.schema.yaml")).expect("the schema");
    let mut wanted = BTreeSet::new();
    words(&schema, &mut wanted);
    // What a definition is called in the schema is not written in any document.
    for kind in ["callTask", "doTask", "forkTask", "tryTask", "runTask", "waitTask"] {
        assert!(schema.get("$defs").has(kind), "the schema has other definitions now");
    }
    assert!(wanted.len() > 150, "{} words", wanted.len());
    let table = table();
    let code = || table.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> = code().chain(code().flat_map(|code| code.split(WORD_ENDS))).collect();
    let missing: Vec<&String> = wanted.iter().filter(|word| !named.contains(word.as_str())).collect();
    assert!(missing.is_empty(), "docs/workflow-language.md does not name {missing:?}");
}

/// What stands between the words of a piece of code: `fork.branches`, `return: stdout`.
const WORD_ENDS: &[char] = &['.', ' ', ':', ',', '{', '}', '[', ']', '(', ')', '"'];

#[test]
fn every_case_that_the_table_names_is_there_and_every_file_of_cases_is_named() {
    let table = table();
    let mut named = BTreeSet::new();
    for reference in table.split('`').skip(1).step_by(2).filter(|code| code.contains(" · ")) {
        let (file, name) = reference.split_once(" · ").expect("a file and a name");
        let cases = case::read(file);
        assert!(cases.iter().any(|case| case.name == name), "there is no case `{reference}`");
        named.insert(file.to_owned());
    }
    let unnamed: Vec<String> = case::files().into_iter().filter(|file| !named.contains(file)).collect();
    assert!(unnamed.is_empty(), "docs/workflow-language.md names no case of {unnamed:?}");
}
