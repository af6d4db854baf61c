//! Records beside those of a feed that say something of them, such as the relationships of a person: each sweep looks at them, too,
//! and what came, changed or went has the feed's own record read again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use connect::CallError;
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
        let changed: HashSet<Arc<str>> = match &beside.seen {
            Some(before) => {
                let differs = |(id, one): (&Arc<str>, &Seen), other: &HashMap<Arc<str>, Seen>| {
                    other.get(id).is_none_or(|known| known.mark != one.mark).then(|| Arc::clone(&one.owner))
                };
                let came = found.iter().filter_map(|one| differs(one, before));
                came.chain(before.iter().filter_map(|one| differs(one, &found))).collect()
            }
            None => {
                let mut all: HashSet<Arc<str>> = found.values().map(|one| Arc::clone(&one.owner)).collect();
                match self.known_records(line.feed.object.as_str(), line.feed.connection.as_str()) {
                    Ok(known) => all.extend(known),
                    Err(error) => {
                        tracing::error!(%error, "known records cannot be read; they are looked at when they change")
                    }
                }
                all
            }
        };
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

/// The feed's record that such a record belongs to.
fn owner(with: &SweptWith, id: &Arc<str>) -> Option<Arc<str>> {
    let key = match id.starts_with('{') {
        true => json::parse(id.as_bytes()).ok()?,
        false => Value::from(Arc::clone(id)),
    };
    let owner = with.id.evaluate(&key, &[], expr::Limits::default()).ok()?;
    owner.as_str().filter(|owner| !owner.is_empty()).map(Arc::from)
}
