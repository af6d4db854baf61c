//! What `objects/*.yaml` says about recognising a record that is seen for the first time.

use std::sync::Arc;

use indexmap::IndexSet;
use model::Path;
use sync::matching::{
    Block, BlockPart, ExactRule, Form, Likeness, MatchDefinition, Matcher, Measure, Score, WeighedField,
};
use workflow::yaml::Node;

use super::reader::{Fields, Reader};

/// From which likeness on a record is linked, where nobody says otherwise.
const THRESHOLD: u16 = 9_300;
/// How far below that a person is asked.
const STRETCH: u16 = 1_300;
/// How much of the weight both must have.
const COMPARED: u16 = 6_000;
/// The largest weight of a member.
const WEIGHT_MAX: i64 = 1_000;
/// The most characters of a member that make up a block.
const CHARACTERS_MAX: usize = 100;

/// Reads `match` and `alike`.
pub(super) fn read(reader: Reader<'_>, fields: &Fields<'_>, members: &IndexSet<Arc<str>>) -> Matcher {
    let reading = Matching { reader, members };
    let mut definition = MatchDefinition::of_rules([]);
    if let Some(node) = fields.get("match") {
        definition.rules = reader.items(node, "`match`").iter().filter_map(|rule| reading.rule(rule)).collect();
    }
    if let Some(node) = fields.get("alike") {
        definition.likeness = reading.likeness(node, fields.key_span("alike"));
    }
    match Matcher::compile(&definition) {
        Ok(matcher) => matcher,
        Err(errors) => {
            let span = fields.key_span(if definition.likeness.is_some() { "alike" } else { "match" });
            for problem in errors.iter().map(sync::matching::MatchError::problem) {
                reader.error_with(span, "IL-DEF-011", problem.message, problem.remedy);
            }
            Matcher::nothing()
        }
    }
}

struct Matching<'a> {
    reader: Reader<'a>,
    members: &'a IndexSet<Arc<str>>,
}

impl<'a> Matching<'a> {
    /// Names of members, or these and whether they identify.
    fn rule(&self, node: &'a Node) -> Option<ExactRule> {
        let (names, identifies) = match node.map() {
            None => (node, None),
            Some(_) => {
                let inner = self.reader.fields(node, node.span, "a rule of `match`", &["same", "identifies"])?;
                (inner.required("same")?, inner.truth("identifies"))
            }
        };
        let paths: Vec<Path> = names
            .list()
            .unwrap_or(std::slice::from_ref(names))
            .iter()
            .filter_map(|name| {
                let text = self.reader.text(name, "a member of `match`")?;
                self.member(&text, name)
            })
            .collect();
        let mut rule = MatchDefinition::of_rules([paths]).rules.pop().filter(|rule| !rule.fields.is_empty())?;
        rule.identifies = identifies.unwrap_or(rule.identifies);
        Some(rule)
    }

    fn likeness(&self, node: &'a Node, span: model::Span) -> Option<Likeness> {
        let known = ["fields", "blocks", "threshold", "stretch", "compared"];
        let inner = self.reader.fields(node, span, "`alike`", &known)?;
        let (weights, blocks) = (inner.required("fields"), inner.required("blocks"));
        let fields = weights
            .map(|node| self.reader.entries(node, "`fields`"))
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, node)| {
                let path = self.member_at(&key.name, key.span)?;
                let weight = self.whole(node, 1, WEIGHT_MAX)?;
                let form = Form::usual(&path);
                let measure = match form {
                    Form::Name | Form::Text => Measure::TokenSet,
                    _ => Measure::Equal,
                };
                Some(WeighedField { path, form, measure, weight })
            })
            .collect();
        let blocks = blocks
            .map(|node| self.reader.items(node, "`blocks`"))
            .unwrap_or_default()
            .iter()
            .map(|node| {
                let parts = node.list().unwrap_or(std::slice::from_ref(node));
                Block { parts: parts.iter().filter_map(|part| self.part(part)).collect() }
            })
            .collect();
        Some(Likeness {
            fields,
            threshold: self.score(&inner, "threshold", THRESHOLD),
            stretch: self.score(&inner, "stretch", STRETCH),
            compared: self.score(&inner, "compared", COMPARED),
            blocks,
        })
    }

    /// `name` or `name:4`, of which only so many characters count.
    fn part(&self, node: &'a Node) -> Option<BlockPart> {
        let text = self.reader.text(node, "a part of a block")?;
        let (name, characters) = match text.split_once(':') {
            None => (&*text, None),
            Some((name, count)) => match count.trim().parse::<usize>() {
                Ok(count) if (1..=CHARACTERS_MAX).contains(&count) => (name, Some(count)),
                _ => {
                    let message = format!("`{count}` is not a number of characters from 1 to {CHARACTERS_MAX}");
                    self.reader.error_with(node.span, "IL-DEF-005", message, "such as `name:4`, for its first four");
                    return None;
                }
            },
        };
        let path = self.member(name, node)?;
        Some(BlockPart { form: Form::usual(&path), path, characters })
    }

    fn score(&self, fields: &Fields<'a>, name: &str, usual: u16) -> Score {
        let usual = Score::new(usual).unwrap_or(Score::FULL);
        let Some(node) = fields.get(name) else { return usual };
        let text = self.reader.text(node, &format!("`{name}`"));
        let number: Option<f64> = text.as_deref().and_then(|text| text.trim().parse().ok());
        // A likeness is a rough thing: four places of it are kept.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let score =
            number.filter(|number| (0.0..=1.0).contains(number)).map(|number| (number * 10_000.0).round() as u16);
        score.and_then(Score::new).unwrap_or_else(|| {
            let message = format!("`{name}` is not a number from 0 to 1");
            self.reader.error_with(node.span, "IL-DEF-005", message, "such as `0.93`; 1 is the same");
            usual
        })
    }

    fn whole(&self, node: &Node, least: i64, most: i64) -> Option<u32> {
        let text = self.reader.text(node, "a weight")?;
        let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let message = format!("a weight is a whole number from {least} to {most}, not `{text}`");
            self.reader.error(node.span, "IL-DEF-005", message);
        }
        number.and_then(|number| u32::try_from(number).ok())
    }

    fn member(&self, name: &str, node: &Node) -> Option<Path> {
        self.member_at(name, node.span)
    }

    fn member_at(&self, name: &str, span: model::Span) -> Option<Path> {
        if !self.members.is_empty() && !self.members.contains(name) {
            let message = format!("no side has a member `{name}`");
            self.reader.unknown(span, "IL-DEF-006", message, name, self.members.iter().map(|member| &**member));
            return None;
        }
        self.reader.path(name, span)
    }
}
