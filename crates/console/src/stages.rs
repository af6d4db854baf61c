//! The words for business stages, in the order of life. A stage that is not known here is shown as it is written.

use crate::format::label;

/// What a stage says about a matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// On its way.
    Moving,
    /// Waits for a person.
    Waiting,
    /// As it should end.
    Good,
    /// Ended otherwise.
    Ended,
}

impl Tone {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Moving => "info",
            Self::Waiting => "warn",
            Self::Good => "good",
            Self::Ended => "plain",
        }
    }
}

/// From the customer's yes to the money.
pub(crate) const ORDER: [&str; 5] = ["accepted", "ordered", "shipped", "invoiced", "paid"];
/// From the goods' way back to the money's.
pub(crate) const RETURN: [&str; 2] = ["returned", "credited"];

/// The way that a matter at this stage is on, if it is a known one.
pub(crate) fn way(stage: &str, object: &str) -> &'static [&'static str] {
    if RETURN.contains(&stage) || object == "return" {
        return &RETURN;
    }
    match object {
        "quote" | "order" => &ORDER,
        _ if ORDER.contains(&stage) => &ORDER,
        _ => &[],
    }
}

/// What people call it.
pub(crate) fn name(stage: &str) -> String {
    match stage {
        "ordered" => "In ERP".to_owned(),
        "unreadable" => "Cannot be used yet".to_owned(),
        "" => "New".to_owned(),
        other => label(other),
    }
}

pub(crate) fn tone(stage: &str) -> Tone {
    match stage {
        "held"
        | "unreadable"
        | "in conflict"
        | "refused"
        | "deletion to be decided"
        | "goes to and fro"
        | "differs" => Tone::Waiting,
        "paid" | "credited" | "readable" | "in agreement" => Tone::Good,
        "cancelled" | "rejected" | "dismissed" | "deleted" => Tone::Ended,
        _ => Tone::Moving,
    }
}

/// The order in which stages are listed.
pub(crate) fn rank(stage: &str) -> usize {
    const ALL: [&str; 12] = [
        "new",
        "held",
        "accepted",
        "ordered",
        "shipped",
        "invoiced",
        "paid",
        "returned",
        "credited",
        "cancelled",
        "rejected",
        "unreadable",
    ];
    ALL.iter().position(|known| *known == stage).unwrap_or(ALL.len())
}
