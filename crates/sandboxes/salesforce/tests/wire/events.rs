//! Change data capture over the Pub/Sub API.

use apache_avro::types::Value as Avro;
use pubsub_proto::{FetchRequest, TopicRequest};
use reqwest::Method;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{From, Org, field, header};

fn texts(value: &Avro) -> Vec<&str> {
    match value {
        Avro::Array(items) => items
            .iter()
            .map(|item| match item {
                Avro::String(text) => text.as_str(),
                other => panic!("{other:?} is no text"),
            })
            .collect(),
        other => panic!("{other:?} is no list"),
    }
}

#[tokio::test]
async fn an_accepted_quote_is_told_with_the_fields_that_changed() {
    let org = Org::start().await;
    let (quote, number) = org.quote().await;
    let mut client = org.pubsub().await;
    // Created, and changed by each of its lines.
    let mut feed = client.subscribe("/data/QuoteChangeEvent", From::Earliest, 10).await.expect("a subscription");
    feed.next(3).await.expect("events");
    let path = format!("/sobjects/Quote/{quote}");
    let accept = org
        .request(Method::PATCH, &path)
        .header("sforce-call-options", "client=desk")
        .json(&json!({"Status": "Accepted", "Description": null}));
    assert_eq!(accept.send().await.expect("an answer").status(), 204);
    let event = feed.next(1).await.expect("an event").remove(0);
    let fields = client.decode(&event.schema, &event.payload).await;
    assert_eq!(field(&fields, "Status"), &Avro::String("Accepted".to_owned()));
    assert_eq!(field(&fields, "QuoteNumber"), &Avro::Null, "what did not change is not told");
    assert_eq!(header(&fields, "entityName"), &Avro::String("Quote".to_owned()));
    assert_eq!(texts(header(&fields, "recordIds")), [quote.as_str()]);
    assert_eq!(header(&fields, "changeType"), &Avro::Enum(1, "UPDATE".to_owned()));
    assert_eq!(header(&fields, "changeOrigin"), &Avro::String("com/salesforce/api/rest/67.0;client=desk".to_owned()));
    // The bitmap names the place of `Status` in the schema and nothing else that has a value.
    let bitmap = texts(header(&fields, "changedFields"))[0];
    let bits = u128::from_str_radix(bitmap.trim_start_matches("0x"), 16).expect("hexadecimal");
    let named: Vec<&str> = fields
        .iter()
        .enumerate()
        .filter(|(place, _)| bits >> place & 1 == 1)
        .map(|(_, (name, _))| name.as_str())
        .collect();
    assert!(named.contains(&"Status") && !named.contains(&"Name"), "{named:?} of {number}");
}

#[tokio::test]
async fn what_was_told_can_be_heard_again() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    for name in ["a", "b", "c"] {
        org.create("Account", json!({ "Name": name })).await;
    }
    let mut all = client.subscribe("/data/AccountChangeEvent", From::Earliest, 3).await.expect("a subscription");
    let events = all.next(3).await.expect("events");
    let mut names = Vec::new();
    for event in &events {
        match field(&client.decode(&event.schema, &event.payload).await, "Name") {
            Avro::String(name) => names.push(name.clone()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(names, ["a", "b", "c"]);
    let after = From::After(events[0].replay.clone());
    let mut rest = client.subscribe("/data/AccountChangeEvent", after, 100).await.expect("a subscription");
    let again = rest.next(2).await.expect("events");
    assert_eq!(again[0].replay, events[1].replay);
    // The topic of all changes has them too.
    let mut everything = client.subscribe("/data/ChangeEvents", From::Earliest, 3).await.expect("a subscription");
    assert_eq!(everything.next(3).await.expect("events")[2].replay, events[2].replay);
}

#[tokio::test]
async fn nothing_is_sent_that_was_not_asked_for() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    for name in ["a", "b", "c"] {
        org.create("Account", json!({ "Name": name })).await;
    }
    let mut feed = client.subscribe("/data/AccountChangeEvent", From::Earliest, 2).await.expect("a subscription");
    let first = feed.answers.message().await.expect("an answer").expect("an open stream");
    assert_eq!((first.events.len(), first.pending_num_requested), (2, 0));
    let more =
        FetchRequest { topic_name: "/data/AccountChangeEvent".to_owned(), num_requested: 5, ..Default::default() };
    feed.asking.send(more).await.expect("a request");
    let second = feed.answers.message().await.expect("an answer").expect("an open stream");
    assert_eq!((second.events.len(), second.pending_num_requested), (1, 4));
}

#[tokio::test]
async fn no_more_than_a_hundred_events_are_owed() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    for number in 0..5 {
        org.create("Account", json!({ "Name": format!("n{number}") })).await;
    }
    let mut feed = client.subscribe("/data/AccountChangeEvent", From::Earliest, 100).await.expect("a subscription");
    let first = feed.answers.message().await.expect("an answer").expect("an open stream");
    assert_eq!((first.events.len(), first.pending_num_requested), (5, 95));
    feed.asking.send(FetchRequest { num_requested: 100, ..Default::default() }).await.expect("a request");
    // When the request has arrived only the org knows: until then each event leaves one less to come.
    let mut owed = 95;
    loop {
        org.create("Account", json!({"Name": "one more"})).await;
        let answer = feed.answers.message().await.expect("an answer").expect("an open stream");
        assert_eq!(answer.rpc_id, first.rpc_id);
        if answer.pending_num_requested != owed - 1 {
            assert_eq!(answer.pending_num_requested, 99);
            break;
        }
        owed = answer.pending_num_requested;
    }
}

#[tokio::test]
async fn one_transaction_is_told_in_its_order() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    let records: Vec<_> =
        (0..3).map(|number| json!({"attributes": {"type": "Account"}, "Name": format!("n{number}")})).collect();
    let (status, _) = org.send(Method::POST, "/composite/sobjects", json!({ "records": records })).await;
    assert_eq!(status, 200);
    let mut feed = client.subscribe("/data/AccountChangeEvent", From::Earliest, 10).await.expect("a subscription");
    let events = feed.next(3).await.expect("events");
    let mut keys = Vec::new();
    for (place, event) in events.iter().enumerate() {
        let fields = client.decode(&event.schema, &event.payload).await;
        assert_eq!(header(&fields, "sequenceNumber"), &Avro::Int(i32::try_from(place).expect("small") + 1));
        keys.push(header(&fields, "transactionKey").clone());
    }
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    // The same change of several records is one event.
    let ids: Vec<_> = org.rows("SELECT Id FROM Account").await;
    let same: Vec<_> = ids
        .iter()
        .map(|row| json!({"attributes": {"type": "Account"}, "Id": row["Id"], "Industry": "Retail"}))
        .collect();
    org.send(Method::PATCH, "/composite/sobjects", json!({ "records": same })).await;
    let event = feed.next(1).await.expect("an event").remove(0);
    let fields = client.decode(&event.schema, &event.payload).await;
    assert_eq!(texts(header(&fields, "recordIds")).len(), 3);
}

#[tokio::test]
async fn emptied_fields_and_parts_of_addresses_are_named() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    let id =
        org.create("Account", json!({"Name": "Acme", "Site": "x", "BillingCity": "Ulm", "BillingCountry": "DE"})).await;
    let body = json!({"Site": null, "BillingCity": "Bonn"});
    let (status, _) = org.send(Method::PATCH, &format!("/sobjects/Account/{id}"), body).await;
    assert_eq!(status, 204);
    let mut feed = client.subscribe("/data/AccountChangeEvent", From::Earliest, 10).await.expect("a subscription");
    let event = feed.next(2).await.expect("events").remove(1);
    let fields = client.decode(&event.schema, &event.payload).await;
    let place = |name: &str| fields.iter().position(|(known, _)| known == name).expect("a field");
    let nulled = texts(header(&fields, "nulledFields"))[0];
    let bits = u128::from_str_radix(nulled.trim_start_matches("0x"), 16).expect("hexadecimal");
    assert_eq!(bits, 1 << place("Site"));
    // City is the second part of an address.
    let inside = format!("{}-0x02", place("BillingAddress"));
    assert!(
        texts(header(&fields, "changedFields")).contains(&inside.as_str()),
        "{:?}",
        header(&fields, "changedFields")
    );
}

#[tokio::test]
async fn deleting_is_told_with_the_id_alone() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    let id = org.create("Account", json!({"Name": "Acme"})).await;
    org.send(Method::DELETE, &format!("/sobjects/Account/{id}"), json!(null)).await;
    let mut feed = client.subscribe("/data/AccountChangeEvent", From::Earliest, 10).await.expect("a subscription");
    let event = feed.next(2).await.expect("events").remove(1);
    let fields = client.decode(&event.schema, &event.payload).await;
    assert_eq!(header(&fields, "changeType"), &Avro::Enum(2, "DELETE".to_owned()));
    assert_eq!(field(&fields, "Name"), &Avro::Null);
}

#[tokio::test]
async fn places_that_never_were_are_refused() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    for (place, wanted) in
        [(vec![1, 2, 3], "corrupted"), (vec![0; 8], "validation.failed"), (vec![0xff; 8], "validation.failed")]
    {
        let mut feed =
            client.subscribe("/data/AccountChangeEvent", From::After(place), 1).await.expect("a subscription");
        let status = feed.next(1).await.err().expect("an error");
        assert_eq!(status.code(), Code::InvalidArgument);
        let told = status.metadata().get("error-code").and_then(|code| code.to_str().ok()).expect("the vendor's code");
        assert!(told.ends_with(&format!("fetch.replayid.{wanted}")), "{told}");
    }
}

/// The id in the trailers of an error, which its text has to end with.
fn traced(status: &Status) -> String {
    let id = status.metadata().get("rpc-id").and_then(|id| id.to_str().ok()).expect("the call's id");
    assert!(status.message().ends_with(&format!(" rpcId: {id}")), "{id} is not in {}", status.message());
    id.to_owned()
}

#[tokio::test]
async fn errors_name_the_call_that_failed() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let request = client.request(TopicRequest { topic_name: "/data/Nothing".to_owned() });
        ids.push(traced(&client.stub.get_topic(request).await.expect_err("refused")));
    }
    let mut feed = client.subscribe("/data/AccountChangeEvent", From::Earliest, 0).await.expect("a subscription");
    ids.push(traced(&feed.next(1).await.err().expect("an error")));
    client.token = "00Dxx!wrong".to_owned();
    let request = client.request(TopicRequest { topic_name: "/data/AccountChangeEvent".to_owned() });
    ids.push(traced(&client.stub.get_topic(request).await.expect_err("refused")));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each call has an id of its own");
}

#[tokio::test]
async fn strangers_hear_nothing() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    client.token = "00Dxx!wrong".to_owned();
    let topic = TopicRequest { topic_name: "/data/QuoteChangeEvent".to_owned() };
    let request = client.request(topic.clone());
    let status = client.stub.get_topic(request).await.expect_err("refused");
    assert_eq!(status.code(), Code::Unauthenticated);
    client.token.clone_from(&org.token);
    let request = client.request(topic);
    let info = client.stub.get_topic(request).await.expect("a topic").into_inner();
    assert!(info.can_subscribe && !info.can_publish && !info.schema_id.is_empty());
    let request = client.request(TopicRequest { topic_name: "/data/Nothing".to_owned() });
    assert_eq!(client.stub.get_topic(request).await.expect_err("refused").code(), Code::NotFound);
}
