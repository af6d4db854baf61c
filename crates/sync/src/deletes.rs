//! What a delete, undelete, merge or unmerge on one side means for the others.
//!
//! A record that business documents refer to is never deleted: it is blocked, whatever is declared, because an invoice
//! outlives the customer that it was sent to. What is not known is treated as if there were documents. A deletion by a side
//! that does not own the object is for a person, and only what was retired by following the other side comes back by itself.

use std::fmt;
use std::sync::Arc;

use model::ConnectionName;

/// What is declared to follow from a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deletes {
    /// The other records are made inactive.
    Deactivate,
    /// The other records are deleted, too.
    Delete,
    /// The other records stay as they are.
    Keep,
    /// A person decides.
    #[default]
    Queue,
}

/// What happened to a record on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// It was deleted.
    Deleted,
    /// It came back.
    Undeleted,
    /// It was merged into the record of another canonical object, which stays.
    Merged {
        /// The key of the object that stays.
        into: Arc<str>,
    },
    /// It was taken out again of the record of another canonical object.
    Unmerged {
        /// The key of the object that it had been merged into.
        from: Arc<str>,
    },
}

/// Whether business documents refer to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Documents {
    /// None does.
    Without,
    /// Some do.
    With,
    /// It was not possible to find out.
    #[default]
    Unknown,
}

/// What a system can do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// It can delete it.
    pub delete: bool,
    /// It can bring back what was deleted.
    pub undelete: bool,
    /// It can make it inactive.
    pub deactivate: bool,
    /// It can block it for new business.
    pub block: bool,
}

/// The record of the same object on another side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterpart {
    /// The side.
    pub side: ConnectionName,
    /// Whether documents refer to it.
    pub documents: Documents,
    /// What its system can do.
    pub abilities: Abilities,
    /// What was done to it when its object was deleted or merged before; `None` when nothing was, or a person did it.
    pub retired: Option<Act>,
    /// Whether this side also has a record of the object that a merge or unmerge names.
    pub has_other: bool,
}

/// What is to be done with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Keep,
    /// Delete it.
    Delete,
    /// Make it inactive.
    Deactivate,
    /// Block it for new business.
    Block,
    /// Bring it back from where this act put it.
    Restore(Box<Act>),
    /// Make a new record, as the old one cannot be brought back.
    Create,
    /// It stands for this object from now on.
    Relink(Arc<str>),
    /// A person decides.
    Ask,
}

/// Why that is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is declared.
    Declared,
    /// Documents refer to the record.
    HasDocuments,
    /// It is not known whether documents refer to the record.
    DocumentsUnknown,
    /// Its system cannot do what is declared; this comes next.
    NextBest,
    /// Its system can do nothing of the kind.
    Unable,
    /// The side where it happened does not own the object.
    NotOwner,
    /// This undoes what was done before.
    Undo,
    /// Nothing was done before that could be undone.
    NothingToUndo,
    /// The record goes on under the object that stays.
    OnlyRecord,
}

/// What is to be done on one side, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Following {
    /// The side.
    pub side: ConnectionName,
    /// What is to be done.
    pub act: Act,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Declared => "the object declares it",
            Self::HasDocuments => "documents refer to the record, so it is blocked and not deleted",
            Self::DocumentsUnknown => "it is not known whether documents refer to the record, so it is not deleted",
            Self::NextBest => "the system cannot do what the object declares, this comes next",
            Self::Unable => "the system can neither delete, deactivate nor block the record",
            Self::NotOwner => "it happened on a side that does not own the object",
            Self::Undo => "it undoes what was done before",
            Self::NothingToUndo => "nothing was done to the record before",
            Self::OnlyRecord => "it is the only record of the side and goes on under the object that stays",
        })
    }
}

/// What something that happened on one side means for its counterparts. `owned` says whether that side owns the object, or
/// nobody does.
#[must_use]
pub fn follow(deletes: Deletes, owned: bool, happened: &Happened, counterparts: &[Counterpart]) -> Vec<Following> {
    let of = |counterpart: &Counterpart| match happened {
        Happened::Deleted | Happened::Merged { .. } if counterpart.retired.is_some() => {
            // Told twice is once.
            (Act::Keep, Reason::Declared)
        }
        Happened::Deleted => retire(deletes, owned, counterpart),
        Happened::Merged { into } if !counterpart.has_other => (Act::Relink(Arc::clone(into)), Reason::OnlyRecord),
        Happened::Merged { .. } => retire(deletes, owned, counterpart),
        Happened::Undeleted | Happened::Unmerged { .. } => restore(counterpart),
    };
    counterparts
        .iter()
        .map(|counterpart| {
            let (act, reason) = of(counterpart);
            Following { side: counterpart.side.clone(), act, reason }
        })
        .collect()
}

fn retire(deletes: Deletes, owned: bool, counterpart: &Counterpart) -> (Act, Reason) {
    let Abilities { delete, deactivate, block, .. } = counterpart.abilities;
    let (wanted, reason) = match (deletes, counterpart.documents) {
        (Deletes::Keep, _) => return (Act::Keep, Reason::Declared),
        (Deletes::Queue, _) => return (Act::Ask, Reason::Declared),
        _ if !owned => return (Act::Ask, Reason::NotOwner),
        (_, Documents::With) => ([Act::Block, Act::Deactivate], Reason::HasDocuments),
        (Deletes::Delete, Documents::Without) if delete => return (Act::Delete, Reason::Declared),
        (Deletes::Delete, Documents::Unknown) => ([Act::Block, Act::Deactivate], Reason::DocumentsUnknown),
        (Deletes::Delete, Documents::Without) => ([Act::Deactivate, Act::Block], Reason::NextBest),
        (Deletes::Deactivate, _) if deactivate => return (Act::Deactivate, Reason::Declared),
        (Deletes::Deactivate, _) => ([Act::Block, Act::Deactivate], Reason::NextBest),
    };
    let able = |act: &Act| if *act == Act::Block { block } else { deactivate };
    wanted.into_iter().find(able).map_or((Act::Ask, Reason::Unable), |act| (act, reason))
}

fn restore(counterpart: &Counterpart) -> (Act, Reason) {
    match &counterpart.retired {
        None | Some(Act::Keep | Act::Ask | Act::Create | Act::Restore(_)) => (Act::Keep, Reason::NothingToUndo),
        Some(Act::Delete) if !counterpart.abilities.undelete => (Act::Create, Reason::Undo),
        Some(act) => (Act::Restore(Box::new(act.clone())), Reason::Undo),
    }
}
