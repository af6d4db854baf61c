//! Lists whose items are known by a key, such as contacts by their e-mail address: merged item by item, member by member.
//!
//! A side's change is what it did to the items that it held: items that came or went, and members that it changed. That is
//! brought to what is agreed, so that two sides may change two contacts, or two members of one, at once. A member that a side
//! does not hold stays as it is. Lists are kept in the order of their keys, because systems do not keep an order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use indexmap::IndexSet;
use model::{ConnectionName, Path, Text, Value};

use crate::agreement::{Agreement, Cause, Finding, Rule, Waiting};
use crate::fields::{Fields, is_empty, is_same};
use crate::policy::{Conflict, Policy};

/// By what items of a list are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListKey(Vec<Path>);

/// Items by their key. Several of one key are told apart by their place among each other.
type Items<'a> = BTreeMap<(Vec<&'a Value>, usize), &'a Value>;

/// A side's change of a list, and what it meets.
pub(crate) struct Brought<'a> {
    /// What the side held.
    pub(crate) held: &'a Value,
    /// What it holds now.
    pub(crate) now: &'a Value,
    /// What was agreed when it was brought to it last.
    pub(crate) reached: &'a Value,
    /// What is agreed.
    pub(crate) agreed: &'a Value,
}

/// A list after a side's change was brought to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) value: Value,
    /// Whether the side changed something that had changed otherwise meanwhile.
    pub(crate) meets: bool,
}

impl ListKey {
    /// Items are known by these members together; without any, each item is known by itself, as in a list of words.
    #[must_use]
    pub const fn new(members: Vec<Path>) -> Self {
        Self(members)
    }

    /// The list in the order of its keys. Anything that is not a list stays as it is.
    #[must_use]
    pub fn in_order(&self, list: &Value) -> Value {
        let Some(items) = list.as_array() else { return list.clone() };
        if items.is_sorted_by(|one, other| self.of(one) <= self.of(other)) {
            return list.clone();
        }
        let mut items = items.to_vec();
        // Stable: items of one key keep their places among each other.
        items.sort_by(|one, other| self.of(one).cmp(&self.of(other)));
        Value::from(items)
    }

    fn of<'a>(&self, item: &'a Value) -> Vec<&'a Value> {
        if self.0.is_empty() { vec![item] } else { self.0.iter().map(|member| member.get(item)).collect() }
    }

    fn items<'a>(&self, list: &'a Value) -> Items<'a> {
        let mut items = Items::new();
        let mut seen: BTreeMap<Vec<&Value>, usize> = BTreeMap::new();
        for item in list.items() {
            let times = seen.entry(self.of(item)).or_default();
            items.insert((self.of(item), *times), item);
            *times += 1;
        }
        items
    }

    /// A list that was seen while it was written, as if it had not been: items that are as they are expected then count as they were
    /// held. Where each item is written by itself, some are there before others.
    pub(crate) fn before_writing(&self, seen: &Value, held: &Value, expected: &Value) -> Value {
        let (seen, held, expected) = (self.items(seen), self.items(held), self.items(expected));
        let keys: BTreeSet<_> = seen.keys().chain(held.keys()).collect();
        let item = |key| if seen.get(key) == expected.get(key) { held.get(key) } else { seen.get(key) };
        Value::from(keys.into_iter().filter_map(item).map(|item| (*item).clone()).collect::<Vec<_>>())
    }

    /// Brings a side's change to what is agreed. Where both changed the same otherwise, `wins` says whether the side's counts.
    pub(crate) fn bring(&self, brought: &Brought<'_>, wins: bool) -> Merged {
        let (held, now) = (self.items(brought.held), self.items(brought.now));
        let (reached, agreed) = (self.items(brought.reached), self.items(brought.agreed));
        let mut meets = false;
        let mut list: Vec<Value> = Vec::with_capacity(agreed.len().max(now.len()));
        for key in agreed.keys().chain(now.keys().filter(|key| !agreed.contains_key(*key))) {
            let item = Item {
                held: held.get(key).copied(),
                now: now.get(key).copied(),
                reached: reached.get(key).copied(),
                agreed: agreed.get(key).copied(),
            };
            list.extend(item.bring(wins, &mut meets));
        }
        Merged { value: self.in_order(&Value::from(list)), meets }
    }
}

/// One item in the four lists.
struct Item<'a> {
    held: Option<&'a Value>,
    now: Option<&'a Value>,
    reached: Option<&'a Value>,
    agreed: Option<&'a Value>,
}

impl Item<'_> {
    fn bring(&self, wins: bool, meets: &mut bool) -> Option<Value> {
        match (self.held, self.now, self.agreed) {
            // It went on this side: it goes, unless it was changed meanwhile.
            (Some(_), None, Some(agreed)) => {
                let changed = self.reached != Some(agreed);
                *meets |= changed;
                (changed && !wins).then(|| agreed.clone())
            }
            // It went on the other side meanwhile, and perhaps was changed on this one.
            (Some(held), Some(now), None) => {
                let changed = held != now && self.reached.is_some();
                *meets |= changed;
                // What this side never was brought to and nobody agreed to is not there. What it does not hold of the item comes
                // back with it.
                (changed && wins).then(|| self.members(now, self.reached.unwrap_or(now), true, meets))
            }
            // It came on this side.
            (None, Some(now), None) => Some(now.clone()),
            (_, Some(now), Some(agreed)) => Some(self.members(now, agreed, wins, meets)),
            // This side does not hold it.
            (_, None, agreed) => agreed.cloned(),
        }
    }

    fn members(&self, now: &Value, agreed: &Value, wins: bool, meets: &mut bool) -> Value {
        let mut merged = agreed.clone();
        // What it held and has no more is a change as well; what it never held is none.
        let both = self.held.into_iter().chain([now]).filter_map(Value::as_object);
        let members: IndexSet<Text> = both.flat_map(|item| item.keys().cloned()).collect();
        for name in members {
            let held = self.held.map_or(&Value::Null, |held| held.get(&name));
            let (value, known) = (now.get(&name), agreed.get(&name));
            if is_same(held, value) || is_same(known, value) {
                continue;
            }
            // An item that it was brought to with something else meets what came since; a new one meets what is not empty.
            let meanwhile = match self.reached {
                Some(reached) => !is_same(reached.get(&name), known),
                None => !is_empty(known),
            };
            *meets |= meanwhile;
            if wins || !meanwhile {
                merged.set(name, value.clone());
            }
        }
        merged
    }
}

impl fmt::Display for ListKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("item by item");
        }
        let members: Vec<String> = self.0.iter().map(Path::to_string).collect();
        write!(formatter, "item by item, known by {}", members.join(" and "))
    }
}

impl Policy {
    /// The lists among these fields in the order in which they are kept. Others are not touched, as fields may be shared.
    fn order(&self, fields: &mut Fields) {
        for (field, key) in &self.lists {
            let Some(ordered) = fields.get(field).map(|list| (key.in_order(list), list)) else { continue };
            if ordered.0 != *ordered.1 {
                let ordered = ordered.0;
                fields.insert(Arc::clone(field).into(), ordered);
            }
        }
    }

    /// Fields as they are compared and kept.
    pub(crate) fn keep(&self, fields: &mut Fields) {
        for (field, value) in fields {
            if is_empty(value) {
                *value = Value::Null;
            } else if let Some(key) = self.lists.get(field.as_str()) {
                *value = key.in_order(value);
            }
        }
    }
}

/// A side's change of one list.
pub(crate) struct ListChange<'a> {
    pub(crate) side: &'a ConnectionName,
    pub(crate) field: &'a str,
    /// What the side held.
    pub(crate) held: &'a Value,
    /// What it holds now.
    pub(crate) now: &'a Value,
    /// What was agreed when it was brought to it last; `None` when it is seen for the first time.
    pub(crate) reached: Option<&'a Value>,
    pub(crate) cause: &'a Cause,
}

impl Agreement {
    /// A side has another list than it had. Gives whether that was decided here: a list of another owner, one that an owner is
    /// first seen with, and one that nobody has agreed to yet is like any other value.
    pub(crate) fn changed_list(
        &mut self,
        policy: &Policy,
        key: &ListKey,
        change: &ListChange<'_>,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let ListChange { side, field, held, now, reached, cause } = *change;
        let is_first = reached.is_none();
        let stands = |owner: &ConnectionName| {
            owner == side || if is_first { self.says(owner, field) } else { self.knows(owner, field) }
        };
        let owner = self.owner(policy, field).filter(|owner| stands(owner));
        if owner.is_some_and(|owner| owner != side || is_first) {
            return false;
        }
        if self.conflicts.contains_key(field) {
            return self.disputed_list(key, change, findings);
        }
        let Some(agreed) = self.agreed.get(field).cloned() else { return false };
        if is_first && (is_empty(&agreed) || is_empty(now) || is_same(&agreed, now)) {
            return false;
        }
        let (rule, wins) = match (owner, policy.conflict) {
            (Some(_), _) => (Rule::Owner, true),
            (None, Conflict::Newest) => (Rule::Newest, self.outranks(policy, side, field, cause)),
            (None, Conflict::First) => (Rule::FirstNamed, self.outranks(policy, side, field, cause)),
            (None, Conflict::Queue) => (Rule::Person, false),
        };
        let reached = reached.unwrap_or(&Value::Null);
        let brought = Brought { held, now, reached, agreed: &agreed };
        let Merged { value, meets } = key.bring(&brought, wins);
        let from = self.verdicts.get(field).map(|verdict| verdict.from.clone());
        if !meets {
            if !is_same(&agreed, &value) {
                let is_merged = is_first || self.other_change(side, field, reached, &agreed).is_some();
                self.agree(side, field, value, if is_merged { Rule::Merged } else { Rule::Changed }, cause, None);
            }
            return true;
        }
        if rule == Rule::Person {
            // What meets nothing counts whatever the person decides. Another side than this one stands for what is agreed, though
            // this one may have changed other items last.
            let own = key.bring(&brought, true).value;
            self.agreed.insert(field.into(), value);
            let other = || policy.sides.keys().find(|name| *name != side).cloned();
            self.dispute(side, field, own, cause, from.filter(|from| from != side).or_else(other), findings);
        } else if wins {
            self.agree(side, field, value, rule, cause, from.map(|from| (from, agreed)));
        } else {
            // What meets nothing counts all the same.
            self.agreed.insert(field.into(), value);
            self.lose(side, field, now.clone());
        }
        true
    }

    /// A side changes a list about which a person has to decide: what does not meet the question is brought to each answer.
    fn disputed_list(&mut self, key: &ListKey, change: &ListChange<'_>, findings: &mut Vec<Finding>) -> bool {
        let ListChange { side, field, held, now, reached, cause } = *change;
        let Some(reached) = reached else { return false };
        let Some(offers) = self.conflicts.get_mut(field).filter(|offers| offers.contains_key(side)) else {
            return false;
        };
        let before = offers.clone();
        for (from, offer) in offers.iter_mut() {
            let brought = Brought { held, now, reached, agreed: offer };
            *offer = key.bring(&brought, from == side).value;
        }
        let Some(own) = offers.get(side).cloned() else { return false };
        if offers.values().all(|offer| is_same(offer, &own)) {
            self.agree(side, field, own, Rule::Same, cause, None);
        } else if *offers != before {
            findings.push(Finding::Conflict(field.into()));
        }
        true
    }

    /// Puts the lists of a state that was stored before they were merged item by item in the order in which they are kept, so
    /// that the order of their items is no change.
    pub fn put_in_order(&mut self, policy: &Policy) {
        if policy.lists.is_empty() {
            return;
        }
        policy.order(&mut self.agreed);
        for holding in self.sides.values_mut() {
            policy.order(&mut holding.held);
            policy.order(&mut holding.reached);
            holding.refused.iter_mut().for_each(|refused| policy.order(refused));
            if let Some(Waiting { fields, expected, overwritten }) = &mut holding.waiting {
                [fields, expected, overwritten].into_iter().for_each(|values| policy.order(values));
            }
        }
        for (field, key) in &policy.lists {
            let offers = self.conflicts.get_mut(field).into_iter().flat_map(|offers| offers.values_mut());
            let turns = self.turns.get_mut(field).into_iter().flat_map(|turns| &mut turns.taken);
            for value in offers.chain(turns.map(|(_, value, _)| value)) {
                *value = key.in_order(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Value {
        model::json::parse(text.as_bytes()).expect("JSON")
    }

    fn by_id() -> ListKey {
        ListKey::new(vec!["id".parse().expect("a path")])
    }

    /// What the side held, what it holds now, what it was brought to, what is agreed; the result when it loses and when it wins,
    /// which differ when something meets.
    #[test]
    fn a_change_is_brought_to_what_is_agreed() {
        let cases = [
            ("one came", "[]", r#"[{"id":1}]"#, "[]", "[]", r#"[{"id":1}]"#, None),
            (
                "one went",
                r#"[{"id":1},{"id":2}]"#,
                r#"[{"id":2}]"#,
                r#"[{"id":1},{"id":2}]"#,
                r#"[{"id":1},{"id":2}]"#,
                r#"[{"id":2}]"#,
                None,
            ),
            ("both came", "[]", r#"[{"id":1}]"#, "[]", r#"[{"id":2}]"#, r#"[{"id":1},{"id":2}]"#, None),
            (
                "two members of one item",
                r#"[{"id":1,"a":1,"b":1}]"#,
                r#"[{"id":1,"a":2,"b":1}]"#,
                r#"[{"id":1,"a":1,"b":1}]"#,
                r#"[{"id":1,"a":1,"b":2}]"#,
                r#"[{"id":1,"a":2,"b":2}]"#,
                None,
            ),
            (
                "one member of one item",
                r#"[{"id":1,"a":1}]"#,
                r#"[{"id":1,"a":2}]"#,
                r#"[{"id":1,"a":1}]"#,
                r#"[{"id":1,"a":3}]"#,
                r#"[{"id":1,"a":3}]"#,
                Some(r#"[{"id":1,"a":2}]"#),
            ),
            (
                "a member that the side does not hold",
                r#"[{"id":1,"a":1}]"#,
                r#"[{"id":1,"a":2}]"#,
                r#"[{"id":1,"a":1,"b":7}]"#,
                r#"[{"id":1,"a":1,"b":7}]"#,
                r#"[{"id":1,"a":2,"b":7}]"#,
                None,
            ),
            (
                "a member that went",
                r#"[{"id":1,"a":1}]"#,
                r#"[{"id":1}]"#,
                r#"[{"id":1,"a":1,"b":7}]"#,
                r#"[{"id":1,"a":1,"b":7}]"#,
                r#"[{"id":1,"a":null,"b":7}]"#,
                None,
            ),
            (
                "an item that the side does not hold",
                r#"[{"id":1}]"#,
                r#"[{"id":1,"a":2}]"#,
                r#"[{"id":1},{"id":2}]"#,
                r#"[{"id":1},{"id":2}]"#,
                r#"[{"id":1,"a":2},{"id":2}]"#,
                None,
            ),
            (
                "gone here, changed there",
                r#"[{"id":1,"a":1}]"#,
                "[]",
                r#"[{"id":1,"a":1}]"#,
                r#"[{"id":1,"a":3}]"#,
                r#"[{"id":1,"a":3}]"#,
                Some("[]"),
            ),
            (
                "changed here, gone there",
                r#"[{"id":1,"a":1}]"#,
                r#"[{"id":1,"a":2}]"#,
                r#"[{"id":1,"a":1}]"#,
                "[]",
                "[]",
                Some(r#"[{"id":1,"a":2}]"#),
            ),
            ("gone on both", r#"[{"id":1}]"#, "[]", r#"[{"id":1}]"#, "[]", "[]", None),
            ("untouched here, gone there", r#"[{"id":1}]"#, r#"[{"id":1}]"#, r#"[{"id":1}]"#, "[]", "[]", None),
            (
                "seen for the first time",
                "[]",
                r#"[{"id":1,"a":1,"b":1}]"#,
                "[]",
                r#"[{"id":1,"a":1,"c":3}]"#,
                r#"[{"id":1,"a":1,"b":1,"c":3}]"#,
                None,
            ),
            (
                "two of one key",
                r#"[{"id":1,"a":1},{"id":1,"a":2}]"#,
                r#"[{"id":1,"a":1},{"id":1,"a":5}]"#,
                r#"[{"id":1,"a":1},{"id":1,"a":2}]"#,
                r#"[{"id":1,"a":1},{"id":1,"a":2}]"#,
                r#"[{"id":1,"a":1},{"id":1,"a":5}]"#,
                None,
            ),
        ];
        for (what, held, now, reached, agreed, lost, won) in cases {
            let (held, now, reached, agreed) = (list(held), list(now), list(reached), list(agreed));
            let brought = Brought { held: &held, now: &now, reached: &reached, agreed: &agreed };
            let wanted = |text| Merged { value: list(text), meets: won.is_some() };
            assert_eq!(by_id().bring(&brought, false), wanted(lost), "{what}, lost");
            assert_eq!(by_id().bring(&brought, true), wanted(won.unwrap_or(lost)), "{what}, won");
        }
    }

    #[test]
    fn the_order_of_a_list_with_a_key_means_nothing() {
        assert_eq!(by_id().in_order(&list(r#"[{"id":2},{"id":1}]"#)), list(r#"[{"id":1},{"id":2}]"#));
        assert_eq!(ListKey::new(vec![]).in_order(&list(r#"["b","a"]"#)), list(r#"["a","b"]"#));
        assert_eq!(by_id().in_order(&Value::from(3)), Value::from(3));
    }

    #[test]
    fn words_come_and_go_by_themselves() {
        let (held, now) = (list(r#"["a","b"]"#), list(r#"["b","c"]"#));
        let (reached, agreed) = (held.clone(), list(r#"["a","b","d"]"#));
        let brought = Brought { held: &held, now: &now, reached: &reached, agreed: &agreed };
        let merged = ListKey::new(vec![]).bring(&brought, false);
        assert_eq!(merged, Merged { value: list(r#"["b","c","d"]"#), meets: false });
    }
}
