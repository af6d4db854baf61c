//! Keeping two sides in agreement.

mod coverage;
mod deletes;
mod explain;
mod lists;
mod many;
mod matching;
mod properties;
mod rules;
mod world;
