//! What people were told about of an object's comparisons, apart from what is open: what they dismissed, and what they had read
//! again. Kept where positions of feeds are, one row per object.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Value, json};
use reconcile::Told;
use store::{FeedPositionRow, Mutation, Page, Store, StoreError, WorkItemFilter, WorkItemRow, WorkItemStatus};

use super::MATTER;

/// Stands where the connection of a feed's position would.
const PLACES: &str = "@told";
/// So many dismissed findings of an object are remembered, the newest.
const DISMISSED_MAX: usize = 10_000;
/// More than can be open.
const ITEMS_MAX: u32 = 1_000;

/// What people did about findings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) dismissed: Vec<Arc<str>>,
    /// Since when.
    pub(crate) tried: Vec<(Arc<str>, Timestamp)>,
}

impl Memory {
    /// As it is stored.
    pub(crate) fn read(store: &dyn Store, object: &str) -> Result<Self, StoreError> {
        let stored = store.feed_position(PLACES, object)?;
        // What this program wrote can be read; what a person damaged is asked again.
        let value = stored.and_then(|row| json::parse(&row.position).ok()).unwrap_or_default();
        let dismissed = value.get("dismissed").items().iter().filter_map(Value::as_str).map(Arc::from).collect();
        let tried = value
            .get("tried")
            .items()
            .iter()
            .filter_map(|one| Some((one.get("finding").as_str()?.into(), one.get("at").as_str()?.parse().ok()?)));
        Ok(Self { dismissed, tried: tried.collect() })
    }

    /// To be stored.
    pub(crate) fn put(&self, object: &Arc<str>, at: Timestamp) -> Mutation {
        let oldest = self.dismissed.len().saturating_sub(DISMISSED_MAX);
        let tried = self.tried.iter().map(|(finding, at)| {
            Value::object([("finding", Value::from(Arc::clone(finding))), ("at", Value::from(at.to_string()))])
        });
        let value = Value::object([
            ("dismissed", Value::array(self.dismissed.iter().skip(oldest).cloned())),
            ("tried", Value::array(tried)),
        ]);
        let position = value.to_string().into_bytes();
        Mutation::PutFeedPosition(FeedPositionRow { connection: PLACES.into(), feed: Arc::clone(object), position, at })
    }

    /// What a comparison that began then has to know, with what is open.
    pub(crate) fn told(&self, open: &[WorkItemRow], begun: Timestamp) -> BTreeMap<Arc<str>, Told> {
        let dismissed = self.dismissed.iter().map(|finding| (Arc::clone(finding), Told::Dismissed));
        let tried = self.tried.iter().filter(|(_, at)| *at >= begun);
        let tried = tried.map(|(finding, _)| (Arc::clone(finding), Told::Tried));
        let open = open.iter().filter_map(|item| Some((finding_of(item)?, Told::Open)));
        dismissed.chain(tried).chain(open).collect()
    }
}

/// The finding that an item is about.
pub(crate) fn finding_of(item: &WorkItemRow) -> Option<Arc<str>> {
    item.content.get("finding").as_str().map(Arc::from)
}

/// The open items of an object's findings.
pub(crate) fn open_items(store: &dyn Store, object: &str) -> Result<Vec<WorkItemRow>, StoreError> {
    let Some(matter) = store.transaction_of_key(MATTER, object)? else { return Ok(Vec::new()) };
    let (transaction, status) = (Some(matter.id), Some(WorkItemStatus::Open));
    let filter = WorkItemFilter { transaction, status, ..WorkItemFilter::default() };
    store.work_items(&filter, Page { offset: 0, limit: ITEMS_MAX })
}
