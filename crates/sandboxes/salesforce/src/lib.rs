//! A simulated Salesforce org: a server of its own on real sockets, with records, sessions, events and faults. It knows nothing
//! of Interlock; whatever speaks the vendor's protocol can talk to it.
//!
//! | part | holds |
//! |---|---|
//! | `metadata`, `compile`, `schema` | objects and fields, from files to numbers |
//! | `duplicates` | duplicate rules: what the org takes for a record that it has |
//! | `store` | records, their indexes, and transactions with the vendor's checks |
//! | `soql` | queries |
//! | `rest` | the resources of the REST API |
//! | `bulk` | Bulk API 2.0: jobs that take or give many records as CSV |
//! | `events` | change events and platform events, in Avro |
//! | `server` | sockets: REST over HTTP, the Pub/Sub API over gRPC with TLS, sign-in, the controls under `/_sandbox` |

#![recursion_limit = "256"]

mod bulk;
mod cell;
mod compile;
mod decode;
mod duplicates;
mod errors;
mod events;
mod id;
mod metadata;
mod options;
mod org;
mod render;
mod rest;
mod schema;
mod server;
mod soql;
mod store;
mod time;

pub use options::Options;
pub use server::{Running, serve};
