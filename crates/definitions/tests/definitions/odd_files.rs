//! Folders and files that are no definitions at all.

use std::fs;

use definitions::LoadError;
use proptest::prelude::*;

use crate::support::{changed, environment, good, load, project};

fn messages(folder: &std::path::Path) -> Vec<String> {
    match load(folder) {
        Ok((_, warnings)) => warnings.into_sorted().iter().map(ToString::to_string).collect(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn what_is_no_project_is_one_clear_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("none");
    for (path, part) in [(missing.as_path(), "there is no folder"), (folder.path(), "holds no interlock.yaml")] {
        let Err(LoadError::Project(problem)) = load(path) else { panic!("it is no project") };
        assert!(problem.message.contains(part), "{problem}");
        assert!(problem.remedy.contains("interlock new"), "{problem}");
    }
}

#[test]
fn files_have_bounds() {
    let large = [b"# ".as_slice(), &b"x".repeat(1024 * 1024)].concat();
    let bomb = b"a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                 d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e]\n";
    let deep = "[".repeat(150) + &"]".repeat(150);
    let folder = changed([
        ("values/large.yaml", large.as_slice()),
        ("values/bomb.yaml", bomb),
        ("values/deep.yaml", deep.as_bytes()),
        ("values/twice.yaml", b"values: twice\nvalues: twice\n"),
        ("values/two.yaml", b"values: two\n---\nvalues: two\n"),
        ("values/latin.yaml", b"values: latin\nmap: { \xe9: e }\n"),
        ("values/blank.yaml", b"  \n"),
        ("values/scalar.yaml", b"just a text\n"),
    ]);
    let told = messages(folder.path()).join("\n");
    for part in [
        "values/large.yaml:1:1: this file is larger than 1 MiB",
        "values/bomb.yaml:5:7:",
        "larger than 200,000 nodes",
        "values/deep.yaml:1:101: this is nested more than 100 levels deep",
        "values/twice.yaml:2:1: `values` stands twice in this mapping",
        "values/two.yaml:2:1: a second document starts here",
        "values/latin.yaml:2:8: this file is not UTF-8 from here on",
        "values/blank.yaml:1:1: this file is empty",
        "values/scalar.yaml:1:1: a value map is a mapping, not a string",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
}

#[test]
fn a_project_has_a_bound_on_files() {
    let folder = changed([]);
    for number in 0..2_001 {
        fs::write(folder.path().join(format!("values/v{number}.yaml")), "").expect("written");
    }
    let Err(LoadError::Project(problem)) = load(folder.path()) else { panic!("too many files") };
    assert!(problem.message.contains("more than 2000 files"), "{problem}");
}

#[test]
fn what_refers_to_a_broken_file_is_not_told_again() {
    let folder = changed([("mappings/order.erp.yaml", b"object: [".as_slice())]);
    let told = messages(folder.path());
    assert_eq!(told.len(), 1, "{told:#?}");
    let folder = changed([("connections/erp.yaml", b"connector: [".as_slice())]);
    let told = messages(folder.path());
    assert_eq!(told.len(), 1, "{told:#?}");
    let folder = changed([("queues/credit.yaml", b"queue: [".as_slice()), ("objects/order.yaml", b"\xff")]);
    let told = messages(folder.path());
    assert_eq!(told.len(), 2, "{told:#?}");
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    let text = [b"\xef\xbb\xbf".as_slice(), &fs::read(project("good").join("interlock.yaml")).expect("read")].concat();
    let folder = changed([("interlock.yaml", text.as_slice())]);
    assert!(messages(folder.path()).is_empty());
}

#[test]
fn the_hash_names_the_content() {
    let folder = changed([]);
    let (same, _) = load(folder.path()).expect("the good project");
    assert_eq!(same.hash, good().hash);
    fs::write(folder.path().join("values/countries.yaml"), "values: countries\nmap: { UK: GB }\n").expect("written");
    let (other, _) = load(folder.path()).expect("a good project");
    assert_ne!(other.hash, same.hash);
}

const FILES: [&str; 8] = [
    "interlock.yaml",
    "connections/erp.yaml",
    "objects/order.yaml",
    "mappings/order.erp.yaml",
    "values/countries.yaml",
    "apis/pricing.v1.yaml",
    "queues/credit.yaml",
    "workflows/order.yaml",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_bytes_make_it_panic(file in 0..FILES.len(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let folder = changed([(FILES[file], bytes.as_slice())]);
        if let Err(error) = load(folder.path()) {
            prop_assert!(!error.render(false).is_empty());
        }
    }

    /// Pieces of good files cut out, doubled and put elsewhere: near enough to definitions to get far.
    #[test]
    fn no_mangled_definition_makes_it_panic(
        file in 0..FILES.len(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4usize, "\\PC{0,6}"), 1..6),
    ) {
        let text = fs::read_to_string(project("good").join(FILES[file])).expect("read");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (from, to, what, noise) in cuts {
            let (from, to) = (from.index(lines.len()), to.index(lines.len()));
            match what {
                0 => lines.swap(from, to),
                1 => lines[from] = lines[to].clone(),
                2 => lines[from] = format!("{}{noise}", lines[from]),
                _ => lines[from] = lines[from].replace(": ", &format!(": {noise}")),
            }
        }
        let folder = changed([(FILES[file], lines.join("\n").as_bytes())]);
        let loaded = definitions::load(folder.path(), &[&crate::support::Paper], &environment);
        if let Err(error) = loaded {
            prop_assert!(!error.render(true).is_empty());
        }
    }
}
