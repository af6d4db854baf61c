//! The values of a state as bytes, in parts: a list, object or text that is not small is a part of its own, which is written
//! once for as long as the run holds it. A step that changes one member of its context writes that object anew, but not the
//! order lines within it, and what several tasks hold is there once.
//!
//! One byte says what follows; counts and whole numbers are variable-length. A part is named by its number; parts within it
//! have smaller numbers.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Decimal, Number, Object, Value};

/// Deepest nesting that is read back.
const DEPTH_MAX: usize = 512;
/// What takes as many bytes or more is a part of its own.
const PART_MIN: usize = 1_024;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INTEGER: u8 = 3;
const DECIMAL: u8 = 4;
const STRING: u8 = 5;
const ARRAY: u8 = 6;
const OBJECT: u8 = 7;
const PART: u8 = 8;

/// The parts of a run's state that are stored, by the address of what they hold.
#[derive(Debug, Default)]
pub struct Parts {
    known: HashMap<usize, Part, foldhash::fast::RandomState>,
    /// The number of the last part.
    last: u32,
    /// Addresses of those that the state itself names.
    named: Vec<usize>,
}

#[derive(Debug)]
struct Part {
    number: u32,
    /// Held, so that nothing else can get its address.
    #[expect(dead_code, reason = "holding it is what it is for")]
    value: Value,
    /// Addresses of the parts that it names.
    named: Box<[usize]>,
    /// How deep it is nested.
    height: usize,
    /// How many parts name it, and the state itself.
    holders: u32,
}

impl Parts {
    fn hold(&mut self, addresses: &[usize]) {
        for address in addresses {
            if let Some(part) = self.known.get_mut(address) {
                part.holders += 1;
            }
        }
    }

    /// Gives parts up and tells the numbers of those that nothing holds any more.
    fn give_up(&mut self, mut addresses: Vec<usize>) -> Vec<u32> {
        let mut removed = Vec::new();
        while let Some(address) = addresses.pop() {
            let Some(part) = self.known.get_mut(&address) else { continue };
            part.holders = part.holders.saturating_sub(1);
            if part.holders == 0
                && let Some(part) = self.known.remove(&address)
            {
                removed.push(part.number);
                addresses.extend(part.named);
            }
        }
        removed.sort_unstable();
        removed
    }
}

fn each_once(mut addresses: Vec<usize>) -> Vec<usize> {
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// What there is to store after a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredState {
    /// The state, which names its parts.
    pub state: Vec<u8>,
    /// Parts that are new, with their numbers.
    pub added: Vec<(u32, Vec<u8>)>,
    /// Parts that the state does not have any more.
    pub removed: Vec<u32>,
}

/// Writes the values of a state.
pub(crate) struct Writer<'a> {
    parts: &'a mut Parts,
    bytes: Vec<u8>,
    added: Vec<(u32, Vec<u8>)>,
    /// Addresses of the parts that what is being written names.
    named: Vec<usize>,
    count: u32,
    too_deep: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(parts: &'a mut Parts) -> Self {
        Self { parts, bytes: Vec::new(), added: Vec::new(), named: Vec::new(), count: 0, too_deep: false }
    }

    /// Writes a value and gives its number.
    pub(crate) fn hold(&mut self, value: &Value) -> u32 {
        self.value(value, 0);
        self.count += 1;
        self.count - 1
    }

    /// The values, with the parts that are new and those that are gone; `None` when a value is nested so deep that it could
    /// not be read back.
    pub(crate) fn finish(self) -> Option<StoredState> {
        if self.too_deep {
            return None;
        }
        let named = each_once(self.named);
        self.parts.hold(&named);
        let before = std::mem::replace(&mut self.parts.named, named);
        let removed = self.parts.give_up(before);
        Some(StoredState { state: self.bytes, added: self.added, removed })
    }

    /// Writes a value at a depth and gives how deep it is nested itself.
    fn value(&mut self, value: &Value, depth: usize) -> usize {
        if depth > DEPTH_MAX {
            self.too_deep = true;
            return 0;
        }
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
            Value::String(text) if text.len() < PART_MIN => {
                self.bytes.push(STRING);
                self.text(text);
            }
            Value::String(text) => {
                return self.container(text.as_ptr() as usize, value, depth, |writer| {
                    writer.bytes.push(STRING);
                    writer.text(text);
                    0
                });
            }
            Value::Array(items) => {
                return self.container(Arc::as_ptr(items) as usize, value, depth, |writer| {
                    writer.bytes.push(ARRAY);
                    writer.number(items.len() as u64);
                    let heights = items.iter().map(|item| writer.value(item, depth + 1));
                    heights.max().map_or(0, |height| height + 1)
                });
            }
            Value::Object(members) => {
                return self.container(Arc::as_ptr(members) as usize, value, depth, |writer| {
                    writer.bytes.push(OBJECT);
                    writer.number(members.len() as u64);
                    let heights = members.iter().map(|(name, member)| {
                        writer.text(name);
                        writer.value(member, depth + 1)
                    });
                    heights.max().map_or(0, |height| height + 1)
                });
            }
        }
        0
    }

    /// Names a part that is known, or writes what may become one.
    fn container(
        &mut self,
        address: usize,
        value: &Value,
        depth: usize,
        write: impl FnOnce(&mut Self) -> usize,
    ) -> usize {
        if let Some(part) = self.parts.known.get(&address) {
            let (number, height) = (part.number, part.height);
            self.too_deep |= depth + height > DEPTH_MAX;
            self.name(number, address);
            return height;
        }
        let (begun, named) = (self.bytes.len(), self.named.len());
        let height = write(self);
        if self.bytes.len() - begun >= PART_MIN {
            let (bytes, named) = (self.bytes.split_off(begun), each_once(self.named.split_off(named)));
            self.parts.hold(&named);
            self.parts.last += 1;
            let number = self.parts.last;
            let part = Part { number, value: value.clone(), named: named.into(), height, holders: 0 };
            self.parts.known.insert(address, part);
            self.added.push((number, bytes));
            self.name(number, address);
        }
        height
    }

    fn name(&mut self, number: u32, address: usize) {
        self.bytes.push(PART);
        self.number(u64::from(number));
        self.named.push(address);
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

/// Reads the values of a state and the parts that they name; `None` when the bytes were not written by this.
pub(crate) fn read<'a>(bytes: &[u8], parts: impl IntoIterator<Item = (u32, &'a [u8])>) -> Option<(Vec<Value>, Parts)> {
    let mut ordered: Vec<(u32, &[u8])> = parts.into_iter().collect();
    ordered.sort_unstable_by_key(|(number, _)| *number);
    let mut library = Library { values: HashMap::default(), names: HashMap::default() };
    let mut known = Parts::default();
    for (number, bytes) in ordered {
        let mut reader = Reader { bytes, library: &mut library, named: Vec::new() };
        let (value, height) = reader.value(0)?;
        if !reader.bytes.is_empty() {
            return None;
        }
        let named = each_once(reader.named);
        let address = address(&value)?;
        library.values.insert(number, (value.clone(), address, height));
        known.hold(&named);
        known.known.insert(address, Part { number, value, named: named.into(), height, holders: 0 });
        known.last = known.last.max(number);
    }
    let mut reader = Reader { bytes, library: &mut library, named: Vec::new() };
    let mut values = Vec::new();
    while !reader.bytes.is_empty() {
        values.push(reader.value(0)?.0);
    }
    known.named = each_once(reader.named);
    let named = known.named.clone();
    known.hold(&named);
    Some((values, known))
}

/// Where a list, object or text is.
fn address(value: &Value) -> Option<usize> {
    match value {
        Value::Array(items) => Some(Arc::as_ptr(items) as usize),
        Value::Object(members) => Some(Arc::as_ptr(members) as usize),
        Value::String(text) => Some(text.as_ptr() as usize),
        _ => None,
    }
}

/// What was read so far.
struct Library {
    values: HashMap<u32, (Value, usize, usize), foldhash::fast::RandomState>,
    /// Each name is in memory once.
    names: HashMap<Box<str>, Arc<str>, foldhash::fast::RandomState>,
}

struct Reader<'a> {
    bytes: &'a [u8],
    library: &'a mut Library,
    named: Vec<usize>,
}

impl<'a> Reader<'a> {
    /// The next value and how deep it is nested.
    fn value(&mut self, depth: usize) -> Option<(Value, usize)> {
        if depth > DEPTH_MAX {
            return None;
        }
        let (tag, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        let plain = match *tag {
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
                let (mut items, mut height) = (Vec::with_capacity(count), 0);
                for _ in 0..count {
                    let (item, own) = self.value(depth + 1)?;
                    items.push(item);
                    height = height.max(own + 1);
                }
                return Some((Value::from(items), height));
            }
            OBJECT => {
                let count = self.count()?;
                let mut members = Object::with_capacity(count);
                let mut height = 0;
                for _ in 0..count {
                    let name = self.name()?;
                    let (member, own) = self.value(depth + 1)?;
                    members.insert(name.into(), member);
                    height = height.max(own + 1);
                }
                return Some((Value::from(members), height));
            }
            PART => {
                let number = u32::try_from(self.number()?).ok()?;
                let (value, address, height) = self.library.values.get(&number)?;
                self.named.push(*address);
                return (depth + height <= DEPTH_MAX).then(|| (value.clone(), *height));
            }
            _ => return None,
        };
        Some((plain, 0))
    }

    /// A count of things, of which each takes at least a byte.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= self.bytes.len())
    }

    fn name(&mut self) -> Option<Arc<str>> {
        let text = self.text()?;
        if let Some(name) = self.library.names.get(text) {
            return Some(Arc::clone(name));
        }
        let name: Arc<str> = text.into();
        self.library.names.insert(text.into(), Arc::clone(&name));
        Some(name)
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
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (any::<i64>(), 0_u8..10).prop_map(|(units, scale)| Value::from(Decimal::from_units(units, scale))),
            ".{0,12}".prop_map(Value::from),
            (PART_MIN - 5..PART_MIN + 5).prop_map(|length| Value::from("x".repeat(length))),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("[a-c]{1,2}", inner), 0..6).prop_map(Value::object::<String, Value>),
            ]
        })
    }

    /// What a store keeps.
    #[derive(Default)]
    struct Kept {
        state: Vec<u8>,
        parts: BTreeMap<u32, Vec<u8>>,
    }

    impl Kept {
        fn write(&mut self, parts: &mut Parts, values: &[Value]) -> usize {
            let mut writer = Writer::new(parts);
            for (index, value) in values.iter().enumerate() {
                assert_eq!(writer.hold(value) as usize, index);
            }
            let StoredState { state, added, removed } = writer.finish().expect("not too deep");
            let size = state.len() + added.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            self.state = state;
            for (number, bytes) in added {
                assert!(self.parts.insert(number, bytes).is_none(), "a number is given once");
            }
            for number in removed {
                assert!(self.parts.remove(&number).is_some(), "what is removed was there");
            }
            size
        }

        fn read(&self) -> (Vec<Value>, Parts) {
            read(&self.state, self.parts.iter().map(|(number, bytes)| (*number, &**bytes))).expect("values")
        }
    }

    fn texts(values: &[Value]) -> Vec<String> {
        values.iter().map(Value::to_string).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_changes_from_step_to_step_is_read_back(
            steps in prop::collection::vec(prop::collection::vec(values(), 1..4), 1..5),
            kept in any::<prop::sample::Index>(),
            restarts in any::<u8>(),
        ) {
            let (mut store, mut parts) = (Kept::default(), Parts::default());
            let mut earlier: Vec<Value> = Vec::new();
            for (number, mut state) in steps.into_iter().enumerate() {
                // Some of it holds what the state had before, and itself twice.
                if !earlier.is_empty() {
                    let held = earlier[kept.index(earlier.len())].clone();
                    state.push(Value::object([("held", held.clone()), ("again", Value::array([held.clone(), held]))]));
                }
                store.write(&mut parts, &state);
                let (read, fresh) = store.read();
                prop_assert_eq!(texts(&read), texts(&state));
                prop_assert_eq!(store.write(&mut parts, &state), store.state.len(), "nothing is written twice");
                earlier = state;
                if restarts & (1 << number) != 0 {
                    parts = fresh;
                    earlier = read;
                    let (again, _) = store.read();
                    prop_assert_eq!(store.write(&mut parts, &earlier), store.state.len(), "nor after a restart");
                    prop_assert_eq!(texts(&again), texts(&earlier));
                }
            }
            store.write(&mut parts, &[]);
            prop_assert!(store.parts.is_empty(), "what nothing holds is gone");
        }

        #[test]
        fn what_is_too_deep_is_not_written(more in 0_usize..3, wide in any::<bool>()) {
            let mut value = if wide { Value::from("x".repeat(PART_MIN)) } else { Value::array([1]) };
            for _ in 0..DEPTH_MAX - 1 + more {
                value = Value::array([value]);
            }
            if wide {
                value = Value::array([value]);
            }
            let mut parts = Parts::default();
            let mut writer = Writer::new(&mut parts);
            writer.hold(&value);
            prop_assert_eq!(writer.finish().is_some(), more == 0);
        }

        #[test]
        fn other_bytes_are_refused_or_read_but_never_panic(
            bytes in prop::collection::vec(0_u8..16, 0..64),
            part in prop::collection::vec(0_u8..16, 0..64),
        ) {
            let _ = read(&bytes, [(1, &*part), (2, &*part)]);
        }
    }

    #[test]
    fn depth_does_not_grow_unseen_from_step_to_step() {
        for every in [1, 3, 64] {
            let (mut store, mut parts) = (Kept::default(), Parts::default());
            let mut value = Value::from("x".repeat(PART_MIN));
            for depth in 1..=DEPTH_MAX + 2 * every {
                value = Value::array([value, Value::from("y".repeat(PART_MIN))]);
                if depth % every != 0 {
                    continue;
                }
                let mut writer = Writer::new(&mut parts);
                writer.hold(&value);
                let fits = writer.finish();
                assert_eq!(fits.is_some(), depth <= DEPTH_MAX, "{depth}");
                let Some(StoredState { state, added, removed }) = fits else { break };
                store.state = state;
                store.parts.extend(added);
                removed.iter().for_each(|number| drop(store.parts.remove(number)));
            }
            assert!(!store.state.is_empty() && !store.read().0.is_empty());
        }
    }
}
