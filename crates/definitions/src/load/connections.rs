//! `connections/*.yaml`

use std::sync::Arc;
use std::time::Duration;

use connect::{Connector, SettingError};
use indexmap::IndexMap;
use model::{ConnectionName, FunctionName, Span, Value, nearest};
use workflow::yaml::Node;

use super::files::Room;
use super::functions::{self, Around};
use super::reader::{Fields, Reader};
use super::{Document, Known, Loader, environment, feeds, secrets};
use crate::connection::{ConnectionDefinition, ConnectionLimits, Feed, Function, RetryPolicy};

/// Members that every connection has; all others are its connector's.
const COMMON: [&str; 7] = ["connector", "title", "description", "limits", "retry", "functions", "feeds"];
const CONCURRENT: usize = 8;

pub(super) fn read(loader: &Loader<'_>, known: &mut Known, document: &Document<'_>) -> Option<ConnectionDefinition> {
    let reader = Reader { source: document.source, findings: loader.findings };
    let mut node = document.node.clone();
    let unfilled = environment::fill(reader, &mut node, loader.environment);
    for written in [&document.node, &node] {
        secrets::blot(reader, Room::Connections, written, &COMMON);
    }
    let members: Vec<&str> = reader.entries(&node, "a connection's file").iter().map(|(key, _)| &*key.name).collect();
    let fields = reader.fields(&node, node.span, "a connection's file", &members)?;
    let named = reader.is_name(document.stem, node.span, "a connection");
    let name = ConnectionName::new(Arc::clone(document.stem));
    let connector = connector(loader, reader, &fields);
    let settings = Value::object(
        reader
            .entries(&node, "a connection's file")
            .iter()
            .filter(|(key, _)| !COMMON.contains(&&*key.name))
            .map(|(key, node)| (Arc::clone(&key.name), node.to_value())),
    );
    if let Some(connector) = connector {
        for error in connector.check(&settings) {
            setting_error(reader, &node, &unfilled, &error);
        }
    }
    let (limits, retry) = (limits(reader, &fields), retry(reader, &fields));
    let mut functions: IndexMap<FunctionName, Arc<Function>> = IndexMap::new();
    let mut followed: IndexMap<Arc<str>, Arc<Feed>> = IndexMap::new();
    let entries = fields.get("functions").map(|node| reader.entries(node, "`functions`")).unwrap_or_default();
    known.functions.extend(entries.iter().map(|(key, _)| format!("{}@{name}", key.name)));
    let (actions, follows) =
        (connector.map(|connector| connector.actions()), connector.map(|connector| connector.follows()));
    let around = Around { loader, known, reader, connection: &name, actions, follows };
    for (key, node) in entries {
        if let Some(function) = functions::read(&around, key, node) {
            functions.insert(function.name.clone(), Arc::new(function));
        }
    }
    for (key, node) in fields.get("feeds").map(|node| reader.entries(node, "`feeds`")).unwrap_or_default() {
        if let Some(feed) = feeds::read(&around, key, node) {
            followed.insert(Arc::clone(&feed.name), Arc::new(feed));
        }
    }
    Some(ConnectionDefinition {
        name: named.then_some(name)?,
        connector: connector?.name().into(),
        settings,
        limits,
        retry,
        functions,
        feeds: followed,
    })
}

fn connector<'a>(loader: &Loader<'a>, reader: Reader<'_>, fields: &Fields<'_>) -> Option<&'a dyn Connector> {
    let node = fields.required("connector")?;
    let word = reader.text(node, "`connector`")?;
    let found = loader.connectors.iter().copied().find(|connector| connector.name() == &*word);
    if found.is_none() {
        let known = loader.connectors.iter().map(|connector| connector.name());
        reader.unknown(node.span, "IL-DEF-006", format!("there is no connector `{word}`"), &word, known);
    }
    found
}

/// Puts what a connector says about its settings where the setting stands.
fn setting_error(reader: Reader<'_>, file: &Node, unfilled: &[Span], error: &SettingError) {
    let (span, node) = find(file, &error.path);
    if node.is_some_and(|node| unfilled.contains(&node.span)) {
        return;
    }
    let last = error.path.rsplit('.').next().unwrap_or_default().to_lowercase();
    let common = nearest(&error.path, COMMON).filter(|_| node.is_some() && !error.path.contains('.'));
    let known_better = error.help.as_deref().is_some_and(|help| help.to_lowercase().contains("did you mean"));
    let help = match common {
        Some(common) if !known_better => Some(format!("did you mean `{common}`?")),
        _ => error.help.clone(),
    };
    let message = if error.path.is_empty() || error.message.contains(&last) && error.message.contains('`') {
        error.message.clone()
    } else {
        format!("`{}`: {}", error.path, error.message)
    };
    match help {
        Some(help) => reader.error_with(span, "IL-DEF-014", message, help),
        None => reader.error(span, "IL-DEF-014", message),
    }
}

/// The place of a setting's name, or of the deepest part of its path that there is; and the setting itself.
fn find<'a>(file: &'a Node, path: &str) -> (Span, Option<&'a Node>) {
    let (mut node, mut span, mut rest) = (file, file.span, path);
    while !rest.is_empty() {
        // Names may hold points themselves, so the longest that fits is taken.
        let members = node.map().unwrap_or_default().iter();
        let fits = members.filter(|(key, _)| {
            rest.strip_prefix(&*key.name).is_some_and(|after| after.is_empty() || after.starts_with('.'))
        });
        let Some((key, inner)) = fits.max_by_key(|(key, _)| key.name.len()) else { return (span, None) };
        (node, span) = (inner, key.span);
        rest = rest[key.name.len()..].trim_start_matches('.');
    }
    (span, Some(node))
}

fn limits<'a>(reader: Reader<'a>, fields: &Fields<'a>) -> ConnectionLimits {
    let mut limits = ConnectionLimits { concurrent: CONCURRENT, per_second: None, daily: None };
    let Some(node) = fields.get("limits") else { return limits };
    let known = ["concurrent", "perSecond", "daily"];
    let Some(inner) = reader.fields(node, fields.key_span("limits"), "`limits`", &known) else { return limits };
    if let Some(concurrent) = inner.whole("concurrent", 1, 1_000) {
        limits.concurrent = usize::try_from(concurrent).unwrap_or(CONCURRENT);
    }
    limits.per_second = inner.whole("perSecond", 1, 1_000_000).and_then(|rate| u32::try_from(rate).ok());
    limits.daily = inner.whole("daily", 1, 1_000_000_000_000).and_then(|daily| u64::try_from(daily).ok());
    limits
}

fn retry<'a>(reader: Reader<'a>, fields: &Fields<'a>) -> RetryPolicy {
    let mut retry = RetryPolicy {
        first: Duration::from_millis(200),
        factor: 2.0,
        longest: Duration::from_secs(30),
        settle: Duration::from_secs(30),
    };
    let Some(node) = fields.get("retry") else { return retry };
    let known = ["first", "factor", "longest", "settle"];
    let Some(inner) = reader.fields(node, fields.key_span("retry"), "`retry`", &known) else { return retry };
    retry.first = inner.duration("first").unwrap_or(retry.first);
    retry.settle = inner.duration("settle").unwrap_or(retry.settle);
    retry.longest = inner.duration("longest").unwrap_or(retry.longest.max(retry.first));
    if let Some(node) = inner.get("factor") {
        let factor = node.to_value().as_decimal().map(|decimal| decimal.to_f64_lossy());
        match factor.filter(|factor| (1.0..=100.0).contains(factor)) {
            Some(factor) => retry.factor = factor,
            None => reader.error(node.span, "IL-DEF-005", "`factor` is a number from 1 to 100"),
        }
    }
    if retry.longest < retry.first {
        let message = "the longest wait is shorter than the first";
        reader.error(inner.key_span("longest"), "IL-DEF-011", message);
    }
    retry
}
