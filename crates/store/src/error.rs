//! Why durable state could not be read or written.

use model::Problem;

use crate::rows::JSON_DEPTH_MAX;

/// What went wrong in the store. After an error of a commit nothing of that batch is in the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk.
    #[error("the disk of {file} is full")]
    DiskFull {
        /// The database file.
        file: String,
    },
    /// The disk does not do what it should.
    #[error("the disk of {file} fails: {cause}")]
    Disk {
        /// The database file.
        file: String,
        /// What the database says.
        cause: String,
    },
    /// Another process has it open for writing.
    #[error("{file} is in use by another process")]
    InUse {
        /// The database file.
        file: String,
    },
    /// It cannot be opened.
    #[error("{file} cannot be opened: {cause}")]
    Open {
        /// The database file.
        file: String,
        /// What the system says.
        cause: String,
    },
    /// The file was written by a newer Interlock.
    #[error("{file} has schema {found}, this Interlock knows up to {known}")]
    TooNew {
        /// The database file.
        file: String,
        /// Its schema number.
        found: u32,
        /// The newest schema number known here.
        known: u32,
    },
    /// The database does not keep what it acknowledges.
    #[error("{file} runs with {setting} = {found} where {wanted} is needed")]
    Durability {
        /// The database file.
        file: String,
        /// Which setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it has to be.
        wanted: &'static str,
    },
    /// A log stands beside the database that is not its own.
    #[error("{file} is the log of another store, or of a later state of this one")]
    OtherLog {
        /// The file of the log.
        file: String,
    },
    /// What is stored cannot be read.
    #[error("a stored {what} cannot be read: {cause}")]
    Damaged {
        /// What kind of row.
        what: &'static str,
        /// Why.
        cause: String,
    },
    /// What was handed over could not be read back.
    #[error("the data of one {what} in a batch is nested deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep {
        /// What kind of row.
        what: &'static str,
    },
    /// Anything else the database says.
    #[error("the database says: {0}")]
    Database(String),
    /// The store was closed before the batch was written.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same may work later without anybody changing what is asked.
    #[must_use]
    pub const fn heals(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Disk { .. } | Self::InUse { .. })
    }

    /// The sentence for a person who wanted to start Interlock: there is nothing that could go on by itself.
    #[must_use]
    pub fn problem_at_start(&self) -> Problem {
        let remedy = match self {
            Self::DiskFull { .. } => "Free some space and start Interlock again; nothing is lost",
            Self::Disk { .. } => "Look at the disk and start Interlock again; what was acknowledged is safe",
            _ => return self.problem(),
        };
        Problem { remedy: remedy.into(), ..self.problem() }
    }

    /// The sentence for a person whose wish was refused because of it, instead of waiting.
    #[must_use]
    pub fn problem_of_wish(&self) -> Problem {
        let remedy = match self {
            Self::DiskFull { .. } => "Free some space and try again; nothing was done",
            Self::Disk { .. } => "Look at the disk and try again; nothing was done",
            Self::TooDeep { .. } => return self.problem(),
            _ => "Try again in a moment; nothing was done",
        };
        Problem { remedy: remedy.into(), ..self.problem() }
    }

    /// The sentence for a person.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (code, remedy) = match self {
            Self::DiskFull { .. } => ("IL-STORE-001", "Free some space: work goes on by itself and nothing is lost"),
            Self::InUse { .. } => ("IL-STORE-002", "Stop the other Interlock, or give this one a store of its own"),
            Self::Open { .. } => ("IL-STORE-003", "Check the path under `store` in interlock.yaml and its permissions"),
            Self::TooNew { .. } => ("IL-STORE-004", "Run the newer Interlock, or restore a backup made by this one"),
            Self::Durability { .. } => {
                ("IL-STORE-005", "Put the store on a local disk whose file system can sync, not on a network share")
            }
            Self::Damaged { what: "log", .. } => (
                "IL-STORE-006",
                "Restore the store from a backup, or move its files `-log.*` away, which gives up its last seconds; keep them for support",
            ),
            Self::Damaged { .. } => {
                ("IL-STORE-006", "Restore the store from a backup; keep the damaged file for support")
            }
            Self::TooDeep { .. } => (
                "IL-STORE-011",
                "Look for what nests its data so deep, in a workflow or in what a system sent; nothing of this batch was written",
            ),
            Self::Database(_) => ("IL-STORE-007", "Look at the disk and the log; nothing of this batch was written"),
            Self::Disk { .. } => {
                ("IL-STORE-009", "Look at the disk: work goes on by itself when it can be written again")
            }
            Self::OtherLog { .. } => (
                "IL-STORE-010",
                "Put the store back that it belongs to, or move the files `-log.*` away if its last seconds are not needed",
            ),
            Self::Closed => ("IL-STORE-008", "Start Interlock again; what was acknowledged is safe"),
        };
        Problem::new(code, self.to_string(), remedy)
    }
}
