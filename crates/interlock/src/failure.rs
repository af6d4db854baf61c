//! How a command ends when it cannot do what it was asked for.

use std::process::ExitCode;

use model::Problem;

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something outside is in the way: exit status 1.
    Problem(Problem),
    /// The definitions or the command line are wrong: exit status 2.
    Wrong(Problem),
    /// A running Interlock cannot be asked, or refuses: exit status 1.
    Refused(String),
    /// The definitions are wrong and their mistakes have been shown: exit status 2.
    Shown,
    /// The closing account does not close; it has been shown: exit status 1.
    AccountOpen,
    /// A workflow ended with an error, or not all was done that was wanted, which has been printed: exit status 1.
    Ended,
}

impl Failure {
    /// Tells the person, and gives the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Problem(problem) | Self::Wrong(problem) => eprintln!("interlock: {problem}"),
            Self::Refused(told) => eprintln!("interlock: {told}"),
            Self::Shown | Self::AccountOpen | Self::Ended => {}
        }
        match self {
            Self::Problem(_) | Self::Refused(_) | Self::AccountOpen | Self::Ended => ExitCode::from(1),
            Self::Wrong(_) | Self::Shown => ExitCode::from(2),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}
