//! Query options: `$filter` from the body of a find, `$select` and `$expand` from a selection. Pure.

use std::fmt::Write as _;
use std::sync::Arc;

use connect::{CallError, ErrorClass, Selection};
use model::Value;

use crate::codec::ETAG;
use crate::literal;
use crate::metadata::{EntityType, Service};

/// Longest address that is sent, in bytes; front ends of the Gateway refuse longer ones.
pub(crate) const ADDRESS_MAX: usize = 8_000;

/// How deeply a selection may be nested.
const DEPTH_MAX: usize = 8;

/// `$select` and `$expand` of a selection, percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Projection {
    /// `$select=…&$expand=…`, or empty.
    pub(crate) query: String,
    /// Whether the records' ETags are wanted.
    pub(crate) with_etag: bool,
    /// Whether related records come with each record.
    pub(crate) expands: bool,
}

/// What a selection wants of a record. The key always comes along, as answers are matched by it.
///
/// # Errors
/// Misconfigured, naming the nearest, for a field or child list that the record does not have.
pub(crate) fn projection(
    service: &Service,
    entity: &EntityType,
    selection: &Selection,
) -> Result<Projection, CallError> {
    let mut collected = Collected { service, fields: Vec::new(), expands: Vec::new(), with_etag: false };
    collected.add(entity, selection, "", 0)?;
    let Collected { mut fields, expands, with_etag, .. } = collected;
    let mut query = String::new();
    if !fields.is_empty() {
        if !fields.iter().any(|field| field == "*") {
            for key in &entity.keys {
                push_new(&mut fields, key.to_string());
            }
        }
        let _ = write!(query, "$select={}", literal::encode(&fields.join(",")).replace("%2F", "/"));
    }
    if !expands.is_empty() {
        let joint = if query.is_empty() { "" } else { "&" };
        let _ = write!(query, "{joint}$expand={}", literal::encode(&expands.join(",")).replace("%2F", "/"));
    }
    Ok(Projection { query, with_etag, expands: !expands.is_empty() })
}

/// What a selection comes to, as paths from the record.
struct Collected<'a> {
    service: &'a Service,
    fields: Vec<String>,
    expands: Vec<String>,
    with_etag: bool,
}

impl<'a> Collected<'a> {
    /// Adds what is wanted of the records of a type that are reached by a path (`to_Item/`).
    fn add(
        &mut self,
        entity: &'a EntityType,
        selection: &Selection,
        prefix: &str,
        depth: usize,
    ) -> Result<(), CallError> {
        if depth > DEPTH_MAX {
            return Err(CallError::new(ErrorClass::Misconfigured, "selection", "the selection is nested too deeply"));
        }
        let (fields_before, mut own) = (self.fields.len(), 0);
        for field in &selection.fields {
            if matches!(&**field, ETAG | "@etag") {
                self.with_etag = true;
                continue;
            }
            own += 1;
            let (mut at, mut path) = (entity, prefix.to_owned());
            let mut names = field.split('.').peekable();
            while let Some(name) = names.next() {
                if names.peek().is_none() {
                    at.property(name)?;
                    push_new(&mut self.fields, format!("{path}{name}"));
                    break;
                }
                at = target(self.service, at, name)?;
                push_new(&mut self.expands, format!("{path}{name}"));
                path = format!("{path}{name}/");
            }
        }
        let mut whole = Vec::new();
        for (name, inner) in &selection.children {
            let child = target(self.service, entity, name)?;
            push_new(&mut self.expands, format!("{prefix}{name}"));
            let before = self.fields.len();
            self.add(child, inner, &format!("{prefix}{name}/"), depth + 1)?;
            if self.fields.len() == before {
                whole.push(format!("{prefix}{name}"));
            }
        }
        // Fields of children were chosen, own ones were not: all of the own ones are wanted.
        if own == 0 && self.fields.len() > fields_before {
            self.fields.push(format!("{prefix}*"));
        }
        // With a `$select` at all, a child list of which everything is wanted must be named in it.
        if self.fields.len() > fields_before {
            whole.into_iter().for_each(|path| push_new(&mut self.fields, path));
        }
        Ok(())
    }
}

fn target<'a>(service: &'a Service, entity: &'a EntityType, name: &str) -> Result<&'a Arc<EntityType>, CallError> {
    let navigation = entity.navigations.get(name).ok_or_else(|| entity.unknown_field(name))?;
    service.types.get(&navigation.target).ok_or_else(|| entity.unknown_field(name))
}

fn push_new(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// What a find asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Search {
    /// `$filter=…`, `$orderby=…`, `$top=…` joined with `&`, percent-encoded; empty when everything is wanted.
    pub(crate) query: String,
    /// Most records wanted.
    pub(crate) top: Option<usize>,
}

/// The filter of a find. A member is the value that a field must equal, a list of values of which it must equal one, or an
/// object of comparisons (`eq`, `ne`, `gt`, `ge`, `lt`, `le`); `$top` and `$orderby` bound and order the answer.
///
/// # Errors
/// Misconfigured for an unknown field or comparison; Rejected for a value that its field cannot hold.
pub(crate) fn search(entity: &EntityType, body: &Value) -> Result<Search, CallError> {
    let mut search = Search::default();
    let (mut terms, mut order) = (Vec::new(), None);
    let members = match body {
        Value::Null => return Ok(search),
        Value::Object(members) => members,
        other => {
            let message = format!("a find takes an object of fields and values, not {}", other.kind());
            return Err(CallError::new(ErrorClass::Misconfigured, "find", message));
        }
    };
    for (name, value) in &**members {
        match &**name {
            "$top" => {
                let top = value.as_i64().and_then(|top| usize::try_from(top).ok()).filter(|top| *top > 0);
                search.top = Some(top.ok_or_else(|| {
                    CallError::new(ErrorClass::Misconfigured, "find", "`$top` must be a whole number above 0")
                })?);
            }
            "$orderby" => order = Some(ordering(entity, value)?),
            _ => terms.push(term(entity, name, value)?),
        }
    }
    let mut options = Vec::new();
    if !terms.is_empty() {
        options.push(format!("$filter={}", literal::encode(&terms.join(" and "))));
    }
    if let Some(order) = order {
        options.push(format!("$orderby={}", literal::encode(&order)));
    }
    if let Some(top) = search.top {
        options.push(format!("$top={top}"));
    }
    search.query = options.join("&");
    Ok(search)
}

fn ordering(entity: &EntityType, value: &Value) -> Result<String, CallError> {
    let text = value.as_str().unwrap_or_default();
    for part in text.split(',') {
        let mut words = part.split_whitespace();
        entity.property(words.next().unwrap_or_default())?;
        if !matches!(words.next(), None | Some("asc" | "desc")) || words.next().is_some() {
            let message = format!("`$orderby` takes fields with `asc` or `desc`, not `{}`", part.trim());
            return Err(CallError::new(ErrorClass::Misconfigured, "find", message));
        }
    }
    Ok(text.to_owned())
}

fn term(entity: &EntityType, name: &str, value: &Value) -> Result<String, CallError> {
    let mut text = String::new();
    match value {
        Value::Array(items) if items.is_empty() => {
            let message = format!("the list of values for `{name}` is empty, so nothing can be found");
            return Err(CallError::new(ErrorClass::Rejected, "find", message));
        }
        Value::Array(items) => {
            text.push('(');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(" or ");
                }
                comparison(entity, name, "eq", item, &mut text)?;
            }
            text.push(')');
        }
        Value::Object(comparisons) => {
            for (index, (operator, value)) in comparisons.iter().enumerate() {
                if !matches!(&**operator, "eq" | "ne" | "gt" | "ge" | "lt" | "le") {
                    let message = format!("`{operator}` is no comparison; there are eq, ne, gt, ge, lt and le");
                    return Err(CallError::new(ErrorClass::Misconfigured, "find", message));
                }
                if index > 0 {
                    text.push_str(" and ");
                }
                comparison(entity, name, operator, value, &mut text)?;
            }
            if comparisons.is_empty() {
                return Err(CallError::new(
                    ErrorClass::Misconfigured,
                    "find",
                    format!("`{name}` is compared with nothing"),
                ));
            }
        }
        value => comparison(entity, name, "eq", value, &mut text)?,
    }
    Ok(text)
}

fn comparison(
    entity: &EntityType,
    name: &str,
    operator: &str,
    value: &Value,
    out: &mut String,
) -> Result<(), CallError> {
    let property = entity.property(name)?;
    let _ = write!(out, "{name} {operator} ");
    literal::write(name, property, value, out)
}

/// `$filter`s that find the records whose field has one of these values: as few as fit the longest address and `most`
/// values each. Each comes with how many of the values it covers.
///
/// # Errors
/// Misconfigured for an unknown field; Rejected for a value that the field cannot hold.
pub(crate) fn any_of<'a>(
    entity: &EntityType,
    field: &str,
    values: impl Iterator<Item = &'a Value>,
    room: usize,
    most: usize,
) -> Result<Vec<(String, usize)>, CallError> {
    let joint = literal::encode(" or ");
    let mut filters: Vec<(String, usize)> = Vec::new();
    for value in values {
        let mut term = String::new();
        comparison(entity, field, "eq", value, &mut term)?;
        let term = literal::encode(&term);
        match filters.last_mut() {
            Some((filter, count)) if *count < most && filter.len() + joint.len() + term.len() <= room => {
                filter.push_str(&joint);
                filter.push_str(&term);
                *count += 1;
            }
            _ => filters.push((format!("$filter={term}"), 1)),
        }
    }
    Ok(filters)
}

/// Whether two texts name the same record: number ranges come with or without leading zeros, codes in either case.
#[must_use]
pub(crate) fn same_key(left: &Value, right: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match (text(left), text(right)) {
        (Some(left), Some(right)) => {
            let bare = |text: &str| {
                let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                if is_number { text.trim_start_matches('0').to_owned() } else { text.to_uppercase() }
            };
            left == right || bare(&left) == bare(&right)
        }
        _ => left == right,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) const METADATA: &str = include_str!("../tests/metadata.xml");

    pub(crate) fn service() -> Service {
        crate::edmx::parse("API_SALES_ORDER_SRV", METADATA).expect("metadata")
    }

    fn find(text: &str) -> String {
        let service = service();
        let body = model::json::parse(text.as_bytes()).expect("json");
        let found = search(&service.types["OrderType"], &body);
        found.map_or_else(|error| error.message, |search| search.query.replace("%20", " "))
    }

    #[test]
    fn members_become_a_filter() {
        assert_eq!(
            find(
                r#"{"PurchaseOrderByCustomer":"Q-1","SalesOrderDate":{"ge":"2026-11-01","lt":"2026-12-01"},"$top":5,"$orderby":"SalesOrder desc"}"#
            ),
            "$filter=PurchaseOrderByCustomer eq 'Q-1' and SalesOrderDate ge datetime'2026-11-01T00:00:00' and SalesOrderDate lt \
             datetime'2026-12-01T00:00:00'&$orderby=SalesOrder desc&$top=5"
        );
        assert_eq!(
            find(r#"{"SalesOrder":["1","2"],"OrderIsLocked":false}"#),
            "$filter=(SalesOrder eq '1' or SalesOrder eq '2') and OrderIsLocked eq false"
        );
        assert_eq!(find("{}"), "");
        assert!(find(r#"{"SoldTo":"1"}"#).contains("has no field `SoldTo`"), "{}", find(r#"{"SoldTo":"1"}"#));
        assert!(find(r#"{"SalesOrder":{"like":"1"}}"#).contains("no comparison"));
        assert!(find(r#"{"$orderby":"SalesOrder; drop"}"#).contains("has no field"));
        assert!(find(r#"{"SalesOrder":[]}"#).contains("empty"));
    }

    #[test]
    fn selections_become_select_and_expand() {
        let service = service();
        let select = |fields: &[&str], children: Vec<(Arc<str>, Selection)>| {
            let selection = Selection { fields: fields.iter().map(|field| (*field).into()).collect(), children };
            projection(&service, &service.types["OrderType"], &selection).map(|projection| projection.query)
        };
        let of = |fields: &[&str]| Selection {
            fields: fields.iter().map(|field| (*field).into()).collect(),
            children: vec![],
        };
        assert_eq!(select(&[], vec![]), Ok(String::new()));
        assert_eq!(select(&["SoldToParty", "etag"], vec![]), Ok("$select=SoldToParty,SalesOrder".to_owned()));
        assert_eq!(
            select(&["SoldToParty", "to_Customer.CustomerName"], vec![("to_Item".into(), of(&["Material"]))]),
            Ok("$select=SoldToParty,to_Customer/CustomerName,to_Item/Material,SalesOrder&$expand=to_Customer,to_Item"
                .into())
        );
        assert_eq!(select(&[], vec![("to_Item".into(), Selection::default())]), Ok("$expand=to_Item".into()));
        assert_eq!(
            select(&["SoldToParty"], vec![("to_Item".into(), Selection::default())]),
            Ok("$select=SoldToParty,to_Item,SalesOrder&$expand=to_Item".into())
        );
        assert_eq!(
            select(&[], vec![("to_Customer".into(), Selection::default()), ("to_Item".into(), of(&["Material"]))]),
            Ok("$select=to_Item/Material,*,to_Customer&$expand=to_Customer,to_Item".into())
        );
        let deep = Selection { fields: vec![], children: vec![("to_Line".into(), Selection::default())] };
        assert_eq!(
            select(&[], vec![("to_Item".into(), deep)]).map(|query| query.contains("$expand=to_Item,to_Item/to_Line")),
            Ok(true)
        );
        assert!(
            select(&["Sold"], vec![]).is_err() && select(&[], vec![("to_Itm".into(), Selection::default())]).is_err()
        );
    }

    #[test]
    fn keys_are_the_same_with_or_without_zeros() {
        assert!(same_key(&"0000004711".into(), &"4711".into()));
        assert!(same_key(&"abc".into(), &"ABC".into()));
        assert!(same_key(&4711.into(), &"4711".into()));
        assert!(!same_key(&"4711".into(), &"47110".into()) && !same_key(&Value::Null, &"".into()));
    }

    proptest! {
        #[test]
        fn filters_cover_every_value_and_fit(keys in prop::collection::vec("[ -~é]{1,10}", 1..300), most in 1usize..60) {
            let service = service();
            let values: Vec<Value> = keys.iter().map(|key| key.as_str().into()).collect();
            let filters = any_of(&service.types["OrderType"], "SalesOrder", values.iter(), 1_000, most).expect("filters");
            prop_assert_eq!(filters.iter().map(|(_, count)| count).sum::<usize>(), values.len());
            for (filter, count) in &filters {
                prop_assert!(*count <= most && filter.len() <= 1_000);
                prop_assert!(filter.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'&' && byte != b'#' && byte != b'"'));
            }
        }
    }
}
