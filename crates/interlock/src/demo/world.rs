//! The small world of the demo: which product lies where, which the ERP does not know, who has little credit.
//!
//! Everything is decided by the codes and numbers themselves, so that the same data makes the same world.

use std::collections::HashSet;

use super::input::{Customer, Order, Plan, Product, Return};

/// The plant that most products lie in.
pub(crate) const PLANT_MAIN: &str = "1010";
/// The plant of the others.
pub(crate) const PLANT_SECOND: &str = "1020";
/// Currency of all amounts: the seller is British.
pub(crate) const CURRENCY: &str = "GBP";
/// Products of a thousand that lie in the second plant.
const SECOND_PER_THOUSAND: u64 = 15;
/// Customers of a thousand with little credit.
const LITTLE_CREDIT_PER_THOUSAND: u64 = 8;
/// Most products that the ERP is not told of.
const UNKNOWN_MAX: usize = 4;
/// Customers of a hundred whom the ERP knows before the demo starts.
const KNOWN_PER_HUNDRED: u64 = 30;

/// The plan and what the demo makes of it.
pub(crate) struct World {
    /// What is to be sold.
    pub(crate) plan: Plan,
    /// Whether requests are to be expected to fail.
    pub(crate) rough: bool,
    unknown: HashSet<u32>,
    returns_by_order: Vec<Vec<u32>>,
}

impl World {
    /// A world for this plan; in a `rough` one the ERP lacks a few products.
    pub(crate) fn new(plan: Plan, rough: bool) -> Self {
        let unknown = if rough { unknown(&plan) } else { HashSet::new() };
        let mut returns_by_order = vec![Vec::new(); plan.orders.len()];
        for (place, given) in plan.returns.iter().enumerate() {
            if let Some(list) = returns_by_order.get_mut(given.order as usize) {
                list.push(u32::try_from(place).unwrap_or(u32::MAX));
            }
        }
        Self { plan, rough, unknown, returns_by_order }
    }

    /// Whether the ERP knows this product.
    pub(crate) fn in_erp(&self, product: u32) -> bool {
        !self.unknown.contains(&product)
    }

    /// What comes back of an order.
    pub(crate) fn returns(&self, order: u32) -> impl Iterator<Item = &Return> {
        let places = self.returns_by_order.get(order as usize).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.plan.returns.get(*place as usize))
    }

    /// The plants that an order is delivered from, sorted.
    pub(crate) fn plants(&self, order: &Order) -> Vec<&'static str> {
        let mut plants: Vec<_> = order.lines.iter().map(|line| self.plant_of(line.product)).collect();
        plants.sort_unstable();
        plants.dedup();
        plants
    }

    /// The plant of a product.
    pub(crate) fn plant_of(&self, product: u32) -> &'static str {
        self.plan.products.get(product as usize).map_or(PLANT_MAIN, plant)
    }
}

/// The plant that a product lies in.
pub(crate) fn plant(product: &Product) -> &'static str {
    if scattered(product.code.as_bytes()) % 1_000 < SECOND_PER_THOUSAND { PLANT_SECOND } else { PLANT_MAIN }
}

/// Whether a customer has so little credit that most orders are held.
pub(crate) fn has_little_credit(customer: &Customer) -> bool {
    scattered(&customer.number.to_be_bytes()) % 1_000 < LITTLE_CREDIT_PER_THOUSAND
}

/// Whether the ERP knows a customer before the first order. All those with a credit limit are known.
pub(crate) fn is_known(customer: &Customer) -> bool {
    has_little_credit(customer) || scattered(&customer.number.to_le_bytes()) % 100 < KNOWN_PER_HUNDRED
}

/// A few products, together on less than one order in sixty.
fn unknown(plan: &Plan) -> HashSet<u32> {
    let most = u32::try_from(plan.orders.len() / 250).unwrap_or(u32::MAX).max(1);
    let mut candidates: Vec<(u64, u32)> = (0..)
        .zip(&plan.products)
        .filter(|(_, product)| product.lines <= most)
        .map(|(place, product)| (scattered(product.code.as_bytes()), place))
        .collect();
    candidates.sort_unstable();
    candidates.into_iter().take(UNKNOWN_MAX).map(|(_, place)| place).collect()
}

/// FNV-1a, 64 bits: spread, stable, and the same everywhere.
fn scattered(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    // The low bits of FNV alone follow the last byte too closely.
    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 17
}

#[cfg(test)]
mod tests {
    use super::super::input::{GeneratedRows, plan};
    use super::*;

    #[test]
    fn the_world_has_a_little_of_everything() {
        let plan = plan(&mut GeneratedRows::new(1), 1_500).expect("it cannot fail");
        let world = World::new(plan, true);
        let second = world.plan.products.iter().filter(|product| plant(product) == PLANT_SECOND).count();
        assert!((10..120).contains(&second), "{second} of {}", world.plan.products.len());
        let little = world.plan.customers.iter().filter(|customer| has_little_credit(customer)).count();
        assert!((1..40).contains(&little), "{little} of {}", world.plan.customers.len());
        assert!(world.plan.customers.iter().all(|customer| !has_little_credit(customer) || is_known(customer)));
        let touched =
            world.plan.orders.iter().filter(|order| order.lines.iter().any(|line| !world.in_erp(line.product))).count();
        assert!((1..=25).contains(&touched), "{touched}");
        assert!(World::new(world.plan.clone(), false).unknown.is_empty());
    }
}
