//! What a user is told when something cannot be done.

use std::borrow::Cow;
use std::fmt;

/// One clear sentence with a stable code and a remedy: what every error becomes before a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable code, such as `IL-STORE-003`: what documentation and support refer to.
    pub code: &'static str,
    /// What happened, one sentence without a full stop.
    pub message: String,
    /// What to do about it, one sentence without a full stop.
    pub remedy: Cow<'static, str>,
}

impl Problem {
    /// A problem with its remedy.
    pub fn new(code: &'static str, message: impl Into<String>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}. {}. [{}]", self.message, self.remedy, self.code)
    }
}
impl std::error::Error for Problem {}
