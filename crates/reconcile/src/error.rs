//! Why a comparison cannot be made or kept.

use std::io;
use std::path::{Path, PathBuf};

use model::Problem;

/// Why a comparison cannot be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A file or folder cannot be used.
    #[error("{} cannot be {what}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `written` or `read`.
        what: &'static str,
        /// What the system says.
        cause: io::Error,
    },
    /// A file of rows is not what was written to it.
    #[error("the rows in {} are damaged", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// A part of a row has more bytes than is taken.
    #[error("the {what} of the record {id} has more than {most} bytes")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// The record, as far as it can be shown.
        id: String,
        /// How many are taken.
        most: usize,
    },
    /// More sums than a person could read.
    #[error("the amounts stand in more than {most} different currencies and months")]
    TooManySums {
        /// How many are taken.
        most: usize,
    },
    /// A sum that is not exact any more.
    #[error("the sum of {name} has more digits than can be kept exactly")]
    SumTooLarge {
        /// Of what.
        name: String,
    },
    /// The sides were not spooled with the same members.
    #[error("the two sides hold other members")]
    Shapes,
    /// Whoever asked for it does not want it any more.
    #[error("it was stopped before it was done")]
    Stopped,
    /// An export whose name does not say its form.
    #[error("{} is no name of an export", path.display())]
    Format {
        /// Which.
        path: PathBuf,
    },
    /// A Parquet file that cannot be made.
    #[error("{} cannot be made: {cause}", path.display())]
    Parquet {
        /// Which.
        path: PathBuf,
        /// What its writer says.
        cause: String,
    },
}

impl ReconcileError {
    pub(crate) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::File { path, what: "written", cause }
    }

    pub(crate) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::File { path, what: "read", cause }
    }

    /// For a person, with what to do.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (code, remedy) = match self {
            Self::File { .. } => ("IL-REC-001", "Choose a folder that may be written to, on a disk with enough space"),
            Self::Damaged { .. } => ("IL-REC-002", "Look at the disk and compare again"),
            Self::TooLarge { .. } => ("IL-REC-003", "Look at this record in its system: such data is hardly meant"),
            Self::TooManySums { .. } => ("IL-REC-004", "Check the member that holds the date of the amounts"),
            Self::SumTooLarge { .. } => ("IL-REC-005", "Look for an amount that cannot be meant"),
            Self::Shapes => ("IL-REC-006", "Compare the members that both sides have"),
            Self::Stopped => ("IL-REC-009", "Compare again"),
            Self::Format { .. } => ("IL-REC-007", "Let the name end in .csv, .html or .parquet"),
            Self::Parquet { .. } => ("IL-REC-008", "Look at the disk, or export as CSV"),
        };
        Problem::new(code, self.to_string(), remedy)
    }
}
