//! Definitions with mistakes: all are shown at once, each in its place, and nothing starts.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::program::{Ended, Program, no_panic};

/// Everything that a new project asks for and has no default.
const ENVIRONMENT: &str = "CRM_URL=http://127.0.0.1:1\nCRM_CLIENT_ID=interlock\nERP_URL=http://127.0.0.1:1\n\
                           ERP_INSECURE=true\nERP_USER=INTERLOCK\n";

struct Project {
    folder: TempDir,
    path: PathBuf,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("acme");
        assert_eq!(Program::run(&["new", &path.to_string_lossy()]).status, Some(0));
        fs::write(folder.path().join("environment"), ENVIRONMENT).expect("written");
        Self { folder, path }
    }

    fn ends(&self, command: &str) -> Ended {
        let (project, environment) = (self.path.to_string_lossy(), self.folder.path().join("environment"));
        let ended = Program::run(&[command, &project, "--environment", &environment.to_string_lossy()]);
        no_panic(&ended.errors);
        ended
    }

    /// Makes a mistake, and gives the place of its first character: `file:line:column`.
    fn spoil(&self, file: &str, from: &str, to: &str, mistake: &str) -> String {
        let path = self.path.join(file);
        let text = fs::read_to_string(&path).expect("the file");
        let at = text.find(from).unwrap_or_else(|| panic!("`{from}` is not in {file}"));
        fs::write(&path, text.replacen(from, to, 1)).expect("written");
        let before = format!("{}{}", &text[..at], &to[..to.find(mistake).expect("the mistake")]);
        let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
        let column = before.chars().rev().take_while(|&character| character != '\n').count() + 1;
        format!("{file}:{line}:{column}")
    }
}

/// The message that points to a place, with the lines that belong to it.
fn message<'a>(errors: &'a str, place: &str) -> &'a str {
    let found = errors.split("\n\n").find(|message| {
        message.lines().any(|line| line.trim_start().strip_prefix("--> ").is_some_and(|own| own.trim() == place))
    });
    found.unwrap_or_else(|| panic!("nothing points to {place}:\n{errors}"))
}

#[test]
fn all_mistakes_are_shown_at_once_with_place_and_suggestion() {
    let project = Project::new();
    let setting = project.spoil("connections/crm.yaml", "clientName: interlock", "clientNam: interlock", "clientNam");
    let action = project.spoil("connections/erp.yaml", "action: create\n", "action: creat\n", "creat\n");
    let limit =
        project.spoil("connections/erp.yaml", "{ concurrent: 6 }", "{ concurrent: 6, concurent: 3 }", "concurent");
    let style = project.spoil("queues/credit.yaml", "style: danger", "stile: danger", "stile");
    let title = project.spoil("queues/tax.yaml", "queue: tax\n", "queue: tax\n  title: Tax\n", ": Tax");
    fs::write(project.path.join("queues/pricing.yaml"), "").expect("written");

    let ended = project.ends("check");
    assert_eq!(ended.status, Some(2), "{}", ended.errors);
    let errors = &ended.errors;
    for (place, parts) in [
        (setting, ["there is no setting `clientNam`", "did you mean `clientName`?"]),
        (action, ["`action` cannot be `creat`", "did you mean `create`?"]),
        (limit, ["`limits` has no member `concurent`", "did you mean `concurrent`?"]),
        (style, ["has no member `stile`", "did you mean `style`?"]),
        (title, ["this is not YAML", "check the indentation"]),
    ] {
        let message = message(errors, &place);
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in {message}");
        }
        assert!(message.starts_with("error[IL-DEF-") && message.contains('^'), "{message}");
    }
    let empty = message(errors, "queues/pricing.yaml");
    assert!(empty.contains("this file is empty") && empty.contains("write the definition"), "{empty}");
    assert!(errors.trim_end().ends_with("6 mistakes, 0 warnings"), "{errors}");

    // The same mistakes keep it from running, before it has touched anything.
    let ended = project.ends("run");
    assert_eq!((ended.status, ended.output.as_str()), (Some(2), ""), "{}", ended.errors);
    assert_eq!(&ended.errors, errors);
    assert!(!project.path.join("data").exists());
}

#[test]
fn jq_that_cannot_run_is_shown_at_its_character() {
    let project = Project::new();
    let crm = "connections/crm.yaml";
    let unfinished = project.spoil(crm, "key: .number\n", "key: '.number |'\n", "'\n");
    let unknown =
        project.spoil(crm, "only: '.status == \"submitted\"'", "only: 'is_submitted(.status)'", "is_submitted");
    let open = project.spoil(crm, "input: '{ERP_Customer_Number__c: .number}'", "input: '{a: .number'", "{");
    let flow = project.spoil(
        "workflows/quote-to-cash.yaml",
        "${ $context.quote.customer.erpNumber == null }",
        "${ $context.quote.customer.erpNumber == }",
        "}",
    );
    let ended = project.ends("check");
    assert_eq!(ended.status, Some(2), "{}", ended.errors);
    for (place, part) in [
        (unfinished, "`key` is no jq that can run: term was expected here"),
        (unknown, "unknown filter `is_submitted`"),
        (flow, "this expression does not compile: term was expected here"),
    ] {
        let message = message(&ended.errors, &place);
        assert!(message.contains(part), "`{part}` is not in {message}");
    }
    let line = open.rsplit_once(':').expect("a column").0;
    assert!(ended.errors.contains(&format!("--> {line}:")), "nothing points to {line}: {}", ended.errors);
    assert!(ended.errors.trim_end().ends_with("4 mistakes, 0 warnings"), "{}", ended.errors);
}

#[test]
fn an_environment_that_lacks_something_says_what() {
    let project = Project::new();
    let file = project.folder.path().join("environment");
    fs::write(&file, ENVIRONMENT.replace("ERP_URL=http://127.0.0.1:1", "")).expect("written");
    let ended = project.ends("check");
    assert_eq!(ended.status, Some(2));
    assert!(ended.errors.contains("ERP_URL") && ended.errors.contains("connections/erp.yaml:"), "{}", ended.errors);
    fs::write(&file, "CRM_URL\n").expect("written");
    project.ends("check").refused(1, &["environment:1: this line is not NAME=VALUE"]);
}

#[test]
fn a_secret_in_a_connection_is_refused_and_shown_nowhere() {
    let project = Project::new();
    let planted = "planted-hunter2";
    project.spoil("connections/erp.yaml", "env:ERP_PASSWORD", planted, planted);
    project.spoil("connections/crm.yaml", "env:CRM_CLIENT_SECRET", planted, planted);
    project.spoil("connections/crm.yaml", "flow: client-credentials", "flow: client-credential", "flow");
    for command in ["check", "run"] {
        let ended = project.ends(command);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(!format!("{ended:?}").contains("hunter2"), "{command} shows the secret: {ended:?}");
        for part in ["connections/erp.yaml:", "connections/crm.yaml:", "`env:NAME`"] {
            assert!(ended.errors.contains(part), "{part} is not in {}", ended.errors);
        }
    }
}

#[test]
fn what_would_never_happen_is_refused() {
    let project = Project::new();
    let faults = project.spoil("connections/crm.yaml", "apiVersion:", "faults: {}\napiVersion:", "faults");
    let batch = project.spoil("connections/erp.yaml", "limits:", "batch: { creates: 21 }\n\nlimits:", "creates");
    let push = project.spoil("connections/crm.yaml", "topic: /data/QuoteChangeEvent", "push: quote.*", "push");
    let topic =
        project.spoil("connections/erp.yaml", "push: sap.s4.beh.billingdocument.v1.*", "topic: sap/billing", "topic");
    let cron = project.spoil("workflows/returns.yaml", "schedule:\n", "schedule:\n  cron: sometimes\n", "sometimes");
    let ended = project.ends("check");
    assert_eq!(ended.status, Some(2), "{}", ended.errors);
    for (place, parts) in [
        (push, ["cannot take what a system pushes", "write `topic` instead of `push`"]),
        (topic, ["cannot subscribe to topics", "write `push` instead of `topic`"]),
        (faults, ["no setting `faults`", "help"]),
        (batch, ["whole number from 1 to 20", "Leave it out for 20"]),
        (cron, ["`sometimes` is no cron expression", "Mondays at six"]),
    ] {
        let message = message(&ended.errors, &place);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}
