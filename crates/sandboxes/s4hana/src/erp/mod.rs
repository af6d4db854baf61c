//! The business of the simulated system, without any protocol in it: master data, orders and what follows them.

mod addresses;
pub(crate) mod changes;
pub(crate) mod code;
pub(crate) mod columns;
pub(crate) mod conditions;
mod contacts;
pub(crate) mod documents;
pub(crate) mod functions;
pub(crate) mod masters;
pub(crate) mod orders;
pub(crate) mod partners;
pub(crate) mod process;
pub(crate) mod products;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod returns;
pub(crate) mod row;
pub(crate) mod seed;
pub(crate) mod store;
pub(crate) mod transaction;
pub(crate) mod write;
