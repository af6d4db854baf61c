//! Why a field has the value that it has, and how each side stands to it: for people who ask.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexSet;
use model::{ConnectionName, Value};

use crate::agreement::{Agreement, Holding, Rule, Turns, Verdict};
use crate::fields::{is_empty, is_same};
use crate::lists::ListKey;
use crate::policy::{Policy, Side};

/// All there is to say about one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation<'a> {
    /// What is agreed.
    pub value: &'a Value,
    /// From which side it came, by which rule, and what lost; `None` while nobody said anything.
    pub verdict: Option<&'a Verdict>,
    /// The side that owns it now.
    pub owner: Option<&'a ConnectionName>,
    /// By what its items are known, where it is a list that is merged item by item.
    pub list: Option<&'a ListKey>,
    /// Whether it is settled.
    pub standing: Standing,
    /// How each side stands to it, in the order of the definition.
    pub sides: Vec<SideExplanation<'a>>,
}

/// Whether a field is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Settled,
    /// Sides differ, and a person has to decide.
    Disputed,
    /// Two sides wrote it to and fro, and it is left alone until a person decides or one of them says something else.
    Rests,
}

/// How one side stands to a field.
#[derive(Debug, Clone, PartialEq)]
pub struct SideExplanation<'a> {
    /// The side.
    pub side: &'a ConnectionName,
    /// What it holds; `None` when that is not known.
    pub held: Option<&'a Value>,
    /// How that came about.
    pub state: Reach,
}

/// Whether what is agreed has reached a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It has no record of the object.
    NoRecord,
    /// The field is neither read from it nor written to it.
    NotMapped,
    /// It holds what is agreed.
    Same,
    /// It holds its own form of what is agreed.
    OwnForm,
    /// It is being written to it.
    UnderWay,
    /// It refused it.
    Refused,
    /// It has yet to be written to it.
    Open,
    /// It holds something else, and the field is not written to it.
    NotWritten,
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::First => "the object was not known before",
            Self::Only => "only this side said anything",
            Self::Owner => "the side owns the field",
            Self::Changed => "only this side changed it",
            Self::Merged => "more than one side changed it, and no two changes met",
            Self::Newest => "more than one side changed it, and this change is the newest",
            Self::FirstNamed => "more than one side changed it, and this side is named first",
            Self::Same => "more than one side says the same",
            Self::Person => "it was decided in a work item",
        })
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoRecord => "it has no record",
            Self::NotMapped => "it does not hold the field",
            Self::Same => "it holds what is agreed",
            Self::OwnForm => "it holds its own form of what is agreed",
            Self::UnderWay => "it is being written to",
            Self::Refused => "it refused what is agreed",
            Self::Open => "it has yet to be written to",
            Self::NotWritten => "it holds something else, and the field is not written to it",
        })
    }
}

impl Agreement {
    /// Every field that any side holds.
    #[must_use]
    pub fn fields(&self, policy: &Policy) -> IndexSet<Arc<str>> {
        let sides = policy.sides.values();
        let mapped = sides.flat_map(|side| side.reads.iter().chain(&side.writes).chain(&side.creates));
        mapped.cloned().chain(self.agreed.keys().cloned().map(Into::into)).collect()
    }

    /// Why a field has its value. A field that nobody holds is explained as well: as nothing that nobody said.
    #[must_use]
    pub fn explain<'a>(&'a self, policy: &'a Policy, field: &str) -> Explanation<'a> {
        let value = self.agreed.get(field).unwrap_or(&Value::Null);
        let standing = if self.conflicts.contains_key(field) {
            Standing::Disputed
        } else if self.turns.get(field).is_some_and(Turns::rests) {
            Standing::Rests
        } else {
            Standing::Settled
        };
        let sides = policy.sides.iter().map(|(name, side)| {
            let holding = self.sides.get(name);
            let held = holding.and_then(|holding| holding.held.get(field));
            SideExplanation { side: name, held, state: reach(side, holding, field, value) }
        });
        Explanation {
            value,
            verdict: self.verdicts.get(field),
            owner: self.owner(policy, field),
            list: policy.lists.get(field),
            standing,
            sides: sides.collect(),
        }
    }
}

fn reach(side: &Side, holding: Option<&Holding>, field: &str, agreed: &Value) -> Reach {
    let mapped = side.reads.contains(field) || side.writes.contains(field) || side.creates.contains(field);
    let Some(holding) = holding.filter(|_| mapped) else {
        return if mapped { Reach::NoRecord } else { Reach::NotMapped };
    };
    if holding.waiting.as_ref().is_some_and(|waiting| waiting.fields.contains_key(field)) {
        return Reach::UnderWay;
    }
    if holding.refused.as_ref().and_then(|refused| refused.get(field)).is_some_and(|refused| is_same(refused, agreed)) {
        return Reach::Refused;
    }
    if holding.id.is_none() {
        return Reach::NoRecord;
    }
    let held = holding.held.get(field);
    let reached = holding.reached.get(field);
    match (held, reached) {
        (Some(held), _) if is_same(held, agreed) => Reach::Same,
        (_, Some(reached)) if is_same(reached, agreed) => Reach::OwnForm,
        (None, None) if is_empty(agreed) => Reach::Same,
        _ if side.writes.contains(field) => Reach::Open,
        _ => Reach::NotWritten,
    }
}
