//! Codes of problems: each stands for one thing, so that what is said about it is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files of Rust below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The crates, which are below `crates` or in a folder there.
fn crates(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.join("Cargo.toml").is_file() {
            found.push(path);
        } else if path.is_dir() {
            crates(&path, found);
        }
    }
}

#[test]
fn no_two_parts_of_the_program_use_the_same_code() {
    // Both simulators say the same with theirs.
    const SHARED: [&str; 1] = ["IL-SANDBOX-002"];
    let mut all = Vec::new();
    crates(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut all);
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for of in &all {
        let mut files = Vec::new();
        sources(&of.join("src"), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).expect("a text");
            for problem in text.split("Problem::new(").skip(1) {
                if let Some(code) = problem.trim_start().strip_prefix("\"IL-").and_then(|rest| rest.split('"').next()) {
                    used.entry(format!("IL-{code}")).or_default().insert(of.to_string_lossy().into_owned());
                }
            }
        }
    }
    assert!(used.len() > 90, "{} codes are found", used.len());
    let twice: Vec<_> =
        used.iter().filter(|(code, parts)| parts.len() > 1 && !SHARED.contains(&code.as_str())).collect();
    assert!(twice.is_empty(), "{twice:#?}");
}
