//! Which findings of a comparison people are told about, given what they were told about after the last one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use model::Value;

use crate::finding::{Finding, Side};
use crate::verdict::Judge;

/// How many findings of an object are open to people at once.
pub const OPEN_MAX: usize = 200;

/// What makes a finding the same one at the next comparison: the records it is about, not what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// A record that has no counterpart.
    Missing {
        /// Where it is missing.
        on: Side,
        /// The id of the record that is there.
        id: Arc<str>,
    },
    /// Two records that differ.
    Different {
        /// The id of the left record.
        left: Arc<str>,
        /// The id of the right record.
        right: Arc<str>,
    },
    /// Several records of one key.
    Doubled {
        /// On which side they are.
        on: Side,
        /// Their key.
        key: Arc<str>,
    },
}

/// What became of a finding that people were told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It waits for a person.
    Open,
    /// A person dismissed it: nobody is asked again while it is there.
    Dismissed,
    /// A person had its records read again after this comparison began, which cannot say what came of that: the next one does.
    Tried,
}

/// Takes the confirmed findings of a comparison in, one after the other.
#[derive(Debug)]
pub struct Following {
    told: BTreeMap<Arc<str>, Told>,
    seen: HashSet<Arc<str>>,
    new: Vec<Arc<str>>,
    new_count: u64,
}

/// What a comparison leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// What people are told about now, in the order in which it was found.
    pub open: Vec<Arc<str>>,
    /// What people were told about and is still there.
    pub stay: Vec<Arc<str>>,
    /// What was open and is not there any more.
    pub withdraw: Vec<Arc<str>>,
    /// What was dismissed and is not there any more, so that people are asked when it comes again.
    pub forget: Vec<Arc<str>>,
    /// How many are there that were dismissed.
    pub dismissed: u64,
    /// How many more there are than can be open at once.
    pub beyond: u64,
}

impl From<&Finding> for Identity {
    fn from(finding: &Finding) -> Self {
        match finding {
            Finding::Missing { on, id, .. } => Self::Missing { on: *on, id: Arc::clone(id) },
            Finding::Different { ids, .. } => {
                Self::Different { left: Arc::clone(&ids.left), right: Arc::clone(&ids.right) }
            }
            Finding::Doubled { on, key, .. } => Self::Doubled { on: *on, key: Arc::clone(key) },
        }
    }
}

impl Identity {
    /// As a text that is the same for the same finding, whichever side is the left one.
    #[must_use]
    pub fn text(&self, judge: &Judge) -> Arc<str> {
        let name = |side| judge.name(side).as_str();
        let parts = match self {
            Self::Missing { on, id } => vec!["missing", name(*on), id],
            Self::Doubled { on, key } => vec!["doubled", name(*on), key],
            Self::Different { left, right } => {
                let mut sides = [(name(Side::Left), &**left), (name(Side::Right), &**right)];
                sides.sort_unstable();
                let [(one, id), (other, counterpart)] = sides;
                vec!["different", one, id, other, counterpart]
            }
        };
        Value::array(parts.into_iter().map(Value::from)).to_string().into()
    }
}

impl Following {
    /// After these, each by its [`Identity::text`].
    #[must_use]
    pub fn new(told: BTreeMap<Arc<str>, Told>) -> Self {
        Self { told, seen: HashSet::new(), new: Vec::new(), new_count: 0 }
    }

    /// Takes a finding in. Each comes once.
    pub fn see(&mut self, identity: &Arc<str>) {
        if self.told.contains_key(identity) {
            self.seen.insert(Arc::clone(identity));
            return;
        }
        self.new_count += 1;
        if self.new.len() < OPEN_MAX {
            self.new.push(Arc::clone(identity));
        }
    }

    /// Takes a finding in that cannot be told now, because it is still changing: what is open stays so.
    pub fn leave(&mut self, identity: &Arc<str>) {
        if self.told.contains_key(identity) {
            self.seen.insert(Arc::clone(identity));
        }
    }

    /// What they lead to. Only for a comparison that came to its end: what it did not come to is not gone.
    #[must_use]
    pub fn end(self) -> Followed {
        let mut followed = Followed::default();
        for (identity, told) in self.told {
            match (self.seen.contains(&identity), told) {
                (true, Told::Open) => followed.stay.push(identity),
                (true, Told::Dismissed) => followed.dismissed += 1,
                (false, Told::Open) => followed.withdraw.push(identity),
                (false, Told::Dismissed) => followed.forget.push(identity),
                (_, Told::Tried) => {}
            }
        }
        followed.open = self.new;
        followed.open.truncate(OPEN_MAX.saturating_sub(followed.stay.len()));
        followed.beyond = self.new_count - followed.open.len() as u64;
        followed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(told: &[(&str, Told)], found: &[&str]) -> Followed {
        let mut following = Following::new(told.iter().map(|(id, told)| ((*id).into(), *told)).collect());
        found.iter().for_each(|id| following.see(&(*id).into()));
        following.end()
    }

    fn texts(texts: &[&str]) -> Vec<Arc<str>> {
        texts.iter().map(|text| (*text).into()).collect()
    }

    #[test]
    fn what_is_new_opens_what_is_there_stays_and_what_is_gone_is_withdrawn() {
        let followed = follow(&[("stays", Told::Open), ("gone", Told::Open)], &["stays", "new"]);
        assert_eq!(followed.open, texts(&["new"]));
        assert_eq!(followed.stay, texts(&["stays"]));
        assert_eq!(followed.withdraw, texts(&["gone"]));
        assert_eq!((followed.forget.len(), followed.beyond), (0, 0));
    }

    #[test]
    fn what_was_dismissed_is_not_asked_again_until_it_was_gone() {
        let followed = follow(&[("a", Told::Dismissed)], &["a"]);
        assert_eq!(followed, Followed { dismissed: 1, ..Followed::default() });
        assert_eq!(follow(&[("a", Told::Dismissed)], &[]).forget, texts(&["a"]));
        assert_eq!(follow(&[], &["a"]).open, texts(&["a"]));
    }

    #[test]
    fn what_was_tried_meanwhile_neither_opens_nor_is_withdrawn() {
        assert_eq!(follow(&[("a", Told::Tried)], &["a"]), Followed::default());
        assert_eq!(follow(&[("a", Told::Tried)], &[]), Followed::default());
    }

    #[test]
    fn what_is_still_changing_stays_open_and_is_not_told_when_it_is_new() {
        let mut following = Following::new([(Arc::from("open"), Told::Open)].into());
        following.leave(&"open".into());
        following.leave(&"new".into());
        assert_eq!(following.end(), Followed { stay: texts(&["open"]), ..Followed::default() });
    }

    #[test]
    fn no_more_are_open_than_allowed_and_the_rest_is_counted() {
        let many: Vec<String> = (0..OPEN_MAX + 50).map(|place| format!("{place}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let followed = follow(&[("0", Told::Open), ("gone", Told::Open)], &many);
        assert_eq!(followed.open.len(), OPEN_MAX - 1);
        assert_eq!(followed.beyond, 50);
    }

    #[test]
    fn an_identity_is_the_same_whichever_side_is_the_left_one() {
        let judge = |left: &str, right: &str| Judge::new(left.into(), right.into(), None);
        let one = Identity::Different { left: "1".into(), right: "2".into() };
        let other = Identity::Different { left: "2".into(), right: "1".into() };
        assert_eq!(one.text(&judge("crm", "erp")), other.text(&judge("erp", "crm")));
        let missing = |on| Identity::Missing { on, id: "1".into() };
        assert_eq!(missing(Side::Left).text(&judge("crm", "erp")), missing(Side::Right).text(&judge("erp", "crm")));
        assert_ne!(missing(Side::Left).text(&judge("crm", "erp")), missing(Side::Right).text(&judge("crm", "erp")));
    }
}
