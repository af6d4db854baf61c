//! Lists whose items are known by a key, such as contacts by their e-mail address: merged item by item, member by member.
//!
//! A side's change is what it did to the items that it held: items that came or went, and members that it changed. That is
//! brought to what is agreed, so that two sides may change two contacts, or two members of one, at once. A member that a side
//! does not hold stays as it is. Lists are kept in the order of their keys, because systems do not keep an order.

use std::collections::BTreeMap;

use indexmap::IndexSet;
use model::{ConnectionName, Path, Text, Value};

use crate::agreement::{Agreement, Cause, Finding, Rule};
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
                // What this side never was brought to and nobody agreed to is not there.
                (changed && wins).then(|| now.clone())
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

impl Policy {
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
    /// What was agreed when it was brought to it last; nothing when it is seen for the first time.
    pub(crate) reached: &'a Value,
    pub(crate) cause: &'a Cause,
}

impl Agreement {
    /// A side has another list than it had. Gives whether that was decided here: a list of another owner, and one that nobody
    /// has agreed to yet or that a person has to decide about, is like any other value.
    pub(crate) fn changed_list(
        &mut self,
        policy: &Policy,
        key: &ListKey,
        change: &ListChange<'_>,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let ListChange { side, field, held, now, reached, cause } = *change;
        let Some(agreed) = self.agreed.get(field).cloned().filter(|_| !self.conflicts.contains_key(field)) else {
            return false;
        };
        let owner = self.owner(policy, field).filter(|owner| *owner == side || self.knows(owner, field));
        let (rule, wins) = match (owner, policy.conflict) {
            (Some(owner), _) if owner != side => return false,
            (Some(_), _) => (Rule::Owner, true),
            (None, Conflict::Newest) => (Rule::Newest, self.outranks(policy, side, field, cause)),
            (None, Conflict::First) => (Rule::FirstNamed, self.outranks(policy, side, field, cause)),
            (None, Conflict::Queue) => (Rule::Person, true),
        };
        let Merged { value, meets } = key.bring(&Brought { held, now, reached, agreed: &agreed }, wins);
        let from = self.verdicts.get(field).map(|verdict| verdict.from.clone());
        if meets && rule == Rule::Person {
            // Another side than this one stands for what is agreed, though this one may have changed other items last.
            let other = || policy.sides.keys().find(|name| *name != side).cloned();
            self.dispute(side, field, value, cause, from.filter(|from| from != side).or_else(other), findings);
            return true;
        }
        if meets && !wins {
            // What meets nothing counts all the same.
            self.agreed.insert(field.into(), value);
            self.lose(side, field, now.clone());
        } else if meets {
            self.agree(side, field, value, rule, cause, from.map(|from| (from, agreed)));
        } else if !is_same(&agreed, &value) {
            self.agree(side, field, value, Rule::Changed, cause, None);
        }
        true
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
