//! What `objects/*.yaml` says about keeping systems in agreement. Read after the connections, as it names their functions.

use std::sync::Arc;

use connect::Action;
use indexmap::{IndexMap, IndexSet};
use model::{ConnectionName, ObjectName, QueueName};
use sync::{Act, Conflict, Deletes, Documents, Owner, Owners, Policy, Side};
use workflow::yaml::Node;

use super::files::Room;
use super::matching;
use super::reader::{Fields, Reader};
use super::{Document, Known, Loader, hooks, lists, reconcile};
use crate::agreement::{Synchronised, Writer, Writers};
use crate::connection::{ConnectionDefinition, Feed, Function};
use crate::object::ObjectDefinition;

/// The member with the key that every object is given.
const KEY: &str = "key";

/// The members of an object's file that are about agreement.
pub(super) const MEMBERS: [&str; 15] = [
    "sides",
    "owners",
    "stages",
    "stage",
    "conflict",
    "deletes",
    "match",
    "alike",
    "successors",
    "references",
    "lists",
    "title",
    "queue",
    "reconcile",
    "hooks",
];
const CONFLICTS: [(&str, Conflict); 3] =
    [("queue", Conflict::Queue), ("newest", Conflict::Newest), ("first", Conflict::First)];
const DELETES: [(&str, Deletes); 4] = [
    ("queue", Deletes::Queue),
    ("deactivate", Deletes::Deactivate),
    ("delete", Deletes::Delete),
    ("keep", Deletes::Keep),
];
const DOCUMENTS: [(&str, Documents); 2] = [("unknown", Documents::Unknown), ("never", Documents::Without)];
/// What can be done to a record whose object was deleted elsewhere.
const ACTS: [(&str, Act, &[Action]); 3] = [
    ("delete", Act::Delete, &[Action::Delete, Action::Invoke]),
    ("deactivate", Act::Deactivate, &[Action::Update, Action::Invoke]),
    ("block", Act::Block, &[Action::Update, Action::Invoke]),
];
/// The members of a side.
const SIDE: [&str; 7] = ["create", "update", "delete", "deactivate", "block", "restore", "documents"];
const QUEUE: &str = "data";
/// Each system's own id of a record: nothing to agree about.
const OWN: &str = "id";

pub(super) fn read<'a>(loader: &'a Loader<'a>, known: &Known, document: &'a Document<'a>) -> Option<Synchronised> {
    let reader = loader.reader(document);
    let object = known.objects.get(&**document.stem)?;
    let all: Vec<&str> = ["object", "schema"].into_iter().chain(MEMBERS).collect();
    // What is wrong with the names of members has been told.
    let fields = Fields::checked(reader, &document.node, "an object's file", &all)?;
    let Some(node) = fields.get("sides") else {
        for name in MEMBERS.iter().filter(|name| fields.get(name).is_some()) {
            let message = format!("`{name}` is for an object that systems are kept in agreement about");
            reader.error_with(fields.key_span(name), "IL-DEF-011", message, "add `sides`: which connections have it");
        }
        return None;
    };
    let feeds = known.connections.values().flat_map(|connection| connection.feeds.values());
    let feeds: Vec<&Feed> = feeds.filter(|feed| feed.object == object.name).map(|feed| &**feed).collect();
    let read_anywhere = feeds.iter().flat_map(|feed| members_of(feed)).collect();
    let counted = known.connections.values().flat_map(|connection| connection.feeds.values());
    for feed in counted.filter(|feed| feed.object == object.name && feed.occasion.is_some()) {
        let message = format!("the feed {feed} counts occasions, which are no value that systems could agree about");
        let help = "remove `occasion` of the feed, or start the workflow from a feed of another object";
        reader.error_with(fields.key_span("sides"), "IL-DEF-011", message, help);
    }
    let reading = Sides { loader, known, reader, object, read_anywhere };
    let (mut policy, mut writers) = (Policy { key: Some(KEY.into()), ..Policy::default() }, IndexMap::new());
    for (key, node) in reader.entries(node, "`sides`") {
        let Some(connection) = reading.connection(&key.name, key.span) else { continue };
        if let Some((side, writer)) = reading.side(connection, node, key.span) {
            policy.sides.insert(connection.name.clone(), side);
            writers.insert(connection.name.clone(), writer);
        }
    }
    if policy.sides.len() < 2 {
        let help = "name every connection that has it: one that is only read needs no functions, as in `erp: {}`";
        reader.error_with(fields.key_span("sides"), "IL-DEF-011", "agreement is between two sides at least", help);
    }
    policy.conflict = fields.word("conflict", &CONFLICTS).unwrap_or_default();
    policy.deletes = fields.word("deletes", &DELETES).unwrap_or_default();
    let members = reading.members(&policy);
    policy.owners = reading.owners(&fields, &policy, &members);
    policy.lists = lists::read(reader, object, &fields, &members, &feeds);
    let matcher = matching::read(reader, &fields, &members);
    let references = reading.references(&fields, &members);
    let queue = fields.text("queue");
    if let (Some(queue), Some(node)) = (&queue, fields.get("queue"))
        && !loader.names_of(Room::Queues).any(|known| known == &**queue)
    {
        let message = format!("there is no queue `{queue}`");
        reader.unknown(node.span, "IL-DEF-006", message, queue, loader.names_of(Room::Queues));
    }
    let queue = QueueName::new(queue.unwrap_or_else(|| QUEUE.into()));
    let reconciling = reconcile::read(loader, reader, &fields, &policy, &queue);
    Some(Synchronised {
        object: object.name.clone(),
        writers,
        matcher,
        successors: reading.successors(&fields, &policy),
        stage: fields.expression("stage", &[]),
        title: fields.expression("title", &[]),
        queue,
        references,
        reconciling,
        hooks: hooks::read(loader, reader, &fields, &policy),
        policy,
    })
}

struct Sides<'a> {
    loader: &'a Loader<'a>,
    known: &'a Known,
    reader: Reader<'a>,
    object: &'a ObjectDefinition,
    /// The members that any connection's feed of the object reads.
    read_anywhere: IndexSet<Arc<str>>,
}

/// The members that a feed reads.
fn members_of(feed: &Feed) -> Vec<Arc<str>> {
    let mapped = feed.mapping.members(true).filter(|member| *member != OWN).map(Arc::from);
    mapped.chain(feed.resolve.iter().map(|rule| Arc::clone(&rule.member))).collect()
}

impl<'a> Sides<'a> {
    fn connection(&self, name: &Arc<str>, span: model::Span) -> Option<&'a ConnectionDefinition> {
        let found = self.known.connections.get(&**name);
        // One with mistakes of its own has been told.
        if found.is_none() && !self.loader.names_of(Room::Connections).any(|known| known == &**name) {
            let message = format!("there is no connection `{name}`");
            self.reader.unknown(span, "IL-DEF-006", message, name, self.loader.names_of(Room::Connections));
        }
        found.map(|connection| &**connection)
    }

    fn side(&self, connection: &ConnectionDefinition, node: &'a Node, span: model::Span) -> Option<(Side, Writers)> {
        let what = format!("the side `{}`", connection.name);
        let fields = self.reader.fields(node, span, &what, &SIDE)?;
        let feeds = connection.feeds.values().filter(|feed| feed.object == self.object.name);
        let reads: IndexSet<Arc<str>> = feeds.flat_map(|feed| members_of(feed)).collect();
        if reads.is_empty() {
            let message =
                format!("{} has no feed of `{}`, so its changes are never seen", connection.name, self.object.name);
            let help = format!("add one to connections/{}.yaml, with `object: {}`", connection.name, self.object.name);
            self.reader.error_with(span, "IL-DEF-011", message, help);
        }
        let create = fields
            .get("create")
            .and_then(|node| self.writer(connection, node, "create", &[Action::Create, Action::Upsert], &reads));
        let all = [Action::Update, Action::Upsert, Action::Create, Action::Delete];
        let mut update = Vec::new();
        if let Some(node) = fields.get("update") {
            for node in node.list().unwrap_or(std::slice::from_ref(node)) {
                update.extend(self.writer(connection, node, "update", &all, &reads));
            }
        }
        let creates = create.iter().flat_map(|writer| &writer.members).cloned().collect();
        let writes = update.iter().flat_map(|writer| &writer.members).cloned().collect();
        let documents = fields.word("documents", &DOCUMENTS).unwrap_or_default();
        let mut retire = Vec::new();
        for (name, act, actions) in ACTS {
            let function = fields.get(name).and_then(|node| self.function(connection, node, name, actions));
            retire.extend(function.map(|function| (act, function)));
        }
        let restore = fields.get("restore").and_then(|node| {
            self.function(connection, node, "restore", &[Action::Update, Action::Create, Action::Invoke])
        });
        let reads_back = update.iter().any(Writer::looks_first);
        Some((Side { reads, writes, creates, documents, reads_back }, Writers { create, update, retire, restore }))
    }

    /// A function by its name, or with the members that it writes.
    fn writer(
        &self,
        connection: &ConnectionDefinition,
        node: &'a Node,
        member: &str,
        actions: &[Action],
        reads: &IndexSet<Arc<str>>,
    ) -> Option<Writer> {
        if node.map().is_none() {
            let function = self.function(connection, node, member, actions)?;
            let Some(mapping) = function.mapping.as_ref().filter(|mapping| *mapping.object() == self.object.name)
            else {
                let message = format!(
                    "`{}` has no mapping of `{}`, so nobody knows which members it writes",
                    function.name, self.object.name
                );
                let help = format!("name them: `{{ function: {}, members: [name] }}`", function.name);
                self.reader.error_with(node.span, "IL-DEF-011", message, help);
                return None;
            };
            self.is_one_of_several(&function, member, node.span);
            let members = mapping.members(false).map(Arc::from).collect();
            return Some(Writer { function, members, when: None, each: None, items: None });
        }
        let fields =
            self.reader.fields(node, node.span, &format!("`{member}`"), &["function", "members", "when", "each"])?;
        let (name, members) = (fields.required("function"), fields.required("members"));
        let (when, each) = (fields.expression("when", &[]), fields.expression("each", &[]));
        if member == "create" && fields.get("each").is_some() {
            let help = "write the items after the record is made: a function of `update` with `each`";
            let message = "`create` makes one record, whatever its lists hold";
            self.reader.error_with(fields.key_span("each"), "IL-DEF-011", message, help);
        }
        let function = self.function(connection, name?, member, actions);
        if let (Some(function), None, None) = (&function, fields.get("when"), fields.get("each")) {
            self.is_one_of_several(function, member, node.span);
        }
        let mapped: Vec<Arc<str>> = function
            .iter()
            .filter_map(|function| function.mapping.as_ref())
            .flat_map(|mapping| mapping.members(false).map(Arc::from).collect::<Vec<_>>())
            .collect();
        let mut found = IndexSet::new();
        for node in self.reader.items(members?, "`members`") {
            let Some(text) = self.reader.text(node, "a member") else { continue };
            let below = |member: &&Arc<str>| is_below(&text, member);
            // What is only read elsewhere can be written here as well.
            found.extend(reads.iter().chain(&mapped).chain(&self.read_anywhere).filter(below).cloned());
            if !found.iter().any(|member| is_below(&text, member)) {
                let message = format!("{} reads no member `{text}`", connection.name);
                self.reader.unknown(node.span, "IL-DEF-006", message, &text, reads.iter().map(|member| &**member));
            }
        }
        let own = connection.feeds.values().find(|feed| feed.object == self.object.name);
        let items = own.filter(|_| each.is_some()).map(|feed| Arc::clone(&feed.mapping));
        Some(Writer { function: function?, members: found, when, each, items })
    }

    /// A function that creates or deletes what belongs to a record has to be told when: a second time would be wrong.
    fn is_one_of_several(&self, function: &Function, member: &str, span: model::Span) {
        if member != "update" || !matches!(function.action, Action::Create | Action::Delete) {
            return;
        }
        let action = function.action.word();
        let message = format!(
            "`{}` is to {action} something with every change, as it has neither `when` nor `each`",
            function.name
        );
        let help = format!(
            "say when it is sent: `{{ function: {}, members: […], when: '.current.number == null' }}`",
            function.name
        );
        self.reader.error_with(span, "IL-DEF-011", message, help);
    }

    fn function(
        &self,
        connection: &ConnectionDefinition,
        node: &Node,
        member: &str,
        actions: &[Action],
    ) -> Option<Arc<Function>> {
        let name = self.reader.text(node, &format!("`{member}`"))?;
        let Some(function) = connection.functions.get(&*name) else {
            // One with mistakes of its own has been told.
            if !self.known.functions.contains(&format!("{name}@{}", connection.name)) {
                let message = format!("{} has no function `{name}`", connection.name);
                let names = connection.functions.keys().map(model::FunctionName::as_str);
                self.reader.unknown(node.span, "IL-DEF-006", message, &name, names);
            }
            return None;
        };
        if !actions.contains(&function.action) {
            let words: Vec<&str> = actions.iter().map(|action| action.word()).collect();
            let message = format!("`{name}` does not {member} a record: its action is {}", function.action.word());
            self.reader.error_with(
                node.span,
                "IL-DEF-011",
                message,
                format!("name one whose action is {}", words.join(" or ")),
            );
            return None;
        }
        Some(Arc::clone(function))
    }

    /// All members that a side reads or writes.
    fn members(&self, policy: &Policy) -> IndexSet<Arc<str>> {
        let sides = policy.sides.values();
        sides.flat_map(|side| side.reads.iter().chain(&side.writes).chain(&side.creates)).cloned().collect()
    }

    fn owners(&self, fields: &Fields<'a>, policy: &Policy, members: &IndexSet<Arc<str>>) -> Owners {
        let mut owners = Owners::default();
        if let Some(node) = fields.get("stages") {
            owners.stages = self.reader.texts(node, "`stages`");
            if fields.get("stage").is_none() {
                let help = "such as `stage: 'if .number == null then \"prospect\" else \"buyer\" end'`";
                self.reader.error_with(
                    fields.key_span("stages"),
                    "IL-DEF-004",
                    "stages need `stage`: which one is it?",
                    help,
                );
            }
        }
        let Some(node) = fields.get("owners") else { return owners };
        for (key, node) in self.reader.entries(node, "`owners`") {
            let owner = self.owner(node, key.span, policy, &owners.stages);
            if &*key.name == "default" {
                owners.default = owner;
                continue;
            }
            if !members.is_empty() && !members.iter().any(|member| is_below(&key.name, member)) {
                let message = format!("no side has a member `{}`", key.name);
                self.reader.unknown(key.span, "IL-DEF-006", message, &key.name, members.iter().map(|member| &**member));
            }
            owners.fields.extend(owner.map(|owner| (Arc::clone(&key.name), owner)));
        }
        owners
    }

    fn owner(&self, node: &'a Node, span: model::Span, policy: &Policy, stages: &[Arc<str>]) -> Option<Owner> {
        let side = |node: &Node, what: &str| self.one_of_the_sides(node, what, policy);
        if node.map().is_none() {
            return side(node, "an owner").map(Owner::Always);
        }
        let inner = self.reader.fields(node, span, "an owner", &["until", "owner", "then"])?;
        let (stage, before, then) = (inner.required("until"), inner.required("owner"), inner.required("then"));
        let (before, then) =
            (before.and_then(|node| side(node, "`owner`")), then.and_then(|node| side(node, "`then`")));
        let node = stage?;
        let stage = self.reader.text(node, "`until`")?;
        if !stages.contains(&stage) {
            let message = format!("`{stage}` is none of the `stages`");
            self.reader.unknown(node.span, "IL-DEF-006", message, &stage, stages.iter().map(|stage| &**stage));
            return None;
        }
        Some(Owner::Until { stage, before: before?, then: then? })
    }

    /// Members that hold the key of another object.
    fn references(&self, fields: &Fields<'a>, members: &IndexSet<Arc<str>>) -> IndexMap<Arc<str>, ObjectName> {
        let mut references = IndexMap::new();
        let Some(node) = fields.get("references") else { return references };
        for (key, node) in self.reader.entries(node, "`references`") {
            if !members.is_empty() && !members.contains(&key.name) {
                let message = format!("no side has a member `{}`", key.name);
                self.reader.unknown(key.span, "IL-DEF-006", message, &key.name, members.iter().map(|member| &**member));
            }
            let Some(name) = self.reader.text(node, "the object of a reference") else { continue };
            if !self.loader.names_of(Room::Objects).any(|known| known == &*name) {
                let message = format!("there is no object `{name}`");
                self.reader.unknown(node.span, "IL-DEF-006", message, &name, self.loader.names_of(Room::Objects));
                continue;
            }
            references.insert(Arc::clone(&key.name), ObjectName::new(name));
        }
        references
    }

    fn successors(&self, fields: &Fields<'a>, policy: &Policy) -> IndexSet<ConnectionName> {
        let nodes = fields.get("successors").map(|node| self.reader.items(node, "`successors`")).unwrap_or_default();
        nodes.iter().filter_map(|node| self.one_of_the_sides(node, "a side of `successors`", policy)).collect()
    }

    fn one_of_the_sides(&self, node: &Node, what: &str, policy: &Policy) -> Option<ConnectionName> {
        let name = self.reader.text(node, what)?;
        if !policy.sides.contains_key(&*name) {
            let message = format!("`{name}` is none of the sides");
            let sides = policy.sides.keys().map(ConnectionName::as_str);
            self.reader.unknown(node.span, "IL-DEF-006", message, &name, sides);
            return None;
        }
        Some(ConnectionName::new(name))
    }
}

/// Whether a member is this one or part of it.
fn is_below(path: &str, member: &str) -> bool {
    member.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
