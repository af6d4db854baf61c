//! The options of a read: what to select, filter, order and page.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::edm::{EntityType, Service};
use super::error::Error;
use super::filter::Filter;
use super::shape::{Row, Shape};

/// The options of a read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    /// `$filter`
    pub(crate) filter: Option<Filter>,
    /// `$select` and `$expand`
    pub(crate) shape: Shape,
    /// `$orderby`: properties, and whether each goes down.
    pub(crate) order: Vec<(usize, bool)>,
    /// `$top`
    pub(crate) top: Option<usize>,
    /// `$skip`
    pub(crate) skip: usize,
    /// `$skiptoken`: how many rows earlier pages held.
    pub(crate) token: usize,
    /// `$inlinecount=allpages`
    pub(crate) count: bool,
}

impl Query {
    /// Reads the options that start with `$`; others (`sap-client`) are left to the caller.
    ///
    /// # Errors
    /// For options that do not follow the grammar, and unknown names in them.
    pub(crate) fn read(
        options: &[(Cow<'_, str>, Cow<'_, str>)],
        entity: &EntityType,
        service: &Service,
    ) -> Result<Self, Error> {
        let mut query = Self::default();
        let (mut select, mut expand) = ("", "");
        for (name, value) in options {
            let number = || {
                let message = format!("Invalid value '{value}' for the query option '{name}'");
                value.parse::<usize>().map_err(|_| Error::syntax(message))
            };
            match &**name {
                "$filter" if !value.trim().is_empty() => query.filter = Some(Filter::read(value, entity, service)?),
                "$select" => select = value,
                "$expand" => expand = value,
                "$top" => query.top = Some(number()?),
                "$skip" => query.skip = number()?,
                "$skiptoken" => {
                    let message = format!("Invalid value '{value}' for the query option '$skiptoken'");
                    query.token = value.trim_matches('\'').parse().map_err(|_| Error::syntax(message))?;
                }
                "$orderby" => query.order = order(value, entity)?,
                "$inlinecount" => match &**value {
                    "allpages" => query.count = true,
                    "none" => {}
                    _ => return Err(Error::syntax("The query option '$inlinecount' takes 'allpages' or 'none'")),
                },
                "$filter" | "$format" | "$search" => {}
                name if name.starts_with('$') => {
                    return Err(Error::syntax(format!("The query option '{name}' is not supported")));
                }
                _ => {}
            }
        }
        query.shape = Shape::read(select, expand, entity, service)?;
        Ok(query)
    }

    /// The order of two rows.
    pub(crate) fn compare<'a, R: Row<'a>>(&self, left: R, right: R) -> Ordering {
        for (property, down) in &self.order {
            let order = left.cell(*property).order(right.cell(*property));
            if order.is_ne() {
                return if *down { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    }
}

fn order(text: &str, entity: &EntityType) -> Result<Vec<(usize, bool)>, Error> {
    let mut order = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let mut words = part.split_whitespace();
        let name = words.next().unwrap_or_default();
        let property = entity.property(name).ok_or_else(|| Error::no_property(name, &entity.full_name))?;
        let down = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(Error::syntax(format!("'{part}' is no valid order"))),
        };
        if words.next().is_some() || !entity.properties[property].sortable {
            return Err(Error::syntax(format!("It is not possible to order by '{}'", part.trim())));
        }
        order.push((property, down));
    }
    Ok(order)
}
