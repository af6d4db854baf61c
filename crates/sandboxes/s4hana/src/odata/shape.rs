//! What an answer shows of an entity: `$select` and `$expand` as a tree, and the rows it is applied to.

use super::edm::{EntityType, Service};
use super::error::Error;
use super::value::Cell;

/// How deeply expansions may be nested.
const DEPTH_MAX: usize = 8;

/// An entity that can be read.
pub(crate) trait Row<'a>: Copy {
    /// Its type.
    fn entity(self) -> &'a EntityType;
    /// The value of a property.
    fn cell(self, property: usize) -> Cell<'a>;
    /// Appends what a navigation leads to.
    fn related(self, navigation: usize, out: &mut Vec<Self>);
}

/// What is shown of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shape {
    /// The properties; all of them when `None`.
    pub(crate) properties: Option<Vec<usize>>,
    /// The navigations that are shown as links; when `None`, all that are not expanded.
    pub(crate) links: Option<Vec<usize>>,
    /// The navigations that are shown with what they lead to.
    pub(crate) expanded: Vec<(usize, Shape)>,
}

impl Shape {
    /// The shape that `$select` and `$expand` ask for.
    ///
    /// # Errors
    /// For names that there are not.
    pub(crate) fn read(select: &str, expand: &str, entity: &EntityType, service: &Service) -> Result<Self, Error> {
        let mut shape = Self::default();
        for path in expand.split(',').map(str::trim).filter(|path| !path.is_empty()) {
            shape.expand(path, entity, service, 0)?;
        }
        for path in select.split(',').map(str::trim).filter(|path| !path.is_empty()) {
            shape.select(path, entity, service, 0)?;
        }
        shape.drop_unselected();
        Ok(shape)
    }

    fn expand(&mut self, path: &str, entity: &EntityType, service: &Service, depth: usize) -> Result<(), Error> {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        let place = entity.navigation(name).ok_or_else(|| Error::no_property(name, &entity.full_name))?;
        if depth > DEPTH_MAX {
            return Err(Error::syntax("The expansion is nested too deeply"));
        }
        let inner = self.inner(place);
        if rest.is_empty() {
            Ok(())
        } else {
            inner.expand(rest, service.target(&entity.navigations[place]), service, depth + 1)
        }
    }

    /// The shape behind a navigation, which is expanded from now on.
    pub(crate) fn inner(&mut self, navigation: usize) -> &mut Self {
        let found = self.expanded.iter().position(|(place, _)| *place == navigation);
        let index = found.unwrap_or_else(|| {
            self.expanded.push((navigation, Self::default()));
            self.expanded.len() - 1
        });
        &mut self.expanded[index].1
    }

    fn select(&mut self, path: &str, entity: &EntityType, service: &Service, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Err(Error::syntax("The selection is nested too deeply"));
        }
        let unknown = |name: &str| Error::no_property(name, &entity.full_name);
        if let Some((name, rest)) = path.split_once('/') {
            let place = entity.navigation(name).ok_or_else(|| unknown(name))?;
            let target = service.target(&entity.navigations[place]);
            let Some((_, inner)) = self.expanded.iter_mut().find(|(expanded, _)| *expanded == place) else {
                return Err(Error::syntax(format!("'{name}' is selected from but not expanded")));
            };
            inner.select(rest, target, service, depth + 1)?;
            self.properties.get_or_insert_default();
            push_new(self.links.get_or_insert_default(), place);
            return Ok(());
        }
        let properties = self.properties.get_or_insert_default();
        let links = self.links.get_or_insert_default();
        if path == "*" {
            (0..entity.properties.len()).for_each(|place| push_new(properties, place));
        } else if let Some(place) = entity.property(path) {
            push_new(properties, place);
        } else {
            push_new(links, entity.navigation(path).ok_or_else(|| unknown(path))?);
        }
        Ok(())
    }

    /// With a selection, what is expanded shows only when it is selected.
    fn drop_unselected(&mut self) {
        if let Some(links) = &mut self.links {
            self.expanded.retain(|(place, _)| links.contains(place));
            let expanded = &self.expanded;
            links.retain(|place| !expanded.iter().any(|(shown, _)| shown == place));
        }
        self.expanded.iter_mut().for_each(|(_, inner)| inner.drop_unselected());
    }
}

fn push_new(list: &mut Vec<usize>, item: usize) {
    if !list.contains(&item) {
        list.push(item);
    }
}
