//! The sales team: writes quotes as drafts, a batch at a time, and sets them to accepted when they are complete.
//!
//! The CRM's own misfortunes strike the sales team as well. An answer that gets lost is made good by looking: nothing that is
//! accepted has a line twice or too few.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use model::Problem;
use tokio::time::Instant;

use super::board::Board;
use super::crm::{COLLECTION_MAX, Created, Crm, amount, listed, quoted};
use super::input::Order;
use super::seed::CrmIds;
use super::world::World;

/// Quotes in one batch.
const BATCH: usize = 50;
/// Lines in one request when the weather is rough: all or none of many would hardly ever be all.
const CAUTIOUS: usize = 25;
/// Batches that are written at the same time.
const WRITERS: usize = 2;
/// How long a writer waits when the others have enough to do.
const BREATH: Duration = Duration::from_millis(20);

/// How fast quotes are accepted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// Quotes per second; `None` for as fast as the chain takes them.
    pub(crate) per_second: Option<f64>,
    /// Most accepted quotes that have neither become orders nor wait for a person.
    pub(crate) backlog: u64,
}

/// What the sales team works with.
pub(crate) struct Sales {
    pub(crate) crm: Arc<Crm>,
    pub(crate) ids: Arc<CrmIds>,
    pub(crate) world: Arc<World>,
    pub(crate) board: Arc<Board>,
    /// Set when nobody wants more orders.
    pub(crate) stop: Arc<AtomicBool>,
    /// Customers who are about to cancel or to send something back.
    pub(crate) reacting: AtomicUsize,
}

impl Sales {
    /// Sells orders `from..to` of the plan.
    ///
    /// # Errors
    /// When the CRM refuses something, or stays away.
    pub(crate) async fn sell(self: &Arc<Self>, from: usize, to: usize, pace: Pace) -> Result<(), Problem> {
        let next = Arc::new(AtomicU32::new(u32::try_from(from).unwrap_or(u32::MAX)));
        let started = Instant::now();
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..WRITERS {
            let (team, next) = (Arc::clone(self), Arc::clone(&next));
            writers.spawn(async move { team.write(&next, from, to, pace, started).await });
        }
        while let Some(done) = writers.join_next().await {
            done.map_err(|error| {
                Problem::new("IL-DEMO-014", format!("a writer of quotes ended: {error}"), "Report this")
            })??;
        }
        Ok(())
    }

    async fn write(
        &self,
        next: &AtomicU32,
        from: usize,
        to: usize,
        pace: Pace,
        started: Instant,
    ) -> Result<(), Problem> {
        // Slow traffic comes one by one, not in heaps.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let batch = pace.per_second.map_or(BATCH, |rate| ((rate / 4.0) as usize).clamp(1, BATCH));
        loop {
            let counts = self.board.counts();
            if counts.accepted.saturating_sub(counts.ordered + counts.held) >= pace.backlog {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                tokio::time::sleep(BREATH).await;
                continue;
            }
            let first = next.fetch_add(u32::try_from(batch).unwrap_or(1), Ordering::Relaxed) as usize;
            if first >= to || self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if let Some(rate) = pace.per_second {
                #[allow(clippy::cast_precision_loss)]
                let due = Duration::from_secs_f64((first - from) as f64 / rate);
                tokio::time::sleep_until(started + due).await;
            }
            let places: Vec<u32> =
                (first..to.min(first + batch)).filter_map(|place| u32::try_from(place).ok()).collect();
            self.accept(&places).await?;
        }
    }

    async fn accept(&self, places: &[u32]) -> Result<(), Problem> {
        let quotes = self.write_drafts(places).await?;
        self.set_accepted(places, quotes).await
    }

    /// Writes quotes with their lines for these of the plan's orders.
    ///
    /// # Errors
    /// When the CRM refuses something, or stays away.
    pub(crate) async fn write_drafts(&self, places: &[u32]) -> Result<Vec<String>, Problem> {
        let orders: Vec<(u32, &Order)> =
            places.iter().filter_map(|place| Some((*place, self.world.plan.orders.get(*place as usize)?))).collect();
        let quotes = self.drafts(&orders).await?;
        self.lines(&orders, &quotes).await?;
        Ok(quotes)
    }

    /// Sets written quotes to accepted.
    ///
    /// # Errors
    /// As [`Self::write_drafts`].
    pub(crate) async fn set_accepted(&self, places: &[u32], quotes: Vec<String>) -> Result<(), Problem> {
        let bodies: Vec<String> = quotes.iter().map(|id| format!("\"Id\":\"{id}\",\"Status\":\"Accepted\"")).collect();
        // On the board first: the order may be in the ERP before the answer is here.
        self.board.accepted(quotes.into_iter().zip(places.iter().copied()), Timestamp::now());
        self.crm.update("Quote", &bodies).await
    }

    async fn drafts(&self, orders: &[(u32, &Order)]) -> Result<Vec<String>, Problem> {
        let pricebook = &self.ids.pricebook;
        let bodies: Vec<String> = orders
            .iter()
            .map(|(_, order)| {
                let opportunity = self.ids.opportunities.get(order.customer as usize).map_or("", String::as_str);
                let reference = quoted(&order.document);
                format!(
                    "\"OpportunityId\":\"{opportunity}\",\"Name\":{},\"Pricebook2Id\":\"{pricebook}\",\"Customer_Reference__c\":{reference}",
                    quoted(&format!("Order {}", order.document))
                )
            })
            .collect();
        loop {
            if let Created::Ids(ids) = self.crm.create("Quote", &bodies).await? {
                return Ok(ids);
            }
            let references = listed(orders.iter().map(|(_, order)| &*order.document));
            let soql = format!(
                "SELECT Id, Customer_Reference__c FROM Quote WHERE Status = 'Draft' AND Customer_Reference__c IN ({references})"
            );
            let found = self.crm.query(&soql).await?;
            let id = |order: &Order| {
                found
                    .iter()
                    .find(|record| record.get("Customer_Reference__c").as_str() == Some(&*order.document))
                    .and_then(|record| record.get("Id").as_str().map(str::to_owned))
            };
            let ids: Option<Vec<String>> = orders.iter().map(|(_, order)| id(order)).collect();
            if let Some(ids) = ids {
                return Ok(ids);
            }
        }
    }

    async fn lines(&self, orders: &[(u32, &Order)], quotes: &[String]) -> Result<(), Problem> {
        let mut bodies: Vec<(usize, String)> = Vec::new();
        for (place, ((_, order), quote)) in orders.iter().zip(quotes).enumerate() {
            for line in &order.lines {
                let entry = self.ids.entries.get(line.product as usize).map_or("", String::as_str);
                let (quantity, price) = (line.quantity, amount(line.price));
                let body = format!(
                    "\"QuoteId\":\"{quote}\",\"PricebookEntryId\":\"{entry}\",\"Quantity\":{quantity},\"UnitPrice\":{price}"
                );
                bodies.push((place, body));
            }
        }
        let mut written = vec![0_u64; orders.len()];
        let most = if self.world.rough { CAUTIOUS } else { COLLECTION_MAX };
        for chunk in bodies.chunks(most) {
            let records: Vec<String> = chunk.iter().map(|(_, body)| body.clone()).collect();
            let mut expected = written.clone();
            for (place, _) in chunk {
                expected[*place] += 1;
            }
            while let Created::Unknown = self.crm.create("QuoteLineItem", &records).await? {
                // All or none: the last quote of the chunk tells whether it was all.
                let Some(last) = chunk.last().map(|(place, _)| *place) else { break };
                let quote = quotes.get(last).map_or("", String::as_str);
                let soql = format!("SELECT Id, LineItemCount FROM Quote WHERE Id = '{quote}'");
                let found = self.crm.query(&soql).await?;
                let count = found.first().and_then(|record| record.get("LineItemCount").as_i64()).unwrap_or(0);
                if u64::try_from(count).unwrap_or(0) >= expected[last] {
                    break;
                }
            }
            written = expected;
        }
        Ok(())
    }

    /// What the customer of a quote does after its orders are there: take everything back at once, or send goods back when
    /// they are paid for.
    pub(crate) async fn cancel(&self, quote: &str) -> Result<(), Problem> {
        self.crm.update("Quote", &[format!("\"Id\":\"{quote}\",\"Status\":\"Denied\"")]).await
    }

    /// Hands in a return: one return order for one CRM order.
    pub(crate) async fn give_back(&self, given: &GivenBack) -> Result<(), Problem> {
        let description = format!("{} / {}", given.document, given.order_id);
        let body = format!(
            "\"AccountId\":\"{}\",\"OrderId\":\"{}\",\"Description\":{}",
            given.account_id,
            given.order_id,
            quoted(&description)
        );
        let id = loop {
            match self.crm.create("ReturnOrder", std::slice::from_ref(&body)).await? {
                Created::Ids(ids) => break ids.into_iter().next().unwrap_or_default(),
                Created::Unknown => {
                    let soql = format!("SELECT Id, Description FROM ReturnOrder WHERE OrderId = '{}'", given.order_id);
                    let found = self.crm.query(&soql).await?;
                    let known = found.iter().find(|record| record.get("Description").as_str() == Some(&description));
                    if let Some(id) = known.and_then(|record| record.get("Id").as_str()) {
                        break id.to_owned();
                    }
                }
            }
        };
        let lines: Vec<String> = given
            .lines
            .iter()
            .map(|(product, quantity, price)| {
                let price = amount(*price);
                format!(
                    "\"ReturnOrderId\":\"{id}\",\"Product2Id\":\"{product}\",\"QuantityReturned\":{quantity},\"UnitPrice\":{price}"
                )
            })
            .collect();
        let mut written = 0;
        for chunk in lines.chunks(COLLECTION_MAX) {
            written += chunk.len();
            while let Created::Unknown = self.crm.create("ReturnOrderLineItem", chunk).await? {
                let soql = format!("SELECT Id FROM ReturnOrderLineItem WHERE ReturnOrderId = '{id}'");
                if self.crm.query(&soql).await?.len() >= written {
                    break;
                }
            }
        }
        self.board.returned(&id, false);
        self.crm.update("ReturnOrder", &[format!("\"Id\":\"{id}\",\"Status\":\"Submitted\"")]).await
    }
}

/// Goods that come back for one CRM order.
pub(crate) struct GivenBack {
    pub(crate) document: Box<str>,
    pub(crate) account_id: String,
    pub(crate) order_id: String,
    /// Product id, pieces, price in hundredths.
    pub(crate) lines: Vec<(String, u32, i64)>,
}

impl GivenBack {
    /// One line for a log.
    pub(crate) fn told(&self) -> String {
        let mut text = String::new();
        let _ = write!(text, "{}: {} lines for order {}", self.document, self.lines.len(), self.order_id);
        text
    }
}
