//! Change events written by an independent Avro encoder, and bitmaps as the vendor's own clients read them.

use apache_avro::Schema;
use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;
use connect::{Change, ChangeKind};
use model::{Decimal, Value};
use proptest::prelude::*;

use super::*;
use crate::avro::{decode, from_double};

const SCHEMA: &str = r#"{"type":"record","name":"AccountChangeEvent","namespace":"com.sforce.eventbus","fields":[
  {"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[
    {"name":"entityName","type":"string"},
    {"name":"recordIds","type":{"type":"array","items":"string"}},
    {"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE","DELETE","UNDELETE","GAP_CREATE","GAP_UPDATE","GAP_DELETE","GAP_UNDELETE","GAP_OVERFLOW","SNAPSHOT"]}},
    {"name":"changeOrigin","type":"string"},
    {"name":"transactionKey","type":"string"},
    {"name":"sequenceNumber","type":"int"},
    {"name":"commitTimestamp","type":"long"},
    {"name":"commitNumber","type":"long"},
    {"name":"commitUser","type":"string"},
    {"name":"nulledFields","type":{"type":"array","items":"string"}},
    {"name":"diffFields","type":{"type":"array","items":"string"}},
    {"name":"changedFields","type":{"type":"array","items":"string"}}]}},
  {"name":"Name","type":["null","string",{"type":"record","name":"PersonName","fields":[
    {"name":"Salutation","type":["null","string"]},{"name":"FirstName","type":["null","string"]}]}],"doc":"Data:SwitchablePersonName"},
  {"name":"AnnualRevenue","type":["null","double"],"doc":"Data:Currency"},
  {"name":"BillingAddress","type":["null",{"type":"record","name":"Address","fields":[
    {"name":"Street","type":["null","string"]},{"name":"City","type":["null","string"]}]}],"doc":"Data:Address"},
  {"name":"ShippingAddress","type":["null","Address"],"doc":"Data:Address"},
  {"name":"LastModifiedDate","type":["null","long"],"doc":"Data:DateTime"},
  {"name":"SLAExpirationDate__c","type":["null","long"],"doc":"Data:DateOnly:00N000000000001"},
  {"name":"OpensAt__c","type":["null","long"],"doc":"Data:TimeOnly:00N000000000002"},
  {"name":"IsActive","type":["null","boolean"],"doc":"Data:Boolean"}]}"#;

fn some(index: u32, value: Datum) -> Datum {
    Datum::Union(index, Box::new(value))
}

fn null() -> Datum {
    some(0, Datum::Null)
}

fn text(text: &str) -> Datum {
    Datum::String(text.to_owned())
}

struct Event<'a> {
    kind: (u32, &'a str),
    ids: &'a [&'a str],
    origin: &'a str,
    nulled: &'a [&'a str],
    changed: &'a [&'a str],
    fields: Vec<(&'a str, Datum)>,
}

fn event(event: &Event<'_>) -> Vec<u8> {
    let schema = Schema::parse_str(SCHEMA).expect("a schema");
    let list = |texts: &[&str]| Datum::Array(texts.iter().map(|item| text(item)).collect());
    let header = Datum::Record(vec![
        ("entityName".into(), text("Account")),
        ("recordIds".into(), list(event.ids)),
        ("changeType".into(), Datum::Enum(event.kind.0, event.kind.1.into())),
        ("changeOrigin".into(), text(event.origin)),
        ("transactionKey".into(), text("0001")),
        ("sequenceNumber".into(), Datum::Int(1)),
        ("commitTimestamp".into(), Datum::Long(1_795_428_000_123)),
        ("commitNumber".into(), Datum::Long(9_007_199_254_740_993)),
        ("commitUser".into(), text("005000000000001AAA")),
        ("nulledFields".into(), list(event.nulled)),
        ("diffFields".into(), list(&[])),
        ("changedFields".into(), list(event.changed)),
    ]);
    let names = [
        "Name",
        "AnnualRevenue",
        "BillingAddress",
        "ShippingAddress",
        "LastModifiedDate",
        "SLAExpirationDate__c",
        "OpensAt__c",
        "IsActive",
    ];
    let mut members = vec![("ChangeEventHeader".to_owned(), header)];
    for name in names {
        let given = event.fields.iter().find(|(known, _)| *known == name);
        members.push((name.to_owned(), given.map_or_else(null, |(_, datum)| datum.clone())));
    }
    let writer = GenericDatumWriter::builder(&schema).build().expect("a writer");
    writer.write_value_to_vec(Datum::Record(members)).expect("an event")
}

fn read(bytes: &[u8]) -> Change {
    let (name, shape) = Shape::parse(SCHEMA).expect("a schema");
    let decoded = decode(&shape, bytes).expect("an event");
    change(&shape, &name, decoded, "event-1", "Interlock")
}

const UPDATE: Event<'static> = Event {
    kind: (1, "UPDATE"),
    ids: &["001000000000001AAA"],
    origin: "com/salesforce/api/rest/67.0;client=Interlock",
    nulled: &[],
    changed: &[],
    fields: Vec::new(),
};

#[test]
fn an_update_tells_changed_nulled_and_unchanged_fields_apart() {
    let address = Datum::Record(vec![("Street".into(), null()), ("City".into(), some(1, text("Leeds")))]);
    let change = read(&event(&Event {
        nulled: &["0x02"],
        changed: &["0x1E6", "3-0x02"],
        fields: vec![
            ("AnnualRevenue", some(1, Datum::Double(250_000.1))),
            ("BillingAddress", some(1, address)),
            ("LastModifiedDate", some(1, Datum::Long(1_795_428_000_000))),
            ("SLAExpirationDate__c", some(1, Datum::Long(1_795_392_000_000))),
            ("OpensAt__c", some(1, Datum::Long(37_845_000))),
            ("IsActive", some(1, Datum::Boolean(true))),
        ],
        ..UPDATE
    }));
    let changed: Vec<&str> = change.changed.iter().map(|name| &**name).collect();
    let wanted = [
        "Name",
        "AnnualRevenue",
        "LastModifiedDate",
        "SLAExpirationDate__c",
        "OpensAt__c",
        "IsActive",
        "BillingAddress.City",
    ];
    assert_eq!(changed, wanted);
    let values = r#"{"Name":null,"AnnualRevenue":250000.1,"LastModifiedDate":"2026-11-23T10:00:00Z","SLAExpirationDate__c":"2026-11-23","OpensAt__c":"10:30:45.000Z","IsActive":true,"BillingAddress":{"City":"Leeds"}}"#;
    assert_eq!(change.values.to_string(), values);
    assert!(change.ours);
    assert_eq!((change.kind, &*change.record, change.ids.len()), (ChangeKind::Updated, "Account", 1));
    assert_eq!(change.at.to_string(), "2026-11-23T10:00:00.123Z");
}

#[test]
fn parts_of_names_and_addresses_become_empty() {
    let name = Datum::Record(vec![("Salutation".into(), null()), ("FirstName".into(), some(1, text("Ada")))]);
    let change = read(&event(&Event {
        changed: &["1-0x2", "4-0x3"],
        nulled: &["4-0X1"],
        fields: vec![("Name", some(2, name))],
        origin: "com/salesforce/api/rest/67.0;client=Interlock2",
        ..UPDATE
    }));
    assert_eq!(
        change.values.to_string(),
        r#"{"Name":{"FirstName":"Ada"},"ShippingAddress":{"Street":null,"City":null}}"#
    );
    assert!(!change.ours);
}

#[test]
fn a_new_record_carries_all_its_fields() {
    let change = read(&event(&Event {
        kind: (0, "CREATE"),
        fields: vec![("Name", some(1, text("Acme"))), ("AnnualRevenue", some(1, Datum::Double(10.0)))],
        ..UPDATE
    }));
    assert_eq!(change.kind, ChangeKind::Created);
    assert_eq!(change.values.to_string(), r#"{"Name":"Acme","AnnualRevenue":10}"#);
}

#[test]
fn gaps_and_wildcards_ask_for_a_second_look() {
    let gap = read(&event(&Event { kind: (5, "GAP_UPDATE"), ..UPDATE }));
    assert_eq!((gap.kind, gap.ids.len(), gap.values), (ChangeKind::Unknown, 1, Value::Null));
    let overflow = read(&event(&Event { kind: (8, "GAP_OVERFLOW"), ids: &["000000000000000AAA"], ..UPDATE }));
    assert_eq!((overflow.kind, overflow.ids.len()), (ChangeKind::Overflow, 0));
    let wildcard = read(&event(&Event { ids: &["001*"], changed: &["0x02"], ..UPDATE }));
    assert_eq!((wildcard.kind, wildcard.ids.len()), (ChangeKind::Overflow, 0));
    assert_eq!(read(&event(&Event { kind: (9, "SNAPSHOT"), ..UPDATE })).kind, ChangeKind::Unknown);
}

#[test]
fn bitmaps_that_do_not_fit_ask_for_a_second_look() {
    for bitmap in ["0x", "06", "0xzz", "9-0x01", "2-0x01", "-0x01", "0x1000", "3-0x08", ""] {
        let change = read(&event(&Event { changed: &[bitmap], ..UPDATE }));
        assert_eq!((change.kind, change.ids.len()), (ChangeKind::Unknown, 1), "{bitmap:?}");
    }
}

#[test]
fn bitmaps_are_read_from_their_end() {
    assert_eq!(marked("0x06"), Some(vec![1, 2]));
    assert_eq!(marked("0x80000001"), Some(vec![0, 31]));
    assert_eq!(marked("0xAb"), marked("0XaB"));
}

#[test]
fn topics_name_their_records() {
    assert_eq!(&*record_of_topic("/data/QuoteChangeEvent"), "Quote");
    assert_eq!(&*record_of_topic("/data/Part__ChangeEvent"), "Part__c");
}

#[test]
fn a_schema_that_contains_itself_is_refused() {
    let schema = r#"{"type":"record","name":"A","fields":[{"name":"next","type":["null","A"]}]}"#;
    assert!(Shape::parse(schema).is_err());
}

proptest! {
    #[test]
    fn doubles_become_the_decimal_a_person_typed(units in -999_999_999_999_999i64..1_000_000_000_000_000, scale in 0u8..6) {
        let typed = Decimal::from_units(units, scale);
        let double: f64 = typed.to_string().parse().expect("a double");
        prop_assert_eq!(from_double(double).as_decimal(), Some(typed));
    }

    #[test]
    fn any_double_reads_back_as_itself(bits in any::<u64>()) {
        let double = f64::from_bits(bits);
        if let Some(decimal) = from_double(double).as_decimal() {
            prop_assert_eq!(decimal.to_string().parse::<f64>().expect("a double"), double);
        } else {
            prop_assert!(!double.is_finite(), "{double:e}");
        }
    }

    #[test]
    fn bitmaps_round_trip(places in prop::collection::btree_set(0usize..200, 1..20)) {
        let mut nibbles = [0u8; 50];
        for place in &places {
            nibbles[49 - place / 4] |= 1 << (place % 4);
        }
        let text: String = nibbles.iter().map(|nibble| char::from_digit(u32::from(*nibble), 16).expect("a digit")).collect();
        prop_assert_eq!(marked(&format!("0x{text}")), Some(places.into_iter().collect()));
    }

    #[test]
    fn any_bytes_are_an_error_or_an_event(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (name, shape) = Shape::parse(SCHEMA).expect("a schema");
        if let Ok(event) = decode(&shape, &bytes) {
            change(&shape, &name, event, "event-1", "Interlock");
        }
    }

    #[test]
    fn any_bitmap_text_is_an_error_or_places(bitmap in "([0-9]{0,3}-)?(0x)?[0-9a-fA-Fxz]{0,12}") {
        let (_, shape) = Shape::parse(SCHEMA).expect("a schema");
        let _ = places(&Value::array([bitmap.as_str()]), shape.fields().expect("fields"));
    }
}
