//! The feeds of a connection.

use std::sync::Arc;
use std::time::Duration;

use connect::Follows;
use model::ConnectionName;
use workflow::yaml::{Key, Node};

use super::files::Room;
use super::functions::Around;
use super::reader::{Fields, Reader};
use super::schemas::{self, Known as Member};
use crate::connection::{Feed, FeedSource, ResolveRule, Sweep, SweptWith, Unknown};
use crate::object::ObjectDefinition;
use crate::occasions::OccasionRule;

const KNOWN: [&str; 16] = [
    "topic",
    "push",
    "record",
    "id",
    "changed",
    "where",
    "mapping",
    "object",
    "event",
    "key",
    "only",
    "resolve",
    "occasion",
    "sweep",
    "select",
    "description",
];
const UNKNOWN: [(&str, Unknown); 3] = [("without", Unknown::Without), ("wait", Unknown::Wait), ("name", Unknown::Name)];
/// How far a sweep reaches back when nothing is said: clocks differ, and long transactions commit late.
const OVERLAP: Duration = Duration::from_secs(300);

pub(super) fn read<'a>(around: &Around<'a>, key: &'a Key, node: &'a Node) -> Option<Feed> {
    let reader = around.reader;
    let named = reader.is_name(&key.name, key.span, "a feed");
    let what = format!("the feed `{}`", key.name);
    let fields = reader.fields(node, key.span, &what, &KNOWN)?;
    let source = source(reader, &fields);
    can_follow(around, &fields);
    let mapping = match fields.required("mapping") {
        Some(_) => around.mapping(&fields, "mapping"),
        None => None,
    };
    let record = around.record(&fields, mapping.as_deref(), false);
    let object = match (fields.get("object"), &mapping) {
        (None, Some(mapping)) => Some(mapping.object().clone()),
        (None, None) => None,
        (Some(node), mapping) => {
            let object = around.object(&fields, "object");
            if let (Some(object), Some(mapping)) = (&object, mapping)
                && object != mapping.object()
            {
                let message = format!("the mapping {} makes `{}`, not `{object}`", mapping.name(), mapping.object());
                reader.error(node.span, "IL-DEF-011", message);
            }
            object
        }
    };
    let event_type = fields.text("event").or_else(|| Some(format!("interlock.{}.changed.v1", object.as_ref()?).into()));
    let resolve = resolve(around, &fields);
    let sweep = sweep(reader, &fields);
    if fields.get("sweep").is_none() {
        let lost = match source {
            Some(FeedSource::Push(_)) => Some("nobody would notice a notification that got lost"),
            Some(FeedSource::Topic(_)) => {
                Some("what the subscription loses, such as after a long stop, would never come")
            }
            Some(FeedSource::Sweep) | None => None,
        };
        if let Some(message) = lost {
            reader.warning(key.span, message, "add `sweep: { every: 60s }`");
        }
    }
    let schema = object.as_ref().and_then(|object| around.known.objects.get(object)).map(Arc::clone);
    let occasion = occasion(reader, &fields, schema.as_deref(), &resolve);
    let (id, condition, only) =
        (fields.expression("id", &[]), fields.expression("where", &[]), fields.expression("only", &[]));
    let key_of_object = fields.required_expression("key");
    let select = around.select(&fields, mapping.as_deref());
    let changed = fields.get("changed").map(|node| reader.texts(node, "`changed`")).unwrap_or_default();
    Some(Feed {
        name: named.then(|| Arc::clone(&key.name))?,
        connection: around.connection.clone(),
        source: source?,
        record: record?,
        id,
        changed,
        condition,
        mapping: mapping?,
        object: object?,
        schema: schema?,
        event_type: event_type?,
        key: key_of_object?,
        only,
        resolve,
        occasion,
        sweep,
        select: Arc::new(select),
    })
}

fn source(reader: Reader<'_>, fields: &Fields<'_>) -> Option<FeedSource> {
    match (fields.get("topic"), fields.get("push")) {
        (Some(_), None) => {
            if fields.get("id").is_some() {
                let message = "`id` is for pushed notifications; a subscribed feed tells the records' ids itself";
                reader.error(fields.key_span("id"), "IL-DEF-011", message);
            }
            fields.text("topic").map(FeedSource::Topic)
        }
        (None, Some(_)) => {
            if fields.get("id").is_none() {
                let message =
                    "a pushed notification carries keys only, so the feed needs `id`: which of them is the record's";
                reader.error_with(fields.place(), "IL-DEF-004", message, "such as `id: .BillingDocument`");
            }
            for name in ["changed", "where"] {
                if fields.get(name).is_some() {
                    let message =
                        format!("a pushed notification carries keys only, so `{name}` has nothing to look at");
                    let help = "use `only`, which sees the canonical object";
                    reader.error_with(fields.key_span(name), "IL-DEF-011", message, help);
                }
            }
            fields.text("push").map(FeedSource::Push)
        }
        (Some(_), Some(_)) => {
            let message = "a feed is either subscribed (`topic`) or pushed (`push`), not both";
            reader.error_with(fields.key_span("push"), "IL-DEF-011", message, "make two feeds of it");
            None
        }
        (None, None) if fields.get("sweep").is_some() => {
            for name in ["id", "changed", "where"] {
                if fields.get(name).is_some() {
                    let message = format!("nothing tells of this feed's changes, so `{name}` has nothing to look at");
                    reader.error_with(fields.key_span(name), "IL-DEF-011", message, "use `only`, or remove it");
                }
            }
            Some(FeedSource::Sweep)
        }
        (None, None) => {
            let message = "a feed needs `topic` (to subscribe), `push` (for notifications that the system sends) or \
                           `sweep` (to ask what changed)";
            reader.error(fields.place(), "IL-DEF-004", message);
            None
        }
    }
}

/// Refuses a feed of which the connector would never hear anything.
fn can_follow(around: &Around<'_>, fields: &Fields<'_>) {
    let Some(follows) = around.follows else { return };
    let ways = [
        ("topic", follows.topics, "push", "subscribe to topics"),
        ("push", follows.pushes, "topic", "take what a system pushes"),
    ];
    for (name, _, other, what) in ways.into_iter().filter(|(name, can, ..)| !can && fields.get(name).is_some()) {
        let message = format!("the connector of this connection cannot {what}");
        let help = match follows {
            Follows { topics: false, pushes: false } => "remove the feed".to_owned(),
            _ => format!("write `{other}` instead of `{name}`"),
        };
        around.reader.error_with(fields.key_span(name), "IL-DEF-011", message, help);
    }
}

/// One rule, or a list of them.
fn resolve<'a>(around: &Around<'a>, fields: &Fields<'a>) -> Vec<ResolveRule> {
    let Some(node) = fields.get("resolve") else { return Vec::new() };
    let rules = node.list().unwrap_or(std::slice::from_ref(node));
    rules.iter().filter_map(|rule| resolve_rule(around, rule, fields)).collect()
}

fn resolve_rule<'a>(around: &Around<'a>, node: &'a Node, fields: &Fields<'a>) -> Option<ResolveRule> {
    let place = fields.key_span("resolve");
    let inner = around.reader.fields(node, place, "`resolve`", &["as", "object", "id", "at", "unknown"])?;
    let member = inner.required_text("as");
    let object = around.object(&inner, "object");
    let id = inner.required_expression("id");
    let at = inner.text("at");
    if let (Some(name), Some(node)) = (&at, inner.get("at"))
        && !around.loader.names_of(Room::Connections).any(|known| known == &**name)
    {
        let message = format!("there is no connection `{name}`");
        around.reader.unknown(node.span, "IL-DEF-006", message, name, around.loader.names_of(Room::Connections));
        return None;
    }
    let at = at.map(ConnectionName::new);
    let unknown = inner.word("unknown", &UNKNOWN).unwrap_or_default();
    if let (Some(_), Unknown::Name) = (&at, unknown) {
        let message =
            "`name` is for keys: the id that a record has in another connection has no name before it is there";
        let help = "use `wait` or `without`, or leave out `at`";
        around.reader.error_with(inner.key_span("unknown"), "IL-DEF-011", message, help);
    }
    Some(ResolveRule { member: member?, object: object?, id: id?, at, unknown })
}

fn occasion(
    reader: Reader<'_>,
    fields: &Fields<'_>,
    object: Option<&ObjectDefinition>,
    resolve: &[ResolveRule],
) -> Option<OccasionRule> {
    let node = fields.get("occasion")?;
    let inner = reader.fields(node, fields.key_span("occasion"), "`occasion`", &["of", "as"])?;
    let of = inner.required_expression("of");
    let member = inner.required_text("as")?;
    let place = inner.get("as").map_or(node.span, |node| node.span);
    if resolve.iter().any(|rule| rule.member == member) {
        let message = format!("`{member}` gets the key of another record already, by `resolve`");
        reader.error_with(place, "IL-DEF-011", message, "count the occasions in a member of their own");
    }
    if let (Some(path), Some(object)) = (reader.path(&member, place), object)
        && let Member::No(name, known) = schemas::member(&object.document, &object.document, &path)
    {
        reader.unknown(place, "IL-DEF-006", format!("the object's schema has no `{name}`"), &name, known);
    }
    Some(OccasionRule { of: of?, member })
}

fn sweep<'a>(reader: Reader<'a>, fields: &Fields<'a>) -> Option<Sweep> {
    let node = fields.get("sweep")?;
    let inner = reader.fields(node, fields.key_span("sweep"), "`sweep`", &["every", "overlap", "with", "withEvery"])?;
    let with = inner.get("with").map(|node| reader.entries(node, "`with`")).unwrap_or_default();
    let with = with.iter().filter_map(|(key, node)| {
        let id = reader.expression(node, "the id of the record that it belongs to", &[])?;
        Some(SweptWith { record: Arc::clone(&key.name), id })
    });
    let with: Vec<SweptWith> = with.collect();
    inner.required("every")?;
    let overlap = if inner.get("overlap").is_some() { inner.duration("overlap") } else { Some(OVERLAP) };
    let with_every = inner.duration("withEvery");
    if with_every.is_some() && with.is_empty() {
        let message = "`withEvery` says how often other records are looked at, and none are named";
        let help = "name them in `with`, or leave out `withEvery`";
        reader.error_with(inner.key_span("withEvery"), "IL-DEF-011", message, help);
    }
    Some(Sweep { every: inner.duration("every")?, overlap: overlap?, with, with_every })
}
