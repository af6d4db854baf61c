//! A record that is wanted again after its run has ended: one run for each occasion, one after the other.

use store::RunStatus;

use crate::world::{ALL, World};

/// The project, in which a quote that was not accepted in between is another occasion.
fn counted(of: &str) -> String {
    crate::project::file("connections/sys.yaml").replace(
        "quotes: { topic: /Quote, record: Quote, mapping: quote.sys, object: quote, key: .number }",
        &format!(
            "quotes:\n    topic: /Quote\n    record: Quote\n    mapping: quote.sys\n    object: quote\n    key: .number\n    \
             only: .status != \"draft\"\n    occasion: {{ of: '{of}', as: attempt }}"
        ),
    )
}

/// Its orders have a key for each attempt.
fn workflow() -> String {
    crate::project::file("workflows/quote-to-cash.yaml")
        .replace("(\"Q-\" + .number)", "(\"Q-\" + .number + \"-\" + (.attempt | tostring))")
}

fn object() -> String {
    crate::project::file("objects/quote.yaml").replace("total: {", "attempt: { type: integer }, total: {")
}

fn changed() -> [(&'static str, String); 3] {
    [
        ("connections/sys.yaml", counted(".status == \"accepted\"")),
        ("workflows/quote-to-cash.yaml", workflow()),
        ("objects/quote.yaml", object()),
    ]
}

async fn world() -> World {
    let files = changed();
    World::with(&files.each_ref().map(|(name, text)| (*name, text.as_str()))).await
}

async fn restarted(world: World) -> World {
    let files = changed();
    world.restart(&files.each_ref().map(|(name, text)| (*name, text.as_str()))).await
}

/// The runs of this key, by status.
fn runs(world: &World) -> Vec<RunStatus> {
    let found = world.runtime.store().runs(&store::RunFilter::default(), ALL).expect("a read");
    found.iter().map(|run| run.status).collect()
}

async fn seen(world: &World, key: &str) {
    world.system.quote(key, 100, "accepted");
    world.matter(key, "ordered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_occasion_starts_one_run_and_what_is_no_occasion_none() {
    let world = world().await;
    world.system.quote("1", 5000, "accepted");
    let item = world.item("credit").await;
    world.decide(item.id, "reject", Some("no"), None).await.expect("rejected");
    world.matter("1", "rejected").await;
    // It changes, and was accepted all the time.
    world.system.quote("1", 5001, "accepted");
    seen(&world, "2").await;
    assert_eq!(world.matter("1", "rejected").await.stage.as_ref(), "rejected");
    world.system.quote("1", 5001, "draft");
    seen(&world, "3").await;
    world.system.quote("1", 100, "accepted");
    let matter = world.matter("1", "ordered").await;
    let keys: Vec<_> =
        world.system.all("Order").iter().filter_map(|one| one.get("Key").as_str().map(str::to_owned)).collect();
    assert!(keys.contains(&"Q-1-2".to_owned()) && keys.len() == 3, "{keys:?}");
    let lines = world.journal(&matter);
    assert_eq!(lines.first().map(String::as_str), Some("quote 1 starts quote-to-cash"), "{lines:?}");
    assert!(lines.iter().any(|line| line == "quote 1 starts quote-to-cash again, on occasion 2"), "{lines:?}");
    assert_eq!(runs(&world).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occasion_waits_for_the_run_before_it_also_through_a_restart() {
    let world = world().await;
    world.system.quote("1", 5000, "accepted");
    let item = world.item("credit").await;
    world.system.quote("1", 5000, "draft");
    seen(&world, "2").await;
    world.system.quote("1", 6000, "accepted");
    seen(&world, "3").await;
    assert_eq!(runs(&world).len(), 3, "one at a time");
    let world = restarted(world).await;
    seen(&world, "4").await;
    assert_eq!(runs(&world).len(), 4, "one at a time");
    world.decide(item.id, "reject", Some("no"), None).await.expect("rejected");
    // What holds by then is what counts.
    let again = world.item("credit").await;
    assert_eq!(again.amount.expect("an amount").to_string(), "6000 GBP");
    world.decide(again.id, "release", None, None).await.expect("released");
    world.matter("1", "ordered").await;
    assert_eq!(runs(&world).len(), 5);
    world.until("empty inbox", |store| store.inbox().expect("a read").is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_any_more_when_its_turn_comes_is_not_started() {
    let world = world().await;
    world.system.quote("1", 5000, "accepted");
    let item = world.item("credit").await;
    world.system.quote("1", 5000, "draft");
    seen(&world, "2").await;
    world.system.quote("1", 6000, "accepted");
    seen(&world, "3").await;
    world.system.quote("1", 6000, "draft");
    seen(&world, "4").await;
    world.decide(item.id, "reject", Some("no"), None).await.expect("rejected");
    world.until("empty inbox", |store| store.inbox().expect("a read").is_empty().then_some(())).await;
    assert_eq!(runs(&world).len(), 4);
    assert_eq!(world.matter("1", "rejected").await.stage.as_ref(), "rejected");
}
