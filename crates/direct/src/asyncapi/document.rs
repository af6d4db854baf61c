//! Where a message goes or comes from: the channel of an operation, and the server it is on.

use model::{Value, nearest};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Failure;
use crate::http::text_of;
use crate::openapi::{expand, resolve};

/// Whether we send or receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Send,
    Receive,
}

/// A channel on a server.
#[derive(Debug)]
pub(super) struct Place {
    /// The address of the server.
    base: String,
    /// The address of the channel on it, with `{parameters}`.
    channel: String,
    parameters: Value,
    /// What the call gives for variables, of the server or of the channel.
    variables: Value,
    /// The HTTP method that the operation is bound to; `null` for none.
    pub(super) method: Value,
    pub(super) content_type: Option<String>,
    /// Where the correlation id of a message is, such as `$message.payload#/id`.
    pub(super) correlation: Option<String>,
}

impl Place {
    /// The address for a message, which may hold parameters of the channel.
    pub(super) fn address(&self, message: &Value) -> Result<String, Failure> {
        let mut channel = self.channel.clone();
        for (name, parameter) in self.parameters.as_object().into_iter().flatten() {
            let placed = parameter.get("location").as_str().map(|location| locate(location, message));
            let value = [self.variables.get(name), placed.unwrap_or(&Value::Null), parameter.get("default")]
                .into_iter()
                .find(|value| !value.is_null());
            if let Some(value) = value {
                let text = utf8_percent_encode(&text_of(value), NON_ALPHANUMERIC).to_string();
                channel = channel.replace(&format!("{{{name}}}"), &text);
            }
        }
        let address = format!("{}/{}", self.base.trim_end_matches('/'), channel.trim_start_matches('/'));
        if address.contains('{') {
            let detail = format!("`{address}` has a part without a value: give it in `server.variables`");
            return Err(Failure::configuration(detail));
        }
        Ok(address)
    }
}

/// What stands at `$message.payload#/…` or `$message.header#/…`.
pub(super) fn locate<'m>(location: &str, message: &'m Value) -> &'m Value {
    static NULL: Value = Value::Null;
    let Some((part, pointer)) = location.split_once('#') else { return &NULL };
    let root = match part {
        "$message.payload" => message.get("payload"),
        "$message.header" => message.get("headers"),
        _ => return &NULL,
    };
    pointer.split('/').skip(1).fold(root, |at, name| at.get(&name.replace("~1", "/").replace("~0", "~")))
}

pub(super) fn find(document: &Value, call: &Value, direction: Direction) -> Result<Place, Failure> {
    let version = text_of(document.get("asyncapi"));
    match version.split('.').next() {
        Some("2") => second(document, call, direction),
        Some("3") => third(document, call),
        _ => {
            Err(Failure::configuration("the document is neither AsyncAPI 2 nor 3: it has no `asyncapi: 2.…` or `3.…`"))
        }
    }
}

fn follow<'a>(root: &'a Value, value: &'a Value) -> Result<&'a Value, Failure> {
    resolve(root, value).map_err(|problem| Failure::configuration(format!("the AsyncAPI document: {problem}")))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let detail = format!("the AsyncAPI document has no {what} `{name}`");
    Failure::configuration(match nearest(name, known) {
        Some(near) => format!("{detail}: did you mean `{near}`?"),
        None => detail,
    })
}

fn names(value: &Value) -> impl Iterator<Item = &str> {
    value.as_object().into_iter().flatten().map(|(name, _)| &**name)
}

/// AsyncAPI 2: channels by their address, operations within them. What we send is what the channel says others `publish`.
fn second(document: &Value, call: &Value, direction: Direction) -> Result<Place, Failure> {
    let channels = document.get("channels");
    let member = if direction == Direction::Send { "publish" } else { "subscribe" };
    let (address, item) = match (call.get("channel").as_str(), call.get("operation").as_str()) {
        (Some(name), _) => {
            let found = channels
                .as_object()
                .into_iter()
                .flatten()
                .find(|(known, _)| known.trim_start_matches('/') == name.trim_start_matches('/'));
            found.ok_or_else(|| unknown("channel", name, names(channels)))?
        }
        (None, id) => {
            let id = id.unwrap_or_default();
            let found = channels.as_object().into_iter().flatten().find(|(_, item)| {
                ["publish", "subscribe"].iter().any(|member| item.get(member).get("operationId").as_str() == Some(id))
            });
            let ids = channels.as_object().into_iter().flatten().flat_map(|(_, item)| {
                ["publish", "subscribe"].map(|member| item.get(member).get("operationId").as_str().unwrap_or_default())
            });
            found.ok_or_else(|| unknown("operation", id, ids))?
        }
    };
    let item = follow(document, item)?;
    let operation = item.get(member);
    let message = follow(document, operation.get("message"))?;
    let allowed: Vec<&str> = item.get("servers").items().iter().filter_map(Value::as_str).collect();
    let address = address.to_string();
    place(document, call, &allowed, address, item.get("parameters"), operation, message)
}

/// AsyncAPI 3: operations that refer to their channel.
fn third(document: &Value, call: &Value) -> Result<Place, Failure> {
    let (operations, channels) = (document.get("operations"), document.get("channels"));
    let (operation, channel) = match (call.get("operation").as_str(), call.get("channel").as_str()) {
        (Some(name), _) if operations.has(name) => {
            let operation = follow(document, operations.get(name))?;
            (operation, follow(document, operation.get("channel"))?)
        }
        (Some(name), _) => return Err(unknown("operation", name, names(operations))),
        (None, name) => {
            let name = name.unwrap_or_default();
            let found = channels
                .as_object()
                .into_iter()
                .flatten()
                .find(|(known, channel)| ***known == *name || channel.get("address").as_str() == Some(name));
            let (_, channel) = found.ok_or_else(|| unknown("channel", name, names(channels)))?;
            (&Value::Null, follow(document, channel)?)
        }
    };
    let allowed: Vec<&str> = channel
        .get("servers")
        .items()
        .iter()
        .filter_map(|server| server.get("$ref").as_str()?.strip_prefix("#/servers/"))
        .collect();
    let first = channel.get("messages").as_object().and_then(|messages| messages.values().next());
    let message = follow(document, first.unwrap_or(&Value::Null))?;
    let address = text_of(channel.get("address"));
    place(document, call, &allowed, address, channel.get("parameters"), operation, message)
}

fn place(
    document: &Value,
    call: &Value,
    allowed: &[&str],
    channel: String,
    parameters: &Value,
    operation: &Value,
    message: &Value,
) -> Result<Place, Failure> {
    let server = server(document, call, allowed)?;
    let variables = call.get("server").get("variables").clone();
    let protocol = text_of(server.get("protocol"));
    let url = match server.get("url").as_str() {
        Some(url) => url.to_owned(),
        None => format!("{}{}", text_of(server.get("host")), text_of(server.get("pathname"))),
    };
    let url = expand(&url, server.get("variables"), &variables);
    let base = if url.contains("://") { url } else { format!("{protocol}://{url}") };
    let content_type = [message.get("contentType"), document.get("defaultContentType")];
    Ok(Place {
        base,
        channel,
        parameters: parameters.clone(),
        variables,
        method: operation.get("bindings").get("http").get("method").clone(),
        content_type: content_type.into_iter().find_map(|kind| kind.as_str().map(str::to_owned)),
        correlation: message.get("correlationId").get("location").as_str().map(str::to_owned),
    })
}

/// The server that a call names, or the first of the channel's that fits and is served.
fn server<'a>(document: &'a Value, call: &Value, allowed: &[&str]) -> Result<&'a Value, Failure> {
    let servers = document.get("servers");
    let wanted = call.get("server").get("name").as_str().or_else(|| call.get("server").as_str());
    if let Some(name) = wanted {
        if !servers.has(name) {
            return Err(unknown("server", name, names(servers)));
        }
        let server = follow(document, servers.get(name))?;
        return if is_served(server) { Ok(server) } else { Err(not_served(name, server)) };
    }
    let protocol = call.get("protocol").as_str();
    let mut first = None;
    for (name, server) in servers.as_object().into_iter().flatten() {
        let server = follow(document, server)?;
        let own = text_of(server.get("protocol"));
        let fits = protocol.is_none_or(|wanted| own == wanted || (wanted == "http" && own == "https"));
        if !fits || !(allowed.is_empty() || allowed.contains(&&**name)) {
            continue;
        }
        if is_served(server) {
            return Ok(server);
        }
        first.get_or_insert((name, server));
    }
    Err(match (first, protocol) {
        (Some((name, server)), _) => not_served(name, server),
        (None, Some(protocol)) => {
            Failure::configuration(format!("the channel is on no server with the protocol `{protocol}`"))
        }
        (None, None) => Failure::configuration("the AsyncAPI document names no server for this channel"),
    })
}

fn is_served(server: &Value) -> bool {
    matches!(server.get("protocol").as_str(), Some("http" | "https"))
}

fn not_served(name: &str, server: &Value) -> Failure {
    let protocol = text_of(server.get("protocol"));
    Failure::configuration(match &*protocol {
        "interlock" => format!(
            "the server `{name}` stands for Interlock's own events: give `protocol: interlock` and the `channel` in the call"
        ),
        _ => format!(
            "the server `{name}` speaks `{protocol}`, which is not served here (http and https are): reach it by a connection, or \
             use Interlock's own events with `protocol: interlock`"
        ),
    })
}
