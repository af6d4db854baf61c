//! The one value that flows from wire to wire.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::{Decimal, Number, Object};

/// A text of a value. Up to 23 bytes of it stand in the value itself; what is longer is shared.
pub type Text = smol_str::SmolStr;

/// A JSON value with exact numbers. Cloning is cheap: long strings, arrays and objects are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, exact.
    Number(Number),
    /// A text.
    String(Text),
    /// A list.
    Array(Arc<Vec<Value>>),
    /// Named members.
    Object(Arc<Object>),
}

static NULL: Value = Value::Null;

impl Value {
    /// An object with these members; a later one replaces an earlier one of the same name.
    pub fn object<K: Into<Text>, V: Into<Self>>(members: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Object(Arc::new(members.into_iter().map(|(name, value)| (name.into(), value.into())).collect()))
    }

    /// An object without members.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::Object(Arc::default())
    }

    /// A list of these.
    pub fn array<V: Into<Self>>(items: impl IntoIterator<Item = V>) -> Self {
        Self::Array(Arc::new(items.into_iter().map(Into::into).collect()))
    }

    /// The member of this name; `null` when there is none or this is no object.
    #[must_use]
    pub fn get(&self, name: &str) -> &Self {
        match self {
            Self::Object(members) => members.get(name).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    /// The item at this place; `null` when there is none or this is no list.
    #[must_use]
    pub fn at(&self, index: usize) -> &Self {
        match self {
            Self::Array(items) => items.get(index).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    /// Whether an object has a member of this name, even a `null` one.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        matches!(self, Self::Object(members) if members.contains_key(name))
    }

    /// Sets a member; anything that is not an object becomes one first.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<Self>) {
        if !matches!(self, Self::Object(_)) {
            *self = Self::empty_object();
        }
        if let Self::Object(members) = self {
            Arc::make_mut(members).insert(name.into(), value.into());
        }
    }

    /// Takes a member out, keeping the order of the others.
    pub fn remove(&mut self, name: &str) -> Option<Self> {
        match self {
            Self::Object(members) => Arc::make_mut(members).shift_remove(name),
            _ => None,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth of a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A number as an exact decimal.
    #[must_use]
    pub fn as_decimal(&self) -> Option<Decimal> {
        self.as_number().map(Number::to_decimal)
    }

    /// A whole number.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number().and_then(Number::to_i64)
    }

    /// The items of a list.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The items of a list; none for anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        self.as_array().unwrap_or_default()
    }

    /// The members of an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What kind of value it is, in the words of JSON: for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(false) => 1,
            Self::Bool(true) => 2,
            Self::Number(_) => 3,
            Self::String(_) => 4,
            Self::Array(_) => 5,
            Self::Object(_) => 6,
        }
    }
}

/// The order of jq: null, false, true, numbers, strings, arrays, objects (by sorted keys, then by values).
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.cmp(right),
            (Self::String(left), Self::String(right)) => left.cmp(right),
            (Self::Array(left), Self::Array(right)) => left.cmp(right),
            (Self::Object(left), Self::Object(right)) => {
                fn sorted(members: &Object) -> Vec<&Text> {
                    let mut keys: Vec<&Text> = members.keys().collect();
                    keys.sort();
                    keys
                }
                let (left_keys, right_keys) = (sorted(left), sorted(right));
                left_keys.cmp(&right_keys).then_with(|| {
                    left_keys
                        .iter()
                        .map(|key| left[key.as_str()].cmp(&right[key.as_str()]))
                        .find(|order| order.is_ne())
                        .unwrap_or(Ordering::Equal)
                })
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}
impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for Value {
    /// Compact JSON.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&crate::json::to_string(self))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(Number::Integer(value))
    }
}
impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::from(i64::from(value))
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::from(i64::from(value))
    }
}
impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::from(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
impl From<Decimal> for Value {
    fn from(value: Decimal) -> Self {
        Self::Number(Number::Decimal(value))
    }
}
impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Self::Number(value)
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}
impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Self::String(value.into())
    }
}
impl From<Text> for Value {
    fn from(value: Text) -> Self {
        Self::String(value)
    }
}
impl From<Vec<Self>> for Value {
    fn from(value: Vec<Self>) -> Self {
        Self::Array(Arc::new(value))
    }
}
impl From<Object> for Value {
    fn from(value: Object) -> Self {
        Self::Object(Arc::new(value))
    }
}
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Storage encoding: a value is written as its JSON text, so that what is stored can be read by any tool.
impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&crate::json::to_string(self))
    }
}
impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        crate::json::parse(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}
