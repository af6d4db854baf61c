//! Pages with pictures of workflows, as a browser gets them: by HTTP from a console over a store on disk.

use std::sync::Arc;

use model::{RunId, Value};
use store::{Mutation, RunRow, RunStatus, WorkItemStatus};
use workflow::{Fault, FaultType, Input, Position};

use crate::world::{WORKFLOW, World};

const ASKS: &str = "/do/1/askForCredit";

/// The classes of a task in the picture.
fn classes<'a>(page: &'a str, pointer: &str) -> &'a str {
    let (before, _) = page.split_once(&format!("data-pointer=\"{pointer}\"")).expect("the task is drawn");
    let (_, classes) = before.rsplit_once("class=\"").expect("classes");
    classes.split('"').next().expect("classes")
}

/// The place at which a run waits, of which this is the number.
fn place(attempt: u32) -> String {
    Position { pointer: ASKS.into(), iterations: Vec::new(), attempt }.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_shows_where_its_run_waits_for_a_person() {
    let world = World::open().await;
    let run = world.run(world.workflow(), Vec::new()).await;
    world.item(run.id, &place(1), WorkItemStatus::Open).await;
    let page = world.matter_page().await;
    assert_eq!(classes(&page, "/do/0/prepare"), "node task kind-set is-done");
    assert_eq!(classes(&page, ASKS), "node task kind-call is-current");
    assert_eq!(classes(&page, "/do/2/pause"), "node task kind-wait");
    assert!(page.contains("Here now: waits for a person: Credit hold, since 2023-11-14 22:13 UTC"), "{page}");
    // It is followed live, can be reached by keyboard, and read without looking at it.
    assert!(page.contains("<div class=\"stack\" id=\"pictures\" data-live>"), "{page}");
    assert!(page.contains("data-scroll tabindex=\"0\" role=\"region\" aria-label=\"Order as a picture\""), "{page}");
    let name = format!("run-{}", run.id);
    let link = page.split_once(&format!("href=\"#{name}-task-")).expect("a link to where it is").1;
    let number = link.split('"').next().expect("a number");
    assert!(page.contains(&format!(" id=\"{name}-task-{number}\"")), "the link leads into the picture");
    assert!(page.contains("prepare (set) · sets total · Done"), "{page}");
    assert!(!page.contains("earlier text"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_with_pictures_keep_to_the_policy_that_forbids_inline_styles() {
    let world = World::open().await;
    world.run(world.workflow(), Vec::new()).await;
    let page = world.matter_page().await;
    assert!(page.contains("<svg class=\"workflow-picture\""));
    assert!(!page.contains("<style") && !page.contains(" style="), "{page}");
    let (status, style) = world.get("/assets/workflow.css").await;
    assert_eq!(status, 200);
    assert!(style.contains(".workflow-picture .is-current"));
    assert!(page.contains("href=\"/assets/workflow.css\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_shows_what_failed() {
    let world = World::open().await;
    let position = Position { pointer: ASKS.into(), iterations: Vec::new(), attempt: 1 };
    let down = Fault::new(FaultType::Communication, "the <desk> is closed");
    world.run(world.workflow(), vec![Input::Returned { position, result: Err(down) }]).await;
    let page = world.matter_page().await;
    assert_eq!(classes(&page, ASKS), "node task kind-call is-failed");
    assert!(page.contains("Failed: Communication Error: the &lt;desk&gt; is closed"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_an_earlier_text_is_drawn_by_it_or_said_to_have_no_picture() {
    let world = World::open().await;
    let text: Arc<str> = WORKFLOW.replace("askForCredit", "askFirst").into();
    let earlier = world.release.load_workflow_text(&text).expect("it fits");
    let run = world.run(&earlier, Vec::new()).await;
    let page = world.matter_page().await;
    assert!(page.contains("which is not kept any more: there is no picture of it"), "{page}");
    assert!(!page.contains("<svg class=\"workflow-picture\""));

    world.commit(vec![Mutation::PutDefinition { hash: Arc::clone(&run.definition), text }]).await;
    let page = world.matter_page().await;
    assert!(page.contains("that is the one drawn here"), "{page}");
    assert_eq!(classes(&page, "/do/1/askFirst"), "node task kind-call is-current");

    // What another text was, by a made-up hash.
    let text: Arc<str> = WORKFLOW.replace("credit:1.0.0@queue", "gone:1.0.0@queue").into();
    let hash: Arc<str> = "00".repeat(32).into();
    let put = Mutation::PutDefinition { hash: Arc::clone(&hash), text };
    world.commit(vec![put, Mutation::PutRun(RunRow { definition: hash, parts: Vec::new(), ..run })]).await;
    let page = world.matter_page().await;
    assert!(page.contains("does not fit the functions of today: there is no picture of it"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_run_has_a_page_with_what_it_did() {
    let world = World::open().await;
    let asks = Position { pointer: ASKS.into(), iterations: Vec::new(), attempt: 1 };
    let pauses = Position { pointer: "/do/2/pause".into(), iterations: Vec::new(), attempt: 2 };
    let steps =
        vec![Input::Returned { position: asks, result: Ok(Value::empty_object()) }, Input::Fired { position: pauses }];
    let run = world.run(world.workflow(), steps).await;
    assert_eq!(run.status, RunStatus::Completed);
    for _ in 0..2 {
        world.item(run.id, &place(1), WorkItemStatus::Resolved).await;
    }
    let page = world.matter_page().await;
    let link = format!("/workflows/order?run={}", run.id);
    assert!(!page.contains("<svg class=\"workflow-picture\"") && page.contains(&link), "{page}");
    let (status, page) = world.get(&link).await;
    assert_eq!(status, 200);
    for pointer in ["/do/0/prepare", ASKS, "/do/2/pause"] {
        assert!(classes(&page, pointer).ends_with("is-done"), "{pointer}");
    }
    assert!(page.contains("Done 2 times") && page.contains("Completed"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_has_a_page_and_what_is_no_workflow_has_none() {
    let world = World::open().await;
    let run = world.run(world.workflow(), Vec::new()).await;
    let (status, page) = world.get("/workflows/order").await;
    assert_eq!(status, 200);
    assert!(page.contains("Orders &lt;at once&gt;") && page.contains("workflows/order.yaml"), "{page}");
    assert!(classes(&page, ASKS) == "node task kind-call" && !page.contains("is-current"));
    for path in [
        "/workflows/nothing".to_owned(),
        "/workflows/%3Cscript%3E".to_owned(),
        "/workflows/order?run=nonsense".to_owned(),
        format!("/workflows/order?run={}", RunId::now()),
        format!("/workflows/other?run={}", run.id),
    ] {
        let (status, page) = world.get(&path).await;
        assert_eq!(status, 404, "{path}: {page}");
        assert!(!page.contains("<script>"));
    }
}
