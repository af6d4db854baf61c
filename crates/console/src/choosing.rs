//! What people need to choose: the action's name with the systems it concerns, what each will do, and the records side by side.

use std::collections::BTreeSet;
use std::sync::Arc;

use definitions::Release;
use maud::{Markup, html};
use model::Value;
use store::{Store, StoreError, WorkItemRow};

use crate::format::label;
use crate::parts::{record_path, system};
use crate::record::agreement;

/// How many members are compared.
const MEMBERS_MAX: usize = 40;

/// A text with systems called as people call them.
pub(crate) fn in_words(text: &str, release: &Release) -> String {
    let word = |word: &str| {
        let (name, after) = word.split_at(word.trim_end_matches([':', ',', '.', ';', '?']).len());
        match release.connections.contains_key(name) {
            true => format!("{}{after}", system(release, name)),
            false => word.to_owned(),
        }
    };
    let said = text.split(' ').map(word).collect::<Vec<_>>().join(" ");
    let mut letters = said.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What is asked, in people's words.
pub(crate) fn heading(item: &WorkItemRow, release: &Release) -> String {
    let text = |name: &str| item.content.get(name).as_str().unwrap_or_default();
    let title = release.synchronised.get(text("object")).and_then(|known| known.title_of(item.content.get("record")));
    match (text("kind"), title) {
        ("identity", Some(title)) => {
            format!(
                "{title} of {}: which {} is it?",
                system(release, text("connection")),
                label(text("object")).to_lowercase()
            )
        }
        _ => in_words(&item.title, release),
    }
}

/// What an action is called where its usual name would not say which system it is about.
pub(crate) fn name_of(release: &Release, item: &WorkItemRow, action: &str) -> Option<Arc<str>> {
    let side = |name: &str| item.content.get(name).as_str().map(|side| system(release, side));
    let name = match (item.content.get("kind").as_str()?, action) {
        ("deleted", "block") => format!("Block it in {}", side("side")?),
        ("deleted", "deactivate") => format!("Make it inactive in {}", side("side")?),
        ("deleted", "delete") => format!("Delete it in {}, too", side("side")?),
        ("deleted", "keep") => format!("Keep it in {}", side("side")?),
        ("deleted", "make-again") => format!("Make it again in {}", side("lost")?),
        ("existing", "new") => format!("Make another one in {} all the same", side("side")?),
        ("conflict", keep) => {
            let kept = keep.strip_prefix("keep-")?;
            let value = item.content.get("record").get(kept);
            let said = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match value.is_null() || said.is_empty() || said.chars().count() > 40 {
                true => format!("Keep what {} says", system(release, kept)),
                false => format!("Keep “{said}” of {}", system(release, kept)),
            }
        }
        _ => return None,
    };
    Some(name.into())
}

/// What an action will do, one sentence; `None` where the queue's own label has to say it.
pub(crate) fn meaning(item: &WorkItemRow, action: &str) -> Option<&'static str> {
    Some(match (item.content.get("kind").as_str()?, action) {
        ("conflict", _) => "It counts from now on, and is written to the other system.",
        ("deleted", "block" | "deactivate" | "delete") => "The record there follows the deletion.",
        ("deleted", "keep") => "The record there stays as it is, and is not kept the same any more.",
        ("deleted", "make-again") => "A new record is made there with what is agreed.",
        ("identity", "new") => "It becomes an object of its own, and is made in the other systems.",
        ("identity", "retry") => "The record is read and compared again.",
        ("identity", "dismiss") => "Nothing is done with the record until it changes.",
        ("identity", _) => "The two records are one from now on, and are kept the same.",
        ("existing", "new") => "A record of its own is made there, although the system takes it for one that it has.",
        ("existing", "retry") => {
            "It is tried again to make it: after the records there were corrected, or the rule was."
        }
        ("existing", "dismiss") => "It is not made there, until something of it changes.",
        ("existing", _) => "The record there is this one from now on, and they are kept the same.",
        ("unreadable", "retry") => {
            "The record is read again: after it was corrected in its system, or the definitions were."
        }
        ("unreadable", "dismiss") => "Nothing is done with the record until it changes.",
        ("finding", "retry") => "The records are read again, and what ownership decides is written.",
        ("finding", "dismiss") => "It stays so. Nobody is asked again until it was settled and comes back.",
        ("write", "retry") => "What is agreed is written again.",
        ("write", "dismiss") => "The systems stay different here, until one of them says something else.",
        _ => return None,
    })
}

/// A record that is not known, and the objects that it may be.
pub(crate) struct Candidates {
    /// Key, title, what speaks for it, and its agreed values.
    found: Vec<(Arc<str>, String, String, Value)>,
}

/// Reads the objects that the record of an item may be.
pub(crate) fn candidates(store: &dyn Store, item: &WorkItemRow) -> Result<Candidates, StoreError> {
    let object = item.content.get("object").as_str().unwrap_or_default();
    let mut found = Vec::new();
    for candidate in item.content.get("candidates").items() {
        let text = |name: &str| candidate.get(name).as_str().unwrap_or_default().to_owned();
        let row = store.synced(object, &text("key"))?;
        let agreed = row.and_then(|row| agreement(&row).ok()).map(|known| sync::object_of(&known.agreed));
        found.push((text("key").into(), text("title"), text("why"), agreed.unwrap_or_default()));
    }
    Ok(Candidates { found })
}

/// The record beside each object that it may be, member by member.
pub(crate) fn compared(item: &WorkItemRow, candidates: &Candidates, release: &Release) -> Markup {
    let record = item.content.get("record");
    let object = item.content.get("object").as_str().unwrap_or_default();
    let from = item.content.get("connection").as_str().unwrap_or_default();
    let mut members = BTreeSet::new();
    for value in candidates.found.iter().map(|(.., agreed)| agreed).chain([record]) {
        leaves(value, "", &mut members);
    }
    html! {
        @if !candidates.found.is_empty() {
            section #candidates .card {
                div.scroll {
                    table.list {
                        thead { tr {
                            th scope="col" { "Member" }
                            th scope="col" { "This record of " (system(release, from)) }
                            @for (key, title, ..) in &candidates.found {
                                th scope="col" { a.link href=(record_path(object, key)) { (if title.is_empty() { key } else { title.as_str() }) } }
                            }
                        } }
                        tbody {
                            tr { td { "What speaks for it" } td {} @for (_, _, why, _) in &candidates.found { td.faint { (why) } } }
                            @for member in members.iter().take(MEMBERS_MAX) {
                                @let own = shown(record, member);
                                tr {
                                    td { (label(&member.replace('.', "-"))) }
                                    td { (own) }
                                    @for (.., agreed) in &candidates.found {
                                        @let other = shown(agreed, member);
                                        td.strong[other == own && !own.is_empty()] { (other) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The members that hold one value each.
fn leaves(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = if at.is_empty() { name.to_string() } else { format!("{at}.{name}") };
        match member {
            Value::Object(_) => leaves(member, &path, found),
            Value::Array(_) | Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            _ => {
                found.insert(path);
            }
        }
    }
}

fn shown(value: &Value, member: &str) -> String {
    let found = member.split('.').fold(value, |value, name| value.get(name));
    match found {
        Value::Null => String::new(),
        Value::String(text) => text.to_string(),
        Value::Bool(is) => if *is { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_with_one_value_are_compared() {
        let value = Value::object([
            ("name", Value::from("ACME")),
            ("empty", Value::from("")),
            ("roles", Value::array(["a"])),
            ("billing", Value::object([("city", "Leeds")])),
        ]);
        let mut found = BTreeSet::new();
        leaves(&value, "", &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["billing.city", "name"]);
        assert_eq!((shown(&value, "billing.city"), shown(&value, "billing.none")), ("Leeds".into(), String::new()));
    }
}
