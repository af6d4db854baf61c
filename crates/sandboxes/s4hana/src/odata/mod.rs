//! OData V2 as SAP Gateway speaks it, without any business in it: model tables, URLs, filters, JSON, `$batch`, `$metadata`.

pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod edm;
pub(crate) mod error;
pub(crate) mod filter;
pub(crate) mod fixed;
pub(crate) mod literal;
pub(crate) mod metadata;
pub(crate) mod query;
pub(crate) mod shape;
pub(crate) mod time;
pub(crate) mod url;
pub(crate) mod value;
pub(crate) mod write;
