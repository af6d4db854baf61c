//! Keeping several systems in agreement about one object: who owns which field, what is agreed, what each side holds, and
//! what therefore has to be written where. Pure: no I/O, no clock, no protocol.
//!
//! | part | does |
//! |---|---|
//! | [`Owners`] | which side is the system of record of a field, per stage of the object's life |
//! | [`Agreement`] | the state of one object: takes in what a side holds, plans writes, takes in what came of them |
//! | [`Verdict`] | for each field: from which side its value came, by which rule, and what lost |
//! | [`Explanation`] | that for people: why a field has its value, and how each side stands to it |
//! | [`matching`] | which known object a record is that is seen for the first time |
//! | [`follow`] | what a delete, undelete, merge or unmerge on one side means for the others |
//! | [`Coverage`] | which windows of a change feed are proven complete |
//!
//! # How it works
//! For each side it is remembered what that side *holds*: what was read from it last, or what was written to it since. A side
//! changed a field when it holds something else than that. So the change of two fields on two sides at once needs nobody, an
//! own write that comes back is no change, and a write that was refused is never mistaken for a change.
//!
//! A change of the owner, or of a field that nobody owns, becomes what is agreed. A change by a side that does not own the
//! field is written over, and the verdict says so. Two changes of one field that meet are a conflict: the owner's wins, and
//! where there is none, or it has never said anything, the [`Conflict`] policy decides. The result does not depend on the order
//! in which the changes came, but where a person decides. Lists with a key ([`ListKey`]) are merged item by item and member by
//! member, so that only two changes of the same member meet.
//!
//! Before something is written to a side that has a say in it, that side is read again: what it may have changed while nobody
//! listened is not written over.
//!
//! What is agreed and what a side can hold may differ: a name may be too long for it. So after a write it is expected to hold
//! what it *would* read back ([`Normal`]), and only something else is a change. Two sides that make something else of a field
//! again and again are left alone after [`TURNS_MAX`] turns and a person is told, instead of writing to and fro for ever. When a
//! side is first seen, a cut value and the whole one are the same ([`Agreement::introduce`]).

mod agreement;
mod coverage;
mod deletes;
mod existing;
mod explain;
mod fields;
mod introduce;
mod judge;
mod lists;
pub mod matching;
mod owners;
mod plan;
mod policy;
mod presence;
mod retire;
mod shared;
mod stored;

pub use agreement::{Agreement, Cause, Finding, Holding, Reading, Rule, TURNS_MAX, Taken, Turns, Verdict, Waiting};
pub use coverage::{Coverage, WINDOWS_MAX, Window, Windows};
pub use deletes::{Abilities, Act, Counterpart, Deletes, Documents, Following, Happened, Reason, follow};
pub use explain::{Explanation, Reach, SideExplanation, Standing};
pub use fields::{Fields, fields_of, is_empty, is_same, object_of};
pub use lists::ListKey;
pub use owners::{Owner, Owners};
pub use plan::{Creating, Normal, Plan, Write};
pub use policy::{Conflict, Policy, Side};
pub use presence::Presence;
pub use retire::Retired;
pub use shared::Shared;
pub use stored::Damaged;
