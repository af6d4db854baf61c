//! Records as the REST API returns them, made neutral: no `attributes`, child lists as lists, instants in RFC 3339. Pure.

use std::sync::Arc;

use connect::Selection;
use model::Value;

/// Makes a record neutral in place. A freshly parsed record is not shared, so nothing is copied.
pub(crate) fn record(value: &mut Value, selection: &Selection) {
    tidy(value, Some(selection));
}

fn tidy(value: &mut Value, selection: Option<&Selection>) {
    match value {
        Value::Object(members) => {
            let members = Arc::make_mut(members);
            if members.contains_key("records") && members.contains_key("done") {
                let mut records = members.shift_remove("records").unwrap_or_default();
                tidy(&mut records, selection);
                *value = records;
                return;
            }
            members.shift_remove("attributes");
            for (name, member) in members.iter_mut() {
                let child = selection.and_then(|selection| child_of(selection, name));
                match member {
                    // A child list without children comes as null.
                    Value::Null if child.is_some() => *member = Value::from(Vec::new()),
                    Value::Null | Value::Bool(_) | Value::Number(_) => {}
                    _ => tidy(member, child),
                }
            }
        }
        Value::Array(items) => {
            for item in Arc::make_mut(items) {
                tidy(item, selection);
            }
        }
        Value::String(text) => {
            if let Some(neutral) = instant(text) {
                *text = neutral.into();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn child_of<'a>(selection: &'a Selection, name: &str) -> Option<&'a Selection> {
    selection.children.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, child)| child)
}

/// `2026-11-23T10:00:00.000+0000`, as this API alone writes instants, as `2026-11-23T10:00:00Z`.
pub(crate) fn instant(text: &str) -> Option<Arc<str>> {
    let bytes = text.as_bytes();
    if bytes.len() != 28 || !text.ends_with("+0000") {
        return None;
    }
    let fits = bytes[..23].iter().enumerate().all(|(index, byte)| match index {
        4 | 7 => *byte == b'-',
        10 => *byte == b'T',
        13 | 16 => *byte == b':',
        19 => *byte == b'.',
        _ => byte.is_ascii_digit(),
    });
    let end = if &bytes[19..23] == b".000" { 19 } else { 23 };
    fits.then(|| format!("{}Z", &text[..end]).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::json;

    #[test]
    fn a_record_loses_what_only_the_wire_needs() {
        let mut quote = json::parse(
            br#"{"attributes":{"type":"Quote","url":"/x"},"Id":"0Q0","CreatedDate":"2026-11-23T10:00:00.000+0000","GrandTotal":12.50,
            "Account":{"attributes":{"type":"Account"},"Name":"A"},"Cases":null,"Contact":null,
            "QuoteLineItems":{"totalSize":1,"done":true,"records":[{"attributes":{"type":"QuoteLineItem"},"Quantity":2.0}]}}"#,
        )
        .expect("json");
        let child = |name: &str| (Arc::from(name), Selection::default());
        let selection = Selection { fields: vec![], children: vec![child("QuoteLineItems"), child("Cases")] };
        record(&mut quote, &selection);
        let wanted = r#"{"Id":"0Q0","CreatedDate":"2026-11-23T10:00:00Z","GrandTotal":12.50,"Account":{"Name":"A"},"Cases":[],"Contact":null,"QuoteLineItems":[{"Quantity":2.0}]}"#;
        assert_eq!(quote.to_string(), wanted);
    }

    #[test]
    fn only_instants_of_this_api_are_rewritten() {
        assert_eq!(instant("2026-11-23T10:00:00.120+0000").as_deref(), Some("2026-11-23T10:00:00.120Z"));
        assert_eq!(instant("2026-11-23T10:00:00.000+0100"), None);
        assert_eq!(instant("twenty-eight characters+0000"), None);
        assert_eq!(instant("ÄÄÄÄÄÄÄÄÄÄÄabcdef+0000"), None);
    }
}
