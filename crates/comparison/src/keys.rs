//! Which record is which object.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reconcile::Side;

/// Knows which object a record is.
pub trait Keys: Send + Sync {
    /// The keys of these records of a side, each at its place; `None` for one that is not known.
    fn of<'a>(&'a self, side: Side, ids: &'a [Arc<str>]) -> BoxFuture<'a, Vec<Option<Arc<str>>>>;
}

/// Knows no record: they are paired by what they hold as their key.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeys;

impl Keys for NoKeys {
    fn of<'a>(&'a self, _: Side, ids: &'a [Arc<str>]) -> BoxFuture<'a, Vec<Option<Arc<str>>>> {
        std::future::ready(vec![None; ids.len()]).boxed()
    }
}
