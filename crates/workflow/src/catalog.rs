//! What a document may refer to outside itself, and what it may do.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use model::Value;

/// A function of a catalog: `create-order:1.0.0@erp`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct FunctionReference {
    /// The function's name.
    pub name: Arc<str>,
    /// Its version, when the document names one.
    pub version: Option<Arc<str>>,
    /// The catalog it is in, when the document names one.
    pub catalog: Option<Arc<str>>,
}

impl fmt::Display for FunctionReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        if let Some(version) = &self.version {
            write!(formatter, ":{version}")?;
        }
        if let Some(catalog) = &self.catalog {
            write!(formatter, "@{catalog}")?;
        }
        Ok(())
    }
}

/// Why a text names no function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no function: write `name:version@catalog`, such as `create-order:1.0.0@erp`")]
pub struct FunctionReferenceError(pub String);

impl FromStr for FunctionReference {
    type Err = FunctionReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, catalog) = text.split_once('@').map_or((text, None), |(rest, catalog)| (rest, Some(catalog)));
        let (name, version) = rest.split_once(':').map_or((rest, None), |(name, version)| (name, Some(version)));
        let word =
            |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, ':' | '@'));
        if !word(name) || !version.is_none_or(word) || !catalog.is_none_or(word) {
            return Err(FunctionReferenceError(text.to_owned()));
        }
        Ok(Self { name: name.into(), version: version.map(Arc::from), catalog: catalog.map(Arc::from) })
    }
}

/// What the checks need to know of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionSignature {
    /// Members that `with` must have.
    pub required: Vec<Arc<str>>,
    /// All members that `with` may have; `None` when it may have any.
    pub known: Option<Vec<Arc<str>>>,
}

/// What surrounds the documents: functions, other workflows, schemas.
pub trait Catalog {
    /// The function of this reference, if there is one.
    fn look_up(&self, function: &FunctionReference) -> Option<FunctionSignature>;

    /// All functions as they are called, to suggest the one that a misspelt call meant.
    fn suggestions(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether there is such a workflow to run.
    fn has_workflow(&self, namespace: &str, name: &str, version: &str) -> bool {
        let _ = (namespace, name, version);
        true
    }

    /// Whether a workflow that is not there may be there when it is run: then it is only warned of.
    fn workflows_may_come(&self) -> bool {
        false
    }

    /// Compiles an inline JSON Schema; `Ok(None)` when this catalog checks no schemas.
    ///
    /// # Errors
    /// What is wrong with the schema, in one sentence.
    fn schema(&self, document: &Value) -> Result<Option<Arc<dyn SchemaCheck>>, String> {
        let _ = document;
        Ok(None)
    }
}

/// A compiled schema.
pub trait SchemaCheck: fmt::Debug + Send + Sync {
    /// Checks a value.
    ///
    /// # Errors
    /// What does not fit, in one sentence.
    fn check(&self, value: &Value) -> Result<(), String>;
}

/// What documents may do in this deployment. The default allows only what goes through catalogs and events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Permissions {
    /// Containers, scripts and shell commands.
    pub processes: bool,
    /// Calls that name hosts instead of connections: http, openapi, grpc, asyncapi, a2a, mcp, functions by address.
    pub direct_calls: bool,
}

impl Permissions {
    /// Everything the DSL knows: to check a document by itself.
    #[must_use]
    pub const fn all() -> Self {
        Self { processes: true, direct_calls: true }
    }
}
