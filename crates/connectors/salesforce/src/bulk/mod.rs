//! Many records at once with the Bulk API 2.0: the contract of [`connect::bulk`] on jobs of CSV.
//!
//! A place is a job's id, for reads with the locator of a set of its results. The vendor keeps jobs that ended for 7 days, and
//! as long as a job is kept its locators mean the same sets. It promises no order of the rows (an `ORDER BY` would switch off
//! the vendor's own way to read large objects in parallel), so none is asked for.

mod job;
mod outcome;
mod read;
mod sheet;
mod write;

use connect::bulk::{Bulk, BulkError, BulkPage, BulkRead, OpenedWrite, StartedRead, Written};
use connect::{Call, CallError, Position};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::Value;

use crate::SalesforceConnection;

impl Bulk for SalesforceConnection {
    fn start_read<'a>(&'a self, read: &'a BulkRead) -> BoxFuture<'a, Result<StartedRead, CallError>> {
        read::start(&self.org, read).boxed()
    }

    fn read_page<'a>(&'a self, read: &'a BulkRead, place: &'a Position) -> BoxFuture<'a, Result<BulkPage, BulkError>> {
        read::page(&self.org, &self.descriptions, read, place).boxed()
    }

    fn id_of<'r>(&self, record: &'r Value) -> Option<&'r str> {
        record.get("Id").as_str()
    }

    fn end_read<'a>(&'a self, place: &'a Position) -> BoxFuture<'a, Result<(), CallError>> {
        read::end(&self.org, place).boxed()
    }

    fn open_write<'a>(&'a self, calls: &'a [&'a Call]) -> BoxFuture<'a, Result<OpenedWrite, CallError>> {
        write::open(&self.org, calls).boxed()
    }

    fn send<'a>(&'a self, place: &'a Position, calls: &'a [&'a Call]) -> BoxFuture<'a, Result<(), CallError>> {
        write::send(&self.org, place, calls).boxed()
    }

    fn outcomes<'a>(&'a self, place: &'a Position, calls: &'a [&'a Call]) -> BoxFuture<'a, Result<Written, BulkError>> {
        outcome::of(&self.org, place, calls).boxed()
    }
}
