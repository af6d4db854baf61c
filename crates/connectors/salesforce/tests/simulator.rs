//! Bulk jobs against the simulated Salesforce, over the wire: what the scripted tests cannot know is whether both sides of a
//! whole load understand each other.

use std::collections::BTreeMap;

use connect::bulk::{self, Bulk, BulkError, BulkRead, Written};
use connect::{Action, Call, Connection, ErrorClass, Key, Secret, SecretError, Secrets, Settings};
use connector_salesforce::{Salesforce, SalesforceConnection};
use model::{Value, json};
use sandbox_salesforce::{Options, Running, serve};

struct Password;

impl Secrets for Password {
    fn get(&self, _: &str) -> Result<Secret, SecretError> {
        Ok(Secret::new("sandbox".into()))
    }
}

const METADATA: &str = "
objects:
  Account:
    fields:
      Key__c: { type: text, length: 20, externalId: true, unique: true }
      Amount__c: { type: currency, precision: 18, scale: 2 }
      Since__c: { type: date }
";

struct World {
    running: Running,
    crm: SalesforceConnection,
    _metadata: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("metadata.yaml");
        std::fs::write(&file, METADATA).expect("a file");
        let running = serve(Options { metadata: vec![file], ..Options::default() }).await.expect("a simulator");
        let crm = connect(&running);
        Self { running, crm, _metadata: folder }
    }

    async fn fault(&self, name: &str, rate: &str) {
        let url = format!("{}/_sandbox/faults", self.running.url);
        let answer = reqwest::Client::new().put(url).body(format!(r#"{{"{name}":{rate}}}"#)).send().await;
        assert!(answer.expect("an answer").status().is_success());
    }
}

fn connect(running: &Running) -> SalesforceConnection {
    let settings = format!(
        r#"{{"connector":"salesforce","url":"{}","auth":{{"flow":"client-credentials","clientId":"interlock","clientSecret":"env:S"}}}}"#,
        running.url
    );
    let settings = json::parse(settings.as_bytes()).expect("settings");
    Salesforce
        .connection(&Settings { name: "crm".into(), settings: &settings, secrets: &Password })
        .expect("a connection")
}

fn write(action: Action, record: &str, key: Option<(&str, &str)>, body: &str) -> Call {
    Call {
        intent: None,
        action,
        record: record.into(),
        key: key.map(|(field, value)| Key { field: field.into(), value: value.into() }),
        body: json::parse(body.as_bytes()).expect("a body"),
        select: Default::default(),
        probe: Vec::new(),
        insist: false,
    }
}

fn reading(fields: &[&str]) -> BulkRead {
    let fields = fields.iter().map(|field| (*field).into()).collect();
    BulkRead { record: "Account".into(), fields, since: None, before: None, deleted: false }
}

/// All records of a read, each page by a connection of its own, as if the process had died after each.
async fn load(world: &World, read: &BulkRead) -> Vec<Value> {
    let mut place = Some(world.crm.start_read(read).await.expect("a job").place);
    let mut records = Vec::new();
    while let Some(at) = place {
        let page = connect(&world.running).read_page(read, &at).await.expect("a page");
        records.extend(page.records);
        place = page.next;
    }
    records
}

#[tokio::test]
async fn a_whole_load_goes_there_and_back() {
    let world = World::start().await;
    let names = ["plain", " lead", "say \"x\", y", "two\r\nlines", "Ü漢😀", "#N/A!", "'"];
    let mut calls: Vec<Call> = (0..10_500)
        .map(|number: usize| {
            let name = json::to_string(&Value::from(format!("{} {number}", names[number % names.len()])));
            let body = format!(r#"{{"Name":{name},"Amount__c":{number}.25,"Since__c":"2026-11-23","Site":null}}"#);
            write(Action::Upsert, "Account", Some(("Key__c", &format!("K{number}"))), &body)
        })
        .collect();
    calls.push(write(Action::Upsert, "Account", Some(("Key__c", "K-without")), r#"{"Amount__c":1}"#));
    calls.push(write(Action::Upsert, "Account", Some(("Key__c", "K-text")), r##"{"Name":"#N/A"}"##));
    calls.push(write(Action::Upsert, "Account", Some(("Key__c", "k7")), r#"{"Site":"second"}"#));
    let bulk = world.crm.bulk().expect("bulk");
    let outcomes = bulk::write_all(bulk, &calls, |_, _| {}).await;
    assert!(
        outcomes[..10_500]
            .iter()
            .all(|outcome| outcome.as_ref().is_ok_and(|saved| saved.get("created") == &Value::from(true)))
    );
    let error = outcomes[10_500].as_ref().expect_err("no name");
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Rejected, "REQUIRED_FIELD_MISSING"));
    assert_eq!(outcomes[10_501].as_ref().expect_err("unfit").code, "bulk-text");
    assert_eq!(outcomes[10_502].as_ref().expect("updated").get("created"), &Value::from(false));

    let read =
        reading(&["Key__c", "Name", "Amount__c", "Since__c", "Site", "IsDeleted", "CreatedDate", "Owner.Username"]);
    let records: BTreeMap<String, Value> = load(&world, &read)
        .await
        .into_iter()
        .map(|record| (record.get("Key__c").as_str().expect("a key").to_owned(), record))
        .collect();
    assert_eq!(records.len(), 10_500);
    // The same record by the REST API, value for value.
    for key in ["K1", "K3", "K7", "K10499"] {
        let by_rest = Call {
            select: std::sync::Arc::new(connect::Selection { fields: read.fields.clone(), children: Vec::new() }),
            ..write(Action::Read, "Account", Some(("Key__c", key)), "null")
        };
        let by_rest = world.crm.execute(&[by_rest]).await.pop().expect("an answer").expect("a record");
        assert_eq!(records[key], by_rest, "{key}");
    }
    assert_eq!(records["K7"].get("Site").as_str(), Some("second"));
}

#[tokio::test]
async fn changed_records_only_and_lost_jobs() {
    let world = World::start().await;
    let create = |name: &str| write(Action::Create, "Account", None, &format!(r#"{{"Name":"{name}"}}"#));
    let saved = bulk::write_all(&world.crm, &[create("a"), create("b"), create("b")], |_, _| {}).await;
    let ids: Vec<String> = saved
        .iter()
        .map(|saved| saved.as_ref().expect("saved").get("Id").as_str().expect("an id").to_owned())
        .collect();
    let late = BulkRead { since: Some("2099-01-01T00:00:00Z".parse().expect("an instant")), ..reading(&["Name"]) };
    assert_eq!(load(&world, &late).await, []);
    let early = BulkRead { since: None, before: late.since, ..late };
    assert_eq!(load(&world, &early).await.len(), 3);

    let started = world.crm.start_read(&early).await.expect("a job");
    world.crm.read_page(&early, &started.place).await.expect("a page");
    world.crm.end_read(&started.place).await.expect("an end");
    let lost = world.crm.read_page(&early, &started.place).await;
    assert!(matches!(lost, Err(BulkError::PlaceLost(_))), "{lost:?}");

    let update = write(Action::Update, "Account", Some(("Id", &ids[0])), r#"{"Name":"A"}"#);
    let delete = |id: &str| write(Action::Delete, "Account", Some(("", id)), "null");
    assert!(bulk::write_all(&world.crm, &[update], |_, _| {}).await[0].is_ok());
    // A repeated delete has reached its aim.
    for _ in 0..2 {
        let outcome = bulk::write_all(&world.crm, &[delete(&ids[1])], |_, _| {}).await.pop().expect("an outcome");
        assert_eq!(outcome.expect("gone").get("Id").as_str(), Some(ids[1].as_str()));
    }
    let with_deleted = BulkRead { deleted: true, ..reading(&["Name", "IsDeleted"]) };
    let gone = load(&world, &with_deleted).await;
    assert_eq!(gone.iter().filter(|record| record.get("IsDeleted") == &Value::from(true)).count(), 1);
    assert!(gone.iter().any(|record| record.get("Name").as_str() == Some("A")));
}

#[tokio::test]
async fn lost_answers_and_locks_lose_and_double_nothing() {
    let world = World::start().await;
    let calls: Vec<Call> = (0..60)
        .map(|number| write(Action::Create, "Account", None, &format!(r#"{{"Name":"n{number}","Key__c":"{number}"}}"#)))
        .collect();
    let all: Vec<&Call> = calls.iter().collect();
    world.fault("row_lock", "0.3").await;
    let opened = world.crm.open_write(&all).await.expect("a job");
    let place = opened.place.expect("a place");
    world.fault("timeout_after_commit", "1").await;
    let error = world.crm.send(&place, &all).await.expect_err("a lost answer");
    assert_eq!(error.class, ErrorClass::Unavailable, "the upload itself was lost: the job is open");
    world.fault("timeout_after_commit", "0").await;
    let Ok(Written::Done(outcomes)) = world.crm.outcomes(&place, &all).await else { panic!("no outcomes") };
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(|error| error.code == "bulk-not-begun")));

    let mut left = calls;
    let mut rounds = 0;
    while !left.is_empty() {
        rounds += 1;
        let outcomes = bulk::write_all(&world.crm, &left, |_, _| {}).await;
        left = left
            .into_iter()
            .zip(outcomes)
            .filter_map(|(call, outcome)| match outcome {
                Ok(_) => None,
                Err(error) => {
                    assert_eq!(error.class, ErrorClass::Locked, "{error}");
                    Some(call)
                }
            })
            .collect();
    }
    assert!(rounds > 1);
    world.fault("row_lock", "0").await;
    assert_eq!(load(&world, &reading(&["Name"])).await.len(), 60);
}

#[tokio::test]
async fn what_a_duplicate_rule_refuses_is_named_and_made_for_who_insists_where_the_rule_allows_that() {
    let world = World::start().await;
    let rules = |action: &str| {
        let url = format!("{}/_sandbox/duplicate-rules", world.running.url);
        let rules = format!(r#"[{{"object":"Account","fields":["Name","BillingPostalCode"],"action":"{action}"}}]"#);
        let request = reqwest::Client::new().put(url).header("content-type", "application/json").body(rules);
        async move { assert!(request.send().await.expect("an answer").status().is_success()) }
    };
    let acme = r#"{"Name":"Acme","BillingPostalCode":"LS1"}"#;
    let create = || write(Action::Create, "Account", None, acme);
    let upsert = |key: &str| write(Action::Upsert, "account", Some(("Key__c", key)), acme);
    let first = world.crm.execute(&[create()]).await.pop().expect("an answer").expect("a record");
    rules("block").await;
    // One of several: the others are saved.
    let other = write(Action::Create, "Account", None, r#"{"Name":"Umbrella","BillingPostalCode":"LS1"}"#);
    let answers = world.crm.execute(&[create(), other]).await;
    assert!(answers[1].is_ok(), "{answers:?}");
    let upserted = world.crm.execute(&[upsert("K /1")]).await;
    for (answer, record) in [(&answers[0], "Account"), (&upserted[0], "account")] {
        let error = answer.as_ref().expect_err("it is refused");
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Rejected, "DUPLICATES_DETECTED"));
        let existing = error.existing.as_ref().expect("what there is");
        let records: Vec<_> = existing.records.iter().map(|one| (&*one.record, &*one.id, &*one.title)).collect();
        assert_eq!(records, [(record, first.get("Id").as_str().expect("an id"), "Acme")]);
        assert!(!existing.may_insist && !error.details.to_string().contains("LS1"), "{error:?}");
    }
    let insisting = |call: Call| Call { insist: true, ..call };
    let refused = world.crm.execute(&[insisting(create())]).await.pop().expect("an answer");
    assert_eq!(refused.expect_err("what is blocked stays so").code, "DUPLICATES_DETECTED");
    rules("alert").await;
    let asked = world.crm.execute(&[upsert("K /1")]).await.pop().expect("an answer").expect_err("it is refused");
    assert!(asked.existing.expect("what there is").may_insist);
    for call in [upsert("K /1"), create()] {
        let answer = world.crm.execute(&[insisting(call)]).await.pop().expect("an answer").expect("it is made");
        assert_eq!(answer.get("created").as_bool(), Some(true));
        assert_ne!(answer.get("Id"), first.get("Id"));
    }
    // It is found by its key from then on.
    let again = world.crm.execute(&[upsert("K /1")]).await.pop().expect("an answer").expect("a record");
    assert_eq!(again.get("created").as_bool(), Some(false));
}
