//! Linked, for a person to say, or new.

use std::fmt;
use std::sync::Arc;

use model::Value;

use super::definition::{Matcher, Scoring};
use super::likeness::Score;

/// Most candidates that are compared; with more, a person is asked.
pub(super) const CANDIDATES_MAX: usize = 1_000;
/// Most candidates that a person is shown.
const SHOWN_MAX: usize = 10;

/// An object in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known(Vec<Option<String>>);

/// A known object that may be the one.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// Its canonical key.
    pub id: Arc<str>,
    /// In its compared form.
    pub known: &'a Known,
    /// Whether it has another record of the side in question already.
    pub taken: bool,
}

/// What speaks for or against a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// These fields are the same.
    Same(Arc<str>),
    /// Both have these fields, they identify, and they differ.
    Differs(Arc<str>),
    /// It is like it in this field.
    Alike(Arc<str>, Score),
    /// It has another record of that side.
    Taken,
}

/// A candidate and what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its canonical key.
    pub id: Arc<str>,
    /// Its likeness; full when a rule holds.
    pub score: Score,
    /// What speaks for and against it.
    pub why: Vec<Why>,
}

/// Which known object it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognised {
    /// This one.
    Linked(Judged),
    /// One of these or none: a person decides.
    Ask {
        /// The likeliest ones, best first; at most ten.
        candidates: Vec<Judged>,
        /// How many more there are.
        more: usize,
    },
    /// None of them.
    New,
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(fields) => write!(formatter, "{fields} is the same"),
            Self::Differs(fields) => write!(formatter, "{fields} differs"),
            Self::Alike(field, score) => write!(formatter, "{field} is alike ({score})"),
            Self::Taken => formatter.write_str("it has another record of this side"),
        }
    }
}

impl Known {
    pub(super) const fn of_forms(forms: Vec<Option<String>>) -> Self {
        Self(forms)
    }

    pub(super) fn form(&self, term: usize) -> Option<&str> {
        self.0.get(term)?.as_deref()
    }
}

/// What comparing one candidate gave.
struct Compared {
    judged: Judged,
    exact: bool,
    /// Nothing speaks against linking it.
    clear: bool,
}

impl Matcher {
    /// An object in the form in which it is compared: made once, used for all comparisons.
    #[must_use]
    pub fn know(&self, object: &Value) -> Known {
        Known(self.terms.iter().map(|(path, form)| form.of(path.get(object), &self.legal_forms)).collect())
    }

    /// How like two objects are, and why. It does not matter which one is named first.
    #[must_use]
    pub fn compare(&self, one: &Known, other: &Known) -> (Score, Vec<Why>) {
        let compared = self.judge(one, &Candidate { id: "".into(), known: other, taken: false });
        compared.map_or((Score::NONE, Vec::new()), |compared| (compared.judged.score, compared.judged.why))
    }

    /// Which of the candidates an object is.
    #[must_use]
    pub fn recognise<'a>(&self, subject: &Known, candidates: impl IntoIterator<Item = Candidate<'a>>) -> Recognised {
        let mut candidates = candidates.into_iter();
        let mut likely: Vec<Compared> =
            candidates.by_ref().take(CANDIDATES_MAX).filter_map(|candidate| self.judge(subject, &candidate)).collect();
        let unseen = candidates.count();
        // A rule that holds outweighs likeness: the others are then not even alternatives.
        if likely.iter().any(|compared| compared.exact) {
            likely.retain(|compared| compared.exact);
        }
        if unseen == 0 {
            match likely.as_slice() {
                [] => return Recognised::New,
                [only] if only.clear && (only.exact || self.is_sure(only.judged.score)) => {
                    return Recognised::Linked(likely.swap_remove(0).judged);
                }
                _ => {}
            }
        }
        // The id decides between equals, so that the order in which candidates came does not show.
        likely.sort_by(|one, other| {
            other.judged.score.cmp(&one.judged.score).then_with(|| one.judged.id.cmp(&other.judged.id))
        });
        let more = likely.len().saturating_sub(SHOWN_MAX) + unseen;
        Recognised::Ask { candidates: likely.into_iter().take(SHOWN_MAX).map(|one| one.judged).collect(), more }
    }

    fn is_sure(&self, score: Score) -> bool {
        self.likeness.as_ref().is_some_and(|likeness| score >= likeness.threshold)
    }

    /// `None` when it is not worth a thought.
    fn judge(&self, subject: &Known, candidate: &Candidate<'_>) -> Option<Compared> {
        let (mut why, mut exact, mut differs) = (Vec::new(), false, false);
        for rule in &self.rules {
            let pairs = rule.terms.iter().map(|term| Some((subject.form(*term)?, candidate.known.form(*term)?)));
            let Some(pairs) = pairs.collect::<Option<Vec<_>>>() else { continue };
            if pairs.iter().all(|(one, other)| one == other) {
                exact = true;
                why.push(Why::Same(rule.text.as_str().into()));
            } else if rule.identifies {
                differs = true;
                why.push(Why::Differs(rule.text.as_str().into()));
            }
        }
        let score = if exact {
            Score::FULL
        } else {
            let likeness = self.likeness.as_ref()?;
            let score = self.score(likeness, subject, candidate.known, &mut why)?;
            // Where an identifying field differs, only what would be linked otherwise is worth asking.
            if score < if differs { likeness.threshold } else { likeness.lowest } {
                return None;
            }
            // A system has many records that are like another one of its own.
            if candidate.taken {
                return None;
            }
            score
        };
        if candidate.taken {
            why.push(Why::Taken);
        }
        let judged = Judged { id: Arc::clone(&candidate.id), score, why };
        Some(Compared { judged, exact, clear: !differs && !candidate.taken })
    }

    /// The weighed likeness; `None` when too little is there to compare.
    fn score(&self, likeness: &Scoring, one: &Known, other: &Known, why: &mut Vec<Why>) -> Option<Score> {
        let (mut sum, mut compared, mut whole) = (0, 0, 0);
        for (term, measure, weight) in &likeness.fields {
            let weight = u64::from(*weight);
            whole += weight;
            let (Some(mine), Some(its)) = (one.form(*term), other.form(*term)) else { continue };
            let score = measure.of(mine, its);
            compared += weight;
            sum += weight * u64::from(score.ten_thousandths());
            why.push(Why::Alike(self.terms[*term].0.to_string().into(), score));
        }
        let enough = compared > 0 && Score::part(compared, whole) >= likeness.compared;
        enough.then(|| Score::part(sum, compared * u64::from(Score::FULL.ten_thousandths())))
    }
}
