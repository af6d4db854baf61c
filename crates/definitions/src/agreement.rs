//! Objects that systems are kept in agreement about.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use expr::{Expression, Limits};
use indexmap::{IndexMap, IndexSet};
use mapping::Mapping;
use model::{ConnectionName, ObjectName, QueueName, Text, Value};
use sync::matching::Matcher;
use sync::{Abilities, Act, Fields, Policy, fields_of};
use workflow::Cron;

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
    /// By what a record is recognised that is not linked yet.
    pub matcher: Matcher,
    /// Sides that make a new record of what changes: one with the key of another takes its place.
    pub successors: IndexSet<ConnectionName>,
    /// The stage of an object's life: jq on what is agreed.
    pub stage: Option<Expression>,
    /// What people call such an object: jq on what is agreed.
    pub title: Option<Expression>,
    /// The queue of what a person has to decide; `data` without one.
    pub queue: QueueName,
    /// Members that hold the key of another object, and which: where they are written, its record has to be there.
    pub references: IndexMap<Arc<str>, ObjectName>,
    /// When all records of two sides are compared, whatever feeds say.
    pub reconciling: Option<Reconciling>,
    /// The workflows that are asked before a person is.
    pub hooks: IndexMap<Question, Hook>,
}

/// What a workflow can be asked before a person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// Sides differ about a member that nobody owns.
    Conflict,
    /// A record was deleted: what becomes of the others?
    Deleted,
    /// A side refuses a write.
    Refused,
}

/// A workflow that decides, as the task that runs another workflow would name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its version, or `latest`.
    pub version: Arc<str>,
}

impl fmt::Display for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}:{}", self.namespace, self.name, self.version)
    }
}

/// Comparing all records of two sides again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconciling {
    /// When.
    pub schedule: Schedule,
    /// Which sides.
    pub sides: [ConnectionName; 2],
    /// The queue of what is found.
    pub queue: QueueName,
    /// Whether what ownership decides is mended without asking.
    pub repair: bool,
}

/// When something is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// Each time so much time has passed.
    Every(Duration),
    /// At these times.
    Cron(Cron),
}

/// The functions that write one side.
#[derive(Debug, Clone, Default)]
pub struct Writers {
    /// Makes a record.
    pub create: Option<Writer>,
    /// Change a record.
    pub update: Vec<Writer>,
    /// What is done to a record when its object was deleted elsewhere, by the act.
    pub retire: Vec<(Act, Arc<Function>)>,
    /// Undoes that.
    pub restore: Option<Arc<Function>>,
}

/// A function and the members that it writes.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The function.
    pub function: Arc<Function>,
    /// The members: those that are named, or else those of its mapping.
    pub members: IndexSet<Arc<str>>,
    /// Only when this holds: jq on what is written with `key`, `id`, `current`, `agreed` and `there`.
    pub when: Option<Expression>,
    /// Once for each item of this list, which is `item` then: jq on the same.
    pub each: Option<Expression>,
    /// With `each`: how the side's items are read, which says what it holds of those that are written.
    pub items: Option<Arc<Mapping>>,
}

/// Most calls that one change of a list leads to.
const EACH_MAX: usize = 1_000;

impl Writer {
    /// These values, as far as this function writes them.
    #[must_use]
    pub fn part(&self, fields: &Fields) -> Fields {
        let own = fields.iter().filter(|(field, _)| self.members.contains(field.as_str()));
        own.map(|(field, value)| (field.clone(), value.clone())).collect()
    }
}

impl Writer {
    /// Whether the function is for such a write. One that cannot be told is: it will say what is wrong.
    #[must_use]
    pub fn is_for(&self, input: &Value) -> bool {
        self.when.as_ref().is_none_or(|when| when.is_true(input, &[], Limits::default()).unwrap_or(true))
            && self.items(input).map_or(true, |items| items.is_none_or(|items| !items.is_empty()))
    }

    /// The items for which the function is called one after the other; `None` for one that is called once.
    ///
    /// # Errors
    /// Why that cannot be told.
    pub fn items(&self, input: &Value) -> Result<Option<Vec<Value>>, String> {
        let Some(each) = &self.each else { return Ok(None) };
        match each.evaluate(input, &[], Limits::default()).map_err(|error| error.to_string())? {
            Value::Null => Ok(Some(Vec::new())),
            Value::Array(items) if items.len() > EACH_MAX => {
                Err(format!("it gives {} items, which is more than {EACH_MAX}", items.len()))
            }
            Value::Array(items) => Ok(Some(items.to_vec())),
            other => Err(format!("it gives {other}, which is no list")),
        }
    }

    /// What the side would read back of a list of which each item is written by itself. Where nobody says how, it is as it is written.
    fn form_of(&self, field: &Text, list: &Value) -> Value {
        let Some(mapping) = &self.items else { return list.clone() };
        if mapping.members(false).any(|member| member == &**field) {
            let written: Fields = [(field.clone(), list.clone())].into_iter().collect();
            let form =
                mapping.write_partial(&sync::object_of(&written)).and_then(|record| mapping.read_partial(&record));
            return form.map_or_else(
                |_| list.clone(),
                |form| fields_of(&form, [field]).shift_remove(field).unwrap_or_default(),
            );
        }
        let Some(members) = mapping.items(field, true) else { return list.clone() };
        let held = |item: &Value| {
            let own = item.as_object().into_iter().flatten().filter(|(name, _)| members.contains(&&***name));
            Value::object(own.map(|(name, value)| (name.clone(), value.clone())))
        };
        Value::array(list.items().iter().map(held))
    }

    /// Whether what it does depends on what the side holds.
    #[must_use]
    pub const fn looks_first(&self) -> bool {
        self.when.is_some() || self.each.is_some()
    }
}

impl Writers {
    /// The function that does this to a record.
    #[must_use]
    pub fn retiring(&self, act: &Act) -> Option<&Arc<Function>> {
        self.retire.iter().find(|(known, _)| known == act).map(|(_, function)| function)
    }

    /// What can be done to the records of this side.
    #[must_use]
    pub fn abilities(&self) -> Abilities {
        let can = |act| self.retiring(&act).is_some();
        Abilities {
            delete: can(Act::Delete),
            undelete: self.restore.is_some(),
            deactivate: can(Act::Deactivate),
            block: can(Act::Block),
        }
    }

    /// What a side would read back if these values were written to it, to a new record with `create`. What does not fit its mapping stays as it is, as the
    /// write will be refused for it.
    #[must_use]
    pub fn normal(&self, create: bool, reads: &IndexSet<Arc<str>>, fields: &Fields) -> Fields {
        let mut normal = Fields::default();
        let made: &[Writer] = if create { self.create.as_slice() } else { &[] };
        // What a new record is not made with is written to it afterwards.
        let is_made = |field: &str| made.iter().any(|writer| writer.members.contains(field));
        let made_of = made.iter().map(|writer| (writer, writer.part(fields)));
        let changed = self.update.iter().map(|writer| {
            let mut part = writer.part(fields);
            part.retain(|field, _| !is_made(field));
            (writer, part)
        });
        for (writer, part) in made_of.chain(changed) {
            let mapped: IndexSet<&str> =
                writer.function.mapping.iter().flat_map(|mapping| mapping.members(false)).collect();
            if writer.each.is_some() {
                let part = part.into_iter().filter(|(field, _)| reads.contains(field.as_str()));
                normal.extend(part.map(|(field, list)| {
                    let form = writer.form_of(&field, &list);
                    (field, form)
                }));
                continue;
            }
            let mapping = writer.function.mapping.as_ref();
            let form = mapping.and_then(|mapping| {
                mapping.write_partial(&sync::object_of(&part)).and_then(|record| mapping.read_partial(&record)).ok()
            });
            for (field, value) in part.into_iter().filter(|(field, _)| reads.contains(field.as_str())) {
                let read = match &form {
                    Some(form) if mapped.contains(&*field) => fields_of(form, [&field]).shift_remove(&field),
                    _ => None,
                };
                // Of several functions one may only take away what another one writes.
                match read {
                    Some(read) => drop(normal.insert(field, read)),
                    None => {
                        normal.get_or_insert_with(&field, || value);
                    }
                }
            }
        }
        normal
    }
}

impl Synchronised {
    /// The stage of an object with these agreed values.
    #[must_use]
    pub fn stage_of(&self, agreed: &Value) -> Option<Arc<str>> {
        text_of(self.stage.as_ref(), agreed)
    }

    /// The members that name an object of their own kind, such as a parent: these must not go round in a circle.
    pub fn hierarchies(&self) -> impl Iterator<Item = &Arc<str>> {
        self.references.iter().filter(|(_, object)| **object == self.object).map(|(member, _)| member)
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
