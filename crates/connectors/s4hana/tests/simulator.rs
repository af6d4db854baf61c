//! The connector against the simulated S/4HANA, over the wire: what the scripted tests cannot know is whether both sides
//! of a whole order to cash understand each other.

use std::sync::Arc;
use std::time::Duration;

use connect::{
    Action, Call, Connection, Connector, ErrorClass, Key, Secret, SecretError, Secrets, Selection, Settings,
};
use connector_s4hana::S4Hana;
use model::{Value, json};
use sandbox_s4hana::{Options, Running, Timing, serve};

const ORDERS: &str = "API_SALES_ORDER_SRV/A_SalesOrder";

struct Password;

impl Secrets for Password {
    fn get(&self, _: &str) -> Result<Secret, SecretError> {
        Ok(Secret::new("sandbox".into()))
    }
}

fn value(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

struct World {
    running: Running,
    erp: Arc<dyn Connection>,
    http: reqwest::Client,
}

impl World {
    async fn start() -> Self {
        let step = Duration::from_millis(5);
        let timing = Timing { delivery_after: step, goods_issue_after: step, invoice_after: step, payment_after: step };
        let running = serve(Options { timing, ..Options::default() }).await.expect("a simulator");
        let settings = value(&format!(
            r#"{{"connector":"s4hana","url":"{}","client":"100","auth":{{"flow":"basic","username":"INTERLOCK","password":"env:P"}},
                "simulations":["API_SALES_ORDER_SIMULATION_SRV"],
                "changes":{{"API_MATERIAL_STOCK_SRV/A_MaterialStock":"*","API_BUSINESS_PARTNER/A_BusinessPartnerContact":"*"}},
                "related":{{"API_BUSINESS_PARTNER/A_BusinessPartner":
                    {{"relationships":{{"record":"A_BusinessPartnerContact","field":"BusinessPartnerPerson"}}}}}}}}"#,
            running.url
        ));
        let erp = S4Hana.open(Settings { name: "erp".into(), settings: &settings, secrets: &Password });
        let world = Self { running, erp: erp.expect("a connection"), http: reqwest::Client::new() };
        world
            .control(
                "POST",
                "seed",
                r#"{"products":[{"product":"85123A","price":"2.55","plants":["1010"],"stock":100000},
                    {"product":"71053","price":"3.39","plants":["1020"],"stock":100000}],
                  "customers":[{"customer":"10100001","name":"Kiosk","country":"GB","externalId":"17850"}]}"#,
            )
            .await;
        world
    }

    async fn control(&self, method: &str, path: &str, body: &str) {
        let url = format!("{}/_sandbox/{path}", self.running.url);
        let method = method.parse().expect("a method");
        let answer = self.http.request(method, url).body(body.to_owned()).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    /// Waits until there is something; ten seconds are taken for never.
    async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let waiting = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("there is no {what}"))
    }

    async fn one(&self, call: Call) -> Result<Value, connect::CallError> {
        self.erp.execute(&[call]).await.pop().expect("a result")
    }
}

fn call(action: Action, record: &str, body: &str) -> Call {
    Call {
        intent: None,
        action,
        record: record.into(),
        key: None,
        body: value(body),
        select: Arc::default(),
        probe: Vec::new(),
        insist: false,
    }
}

fn order(key: &str) -> Call {
    let body = format!(
        r#"{{"SalesOrderType":"OR","SalesOrganization":"1010","DistributionChannel":"10","OrganizationDivision":"00",
            "SoldToParty":"10100001","PurchaseOrderByCustomer":"{key}","TransactionCurrency":"GBP",
            "to_Item":[{{"Material":"85123A","RequestedQuantity":6,"ProductionPlant":"1010",
                "to_PricingElement":[{{"ConditionType":"PPR0","ConditionRateValue":2.50,"ConditionCurrency":"GBP"}}]}}]}}"#
    );
    let mut call = call(Action::Create, ORDERS, &body);
    call.probe = vec![("PurchaseOrderByCustomer".into(), key.into())];
    call
}

#[tokio::test]
async fn deliveries_that_only_know_the_day_of_a_change_are_found_at_each_change() {
    let world = World::start().await;
    world.control("PUT", "timing", r#"{"deliveryAfterMs":1,"goodsIssueAfterMs":3600000}"#).await;
    world.one(order("Q-1-1010")).await.expect("an order");
    let since = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(2);
    let changes = async || {
        let found = world.erp.changed_since("API_OUTBOUND_DELIVERY_SRV/A_OutbDeliveryHeader", since, None).await;
        found.expect("changes").records
    };
    let first = world.until("a delivery", async || changes().await.into_iter().next()).await;
    world.control("PUT", "timing", r#"{"goodsIssueAfterMs":1}"#).await;
    world.one(order("Q-2-1010")).await.expect("another order");
    // The same day, and another mark: its goods have left.
    let shipped =
        world.until("a goods issue", async || changes().await.into_iter().find(|(id, _)| *id != first.0)).await;
    world.until("another mark", async || changes().await.into_iter().find(|(_, mark)| *mark != first.1)).await;
    assert_ne!(shipped.0, first.0);
    assert_eq!(
        changes().await.into_iter().find(|(id, _)| *id == first.0),
        Some(first),
        "what did not change keeps its mark"
    );
}

#[tokio::test]
async fn of_records_that_do_not_tell_when_they_changed_all_are_found_with_a_mark_of_what_they_say() {
    let world = World::start().await;
    let stock = async || {
        let found =
            world.erp.changed_since("API_MATERIAL_STOCK_SRV/A_MaterialStock", jiff::Timestamp::now(), None).await;
        found.expect("records").records
    };
    let before = stock().await;
    assert_eq!(before.iter().map(|(id, _)| &**id).collect::<Vec<_>>(), ["71053", "85123A"]);
    assert_eq!(stock().await, before, "what did not change keeps its mark");
    // The change is in a record below.
    world.control("PUT", "stock", r#"[{"product":"85123A","plant":"1010","quantity":"7"}]"#).await;
    let after = stock().await;
    assert_eq!((&after[0], after[1].1 == before[1].1), (&before[0], false));
    let read = Call {
        key: Some(Key { field: "".into(), value: Value::from(Arc::clone(&after[1].0)) }),
        select: Arc::new(Selection {
            fields: Vec::new(),
            children: vec![("to_MatlStkInAcctMod".into(), Selection::default())],
        }),
        ..call(Action::Read, "API_MATERIAL_STOCK_SRV/A_MaterialStock", "null")
    };
    let read = world.one(read).await.expect("a record");
    assert_eq!(read.get("to_MatlStkInAcctMod").at(0).get("MatlWrhsStkQtyInMatlBaseUnit"), &value("7"));
}

#[tokio::test]
async fn an_order_goes_from_simulation_to_payment() {
    let world = World::start().await;
    let simulation = call(
        Action::Create,
        "API_SALES_ORDER_SIMULATION_SRV/A_SalesOrderSimulation",
        r#"{"SalesOrderType":"OR","SalesOrganization":"1010","DistributionChannel":"10","OrganizationDivision":"00",
            "SoldToParty":"10100001","TransactionCurrency":"GBP","to_Pricing":{},"to_Credit":{},
            "to_Item":[{"Material":"85123A","RequestedQuantity":6},{"Material":"71053","RequestedQuantity":2}]}"#,
    );
    let simulated = world.one(simulation).await.expect("a simulation");
    let items = simulated.get("to_Item").items();
    assert_eq!(items.len(), 2, "{simulated}");
    assert_eq!((items[0].get("Plant"), items[1].get("Plant")), (&Value::from("1010"), &Value::from("1020")));
    assert_eq!(simulated.get("to_Pricing").get("TotalNetAmount"), &value("22.08"));

    let created = world.one(order("Q-1-1010")).await.expect("an order");
    let number = created.get("SalesOrder").clone();
    assert_eq!(created.get("TotalNetAmount"), &value("15"), "the quoted price counts");

    let mut select =
        Selection { fields: vec!["BillingDocument".into(), "InvoiceClearingStatus".into()], children: Vec::new() };
    select.children.push(("to_Item".into(), Selection { fields: vec!["SalesDocument".into()], children: Vec::new() }));
    let select = Arc::new(select);
    let mut paid = None;
    for _ in 0..400 {
        let changed = world
            .erp
            .changed_since(
                "API_BILLING_DOCUMENT_SRV/A_BillingDocument",
                "2020-01-01T00:00:00Z".parse().expect("a time"),
                None,
            )
            .await
            .expect("changes");
        if let Some((id, _)) = changed.records.first() {
            let read = Call {
                key: Some(Key { field: "".into(), value: Value::from(Arc::clone(id)) }),
                select: Arc::clone(&select),
                ..call(Action::Read, "API_BILLING_DOCUMENT_SRV/A_BillingDocument", "null")
            };
            let invoice = world.one(read).await.expect("an invoice");
            assert_eq!(invoice.get("to_Item").at(0).get("SalesDocument"), &number);
            if invoice.get("InvoiceClearingStatus") == &Value::from("C") {
                paid = Some(invoice);
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(paid.is_some(), "the order is paid");
}

#[tokio::test]
async fn orders_of_one_batch_stand_alone() {
    let world = World::start().await;
    let mut wrong = order("Q-2-1010");
    wrong.body = value(&json::to_string(&wrong.body).replace("85123A", "NOSUCH"));
    let results = world.erp.execute(&[order("Q-1-1010"), wrong, order("Q-3-1010")]).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert_eq!(results[1].as_ref().expect_err("refused").class, ErrorClass::Rejected);
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_commit_is_in_doubt_and_found() {
    let world = World::start().await;
    world.one(order("Q-0-1010")).await.expect("the session stands");
    world.control("PUT", "faults", r#"{"timeout_after_commit": 1.0}"#).await;
    let lost = world.one(order("Q-1-1010")).await.expect_err("no answer");
    assert_eq!(lost.class, ErrorClass::Ambiguous, "{lost}");
    world.control("PUT", "faults", r#"{"timeout_after_commit": 0.0}"#).await;
    let found = world.erp.probe(&order("Q-1-1010")).await.expect("a probe").expect("the order");
    assert_eq!(found.get("PurchaseOrderByCustomer"), &Value::from("Q-1-1010"));
    assert_eq!(world.erp.probe(&order("Q-9-1010")).await, Ok(None));
}

#[tokio::test]
async fn the_vendors_weather_is_understood() {
    let world = World::start().await;
    world.one(order("Q-0-1010")).await.expect("the session stands");
    for (fault, wanted) in [
        ("row_lock", Some(ErrorClass::Locked)),
        ("too_many_requests", Some(ErrorClass::Throttled)),
        // Nobody knows how far a request got that a gateway answers so.
        ("unavailable", Some(ErrorClass::Ambiguous)),
    ] {
        world.control("PUT", "faults", &format!(r#"{{"{fault}": 1.0}}"#)).await;
        let result = world.one(order("Q-1-1010")).await;
        world.control("PUT", "faults", &format!(r#"{{"{fault}": 0.0}}"#)).await;
        assert_eq!(result.as_ref().err().map(|error| error.class), wanted, "{fault}: {result:?}");
    }
    assert_eq!(world.erp.probe(&order("Q-1-1010")).await, Ok(None), "nothing was created");
    // Expired tokens and sessions are fetched anew without anybody noticing.
    for fault in ["csrf_expired", "session_expired"] {
        world.control("PUT", "faults", &format!(r#"{{"{fault}": 0.5}}"#)).await;
        for round in 0..6 {
            let key = format!("{}-{round}", &fault[..4]);
            let result = world.one(order(&key)).await;
            let expected = |class: ErrorClass| class.is_transient() || class == ErrorClass::Unauthorized;
            assert!(result.as_ref().err().is_none_or(|error| expected(error.class)), "{fault}: {result:?}");
        }
        world.control("PUT", "faults", &format!(r#"{{"{fault}": 0.0}}"#)).await;
    }
    world.one(order("Q-2-1010")).await.expect("all is well again");
}

#[tokio::test]
async fn relationships_come_with_the_persons_that_they_name_and_go_once() {
    const PARTNERS: &str = "API_BUSINESS_PARTNER/A_BusinessPartner";
    const RELATIONSHIPS: &str = "API_BUSINESS_PARTNER/A_BusinessPartnerContact";
    let world = World::start().await;
    let create = async |record: &str, body: &str| world.one(call(Action::Create, record, body)).await.expect("created");
    let mut persons = Vec::new();
    for (name, related) in [("Lovelace", true), ("Hopper", false), ("Hamilton", true)] {
        let body = format!(r#"{{"BusinessPartnerCategory":"1","LastName":"{name}"}}"#);
        let number = create(PARTNERS, &body).await.get("BusinessPartner").as_str().expect("a number").to_owned();
        if related {
            let body = format!(
                r#"{{"BusinessPartnerCompany":"10100001","BusinessPartnerPerson":"{number}","RelationshipCategory":"BUR001",
                    "ValidityEndDate":"9999-12-31","to_ContactRelationship":{{"EmailAddress":"{name}@example.com"}}}}"#
            );
            create(RELATIONSHIPS, &body).await;
        }
        persons.push(number);
    }
    let of =
        |fields: &[&str]| Selection { fields: fields.iter().map(|field| (*field).into()).collect(), children: vec![] };
    let mut below = of(&["RelationshipNumber", "BusinessPartnerCompany", "BusinessPartnerPerson", "ValidityEndDate"]);
    below.children.push(("to_ContactRelationship".into(), of(&["EmailAddress"])));
    let select = Arc::new(Selection { children: vec![("relationships".into(), below)], ..of(&["LastName"]) });
    let read = |number: &str| Call {
        key: Some(Key { field: "BusinessPartner".into(), value: number.into() }),
        select: Arc::clone(&select),
        ..call(Action::Read, PARTNERS, "null")
    };
    let calls: Vec<Call> = persons.iter().map(|number| read(number)).chain([read("4711")]).collect();
    let found: Vec<Value> = world.erp.execute(&calls).await.into_iter().map(|result| result.expect("read")).collect();
    let emails: Vec<Vec<&str>> = found
        .iter()
        .map(|person| person.get("relationships").items().iter())
        .map(|rows| rows.filter_map(|row| row.get("to_ContactRelationship").get("EmailAddress").as_str()).collect())
        .collect();
    assert_eq!(emails, [vec!["Lovelace@example.com"], vec![], vec!["Hamilton@example.com"], vec![]]);
    assert!(found[1].get("relationships").as_array().is_some(), "none is a list as well: {}", found[1]);
    assert_eq!(found[3], Value::Null);
    // All of them are seen by a sweep, and one that is deleted twice is deleted.
    let seen = async || {
        let page = world.erp.changed_since(RELATIONSHIPS, jiff::Timestamp::now(), None).await.expect("a sweep");
        page.records.into_iter().map(|(id, _)| json::parse(id.as_bytes()).expect("a key")).collect::<Vec<Value>>()
    };
    let keys = seen().await;
    assert_eq!(keys.len(), 2);
    let delete = || Call {
        key: Some(Key { field: "RelationshipNumber".into(), value: keys[0].clone() }),
        ..call(Action::Delete, RELATIONSHIPS, "null")
    };
    for _ in 0..2 {
        world.one(delete()).await.expect("deleted");
    }
    assert_eq!(seen().await, keys[1..]);
}
