//! Keeping two sides in agreement.

mod properties;
mod rules;
mod world;
