//! Follows what Interlock writes back into the CRM, by what changed since the last look, and lets customers react to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use model::{Problem, Value};
use tokio::sync::{Semaphore, watch};

use super::board::{Board, OrderRecord, Quote, Stage, Standing};
use super::crm::Crm;
use super::sales::{GivenBack, Sales};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// How far a look reaches back behind the newest change that the one before saw.
const OVERLAP_MILLISECONDS: i64 = 500;
/// Customers who react at the same time.
const REACTIONS: usize = 4;

/// Watches until told to stop, then looks once more.
///
/// # Errors
/// When the CRM refuses a query, or stays away.
pub(crate) async fn run(team: Arc<Sales>, mut stop: watch::Receiver<bool>) -> Result<(), Problem> {
    let start = Timestamp::now().checked_sub(1.minute()).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut since = [start; 3];
    let reactions = Arc::new(Semaphore::new(REACTIONS));
    loop {
        let last = *stop.borrow();
        quotes(&team, &mut since[0], &reactions).await?;
        orders(&team.crm, &team.board, &mut since[1]).await?;
        returns(&team.crm, &team.board, &mut since[2]).await?;
        if last {
            return Ok(());
        }
        let _ = tokio::time::timeout(LOOK, stop.wait_for(|stop| *stop)).await;
    }
}

async fn changed(crm: &Crm, fields: &str, object: &str, since: &mut Timestamp) -> Result<Vec<Value>, Problem> {
    let from = since.checked_sub(OVERLAP_MILLISECONDS.milliseconds()).unwrap_or(*since);
    let from = from.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let soql =
        format!("SELECT {fields}, SystemModstamp FROM {object} WHERE SystemModstamp >= {from} ORDER BY SystemModstamp");
    let records = crm.query(&soql).await?;
    if let Some(newest) = records.iter().filter_map(|record| instant(record.get("SystemModstamp"))).max() {
        *since = newest.max(*since);
    }
    Ok(records)
}

async fn quotes(team: &Arc<Sales>, since: &mut Timestamp, reactions: &Arc<Semaphore>) -> Result<(), Problem> {
    for record in changed(&team.crm, "Id, Interlock_Status__c", "Quote", since).await? {
        let (Some(id), Some(status)) = (record.get("Id").as_str(), record.get("Interlock_Status__c").as_str()) else {
            continue;
        };
        let Some(quote) = team.board.standing(id, Standing::read(status)) else { continue };
        if matches!(quote.standing, Standing::Ordered | Standing::Completed) {
            let (team, reactions) = (Arc::clone(team), Arc::clone(reactions));
            team.reacting.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                if let Ok(_permit) = reactions.acquire_owned().await
                    && let Err(problem) = react(&team, &quote).await
                {
                    tracing::warn!(%problem, "a customer could not send something back");
                }
                team.reacting.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
    Ok(())
}

async fn react(team: &Arc<Sales>, quote: &Quote) -> Result<(), Problem> {
    match quote.standing {
        // Who gives everything back tries to cancel first. Where that comes too late, the goods come back like any others.
        Standing::Ordered if team.world.returns(quote.order).any(|given| given.whole) => team.cancel(&quote.id).await,
        Standing::Completed => send_back(team, quote).await,
        _ => Ok(()),
    }
}

async fn send_back(team: &Arc<Sales>, quote: &Quote) -> Result<(), Problem> {
    if team.world.returns(quote.order).next().is_none() {
        return Ok(());
    }
    let Some(order) = team.world.plan.orders.get(quote.order as usize) else { return Ok(()) };
    let account_id = team.ids.accounts.get(order.customer as usize).cloned().unwrap_or_default();
    let soql = format!("SELECT Id, Plant__c FROM Order WHERE QuoteId = '{}'", quote.id);
    let records = team.crm.query(&soql).await?;
    for given in team.world.returns(quote.order) {
        for record in &records {
            let plant = record.get("Plant__c").as_str().unwrap_or("");
            let lines: Vec<(String, u32, i64)> = given
                .lines
                .iter()
                .filter(|line| team.world.plant_of(line.product) == plant)
                .filter_map(|line| {
                    Some((team.ids.products.get(line.product as usize)?.clone(), line.quantity, line.price))
                })
                .collect();
            if lines.is_empty() {
                continue;
            }
            let order_id = record.get("Id").as_str().unwrap_or_default().to_owned();
            let given = GivenBack { document: given.document.clone(), account_id: account_id.clone(), order_id, lines };
            tracing::debug!("return {}", given.told());
            team.give_back(&given).await?;
        }
    }
    Ok(())
}

async fn orders(crm: &Crm, board: &Board, since: &mut Timestamp) -> Result<(), Problem> {
    for record in changed(crm, "Id, QuoteId, Plant__c, ERP_Status__c", "Order", since).await? {
        let text = |name: &str| record.get(name).as_str().unwrap_or_default();
        let known = OrderRecord {
            id: text("Id").to_owned(),
            plant: text("Plant__c").to_owned(),
            stage: Stage::read(text("ERP_Status__c")),
        };
        board.order(text("QuoteId"), known, Timestamp::now());
    }
    Ok(())
}

async fn returns(crm: &Crm, board: &Board, since: &mut Timestamp) -> Result<(), Problem> {
    for record in changed(crm, "Id, Status", "ReturnOrder", since).await? {
        let (Some(id), Some(status)) = (record.get("Id").as_str(), record.get("Status").as_str()) else { continue };
        if board.knows_return(id) {
            board.returned(id, matches!(status, "Processed" | "Rejected" | "Closed" | "Canceled"));
        }
    }
    Ok(())
}

/// Reads `2026-11-23T10:00:00.000+0000`.
fn instant(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    let utc = text.strip_suffix("+0000").map(|time| format!("{time}Z"));
    utc.as_deref().unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_of_the_crm_are_read() {
        let read = instant(&Value::from("2026-11-23T10:00:00.120+0000")).expect("an instant");
        assert_eq!(read.as_millisecond() % 1_000, 120);
        assert!(instant(&Value::Null).is_none());
    }
}
