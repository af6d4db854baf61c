//! Simulated systems with master data, a new project between them, and both systems' own account of what happened.

use std::fs;
use std::ops::Deref;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::program::{Ended, Program, SOON, no_panic, until};
pub(crate) use crate::systems::Interlock;
use crate::systems::{CRM_API, ERP_PASSWORD, ERP_USER, EVENTS_TOKEN, Systems};

const ERP_API: &str = "sap/opu/odata/sap";
/// What every product costs.
const PRICE: f64 = 10.0;
/// Where every product ships from.
const PLANT: &str = "1010";

/// Both systems, a project, and somebody who buys something.
pub(crate) struct World {
    systems: Systems,
    pricebook: String,
    /// Somebody who buys, by the opportunity.
    pub(crate) customer: String,
    /// Something that is sold, by its price book entry.
    pub(crate) product: String,
}

impl Deref for World {
    type Target = Systems;

    fn deref(&self) -> &Systems {
        &self.systems
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut systems = Systems::new(&[]);
        systems.variables.extend([
            ("QUOTING_KEY", "the-key-of-quoting".to_owned()),
            ("OLIVIA_TOKEN", "the-token-of-olivia".to_owned()),
            ("FATIMA_TOKEN", "the-token-of-fatima".to_owned()),
        ]);
        let (pricebook, customer, product) = Default::default();
        let mut world = Self { systems, pricebook, customer, product };
        let found = world.records("SELECT Id FROM Pricebook2 WHERE IsStandard = true");
        world.pricebook = match found.first() {
            Some(pricebook) => pricebook["Id"].as_str().expect("an id").to_owned(),
            None => world.create("Pricebook2", &json!({"Name": "Wholesale", "IsActive": true})),
        };
        world.customer = world.new_customer(Some("1001")).1;
        world.product = world.new_product(Some("LAMP")).1;
        world
    }

    // ---- the project

    /// A path beside the project.
    pub(crate) fn beside(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// The command with the project and its environment, in which some variables are something else.
    fn arguments(&self, command: &str, other: &[(&str, &str)], more: &[&str]) -> Vec<String> {
        let mut text = String::new();
        for (name, usual) in &self.variables {
            let value = other.iter().find(|(own, _)| own == name).map_or(usual.as_str(), |(_, value)| value);
            text.push_str(&format!("{name}={value}\n"));
        }
        let file = self.beside("environment");
        fs::write(&file, text).expect("written");
        let project = self.project.to_string_lossy().into_owned();
        let mut arguments = vec![command.to_owned(), project, "--environment".to_owned(), file];
        arguments.extend(more.iter().map(|&more| more.to_owned()));
        arguments
    }

    /// Runs a command to its end.
    pub(crate) fn ends(&self, command: &str, other: &[(&str, &str)], more: &[&str]) -> Ended {
        let arguments = self.arguments(command, other, more);
        let ended = Program::run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        no_panic(&ended.errors);
        ended
    }

    /// Runs the project, as a person at a terminal does.
    pub(crate) fn interlock(&self, other: &[(&str, &str)], more: &[&str]) -> Interlock<'_> {
        let arguments = self.arguments("run", other, more);
        self.systems.interlock(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    // ---- the systems

    /// Makes every answer of the ERP slow, or fast again.
    pub(crate) fn slow_erp(&self, slow: bool) {
        self.control(&self.erp, "faults", &json!({"slow": if slow { 1.0 } else { 0.0 }}));
    }

    /// Creates a record in the CRM.
    pub(crate) fn create(&self, object: &str, fields: &Value) -> String {
        let url = format!("{}/{CRM_API}/sobjects/{object}", self.crm);
        let created = self.http.done(self.http.request(Method::POST, &url).bearer_auth(&self.token).json(fields));
        created["id"].as_str().expect("an id").to_owned()
    }

    /// Changes a record in the CRM.
    pub(crate) fn update(&self, object: &str, id: &str, fields: &Value) {
        let url = format!("{}/{CRM_API}/sobjects/{object}/{id}", self.crm);
        self.http.done(self.http.request(Method::PATCH, &url).bearer_auth(&self.token).json(fields));
    }

    /// What a query of the CRM finds.
    pub(crate) fn records(&self, soql: &str) -> Vec<Value> {
        let url = format!("{}/{CRM_API}/query", self.crm);
        let request = self.http.request(Method::GET, &url).bearer_auth(&self.token).query(&[("q", soql)]);
        let found = self.http.done(request);
        assert_eq!(found["done"], true, "more than one page");
        found["records"].as_array().expect("records").clone()
    }

    /// The customer references of all orders in the ERP.
    pub(crate) fn orders(&self) -> Vec<String> {
        let url = format!(
            "{}/{ERP_API}/API_SALES_ORDER_SRV/A_SalesOrder?$select=PurchaseOrderByCustomer&$top=1000&$format=json&sap-client=100",
            self.erp
        );
        let request = self.http.request(Method::GET, &url).basic_auth(ERP_USER, Some(ERP_PASSWORD));
        let found = self.http.done(request);
        assert!(found["d"]["__next"].is_null(), "more than one page");
        let orders = found["d"]["results"].as_array().expect("orders");
        orders.iter().map(|order| order["PurchaseOrderByCustomer"].as_str().expect("a text").to_owned()).collect()
    }

    /// An account, and an opportunity of it.
    pub(crate) fn new_customer(&self, number: Option<&str>) -> (String, String) {
        let name = format!("Customer {}", number.unwrap_or("without a number"));
        let account = json!({"Name": name, "AccountNumber": number, "BillingCountry": "United Kingdom"});
        let account = self.create("Account", &account);
        let opportunity = json!({
            "Name": "Wholesale", "AccountId": account, "StageName": "Negotiation/Review", "CloseDate": "2027-12-31",
            "Pricebook2Id": self.pricebook
        });
        let opportunity = self.create("Opportunity", &opportunity);
        (account, opportunity)
    }

    /// A product, and its price book entry; the ERP knows it when it has a code.
    pub(crate) fn new_product(&self, code: Option<&str>) -> (String, String) {
        let product = self.create("Product2", &json!({"Name": "Lamp", "ProductCode": code, "IsActive": true}));
        let entry = json!({
            "Pricebook2Id": self.pricebook, "Product2Id": product, "UnitPrice": PRICE, "IsActive": true
        });
        if let Some(code) = code {
            self.sell_in_erp(code);
        }
        let entry = self.create("PricebookEntry", &entry);
        (product, entry)
    }

    /// Has the ERP know a product.
    pub(crate) fn sell_in_erp(&self, code: &str) {
        let product = json!({
            "product": code, "description": "Lamp", "price": "10.00", "currency": "GBP", "plants": [PLANT],
            "stock": 1_000_000
        });
        let url = format!("{}/_sandbox/seed", self.erp);
        self.http.done(self.http.request(Method::POST, &url).json(&json!({"products": [product]})));
    }

    /// A complete quote that nobody has accepted yet.
    pub(crate) fn draft(&self, customer: &str, product: &str, more: &Value) -> String {
        let mut quote = json!({"OpportunityId": customer, "Name": "Order", "Pricebook2Id": self.pricebook});
        let fields = quote.as_object_mut().expect("an object");
        fields.extend(more.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        let quote = self.create("Quote", &quote);
        let line = json!({"QuoteId": quote, "PricebookEntryId": product, "Quantity": 2, "UnitPrice": PRICE});
        self.create("QuoteLineItem", &line);
        quote
    }

    /// The customer says yes.
    pub(crate) fn accept(&self, quote: &str) {
        self.update("Quote", quote, &json!({"Status": "Accepted"}));
    }

    /// So many accepted quotes with nothing special about them.
    pub(crate) fn accepted(&self, count: usize) -> Vec<String> {
        let drafts: Vec<String> = (0..count).map(|_| self.draft(&self.customer, &self.product, &Value::Null)).collect();
        drafts.iter().for_each(|quote| self.accept(quote));
        drafts
    }

    /// Waits until these quotes have become orders, as the sales person reads it.
    pub(crate) fn wait_for_orders(&self, quotes: &[String], within: Duration) {
        until(within, || {
            let found = self.records("SELECT Id, QuoteNumber, Interlock_Status__c FROM Quote");
            let waits = |record: &&Value| {
                let wanted = quotes.iter().any(|quote| record["Id"] == quote.as_str());
                wanted && !matches!(record["Interlock_Status__c"].as_str(), Some("Ordered" | "Completed"))
            };
            match found.iter().find(waits) {
                Some(record) => Err(format!("{record} is no order yet")),
                None => Ok(()),
            }
        });
    }

    /// Both systems have exactly one order for each of these quotes, and no other.
    pub(crate) fn ordered_once(&self, quotes: &[String]) {
        let found = self.records("SELECT Id, QuoteNumber FROM Quote");
        let number = |quote: &String| {
            let record = found.iter().find(|record| record["Id"] == quote.as_str()).expect("the quote");
            format!("{}-{PLANT}", record["QuoteNumber"].as_str().expect("a number"))
        };
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list
        };
        let wanted = sorted(quotes.iter().map(number).collect());
        assert_eq!(sorted(self.orders()), wanted, "orders in the ERP");
        let orders = self.records("SELECT Interlock_Key__c, ERP_Order_Number__c FROM Order");
        assert!(orders.iter().all(|order| order["ERP_Order_Number__c"].is_string()), "{orders:?}");
        let keys = orders.iter().map(|order| order["Interlock_Key__c"].as_str().expect("a key").to_owned());
        assert_eq!(sorted(keys.collect()), wanted, "orders in the CRM");
    }
}

impl Interlock<'_> {
    /// What the overview says of a connection.
    pub(crate) fn connection(&self, name: &str) -> Value {
        let (status, overview) = self.ops(Method::GET, "overview", None);
        assert_eq!(status, 200, "{overview}");
        let connections = overview["connections"].as_array().expect("connections");
        connections.iter().find(|one| one["name"] == name).expect("the connection").clone()
    }

    /// Nobody has to do anything.
    pub(crate) fn has_no_items(&self) {
        assert_eq!(self.items(), Vec::<Value>::new());
    }

    /// Waits for the open item whose record is, or belongs to, this quote.
    pub(crate) fn item_of(&self, quote: &str) -> Value {
        until(SOON, || {
            let items = self.items();
            let of = |item: &&Value| item["record"]["Id"] == quote || item["record"]["id"] == quote;
            items.iter().find(of).cloned().ok_or_else(|| format!("no item for {quote}: {items:?}"))
        })
    }

    /// Waits for the open item whose record has this value in this member.
    pub(crate) fn item_with(&self, member: &str, value: &str) -> Value {
        until(SOON, || {
            let items = self.items();
            let found = items.iter().find(|item| item["record"][member] == value).cloned();
            found.ok_or_else(|| format!("no item with {member} {value}: {items:?}"))
        })
    }

    /// Decides on an item.
    pub(crate) fn decide(&self, item: &Value, action: &str, body: &Value) {
        let id = item["id"].as_str().expect("an id");
        let (status, answer) = self.ops(Method::POST, &format!("items/{id}/{action}"), Some(body));
        assert_eq!(status, 200, "{answer}");
    }

    /// Pushes an event, as the ERP does.
    pub(crate) fn push(&self, event: &Value) -> (u16, Value) {
        let request = self.http.request(Method::POST, &format!("{}/events/erp", self.api)).bearer_auth(EVENTS_TOKEN);
        self.http.send(request.json(event))
    }

    /// Waits until the program has complained, in one line with all these parts.
    pub(crate) fn complains(&self, parts: &[&str]) {
        until(SOON, || {
            let errors = self.program.errors();
            let tells = |line: &str| parts.iter().all(|part| line.to_lowercase().contains(&part.to_lowercase()));
            match errors.lines().any(tells) {
                true => Ok(()),
                false => Err(format!("no line with {parts:?} in: {errors}")),
            }
        });
    }

    /// Ctrl-C, and a clean end.
    pub(crate) fn stop(self) -> Ended {
        self.program.signal("INT");
        let ended = self.program.end(Duration::from_secs(30));
        assert_eq!(ended.status, Some(0), "{}", ended.errors);
        no_panic(&ended.errors);
        ended
    }
}
