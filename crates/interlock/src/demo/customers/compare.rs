//! Both systems, read as anybody may and compared member by member.

use std::collections::HashMap;

use model::{Problem, Value};

use super::super::crm::Crm;
use super::super::erp::Erp;
use super::edits::LastWords;

/// So many differences are told in words.
const EXAMPLES_MAX: usize = 5;
const FIELDS: &str = "Id, Name, Interlock_Key__c, ERP_Customer_Number__c, ERP_Blocked__c, Search_Term__c, BillingStreet, \
                      BillingCity, BillingPostalCode";
/// Fields of an account and of a partner that have to say the same.
const HEAD: [(&str, &str); 4] = [
    ("Name", "OrganizationBPName1"),
    ("Search_Term__c", "SearchTerm1"),
    ("ERP_Blocked__c", "BusinessPartnerIsBlocked"),
    ("Interlock_Key__c", "BusinessPartnerIDByExtSystem"),
];
/// The same of its address.
const ADDRESS: [(&str, &str); 3] =
    [("BillingStreet", "StreetName"), ("BillingCity", "CityName"), ("BillingPostalCode", "PostalCode")];

/// What the comparison found.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) accounts: usize,
    pub(super) partners: usize,
    /// Accounts without a partner.
    pub(super) not_linked: usize,
    /// Partners that stand for an account that another one stands for, too.
    pub(super) doubled: usize,
    /// Members that are not the same in both.
    pub(super) differing: usize,
    /// Members that are not what their owner said last.
    pub(super) overruled: usize,
    pub(super) examples: Vec<String>,
}

impl Comparison {
    pub(super) fn agrees(&self, customers: usize) -> bool {
        self.accounts == customers
            && self.partners == customers
            && self.not_linked + self.doubled + self.differing + self.overruled == 0
    }

    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text());
        }
    }
}

/// Reads and compares.
///
/// # Errors
/// When a system does not answer.
pub(super) async fn compare(crm: &Crm, erp: &Erp, last: &LastWords) -> Result<Comparison, Problem> {
    let set = "API_BUSINESS_PARTNER/A_BusinessPartner";
    let select =
        "BusinessPartner,BusinessPartnerIDByExtSystem,OrganizationBPName1,SearchTerm1,BusinessPartnerIsBlocked";
    let partners = erp.read_all(set, select, "BusinessPartner", "").await?;
    let select = "BusinessPartner,AddressID,StreetName,CityName,PostalCode";
    let set = "API_BUSINESS_PARTNER/A_BusinessPartnerAddress";
    let addresses = erp.read_all(set, select, "BusinessPartner", "").await?;
    let accounts = crm.query(&format!("SELECT {FIELDS} FROM Account")).await?;
    let text = |record: &Value, name: &str| record.get(name).as_str().unwrap_or_default().to_owned();
    let mut found = Comparison { accounts: accounts.len(), partners: partners.len(), ..Comparison::default() };
    let addresses: HashMap<String, &Value> =
        addresses.iter().map(|address| (text(address, "BusinessPartner"), address)).collect();
    let mut by_number: HashMap<String, &Value> = HashMap::with_capacity(partners.len());
    let mut by_key: HashMap<String, String> = HashMap::with_capacity(partners.len());
    for partner in &partners {
        let (number, key) = (text(partner, "BusinessPartner"), text(partner, "BusinessPartnerIDByExtSystem"));
        by_number.insert(number.clone(), partner);
        if !key.is_empty()
            && let Some(other) = by_key.insert(key.clone(), number.clone())
        {
            found.doubled += 1;
            found.example(|| format!("partners {other} and {number} both stand for {key}"));
        }
    }
    for account in &accounts {
        let (id, number) = (text(account, "Id"), text(account, "ERP_Customer_Number__c"));
        let Some(partner) = by_number.get(&number) else {
            found.not_linked += 1;
            found.example(|| format!("account {id} ({}) has no partner", text(account, "Name")));
            continue;
        };
        let address = addresses.get(&number).copied().unwrap_or(&Value::Null);
        let pairs = HEAD.iter().map(|pair| (*partner, pair)).chain(ADDRESS.iter().map(|pair| (address, pair)));
        for (record, (ours, theirs)) in pairs {
            let (left, right) = (account.get(ours), record.get(theirs));
            if left != right && !(is_empty(left) && is_empty(right)) {
                found.differing += 1;
                found.example(|| format!("account {id} says {ours} {left}, partner {number} says {theirs} {right}"));
            }
        }
        for field in ["Name", "BillingCity", "BillingStreet", "ERP_Blocked__c"] {
            let Some(said) = last.get(&(id.as_str().into(), field)) else { continue };
            let value = account.get(field);
            let is = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if is != *said {
                found.overruled += 1;
                found.example(|| format!("account {id}: the owner of {field} said {said}, and it is {is}"));
            }
        }
    }
    Ok(found)
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value.as_str() == Some("")
}
