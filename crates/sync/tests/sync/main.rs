//! Keeping two sides in agreement.

mod coverage;
mod deletes;
mod properties;
mod rules;
mod world;
