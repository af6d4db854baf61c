//! What is written is read back the same, and values get the form of the REST API.

use super::*;
use proptest::prelude::*;

fn read_all(data: &[u8]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    read(data, |_, row| {
        rows.push(row.iter().map(str::to_owned).collect());
        Ok(())
    })
    .expect("CSV");
    rows
}

#[test]
fn values_stand_in_columns_as_the_vendor_reads_them() {
    let body = json::parse(
        br#"{"attributes":{"type":"Contact"},"LastName":" a","Amount__c":1234567.10,"Active__c":true,"Site":null,"Phone":"","Account":{"Key__c":"1"}}"#,
    )
    .expect("json");
    let wanted = [
        ("LastName", " a"),
        ("Amount__c", "1234567.10"),
        ("Active__c", "true"),
        ("Site", "#N/A"),
        ("Phone", "#N/A"),
        ("Account.Key__c", "1"),
    ];
    let columns = columns(&body).expect("columns");
    assert_eq!(columns.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>(), wanted);
}

#[test]
fn what_cannot_be_said_in_bulk_is_refused_with_what_to_do() {
    let code = |text: &str| columns(&json::parse(text.as_bytes()).expect("json")).expect_err("refused").code;
    assert_eq!(code(r##"{"Site":"#N/A"}"##), "bulk-text");
    assert_eq!(code(r#"{"Lines":[{"Name":"x"}]}"#), "bulk-children");
    assert_eq!(code(r#"{"Account":{"Owner":{"Key__c":"1"}}}"#), "bulk-parent");
    assert_eq!(code(r#"{"Account":{}}"#), "bulk-parent");
    assert_eq!(code(r#"{"Name,x":"1"}"#), "name");
    assert_eq!(code(&format!(r#"{{"Site":"{}"}}"#, "x".repeat(TEXT_MAX + 1))), "bulk-too-large");
    let long = "x".repeat(100_000);
    let body = (0..5).map(|number| format!(r#""F{number}":"{long}""#)).collect::<Vec<_>>().join(",");
    assert_eq!(code(&format!("{{{body}}}")), "bulk-too-large");
}

#[test]
fn results_become_records_as_the_rest_api_has_them() {
    let columns = [
        ("Id", "id"),
        ("NumberOfEmployees", "int"),
        ("Amount__c", "currency"),
        ("Large__c", "double"),
        ("IsActive", "boolean"),
        ("CreatedDate", "datetime"),
        ("Day__c", "date"),
        ("Site", "string"),
        ("Owner.Name", "string"),
        ("Parent.Name", "string"),
        ("Parent.Owner.Name", "string"),
    ]
    .map(|(name, vendor_type)| Column::new(name, vendor_type.into()));
    let row = StringRecord::from(vec![
        "001",
        "7",
        "250.50",
        "1.0E7",
        "false",
        "2026-11-23T10:00:00.000Z",
        "2026-11-23",
        "",
        "Ann",
        "",
        "",
    ]);
    let wanted = r#"{"Id":"001","NumberOfEmployees":7,"Amount__c":250.50,"Large__c":10000000,"IsActive":false,"CreatedDate":"2026-11-23T10:00:00Z","Day__c":"2026-11-23","Site":null,"Owner":{"Name":"Ann"},"Parent":null}"#;
    assert_eq!(record(&columns, &row).expect("a record").to_string(), wanted);
    let wrong = [Column::new("A", "int".into())];
    assert!(record(&wrong, &StringRecord::from(vec!["many"])).is_err());
}

proptest! {
    /// Quotes, commas, line breaks of all kinds, spaces outside and any letters.
    #[test]
    fn what_is_written_is_read_back(
        rows in prop::collection::vec(prop::collection::vec("[ ,\"\r\n\t;#N/A'éß漢😀a-z]{0,12}", 3), 0..20),
        one in prop::collection::vec(any::<String>(), 0..10),
    ) {
        let texts = |row: &Vec<String>| row.iter().map(|text| text.as_str().to_owned()).collect::<Vec<_>>();
        let data = write(&["A", "B", "C"], rows.iter().map(|row| row.iter().map(String::as_str).collect()));
        prop_assert_eq!(read_all(&data.expect("CSV")), rows.iter().map(texts).collect::<Vec<_>>());
        // A line of one empty column must not vanish.
        let data = write(&["A"], one.iter().map(|text| vec![text.as_str()]));
        prop_assert_eq!(read_all(&data.expect("CSV")), one.iter().map(|text| vec![text.clone()]).collect::<Vec<_>>());
    }

    #[test]
    fn any_value_of_a_field_survives_or_is_refused(text in any::<String>()) {
        let value = Value::from(text.as_str());
        match super::text("Site", &value) {
            Ok(column) => {
                let data = write(&["Site"], [vec![column.as_str()]]).expect("CSV");
                let read = read_all(&data);
                // The vendor reads its word for no value as none, and has no empty texts.
                let back = if read[0][0] == NOTHING { "" } else { &read[0][0] };
                prop_assert_eq!(back, text.as_str());
            }
            Err(error) => prop_assert!(text == NOTHING, "{}", error),
        }
    }

    #[test]
    fn numbers_keep_their_digits(units in any::<i64>(), scale in 0_u8..10) {
        let decimal = model::Decimal::from_units(units, scale);
        let text = super::text("A", &Value::from(decimal)).expect("a text");
        let column = Column::new("A", "currency".into());
        prop_assert_eq!(column.value(&text).expect("a number").to_string(), decimal.to_string());
    }

    #[test]
    fn no_data_panics(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let columns = [Column::new("A.B", "double".into()), Column::new("A", "boolean".into())];
        let _ = read(&data, |_, row| record(&columns, row).map(|_| ()));
    }
}
