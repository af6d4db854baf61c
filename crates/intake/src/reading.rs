//! One record that is to be read again, and what is given up when that has led to something durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use tokio::sync::mpsc;

/// How it came to be known that a record changed. What came by itself outranks what had to be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A sweep found it.
    Swept,
    /// The feed said that it had lost track of it.
    Gap,
    /// A notification.
    Notified,
}

/// A row of the inbox. It goes when every feed that it is for is done with it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: Arc<str>,
    left: AtomicUsize,
}

impl Row {
    /// A row that so many feeds have to be done with.
    pub(crate) fn new(id: Arc<str>, feeds: usize) -> Arc<Self> {
        Arc::new(Self { id, left: AtomicUsize::new(feeds) })
    }

    /// One more feed is done with it; tells whether it was the last.
    pub(crate) fn done(&self) -> bool {
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// Tells a sweep that a record it asked for is durable. One that is dropped without a word says that it is not.
#[derive(Debug, Clone)]
pub(crate) struct Sweeper(pub(crate) mpsc::UnboundedSender<()>);

impl Sweeper {
    pub(crate) fn durable(self) {
        // A sweep that was given up does not need to know.
        let _ = self.0.send(());
    }
}

/// What is given up when a reading has led to something durable.
#[derive(Debug)]
pub(crate) enum Receipt {
    /// A row of the inbox.
    Row(Arc<Row>),
    /// An item of a topic: by number of the topic and of the item.
    Item(usize, u64),
    /// A sweep waits for it.
    Sweep(Sweeper),
}

/// One record that is to be read again.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The record's id.
    pub(crate) id: Arc<str>,
    /// When the system says it changed.
    pub(crate) at: Timestamp,
    /// The last change that a notification told of, by the system's clock.
    pub(crate) told: Option<Timestamp>,
    /// When this process heard of it.
    pub(crate) arrived: Timestamp,
    /// How.
    pub(crate) origin: Origin,
    /// Whether it is handed over even when it is not news.
    pub(crate) forced: bool,
    /// What is given up afterwards.
    pub(crate) receipts: Vec<Receipt>,
}

impl Reading {
    pub(crate) fn new(id: Arc<str>, at: Timestamp, arrived: Timestamp, origin: Origin) -> Self {
        let told = (origin == Origin::Notified).then_some(at);
        Self { id, at, told, arrived, origin, forced: false, receipts: Vec::new() }
    }

    pub(crate) fn with(mut self, receipt: Receipt) -> Self {
        self.receipts.push(receipt);
        self
    }

    /// Two reasons to read the same record are one reading.
    pub(crate) fn merge(&mut self, other: Self) {
        self.at = self.at.max(other.at);
        self.told = self.told.max(other.told);
        self.arrived = self.arrived.min(other.arrived);
        self.origin = self.origin.max(other.origin);
        self.forced |= other.forced;
        self.receipts.extend(other.receipts);
    }
}
