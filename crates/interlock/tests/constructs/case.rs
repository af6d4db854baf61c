//! What a case may say. A member that is not known is a mistake, so that no expectation is passed over in silence.
//!
//! | member | what it is |
//! |---|---|
//! | `workflow` | the document; one without `document:` gets the usual head. `HOST` is the address of the outside host |
//! | `input` | the input; none when it is not there. `PORT` is the port of the outside host |
//! | `files` | other files in the folder, by name |
//! | `events` | what is told to the run, in order |
//! | `options`, `environment` | more options of `interlock workflow run`; variables |
//! | `check` | only check the document, with `interlock workflow check` |
//! | `output` | what it prints when it completes, as data |
//! | `output has` | members of it, by their paths |
//! | `printed` | what it prints when it completes, to the letter |
//! | `fault` | members of the error that it ends with |
//! | `says` | texts within the error's `detail`, or within what is printed by a check |
//! | `refused` | texts within the diagnostics of a document that is not loaded |
//! | `warned` | texts within the diagnostics of one that is |
//! | `never` | texts that must not be printed, told or traced |
//! | `requests` | what the outside host is asked, in order; of each the members that matter |
//! | `began` | names of the tasks that begin, in order |
//! | `traced` | the events of the trace, as `task.started /do/0/a` |
//! | `traced data` | events that are in the trace: their `type`, and members of their data |
//! | `takes` | milliseconds that it takes at least, and at most |

use std::fs;
use std::path::PathBuf;

use model::Value;

use crate::workflows::yaml;

const MEMBERS: [&str; 20] = [
    "workflow",
    "input",
    "files",
    "events",
    "options",
    "environment",
    "check",
    "output",
    "output has",
    "printed",
    "fault",
    "says",
    "refused",
    "warned",
    "never",
    "requests",
    "began",
    "traced",
    "traced data",
    "takes",
];
const HEAD: &str = "document: { dsl: '1.0.3', namespace: test, name: case, version: '1.0.0' }\n";

/// A case: its name and its members.
pub(crate) struct Case {
    pub(crate) name: String,
    members: Value,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/constructs/cases")
}

/// The names of the files of cases, without their ending.
pub(crate) fn files() -> Vec<String> {
    let entries = fs::read_dir(folder()).expect("the cases");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

/// The cases of a file.
pub(crate) fn read(group: &str) -> Vec<Case> {
    let file = folder().join(format!("{group}.yaml"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let cases = yaml(&text).unwrap_or_else(|wrong| panic!("{group}: {}", wrong.lines().next().unwrap_or_default()));
    let cases = cases.as_object().unwrap_or_else(|| panic!("{group} is no mapping"));
    cases
        .iter()
        .map(|(name, members)| {
            for (member, _) in members.as_object().unwrap_or_else(|| panic!("{group}: `{name}` is no mapping")) {
                assert!(MEMBERS.contains(&&**member), "{group}: {name}: there is no member `{member}`");
            }
            Case { name: name.to_string(), members: members.clone() }
        })
        .collect()
}

impl Case {
    pub(crate) fn get(&self, member: &str) -> Option<&Value> {
        debug_assert!(MEMBERS.contains(&member));
        self.members.has(member).then(|| self.members.get(member))
    }

    /// The document, with its head.
    pub(crate) fn document(&self) -> String {
        let text = self.text("workflow").expect("every case has a workflow");
        if text.starts_with("document:") || text.starts_with('{') { text.to_owned() } else { format!("{HEAD}{text}") }
    }

    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.get(member).map(|value| value.as_str().unwrap_or_else(|| panic!("{}: `{member}` is a text", self.name)))
    }

    /// The texts of a member that is a text or a list of them.
    pub(crate) fn texts(&self, member: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match self.get(member) {
            None => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(text).collect(),
            Some(one) => vec![text(one)],
        }
    }

    /// The members of a member, as texts.
    pub(crate) fn pairs(&self, member: &str) -> Vec<(String, String)> {
        let pairs = self.get(member).and_then(Value::as_object).into_iter().flatten();
        pairs.map(|(name, value)| (name.to_string(), value.as_str().unwrap_or_default().to_owned())).collect()
    }
}
