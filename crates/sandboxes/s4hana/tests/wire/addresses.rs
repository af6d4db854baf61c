//! Addresses of business partners: the standard one, and others that serve for something else.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Answer, System, never};

const PARTNERS: &str = "API_BUSINESS_PARTNER/A_BusinessPartner";
const ADDRESSES: &str = "API_BUSINESS_PARTNER/A_BusinessPartnerAddress";
const USAGES: &str = "API_BUSINESS_PARTNER/A_BuPaAddressUsage";
/// The last second of the last day.
const FOREVER: &str = "/Date(253402300799000+0000)/";

async fn company(system: &System, addresses: Value) -> String {
    let body = json!({
        "BusinessPartnerCategory": "2", "OrganizationBPName1": "ACME", "to_BusinessPartnerAddress": addresses,
        "to_BusinessPartnerRole": [{"BusinessPartnerRole": "FLCU00"}, {"BusinessPartnerRole": "FLCU01"}],
    });
    let answer = system.post(PARTNERS, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.entity()["BusinessPartner"].as_str().expect("a number").to_owned()
}

/// Cities of the partner's addresses, with what each is used for.
async fn cities(system: &System, partner: &str) -> Vec<(String, Vec<String>)> {
    let path = format!("{PARTNERS}('{partner}')?$expand=to_BusinessPartnerAddress/to_AddressUsage");
    let found = system.get(&path).await.entity();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let of = |address: &Value| {
        let usages = address["to_AddressUsage"]["results"].as_array().expect("usages").iter();
        (text(&address["CityName"]), usages.map(|usage| text(&usage["AddressUsage"])).collect())
    };
    let mut cities: Vec<_> =
        found["to_BusinessPartnerAddress"]["results"].as_array().expect("addresses").iter().map(of).collect();
    cities.sort();
    cities
}

async fn delete(system: &System, path: &str) -> Answer {
    Answer::read(system.signed(Method::DELETE, path).send().await.expect("an answer")).await
}

fn city(name: &str, usages: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), usages.iter().map(|usage| (*usage).to_owned()).collect())
}

#[tokio::test]
async fn the_first_address_is_the_standard_one_and_no_further_one_can_be() {
    let system = System::start(never()).await;
    let partner = company(&system, json!([{"Country": "GB", "CityName": "Leeds"}])).await;
    assert_eq!(cities(&system, &partner).await, [city("Leeds", &["XXDEFAULT"])]);
    let standard = json!({"Country": "GB", "CityName": "Hull", "to_AddressUsage": [{"AddressUsage": "XXDEFAULT"}]});
    let below = format!("{PARTNERS}('{partner}')/to_BusinessPartnerAddress");
    assert_eq!(system.post(&below, standard.clone()).await.code(), "R1/148");
    let unknown = json!({"Country": "GB", "to_AddressUsage": [{"AddressUsage": "NOTHING"}]});
    assert_eq!(system.post(&below, unknown).await.code(), "R1/150");
    assert_eq!(cities(&system, &partner).await.len(), 1, "nothing of what was refused is kept");

    // The same where it comes along with the partner, whichever of them is labelled.
    let other = company(&system, json!([{"Country": "IE", "CityName": "Cork"}, standard])).await;
    assert_eq!(cities(&system, &other).await, [city("Cork", &[]), city("Hull", &["XXDEFAULT"])]);
    // Where somebody is taxed is where the standard address is.
    let mut order = super::support::order("PO", &[("TG11", "2")]);
    order["SoldToParty"] = json!(other);
    let order = system.post("API_SALES_ORDER_SRV/A_SalesOrder", order).await.entity();
    let number = order["SalesOrder"].as_str().expect("a number");
    let prices = system.get(&format!("API_SALES_ORDER_SRV/A_SalesOrder('{number}')/to_PricingElement")).await.list();
    assert_eq!(prices[1]["ConditionAmount"], "5.00", "{prices:?}");
}

#[tokio::test]
async fn a_further_address_is_made_with_its_usage_changed_and_deleted_with_it() {
    let system = System::start(never()).await;
    let partner = company(&system, json!([{"Country": "GB", "CityName": "Leeds"}])).await;
    let body = json!({
        "BusinessPartner": partner, "Country": "GB", "CityName": "Hull", "AddressIDByExternalSystem": "ship-1",
        "to_AddressUsage": [{"AddressUsage": "SHIP_TO"}], "to_EmailAddress": [{"EmailAddress": "dock@example.com"}],
    });
    let answer = system.post(ADDRESSES, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let made = answer.entity();
    let usage = &made["to_AddressUsage"]["results"][0];
    assert_eq!((&usage["ValidityEndDate"], &made["ValidityEndDate"]), (&json!(FOREVER), &json!(FOREVER)));
    assert_eq!((&usage["AddressID"], &usage["StandardUsage"]), (&made["AddressID"], &json!(false)));
    let both = [city("Hull", &["SHIP_TO"]), city("Leeds", &["XXDEFAULT"])];
    assert_eq!(cities(&system, &partner).await, both);
    // It is found by what another system calls it.
    let filter =
        format!("BusinessPartner eq '{partner}' and AddressIDByExternalSystem eq 'SHIP-1'").replace(' ', "%20");
    let found = system.get(&format!("{ADDRESSES}?$filter={filter}")).await.list();
    assert_eq!((found.len(), &found[0]["AddressID"]), (1, &made["AddressID"]));

    let id = made["AddressID"].as_str().expect("a number");
    let address = format!("{ADDRESSES}(BusinessPartner='{partner}',AddressID='{id}')");
    let changed = system.patch(&address, None, json!({"StreetName": "1 Dock Road", "CityName": ""})).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text);
    assert_eq!(system.patch(&address, None, json!({"Country": null})).await.code(), "AM/229");
    let found = system.get(&address).await.entity();
    assert_eq!(
        (&found["StreetName"], &found["CityName"], &found["Country"]),
        (&json!("1 Dock Road"), &json!(""), &json!("GB"))
    );

    assert_eq!(delete(&system, &address).await.status, StatusCode::NO_CONTENT);
    assert_eq!(cities(&system, &partner).await, [city("Leeds", &["XXDEFAULT"])]);
    assert!(system.get(&format!("{USAGES}?$filter=AddressID%20eq%20'{id}'")).await.list().is_empty());
    assert!(
        system
            .get(&format!("API_BUSINESS_PARTNER/A_AddressEmailAddress?$filter=AddressID%20eq%20'{id}'"))
            .await
            .list()
            .is_empty()
    );
    assert_eq!(delete(&system, &address).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_usage_comes_and_goes_by_itself_and_the_standard_one_stays() {
    let system = System::start(never()).await;
    let addresses = json!([{"Country": "GB", "CityName": "Leeds"}, {"Country": "GB", "CityName": "Hull"}]);
    let partner = company(&system, addresses).await;
    let all = system.get(&format!("{PARTNERS}('{partner}')/to_BusinessPartnerAddress")).await.list();
    let id = |city: &str| {
        let found = all.iter().find(|address| address["CityName"] == city).expect("the address");
        found["AddressID"].as_str().expect("a number").to_owned()
    };
    let usage =
        |usage: &str, address: &str| json!({"BusinessPartner": partner, "AddressUsage": usage, "AddressID": address});
    let key = |usage: &str, address: &str| {
        format!(
            "{USAGES}(BusinessPartner='{partner}',ValidityEndDate=datetimeoffset'9999-12-31T23:59:59Z',\
             AddressUsage='{usage}',AddressID='{address}')"
        )
    };
    let made = system.post(USAGES, usage("SHIP_TO", &id("Hull"))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(system.post(USAGES, usage("SHIP_TO", "4711")).await.code(), "R1/149");
    assert_eq!(system.post(USAGES, usage("XXDEFAULT", &id("Hull"))).await.code(), "R1/148");
    assert_eq!(cities(&system, &partner).await, [city("Hull", &["SHIP_TO"]), city("Leeds", &["XXDEFAULT"])]);
    let changed = system.patch(&key("SHIP_TO", &id("Hull")), None, json!({"StandardUsage": true})).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text);
    assert_eq!(system.get(&key("SHIP_TO", &id("Hull"))).await.entity()["StandardUsage"], true);
    assert_eq!(delete(&system, &key("SHIP_TO", &id("Hull"))).await.status, StatusCode::NO_CONTENT);
    assert_eq!(cities(&system, &partner).await, [city("Hull", &[]), city("Leeds", &["XXDEFAULT"])]);

    let standard = format!("{ADDRESSES}(BusinessPartner='{partner}',AddressID='{}')", id("Leeds"));
    for path in [standard, key("XXDEFAULT", &id("Leeds"))] {
        let answer = delete(&system, &path).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "R1/147"), "{}", answer.text);
    }
}
