//! Comparing two sides: by properties against a naive comparison, and what is made of findings.

mod exports;
mod properties;
mod verdicts;
mod world;
