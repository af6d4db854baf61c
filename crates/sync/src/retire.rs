//! The state of an object of which some side has lost its record.

use std::sync::Arc;

use model::ConnectionName;

use crate::agreement::Agreement;
use crate::deletes::{Abilities, Act, Counterpart, Documents};

/// Why nothing is written to a side any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retired {
    /// Its record is gone: deleted there, or merged into another one.
    Gone,
    /// A person is asked what becomes of its record, because the object was deleted elsewhere.
    Asked,
    /// This is being done to its record.
    Doing(Act),
    /// This was done to its record.
    Done(Act),
    /// What was done to its record is being undone.
    Undoing(Act),
}

impl Retired {
    /// The words of a stored one.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Gone => "gone".to_owned(),
            Self::Asked => "asked".to_owned(),
            Self::Doing(act) => format!("doing {}", act.word()),
            Self::Done(act) => format!("done {}", act.word()),
            Self::Undoing(act) => format!("undoing {}", act.word()),
        }
    }

    /// From these words.
    pub(crate) fn from_words(words: &str) -> Option<Self> {
        let (state, act) = words.split_once(' ').unwrap_or((words, ""));
        match (state, Act::from_word(act)) {
            ("gone", None) => Some(Self::Gone),
            ("asked", None) => Some(Self::Asked),
            ("doing", Some(act)) => Some(Self::Doing(act)),
            ("done", Some(act)) => Some(Self::Done(act)),
            ("undoing", Some(act)) => Some(Self::Undoing(act)),
            _ => None,
        }
    }
}

impl Act {
    const WORDS: [(Self, &'static str); 4] =
        [(Self::Keep, "keep"), (Self::Delete, "delete"), (Self::Deactivate, "deactivate"), (Self::Block, "block")];

    /// The word for it in definitions and on buttons; empty for what only follows from something else.
    #[must_use]
    pub fn word(&self) -> &'static str {
        Self::WORDS.iter().find(|(act, _)| act == self).map_or("", |(_, word)| word)
    }

    /// From the word for it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(act, _)| act.clone())
    }
}

impl Agreement {
    /// The record of a side is gone. Gives whether it was there until now: nothing happens for another record than the one that
    /// stands for the object.
    pub fn lost(&mut self, side: &ConnectionName, id: &str) -> bool {
        let Some(holding) = self.sides.get_mut(side) else { return false };
        // That it was deleted here because the object was deleted elsewhere is no news.
        let is_expected =
            matches!(holding.retired, Some(Retired::Gone | Retired::Doing(Act::Delete) | Retired::Done(Act::Delete)));
        if holding.id.as_deref() != Some(id) || is_expected {
            return false;
        }
        holding.retired = Some(Retired::Gone);
        holding.checking = false;
        true
    }

    /// After the object was lost: sides that refused to make a record of it, which nobody wants any more.
    pub fn unmade(&mut self) -> Vec<ConnectionName> {
        let mut unmade = Vec::new();
        for (side, holding) in self.sides.iter_mut().filter(|(_, holding)| holding.id.is_none()) {
            if holding.refused.take().is_some() {
                unmade.push(side.clone());
            }
        }
        unmade
    }

    /// The record of a side is there. Gives whether it was gone until now.
    pub fn came_back(&mut self, side: &ConnectionName, id: &str) -> bool {
        let Some(holding) = self.sides.get_mut(side) else { return false };
        let was_gone = holding.retired == Some(Retired::Gone) && holding.id.as_deref() == Some(id);
        if was_gone {
            holding.retired = None;
            // That nothing could be written to it meanwhile says nothing now.
            holding.refused = None;
        }
        was_gone
    }

    /// Whether some side has lost its record.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.sides.values().any(|holding| holding.retired == Some(Retired::Gone))
    }

    /// The records of the other sides, as far as they are still there.
    #[must_use]
    pub fn counterparts(
        &self,
        lost: &ConnectionName,
        of: impl Fn(&ConnectionName) -> (Documents, Abilities),
        has_other: impl Fn(&ConnectionName) -> bool,
    ) -> Vec<Counterpart> {
        let others = self
            .sides
            .iter()
            .filter(|(side, holding)| *side != lost && holding.id.is_some() && holding.retired != Some(Retired::Gone));
        others
            .map(|(side, holding)| {
                let (documents, abilities) = of(side);
                let retired = match &holding.retired {
                    Some(Retired::Doing(act) | Retired::Done(act)) => Some(act.clone()),
                    Some(Retired::Asked) => Some(Act::Ask),
                    // What is being undone is as good as not done.
                    Some(Retired::Gone | Retired::Undoing(_)) | None => None,
                };
                Counterpart { side: side.clone(), documents, abilities, retired, has_other: has_other(side) }
            })
            .collect()
    }

    /// What is done, was done or is undone with the record of a side; `None` is the usual life.
    pub fn retire(&mut self, side: &ConnectionName, retired: Option<Retired>) {
        if let Some(holding) = self.sides.get_mut(side) {
            holding.retired = retired;
        }
    }

    /// The record of a side does not stand for the object any more: the side has none, as if it had never been seen.
    pub fn unlink(&mut self, side: &ConnectionName) -> Option<Arc<str>> {
        std::mem::take(self.sides.get_mut(side)?).id
    }
}
