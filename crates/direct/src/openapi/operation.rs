//! The operations of an OpenAPI document (3.0, 3.1) or a Swagger document (2.0), with all references followed.

use std::collections::HashMap;

use ::http::Method;
use model::Value;

use super::document::resolve;
use super::servers::Base;
use crate::Failure;
use crate::http::text_of;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The operations by their ids.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) operations: HashMap<String, Operation>,
}

/// What is sent, where, and how.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) base: Base,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Body>,
    /// Why it cannot be called.
    pub(crate) problem: Option<String>,
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    Path,
    Query,
    Header,
    Cookie,
}

/// How lists and objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Simple,
    Label,
    Matrix,
    Form,
    Space,
    Tab,
    Pipe,
    Deep,
    /// As JSON, where the parameter has a media type.
    Json,
}

/// A parameter that has its own place.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) location: Location,
    pub(crate) style: Style,
    pub(crate) explode: bool,
    pub(crate) required: bool,
    pub(crate) allow_reserved: bool,
}

/// What is sent besides.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) types: Vec<String>,
    pub(crate) required: bool,
    /// The name of the one parameter that is the whole of it.
    pub(crate) named: Option<String>,
    /// The names it may have, where the document names them one by one.
    pub(crate) fields: Option<Vec<String>>,
}

impl Api {
    pub(crate) fn read(root: &Value) -> Result<Self, Failure> {
        let version = |name: &str| text_of(root.get(name));
        let old = version("swagger").starts_with('2');
        if !old && !version("openapi").starts_with("3.") {
            let detail =
                "the document is neither OpenAPI 3 nor Swagger 2: it has no `openapi: 3.…` and no `swagger: 2.0`";
            return Err(Failure::configuration(detail));
        }
        let mut operations = HashMap::new();
        for (path, item) in root.get("paths").as_object().into_iter().flatten() {
            let Ok(item) = resolve(root, item) else { continue };
            for method in METHODS {
                let operation = item.get(method);
                let Some(id) = operation.get("operationId").as_str() else { continue };
                let place = Place { root, item, operation, old };
                let read = place.read(id, method, path);
                operations.entry(id.to_owned()).or_insert(read);
            }
        }
        Ok(Self { operations })
    }
}

/// An operation where it stands.
struct Place<'a> {
    root: &'a Value,
    item: &'a Value,
    operation: &'a Value,
    old: bool,
}

impl Place<'_> {
    fn read(&self, id: &str, method: &str, path: &str) -> Operation {
        let mut operation = Operation {
            id: id.to_owned(),
            method: Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap_or_default(),
            path: path.to_owned(),
            base: Base::read(self.root, self.item, self.operation, self.old),
            parameters: Vec::new(),
            body: None,
            problem: None,
        };
        // Those of the operation replace those of the path.
        for parameter in [self.operation, self.item].into_iter().flat_map(|place| place.get("parameters").items()) {
            match resolve(self.root, parameter) {
                Ok(parameter) => self.parameter(parameter, &mut operation),
                Err(problem) => operation.problem = Some(problem),
            }
        }
        if !self.old && self.operation.has("requestBody") {
            match self.request_body() {
                Ok(body) => operation.body = Some(body),
                Err(problem) => operation.problem = Some(problem),
            }
        }
        operation
    }

    fn parameter(&self, parameter: &Value, operation: &mut Operation) {
        let name = text_of(parameter.get("name"));
        let required = parameter.get("required").as_bool().unwrap_or(false);
        let location = match parameter.get("in").as_str() {
            Some("path") => Location::Path,
            Some("query") => Location::Query,
            Some("header") => Location::Header,
            Some("cookie") => Location::Cookie,
            Some("body") if operation.body.is_none() => {
                operation.body = Some(Body { types: self.consumes(), required, named: Some(name), fields: None });
                return;
            }
            Some("formData") => {
                let body = operation.body.get_or_insert_with(|| {
                    let mut types = self.consumes();
                    types.retain(|kind| kind.contains("form"));
                    if types.is_empty() {
                        types.push("application/x-www-form-urlencoded".to_owned());
                    }
                    Body { types, required: false, named: None, fields: Some(Vec::new()) }
                });
                body.required |= required;
                body.fields.get_or_insert_default().push(name);
                return;
            }
            _ => return,
        };
        if operation.parameters.iter().any(|known| known.name == name && known.location == location) {
            return;
        }
        let (style, explode) = if self.old { old_style(parameter, location) } else { style(parameter, location) };
        operation.parameters.push(Parameter {
            name,
            location,
            style,
            explode,
            required: required || location == Location::Path,
            allow_reserved: parameter.get("allowReserved").as_bool().unwrap_or(false),
        });
    }

    fn consumes(&self) -> Vec<String> {
        let own = self.operation.get("consumes").items();
        let types = if own.is_empty() { self.root.get("consumes").items() } else { own };
        types.iter().map(text_of).collect()
    }

    fn request_body(&self) -> Result<Body, String> {
        let body = resolve(self.root, self.operation.get("requestBody"))?;
        let content = body.get("content");
        let types: Vec<String> = content.as_object().into_iter().flatten().map(|(name, _)| name.to_string()).collect();
        // `body` is the whole of it unless the body itself has a member of this name.
        let has_member = types.iter().any(|kind| {
            resolve(self.root, content.get(kind).get("schema")).is_ok_and(|schema| schema.get("properties").has("body"))
        });
        Ok(Body {
            types,
            required: body.get("required").as_bool().unwrap_or(false),
            named: (!has_member).then(|| "body".to_owned()),
            fields: None,
        })
    }
}

fn style(parameter: &Value, location: Location) -> (Style, bool) {
    if parameter.has("content") {
        return (Style::Json, false);
    }
    let style = match parameter.get("style").as_str() {
        Some("label") => Style::Label,
        Some("matrix") => Style::Matrix,
        Some("form") => Style::Form,
        Some("simple") => Style::Simple,
        Some("spaceDelimited") => Style::Space,
        Some("pipeDelimited") => Style::Pipe,
        Some("deepObject") => Style::Deep,
        _ => match location {
            Location::Query | Location::Cookie => Style::Form,
            Location::Path | Location::Header => Style::Simple,
        },
    };
    (style, parameter.get("explode").as_bool().unwrap_or(style == Style::Form))
}

/// Swagger 2.0 calls it `collectionFormat`.
fn old_style(parameter: &Value, location: Location) -> (Style, bool) {
    match parameter.get("collectionFormat").as_str() {
        Some("multi") => (Style::Form, true),
        Some("ssv") => (Style::Space, false),
        Some("tsv") => (Style::Tab, false),
        Some("pipes") => (Style::Pipe, false),
        _ if location == Location::Query => (Style::Form, false),
        _ => (Style::Simple, false),
    }
}
