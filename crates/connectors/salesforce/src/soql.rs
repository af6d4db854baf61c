//! SOQL text: literals that cannot break out, and queries that fit into a URL. Pure.

use std::sync::Arc;

use connect::{CallError, ErrorClass, Selection};
use model::Value;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// Longest path and query of a query request, in bytes: a little below what the vendor's front ends take in a request line.
pub(crate) const URL_MAX: usize = 12_000;
/// How deep child queries may be nested: as deep as the vendor takes them.
const DEPTH_MAX: usize = 5;

/// What need not be escaped in a query parameter. The apostrophe is escaped here because URL libraries would do it later and
/// the length would be wrong.
const QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b',').remove(b'(').remove(b')');

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Literal {
    /// A text in quotes.
    Quoted,
    /// A date or an instant: without quotes.
    Bare,
}

fn misfit(code: &str, message: String) -> CallError {
    CallError::new(ErrorClass::Misconfigured, code, message)
}

/// Checks the name of a record, field or relationship, dotted or not, so that none can carry a query of its own.
pub(crate) fn check_name(name: &str) -> Result<&str, CallError> {
    let fits = |part: &str| {
        part.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if name.len() <= 512 && name.split('.').all(fits) {
        Ok(name)
    } else {
        Err(misfit(
            "name",
            format!("`{name}` is not a name in Salesforce: letters, digits and `_`, parts joined with points"),
        ))
    }
}

/// Whether a text has the shape of a date (`2026-11-23`) or an instant, which stand without quotes for fields of such types.
pub(crate) fn looks_temporal(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_date = |bytes: &[u8]| {
        bytes.len() == 10
            && bytes.iter().enumerate().all(|(index, byte)| match index {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    match bytes.len() {
        10 => is_date(bytes),
        20..=35 => {
            let plain = |byte: &u8| byte.is_ascii_digit() || b"-:.+TZ".contains(byte);
            is_date(&bytes[..10]) && bytes.iter().all(plain) && text.parse::<jiff::Timestamp>().is_ok()
        }
        _ => false,
    }
}

/// Appends a literal.
pub(crate) fn write_literal(value: &Value, literal: Literal, soql: &mut String) -> Result<(), CallError> {
    use std::fmt::Write as _;
    match value {
        Value::Null => soql.push_str("null"),
        Value::Bool(truth) => soql.push_str(if *truth { "TRUE" } else { "FALSE" }),
        Value::Number(number) => {
            let _ = write!(soql, "{number}");
        }
        // Only texts of a temporal shape may stand bare.
        Value::String(text) if literal == Literal::Bare && looks_temporal(text) => soql.push_str(text),
        Value::String(text) => write_text(text, soql),
        Value::Array(_) | Value::Object(_) => {
            return Err(misfit("value", format!("a query cannot compare with an {}", value.kind())));
        }
    }
    Ok(())
}

/// Appends a text in quotes. `\` and `'` would end or change the literal; control characters are written as escapes.
fn write_text(text: &str, soql: &mut String) {
    use std::fmt::Write as _;
    soql.push('\'');
    for character in text.chars() {
        match character {
            '\\' => soql.push_str("\\\\"),
            '\'' => soql.push_str("\\'"),
            '"' => soql.push_str("\\\""),
            '\n' => soql.push_str("\\n"),
            '\r' => soql.push_str("\\r"),
            '\t' => soql.push_str("\\t"),
            '\u{8}' => soql.push_str("\\b"),
            '\u{c}' => soql.push_str("\\f"),
            control if control.is_control() => {
                let _ = write!(soql, "\\u{:04X}", control as u32);
            }
            other => soql.push(other),
        }
    }
    soql.push('\'');
}

/// Escapes for a query parameter; spaces become `+`.
pub(crate) fn encode(soql: &str) -> String {
    let mut encoded = String::with_capacity(soql.len() + soql.len() / 4);
    for (index, word) in soql.split(' ').enumerate() {
        if index > 0 {
            encoded.push('+');
        }
        encoded.extend(percent_encode(word.as_bytes(), QUERY));
    }
    encoded
}

/// `SELECT … FROM record`, with `Id`, the fields in `also`, the selected fields and a subquery for each child list.
pub(crate) fn select(record: &str, selection: &Selection, also: &[&str]) -> Result<String, CallError> {
    let mut soql = String::with_capacity(256);
    write_select(record, selection, also, 0, &mut soql)?;
    Ok(soql)
}

fn write_select(
    from: &str,
    selection: &Selection,
    also: &[&str],
    depth: usize,
    soql: &mut String,
) -> Result<(), CallError> {
    if depth >= DEPTH_MAX {
        return Err(misfit("depth", format!("child lists can be nested {DEPTH_MAX} levels deep at most")));
    }
    soql.push_str("SELECT Id");
    let mut seen: Vec<&str> = vec!["Id"];
    for name in also.iter().copied().chain(selection.fields.iter().map(|field| &**field)) {
        // The vendor refuses a field that is named twice, in whatever case.
        if !seen.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            soql.push(',');
            soql.push_str(check_name(name)?);
            seen.push(name);
        }
    }
    for (relationship, child) in &selection.children {
        soql.push_str(",(");
        write_select(relationship, child, &[], depth + 1, soql)?;
        soql.push(')');
    }
    soql.push_str(" FROM ");
    soql.push_str(check_name(from)?);
    Ok(())
}

/// Queries `head WHERE field IN (…) tail` for these literals, already escaped with [`encode`], each short enough for a URL.
/// Answers the encoded queries and the places of their literals.
pub(crate) fn split_in(
    head: &str,
    field: &str,
    literals: &[String],
    tail: &str,
    path_length: usize,
) -> Result<Vec<(String, std::ops::Range<usize>)>, CallError> {
    let start = encode(&format!("{head} WHERE {field} IN ("));
    let end = encode(&format!("){tail}"));
    let fixed = start.len() + end.len() + path_length;
    let mut queries = Vec::new();
    let mut from = 0;
    while from < literals.len() {
        let (mut length, mut to) = (fixed, from);
        while to < literals.len() && length + literals[to].len() < URL_MAX {
            length += literals[to].len() + 1;
            to += 1;
        }
        if to == from {
            let message =
                format!("a query for `{field}` needs more than the {URL_MAX} bytes a URL may have; name fewer fields");
            return Err(misfit("query-too-long", message));
        }
        let mut query = String::with_capacity(length);
        query.push_str(&start);
        query.push_str(&literals[from..to].join(","));
        query.push_str(&end);
        queries.push((query, from..to));
        from = to;
    }
    Ok(queries)
}

/// The dotted paths and values that a body asks to be equal: `{"Account": {"Name": "A"}}` is `Account.Name = 'A'`.
pub(crate) fn conditions(body: &Value) -> Result<Vec<(Arc<str>, Value)>, CallError> {
    fn walk(prefix: &str, body: &Value, found: &mut Vec<(Arc<str>, Value)>) -> Result<(), CallError> {
        for (name, value) in body.as_object().into_iter().flatten() {
            let path = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
            match value {
                Value::Object(_) => walk(&path, value, found)?,
                _ => found.push((check_name(&path)?.into(), value.clone())),
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk("", body, &mut found)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn selection(fields: &[&str], children: Vec<(&str, Selection)>) -> Selection {
        Selection {
            fields: fields.iter().map(|field| Arc::from(*field)).collect(),
            children: children.into_iter().map(|(name, child)| (Arc::from(name), child)).collect(),
        }
    }

    #[test]
    fn writes_children_and_related_fields() {
        let lines = selection(&["Quantity", "Product2.ProductCode"], vec![]);
        let soql = select(
            "Quote",
            &selection(&["id", "Status", "Account.Name"], vec![("QuoteLineItems", lines)]),
            &["QuoteNumber"],
        );
        let wanted = "SELECT Id,QuoteNumber,Status,Account.Name,(SELECT Id,Quantity,Product2.ProductCode FROM QuoteLineItems) FROM Quote";
        assert_eq!(soql.as_deref(), Ok(wanted));
        assert!(select("Quote", &selection(&["Id FROM User"], vec![]), &[]).is_err());
        assert!(select("Quote WHERE", &Selection::default(), &[]).is_err());
    }

    #[test]
    fn writes_literals_of_every_kind() {
        let literal = |value: Value, kind| {
            let mut soql = String::new();
            write_literal(&value, kind, &mut soql).map(|()| soql)
        };
        assert_eq!(literal("O'Neil \\ \"x\"\n".into(), Literal::Quoted).as_deref(), Ok(r#"'O\'Neil \\ \"x\"\n'"#));
        assert_eq!(literal("2026-11-23".into(), Literal::Bare).as_deref(), Ok("2026-11-23"));
        assert_eq!(literal("2026-11-23".into(), Literal::Quoted).as_deref(), Ok("'2026-11-23'"));
        assert_eq!(literal("2026-11-23T10:00:00Z".into(), Literal::Bare).as_deref(), Ok("2026-11-23T10:00:00Z"));
        assert_eq!(literal("' OR Id != '".into(), Literal::Bare).as_deref(), Ok(r"'\' OR Id != \''"));
        assert_eq!(literal(Value::Null, Literal::Quoted).as_deref(), Ok("null"));
        assert_eq!(literal(true.into(), Literal::Quoted).as_deref(), Ok("TRUE"));
        assert_eq!(
            literal("2.50".parse::<model::Decimal>().expect("a decimal").into(), Literal::Quoted).as_deref(),
            Ok("2.50")
        );
        assert!(literal(Value::empty_object(), Literal::Quoted).is_err());
    }

    #[test]
    fn splits_below_the_longest_url() {
        let literals: Vec<String> = (0..2000).map(|number| encode(&format!("'Q-{number:08}-1010'"))).collect();
        let queries =
            split_in("SELECT Id FROM Order", "Interlock_Key__c", &literals, " ORDER BY Id", 40).expect("queries");
        assert!(queries.len() > 1);
        assert!(queries.iter().all(|(query, _)| query.len() + 40 < URL_MAX));
        let mut next = 0;
        for (_, range) in &queries {
            assert_eq!(range.start, next);
            next = range.end;
        }
        assert_eq!(next, 2000);
        let long = ["x".repeat(URL_MAX)];
        assert!(split_in("SELECT Id FROM Order", "Name", &long, "", 40).is_err());
    }

    /// Reads a quoted literal back, as the vendor's grammar has it.
    fn unquote(soql: &str) -> Option<String> {
        let inner = soql.strip_prefix('\'')?.strip_suffix('\'')?;
        let (mut text, mut characters) = (String::new(), inner.chars());
        while let Some(character) = characters.next() {
            match character {
                '\'' => return None,
                '\\' => match characters.next()? {
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    't' => text.push('\t'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'u' => {
                        let digits: String = characters.by_ref().take(4).collect();
                        text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
        Some(text)
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_quotes(text in any::<String>()) {
            let mut soql = String::new();
            write_text(&text, &mut soql);
            prop_assert_eq!(unquote(&soql), Some(text));
            prop_assert!(encode(&soql).is_ascii());
        }

        #[test]
        fn only_temporal_texts_stand_bare(text in "[-0-9TZ:. '\\\\]{0,24}") {
            let mut soql = String::new();
            write_literal(&Value::from(text.as_str()), Literal::Bare, &mut soql).expect("a literal");
            prop_assert!(soql.starts_with('\'') || soql.bytes().all(|byte| byte.is_ascii_digit() || b"-T:.Z".contains(&byte)));
        }
    }
}
