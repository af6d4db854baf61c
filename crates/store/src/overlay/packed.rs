//! Rows whose JSON is kept as its text.

use std::ops::Deref;

use model::{Value, json};

use crate::rows::{EventRow, InboxRow, IntentRow, JournalRow, SyncedRow};

/// A row of which one column is JSON.
pub(crate) trait HasJson: Clone {
    fn json(&mut self) -> &mut Value;
}

macro_rules! has_json {
    ($($row:ty: $column:ident,)*) => {$(
        impl HasJson for $row {
            fn json(&mut self) -> &mut Value {
                &mut self.$column
            }
        }
    )*};
}

has_json! {
    IntentRow: request,
    JournalRow: detail,
    EventRow: envelope,
    InboxRow: content,
    SyncedRow: state,
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
    pub(crate) fn unpack(&self) -> R {
        let mut row = self.row.clone();
        // What was written from a value can be read.
        *row.json() = json::parse_kept(self.text.as_bytes()).unwrap_or_default();
        row
    }
}

impl<R> Deref for Packed<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.row
    }
}
