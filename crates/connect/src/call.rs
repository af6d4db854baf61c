//! What is asked of a connection.

use std::sync::Arc;

use model::json::{Keep, Members};
use model::{IntentId, Value};

/// What can be done with the records of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// One record by its key; `null` when there is none.
    Read,
    /// A list of the records whose fields equal the members of the body.
    Find,
    /// A new record, with its children where the system takes them at once. Answers the record as the system returns it.
    Create,
    /// Creates or changes the record with this external key.
    Upsert,
    /// Changes some fields of an existing record.
    Update,
    /// Deletes a record.
    Delete,
    /// A function of the vendor: `record` names it, the body holds its parameters.
    Invoke,
}

impl Action {
    /// All of them, in the order of their names in definitions.
    pub const ALL: [Self; 7] =
        [Self::Read, Self::Find, Self::Create, Self::Upsert, Self::Update, Self::Delete, Self::Invoke];

    /// The word for it in definitions.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Find => "find",
            Self::Create => "create",
            Self::Upsert => "upsert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Invoke => "invoke",
        }
    }

    /// From the word for it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}

/// Which record is meant: the value of a field that identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The identifying field; empty for the system's own id of the record, as feeds and sweeps give it.
    pub field: Arc<str>,
    /// Its value.
    pub value: Value,
}

/// Which fields of a record are wanted, and which of its child lists with what fields. Empty means the system's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct Selection {
    /// Field names as the system spells them; related single records with dots (`Account.Name`).
    pub fields: Vec<Arc<str>>,
    /// Child lists (`QuoteLineItems`, `to_Item`) and what is wanted of each child.
    pub children: Vec<(Arc<str>, Selection)>,
}

/// Members of a record as it is read from the wire: fields, child lists with or without `results` around their records, and what
/// the record says about itself when its version is wanted.
impl Members for Selection {
    fn wanted(&self, name: &str) -> Option<Keep<'_>> {
        if name == "results" {
            return Some(Keep::Members(self));
        }
        if let Some((_, inner)) = self.children.iter().find(|(child, _)| **child == *name) {
            let all = inner.fields.is_empty() && inner.children.is_empty();
            return Some(if all { Keep::All } else { Keep::Members(inner) });
        }
        let versions = name == "__metadata" && self.fields.iter().any(|field| matches!(&**field, "etag" | "@etag"));
        let field = |field: &Arc<str>| match field.split_once('.') {
            Some((related, _)) => related == name,
            None => **field == *name,
        };
        // Child lists alone come along with all fields.
        (versions || self.fields.is_empty() || self.fields.iter().any(field)).then_some(Keep::All)
    }
}

/// One request to a connection, in the vendor's record and field names, values in neutral form: numbers are numbers, dates are
/// `2026-11-23`, instants are RFC 3339 in UTC. The connector's codec turns them into what the wire wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The intent this call serves, where there is one: for correlation headers and logs.
    pub intent: Option<IntentId>,
    /// What to do.
    pub action: Action,
    /// With which kind of record (`Account`, `API_SALES_ORDER_SRV/A_SalesOrder`) or function.
    pub record: Arc<str>,
    /// Which record: for read, upsert, update, delete.
    pub key: Option<Key>,
    /// What to write, find or pass.
    pub body: Value,
    /// What to answer with, for read and find.
    pub select: Arc<Selection>,
    /// The key fields and values that a probe looks for when the fate of a create is unknown: `[(PurchaseOrderByCustomer, Q-1)]`.
    pub probe: Vec<(Arc<str>, Value)>,
    /// Whether a record is to be made although the system takes others for it ([`crate::Existing`]), where it allows that.
    pub insist: bool,
}
