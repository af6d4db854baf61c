//! The sockets.

mod control;
mod gate;
mod oauth;
mod pubsub;
mod rpc;
mod serve;
mod stream;

pub use serve::{Running, serve};
