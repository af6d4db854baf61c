//! Single cells: types, value maps, lengths, jq, defaults.

use mapping::{Case, CurrencySource, Direction, FieldDefinition, Kind, Otherwise, TooLong};
use model::Value;

use crate::{countries, fields, jq, mapping, path, plain, value};

fn read(cell: FieldDefinition, record: &str) -> Result<String, String> {
    let read = mapping(fields([cell])).read(&value(record));
    read.map(|canonical| canonical.get("a").to_string()).map_err(|error| error.cells[0].rule.clone())
}

fn write(cell: FieldDefinition, canonical: &str) -> Result<String, String> {
    let written = mapping(fields([cell])).write(&value(canonical));
    written.map(|record| record.to_string()).map_err(|error| error.cells[0].rule.clone())
}

fn typed(kind: Kind) -> FieldDefinition {
    FieldDefinition { kind, ..plain("a", "X") }
}

#[test]
fn types_understand_what_systems_send() {
    for (kind, given, expected) in [
        (Kind::AsIs, r#"[1,{"b":2}]"#, r#"[1,{"b":2}]"#),
        (Kind::Text, "12.50", r#""12.50""#),
        (Kind::Text, "true", r#""true""#),
        (Kind::Text, r#""""#, r#""""#),
        (Kind::Number, r#""12.50""#, "12.50"),
        (Kind::Decimal, "0.10", "0.10"),
        (Kind::Integer, r#""0007""#, "7"),
        (Kind::Integer, "7.00", "7"),
        (Kind::Boolean, r#""false""#, "false"),
        (Kind::Date, r#""2026-11-23""#, r#""2026-11-23""#),
        (Kind::Date, r#""2026-11-23T00:00:00.000Z""#, r#""2026-11-23""#),
        (Kind::Instant, r#""2026-11-23T10:30:00+01:00""#, r#""2026-11-23T09:30:00Z""#),
        (Kind::Instant, r#""2026-11-23T09:30:00.1234567Z""#, r#""2026-11-23T09:30:00.1234567Z""#),
        (Kind::Date, r#""""#, "null"),
        (Kind::Integer, "null", "null"),
    ] {
        assert_eq!(
            read(typed(kind.clone()), &format!(r#"{{"X":{given}}}"#)).as_deref(),
            Ok(expected),
            "{kind:?} {given}"
        );
    }
    for (kind, given) in [
        (Kind::Text, "[]"),
        (Kind::Number, r#""12,50""#),
        (Kind::Integer, "7.01"),
        (Kind::Boolean, r#""X""#),
        (Kind::Boolean, "1"),
        (Kind::Date, r#""2026-02-30""#),
        (Kind::Date, r#""2026-11-23T09:30:00Z""#),
        (Kind::Date, r#""äöüäöüäöü""#),
        (Kind::Instant, r#""2026-11-23""#),
        (Kind::Instant, r#""2026-11-23T09:30:00""#),
    ] {
        assert!(read(typed(kind.clone()), &format!(r#"{{"X":{given}}}"#)).is_err(), "{kind:?} {given}");
    }
}

#[test]
fn amounts_have_a_currency() {
    let constant = || typed(Kind::Money(CurrencySource::Constant("GBP".parse().expect("a currency"))));
    let field = || typed(Kind::Money(CurrencySource::Field(path("Currency"))));
    assert_eq!(read(constant(), r#"{"X":"1.50"}"#).as_deref(), Ok(r#"{"amount":1.50,"currency":"GBP"}"#));
    assert_eq!(read(field(), r#"{"X":1,"Currency":"EUR"}"#).as_deref(), Ok(r#"{"amount":1,"currency":"EUR"}"#));
    assert!(read(field(), r#"{"X":1,"Currency":""}"#).expect_err("no currency").contains("`Currency`"));
    assert_eq!(write(constant(), r#"{"a":{"amount":1.50,"currency":"GBP"}}"#).as_deref(), Ok(r#"{"X":1.50}"#));
    let other = write(constant(), r#"{"a":{"amount":1,"currency":"EUR"}}"#);
    assert_eq!(other, Err("it is in EUR, but this field holds GBP".to_owned()));
    assert_eq!(write(field(), r#"{"a":{"amount":1,"currency":"EUR"}}"#).as_deref(), Ok(r#"{"X":1,"Currency":"EUR"}"#));
    assert!(write(field(), r#"{"a":12}"#).is_err());
    let both = mapping(fields([field(), FieldDefinition { canonical: path("b"), record: Some(path("Y")), ..field() }]));
    let mixed = both.write(&value(r#"{"a":{"amount":1,"currency":"EUR"},"b":{"amount":1,"currency":"GBP"}}"#));
    assert_eq!(mixed.expect_err("mixed").cells[0].rule, "another cell writes \"EUR\" to the same field");
}

#[test]
fn value_maps_go_both_ways() {
    let cell = |otherwise| FieldDefinition { values: countries(otherwise), ..plain("a", "X") };
    assert_eq!(read(cell(Otherwise::Refuse), r#"{"X":"Channel Islands"}"#).as_deref(), Ok(r#""GB""#));
    assert_eq!(write(cell(Otherwise::Refuse), r#"{"a":"GB"}"#).as_deref(), Ok(r#"{"X":"United Kingdom"}"#));
    assert_eq!(
        read(cell(Otherwise::Refuse), r#"{"X":"Untied Kingdom"}"#),
        Err("the value map `countries` does not know it (is `United Kingdom` meant?)".to_owned())
    );
    assert!(write(cell(Otherwise::Refuse), r#"{"a":"FR"}"#).is_err());
    assert_eq!(read(cell(Otherwise::Keep), r#"{"X":"France"}"#).as_deref(), Ok(r#""France""#));
    assert_eq!(write(cell(Otherwise::Keep), r#"{"a":"FR"}"#).as_deref(), Ok(r#"{"X":"FR"}"#));
    let other = || Otherwise::Value(Value::from("other"));
    assert_eq!(read(cell(other()), r#"{"X":"France"}"#).as_deref(), Ok(r#""other""#));
    assert_eq!(read(cell(other()), r#"{"X":null}"#).as_deref(), Ok("null"));
    assert!(write(cell(other()), r#"{"a":"other"}"#).is_err());
}

#[test]
fn texts_are_trimmed_and_bounded() {
    let cell = |too_long| FieldDefinition { trim: true, length: Some(3), too_long, ..plain("a", "X") };
    assert_eq!(read(cell(TooLong::Refuse), r#"{"X":"  äöü "}"#).as_deref(), Ok(r#""äöü""#));
    assert_eq!(write(cell(TooLong::Cut), r#"{"a":" äöüß "}"#).as_deref(), Ok(r#"{"X":"äöü"}"#));
    let refused = write(cell(TooLong::Refuse), r#"{"a":"äöüß"}"#);
    assert_eq!(refused, Err("it has 4 characters where 3 are allowed".to_owned()));
}

#[test]
fn texts_are_in_the_case_of_the_field() {
    let cell = |case| FieldDefinition { case: Some(case), length: Some(4), ..plain("a", "X") };
    assert_eq!(write(cell(Case::Upper), r#"{"a":"ls1ä"}"#).as_deref(), Ok(r#"{"X":"LS1Ä"}"#));
    assert_eq!(read(cell(Case::Lower), r#"{"X":"A@B"}"#).as_deref(), Ok(r#""a@b""#));
    assert_eq!(write(cell(Case::Upper), r#"{"a":7}"#).as_deref(), Ok(r#"{"X":7}"#), "a number has none");
    let refused = write(cell(Case::Upper), r#"{"a":"maß1"}"#);
    assert_eq!(refused, Err("it has 5 characters where 4 are allowed".to_owned()), "a capital may be longer");
}

#[test]
fn computed_cells_see_the_whole() {
    let cell =
        || FieldDefinition { read: jq(".X | ascii_downcase"), write: jq(".a | ascii_upcase"), ..plain("a", "X") };
    assert_eq!(read(cell(), r#"{"X":"ABC"}"#).as_deref(), Ok(r#""abc""#));
    assert_eq!(write(cell(), r#"{"a":"abc"}"#).as_deref(), Ok(r#"{"X":"ABC"}"#));
    // Nothing to compute from: nothing is written, and a null goes through.
    assert_eq!(write(cell(), "{}").as_deref(), Ok("{}"));
    assert_eq!(write(cell(), r#"{"a":null}"#).as_deref(), Ok(r#"{"X":null}"#));
    assert_eq!(read(cell(), "{}").as_deref(), Ok("null"));
    assert!(read(cell(), r#"{"X":1}"#).expect_err("no text").starts_with("the expression `.X | ascii_downcase` fails"));
    let from_others =
        FieldDefinition { write: jq(".first + \" \" + .last"), direction: Direction::Write, ..plain("a", "X") };
    assert_eq!(write(from_others, r#"{"first":"A","last":"B"}"#).as_deref(), Ok(r#"{"X":"A B"}"#));
}

#[test]
fn defaults_and_required() {
    let default = || FieldDefinition { default: Some(Value::from(1)), ..plain("a", "X") };
    assert_eq!(read(default(), "{}").as_deref(), Ok("1"));
    assert_eq!(write(default(), "{}").as_deref(), Ok("{}"));
    let required = || FieldDefinition { required: true, ..plain("a", "X") };
    assert_eq!(read(required(), r#"{"X":""}"#), Err("it is required".to_owned()));
    assert_eq!(write(required(), "{}"), Err("it is required".to_owned()));
    assert!(mapping(fields([required()])).read_partial(&value("{}")).is_ok());
    let both = || FieldDefinition { required: true, ..default() };
    assert_eq!(write(both(), r#"{"a":null}"#).as_deref(), Ok(r#"{"X":1}"#));
}
