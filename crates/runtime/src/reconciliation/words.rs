//! A finding in the words of its work item.

use std::sync::Arc;

use comparison::Subject;
use model::Value;
use reconcile::{Finding, Line, Side};

use super::standing::Knowledge;
use crate::journal::{shortened, summary};
use crate::lane::FINDING;

/// How many members a title and a reason name, and how many are in the content.
const TITLED_MAX: usize = 4;
const NAMED_MAX: usize = 8;
const SHOWN_MAX: usize = 40;
/// Longest value in a reason, in characters.
const VALUE_MAX: usize = 80;

/// A finding for people.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) identity: Arc<str>,
    pub(crate) title: String,
    pub(crate) reason: String,
    pub(crate) content: Value,
}

/// What people are told about a finding.
pub(super) fn tell(
    subject: &Subject,
    identity: &Arc<str>,
    finding: &Finding,
    lines: &[Line],
    known: &Knowledge,
) -> Told {
    let (object, what, judge) = (&subject.object, &known.title, &subject.judge);
    let name = |side: Side| judge.name(side).as_str();
    let verdict = lines.first().map(|line| judge.sentence(&line.verdict)).unwrap_or_default();
    let (title, reason) = match finding {
        Finding::Missing { on, id, .. } => {
            let reason = match known.ids.of(*on) {
                Some(there) => format!(
                    "{} has it as {id}. {} had it as {there}, which is not there any more: read again, it follows what \
                     `deletes` says",
                    name(on.other()),
                    name(*on)
                ),
                None => format!("{} has it as {id}, {} does not have it: {verdict}", name(on.other()), name(*on)),
            };
            (format!("{object} {what} is missing in {}", name(*on)), reason)
        }
        Finding::Doubled { on, ids, count, .. } => {
            let reason = format!("{} has {count} records of one key ({}): {verdict}", name(*on), ids.join(", "));
            (format!("{object} {what} is there {count} times in {}", name(*on)), reason)
        }
        Finding::Different { members, .. } => {
            let named: Vec<&str> = members.iter().take(TITLED_MAX).map(|one| &*one.member).collect();
            let more = match members.len() - named.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let sentence = |line: &Line| {
                format!(
                    "{}: {} says {}, {} says {} ({})",
                    line.member.as_deref().unwrap_or_default(),
                    name(Side::Left),
                    shown(&line.left),
                    name(Side::Right),
                    shown(&line.right),
                    judge.sentence(&line.verdict)
                )
            };
            let mut sentences: Vec<String> = lines.iter().take(NAMED_MAX).map(sentence).collect();
            if lines.len() > NAMED_MAX {
                sentences.push(format!("and {} more members", lines.len() - NAMED_MAX));
            }
            (format!("{object} {what} differs: {}{more}", named.join(", ")), sentences.join("; "))
        }
    };
    let both = |left: Value, right: Value| {
        Value::object([(Arc::<str>::from(name(Side::Left)), left), (Arc::from(name(Side::Right)), right)])
    };
    let values = lines.iter().filter(|line| line.member.is_some()).take(SHOWN_MAX).map(|line| {
        let member = line.member.clone().unwrap_or_default();
        (member, both(summary(&line.left), summary(&line.right)))
    });
    let content = Value::object([
        ("kind", Value::from(FINDING)),
        ("finding", Value::from(Arc::clone(identity))),
        ("object", Value::from(object.as_str())),
        ("key", Value::from(Arc::clone(finding.key()))),
        ("records", both(Value::from(known.ids.left.clone()), Value::from(known.ids.right.clone()))),
        ("record", Value::object(values)),
        ("verdicts", Value::array(lines.iter().take(SHOWN_MAX).map(|line| line.verdict.word()))),
        ("allow", Value::array(["retry", "dismiss"])),
    ]);
    Told { identity: Arc::clone(identity), title, reason, content }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) if text.is_empty() => "nothing".to_owned(),
        other => shortened(other.to_string(), VALUE_MAX),
    }
}
