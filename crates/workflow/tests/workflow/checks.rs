//! What is said about documents that are wrong.

use proptest::prelude::*;
use workflow::Permissions;

use crate::support::{document, load_with};

/// All problems as `line:column code message (help)`.
fn problems(text: &str) -> Vec<String> {
    let found = match load_with(text, Permissions::default()) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    found.into_sorted().iter().map(|problem| problem.to_string().replacen("workflows/test.yaml:", "", 1)).collect()
}

#[track_caller]
fn says(rest: &str, expected: &[&str]) {
    let text = document(rest);
    let found = problems(&text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(expected.split(" … ").all(|part| found.contains(part)), "{found}\nshould say\n{expected}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    says(
        "do:\n  - a:\n      sett: { x: 1 }\n  - b:\n      set: { x: '${ .a | }' }\n      thn: end\n  - c:\n      switch:\n        - x: { when: .a, then: aa }\n",
        &[
            "4:7: the task `a` does not say what it does … did you mean `set`",
            "6:26: this expression does not compile",
            "7:7: a `set` task has no `thn` … did you mean `then`",
            "10:32: there is no task `aa` in this list … did you mean `a`",
        ],
    );
}

#[test]
fn a_document_needs_its_header() {
    let found = problems("document: { dsl: '0.8', name: 'a b', namespace: x, version: 1.0 }\n");
    for expected in ["DSL 1.0, not `0.8`", "`a b` is no name", "`1.0` is no version", "a workflow needs `do`"] {
        assert!(found.iter().any(|found| found.contains(expected)), "{expected}: {found:#?}");
    }
    let found = problems("[]");
    assert!(found[0].contains("a workflow is a mapping, not a list"), "{found:#?}");
}

#[test]
fn functions_are_looked_up() {
    says(
        "do: [ { a: { call: creat-order:1.0.0@erp } }, { b: { call: 'strict:1.0.0@erp', with: { c: 1 } } } ]",
        &["needs `a` in `with`", "has no input `c` … did you mean"],
    );
    says("do: [ { a: { call: missing:1.0.0@erp } } ]", &["there is no function `missing:1.0.0@erp`"]);
    says("do: [ { a: { call: creat-order } } ]", &["there is no function `creat-order`"]);
    says("do: [ { a: { call: 'x y' } } ]", &["`x y` names no function"]);
    says("use: { functions: { f: { call: f } } }\ndo: [ { a: { call: f } } ]", &["the function `f` calls itself"]);
}

#[test]
fn what_the_deployment_forbids_is_refused() {
    says(
        "do: [ { a: { run: { shell: { command: ls } } } } ]",
        &["this deployment runs no shells … call a function of a connection"],
    );
    says(
        "do: [ { a: { call: http, with: { method: get, endpoint: 'https://x' } } } ]",
        &["this deployment allows no http calls to addresses … define a connection"],
    );
    let text = document("do: [ { a: { run: { shell: { command: ls } } } } ]");
    assert!(load_with(&text, Permissions::all()).is_ok());
}

#[test]
fn references_must_exist() {
    says("do: [ { a: { raise: { error: nope } } } ]", &["`use.errors` has no `nope` … define `nope`"]);
    says(
        "use: { retries: { patient: { delay: PT1S, limit: { attempt: { count: 1 } } } } }\ndo: [ { a: { try: [], catch: { retry: patent } } } ]",
        &["`use.retries` has no `patent` … did you mean `patient`"],
    );
    says("timeout: nope\ndo: []", &["`use.timeouts` has no `nope`"]);
    says(
        "do: [ { a: { run: { workflow: { namespace: n, name: nobody, version: '1.0.0' } } } } ]",
        &["there is no workflow n/nobody:1.0.0"],
    );
}

#[test]
fn variables_must_be_in_sight() {
    says(
        "do: [ { l: { for: { each: line, in: .x }, do: [ { a: { set: { b: '${ $lin }' } } } ] } } ]",
        &["does not compile … $line"],
    );
    says("do: [ { l: { for: { each: context, in: .x }, do: [] } } ]", &["`$context` is a variable of the DSL itself"]);
    says("do: [ { l: { for: { each: 'a b', in: .x }, do: [] } } ]", &["`a b` cannot be a variable"]);
}

#[test]
fn forms_are_checked() {
    says("do: [ { a: { wait: 30s } } ]", &["`30s` is not an ISO 8601 duration"]);
    says("do: [ { a: { wait: { second: 3 } } } ]", &["a duration has no `second` … did you mean `seconds`"]);
    says("do: [ { a: { listen: { to: { one: { with: { type: x } }, any: [] } } } } ]", &["exactly one of"]);
    says("do: [ { a: { listen: { to: { one: { with: {} } } } } } ]", &["at least one attribute"]);
    says("do: [ { a: { emit: { event: { with: { source: x } } } } } ]", &["needs `type`"]);
    says(
        "do: [ { a: { set: { b: 1 }, c: 2 } }, { a: { set: { b: 1 } } } ]",
        &["already has a task `a`", "has no `c`"].iter().rev().copied().collect::<Vec<_>>(),
    );
    says(
        "do: [ { a: { switch: [ { x: { then: end } }, { y: { when: .a, then: end } } ] } } ]",
        &["the case `x` has no `when`, so the cases after it are never reached"],
    );
    says("do: [ { a: { raise: { error: { type: t, status: 42 } } } } ]", &["42 is no status"]);
    says("schedule: { cron: '* *' }\ndo: []", &["is no cron expression: missing days of month"]);
    says("input: { schema: { document: 5 } }\ndo: []", &["this is no JSON Schema"]);
    says("do: [ { a: 5 } ]", &["the task `a` is a mapping, not a number"]);
    says(
        "do: [ { a: { set: { x: 1 } }, b: { set: { x: 1 } } } ]",
        &["a task is one name with its definition, but here are 2"],
    );
}

#[test]
fn probable_mistakes_are_warnings() {
    says("do: [ { a: { set: { x: .customer } } } ]", &["looks like an expression … write `${ .customer }`"]);
    says("do: [ { a: { set: { x: 'Hello ${ .name }' } } } ]", &["an expression inside a text is not evaluated"]);
    says(
        "do: [ { a: { try: [], catch: { retry: { backoff: { linear: {} } } } } } ]",
        &["retries at once", "retries for ever"],
    );
}

#[test]
fn loose_evaluation_takes_bare_expressions() {
    let text = document("evaluate: { mode: loose }\ndo: [ { a: { set: { x: .n, y: 'some text' } } } ]");
    let (workflow, warnings) = load_with(&text, Permissions::default()).expect("a workflow");
    assert!(warnings.is_empty());
    crate::support::Run::start(workflow, crate::support::value(r#"{"n": 1}"#)).gives(r#"{"x": 1, "y": "some text"}"#);
}

#[test]
fn extensions_surround_tasks() {
    let text = document(
        r"
use:
  extensions:
    - mock:
        extend: call
        when: .mocked
        before: [ { fake: { set: { mock: true }, then: exit } } ]
    - log:
        extend: call
        after: [ { note: { emit: { event: { with: { type: called, data: '${ . }' } } } } } ]
do: [ { a: { call: x:1@erp, then: end } }, { b: { set: { never: 1 } } } ]",
    );
    let start = |input: &str| {
        let (workflow, _) = load_with(&text, Permissions::default()).expect("a workflow");
        crate::support::Run::start(workflow, crate::support::value(input))
    };
    start(r#"{"mocked": true}"#).gives(r#"{"mock": true}"#);
    let switch = document(
        "use: { extensions: [ { log: { extend: switch, after: [ { note: { wait: PT1S } } ] } } ] }\ndo: [ { a: { switch: [ { x: { then: c } } ] } }, { b: { set: { b: 1 } } }, { c: { set: { c: 1 } } } ]",
    );
    let mut run = crate::support::Run::start(crate::support::load(&switch), crate::support::value("{}"));
    run.sleep();
    run.gives(r#"{"c": 1}"#);
    let mut run = start(r#"{"mocked": false}"#);
    run.answer("7");
    run.gives("7");
    assert!(run.commands.iter().any(|command| matches!(command, workflow::Command::Emit { .. })));
}

#[test]
fn of_very_many_mistakes_the_first_are_told_soon() {
    let wrong = "  - a: { set: { b: '${ $nobody }' }, then: nowhere, what: ever }\n".repeat(4_000);
    let begun = std::time::Instant::now();
    let found = problems(&document(&format!("do:\n{wrong}")));
    assert!(
        found.len() < 500 && found.iter().any(|problem| problem.contains("there is more to correct")),
        "{}",
        found.len()
    );
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn extensions_name_a_kind_of_task() {
    let with = |extend: &str| {
        format!("use: {{ extensions: [ {{ a: {{ {extend} }} }} ] }}\ndo: [ {{ a: {{ set: {{ a: 1 }} }} }} ]")
    };
    says(&with("extend: sett"), &["there is no kind of task `sett` to extend"]);
    says(&with("before: []"), &["extend"]);
    says(&with("extend: all, befor: []"), &["befor"]);
}

#[test]
fn functions_that_multiply_are_bounded() {
    let mut functions = String::new();
    for n in 0..12 {
        let body: Vec<String> = (0..4).map(|m| format!("{{ t{m}: {{ call: f{} }} }}", n + 1)).collect();
        functions.push_str(&format!("    f{n}: {{ do: [ {} ] }}\n", body.join(", ")));
    }
    let text = document(&format!(
        "use:\n  functions:\n{functions}    f12: {{ set: {{ a: 1 }} }}\ndo: [ {{ a: {{ call: f0 }} }} ]"
    ));
    let found = problems(&text);
    assert!(found.iter().any(|found| found.contains("more than 20,000 tasks")), "{:#?}", found.first());
}

#[test]
fn workflows_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<workflow::Workflow>();
    shared::<workflow::RunState>();
}

#[test]
fn a_workflow_tells_about_itself() {
    let (workflow, _) = load_with(
        &document(
            "schedule: { every: { minutes: 5 }, after: PT1S }\nuse: { secrets: [a] }\ndo: [ { x: { set: { a: 1 } } } ]",
        ),
        Permissions::default(),
    )
    .expect("a workflow");
    assert_eq!((&**workflow.namespace(), &**workflow.name(), &**workflow.version()), ("test", "test", "1.0.0"));
    assert_eq!(workflow.starts().every, Some(jiff::SignedDuration::from_secs(300)));
    assert_eq!(workflow.secrets().len(), 1);
    assert_eq!(workflow.tasks().map(|(pointer, _)| pointer.to_string()).collect::<Vec<_>>(), ["/do/0/x"]);
    assert_eq!(workflow.hash().len(), 32);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_documents_are_told_about_and_never_panic(from in 0_usize..1600, length in 0_usize..40, put in "[ -~\n]{0,6}") {
        let text = document(crate::interleavings::BUSY);
        let mut characters: Vec<char> = text.chars().collect();
        let from = from.min(characters.len());
        let to = (from + length).min(characters.len());
        characters.splice(from..to, put.chars());
        let damaged: String = characters.into_iter().collect();
        if let Err(problems) = load_with(&damaged, Permissions::all()) {
            prop_assert!(problems.has_errors());
            for problem in problems.into_sorted() {
                prop_assert!(!problem.render(Some(&damaged), false).is_empty());
            }
        }
    }
}
