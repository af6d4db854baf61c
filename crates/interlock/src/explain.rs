//! `interlock explain`: why a member of an object has its value.

use std::fmt::Write as _;

use clap::Args;
use model::{Problem, Value};

use crate::failure::Failure;
use crate::ops::{Output, ServerArgs, Table, cell, fields, time};

/// Says of an object in agreement which system each value comes from, by which rule, and what lost.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// The object, such as `customer`.
    object: String,
    /// Its canonical key, as both systems know it.
    key: String,
    /// Only this member, such as `billing.city`, or those below it.
    member: Option<String>,
}

/// `interlock explain OBJECT KEY [MEMBER]`
///
/// # Errors
/// When Interlock cannot be asked, or knows no such object or member.
pub(crate) async fn command(arguments: ExplainArgs) -> Result<(), Failure> {
    let ExplainArgs { server, object, key, member } = arguments;
    let output = Output::new(server.json);
    let mut found = server.client()?.ask(&["objects", &object, &key], &[]).await?;
    if let Some(member) = &member {
        let below = |name: &str| {
            name.strip_prefix(member.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let all = found.get("members").items();
        let kept: Vec<Value> =
            all.iter().filter(|one| one.get("member").as_str().is_some_and(below)).cloned().collect();
        if kept.is_empty() {
            let names: Vec<&str> = all.iter().filter_map(|one| one.get("member").as_str()).collect();
            let help = model::nearest(member, names.iter().copied())
                .map_or_else(|| format!("Use one of: {}", names.join(", ")), |near| format!("Did you mean `{near}`?"));
            return Err(Problem::new("IL-OPS-008", format!("{object} has no member `{member}`"), help).into());
        }
        found.set("members", kept);
    }
    output.print(&found, || shown(&found, member.is_some()));
    Ok(())
}

fn shown(found: &Value, in_full: bool) -> String {
    let text = |value: &Value, name: &str| value.get(name).as_str().unwrap_or_default().to_owned();
    let records = found.get("records").as_object().into_iter().flatten();
    let records: Vec<String> =
        records.map(|(side, id)| format!("{side} {}", id.as_str().unwrap_or_default())).collect();
    let members = found.get("members").items();
    let mut shown = fields([
        ("Object", text(found, "object")),
        ("Key", text(found, "key")),
        ("State", text(found, "state")),
        ("Stage", text(found, "stage")),
        ("Records", records.join(", ")),
        ("Changed", time(found.get("updated_at"))),
    ]);
    if !in_full {
        let mut table = Table::new(["MEMBER", "VALUE", "FROM", "WHY", "SINCE", "STANDING"]);
        for one in members {
            let value = plain(one.get("value"));
            let since = time(one.get("at"));
            table.row([text(one, "member"), value, text(one, "from"), text(one, "why"), since, text(one, "standing")]);
        }
        shown.push('\n');
        shown.push_str(&table.text());
        return shown;
    }
    for one in members {
        let lost = one.get("lost").as_object().into_iter().flatten();
        let lost: Vec<String> = lost.map(|(side, value)| format!("{side} said {}", plain(value))).collect();
        // Writing into a string does not fail.
        let _ = writeln!(shown, "\n{}", cell(&text(one, "member")));
        shown.push_str(&fields([
            ("  Value", plain(one.get("value"))),
            ("  From", text(one, "from")),
            ("  Why", text(one, "why")),
            ("  Owner", text(one, "owner")),
            ("  Merged", text(one, "merged")),
            ("  Lost", lost.join(", ")),
            ("  Standing", text(one, "standing")),
            ("  Event", text(one, "event")),
            ("  Since", time(one.get("at"))),
            ("  Release", text(one, "release")),
        ]));
        for side in one.get("sides").items() {
            let (name, holds, state) = (text(side, "side"), plain(side.get("holds")), text(side, "state"));
            let _ = writeln!(shown, "  {}: {} ({state})", cell(&name), cell(&holds));
        }
    }
    shown
}

/// A value as people read it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    }
}
