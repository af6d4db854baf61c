//! Records beside those of a feed that say something of them, such as the relationships of a person: each sweep looks at them, too,
//! and what came, changed or went has the feed's own record read again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use connect::{CallError, ErrorClass};
use definitions::SweptWith;
use jiff::Timestamp;
use model::{Value, json};

use crate::Shared;

/// References of known records that are read from the store in one go.
const AT_ONCE: u32 = 1_000;

/// What a sweep saw of one kind of such records.
#[derive(Default)]
pub(crate) struct Beside {
    /// By its own id; `None` before the first sweep.
    seen: Option<HashMap<Arc<str>, Seen>>,
}

/// One of them.
struct Seen {
    /// What tells its versions apart.
    mark: Arc<str>,
    /// The record of the feed that it belongs to.
    owner: Arc<str>,
}

impl Shared {
    /// Looks at all records of the kind that its connection tells of, and has those of the feed read again of which one came,
    /// changed or went. The first time, of those that went while nobody looked, all known records are read that have none.
    pub(crate) async fn sweep_beside(
        &self,
        place: usize,
        with: &SweptWith,
        since: Timestamp,
        beside: &mut Beside,
    ) -> Result<(), CallError> {
        let line = &self.lines[place];
        let Some(dispatcher) = self.dispatchers.get(&line.feed.connection) else { return Ok(()) };
        let mut found: HashMap<Arc<str>, Seen> = HashMap::new();
        let mut page = None;
        loop {
            let next = dispatcher.changed_since(&with.record, since, page).await?;
            for (id, mark) in next.records {
                if let Some(owner) = owner(with, &id) {
                    found.insert(id, Seen { mark, owner });
                }
            }
            page = next.next;
            if page.is_none() {
                break;
            }
        }
        let known = || self.known_records(line.feed.object.as_str(), line.feed.connection.as_str());
        let changed = changed_owners(beside.seen.as_ref(), &found, known).map_err(|error| {
            let message = format!("which records are known cannot be read: {error}; the next sweep looks again");
            CallError::new(ErrorClass::Unavailable, "store", message)
        })?;
        self.read_swept(line, changed.into_iter().collect()).await;
        beside.seen = Some(found);
        Ok(())
    }

    fn known_records(&self, object: &str, connection: &str) -> Result<Vec<Arc<str>>, store::StoreError> {
        let (mut records, mut after) = (Vec::new(), Arc::<str>::from(""));
        loop {
            let rows = self.store.references_after(object, connection, &after, AT_ONCE)?;
            let last = rows.len() < AT_ONCE as usize;
            for row in rows {
                after = row.key;
                records.push(row.record_id);
            }
            if last {
                return Ok(records);
            }
        }
    }
}

/// The records of the feed of which such a record came, changed or went since it was looked last; the first time, all that
/// have one, and all that are known, as one may have gone while nobody looked.
fn changed_owners<E>(
    before: Option<&HashMap<Arc<str>, Seen>>,
    found: &HashMap<Arc<str>, Seen>,
    known: impl FnOnce() -> Result<Vec<Arc<str>>, E>,
) -> Result<HashSet<Arc<str>>, E> {
    let Some(before) = before else {
        let all = found.values().map(|one| Arc::clone(&one.owner));
        return Ok(all.chain(known()?).collect());
    };
    let differs = |(id, one): (&Arc<str>, &Seen), other: &HashMap<Arc<str>, Seen>| {
        other.get(id).is_none_or(|known| known.mark != one.mark).then(|| Arc::clone(&one.owner))
    };
    let came = found.iter().filter_map(|one| differs(one, before));
    Ok(came.chain(before.iter().filter_map(|one| differs(one, found))).collect())
}

/// The feed's record that such a record belongs to.
fn owner(with: &SweptWith, id: &Arc<str>) -> Option<Arc<str>> {
    let key = match id.starts_with('{') {
        true => json::parse(id.as_bytes()).ok()?,
        false => Value::from(Arc::clone(id)),
    };
    let owner = with.id.evaluate(&key, &[], expr::Limits::default()).ok()?;
    owner.as_str().filter(|owner| !owner.is_empty()).map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(records: &[(&str, &str, &str)]) -> HashMap<Arc<str>, Seen> {
        let seen = |mark: &str, owner: &str| Seen { mark: mark.into(), owner: owner.into() };
        records.iter().map(|(id, mark, owner)| ((*id).into(), seen(mark, owner))).collect()
    }

    fn owners(before: Option<&HashMap<Arc<str>, Seen>>, found: &HashMap<Arc<str>, Seen>) -> Vec<Arc<str>> {
        let known = || Ok::<_, ()>(vec!["P1".into(), "P9".into()]);
        let mut owners: Vec<_> = changed_owners(before, found, known).expect("known").into_iter().collect();
        owners.sort();
        owners
    }

    #[test]
    fn what_came_changed_or_went_has_its_owner_read_again() {
        let before = seen(&[("1", "a", "P1"), ("2", "a", "P2"), ("3", "a", "P3")]);
        let found = seen(&[("1", "a", "P1"), ("2", "b", "P2"), ("4", "a", "P4")]);
        assert_eq!(owners(Some(&before), &found), ["P2".into(), "P3".into(), "P4".into()] as [Arc<str>; 3]);
        assert!(owners(Some(&found), &found).is_empty());
    }

    #[test]
    fn the_first_time_all_that_are_known_are_read_and_it_is_no_first_time_without_them() {
        let found = seen(&[("1", "a", "P1"), ("2", "a", "P2")]);
        assert_eq!(owners(None, &found), ["P1".into(), "P2".into(), "P9".into()] as [Arc<str>; 3]);
        assert_eq!(changed_owners(None, &found, || Err("the disk is full")), Err("the disk is full"));
    }
}
