//! Which objects records stood for that are not there any more, and what happened to them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use connect::Fate;
use definitions::Release;
use intake::Gone;
use model::{ConnectionName, Problem};
use store::{Store, StoreError};
use sync::{Agreement, Happened, Retired};

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
        let mut losses = Losses::new(&*store, &release, &gone);
        let known = gone.into_iter().map(|gone| losses.lost(gone));
        known.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
    });
    found.await.map_err(|_| crate::routing::stopping())?.map_err(|error: StoreError| error.problem())
}

/// An object, a connection, and a record there.
type Place = (Arc<str>, Arc<str>, Arc<str>);

/// Records that were found gone together.
struct Losses<'a> {
    store: &'a dyn Store,
    release: &'a Release,
    /// Which record each of those went into that were merged.
    into: HashMap<Place, Arc<str>>,
    /// Objects that get the record of a side from one of those that were merged into them.
    given: HashSet<(Arc<str>, ConnectionName)>,
}

impl<'a> Losses<'a> {
    fn new(store: &'a dyn Store, release: &'a Release, gone: &[Gone]) -> Self {
        let merged = gone.iter().filter_map(|gone| match &gone.fate {
            Fate::Merged { into } => Some((place_of(gone, &gone.record), Arc::clone(into))),
            Fate::Deleted | Fate::Absent | Fate::There => None,
        });
        Self { store, release, into: merged.collect(), given: HashSet::new() }
    }

    /// The record that stays in the end, where one was merged into another that was merged itself.
    fn last(&self, gone: &Gone, into: &Arc<str>) -> Arc<str> {
        let mut last = Arc::clone(into);
        for _ in 0..self.into.len() {
            let Some(next) = self.into.get(&place_of(gone, &last)) else { break };
            last = Arc::clone(next);
        }
        last
    }

    fn lost(&mut self, gone: Gone) -> Result<Option<(LaneId, Lost)>, StoreError> {
        let (object, connection) = (gone.feed.object.as_str(), gone.feed.connection.as_str());
        let Some(reference) = self.store.reference_of_record(object, connection, &gone.record)? else {
            return Ok(None);
        };
        let mut others = HashSet::new();
        let happened = match &gone.fate {
            Fate::Merged { into } => {
                match self.store.reference_of_record(object, connection, &self.last(&gone, into))? {
                    // Where even that one is gone by now, nobody can tell what follows.
                    Some(stays) if self.is_gone(object, &stays.key, &gone.feed.connection)? => None,
                    Some(stays) => {
                        others = self.others(object, &reference.key, &stays.key)?;
                        Some(Happened::Merged { into: stays.key })
                    }
                    // Nobody knows the one that stays: it is as good as deleted.
                    None => Some(Happened::Deleted),
                }
            }
            Fate::Deleted => Some(Happened::Deleted),
            Fate::Absent | Fate::There => None,
        };
        let lane = LaneId::of_matter(object, &reference.key);
        Ok(Some((lane, Lost { key: reference.key, gone, happened, others })))
    }

    /// The sides that have a record of the object that stays, or get it from one that was merged into it before.
    fn others(&mut self, object: &str, loses: &str, stays: &Arc<str>) -> Result<HashSet<ConnectionName>, StoreError> {
        let mut others = HashSet::new();
        for side in self.release.synchronised.get(object).into_iter().flat_map(|one| one.policy.sides.keys()) {
            let given = (Arc::clone(stays), side.clone());
            if self.given.contains(&given) || self.store.reference(object, stays, side.as_str())?.is_some() {
                others.insert(side.clone());
            } else if self.store.reference(object, loses, side.as_str())?.is_some() {
                self.given.insert(given);
            }
        }
        Ok(others)
    }

    /// Whether an object is known to have lost its record in this connection.
    fn is_gone(&self, object: &str, key: &str, connection: &ConnectionName) -> Result<bool, StoreError> {
        let Some(row) = self.store.synced(object, key)? else { return Ok(false) };
        // What cannot be read is told by who works on it.
        let agreement = Agreement::from_value(&row.state).unwrap_or_default();
        Ok(agreement.sides.get(connection).is_some_and(|side| side.retired == Some(Retired::Gone)))
    }
}

fn place_of(gone: &Gone, record: &Arc<str>) -> Place {
    (gone.feed.object.as_str().into(), gone.feed.connection.as_str().into(), Arc::clone(record))
}
