//! The lines of a matter's timeline: short sentences for people, with bounded details for who opens a line.

use jiff::Timestamp;
use model::{Object, TransactionId, Value};
use store::{JournalRow, Mutation};

/// Bounds of a summary, so that a line has about 4 KiB at the most.
const TEXT_MAX: usize = 200;
const ITEMS_MAX: usize = 5;
const MEMBERS_MAX: usize = 40;
const DEPTH_MAX: usize = 6;
const BYTES_MAX: usize = 3_500;
/// Longest title, in characters.
const TITLE_MAX: usize = 300;

/// A line as a mutation.
pub(crate) fn line(
    transaction: TransactionId,
    at: Timestamp,
    kind: &str,
    connection: Option<&str>,
    title: impl Into<String>,
    detail: Value,
) -> Mutation {
    let title = shortened(title.into(), TITLE_MAX).into();
    Mutation::AppendJournal(JournalRow {
        transaction,
        at,
        kind: kind.into(),
        connection: connection.map(Into::into),
        title,
        detail,
    })
}

/// A text of so many characters at the most.
pub(crate) fn shortened(text: String, characters: usize) -> String {
    if text.len() <= characters {
        return text;
    }
    match text.char_indices().nth(characters.saturating_sub(1)) {
        Some((end, _)) if text.chars().count() > characters => format!("{}…", &text[..end]),
        _ => text,
    }
}

/// The value itself when it is small, else what of it fits.
pub(crate) fn summary(value: &Value) -> Value {
    let mut left = BYTES_MAX;
    part(value, 0, &mut left)
}

fn part(value: &Value, depth: usize, left: &mut usize) -> Value {
    *left = left.saturating_sub(8);
    if *left == 0 || depth > DEPTH_MAX {
        return Value::from("…");
    }
    match value {
        Value::String(text) => {
            let kept = match text.len() > TEXT_MAX {
                true => Value::from(shortened(text.to_string(), TEXT_MAX)),
                false => value.clone(),
            };
            *left = left.saturating_sub(kept.as_str().map_or(0, str::len));
            kept
        }
        Value::Array(items) => {
            let mut kept: Vec<Value> = Vec::with_capacity(items.len().min(ITEMS_MAX + 1));
            for item in items.iter().take(ITEMS_MAX) {
                if *left == 0 {
                    break;
                }
                kept.push(part(item, depth + 1, left));
            }
            let more = items.len() - kept.len();
            if more > 0 {
                *left = left.saturating_sub(16);
                kept.push(Value::from(format!("… and {more} more")));
            }
            Value::from(kept)
        }
        Value::Object(members) => {
            let mut kept = Object::default();
            for (name, member) in members.iter().take(MEMBERS_MAX) {
                if *left == 0 {
                    break;
                }
                *left = left.saturating_sub(name.len());
                kept.insert(name.clone(), part(member, depth + 1, left));
            }
            if kept.len() < members.len() {
                kept.insert("…".into(), Value::from(format!("{} more", members.len() - kept.len())));
            }
            Value::from(kept)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_the_value_or_a_bounded_part_of_it() {
        let small = Value::object([("key", Value::from("Q-1")), ("lines", Value::array([1, 2, 3]))]);
        assert_eq!(summary(&small), small);
        let line = Value::object([("name", Value::from("ä".repeat(500))), ("amount", Value::from(12))]);
        let large =
            Value::object((0..400).map(|number| (format!("member{number}"), Value::array(vec![line.clone(); 30]))));
        let text = summary(&large).to_string();
        assert!(text.len() < 5_000, "{}", text.len());
        assert!(text.contains("… and 25 more"), "{text}");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(shortened("äöü".to_owned(), 3), "äöü");
        assert_eq!(shortened("äöüß".to_owned(), 3), "äö…");
    }
}
