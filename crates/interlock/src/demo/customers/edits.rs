//! People who edit customers in both systems at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::Problem;

use super::super::crm::Crm;
use super::super::erp::Erp;
use super::super::systems::Systems;

/// Accounts that are changed in one request, each once.
const CRM_AT_ONCE: usize = 100;
/// Requests under way at the ERP.
const ERP_AT_ONCE: usize = 8;

/// A customer's records.
#[derive(Debug, Clone)]
pub(super) struct Linked {
    pub(super) account: Arc<str>,
    pub(super) partner: Arc<str>,
}

/// What the owner of a member said last, by account and field of the CRM.
pub(super) type LastWords = HashMap<(Arc<str>, &'static str), String>;

/// What was done.
pub(super) struct Edited {
    pub(super) made: usize,
    pub(super) last: LastWords,
}

pub(super) struct Editors {
    crm: Crm,
    erp: Erp,
    customers: Vec<Linked>,
    edits: usize,
    done: Arc<AtomicUsize>,
}

impl Editors {
    pub(super) fn new(
        systems: &Systems,
        customers: Vec<Linked>,
        edits: usize,
        done: Arc<AtomicUsize>,
    ) -> Result<Self, Problem> {
        let crm = Crm::new(systems.crm_access.clone())?;
        let erp = Erp::new(systems.erp_access.clone())?;
        Ok(Self { crm, erp, customers, edits, done })
    }

    /// Half of the edits in each system, at the same time.
    pub(super) async fn work(self) -> Result<Edited, Problem> {
        if self.customers.is_empty() || self.edits == 0 {
            return Ok(Edited { made: 0, last: LastWords::new() });
        }
        let half = self.edits / 2;
        let (crm, erp) = tokio::join!(self.in_crm(self.edits - half), self.in_erp(half));
        let (mut last, others) = (crm?, erp?);
        last.extend(others);
        Ok(Edited { made: self.done.load(Ordering::Relaxed), last })
    }

    /// Names, cities and streets, which the CRM owns, and search terms, which nobody owns.
    async fn in_crm(&self, edits: usize) -> Result<LastWords, Problem> {
        let mut random = Random(42);
        let mut last = LastWords::new();
        let mut made = 0;
        while made < edits {
            let count = CRM_AT_ONCE.min(edits - made);
            let mut changes: HashMap<Arc<str>, BTreeMap<&str, String>> = HashMap::new();
            for edit in made..made + count {
                let account = &self.customers[random.below(self.customers.len())].account;
                let (field, value) = match random.below(4) {
                    0 => ("Name", format!("Name {edit}")),
                    1 => ("BillingCity", format!("City {edit}")),
                    2 => ("Search_Term__c", format!("CRM {edit}")),
                    _ => ("BillingStreet", format!("{edit} High Street")),
                };
                if field != "Search_Term__c" {
                    last.insert((Arc::clone(account), field), value.clone());
                }
                changes.entry(Arc::clone(account)).or_default().insert(field, value);
            }
            let bodies: Vec<String> = changes
                .iter()
                .map(|(account, fields)| {
                    let fields = fields.iter().map(|(field, value)| format!(",\"{field}\":\"{value}\""));
                    format!("\"id\":\"{account}\"{}", fields.collect::<String>())
                })
                .collect();
            self.crm.update("Account", &bodies).await?;
            made += count;
            self.done.fetch_add(count, Ordering::Relaxed);
        }
        Ok(last)
    }

    /// Blocks, which the ERP owns; search terms, which nobody owns; and names, which it does not own and which are written over.
    async fn in_erp(&self, edits: usize) -> Result<LastWords, Problem> {
        let mut random = Random(4711);
        let mut last = LastWords::new();
        let mut made = 0;
        while made < edits {
            let count = ERP_AT_ONCE.min(edits - made);
            // One person works on a partner at a time.
            let mut changes: BTreeMap<Arc<str>, BTreeMap<&str, String>> = BTreeMap::new();
            for edit in made..made + count {
                let Linked { account, partner } = &self.customers[random.below(self.customers.len())];
                let (field, value) = match random.below(3) {
                    0 => ("OrganizationBPName1", format!("\"Grabbed {edit}\"")),
                    1 => ("SearchTerm1", format!("\"ERP {edit}\"")),
                    _ => ("BusinessPartnerIsBlocked", (random.below(2) == 0).to_string()),
                };
                if field == "BusinessPartnerIsBlocked" {
                    last.insert((Arc::clone(account), "ERP_Blocked__c"), value.clone());
                }
                changes.entry(Arc::clone(partner)).or_default().insert(field, value);
            }
            let requests = changes.iter().map(|(partner, fields)| {
                let fields: Vec<String> = fields.iter().map(|(field, value)| format!("\"{field}\":{value}")).collect();
                let path = format!("API_BUSINESS_PARTNER/A_BusinessPartner('{partner}')");
                async move { self.erp.change(&path, &format!("{{{}}}", fields.join(","))).await }
            });
            futures::future::try_join_all(requests).await?;
            made += count;
            self.done.fetch_add(count, Ordering::Relaxed);
        }
        Ok(last)
    }
}

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }
}
