//! The machine and the checks, seen from outside. One binary, as linking is what takes long.

mod any_document;
mod catching;
mod checks;
mod concurrency;
mod drawing;
mod events;
mod flow;
mod interleavings;
mod operations;
mod outside;
mod standard;
mod support;
