//! What a picture says about a task, in few words.

use jiff::SignedDuration;
use model::Value;

use super::glyph::Glyph;
use super::measure::one_line;
use crate::code::{Code, Template, UriPart};
use crate::definition::{Backoff, Filter, Kind, Listen, Mode, Protocol, Retry, Task, TryCatch};
use crate::duration::Duration;
use crate::fault::canonical_type;
use crate::schedule::Starts;

/// Longest text about one thing, in bytes: an expression can be as long as the document.
const TEXT_MAX: usize = 4_000;

/// What is said about a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// The task's kind by the DSL.
    pub(super) kind: &'static str,
    /// What it does, in one line; may be empty.
    pub(super) what: String,
    /// More lines, such as its condition.
    pub(super) more: Vec<String>,
}

impl Words {
    pub(super) fn of(task: &Task) -> Self {
        let (kind, what) = kind(&task.kind);
        let mut more = Vec::new();
        if let Kind::For(each) = &task.kind
            && let Some(condition) = &each.condition
        {
            more.push(bounded(format!("while {}", code(condition))));
        }
        if let Some(condition) = &task.condition {
            more.push(bounded(format!("if {}", code(condition))));
        }
        if let Some(timeout) = &task.timeout {
            more.push(bounded(format!("at most {}", duration(timeout))));
        }
        Self { kind, what: bounded(what), more }
    }
}

/// The sign of a task.
pub(super) const fn glyph(kind: &Kind) -> Glyph {
    match kind {
        Kind::Do(_) => Glyph::Steps,
        Kind::Set(_) => Glyph::Set,
        Kind::Switch(_) => Glyph::Switch,
        Kind::For(_) => Glyph::Loop,
        Kind::Fork { .. } => Glyph::Fork,
        Kind::Try(_) => Glyph::Try,
        Kind::Raise(_) => Glyph::Raise,
        Kind::Wait(_) => Glyph::Wait,
        Kind::Listen(_) => Glyph::Listen,
        Kind::Emit(_) => Glyph::Emit,
        Kind::Call { .. } => Glyph::Call,
        Kind::Function { .. } => Glyph::Function,
        Kind::Request { protocol: Protocol::Container | Protocol::Script | Protocol::Shell, .. } => Glyph::Process,
        Kind::Request { .. } => Glyph::Request,
        Kind::Subflow(_) => Glyph::Subflow,
        Kind::Extended(_) => Glyph::Extended,
    }
}

fn kind(kind: &Kind) -> (&'static str, String) {
    match kind {
        Kind::Do(_) => ("do", String::new()),
        Kind::Set(template) => ("set", set(template)),
        Kind::Switch(_) => ("switch", String::new()),
        Kind::For(each) => ("for", format!("for each {} in {}", each.each, text(&each.items))),
        Kind::Fork { branches, .. } if branches.len() == 1 => ("fork", "one branch".to_owned()),
        Kind::Fork { branches, compete: true } => ("fork", format!("the first of {} branches", branches.len())),
        Kind::Fork { branches, compete: false } => ("fork", format!("all {} branches, side by side", branches.len())),
        Kind::Try(_) => ("try", String::new()),
        Kind::Raise(error) => {
            ("raise", format!("raises {}, status {}", last_word(&text(&error.fault_type)), error.status))
        }
        Kind::Wait(time) => ("wait", format!("waits {}", duration(time))),
        Kind::Listen(listening) => ("listen", listen(listening)),
        Kind::Emit(members) => {
            let event = members.iter().find(|(name, _)| &**name == "type").map(|(_, template)| text(template));
            ("emit", event.unwrap_or_default())
        }
        Kind::Call { function, .. } => ("call", function.to_string()),
        Kind::Function { .. } => ("call", "a function of this document".to_owned()),
        Kind::Request { protocol, call, .. } => request(*protocol, call),
        Kind::Subflow(flow) => {
            let after = if flow.awaited { "" } else { ", not awaited" };
            ("run", format!("{}/{}:{}{after}", flow.namespace, flow.name, flow.version))
        }
        Kind::Extended(extended) => {
            let count = extended.extensions.len();
            ("extended", format!("with {count} extension{}", if count == 1 { "" } else { "s" }))
        }
    }
}

fn set(template: &Template) -> String {
    let names: Vec<&str> = match template {
        Template::Map(members) => members.iter().map(|(name, _)| &**name).collect(),
        Template::Literal(Value::Object(members)) => members.iter().map(|(name, _)| &**name).collect(),
        other => return text(other),
    };
    format!("sets {}", names.join(", "))
}

fn request(protocol: Protocol, call: &Template) -> (&'static str, String) {
    let at = |path: &[&str]| path.iter().try_fold(Part::of(call), |part, name| part.get(name)).map(|part| part.text());
    let or = |text: Option<String>| text.unwrap_or_default();
    let what = match protocol {
        Protocol::Http => format!("{} {}", or(at(&["method"])).to_uppercase(), or(at(&["endpoint", "uri"]))),
        Protocol::Grpc => format!("{}/{}", or(at(&["service", "name"])), or(at(&["method"]))),
        Protocol::OpenApi => or(at(&["operationId"])),
        Protocol::AsyncApi => {
            let verb = if at(&["message"]).is_some() { "publishes on" } else { "subscribes to" };
            format!("{verb} {}", or(at(&["operation"]).or_else(|| at(&["channel"]))))
        }
        Protocol::A2a | Protocol::Mcp => or(at(&["method"])),
        Protocol::Function => or(at(&["function"])),
        Protocol::Container => or(at(&["container", "image"])),
        Protocol::Script => or(at(&["script", "language"])),
        Protocol::Shell => or(at(&["shell", "command"])),
    };
    let what = without_credentials(&what);
    match protocol {
        Protocol::Container | Protocol::Script | Protocol::Shell => ("run", format!("{} {what}", protocol.as_str())),
        Protocol::Http | Protocol::Function => ("call", what),
        _ => ("call", format!("{} {what}", protocol.as_str())),
    }
}

/// An address may name a user and a password, which are not for everybody who sees a picture.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest.get(..authority).and_then(|authority| authority.rfind('@')) {
        Some(user) => format!("{scheme}://…{}", rest.get(user..).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A part of data with expressions in it.
enum Part<'a> {
    Template(&'a Template),
    Value(&'a Value),
}

impl<'a> Part<'a> {
    const fn of(template: &'a Template) -> Self {
        Self::Template(template)
    }

    fn get(self, name: &str) -> Option<Self> {
        match self {
            Self::Template(Template::Map(members)) => {
                members.iter().find(|(member, _)| &**member == name).map(|(_, member)| Self::Template(member))
            }
            Self::Template(Template::Literal(value)) | Self::Value(value) => {
                value.has(name).then(|| Self::Value(value.get(name)))
            }
            Self::Template(_) => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Template(template) => text(template),
            Self::Value(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        }
    }
}

/// Data as it is written, with expressions without their `${ }`.
fn text(template: &Template) -> String {
    match template {
        Template::Literal(value) => Part::Value(value).text(),
        Template::Code(expression) => code(expression),
        Template::List(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", ")),
        Template::Map(members) => {
            let members = members.iter().map(|(name, member)| format!("{name}: {}", text(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Template::Uri(parts) => parts
            .iter()
            .map(|part| match part {
                UriPart::Text(text) => text.to_string(),
                UriPart::Name(name) => format!("{{{name}}}"),
            })
            .collect(),
    }
}

/// An expression on one line.
pub(super) fn code(expression: &Code) -> String {
    bounded(one_line(expression.text()))
}

/// A text that is not longer than what may be said about one thing.
pub(super) fn bounded(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        let end = (0..=TEXT_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn listen(listen: &Listen) -> String {
    let named = |filters: &[Filter], between: &str| filters.iter().map(event).collect::<Vec<_>>().join(between);
    match &listen.mode {
        Mode::One | Mode::Any if listen.filters.is_empty() => "any event".to_owned(),
        Mode::One | Mode::Any => named(&listen.filters, " or "),
        Mode::All => named(&listen.filters, " and "),
        Mode::Until(_) if listen.filters.is_empty() => "all events".to_owned(),
        Mode::Until(_) => named(&listen.filters, ", "),
        Mode::UntilConsumed { from, .. } => match listen.filters.get(..*from) {
            Some([]) | None => "all events".to_owned(),
            Some(filters) => named(filters, ", "),
        },
    }
}

/// When listening for many events is over.
pub(super) fn until(listen: &Listen) -> Option<String> {
    match &listen.mode {
        Mode::Until(condition) => Some(format!("until {}", code(condition))),
        Mode::UntilConsumed { from, all } => {
            let last = listen.filters.get(*from..).unwrap_or_default();
            let between = if *all { " and " } else { " or " };
            Some(format!("until {}", last.iter().map(event).collect::<Vec<_>>().join(between)))
        }
        Mode::One | Mode::Any | Mode::All => None,
    }
}

fn event(filter: &Filter) -> String {
    let attribute = |wanted: &str| filter.attributes.iter().find(|(name, _)| &**name == wanted);
    match attribute("type").or_else(|| filter.attributes.first()) {
        Some((name, template)) if &**name == "type" => text(template),
        Some((name, template)) => format!("{name} {}", text(template)),
        None => "an event".to_owned(),
    }
}

/// What a `catch` is for and what it does about it, line by line.
pub(super) fn catches(attempt: &TryCatch) -> Vec<String> {
    let filter = &attempt.filter;
    let mut errors: Vec<String> = Vec::new();
    errors.extend(filter.fault_type.as_ref().map(|name| last_word(&canonical_type(name)).to_owned()));
    errors.extend(filter.status.map(|status| status.to_string()));
    errors.extend(filter.title.as_ref().map(|title| format!("“{title}”")));
    errors.extend(filter.detail.as_ref().map(|detail| format!("“{detail}”")));
    errors.extend(filter.instance.as_ref().map(|instance| format!("from {instance}")));
    let errors = if errors.is_empty() { "any error".to_owned() } else { errors.join(" ") };
    let mut lines = vec![bounded(format!("catches {errors}"))];
    lines.extend(attempt.when.as_ref().map(|condition| bounded(format!("when {}", code(condition)))));
    lines.extend(attempt.except.as_ref().map(|condition| bounded(format!("except when {}", code(condition)))));
    lines.extend(attempt.retry.as_ref().map(retries));
    lines
}

fn retries(retry: &Retry) -> String {
    let mut said = match retry.count {
        Some(count) => format!("retries {count}×"),
        None => "retries".to_owned(),
    };
    if let Some(delay) = &retry.delay {
        let after = match retry.backoff {
            Backoff::Constant => "",
            Backoff::Linear => ", then 2×, 3×, …",
            Backoff::Exponential => ", then 2×, 4×, …",
        };
        said.push_str(&format!(" after {}{after}", duration(delay)));
    }
    if let Some(limit) = &retry.duration {
        said.push_str(&format!(", for {}", duration(limit)));
    }
    if let Some(condition) = &retry.when {
        said.push_str(&format!(", when {}", code(condition)));
    }
    if let Some(condition) = &retry.except {
        said.push_str(&format!(", except when {}", code(condition)));
    }
    bounded(said)
}

/// What starts runs; empty when nothing does by itself.
pub(super) fn starts(starts: &Starts) -> String {
    let mut said: Vec<String> = Vec::new();
    if !starts.events.is_empty() {
        let names = starts.events.iter().map(|event| event.event_type.as_deref().unwrap_or("any event"));
        said.push(format!("on {}", names.collect::<Vec<_>>().join(" or ")));
    }
    said.extend(starts.every.map(|time| format!("every {}", fixed(time))));
    said.extend(starts.cron.as_ref().map(|cron| format!("at {cron} (cron)")));
    said.extend(starts.after.map(|time| format!("{} after the one before", fixed(time))));
    bounded(said.join(", "))
}

fn duration(duration: &Duration) -> String {
    match duration {
        Duration::Fixed(time) => fixed(*time),
        Duration::Calendar(span) => span.to_string(),
        Duration::Code(expression) => code(expression),
    }
}

/// `45 days`, `1 h 30 min`, `2 s`.
fn fixed(time: SignedDuration) -> String {
    let mut left = time.as_millis();
    let mut said = Vec::new();
    for (milliseconds, unit) in [(86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")] {
        let amount = left / milliseconds;
        left %= milliseconds;
        if amount != 0 {
            said.push(format!("{amount} {}", if unit == "days" && amount == 1 { "day" } else { unit }));
        }
    }
    if said.is_empty() { "0 s".to_owned() } else { said.join(" ") }
}

/// What stands behind the last `/`: the name in the address of a kind of error.
fn last_word(address: &str) -> &str {
    address.rsplit('/').find(|word| !word.is_empty()).unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_their_own_units() {
        let said = |seconds: i64| fixed(SignedDuration::from_secs(seconds));
        assert_eq!([said(0), said(5400), said(86_400), said(3_888_000)], ["0 s", "1 h 30 min", "1 day", "45 days"]);
        assert_eq!(fixed(SignedDuration::from_millis(1500)), "1 s 500 ms");
    }

    #[test]
    fn addresses_are_shown_without_their_credentials() {
        assert_eq!(without_credentials("GET https://me:secret@host/a@b"), "GET https://…@host/a@b");
        assert_eq!(without_credentials("GET https://host/a@b"), "GET https://host/a@b");
        assert_eq!(without_credentials("me@home"), "me@home");
    }

    #[test]
    fn long_texts_are_bounded_between_characters() {
        let text = bounded("ä".repeat(5_000));
        assert!(text.len() <= TEXT_MAX + '…'.len_utf8() && text.ends_with('…'));
    }
}
