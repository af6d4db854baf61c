//! Bodies between neutral values and the JSON of OData V2, guided by the types in the service's metadata. Pure.
//!
//! Reading changes values in place and looks a member's type up once for all rows of a list: the JSON reader shares the
//! names of a document, so that a later row's name is recognised by its address.

use std::sync::Arc;

use connect::{CallError, ErrorClass, Selection};
use model::{Decimal, Number, Rounding, Text, Value, json};

use crate::literal::misfit;
use crate::metadata::{Edm, EntityType, Property, Service};
use crate::temporal;

/// How deeply records may be nested in a body that is written.
const DEPTH_MAX: usize = 16;

/// The member that carries a record's ETag, in answers that asked for it and in bodies of changes.
pub(crate) const ETAG: &str = "etag";

/// What a body is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A new record: members that are `null` are left out.
    Create,
    /// A change: `null` empties a field.
    Update,
}

/// Appends the JSON of a record with its children.
///
/// # Errors
/// Misconfigured for a member that the record does not have; Rejected for a value that its field cannot hold.
pub(crate) fn encode(
    service: &Service,
    entity: &EntityType,
    body: &Value,
    purpose: Purpose,
    out: &mut String,
) -> Result<(), CallError> {
    encode_at(service, entity, body, purpose, 0, out)
}

fn encode_at(
    service: &Service,
    entity: &EntityType,
    body: &Value,
    purpose: Purpose,
    depth: usize,
    out: &mut String,
) -> Result<(), CallError> {
    let Value::Object(members) = body else {
        let message = format!("a record of {} must be an object, not {}", entity.name, body.kind());
        return Err(CallError::new(ErrorClass::Rejected, "value", message));
    };
    if depth > DEPTH_MAX {
        return Err(CallError::new(ErrorClass::Rejected, "value", "the record is nested too deeply"));
    }
    out.push('{');
    let mut first = true;
    let mut separate = |out: &mut String, name: &str| {
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        json::write_string(name, out);
        out.push(':');
    };
    for (name, value) in &**members {
        if value.is_null() && purpose == Purpose::Create {
            continue;
        }
        if let Some(property) = entity.properties.get(name.as_str()) {
            separate(out, name);
            encode_property(service, name, property, value, purpose, depth, out)?;
        } else if let Some(navigation) = entity.navigations.get(name.as_str()) {
            let Some(target) = service.types.get(&navigation.target) else { return Err(entity.unknown_field(name)) };
            separate(out, name);
            match value {
                Value::Array(items) if navigation.many => {
                    out.push('[');
                    for (index, item) in items.iter().enumerate() {
                        if index > 0 {
                            out.push(',');
                        }
                        encode_at(service, target, item, purpose, depth + 1, out)?;
                    }
                    out.push(']');
                }
                value if !navigation.many => encode_at(service, target, value, purpose, depth + 1, out)?,
                value => {
                    let message = format!("`{name}` of {} must be a list, not {}", entity.name, value.kind());
                    return Err(CallError::new(ErrorClass::Rejected, "value", message));
                }
            }
        } else if &**name != ETAG {
            return Err(entity.unknown_field(name));
        }
    }
    out.push('}');
    Ok(())
}

fn encode_property(
    service: &Service,
    name: &str,
    property: &Property,
    value: &Value,
    purpose: Purpose,
    depth: usize,
    out: &mut String,
) -> Result<(), CallError> {
    let wrong = || misfit(name, property, value);
    if value.is_null() {
        out.push_str(if property.edm == Edm::String && !property.nullable { "\"\"" } else { "null" });
        return Ok(());
    }
    let text = || value.as_str().ok_or_else(wrong);
    match &property.edm {
        Edm::String => match value {
            Value::String(text) => {
                if property.length_max.is_some_and(|most| text.len() > most && text.chars().count() > most) {
                    let message = format!(
                        "the field `{name}` takes at most {} characters, this value has {}",
                        property.length_max.unwrap_or_default(),
                        text.chars().count()
                    );
                    return Err(CallError::new(ErrorClass::Rejected, "too-long", message));
                }
                json::write_string(text, out);
            }
            // Codes made of digits are easily read as numbers on their way here (`Plant: 1010`).
            Value::Number(number) => json::write_string(&number.to_string(), out),
            _ => return Err(wrong()),
        },
        Edm::Decimal | Edm::Int64 => {
            let number = match value {
                Value::Number(number) => *number,
                Value::String(text) => Number::Decimal(text.parse().map_err(|_| wrong())?),
                _ => return Err(wrong()),
            };
            out.push('"');
            write_exact(number, property).ok_or_else(wrong)?.fold_into(out);
            out.push('"');
        }
        Edm::Integer | Edm::Double => match value {
            Value::Number(_) => json::write(value, out),
            Value::String(text) if text.parse::<Decimal>().is_ok() => out.push_str(text),
            _ => return Err(wrong()),
        },
        Edm::Boolean => match value {
            Value::Bool(_) => json::write(value, out),
            _ => return Err(wrong()),
        },
        Edm::Date => {
            let date = temporal::date(text()?).ok_or_else(wrong)?;
            out.push('"');
            temporal::write_date(date, out);
            out.push('"');
        }
        Edm::DateTime | Edm::DateTimeOffset => {
            let instant = temporal::instant(text()?).ok_or_else(wrong)?;
            out.push('"');
            temporal::write_instant(instant, property.edm == Edm::DateTimeOffset, out);
            out.push('"');
        }
        Edm::Time => {
            out.push('"');
            if !temporal::write_time(text()?, out) {
                return Err(wrong());
            }
            out.push('"');
        }
        Edm::Guid | Edm::Binary => json::write_string(text()?, out),
        Edm::Complex(kind) => match service.types.get(kind) {
            Some(kind) => encode_at(service, kind, value, purpose, depth + 1, out)?,
            None => json::write(value, out),
        },
        Edm::Other => json::write(value, out),
    }
    Ok(())
}

/// A number in the digits that its field takes.
struct Digits(Number);

impl Digits {
    fn fold_into(self, out: &mut String) {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(out, "{}", self.0);
    }
}

/// The number with no more digits behind the point than the field has; `None` when digits that count would be lost.
fn write_exact(number: Number, property: &Property) -> Option<Digits> {
    let Number::Decimal(decimal) = number else { return Some(Digits(number)) };
    let scale = match property.edm {
        Edm::Int64 => 0,
        _ => match property.scale {
            Some(scale) => scale,
            None => return Some(Digits(number)),
        },
    };
    if decimal.scale() <= scale {
        return Some(Digits(number));
    }
    let shorter = decimal.round(scale, Rounding::Down);
    (shorter == decimal).then_some(Digits(Number::Decimal(shorter)))
}

/// What one member of a record is, looked up once for all rows.
enum Member<'a> {
    /// Stays as it came.
    Plain,
    /// `__metadata`.
    Metadata,
    Property(&'a Property),
    Navigation(Option<&'a EntityType>),
}

/// Turns records of one type into neutral values.
pub(crate) struct Decoder<'a> {
    service: &'a Service,
    entity: &'a EntityType,
    with_etag: bool,
    seen: Vec<(Text, Member<'a>)>,
    children: Vec<(usize, Decoder<'a>)>,
}

impl<'a> Decoder<'a> {
    /// For records of this type; `with_etag` keeps each record's ETag in its member [`ETAG`].
    pub(crate) fn new(service: &'a Service, entity: &'a EntityType, with_etag: bool) -> Self {
        Self { service, entity, with_etag, seen: Vec::new(), children: Vec::new() }
    }

    /// One record, in place.
    pub(crate) fn record(&mut self, value: &mut Value) {
        let Value::Object(members) = value else { return };
        let members = Arc::make_mut(members);
        let (mut place, mut etag) = (0, None);
        members.retain(|name, member| {
            let index = self.member(name, place);
            place = index + 1;
            match &self.seen[index].1 {
                Member::Plain => {}
                Member::Metadata => {
                    if self.with_etag
                        && let Value::String(text) = member.get("etag")
                    {
                        etag = Some(text.clone());
                    }
                    return false;
                }
                Member::Property(property) => match &property.edm {
                    Edm::Complex(kind) => {
                        if let Some(kind) = self.service.types.get(kind) {
                            Decoder::new(self.service, kind, false).record(member);
                        }
                    }
                    _ => decode_property(property, member),
                },
                Member::Navigation(target) => return self.navigation(index, *target, member),
            }
            true
        });
        if let Some(etag) = etag {
            members.insert(ETAG.into(), Value::String(etag));
        }
    }

    /// A list of records, in place: `{"results": […]}` becomes a plain list.
    pub(crate) fn list(&mut self, value: &mut Value) {
        if let Some(results) = value.remove("results") {
            *value = results;
        }
        if let Value::Array(items) = value {
            for item in Arc::make_mut(items) {
                self.record(item);
            }
        }
    }

    /// The place of a member's meaning. Rows repeat the members of the first in their order, so the next place is tried first.
    fn member(&mut self, name: &Text, place: usize) -> usize {
        if self.seen.get(place).is_some_and(|(seen, _)| seen == name) {
            return place;
        }
        if let Some(index) = self.seen.iter().position(|(seen, _)| seen == name) {
            return index;
        }
        let member = if let Some(property) = self.entity.properties.get(name.as_str()) {
            if property.edm == Edm::String { Member::Plain } else { Member::Property(property) }
        } else if let Some(navigation) = self.entity.navigations.get(name.as_str()) {
            Member::Navigation(self.service.types.get(&navigation.target).map(|entity| &**entity))
        } else if *name == "__metadata" {
            Member::Metadata
        } else {
            Member::Plain
        };
        self.seen.push((name.clone(), member));
        self.seen.len() - 1
    }

    /// Whether an expanded navigation stays; what was only deferred goes.
    fn navigation(&mut self, index: usize, target: Option<&'a EntityType>, value: &mut Value) -> bool {
        if value.has("__deferred") {
            return false;
        }
        let Some(target) = target else { return true };
        let found = self.children.iter().position(|(place, _)| *place == index);
        let found = found.unwrap_or_else(|| {
            self.children.push((index, Decoder::new(self.service, target, self.with_etag)));
            self.children.len() - 1
        });
        let decoder = &mut self.children[found].1;
        if value.has("results") || matches!(value, Value::Array(_)) {
            decoder.list(value);
        } else {
            decoder.record(value);
        }
        true
    }
}

/// A field's neutral value, in place. What is not in the form that its type has stays as it came.
fn decode_property(property: &Property, value: &mut Value) {
    let Value::String(text) = &*value else { return };
    let decoded = match property.edm {
        Edm::Decimal | Edm::Double => text.trim().parse::<Decimal>().ok().map(Value::from),
        Edm::Int64 => text.trim().parse::<i64>().ok().map(Value::from),
        Edm::Date => temporal::date_from_wire(text).map(Value::from),
        Edm::DateTime | Edm::DateTimeOffset => temporal::instant_from_wire(text).map(Value::from),
        Edm::Time => temporal::time_from_wire(text).map(Value::from),
        _ => None,
    };
    if let Some(decoded) = decoded {
        *value = decoded;
    }
}

/// The `d` of an answer.
///
/// # Errors
/// What is wrong with the text, for the caller to classify.
pub(crate) fn payload(body: &[u8]) -> Result<Value, String> {
    document(body, json::Keep::All)
}

/// The same with only what is selected: the ERP answers a create with all it has, down to each price element.
///
/// # Errors
/// As [`payload`].
pub(crate) fn selected(body: &[u8], selection: &Selection) -> Result<Value, String> {
    match selection.fields.is_empty() && selection.children.is_empty() {
        true => payload(body),
        false => document(body, json::Keep::Members(&Document(selection))),
    }
}

fn document(body: &[u8], keep: json::Keep<'_>) -> Result<Value, String> {
    let mut document = json::parse_keeping(body, keep).map_err(|error| error.to_string())?;
    document.remove("d").ok_or_else(|| "the answer has no member `d`".to_owned())
}

/// The members around a selected record.
struct Document<'a>(&'a Selection);

impl json::Members for Document<'_> {
    fn wanted(&self, name: &str) -> Option<json::Keep<'_>> {
        (name == "d").then_some(json::Keep::Members(self.0))
    }
}

/// The rows of a list and the address of the next page. A service may answer a list with or without `results` around it.
pub(crate) fn page(mut payload: Value) -> (Vec<Value>, Option<String>) {
    let next = payload.get("__next").as_str().map(str::to_owned);
    let rows = payload.remove("results").unwrap_or(payload);
    let rows = match rows {
        Value::Array(items) => Arc::try_unwrap(items).unwrap_or_else(|items| items.to_vec()),
        _ => Vec::new(),
    };
    (rows, next)
}

/// The value that a function import answered: structured and simple values come wrapped in the function's name.
pub(crate) fn function_result(
    service: &Service,
    function: &str,
    returns: Option<&Arc<str>>,
    mut payload: Value,
) -> Value {
    let is_wrapped = matches!(&payload, Value::Object(members) if members.len() == 1);
    if is_wrapped && let Some(inner) = payload.remove(function) {
        payload = inner;
    }
    match returns.and_then(|kind| service.types.get(kind)) {
        Some(kind) if payload.has("results") || matches!(payload, Value::Array(_)) => {
            Decoder::new(service, kind, true).list(&mut payload);
        }
        Some(kind) => Decoder::new(service, kind, true).record(&mut payload),
        None => {
            if let Value::Object(members) = &mut payload {
                Arc::make_mut(members).shift_remove("__metadata");
            }
        }
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::tests::service;
    use proptest::prelude::*;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("json")
    }

    fn encoded(text: &str, purpose: Purpose) -> String {
        let service = service();
        let mut out = String::new();
        let result = encode(&service, &service.types["OrderType"], &value(text), purpose, &mut out);
        result.map_or_else(|error| error.message, |()| out)
    }

    #[test]
    fn a_deep_insert_is_written_as_the_gateway_takes_it() {
        let body = r#"{"SoldToParty":17100001,"PurchaseOrderByCustomer":"Q-1 \"x\"","TotalNetAmount":12.5000,"SalesOrderDate":"2026-11-23",
            "LastChangeDateTime":"2026-11-23T10:00:00Z","OrderIsLocked":null,"etag":"W/1","to_Item":[{"Material":"TG11","RequestedQuantity":3}]}"#;
        assert_eq!(
            encoded(body, Purpose::Create),
            r#"{"SoldToParty":"17100001","PurchaseOrderByCustomer":"Q-1 \"x\"","TotalNetAmount":"12.500","SalesOrderDate":"/Date(1795392000000)/","LastChangeDateTime":"/Date(1795428000000+0000)/","to_Item":[{"Material":"TG11","RequestedQuantity":"3"}]}"#
        );
        assert_eq!(
            encoded(r#"{"SalesOrder":null,"SalesOrderDate":null}"#, Purpose::Update),
            r#"{"SalesOrder":"","SalesOrderDate":null}"#
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_field() {
        for (body, told) in [
            (r#"{"SoldToPart":"1"}"#, "did you mean `SoldToParty`?"),
            (r#"{"TotalNetAmount":1.2345}"#, "`TotalNetAmount` (Edm.Decimal) cannot hold 1.2345"),
            (r#"{"TotalNetAmount":"a"}"#, "cannot hold"),
            (
                r#"{"PurchaseOrderByCustomer":"123456789012345678901234567890123456"}"#,
                "at most 35 characters, this value has 36",
            ),
            (r#"{"SalesOrderDate":"23.11.2026"}"#, "cannot hold"),
            (r#"{"to_Item":{}}"#, "must be a list"),
            (r#"{"to_Item":[1]}"#, "must be an object"),
            ("[]", "must be an object"),
        ] {
            let message = encoded(body, Purpose::Create);
            assert!(message.contains(told), "{body}: {message}");
        }
    }

    #[test]
    fn an_answer_becomes_neutral() {
        let service = service();
        let mut record = payload(
            br#"{"d":{"__metadata":{"id":"x","uri":"x","type":"S.OrderType","etag":"W/\"1\""},"SalesOrder":"4711","TotalNetAmount":"12.50",
            "SalesOrderDate":"\/Date(1795392000000)\/","LastChangeDateTime":"\/Date(1795428000000+0000)\/","OrderIsLocked":false,
            "to_Customer":{"__metadata":{},"Customer":"1"},"to_Item":{"results":[
              {"__metadata":{},"SalesOrderItem":"10","RequestedQuantity":"3","to_Line":{"__deferred":{"uri":"x"}}},
              {"__metadata":{},"SalesOrderItem":"20","RequestedQuantity":"0.500","to_Line":{"results":[{"At":"PT01H02M03S"}]}}]}}}"#,
        )
        .expect("an answer");
        let mut plain = record.clone();
        Decoder::new(&service, &service.types["OrderType"], true).record(&mut record);
        let expected = r#"{"SalesOrder":"4711","TotalNetAmount":12.50,"SalesOrderDate":"2026-11-23","LastChangeDateTime":"2026-11-23T10:00:00Z","OrderIsLocked":false,"to_Customer":{"Customer":"1"},"to_Item":[{"SalesOrderItem":"10","RequestedQuantity":3},{"SalesOrderItem":"20","RequestedQuantity":0.500,"to_Line":[{"At":"01:02:03"}]}],"etag":"W/\"1\""}"#;
        assert_eq!(record.to_string(), expected);
        Decoder::new(&service, &service.types["OrderType"], false).record(&mut plain);
        assert!(!plain.has("etag"));
    }

    #[test]
    fn function_results_are_unwrapped() {
        let service = service();
        let returns = Some(Arc::<str>::from("FunctionResult"));
        let result = |text: &str| function_result(&service, "availability", returns.as_ref(), value(text)).to_string();
        assert_eq!(
            result(r#"{"availability":{"__metadata":{},"Done":true,"Quantity":"5.000"}}"#),
            r#"{"Done":true,"Quantity":5.000}"#
        );
        assert_eq!(result(r#"{"results":[{"Done":false,"Quantity":"1"}]}"#), r#"[{"Done":false,"Quantity":1}]"#);
        assert_eq!(function_result(&service, "f", None, value(r#"{"f":"x"}"#)), Value::from("x"));
    }

    proptest! {
        /// What is written and comes back as it was is read as it was meant.
        #[test]
        fn records_survive_the_way_there_and_back(
            text in "[ -~é€]{0,35}", units in -10_000_000i64..10_000_000, day in 0i64..40_000, quantities in prop::collection::vec(0i64..100_000, 0..5),
        ) {
            let service = service();
            let entity = &service.types["OrderType"];
            let date = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(day)).to_string();
            let items: Vec<Value> = quantities.iter().map(|units| Value::object([("RequestedQuantity", Decimal::from_units(*units, 3))])).collect();
            let mut record = Value::object([("PurchaseOrderByCustomer", text)]);
            record.set("TotalNetAmount", Decimal::from_units(units, 2));
            record.set("SalesOrderDate", date);
            record.set("to_Item", items);
            let mut wire = String::new();
            encode(&service, entity, &record, Purpose::Create, &mut wire).expect("it fits");
            let mut back = value(&wire);
            Decoder::new(&service, entity, false).record(&mut back);
            prop_assert_eq!(back, record);
        }

        #[test]
        fn any_answer_is_decoded_without_panic(text in "(\\{|\\}|\\[|\\]|,|:|\"(results|__metadata|to_Item|TotalNetAmount|d|__deferred|x)\"|1|null){0,30}") {
            if let Ok(mut any) = json::parse(text.as_bytes()) {
                let service = service();
                Decoder::new(&service, &service.types["OrderType"], true).record(&mut any);
            }
        }
    }
}
