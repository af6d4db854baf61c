//! A running Interlock as the command line reaches it: by its ops API, as a user whose token is given.
//!
//! | file | holds |
//! |---|---|
//! | `place.rs` | where it is, and the token |
//! | `client.rs` | requests and answers, and what went wrong as a sentence |
//! | `several.rs` | doing something with several: asking first, in parts, telling each refusal |
//! | `show.rs` | tables and fields for a terminal, JSON for programs |

mod client;
mod place;
mod several;
mod show;

pub(crate) use client::{Client, Trouble};
pub(crate) use place::ServerArgs;
pub(crate) use several::{Refusal, Tally, agreed};
pub(crate) use show::{Output, Table, amount, cell, fields, harmless, time};
