//! Whole tables: nesting, lists, constants, absence, selection.

use mapping::{CurrencySource, Direction, FieldDefinition, Kind, Selected, TableDefinition};
use model::Value;

use crate::{definition, fields, jq, list, mapping, path, plain, value};

fn order() -> TableDefinition {
    let money = |canonical: &str, record: &str| FieldDefinition {
        kind: Kind::Money(CurrencySource::Field(path("Currency"))),
        ..plain(canonical, record)
    };
    let prices = fields([plain("kind", "ConditionType"), plain("rate", "Rate")]);
    let mut lines = fields([plain("product", "Material"), plain("quantity", "Quantity")]);
    lines.constants = vec![(path("Plant"), Value::from("1010"))];
    lines.lists = vec![list("prices", "to_Price", prices)];
    TableDefinition {
        fields: vec![
            plain("key", "PurchaseOrder"),
            FieldDefinition { direction: Direction::Read, ..plain("number", "SalesOrder") },
            plain("customer.number", "SoldTo"),
            plain("customer.name", "Partner.Name"),
            money("net", "Net"),
            money("tax", "Tax"),
        ],
        constants: vec![(path("Type"), Value::from("OR"))],
        lists: vec![list("lines", "to_Item", lines)],
    }
}

#[test]
fn a_record_becomes_a_canonical_object() {
    let record = value(
        r#"{"PurchaseOrder":"Q-1","SalesOrder":"4711","SoldTo":"17","Partner":{"Name":"Bank"},"Net":"10.50","Tax":2,"Currency":"GBP",
            "to_Item":{"results":[{"Material":"A","Quantity":2.0,"to_Price":[{"ConditionType":"PPR0","Rate":5.25}]},{"Material":"B"}]},"Else":1}"#,
    );
    assert_eq!(
        mapping(order()).read(&record).expect("fits").to_string(),
        concat!(
            r#"{"key":"Q-1","number":"4711","customer":{"number":"17","name":"Bank"},"net":{"amount":10.50,"currency":"GBP"},"#,
            r#""tax":{"amount":2,"currency":"GBP"},"lines":[{"product":"A","quantity":2.0,"prices":[{"kind":"PPR0","rate":5.25}]},"#,
            r#"{"product":"B","quantity":null,"prices":[]}]}"#
        )
    );
}

#[test]
fn what_is_missing_becomes_null() {
    let read = mapping(order()).read(&value(r#"{"Partner":null}"#)).expect("fits").to_string();
    let nothing =
        r#"{"key":null,"number":null,"customer":{"number":null,"name":null},"net":null,"tax":null,"lines":[]}"#;
    assert_eq!(read, nothing);
}

#[test]
fn only_what_is_there_is_written() {
    let mapping = mapping(order());
    let written = |canonical: &str| mapping.write(&value(canonical)).expect("fits").to_string();
    assert_eq!(written("{}"), r#"{"Type":"OR"}"#);
    assert_eq!(written(r#"{"key":null,"customer":{},"number":"1"}"#), r#"{"PurchaseOrder":null,"Type":"OR"}"#);
    assert_eq!(
        written(r#"{"customer":null,"net":null}"#),
        r#"{"SoldTo":null,"Partner":{"Name":null},"Net":null,"Type":"OR"}"#
    );
    assert_eq!(
        written(
            r#"{"net":{"amount":1.50,"currency":"EUR"},"tax":{"amount":0,"currency":"EUR"},"lines":[{"product":"A"}]}"#
        ),
        r#"{"Net":1.50,"Tax":0,"Currency":"EUR","to_Item":[{"Material":"A","Plant":"1010"}],"Type":"OR"}"#
    );
    assert_eq!(mapping.write_fields(&value(r#"{"key":"x"}"#)).expect("fits").to_string(), r#"{"PurchaseOrder":"x"}"#);
}

#[test]
fn lists_come_in_three_shapes() {
    let mapping = mapping(TableDefinition {
        lists: vec![list("lines", "Lines", fields([plain("product", "P")]))],
        ..Default::default()
    });
    for record in [
        r#"{"Lines":[{"P":1}]}"#,
        r#"{"Lines":{"results":[{"P":1}]}}"#,
        r#"{"Lines":{"totalSize":1,"records":[{"P":1}]}}"#,
    ] {
        assert_eq!(mapping.read(&value(record)).expect("fits").to_string(), r#"{"lines":[{"product":1}]}"#);
    }
    for record in ["{}", r#"{"Lines":null}"#] {
        assert_eq!(mapping.read(&value(record)).expect("fits").to_string(), r#"{"lines":[]}"#);
    }
    for record in [r#"{"Lines":1}"#, r#"{"Lines":{}}"#, r#"{"Lines":[1]}"#] {
        assert!(mapping.read(&value(record)).is_err(), "{record}");
    }
}

#[test]
fn a_selection_names_what_is_read() {
    let mut table = order();
    table.fields.push(FieldDefinition {
        record: None,
        read: jq("(.First // \"\") + .Account.Last"),
        ..plain("fullName", "unused")
    });
    table.fields.push(FieldDefinition { direction: Direction::Write, ..plain("note", "Note") });
    let selected = mapping(table).selection().clone();
    let names = |selected: &Selected| selected.fields.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(names(&selected), "PurchaseOrder SalesOrder SoldTo Partner.Name Net Currency Tax First Account.Last");
    assert_eq!(&*selected.children[0].0, "to_Item");
    assert_eq!(names(&selected.children[0].1), "Material Quantity");
    assert_eq!(names(&selected.children[0].1.children[0].1), "ConditionType Rate");
}

#[test]
fn every_cell_is_explained() {
    let explained: Vec<String> = mapping(order())
        .explain()
        .iter()
        .map(|cell| format!("{} {} {:?} {}", cell.canonical, cell.record, cell.direction, cell.rule))
        .collect();
    assert_eq!(explained[1], "number SalesOrder Read ");
    assert_eq!(explained[4], "net Net Both amount, currency in Currency");
    assert_eq!(explained[6], " Type Write always \"OR\"");
    assert_eq!(explained[7], "lines[] to_Item[] Both list");
    assert_eq!(explained[8], "lines[].product to_Item[].Material Both ");
    assert_eq!(explained[12], "lines[].prices[].kind to_Item[].to_Price[].ConditionType Both ");
}

#[test]
fn tables_that_cannot_work_are_refused() {
    let twice = fields([plain("a", "X"), plain("b", "X")]);
    let inside = fields([plain("a", "X"), plain("a.b", "Y")]);
    let no_way_back = fields([FieldDefinition { read: jq(".X"), ..plain("a", "X") }]);
    let no_field = fields([FieldDefinition { record: None, ..plain("a", "X") }]);
    let default = fields([FieldDefinition { kind: Kind::Date, default: Some(Value::from(1)), ..plain("a", "X") }]);
    let mut constant = fields([plain("a", "X")]);
    constant.constants.push((path("X"), Value::from(1)));
    for (table, message) in [
        (twice, "the record field `X` is written twice"),
        (inside, "`a.b` is read twice"),
        (no_way_back, "`read` is computed, but `write` does not say how to get back"),
        (no_field, "this cell names no record field"),
        (default, "the default does not fit the type: a date such as 2026-11-23 is wanted"),
        (constant, "the record field `X` is written by a cell too"),
    ] {
        let errors = mapping::Mapping::compile(&definition(table)).expect_err(message);
        assert_eq!(errors[0].message, message);
    }
}
