//! Which record is which object, as the store knows it: asked batch by batch, so that nothing of it stays in memory.

use std::sync::Arc;

use comparison::Keys;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::{ConnectionName, ObjectName};
use reconcile::{Pair, Side};

use crate::core::Core;

pub(super) struct StoredKeys {
    pub(super) core: Arc<Core>,
    pub(super) object: ObjectName,
    pub(super) sides: Pair<ConnectionName>,
}

impl Keys for StoredKeys {
    fn of<'a>(&'a self, side: Side, ids: &'a [Arc<str>]) -> BoxFuture<'a, Vec<Option<Arc<str>>>> {
        let (object, connection, asked) = (self.object.clone(), self.sides.of(side).clone(), ids.to_vec());
        let count = ids.len();
        async move {
            let found = self.core.read(move |store| {
                let key = |id: &Arc<str>| store.reference_of_record(object.as_str(), connection.as_str(), id);
                asked.iter().map(|id| Ok(key(id)?.map(|row| row.key))).collect::<Result<Vec<_>, _>>()
            });
            // Without an answer the process ends.
            found.await.unwrap_or_else(|| vec![None; count])
        }
        .boxed()
    }
}
