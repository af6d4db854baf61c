//! What a system says it has already, when it refuses to make a record because of that.
//!
//! A refused create is no reason to give up an object: the system names the records that it takes for the one that was to be made, and
//! one of them may be linked instead.

use std::sync::Arc;

use model::Value;

/// The member of a function's input that has the record made although the system takes others for it: a person said so.
pub const INSIST: &str = "@insist";
/// The member of a fault's data that says what there is already.
pub const EXISTING: &str = "existing";
/// So many records are named at the most: among more nobody can choose.
pub const EXISTING_MAX: usize = 20;

/// What a system has already.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Existing {
    /// The records that it takes for the one that was to be made, each once, [`EXISTING_MAX`] at the most.
    pub records: Vec<ExistingRecord>,
    /// How many more there are.
    pub more: usize,
    /// Whether it makes the record all the same for who insists ([`crate::Call::insist`]).
    pub may_insist: bool,
}

/// A record that there is already.
#[derive(Debug, Clone, PartialEq)]
pub struct ExistingRecord {
    /// The kind of record, as the call names it where it is the same.
    pub record: Arc<str>,
    /// Its id.
    pub id: Arc<str>,
    /// What people call it; empty when the system does not say.
    pub title: Arc<str>,
}

impl Existing {
    /// Adds a record, unless it is among them.
    pub fn add(&mut self, found: ExistingRecord) {
        if self.records.iter().any(|known| known.id == found.id && known.record == found.record) {
            return;
        }
        match self.records.len() < EXISTING_MAX {
            true => self.records.push(found),
            false => self.more += 1,
        }
    }

    /// As it stands in the data of a fault.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let record = |found: &ExistingRecord| {
            Value::object([
                ("record", Value::from(Arc::clone(&found.record))),
                ("id", Value::from(Arc::clone(&found.id))),
                ("title", Value::from(Arc::clone(&found.title))),
            ])
        };
        Value::object([
            ("records", Value::array(self.records.iter().map(record))),
            ("more", Value::from(i64::try_from(self.more).unwrap_or(i64::MAX))),
            ("mayInsist", Value::from(self.may_insist)),
        ])
    }

    /// From the data of a fault; `None` when it says nothing of that.
    #[must_use]
    pub fn from_fault(data: &Value) -> Option<Self> {
        let value = data.get(EXISTING);
        value.as_object()?;
        let text = |record: &Value, name: &str| record.get(name).as_str().map(Arc::<str>::from);
        let record = |value: &Value| {
            let (record, id) = (text(value, "record")?, text(value, "id")?);
            Some(ExistingRecord { record, id, title: text(value, "title").unwrap_or_default() })
        };
        Some(Self {
            records: value.get("records").items().iter().filter_map(record).collect(),
            more: value.get("more").as_i64().and_then(|more| usize::try_from(more).ok()).unwrap_or_default(),
            may_insist: value.get("mayInsist").as_bool() == Some(true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_already_is_told_once_within_bounds_and_comes_back_from_a_fault() {
        let mut existing = Existing { may_insist: true, ..Existing::default() };
        for number in (0..EXISTING_MAX + 5).chain(0..3) {
            let id = number.to_string().into();
            existing.add(ExistingRecord { record: "Account".into(), id, title: "Acme".into() });
        }
        assert_eq!((existing.records.len(), existing.more), (EXISTING_MAX, 5));
        let data = Value::object([("code", Value::from("X")), (EXISTING, existing.to_value())]);
        assert_eq!(Existing::from_fault(&data), Some(existing));
        assert_eq!(Existing::from_fault(&Value::object([("code", "X")])), None);
    }
}
