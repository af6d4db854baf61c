//! The wrong project: every mistake, exactly as a user sees it.

use std::fs;

use definitions::LoadError;

use crate::support::{load, project};

/// `UPDATE_EXPECTED=1` writes what is told now into the expected file, to be read before it is kept.
#[test]
fn every_mistake_is_told_in_its_place() {
    let Err(error) = load(&project("wrong")) else { panic!("the project is wrong") };
    let told = error.render(false) + "\n";
    let file = project("wrong").with_extension("expected.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, &told).expect("written");
    }
    let expected = fs::read_to_string(&file).expect("the expected messages");
    for (index, (told, expected)) in told.lines().zip(expected.lines()).enumerate() {
        assert_eq!(told, expected, "line {}", index + 1);
    }
    assert_eq!(told.lines().count(), expected.lines().count());
}

#[test]
fn secrets_in_files_are_not_shown() {
    let Err(error) = load(&project("wrong")) else { panic!("the project is wrong") };
    let LoadError::Definitions { diagnostics, sources } = &error else { panic!("it is a project") };
    assert!(diagnostics.has_errors());
    for text in [error.render(true), error.render(false), error.to_string(), format!("{sources:?}")] {
        for secret in ["hunter2", "correct-horse"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
