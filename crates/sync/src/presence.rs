//! How the record of a side stands: for people who ask.

use std::fmt;

use model::ConnectionName;

use crate::agreement::Agreement;
use crate::deletes::Act;
use crate::policy::Policy;
use crate::retire::Retired;

/// How the record of a side stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is there and holds what it shall hold, as far as it can.
    There,
    /// It is there, and is being written to.
    Written,
    /// It is there, and is being read before it is written to.
    Read,
    /// It is there, and refused what was to be written to it.
    Refused,
    /// It is being made.
    Made,
    /// The side says that it has one: that is being read before it is linked.
    Named,
    /// The side refused to make it.
    NotMade,
    /// There is none yet.
    Lacking,
    /// There is none, and none is ever made on this side.
    NeverMade,
    /// It was deleted there, or merged into another one.
    Gone,
    /// A person is asked what becomes of it, because the object was deleted elsewhere.
    Asked,
    /// It is being retired, or brought back, because of what happened to the object elsewhere.
    Retiring,
    /// It is blocked, because the object was deleted elsewhere.
    Blocked,
    /// It was made inactive, because the object was deleted elsewhere.
    Inactive,
    /// It was deleted, because the object was deleted elsewhere.
    Deleted,
    /// It was kept, although the object was deleted elsewhere.
    Kept,
}

impl fmt::Display for Presence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::There => "it is there",
            Self::Written => "it is being written to",
            Self::Read => "it is being read before it is written to",
            Self::Refused => "it refused what was to be written to it",
            Self::Made => "it is being made",
            Self::Named => "the system says that it has one already, which is being read",
            Self::NotMade => "the system refused to make it",
            Self::Lacking => "there is none yet",
            Self::NeverMade => "there is none, and none is made in this system",
            Self::Gone => "it is gone: deleted there, or merged into another one",
            Self::Asked => "a person is asked what becomes of it, because the object was deleted elsewhere",
            Self::Retiring => "what happened to the object elsewhere is being done to it",
            Self::Blocked => "it is blocked, because the object was deleted elsewhere",
            Self::Inactive => "it is inactive, because the object was deleted elsewhere",
            Self::Deleted => "it was deleted, because the object was deleted elsewhere",
            Self::Kept => "it was kept, although the object was deleted elsewhere",
        })
    }
}

impl Agreement {
    /// How the record of a side stands.
    #[must_use]
    pub fn presence(&self, policy: &Policy, side: &ConnectionName) -> Presence {
        let holding = self.sides.get(side);
        let Some(holding) = holding.filter(|holding| holding.id.is_some()) else {
            return match holding {
                Some(holding) if holding.waiting.is_some() => Presence::Made,
                Some(holding) if holding.named.is_some() => Presence::Named,
                Some(holding) if holding.refused.is_some() => Presence::NotMade,
                _ if policy.sides.get(side).is_some_and(|side| side.creates.is_empty()) => Presence::NeverMade,
                _ => Presence::Lacking,
            };
        };
        match &holding.retired {
            Some(Retired::Gone) => return Presence::Gone,
            Some(Retired::Asked) => return Presence::Asked,
            Some(Retired::Doing(_) | Retired::Undoing(_)) => return Presence::Retiring,
            Some(Retired::Done(Act::Block)) => return Presence::Blocked,
            Some(Retired::Done(Act::Deactivate)) => return Presence::Inactive,
            Some(Retired::Done(Act::Delete)) => return Presence::Deleted,
            Some(Retired::Done(Act::Keep)) => return Presence::Kept,
            Some(Retired::Done(_)) | None => {}
        }
        if holding.waiting.is_some() {
            Presence::Written
        } else if holding.refused.is_some() {
            Presence::Refused
        } else if holding.checking {
            Presence::Read
        } else {
            Presence::There
        }
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::agreement::{Holding, Waiting};
    use crate::policy::Side;

    #[test]
    fn a_record_stands_as_the_last_that_happened_to_it_says() {
        let side = ConnectionName::from("erp");
        let creates = Side { creates: ["name".into()].into_iter().collect(), ..Side::default() };
        let makes = Policy { sides: IndexMap::from([(side.clone(), creates)]), ..Policy::default() };
        let makes_none = Policy { sides: IndexMap::from([(side.clone(), Side::default())]), ..Policy::default() };
        let mut agreement = Agreement::default();
        assert_eq!(agreement.presence(&makes, &side), Presence::Lacking);
        assert_eq!(agreement.presence(&makes_none, &side), Presence::NeverMade);
        let mut holding = Holding { waiting: Some(Waiting::default()), ..Holding::default() };
        let mut stands = |holding: &Holding| {
            agreement.sides.insert(side.clone(), holding.clone());
            agreement.presence(&makes, &side)
        };
        assert_eq!(stands(&holding), Presence::Made);
        holding.waiting = None;
        holding.refused = Some(crate::Fields::default());
        assert_eq!(stands(&holding), Presence::NotMade);
        holding.named = Some("7".into());
        assert_eq!(stands(&holding), Presence::Named);
        holding.named = None;
        holding.id = Some("7".into());
        assert_eq!(stands(&holding), Presence::Refused);
        holding.refused = None;
        assert_eq!(stands(&holding), Presence::There);
        holding.checking = true;
        assert_eq!(stands(&holding), Presence::Read);
        holding.waiting = Some(Waiting::default());
        assert_eq!(stands(&holding), Presence::Written);
        for (retired, presence) in [
            (Retired::Gone, Presence::Gone),
            (Retired::Asked, Presence::Asked),
            (Retired::Doing(Act::Block), Presence::Retiring),
            (Retired::Undoing(Act::Block), Presence::Retiring),
            (Retired::Done(Act::Block), Presence::Blocked),
            (Retired::Done(Act::Deactivate), Presence::Inactive),
            (Retired::Done(Act::Delete), Presence::Deleted),
            (Retired::Done(Act::Keep), Presence::Kept),
        ] {
            holding.retired = Some(retired);
            assert_eq!(stands(&holding), presence);
        }
    }
}
