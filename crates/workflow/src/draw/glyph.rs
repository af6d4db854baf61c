//! Small drawn signs, one for each kind of task. Each is drawn in a square of 16 units, by lines only.

/// A sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Glyph {
    Call,
    Request,
    Process,
    Subflow,
    Set,
    Switch,
    Wait,
    Listen,
    Emit,
    Raise,
    Steps,
    Loop,
    Fork,
    Try,
    Function,
    Extended,
    More,
    Done,
}

impl Glyph {
    /// The lines, as the `d` of a path.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Call => "M2 8h8M7 5l3 3-3 3M10 2.5h2.5a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H10",
            Self::Request => {
                "M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2M2 8h12M8 2c2 1.7 2.7 3.7 2.7 6S10 12.3 8 14C6 12.3 5.3 10.3 5.3 8S6 3.7 8 2"
            }
            Self::Process => "M3 4l4 4-4 4M8.5 12h4.5",
            Self::Subflow => "M2.5 3.5h11v9h-11zM6.5 5.8l3.6 2.2-3.6 2.2z",
            Self::Set => "M3 6h10M3 10h10",
            Self::Switch => "M8 2l6 6-6 6-6-6z",
            Self::Wait => "M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2M8 4.8V8l2.3 1.8",
            Self::Listen => "M2.5 9.5h3l1.5 2.5h2l1.5-2.5h3v3.5h-11zM8 2v5M5.8 5L8 7.2 10.2 5",
            Self::Emit => "M2.5 9.5h3l1.5 2.5h2l1.5-2.5h3v3.5h-11zM8 7.2V2M5.8 4.2L8 2l2.2 2.2",
            Self::Raise => "M8 2.5l6 10.5H2zM8 6.5v3M8 11.2v.3",
            Self::Steps => "M2.5 4h2M7 4h6.5M2.5 8h2M7 8h6.5M2.5 12h2M7 12h6.5",
            Self::Loop => "M13 8a5 5 0 1 1-1.6-3.7M13 2.2v2.6h-2.6",
            Self::Fork => "M8 2v3M3 14V9.5Q3 7 5.5 7h5Q13 7 13 9.5V14M8 5v9",
            Self::Try => "M8 2l5 2v4c0 3-2.2 5-5 6-2.8-1-5-3-5-6V4z",
            Self::Function => "M6 2.5c-3 0-1 5-3.5 5.5 2.5.5.5 5.5 3.5 5.5M10 2.5c3 0 1 5 3.5 5.5-2.5.5-.5 5.5-3.5 5.5",
            Self::Extended => "M2.5 2.5h11v11h-11zM8 5.5v5M5.5 8h5",
            Self::More => "M3.5 8h.01M8 8h.01M12.5 8h.01",
            Self::Done => "M3.5 8.5l3 3 6-7",
        }
    }

    /// Its group, which says its colour.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Call | Self::Request | Self::Process | Self::Subflow => "does",
            Self::Listen | Self::Emit | Self::Wait => "hears",
            Self::Raise | Self::Try => "errs",
            Self::Set => "sets",
            _ => "steers",
        }
    }
}
