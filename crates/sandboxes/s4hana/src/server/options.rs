//! How the simulated system is set up.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::erp::code::Code;
use crate::erp::store::Company;
use crate::odata::fixed::Rate;

/// How a simulated S/4HANA is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The communication user.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The client, three digits.
    pub client: String,
    /// The company that it runs.
    pub organization: Organization,
    /// Where business events are sent; nowhere when missing.
    pub events: Option<EventTarget>,
    /// How long the steps after an order take.
    pub timing: Timing,
    /// Where the draws of faults start.
    pub seed: u64,
    /// Faults that happen from the start, with their rates.
    pub faults: Vec<(String, f64)>,
    /// Documents and partners that are locked from the start, by number.
    pub locks: Vec<String>,
    /// Rows on one page of a read that does not bound itself.
    pub page: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            user: "INTERLOCK".to_owned(),
            password: "sandbox".to_owned(),
            client: "100".to_owned(),
            organization: Organization::default(),
            events: None,
            timing: Timing::default(),
            seed: 1,
            faults: Vec::new(),
            locks: Vec::new(),
            page: 1_000,
        }
    }
}

/// The organization of the company: one sales area, one company code, its plants.
#[derive(Debug, Clone)]
pub struct Organization {
    /// SalesOrganization.
    pub sales_organization: String,
    /// DistributionChannel.
    pub distribution_channel: String,
    /// Division.
    pub division: String,
    /// CompanyCode.
    pub company_code: String,
    /// Plants, the first of which ships unless another has to.
    pub plants: Vec<String>,
    /// The country of the plants.
    pub country: String,
    /// The currency of the company.
    pub currency: String,
    /// The tax on sales within the country, in percent.
    pub tax_percent: u32,
}

impl Default for Organization {
    fn default() -> Self {
        Self {
            sales_organization: "1010".to_owned(),
            distribution_channel: "10".to_owned(),
            division: "00".to_owned(),
            company_code: "1010".to_owned(),
            plants: vec!["1010".to_owned(), "1020".to_owned()],
            country: "GB".to_owned(),
            currency: "GBP".to_owned(),
            tax_percent: 20,
        }
    }
}

impl Options {
    /// The company that these options set up.
    #[must_use]
    pub(crate) fn company(&self) -> Company {
        let of = &self.organization;
        let country = Code::new(&of.country);
        Company {
            areas: vec![(
                Code::new(&of.sales_organization),
                Code::new(&of.distribution_channel),
                Code::new(&of.division),
            )],
            company_code: Code::new(&of.company_code),
            plants: of.plants.iter().map(|plant| (Code::new(plant), country)).collect(),
            currency: Code::new(&of.currency),
            taxes: vec![(country, Rate::whole(i64::from(of.tax_percent)))],
            order_types: ["OR", "TA", "OR1"].map(Code::new).to_vec(),
            return_types: ["CBAR", "RE", "RE2"].map(Code::new).to_vec(),
            user: self.user.chars().take(12).collect(),
        }
    }
}

/// Where business events are sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTarget {
    /// The webhook.
    pub url: String,
    /// The bearer token that it wants.
    #[serde(default)]
    pub token: Option<String>,
}

/// How long the steps after an order take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From the order (or its release) to the delivery.
    pub delivery_after: Duration,
    /// From the delivery to the goods issue.
    pub goods_issue_after: Duration,
    /// From the goods issue to the billing document, and from a return to its credit memo.
    pub invoice_after: Duration,
    /// From the billing document to its payment.
    pub payment_after: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let short = Duration::from_millis(500);
        Self { delivery_after: short, goods_issue_after: short, invoice_after: short, payment_after: short }
    }
}

/// [`Timing`] as it is set over HTTP: milliseconds, and what is missing stays.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct TimingChange {
    delivery_after_ms: Option<u64>,
    goods_issue_after_ms: Option<u64>,
    invoice_after_ms: Option<u64>,
    payment_after_ms: Option<u64>,
}

impl TimingChange {
    /// The timing after the change.
    pub(crate) fn apply(self, timing: Timing) -> Timing {
        // A year is longer than any sandbox lives.
        let pick = |change: Option<u64>, old| change.map_or(old, |ms| Duration::from_millis(ms.min(31_536_000_000)));
        Timing {
            delivery_after: pick(self.delivery_after_ms, timing.delivery_after),
            goods_issue_after: pick(self.goods_issue_after_ms, timing.goods_issue_after),
            invoice_after: pick(self.invoice_after_ms, timing.invoice_after),
            payment_after: pick(self.payment_after_ms, timing.payment_after),
        }
    }
}

impl From<Timing> for TimingChange {
    fn from(timing: Timing) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).ok();
        Self {
            delivery_after_ms: ms(timing.delivery_after),
            goods_issue_after_ms: ms(timing.goods_issue_after),
            invoice_after_ms: ms(timing.invoice_after),
            payment_after_ms: ms(timing.payment_after),
        }
    }
}
