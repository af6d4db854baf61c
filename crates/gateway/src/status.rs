//! What Interlock knows of a matter.

use axum::response::Response;
use model::{Money, Value};
use store::{Page, WorkItemFilter, WorkItemStatus};

use crate::serve::Refusal;
use crate::{Gateway, problem};

/// Most lines of a timeline in one answer.
const LINES_MAX: u32 = 500;
/// Most open work items in one answer.
const ITEMS_MAX: u32 = 100;

/// The matter of `{object, key}`: stage, amount, timeline, open work.
pub(crate) async fn answer(gateway: &Gateway, input: &Value) -> Result<Response, Refusal> {
    let (Some(object), Some(key)) = (input.get("object").as_str(), input.get("key").as_str()) else {
        let title = "`input` of this API's definition must give `{object, key}`";
        return Err(Box::new(problem::response(422, "IL-API-008", title, "correct the definition in `apis/`")));
    };
    let (store, asked) = (gateway.runtime.store(), (object.to_owned(), key.to_owned()));
    let found = tokio::task::spawn_blocking(move || {
        let Some(matter) = store.transaction_of_key(&asked.0, &asked.1)? else { return Ok(None) };
        // The end of a long timeline: what happened last is what callers ask for.
        let offset = store.journal_len(matter.id)?.saturating_sub(LINES_MAX);
        let lines = store.journal(matter.id, Page { offset, limit: LINES_MAX })?;
        let filter = WorkItemFilter {
            transaction: Some(matter.id),
            status: Some(WorkItemStatus::Open),
            ..WorkItemFilter::default()
        };
        let items = store.work_items(&filter, Page { offset: 0, limit: ITEMS_MAX })?;
        Ok::<_, store::StoreError>(Some((matter, lines, items)))
    });
    let unavailable = || {
        let remedy = "try again in a moment; if it stays so, look into the log";
        Box::new(problem::response(503, "IL-API-013", "The store cannot be read", remedy))
    };
    let found = found.await.map_err(|_| unavailable())?.map_err(|_| unavailable())?;
    let Some((matter, lines, items)) = found else {
        let title = format!("There is no {object} {key}");
        let remedy = "check the number; what is not accepted yet is not known here";
        return Err(Box::new(problem::response(404, "IL-API-014", &title, remedy)));
    };
    let timeline = lines.into_iter().map(|line| {
        Value::object([
            ("at", Value::from(line.at.to_string())),
            ("kind", Value::from(line.kind)),
            ("system", line.connection.map_or(Value::Null, Value::from)),
            ("title", Value::from(line.title)),
        ])
    });
    let open = items.into_iter().map(|item| {
        Value::object([
            ("queue", Value::from(item.queue)),
            ("title", Value::from(item.title)),
            ("reason", Value::from(item.reason)),
            ("amount", money(item.amount.as_ref())),
            ("dueAt", Value::from(item.due_at.to_string())),
        ])
    });
    let value = Value::object([
        ("object", Value::from(matter.object)),
        ("key", Value::from(matter.key)),
        ("title", Value::from(matter.title)),
        ("stage", Value::from(matter.stage)),
        ("closed", Value::from(matter.closed)),
        ("amount", money(matter.amount.as_ref())),
        ("openedAt", Value::from(matter.opened_at.to_string())),
        ("updatedAt", Value::from(matter.updated_at.to_string())),
        ("timeline", Value::array(timeline)),
        ("workItems", Value::array(open)),
    ]);
    Ok(problem::json(200, &value))
}

fn money(money: Option<&Money>) -> Value {
    money.map_or(Value::Null, |money| {
        Value::object([("amount", Value::from(money.amount)), ("currency", Value::from(money.currency.to_string()))])
    })
}
