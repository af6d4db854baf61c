//! Which actions a work item has, who may take them, and taking one.

use std::sync::Arc;

use axum::http::StatusCode;
use definitions::{ActionStyle, Release, User};
use model::{Problem, RunId, Value};
use runtime::{Decision, RunOperation};
use store::{WorkItemRow, WorkItemStatus};

use crate::Console;
use crate::choosing::name_of;
use crate::format::label;
use crate::session::has_role;

/// Begins the action that decides between systems which differ: the side follows.
const KEEP: &str = "keep-";
/// Stands before the key of the object that a record is linked with, or before the id of the record that an object is linked with.
const LINK: &str = "link-";
/// The queue whose people look after failed runs.
const RUNS: &str = "integration";

/// Why something was not done.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) problem: Problem,
}

impl Refused {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { status, problem: Problem::new(code, message, remedy.into()) }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let status = match problem.code {
            "IL-RUN-002" | "IL-RUN-007" => StatusCode::NOT_FOUND,
            "IL-RUN-003" | "IL-RUN-008" | "IL-RUN-017" | "IL-RUN-018" | "IL-RUN-021" => StatusCode::CONFLICT,
            "IL-RUN-004" | "IL-RUN-005" | "IL-RUN-006" | "IL-RUN-022" => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, problem }
    }
}

/// Something that can be done with an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) name: Arc<str>,
    pub(crate) label: Arc<str>,
    pub(crate) edit: bool,
    pub(crate) note_required: bool,
    pub(crate) style: ActionStyle,
}

/// Actions that every failed run and every unreadable record has, whether its queue defines them or not.
fn built_in(kind: &str) -> Option<&'static [(&'static str, bool)]> {
    match kind {
        "failure" => Some(&[("retry", false), ("correct", true), ("cancel", false)]),
        "unreadable" => Some(&[("retry", false), ("dismiss", false)]),
        // Which object it is: the item names them.
        "identity" => Some(&[("new", false), ("retry", false), ("dismiss", false)]),
        // Which record it is: the item names them, and says whether another one can be made.
        "existing" => Some(&[("new", false), ("retry", false), ("dismiss", false)]),
        "notice" => Some(&[("dismiss", false)]),
        "write" | "finding" => Some(&[("retry", false), ("dismiss", false)]),
        // Which side's value is kept: the item names them.
        "conflict" => Some(&[]),
        // What becomes of the record of another system: the item names what can be done with it.
        "deleted" => {
            Some(&[("block", false), ("deactivate", false), ("delete", false), ("keep", false), ("make-again", false)])
        }
        "doubt" => Some(&[("again", false), ("fail", false), ("answer", true)]),
        _ => None,
    }
}

/// The side whose value an action keeps.
fn kept_side(action: &Value) -> Option<&str> {
    action.as_str()?.strip_prefix(KEEP)
}

/// What can be done with an item, in the order of its buttons.
pub(crate) fn choices(release: &Release, item: &WorkItemRow) -> Vec<Choice> {
    if item.status != WorkItemStatus::Open {
        return Vec::new();
    }
    let allowed = item.content.get("allow").items();
    let listed = |name: &str| allowed.is_empty() || allowed.iter().any(|one| one.as_str() == Some(name));
    let kind = built_in(item.content.get("kind").as_str().unwrap_or_default());
    let mut choices = Vec::new();
    if let Some(queue) = release.queues.get(&*item.queue) {
        for (name, action) in &queue.actions {
            let own = kind.map(|own| own.iter().find(|(own, _)| *own == &**name));
            let edit = match own {
                Some(None) => continue,
                Some(Some((_, edit))) => *edit,
                None => action.edit,
            };
            choices.push(Choice {
                name: Arc::clone(name),
                label: Arc::clone(&action.label),
                edit,
                note_required: action.note_required,
                style: action.style,
            });
        }
    }
    for (name, edit) in kind.unwrap_or_default() {
        if !choices.iter().any(|choice| &*choice.name == *name) {
            let style = if matches!(*name, "cancel" | "delete") { ActionStyle::Danger } else { ActionStyle::Plain };
            choices.push(Choice {
                name: (*name).into(),
                label: match *name {
                    "again" => "Send again".into(),
                    "fail" => "Let the task fail".into(),
                    "answer" => "Go on with this answer".into(),
                    "make-again" => "Make it again".into(),
                    "new" => "It is a new one".into(),
                    other => label(other).into(),
                },
                edit: *edit,
                note_required: false,
                style,
            });
        }
    }
    for side in item.content.get("allow").items().iter().filter_map(kept_side) {
        choices.push(Choice {
            name: format!("{KEEP}{side}").into(),
            label: format!("Keep what {side} says").into(),
            edit: false,
            note_required: false,
            style: ActionStyle::Plain,
        });
    }
    for candidate in item.content.get("candidates").items() {
        let text = |name: &str| candidate.get(name).as_str().unwrap_or_default();
        let title = if text("title").is_empty() { text("key") } else { text("title") };
        choices.push(Choice {
            name: format!("{LINK}{}", text("key")).into(),
            label: format!("It is {title}").into(),
            edit: false,
            note_required: false,
            style: ActionStyle::Plain,
        });
    }
    for record in item.content.get("existing").items() {
        let text = |name: &str| record.get(name).as_str().unwrap_or_default();
        let label = match text("title") {
            "" => format!("It is {}", text("id")),
            title => format!("It is {title} ({})", text("id")),
        };
        choices.push(Choice {
            name: format!("{LINK}{}", text("id")).into(),
            label: label.into(),
            edit: false,
            note_required: false,
            style: ActionStyle::Plain,
        });
    }
    choices.retain(|choice| listed(&choice.name));
    for choice in &mut choices {
        if let Some(name) = name_of(release, item, &choice.name) {
            choice.label = name;
        }
    }
    choices
}

/// Whether a user may act on the items of a queue. One that the release does not define is for operators.
pub(crate) fn may_act(release: &Release, user: &User, queue: &str) -> bool {
    let who = release.queues.get(queue).map_or(&[][..], |queue| &queue.who);
    has_role(user, who)
}

/// Who may act on the items of a queue, in words.
pub(crate) fn who(release: &Release, queue: &str) -> String {
    match release.queues.get(queue) {
        Some(queue) if !queue.who.is_empty() => {
            let roles: Vec<String> = queue.who.iter().map(|role| label(role).to_lowercase()).collect();
            roles.join(" or ")
        }
        _ => "operator".to_owned(),
    }
}

/// Whether a user may retry, cancel, halt and resume runs.
pub(crate) fn may_operate(release: &Release, user: &User) -> bool {
    may_act(release, user, RUNS)
}

/// A visitor's wish for an item.
pub(crate) struct Wish<'a> {
    pub(crate) action: &'a str,
    pub(crate) note: Option<&'a str>,
    pub(crate) record: Option<Value>,
}

/// Decides on an item, when the user may and the item allows it. Gives what was done.
///
/// # Errors
/// Why it was not done.
pub(crate) async fn decide(
    console: &Console,
    release: &Release,
    user: &User,
    item: &WorkItemRow,
    wish: Wish<'_>,
) -> Result<Choice, Refused> {
    if !may_act(release, user, &item.queue) {
        let message = format!("{} may not act on the queue “{}”", user.name, queue_title(release, &item.queue));
        let remedy = format!("Ask somebody with the role {}", who(release, &item.queue));
        return Err(Refused::new(StatusCode::FORBIDDEN, "IL-CON-010", message, remedy));
    }
    if item.status != WorkItemStatus::Open {
        let by = item.resolution.get("by").as_str().map(|by| format!(" by {by}")).unwrap_or_default();
        let message = format!("“{}” is not open any more: it was resolved or withdrawn meanwhile{by}", item.title);
        return Err(Refused::new(StatusCode::CONFLICT, "IL-CON-011", message, "Go on with the next one"));
    }
    let possible = choices(release, item);
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    let Some(choice) = possible.iter().find(|choice| &*choice.name == wish.action).cloned() else {
        let names: Vec<&str> = possible.iter().map(|choice| &*choice.name).collect();
        let message = format!("“{}” is not possible with this work item", wish.action);
        return Err(Refused::new(unprocessable, "IL-CON-012", message, format!("Choose one of: {}", names.join(", "))));
    };
    let note = wish.note.map(str::trim).filter(|note| !note.is_empty());
    if choice.note_required && note.is_none() {
        let message = format!("“{}” needs a note", choice.label);
        return Err(Refused::new(unprocessable, "IL-CON-013", message, "Say in a sentence why"));
    }
    if wish.record.is_some() && !choice.edit {
        let message = format!("The record was changed, and “{}” does not take changes along", choice.label);
        let remedy = match possible.iter().find(|other| other.edit) {
            Some(other) => format!("Use “{}”, or undo the changes", other.label),
            None => "Leave the record as it is".to_owned(),
        };
        return Err(Refused::new(unprocessable, "IL-CON-014", message, remedy));
    }
    let decision = Decision {
        action: Arc::clone(&choice.name),
        by: Arc::clone(&user.name),
        note: note.map(Into::into),
        record: wish.record,
    };
    console.operations.decide(item.id, decision).await?;
    console.boards.forget().await;
    Ok(choice)
}

/// Does something with a run, when the user may. Gives what was done, for a sentence.
///
/// # Errors
/// Why it was not done.
pub(crate) async fn operate(
    console: &Console,
    release: &Release,
    user: &User,
    run: RunId,
    operation: &str,
    wish: Wish<'_>,
) -> Result<&'static str, Refused> {
    if !may_operate(release, user) {
        let message = format!("{} may not operate runs", user.name);
        let remedy = format!("Ask somebody with the role {}", who(release, RUNS));
        return Err(Refused::new(StatusCode::FORBIDDEN, "IL-CON-010", message, remedy));
    }
    let (operation, did) = run_operation(operation, wish)?;
    console.operations.operate(run, operation, &user.name).await?;
    console.boards.forget().await;
    Ok(did)
}

/// What is to be done with a run, and the word for that it was done.
///
/// # Errors
/// When there is no such operation, or it lacks its reason.
pub(crate) fn run_operation(operation: &str, wish: Wish<'_>) -> Result<(RunOperation, &'static str), Refused> {
    let reason = wish.note.map(str::trim).filter(|note| !note.is_empty());
    Ok(match operation {
        "retry" => (RunOperation::Retry { input: wish.record }, "retried"),
        "suspend" => (RunOperation::Suspend, "halted"),
        "resume" => (RunOperation::Resume, "resumed"),
        "restart" => (RunOperation::Restart, "restarted"),
        "cancel" => {
            let Some(reason) = reason else {
                let (message, remedy) = ("Cancelling a run needs a reason", "Say in a sentence why");
                return Err(Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "IL-CON-013", message, remedy));
            };
            (RunOperation::Cancel { reason: reason.into() }, "cancelled")
        }
        other => {
            let message = format!("There is no operation “{other}”");
            let remedy = "Choose one of: retry, cancel, suspend, resume, restart";
            return Err(Refused::new(StatusCode::NOT_FOUND, "IL-CON-015", message, remedy));
        }
    })
}

/// What people call a queue.
pub(crate) fn queue_title(release: &Release, queue: &str) -> String {
    release.queues.get(queue).map_or_else(|| label(queue), |queue| queue.title.to_string())
}
