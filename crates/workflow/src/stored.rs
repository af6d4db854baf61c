//! The values of a state as bytes: what several of them share, however deep inside, is written once, and so is the name of
//! each member. A run whose context holds the order that also flows from task to task stores that order once.
//!
//! One byte says what follows; counts and whole numbers are variable-length. A list or object may stand for an earlier one,
//! counted in the order in which they end.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Decimal, Number, Object, Value};

/// Deepest nesting that is read back.
const DEPTH_MAX: usize = 512;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INTEGER: u8 = 3;
const DECIMAL: u8 = 4;
const STRING: u8 = 5;
const ARRAY: u8 = 6;
const OBJECT: u8 = 7;
const SAME: u8 = 8;

type Places<K> = HashMap<K, usize, foldhash::fast::RandomState>;

/// Writes values one after the other.
#[derive(Default)]
pub(crate) struct Writer<'a> {
    bytes: Vec<u8>,
    /// Lists and objects by address: the state holds them while this writes, so an address is one of them only.
    shared: Places<usize>,
    names: Places<&'a str>,
    count: u32,
    depth: usize,
    too_deep: bool,
}

impl<'a> Writer<'a> {
    /// Writes a value and gives its number.
    pub(crate) fn hold(&mut self, value: &'a Value) -> u32 {
        self.value(value);
        self.count += 1;
        self.count - 1
    }

    /// What was written; `None` when a value is nested so deep that it could not be read back.
    pub(crate) fn into_bytes(self) -> Option<Vec<u8>> {
        (!self.too_deep).then_some(self.bytes)
    }

    fn inside(&mut self, value: &'a Value) {
        if self.depth >= DEPTH_MAX {
            self.too_deep = true;
            return;
        }
        self.depth += 1;
        self.value(value);
        self.depth -= 1;
    }

    fn value(&mut self, value: &'a Value) {
        match value {
            Value::Null => self.bytes.push(NULL),
            Value::Bool(false) => self.bytes.push(FALSE),
            Value::Bool(true) => self.bytes.push(TRUE),
            Value::Number(Number::Integer(number)) => {
                self.bytes.push(INTEGER);
                // Zigzag: small negative numbers are short, too.
                self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
            }
            Value::Number(Number::Decimal(number)) => {
                self.bytes.push(DECIMAL);
                self.text(&number.to_string());
            }
            Value::String(text) => {
                self.bytes.push(STRING);
                self.text(text);
            }
            Value::Array(items) => {
                let address = Arc::as_ptr(items) as usize;
                if !self.same(address) {
                    self.bytes.push(ARRAY);
                    self.number(items.len() as u64);
                    for item in items.iter() {
                        self.inside(item);
                    }
                    self.shared.insert(address, self.shared.len());
                }
            }
            Value::Object(members) => {
                let address = Arc::as_ptr(members) as usize;
                if !self.same(address) {
                    self.bytes.push(OBJECT);
                    self.number(members.len() as u64);
                    for (name, member) in members.iter() {
                        self.name(name);
                        self.inside(member);
                    }
                    self.shared.insert(address, self.shared.len());
                }
            }
        }
    }

    fn same(&mut self, address: usize) -> bool {
        let Some(place) = self.shared.get(&address).copied() else { return false };
        self.bytes.push(SAME);
        self.number(place as u64);
        true
    }

    /// A name by its number, which stands for an earlier one; the next number says that the name follows.
    fn name(&mut self, name: &'a str) {
        let next = self.names.len();
        let place = *self.names.entry(name).or_insert(next);
        self.number(place as u64);
        if place == next {
            self.text(name);
        }
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push((number & 0x7f) as u8);
    }
}

/// Reads all values back; `None` when the bytes were not written by this.
pub(crate) fn read(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut reader = Reader { bytes, shared: Vec::new(), names: Vec::new() };
    let mut values = Vec::new();
    while !reader.bytes.is_empty() {
        values.push(reader.value(0)?);
    }
    Some(values)
}

struct Reader<'a> {
    bytes: &'a [u8],
    shared: Vec<Value>,
    names: Vec<Arc<str>>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        let (tag, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(match *tag {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INTEGER => {
                let number = self.number()?;
                Value::from((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
            }
            DECIMAL => Value::from(self.text()?.parse::<Decimal>().ok()?),
            STRING => Value::from(self.text()?),
            ARRAY => {
                let count = self.count()?;
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    items.push(self.value(depth + 1)?);
                }
                self.share(Value::from(items))
            }
            OBJECT => {
                let count = self.count()?;
                let mut members = Object::with_capacity_and_hasher(count, foldhash::fast::RandomState::default());
                for _ in 0..count {
                    let name = self.name()?;
                    members.insert(name, self.value(depth + 1)?);
                }
                self.share(Value::from(members))
            }
            SAME => {
                let place = usize::try_from(self.number()?).ok()?;
                self.shared.get(place)?.clone()
            }
            _ => return None,
        })
    }

    fn share(&mut self, value: Value) -> Value {
        self.shared.push(value.clone());
        value
    }

    /// A count of things, of which each takes at least a byte.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= self.bytes.len())
    }

    fn name(&mut self) -> Option<Arc<str>> {
        let place = usize::try_from(self.number()?).ok()?;
        if place == self.names.len() {
            let name: Arc<str> = self.text()?.into();
            self.names.push(name);
        }
        self.names.get(place).cloned()
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        std::str::from_utf8(text).ok()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// Bytes as one block, not one by one.
pub(crate) struct Block(pub(crate) Vec<u8>);

impl serde::Serialize for Block {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Block {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Block;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Block, E> {
                Ok(Block(bytes.to_vec()))
            }
            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Block, E> {
                Ok(Block(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (any::<i64>(), 0_u8..10).prop_map(|(units, scale)| Value::from(Decimal::from_units(units, scale))),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("[a-c]{1,2}", inner), 0..6).prop_map(Value::object::<String, Value>),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn values_are_read_back(mut written in prop::collection::vec(values(), 1..5)) {
            // Some of them hold another.
            let first = written[0].clone();
            written.push(Value::array([first.clone(), first]));
            let mut writer = Writer::default();
            for (index, value) in written.iter().enumerate() {
                prop_assert_eq!(writer.hold(value) as usize, index);
            }
            let read = read(&writer.into_bytes().expect("bytes")).expect("values");
            prop_assert_eq!(read.iter().map(Value::to_string).collect::<Vec<_>>(), written.iter().map(Value::to_string).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_too_deep_is_not_written(more in 0_usize..3) {
            let mut value = Value::from(1);
            for _ in 0..DEPTH_MAX - 1 + more {
                value = Value::array([value]);
            }
            let mut writer = Writer::default();
            writer.hold(&value);
            let written = writer.into_bytes();
            prop_assert_eq!(written.is_some(), more <= 1);
            prop_assert!(written.is_none_or(|bytes| read(&bytes) == Some(vec![value])));
        }

        #[test]
        fn other_bytes_are_refused_or_read_but_never_panic(bytes in prop::collection::vec(0_u8..16, 0..64)) {
            let _ = read(&bytes);
        }
    }
}
