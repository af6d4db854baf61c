//! The picture of a workflow, and on it how a run stands.

use std::collections::HashMap;
use std::sync::Arc;

use definitions::Release;
use jiff::Timestamp;
use store::{IntentRow, RunRow, RunStatus, Store, StoreError, WorkItemStatus};
use workflow::draw::{Drawing, Mark, Marks};
use workflow::{FunctionReference, Position, Waiting, WaitingFor, Workflow};

use crate::actions::queue_title;
use crate::format::{counted, label};
use crate::parts::system;
use crate::story::{RunView, Story};

/// A picture, or why there is none.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) drawing: Option<Drawing>,
    /// What has to be said about it, in a sentence.
    pub(crate) note: Option<&'static str>,
}

/// The picture of a run by the text of the workflow that it is pinned to.
pub(crate) fn of_run(
    store: &dyn Store,
    release: &Release,
    story: &Story,
    run: &RunView,
    now: Timestamp,
) -> Result<Picture, StoreError> {
    let draw = |workflow: &Workflow| Some(Drawing::of(workflow, &marks(workflow, release, story, run, now)));
    let live = release.workflows.get(&*run.row.workflow).map(|definition| &definition.workflow);
    if let Some(workflow) = live.filter(|workflow| is_pinned(workflow, &run.row.definition)) {
        return Ok(Picture { drawing: draw(workflow), note: None });
    }
    let Some(text) = store.definition(&run.row.definition)? else {
        let note =
            "This run goes by an earlier text of the workflow, which is not kept any more: there is no picture of it.";
        return Ok(Picture { drawing: None, note: Some(note) });
    };
    Ok(match release.load_workflow_text(&text) {
        Ok(workflow) => Picture {
            drawing: draw(&workflow),
            note: Some("This run goes by an earlier text of the workflow than new ones: that is the one drawn here."),
        },
        Err(_) => Picture {
            drawing: None,
            note: Some(
                "This run goes by an earlier text of the workflow that does not fit the functions of today: there is no picture of it.",
            ),
        },
    })
}

/// Most runs of one matter that are drawn on its page.
const RUNS_MAX: usize = 3;

/// The runs of a matter that have not ended, and their pictures.
pub(crate) fn of_live(
    store: &dyn Store,
    release: &Release,
    story: &Story,
    now: Timestamp,
) -> Result<Vec<(RunRow, Picture)>, StoreError> {
    let ended = |run: &&RunView| matches!(run.row.status, RunStatus::Completed | RunStatus::Cancelled);
    let live = story.runs.iter().filter(|run| !ended(run)).take(RUNS_MAX);
    live.map(|run| Ok((run.row.clone(), of_run(store, release, story, run, now)?))).collect()
}

/// Whether a run with this pin goes by this workflow.
fn is_pinned(workflow: &Workflow, pin: &str) -> bool {
    let hash = workflow.hash();
    pin.len() == 2 * hash.len()
        && hash.iter().zip(pin.as_bytes().chunks(2)).all(|(byte, digits)| {
            std::str::from_utf8(digits).is_ok_and(|digits| u8::from_str_radix(digits, 16) == Ok(*byte))
        })
}

/// How a run stands, as far as is known: where it is from its state, what people did from its items, what systems did from
/// the timeline where only one task can have asked for it, and the rest from where it must have come past.
fn marks(workflow: &Workflow, release: &Release, story: &Story, run: &RunView, now: Timestamp) -> Marks {
    let mut marks = Marks::default();
    for waiting in &run.waiting {
        marks.add(&waiting.position.pointer, waits(waiting, release, story, run, now));
    }
    let own = story.items.iter().filter(|item| item.status == WorkItemStatus::Resolved);
    let places = own.filter_map(|item| item.run.as_ref().filter(|(id, _)| *id == run.row.id).map(|(_, place)| place));
    for place in places {
        let position = std::str::from_utf8(place).ok().and_then(|text| text.parse::<Position>().ok());
        if let Some(position) = position {
            marks.add(&position.pointer, Mark::Done(1));
        }
    }
    if !story.timeline.more && story.timeline.offset == 0 {
        by_systems(workflow, release, story, run, &mut marks);
    }
    match run.row.status {
        RunStatus::Completed => marks.reckon_completed(workflow),
        RunStatus::Live | RunStatus::Suspended | RunStatus::Failed => marks.reckon(workflow),
        RunStatus::Cancelled => {}
    }
    marks
}

/// What the timeline says was done by functions that only one task of all workflows calls.
fn by_systems(workflow: &Workflow, release: &Release, story: &Story, run: &RunView, marks: &mut Marks) {
    let mut done: HashMap<&str, u32> = HashMap::new();
    let lines = story.timeline.lines.iter().filter(|line| &*line.kind == "done" && line.at >= run.row.started_at);
    for function in lines.filter_map(|line| line.detail.get("function").as_str()) {
        *done.entry(function).or_default() += 1;
    }
    // Lines name functions without their versions.
    let said = |function: &FunctionReference| match &function.catalog {
        Some(catalog) => format!("{}@{catalog}", function.name),
        None => function.name.to_string(),
    };
    let mut callers: HashMap<String, Vec<&Arc<str>>> = HashMap::new();
    for (pointer, function) in workflow.calls() {
        callers.entry(said(function)).or_default().push(pointer);
    }
    let others = release.workflows.values().map(|definition| &definition.workflow);
    for (_, function) in others.filter(|other| other.name() != workflow.name()).flat_map(Workflow::calls) {
        callers.remove(&said(function));
    }
    for (function, times) in done {
        if let Some([pointer]) = callers.get(function).map(Vec::as_slice) {
            marks.add(pointer, Mark::Done(times));
        }
    }
}

/// For what the run waits at one place, in one line.
fn waits(waiting: &Waiting, release: &Release, story: &Story, run: &RunView, now: Timestamp) -> Mark {
    let place = waiting.position.to_string();
    let since = |said: String| Mark::Current(format!("{said}, since {}", clock(waiting.since, now)));
    let item = story.items.iter().find(|item| {
        item.status == WorkItemStatus::Open
            && item.run.as_ref().is_some_and(|(id, own)| *id == run.row.id && **own == *place.as_bytes())
    });
    if let Some(item) = item {
        return since(format!("waits for a person: {}", queue_title(release, &item.queue)));
    }
    let intent = run.intents.iter().find(|intent| *intent.position == *place.as_bytes());
    match waiting.reason {
        WaitingFor::Call | WaitingFor::Request => match intent {
            Some(intent) => match trouble(intent, release) {
                Some(trouble) => Mark::Retrying(trouble),
                None => since(format!("waits for {}", system(release, &intent.connection))),
            },
            None => since("waits for an answer".to_owned()),
        },
        WaitingFor::Workflow => since("waits for the other workflow".to_owned()),
        WaitingFor::Event => since("waits for news from the systems".to_owned()),
        WaitingFor::Pause { until } => Mark::Current(format!("pauses until {}", clock(until, now))),
        WaitingFor::Retry { at, retries } => Mark::Retrying(format!("retry {retries} at {}", clock(at, now))),
        WaitingFor::Turn => Mark::Current("goes on in a moment".to_owned()),
        WaitingFor::Deadline { until } => Mark::Current(format!("has time until {}", clock(until, now))),
        WaitingFor::Person => Mark::Failed(run.fault.clone().unwrap_or_else(|| "it waits for a person".to_owned())),
    }
}

/// What a system said the last time that something was sent there in vain.
fn trouble(intent: &IntentRow, release: &Release) -> Option<String> {
    let error = intent.last_error.as_deref()?;
    let times = counted(u64::from(intent.attempts), "time", "times");
    let system = system(release, &intent.connection);
    Some(format!("{} was tried {times} in {system}: {error}", label(&intent.function)))
}

/// The time of an instant of today, and the day of another.
fn clock(at: Timestamp, now: Timestamp) -> String {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let format = if day(at) == day(now) { "%H:%M UTC" } else { "%Y-%m-%d %H:%M UTC" };
    at.strftime(format).to_string()
}
