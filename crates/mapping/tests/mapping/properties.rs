//! There and back is lossless, and no value makes a mapping panic.

use mapping::{CurrencySource, FieldDefinition, Kind, Mapping, Otherwise, TableDefinition, TooLong};
use model::{Decimal, Value};
use proptest::prelude::*;

use crate::{countries, fields, jq, list, mapping, path, plain};

fn typed(canonical: &str, record: &str, kind: Kind) -> FieldDefinition {
    FieldDefinition { kind, ..plain(canonical, record) }
}

fn everything() -> Mapping {
    let money = |canonical: &str, record: &str, currency: &str| {
        typed(canonical, record, Kind::Money(CurrencySource::Field(path(currency))))
    };
    let lines = TableDefinition {
        fields: vec![
            plain("product", "Material"),
            typed("quantity", "Quantity", Kind::Decimal),
            money("price", "Price.Amount", "Price.Currency"),
        ],
        lists: vec![list("notes", "to_Note", fields([typed("text", "Text", Kind::Text)]))],
        ..Default::default()
    };
    mapping(TableDefinition {
        fields: vec![
            plain("as", "AsIs"),
            typed("deep.text", "Text", Kind::Text),
            typed("deep.count", "Nested.Count", Kind::Integer),
            typed("deep.flag", "Nested.Flag", Kind::Boolean),
            typed("on", "On", Kind::Date),
            typed("at", "At", Kind::Instant),
            money("net", "Net", "Currency"),
            FieldDefinition { values: countries(Otherwise::Keep), ..plain("country", "Country") },
            FieldDefinition {
                read: jq(".Name | ascii_downcase"),
                write: jq(".name | ascii_upcase"),
                ..plain("name", "Name")
            },
            FieldDefinition { length: Some(5), too_long: TooLong::Cut, trim: true, ..plain("cut", "Cut") },
        ],
        constants: vec![(path("Kind.Code"), Value::from("OR"))],
        lists: vec![list("lines", "Lines", lines)],
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "AsIs", "Text", "Nested", "Count", "Flag", "On", "At", "Net", "Currency", "Country", "Name", "Cut", "Lines",
        "Material", "Quantity", "Price", "Amount", "to_Note", "results", "records", "as", "deep", "text", "count",
        "flag", "on", "at", "net", "country", "name", "cut", "lines", "product", "quantity", "price", "notes",
        "amount", "currency",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (any::<i64>(), 0u8..30).prop_map(|(units, scale)| Value::from(Decimal::from_units(units, scale))),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "GBP",
            "2026-11-23",
            "2026-11-23T00:00:00",
            "2026-11-23T09:30:00Z",
            "1e5",
            "true",
            "GB"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..10).prop_map(Value::object),
        ]
    })
}

fn decimal() -> impl Strategy<Value = Value> {
    (any::<i64>(), 0u8..10).prop_map(|(units, scale)| Value::from(Decimal::from_units(units, scale)))
}

fn money(currency: &'static str) -> impl Strategy<Value = Value> {
    decimal().prop_map(move |amount| Value::object([("amount", amount), ("currency", Value::from(currency))]))
}

fn line() -> impl Strategy<Value = Value> {
    (".{0,10}", decimal(), money("EUR"), prop::collection::vec(".{0,8}", 0..3)).prop_map(
        |(product, quantity, price, notes)| {
            let notes = notes.into_iter().map(|text| Value::object([("text", text)]));
            Value::object([
                ("product", Value::from(product)),
                ("quantity", quantity),
                ("price", price),
                ("notes", Value::array(notes)),
            ])
        },
    )
}

fn canonical() -> impl Strategy<Value = Value> {
    let deep = (".{0,20}", any::<i64>(), any::<bool>()).prop_map(|(text, count, flag)| {
        Value::object([("text", Value::from(text)), ("count", Value::from(count)), ("flag", Value::from(flag))])
    });
    let on = prop::sample::select(vec!["2026-11-23", "2024-02-29", "0001-01-01"]);
    let at = (0i64..4_000_000_000, 0i32..1_000_000_000)
        .prop_map(|(second, nanosecond)| jiff::Timestamp::new(second, nanosecond).expect("in range").to_string());
    let country = prop::sample::select(vec!["GB", "IE", "FR"]);
    let lines = prop::collection::vec(line(), 0..6);
    (decimal(), deep, on, at, money("GBP"), country, "[a-z ]{1,9}", "[a-z]{0,5}", lines).prop_map(
        |(as_is, deep, on, at, net, country, name, cut, lines)| {
            Value::object([
                ("as", as_is),
                ("deep", deep),
                ("on", Value::from(on)),
                ("at", Value::from(at)),
                ("net", net),
                ("country", Value::from(country)),
                ("name", Value::from(name)),
                ("cut", Value::from(cut)),
                ("lines", Value::from(lines)),
            ])
        },
    )
}

proptest! {
    #[test]
    fn there_and_back_loses_nothing(object in canonical()) {
        let mapping = everything();
        let record = mapping.write(&object).expect("fits");
        let back = mapping.read(&record).expect("fits");
        prop_assert_eq!(back.to_string(), object.to_string());
        prop_assert_eq!(mapping.write(&back).expect("fits").to_string(), record.to_string());
    }

    #[test]
    fn no_value_makes_it_panic(value in any_value()) {
        let mapping = everything();
        if let Ok(canonical) = mapping.read(&value) {
            // What could be read can be written, but for members that several cells share.
            let _ = mapping.write(&canonical);
        }
        if let Err(error) = mapping.write(&value) {
            prop_assert!(!error.cells.is_empty() && !error.to_string().is_empty());
        }
        let _ = mapping.read_partial(&value);
    }

    #[test]
    fn any_text_can_be_looked_at(text in ".{0,200}", marks in r#"[.|(){}\[\]"\\$#a-z ,;:]{0,60}"#) {
        let _ = mapping::uses(&text);
        let _ = mapping::uses(&marks);
    }
}
