//! The contract between Interlock and the systems it connects, and the transport kit that connectors share.
//!
//! A [`Connector`] is the driver for a kind of system; a [`Connection`] is one configured instance of it. A connection knows
//! a handful of [`Action`]s on the records of its system; what a business function such as `create-order` means is not
//! compiled in but written in `connections/*.yaml` in terms of these. Calls of the same action and record are gathered and
//! handed over together, so that each connector can use what its vendor likes best (collections, `$batch`, one query for
//! many keys); the answer of each call comes back at its own place.
//!
//! Errors are classified by what they mean for the caller ([`ErrorClass`]): whether anything can have changed over there, and
//! what helps. This crate knows nothing of lanes, runs or stores.

pub mod bulk;
mod call;
mod connector;
mod error;
mod existing;
mod feed;
pub mod oauth;
mod secret;
pub mod transport;

pub use bulk::{Bulk, BulkError, BulkPage, BulkRead, OpenedWrite, StartedRead, Written};
pub use call::{Action, Call, Key, Selection};
pub use connector::{
    ActionInfo, Connection, Connector, FieldDescription, Follows, RecordDescription, SettingError, Settings,
};
pub use error::{CallError, ErrorClass, NOT_UNDERSTOOD};
pub use existing::{EXISTING, EXISTING_MAX, Existing, ExistingRecord, INSIST};
pub use feed::{
    Change, ChangeKind, ChangePage, Fate, FeedError, FeedItem, FeedRequest, Opened, Position, PushedChange,
    PushedChanges, RefusedChange,
};
pub use secret::{Secret, SecretError, Secrets, is_reference};
