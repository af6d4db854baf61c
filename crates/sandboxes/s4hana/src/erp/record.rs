//! Master data: records of any type of the catalog, kept sparse, found by key and by the properties that are indexed.

use std::collections::{BTreeMap, HashMap};

use crate::odata::edm::EntityType;
use crate::odata::literal::Literal;
use crate::odata::value::{Cell, Value};

/// What stands between the parts of a key.
const SEPARATOR: char = '\u{1}';

/// A record: the values it has, by their place in the type, in ascending order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Record(Vec<(u16, Value)>);

impl Record {
    /// The value of a property.
    #[must_use]
    pub(crate) fn get(&self, place: usize) -> &Value {
        let place = u16::try_from(place).unwrap_or(u16::MAX);
        self.0.binary_search_by_key(&place, |(at, _)| *at).map_or(&Value::Null, |found| &self.0[found].1)
    }

    /// Sets a property; `Null` clears it.
    pub(crate) fn set(&mut self, place: usize, value: Value) {
        let place = u16::try_from(place).unwrap_or(u16::MAX);
        match (self.0.binary_search_by_key(&place, |(at, _)| *at), value) {
            (Ok(found), Value::Null) => {
                self.0.remove(found);
            }
            (Ok(found), value) => self.0[found].1 = value,
            (Err(_), Value::Null) => {}
            (Err(gap), value) => self.0.insert(gap, (place, value)),
        }
    }

    /// Sets a property by its name; a name that there is not is left alone.
    pub(crate) fn put(&mut self, kind: &EntityType, name: &str, value: Value) {
        if let Some(place) = kind.property(name) {
            self.set(place, value);
        }
    }

    /// Sets a text by its name, when it has none yet.
    pub(crate) fn fill(&mut self, kind: &EntityType, name: &str, text: &str) {
        if let Some(place) = kind.property(name)
            && *self.get(place) == Value::Null
        {
            self.set(place, Value::text(text));
        }
    }

    /// A text by its name.
    #[must_use]
    pub(crate) fn text(&self, kind: &EntityType, name: &str) -> &str {
        kind.property(name).and_then(|place| self.get(place).as_text()).unwrap_or("")
    }

    /// The key.
    #[must_use]
    pub(crate) fn key(&self, kind: &EntityType) -> Box<str> {
        let mut key = String::with_capacity(32);
        for (index, place) in kind.keys.iter().enumerate() {
            if index > 0 {
                key.push(SEPARATOR);
            }
            push_cell(self.get(*place).cell(), &mut key);
        }
        key.into()
    }
}

fn push_cell(cell: Cell<'_>, key: &mut String) {
    match cell {
        Cell::Text(text) => key.push_str(text),
        Cell::Null => {}
        other => {
            let mut literal = Vec::new();
            other.write_literal(&mut literal);
            key.push_str(&String::from_utf8_lossy(&literal));
        }
    }
}

/// The key that literals in the order of a type's key stand for.
#[must_use]
pub(crate) fn key_of(kind: &EntityType, literals: &[Literal]) -> Box<str> {
    let mut key = String::with_capacity(32);
    for (index, (literal, place)) in literals.iter().zip(&kind.keys).enumerate() {
        if index > 0 {
            key.push(SEPARATOR);
        }
        let property = &kind.properties[*place];
        match literal {
            Literal::Text(text) => {
                let text = if property.range { crate::odata::edm::without_zeros(text) } else { text };
                if property.upper { key.push_str(&text.to_uppercase()) } else { key.push_str(text) }
            }
            Literal::Date(instant) => push_cell(Cell::Date(*instant), &mut key),
            Literal::Instant(instant) => push_cell(Cell::Instant(*instant), &mut key),
            _ => {}
        }
    }
    key.into()
}

/// The start of all keys that begin with these values.
#[must_use]
pub(crate) fn prefix_of<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    let mut prefix = String::with_capacity(32);
    for value in values {
        push_cell(value.cell(), &mut prefix);
        prefix.push(SEPARATOR);
    }
    prefix
}

type Index = HashMap<Box<str>, Vec<Box<str>>, foldhash::fast::RandomState>;

/// The records of one type.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: BTreeMap<Box<str>, Record>,
    indexes: Vec<(usize, Index)>,
}

impl Table {
    /// An empty table of a type.
    #[must_use]
    pub(crate) fn new(kind: &EntityType) -> Self {
        let indexed = kind.properties.iter().enumerate().filter(|(_, property)| property.indexed);
        Self { rows: BTreeMap::new(), indexes: indexed.map(|(place, _)| (place, Index::default())).collect() }
    }

    /// A record by its key.
    #[must_use]
    pub(crate) fn get(&self, key: &str) -> Option<&Record> {
        self.rows.get(key)
    }

    /// All records, in the order of their keys.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Record> {
        self.rows.values()
    }

    /// The records whose key begins with these values: a prefix that ends with the separator, or is a whole key.
    pub(crate) fn starting<'a>(&'a self, prefix: &str) -> impl Iterator<Item = &'a Record> + use<'a> {
        let whole = prefix.strip_suffix(SEPARATOR).unwrap_or(prefix);
        let exact = self.rows.get(whole).into_iter();
        let range = self.rows.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        let prefix = prefix.to_owned();
        exact.chain(range.take_while(move |(key, _)| key.starts_with(&*prefix)).map(|(_, record)| record))
    }

    /// Whether records are indexed by a property.
    #[must_use]
    pub(crate) fn is_indexed(&self, place: usize) -> bool {
        self.indexes.iter().any(|(at, _)| *at == place)
    }

    /// The records whose indexed property has a value.
    pub(crate) fn with<'a>(&'a self, place: usize, value: &str) -> impl Iterator<Item = &'a Record> {
        let index = self.indexes.iter().find(|(at, _)| *at == place);
        let keys = index.and_then(|(_, index)| index.get(value)).map_or(&[][..], Vec::as_slice);
        keys.iter().filter_map(|key| self.rows.get(key))
    }

    /// Puts a record in the place of the one with its key, or takes that one away; answers what stood there.
    pub(crate) fn replace(&mut self, key: &str, record: Option<Record>) -> Option<Record> {
        for (place, index) in &mut self.indexes {
            if let Some(text) = self.rows.get(key).and_then(|old| old.get(*place).as_text())
                && let Some(keys) = index.get_mut(text)
            {
                keys.retain(|other| &**other != key);
            }
            if let Some(text) = record.as_ref().and_then(|new| new.get(*place).as_text()) {
                index.entry(text.into()).or_default().push(key.into());
            }
        }
        match record {
            Some(record) => self.rows.insert(key.into(), record),
            None => self.rows.remove(key),
        }
    }
}
