//! Objects that systems are kept in agreement about, for programs: what is agreed, why, and how each system stands to it.

use std::sync::Arc;

use axum::extract::Path;
use definitions::Synchronised;
use model::{Problem, Value};
use sync::{Agreement, Explanation, Standing};

use crate::ops::{Answer, Caller, missing, ok, unavailable};
use crate::reads::read;

/// `GET /ops/objects/{object}/{key}`: all members of an object, each with where its value comes from.
pub(crate) async fn show(caller: Caller, Path((object, key)): Path<(String, String)>) -> Answer {
    let Some(synchronised) = caller.release.synchronised.get(&*object).cloned() else {
        return Err(missing("object that systems are kept in agreement about"));
    };
    let wanted = key.clone();
    let found = read(caller.console.operations.store(), move |store| store.synced(&object, &wanted)).await;
    let row = found.map_err(|own| unavailable(&own))?.ok_or_else(|| missing(synchronised.object.as_str()))?;
    let agreement = Agreement::from_value(&row.state).map_err(|damaged| {
        let remedy = "Restore the store from a backup; keep the damaged file for support";
        unavailable(&Problem::new(
            "IL-RUN-019",
            format!("What is agreed about {key} cannot be read: {damaged}"),
            remedy,
        ))
    })?;
    Ok(ok(&Value::object([
        ("object", Value::from(row.object)),
        ("key", Value::from(row.key)),
        ("transaction", Value::from(row.transaction.to_string())),
        ("stage", Value::from(agreement.stage.clone())),
        ("updated_at", Value::from(row.updated_at.to_string())),
        ("records", records(&agreement)),
        ("members", members(&synchronised, &agreement)),
    ])))
}

/// The record of each system.
fn records(agreement: &Agreement) -> Value {
    let records = agreement.sides.iter().filter_map(|(side, holding)| {
        Some((Arc::<str>::from(side.as_str()), Value::from(Arc::clone(holding.id.as_ref()?))))
    });
    Value::object(records)
}

fn members(synchronised: &Synchronised, agreement: &Agreement) -> Value {
    let mut names: Vec<Arc<str>> = agreement.fields(&synchronised.policy).into_iter().collect();
    names.sort();
    let member = |name: &Arc<str>| member(name, &agreement.explain(&synchronised.policy, name));
    Value::array(names.iter().map(member))
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
