//! Products and their prices: one per price book, the standard price first, and both told of when they change.

use apache_avro::types::Value as Avro;
use reqwest::Method;
use serde_json::json;

use crate::support::{From, Org, code, field, header};

#[tokio::test]
async fn a_product_has_one_price_in_each_book_and_the_standard_one_first() {
    let org = Org::start().await;
    let standard = org.rows("SELECT Id FROM Pricebook2 WHERE IsStandard = true").await[0]["Id"].clone();
    let wholesale = org.create("Pricebook2", json!({"Name": "Wholesale", "IsActive": true})).await;
    let product =
        json!({"Name": "Teapot", "StockKeepingUnit": "T-1", "ExternalId": "4711", "QuantityUnitOfMeasure": "Each"});
    let product = org.create("Product2", product).await;
    let entry = |book: &serde_json::Value| json!({"Pricebook2Id": book, "Product2Id": product, "UnitPrice": 4.25});
    let refused = |answer: &(reqwest::StatusCode, serde_json::Value)| (answer.0.as_u16(), code(&answer.1).to_owned());
    let early = org.send(Method::POST, "/sobjects/PricebookEntry", entry(&json!(wholesale))).await;
    assert_eq!(refused(&early), (400, "STANDARD_PRICE_NOT_DEFINED".to_owned()), "{}", early.1);
    let first = org.create("PricebookEntry", entry(&standard)).await;
    org.create("PricebookEntry", entry(&json!(wholesale))).await;
    let again = org.send(Method::POST, "/sobjects/PricebookEntry", entry(&standard)).await;
    assert_eq!(refused(&again), (400, "FIELD_INTEGRITY_EXCEPTION".to_owned()), "{}", again.1);
    let message = again.1[0]["message"].as_str().expect("a message");
    assert_eq!(message, "This price definition already exists in this price book");
    // The product of a price is what it is.
    let path = format!("/sobjects/PricebookEntry/{first}");
    let moved = org.send(Method::PATCH, &path, json!({"Pricebook2Id": wholesale})).await;
    assert_eq!(refused(&moved), (400, "INVALID_FIELD_FOR_INSERT_UPDATE".to_owned()), "{}", moved.1);
    assert_eq!(org.send(Method::PATCH, &path, json!({"UnitPrice": 4.5})).await.0, 204);
    assert_eq!(org.get(&path).await.1["UnitPrice"], 4.5);
    // A deleted one makes room.
    org.send(Method::DELETE, &path, serde_json::Value::Null).await;
    org.create("PricebookEntry", entry(&standard)).await;
}

#[tokio::test]
async fn products_and_prices_tell_of_their_changes() {
    let org = Org::start().await;
    let (_, _) = org.quote().await;
    let entry = org.rows("SELECT Id, Product2Id FROM PricebookEntry").await.remove(0);
    let (id, product) = (entry["Id"].as_str().expect("an id"), entry["Product2Id"].as_str().expect("an id"));
    org.send(Method::PATCH, &format!("/sobjects/PricebookEntry/{id}"), json!({"UnitPrice": 5})).await;
    org.send(Method::PATCH, &format!("/sobjects/Product2/{product}"), json!({"IsActive": false})).await;
    let mut client = org.pubsub().await;
    for (topic, record, changed) in [("PricebookEntry", id, "UnitPrice"), ("Product2", product, "IsActive")] {
        let topic = format!("/data/{topic}ChangeEvent");
        let mut feed = client.subscribe(&topic, From::Earliest, 10).await.expect("a subscription");
        let event = feed.next(2).await.expect("events").remove(1);
        let fields = client.decode(&event.schema, &event.payload).await;
        assert_eq!(header(&fields, "changeType"), &Avro::Enum(1, "UPDATE".to_owned()), "{topic}");
        assert_eq!(header(&fields, "recordIds"), &Avro::Array(vec![Avro::String(record.to_owned())]), "{topic}");
        assert_ne!(field(&fields, changed), &Avro::Null, "{topic}");
    }
}
