//! Values that no value map knows, over all open work items: what to add to which file so that they go on.

use model::{Value, json};

use super::look::{Status, items};
use crate::failure::Failure;
use crate::ops::{Client, Output, harmless, time};
use crate::wiring::counted;

/// A value that a map does not know, and what waits for it.
struct Unknown {
    map: String,
    value: Value,
    /// `read` when a record has it, `write` when a canonical object has it.
    direction: String,
    member: String,
    field: String,
    items: usize,
    /// When the first of them was opened.
    since: String,
    /// The title and the id of the first.
    example: (String, String),
}

/// `interlock queues unmapped`
pub(super) async fn unmapped(client: &Client, output: Output) -> Result<(), Failure> {
    let mut unknown = Vec::new();
    // Not by way of the overview, whose counts may be some seconds old.
    for item in items(client, None, Status::Open, usize::MAX).await? {
        note(&mut unknown, &item);
    }
    unknown.sort_by(|left, right| {
        (&left.map, std::cmp::Reverse(left.items), &left.value).cmp(&(
            &right.map,
            std::cmp::Reverse(right.items),
            &right.value,
        ))
    });
    let result = Value::object([("unmapped", Value::array(unknown.iter().map(Unknown::to_value)))]);
    output.print(&result, || match unknown.as_slice() {
        [] => "No open work item waits for a value map.".to_owned(),
        found => text(found),
    });
    Ok(())
}

/// Adds what a work item says; a value that it has in several members counts once.
fn note(unknown: &mut Vec<Unknown>, item: &Value) {
    let text = |value: &Value, name: &str| value.get(name).as_str().unwrap_or_default().to_owned();
    let mut seen: Vec<(String, String, Value)> = Vec::new();
    for one in item.get("unmapped").items() {
        let (map, direction, value) = (text(one, "map"), text(one, "direction"), one.get("value").clone());
        if seen.iter().any(|(m, d, v)| (m, d, v) == (&map, &direction, &value)) {
            continue;
        }
        seen.push((map.clone(), direction.clone(), value.clone()));
        let (opened, example) = (text(item, "opened_at"), (text(item, "title"), text(item, "id")));
        let known =
            unknown.iter_mut().find(|known| (&known.map, &known.direction, &known.value) == (&map, &direction, &value));
        match known {
            Some(known) => {
                known.items += 1;
                // Instants of the API are written alike, so that earlier ones are smaller texts.
                if opened < known.since {
                    (known.since, known.example) = (opened, example);
                }
            }
            None => unknown.push(Unknown {
                map,
                value,
                direction,
                member: text(one, "member"),
                field: text(one, "field"),
                items: 1,
                since: opened,
                example,
            }),
        }
    }
}

impl Unknown {
    fn file(&self) -> String {
        format!("values/{}.yaml", self.map)
    }

    /// The line that is missing below `map` of the file; what only a person knows in angle brackets.
    fn line(&self) -> String {
        let quoted = match &self.value {
            Value::String(_) => json::to_string(&self.value),
            other => format!("\"{}\"", json::to_string(other)),
        };
        match self.direction.as_str() {
            "write" => format!("<value of {}>: {}", self.field, json::to_string(&self.value)),
            _ => format!("{quoted}: <value of {}>", self.member),
        }
    }

    fn to_value(&self) -> Value {
        let (title, id) = &self.example;
        Value::object([
            ("map", Value::from(self.map.as_str())),
            ("value", self.value.clone()),
            ("direction", Value::from(self.direction.as_str())),
            ("member", Value::from(self.member.as_str())),
            ("field", Value::from(self.field.as_str())),
            ("items", Value::from(self.items)),
            ("since", Value::from(self.since.as_str())),
            ("example", Value::object([("item", id.as_str()), ("title", title.as_str())])),
            ("file", Value::from(self.file())),
            ("line", Value::from(self.line())),
        ])
    }
}

fn text(unknown: &[Unknown]) -> String {
    let mut text = String::new();
    let mut last = "";
    for one in unknown {
        if one.map != last {
            let gap = if last.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}{}\n", harmless(&one.file())));
            last = &one.map;
        }
        let since = time(&Value::from(one.since.as_str()));
        text.push_str(&format!(
            "  {}\n    {} since {since}, such as {} ({})\n",
            harmless(&one.line()),
            counted(one.items, "work item"),
            harmless(&one.example.0),
            harmless(&one.example.1)
        ));
    }
    text.push_str(
        "\nPut each line below `map`, with what stands in angle brackets replaced, start Interlock again, and decide `retry`.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON")
    }

    #[test]
    fn items_are_counted_once_for_each_value_and_the_first_is_the_example() {
        let mut unknown = Vec::new();
        note(
            &mut unknown,
            &item(
                r#"{"id":"b","title":"B","opened_at":"2026-11-23T10:00:00Z","unmapped":[
                {"map":"countries","value":"Freedonia","member":"a","field":"A","direction":"read"},
                {"map":"countries","value":"Freedonia","member":"b","field":"B","direction":"read"},
                {"map":"countries","value":7,"member":"c","field":"C","direction":"write"}]}"#,
            ),
        );
        note(
            &mut unknown,
            &item(
                r#"{"id":"a","title":"A","opened_at":"2026-11-23T09:00:00Z","unmapped":[
                {"map":"countries","value":"Freedonia","member":"a","field":"A","direction":"read"}]}"#,
            ),
        );
        note(&mut unknown, &item(r#"{"id":"c","title":"C","opened_at":"2026-11-23T08:00:00Z"}"#));
        assert_eq!(unknown.len(), 2);
        assert_eq!((unknown[0].items, unknown[0].example.1.as_str()), (2, "a"));
        assert_eq!(unknown[0].line(), r#""Freedonia": <value of a>"#);
        assert_eq!(unknown[1].line(), "<value of C>: 7");
    }
}
