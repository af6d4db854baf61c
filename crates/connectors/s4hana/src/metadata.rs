//! What a service says about itself in `$metadata`: entity types, sets, navigations and function imports.

use std::collections::HashMap;
use std::sync::Arc;

use connect::{CallError, ErrorClass};
use indexmap::IndexMap;
use model::nearest;

type Named<T> = IndexMap<Arc<str>, T, foldhash::fast::RandomState>;

/// One OData service.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// Its technical name (`API_SALES_ORDER_SRV`).
    pub(crate) name: Arc<str>,
    /// Entity types and complex types, by name without namespace.
    pub(crate) types: HashMap<Arc<str>, Arc<EntityType>>,
    /// Entity sets, by name.
    pub(crate) sets: Named<EntitySet>,
    /// Function imports, by name.
    pub(crate) functions: Named<Function>,
}

/// The shape of the records of a set, or of a structured value that has no key.
#[derive(Debug, Default)]
pub(crate) struct EntityType {
    /// Its name without namespace.
    pub(crate) name: Arc<str>,
    /// Names of the key properties, in the order of the key.
    pub(crate) keys: Vec<Arc<str>>,
    /// Its properties.
    pub(crate) properties: Named<Property>,
    /// Its ways to other records.
    pub(crate) navigations: Named<Navigation>,
    /// Whether a property takes part in optimistic concurrency, so that changes need an `If-Match`.
    pub(crate) has_etag: bool,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    /// Its type, as the codec needs it.
    pub(crate) edm: Edm,
    /// Its type as the vendor writes it (`Edm.Decimal`).
    pub(crate) vendor_type: Arc<str>,
    /// Whether it may be `null`.
    pub(crate) nullable: bool,
    /// Longest text, in characters.
    pub(crate) length_max: Option<usize>,
    /// Most digits behind the point.
    pub(crate) scale: Option<i16>,
    /// Whether it can be written on create (`sap:creatable`).
    pub(crate) creatable: bool,
    /// Whether it can be written on update (`sap:updatable`).
    pub(crate) updatable: bool,
}

/// A primitive type of the Entity Data Model, reduced to what makes a difference on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edm {
    /// Text.
    String,
    /// An exact decimal: a JSON string, `1.5m` in a URL.
    Decimal,
    /// A 64-bit integer: a JSON string, `1L` in a URL.
    Int64,
    /// A smaller integer: a JSON number.
    Integer,
    /// A binary float.
    Double,
    /// True or false.
    Boolean,
    /// `Edm.DateTime` that is shown as a date (`sap:display-format="Date"`): a calendar date without a zone.
    Date,
    /// `Edm.DateTime` with a time of day; SAP keeps UTC in it.
    DateTime,
    /// An instant.
    DateTimeOffset,
    /// A time of day, as a duration since midnight.
    Time,
    /// A UUID.
    Guid,
    /// Bytes in base64.
    Binary,
    /// A structured value of this type.
    Complex(Arc<str>),
    /// Something newer than this list: passed through.
    Other,
}

/// A way from one record to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Navigation {
    /// The type of the records at its end, without namespace.
    pub(crate) target: Arc<str>,
    /// Whether it leads to a list.
    pub(crate) many: bool,
}

/// A list of records with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntitySet {
    /// The type of its records, without namespace.
    pub(crate) entity: Arc<str>,
    /// Whether records can be created in it.
    pub(crate) creatable: bool,
    /// Whether its records can be changed.
    pub(crate) updatable: bool,
    /// Whether its records can be deleted.
    pub(crate) deletable: bool,
}

/// A function import.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Function {
    /// Whether it is called with POST and may change something; otherwise with GET.
    pub(crate) changes: bool,
    /// Its parameters.
    pub(crate) parameters: Vec<(Arc<str>, Property)>,
    /// The type of what it answers, without namespace, where that is a record or a structured value.
    pub(crate) returns: Option<Arc<str>>,
    /// The record type that it works on (`sap:action-for`), without namespace.
    pub(crate) action_for: Option<Arc<str>>,
}

impl Service {
    /// The set of this name and the type of its records.
    ///
    /// # Errors
    /// Misconfigured, naming the nearest set, when the service has none of this name.
    pub(crate) fn set(&self, name: &str) -> Result<(&EntitySet, &Arc<EntityType>), CallError> {
        let found = self.sets.get(name).and_then(|set| Some((set, self.types.get(&set.entity)?)));
        found.ok_or_else(|| self.unknown("entity set", name, self.sets.keys()))
    }

    /// The function import of this name.
    ///
    /// # Errors
    /// Misconfigured, naming the nearest function, when the service has none of this name.
    pub(crate) fn function(&self, name: &str) -> Result<&Function, CallError> {
        self.functions.get(name).ok_or_else(|| self.unknown("function import", name, self.functions.keys()))
    }

    /// The first set that holds records of this type.
    pub(crate) fn set_of(&self, entity: &str) -> Option<&Arc<str>> {
        self.sets.iter().find(|(_, set)| &*set.entity == entity).map(|(name, _)| name)
    }

    fn unknown<'a>(&self, what: &str, name: &str, known: impl Iterator<Item = &'a Arc<str>>) -> CallError {
        let mut message = format!("the service {} has no {what} `{name}`", self.name);
        if let Some(near) = nearest(name, known.map(|known| &**known)) {
            message.push_str(&format!("; did you mean `{near}`?"));
        }
        CallError::new(ErrorClass::Misconfigured, "unknown-record", message)
    }
}

impl EntityType {
    /// The property of this name.
    ///
    /// # Errors
    /// Misconfigured, naming the nearest property, when there is none.
    pub(crate) fn property(&self, name: &str) -> Result<&Property, CallError> {
        self.properties.get(name).ok_or_else(|| self.unknown_field(name))
    }

    /// The error for a member that is neither a property nor a navigation.
    pub(crate) fn unknown_field(&self, name: &str) -> CallError {
        let mut message = format!("{} has no field `{name}`", self.name);
        let known = self.properties.keys().chain(self.navigations.keys());
        if let Some(near) = nearest(name, known.map(|known| &**known)) {
            message.push_str(&format!("; did you mean `{near}`?"));
        }
        CallError::new(ErrorClass::Misconfigured, "unknown-field", message)
    }
}
