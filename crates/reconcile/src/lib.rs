//! Comparing all records of an object in two systems, independent of any feed: what is missing, doubled or different, member
//! by member, and whether amounts of money sum to the same.
//!
//! | part | does |
//! |---|---|
//! | [`Shape`] | which members are compared, and which amounts are summed by which currency and date |
//! | [`Spool`] | takes the rows of one side in, in any order, and keeps them in files |
//! | [`compare`] | holds two sides against each other and tells what it finds |
//! | [`Judge`] | says of each finding whose value counts and what would be written where |
//! | [`Following`] | says which findings people are told about, given what they were told about before |
//! | [`Line`], [`Export`] | findings as flat lines, and as CSV, HTML and Parquet |
//!
//! # How it works
//! Rows are spread over [`PARTITIONS`] files by a hash of their key, so that the rows of one key are in the files of the same
//! number on both sides. Two such files at a time are read, sorted and merged while the next two are read: memory depends on
//! the size of a part, not on who differs how much, and findings go out as they are found. What two rows hold is compared by a
//! hash of 128 bits, in which numbers count by their value and a list with a key without its order; only where these differ
//! are the rows themselves looked into.

mod canonical;
mod compare;
mod error;
mod export;
mod finding;
mod following;
mod line;
mod part;
mod row;
mod shape;
mod spool;
mod sums;
mod verdict;

pub use compare::{compare, compare_while};
pub use error::ReconcileError;
pub use export::{Export, Heading};
pub use finding::{Difference, Finding, Pair, Side, Totals};
pub use following::{Followed, Following, Identity, OPEN_MAX, Told};
pub use line::{Line, lines};
pub use row::Row;
pub use shape::{Amount, Member, Shape};
pub use spool::{PARTITIONS, Spool, Spooled};
pub use sums::{Period, Sum, SumLine};
pub use verdict::{Judge, Verdict};
