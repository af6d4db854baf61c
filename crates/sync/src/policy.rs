//! What is declared of an object that systems are kept in agreement about.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use model::ConnectionName;

use crate::{Deletes, Documents, ListKey, Owners};

/// What decides when two sides changed a field that neither owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// A person.
    #[default]
    Queue,
    /// The change that came last.
    Newest,
    /// The side that is named first.
    First,
}

/// What a side can do with an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    /// The fields that are read from it.
    pub reads: IndexSet<Arc<str>>,
    /// The fields that can be written to a record that it has.
    pub writes: IndexSet<Arc<str>>,
    /// The fields that can be written to a new record; empty when none is ever created.
    pub creates: IndexSet<Arc<str>>,
    /// Whether business documents refer to its records.
    pub documents: Documents,
    /// Whether what is written to it depends on what it holds, so that it is read again after each write before the next one.
    pub reads_back: bool,
}

/// What is declared of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The system of record per field.
    pub owners: Owners,
    /// What decides where nobody owns.
    pub conflict: Conflict,
    /// What follows when a side deletes its record.
    pub deletes: Deletes,
    /// Lists that are merged item by item; others are one value each.
    pub lists: IndexMap<Arc<str>, ListKey>,
    /// The sides, in the order of the definition.
    pub sides: IndexMap<ConnectionName, Side>,
    /// The field with the key that every object is given. While a record of the object is being made somewhere it is no reason to
    /// write by itself, as what that record brings has to be written as well.
    pub key: Option<Arc<str>>,
}
