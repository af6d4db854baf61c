//! Objects that systems are kept in agreement about, for programs: what is agreed, why, and how each system stands to it.

use std::sync::Arc;

use axum::extract::Path;
use definitions::Release;
use model::Value;
use sync::{Explanation, Standing};

use crate::ops::{Answer, Caller, item_value, missing, ok, unavailable};
use crate::reads::read;
use crate::record::{Neighbour, Record, record};

/// `GET /ops/objects/{object}/{key}`: all members of an object, each with where its value comes from, and its records.
pub(crate) async fn show(caller: Caller, Path((object, key)): Path<(String, String)>) -> Answer {
    if !caller.release.synchronised.contains_key(&*object) {
        return Err(missing("object that systems are kept in agreement about"));
    }
    let (release, kind) = (Arc::clone(&caller.release), object.clone());
    let found = read(caller.console.operations.store(), move |store| record(store, &release, &kind, &key, None)).await;
    let found = found.map_err(|own| unavailable(&own))?.ok_or_else(|| missing(&object))?;
    let record = found.map_err(|damaged| unavailable(&damaged.0))?;
    Ok(ok(&value(&caller.release, &record)))
}

fn value(release: &Release, record: &Record) -> Value {
    let records = record.ids().map(|(side, id)| (Arc::<str>::from(side), Value::from(Arc::clone(id))));
    Value::object([
        ("object", Value::from(Arc::clone(&record.row.object))),
        ("key", Value::from(Arc::clone(&record.row.key))),
        ("title", Value::from(record.title())),
        ("state", Value::from(record.state())),
        ("transaction", Value::from(record.row.transaction.to_string())),
        ("stage", Value::from(record.agreement.stage.clone())),
        ("updated_at", Value::from(record.row.updated_at.to_string())),
        ("records", Value::object(records)),
        ("systems", systems(record)),
        ("parents", neighbours(&record.parents)),
        ("children", neighbours(&record.children)),
        ("items", Value::array(record.items.iter().map(|item| item_value(release, item)))),
        ("members", members(record)),
    ])
}

/// How the record of each system stands.
fn systems(record: &Record) -> Value {
    let (agreement, policy) = (&record.agreement, &record.synchronised.policy);
    Value::array(policy.sides.keys().map(|side| {
        let holding = agreement.sides.get(side);
        let instant = |at: Option<jiff::Timestamp>| Value::from(at.map(|at| at.to_string()));
        let parked = record.parked.iter().find(|(connection, _)| **connection == *side.as_str());
        Value::object([
            ("side", Value::from(side.as_str())),
            ("record", Value::from(holding.and_then(|holding| holding.id.clone()))),
            ("state", Value::from(agreement.presence(policy, side).to_string())),
            ("read_at", instant(holding.and_then(|holding| holding.read_at))),
            ("written_at", instant(holding.and_then(|holding| holding.written_at))),
            ("waits_for_parent_since", instant(parked.map(|(_, since)| *since))),
        ])
    }))
}

fn neighbours(found: &[Neighbour]) -> Value {
    Value::array(found.iter().map(|one| {
        Value::object([
            ("object", Value::from(Arc::clone(&one.object))),
            ("key", Value::from(Arc::clone(&one.key))),
            ("title", Value::from(Arc::clone(&one.title))),
        ])
    }))
}

fn members(record: &Record) -> Value {
    let (agreement, policy) = (&record.agreement, &record.synchronised.policy);
    let mut names: Vec<Arc<str>> = agreement.fields(policy).into_iter().collect();
    names.sort();
    Value::array(names.iter().map(|name| member(name, &agreement.explain(policy, name))))
}

fn member(name: &Arc<str>, explained: &Explanation<'_>) -> Value {
    let standing = match explained.standing {
        Standing::Settled => "settled",
        Standing::Disputed => "disputed",
        Standing::Rests => "goes to and fro",
    };
    let sides = explained.sides.iter().map(|side| {
        Value::object([
            ("side", Value::from(side.side.as_str())),
            ("holds", side.held.cloned().into()),
            ("state", Value::from(side.state.to_string())),
        ])
    });
    let mut value = Value::object([
        ("member", Value::from(Arc::clone(name))),
        ("value", explained.value.clone()),
        ("standing", Value::from(standing)),
        ("owner", Value::from(explained.owner.map(model::ConnectionName::as_str))),
        ("sides", Value::array(sides)),
    ]);
    if let Some(list) = explained.list {
        value.set("merged", list.to_string());
    }
    if let Some(verdict) = explained.verdict {
        value.set("from", verdict.from.as_str());
        value.set("rule", verdict.rule.word());
        value.set("why", verdict.rule.to_string());
        value.set("event", Arc::clone(&verdict.cause.event));
        value.set("at", verdict.cause.at.to_string());
        value.set("release", Arc::clone(&verdict.cause.release));
        let lost = verdict.lost.iter().map(|(side, lost)| (Arc::<str>::from(side.as_str()), lost.clone()));
        value.set("lost", Value::object(lost));
    }
    value
}
