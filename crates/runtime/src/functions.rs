//! Functions that are loaded from their address: each is a task, which is run as a workflow of its own.

use std::sync::Arc;

use definitions::{Release, WorkflowDefinition};
use model::{Source, Value};
use workflow::{Fault, FaultType, FunctionReference, yaml};

use crate::work::Pinned;

/// The namespace of the workflows that such functions become.
const NAMESPACE: &str = "functions";

/// Where the definition of a called function is: the address itself, or its place in the catalog.
///
/// # Errors
/// When the call names neither.
pub(crate) fn endpoint(call: &Value) -> Result<Value, Fault> {
    let wrong = |detail: String| Fault::new(FaultType::Configuration, detail);
    let name = call.get("function").as_str().unwrap_or_default();
    let catalog = call.get("catalog");
    if catalog.is_null() {
        return Ok(Value::object([("uri", Value::from(name))]));
    }
    let reference: FunctionReference =
        name.parse().map_err(|error: workflow::FunctionReferenceError| wrong(error.to_string()))?;
    let version = reference.version.ok_or_else(|| wrong(format!("`{name}` names no version of the function")))?;
    let root = catalog.get("uri").as_str().ok_or_else(|| wrong(format!("the catalog of `{name}` has no address")))?;
    let uri = format!("{}/functions/{}/{version}/function.yaml", raw(root), reference.name);
    let mut endpoint = Value::object([("uri", Value::from(uri))]);
    if !catalog.get("authentication").is_null() {
        endpoint.set("authentication", catalog.get("authentication").clone());
    }
    Ok(endpoint)
}

/// The address of the files themselves, where a catalog is a repository on a well-known host (DSL 1.0, chapter "Catalogs").
fn raw(root: &str) -> String {
    let root = root.trim_end_matches('/');
    let Some(path) = root.strip_prefix("https://github.com/") else { return root.to_owned() };
    let parts: Vec<&str> = path.splitn(5, '/').collect();
    match parts.as_slice() {
        [owner, name] => format!("https://raw.githubusercontent.com/{owner}/{name}/refs/heads/main"),
        [owner, name, "tree", branch] => {
            format!("https://raw.githubusercontent.com/{owner}/{name}/refs/heads/{branch}")
        }
        [owner, name, "tree", branch, rest] => {
            format!("https://raw.githubusercontent.com/{owner}/{name}/refs/heads/{branch}/{rest}")
        }
        _ => root.to_owned(),
    }
}

/// The workflow that runs a function, from the text at its address.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn compile(release: &Release, called: &str, text: &str) -> Result<Pinned, Fault> {
    let wrong = |detail: String| {
        Fault::new(FaultType::Configuration, format!("the function `{called}` cannot be used: {detail}"))
    };
    let source = Source { file: called.into(), text: text.into() };
    let first = |problems: model::Diagnostics| {
        problems.into_sorted().first().map_or_else(|| "it has mistakes".to_owned(), ToString::to_string)
    };
    let task = yaml::parse(&source).map_err(|problems| wrong(first(problems)))?.to_value();
    let name = label(called);
    let document = Value::object([
        ("dsl", Value::from("1.0.3")),
        ("namespace", Value::from(NAMESPACE)),
        ("name", Value::from(name.as_str())),
        ("version", Value::from("1.0.0")),
    ]);
    let body = Value::array([Value::object([(name.as_str(), task)])]);
    let text: Arc<str> = Value::object([("document", document), ("do", body)]).to_string().into();
    let workflow = release.load_workflow_text(&text).map_err(|problems| wrong(first(problems)))?;
    if !workflow.interests().is_empty() {
        return Err(wrong("it listens for events, which only a workflow of the project can do".to_owned()));
    }
    let definition = WorkflowDefinition { workflow, text, file: called.into() };
    Ok(Pinned::new(Arc::new(definition)))
}

/// A name that a document may have, out of what was called.
fn label(called: &str) -> String {
    const LENGTH_MAX: usize = 63;
    let path = called.split(['?', '#']).next().unwrap_or(called).trim_end_matches("/function.yaml");
    let last = path.rsplit_once("://").map_or(path, |(_, rest)| rest);
    let cleaned: String = last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let start = cleaned.len().saturating_sub(LENGTH_MAX);
    let label = cleaned.get(start..).unwrap_or_default().trim_matches('-');
    if label.is_empty() { "function".to_owned() } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_at_its_address_or_in_its_catalog() {
        let at = |function: &str, catalog: Option<&str>| {
            let mut call = Value::object([("function", Value::from(function))]);
            if let Some(catalog) = catalog {
                call.set("catalog", Value::object([("uri", Value::from(catalog))]));
            }
            endpoint(&call).map(|endpoint| endpoint.get("uri").as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(at("https://a.example/f.yaml", None).as_deref(), Ok("https://a.example/f.yaml"));
        let found = at("log:1.0.0@global", Some("https://a.example/catalog/"));
        assert_eq!(found.as_deref(), Ok("https://a.example/catalog/functions/log/1.0.0/function.yaml"));
        let found = at("log:1.0.0@global", Some("https://github.com/acme/catalog"));
        let raw = "https://raw.githubusercontent.com/acme/catalog/refs/heads/main/functions/log/1.0.0/function.yaml";
        assert_eq!(found.as_deref(), Ok(raw));
        let found = at("log:1.0.0@global", Some("https://github.com/acme/catalog/tree/next/deep"));
        let raw =
            "https://raw.githubusercontent.com/acme/catalog/refs/heads/next/deep/functions/log/1.0.0/function.yaml";
        assert_eq!(found.as_deref(), Ok(raw));
        assert!(at("log@global", Some("https://a.example")).is_err(), "a version is needed");
    }

    #[test]
    fn names_are_labels() {
        assert_eq!(label("https://a.example/functions/log/1.0.0/function.yaml"), "a-example-functions-log-1-0-0");
        assert_eq!(label("log:1.0.0@global"), "log-1-0-0-global");
        assert_eq!(label("///"), "function");
        assert!(label(&"x".repeat(500)).len() <= 63);
    }
}
