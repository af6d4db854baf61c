//! Which windows of a change feed are proven complete.
//!
//! A feed owes every change since an instant. What is proven, by the feed itself or by reading again, is kept as
//! [`Windows`]; the rest is the gap. Windows are half-open, so that two that touch leave nothing between them and nothing
//! twice. What cannot be kept is forgotten on the safe side: a forgotten proof costs a second reading, never a change.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// Most windows that are kept apart.
pub const WINDOWS_MAX: usize = 128;

/// From an instant up to, not including, a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    from: Timestamp,
    until: Timestamp,
}

/// Windows that do not touch each other, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Windows(Vec<Window>);

/// What is proven of one feed, and what is being read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    since: Timestamp,
    proven: Windows,
    rereading: Windows,
}

impl Window {
    /// A window; `None` when it would hold nothing.
    #[must_use]
    pub fn new(from: Timestamp, until: Timestamp) -> Option<Self> {
        (from < until).then_some(Self { from, until })
    }

    /// Its first instant.
    #[must_use]
    pub const fn from(self) -> Timestamp {
        self.from
    }

    /// The first instant after it.
    #[must_use]
    pub const fn until(self) -> Timestamp {
        self.until
    }

    /// How long it is.
    #[must_use]
    pub fn length(self) -> SignedDuration {
        self.until.duration_since(self.from)
    }

    fn shared(self, other: Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.until.min(other.until))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} to {}", self.from, self.until)
    }
}

impl Windows {
    /// The windows, oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Window] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an instant is in one of them.
    #[must_use]
    pub fn contains(&self, instant: Timestamp) -> bool {
        let after = self.0.partition_point(|window| window.from <= instant);
        after.checked_sub(1).is_some_and(|place| instant < self.0[place].until)
    }

    /// How long they are together.
    #[must_use]
    pub fn length(&self) -> SignedDuration {
        self.0.iter().fold(SignedDuration::ZERO, |sum, window| sum.saturating_add(window.length()))
    }

    /// Adds a window; what touches becomes one.
    pub fn add(&mut self, window: Window) {
        let first = self.0.partition_point(|other| other.until < window.from);
        let after = self.0.partition_point(|other| other.from <= window.until);
        let touching = &self.0[first..after];
        let from = touching.first().map_or(window.from, |other| other.from.min(window.from));
        let until = touching.last().map_or(window.until, |other| other.until.max(window.until));
        self.0.splice(first..after, [Window { from, until }]);
    }

    /// Takes a window out of them.
    pub fn remove(&mut self, window: Window) {
        let first = self.0.partition_point(|other| other.until <= window.from);
        let after = self.0.partition_point(|other| other.from < window.until);
        let left = self.0[first..after].first().and_then(|other| Window::new(other.from, window.from));
        let right = self.0[first..after].last().and_then(|other| Window::new(window.until, other.until));
        self.0.splice(first..after, left.into_iter().chain(right));
    }

    /// What of a window is in none of them.
    #[must_use]
    pub fn missing_in(&self, window: Window) -> Self {
        let mut missing = Self(vec![window]);
        self.0.iter().filter(|other| other.shared(window).is_some()).for_each(|other| missing.remove(*other));
        missing
    }

    /// Those of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        other.0.iter().for_each(|window| all.add(*window));
        all
    }

    /// These without those.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        other.0.iter().for_each(|window| rest.remove(*window));
        rest
    }
}

impl FromIterator<Window> for Windows {
    fn from_iter<I: IntoIterator<Item = Window>>(windows: I) -> Self {
        let mut all = Self::default();
        windows.into_iter().for_each(|window| all.add(window));
        all
    }
}

impl Coverage {
    /// Of a feed that owes every change since this instant. Nothing is proven yet.
    #[must_use]
    pub const fn new(since: Timestamp) -> Self {
        Self { since, proven: Windows(Vec::new()), rereading: Windows(Vec::new()) }
    }

    /// From which instant on every change is owed.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// What is proven.
    #[must_use]
    pub const fn proven(&self) -> &Windows {
        &self.proven
    }

    /// What is being read again.
    #[must_use]
    pub const fn rereading(&self) -> &Windows {
        &self.rereading
    }

    /// Every change in this window has been seen. What of it lies before the first instant that is owed is not kept.
    pub fn prove(&mut self, window: Window) {
        self.rereading.remove(window);
        let Some(window) = Window::new(window.from.max(self.since), window.until) else { return };
        self.proven.add(window);
        // The last one is where the feed is now, and the first one may reach back to the beginning; of the others the
        // shortest is read again soonest.
        while self.proven.0.len() > WINDOWS_MAX {
            let inner = self.proven.0[1..self.proven.0.len() - 1].iter();
            let Some(shortest) = inner.copied().min_by_key(|window| (window.length(), window.from)) else { return };
            self.proven.remove(shortest);
        }
    }

    /// Changes in this window may have been missed after all.
    pub fn doubt(&mut self, window: Window) {
        self.proven.remove(window);
        // A reading of it that began before the doubt may have missed the same.
        self.rereading.remove(window);
        while self.proven.0.len() > WINDOWS_MAX {
            self.proven.0.remove(1);
        }
    }

    /// A window is being read again. Gives whether it is kept in mind; when too many are, it is to be asked for later.
    pub fn reread(&mut self, window: Window) -> bool {
        let mut more = self.rereading.clone();
        more.add(window);
        let kept = more.0.len() <= WINDOWS_MAX;
        if kept {
            self.rereading = more;
        }
        kept
    }

    /// Reading a window again came to nothing.
    pub fn abandon(&mut self, window: Window) {
        self.rereading.remove(window);
        while self.rereading.0.len() > WINDOWS_MAX {
            // What is not kept in mind is read twice at worst.
            self.rereading.0.pop();
        }
    }

    /// What is not proven up to now, whether it is being read again or not.
    #[must_use]
    pub fn gap(&self, now: Timestamp) -> Windows {
        Window::new(self.since, now).map_or_else(Windows::default, |owed| self.proven.missing_in(owed))
    }

    /// What is not proven and not being read again either: what to begin with next.
    #[must_use]
    pub fn unattended(&self, now: Timestamp) -> Windows {
        self.gap(now).without(&self.rereading)
    }

    /// Up to when everything that is owed is proven, without a hole.
    #[must_use]
    pub fn complete_until(&self) -> Timestamp {
        let first = self.proven.0.first().filter(|window| window.from <= self.since);
        first.map_or(self.since, |window| window.until)
    }

    /// How far behind the feed is: the age of the oldest instant that is not proven.
    #[must_use]
    pub fn behind(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.complete_until()).max(SignedDuration::ZERO)
    }
}
