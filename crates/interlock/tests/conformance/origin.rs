//! The copies in this folder are the standard's files, byte for byte.

use std::fs;
use std::path::{Path, PathBuf};

use crate::folder;

/// Every file below a folder, without this project's own notes.
fn below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name != "README.md"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_copies_are_the_standards_files() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/open-workflow");
    let origin = std::env::var_os("OPEN_WORKFLOW").map_or_else(beside, PathBuf::from);
    if !origin.is_dir() {
        println!("skipped: {} is not there (set OPEN_WORKFLOW to the standard's files)", origin.display());
        return;
    }
    for name in ["features", "examples"] {
        let (copies, originals) = (below(&folder(name)), below(&origin.join(name)));
        let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&copies), names(&originals), "{name}");
        for ((file, copy), (_, original)) in copies.iter().zip(&originals) {
            assert!(copy == original, "{name}/{file} differs");
        }
    }
    let schema = "workflow.schema.yaml";
    assert!(fs::read(folder(schema)).expect("a file") == fs::read(origin.join(schema)).expect("a file"), "{schema}");
}
