//! Platform events, over REST and over the Pub/Sub API.

use apache_avro::types::Value as Avro;
use pubsub_proto::{ProducerEvent, PublishRequest, TopicRequest};
use reqwest::Method;
use serde_json::json;
use tonic::Code;

use crate::support::{From, Heard, Org, PubSub, field};

const SHIPPED: &str = "/event/Shipped__e";

#[tokio::test]
async fn an_event_published_over_rest_is_heard() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    let (status, answer) =
        org.send(Method::POST, "/sobjects/Shipped__e", json!({"Number__c": "7", "Amount__c": 1.25})).await;
    assert_eq!((status.as_u16(), &answer["success"]), (201, &json!(true)));
    let mut feed = client.subscribe("/event/Shipped__e", From::Earliest, 1).await.expect("a subscription");
    let event = feed.next(1).await.expect("an event").remove(0);
    assert_eq!(
        (&answer["errors"][0]["statusCode"], &answer["errors"][0]["message"]),
        (&json!("OPERATION_ENQUEUED"), &json!(event.id))
    );
    let fields = client.decode(&event.schema, &event.payload).await;
    assert_eq!(field(&fields, "Number__c"), &Avro::String("7".to_owned()));
    assert_eq!(field(&fields, "Amount__c"), &Avro::Double(1.25));
    // What was heard can be published as it is.
    let published = PublishRequest {
        topic_name: "/event/Shipped__e".to_owned(),
        events: vec![
            ProducerEvent {
                id: "a".to_owned(),
                schema_id: event.schema.clone(),
                payload: event.payload.clone(),
                headers: vec![],
            },
            ProducerEvent {
                id: "b".to_owned(),
                schema_id: event.schema.clone(),
                payload: vec![1, 2, 3],
                headers: vec![],
            },
        ],
        auth_refresh: String::new(),
    };
    let request = client.request(published);
    let results = client.stub.publish(request).await.expect("results").into_inner().results;
    assert!(results[0].error.is_none() && results[1].error.is_some());
    assert_eq!(results[0].correlation_key, "a");
    let mut again = client.subscribe("/event/Shipped__e", From::After(event.replay), 1).await.expect("a subscription");
    assert_eq!(again.next(1).await.expect("an event")[0].replay, results[0].replay_id);
}

/// An event that was heard, to be published anew.
fn again(event: &Heard, id: &str) -> ProducerEvent {
    ProducerEvent {
        id: id.to_owned(),
        schema_id: event.schema.clone(),
        payload: event.payload.clone(),
        headers: Vec::new(),
    }
}

/// An event of the topic, published over REST.
async fn first_event(org: &Org, client: &mut PubSub) -> Heard {
    org.send(Method::POST, "/sobjects/Shipped__e", json!({"Number__c": "7"})).await;
    let mut feed = client.subscribe(SHIPPED, From::Earliest, 1).await.expect("a subscription");
    feed.next(1).await.expect("an event").remove(0)
}

#[tokio::test]
async fn an_event_keeps_the_id_that_its_publisher_gave_it() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    let event = first_event(&org, &mut client).await;
    let events = vec![again(&event, "mine"), again(&event, "")];
    let request =
        client.request(PublishRequest { topic_name: SHIPPED.to_owned(), events, auth_refresh: String::new() });
    client.stub.publish(request).await.expect("results");
    let mut feed = client.subscribe(SHIPPED, From::After(event.replay), 2).await.expect("a subscription");
    let heard = feed.next(2).await.expect("events");
    assert_eq!(heard[0].id, "mine");
    assert!(heard[1].id.len() == 36 && heard[1].id != event.id, "{} is not made by the org", heard[1].id);
}

#[tokio::test]
async fn a_stream_of_events_keeps_to_its_topic() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    let event = first_event(&org, &mut client).await;
    let requests = [SHIPPED, "", SHIPPED, "/event/Other__e", SHIPPED].map(|topic| PublishRequest {
        topic_name: topic.to_owned(),
        events: vec![again(&event, "x")],
        auth_refresh: String::new(),
    });
    let request = client.request(tokio_stream::iter(requests));
    let mut answers = client.stub.publish_stream(request).await.expect("a stream").into_inner();
    for _ in 0..3 {
        let answer = answers.message().await.expect("an answer").expect("an open stream");
        assert!(answer.results[0].error.is_none());
    }
    let status = answers.message().await.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.metadata().contains_key("rpc-id"));
    assert!(status.message().contains(SHIPPED), "{}", status.message());
}

#[tokio::test]
async fn change_events_are_the_orgs_own() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    let request = client.request(TopicRequest { topic_name: "/event/Shipped__e".to_owned() });
    assert!(client.stub.get_topic(request).await.expect("a topic").into_inner().can_publish);
    let request =
        client.request(PublishRequest { topic_name: "/data/QuoteChangeEvent".to_owned(), ..Default::default() });
    assert_eq!(client.stub.publish(request).await.expect_err("refused").code(), Code::PermissionDenied);
}
