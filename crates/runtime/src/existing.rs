//! Records that a system has already, where it refused to make one of an object because of them: which objects have them.
//!
//! While that is looked up and until what follows is durable, nobody else finds out which object a record is: otherwise a record that
//! is read for the first time just then could become an object of its own and be linked with another one.

use std::sync::Arc;

use connect::Existing;
use dispatch::Outcome;

use crate::core::Core;
use crate::identity::{self, IdentityHeld};
use crate::lane_id::LaneId;
use crate::work::Work;

/// An object that has one of the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) key: Arc<str>,
    pub(crate) title: Arc<str>,
}

/// A create that was refused because of records that there are already.
pub(crate) struct Exists {
    pub(crate) outcome: Outcome,
    pub(crate) existing: Existing,
    /// The object of each record, in their order; `None` where nobody has it.
    pub(crate) owners: Vec<Option<Owner>>,
    pub(crate) held: IdentityHeld,
}

/// Looks up who has the records, and gives that to the lane of the object that was to be made.
pub(crate) async fn look_up(
    core: Arc<Core>,
    lane: LaneId,
    object: Arc<str>,
    existing: Existing,
    outcome: Outcome,
    connection: Arc<str>,
) {
    let held = identity::hold(&core).await;
    let ids: Vec<Arc<str>> = existing.records.iter().map(|found| Arc::clone(&found.id)).collect();
    let owners = core.read(move |store| {
        let owner = |id: &Arc<str>| {
            let Some(reference) = store.reference_of_record(&object, &connection, id)? else { return Ok(None) };
            let title = store.synced(&object, &reference.key)?.map(|row| row.title).unwrap_or_default();
            Ok(Some(Owner { key: reference.key, title }))
        };
        ids.iter().map(owner).collect::<Result<Vec<_>, _>>()
    });
    // The process ends: the create is sent again at the next start.
    let Some(owners) = owners.await else { return };
    core.send(lane, Work::Exists(Box::new(Exists { outcome, existing, owners, held })));
}
