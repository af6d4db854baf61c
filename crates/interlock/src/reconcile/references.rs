//! Which record is which object, as the running Interlock knows it: many in little memory.

use std::ops::Range;
use std::sync::Arc;

use comparison::Keys;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::{ObjectName, Value};
use reconcile::{Pair, Side};

use crate::ops::{Client, Trouble};

/// Keys by the ids of records.
#[derive(Debug, Default)]
pub(super) struct References {
    /// All ids and keys, one behind the other.
    text: String,
    /// Where an id and its key stand, in the order of the ids.
    places: Vec<(Range<usize>, Range<usize>)>,
}

/// Cross-references while they come in, in any order.
#[derive(Debug, Default)]
struct Gathered(References);

impl Gathered {
    /// One more.
    fn add(&mut self, id: &str, key: &str) {
        let text = &mut self.0.text;
        let mut put = |part: &str| {
            let from = text.len();
            text.push_str(part);
            from..text.len()
        };
        let place = (put(id), put(key));
        self.0.places.push(place);
    }

    /// All are in.
    fn finish(self) -> References {
        let References { text, mut places } = self.0;
        places.sort_unstable_by(|one, other| text.get(one.0.clone()).cmp(&text.get(other.0.clone())));
        References { text, places }
    }
}

impl References {
    /// Asks for all of a connection, page by page.
    ///
    /// # Errors
    /// When Interlock cannot be asked.
    pub(super) async fn of(client: &Client, object: &ObjectName, connection: &str) -> Result<Self, Trouble> {
        let mut gathered = Gathered::default();
        let mut after = String::new();
        loop {
            let query = [("connection", connection), ("after", after.as_str())];
            let page = client.ask(&["objects", object.as_str(), "references"], &query).await?;
            for one in page.get("references").items() {
                if let (Some(key), Some(id)) = (one.get("key").as_str(), one.get("id").as_str()) {
                    gathered.add(id, key);
                }
            }
            match page.get("next") {
                // Keys only grow, so that this ends whatever answers.
                Value::String(next) if **next > *after => after = next.to_string(),
                _ => return Ok(gathered.finish()),
            }
        }
    }

    /// All ids with their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |place: &Range<usize>| self.text.get(place.clone());
        self.places.iter().filter_map(move |(id, key)| Some((text(id)?, text(key)?)))
    }

    /// The key of a record.
    pub(super) fn key(&self, id: &str) -> Option<&str> {
        let found = self.places.binary_search_by(|place| self.text.get(place.0.clone()).cmp(&Some(id))).ok()?;
        self.text.get(self.places.get(found)?.1.clone())
    }
}

/// The cross-references of both sides.
pub(super) struct Both<'a>(pub(super) &'a Pair<References>);

impl Keys for Both<'_> {
    fn of<'a>(&'a self, side: Side, ids: &'a [Arc<str>]) -> BoxFuture<'a, Vec<Option<Arc<str>>>> {
        let references = self.0.of(side);
        std::future::ready(ids.iter().map(|id| references.key(id).map(Arc::from)).collect()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_id() {
        let mut gathered = Gathered::default();
        for (id, key) in [("9", "C"), ("001", "A"), ("", "none"), ("10", "B")] {
            gathered.add(id, key);
        }
        let references = gathered.finish();
        assert_eq!(references.places.len(), 4);
        assert_eq!(references.iter().nth(1), Some(("001", "A")));
        for (id, key) in [("001", Some("A")), ("9", Some("C")), ("10", Some("B")), ("1", None), ("99", None)] {
            assert_eq!(references.key(id), key, "{id}");
        }
    }
}
