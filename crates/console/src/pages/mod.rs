//! One file per page.

pub(crate) mod connections;
pub(crate) mod item;
pub(crate) mod overview;
pub(crate) mod problem;
pub(crate) mod queue;
pub(crate) mod queues;
pub(crate) mod reconciliation;
pub(crate) mod record;
pub(crate) mod records;
pub(crate) mod sign_in;
pub(crate) mod transaction;
pub(crate) mod transactions;
pub(crate) mod workflow;
