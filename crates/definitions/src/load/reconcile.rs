//! `reconcile` of `objects/*.yaml`: when all records of two sides are compared, and what follows.

use std::sync::Arc;

use indexmap::IndexSet;
use model::{ConnectionName, QueueName};
use sync::Policy;
use workflow::Cron;
use workflow::yaml::Node;

use super::Loader;
use super::files::Room;
use super::reader::{Fields, Reader};
use crate::agreement::{Reconciling, Schedule};

const MEMBERS: [&str; 4] = ["schedule", "between", "queue", "repair"];

pub(super) fn read<'a>(
    loader: &Loader<'a>,
    reader: Reader<'a>,
    object: &Fields<'a>,
    policy: &Policy,
    own_queue: &QueueName,
) -> Option<Reconciling> {
    let node = object.get("reconcile")?;
    let fields = reader.fields(node, object.key_span("reconcile"), "`reconcile`", &MEMBERS)?;
    let schedule = fields.required("schedule").and_then(|node| schedule(reader, &fields, node));
    let sides = between(reader, object, &fields, policy);
    let queue = match fields.get("queue") {
        Some(node) => {
            let name = fields.text("queue")?;
            if !loader.names_of(Room::Queues).any(|known| known == &*name) {
                let message = format!("there is no queue `{name}`");
                reader.unknown(node.span, "IL-DEF-006", message, &name, loader.names_of(Room::Queues));
            }
            QueueName::new(name)
        }
        None => own_queue.clone(),
    };
    let repair = fields.truth("repair").unwrap_or(false);
    Some(Reconciling { schedule: schedule?, sides: sides?, queue, repair })
}

fn schedule<'a>(reader: Reader<'a>, outer: &Fields<'a>, node: &'a Node) -> Option<Schedule> {
    let fields = reader.fields(node, outer.key_span("schedule"), "`schedule`", &["every", "cron"])?;
    match (fields.get("every"), fields.get("cron")) {
        (Some(_), None) => fields.duration("every").map(Schedule::Every),
        (None, Some(node)) => {
            let text = fields.text("cron")?;
            let told = |cause| {
                let message = format!("`{text}` is no cron expression: {cause}");
                let help = "write minute, hour, day, month and weekday, such as `0 3 * * *` for every night at three";
                reader.error_with(node.span, "IL-DEF-005", message, help);
            };
            Cron::parse(&text).map_err(told).ok().map(Schedule::Cron)
        }
        (Some(_), Some(_)) => {
            let message = "a comparison goes by `every` or by `cron`, not by both";
            reader.error_with(fields.key_span("cron"), "IL-DEF-011", message, "remove one of them");
            None
        }
        (None, None) => {
            let help = "such as `every: 24h`, or `cron: '0 3 * * *'`";
            reader.error_with(fields.place(), "IL-DEF-004", "`schedule` needs `every` or `cron`", help);
            None
        }
    }
}

/// The two sides: those that are named, or the only ones.
fn between<'a>(
    reader: Reader<'a>,
    object: &Fields<'a>,
    fields: &Fields<'a>,
    policy: &Policy,
) -> Option<[ConnectionName; 2]> {
    let names = || policy.sides.keys().map(ConnectionName::as_str);
    let (place, sides) = match fields.get("between") {
        None => (object.key_span("reconcile"), policy.sides.keys().cloned().collect::<Vec<_>>()),
        Some(node) => {
            let mut named = IndexSet::new();
            let mut all_known = true;
            for node in reader.items(node, "`between`") {
                let name = reader.text(node, "a side of `between`")?;
                if policy.sides.contains_key(&*name) {
                    named.insert(ConnectionName::new(name));
                    continue;
                }
                all_known = false;
                let message = format!("`{name}` is none of the sides");
                reader.unknown(node.span, "IL-DEF-006", message, &name, names());
            }
            if !all_known {
                return None;
            }
            (node.span, named.into_iter().collect())
        }
    };
    // An object with fewer than two sides has been told.
    if policy.sides.len() < 2 {
        return None;
    }
    let Ok([left, right]) = <[ConnectionName; 2]>::try_from(sides) else {
        let help = format!("name two of {}: `between: [..., ...]`", names().collect::<Vec<_>>().join(", "));
        reader.error_with(place, "IL-DEF-011", "two sides are compared, no fewer and no more", help);
        return None;
    };
    let reads = |side: &ConnectionName| policy.sides.get(side).map(|side| &side.reads);
    let (one, other): (&IndexSet<Arc<str>>, &IndexSet<Arc<str>>) = (reads(&left)?, reads(&right)?);
    // A side without a feed has been told.
    if !one.is_empty() && !other.is_empty() && one.intersection(other).next().is_none() {
        let message = format!("{left} and {right} read no member that both have, so there is nothing to compare");
        reader.error_with(place, "IL-DEF-011", message, "let the mappings of both feeds read the same members");
        return None;
    }
    Some([left, right])
}
