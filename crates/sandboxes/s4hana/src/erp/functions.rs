//! Function imports: the availability check, and actions on documents.

use crate::odata::error::Error;
use crate::odata::fixed::Amount;
use crate::odata::literal::Literal;
use crate::odata::time::{days_after, midnight};

use super::code::Code;
use super::process;
use super::row::{Availability, ErpRow, What};
use super::store::{CATALOG, Material, Store};
use super::transaction::Transaction;

/// Days until what is not in stock has come from the supplier.
const LEAD: i64 = 10;
/// How far availability is told, in days.
const HORIZON: i64 = 365;

/// The parameters of a call.
pub(crate) struct Call<'a> {
    /// The function.
    pub(crate) name: &'a str,
    /// Names and values.
    pub(crate) parameters: &'a [(String, Literal)],
}

impl Call<'_> {
    fn literal(&self, name: &str) -> Option<&Literal> {
        self.parameters.iter().find(|(other, _)| other == name).map(|(_, literal)| literal)
    }

    fn text(&self, name: &str) -> Result<&str, Error> {
        let text = self.literal(name).and_then(Literal::as_text).filter(|text| !text.is_empty());
        text.ok_or_else(|| Error::business("/IWBEP/CM_MGW_RT/037", format!("Parameter '{name}' is required")).at(name))
    }
}

/// Answers a function that reads.
///
/// # Errors
/// For parameters that are missing, and materials and plants that there are not.
pub(crate) fn read<'a>(store: &'a Store, call: &Call<'_>, now: i64) -> Result<Vec<ErpRow<'a>>, Error> {
    let name = call.text("Material")?.to_uppercase();
    let plant = Code::new(call.text("SupplyingPlant")?);
    call.text("ATPCheckingRule")?;
    let found = store.material(&name).map(|place| &store.materials[place as usize]);
    let Some(material) = found.filter(|material| !material.deleted) else {
        return Err(
            Error::business("M3/305", format!("The material {name} does not exist or is not activated")).at("Material")
        );
    };
    let Some(available) = material.available(plant) else {
        let message = format!("Material {name} is not maintained in plant {plant}");
        return Err(Error::business("M3/351", message).at("SupplyingPlant"));
    };
    let today = midnight(now);
    let restocked = days_after(today, LEAD);
    let end = days_after(today, HORIZON);
    let record = |start, end, quantity| Availability { start, end, quantity, unit: material.unit.as_str() };
    let full = full(material, plant);
    let periods = match call.name {
        "DetermineAvailabilityAt" => {
            let at = match call.literal("RequestedUTCDateTime") {
                Some(Literal::Instant(at) | Literal::Date(at)) => *at,
                _ => now,
            };
            let quantity = if at >= restocked { available.max(full) } else { available };
            vec![if at >= restocked { record(restocked, end, quantity) } else { record(today, restocked, quantity) }]
        }
        "DetermineAvailabilityOf" => {
            let wanted = match call.literal("RequestedQuantityInBaseUnit") {
                Some(Literal::Number(billionths)) => {
                    Amount::from_units(i64::try_from(billionths / 1_000_000).unwrap_or(i64::MAX))
                }
                _ => Amount::ZERO,
            };
            vec![if wanted <= available {
                record(today, restocked, available)
            } else {
                record(restocked, end, full.max(wanted))
            }]
        }
        _ => vec![record(today, restocked, available), record(restocked, end, full.max(available))],
    };
    let Some(service) = CATALOG.service("API_PRODUCT_AVAILY_INFO_BASIC") else { return Ok(Vec::new()) };
    let row = |period| ErpRow { store, kind: &service.types[0], what: What::Availability(period) };
    Ok(periods.into_iter().map(row).collect())
}

fn full(material: &Material, plant: Code) -> Amount {
    material.stocks.iter().find(|stock| stock.plant == plant).map_or(Amount::ZERO, |stock| stock.full)
}

/// What an action was about, so that its answer can be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Acted {
    /// A delivery: each item is reported.
    Delivery(u32),
    /// The document that cancels another.
    Cancelled(u32),
}

impl Acted {
    /// The rows of the answer.
    #[must_use]
    pub(crate) fn rows<'a>(self, store: &'a Store, kind: &'static crate::odata::edm::EntityType) -> Vec<ErpRow<'a>> {
        match self {
            Self::Delivery(place) => {
                let delivery = &store.deliveries[place as usize];
                let row = |item| ErpRow { store, kind, what: What::DeliveryItem(delivery, item) };
                delivery.items.iter().map(row).collect()
            }
            Self::Cancelled(place) => {
                vec![ErpRow { store, kind, what: What::Billing(&store.billings[place as usize]) }]
            }
        }
    }
}

/// Carries out an action.
///
/// # Errors
/// What the vendor would refuse.
pub(crate) fn act(work: &mut Transaction<'_>, call: &Call<'_>) -> Result<Acted, Error> {
    let number = |name: &str| call.text(name)?.parse::<u64>().map_err(|_| Error::not_found(name));
    match call.name {
        "PostGoodsIssue" | "PickAllItems" | "ConfirmPickingAllItems" => {
            let number = number("DeliveryDocument")?;
            let Some(place) = work.store.delivery(number) else { return Err(Error::not_found("A_OutbDeliveryHeader")) };
            if call.name == "PostGoodsIssue" {
                process::issue(work, place)?
            } else {
                process::pick(work, place)?
            }
            Ok(Acted::Delivery(place))
        }
        "Cancel" => {
            let number = number("BillingDocument")?;
            let Some(place) = work.store.billing(number) else { return Err(Error::not_found("A_BillingDocument")) };
            process::cancel(work, place).map(Acted::Cancelled)
        }
        "releaseApprovalRequest" | "rejectApprovalRequest" => {
            let number = number("SalesOrder")?;
            if work.store.order(number).is_none() {
                return Err(Error::not_found("A_SalesOrder"));
            }
            let message = format!("There is no approval request for sales document {number}");
            Err(Error::business("SD_APM/014", message))
        }
        other => Err(Error::no_segment(other)),
    }
}
