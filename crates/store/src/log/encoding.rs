//! Mutations as bytes: what the log holds of them. One format, whose number stands in front of every record; another needs
//! another number, and this one is read for as long as a log of it may be met.
//!
//! Numbers are written in groups of seven bits, instants as microseconds, values as JSON text, enumerations by the code they
//! have in the tables.

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Currency, EventId, IntentId, Money, RunId, TransactionId, Value, WorkItemId, json};
use uuid::Uuid;

use crate::StoreError;
use crate::rows::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, IntentState, JSON_DEPTH_MAX, JournalRow, ListenerRow,
    Mutation, RecordVersionRow, ReferenceRow, RunPart, RunRow, RunStatus, SyncedRow, TimerRow, TransactionRow,
    WorkItemRow, WorkItemStatus,
};

/// The format that is written.
pub(crate) const FORMAT: u32 = 1;

/// Bytes that are no mutation; what is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) String);

/// A batch as bytes.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// Its mutations, one after the other.
    bytes: Vec<u8>,
    /// How many bytes each of them takes, and where the text of its JSON stands, or of the last one of several.
    places: Vec<(usize, Range<usize>)>,
}

/// A mutation in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged<'a> {
    /// How many bytes it takes.
    pub(crate) size: usize,
    /// The text of its JSON, or of the last one of several.
    pub(crate) text: &'a str,
}

impl Encoded {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What there is to know of each mutation.
    pub(crate) fn each(&self) -> impl Iterator<Item = Logged<'_>> {
        self.places.iter().map(|(size, text)| {
            // It was written from a text.
            let text = self.bytes.get(text.clone()).and_then(|text| std::str::from_utf8(text).ok());
            Logged { size: *size, text: text.unwrap_or_default() }
        })
    }
}

/// Where mutations are written to.
#[derive(Debug, Default)]
struct Out {
    bytes: Vec<u8>,
    /// Where the last JSON stands.
    text: Range<usize>,
    /// Some JSON is nested too deep, and was left out.
    is_too_deep: bool,
}

/// A batch as it goes to the log.
///
/// # Errors
/// When some JSON in it is nested too deep to be read back.
pub(crate) fn encode(batch: &[Mutation]) -> Result<Encoded, StoreError> {
    let mut out = Out { bytes: Vec::with_capacity(batch.len() * 128), ..Out::default() };
    let mut places = Vec::with_capacity(batch.len());
    for mutation in batch {
        let begin = out.bytes.len();
        out.text = 0..0;
        mutation.write(&mut out);
        if out.is_too_deep {
            return Err(StoreError::TooDeep { what: holder(mutation) });
        }
        places.push((out.bytes.len() - begin, out.text.clone()));
    }
    Ok(Encoded { bytes: out.bytes, places })
}

/// What it is that holds the JSON of a mutation.
const fn holder(mutation: &Mutation) -> &'static str {
    match mutation {
        Mutation::PutIntent(_) => "intent",
        Mutation::AppendJournal(_) => "journal line",
        Mutation::PutWorkItem(_) | Mutation::WithdrawWorkItems { .. } => "work item",
        Mutation::AppendEvent(_) => "event",
        Mutation::PutInbox(_) => "inbox entry",
        Mutation::PutSynced(_) => "synced object",
        Mutation::PutAnswer(_) => "answer",
        _ => "row",
    }
}

/// Whether a value with so many levels around it is nested no deeper than can be read back.
fn can_be_read_back(value: &Value, around: usize) -> bool {
    around <= JSON_DEPTH_MAX
        && match value {
            Value::Array(items) => items.iter().all(|item| can_be_read_back(item, around + 1)),
            Value::Object(members) => members.values().all(|member| can_be_read_back(member, around + 1)),
            _ => true,
        }
}

/// All mutations of a record.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Mutation>, Unreadable> {
    let mut left = Bytes(bytes);
    let mut list = Vec::new();
    while !left.0.is_empty() {
        list.push(Mutation::read(&mut left)?);
    }
    Ok(list)
}

/// What is left to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, left) =
            self.0.split_at_checked(length).ok_or_else(|| Unreadable("it ends in the middle".to_owned()))?;
        self.0 = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.take(N)?.try_into().map_err(|_| Unreadable("it ends in the middle".to_owned()))
    }
}

trait Stored: Sized {
    fn write(&self, out: &mut Out);
    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable>;
}

impl Stored for u8 {
    fn write(&self, out: &mut Out) {
        out.bytes.push(*self);
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        Ok(from.array::<1>()?[0])
    }
}

impl Stored for u64 {
    fn write(&self, out: &mut Out) {
        let mut left = *self;
        while left >= 0x80 {
            out.bytes.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        out.bytes.push(left as u8);
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = u8::read(from)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Unreadable("a number is too long".to_owned()))
    }
}

impl Stored for u32 {
    fn write(&self, out: &mut Out) {
        u64::from(*self).write(out);
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        Self::try_from(u64::read(from)?).map_err(|_| Unreadable("a number is too large".to_owned()))
    }
}

impl Stored for bool {
    fn write(&self, out: &mut Out) {
        out.bytes.push(u8::from(*self));
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        Ok(u8::read(from)? != 0)
    }
}

fn write_bytes(bytes: &[u8], out: &mut Out) {
    (bytes.len() as u64).write(out);
    out.bytes.extend_from_slice(bytes);
}

fn read_bytes<'a>(from: &mut Bytes<'a>) -> Result<&'a [u8], Unreadable> {
    let length = usize::try_from(u64::read(from)?).map_err(|_| Unreadable("a length is too large".to_owned()))?;
    from.take(length)
}

impl Stored for Vec<u8> {
    fn write(&self, out: &mut Out) {
        write_bytes(self, out);
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        read_bytes(from).map(<[u8]>::to_vec)
    }
}

impl Stored for Arc<str> {
    fn write(&self, out: &mut Out) {
        write_bytes(self.as_bytes(), out);
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        std::str::from_utf8(read_bytes(from)?).map(Into::into).map_err(|error| Unreadable(error.to_string()))
    }
}

impl Stored for Value {
    fn write(&self, out: &mut Out) {
        if !can_be_read_back(self, 0) {
            out.is_too_deep = true;
            return;
        }
        let text = json::to_string(self);
        write_bytes(text.as_bytes(), out);
        let end = out.bytes.len();
        out.text = end - text.len()..end;
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        json::parse_kept(read_bytes(from)?).map_err(|error| Unreadable(error.to_string()))
    }
}

impl Stored for Timestamp {
    fn write(&self, out: &mut Out) {
        out.bytes.extend_from_slice(&self.as_microsecond().to_le_bytes());
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        Self::from_microsecond(i64::from_le_bytes(from.array()?)).map_err(|error| Unreadable(error.to_string()))
    }
}

impl Stored for Money {
    fn write(&self, out: &mut Out) {
        write_bytes(self.amount.to_string().as_bytes(), out);
        write_bytes(self.currency.as_str().as_bytes(), out);
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        let (amount, currency) = (<Arc<str>>::read(from)?, <Arc<str>>::read(from)?);
        let currency: Currency = currency.parse().map_err(|error: model::MoneyError| Unreadable(error.to_string()))?;
        Ok(Self {
            amount: amount.parse().map_err(|error: model::DecimalError| Unreadable(error.to_string()))?,
            currency,
        })
    }
}

impl<T: Stored> Stored for Option<T> {
    fn write(&self, out: &mut Out) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        bool::read(from)?.then(|| T::read(from)).transpose()
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn write(&self, out: &mut Out) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        Ok((A::read(from)?, B::read(from)?))
    }
}

macro_rules! lists {
    ($($item:ty),*) => {$(
        impl Stored for Vec<$item> {
            fn write(&self, out: &mut Out) {
                (self.len() as u64).write(out);
                self.iter().for_each(|item| item.write(out));
            }

            fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
                // Without room made for a number of items that may be damaged.
                (0..u64::read(from)?).map(|_| <$item>::read(from)).collect()
            }
        }
    )*};
}

macro_rules! ids {
    ($($id:ty),*) => {$(
        impl Stored for $id {
            fn write(&self, out: &mut Out) {
                out.bytes.extend_from_slice(self.uuid().as_bytes());
            }

            fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
                Ok(Self::new(Uuid::from_bytes(from.array()?)))
            }
        }
    )*};
}

macro_rules! enumerations {
    ($($kind:ty),*) => {$(
        impl Stored for $kind {
            fn write(&self, out: &mut Out) {
                self.code().unsigned_abs().write(out);
            }

            fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
                let code = u64::read(from)?;
                i64::try_from(code).ok().and_then(Self::from_code).ok_or_else(|| Unreadable(format!("unknown state {code}")))
            }
        }
    )*};
}

macro_rules! rows {
    ($($row:ident { $($field:ident),* })*) => {$(
        impl Stored for $row {
            fn write(&self, out: &mut Out) {
                $(self.$field.write(out);)*
            }

            fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
                // Fields are read in the order in which they stand here.
                Ok(Self { $($field: Stored::read(from)?),* })
            }
        }
    )*};
}

macro_rules! mutations {
    (rows { $($row_tag:literal $row:ident,)* } fields { $($tag:literal $name:ident { $($field:ident),* },)* }) => {
        impl Stored for Mutation {
            fn write(&self, out: &mut Out) {
                match self {
                    $(Self::$row(row) => {
                        out.bytes.push($row_tag);
                        row.write(out);
                    })*
                    $(Self::$name { $($field),* } => {
                        out.bytes.push($tag);
                        $($field.write(out);)*
                    })*
                }
            }

            fn read(from: &mut Bytes<'_>) -> Result<Self, Unreadable> {
                match u8::read(from)? {
                    $($row_tag => Ok(Self::$row(Stored::read(from)?)),)*
                    $($tag => Ok(Self::$name { $($field: Stored::read(from)?),* }),)*
                    unknown => Err(Unreadable(format!("unknown mutation {unknown}"))),
                }
            }
        }
    };
}

lists!(Arc<str>, (Arc<str>, Arc<str>), RunPart, u32);
ids!(RunId, IntentId, TransactionId, EventId, WorkItemId);
enumerations!(RunStatus, IntentState, WorkItemStatus);

rows! {
    RunRow {
        id, workflow, definition, key, transaction, status, state, parts, removed_parts, started_at, updated_at, in_doubt
    }
    RunPart { number, content }
    IntentRow {
        id, run, position, connection, function, business_key, request, state, attempts, last_error, created_at
    }
    JournalRow { transaction, at, kind, connection, title, detail }
    TransactionRow { id, object, key, title, stage, closed, amount, opened_at, updated_at }
    ReferenceRow { object, key, connection, record_id }
    WorkItemRow {
        id, queue, transaction, run, status, title, reason, amount, content, opened_at, due_at, resolution
    }
    EventRow { id, correlation, envelope, at }
    ListenerRow { correlation, run, position }
    FeedPositionRow { connection, feed, position, at }
    InboxRow { connection, id, content, at }
    RecordVersionRow { connection, record, id, version }
    SyncedRow { object, key, transaction, state, title, links, updated_at }
    TimerRow { due_at, run, position }
    CachedAnswer { api, key, answer, at }
}

mutations! {
    rows {
        1 PutRun, 2 RemoveRun, 3 ForgetRun, 4 PutIntent, 5 RemoveIntent, 6 AppendJournal, 7 PutTransaction,
        8 PutReference, 9 PutWorkItem, 10 AppendEvent, 11 PutListener, 12 PutFeedPosition, 13 PutInbox,
        14 PutRecordVersion, 15 PutSynced, 16 PutTimer, 17 PutAnswer,
    }
    fields {
        32 RemoveReference { object, key, connection },
        33 WithdrawWorkItems { transaction, run, position, resolution },
        34 RemoveEvent { correlation, id },
        35 RemoveEventsBefore { before, limit },
        36 RemoveListeners { run, position },
        37 PutHeard { run, event },
        38 RemoveInbox { connection, id },
        39 PutMatchKeys { object, key, values },
        40 RemoveTimer { run, position },
        41 PutDefinition { hash, text },
        42 RemoveAnswersBefore { before, limit },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    /// What is kept is exact to the microsecond; a mutation that was kept once does not change any more.
    fn once(mutation: &Mutation) -> Mutation {
        decode(encode(std::slice::from_ref(mutation)).expect("it is not deep").bytes()).expect("a mutation").remove(0)
    }

    #[test]
    fn json_is_written_as_deep_as_it_is_read_back() {
        let answer = |depth: usize| {
            let answer = (0..depth).fold(Value::Null, |inner, depth| match depth % 2 {
                0 => Value::array([inner]),
                _ => Value::object([("a", inner)]),
            });
            let at = Timestamp::UNIX_EPOCH;
            vec![Mutation::PutAnswer(CachedAnswer { api: "prices".into(), key: "k".into(), answer, at })]
        };
        let deepest = answer(JSON_DEPTH_MAX);
        assert_eq!(decode(encode(&deepest).expect("it can be read").bytes()), Ok(deepest));
        let Mutation::PutAnswer(row) = answer(JSON_DEPTH_MAX + 1).remove(0) else { unreachable!() };
        assert!(json::parse_kept(&json::to_vec(&row.answer)).is_err());
        let refused = encode(&answer(JSON_DEPTH_MAX + 1));
        assert!(matches!(refused, Err(StoreError::TooDeep { what: "answer" })), "{refused:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_was_written_is_read_back(batch in prop::collection::vec(arbitrary::mutation(), 0..5)) {
            let batch: Vec<Mutation> = batch.iter().map(once).collect();
            let encoded = encode(&batch).expect("it is not deep");
            prop_assert_eq!(&decode(encoded.bytes()).expect("mutations"), &batch);
            prop_assert_eq!(encoded.each().map(|logged| logged.size).sum::<usize>(), encoded.bytes().len());
        }

        #[test]
        fn what_is_cut_or_changed_is_never_a_panic(mutation in arbitrary::mutation(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = encode(&[mutation]).expect("it is not deep").bytes;
            let place = place.index(bytes.len());
            prop_assert!(place == 0 || decode(&bytes[..place]).is_err());
            bytes[place] = byte;
            let _ = decode(&bytes);
        }
    }
}
