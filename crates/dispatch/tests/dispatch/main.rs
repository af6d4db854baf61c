//! The dispatcher against a scripted system, in a time that does not pass by itself.

mod callers;
mod doubt;
mod down;
mod errors;
mod gathering;
mod reads;
mod refused;
mod stopping;
mod weather;
mod world;
