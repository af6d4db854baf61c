//! Platform events, over REST and over the Pub/Sub API.

use apache_avro::types::Value as Avro;
use pubsub_proto::{ProducerEvent, PublishRequest, TopicRequest};
use reqwest::Method;
use serde_json::json;
use tonic::Code;

use crate::support::{From, Org, field};

#[tokio::test]
async fn an_event_published_over_rest_is_heard() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    let (status, answer) =
        org.send(Method::POST, "/sobjects/Shipped__e", json!({"Number__c": "7", "Amount__c": 1.25})).await;
    assert_eq!((status.as_u16(), &answer["success"]), (201, &json!(true)));
    let mut feed = client.subscribe("/event/Shipped__e", From::Earliest, 1).await.expect("a subscription");
    let event = feed.next(1).await.expect("an event").remove(0);
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
