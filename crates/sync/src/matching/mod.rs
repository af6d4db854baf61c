//! Recognising on first contact which known object a record is.
//!
//! | part | does |
//! |---|---|
//! | [`Form`] | in which form values are compared: names without legal forms, phone numbers as digits, … |
//! | [`MatchDefinition`] | rules that must hold exactly, and likeness where none does |
//! | [`Matcher::keys`] | under which keys an object is found again, so that not all pairs have to be compared |
//! | [`Matcher::recognise`] | linked, for a person to say, or new |
//!
//! Nothing is guessed: two objects that fit equally well, one that fits by one rule and contradicts an earlier one, and one
//! that has a record of that side already are for a person.

mod definition;
mod form;
mod key;
mod likeness;
mod recognise;

pub use definition::{Block, BlockPart, ExactRule, Likeness, MatchDefinition, MatchError, Matcher, WeighedField};
pub use form::{Form, LegalForms};
pub use likeness::{Measure, Score, jaro_winkler, token_set};
pub use recognise::{Candidate, Judged, Known, Recognised, Why};
