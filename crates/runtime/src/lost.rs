//! Which objects records stood for that are not there any more, and what happened to them.

use std::collections::HashSet;
use std::sync::Arc;

use connect::Fate;
use definitions::Release;
use intake::Gone;
use model::Problem;
use store::{Store, StoreError};
use sync::Happened;

use crate::core::Core;
use crate::lane::Lost;
use crate::lane_id::LaneId;

/// Which objects records stood for that are not there any more. Nothing is told of those that nobody knows.
///
/// # Errors
/// When the store cannot be used.
pub(crate) async fn lost(core: &Arc<Core>, gone: Vec<Gone>) -> Result<Vec<(LaneId, Lost)>, Problem> {
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let (store, release) = (Arc::clone(&core.store), Arc::clone(&core.release));
    let found = tokio::task::spawn_blocking(move || {
        let known = gone.into_iter().map(|gone| lost_one(&*store, &release, gone));
        known.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
    });
    found.await.map_err(|_| crate::routing::stopping())?.map_err(|error: StoreError| error.problem())
}

fn lost_one(store: &dyn Store, release: &Release, gone: Gone) -> Result<Option<(LaneId, Lost)>, StoreError> {
    let (object, connection) = (gone.feed.object.as_str(), gone.feed.connection.as_str());
    let Some(reference) = store.reference_of_record(object, connection, &gone.record)? else { return Ok(None) };
    let mut others = HashSet::new();
    let happened = match &gone.fate {
        Fate::Merged { into } => match store.reference_of_record(object, connection, into)? {
            Some(stays) => {
                for side in release.synchronised.get(object).into_iter().flat_map(|one| one.policy.sides.keys()) {
                    if store.reference(object, &stays.key, side.as_str())?.is_some() {
                        others.insert(side.clone());
                    }
                }
                Some(Happened::Merged { into: stays.key })
            }
            // Nobody knows the one that stays: it is as good as deleted.
            None => Some(Happened::Deleted),
        },
        Fate::Deleted => Some(Happened::Deleted),
        Fate::Absent | Fate::There => None,
    };
    let lane = LaneId::of_matter(object, &reference.key);
    Ok(Some((lane, Lost { key: reference.key, gone, happened, others })))
}
