//! Which side is the system of record of a field.

use std::sync::Arc;

use model::ConnectionName;

/// Who owns a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Always this side.
    Always(ConnectionName),
    /// One side until a stage of the object's life is reached, another one from then on.
    Until {
        /// The stage.
        stage: Arc<str>,
        /// Before it.
        before: ConnectionName,
        /// From it on.
        then: ConnectionName,
    },
}

/// The owners of an object's fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// Who owns what nobody is named for; without one, whoever changed it last is right.
    pub default: Option<Owner>,
    /// By path; a path stands for everything below it, and the longest one that fits decides.
    pub fields: Vec<(Arc<str>, Owner)>,
    /// The stages of the object's life, in their order.
    pub stages: Vec<Arc<str>>,
}

impl Owners {
    /// The owner of a field of an object that is in this stage. A stage that is not declared counts as the first.
    #[must_use]
    pub fn of(&self, field: &str, stage: Option<&str>) -> Option<&ConnectionName> {
        let covers = |path: &str| field.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let named = self.fields.iter().filter(|(path, _)| covers(path)).max_by_key(|(path, _)| path.len());
        let owner = named.map(|(_, owner)| owner).or(self.default.as_ref())?;
        Some(match owner {
            Owner::Always(side) => side,
            Owner::Until { stage: until, before, then } => {
                let place = |name: &str| self.stages.iter().position(|stage| &**stage == name);
                let now = stage.and_then(place).unwrap_or(0);
                if place(until).is_some_and(|until| now >= until) { then } else { before }
            }
        })
    }
}
