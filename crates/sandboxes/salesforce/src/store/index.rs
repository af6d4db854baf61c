//! Which records have a value, so that nobody has to look at all of them.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::id::RecordId;

/// Serial numbers of records, in their order. Most values belong to one record.
#[derive(Debug)]
enum Postings {
    One([u32; 1]),
    Many(Vec<u32>),
}

impl Postings {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    fn add(&mut self, serial: u32) {
        match self {
            Self::One([one]) if *one == serial => {}
            Self::One([one]) => {
                let (first, second) = if *one < serial { (*one, serial) } else { (serial, *one) };
                *self = Self::Many(vec![first, second]);
            }
            Self::Many(many) => match many.last() {
                // New records have the highest number.
                Some(last) if *last < serial => many.push(serial),
                _ => {
                    if let Err(at) = many.binary_search(&serial) {
                        many.insert(at, serial);
                    }
                }
            },
        }
    }

    /// Answers whether nothing is left.
    fn remove(&mut self, serial: u32) -> bool {
        match self {
            Self::One([one]) => *one == serial,
            Self::Many(many) => {
                if let Ok(at) = many.binary_search(&serial) {
                    many.remove(at);
                }
                many.is_empty()
            }
        }
    }
}

/// Records by a text.
#[derive(Debug)]
pub(crate) struct TextIndex {
    case_sensitive: bool,
    entries: HashMap<Box<str>, Postings, RandomState>,
}

impl TextIndex {
    pub(crate) fn new(case_sensitive: bool) -> Self {
        Self { case_sensitive, entries: HashMap::default() }
    }

    fn key(&self, text: &str) -> Box<str> {
        if self.case_sensitive { text.into() } else { text.to_lowercase().into() }
    }

    /// Records with this text, in the order of their ids.
    pub(crate) fn get(&self, text: &str) -> &[u32] {
        let found = if self.case_sensitive { self.entries.get(text) } else { self.entries.get(&self.key(text)) };
        found.map_or(&[], Postings::as_slice)
    }

    pub(crate) fn change(&mut self, old: Option<&str>, new: Option<&str>, serial: u32) {
        if let Some(old) = old {
            let key = self.key(old);
            if self.entries.get_mut(&key).is_some_and(|postings| postings.remove(serial)) {
                self.entries.remove(&key);
            }
        }
        if let Some(new) = new {
            let key = self.key(new);
            self.entries.entry(key).and_modify(|postings| postings.add(serial)).or_insert(Postings::One([serial]));
        }
    }
}

/// Records by the record that they refer to.
#[derive(Debug, Default)]
pub(crate) struct RefIndex {
    entries: HashMap<RecordId, Postings, RandomState>,
}

impl RefIndex {
    /// Records that refer to this one, in the order of their ids.
    pub(crate) fn get(&self, to: RecordId) -> &[u32] {
        self.entries.get(&to).map_or(&[], Postings::as_slice)
    }

    pub(crate) fn change(&mut self, old: Option<RecordId>, new: Option<RecordId>, serial: u32) {
        if old == new {
            return;
        }
        if let Some(old) = old
            && self.entries.get_mut(&old).is_some_and(|postings| postings.remove(serial))
        {
            self.entries.remove(&old);
        }
        if let Some(new) = new {
            self.entries.entry(new).and_modify(|postings| postings.add(serial)).or_insert(Postings::One([serial]));
        }
    }
}
