//! What is declared about recognising objects, and its compiled form.

use std::fmt;

use model::{Path, Problem};

use super::form::{Form, LegalForms};
use super::likeness::{Measure, Score};

/// Most rules of each kind, and most fields of a rule.
const RULES_MAX: usize = 32;
/// Largest weight of a field.
const WEIGHT_MAX: u32 = 1_000;

/// Fields that are the same for the same object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactRule {
    /// The fields and the form in which they are compared; all of them must be there.
    pub fields: Vec<(Path, Form)>,
    /// Whether objects that both have these fields and differ in them are known to be different ones: true of a tax number,
    /// not of a name and a postal code.
    pub identifies: bool,
}

/// A field whose likeness counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeighedField {
    /// The field.
    pub path: Path,
    /// The form in which it is compared.
    pub form: Form,
    /// How.
    pub measure: Measure,
    /// How much it counts, compared with the other fields.
    pub weight: u32,
}

/// Objects are compared when they have one block in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What makes it up; all of it must be there.
    pub parts: Vec<BlockPart>,
}

/// A part of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPart {
    /// The field.
    pub path: Path,
    /// Its form.
    pub form: Form,
    /// How many characters of it count, from its start; `None` for all.
    pub characters: Option<usize>,
}

/// Likeness, for objects that fit no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    /// What is compared. A field that one of the two lacks does not count.
    pub fields: Vec<WeighedField>,
    /// From which likeness on one object is linked without a person.
    pub threshold: Score,
    /// How far below the threshold a person is asked.
    pub stretch: Score,
    /// The least part of all weight that both must have; less says nothing.
    pub compared: Score,
    /// Which objects are compared at all.
    pub blocks: Vec<Block>,
}

/// How an object is recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatchDefinition {
    /// Rules that must hold exactly, the surest first.
    pub rules: Vec<ExactRule>,
    /// Likeness.
    pub likeness: Option<Likeness>,
    /// Legal forms that [`Form::Name`] leaves out.
    pub legal_forms: LegalForms,
}

impl MatchDefinition {
    /// Rules that only name their fields, such as `[[taxId], [name, billing.postalCode]]`: each field in its usual form. Only a
    /// tax number of its own identifies; people change their address and their telephone.
    pub fn of_rules(rules: impl IntoIterator<Item = Vec<Path>>) -> Self {
        let rule = |paths: Vec<Path>| {
            let forms: Vec<Form> = paths.iter().map(Form::usual).collect();
            ExactRule { identifies: forms == [Form::TaxId], fields: paths.into_iter().zip(forms).collect() }
        };
        Self { rules: rules.into_iter().map(rule).collect(), ..Self::default() }
    }
}

/// What is wrong with a [`MatchDefinition`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchError {
    /// More rules, fields or blocks than are compared.
    TooMany(&'static str),
    /// A rule or block without fields; its place, from 1.
    Empty(&'static str, usize),
    /// A weight of nothing, or beyond 1000.
    Weight(Path, u32),
    /// The stretch reaches down to no likeness at all.
    Stretch,
    /// Likeness without blocks, so that nothing would be found to compare with.
    NoBlocks,
    /// A part of a block of no characters.
    NoCharacters(Path),
}

impl MatchError {
    /// What a person is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::TooMany(what) => Problem::new(
                "IL-SYNC-001",
                format!("There are more than {RULES_MAX} {what}"),
                "Leave out the least telling ones",
            ),
            Self::Empty(what, place) => Problem::new(
                "IL-SYNC-002",
                format!("The {what} {place} has no fields"),
                "Name its fields or leave it out",
            ),
            Self::Weight(path, weight) => Problem::new(
                "IL-SYNC-003",
                format!("`{path}` has the weight {weight}"),
                format!("Give it a weight from 1 to {WEIGHT_MAX}"),
            ),
            Self::Stretch => Problem::new(
                "IL-SYNC-004",
                "The stretch reaches down to objects that have nothing in common",
                "Give a stretch that is less than the threshold",
            ),
            Self::NoBlocks => Problem::new(
                "IL-SYNC-005",
                "Likeness has no blocks, so that no two objects would be compared",
                "Name fields that like objects have in common, such as the start of the name and the country",
            ),
            Self::NoCharacters(path) => Problem::new(
                "IL-SYNC-006",
                format!("No character of `{path}` counts for its block"),
                "Let at least one character count",
            ),
        }
    }
}

impl fmt::Display for MatchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.problem(), formatter)
    }
}
impl std::error::Error for MatchError {}

/// A compiled [`MatchDefinition`]. Can be shared by all threads.
#[derive(Debug)]
pub struct Matcher {
    /// Each field in each form once; the rest are places in it.
    pub(super) terms: Vec<(Path, Form)>,
    pub(super) rules: Vec<Rule>,
    pub(super) likeness: Option<Scoring>,
    pub(super) legal_forms: LegalForms,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) terms: Vec<usize>,
    pub(super) identifies: bool,
    /// `taxId` or `name, billing.postalCode`.
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Scoring {
    pub(super) fields: Vec<(usize, Measure, u32)>,
    pub(super) threshold: Score,
    pub(super) lowest: Score,
    pub(super) compared: Score,
    pub(super) blocks: Vec<Blocking>,
}

#[derive(Debug)]
pub(super) struct Blocking {
    /// A term and how many of its characters count.
    pub(super) parts: Vec<(usize, Option<usize>)>,
    pub(super) text: String,
}

impl Matcher {
    /// What its keys depend on, as a text: with another text, keys are others.
    #[must_use]
    pub fn text(&self) -> String {
        let blocks = self.likeness.iter().flat_map(|likeness| &likeness.blocks);
        let parts = blocks.map(|block| &block.parts);
        let rules: Vec<&Vec<usize>> = self.rules.iter().map(|rule| &rule.terms).collect();
        let forms: Vec<String> = self.terms.iter().map(|(path, form)| format!("{path} {form:?}")).collect();
        format!("{forms:?} {rules:?} {:?} {:?}", parts.collect::<Vec<_>>(), self.legal_forms)
    }

    /// Recognises nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { terms: Vec::new(), rules: Vec::new(), likeness: None, legal_forms: LegalForms::new([""; 0]) }
    }

    /// Compiles a definition.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn compile(definition: &MatchDefinition) -> Result<Self, Vec<MatchError>> {
        let mut errors = Vec::new();
        let mut terms = Vec::new();
        limit(&definition.rules, "match rules", &mut errors);
        let mut rules = Vec::new();
        for (place, rule) in definition.rules.iter().enumerate() {
            limit(&rule.fields, "fields in one match rule", &mut errors);
            if rule.fields.is_empty() {
                errors.push(MatchError::Empty("match rule", place + 1));
            }
            let text = joined(rule.fields.iter().map(|(path, _)| path));
            let terms = rule.fields.iter().map(|(path, form)| term(&mut terms, path, *form)).collect();
            rules.push(Rule { terms, identifies: rule.identifies, text });
        }
        let likeness = definition.likeness.as_ref().map(|likeness| scoring(likeness, &mut terms, &mut errors));
        if errors.is_empty() {
            Ok(Self { terms, rules, likeness, legal_forms: definition.legal_forms.clone() })
        } else {
            Err(errors)
        }
    }
}

fn scoring(likeness: &Likeness, terms: &mut Vec<(Path, Form)>, errors: &mut Vec<MatchError>) -> Scoring {
    limit(&likeness.fields, "fields whose likeness counts", errors);
    limit(&likeness.blocks, "blocks", errors);
    if likeness.fields.is_empty() {
        errors.push(MatchError::Empty("likeness", 1));
    }
    if likeness.stretch >= likeness.threshold {
        errors.push(MatchError::Stretch);
    }
    if likeness.blocks.is_empty() {
        errors.push(MatchError::NoBlocks);
    }
    let wrong = likeness.fields.iter().filter(|field| field.weight == 0 || field.weight > WEIGHT_MAX);
    errors.extend(wrong.map(|field| MatchError::Weight(field.path.clone(), field.weight)));
    for (place, block) in likeness.blocks.iter().enumerate() {
        limit(&block.parts, "parts of one block", errors);
        if block.parts.is_empty() {
            errors.push(MatchError::Empty("block", place + 1));
        }
        let without = block.parts.iter().filter(|part| part.characters == Some(0));
        errors.extend(without.map(|part| MatchError::NoCharacters(part.path.clone())));
    }
    let fields = likeness.fields.iter();
    let fields = fields.map(|field| (term(terms, &field.path, field.form), field.measure, field.weight)).collect();
    let block = |block: &Block| {
        let text = joined(block.parts.iter().map(|part| &part.path));
        let parts = block.parts.iter();
        Blocking { parts: parts.map(|part| (term(terms, &part.path, part.form), part.characters)).collect(), text }
    };
    Scoring {
        fields,
        threshold: likeness.threshold,
        lowest: likeness.threshold.less(likeness.stretch),
        compared: likeness.compared,
        blocks: likeness.blocks.iter().map(block).collect(),
    }
}

fn limit<T>(items: &[T], what: &'static str, errors: &mut Vec<MatchError>) {
    if items.len() > RULES_MAX {
        errors.push(MatchError::TooMany(what));
    }
}

fn term(terms: &mut Vec<(Path, Form)>, path: &Path, form: Form) -> usize {
    let known = terms.iter().position(|(other, other_form)| other == path && *other_form == form);
    known.unwrap_or_else(|| {
        terms.push((path.clone(), form));
        terms.len() - 1
    })
}

fn joined<'a>(paths: impl Iterator<Item = &'a Path>) -> String {
    paths.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
