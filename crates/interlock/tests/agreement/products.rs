//! Products, prices and stock that go from S/4HANA to Salesforce.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::program::until;
use crate::world::World;
use crate::{LATER, Random, SOON};

const PRICES: &str = "API_SLSPRICINGCONDITIONRECORD_SRV/A_SlsPrcgConditionRecord";

/// What people in the ERP do.
impl World {
    pub(crate) fn sweep_often(&self) {
        for (file, times) in [("connections/crm.yaml", 4), ("connections/erp.yaml", 3)] {
            (0..times).for_each(|_| self.edit(file, "every: 20s", "every: 1s"));
        }
        self.edit("connections/erp.yaml", "every: 60s", "every: 1s");
    }

    pub(crate) fn create_product(&self, number: &str, name: &str, unit: &str) {
        let product = json!({
            "Product": number, "ProductType": "HAWA", "BaseUnit": unit, "ProductGroup": "L002",
            "to_Description": [
                {"Language": "DE", "ProductDescription": "Ware"}, {"Language": "EN", "ProductDescription": name}
            ],
            "to_Plant": [{"Plant": "1010"}, {"Plant": "1020"}],
            "to_SalesDelivery": [{"ProductSalesOrg": "1010", "ProductDistributionChnl": "10"}]
        });
        self.write(Method::POST, "API_PRODUCT_SRV/A_Product", &product).expect("a product");
    }

    fn update_product(&self, number: &str, fields: &Value) {
        let path = format!("API_PRODUCT_SRV/A_Product('{number}')");
        until(SOON, || self.write(Method::PATCH, &path, fields));
    }

    fn rename_product(&self, number: &str, name: &str) {
        let path = format!("API_PRODUCT_SRV/A_ProductDescription(Product='{number}',Language='EN')");
        until(SOON, || self.write(Method::PATCH, &path, &json!({"ProductDescription": name})));
    }

    /// The number of the condition record.
    pub(crate) fn create_price(&self, number: &str, amount: &str, currency: &str) -> String {
        let price = json!({
            "ConditionType": "PPR0", "ConditionRateValue": amount, "ConditionRateValueUnit": currency,
            "to_SlsPrcgCndnRecdValidity": [
                {"Material": number, "SalesOrganization": "1010", "DistributionChannel": "10"}
            ]
        });
        let made = self.write(Method::POST, PRICES, &price).expect("a price");
        made["d"]["ConditionRecord"].as_str().expect("a number").to_owned()
    }

    fn update_price(&self, record: &str, fields: &Value) {
        until(SOON, || self.write(Method::PATCH, &format!("{PRICES}('{record}')"), fields));
    }

    fn set_stock(&self, number: &str, plant: &str, quantity: &str) {
        self.control(&self.erp, "stock", &json!([{"product": number, "plant": plant, "quantity": quantity}]));
    }

    fn products(&self) -> Vec<Value> {
        self.records(
            "SELECT Id, Name, Family, IsActive, QuantityUnitOfMeasure, ERP_Product__c, Stock_Quantity__c FROM Product2",
        )
    }

    fn prices(&self) -> Vec<Value> {
        self.records(
            "SELECT Id, UnitPrice, IsActive, Pricebook2.IsStandard, Product2.ERP_Product__c FROM PricebookEntry",
        )
    }
}

/// What is compared of a product: name, group, unit, whether it is active, price for one and stock, both in thousandths.
#[derive(Debug, PartialEq, Eq)]
struct Product {
    name: String,
    group: String,
    unit: String,
    active: bool,
    price: Option<i64>,
    stock: i64,
}

fn thousandths(number: &Value) -> i64 {
    let text = number.as_str().map_or_else(|| number.to_string(), str::to_owned);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<3}")
        .parse()
        .unwrap_or_else(|_| panic!("{text} is no number with three digits at the most"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn in_erp(world: &World) -> BTreeMap<String, Product> {
    let list = |value: &Value| value["results"].as_array().expect("a list").clone();
    let mut prices = BTreeMap::new();
    for record in list(&world.read(&format!("{PRICES}?$expand=to_SlsPrcgCndnRecdValidity"))) {
        let per = thousandths(&record["ConditionQuantity"]) / 1000;
        for period in list(&record["to_SlsPrcgCndnRecdValidity"]) {
            prices.insert(text(&period["Material"]), thousandths(&record["ConditionRateValue"]) / per);
        }
    }
    let stocks = list(&world.read("API_MATERIAL_STOCK_SRV/A_MaterialStock?$expand=to_MatlStkInAcctMod"));
    let stock = |number: &str| {
        let found = stocks.iter().find(|stock| stock["Material"] == number).expect("its stock");
        list(&found["to_MatlStkInAcctMod"]).iter().map(|row| thousandths(&row["MatlWrhsStkQtyInMatlBaseUnit"])).sum()
    };
    let products = list(&world.read("API_PRODUCT_SRV/A_Product?$expand=to_Description"));
    products
        .iter()
        .map(|product| {
            let number = text(&product["Product"]);
            let described = list(&product["to_Description"]);
            let english = described.iter().find(|one| one["Language"] == "EN").expect("a description");
            let unit = match product["BaseUnit"].as_str() {
                Some("KG") => "Kilogram",
                _ => "Each",
            };
            let found = Product {
                name: text(&english["ProductDescription"]),
                group: text(&product["ProductGroup"]),
                unit: unit.to_owned(),
                active: product["IsMarkedForDeletion"] == false,
                price: prices.get(&number).copied(),
                stock: stock(&number),
            };
            (number, found)
        })
        .collect()
}

fn in_crm(world: &World) -> BTreeMap<String, Product> {
    let mut prices = BTreeMap::new();
    for entry in world.prices() {
        assert_eq!((&entry["Pricebook2"]["IsStandard"], &entry["IsActive"]), (&json!(true), &json!(true)), "{entry}");
        let before = prices.insert(text(&entry["Product2"]["ERP_Product__c"]), thousandths(&entry["UnitPrice"]));
        assert_eq!(before, None, "{entry} is there twice");
    }
    let mut products = BTreeMap::new();
    for product in world.products() {
        let number = text(&product["ERP_Product__c"]);
        let stock = &product["Stock_Quantity__c"];
        let found = Product {
            name: text(&product["Name"]),
            group: text(&product["Family"]),
            unit: text(&product["QuantityUnitOfMeasure"]),
            active: product["IsActive"] == true,
            price: prices.remove(&number),
            stock: if stock.is_null() { -1 } else { thousandths(stock) },
        };
        assert!(products.insert(number, found).is_none(), "{product} is there twice");
    }
    products
}

#[test]
fn products_prices_and_stock_of_the_erp_are_the_same_in_salesforce_after_faults_and_kills() {
    const PRODUCTS: usize = 30;
    const CHANGES: usize = 120;
    let world = World::new();
    world.sweep_often();
    let mut interlock = world.interlock();
    // Where the records are made, answers get lost and sessions end meanwhile.
    world.weather_of(&world.crm, 0.05);
    let number = |product: usize| format!("P-{product:02}");
    let mut conditions = Vec::new();
    let make = |product: usize| {
        let number = number(product);
        world.create_product(
            &number,
            &format!("Product {product}"),
            if product.is_multiple_of(5) { "KG" } else { "PC" },
        );
        world.set_stock(&number, "1020", &format!("{product}.5"));
        world.create_price(&number, &format!("{product}.25"), "GBP")
    };
    // In the middle of it Interlock is killed; what is made meanwhile is found afterwards.
    conditions.extend((0..PRODUCTS / 2).map(make));
    interlock.program.kill();
    conditions.extend((PRODUCTS / 2..PRODUCTS * 2 / 3).map(make));
    interlock = world.interlock();
    conditions.extend((PRODUCTS * 2 / 3..PRODUCTS).map(make));
    world.weather(0.02);
    let mut random = Random(7);
    for change in 0..CHANGES {
        let product = random.below(PRODUCTS);
        match random.below(5) {
            0 => world.rename_product(&number(product), &format!("Renamed {change}")),
            1 => world.update_price(
                &conditions[product],
                &json!({"ConditionRateValue": format!("{change}.75"), "ConditionQuantity": "1"}),
            ),
            2 => {
                let hundred = json!({"ConditionRateValue": format!("{change}"), "ConditionQuantity": "100"});
                world.update_price(&conditions[product], &hundred);
            }
            3 => world.set_stock(&number(product), "1010", &format!("{change}.125")),
            _ => world.update_product(&number(product), &json!({"IsMarkedForDeletion": change.is_multiple_of(2)})),
        }
        if change == CHANGES / 2 {
            interlock.program.kill();
            interlock = world.interlock();
        }
    }
    world.weather(0.0);
    until(LATER, || {
        let (erp, crm) = (in_erp(&world), in_crm(&world));
        match erp.iter().find(|(number, product)| crm.get(*number) != Some(product)) {
            None => Ok(()),
            Some((number, product)) => {
                let (_, stands) = interlock.ops(Method::GET, &format!("transactions?q={number}"), None);
                let (_, overview) = interlock.ops(Method::GET, "overview", None);
                let others = crm.len();
                Err(format!("{number} is {product:?} and {:?} of {others}; {stands:#} {overview:#}", crm.get(number)))
            }
        }
    });
    let crm = in_crm(&world);
    assert_eq!((crm.len(), in_erp(&world).len(), world.prices().len()), (PRODUCTS, PRODUCTS, PRODUCTS));
    assert!(crm.values().all(|product| product.price.is_some()), "{crm:?}");
    assert!(crm.values().any(|product| !product.active) && crm.values().any(|product| product.active));
    assert_eq!(interlock.items(), Vec::<Value>::new());
}

#[test]
fn an_unknown_unit_or_currency_is_for_a_person_and_nothing_else_waits_for_it() {
    let world = World::new();
    world.sweep_often();
    let interlock = world.interlock();
    world.create_product("ODD", "Sold by the firkin", "FIR");
    world.create_price("ODD", "3", "GBP");
    world.create_product("SWISS", "Priced in francs", "PC");
    let francs = world.create_price("SWISS", "4", "CHF");
    world.create_product("GOOD", "As usual", "PC");
    world.create_price("GOOD", "5", "GBP");
    until(SOON, || {
        let crm = in_crm(&world);
        match crm.get("GOOD").is_some_and(|good| good.price == Some(5000) && good.stock > 0)
            && crm.contains_key("SWISS")
        {
            true => Ok(()),
            false => Err(format!("{crm:?} {:?}", interlock.items())),
        }
    });
    let items = until(SOON, || {
        let items = interlock.items();
        if items.len() == 2 { Ok(items) } else { Err(format!("{items:?}")) }
    });
    let reason = |part: &str| {
        let found = items.iter().filter(|item| item["reason"].as_str().is_some_and(|reason| reason.contains(part)));
        found.count()
    };
    assert_eq!((reason("\"FIR\""), reason("\"CHF\"")), (1, 1), "{items:#?}");
    assert!(items.iter().all(|item| item["queue"] == "data"), "{items:#?}");
    assert_eq!(in_crm(&world).len(), 2, "nothing is made of what nobody understands");
    // When it is mended in the ERP, the product comes, and with it the price that waited for it.
    world.update_product("ODD", &json!({"BaseUnit": "BOX"}));
    world.update_price(&francs, &json!({"ConditionRateValueUnit": "GBP"}));
    until(SOON, || {
        let prices = in_crm(&world).iter().map(|(number, product)| (number.clone(), product.price)).collect::<Vec<_>>();
        let wanted = [("GOOD", 5000), ("ODD", 3000), ("SWISS", 4000)];
        let items = interlock.items();
        if prices == wanted.map(|(number, price)| (number.to_owned(), Some(price))) && items.is_empty() {
            Ok(())
        } else {
            Err(format!("{prices:?} {items:?}"))
        }
    });
}

#[test]
fn what_the_erp_owns_is_written_over_in_salesforce_and_what_sales_made_stays() {
    let world = World::new();
    world.sweep_often();
    let interlock = world.interlock();
    world.create_product("TG11", "Trading good", "PC");
    world.create_price("TG11", "12.50", "GBP");
    world.set_stock("TG11", "1010", "3");
    world.set_stock("TG11", "1020", "4");
    let arrived = || {
        let (erp, crm) = (in_erp(&world), in_crm(&world));
        if crm.get("TG11") == erp.get("TG11") {
            Ok(())
        } else {
            Err(format!("{erp:?} {crm:?} {:?}", interlock.items()))
        }
    };
    until(SOON, arrived);
    assert_eq!(in_crm(&world)["TG11"].stock, 7000);
    let own = world.create_record("Product2", &json!({"Name": "Advice", "IsActive": true}));
    let (product, entry) = (text(&world.products()[0]["Id"]), text(&world.prices()[0]["Id"]));
    world.update_record("Product2", &product, &json!({"Name": "Grabbed", "IsActive": false, "Stock_Quantity__c": 99}));
    world.update_record("PricebookEntry", &entry, &json!({"UnitPrice": 1}));
    until(SOON, arrived);
    world.update_record("Product2", &own, &json!({"Name": "Good advice"}));
    // What comes after it has come through.
    world.rename_product("TG11", "Renamed");
    until(SOON, arrived);
    let advice = world.products().into_iter().find(|product| product["Id"] == own.as_str()).expect("sales' own");
    assert_eq!((&advice["Name"], &advice["Stock_Quantity__c"]), (&json!("Good advice"), &Value::Null));
    assert_eq!(in_erp(&world).len(), 1, "nothing is made in the ERP");
    assert_eq!(interlock.items(), Vec::<Value>::new());
}

#[test]
fn a_new_condition_record_takes_the_place_of_the_one_before_and_a_customers_own_price_is_nobody_elses() {
    let world = World::new();
    world.sweep_often();
    let interlock = world.interlock();
    world.create_product("TG11", "Trading good", "PC");
    world.create_price("TG11", "12.50", "GBP");
    let costs = |wanted: i64| {
        until(SOON, || match in_crm(&world).get("TG11").and_then(|product| product.price) {
            Some(price) if price == wanted => Ok(()),
            other => Err(format!("{other:?} {:?}", interlock.items())),
        });
    };
    costs(12_500);
    let entry = world.prices().remove(0)["Id"].clone();
    let customer = world.create_partner("Best customer", "York", "YO1 7HH");
    let period = |more: Value| {
        let mut period = json!({"Material": "TG11", "SalesOrganization": "1010", "DistributionChannel": "10"});
        period.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"ConditionType": "PPR0", "ConditionRateValue": "1", "ConditionRateValueUnit": "GBP",
            "to_SlsPrcgCndnRecdValidity": [period]})
    };
    // For one customer, and for a while only: neither is what everybody pays.
    world.write(Method::POST, PRICES, &period(json!({"Customer": customer}))).expect("a price");
    let while_ = json!({"ConditionValidityStartDate": "/Date(1893456000000)/", "ConditionValidityEndDate": "/Date(1896048000000)/"});
    world.write(Method::POST, PRICES, &period(while_)).expect("a price");
    // The one before is in force until the other one begins, and is followed as before.
    let first =
        text(&world.read(&format!("{PRICES}?$filter=ConditionRateValue%20eq%2012.5"))["results"][0]["ConditionRecord"]);
    world.update_price(&first, &json!({"ConditionRateValue": "13"}));
    costs(13_000);
    let successor = world.create_price("TG11", "13.75", "GBP");
    costs(13_750);
    // It is the one that is followed from now on.
    world.update_price(&successor, &json!({"ConditionRateValue": "14"}));
    costs(14_000);
    assert_eq!(world.prices().len(), 1);
    assert_eq!(world.prices()[0]["Id"], entry, "the entry stays the same");
    assert_eq!(interlock.items(), Vec::<Value>::new());
}
