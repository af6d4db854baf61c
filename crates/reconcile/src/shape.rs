//! What is compared of an object.

use std::sync::Arc;

use model::{Path, PathError};
use sync::ListKey;

/// A member that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its dotted path, as in `billing.city`.
    pub name: Arc<str>,
    pub(crate) path: Path,
    /// For a list: by what its items are known, so that their order means nothing.
    pub(crate) list: Option<ListKey>,
}

impl Member {
    /// The member at a dotted path.
    ///
    /// # Errors
    /// When the text is not a path.
    pub fn new(name: &str, list: Option<ListKey>) -> Result<Self, PathError> {
        Ok(Self { name: name.into(), path: name.parse()?, list })
    }
}

/// An amount that is summed, per currency and month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// What it is called.
    pub name: Arc<str>,
    /// Where the number stands.
    pub amount: Path,
    /// Where its currency stands.
    pub currency: Path,
    /// Where the date stands that says to which month it belongs.
    pub date: Option<Path>,
}

/// What is compared of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// The members, in the order in which differences are told.
    pub members: Vec<Member>,
    /// The amounts.
    pub amounts: Vec<Amount>,
}
