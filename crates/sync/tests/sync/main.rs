//! Keeping two sides in agreement.

mod coverage;
mod deletes;
mod matching;
mod properties;
mod rules;
mod world;
