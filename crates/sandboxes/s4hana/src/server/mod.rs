//! The system on its socket: sessions, requests, the process that follows by itself, and the events it tells of.

pub(crate) mod batch;
pub(crate) mod changes;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod dispatch;
pub(crate) mod events;
pub(crate) mod options;
pub(crate) mod reads;
pub(crate) mod reply;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod system;
