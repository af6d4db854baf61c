//! A record as a form, and a posted form as a record: every value keeps its type.
//!
//! A field's name is `f` and the value's JSON pointer. Rows of a list are taken out by `d` and the row's pointer; what is too
//! deep for fields is a text of JSON named `j` and its pointer.

use std::collections::HashMap;

use maud::{Markup, html};
use model::{Object, Value, json};

use crate::door::Posted;
use crate::format::{counted, label};

/// How many fields a form has at the most; a larger record is edited as JSON.
const FIELDS_MAX: usize = 4_000;
/// A longer list shows the rows that the reason names, and keeps the others folded.
const ROWS_SHOWN: usize = 12;
/// Shorter texts may be in a reason by accident.
const NAMED_MIN: usize = 4;
const DEPTH_MAX: usize = 4;

/// What is wrong with a posted form, by field name.
pub(crate) type Mistakes = HashMap<String, String>;

/// What a form shows: the record, and what was posted last if it was refused.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) posted: Option<&'a Posted>,
    pub(crate) mistakes: &'a Mistakes,
    /// Only these members can be changed; all when empty.
    pub(crate) fields: &'a [Value],
    pub(crate) editable: bool,
    /// Why the record is looked at: rows that it names are marked.
    pub(crate) reason: &'a str,
}

impl Shown<'_> {
    fn text(&self, name: &str, value: &Value) -> String {
        match self.posted.and_then(|posted| posted.get(name)) {
            Some(text) => text.to_owned(),
            None => plain(value),
        }
    }

    fn mistake(&self, name: &str) -> Markup {
        html! { @if let Some(mistake) = self.mistakes.get(name) { p.wrong id=(format!("e{name}")) { (mistake) } } }
    }

    /// Whether the reason names a text of this row, such as a product that the other system does not know.
    fn names(&self, row: &Value) -> bool {
        let said = |text: &str| {
            text.len() >= NAMED_MIN && self.reason.split(|c: char| !c.is_alphanumeric()).any(|word| word == text)
        };
        row.as_object().is_some_and(|members| members.values().any(|value| value.as_str().is_some_and(said)))
    }

    fn can_edit(&self, member: &str) -> bool {
        self.editable && (self.fields.is_empty() || self.fields.iter().any(|field| field.as_str() == Some(member)))
    }
}

/// Whether the record can be shown as fields.
pub(crate) fn has_fields(record: &Value) -> bool {
    record.as_object().is_some_and(|members| !members.is_empty()) && leaves(record) <= FIELDS_MAX
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(leaves).sum::<usize>() + items.len(),
        Value::Object(members) => members.values().map(leaves).sum(),
        _ => 1,
    }
}

/// The record as fields; as JSON where that is all that fits.
pub(crate) fn form(record: &Value, shown: Shown<'_>) -> Markup {
    html! {
        @if has_fields(record) {
            @if let Some(members) = record.as_object() {
                div.fields {
                    @for (name, value) in members {
                        (member(value, &pointer("", name), &label(name), Shown { editable: shown.can_edit(name), ..shown }, 1))
                    }
                }
            }
            @if shown.editable {
                details.as-json open[shown.posted.is_some_and(|posted| posted.get("as-json").is_some())] {
                    summary { "Edit as JSON instead" }
                    label.check { input type="checkbox" name="as-json" value="1" checked[shown.posted.is_some_and(|posted| posted.get("as-json").is_some())]; " Use this text, not the fields above" }
                    (area("json", &shown.posted.and_then(|posted| posted.get("json")).map_or_else(|| json::to_string_pretty(record), str::to_owned)))
                    (shown.mistake("json"))
                }
            }
        } @else if shown.editable {
            input type="hidden" name="as-json" value="1";
            (area("json", &shown.posted.and_then(|posted| posted.get("json")).map_or_else(|| json::to_string_pretty(record), str::to_owned)))
            (shown.mistake("json"))
        } @else {
            (crate::json_view::block(record))
        }
    }
}

fn area(name: &str, text: &str) -> Markup {
    let rows = text.lines().count().clamp(4, 24);
    html! { textarea.code name=(name) rows=(rows) spellcheck="false" aria-label="JSON" { "\n" (text) } }
}

fn member(value: &Value, at: &str, label_text: &str, shown: Shown<'_>, depth: usize) -> Markup {
    match value {
        Value::Object(members) if depth < DEPTH_MAX && !members.is_empty() => html! {
            @for (name, value) in members.iter() {
                (member(value, &pointer(at, name), &format!("{label_text} · {}", label(name)), shown, depth + 1))
            }
        },
        Value::Array(items) if is_table(items) => table(items, at, label_text, shown),
        Value::Array(_) | Value::Object(_) => html! {
            div.field.full {
                label for=(format!("j{at}")) { (label_text) }
                @if shown.editable { (area(&format!("j{at}"), &shown.posted.and_then(|posted| posted.get(&format!("j{at}"))).map_or_else(|| json::to_string_pretty(value), str::to_owned))) }
                @else { (crate::json_view::block(value)) }
                (shown.mistake(&format!("j{at}")))
            }
        },
        leaf => html! {
            div.field {
                label for=(format!("f{at}")) { (label_text) }
                (input(leaf, at, label_text, shown))
                (shown.mistake(&format!("f{at}")))
            }
        },
    }
}

fn input(value: &Value, at: &str, label_text: &str, shown: Shown<'_>) -> Markup {
    let name = format!("f{at}");
    let wrong = shown.mistakes.contains_key(&name);
    let described = wrong.then(|| format!("e{name}"));
    if !shown.editable {
        return html! { output.value.number[value.as_number().is_some()] { @if value.is_null() { span.faint { "–" } } @else { (plain(value)) } } };
    }
    let text = shown.text(&name, value);
    match value {
        Value::Bool(truth) => {
            let checked = shown.posted.map_or(*truth, |posted| posted.all(&name).any(|text| text == "true"));
            html! {
                input type="hidden" name=(name) value="false";
                input id=(name) type="checkbox" name=(name) value="true" checked[checked];
            }
        }
        Value::String(long) if long.len() > 80 || long.contains('\n') => html! {
            textarea id=(name) name=(name) rows="3" aria-invalid=[wrong.then_some("true")] aria-describedby=[described] { "\n" (text) }
        },
        other => {
            let number = other.as_number().is_some();
            html! {
                input.number[number] id=(name) type="text" name=(name) value=(text) aria-label=(label_text) autocomplete="off" spellcheck="false"
                    inputmode=[number.then_some("decimal")] aria-invalid=[wrong.then_some("true")] aria-describedby=[described];
            }
        }
    }
}

/// Lists of flat objects are tables.
fn is_table(items: &[Value]) -> bool {
    let flat = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_));
    !items.is_empty() && items.iter().all(|item| item.as_object().is_some_and(|members| members.values().all(flat)))
}

fn table(items: &[Value], at: &str, label_text: &str, shown: Shown<'_>) -> Markup {
    let mut columns: Vec<&str> = Vec::new();
    for members in items.iter().filter_map(Value::as_object) {
        columns.extend(members.keys().map(|name| &**name));
    }
    let mut seen = std::collections::HashSet::new();
    columns.retain(|name| seen.insert(*name));
    let numeric =
        |name: &str| items.iter().all(|item| item.get(name).is_null() || item.get(name).as_number().is_some());
    let (named, others): (Vec<usize>, Vec<usize>) = (0..items.len()).partition(|row| shown.names(&items[*row]));
    let folds = !named.is_empty() && items.len() > ROWS_SHOWN;
    let part = |rows: &[usize], marked: bool| {
        html! {
            div.scroll {
                table.edit {
                    thead { tr {
                        @for column in &columns { th.number[numeric(column)] scope="col" { (label(column)) } }
                        @if shown.editable { th.narrow scope="col" { "Remove" } }
                    } }
                    tbody { @for row in rows { (table_row(&items[*row], *row, at, &columns, numeric, marked, shown)) } }
                }
            }
        }
    };
    html! {
        div.field.full {
            span.label { (label_text) " " span.muted { (items.len()) } }
            @if !named.is_empty() {
                p.named { (counted(named.len() as u64, "row in question", "rows in question")) }
                (part(&named, true))
            }
            @if folds {
                details.more { summary { "The other " (counted(others.len() as u64, "row", "rows")) } (part(&others, false)) }
            } @else if !others.is_empty() {
                (part(&others, false))
            }
        }
    }
}

fn table_row(
    item: &Value,
    row: usize,
    at: &str,
    columns: &[&str],
    numeric: impl Fn(&str) -> bool,
    marked: bool,
    shown: Shown<'_>,
) -> Markup {
    let at_row = format!("{at}/{row}");
    html! {
        tr.named[marked] {
            @for column in columns {
                @let at_cell = pointer(&at_row, column);
                td.number[numeric(column)] {
                    @if item.has(column) { (input(item.get(column), &at_cell, &label(column), shown)) }
                    (shown.mistake(&format!("f{at_cell}")))
                }
            }
            @if shown.editable {
                @let name = format!("d{at_row}");
                td.narrow { input type="checkbox" name=(name) value="1" aria-label=(format!("Remove row {}", row + 1)) checked[shown.posted.is_some_and(|posted| posted.get(&name).is_some())]; }
            }
        }
    }
}

/// The record as the form has it.
///
/// # Errors
/// What cannot be understood, by field.
pub(crate) fn posted(record: &Value, posted: &Posted) -> Result<Value, Mistakes> {
    let mut mistakes = Mistakes::new();
    let value = if posted.get("as-json").is_some() {
        let text = posted.get("json").unwrap_or_default();
        parsed(text, "json", &mut mistakes).unwrap_or_default()
    } else {
        changed(record, "", posted, &mut mistakes)
    };
    if mistakes.is_empty() { Ok(value) } else { Err(mistakes) }
}

fn parsed(text: &str, field: &str, mistakes: &mut Mistakes) -> Option<Value> {
    match json::parse(text.as_bytes()) {
        Ok(value) => Some(value),
        Err(error) => {
            mistakes.insert(field.to_owned(), format!("This is not JSON: {error}."));
            None
        }
    }
}

fn changed(value: &Value, at: &str, posted: &Posted, mistakes: &mut Mistakes) -> Value {
    let whole = format!("j{at}");
    if let Some(text) = posted.get(&whole) {
        return parsed(text, &whole, mistakes).unwrap_or_default();
    }
    match value {
        Value::Object(members) => {
            let mut kept = Object::default();
            for (name, member) in members.iter() {
                kept.insert(name.clone(), changed(member, &pointer(at, name), posted, mistakes));
            }
            Value::from(kept)
        }
        Value::Array(items) => {
            let mut kept = Vec::with_capacity(items.len());
            for (row, item) in items.iter().enumerate() {
                let at_row = format!("{at}/{row}");
                if posted.get(&format!("d{at_row}")).is_none() {
                    kept.push(changed(item, &at_row, posted, mistakes));
                }
            }
            Value::from(kept)
        }
        leaf => typed(leaf, &format!("f{at}"), posted, mistakes),
    }
}

fn typed(value: &Value, name: &str, posted: &Posted, mistakes: &mut Mistakes) -> Value {
    let Some(text) = posted.get(name) else { return value.clone() };
    match value {
        Value::Bool(_) => Value::from(posted.all(name).any(|text| text == "true")),
        Value::Number(_) => match json::parse(text.trim().as_bytes()) {
            Ok(number @ Value::Number(_)) => number,
            _ => {
                let example = "Write a number with a point, such as 12.50.";
                mistakes.insert(name.to_owned(), format!("“{text}” is not a number. {example}"));
                value.clone()
            }
        },
        Value::Null if text.is_empty() => Value::Null,
        // Browsers end the lines of a form with two characters.
        _ => Value::from(text.replace("\r\n", "\n")),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.to_string(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => json::to_string(other),
    }
}

fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn record() -> Value {
        json::parse(
            br#"{"country":null,"net":12.50,"urgent":true,"note":"a\nb","lines":[{"product":"A","quantity":2},{"product":"B","quantity":1}],"deep":{"a":{"b":{"c":{"d":1}}}}}"#,
        )
        .expect("JSON")
    }

    fn form_of(fields: &[(&str, &str)]) -> Posted {
        Posted(Arc::new(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()))
    }

    #[test]
    fn what_was_not_touched_stays_as_it_was() {
        assert_eq!(posted(&record(), &form_of(&[])), Ok(record()));
        let same =
            [("f/country", ""), ("f/net", "12.50"), ("f/urgent", "false"), ("f/urgent", "true"), ("f/note", "a\r\nb")];
        assert_eq!(posted(&record(), &form_of(&same)), Ok(record()));
    }

    #[test]
    fn values_keep_their_types_and_rows_can_go() {
        let fields = [
            ("f/country", "GB"),
            ("f/net", "7"),
            ("f/urgent", "false"),
            ("d/lines/0", "1"),
            ("f/lines/1/product", "85123A"),
            ("f/lines/1/quantity", "6"),
        ];
        let changed = posted(&record(), &form_of(&fields)).expect("a record");
        let wanted = br#"{"country":"GB","net":7,"urgent":false,"note":"a\nb","lines":[{"product":"85123A","quantity":6}],"deep":{"a":{"b":{"c":{"d":1}}}}}"#;
        assert_eq!(changed, json::parse(wanted).expect("JSON"));
    }

    #[test]
    fn mistakes_are_told_at_their_field() {
        let mistakes = posted(&record(), &form_of(&[("f/net", "1,50")])).expect_err("no number");
        assert!(mistakes["f/net"].contains("1,50"), "{mistakes:?}");
        let mistakes = posted(&record(), &form_of(&[("as-json", "1"), ("json", "{")])).expect_err("no JSON");
        assert!(mistakes["json"].contains("line 1"), "{mistakes:?}");
        let as_json = form_of(&[("as-json", "1"), ("json", "{\"a\":1}"), ("f/net", "x")]);
        assert_eq!(posted(&record(), &as_json).expect("a record").to_string(), r#"{"a":1}"#);
    }

    #[test]
    fn rows_that_the_reason_names_come_first_and_the_others_are_folded() {
        let lines: Vec<String> = (0..20).map(|line| format!(r#"{{"product":"P{line:04}","quantity":2}}"#)).collect();
        let record = json::parse(format!(r#"{{"lines":[{}]}}"#, lines.join(",")).as_bytes()).expect("JSON");
        let mistakes = Mistakes::new();
        let reason = "Material P0013 is not defined. Correct the lines.";
        let page = form(&record, Shown { posted: None, mistakes: &mistakes, fields: &[], editable: true, reason });
        let page = page.into_string();
        assert!(page.contains("1 row in question") && page.contains("The other 19 rows"), "{page}");
        assert!(page.find("f/lines/13/product") < page.find("f/lines/0/product"), "{page}");
        assert_eq!(page.matches("class=\"named\"").count(), 2, "{page}");
    }

    #[test]
    fn only_the_members_that_are_named_can_be_changed() {
        let (mistakes, fields) = (Mistakes::new(), [Value::from("country"), Value::from("lines")]);
        let shown = Shown { posted: None, mistakes: &mistakes, fields: &fields, editable: true, reason: "" };
        let page = form(&record(), shown).into_string();
        for (name, editable) in
            [("f/country", true), ("f/lines/0/product", true), ("f/net", false), ("f/note", false), ("j/deep/a", false)]
        {
            assert_eq!(page.contains(&format!("name=\"{name}\"")), editable, "{name}: {page}");
        }
    }

    #[test]
    fn every_field_of_the_form_is_understood_again() {
        let mistakes = Mistakes::new();
        let shown = Shown { posted: None, mistakes: &mistakes, fields: &[], editable: true, reason: "" };
        let page = form(&record(), shown).into_string();
        for name in ["f/country", "f/net", "f/urgent", "f/note", "f/lines/1/quantity", "d/lines/0", "j/deep/a/b/c"] {
            assert!(page.contains(&format!("name=\"{name}\"")), "{name} is not in {page}");
        }
    }
}
