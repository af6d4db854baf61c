//! Business partners and products.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::support::{System, never};

const PARTNERS: &str = "API_BUSINESS_PARTNER/A_BusinessPartner";

#[tokio::test]
async fn a_customer_is_created_deep_and_found_again() {
    let system = System::start(never()).await;
    let body = json!({
        "BusinessPartnerCategory": "2",
        "OrganizationBPName1": "Müller & Söhne",
        "BusinessPartnerIDByExtSystem": "001Ab0000000001",
        "SearchTerm1": "mueller",
        "to_BusinessPartnerAddress": [{"Country": "GB", "CityName": "London", "to_EmailAddress": [{"EmailAddress": "a@example.com"}]}],
        "to_BusinessPartnerRole": [{"BusinessPartnerRole": "FLCU00"}, {"BusinessPartnerRole": "FLCU01"}],
        "to_BusinessPartnerTax": [{"BPTaxType": "GB0", "BPTaxNumber": "GB123456789"}],
        "to_Customer": {
            "to_CustomerCompany": [{"CompanyCode": "1010"}],
            "to_CustomerSalesArea": {"results": [{"SalesOrganization": "1010", "DistributionChannel": "10", "Division": "00", "Currency": "GBP"}]},
        },
    });
    let answer = system.post(PARTNERS, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let created = answer.entity();
    let number = created["BusinessPartner"].as_str().expect("a number");
    assert_eq!(created["Customer"], number);
    assert_eq!(created["BusinessPartnerFullName"], "Müller & Söhne");
    assert_eq!(created["to_Customer"]["to_CustomerSalesArea"]["results"][0]["Currency"], "GBP");
    for filter in [
        "BusinessPartnerIDByExtSystem eq '001Ab0000000001'",
        "SearchTerm1 eq 'MUELLER'",
        "SearchTerm1 eq 'mueller' and Customer ne ''",
    ] {
        let found =
            system.get(&format!("{PARTNERS}?$filter={}&$expand=to_Customer", filter.replace(' ', "%20"))).await.list();
        assert_eq!(found.len(), 1, "{filter}");
        assert_eq!(found[0]["BusinessPartner"], number);
    }
    let tax =
        system.get("API_BUSINESS_PARTNER/A_BusinessPartnerTaxNumber?$filter=BPTaxNumber%20eq%20'GB123456789'").await;
    assert_eq!(tax.list()[0]["BusinessPartner"], number);
    let mut order = super::support::order("PO", &[("TG11", "1")]);
    order["SoldToParty"] = json!(format!("00{number}"));
    assert_eq!(system.post("API_SALES_ORDER_SRV/A_SalesOrder", order).await.status, StatusCode::CREATED);
    let changed =
        system.patch(&format!("{PARTNERS}('{number}')"), None, json!({"OrganizationBPName1": "Müller"})).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text);
    assert_eq!(system.get(&format!("{PARTNERS}('{number}')")).await.entity()["BusinessPartnerName"], "Müller");
    let delete = system.signed(Method::DELETE, &format!("{PARTNERS}('{number}')")).send().await.expect("an answer");
    assert_eq!(delete.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_partner_has_industries_that_are_set_up() {
    const INDUSTRIES: &str = "API_BUSINESS_PARTNER/A_BuPaIndustry";
    let system = System::start(never()).await;
    let industry = |code: &str| json!({"IndustrySystemType": "0001", "IndustrySector": code});
    let body = json!({
        "BusinessPartnerCategory": "2", "OrganizationBPName1": "ACME", "to_BusinessPartnerAddress": [{"Country": "FR"}],
        "to_BuPaIndustry": [industry("FOOD")],
    });
    let created = system.post(PARTNERS, body).await.entity();
    let number = created["BusinessPartner"].as_str().expect("a number");
    let one = |code: &str| {
        let mut industry = industry(code);
        industry["BusinessPartner"] = json!(number);
        industry
    };
    assert_eq!(system.post(INDUSTRIES, one("RETL")).await.status, StatusCode::CREATED);
    let twice = system.post(INDUSTRIES, one("RETL")).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST, "{}", twice.text);
    let unknown = system.post(INDUSTRIES, one("MINE")).await;
    assert!(unknown.text.contains("instead of 'MINE'"), "{}", unknown.text);
    let all = format!("{PARTNERS}('{number}')/to_BuPaIndustry");
    let codes =
        |list: Vec<serde_json::Value>| list.into_iter().map(|one| one["IndustrySector"].clone()).collect::<Vec<_>>();
    assert_eq!(codes(system.get(&all).await.list()), ["FOOD", "RETL"]);
    let key = format!("{INDUSTRIES}(IndustrySector='FOOD',IndustrySystemType='0001',BusinessPartner='{number}')");
    let gone = system.signed(Method::DELETE, &key).send().await.expect("an answer");
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(codes(system.get(&all).await.list()), ["RETL"]);
}

#[tokio::test]
async fn roles_alone_make_a_customer_of_the_default_sales_area() {
    let system = System::start(never()).await;
    let body = json!({
        "BusinessPartnerCategory": "2", "BusinessPartnerGrouping": "BP02", "OrganizationBPName1": "ACME", "CorrespondenceLanguage": "EN",
        "to_BusinessPartnerAddress": [{"Country": "FR"}],
        "to_BusinessPartnerRole": [{"BusinessPartnerRole": "FLCU00"}, {"BusinessPartnerRole": "FLCU01"}],
    });
    let created = system.post(PARTNERS, body).await.entity();
    let number = created["Customer"].as_str().expect("a customer");
    let areas = system.get(&format!("API_BUSINESS_PARTNER/A_Customer('{number}')/to_CustomerSalesArea")).await.list();
    assert_eq!(areas[0]["SalesOrganization"], "1010");
    let mut order = super::support::order("PO", &[("TG11", "2")]);
    order["SoldToParty"] = json!(number);
    let order = system.post("API_SALES_ORDER_SRV/A_SalesOrder", order).await.entity();
    let prices = format!(
        "API_SALES_ORDER_SRV/A_SalesOrder('{}')/to_PricingElement",
        order["SalesOrder"].as_str().expect("a number")
    );
    let prices = system.get(&prices).await.list();
    assert_eq!((&prices[1]["ConditionType"], &prices[1]["ConditionAmount"]), (&json!("TTX1"), &json!("0.00")));
}

#[tokio::test]
async fn what_is_missing_is_told_and_nothing_is_kept() {
    let system = System::start(never()).await;
    let before = system.get(&format!("{PARTNERS}/$count")).await.text;
    let no_country = json!({"BusinessPartnerCategory": "2", "OrganizationBPName1": "X", "BusinessPartnerIDByExtSystem": "X1",
        "to_BusinessPartnerAddress": [{"CityName": "Paris"}]});
    for (body, code) in [
        (json!({"OrganizationBPName1": "X"}), "R11/130"),
        (json!({"BusinessPartnerCategory": "2"}), "R1/172"),
        (no_country, "AM/229"),
        (json!({"BusinessPartnerCategory": "2", "OrganizationBPName1": "X", "BusinessPartner": "10100001"}), "R1/104"),
    ] {
        let answer = system.post(PARTNERS, body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, code), "{}", answer.text);
    }
    assert_eq!(system.get(&format!("{PARTNERS}/$count")).await.text, before);
    let ghost = system.get(&format!("{PARTNERS}?$filter=BusinessPartnerIDByExtSystem%20eq%20'X1'")).await.list();
    assert!(ghost.is_empty());
}

#[tokio::test]
async fn products_are_read_and_created() {
    let system = System::start(never()).await;
    let product =
        system.get("API_PRODUCT_SRV/A_Product('tg11')?$expand=to_Description,to_Plant,to_SalesDelivery").await.entity();
    assert_eq!(product["to_Description"]["results"][0]["ProductDescription"], "Trading good 11");
    assert_eq!(product["to_Plant"]["results"].as_array().expect("plants").len(), 2);
    let body = json!({"Product": "New-1", "ProductType": "HAWA", "BaseUnit": "PC",
        "to_Description": [{"Language": "EN", "ProductDescription": "New"}],
        "to_Plant": [{"Plant": "1010"}],
        "to_SalesDelivery": [{"ProductSalesOrg": "1010", "ProductDistributionChnl": "10"}]});
    let created = system.post("API_PRODUCT_SRV/A_Product", body).await;
    assert_eq!((created.status, &created.entity()["Product"]), (StatusCode::CREATED, &json!("NEW-1")));
    let no_price =
        system.post("API_SALES_ORDER_SRV/A_SalesOrder", super::support::order("PO", &[("NEW-1", "1")])).await;
    assert_eq!(no_price.code(), "V1/802");
    let plant = system.post("API_PRODUCT_SRV/A_Product('NEW-1')/to_Plant", json!({"Plant": "1020"})).await;
    assert_eq!(plant.status, StatusCode::CREATED, "{}", plant.text);
    assert_eq!(
        system.post("API_PRODUCT_SRV/A_Product('NEW-1')/to_Plant", json!({"Plant": "9999"})).await.code(),
        "M3/127"
    );
}

const RELATIONSHIPS: &str = "API_BUSINESS_PARTNER/A_BusinessPartnerContact";

async fn partner(system: &System, body: serde_json::Value) -> String {
    let answer = system.post(PARTNERS, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.entity()["BusinessPartner"].as_str().expect("a number").to_owned()
}

#[tokio::test]
async fn a_person_is_the_contact_of_a_company_until_the_relationship_is_deleted() {
    let system = System::start(never()).await;
    let company = partner(&system, json!({"BusinessPartnerCategory": "2", "OrganizationBPName1": "ACME"})).await;
    let other = partner(&system, json!({"BusinessPartnerCategory": "2", "OrganizationBPName1": "Umbrella"})).await;
    let person =
        partner(&system, json!({"BusinessPartnerCategory": "1", "FirstName": "Ada", "LastName": "Lovelace"})).await;
    let body = |company: &str, person: &str| {
        json!({
            "BusinessPartnerCompany": company, "BusinessPartnerPerson": person, "RelationshipCategory": "BUR001",
            "to_ContactRelationship": {"EmailAddress": "ada@example.com", "ContactPersonFunction": "0001"},
        })
    };
    let created = system.post(RELATIONSHIPS, body(&company, &person)).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let created = created.entity();
    assert_eq!(created["to_ContactRelationship"]["EmailAddress"], "ada@example.com");
    assert_eq!(created["ValidityEndDate"], "/Date(253402214400000)/");
    // The same again, an unknown partner, and a company in the place of the person.
    for (refused, code) in
        [(body(&company, &person), "R1/104"), (body(&company, "4711"), "R1/201"), (body(&company, &other), "R1/222")]
    {
        let answer = system.post(RELATIONSHIPS, refused).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        assert!(answer.text.contains(code), "{}", answer.text);
    }
    let key = format!(
        "(RelationshipNumber='{}',BusinessPartnerCompany='{company}',BusinessPartnerPerson='{person}',\
         ValidityEndDate=datetime'9999-12-31T00:00:00')",
        created["RelationshipNumber"].as_str().expect("a number")
    );
    let details = format!("API_BUSINESS_PARTNER/A_BPContactToFuncAndDept{key}");
    let changed = system.patch(&details, None, json!({"PhoneNumber": "0113 496 0000"})).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text);
    let below = format!("{PARTNERS}('{company}')/to_BusinessPartnerContact?$expand=to_ContactRelationship");
    let found = system.get(&below).await.list();
    assert_eq!((found.len(), &found[0]["BusinessPartnerPerson"]), (1, &json!(person)));
    assert_eq!(found[0]["to_ContactRelationship"]["PhoneNumber"], "0113 496 0000");
    // Of persons the service knows no way to their companies: they are found by a filter.
    let found = system.get(&format!("{RELATIONSHIPS}?$filter=BusinessPartnerPerson%20eq%20'{person}'")).await.list();
    assert_eq!((found.len(), &found[0]["BusinessPartnerCompany"]), (1, &json!(company)));
    assert_eq!(system.get(&format!("{PARTNERS}('{person}')/to_BusinessPartnerContact")).await.list().len(), 0);
    let forbidden = system.signed(Method::DELETE, &details).send().await.expect("an answer");
    assert_eq!(forbidden.status(), StatusCode::METHOD_NOT_ALLOWED);
    let deleted = system.signed(Method::DELETE, &format!("{RELATIONSHIPS}{key}")).send().await.expect("an answer");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(system.get(&details).await.status, StatusCode::NOT_FOUND);
    assert_eq!(system.post(RELATIONSHIPS, body(&company, &person)).await.status, StatusCode::CREATED);
}
