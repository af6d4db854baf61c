//! Master data: what both systems hold before the first quote is accepted.

use model::Problem;

use super::crm::{Crm, amount, quoted};
use super::erp::Erp;
use super::input::{Customer, Product};
use super::world::{self, CURRENCY, World};

/// Records in one request to the ERP.
const SEED_MAX: usize = 500;
/// The credit limit of those who have little.
const CREDIT_LITTLE: &str = "150.00";

/// Ids that the sales team needs, each list in the order of the plan.
#[derive(Debug, Default)]
pub(crate) struct CrmIds {
    pub(crate) pricebook: String,
    pub(crate) accounts: Vec<String>,
    pub(crate) opportunities: Vec<String>,
    pub(crate) products: Vec<String>,
    pub(crate) entries: Vec<String>,
}

/// Puts accounts, opportunities, products and prices into the CRM.
///
/// # Errors
/// When the CRM refuses something.
pub(crate) async fn crm(crm: &Crm, world: &World) -> Result<CrmIds, Problem> {
    let pricebook = pricebook(crm).await?;
    let plan = &world.plan;
    let accounts: Vec<String> = plan.customers.iter().map(account).collect();
    let accounts = crm.create_all("Account", &accounts).await?;
    let opportunities: Vec<String> = plan
        .customers
        .iter()
        .zip(&accounts)
        .map(|(customer, account)| {
            format!(
                "\"Name\":\"Wholesale {}\",\"AccountId\":\"{account}\",\"StageName\":\"Negotiation/Review\",\
                 \"CloseDate\":\"2027-12-31\",\"Pricebook2Id\":\"{pricebook}\"",
                customer.number
            )
        })
        .collect();
    let opportunities = crm.create_all("Opportunity", &opportunities).await?;
    let products: Vec<String> = plan
        .products
        .iter()
        .map(|product| {
            let (name, code) = (quoted(&product.name), quoted(&product.code));
            format!("\"Name\":{name},\"ProductCode\":{code},\"IsActive\":true")
        })
        .collect();
    let products = crm.create_all("Product2", &products).await?;
    let entries: Vec<String> = plan
        .products
        .iter()
        .zip(&products)
        .map(|(product, id)| {
            let price = amount(product.price);
            format!("\"Pricebook2Id\":\"{pricebook}\",\"Product2Id\":\"{id}\",\"UnitPrice\":{price},\"IsActive\":true")
        })
        .collect();
    let entries = crm.create_all("PricebookEntry", &entries).await?;
    Ok(CrmIds { pricebook, accounts, opportunities, products, entries })
}

async fn pricebook(crm: &Crm) -> Result<String, Problem> {
    let known = crm.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true").await?;
    if let Some(id) = known.first().and_then(|record| record.get("Id").as_str()) {
        return Ok(id.to_owned());
    }
    let ids = crm.create_all("Pricebook2", &["\"Name\":\"Wholesale\",\"IsActive\":true".to_owned()]).await?;
    Ok(ids.into_iter().next().unwrap_or_default())
}

fn account(customer: &Customer) -> String {
    let (name, number) = (name(customer), customer.number);
    let country = quoted(&customer.country);
    format!(
        "\"Name\":{},\"AccountNumber\":\"{number}\",\"BillingCountry\":{country},\"Type\":\"Customer - Direct\"",
        quoted(&name)
    )
}

/// The data has numbers only; people want a name.
pub(crate) fn name(customer: &Customer) -> String {
    const FIRST: [&str; 16] = [
        "Ashford", "Bexley", "Camden", "Dalton", "Elmwood", "Fairfax", "Granby", "Harlow", "Ivy Lane", "Kirkby",
        "Lambourn", "Marlowe", "Norfolk", "Orchard", "Penrose", "Quayside",
    ];
    const SECOND: [&str; 12] = [
        "Gifts",
        "Home",
        "Interiors",
        "Trading",
        "Living",
        "& Daughters",
        "Emporium",
        "Stores",
        "Garden",
        "Supplies",
        "Decor",
        "Wholesale",
    ];
    let number = usize::try_from(customer.number).unwrap_or(0);
    format!("{} {} {number}", FIRST[number / 3 % FIRST.len()], SECOND[number / 7 % SECOND.len()])
}

/// Puts products, prices, stock, the customers that it knows already, and credit limits into the ERP.
///
/// # Errors
/// When the ERP refuses something.
pub(crate) async fn erp(erp: &Erp, world: &World) -> Result<(), Problem> {
    let products: Vec<String> = (0..)
        .zip(&world.plan.products)
        .filter(|(place, _)| world.in_erp(*place))
        .map(|(_, product)| material(product))
        .collect();
    load(erp, "products", &products).await?;
    let known = || world.plan.customers.iter().filter(|customer| world::is_known(customer));
    load(erp, "customers", &known().map(partner).collect::<Vec<_>>()).await?;
    let limits: Vec<String> = known()
        .filter(|customer| world::has_little_credit(customer))
        .map(|customer| {
            format!(
                "{{\"customer\":\"{}\",\"amount\":\"{CREDIT_LITTLE}\",\"currency\":\"{CURRENCY}\"}}",
                customer.number
            )
        })
        .collect();
    load(erp, "creditLimits", &limits).await
}

async fn load(erp: &Erp, what: &str, records: &[String]) -> Result<(), Problem> {
    for chunk in records.chunks(SEED_MAX) {
        erp.seed(format!("{{\"{what}\":[{}]}}", chunk.join(","))).await?;
    }
    Ok(())
}

fn material(product: &Product) -> String {
    let (code, description, plant) = (quoted(&product.code), quoted(&product.name), world::plant(product));
    let (price, stock) = (amount(product.price), product.pieces.saturating_mul(4).clamp(10_000, 100_000_000));
    format!(
        "{{\"product\":{code},\"description\":{description},\"price\":\"{price}\",\"currency\":\"{CURRENCY}\",\
         \"plants\":[\"{plant}\"],\"stock\":{stock}}}"
    )
}

fn partner(customer: &Customer) -> String {
    let country = country(&customer.country).unwrap_or("GB");
    let name = quoted(&name(customer));
    format!("{{\"externalId\":\"{}\",\"name\":{name},\"country\":\"{country}\"}}", customer.number)
}

/// What somebody in the ERP department typed for a country; whatever they did not know is British.
fn country(name: &str) -> Option<&'static str> {
    Some(match name {
        "Germany" => "DE",
        "France" => "FR",
        "EIRE" => "IE",
        "Spain" => "ES",
        "Netherlands" => "NL",
        "Belgium" => "BE",
        "Switzerland" => "CH",
        "Portugal" => "PT",
        "Australia" => "AU",
        "Norway" => "NO",
        "Italy" => "IT",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::erp::ErpAccess;
    use super::super::input::{GeneratedRows, plan};
    use super::*;

    #[tokio::test]
    async fn the_erp_knows_products_and_customers_after_seeding() {
        let options = sandbox_s4hana::Options::default();
        let (user, password) = (options.user.clone(), options.password.clone());
        let running = sandbox_s4hana::serve(options).await.expect("it starts");
        let client = Erp::new(ErpAccess { url: running.url.clone(), user, password }).expect("a client");
        let world = World::new(plan(&mut GeneratedRows::new(3), 400).expect("it cannot fail"), true);
        erp(&client, &world).await.expect("it is taken");
        let products = client.read_all("API_PRODUCT_SRV/A_Product", "Product", "Product", "").await.expect("read");
        let unknown = (0..).zip(&world.plan.products).filter(|(place, _)| !world.in_erp(*place)).count();
        assert!(unknown > 0);
        assert_eq!(products.len() + unknown, world.plan.products.len());
        let set = "API_BUSINESS_PARTNER/A_BusinessPartner";
        let fields = "BusinessPartner,BusinessPartnerIDByExtSystem,OrganizationBPName1";
        let partners = client.read_all(set, fields, "BusinessPartner", "").await.expect("read");
        assert_eq!(partners.len(), world.plan.customers.iter().filter(|customer| world::is_known(customer)).count());
        assert!(partners.iter().all(|partner| !partner.get("BusinessPartnerIDByExtSystem").is_null()));
        running.serving.stop();
        running.serving.wait().await;
    }
}
