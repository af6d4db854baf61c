//! The standard's own conformance scenarios and example documents, by the real program. What they reach outside is a stand-in
//! on a real socket; the documents are changed only where they name its address.
//!
//! | file | holds |
//! |---|---|
//! | `gherkin.rs` | reads the scenarios |
//! | `scenarios.rs` | plays them |
//! | `petstore.rs` | the hosts that they call |
//! | `examples.rs` | checks the example documents |
//! | `origin.rs` | the copies in `features/` and `examples/` are the standard's files |

mod examples;
mod gherkin;
mod origin;
mod petstore;
mod scenarios;
#[path = "../workflows/mod.rs"]
mod workflows;

use std::fs;
use std::path::PathBuf;

/// A folder of this test.
fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name)
}

/// The names and texts of the files in a folder with this ending, in order.
fn files(folder: &std::path::Path, ending: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a text"))
        })
        .collect();
    files.sort();
    files
}
