//! Which findings of a comparison people are told about, given what they were told about after the last one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::finding::{Finding, Side};

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
}

/// Takes the confirmed findings of a comparison in, one after the other.
#[derive(Debug)]
pub struct Following {
    told: BTreeMap<Identity, Told>,
    seen: HashSet<Identity>,
    new: Vec<Identity>,
    new_count: u64,
}

/// What a comparison leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// What people are told about now, in the order in which it was found.
    pub open: Vec<Identity>,
    /// What was open and is not there any more.
    pub withdraw: Vec<Identity>,
    /// What was dismissed and is not there any more, so that people are asked when it comes again.
    pub forget: Vec<Identity>,
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

impl Following {
    /// After these.
    #[must_use]
    pub fn new(told: BTreeMap<Identity, Told>) -> Self {
        Self { told, seen: HashSet::new(), new: Vec::new(), new_count: 0 }
    }

    /// Takes a finding in. Each comes once.
    pub fn see(&mut self, finding: &Finding) {
        let identity = Identity::from(finding);
        if self.told.contains_key(&identity) {
            self.seen.insert(identity);
            return;
        }
        self.new_count += 1;
        if self.new.len() < OPEN_MAX {
            self.new.push(identity);
        }
    }

    /// What they lead to. Only for a comparison that came to its end: what it did not come to is not gone.
    #[must_use]
    pub fn end(self) -> Followed {
        let mut followed = Followed::default();
        let mut staying = 0;
        for (identity, told) in self.told {
            match (self.seen.contains(&identity), told) {
                (true, Told::Open) => staying += 1,
                (true, Told::Dismissed) => {}
                (false, Told::Open) => followed.withdraw.push(identity),
                (false, Told::Dismissed) => followed.forget.push(identity),
            }
        }
        followed.open = self.new;
        followed.open.truncate(OPEN_MAX.saturating_sub(staying));
        followed.beyond = self.new_count - followed.open.len() as u64;
        followed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(id: &str) -> Finding {
        Finding::Missing { key: id.into(), on: Side::Right, id: id.into() }
    }

    fn follow(told: &[(&str, Told)], found: &[String]) -> Followed {
        let told = told.iter().map(|(id, told)| (Identity::from(&missing(id)), *told)).collect();
        let mut following = Following::new(told);
        found.iter().for_each(|id| following.see(&missing(id)));
        following.end()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_new_opens_what_is_there_stays_and_what_is_gone_is_withdrawn() {
        let followed = follow(&[("stays", Told::Open), ("gone", Told::Open)], &names(&["stays", "new"]));
        assert_eq!(followed.open, [Identity::from(&missing("new"))]);
        assert_eq!(followed.withdraw, [Identity::from(&missing("gone"))]);
        assert_eq!((followed.forget.len(), followed.beyond), (0, 0));
    }

    #[test]
    fn what_was_dismissed_is_not_asked_again_until_it_was_gone() {
        assert_eq!(follow(&[("a", Told::Dismissed)], &names(&["a"])), Followed::default());
        let followed = follow(&[("a", Told::Dismissed)], &[]);
        assert_eq!(followed.forget, [Identity::from(&missing("a"))]);
        assert_eq!(follow(&[], &names(&["a"])).open.len(), 1);
    }

    #[test]
    fn no_more_are_open_than_allowed_and_the_rest_is_counted() {
        let many: Vec<String> = (0..OPEN_MAX + 50).map(|place| format!("{place}")).collect();
        let followed = follow(&[("0", Told::Open), ("gone", Told::Open)], &many);
        assert_eq!(followed.open.len(), OPEN_MAX - 1);
        assert_eq!(followed.beyond, 50);
    }
}
