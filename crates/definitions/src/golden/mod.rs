//! Golden cases: what a mapping, a function, a feed or the rules of recognition make of data, beside what they should.

mod compare;
mod run;
mod update;
mod write;

use std::sync::Arc;

use indexmap::IndexMap;
use mapping::Mapping;
use model::{ConnectionName, ObjectName, Source, Span, Value};
use workflow::yaml::Node;

use crate::agreement::Synchronised;
use crate::connection::{Feed, Function};

pub use compare::Difference;
use compare::Nulls;
pub use run::Outcome;
pub use update::{Unwritable, updated};

/// One file of `tests/`.
#[derive(Debug)]
pub struct CaseFile {
    /// The file.
    pub source: Source,
    /// Its cases in their order.
    pub cases: Vec<Case>,
}

/// One golden case.
#[derive(Debug)]
pub struct Case {
    /// What it is called.
    pub name: Arc<str>,
    /// Where it begins.
    pub span: Span,
    /// What is tested.
    pub(crate) subject: Subject,
    /// What should come out.
    pub(crate) expected: Expected,
}

/// What is tested, and with which data.
#[derive(Debug)]
pub(crate) enum Subject {
    Read {
        mapping: Arc<Mapping>,
        record: Value,
    },
    Write {
        mapping: Arc<Mapping>,
        object: Value,
    },
    Feed {
        feed: Arc<Feed>,
        /// What was read of the record before, in this order: it tells which occasion this one is.
        before: Vec<Value>,
        record: Value,
        known: References,
    },
    Function {
        function: Arc<Function>,
        input: Value,
        answer: Option<Value>,
    },
    Match {
        object: Arc<Synchronised>,
        /// The two records as canonical objects, or why one cannot be read, and which connection each belongs to.
        records: Box<[Recognised; 2]>,
    },
}

/// A record whose object is to be recognised.
#[derive(Debug)]
pub(crate) struct Recognised {
    pub(crate) feed: Arc<Feed>,
    pub(crate) record: Value,
}

/// What a case knows of parents, by object and record id.
pub(crate) type References = IndexMap<ObjectName, IndexMap<Arc<str>, Parent>>;

/// A record that others name as theirs.
#[derive(Debug, Default)]
pub(crate) struct Parent {
    /// Its canonical key.
    pub(crate) key: Arc<str>,
    /// The ids of its records in other connections.
    pub(crate) at: IndexMap<ConnectionName, Arc<str>>,
}

/// What should come out.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// The object, record or call: `expect`.
    pub(crate) value: Option<Written>,
    /// What a function gives: `output`.
    pub(crate) output: Option<Written>,
    /// A part of the sentence by which it is refused.
    pub(crate) refused: Option<(Arc<str>, Span)>,
    /// The record is none that the feed hands over.
    pub(crate) skipped: Option<Span>,
    /// Whether two records are the same object.
    pub(crate) same: Option<Written>,
    /// The business key of what a feed hands over.
    pub(crate) key: Option<Written>,
    /// Whether reading what is written has to give the same object.
    pub(crate) there_and_back: Option<Span>,
}

/// A value of a case and where it stands.
#[derive(Debug)]
pub(crate) struct Written {
    /// The member's name.
    pub(crate) name: Span,
    /// Its value.
    pub(crate) node: Node,
}

impl Expected {
    /// Whether the case says nothing of what should come out.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { value, output, refused, skipped, same, key: _, there_and_back } = self;
        let values = value.is_none() && output.is_none() && same.is_none();
        values && refused.is_none() && skipped.is_none() && there_and_back.is_none()
    }
}

impl Case {
    /// What is tested, as a person would say it: `feed crm.accounts`.
    #[must_use]
    pub fn what(&self) -> String {
        match &self.subject {
            Subject::Read { mapping, .. } => format!("mapping {}, read", mapping.name()),
            Subject::Write { mapping, .. } => format!("mapping {}, write", mapping.name()),
            Subject::Feed { feed, .. } => format!("feed {}.{}", feed.connection, feed.name),
            Subject::Function { function, .. } => format!("function {}.{}", function.connection, function.name),
            Subject::Match { object, .. } => format!("match {}", object.object),
        }
    }
}
