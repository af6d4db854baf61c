//! Avro binary as the Pub/Sub API sends it, decoded straight into values by the event's own schema. Pure.
//!
//! Schemas are understood by the `apache-avro` crate; the bytes are read here, so that instants and dates become neutral
//! texts, doubles become exact decimals, and nothing is built that nobody looks at.

use std::collections::HashMap;
use std::sync::Arc;

use apache_avro::Schema;
use jiff::Timestamp;
use model::{Decimal, Number, Object, Value};

/// How deep types may be nested.
const DEPTH_MAX: usize = 32;

/// Why bytes or a schema are not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event is not understood: {0}")]
pub(crate) struct AvroError(pub(crate) String);

fn broken<T>(what: impl Into<String>) -> Result<T, AvroError> {
    Err(AvroError(what.into()))
}

/// What a `long` means; the schema's documentation says it, as in `Data:DateOnly:00N…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Plain,
    /// Milliseconds since 1970.
    Instant,
    /// Milliseconds since 1970 at midnight UTC.
    Date,
    /// Milliseconds since midnight.
    Time,
    /// Days since 1970.
    Days,
}

/// A type, made ready for decoding.
#[derive(Debug)]
pub(crate) enum Shape {
    Null,
    Boolean,
    /// `int` and `long` share an encoding.
    Integer(MeaningOf),
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<Arc<str>>),
    List(Box<Shape>),
    Map(Box<Shape>),
    Union(Vec<Shape>),
    Record(Vec<Field>),
}

/// Hides which meanings exist from the rest of the crate.
#[derive(Debug)]
pub(crate) struct MeaningOf(Meaning);

/// A field of a record, in the order of the schema.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Arc<str>,
    pub(crate) shape: Shape,
}

impl Shape {
    /// Reads a schema in its JSON form. Answers the record's name and its type.
    pub(crate) fn parse(schema: &str) -> Result<(String, Self), AvroError> {
        let schema =
            Schema::parse_str(schema).map_err(|error| AvroError(format!("its schema cannot be read: {error}")))?;
        let name = schema.name().map(|name| name.name().to_owned()).unwrap_or_default();
        let mut named = HashMap::new();
        collect_named(&schema, &mut named, 0)?;
        Ok((name, shape_of(&schema, &named, Meaning::Plain, 0)?))
    }

    /// The fields of a record, also inside a union with `null` or a plain text (`Name` is a text or a `PersonName`).
    pub(crate) fn fields(&self) -> Option<&[Field]> {
        match self {
            Self::Record(fields) => Some(fields),
            Self::Union(branches) => branches.iter().find_map(Self::fields),
            _ => None,
        }
    }
}

type Named<'a> = HashMap<String, &'a Schema>;

fn collect_named<'a>(schema: &'a Schema, named: &mut Named<'a>, depth: usize) -> Result<(), AvroError> {
    if depth > DEPTH_MAX {
        return broken("its schema is nested too deeply");
    }
    if !matches!(schema, Schema::Ref { .. })
        && let Some(name) = schema.name()
    {
        named.insert(name.fullname(None), schema);
    }
    match schema {
        Schema::Record(record) => {
            record.fields.iter().try_for_each(|field| collect_named(&field.schema, named, depth + 1))
        }
        Schema::Array(array) => collect_named(&array.items, named, depth + 1),
        Schema::Map(map) => collect_named(&map.types, named, depth + 1),
        Schema::Union(union) => union.variants().iter().try_for_each(|branch| collect_named(branch, named, depth + 1)),
        _ => Ok(()),
    }
}

fn shape_of(schema: &Schema, named: &Named<'_>, meaning: Meaning, depth: usize) -> Result<Shape, AvroError> {
    // Also ends types that contain themselves: an event has none.
    if depth > DEPTH_MAX {
        return broken("its schema is nested too deeply");
    }
    let deeper = |schema: &Schema, meaning: Meaning| shape_of(schema, named, meaning, depth + 1);
    Ok(match schema {
        Schema::Null => Shape::Null,
        Schema::Boolean => Shape::Boolean,
        Schema::Int | Schema::Long => Shape::Integer(MeaningOf(meaning)),
        Schema::TimestampMillis => Shape::Integer(MeaningOf(Meaning::Instant)),
        Schema::Date => Shape::Integer(MeaningOf(Meaning::Days)),
        Schema::TimeMillis => Shape::Integer(MeaningOf(Meaning::Time)),
        Schema::Float => Shape::Float,
        Schema::Double => Shape::Double,
        Schema::Bytes => Shape::Bytes,
        Schema::String => Shape::Text,
        Schema::Fixed(fixed) => Shape::Fixed(fixed.size),
        Schema::Enum(symbols) => Shape::Enum(symbols.symbols.iter().map(|symbol| Arc::from(symbol.as_str())).collect()),
        Schema::Array(array) => Shape::List(Box::new(deeper(&array.items, Meaning::Plain)?)),
        Schema::Map(map) => Shape::Map(Box::new(deeper(&map.types, Meaning::Plain)?)),
        Schema::Union(union) => {
            Shape::Union(union.variants().iter().map(|branch| deeper(branch, meaning)).collect::<Result<_, _>>()?)
        }
        Schema::Record(record) => {
            let field = |field: &apache_avro::schema::RecordField| {
                let meaning = field.doc.as_deref().map_or(Meaning::Plain, meaning_of);
                Ok(Field { name: field.name.as_str().into(), shape: deeper(&field.schema, meaning)? })
            };
            Shape::Record(record.fields.iter().map(field).collect::<Result<_, _>>()?)
        }
        Schema::Ref { name } => match named.get(&name.fullname(None)) {
            Some(schema) => deeper(schema, meaning)?,
            None => return broken(format!("its schema refers to an unknown type `{name}`")),
        },
        other => return broken(format!("its schema has a type that change events do not use: {other:?}")),
    })
}

/// `Data:DateTime:00N…`, `CreatedDate:DateTime`: the parts between colons name the vendor's type.
fn meaning_of(documentation: &str) -> Meaning {
    let mut parts = documentation.split(':');
    parts
        .find_map(|part| match part {
            "DateTime" => Some(Meaning::Instant),
            "DateOnly" => Some(Meaning::Date),
            "TimeOnly" => Some(Meaning::Time),
            _ => None,
        })
        .unwrap_or(Meaning::Plain)
}

/// Decodes a whole event: its bytes must hold exactly one value of this type.
pub(crate) fn decode(shape: &Shape, bytes: &[u8]) -> Result<Value, AvroError> {
    let mut reader = Reader { bytes, elements: 0 };
    let value = reader.value(shape)?;
    if !reader.bytes.is_empty() {
        return broken("bytes are left over behind its last field");
    }
    Ok(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// List and map items read so far. An item may take no bytes at all, so the input's length does not bound them.
    elements: usize,
}

/// Most items of lists and maps in one event.
const ELEMENTS_MAX: usize = 1_000_000;

impl<'a> Reader<'a> {
    fn value(&mut self, shape: &Shape) -> Result<Value, AvroError> {
        Ok(match shape {
            Shape::Null => Value::Null,
            Shape::Boolean => match self.take(1)? {
                [0] => Value::from(false),
                [1] => Value::from(true),
                _ => return broken("a boolean is neither 0 nor 1"),
            },
            Shape::Integer(meaning) => with_meaning(self.long()?, meaning.0),
            Shape::Float => {
                let bytes = self.take(4)?.try_into().map_err(|_| AvroError("it ends early".to_owned()))?;
                exact(format!("{:e}", f32::from_le_bytes(bytes)))
            }
            Shape::Double => {
                let bytes = self.take(8)?.try_into().map_err(|_| AvroError("it ends early".to_owned()))?;
                from_double(f64::from_le_bytes(bytes))
            }
            Shape::Bytes => {
                let length = self.length()?;
                hexadecimal(self.take(length)?)
            }
            Shape::Fixed(length) => hexadecimal(self.take(*length)?),
            Shape::Text => Value::from(self.text()?),
            Shape::Enum(symbols) => match usize::try_from(self.long()?).ok().and_then(|index| symbols.get(index)) {
                Some(symbol) => Value::from(Arc::clone(symbol)),
                None => return broken("it names a word that its type does not have"),
            },
            Shape::List(items) => {
                let mut list = Vec::new();
                while let Some(count) = self.block()? {
                    for _ in 0..count {
                        list.push(self.value(items)?);
                    }
                }
                Value::from(list)
            }
            Shape::Map(values) => {
                let mut members = Object::default();
                while let Some(count) = self.block()? {
                    for _ in 0..count {
                        let name = self.text()?.into();
                        let value = self.value(values)?;
                        members.insert(name, value);
                    }
                }
                Value::from(members)
            }
            Shape::Union(branches) => match usize::try_from(self.long()?).ok().and_then(|index| branches.get(index)) {
                Some(branch) => self.value(branch)?,
                None => return broken("it chooses a type that its union does not have"),
            },
            Shape::Record(fields) => {
                let mut members = Object::with_capacity(fields.len());
                for field in fields {
                    let value = self.value(&field.shape)?;
                    members.insert(Arc::clone(&field.name).into(), value);
                }
                Value::from(members)
            }
        })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], AvroError> {
        match self.bytes.split_at_checked(length) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => broken("it ends early"),
        }
    }

    /// A zigzag variable-length integer.
    fn long(&mut self) -> Result<i64, AvroError> {
        let mut bits = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take(1)? else { return broken("it ends early") };
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                #[expect(clippy::cast_possible_wrap, reason = "zigzag: the upper half stands for negative numbers")]
                return Ok(((bits >> 1) as i64) ^ -((bits & 1) as i64));
            }
        }
        broken("a number is longer than 64 bits")
    }

    fn length(&mut self) -> Result<usize, AvroError> {
        usize::try_from(self.long()?).map_err(|_| AvroError("a length is negative".to_owned()))
    }

    fn text(&mut self) -> Result<&'a str, AvroError> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| AvroError("a text is not UTF-8".to_owned()))
    }

    /// How many items follow; `None` behind the last block. A negative count is followed by the block's size in bytes.
    fn block(&mut self) -> Result<Option<usize>, AvroError> {
        let count = self.long()?;
        if count < 0 {
            self.length()?;
        }
        let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        self.elements = self.elements.saturating_add(count);
        if self.elements > ELEMENTS_MAX {
            return broken("a list is longer than any event's");
        }
        Ok((count > 0).then_some(count))
    }
}

fn with_meaning(number: i64, meaning: Meaning) -> Value {
    let instant = |millis: i64| Timestamp::from_millisecond(millis).ok();
    let date = |millis: i64| instant(millis).map(|instant| instant.strftime("%Y-%m-%d").to_string());
    let text = match meaning {
        Meaning::Plain => None,
        Meaning::Instant => instant(number).map(|instant| instant.to_string()),
        Meaning::Date => date(number),
        Meaning::Days => number.checked_mul(86_400_000).and_then(date),
        Meaning::Time => (0..86_400_000).contains(&number).then(|| {
            let seconds = number / 1000;
            format!("{:02}:{:02}:{:02}.{:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60, number % 1000)
        }),
    };
    text.map_or_else(|| Value::from(number), Value::from)
}

/// The shortest decimal that reads back as the same double: what a person typed, for amounts of up to 15 digits.
pub(crate) fn from_double(number: f64) -> Value {
    // 2^53: whole numbers up to here are exact.
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range, as just checked")]
        return Value::from(number as i64);
    }
    exact(format!("{number:e}"))
}

/// Not-a-number and the infinities have no decimal; no amount is one of them.
fn exact(text: String) -> Value {
    text.parse::<Decimal>().map_or(Value::Null, |decimal| Value::Number(Number::Decimal(decimal)))
}

fn hexadecimal(bytes: &[u8]) -> Value {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Value::from(text)
}
