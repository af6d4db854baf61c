//! What the good project becomes.

use std::sync::Arc;
use std::time::Duration;

use definitions::{ActionStyle, ApiSource, Effect, FeedSource, Schedule, Target};
use model::Value;

use crate::support::{changed, good, load, project};

#[test]
fn defaults_are_filled_in() {
    let (release, warnings) = load(&project("good")).unwrap_or_else(|error| panic!("{}", error.render(false)));
    assert!(warnings.is_empty(), "{}", release.sources.render(&warnings, false));
    assert_eq!(release.settings.store.to_str(), Some("data/interlock.db"));
    assert_eq!(release.settings.api.map(|address| address.port()), Some(8080));
    assert_eq!(release.settings.events_token.as_deref(), Some("env:EVENTS_TOKEN"));
    let erp = &release.connections["erp"];
    assert_eq!(
        erp.settings.to_string(),
        r#"{"url":"https://erp.example.com","auth":{"user":"interlock","password":"env:ERP_PASSWORD"}}"#
    );
    assert_eq!((erp.limits.concurrent, erp.limits.per_second, erp.limits.daily), (6, Some(50), None));
    assert_eq!((erp.retry.first, erp.retry.factor), (Duration::from_millis(100), 1.5));
    let crm = &release.connections["crm"];
    assert_eq!((crm.limits.concurrent, crm.retry.longest), (8, Duration::from_secs(30)));
    let create = &erp.functions["create-order"];
    assert_eq!(
        (&*create.record, create.effect, create.timeout),
        ("A_SalesOrder", Effect::Once, Duration::from_secs(30))
    );
    let feed = &erp.feeds["orders"];
    assert_eq!((&*feed.event_type, feed.object.as_str()), ("interlock.order.changed.v1", "order"));
    assert_eq!(feed.source, FeedSource::Push("order.*".into()));
    assert_eq!(feed.sweep.as_ref().map(|sweep| sweep.overlap), Some(Duration::from_secs(300)));
    assert_eq!(&*crm.feeds["quotes"].event_type, "acme.quote.accepted.v1");
    let queue = &release.queues["credit"];
    assert_eq!((queue.clock, queue.actions["reject"].style), (Duration::from_secs(4 * 3600), ActionStyle::Danger));
    assert!(queue.actions["reject"].note_required && !queue.actions["release"].note_required);
    let api = &release.apis[0];
    assert!(matches!(&api.source, ApiSource::Function(function) if &*function.name.to_string() == "simulate"));
    assert_eq!(
        (api.timeout, api.per_minute, api.response_document.clone()),
        (Duration::from_secs(5), None, Value::Null)
    );
}

#[test]
fn what_is_asked_of_the_system_comes_from_the_mapping() {
    let release = good();
    let find = &release.connections["erp"].functions["find-orders"];
    let names = |names: &[Arc<str>]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(names(&find.select.fields), "PurchaseOrder SalesOrder Country Net Currency Extra");
    assert_eq!(find.select.children.len(), 2);
    assert_eq!(names(&find.select.children[0].1.fields), "Material Quantity Plant");
    assert_eq!(names(&release.connections["crm"].feeds["quotes"].select.fields), "Number__c");
}

#[test]
fn calls_find_their_targets() {
    let release = good();
    let target = |call: &str| release.target(&call.parse().expect("a call"));
    assert!(matches!(target("create-order:1.0.0@erp"), Some(Target::Connection(_))));
    assert!(matches!(target("create-order@erp"), Some(Target::Connection(_))));
    assert!(target("create-order:1.0.1@erp").is_none());
    assert!(matches!(target("credit:1.0.0@queue"), Some(Target::Queue(_))));
    assert!(matches!(target("milestone:1.0.0@process"), Some(Target::Milestone)));
    assert!(target("create-order:1.0.0").is_none());
}

#[test]
fn a_pinned_workflow_is_compiled_again() {
    let release = good();
    let pinned = &release.workflows["order"];
    let again = release.load_workflow_text(&pinned.text).expect("it fits");
    assert_eq!(again.hash(), pinned.workflow.hash());
    let gone = pinned.text.replace("create-order", "remove-order").into();
    let problems = release.load_workflow_text(&gone).expect_err("there is no such function").into_sorted();
    assert!(problems[0].message.contains("remove-order"), "{}", problems[0]);
}

#[test]
fn a_null_member_counts_as_absent_for_the_schema() {
    let release = good();
    let object = |text: &str| model::json::parse(text.as_bytes()).expect("JSON");
    let order = &release.objects["order"];
    assert!(order.check(&object(r#"{"key":"Q-1","number":null,"lines":[{"product":null}]}"#)).is_ok());
    let violations = order.check(&object(r#"{"key":null,"number":1}"#)).expect_err("does not fit");
    let mut told: Vec<String> = violations.iter().map(ToString::to_string).collect();
    told.sort();
    assert_eq!(told, ["/number: 1 is not of type \"string\"", "`key` is missing"]);
}

/// The good project, in which orders are swept, wait for their parent in the CRM, and are kept in agreement.
fn swept(feed: &str) -> tempfile::TempDir {
    let read = |file: &str| std::fs::read_to_string(project("good").join(file)).expect("the file");
    let told = "    push: order.*\n    id: .SalesOrder\n";
    let waits = "resolve: { as: parent, object: order, id: .number }";
    let erp = read("connections/erp.yaml");
    assert!(erp.contains(told) && erp.contains(waits), "{erp}");
    let erp = erp.replace(told, feed).replace(waits, &waits.replace(" }", ", at: crm }"));
    let order = read("objects/order.yaml") + "sides: { erp: {}, crm: {} }\nsuccessors: [erp]\n";
    changed([("connections/erp.yaml", erp.as_bytes()), ("objects/order.yaml", order.as_bytes())])
}

#[test]
fn a_feed_may_be_swept_only_and_wait_for_a_record_of_another_connection() {
    let folder = swept("    record: A_SalesOrder\n");
    let (release, _) = load(folder.path()).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let feed = &release.connections["erp"].feeds["orders"];
    assert_eq!(feed.source, FeedSource::Sweep);
    assert!(!feed.matches_push("order.changed"));
    assert_eq!(feed.resolve[0].at.as_ref().map(model::ConnectionName::as_str), Some("crm"));
    let sides = &release.synchronised["order"].policy.sides;
    assert!(sides["erp"].reads.contains("parent"), "what is resolved is read: {:?}", sides["erp"].reads);
    assert!(!sides["crm"].reads.contains("parent"));
    let successors: Vec<&str> = release.synchronised["order"].successors.iter().map(|side| side.as_str()).collect();
    assert_eq!(successors, ["erp"]);
}

#[test]
fn what_is_wrong_with_a_swept_feed_is_told() {
    let folder = swept("    record: A_SalesOrder\n    id: .SalesOrder\n    changed: [Status]\n");
    let path = folder.path().join("connections/erp.yaml");
    let text = std::fs::read_to_string(&path).expect("the file");
    std::fs::write(&path, text.replace("at: crm", "at: cmr")).expect("written");
    let path = folder.path().join("objects/order.yaml");
    let text = std::fs::read_to_string(&path).expect("the file");
    std::fs::write(&path, text.replace("successors: [erp]", "successors: [wms]")).expect("written");
    let Err(error) = load(folder.path()) else { panic!("there are mistakes") };
    let told = error.to_string();
    for part in [
        "nothing tells of this feed's changes, so `id` has nothing to look at",
        "nothing tells of this feed's changes, so `changed` has nothing to look at",
        "there is no connection `cmr`",
        "`wms` is none of the sides",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
}

#[test]
fn a_mapping_whose_jq_cannot_be_seen_through_is_no_warning_where_its_users_say_what_they_ask_for() {
    let read = |file: &str| std::fs::read_to_string(project("good").join(file)).expect("the file");
    let quotes =
        "object: order\nconnection: crm\nrecord: Quote\nfields:\n  key: { read: '[.Lines[]? | .Number] | .[0]' }\n";
    let crm = read("connections/crm.yaml");
    let told = |crm: &str| {
        let folder =
            changed([("mappings/order.crm.yaml", quotes.as_bytes()), ("connections/crm.yaml", crm.as_bytes())]);
        let (release, warnings) = load(folder.path()).unwrap_or_else(|error| panic!("{}", error.render(false)));
        release.sources.render(&warnings, false)
    };
    let warned = told(&crm);
    assert!(warned.contains("which fields this jq reads cannot be seen"), "{warned}");
    let selected =
        crm.replace("    key: .key\n", "    key: .key\n    select: { children: { Lines: { fields: [Number] } } }\n");
    assert_ne!(selected, crm);
    assert_eq!(told(&selected), "");
}

#[test]
fn a_feed_that_could_lose_changes_without_a_sweep_is_warned_of() {
    let crm = std::fs::read_to_string(project("good").join("connections/crm.yaml")).expect("the file");
    let unswept = crm.replace("    sweep: { every: 60s, overlap: 2m }\n", "");
    assert_ne!(unswept, crm);
    let folder = changed([("connections/crm.yaml", unswept.as_bytes())]);
    let (release, warnings) = load(folder.path()).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let told = release.sources.render(&warnings, false);
    assert!(told.contains("what the subscription loses"), "{told}");
    assert!(told.contains("add `sweep: { every: 60s }`") && told.contains("connections/crm.yaml"), "{told}");
}

/// The swept project, in which orders are compared so.
fn compared(reconcile: &str) -> tempfile::TempDir {
    let folder = swept("    record: A_SalesOrder\n");
    let path = folder.path().join("objects/order.yaml");
    let text = std::fs::read_to_string(&path).expect("the file") + reconcile;
    std::fs::write(&path, text).expect("written");
    folder
}

#[test]
fn an_object_is_compared_by_its_schedule_and_told_in_its_queue() {
    let reconciling = |text: &str| {
        let folder = compared(text);
        let (release, _) = load(folder.path()).unwrap_or_else(|error| panic!("{}", error.render(false)));
        release.synchronised["order"].reconciling.clone().expect("it is compared")
    };
    let found = reconciling("reconcile: { schedule: { every: 24h } }\n");
    assert_eq!(found.schedule, Schedule::Every(Duration::from_secs(86_400)));
    assert_eq!(found.sides.each_ref().map(|side| side.as_str()), ["erp", "crm"]);
    assert_eq!((found.queue.as_str(), found.repair), ("data", false));
    let found = reconciling(
        "reconcile: { schedule: { cron: '0 3 * * *' }, between: [crm, erp], queue: credit, repair: true }\n",
    );
    assert!(matches!(&found.schedule, Schedule::Cron(cron) if &**cron.text() == "0 3 * * *"));
    assert_eq!(found.sides.each_ref().map(|side| side.as_str()), ["crm", "erp"]);
    assert_eq!((found.queue.as_str(), found.repair), ("credit", true));
}

#[test]
fn what_is_wrong_with_a_comparison_is_told() {
    for (text, part) in [
        ("reconcile: { queue: credit }\n", "`reconcile` needs `schedule`"),
        ("reconcile: { schedule: {} }\n", "`schedule` needs `every` or `cron`"),
        ("reconcile: { schedule: { every: 0s } }\n", "`every` is a length of time"),
        ("reconcile: { schedule: { cron: '61 * * * *' } }\n", "`61 * * * *` is no cron expression"),
        ("reconcile: { schedule: { every: 1h }, between: [crm] }\n", "two sides are compared"),
        ("reconcile: { schedule: { every: 1h }, between: [crm, wms] }\n", "`wms` is none of the sides"),
        ("reconcile: { schedule: { every: 1h }, queue: credits }\n", "there is no queue `credits`"),
    ] {
        let folder = compared(text);
        let Err(error) = load(folder.path()) else { panic!("{text} is taken") };
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}

#[test]
fn what_a_side_would_hold_is_in_its_form_also_where_it_is_written_after_the_making_or_taken_away_by_another_function() {
    let read = |file: &str| std::fs::read_to_string(project("good").join(file)).expect("the file");
    let functions = "functions:\n  change-order: { version: 1.0.0, action: update, key: { value: .id }, mapping: order.erp }\n  \
                     drop-order: { version: 1.0.0, action: delete, record: A_SalesOrder, key: { value: .id } }\n";
    let erp = read("connections/erp.yaml").replacen("functions:\n", functions, 1);
    let mapping = read("mappings/order.erp.yaml").replace("length: 10", "length: 10, case: upper");
    let order = read("objects/order.yaml")
        + "sides:\n  crm: {}\n  erp:\n    create: { function: create-order, members: [customer.country] }\n    update:\n      \
           - { function: change-order, members: [key, customer.country], when: .key != null }\n      \
           - { function: drop-order, members: [key], when: .key == null }\n";
    let folder = changed([
        ("connections/erp.yaml", erp.as_bytes()),
        ("mappings/order.erp.yaml", mapping.as_bytes()),
        ("objects/order.yaml", order.as_bytes()),
    ]);
    let (release, _) = load(folder.path()).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let order = &release.synchronised["order"];
    let (writers, side) = (&order.writers["erp"], &order.policy.sides["erp"]);
    let fields: sync::Fields =
        [("key", "q-1")].into_iter().map(|(name, key)| (name.into(), Value::from(key))).collect();
    for create in [true, false] {
        let normal = writers.normal(create, &side.reads, &fields);
        assert_eq!(normal.get("key"), Some(&Value::from("Q-1")), "{create}: {normal:?}");
    }
}
