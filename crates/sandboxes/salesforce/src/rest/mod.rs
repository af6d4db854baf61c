//! The resources of the REST API.

mod collections;
mod composite;
mod describe;
mod platform;
mod records;
mod replication;
mod reply;
mod resources;

pub(crate) use describe::versions;
pub(crate) use reply::{Call, Reply, decoded, is_known_version, options};
pub(crate) use resources::answer;
