//! What people read when data does not fit.

use mapping::{FieldDefinition, Kind, Otherwise, TableDefinition};

use crate::{countries, fields, list, mapping, plain, value};

fn table() -> TableDefinition {
    let mut table = fields([
        FieldDefinition { values: countries(Otherwise::Refuse), ..plain("customer.country", "BillingCountry") },
        FieldDefinition { kind: Kind::Date, ..plain("on", "OrderDate") },
    ]);
    let lines = fields([FieldDefinition { kind: Kind::Decimal, required: true, ..plain("quantity", "Quantity") }]);
    table.lists = vec![list("lines", "to_Item", lines)];
    table
}

#[test]
fn all_cells_are_told_at_once() {
    let record = value(
        r#"{"BillingCountry":"Freedonia","OrderDate":"yesterday","to_Item":[{"Quantity":1},{},{"Quantity":"two"},3]}"#,
    );
    let error = mapping(table()).read(&record).expect_err("does not fit");
    assert_eq!(
        error.to_string(),
        "the record cannot be read with the mapping order.erp: `BillingCountry` is \"Freedonia\": the value map `countries` \
         does not know it (for `customer.country`); `OrderDate` is \"yesterday\": a date such as 2026-11-23 is wanted (for `on`); \
         `to_Item[1].Quantity` is empty: it is required (for `lines[1].quantity`); `to_Item[2].Quantity` is \"two\": a number is \
         wanted (for `lines[2].quantity`); `to_Item[3]` is 3: a record is wanted (for `lines[3]`)"
    );
    let error = mapping(table()).write(&value(r#"{"customer":"x","lines":1}"#)).expect_err("does not fit");
    assert_eq!(
        error.to_string(),
        "the record cannot be written with the mapping order.erp: `customer.country` is \"x\": an object is wanted on the way \
         to this member (for `BillingCountry`); `lines` is 1: a list is wanted (for `to_Item`)"
    );
}

#[test]
fn values_that_no_map_knows_are_told_as_data() {
    let error = mapping(table()).read(&value(r#"{"BillingCountry":"Freedonia","OrderDate":"yesterday"}"#));
    let told = r#"[{"map":"countries","value":"Freedonia","member":"customer.country","field":"BillingCountry","direction":"read"}]"#;
    assert_eq!(error.expect_err("does not fit").unmapped().to_string(), told);
    let error = mapping(table()).write(&value(r#"{"customer":{"country":7}}"#)).expect_err("does not fit");
    let told =
        r#"[{"map":"countries","value":7,"member":"customer.country","field":"BillingCountry","direction":"write"}]"#;
    assert_eq!(error.unmapped().to_string(), told);
    // What could not stand in a map is no value of one.
    for record in [r#"{"OrderDate":"yesterday"}"#, r#"{"BillingCountry":["x"]}"#] {
        let error = mapping(table()).read(&value(record)).expect_err("does not fit");
        assert!(error.unmapped().is_null() && error.cells[0].unmapped.is_none());
    }
}

#[test]
fn long_values_and_many_errors_are_cut_short() {
    let items = vec![format!(r#"{{"Quantity":"{}"}}"#, "x".repeat(500)); 80].join(",");
    let error = mapping(table()).read(&value(&format!(r#"{{"to_Item":[{items}]}}"#))).expect_err("does not fit");
    assert_eq!((error.cells.len(), error.more), (50, 30));
    assert_eq!(error.cells[0].value.chars().count(), 63);
    assert!(error.to_string().ends_with("; and 30 more"));
}

#[test]
fn what_is_no_record_is_refused() {
    for text in ["null", "1", "[]", "\"x\""] {
        assert!(mapping(table()).read(&value(text)).is_err());
        let told = mapping(table()).write(&value(text)).expect_err("no object").to_string();
        assert!(told.contains("a canonical `order` is wanted"), "{told}");
    }
}
