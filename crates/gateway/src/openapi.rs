//! The description of the process APIs as OpenAPI 3.1.

use std::sync::Arc;

use definitions::{Api, Release};
use model::{Value, json};

/// The document, as JSON.
pub(crate) fn document(release: &Release) -> String {
    let mut paths = Value::empty_object();
    for api in &release.apis {
        let mut item = paths.get(&api.path).clone();
        if item.is_null() {
            item = Value::empty_object();
        }
        item.set(api.method.to_ascii_lowercase(), operation(api));
        paths.set(Arc::clone(&api.path), item);
    }
    let text = |text: &str| Value::from(text);
    let key = Value::object([("type", text("http")), ("scheme", text("bearer"))]);
    let value = Value::object([
        ("openapi", text("3.1.0")),
        (
            "info",
            Value::object([
                ("title", Value::from(format!("{} process APIs", release.settings.name))),
                ("version", Value::from(release.hash.get(..12).unwrap_or(&release.hash))),
            ]),
        ),
        ("paths", paths),
        ("components", Value::object([("securitySchemes", Value::object([("key", key)]))])),
        ("security", Value::array([Value::object([("key", Value::array(Vec::<Value>::new()))])])),
    ]);
    json::to_string_pretty(&value)
}

fn operation(api: &Api) -> Value {
    let content = |schema: &Value| {
        let schema = if schema.is_null() { Value::empty_object() } else { schema.clone() };
        Value::object([("application/json", Value::object([("schema", schema)]))])
    };
    let response = |description: &str, content: Option<Value>| {
        let mut value = Value::object([("description", Value::from(description))]);
        if let Some(content) = content {
            value.set("content", content);
        }
        value
    };
    let mut parameters: Vec<Value> = Vec::new();
    let names = api.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for name in names {
        parameters.push(parameter(name, "path", true, Value::object([("type", "string")])));
    }
    let mut value = Value::object([
        ("operationId", Value::from(format!("{}-v{}", api.name, api.version))),
        ("summary", Value::from(Arc::clone(&api.summary))),
    ]);
    if &*api.method == "GET" {
        let required = api.request_document.get("required");
        for (name, schema) in api.request_document.get("properties").as_object().into_iter().flat_map(|map| map.iter())
        {
            let needed = required.items().iter().any(|item| item.as_str() == Some(name));
            parameters.push(parameter(name, "query", needed, schema.clone()));
        }
    } else if !api.request_document.is_null() {
        let body = Value::object([("required", Value::from(true)), ("content", content(&api.request_document))]);
        value.set("requestBody", body);
    }
    if !parameters.is_empty() {
        value.set("parameters", Value::array(parameters));
    }
    let responses = Value::object([
        ("200", response("The answer, with its age", Some(content(&api.response_document)))),
        ("400", response("The request does not fit", None)),
        ("401", response("The caller is not known", None)),
        ("403", response("The caller may not call this API", None)),
        ("429", response("The quota is used up", None)),
        ("503", response("The system is down and no answer is remembered", None)),
    ]);
    value.set("responses", responses);
    value
}

fn parameter(name: &str, place: &str, required: bool, schema: Value) -> Value {
    Value::object([
        ("name", Value::from(name)),
        ("in", Value::from(place)),
        ("required", Value::from(required)),
        ("schema", schema),
    ])
}
