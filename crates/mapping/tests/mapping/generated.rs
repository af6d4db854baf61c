//! There and back over mappings that are made up themselves: every kind of cell, flat, nested and in lists of lists, with the
//! record as text in between, as it is on a wire.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use mapping::{CurrencySource, FieldDefinition, Kind, ListDefinition, Otherwise, TableDefinition, TooLong, ValueMap};
use model::{Decimal, Value, json};
use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;

use crate::{fields, list, mapping, path, plain};

/// Currencies of 0, 2 and 3 decimals.
const CURRENCIES: [(&str, u8); 4] = [("JPY", 0), ("GBP", 2), ("EUR", 2), ("KWD", 3)];
const CODES: [(&str, &str); 4] = [("United Kingdom", "GB"), ("Ireland", "IE"), ("010", "DE"), ("NO", "no")];

/// What a made-up cell holds.
#[derive(Debug, Clone)]
enum Holds {
    AnyThing,
    Text(Option<usize>, TooLong),
    Code(bool),
    Integer,
    Decimal,
    Truth,
    Date,
    Instant,
    /// In one currency, whose field is the cell's own, or no field at all.
    Money(usize, bool),
}

/// A made-up table.
#[derive(Debug, Clone)]
struct Shape {
    /// What each cell holds, whether it stands in an object, on either side, and whether its field is required.
    cells: Vec<(Holds, bool, bool, bool)>,
    lists: Vec<Shape>,
}

fn holds() -> impl Strategy<Value = Holds> {
    let too_long = prop_oneof![Just(TooLong::Cut), Just(TooLong::Refuse)];
    prop_oneof![
        Just(Holds::AnyThing),
        (prop::option::of(1usize..12), too_long).prop_map(|(length, too_long)| Holds::Text(length, too_long)),
        any::<bool>().prop_map(Holds::Code),
        Just(Holds::Integer),
        Just(Holds::Decimal),
        Just(Holds::Truth),
        Just(Holds::Date),
        Just(Holds::Instant),
        (0..CURRENCIES.len(), any::<bool>()).prop_map(|(currency, constant)| Holds::Money(currency, constant)),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let cells = || prop::collection::vec((holds(), any::<bool>(), any::<bool>(), any::<bool>()), 1..7);
    let flat = cells().prop_map(|cells| Shape { cells, lists: Vec::new() });
    flat.prop_recursive(2, 6, 2, move |inner| {
        (cells(), prop::collection::vec(inner, 0..3)).prop_map(|(cells, lists)| Shape { cells, lists })
    })
}

/// The canonical member of a cell, and what it is below.
fn member(index: usize, nested: bool) -> String {
    if nested { format!("inner.m{index}") } else { format!("m{index}") }
}

fn table(shape: &Shape) -> TableDefinition {
    let cells = shape.cells.iter().enumerate().map(|(index, (holds, here, there, required))| {
        let record = if *there { format!("Related.F{index}") } else { format!("F{index}") };
        let cell = FieldDefinition { required: *required, ..plain(&member(index, *here), &record) };
        match holds {
            Holds::AnyThing => cell,
            Holds::Text(length, too_long) => {
                FieldDefinition { kind: Kind::Text, length: *length, too_long: *too_long, ..cell }
            }
            Holds::Code(keep) => {
                let otherwise = if *keep { Otherwise::Keep } else { Otherwise::Refuse };
                let pairs = CODES.map(|(record, canonical)| (Arc::from(record), Value::from(canonical)));
                FieldDefinition { values: Some(Arc::new(ValueMap::new("codes", pairs, otherwise))), ..cell }
            }
            Holds::Integer => FieldDefinition { kind: Kind::Integer, ..cell },
            Holds::Decimal => FieldDefinition { kind: Kind::Decimal, ..cell },
            Holds::Truth => FieldDefinition { kind: Kind::Boolean, ..cell },
            Holds::Date => FieldDefinition { kind: Kind::Date, ..cell },
            Holds::Instant => FieldDefinition { kind: Kind::Instant, ..cell },
            Holds::Money(currency, constant) => {
                let source = match constant {
                    true => CurrencySource::Constant(CURRENCIES[*currency].0.parse().expect("a currency")),
                    false => CurrencySource::Field(path(&format!("Currencies.F{index}"))),
                };
                FieldDefinition { kind: Kind::Money(source), ..cell }
            }
        }
    });
    let lists: Vec<ListDefinition> = shape
        .lists
        .iter()
        .enumerate()
        .map(|(index, inner)| list(&format!("list{index}"), &format!("to_List{index}"), table(inner)))
        .collect();
    TableDefinition { lists, ..fields(cells.collect::<Vec<_>>()) }
}

/// What a cell may hold so that it comes back as it was.
fn held(holds: &Holds) -> BoxedStrategy<Value> {
    let decimal =
        |most: u8| (any::<i64>(), 0..=most).prop_map(|(units, scale)| Value::from(Decimal::from_units(units, scale)));
    match holds {
        Holds::AnyThing => prop_oneof![".{1,8}".prop_map(Value::from), decimal(9), Just(Value::array([1, 2]))].boxed(),
        Holds::Text(length, _) => {
            let longest = length.unwrap_or(20);
            prop::collection::vec(any::<char>(), 1..=longest)
                .prop_map(|text| Value::from(text.into_iter().collect::<String>()))
                .boxed()
        }
        Holds::Code(_) => prop::sample::select(CODES.map(|(_, canonical)| Value::from(canonical)).to_vec()).boxed(),
        Holds::Integer => any::<i64>().prop_map(Value::from).boxed(),
        Holds::Decimal => decimal(18).boxed(),
        Holds::Truth => any::<bool>().prop_map(Value::from).boxed(),
        Holds::Date => (1i16..=9999, 1i8..=12, 1i8..=28)
            .prop_map(|(year, month, day)| Value::from(jiff::civil::date(year, month, day).to_string()))
            .boxed(),
        Holds::Instant => instant().prop_map(|instant| Value::from(instant.to_string())).boxed(),
        Holds::Money(currency, _) => {
            let (currency, decimals) = CURRENCIES[*currency];
            any::<i64>()
                .prop_map(move |units| {
                    let amount = Value::from(Decimal::from_units(units, decimals));
                    Value::object([("amount", amount), ("currency", Value::from(currency))])
                })
                .boxed()
        }
    }
}

fn instant() -> impl Strategy<Value = Timestamp> {
    // From the year 1 to 9999, to the nanosecond.
    (-62_000_000_000i64..253_000_000_000, 0i32..1_000_000_000)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).expect("in range"))
}

/// An object of the shape; what is not required may be `null`.
fn object(shape: &Shape) -> BoxedStrategy<Value> {
    let cells: Vec<BoxedStrategy<Value>> = shape
        .cells
        .iter()
        .map(|(holds, _, _, required)| match required {
            true => held(holds),
            false => prop_oneof![1 => Just(Value::Null), 4 => held(holds)].boxed(),
        })
        .collect();
    let lists: Vec<_> = shape.lists.iter().map(|inner| prop::collection::vec(object(inner), 0..4)).collect();
    let places: Vec<(usize, bool)> = shape.cells.iter().enumerate().map(|(at, (_, here, _, _))| (at, *here)).collect();
    (cells, lists)
        .prop_map(move |(cells, lists)| {
            let mut object = Value::empty_object();
            for ((index, nested), value) in places.iter().zip(cells) {
                path(&member(*index, *nested)).set(&mut object, value);
            }
            for (index, items) in lists.into_iter().enumerate() {
                object.set(format!("list{index}"), Value::from(items));
            }
            object
        })
        .boxed()
}

fn shape_and_object() -> impl Strategy<Value = (Shape, Value)> {
    shape().prop_flat_map(|shape| object(&shape).prop_map(move |object| (shape.clone(), object)))
}

/// What comes out on the other end of a wire.
fn sent(record: &Value) -> Value {
    json::parse(json::to_string(record).as_bytes()).expect("what was written as JSON is JSON")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_reads_the_same_with_any_mapping((shape, object) in shape_and_object()) {
        let mapping = mapping(table(&shape));
        let record = sent(&mapping.write(&object).expect("it fits"));
        let back = mapping.read(&record).expect("it fits");
        prop_assert_eq!(&back, &object);
        // To the last digit: 12.50 does not become 12.5.
        prop_assert_eq!(json::to_string(&sorted(&back)), json::to_string(&sorted(&object)));
        prop_assert_eq!(mapping.write(&back).expect("it fits").to_string(), mapping.write(&object).expect("it fits").to_string());
        prop_assert_eq!(mapping.both_ways(&object), object);
    }

    #[test]
    fn too_long_a_text_is_cut_once_or_refused_by_name(
        text in prop::collection::vec(any::<char>(), 1..30).prop_map(String::from_iter),
        length in 1usize..30,
    ) {
        let cell = |too_long| FieldDefinition { kind: Kind::Text, length: Some(length), too_long, ..plain("a", "X") };
        let object = Value::object([("a", text.as_str())]);
        let fits = text.chars().count() <= length;
        let cut = mapping(fields([cell(TooLong::Cut)]));
        let back = cut.read(&sent(&cut.write(&object).expect("it is cut"))).expect("it fits");
        prop_assert_eq!(back.get("a").as_str().expect("a text"), text.chars().take(length).collect::<String>());
        prop_assert_eq!(cut.read(&cut.write(&back).expect("it fits")).expect("it fits"), back);
        let told = format!("where {length} are allowed (for `X`)");
        match mapping(fields([cell(TooLong::Refuse)])).write(&object) {
            Ok(record) => prop_assert!(fits && record.get("X").as_str() == Some(&text)),
            Err(error) => prop_assert!(!fits && error.to_string().contains(&told)),
        }
    }

    #[test]
    fn an_instant_of_any_zone_is_the_same_instant(instant in instant(), minutes in -14i32 * 60..=14 * 60) {
        let zone = TimeZone::fixed(Offset::from_seconds(minutes * 60).expect("in range"));
        let there = instant.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string();
        let mapping = mapping(fields([FieldDefinition { kind: Kind::Instant, ..plain("at", "At") }]));
        let read = mapping.read(&Value::object([("At", there.as_str())])).expect("it is an instant");
        prop_assert_eq!(read.get("at").as_str(), Some(&*instant.to_string()), "{}", there);
        prop_assert_eq!(mapping.read(&sent(&mapping.write(&read).expect("it fits"))).expect("it fits"), read);
    }
}

/// Members in the order of their names: reading builds them in the order of the table.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::array(items.iter().map(sorted)),
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(name, member)| (name.clone(), sorted(member))).collect();
            members.sort_by(|(left, _), (right, _)| left.cmp(right));
            Value::object(members)
        }
        other => other.clone(),
    }
}
