//! Rows whose JSON is kept as its text.

use std::ops::Deref;

use model::{Value, json};

use crate::StoreError;
use crate::rows::{EventRow, InboxRow, IntentRow, JournalRow, SyncedRow};

/// A row of which one column is JSON.
pub(crate) trait HasJson: Clone {
    /// What it is, for who is told that it cannot be read.
    const WHAT: &'static str;

    fn json(&mut self) -> &mut Value;
}

macro_rules! has_json {
    ($($row:ty: $column:ident, $what:literal;)*) => {$(
        impl HasJson for $row {
            const WHAT: &'static str = $what;

            fn json(&mut self) -> &mut Value {
                &mut self.$column
            }
        }
    )*};
}

has_json! {
    IntentRow: request, "intent";
    JournalRow: detail, "journal line";
    EventRow: envelope, "event";
    InboxRow: content, "inbox entry";
    SyncedRow: state, "synced object";
}

/// A row with `null` in place of its JSON, and the text of that, as it stands in the log and will stand in the tables: a value of
/// some members takes several times as much memory, and would have to be written as text once more.
#[derive(Debug, Clone)]
pub(crate) struct Packed<R> {
    row: R,
    text: Box<str>,
}

impl<R: HasJson> Packed<R> {
    pub(crate) fn new(mut row: R, text: &str) -> Self {
        *row.json() = Value::Null;
        Self { row, text: text.into() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The row as it came.
    ///
    /// # Errors
    /// When its text cannot be read.
    pub(crate) fn unpack(&self) -> Result<R, StoreError> {
        let mut row = self.row.clone();
        *row.json() = json::parse_kept(self.text.as_bytes())
            .map_err(|error| StoreError::Damaged { what: R::WHAT, cause: error.to_string() })?;
        Ok(row)
    }
}

impl<R> Deref for Packed<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.row
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_text_that_cannot_be_read_is_told_and_not_taken_for_nothing() {
        let content = Value::object([("id", "1")]);
        let row = InboxRow { connection: "erp".into(), id: "1".into(), content, at: Timestamp::UNIX_EPOCH };
        assert_eq!(Packed::new(row.clone(), r#"{"id":"1"}"#).unpack(), Ok(row.clone()));
        for text in ["", "{", &"[".repeat(1_000)] {
            let unpacked = Packed::new(row.clone(), text).unpack();
            assert!(matches!(unpacked, Err(StoreError::Damaged { what: "inbox entry", .. })), "{unpacked:?}");
        }
    }
}
