//! Errors of a run, as the standard describes them: problem details (RFC 9457) with a fixed set of types.

use std::sync::Arc;

use model::Value;

/// The namespace of the standard's error types, by the generation of schema 1.0.3.
const TYPES: &str = "https://open-workflow-specification.org/dsl/errors/types/";

/// The namespaces older documents and the samples use for the same types.
const OTHER_TYPES: [&str; 5] = [
    "https://open-workflow-specification.org/spec/1.0.0/errors/",
    "https://open-workflow-specification.org/errors/types/",
    "https://serverlessworkflow.io/dsl/errors/types/",
    "https://serverlessworkflow.io/spec/1.0.0/errors/",
    "https://serverlessworkflow.io/errors/types/",
];

/// The standard's error types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultType {
    /// The document or the deployment is wrong.
    Configuration,
    /// Data does not satisfy its schema.
    Validation,
    /// A runtime expression failed.
    Expression,
    /// The caller is not known.
    Authentication,
    /// The caller may not do this.
    Authorization,
    /// It took too long.
    Timeout,
    /// An outside system failed.
    Communication,
    /// Anything else.
    Runtime,
}

impl FaultType {
    const ALL: [Self; 8] = [
        Self::Configuration,
        Self::Validation,
        Self::Expression,
        Self::Authentication,
        Self::Authorization,
        Self::Timeout,
        Self::Communication,
        Self::Runtime,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Validation => "validation",
            Self::Expression => "expression",
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::Timeout => "timeout",
            Self::Communication => "communication",
            Self::Runtime => "runtime",
        }
    }

    /// Its URI.
    #[must_use]
    pub fn uri(self) -> Arc<str> {
        format!("{TYPES}{}", self.name()).into()
    }

    /// The status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Configuration | Self::Validation | Self::Expression => 400,
            Self::Authentication => 401,
            Self::Authorization => 403,
            Self::Timeout => 408,
            Self::Communication | Self::Runtime => 500,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration Error",
            Self::Validation => "Validation Error",
            Self::Expression => "Expression Error",
            Self::Authentication => "Authentication Error",
            Self::Authorization => "Authorization Error",
            Self::Timeout => "Timeout Error",
            Self::Communication => "Communication Error",
            Self::Runtime => "Runtime Error",
        }
    }
}

/// An error in the form that workflows catch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fault {
    /// URI of the kind of error.
    #[serde(rename = "type")]
    pub fault_type: Arc<str>,
    /// Status, in the sense of HTTP.
    pub status: u16,
    /// Short summary of the kind.
    pub title: Option<Arc<str>>,
    /// What happened this time.
    pub detail: Option<Arc<str>>,
    /// Pointer of the task it comes from; empty until the machine knows it.
    pub instance: Arc<str>,
    /// What else its origin tells, such as a vendor's error code; `null` for nothing.
    pub data: Value,
}

impl Fault {
    /// The type of the error that only a `catch` which takes something back can see: the run is cancelled.
    pub const CANCELLED: &'static str = "urn:interlock:error:cancelled";

    pub(crate) fn cancelled() -> Self {
        Self {
            fault_type: Self::CANCELLED.into(),
            // Of the statuses that are in use, the one for a request whose asker has gone.
            status: 499,
            title: Some("Cancelled".into()),
            detail: None,
            instance: "".into(),
            data: Value::Null,
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        &*self.fault_type == Self::CANCELLED
    }

    /// A fault of a standard type.
    pub fn new(fault_type: FaultType, detail: impl Into<Arc<str>>) -> Self {
        Self {
            fault_type: fault_type.uri(),
            status: fault_type.status(),
            title: Some(fault_type.title().into()),
            detail: Some(detail.into()),
            instance: "".into(),
            data: Value::Null,
        }
    }

    /// With another status of the same type.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With what its origin tells.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = data;
        self
    }

    /// With the pointer of its task, when it has none yet.
    pub(crate) fn at(mut self, pointer: &Arc<str>) -> Self {
        if self.instance.is_empty() {
            self.instance = Arc::clone(pointer);
        }
        self
    }

    /// From what [`Self::to_value`] gave; `None` for anything else.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).as_str().map(Arc::from);
        Some(Self {
            fault_type: text("type")?,
            status: u16::try_from(value.get("status").as_i64()?).ok()?,
            title: text("title"),
            detail: text("detail"),
            instance: text("instance").unwrap_or_else(|| "".into()),
            data: value.get("data").clone(),
        })
    }

    /// As expressions see it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value = Value::object([("type", Value::from(Arc::clone(&self.fault_type)))]);
        value.set("status", i64::from(self.status));
        for (name, text) in [("title", &self.title), ("detail", &self.detail)] {
            if let Some(text) = text {
                value.set(name, Arc::clone(text));
            }
        }
        value.set("instance", Arc::clone(&self.instance));
        if !self.data.is_null() {
            value.set("data", self.data.clone());
        }
        value
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.title.as_deref().unwrap_or("Error"))?;
        if let Some(detail) = &self.detail {
            write!(formatter, ": {detail}")?;
        }
        write!(formatter, " ({}, status {})", self.instance, self.status)
    }
}

/// The URI of a standard type in the generation used here, whichever generation it was written in.
pub(crate) fn canonical_type(uri: &str) -> Arc<str> {
    let name = OTHER_TYPES.iter().find_map(|prefix| uri.strip_prefix(prefix));
    match name.and_then(|name| FaultType::ALL.into_iter().find(|known| known.name() == name)) {
        Some(known) => known.uri(),
        None => uri.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_generations_of_the_types_are_the_same_types() {
        let now = FaultType::Communication.uri();
        assert_eq!(canonical_type("https://serverlessworkflow.io/dsl/errors/types/communication"), now);
        assert_eq!(canonical_type("https://open-workflow-specification.org/spec/1.0.0/errors/communication"), now);
        assert_eq!(canonical_type(&now), now);
        assert_eq!(&*canonical_type("https://acme.example/x"), "https://acme.example/x");
    }
}
