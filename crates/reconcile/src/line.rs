//! Findings as flat lines: one for each member that differs, one for each record that is missing or doubled.

use std::sync::Arc;

use model::Value;

use crate::finding::{Finding, Side};
use crate::verdict::{Judge, Verdict};

/// One line of a list of findings.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// By what the records are known.
    pub key: Arc<str>,
    /// `missing`, `doubled` or `different`.
    pub finding: &'static str,
    /// Where it is missing or doubled; `None` for a difference.
    pub on: Option<Side>,
    /// The record of the left side; of several, all that are told.
    pub left_id: Option<Arc<str>>,
    /// The record of the right side.
    pub right_id: Option<Arc<str>>,
    /// The member that differs.
    pub member: Option<Arc<str>>,
    /// What the left side holds of it.
    pub left: Value,
    /// What the right side holds of it.
    pub right: Value,
    /// What ownership makes of it.
    pub verdict: Verdict,
}

/// The names of the columns of exports.
pub(crate) const COLUMNS: [&str; 11] =
    ["key", "finding", "on", "left_id", "right_id", "member", "left", "right", "owner", "verdict", "explanation"];

impl Line {
    /// As JSON, with the names of the sides.
    #[must_use]
    pub fn to_value(&self, judge: &Judge) -> Value {
        let [key, finding, on, left_id, right_id, member, _, _, owner, verdict, explanation] = self.cells(judge);
        let name = |side| Arc::<str>::from(judge.name(side).as_str());
        let both = |left: Value, right: Value| Value::object([(name(Side::Left), left), (name(Side::Right), right)]);
        let mut value = Value::object([
            ("key", Value::from(key)),
            ("finding", Value::from(finding)),
            ("on", Value::from(on)),
            ("records", both(Value::from(left_id), Value::from(right_id))),
        ]);
        if let Some(member) = member {
            value.set("member", member);
            value.set("values", both(self.left.clone(), self.right.clone()));
        }
        value.set("owner", Value::from(owner));
        value.set("verdict", Value::from(verdict));
        value.set("explanation", Value::from(explanation));
        value
    }

    /// Its cells in the order of the columns; `None` where there is nothing.
    pub(crate) fn cells(&self, judge: &Judge) -> [Option<String>; COLUMNS.len()] {
        let owner = match &self.verdict {
            Verdict::Elsewhere(owner) => Some(owner.to_string()),
            other => other.owner().map(|side| judge.name(side).to_string()),
        };
        let text = |text: &Arc<str>| text.to_string();
        [
            Some(self.key.to_string()),
            Some(self.finding.to_owned()),
            self.on.map(|side| judge.name(side).to_string()),
            self.left_id.as_ref().map(text),
            self.right_id.as_ref().map(text),
            self.member.as_ref().map(text),
            plain(&self.left),
            plain(&self.right),
            owner,
            Some(self.verdict.word().to_owned()),
            Some(judge.sentence(&self.verdict)),
        ]
    }
}

/// A text as it is, anything else as JSON.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.to_string()),
        other => Some(other.to_string()),
    }
}

/// A finding as lines.
#[must_use]
pub fn lines(finding: &Finding, judge: &Judge) -> Vec<Line> {
    let of_record = |finding_word, on, ids: [Option<Arc<str>>; 2]| {
        let [left_id, right_id] = ids;
        let verdict = judge.record(finding).unwrap_or(Verdict::Undeclared);
        vec![Line {
            key: Arc::clone(finding.key()),
            finding: finding_word,
            on: Some(on),
            left_id,
            right_id,
            member: None,
            left: Value::Null,
            right: Value::Null,
            verdict,
        }]
    };
    match finding {
        Finding::Missing { on, id, .. } => {
            let id = Some(Arc::clone(id));
            of_record("missing", *on, if *on == Side::Left { [None, id] } else { [id, None] })
        }
        Finding::Doubled { on, ids, count, .. } => {
            let mut text = ids.iter().map(|id| &**id).collect::<Vec<_>>().join(", ");
            let more = count.saturating_sub(ids.len() as u64);
            if more > 0 {
                text.push_str(&format!(" and {more} more"));
            }
            let text = Some(Arc::from(text));
            of_record("doubled", *on, if *on == Side::Left { [text, None] } else { [None, text] })
        }
        Finding::Different { key, ids, stages, members } => members
            .iter()
            .map(|difference| Line {
                key: Arc::clone(key),
                finding: "different",
                on: None,
                left_id: Some(Arc::clone(&ids.left)),
                right_id: Some(Arc::clone(&ids.right)),
                member: Some(Arc::clone(&difference.member)),
                left: difference.left.clone(),
                right: difference.right.clone(),
                verdict: judge.member(&difference.member, stages),
            })
            .collect(),
    }
}
