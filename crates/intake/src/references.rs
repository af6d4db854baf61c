//! The canonical keys of parents: looked up in the cross-references, remembered, or missing.

use std::sync::{Arc, Mutex, PoisonError};

use definitions::Feed;
use model::{Number, Value};
use store::{Store, StoreError};

use crate::parking::Parent;
use crate::recent::Recent;

/// Cross-references remembered in front of the store.
const REMEMBERED: usize = 50_000;

/// What is known of cross-references. Only what is there is remembered, never what is missing.
pub(crate) struct References(Mutex<Recent<Arc<str>>>);

/// Why an object cannot be given the keys of its parents.
pub(crate) enum Missing {
    /// A parent is not known yet.
    Parent(Parent),
    /// The definition does not fit this object.
    Unfit(String),
    /// The store cannot be read now.
    Store(StoreError),
}

impl References {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Recent::new(REMEMBERED)))
    }

    /// The canonical key of a record. Reads the store.
    pub(crate) fn key(&self, store: &dyn Store, parent: &Parent) -> Result<Option<Arc<str>>, StoreError> {
        let name = name(parent);
        if let Some(key) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(Some(key));
        }
        let (connection, object, id) = parent;
        let Some(row) = store.reference_of_record(object, connection, id)? else { return Ok(None) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(name.into(), Arc::clone(&row.key));
        Ok(Some(row.key))
    }

    /// A cross-reference may be another one now.
    pub(crate) fn forget(&self, parent: &Parent) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&name(parent));
    }

    /// Adds the members that the feed's rules name. With `orphan`, parents that are not known are `null`. Reads the store.
    pub(crate) fn resolve(
        &self,
        store: &dyn Store,
        feed: &Feed,
        object: &mut Value,
        orphan: bool,
    ) -> Result<(), Missing> {
        for rule in &feed.resolve {
            let id = rule.id.evaluate(object, &[], expr::Limits::default()).map_err(|error| {
                let text = rule.id.text().trim();
                Missing::Unfit(format!("`resolve` of the feed {feed}: `{text}` says {error}"))
            })?;
            let id: Option<Arc<str>> = match &id {
                Value::String(text) if !text.is_empty() => Some(Arc::clone(text)),
                Value::Number(Number::Integer(number)) => Some(number.to_string().into()),
                _ => None,
            };
            let key = match id {
                None => None,
                Some(id) => {
                    let parent: Parent = (feed.connection.as_str().into(), rule.object.as_str().into(), id);
                    match self.key(store, &parent).map_err(Missing::Store)? {
                        None if !orphan => return Err(Missing::Parent(parent)),
                        key => key,
                    }
                }
            };
            object.set(Arc::clone(&rule.member), Value::from(key));
        }
        Ok(())
    }
}

fn name((connection, object, id): &Parent) -> String {
    format!("{connection}\n{object}\n{id}")
}
