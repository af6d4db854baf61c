//! Objects that systems are kept in agreement about.

use std::sync::Arc;

use connect::Action;
use expr::{Expression, Limits};
use indexmap::{IndexMap, IndexSet};
use model::{ConnectionName, ObjectName, Path, QueueName, Value};
use sync::{Fields, Policy, fields_of};

use crate::connection::Function;

/// What `objects/*.yaml` says about agreement.
#[derive(Debug)]
pub struct Synchronised {
    /// The object.
    pub object: ObjectName,
    /// Owners, conflicts, and what each side reads and writes.
    pub policy: Policy,
    /// How each side is written.
    pub writers: IndexMap<ConnectionName, Writers>,
    /// Rules by which a record of an object is recognised that is not linked yet: in each, all members have to be the same.
    pub matches: Vec<Vec<Path>>,
    /// The stage of an object's life: jq on what is agreed.
    pub stage: Option<Expression>,
    /// What people call such an object: jq on what is agreed.
    pub title: Option<Expression>,
    /// The queue of what a person has to decide; `data` without one.
    pub queue: QueueName,
}

/// The functions that write one side.
#[derive(Debug, Clone, Default)]
pub struct Writers {
    /// Makes a record.
    pub create: Option<Arc<Function>>,
    /// Change a record; each writes what its mapping holds.
    pub update: Vec<Arc<Function>>,
}

impl Writers {
    /// The members that a function writes; of one without a mapping nothing is known.
    #[must_use]
    pub fn members(function: &Function) -> IndexSet<Arc<str>> {
        let mapping = function.mapping.as_ref().filter(|_| function.action != Action::Invoke);
        mapping.map(|mapping| mapping.members(false).map(Arc::from).collect()).unwrap_or_default()
    }

    /// What a side would read back if these values were written to it. What does not fit its mapping stays as it is, as the
    /// write will be refused for it.
    #[must_use]
    pub fn normal(&self, create: bool, reads: &IndexSet<Arc<str>>, fields: &Fields) -> Fields {
        let functions: Vec<&Arc<Function>> = match create {
            true => self.create.iter().collect(),
            false => self.update.iter().collect(),
        };
        let mut normal = Fields::new();
        for function in functions {
            let Some(mapping) = &function.mapping else { continue };
            let own = Self::members(function);
            let part: Fields = fields.iter().filter(|(field, _)| own.contains(*field)).map(|(f, v)| (Arc::clone(f), v.clone())).collect();
            if part.is_empty() {
                continue;
            }
            let form = mapping.write_fields(&sync::object_of(&part)).and_then(|record| mapping.read_partial(&record));
            let read: Vec<&Arc<str>> = part.keys().filter(|field| reads.contains(*field)).collect();
            match form {
                Ok(form) => normal.extend(fields_of(&form, read)),
                Err(_) => normal.extend(read.into_iter().map(|field| (Arc::clone(field), part[field].clone()))),
            }
        }
        normal
    }
}

impl Synchronised {
    /// The values by which an object is recognised, one per rule whose members are all there.
    #[must_use]
    pub fn match_values(&self, object: &Value) -> Vec<Arc<str>> {
        let value = |(number, rule): (usize, &Vec<Path>)| {
            let parts: Option<Vec<String>> = rule
                .iter()
                .map(|path| {
                    let normal = normalised(path.get(object));
                    (!normal.is_empty()).then_some(normal)
                })
                .collect();
            Some(Arc::from(format!("{number}:{}", parts?.join("|"))))
        };
        self.matches.iter().enumerate().filter_map(value).collect()
    }

    /// The stage of an object with these agreed values.
    #[must_use]
    pub fn stage_of(&self, agreed: &Value) -> Option<Arc<str>> {
        text_of(self.stage.as_ref(), agreed)
    }

    /// What people call it.
    #[must_use]
    pub fn title_of(&self, agreed: &Value) -> Option<Arc<str>> {
        text_of(self.title.as_ref(), agreed)
    }
}

fn text_of(expression: Option<&Expression>, agreed: &Value) -> Option<Arc<str>> {
    let value = expression?.evaluate(agreed, &[], Limits::default()).ok()?;
    value.as_str().filter(|text| !text.is_empty()).map(Arc::from)
}

/// A value as it is compared: letters and digits only, in small letters.
fn normalised(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.to_string(),
        Value::Number(number) => number.to_string(),
        _ => return String::new(),
    };
    text.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
