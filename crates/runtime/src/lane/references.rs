//! Members that name another object: where they are written, that object has to have a record first, and an object must not be
//! above itself.

use std::collections::HashMap;
use std::sync::Arc;

use definitions::Synchronised;
use model::{ConnectionName, RunId, Value};
use sync::{Agreement, Fields};

use super::LaneTask;
use super::agreement::{Agreed, Pair, withdrawn};
use super::queues::{NewItem, WRITE};
use super::round::{After, Round};
use crate::waits::Awaited;

/// Where items about such members belong, in place of a task's pointer.
const REFERENCE_PLACE: &str = "/@reference/";
/// So many steps upwards are looked for a circle.
const STEPS_MAX: usize = 100;
/// So many objects of a circle are named.
const NAMED_MAX: usize = 10;

/// What becomes of the members that name other objects.
#[derive(Default)]
pub(super) struct Referring {
    /// By side: the records of the objects that are named, by member.
    there: HashMap<ConnectionName, Fields>,
    /// By side: the members that cannot be written there now.
    held: HashMap<ConnectionName, Vec<Arc<str>>>,
    /// What people have to know: the member and one sentence.
    told: Vec<(Arc<str>, String)>,
    /// How the object stands because of it.
    pub(super) stands: Option<Arc<str>>,
}

impl Referring {
    /// Whether a member can be written to a side.
    pub(super) fn may_write(&self, side: &ConnectionName, member: &str) -> bool {
        self.held.get(side).is_none_or(|held| !held.iter().any(|held| **held == *member))
    }

    /// The records on a side of the objects that are named.
    pub(super) fn there(&self, side: &ConnectionName) -> Fields {
        self.there.get(side).cloned().unwrap_or_default()
    }
}

impl LaneTask {
    /// Looks at the members that name other objects. What is not there yet is waited for; what is wrong is told.
    pub(super) fn refer(
        &self,
        round: &mut Round,
        pair: &Pair,
        agreed: &Agreed,
        synchronised: &Synchronised,
        before: &Agreement,
    ) -> Referring {
        let mut referring = Referring::default();
        if synchronised.references.is_empty() {
            return referring;
        }
        let agreement = &agreed.agreement;
        let mut awaited = Vec::new();
        for (member, object) in &synchronised.references {
            if let Some(Value::String(key)) = agreement.agreed.get(member).filter(|value| !value.is_null()) {
                let named: Pair = (object.as_str().into(), key.clone().into());
                let sides = synchronised.policy.sides.keys();
                awaited.extend(sides.map(|side| Awaited::Record(named.clone(), side.as_str().into())));
            }
        }
        // Before it is looked, so that nothing that comes between is overlooked.
        self.core.waits.put(pair, awaited.clone());
        let mut still = Vec::new();
        for (member, object) in &synchronised.references {
            let value = agreement.agreed.get(member).unwrap_or(&Value::Null);
            let circle = match object == &synchronised.object {
                true => self.circle(round, pair, member, value, before.agreed.get(member), &mut still),
                false => None,
            };
            if let Some(circle) = &circle {
                referring.told.push((Arc::clone(member), circle.clone()));
                referring.stands.get_or_insert_with(|| format!("its {member} is below it").into());
            }
            for (name, side) in &synchronised.policy.sides {
                let there = match value {
                    Value::String(key) if circle.is_none() => self.record_of(object.as_str(), key, name),
                    _ => None,
                };
                let missing = !value.is_null() && value.as_str() != Some("") && there.is_none();
                if missing {
                    referring.held.entry(name.clone()).or_default().push(Arc::clone(member));
                    let holding = agreement.sides.get(name);
                    let reached = holding.and_then(|holding| holding.reached.get(member));
                    let wanted = side.writes.contains(member) || side.creates.contains(member);
                    if wanted && reached != Some(value) {
                        let stands = match value.as_object() {
                            Some(_) if !self.core.loading.is_loading(object.as_str()) => "is not known",
                            _ => "is waited for",
                        };
                        referring.stands.get_or_insert_with(|| format!("its {member} {stands}").into());
                    }
                    if let Value::String(key) = value {
                        still.push(Awaited::Record(
                            (object.as_str().into(), key.clone().into()),
                            Arc::from(name.as_str()),
                        ));
                    }
                }
                let there = there.map_or(Value::Null, Value::from);
                referring.there.entry(name.clone()).or_default().insert(Arc::clone(member).into(), there);
            }
            if let Some(named) = value.as_object()
                && !self.core.loading.is_loading(object.as_str())
            {
                let named: Vec<String> = named.iter().map(|(side, id)| format!("{id} of {side}")).collect();
                let sentence = format!(
                    "Its {member} is {}, which is not known. It is set by itself as soon as that is",
                    named.join(", ").replace('"', "")
                );
                referring.told.push((Arc::clone(member), sentence));
            }
        }
        self.core.waits.put(pair, still);
        referring
    }

    /// The record of an object on a side.
    pub(super) fn record_of(&self, object: &str, key: &str, side: &ConnectionName) -> Option<Arc<str>> {
        match self.core.store.reference(object, key, side.as_str()) {
            Ok(found) => found.map(|row| row.record_id),
            Err(error) => {
                tracing::error!(%error, object, %key, %side, "it cannot be looked up whether there is a record");
                None
            }
        }
    }

    /// Whether an object is above itself, in one sentence. The objects of the circle are waited for.
    fn circle(
        &self,
        round: &mut Round,
        pair: &Pair,
        member: &Arc<str>,
        value: &Value,
        before: Option<&Value>,
        awaited: &mut Vec<Awaited>,
    ) -> Option<String> {
        let parent: Option<Arc<str>> = value.as_str().filter(|key| !key.is_empty()).map(Arc::from);
        self.core.waits.has_parent(pair, member, parent.clone());
        if before.unwrap_or(&Value::Null) != value {
            let woken = self.core.waits.wake(&Awaited::Parent(pair.clone()));
            round.after.extend(woken.into_iter().filter(|other| other != pair).map(After::Review));
        }
        let mut way = vec![Arc::clone(&pair.1)];
        let mut next = parent;
        while let Some(key) = next {
            way.push(Arc::clone(&key));
            if key == pair.1 {
                awaited.extend(way[1..].iter().map(|key| Awaited::Parent((Arc::clone(&pair.0), Arc::clone(key)))));
                let named: Vec<String> = way.iter().take(NAMED_MAX).map(|key| self.named(&pair.0, key)).collect();
                let more = if way.len() > NAMED_MAX { " → …" } else { "" };
                return Some(format!(
                    "It is its own {member}: {}{more}. Give one of them another {member}",
                    named.join(" → ")
                ));
            }
            // A circle that it is not part of is told where it is.
            if way.len() > STEPS_MAX || way[..way.len() - 1].contains(&key) {
                return None;
            }
            let above = (Arc::clone(&pair.0), key);
            // Before it is read, so that no change is overlooked.
            self.core.waits.add(pair, Awaited::Parent(above.clone()));
            next = self.parent_of(&above, member);
        }
        None
    }

    fn parent_of(&self, pair: &Pair, member: &Arc<str>) -> Option<Arc<str>> {
        if let Some(known) = self.core.waits.parent(pair, member) {
            return known;
        }
        let row = self.core.store.synced(&pair.0, &pair.1).ok().flatten()?;
        row.state.get("agreed").get(member).as_str().filter(|key| !key.is_empty()).map(Arc::from)
    }

    fn named(&self, object: &Arc<str>, key: &Arc<str>) -> String {
        let row = self.core.store.transaction_of_key(object, key).ok().flatten();
        row.map_or_else(|| key.to_string(), |row| row.title.to_string())
    }

    /// People are told what is wrong with such members, and of nothing that is settled.
    pub(super) fn tell_references(
        &self,
        round: &mut Round,
        agreed: &Agreed,
        synchronised: &Synchronised,
        before: &Agreement,
        stood: Option<&Arc<str>>,
        referring: &Referring,
    ) {
        let changed = |member: &Arc<str>| before.agreed.get(member) != agreed.agreement.agreed.get(member);
        let row = self.matters.get(&agreed.matter);
        let stood = stood.filter(|stood| stood.starts_with("its "));
        let stands_as_before = stood == referring.stands.as_ref();
        for member in synchronised.references.keys() {
            let told = referring.told.iter().find(|(told, _)| told == member);
            if stands_as_before && !changed(member) {
                continue;
            }
            if stood.is_some() || changed(member) || told.is_some() {
                round.mutations.push(withdrawn(agreed.matter, &format!("{REFERENCE_PLACE}{member}")));
            }
            let Some((_, reason)) = told else { continue };
            let what = row.map_or_else(|| agreed.matter.to_string(), |row| row.title.to_string());
            let content = Value::object([
                ("kind", Value::from(WRITE)),
                ("field", Value::from(Arc::clone(member))),
                ("record", sync::object_of(&agreed.agreement.agreed)),
                ("allow", Value::array(["retry", "dismiss"])),
            ]);
            let place = format!("{REFERENCE_PLACE}{member}");
            let item = NewItem {
                queue: synchronised.queue.as_str(),
                matter: agreed.matter,
                run: Some((RunId::new(agreed.matter.uuid()), place.into_bytes())),
                title: format!("{what}: its {member} cannot be set"),
                reason: reason.clone(),
                amount: None,
                content,
            };
            self.open(round, item);
        }
    }
}
