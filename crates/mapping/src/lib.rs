//! Mappings: tables that turn a record of one system into a canonical object and back.
//!
//! A table is compiled once ([`Mapping::compile`]) into a plan that walks members directly; jq runs only in cells that ask
//! for it. Reading gives every canonical member of the table, `null` where the record has nothing. Writing gives only what
//! the canonical object has: an absent member is not written, an explicit `null` writes `null`, constants always are.
//! Everything that does not fit is told at once, with the field, the value and the rule ([`MappingError`]), and nothing is
//! rounded, cut or guessed unless the table says so. Pure: no I/O, no clock, no panic on any value.

mod both_ways;
mod compile;
mod convert;
mod definition;
mod error;
mod explain;
mod place;
mod plan;
mod read;
mod uses;
mod values;
mod write;

pub use compile::CompileError;
pub use definition::{
    Case, CurrencySource, Direction, FieldDefinition, Kind, ListDefinition, MappingDefinition, TableDefinition, TooLong,
};
pub use error::{CellError, MappingError, Side, Unmapped};
pub use explain::CellExplanation;
pub use plan::{Mapping, Selected};
pub use uses::{Uses, uses};
pub use values::{Otherwise, ValueMap};
