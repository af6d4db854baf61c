//! The books of both systems, read through their public APIs when the traffic has ended. Nothing here asks Interlock.

use std::collections::{BTreeMap, HashMap};

use model::{Decimal, Problem, Value};

use super::crm::Crm;
use super::erp::Erp;
use super::world::CURRENCY;

/// An accepted quote in the CRM.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QuoteBooked {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) total: Decimal,
    /// Whether the customer took it back.
    pub(crate) denied: bool,
    /// What the sales person reads.
    pub(crate) status: String,
}

/// An order in the ERP.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderBooked {
    pub(crate) number: String,
    /// The customer's reference: Interlock's key.
    pub(crate) reference: String,
    pub(crate) net: Decimal,
}

/// Sums of one currency in one system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) invoiced: Decimal,
    pub(crate) paid: Decimal,
    pub(crate) credited: Decimal,
}

impl Default for Sums {
    fn default() -> Self {
        let zero = Decimal::from_units(0, 2);
        Self { invoiced: zero, paid: zero, credited: zero }
    }
}

/// Both systems' books.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) quotes: Vec<QuoteBooked>,
    pub(crate) orders: Vec<OrderBooked>,
    /// Returns handed in in the CRM, and those of them that are through.
    pub(crate) returns: u64,
    pub(crate) returns_processed: u64,
    /// Sums per currency.
    pub(crate) crm: BTreeMap<String, Sums>,
    pub(crate) erp: BTreeMap<String, Sums>,
    /// References that two customer returns of the ERP have in common.
    pub(crate) returns_doubled: u64,
    /// CRM accounts that the ERP has twice.
    pub(crate) customers_doubled: u64,
}

/// Reads them.
///
/// # Errors
/// When a system refuses, stays away, or answers an amount that is none.
pub(crate) async fn read(crm: &Crm, erp: &Erp) -> Result<Books, Problem> {
    let mut books = Books::default();
    crm_books(crm, &mut books).await?;
    erp_books(erp, &mut books).await?;
    Ok(books)
}

async fn crm_books(crm: &Crm, books: &mut Books) -> Result<(), Problem> {
    let soql = "SELECT Id, QuoteNumber, TotalPrice, Status, Interlock_Status__c FROM Quote WHERE Status IN ('Accepted','Denied')";
    for record in crm.query(soql).await? {
        books.quotes.push(QuoteBooked {
            id: text(&record, "Id"),
            number: text(&record, "QuoteNumber"),
            total: amount(&record, "TotalPrice")?,
            denied: record.get("Status").as_str() == Some("Denied"),
            status: text(&record, "Interlock_Status__c"),
        });
    }
    let sums = books.crm.entry(CURRENCY.to_owned()).or_default();
    let soql = "SELECT Id, Invoiced_Amount__c, Paid_Amount__c FROM Order WHERE Interlock_Key__c != null";
    for record in crm.query(soql).await? {
        sums.invoiced = plus(sums.invoiced, amount(&record, "Invoiced_Amount__c")?)?;
        sums.paid = plus(sums.paid, amount(&record, "Paid_Amount__c")?)?;
    }
    for record in crm.query("SELECT Id, Status, Credited_Amount__c FROM ReturnOrder WHERE Status != 'Draft'").await? {
        sums.credited = plus(sums.credited, amount(&record, "Credited_Amount__c")?)?;
        books.returns += 1;
        books.returns_processed += u64::from(record.get("Status").as_str() == Some("Processed"));
    }
    Ok(())
}

async fn erp_books(erp: &Erp, books: &mut Books) -> Result<(), Problem> {
    let select = "SalesOrder,PurchaseOrderByCustomer,TotalNetAmount";
    for record in erp.read_all("API_SALES_ORDER_SRV/A_SalesOrder", select, "SalesOrder", "").await? {
        books.orders.push(OrderBooked {
            number: text(&record, "SalesOrder"),
            reference: text(&record, "PurchaseOrderByCustomer"),
            net: amount(&record, "TotalNetAmount")?,
        });
    }
    let select =
        "BillingDocument,SDDocumentCategory,TotalNetAmount,TaxAmount,TransactionCurrency,InvoiceClearingStatus";
    for record in erp.read_all("API_BILLING_DOCUMENT_SRV/A_BillingDocument", select, "BillingDocument", "").await? {
        let gross = plus(amount(&record, "TotalNetAmount")?, amount(&record, "TaxAmount")?)?;
        let sums = books.erp.entry(text(&record, "TransactionCurrency")).or_default();
        // SD document categories: M invoice, N its cancellation, O credit memo, S its cancellation, P debit memo.
        match record.get("SDDocumentCategory").as_str().unwrap_or("") {
            "M" | "P" => {
                sums.invoiced = plus(sums.invoiced, gross)?;
                if record.get("InvoiceClearingStatus").as_str() == Some("C") {
                    sums.paid = plus(sums.paid, gross)?;
                }
            }
            "N" => sums.invoiced = minus(sums.invoiced, gross)?,
            "O" => sums.credited = plus(sums.credited, gross)?,
            "S" => sums.credited = minus(sums.credited, gross)?,
            other => return Err(unreadable(&format!("a billing document of category `{other}`"))),
        }
    }
    let returns = erp
        .read_all(
            "API_CUSTOMER_RETURN_SRV/A_CustomerReturn",
            "CustomerReturn,PurchaseOrderByCustomer",
            "CustomerReturn",
            "",
        )
        .await?;
    books.returns_doubled = doubled(returns.iter().map(|record| text(record, "PurchaseOrderByCustomer")));
    let partners = erp
        .read_all(
            "API_BUSINESS_PARTNER/A_BusinessPartner",
            "BusinessPartner,BusinessPartnerIDByExtSystem",
            "BusinessPartner",
            "",
        )
        .await?;
    books.customers_doubled = doubled(partners.iter().map(|record| text(record, "BusinessPartnerIDByExtSystem")));
    Ok(())
}

/// How many times something appears once more than it should.
pub(crate) fn doubled(references: impl Iterator<Item = String>) -> u64 {
    let mut seen: HashMap<String, u64> = HashMap::new();
    for reference in references.filter(|reference| !reference.is_empty()) {
        *seen.entry(reference).or_default() += 1;
    }
    seen.values().map(|times| times - 1).sum()
}

fn text(record: &Value, name: &str) -> String {
    record.get(name).as_str().unwrap_or_default().to_owned()
}

/// A JSON number, or a decimal in quotes as OData V2 writes it; nothing is zero.
fn amount(record: &Value, name: &str) -> Result<Decimal, Problem> {
    let value = record.get(name);
    if value.is_null() {
        return Ok(Decimal::from_units(0, 2));
    }
    let amount = value.as_decimal().or_else(|| value.as_str()?.trim().parse().ok());
    amount.ok_or_else(|| unreadable(&format!("`{name}` = {value}")))
}

fn plus(left: Decimal, right: Decimal) -> Result<Decimal, Problem> {
    left.add(right).map_err(|error| unreadable(&format!("a sum of amounts: {error}")))
}

/// The difference, exact.
pub(crate) fn minus(left: Decimal, right: Decimal) -> Result<Decimal, Problem> {
    left.subtract(right).map_err(|error| unreadable(&format!("a difference of amounts: {error}")))
}

fn unreadable(what: &str) -> Problem {
    let message = format!("the books of a simulated system cannot be read: {what}");
    Problem::new("IL-DEMO-016", message, "This is a mistake in Interlock: please report it with this message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_counted_once_each() {
        let references = ["a", "b", "a", "", "", "a"].map(str::to_owned);
        assert_eq!(doubled(references.into_iter()), 2);
    }

    #[test]
    fn amounts_are_read_as_both_systems_write_them() {
        let record = Value::object([("crm", Value::from(Decimal::from_units(250, 2))), ("erp", Value::from("2.500"))]);
        assert_eq!(amount(&record, "crm"), amount(&record, "erp"));
        assert_eq!(amount(&record, "nothing").map(|amount| amount.is_zero()), Ok(true));
        assert!(amount(&Value::object([("x", Value::from("two"))]), "x").is_err());
    }
}
