//! The same for programs: JSON, with a user's access token as bearer token, and problem details (RFC 9457) for what went wrong.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use definitions::{Release, User};
use model::{Money, Problem, RunId, TransactionId, Value, WorkItemId, json};
use runtime::{ConnectionState, FeedFigures};
use store::{JournalRow, Page, RunStatus, TransactionRow, WorkItemFilter, WorkItemRow, WorkItemStatus};

use crate::Console;
use crate::actions::{Refused, Wish, choices, decide as decide_item, operate as operate_run};
use crate::reads::read;
use crate::session::Stranger;
use crate::story::{Part, story};

/// Largest body, in bytes.
const BODY_MAX: usize = 2 << 20;
/// How many entries a list has at the most.
const LIST_MAX: u32 = 500;

pub(crate) type Answer = Result<Response, Response>;

/// A program, by the token of a user.
pub(crate) struct Caller {
    pub(crate) console: Arc<Console>,
    pub(crate) release: Arc<Release>,
    pub(crate) user: User,
}

impl FromRequestParts<Arc<Console>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Response> {
        let user = console.sessions.bearer(&parts.headers).await.map_err(unauthorized)?;
        known_names(parts).map_err(bad)?;
        Ok(Self { console: Arc::clone(console), release: console.operations.release(), user })
    }
}

fn answer(status: StatusCode, kind: &'static str, value: &Value) -> Response {
    let mut response = Response::new(Body::from(json::to_string(value)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(crate) fn ok(value: &Value) -> Response {
    answer(StatusCode::OK, "application/json", value)
}

/// Problem details.
pub(crate) fn problem(status: StatusCode, own: &Problem) -> Response {
    let value = Value::object([
        ("type", Value::from(format!("urn:interlock:problem:{}", own.code))),
        ("title", Value::from(own.message.as_str())),
        ("status", Value::from(i64::from(status.as_u16()))),
        ("code", Value::from(own.code)),
        ("remedy", Value::from(&*own.remedy)),
    ]);
    answer(status, "application/problem+json", &value)
}

pub(crate) fn of(refused: &Refused) -> Response {
    problem(refused.status, &refused.problem)
}

pub(crate) fn unavailable(own: &Problem) -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, own)
}

pub(crate) fn missing(what: &str) -> Response {
    let own = Problem::new("IL-CON-031", format!("There is no such {what}"), "Check the id");
    problem(StatusCode::NOT_FOUND, &own)
}

pub(crate) fn bad(message: String) -> Response {
    problem(StatusCode::BAD_REQUEST, &Problem::new("IL-CON-032", message, "Correct the request"))
}

fn unauthorized(stranger: Stranger) -> Response {
    let remedy = "Send a user's token as `Authorization: Bearer …`";
    if stranger == Stranger::TooMany {
        let message = "The access token is nobody's, as were many others this minute";
        let mut response = problem(StatusCode::TOO_MANY_REQUESTS, &Problem::new("IL-CON-033", message, remedy));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        return response;
    }
    let own = Problem::new("IL-CON-030", "The access token is missing, or nobody's", remedy);
    let mut response = problem(StatusCode::UNAUTHORIZED, &own);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Refuses parameters of the query that the address does not have: a misspelt one would silently do nothing.
fn known_names(parts: &Parts) -> Result<(), String> {
    let known: &[&str] = match parts.uri.path() {
        "/ops/items" => &["queue", "transaction", "status", "after", "limit", "offset"],
        "/ops/transactions" => &["q", "stuck", "limit", "offset"],
        "/ops/runs" => &["workflow", "status", "after", "limit", "offset"],
        path if path.starts_with("/ops/transactions/") => &["offset"],
        path if path.starts_with("/ops/objects/") && path.ends_with("/references") => &["connection", "after", "limit"],
        _ => &[],
    };
    let Ok(Query(fields)) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) else {
        return Err("The query cannot be read".to_owned());
    };
    match fields.iter().find(|(name, _)| !known.contains(&&**name)) {
        None => Ok(()),
        Some((name, _)) if known.is_empty() => Err(format!("There is no parameter `{name}`: this address takes none")),
        Some((name, _)) => Err(format!("There is no parameter `{name}`: use {}", known.join(", "))),
    }
}

/// The query, by name.
pub(crate) struct Asked(Vec<(String, String)>);

impl Asked {
    pub(crate) fn of(query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Self {
        Self(query.map(|Query(fields)| fields).unwrap_or_default())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
    }

    pub(crate) fn page(&self) -> Result<Page, String> {
        let number = |name: &str, default: u32| match self.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("`{name}` is a whole number, which `{text}` is not")),
        };
        Ok(Page { offset: number("offset", 0)?, limit: number("limit", 100)?.min(LIST_MAX) })
    }
}

/// `GET /ops/overview`
pub(crate) async fn overview(caller: Caller) -> Answer {
    let board = caller.console.boards.current(&caller.console).await.map_err(|own| unavailable(&own))?;
    let figures = caller.console.operations.figures();
    let rates = caller.console.samples.rates();
    let totals = |name: &'static str, key: &str, count: u64, amounts: &[Money]| {
        Value::object([(name, Value::from(key)), ("count", whole(count)), ("amounts", money_list(amounts))])
    };
    let stages: Vec<Value> =
        board.stages.iter().map(|total| totals("stage", &total.stage, total.count, &total.amounts)).collect();
    let queues: Vec<Value> =
        board.queues.iter().map(|total| totals("queue", &total.queue, total.count, &total.amounts)).collect();
    let connections: Vec<Value> = figures
        .connections
        .iter()
        .map(|one| {
            Value::object([
                ("name", Value::from(one.name.as_str())),
                ("state", Value::from(state_word(one.state))),
                ("since", Value::from(caller.console.samples.since(&one.name).map(|at| at.to_string()))),
                ("succeeded", whole(one.succeeded)),
                ("rejected", whole(one.rejected)),
                ("retried", whole(one.retried)),
                ("probed", whole(one.probed)),
                ("found", whole(one.found)),
                ("waiting", whole(one.waiting)),
                ("under_way", whole(one.under_way)),
                ("last_error", Value::from(one.last_error.as_ref().map(|(error, _)| Arc::clone(error)))),
            ])
        })
        .collect();
    let feeds: Vec<Value> = figures
        .feeds
        .iter()
        .map(|one| {
            Value::object([
                ("connection", Value::from(one.connection.as_str())),
                ("name", Value::from(Arc::clone(&one.name))),
                ("changes", whole(one.changes)),
                ("healed", whole(one.healed)),
                ("waiting_for_parents", whole(one.waiting_for_parents)),
                ("refused", whole(one.refused)),
                ("coverage", coverage_value(one)),
            ])
        })
        .collect();
    let per_second = |value: f64| json::parse(format!("{value:.2}").as_bytes()).unwrap_or_default();
    Ok(ok(&Value::object([
        ("stages", Value::from(stages)),
        ("queues", Value::from(queues)),
        ("connections", Value::from(connections)),
        ("feeds", Value::from(feeds)),
        ("waiting", whole(board.stuck)),
        ("runs_live", whole(figures.runs_live)),
        (
            "per_second",
            Value::object([
                ("events", per_second(rates.events.now)),
                ("orders", per_second(rates.orders.now)),
                ("calls", per_second(rates.calls.now)),
            ]),
        ),
    ])))
}

/// What is proven of a feed, and what is not; `null` for one that nothing sweeps.
fn coverage_value(feed: &FeedFigures) -> Value {
    let Some(coverage) = &feed.coverage else { return Value::Null };
    let gaps = coverage.gaps.iter().map(|gap| {
        Value::object([
            ("from", Value::from(gap.from.to_string())),
            ("until", Value::from(gap.until.to_string())),
            ("reason", Value::from(gap.reason.word())),
            ("why", Value::from(gap.reason.to_string())),
            ("rereading", Value::from(gap.rereading)),
        ])
    });
    Value::object([
        ("since", Value::from(coverage.since.to_string())),
        ("until", Value::from(coverage.until.to_string())),
        ("behind_seconds", Value::from(coverage.behind.as_secs())),
        ("swept", Value::from(feed.swept)),
        ("gaps", Value::array(gaps)),
    ])
}

/// `GET /ops/items?queue=…&transaction=…&status=open|resolved|withdrawn|all&after=…&limit=…&offset=…`
pub(crate) async fn items(caller: Caller, query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Answer {
    let asked = Asked::of(query);
    let status = match asked.get("status").unwrap_or("open") {
        "open" => Some(WorkItemStatus::Open),
        "resolved" => Some(WorkItemStatus::Resolved),
        "withdrawn" => Some(WorkItemStatus::Withdrawn),
        "all" => None,
        other => return Err(bad(format!("There is no status `{other}`: use open, resolved, withdrawn or all"))),
    };
    let mut filter = WorkItemFilter { queue: asked.get("queue").map(Into::into), status, ..WorkItemFilter::default() };
    filter.transaction = match asked.get("transaction").map(str::parse) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(bad("`transaction` is not the id of a transaction".to_owned())),
    };
    let after = asked.get("after").map(str::parse::<WorkItemId>).transpose();
    let after = after.map_err(|_| bad("`after` is not the id of a work item".to_owned()))?;
    let page = asked.page().map_err(bad)?;
    let found = read(caller.console.operations.store(), move |store| {
        if let Some(after) = after {
            // An item keeps its place in the order also when it is decided on.
            let Some(item) = store.work_item(after)? else { return Ok(None) };
            filter.after = Some((item.due_at, item.id));
        }
        store.work_items(&filter, page).map(Some)
    });
    let found = found.await.map_err(|own| unavailable(&own))?;
    let found = found.ok_or_else(|| bad("`after` is not the id of a work item that is there".to_owned()))?;
    let list: Vec<Value> = found.iter().map(|item| item_value(&caller.release, item)).collect();
    Ok(ok(&Value::object([("items", Value::from(list))])))
}

/// `GET /ops/items/{id}`
pub(crate) async fn item(caller: Caller, Path(id): Path<String>) -> Answer {
    let item = load(&caller, &id).await?;
    Ok(ok(&item_value(&caller.release, &item)))
}

/// `POST /ops/items/{id}/{action}` with `{"note": …, "record": …}`, both optional.
pub(crate) async fn decide(caller: Caller, Path((id, action)): Path<(String, String)>, request: Request) -> Answer {
    let (note, record) = body(request, "record").await?;
    let item = load(&caller, &id).await?;
    let wish = Wish { action: &action, note: note.as_deref(), record };
    decide_item(&caller.console, &caller.release, &caller.user, &item, wish).await.map_err(|refused| of(&refused))?;
    let item = load(&caller, &id).await?;
    Ok(ok(&item_value(&caller.release, &item)))
}

/// `POST /ops/runs/{id}/{operation}` with `{"note": …, "input": …}`; `cancel` needs the note, `input` is for `retry`.
pub(crate) async fn operate(caller: Caller, Path((id, operation)): Path<(String, String)>, request: Request) -> Answer {
    let (note, record) = body(request, "input").await?;
    let run: RunId = id.parse().map_err(|_| missing("run"))?;
    let wish = Wish { action: "", note: note.as_deref(), record };
    let did = operate_run(&caller.console, &caller.release, &caller.user, run, &operation, wish).await;
    let did = did.map_err(|refused| of(&refused))?;
    Ok(ok(&Value::object([("run", Value::from(run.to_string())), ("done", Value::from(did))])))
}

/// `GET /ops/transactions?q=…&stuck=true&limit=…&offset=…`
pub(crate) async fn transactions(
    caller: Caller,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Answer {
    let asked = Asked::of(query);
    let (text, page) = (asked.get("q").unwrap_or_default().to_owned(), asked.page().map_err(bad)?);
    let only_stuck = match asked.get("stuck").unwrap_or("false") {
        "true" => true,
        "false" => false,
        other => return Err(bad(format!("`stuck` is `true` or `false`, not `{other}`"))),
    };
    let found = read(caller.console.operations.store(), move |store| match only_stuck {
        true => store.waiting(&text, page),
        false => store.transactions(&text, page),
    });
    let found = found.await.map_err(|own| unavailable(&own))?;
    let list: Vec<Value> = found.iter().map(matter_value).collect();
    Ok(ok(&Value::object([("transactions", Value::from(list))])))
}

/// `GET /ops/transactions/{id}?offset=…`: the matter with its timeline from this line on (without one, its end), items, runs and
/// records.
pub(crate) async fn transaction(
    caller: Caller,
    Path(id): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Answer {
    let asked = Asked::of(query);
    let lines = asked.get("offset").is_some().then(|| asked.page()).transpose().map_err(bad)?.map(|page| page.offset);
    let part = Part { lines, ..Part::default() };
    let id: TransactionId = id.parse().map_err(|_| missing("transaction"))?;
    let release = Arc::clone(&caller.release);
    let found = read(caller.console.operations.store(), move |store| story(store, &release, id, part)).await;
    let story = found.map_err(|own| unavailable(&own))?.ok_or_else(|| missing("transaction"))?;
    let mut value = matter_value(&story.matter);
    value.set("timeline", story.timeline.lines.iter().map(line_value).collect::<Vec<_>>());
    value.set("offset", story.timeline.offset);
    value.set("more", story.timeline.more);
    value.set("items", story.items.iter().map(|item| item_value(&caller.release, item)).collect::<Vec<_>>());
    value.set("more_items", story.more_open || story.more_over);
    let runs = story.runs.iter().map(|run| {
        Value::object([
            ("id", Value::from(run.row.id.to_string())),
            ("workflow", Value::from(Arc::clone(&run.row.workflow))),
            ("status", Value::from(run_word(run.row.status))),
            ("definition", Value::from(Arc::clone(&run.row.definition))),
            ("started_at", Value::from(run.row.started_at.to_string())),
        ])
    });
    value.set("runs", runs.collect::<Vec<_>>());
    let records = story.references.iter().map(|reference| {
        Value::object([
            ("object", Value::from(Arc::clone(&reference.object))),
            ("key", Value::from(Arc::clone(&reference.key))),
            ("connection", Value::from(Arc::clone(&reference.connection))),
            ("record", Value::from(Arc::clone(&reference.record_id))),
        ])
    });
    value.set("records", records.collect::<Vec<_>>());
    Ok(ok(&value))
}

async fn load(caller: &Caller, id: &str) -> Result<WorkItemRow, Response> {
    let id: WorkItemId = id.parse().map_err(|_| missing("work item"))?;
    let found = read(caller.console.operations.store(), move |store| store.work_item(id)).await;
    found.map_err(|own| unavailable(&own))?.ok_or_else(|| missing("work item"))
}

/// The members of a body, of which there may be these; `{}` for an empty body.
pub(crate) async fn members(request: Request, known: &[&str]) -> Result<Value, Response> {
    let value = json_body(request).await?;
    let Some(members) = value.as_object() else { return Err(bad("The body is not an object".to_owned())) };
    if let Some(other) = members.keys().find(|name| !known.contains(&&***name)) {
        let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
        return Err(bad(format!("The body has a member `{other}`: only {known} are taken")));
    }
    Ok(value)
}

/// A body of JSON; `{}` for an empty one.
pub(crate) async fn json_body(request: Request) -> Result<Value, Response> {
    let bytes = to_bytes(request.into_body(), BODY_MAX).await.map_err(|_| bad("The body is too large".to_owned()))?;
    if bytes.trim_ascii().is_empty() {
        return Ok(Value::empty_object());
    }
    json::parse(&bytes).map_err(|error| bad(format!("The body is not JSON: {error}")))
}

/// The note and the value of a body; both are optional.
async fn body(request: Request, member: &str) -> Result<(Option<String>, Option<Value>), Response> {
    let value = members(request, &["note", member]).await?;
    let note = value.get("note");
    if !note.is_null() && note.as_str().is_none() {
        return Err(bad("`note` is not a text".to_owned()));
    }
    Ok((note.as_str().map(str::to_owned), value.has(member).then(|| value.get(member).clone())))
}

fn whole(number: u64) -> Value {
    Value::from(i64::try_from(number).unwrap_or(i64::MAX))
}

fn money_list(amounts: &[Money]) -> Value {
    Value::from(amounts.iter().map(|amount| amount.to_value()).collect::<Vec<_>>())
}

fn matter_value(row: &TransactionRow) -> Value {
    Value::object([
        ("id", Value::from(row.id.to_string())),
        ("object", Value::from(Arc::clone(&row.object))),
        ("key", Value::from(Arc::clone(&row.key))),
        ("title", Value::from(Arc::clone(&row.title))),
        ("stage", Value::from(Arc::clone(&row.stage))),
        ("closed", Value::from(row.closed)),
        ("amount", row.amount.map(Money::to_value).into()),
        ("opened_at", Value::from(row.opened_at.to_string())),
        ("updated_at", Value::from(row.updated_at.to_string())),
    ])
}

fn line_value(line: &JournalRow) -> Value {
    Value::object([
        ("at", Value::from(line.at.to_string())),
        ("kind", Value::from(Arc::clone(&line.kind))),
        ("connection", Value::from(line.connection.clone())),
        ("title", Value::from(Arc::clone(&line.title))),
        ("detail", line.detail.clone()),
    ])
}

pub(crate) fn item_value(release: &Release, item: &WorkItemRow) -> Value {
    let actions = choices(release, item).into_iter().map(|choice| {
        Value::object([
            ("name", Value::from(choice.name)),
            ("label", Value::from(choice.label)),
            ("edit", Value::from(choice.edit)),
            ("note_required", Value::from(choice.note_required)),
        ])
    });
    let status = match item.status {
        WorkItemStatus::Open => "open",
        WorkItemStatus::Resolved => "resolved",
        WorkItemStatus::Withdrawn => "withdrawn",
    };
    let mut value = Value::object([
        ("id", Value::from(item.id.to_string())),
        ("queue", Value::from(Arc::clone(&item.queue))),
        ("transaction", Value::from(item.transaction.to_string())),
        ("run", Value::from(item.run.as_ref().map(|(run, _)| run.to_string()))),
        ("status", Value::from(status)),
        ("kind", item.content.get("kind").clone()),
        ("title", Value::from(Arc::clone(&item.title))),
        ("reason", Value::from(Arc::clone(&item.reason))),
        ("amount", item.amount.map(Money::to_value).into()),
        ("record", item.content.get("record").clone()),
        ("opened_at", Value::from(item.opened_at.to_string())),
        ("due_at", Value::from(item.due_at.to_string())),
        ("actions", Value::from(actions.collect::<Vec<_>>())),
        ("resolution", item.resolution.clone()),
    ]);
    for name in ["hook", "unmapped"].into_iter().filter(|name| !item.content.get(name).is_null()) {
        value.set(name, item.content.get(name).clone());
    }
    value
}

const fn state_word(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Up => "up",
        ConnectionState::Struggling => "struggling",
        ConnectionState::Down => "down",
        ConnectionState::Refused => "refused",
    }
}

pub(crate) const fn run_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Live => "live",
        RunStatus::Suspended => "suspended",
        RunStatus::Completed => "completed",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_an_address_does_not_have_is_refused_with_those_it_has() {
        let told = |uri: &str| {
            let (parts, ()) = axum::http::Request::builder().uri(uri).body(()).expect("a request").into_parts();
            known_names(&parts).err()
        };
        for right in
            ["/ops/overview", "/ops/items?queue=a&status=all&limit=1&offset=2", "/ops/transactions?q=&stuck=true"]
        {
            assert_eq!(told(right), None, "{right}");
        }
        for (wrong, message) in [
            ("/ops/overview?limit=1", "There is no parameter `limit`: this address takes none"),
            ("/ops/items?que=a", "There is no parameter `que`: use queue, transaction, status, after, limit, offset"),
            ("/ops/transactions?status=open", "There is no parameter `status`: use q, stuck, limit, offset"),
            ("/ops/transactions/x?limit=1", "There is no parameter `limit`: use offset"),
            ("/ops/runs/x?limit=1", "There is no parameter `limit`: this address takes none"),
        ] {
            assert_eq!(told(wrong).as_deref(), Some(message), "{wrong}");
        }
    }

    #[test]
    fn a_page_is_bounded_and_its_numbers_are_numbers() {
        let page = |fields: &[(&str, &str)]| {
            Asked(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()).page()
        };
        let asked = page(&[("limit", "9999"), ("offset", "7")]).expect("numbers");
        assert_eq!((asked.limit, asked.offset), (LIST_MAX, 7));
        assert_eq!(page(&[]).expect("nothing asked").limit, 100);
        for wrong in [("limit", "many"), ("offset", "-1")] {
            assert!(page(&[wrong]).err().is_some_and(|told| told.contains(wrong.0)), "{wrong:?}");
        }
    }
}
