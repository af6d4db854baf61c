//! Names in a query and what they stand for.

use super::ast::{Literal, Misread, Path};
use super::filter::Operand;
use crate::cell::View;
use crate::id::RecordId;
use crate::schema::{Field, FieldAt, Kind, Object, ObjectAt, Place, Schema};
use crate::store::{Record, Store};

/// How many relationships up a path may go, by the vendor's rule.
const HOPS_MAX: usize = 5;

/// A field of a record or of one that it refers to, however far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldPath {
    /// References to follow, each with the object it leads to.
    pub(super) hops: Vec<(FieldAt, ObjectAt)>,
    pub(crate) object: ObjectAt,
    pub(crate) field: FieldAt,
    pub(super) place: Place,
}

impl FieldPath {
    /// A field of the record itself.
    pub(super) fn own_of(object: &Object, field: FieldAt) -> Self {
        Self { hops: Vec::new(), object: object.at, field, place: object.field(field).place }
    }

    /// The value for a record.
    pub(super) fn view<'a>(&self, store: &'a Store, from: &Object, id: RecordId, record: &'a Record) -> View<'a> {
        if self.hops.is_empty() {
            return record.view(id, self.place);
        }
        let (mut object, mut id, mut record) = (from, id, record);
        for (by, to) in &self.hops {
            let View::Ref(next) = record.view(id, object.field(*by).place) else { return View::Null };
            let Some(found) = store.table(*to).get(next.serial()) else { return View::Null };
            object = store.schema.object(*to);
            (id, record) = (next, found);
        }
        record.view(id, self.place)
    }

    pub(crate) fn field_of<'a>(&self, schema: &'a Schema) -> &'a Field {
        schema.object(self.object).field(self.field)
    }

    /// The field itself, when it is one of the record's own.
    pub(super) fn own(&self) -> Option<FieldAt> {
        self.hops.is_empty().then_some(self.field)
    }
}

/// What names can be left out or stand for the object itself.
pub(super) struct Scope<'a> {
    pub(super) schema: &'a Schema,
    pub(super) object: &'a Object,
    pub(super) alias: Option<&'a str>,
}

fn no_column(at: usize, name: &str, object: &Object) -> Misread {
    let message = format!(
        "No such column '{name}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
        object.name
    );
    Misread::field(at, message)
}

impl<'a> Scope<'a> {
    /// The parts of a path without the alias or the object's own name in front.
    pub(super) fn parts<'p>(&self, path: &'p Path) -> &'p [String] {
        match path.parts.split_first() {
            Some((first, rest)) if !rest.is_empty() => {
                let is_alias = self.alias.is_some_and(|alias| alias.eq_ignore_ascii_case(first));
                let is_name = self.object.name.eq_ignore_ascii_case(first) && self.object.parent(first).is_none();
                if is_alias || is_name { rest } else { &path.parts }
            }
            _ => &path.parts,
        }
    }

    pub(super) fn field(&self, path: &Path) -> Result<FieldPath, Misread> {
        let parts = self.parts(path);
        let Some((last, relationships)) = parts.split_last() else {
            return Err(Misread::malformed(path.at, "unexpected token: '.'"));
        };
        if relationships.len() > HOPS_MAX {
            let message =
                format!("SOQL relationship path is too long: at most {HOPS_MAX} child-to-parent relationships");
            return Err(Misread::malformed(path.at, message));
        }
        let (mut object, mut hops) = (self.object, Vec::with_capacity(relationships.len()));
        for relationship in relationships {
            let (by, next) = self.parent(path.at, object, relationship)?;
            hops.push((by, next.at));
            object = next;
        }
        let field = object.field_at(last).ok_or_else(|| no_column(path.at, last, object))?;
        Ok(FieldPath { hops, object: object.at, field, place: object.field(field).place })
    }

    pub(super) fn parent(
        &self,
        at: usize,
        object: &Object,
        relationship: &str,
    ) -> Result<(FieldAt, &'a Object), Misread> {
        let (by, reference) = object.parent(relationship).ok_or_else(|| {
            let message = format!(
                "Didn't understand relationship '{relationship}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."
            );
            Misread::field(at, message)
        })?;
        Ok((by, self.schema.object(reference.to)))
    }
}

/// What a literal is for a field of this kind.
pub(super) fn operand(field: &Field, literal: &Literal, at: usize) -> Result<Operand, Misread> {
    let misfit = |quotes: bool| {
        let kind = match field.kind {
            Kind::DateTime => "dateTime",
            _ => field.type_name(),
        };
        let quotes = if quotes { " and should be enclosed in quotes" } else { " and should not be enclosed in quotes" };
        Misread::field(
            at,
            format!("value of filter criterion for field '{}' must be of type {kind}{quotes}", field.name),
        )
    };
    if *literal == Literal::Null {
        return Ok(Operand::Null);
    }
    Ok(match (field.kind, literal) {
        (Kind::Boolean, Literal::Bool(truth)) => Operand::Bool(*truth),
        (Kind::Int | Kind::Number | Kind::Currency | Kind::Percent, Literal::Number { units, scale }) => {
            Operand::Number { units: *units, scale: *scale, field_scale: field.scale }
        }
        (Kind::Date, Literal::Date(days)) => Operand::Whole(*days),
        (Kind::Date, Literal::Span(from, to)) => {
            Operand::Span(from.div_euclid(crate::time::DAY), to.div_euclid(crate::time::DAY))
        }
        (Kind::DateTime, Literal::Instant(millis)) => Operand::Whole(*millis),
        (Kind::DateTime, Literal::Span(from, to)) => Operand::Span(*from, *to),
        (Kind::Id | Kind::Reference, Literal::Text(text)) if text.is_empty() => Operand::Null,
        (Kind::Id | Kind::Reference, Literal::Text(text)) => match RecordId::parse(text) {
            Some(id) => Operand::Ref(id),
            None => {
                let excerpt: String = text.chars().take(100).collect();
                let message = format!("invalid ID field: {excerpt}");
                return Err(Misread { code: "INVALID_QUERY_FILTER_OPERATOR", at, message });
            }
        },
        (
            Kind::Boolean | Kind::Int | Kind::Number | Kind::Currency | Kind::Percent | Kind::Date | Kind::DateTime,
            _,
        ) => return Err(misfit(false)),
        // An empty text is nothing.
        (_, Literal::Text(text)) if text.is_empty() => Operand::Null,
        (_, Literal::Text(text)) => Operand::text(text),
        _ => return Err(misfit(true)),
    })
}
