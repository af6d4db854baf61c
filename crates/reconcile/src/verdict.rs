//! Whose value counts, and what would be written where.

use std::sync::Arc;

use model::ConnectionName;
use sync::{Conflict, Policy};

use crate::finding::{Finding, Pair, Side};

/// Says of findings what ownership makes of them.
#[derive(Debug, Clone)]
pub struct Judge {
    sides: Pair<ConnectionName>,
    policy: Option<Policy>,
}

/// What ownership makes of a finding, or of one member of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The value of this side counts and is written to the other one.
    Write {
        /// The side that owns it.
        from: Side,
    },
    /// The value of this side counts, but nothing is declared that writes it to the other one.
    ReadOnly {
        /// The side that owns it.
        from: Side,
    },
    /// A system counts that is not compared here.
    Elsewhere(ConnectionName),
    /// Nobody owns it: the side that changed it since counts, and when both did, this decides.
    Unowned(Conflict),
    /// The owner depends on the stage, and the sides are in stages with other owners.
    Stages,
    /// The record is made on this side.
    Create {
        /// Where it is missing.
        on: Side,
    },
    /// Nothing is declared that makes records on this side.
    NoCreate {
        /// Where it is missing.
        on: Side,
    },
    /// Records of this side cannot be read, and the one that seems to be missing may be one of them.
    Unread {
        /// Where it seems to be missing.
        on: Side,
    },
    /// Nobody knows which of several records is meant.
    Doubled {
        /// On which side they are.
        on: Side,
    },
    /// The object is not declared to be kept the same.
    Undeclared,
}

impl Judge {
    /// Of these two sides, by what is declared of the object, if anything is.
    #[must_use]
    pub const fn new(left: ConnectionName, right: ConnectionName, policy: Option<Policy>) -> Self {
        Self { sides: Pair { left, right }, policy }
    }

    /// The name of a side.
    #[must_use]
    pub const fn name(&self, side: Side) -> &ConnectionName {
        self.sides.of(side)
    }

    /// Of a member that two records hold otherwise.
    #[must_use]
    pub fn member(&self, member: &str, stages: &Pair<Option<Arc<str>>>) -> Verdict {
        let Some(policy) = &self.policy else { return Verdict::Undeclared };
        let owner = |side| policy.owners.of(member, stages.of(side).as_deref());
        let (owner, other) = (owner(Side::Left), owner(Side::Right));
        if owner != other {
            return Verdict::Stages;
        }
        let Some(owner) = owner else { return Verdict::Unowned(policy.conflict) };
        let sides = [Side::Left, Side::Right];
        let Some(from) = sides.into_iter().find(|side| self.name(*side) == owner) else {
            return Verdict::Elsewhere(owner.clone());
        };
        let to = policy.sides.get(self.name(from.other()));
        if to.is_some_and(|to| to.writes.contains(member)) {
            Verdict::Write { from }
        } else {
            Verdict::ReadOnly { from }
        }
    }

    /// Of a record that is missing or doubled; `None` where that differs from member to member.
    #[must_use]
    pub fn record(&self, finding: &Finding) -> Option<Verdict> {
        match finding {
            Finding::Missing { on, .. } => Some(match &self.policy {
                None => Verdict::Undeclared,
                Some(policy) if policy.sides.get(self.name(*on)).is_some_and(|side| !side.creates.is_empty()) => {
                    Verdict::Create { on: *on }
                }
                Some(_) => Verdict::NoCreate { on: *on },
            }),
            Finding::Doubled { on, .. } => Some(Verdict::Doubled { on: *on }),
            Finding::Different { .. } => None,
        }
    }

    /// A verdict in one sentence without a full stop.
    #[must_use]
    pub fn sentence(&self, verdict: &Verdict) -> String {
        match verdict {
            Verdict::Write { from } => {
                format!("{} owns it: its value is written to {}", self.name(*from), self.name(from.other()))
            }
            Verdict::ReadOnly { from } => {
                let (owner, other) = (self.name(*from), self.name(from.other()));
                format!("{owner} owns it, but Interlock does not write it to {other}: change it there")
            }
            Verdict::Elsewhere(owner) => format!("{owner} owns it, which is not compared here"),
            Verdict::Unowned(Conflict::Queue) => {
                "nobody owns it: who changed it since counts, and if both did, a person decides".to_owned()
            }
            Verdict::Unowned(Conflict::Newest) => "nobody owns it: the last change counts".to_owned(),
            Verdict::Unowned(Conflict::First) => {
                "nobody owns it: who changed it since counts, and if both did, the side that is named first".to_owned()
            }
            Verdict::Stages => "its owner depends on the stage, and the sides are in different ones".to_owned(),
            Verdict::Create { on } => format!("it is made on {}", self.name(*on)),
            Verdict::NoCreate { on } => format!("Interlock makes none on {}: make it there", self.name(*on)),
            Verdict::Unread { on } => {
                format!("it may be a record of {} that cannot be read: none is made until it can be", self.name(*on))
            }
            Verdict::Doubled { on } => format!("a person has to say which record of {} is meant", self.name(*on)),
            Verdict::Undeclared => "the object has no `sides`, so that nobody's value counts".to_owned(),
        }
    }
}

impl Verdict {
    /// The word for it, for programs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Write { .. } => "write",
            Self::ReadOnly { .. } => "read-only",
            Self::Elsewhere(_) => "elsewhere",
            Self::Unowned(_) => "unowned",
            Self::Stages => "stages",
            Self::Create { .. } => "create",
            Self::NoCreate { .. } => "no-create",
            Self::Unread { .. } => "unread",
            Self::Doubled { .. } => "doubled",
            Self::Undeclared => "undeclared",
        }
    }

    /// The side whose value counts, where that is known.
    #[must_use]
    pub const fn owner(&self) -> Option<Side> {
        match self {
            Self::Write { from } | Self::ReadOnly { from } => Some(*from),
            _ => None,
        }
    }

    /// The side that is written to, where reading the records again leads to that.
    #[must_use]
    pub const fn written(&self) -> Option<Side> {
        match self {
            Self::Write { from } => Some(from.other()),
            Self::Create { on } => Some(*on),
            _ => None,
        }
    }
}
