//! From metadata to schema.

use std::collections::HashMap;
use std::sync::Arc;

use model::Problem;

use crate::cell::{Cell, SCALE_MAX, Text, units_of};
use crate::id::Prefix;
use crate::metadata::{DefaultSource, FieldSource, Metadata, ObjectSource, TypeSource};
use crate::schema::{
    Agreement, AutoNumber, Children, Field, FieldAt, Formula, Kind, Object, ObjectAt, OnDelete, Place, Reference,
    RollUp, Schema,
};

fn wrong(message: impl Into<String>) -> Problem {
    Problem::new("IL-SANDBOX-012", message, "Correct the metadata file")
}

/// Makes the schema, or says which name in which object is wrong.
pub(crate) fn compile(metadata: &Metadata) -> Result<Schema, Problem> {
    if metadata.objects.len() > 2000 {
        return Err(wrong("an org has at most 2000 objects"));
    }
    let names: HashMap<&str, ObjectAt> =
        metadata.objects.keys().enumerate().map(|(index, name)| (name.as_str(), ObjectAt(number(index)))).collect();
    let (mut objects, mut customs) = (Vec::with_capacity(metadata.objects.len()), 0);
    for (name, source) in &metadata.objects {
        let prefix = match &source.prefix {
            Some(text) => Prefix::parse(text)
                .ok_or_else(|| wrong(format!("{name}: `{text}` is no prefix: three letters or digits")))?,
            None => {
                customs += 1;
                Prefix::custom(customs - 1)
            }
        };
        objects.push(Draft::new(&names, name, source, prefix)?.finish());
    }
    link(metadata, &mut objects)?;
    Ok(Schema::new(objects))
}

fn number(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// An object under construction.
struct Draft<'a> {
    names: &'a HashMap<&'a str, ObjectAt>,
    object: Object,
}

/// A field with nothing special.
fn plain(name: &str, kind: Kind, place: Place) -> Field {
    Field {
        name: name.into(),
        label: label_of(name),
        kind,
        place,
        length: 0,
        precision: 0,
        scale: 0,
        required: false,
        createable: false,
        updateable: false,
        is_name: false,
        custom: name.ends_with("__c"),
        external_id: false,
        unique: false,
        case_sensitive: false,
        switchable: false,
        calculated: false,
        text_index: None,
        values: Vec::new(),
        restricted: false,
        default: Cell::Null,
        reference: None,
        auto_number: None,
        parts: Vec::new(),
        compound: None,
    }
}

/// `BillingStreet` → `Billing Street`, `ERP_Status__c` → `ERP Status`.
fn label_of(name: &str) -> String {
    let stem = name.strip_suffix("__c").unwrap_or(name);
    let stem =
        stem.strip_suffix("Id").filter(|stem| !stem.is_empty()).map_or(stem.to_owned(), |stem| format!("{stem}ID"));
    let mut label = String::with_capacity(stem.len() + 4);
    let mut before = ' ';
    for character in stem.chars() {
        if character == '_' {
            label.push(' ');
        } else {
            if character.is_ascii_uppercase() && before.is_ascii_lowercase() {
                label.push(' ');
            }
            label.push(character);
        }
        before = character;
    }
    label
}

impl<'a> Draft<'a> {
    fn new(
        names: &'a HashMap<&'a str, ObjectAt>,
        name: &str,
        source: &ObjectSource,
        prefix: Prefix,
    ) -> Result<Self, Problem> {
        let fits = name.len() <= 80
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let Some(at) = names.get(name).copied().filter(|_| fits) else {
            return Err(wrong(format!("`{name}` is no name of an object")));
        };
        let label = source.label.clone().unwrap_or_else(|| label_of(name));
        let event = name.ends_with("__e");
        let object = Object {
            at,
            name: name.into(),
            plural: source.plural.clone().unwrap_or_else(|| format!("{label}s")),
            label,
            prefix,
            custom: name.contains("__"),
            event,
            changes: !event && source.changes.unwrap_or(true) && !source.read_only.unwrap_or(false),
            read_only: source.read_only.unwrap_or(false),
            fields: Vec::new(),
            by_name: HashMap::new(),
            cells: 0,
            text_indexes: Vec::new(),
            ref_indexes: Vec::new(),
            children: Vec::new(),
            derived: Vec::new(),
            roll_ups: Vec::new(),
            agreements: Vec::new(),
        };
        let mut draft = Self { names, object };
        draft.system_front(event, source.owned.unwrap_or(name.ends_with("__c")))?;
        for (field, source) in &source.fields {
            draft.field(field, source)?;
        }
        if name.ends_with("__c") && draft.object.name_field().is_none() {
            let place = draft.cell();
            let field = Field {
                length: 80,
                is_name: true,
                createable: true,
                updateable: true,
                ..plain("Name", Kind::Text, place)
            };
            draft.push(field);
        }
        if !event {
            draft.system_back()?;
        }
        Ok(draft)
    }

    fn finish(self) -> Object {
        self.object
    }

    fn cell(&mut self) -> Place {
        self.object.cells += 1;
        Place::Cell(number(self.object.cells - 1))
    }

    fn push(&mut self, field: Field) -> FieldAt {
        let at = FieldAt(number(self.object.fields.len()));
        self.object.by_name.insert(field.name.to_ascii_lowercase().into(), at);
        self.object.fields.push(field);
        at
    }

    fn user(&self, relationship: &str) -> Result<Option<Reference>, Problem> {
        let to = *self.names.get("User").ok_or_else(|| wrong("there is no object `User`"))?;
        Ok(Some(Reference { to, relationship: Some(relationship.into()), on_delete: OnDelete::Restrict, index: None }))
    }

    fn system_front(&mut self, event: bool, owned: bool) -> Result<(), Problem> {
        if event {
            self.push(plain("CreatedDate", Kind::DateTime, Place::Created));
            self.push(Field {
                reference: self.user("CreatedBy")?,
                length: 18,
                ..plain("CreatedById", Kind::Reference, Place::CreatedBy)
            });
            return Ok(());
        }
        self.push(Field { length: 18, label: format!("{} ID", self.object.label), ..plain("Id", Kind::Id, Place::Id) });
        if owned {
            let place = self.cell();
            let reference = self.user("Owner")?;
            self.push(Field {
                length: 18,
                createable: true,
                updateable: true,
                reference,
                ..plain("OwnerId", Kind::Reference, place)
            });
        }
        self.push(Field { label: "Deleted".into(), ..plain("IsDeleted", Kind::Boolean, Place::IsDeleted) });
        Ok(())
    }

    fn system_back(&mut self) -> Result<(), Problem> {
        self.push(plain("CreatedDate", Kind::DateTime, Place::Created));
        self.push(Field {
            length: 18,
            reference: self.user("CreatedBy")?,
            ..plain("CreatedById", Kind::Reference, Place::CreatedBy)
        });
        self.push(plain("LastModifiedDate", Kind::DateTime, Place::Modified));
        self.push(Field {
            length: 18,
            reference: self.user("LastModifiedBy")?,
            ..plain("LastModifiedById", Kind::Reference, Place::ModifiedBy)
        });
        self.push(plain("SystemModstamp", Kind::DateTime, Place::Modified));
        Ok(())
    }

    fn field(&mut self, name: &str, source: &FieldSource) -> Result<(), Problem> {
        let object = Arc::clone(&self.object.name);
        let complain = |what: String| wrong(format!("{object}.{name}: {what}"));
        let is_name = !name.is_empty()
            && name.len() <= 80
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name || self.object.by_name.contains_key(name.to_ascii_lowercase().as_str()) {
            return Err(complain("the name is taken or is none".into()));
        }
        if source.r#type == TypeSource::Address {
            return self.address(name, source);
        }
        let kind = kind_of(source.r#type);
        let (precision, scale) = match kind {
            Kind::Int => (source.precision.unwrap_or(9), 0),
            Kind::Number | Kind::Currency | Kind::Percent => {
                (source.precision.unwrap_or(18), source.scale.unwrap_or(2))
            }
            _ => (0, 0),
        };
        if precision > SCALE_MAX || scale > precision {
            return Err(complain("precision is at most 18, scale at most precision".into()));
        }
        let derived = is_derived(source);
        let writable = !derived && !source.read_only && !self.object.read_only && kind != Kind::AutoNumber;
        let place = self.cell();
        let mut field = Field {
            length: source.length.unwrap_or(match kind {
                Kind::Reference => 18,
                Kind::Text | Kind::Url | Kind::Picklist | Kind::TextArea => 255,
                Kind::Email => 80,
                Kind::Phone => 40,
                Kind::LongText => 32_768,
                Kind::MultiPicklist => 4099,
                Kind::AutoNumber => 30,
                _ => 0,
            }),
            precision,
            scale,
            required: source.required && !derived,
            createable: writable,
            updateable: writable && !source.fixed,
            is_name: source.name,
            external_id: source.external_id,
            unique: source.unique,
            case_sensitive: source.case_sensitive,
            switchable: source.switchable,
            calculated: source.when.is_some() || !source.sum.is_empty(),
            values: source.values.iter().map(|value| Text::from(value.as_str())).collect(),
            restricted: source.restricted,
            ..plain(name, kind, place)
        };
        if let Some(label) = &source.label {
            field.label.clone_from(label);
        }
        field.default = match &source.default {
            Some(DefaultSource::Truth(truth)) => Cell::Bool(*truth),
            Some(DefaultSource::Text(text)) => Cell::text(text),
            Some(DefaultSource::Whole(whole)) => units_of((*whole).into(), scale).map_or(Cell::Null, Cell::Number),
            None if kind == Kind::Boolean => Cell::Bool(false),
            None if source.count.is_some() || source.total.is_some() => Cell::Number(0),
            None => Cell::Null,
        };
        if let Some(format) = &source.format {
            let parts = format.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
            let Some((before, (zeros, after))) = parts else {
                return Err(complain(format!("`{format}` is no format like `{{0000}}`")));
            };
            field.auto_number =
                Some(AutoNumber { before: before.to_owned(), digits: zeros.len().min(18), after: after.to_owned() });
        }
        if kind == Kind::AutoNumber && field.auto_number.is_none() {
            field.auto_number = Some(AutoNumber { before: String::new(), digits: 4, after: String::new() });
        }
        if kind == Kind::Reference {
            let to = source.to.as_deref().and_then(|to| self.names.get(to)).copied();
            let Some(to) = to else { return Err(complain("`to` names no object".into())) };
            let relationship =
                source.relationship.clone().or_else(|| Some(format!("{}__r", name.strip_suffix("__c")?)));
            let on_delete = match (source.cascade, source.restrict) {
                (true, _) => OnDelete::Cascade,
                (false, true) => OnDelete::Restrict,
                (false, false) => OnDelete::Clear,
            };
            let index = Some(number(self.object.ref_indexes.len()));
            field.reference = Some(Reference { to, relationship: relationship.map(Arc::from), on_delete, index });
        }
        if source.indexed || source.external_id || source.unique {
            field.text_index = Some(number(self.object.text_indexes.len()));
        }
        let (references, indexed) = (field.reference.is_some(), field.text_index.is_some());
        let at = self.push(field);
        if references {
            self.object.ref_indexes.push(at);
        }
        if indexed {
            self.object.text_indexes.push(at);
        }
        if source.r#type == TypeSource::PersonName {
            self.person_name(at);
        }
        Ok(())
    }

    fn person_name(&mut self, at: FieldAt) {
        let parts: Vec<_> = ["Salutation", "FirstName", "LastName"]
            .into_iter()
            .filter_map(|part| Some((Arc::from(part), self.object.field_at(part)?)))
            .collect();
        for (_, part) in &parts {
            self.object.fields[usize::from(part.0)].compound = Some(at);
        }
        self.object.fields[usize::from(at.0)].parts = parts;
    }

    fn address(&mut self, name: &str, source: &FieldSource) -> Result<(), Problem> {
        let prefix = source.prefix.clone().unwrap_or_default();
        let mut parts = Vec::new();
        let compound = FieldAt(number(self.object.fields.len() + 8));
        let writable = !self.object.read_only;
        for (part, kind, length) in [
            ("Street", Kind::TextArea, 255),
            ("City", Kind::Text, 40),
            ("State", Kind::Text, 80),
            ("PostalCode", Kind::Text, 20),
            ("Country", Kind::Text, 80),
            ("Latitude", Kind::Number, 0),
            ("Longitude", Kind::Number, 0),
            ("GeocodeAccuracy", Kind::Picklist, 40),
        ] {
            let place = self.cell();
            let (precision, scale) = if kind == Kind::Number { (18, 15) } else { (0, 0) };
            let field = Field {
                length,
                precision,
                scale,
                createable: writable,
                updateable: writable,
                compound: Some(compound),
                ..plain(&format!("{prefix}{part}"), kind, place)
            };
            if self.object.field_at(&field.name).is_some() {
                return Err(wrong(format!("{}.{name}: there is already a field `{}`", self.object.name, field.name)));
            }
            parts.push((Arc::from(part), self.push(field)));
        }
        self.push(Field { parts, ..plain(name, Kind::Address, Place::Compound) });
        Ok(())
    }
}

fn is_derived(source: &FieldSource) -> bool {
    source.copied.is_some()
        || source.count.is_some()
        || source.total.is_some()
        || source.when.is_some()
        || source.times.is_some()
        || source.product.is_some()
        || source.discounted.is_some()
        || source.shortfall.is_some()
        || !source.sum.is_empty()
        || !source.joined.is_empty()
}

const fn kind_of(source: TypeSource) -> Kind {
    match source {
        TypeSource::Text | TypeSource::PersonName => Kind::Text,
        TypeSource::TextArea => Kind::TextArea,
        TypeSource::LongTextArea => Kind::LongText,
        TypeSource::Email => Kind::Email,
        TypeSource::Phone => Kind::Phone,
        TypeSource::Url => Kind::Url,
        TypeSource::Picklist => Kind::Picklist,
        TypeSource::MultiPicklist => Kind::MultiPicklist,
        TypeSource::Checkbox => Kind::Boolean,
        TypeSource::Int => Kind::Int,
        TypeSource::Number => Kind::Number,
        TypeSource::Currency => Kind::Currency,
        TypeSource::Percent => Kind::Percent,
        TypeSource::Date => Kind::Date,
        TypeSource::Datetime => Kind::DateTime,
        TypeSource::Lookup => Kind::Reference,
        TypeSource::AutoNumber => Kind::AutoNumber,
        TypeSource::Address => Kind::Address,
    }
}

/// What one object says about another: lists of children, derived values, roll-ups.
fn link(metadata: &Metadata, objects: &mut [Object]) -> Result<(), Problem> {
    let mut lists = Vec::new();
    let mut roll_ups = Vec::new();
    for (index, (name, source)) in metadata.objects.iter().enumerate() {
        let (mut derived, mut agreements) = (Vec::new(), Vec::new());
        let object = &objects[index];
        let own = |field: &str| {
            object.field_at(field).ok_or_else(|| wrong(format!("{name}: a rule names `{field}`, which is no field")))
        };
        let all = |fields: &[String]| fields.iter().map(|field| own(field)).collect::<Result<Vec<_>, _>>();
        let through = |path: &str| follow(object, objects, path, name);
        for (field, source) in &source.fields {
            let at = own(field)?;
            if let Some(reference) = &object.field(at).reference {
                let custom = field.ends_with("__c");
                let relationship = source
                    .children
                    .as_ref()
                    .map(|list| if custom && !list.ends_with("__r") { format!("{list}__r") } else { list.clone() });
                let list = Children {
                    relationship: relationship.map(Arc::from),
                    object: object.at,
                    field: at,
                    on_delete: reference.on_delete,
                };
                lists.push((reference.to, list));
            }
            let formula = if !source.joined.is_empty() {
                Some(Formula::Joined(all(&source.joined)?))
            } else if let Some(path) = &source.copied {
                let (by, from) = through(path)?;
                Some(Formula::Copied { by, from })
            } else if let Some([a, b]) = &source.product {
                Some(Formula::Product(own(a)?, own(b)?))
            } else if let Some([a, b]) = &source.discounted {
                Some(Formula::Discounted(own(a)?, own(b)?))
            } else if let Some([a, b]) = &source.shortfall {
                Some(Formula::Shortfall(own(a)?, own(b)?))
            } else if let Some(when) = &source.when {
                let values = when.r#in.iter().map(|value| Text::from(value.as_str())).collect();
                Some(Formula::When(own(&when.field)?, values))
            } else if let Some(times) = &source.times {
                let values = times.r#in.iter().map(|value| Text::from(value.as_str())).collect();
                Some(Formula::Times(own(&times.field)?, values))
            } else if !source.sum.is_empty() {
                Some(Formula::Sum(all(&source.sum)?))
            } else {
                None
            };
            derived.extend(formula.map(|formula| (at, formula)));
            if let Some([theirs, right]) = &source.agrees {
                let (by, theirs) = through(&format!("{field}.{theirs}"))?;
                let (through, ours) = through(right)?;
                agreements.push(Agreement { by, theirs, through, ours });
            }
            let feed = match (&source.count, &source.total) {
                (Some(path), _) => path.split_once('.').map(|(child, by)| (child, by, None)),
                (None, Some(total)) => total.of.split_once('.').map(|(child, of)| (child, total.by.as_str(), Some(of))),
                (None, None) => continue,
            };
            let found = feed.and_then(|(child, by, of)| {
                let child = objects.iter().find(|object| *object.name == *child)?;
                let of = match of {
                    Some(of) => Some(child.field_at(of)?),
                    None => None,
                };
                Some((child.at, RollUp { by: child.field_at(by)?, into: at, of }))
            });
            roll_ups
                .push(found.ok_or_else(|| wrong(format!("{name}.{field}: the roll-up names no field of a child")))?);
        }
        objects[index].derived = derived;
        objects[index].agreements = agreements;
    }
    for (parent, list) in lists {
        objects[usize::from(parent.0)].children.push(list);
    }
    for (child, roll_up) in roll_ups {
        objects[usize::from(child.0)].roll_ups.push(roll_up);
    }
    Ok(())
}

/// Resolves `LookupId.Field`.
fn follow(object: &Object, objects: &[Object], path: &str, name: &str) -> Result<(FieldAt, FieldAt), Problem> {
    let missing = || wrong(format!("{name}: a rule names `{path}`, which is no field of a related record"));
    let (by, field) = path.split_once('.').ok_or_else(missing)?;
    let by = object.field_at(by).ok_or_else(missing)?;
    let to = object.field(by).reference.as_ref().ok_or_else(missing)?.to;
    Ok((by, objects[usize::from(to.0)].field_at(field).ok_or_else(missing)?))
}
