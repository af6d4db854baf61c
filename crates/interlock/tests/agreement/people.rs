//! What people do with contacts in both systems.

use reqwest::Method;
use serde_json::{Value, json};

use crate::program::until;
use crate::systems::{CRM_API, Interlock};
use crate::world::World;

const SERVICE: &str = "API_BUSINESS_PARTNER";
const RELATIONSHIPS: &str = "API_BUSINESS_PARTNER/A_BusinessPartnerContact?$expand=to_ContactRelationship";
/// Titles in the CRM and their codes in the ERP.
pub(crate) const FUNCTIONS: [(&str, &str); 3] =
    [("Executive Board", "0001"), ("Head of Purchasing", "0002"), ("Head of Sales", "0003")];

/// What makes a person a contact of a company in the ERP.
#[derive(Debug, Clone)]
pub(crate) struct Relationship {
    pub(crate) number: String,
    pub(crate) company: String,
    pub(crate) person: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) function: String,
    pub(crate) department: String,
}

impl Relationship {
    fn address(&self, set: &str) -> String {
        format!(
            "{SERVICE}/{set}(RelationshipNumber='{}',BusinessPartnerCompany='{}',BusinessPartnerPerson='{}',\
             ValidityEndDate=datetime'9999-12-31T00:00:00')",
            self.number, self.company, self.person
        )
    }
}

impl World {
    pub(crate) fn contact(&self, id: &str) -> Value {
        self.contacts(&format!("Id = '{id}'")).into_iter().next().expect("the contact")
    }

    pub(crate) fn contacts(&self, condition: &str) -> Vec<Value> {
        self.records(&format!(
            "SELECT Id, AccountId, FirstName, LastName, Email, Phone, Title, Department, Interlock_Key__c FROM Contact WHERE {condition}"
        ))
    }

    pub(crate) fn delete_record(&self, object: &str, id: &str) {
        let url = format!("{}/{CRM_API}/sobjects/{object}/{id}", self.crm);
        self.http.done(self.http.request(Method::DELETE, &url).bearer_auth(&self.token));
    }

    pub(crate) fn create_person(&self, first: &str, last: &str) -> String {
        let person = json!({"BusinessPartnerCategory": "1", "FirstName": first, "LastName": last});
        let made = self.write(Method::POST, &format!("{SERVICE}/A_BusinessPartner"), &person).expect("a person");
        made["d"]["BusinessPartner"].as_str().expect("a number").to_owned()
    }

    /// Makes a person a contact of a company.
    pub(crate) fn relate(&self, company: &str, person: &str, details: &Value) {
        let relationship = json!({
            "BusinessPartnerCompany": company, "BusinessPartnerPerson": person, "RelationshipCategory": "BUR001",
            "to_ContactRelationship": details
        });
        self.write(Method::POST, &format!("{SERVICE}/A_BusinessPartnerContact"), &relationship)
            .expect("a relationship");
    }

    pub(crate) fn change_relationship(&self, relationship: &Relationship, details: &Value) {
        let address = relationship.address("A_BPContactToFuncAndDept");
        until(crate::SOON, || self.write(Method::PATCH, &address, details));
    }

    /// Changes the relationship that a person has now; that may go at the same time.
    pub(crate) fn try_to_change(&self, person: &str, details: &Value) {
        let found = until(crate::SOON, || self.write(Method::GET, RELATIONSHIPS, &json!({})));
        let own = relationships(&found["d"]).into_iter().find(|one| one.person == person);
        if let Some(own) = own {
            let _ = self.write(Method::PATCH, &own.address("A_BPContactToFuncAndDept"), details);
        }
    }

    pub(crate) fn end_relationship(&self, relationship: &Relationship) {
        let address = relationship.address("A_BusinessPartnerContact");
        self.write(Method::DELETE, &address, &json!({})).expect("it ended");
    }

    pub(crate) fn relationships(&self) -> Vec<Relationship> {
        relationships(&self.read(RELATIONSHIPS))
    }

    pub(crate) fn persons(&self) -> Vec<Value> {
        self.read(&format!("{SERVICE}/A_BusinessPartner?$filter=BusinessPartnerCategory%20eq%20'1'"))["results"]
            .as_array()
            .expect("persons")
            .clone()
    }
}

fn relationships(found: &Value) -> Vec<Relationship> {
    let of = |one: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let details = &one["to_ContactRelationship"];
        Relationship {
            number: text(&one["RelationshipNumber"]),
            company: text(&one["BusinessPartnerCompany"]),
            person: text(&one["BusinessPartnerPerson"]),
            email: text(&details["EmailAddress"]),
            phone: text(&details["PhoneNumber"]),
            function: text(&details["ContactPersonFunction"]),
            department: text(&details["ContactPersonDepartment"]),
        }
    };
    found["results"].as_array().expect("relationships").iter().map(of).collect()
}

impl Interlock<'_> {
    /// How the matters stand whose title is this one.
    pub(crate) fn stages(&self, title: &str) -> Vec<String> {
        let (status, found) = self.ops(Method::GET, "transactions?limit=100", None);
        assert_eq!(status, 200, "{found}");
        let all = found["transactions"].as_array().expect("transactions").iter();
        let own = all.filter(|one| one["title"] == *title);
        own.filter_map(|one| one["stage"].as_str().map(str::to_owned)).collect()
    }
}
