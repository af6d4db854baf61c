//! A workflow as a picture, with or without a run on it.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::Response;
use maud::html;
use model::RunId;
use workflow::draw::{Drawing, Marks};

use crate::format::{label, time};
use crate::here::Here;
use crate::layout;
use crate::pages::problem;
use crate::parts::{drawn, matter_name, matter_path, run_status, workflow_path};
use crate::picture::{self, Picture};
use crate::reads::read;
use crate::story::{Part, RunView, Story, run_view, story};

/// `GET /workflows/{name}?run=…`
pub(crate) async fn page(
    here: Here,
    Path(name): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let fields = query.map(|Query(fields)| fields).unwrap_or_default();
    match fields.iter().find(|(name, _)| name == "run").map(|(_, run)| run.parse::<RunId>()) {
        None => by_itself(&here, &name),
        Some(Ok(run)) => with_run(&here, &name, run).await,
        Some(Err(_)) => problem::missing(&here, "run"),
    }
}

fn by_itself(here: &Here, name: &str) -> Response {
    let Some(definition) = here.release.workflows.get(name) else { return problem::missing(here, "workflow") };
    let workflow = &definition.workflow;
    let picture = Picture { drawing: Some(Drawing::of(workflow, &Marks::default())), note: None };
    let title = workflow.title().map_or_else(|| label(name), ToString::to_string);
    let content = html! {
        header.head {
            div {
                h1 { (title) }
                p.sub { span.mono { (definition.file) } " · version " (workflow.version()) }
                @if let Some(summary) = workflow.summary() { p.sub { (summary) } }
            }
        }
        section.part aria-label="The workflow" { (drawn(&picture, "workflow", &title, true)) }
    };
    layout::page(here, &title, "transactions", content)
}

async fn with_run(here: &Here, name: &str, id: RunId) -> Response {
    let (release, now) = (here.release.clone(), here.now);
    let found = read(here.console.operations.store(), move |store| {
        let Some(row) = store.run(id)? else { return Ok(None) };
        let Some(story) = story(store, &release, row.transaction, Part::default())? else { return Ok(None) };
        let run = run_view(store, row)?;
        let picture = picture::of_run(store, &release, &story, &run, now)?;
        Ok(Some((story, run, picture)))
    });
    match found.await {
        Ok(Some((story, run, picture))) if *run.row.workflow == *name => shown(here, &story, &run, &picture),
        Ok(_) => problem::missing(here, "run"),
        Err(error) => problem::unavailable(&error),
    }
}

fn shown(here: &Here, story: &Story, run: &RunView, picture: &Picture) -> Response {
    let title = label(&run.row.workflow);
    let content = html! {
        header #run .head data-live {
            div {
                nav.crumbs aria-label="Where this is" {
                    a href="/transactions" { "Transactions" } "›" a href=(matter_path(&story.matter)) { (story.matter.title) }
                }
                h1 { (title) " " (run_status(run.row.status)) }
                p.sub { (matter_name(&story.matter)) " · began " (time(run.row.started_at, here.now)) }
                @if here.release.workflows.contains_key(&*run.row.workflow) {
                    p.sub.faint { a href=(workflow_path(&run.row.workflow, None)) { "The workflow by itself" } }
                }
            }
        }
        section #pictures .part data-live aria-label="Where the run is" {
            (drawn(picture, &format!("run-{}", run.row.id), &title, true))
        }
    };
    layout::page(here, &title, "transactions", content)
}
