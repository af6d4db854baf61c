//! A call as the resources see it, and its answer.

use model::Value;

use super::describe::VERSIONS;
use crate::duplicates::DuplicateHeader;
use crate::errors::Refusal;

/// A call to a resource of the API.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// The path behind the version, decoded.
    pub(crate) segments: Vec<String>,
    /// The query, decoded.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    /// `67.0`
    pub(crate) version: String,
    /// What events say about where a change came from.
    pub(crate) origin: String,
    /// Rows on a page of a query, when the client says so.
    pub(crate) batch: Option<usize>,
    /// What it says of duplicates.
    pub(crate) duplicates: DuplicateHeader,
}

impl Call {
    /// The value of an option of the query.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether the version is one that is served.
    pub(crate) fn has_known_version(&self) -> bool {
        is_known_version(&self.version)
    }

    pub(crate) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }
}

/// Whether a version such as `67.0` is one that is served.
pub(crate) fn is_known_version(version: &str) -> bool {
    let major = version.strip_suffix(".0").and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| VERSIONS.contains(&major))
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// JSON, or nothing.
    pub(crate) body: String,
    pub(crate) location: Option<String>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), location: None }
    }

    pub(crate) fn empty() -> Self {
        Self::json(204, "")
    }

    pub(crate) fn not_found() -> Self {
        Refusal::new("NOT_FOUND", "The requested resource does not exist").into()
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status(), refusal.body())
    }
}

/// Decodes percent signs; `plus` says whether `+` is a space.
pub(crate) fn decoded(text: &str, plus: bool) -> String {
    let spaced = if plus { text.replace('+', " ") } else { text.to_owned() };
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// The options of a query or the fields of a form.
pub(crate) fn options(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|option| !option.is_empty())
        .map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            (decoded(name, true), decoded(value, true))
        })
        .collect()
}
