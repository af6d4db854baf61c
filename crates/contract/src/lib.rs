//! Schemas: JSON Schema 2020-12 on Interlock's own values.
//!
//! A [`Schema`] is compiled once and checks [`model::Value`]s as they are: nothing is converted on the way, decimals keep their
//! digits. References stay inside the document, patterns run in linear time, and at most 50 violations are told. Pure.

mod number;
mod schema;
mod value;

pub use schema::{Schema, Violation};
