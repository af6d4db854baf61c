//! Documents with lists in lists, all kinds of boxes, and jumps to any place.

use proptest::prelude::*;

/// Some tasks, so deep at the most.
pub(crate) fn any_list(depth: u32) -> BoxedStrategy<Vec<AnyTask>> {
    proptest::collection::vec(any_task(depth), 1..6).boxed()
}

#[derive(Clone, Debug)]
pub(crate) struct AnyTask {
    kind: AnyKind,
    condition: bool,
    then: u8,
}

#[derive(Clone, Debug)]
enum AnyKind {
    Set,
    Raise,
    Wait,
    Switch(Vec<u8>, bool),
    Do(Vec<AnyTask>),
    For(Vec<AnyTask>),
    Fork(Vec<AnyTask>, bool),
    Try(Vec<AnyTask>, Option<Vec<AnyTask>>, u8, bool),
    Listen(Vec<AnyTask>),
    Function,
}

fn any_task(depth: u32) -> BoxedStrategy<AnyTask> {
    let leaf = prop_oneof![
        3 => Just(AnyKind::Set),
        1 => Just(AnyKind::Raise),
        1 => Just(AnyKind::Wait),
        1 => Just(AnyKind::Function),
        3 => (proptest::collection::vec(any::<u8>(), 1..6), any::<bool>())
            .prop_map(|(cases, rest)| AnyKind::Switch(cases, rest)),
    ];
    let kind = if depth == 0 {
        leaf.boxed()
    } else {
        let list = move || any_list(depth - 1);
        prop_oneof![
            4 => leaf,
            1 => list().prop_map(AnyKind::Do),
            1 => list().prop_map(AnyKind::For),
            1 => (list(), any::<bool>()).prop_map(|(list, compete)| AnyKind::Fork(list, compete)),
            2 => (list(), proptest::option::of(list()), any::<u8>(), any::<bool>())
                .prop_map(|(body, handler, then, retry)| AnyKind::Try(body, handler, then, retry)),
            1 => list().prop_map(AnyKind::Listen),
        ]
        .boxed()
    };
    (kind, proptest::bool::weighted(0.2), any::<u8>())
        .prop_map(|(kind, condition, then)| AnyTask { kind, condition, then })
        .boxed()
}

/// Where to, in a list of so many tasks.
fn target(choice: u8, count: usize) -> String {
    match choice % 16 {
        0..=7 => "continue".to_owned(),
        8 => "exit".to_owned(),
        9 => "end".to_owned(),
        _ => format!("t{}", usize::from(choice / 16) % count),
    }
}

fn write(list: &[AnyTask], indent: usize, branches: bool, out: &mut String) {
    let pad = " ".repeat(indent);
    for (number, task) in list.iter().enumerate() {
        out.push_str(&format!("{pad}- t{number}:\n"));
        let inner = indent + 6;
        let space = " ".repeat(indent + 4);
        if task.condition {
            out.push_str(&format!("{space}if: .some == {number}\n"));
        }
        let then = target(task.then, list.len());
        if !(branches && then.starts_with('t')) {
            out.push_str(&format!("{space}then: {then}\n"));
        }
        match &task.kind {
            AnyKind::Set => out.push_str(&format!("{space}set: {{ a: 1 }}\n")),
            AnyKind::Wait => out.push_str(&format!("{space}wait: PT5S\n")),
            AnyKind::Function => out.push_str(&format!("{space}call: shared\n")),
            AnyKind::Raise => {
                out.push_str(&format!("{space}raise: {{ error: {{ type: https://a/b, status: 400 }} }}\n"))
            }
            AnyKind::Switch(cases, rest) => {
                out.push_str(&format!("{space}switch:\n"));
                for (case, then) in cases.iter().enumerate() {
                    // The branches of a fork have no siblings to go to.
                    let then = if branches { "continue".to_owned() } else { target(then | 8, list.len()) };
                    let last = *rest && case + 1 == cases.len();
                    let when = if last { String::new() } else { format!("when: '.value == \"{case}\"', ") };
                    out.push_str(&format!("{space}  - case{case}: {{ {when}then: {then} }}\n"));
                }
            }
            AnyKind::Do(body) => {
                out.push_str(&format!("{space}do:\n"));
                write(body, inner, false, out);
            }
            AnyKind::For(body) => {
                out.push_str(&format!("{space}for: {{ each: one, in: .all }}\n{space}do:\n"));
                write(body, inner, false, out);
            }
            AnyKind::Fork(body, compete) => {
                out.push_str(&format!("{space}fork:\n{space}  compete: {compete}\n{space}  branches:\n"));
                write(body, inner, true, out);
            }
            AnyKind::Listen(body) => {
                out.push_str(&format!(
                    "{space}listen: {{ to: {{ any: [], until: .done }} }}\n{space}foreach:\n{space}  do:\n"
                ));
                write(body, inner, false, out);
            }
            AnyKind::Try(body, handler, then, retry) => {
                out.push_str(&format!("{space}try:\n"));
                write(body, inner, false, out);
                out.push_str(&format!("{space}catch:\n{space}  errors: {{ with: {{ status: 503 }} }}\n"));
                if then % 3 == 0 && !branches {
                    out.push_str(&format!("{space}  then: {}\n", target(then / 3, list.len())));
                }
                if *retry {
                    out.push_str(&format!("{space}  retry: {{ delay: PT1S, limit: {{ attempt: {{ count: 3 }} }} }}\n"));
                }
                if let Some(handler) = handler {
                    out.push_str(&format!("{space}  do:\n"));
                    write(handler, inner, false, out);
                }
            }
        }
    }
}

/// The document with these tasks: its text without the head.
pub(crate) fn text_of(list: &[AnyTask]) -> String {
    let shared = "{ do: [ { one: { set: { a: 1 } } }, { two: { wait: PT1S } } ] }";
    // The kinds of task that jump by themselves, and those that wait.
    let extended = match list.len() % 3 {
        0 => "switch",
        1 => "wait",
        _ => "raise",
    };
    let parts = "before: [ { begin: { set: { a: 1 } } } ], after: [ { end: { set: { a: 2 } } } ]";
    let mut text = format!(
        "use:\n  functions: {{ shared: {shared} }}\n  extensions: [ {{ logged: {{ extend: {extended}, {parts} }} }} ]\ndo:\n"
    );
    write(list, 2, false, &mut text);
    text
}
