//! The objects and fields of the org, made ready for use: every name resolved to a number, every derived value to a rule.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cell::{Cell, Text};
use crate::id::{Prefix, RecordId};

/// Which object: its place in [`Schema::objects`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectAt(pub(crate) u16);

/// Which field of an object: its place in [`Object::fields`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FieldAt(pub(crate) u16);

/// All objects.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) objects: Vec<Object>,
    by_name: HashMap<Box<str>, ObjectAt>,
    by_prefix: HashMap<Prefix, ObjectAt>,
}

/// One kind of record.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) at: ObjectAt,
    pub(crate) name: Arc<str>,
    pub(crate) label: String,
    pub(crate) plural: String,
    pub(crate) prefix: Prefix,
    pub(crate) custom: bool,
    /// A platform event: published, never stored.
    pub(crate) event: bool,
    pub(crate) changes: bool,
    pub(crate) read_only: bool,
    pub(crate) fields: Vec<Field>,
    pub(crate) by_name: HashMap<Box<str>, FieldAt>,
    /// How many cells a record has.
    pub(crate) cells: usize,
    /// The fields that have an index of texts, by the number of the index.
    pub(crate) text_indexes: Vec<FieldAt>,
    /// The fields that refer to records, by the number of their index.
    pub(crate) ref_indexes: Vec<FieldAt>,
    pub(crate) children: Vec<Children>,
    /// Values that follow from others of the same record, in the order of computing.
    pub(crate) derived: Vec<(FieldAt, Formula)>,
    /// What this record adds to records that it refers to.
    pub(crate) roll_ups: Vec<RollUp>,
    /// Checks of a related record against this one.
    pub(crate) agreements: Vec<Agreement>,
}

/// A list of records that refer to this one.
#[derive(Debug)]
pub(crate) struct Children {
    pub(crate) relationship: Option<Arc<str>>,
    pub(crate) object: ObjectAt,
    pub(crate) field: FieldAt,
    pub(crate) on_delete: OnDelete,
}

/// What becomes of a record when the one it refers to is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDelete {
    Clear,
    Cascade,
    Restrict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Text,
    TextArea,
    LongText,
    Email,
    Phone,
    Url,
    Picklist,
    MultiPicklist,
    Boolean,
    Int,
    Number,
    Currency,
    Percent,
    Date,
    DateTime,
    Reference,
    AutoNumber,
    Address,
}

/// Where the value of a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Cell(u16),
    Id,
    IsDeleted,
    Created,
    CreatedBy,
    Modified,
    ModifiedBy,
    /// Made of other fields.
    Compound,
}

#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) to: ObjectAt,
    pub(crate) relationship: Option<Arc<str>>,
    pub(crate) on_delete: OnDelete,
    pub(crate) index: Option<u16>,
}

#[derive(Debug)]
pub(crate) struct AutoNumber {
    pub(crate) before: String,
    pub(crate) digits: usize,
    pub(crate) after: String,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Arc<str>,
    pub(crate) label: String,
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) length: u32,
    pub(crate) precision: u8,
    pub(crate) scale: u8,
    pub(crate) required: bool,
    pub(crate) createable: bool,
    pub(crate) updateable: bool,
    pub(crate) is_name: bool,
    pub(crate) custom: bool,
    pub(crate) external_id: bool,
    pub(crate) unique: bool,
    pub(crate) case_sensitive: bool,
    pub(crate) switchable: bool,
    pub(crate) calculated: bool,
    pub(crate) text_index: Option<u16>,
    pub(crate) values: Vec<Text>,
    pub(crate) restricted: bool,
    pub(crate) default: Cell,
    pub(crate) reference: Option<Reference>,
    pub(crate) auto_number: Option<AutoNumber>,
    /// The fields a compound is made of, with the names they have inside it.
    pub(crate) parts: Vec<(Arc<str>, FieldAt)>,
    /// The compound this is a part of.
    pub(crate) compound: Option<FieldAt>,
}

#[derive(Debug)]
pub(crate) enum Formula {
    Joined(Vec<FieldAt>),
    Copied {
        by: FieldAt,
        from: FieldAt,
    },
    Product(FieldAt, FieldAt),
    Discounted(FieldAt, FieldAt),
    Shortfall(FieldAt, FieldAt),
    Sum(Vec<FieldAt>),
    When(FieldAt, Vec<Text>),
    /// How often the field has become one of these values.
    Times(FieldAt, Vec<Text>),
}

#[derive(Debug)]
pub(crate) struct RollUp {
    /// The reference to the record that is added to.
    pub(crate) by: FieldAt,
    pub(crate) into: FieldAt,
    /// What is added up; nothing means that records are counted.
    pub(crate) of: Option<FieldAt>,
}

#[derive(Debug)]
pub(crate) struct Agreement {
    /// The reference whose record is checked.
    pub(crate) by: FieldAt,
    pub(crate) theirs: FieldAt,
    /// The reference to the record that says what is right.
    pub(crate) through: FieldAt,
    pub(crate) ours: FieldAt,
}

/// Lower case without allocating for names that fit a small buffer.
fn find<V: Copy>(map: &HashMap<Box<str>, V>, name: &str) -> Option<V> {
    let mut buffer = [0_u8; 80];
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    map.get(std::str::from_utf8(lower).ok()?).copied()
}

impl Schema {
    pub(crate) fn new(objects: Vec<Object>) -> Self {
        let by_name = objects.iter().map(|object| (object.name.to_ascii_lowercase().into(), object.at)).collect();
        let by_prefix = objects.iter().map(|object| (object.prefix, object.at)).collect();
        Self { objects, by_name, by_prefix }
    }

    /// By name, in whatever case.
    pub(crate) fn find(&self, name: &str) -> Option<&Object> {
        find(&self.by_name, name).map(|at| self.object(at))
    }

    pub(crate) fn of_id(&self, id: RecordId) -> Option<&Object> {
        self.by_prefix.get(&id.prefix()).map(|at| self.object(*at))
    }

    pub(crate) fn object(&self, at: ObjectAt) -> &Object {
        &self.objects[usize::from(at.0)]
    }
}

impl Object {
    /// By name, in whatever case.
    pub(crate) fn find(&self, name: &str) -> Option<&Field> {
        find(&self.by_name, name).map(|at| self.field(at))
    }

    pub(crate) fn field_at(&self, name: &str) -> Option<FieldAt> {
        find(&self.by_name, name)
    }

    pub(crate) fn field(&self, at: FieldAt) -> &Field {
        &self.fields[usize::from(at.0)]
    }

    pub(crate) fn name_field(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.is_name)
    }

    /// The reference that a relationship's name stands for.
    pub(crate) fn parent(&self, relationship: &str) -> Option<(FieldAt, &Reference)> {
        self.fields.iter().enumerate().find_map(|(index, field)| {
            let reference = field.reference.as_ref()?;
            let matches = reference.relationship.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(relationship));
            matches.then(|| (FieldAt(u16::try_from(index).unwrap_or(u16::MAX)), reference))
        })
    }

    pub(crate) fn child_list(&self, relationship: &str) -> Option<&Children> {
        self.children
            .iter()
            .find(|list| list.relationship.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(relationship)))
    }
}

impl Field {
    /// Whether records hold the value themselves.
    pub(crate) fn place_is_cell(&self) -> bool {
        matches!(self.place, Place::Cell(_))
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Int | Kind::Number | Kind::Currency | Kind::Percent)
    }

    /// The vendor's name of the type, as describe has it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Id => "id",
            Kind::Text | Kind::AutoNumber => "string",
            Kind::TextArea | Kind::LongText => "textarea",
            Kind::Email => "email",
            Kind::Phone => "phone",
            Kind::Url => "url",
            Kind::Picklist => "picklist",
            Kind::MultiPicklist => "multipicklist",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Number => "double",
            Kind::Currency => "currency",
            Kind::Percent => "percent",
            Kind::Date => "date",
            Kind::DateTime => "datetime",
            Kind::Reference => "reference",
            Kind::Address => "address",
        }
    }

    /// Whether a record can be looked up by this field in a path or an upsert.
    pub(crate) fn is_key(&self) -> bool {
        self.external_id || self.kind == Kind::Id
    }
}
