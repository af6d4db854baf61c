//! Value maps: the codes of a system and the canonical codes for the same things.

use std::sync::Arc;

use model::{Object, Text, Value, nearest};

use crate::error::{Misfit, Unmapped};

/// What becomes of a value that a map does not know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Otherwise {
    /// It is an error.
    #[default]
    Refuse,
    /// It stays as it is, in both directions.
    Keep,
    /// When reading, this stands for it; writing refuses, as no record value is known.
    Value(Value),
}

/// Translates record values to canonical values and back.
#[derive(Debug)]
pub struct ValueMap {
    name: Arc<str>,
    to_canonical: Object,
    to_record: Object,
    otherwise: Otherwise,
}

impl ValueMap {
    /// From pairs of record value and canonical value. Back again, the first record value of a canonical one is taken.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        pairs: impl IntoIterator<Item = (Arc<str>, Value)>,
        otherwise: Otherwise,
    ) -> Self {
        let (mut to_canonical, mut to_record) = (Object::default(), Object::default());
        for (record, canonical) in pairs {
            if let Some(text) = text_of(&canonical) {
                to_record.get_or_insert_with(&text, || Value::String(Arc::clone(&record).into()));
            }
            to_canonical.insert(record.into(), canonical);
        }
        Self { name: name.into(), to_canonical, to_record, otherwise }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What becomes of a value that it does not know.
    #[must_use]
    pub const fn otherwise(&self) -> &Otherwise {
        &self.otherwise
    }

    /// The canonical value of a record's value. `null` stays `null`, and so does an empty text that the map does not name.
    pub(crate) fn read(&self, value: &Value) -> Result<Value, Misfit> {
        let text = text_of(value);
        match text.as_ref().and_then(|text| self.to_canonical.get(text)) {
            Some(canonical) => Ok(canonical.clone()),
            None if value.is_null() || text.is_some_and(|text| text.is_empty()) => Ok(Value::Null),
            None => match &self.otherwise {
                Otherwise::Keep => Ok(value.clone()),
                Otherwise::Value(canonical) => Ok(canonical.clone()),
                Otherwise::Refuse => Err(self.unknown(value, self.to_canonical.keys())),
            },
        }
    }

    /// The record's value for a canonical value.
    pub(crate) fn write(&self, value: &Value) -> Result<Value, Misfit> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        match text_of(value).and_then(|text| self.to_record.get(&text)) {
            Some(record) => Ok(record.clone()),
            None if self.otherwise == Otherwise::Keep => Ok(value.clone()),
            None => Err(self.unknown(value, self.to_record.keys())),
        }
    }

    fn unknown<'a>(&self, value: &Value, known: impl Iterator<Item = &'a Text>) -> Misfit {
        let near = value.as_str().and_then(|text| nearest(text, known.map(|known| &**known)));
        let hint = near.map(|near| format!(" (is `{near}` meant?)")).unwrap_or_default();
        let rule = format!("the value map `{}` does not know it{hint}", self.name);
        // Lists and objects cannot stand in a map.
        let single = !matches!(value, Value::Array(_) | Value::Object(_));
        let unmapped = single.then(|| Unmapped { map: Arc::clone(&self.name), value: value.clone() });
        Misfit { rule, unmapped }
    }
}

/// The text under which a scalar is looked up.
fn text_of(value: &Value) -> Option<Text> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(truth) => Some(if *truth { "true".into() } else { "false".into() }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
