//! The event bus: change events and platform events, from a committed transaction to the bytes that subscribers get.

mod avro;
mod bus;
mod change;
mod shape;

pub(crate) use avro::decode_platform_event;
pub(crate) use bus::{Bus, Topic};
pub(crate) use change::drafts;
pub(crate) use shape::encode_platform_event;
