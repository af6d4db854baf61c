//! `interlock.yaml`

use std::net::SocketAddr;
use std::path::{Component, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use model::{QueueName, nearest};
use workflow::Permissions;
use workflow::yaml::Node;

use super::files::Room;
use super::reader::{Fields, Reader};
use super::{Loader, environment, secrets};
use crate::api::Api;
use crate::queue::Queue;
use crate::settings::{Client, DirectCalls, ProjectSettings, User};

const STORE: &str = "data/interlock.db";
/// The role that may do everything.
const OPERATOR: &str = "operator";

pub(super) fn read(
    loader: &Loader<'_>,
    apis: &[Arc<Api>],
    queues: &IndexMap<QueueName, Arc<Queue>>,
) -> Option<ProjectSettings> {
    let document = loader.documents_of(Room::Project).next()?;
    let reader = Reader { source: document.source, findings: loader.findings };
    let mut node = document.node.clone();
    let unfilled = environment::fill(reader, &mut node, loader.environment);
    for written in [&document.node, &node] {
        secrets::blot(reader, Room::Project, written, &[]);
    }
    let known = ["name", "store", "listeners", "users", "events", "clients", "direct", "secrets"];
    let fields = reader.fields(&node, node.span, "interlock.yaml", &known)?;
    let name = fields.required_text("name");
    let store = store(reader, &fields);
    let (mut api, mut console) = (None, None);
    if let Some(node) = fields.get("listeners")
        && let Some(inner) = reader.fields(node, fields.key_span("listeners"), "`listeners`", &["api", "console"])
    {
        let listener = |name: &str| {
            let node = inner.get(name)?;
            let listener = reader.fields(node, inner.key_span(name), "a listener", &["address"])?;
            let node = listener.required("address")?;
            if unfilled.contains(&node.span) { None } else { address(reader, node) }
        };
        (api, console) = (listener("api"), listener("console"));
    }
    let users = users(reader, &fields);
    let events_token = fields.get("events").and_then(|node| {
        let inner = reader.fields(node, fields.key_span("events"), "`events`", &["token"])?;
        reader.secret(inner.required("token")?, "`token`")
    });
    let clients = clients(loader, reader, &fields, apis);
    let direct = direct(reader, &fields);
    let secrets = workflow_secrets(reader, &fields);
    roles(loader, reader, &fields, &users, queues);
    Some(ProjectSettings { name: name?, store: store?, api, console, users, events_token, clients, direct, secrets })
}

/// What the settings allow to workflows.
pub(super) fn permissions(settings: &ProjectSettings) -> Permissions {
    let DirectCalls { calls, shell, scripts } = &settings.direct;
    Permissions { direct_calls: *calls, processes: !shell.is_empty() || !scripts.is_empty() }
}

fn direct<'a>(reader: Reader<'a>, fields: &Fields<'a>) -> DirectCalls {
    let mut direct = DirectCalls::default();
    let Some(node) = fields.get("direct") else { return direct };
    let known = ["calls", "shell", "scripts"];
    let Some(inner) = reader.fields(node, fields.key_span("direct"), "`direct`", &known) else { return direct };
    if let Some(node) = inner.get("calls") {
        match node.to_value().as_bool() {
            Some(calls) => direct.calls = calls,
            None => reader.error(node.span, "IL-DEF-005", "`calls` is true or false"),
        }
    }
    if let Some(node) = inner.get("shell") {
        direct.shell = reader.texts(node, "`shell`");
    }
    for (key, node) in inner.get("scripts").and_then(Node::map).unwrap_or_default() {
        let command = reader.texts(node, "the command of a language");
        if command.is_empty() {
            let help = "write the command and its options as a list, such as `[python3]`";
            reader.error_with(node.span, "IL-DEF-005", format!("`{}` has no command", key.name), help);
        }
        direct.scripts.insert(Arc::clone(&key.name), command);
    }
    direct
}

fn workflow_secrets<'a>(reader: Reader<'a>, fields: &Fields<'a>) -> IndexMap<Arc<str>, Arc<str>> {
    let members = fields.get("secrets").and_then(Node::map).unwrap_or_default();
    members
        .iter()
        .filter_map(|(key, node)| Some((Arc::clone(&key.name), reader.secret(node, &format!("`{}`", key.name))?)))
        .collect()
}

fn store<'a>(reader: Reader<'a>, fields: &Fields<'a>) -> Option<PathBuf> {
    let Some(node) = fields.get("store") else { return Some(PathBuf::from(STORE)) };
    let inner = reader.fields(node, fields.key_span("store"), "`store`", &["sqlite"])?;
    let node = inner.required("sqlite")?;
    let path = PathBuf::from(&*reader.text(node, "`sqlite`")?);
    if path.components().any(|part| part == Component::ParentDir) {
        let message = "the store must not lie above the project's folder";
        reader.error_with(node.span, "IL-DEF-005", message, "write a path inside it, or an absolute one");
        return None;
    }
    Some(path)
}

fn address(reader: Reader<'_>, node: &Node) -> Option<SocketAddr> {
    let text = reader.text(node, "`address`")?;
    let address = text.parse().ok();
    if address.is_none() {
        let message = format!("`{text}` is no address to listen on");
        let help = "write an IP address and a port: `127.0.0.1:8080`, or `0.0.0.0:8080` for all networks";
        reader.error_with(node.span, "IL-DEF-005", message, help);
    }
    address
}

fn users<'a>(reader: Reader<'a>, fields: &Fields<'a>) -> Vec<User> {
    let (mut users, mut names) = (Vec::new(), Vec::new());
    for node in fields.get("users").map(|node| reader.items(node, "`users`")).unwrap_or_default() {
        let Some(inner) = reader.fields(node, node.span, "a user", &["name", "roles", "token"]) else { continue };
        let name = inner.required_text("name");
        let roles = inner.required("roles").map(|node| reader.texts(node, "`roles`"));
        let token = inner.required("token").and_then(|node| reader.secret(node, "`token`"));
        twice(reader, &inner, &name, &mut names, "users");
        if let (Some(name), Some(roles), Some(token)) = (name, roles, token) {
            users.push(User { name, roles, token });
        }
    }
    users
}

/// Tells of a name that is given to two.
fn twice(reader: Reader<'_>, fields: &Fields<'_>, name: &Option<Arc<str>>, names: &mut Vec<Arc<str>>, what: &str) {
    let (Some(name), Some(node)) = (name, fields.get("name")) else { return };
    if names.contains(name) {
        reader.error(node.span, "IL-DEF-011", format!("there are two {what} called `{name}`"));
    }
    names.push(Arc::clone(name));
}

fn clients<'a>(loader: &Loader<'_>, reader: Reader<'a>, fields: &Fields<'a>, apis: &[Arc<Api>]) -> Vec<Client> {
    let (mut clients, mut names) = (Vec::new(), Vec::new());
    for node in fields.get("clients").map(|node| reader.items(node, "`clients`")).unwrap_or_default() {
        let Some(inner) = reader.fields(node, node.span, "a client", &["name", "key", "apis"]) else { continue };
        let name = inner.required_text("name");
        let key = inner.required("key").and_then(|node| reader.secret(node, "`key`"));
        let allowed = inner.required("apis").map(|node| {
            for item in node.list().unwrap_or_default() {
                let Some(api) = item.text() else { continue };
                // The file of an API that cannot be read still says its name.
                let mut files =
                    loader.names_of(Room::Apis).map(|stem| stem.rsplit_once(".v").map_or(stem, |(api, _)| api));
                if !apis.iter().any(|known| known.name == *api) && !files.any(|known| known == &**api) {
                    let message = format!("there is no API `{api}`");
                    reader.unknown(item.span, "IL-DEF-006", message, api, apis.iter().map(|known| &*known.name));
                }
            }
            reader.texts(node, "`apis`")
        });
        twice(reader, &inner, &name, &mut names, "clients");
        if let (Some(name), Some(key), Some(apis)) = (name, key, allowed) {
            clients.push(Client { name, key, apis });
        }
    }
    clients
}

/// Items that nobody may resolve, and roles that let nobody do anything, are probably spelt wrong.
fn roles<'a>(
    loader: &Loader<'_>,
    reader: Reader<'a>,
    fields: &Fields<'a>,
    users: &[User],
    queues: &IndexMap<QueueName, Arc<Queue>>,
) {
    let held: Vec<&str> = users.iter().flat_map(|user| user.roles.iter().map(|role| &**role)).collect();
    let named: Vec<&str> = queues.values().flat_map(|queue| queue.who.iter().map(|role| &**role)).collect();
    for document in loader.documents_of(Room::Queues).filter(|_| !users.is_empty()) {
        let queue_reader = Reader { source: document.source, findings: loader.findings };
        for item in document.node.get("who").and_then(Node::list).unwrap_or_default() {
            let Some(role) = item.text().filter(|role| !held.contains(&&***role)) else { continue };
            let help = nearest(role, held.iter().copied()).map_or_else(
                || "give it to a user in interlock.yaml".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            queue_reader.warning(item.span, format!("no user has the role `{role}`"), help);
        }
    }
    for user in fields.get("users").and_then(Node::list).unwrap_or_default() {
        for item in user.get("roles").and_then(Node::list).unwrap_or_default() {
            let Some(role) = item.text().filter(|role| &***role != OPERATOR && !named.contains(&&***role)) else {
                continue;
            };
            if let Some(near) = nearest(role, named.iter().copied().chain([OPERATOR])) {
                let message = format!("no queue names the role `{role}`");
                reader.warning(item.span, message, format!("did you mean `{near}`?"));
            }
        }
    }
}
