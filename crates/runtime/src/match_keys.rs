//! Under which keys objects are found again is a matter of their definition: when that has changed, all objects get new ones before
//! anything comes in, so that nothing that is known is taken for new.

use definitions::{Release, Synchronised};
use model::Problem;
use store::{FeedPositionRow, Mutation, Store, StoreError};
use sync::{Agreement, object_of};

/// Where it is kept which definition the keys of an object are of, among the places of feeds.
const PLACES: &str = "@match";
/// Objects that get new keys in one commit.
const AT_ONCE: u32 = 1_000;

/// Gives all objects new keys of which the definition has changed.
///
/// # Errors
/// When the store cannot be used.
pub(crate) fn renew(release: &Release, store: &dyn Store, now: jiff::Timestamp) -> Result<(), Problem> {
    for synchronised in release.synchronised.values() {
        renew_one(synchronised, store, now).map_err(|error| error.problem())?;
    }
    Ok(())
}

fn renew_one(synchronised: &Synchronised, store: &dyn Store, now: jiff::Timestamp) -> Result<(), StoreError> {
    let (object, matcher) = (synchronised.object.as_str(), &synchronised.matcher);
    let definition = matcher.text().into_bytes();
    let stored = store.feed_position(PLACES, object)?;
    if stored.is_some_and(|row| row.position == definition) {
        return Ok(());
    }
    let mut after: std::sync::Arc<str> = "".into();
    loop {
        let rows = store.synced_after(object, &after, AT_ONCE)?;
        let last = rows.len() < AT_ONCE as usize;
        let mut mutations = Vec::with_capacity(rows.len() + 1);
        for row in rows {
            after = std::sync::Arc::clone(&row.key);
            // What cannot be read is told by who works on it.
            let Ok(agreement) = Agreement::from_value(&row.state) else { continue };
            let values = matcher.keys(&matcher.know(&object_of(&agreement.agreed)));
            mutations.push(Mutation::PutMatchKeys { object: object.into(), key: row.key, values });
        }
        if last {
            let (connection, feed) = (PLACES.into(), object.into());
            mutations.push(Mutation::PutFeedPosition(FeedPositionRow {
                connection,
                feed,
                position: definition,
                at: now,
            }));
            return store.commit(mutations).durable_blocking();
        }
        store.commit(mutations).durable_blocking()?;
    }
}
