//! `apis/*.yaml`

use std::sync::Arc;
use std::time::Duration;

use connect::Action;
use contract::Schema;
use expr::Expression;
use mapping::uses;
use model::{Value, nearest};
use workflow::FunctionReference;
use workflow::yaml::Node;

use super::files::Room;
use super::reader::{Fields, Reader};
use super::{Document, Known, Loader, schemas};
use crate::api::{Api, ApiSource, CachePolicy};
use crate::connection::Effect;

const KNOWN: [&str; 14] = [
    "api", "version", "summary", "route", "request", "response", "call", "read", "key", "input", "output", "cache",
    "timeout", "quota",
];
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn read(loader: &Loader<'_>, known: &Known) -> Vec<Arc<Api>> {
    let mut apis: Vec<Arc<Api>> = Vec::new();
    for document in loader.documents_of(Room::Apis) {
        let reader = Reader { source: document.source, findings: loader.findings };
        let Some(api) = one(loader, known, reader, document) else { continue };
        let taken = apis.iter().find(|other| other.method == api.method && shape(&other.path) == shape(&api.path));
        if let Some(other) = taken {
            let span = document.node.get("route").map_or(document.node.span, |node| node.span);
            let message = format!("the API {} v{} has this route already", other.name, other.version);
            reader.error_with(span, "IL-DEF-015", message, "give each API a path of its own");
            continue;
        }
        apis.push(Arc::new(api));
    }
    apis
}

/// A path as the router sees it: the names of parameters make no difference.
fn shape(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

fn one<'a>(loader: &Loader<'_>, known: &Known, reader: Reader<'a>, document: &'a Document<'a>) -> Option<Api> {
    let fields = reader.fields(&document.node, document.node.span, "an API's file", &KNOWN)?;
    let (name, version) = (fields.required_text("api"), fields.required("version"));
    let version =
        version.and_then(|_| fields.whole("version", 1, 10_000)).and_then(|version| u32::try_from(version).ok());
    if let (Some(name), Some(version), Some(node)) = (&name, version, fields.get("api")) {
        let expected = format!("{name}.v{version}");
        if *expected != **document.stem {
            let message = format!("this file is called {}.yaml, but defines `{name}` version {version}", document.stem);
            reader.error_with(node.span, "IL-DEF-010", message, format!("rename it to {expected}.yaml"));
        }
        reader.is_name(name, node.span, "an API");
    }
    let summary = fields.required_text("summary");
    let route = route(reader, &fields);
    let parameters = route.as_ref().map(|(_, _, parameters)| parameters.as_slice()).unwrap_or_default();
    let request = schema(reader, &fields, "request");
    let response = schema(reader, &fields, "response");
    let source = source(loader, known, reader, &fields);
    let (input, output) = (fields.expression("input", &[]), fields.expression("output", &[]));
    let input = input.or_else(|| fields.expression("key", &[]));
    let timeout = fields.duration("timeout").unwrap_or(TIMEOUT);
    let get = route.as_ref().is_some_and(|(method, ..)| &**method == "GET");
    if let (Some(input), Some(name)) = (&input, ["input", "key"].into_iter().find(|name| fields.get(name).is_some())) {
        check_request(reader, &fields, name, input, parameters, get);
    }
    let cache = cache(reader, &fields, parameters, get);
    let quota = fields.get("quota").and_then(|node| {
        let inner = reader.fields(node, fields.key_span("quota"), "`quota`", &["perMinute"])?;
        inner.required("perMinute")?;
        inner.whole("perMinute", 1, 100_000_000).and_then(|rate| u32::try_from(rate).ok())
    });
    let (method, path, _) = route?;
    let (request, request_document) = request?;
    let (response, response_document) = response?;
    Some(Api {
        name: name?,
        version: version?,
        summary: summary?,
        method,
        path,
        request,
        request_document,
        response,
        response_document,
        source: source?,
        input,
        output,
        cache,
        timeout,
        per_minute: quota,
    })
}

/// Method, path and the names of the path's parameters.
fn route<'a>(reader: Reader<'a>, fields: &Fields<'a>) -> Option<(Arc<str>, Arc<str>, Vec<String>)> {
    let node = fields.required("route")?;
    let inner = reader.fields(node, fields.key_span("route"), "`route`", &["method", "path"])?;
    inner.required("method");
    let method = inner.word("method", &[("GET", "GET"), ("POST", "POST")]);
    let node = inner.required("path")?;
    let path = reader.text(node, "`path`")?;
    let wrong = |message: String| {
        reader.error_with(node.span, "IL-DEF-015", message, "such as `/api/orders/v1/quotes/{number}`");
    };
    let Some(rest) = path.strip_prefix('/') else {
        wrong(format!("the path `{path}` does not begin with `/`"));
        return None;
    };
    let mut parameters: Vec<String> = Vec::new();
    let mut fits = true;
    for part in rest.split('/') {
        let parameter = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        let literal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '~');
        let problem = match parameter {
            Some(name) if parameters.iter().any(|known| known == name) => Some(format!("`{{{name}}}` stands twice")),
            Some(name)
                if name.starts_with(|first: char| first.is_ascii_alphabetic())
                    && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_') =>
            {
                parameters.push(name.to_owned());
                None
            }
            Some(name) => Some(format!("`{{{name}}}` is no name of a parameter")),
            None if part.is_empty() => Some("there is an empty part".to_owned()),
            None if matches!(part, "." | "..") || !part.chars().all(literal) => {
                Some(format!("`{part}` cannot stand in it"))
            }
            None => None,
        };
        if let Some(problem) = problem {
            wrong(format!("the path `{path}` cannot be served: {problem}"));
            fits = false;
        }
    }
    if fits { Some((method?.into(), path, parameters)) } else { None }
}

/// `Some((None, null))` when there is none; `None` when it is wrong.
fn schema<'a>(reader: Reader<'a>, fields: &Fields<'a>, name: &str) -> Option<(Option<Arc<Schema>>, Value)> {
    match fields.get(name) {
        None => Some((None, Value::Null)),
        Some(node) => {
            schemas::compile(reader, node, &format!("`{name}`")).map(|(schema, document)| (Some(schema), document))
        }
    }
}

/// What serves it.
fn source<'a>(loader: &Loader<'_>, known: &Known, reader: Reader<'a>, fields: &Fields<'a>) -> Option<ApiSource> {
    match (fields.get("call"), fields.get("read")) {
        (Some(node), None) => {
            if fields.get("key").is_some() {
                let message = "`key` is for `read: transaction`; a call takes `input`";
                reader.error(fields.key_span("key"), "IL-DEF-011", message);
            }
            call(loader, known, reader, node)
        }
        (None, Some(_)) => {
            fields.word("read", &[("transaction", ())])?;
            if fields.get("input").is_none() && fields.get("key").is_none() {
                let message = "`read: transaction` needs `input`: which matter is meant";
                let help = "such as `input: '{object: \"quote\", key: .path.number}'`";
                reader.error_with(fields.place(), "IL-DEF-004", message, help);
            }
            Some(ApiSource::Transaction)
        }
        (Some(_), Some(_)) => {
            let message = "an API either calls a function (`call`) or reads what Interlock knows (`read`), not both";
            reader.error(fields.key_span("read"), "IL-DEF-011", message);
            None
        }
        (None, None) => {
            let message = "nothing serves this API: it needs `call` or `read`";
            let help = "such as `call: simulate-price:1.0.0@erp` or `read: transaction`";
            reader.error_with(fields.place(), "IL-DEF-004", message, help);
            None
        }
    }
}

fn call(loader: &Loader<'_>, known: &Known, reader: Reader<'_>, node: &Node) -> Option<ApiSource> {
    let text = reader.text(node, "`call`")?;
    let reference: FunctionReference = match text.parse() {
        Ok(reference) => reference,
        Err(error) => {
            reader.error(node.span, "IL-DEF-005", format!("{error}"));
            return None;
        }
    };
    let connection = reference.catalog.as_deref().and_then(|catalog| known.connections.get(catalog));
    let function = connection.and_then(|connection| connection.functions.get(&*reference.name));
    let fits = |version: &str| reference.version.as_deref().is_none_or(|asked| asked == version);
    match function.filter(|function| fits(&function.version)) {
        Some(function) => {
            if function.effect != Effect::None {
                let message = format!("`{text}` changes something, and a process API must not");
                let help = match function.action {
                    Action::Create | Action::Invoke => "if it changes nothing, say so at the function: `effect: none`",
                    _ => "start a workflow by an event instead",
                };
                reader.error_with(node.span, "IL-DEF-011", message, help);
            }
            Some(ApiSource::Function(Arc::clone(function)))
        }
        None => {
            let catalog = reference.catalog.as_deref().unwrap_or_default();
            let told = known.functions.contains(&format!("{}@{catalog}", reference.name)) && function.is_none()
                || loader.names_of(Room::Connections).any(|name| name == catalog) && connection.is_none();
            if !told {
                let asked = format!("{}@{catalog}", reference.name);
                let near = nearest(&asked, known.functions.iter().map(String::as_str));
                let help = match near.and_then(|near| known.function(near)) {
                    Some(function) => format!("did you mean `{function}`?"),
                    None => match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "name a function of a connection: `name:version@connection`".to_owned(),
                    },
                };
                reader.error_with(node.span, "IL-DEF-006", format!("there is no function `{text}`"), help);
            }
            None
        }
    }
}

fn cache<'a>(reader: Reader<'a>, fields: &Fields<'a>, parameters: &[String], get: bool) -> Option<CachePolicy> {
    let node = fields.get("cache")?;
    let inner = reader.fields(node, fields.key_span("cache"), "`cache`", &["key", "fresh", "stale"])?;
    let key = inner.required_expression("key");
    if let Some(key) = &key {
        check_request(reader, &inner, "key", key, parameters, get);
    }
    inner.required("fresh");
    let fresh = inner.duration("fresh");
    let stale = if inner.get("stale").is_some() { inner.duration("stale") } else { fresh };
    if let (Some(fresh), Some(stale)) = (fresh, stale)
        && stale < fresh
    {
        let message = "an answer would be too old to be served before it needs to be asked again";
        reader.error_with(inner.key_span("stale"), "IL-DEF-011", message, "make `stale` at least as long as `fresh`");
    }
    Some(CachePolicy { key: key?, fresh: fresh?, stale: stale? })
}

/// An expression on a request looks at `body`, `path` and `query`, and at parameters that the path has.
fn check_request(
    reader: Reader<'_>,
    fields: &Fields<'_>,
    name: &str,
    expression: &Expression,
    parameters: &[String],
    get: bool,
) {
    let span = fields.get(name).map_or(fields.place(), |node| node.span);
    for path in uses(expression.text()).paths {
        let names = path.names();
        let second = names.get(1).map(|name| &**name);
        match (&*names[0], second) {
            ("query" | "path", None) => {}
            ("query", Some(_)) => {}
            ("body", _) if !get => {}
            ("body", _) => {
                let message = format!("`{name}` looks at the body, which a GET does not have");
                reader.error_with(span, "IL-DEF-015", message, "use `.query` or `.path`");
            }
            ("path", Some(parameter)) => {
                if !parameters.iter().any(|known| known == parameter) {
                    let message =
                        format!("`{name}` looks at `.path.{parameter}`, but the path has no `{{{parameter}}}`");
                    reader.unknown(span, "IL-DEF-015", message, parameter, parameters.iter().map(String::as_str));
                }
            }
            (other, _) => {
                let known = ["body", "path", "query"];
                let near = nearest(other, known).map(|near| format!("did you mean `.{near}`?"));
                let help = near.unwrap_or_else(|| "a request is `{body, path, query}`".to_owned());
                reader.error_with(
                    span,
                    "IL-DEF-015",
                    format!("`{name}` looks at `.{other}`, which no request has"),
                    help,
                );
            }
        }
    }
}
