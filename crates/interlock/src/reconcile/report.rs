//! What was found, for people and for programs.

use std::fmt::Write as _;

use comparison::{Read, Subject};
use model::Value;
use reconcile::{Line, Side, Totals};

use crate::ops::{Table, cell, harmless};

/// How many lines of findings are printed, and how many are in the JSON.
const PRINTED_MAX: usize = 50;
const JSON_MAX: usize = 10_000;

/// Lines of findings: the first ones, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Found {
    lines: Vec<Line>,
    count: u64,
}

impl Found {
    /// One more.
    pub(super) fn add(&mut self, line: Line) {
        self.count += 1;
        if self.lines.len() < JSON_MAX {
            self.lines.push(line);
        }
    }
}

/// A comparison that was made.
pub(super) struct Compared {
    pub(super) totals: Totals,
    pub(super) found: Found,
    /// Pairs that differ only in how a system holds a value that it cannot hold as it is.
    pub(super) own_forms: u64,
    pub(super) left: Read,
    pub(super) right: Read,
}

impl Compared {
    /// Whether both sides hold the same, as far as can be told.
    pub(super) fn is_equal(&self) -> bool {
        let sums = self.totals.sums.iter().all(|sum| sum.difference.is_zero());
        self.totals.findings() == 0 && self.unreadable() == 0 && sums
    }

    /// How many records no object can be made of.
    pub(super) fn unreadable(&self) -> u64 {
        self.left.unreadable + self.right.unreadable
    }

    fn told(&self) -> impl Iterator<Item = String> {
        self.left.told.iter().chain(&self.right.told).map(|told| harmless(told))
    }

    pub(super) fn to_value(&self, subject: &Subject) -> Value {
        let number = |count: u64| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
        let lines = self.found.lines.iter().map(|line| line.to_value(&subject.judge));
        let more = self.found.count.saturating_sub(self.found.lines.len() as u64);
        let mut value = Value::object([
            ("object", Value::from(subject.object.as_str())),
            ("left", Value::from(subject.sides.left.as_str())),
            ("right", Value::from(subject.sides.right.as_str())),
            ("equal", Value::from(self.is_equal())),
            ("totals", self.totals.to_value(&subject.judge)),
            ("own_forms", number(self.own_forms)),
            ("findings", Value::array(lines)),
            ("more", number(more)),
        ]);
        value.set("unreadable", number(self.unreadable()));
        value.set("unreadable_records", Value::array(self.told().map(Value::from)));
        value
    }

    pub(super) fn text(&self, subject: &Subject) -> String {
        let (totals, judge) = (&self.totals, &subject.judge);
        let (left, right) = (judge.name(Side::Left).as_str(), judge.name(Side::Right).as_str());
        let mut text = String::new();
        let mut records = Table::new([subject.object.as_str(), left, right]);
        for (name, one, other) in [
            ("records", totals.rows.left, totals.rows.right),
            ("equal", totals.equal, totals.equal),
            ("different", totals.different, totals.different),
            ("missing", totals.missing.left, totals.missing.right),
            ("doubled keys", totals.doubled.left, totals.doubled.right),
            ("unreadable", self.left.unreadable, self.right.unreadable),
        ] {
            records.row([name.to_owned(), one.to_string(), other.to_string()]);
        }
        text.push_str(&records.text());
        // Writing into a string does not fail.
        if self.own_forms > 0 {
            let _ = writeln!(
                text,
                "\n{} of the equal ones differ in the form in which a system can hold a value.",
                self.own_forms
            );
        }
        if !totals.sums.is_empty() {
            let mut sums = Table::new(["AMOUNT", "CURRENCY", "MONTH", left, right, "DIFFERENCE"]);
            for sum in &totals.sums {
                let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
                sums.row([
                    sum.name.to_string(),
                    or_none(sum.currency.map(|currency| currency.to_string())),
                    or_none(sum.period.map(|period| period.to_string())),
                    sum.left.amount.to_string(),
                    sum.right.amount.to_string(),
                    sum.difference.to_string(),
                ]);
            }
            let _ = write!(text, "\n{}", sums.text());
        }
        for told in self.told() {
            let _ = writeln!(text, "\nUnreadable: {told}");
        }
        if !self.found.lines.is_empty() {
            let _ = write!(text, "\n{}\n{}", self.findings(left, right), legend(self, subject));
        }
        let more = self.found.count.saturating_sub(PRINTED_MAX as u64);
        if more > 0 {
            let _ = writeln!(text, "\n{more} more lines: export them with --export FILE.");
        }
        let _ = writeln!(text, "\n{}", if self.is_equal() { "Both sides hold the same." } else { "The sides differ." });
        text
    }

    fn findings(&self, left: &str, right: &str) -> String {
        let mut table = Table::new(["KEY", "FINDING", "MEMBER", left, right, "WHAT COUNTS"]);
        for line in self.found.lines.iter().take(PRINTED_MAX) {
            let finding = match line.on {
                Some(side) => format!("{} on {}", line.finding, if side == Side::Left { left } else { right }),
                None => line.finding.to_owned(),
            };
            let (one, other) = match &line.member {
                Some(_) => (plain(&line.left), plain(&line.right)),
                None => (or_dash(line.left_id.as_deref()), or_dash(line.right_id.as_deref())),
            };
            let member = or_dash(line.member.as_deref());
            let word = line.verdict.word().to_owned();
            table.row([line.key.to_string(), finding, member, one, other, word]);
        }
        table.text()
    }
}

/// What the words in the last column mean, each once.
fn legend(compared: &Compared, subject: &Subject) -> String {
    let mut text = String::new();
    let mut told: Vec<String> = Vec::new();
    for line in compared.found.lines.iter().take(PRINTED_MAX) {
        let sentence = format!("{}: {}", line.verdict.word(), subject.judge.sentence(&line.verdict));
        if !told.contains(&sentence) {
            let _ = writeln!(text, "  {}", harmless(&sentence));
            told.push(sentence);
        }
    }
    text
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => cell(text),
        other => cell(&other.to_string()),
    }
}

fn or_dash(text: Option<&str>) -> String {
    text.map_or_else(|| "–".to_owned(), str::to_owned)
}
