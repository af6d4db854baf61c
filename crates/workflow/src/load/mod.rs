//! Reading a document: every mistake is noted with its place and reading goes on, so that all are told at once.

mod calls;
mod catches;
mod events;
mod fields;
mod messages;
mod tasks;
mod values;

use std::sync::Arc;

use model::{Diagnostic, Diagnostics, Severity, Source, Span};

use crate::catalog::{Catalog, Permissions};
use crate::cron::Cron;
use crate::definition::{Flow, Kind, Read, Shape, Task, TaskId, Tasks};
use crate::duration::Duration;
use crate::schedule::Starts;
use crate::workflow::{Environment, Workflow, hash};
use crate::yaml::{self, Node};

pub(crate) use fields::Fields;

/// Reads one document.
pub(crate) struct Loader<'a> {
    source: &'a Source,
    catalog: &'a dyn Catalog,
    permissions: Permissions,
    problems: Diagnostics,
    /// Tasks by id; one that could not be read stays empty, and then there are errors.
    tasks: Vec<Option<Task>>,
    /// The variables of the loops and catches around, outermost first. An empty name is out of sight.
    scope: Vec<Arc<str>>,
    /// The names of the tasks of the list in hand, for `then`.
    siblings: Vec<Arc<str>>,
    /// The document's `use`.
    uses: Option<&'a Node>,
    /// Functions of `use.functions` that are being read, to find one that calls itself.
    functions: Vec<Arc<str>>,
    /// Whether a task of an extension is being read: it is not extended itself.
    extending: bool,
    loose: bool,
    keeps_definition: bool,
}

const DOCUMENT: [&str; 8] = ["dsl", "namespace", "name", "version", "title", "summary", "tags", "metadata"];
const TOP: [&str; 8] = ["document", "input", "use", "do", "timeout", "output", "schedule", "evaluate"];
const USES: [&str; 8] =
    ["authentications", "errors", "extensions", "functions", "retries", "secrets", "timeouts", "catalogs"];
/// So many mistakes, and so many warnings, are told of one document: each shows its line, and takes time.
const PROBLEMS_MAX: usize = 200;

/// What an extension may extend.
const EXTENDED: [&str; 12] =
    ["call", "composite", "emit", "for", "listen", "raise", "run", "set", "switch", "try", "wait", "all"];

impl<'a> Loader<'a> {
    pub(crate) fn load(
        source: &Source,
        catalog: &dyn Catalog,
        permissions: Permissions,
    ) -> Result<(Workflow, Diagnostics), Diagnostics> {
        let document = yaml::parse(source)?;
        let mut loader = Loader {
            source,
            catalog,
            permissions,
            problems: Diagnostics::default(),
            tasks: Vec::new(),
            scope: Vec::new(),
            siblings: Vec::new(),
            uses: None,
            functions: Vec::new(),
            extending: false,
            loose: false,
            keeps_definition: source.text.contains("$task"),
        };
        let workflow = loader.document(&document);
        match workflow {
            Some(workflow) if !loader.problems.has_errors() => Ok((workflow, loader.problems)),
            _ => Err(loader.problems),
        }
    }

    fn document(&mut self, node: &'a Node) -> Option<Workflow> {
        let top = self.fields(node, "a workflow", &TOP)?;
        let about = top.required(self, "document").and_then(|node| self.fields(node, "`document`", &DOCUMENT));
        let text = |loader: &mut Self, name: &str| {
            about.as_ref().and_then(|about| about.required(loader, name)).and_then(|node| loader.text(node, name))
        };
        let dsl = text(self, "dsl");
        if let (Some(dsl), Some(about)) = (&dsl, &about) {
            self.dsl_version(dsl, about);
        }
        let (namespace, name, version) = (text(self, "namespace"), text(self, "name"), text(self, "version"));
        if let Some(about) = &about {
            for (value, member) in [(&namespace, "namespace"), (&name, "name")] {
                if let (Some(value), Some(node)) = (value, about.get(member))
                    && !is_label(value)
                {
                    let message = format!("`{value}` is no {member}: letters, digits and hyphens, at most 63, are");
                    self.error(node.span, "IL-WF-009", message);
                }
            }
            if let (Some(version), Some(node)) = (&version, about.get("version"))
                && version.split(['-', '+']).next().is_none_or(|core| {
                    core.split('.').count() != 3 || core.split('.').any(|part| part.parse::<u64>().is_err())
                })
            {
                let message = format!("`{version}` is no version");
                self.error(node.span, "IL-WF-009", message).help("write three numbers in quotes, such as '1.0.0'");
            }
        }
        if let Some(evaluate) = top.get("evaluate") {
            self.evaluate(evaluate);
        }
        self.uses = top.get("use");
        let secrets = self.reusable();
        let starts = top.get("schedule").map_or_else(Starts::default, |node| self.schedule(node));
        let root = self.reserve();
        let input = top.get("input").map_or_else(Shape::default, |node| self.input(node));
        let output = top.get("output").map_or_else(Shape::default, |node| self.output(node));
        let timeout = top.get("timeout").and_then(|node| self.timeout(node));
        let body = top.required(self, "do").map(|node| self.list(node, "/do"));
        let optional = |name: &str| about.as_ref().and_then(|about| about.get(name)).and_then(Node::text).cloned();
        let (title, summary) = (optional("title"), optional("summary"));
        let root_task = self.root(input, output, timeout, body?);
        self.fill(root, root_task);
        let keeps_input = self.source.text.contains("$workflow");
        let all: Option<Vec<Task>> = std::mem::take(&mut self.tasks).into_iter().collect();
        let all = all?;
        let by_pointer = all
            .iter()
            .enumerate()
            .map(|(index, task)| (Arc::clone(&task.pointer), TaskId(u32::try_from(index).unwrap_or(u32::MAX))))
            .collect();
        Some(Workflow {
            namespace: namespace?,
            name: name?,
            version: version?,
            title,
            summary,
            hash: hash(&self.source.text),
            definition: if keeps_input { node.to_value() } else { model::Value::Null },
            keeps_input,
            tasks: Tasks { all, by_pointer },
            starts,
            secrets,
            environment: Environment::default(),
        })
    }

    fn root(&self, input: Shape, output: Shape, timeout: Option<Duration>, body: crate::definition::List) -> Task {
        let mut task = Task {
            name: "".into(),
            pointer: "".into(),
            definition: model::Value::Null,
            condition: None,
            input,
            output,
            export: Shape::default(),
            timeout,
            then: Flow::Continue,
            keeps_input: false,
            keeps_raw: false,
            kind: Kind::Do(body),
        };
        task.decide_keeping();
        task
    }

    fn dsl_version(&mut self, dsl: &str, about: &Fields<'_>) {
        let Some(node) = about.get("dsl") else { return };
        let mut parts = dsl.split('.');
        match (parts.next(), parts.next()) {
            (Some("1"), Some("0")) => {}
            (Some("1"), Some(_)) => {
                let message = format!("this reads DSL 1.0; the document is written for {dsl}");
                self.warn(node.span, "IL-WF-009", message);
            }
            _ => {
                let message = format!("this reads DSL 1.0, not `{dsl}`");
                self.error(node.span, "IL-WF-009", message).help("write dsl: '1.0.3'");
            }
        }
    }

    fn evaluate(&mut self, node: &'a Node) {
        let Some(fields) = self.fields(node, "`evaluate`", &["language", "mode"]) else { return };
        if let Some(language) = fields.get("language")
            && language.text().is_none_or(|language| &**language != "jq")
        {
            self.error(language.span, "IL-WF-009", "expressions are written in jq here").help("write language: jq");
        }
        if let Some(mode) = fields.get("mode") {
            match mode.text().map(|mode| &**mode) {
                Some("strict") => {}
                Some("loose") => self.loose = true,
                _ => {
                    self.error(mode.span, "IL-WF-009", "`mode` is `strict` or `loose`");
                }
            }
        }
    }

    /// Checks what `use` holds by itself; the rest is checked where it is used.
    fn reusable(&mut self) -> Vec<Arc<str>> {
        let Some(node) = self.uses else { return Vec::new() };
        let Some(fields) = self.fields(node, "`use`", &USES) else { return Vec::new() };
        let mut secrets = Vec::new();
        for secret in fields.get("secrets").map(|node| self.items(node, "`secrets`")).unwrap_or_default() {
            secrets.extend(self.text(secret, "a secret's name"));
        }
        for (_, node) in self.members_of("authentications") {
            self.authentication(node);
        }
        for (_, node) in self.members_of("errors") {
            self.error_definition(node);
        }
        for (_, node) in self.members_of("retries") {
            self.with_variables(&["error".into()], |loader| loader.retry_policy(node));
        }
        for (_, node) in self.members_of("timeouts") {
            self.timeout(node);
        }
        for (_, node) in self.members_of("catalogs") {
            if let Some(fields) = self.fields(node, "a catalog", &["endpoint"])
                && let Some(endpoint) = fields.required(self, "endpoint")
            {
                self.endpoint(endpoint);
            }
        }
        self.check_extensions(fields.get("extensions"));
        self.check_functions();
        secrets
    }

    /// What extensions say of themselves; their tasks are read at each task that they extend.
    fn check_extensions(&mut self, extensions: Option<&Node>) {
        for item in extensions.map(|node| self.items(node, "`extensions`")).unwrap_or_default() {
            let Some((_, extension)) = self.only(item, "an extension") else { continue };
            let Some(fields) = self.fields(extension, "an extension", &["extend", "when", "before", "after"]) else {
                continue;
            };
            let Some(extend) = fields.required(self, "extend") else { continue };
            let Some(kind) = self.text(extend, "extend") else { continue };
            if !EXTENDED.contains(&&*kind) {
                let message = format!("there is no kind of task `{kind}` to extend");
                let help = match model::nearest(&kind, EXTENDED) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("extend one of `{}`", EXTENDED.join("`, `")),
                };
                self.error(extend.span, "IL-WF-005", message).help(help);
            }
        }
    }

    /// The members of a mapping in `use`.
    fn members_of(&self, part: &str) -> &'a [(yaml::Key, Node)] {
        self.uses.and_then(|uses| uses.get(part)).and_then(Node::map).unwrap_or_default()
    }

    /// A member of `use` by its name; an error when there is none.
    fn used(&mut self, part: &str, name: &str, place: Span) -> Option<&'a Node> {
        let members = self.members_of(part);
        let found = members.iter().find(|(key, _)| &*key.name == name).map(|(_, node)| node);
        if found.is_none() {
            let message = format!("`use.{part}` has no `{name}`");
            let members = if self.is_full() { &[] } else { members };
            let nearest = model::nearest(name, members.iter().map(|(key, _)| &*key.name));
            let help = match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("define `{name}` under `use.{part}`"),
            };
            self.error(place, "IL-WF-005", message).help(help);
        }
        found
    }

    fn schedule(&mut self, node: &'a Node) -> Starts {
        let mut starts = Starts::default();
        let Some(fields) = self.fields(node, "`schedule`", &["every", "cron", "after", "on", "read"]) else {
            return starts;
        };
        for (name, place) in [("every", &mut starts.every), ("after", &mut starts.after)] {
            if let Some(node) = fields.get(name) {
                match self.duration(node) {
                    Some(Duration::Fixed(duration)) => *place = Some(duration),
                    Some(_) => {
                        self.error(
                            node.span,
                            "IL-WF-009",
                            "a schedule needs a fixed duration, without months or years",
                        );
                    }
                    None => {}
                }
            }
        }
        if let Some(node) = fields.get("cron") {
            starts.cron = self.text(node, "cron").and_then(|text| {
                let help = "write minute, hour, day, month and weekday, such as `0 6 * * 1` for Mondays at six";
                match Cron::parse(&text) {
                    Ok(cron) => Some(cron),
                    Err(cause) => {
                        let message = format!("`{text}` is no cron expression: {cause}");
                        self.error(node.span, "IL-WF-009", message).help(help);
                        None
                    }
                }
            });
        }
        if let Some(node) = fields.get("read") {
            starts.read = self.read(node);
            if fields.get("on").is_none() {
                self.error(node.span, "IL-WF-003", "`read` says how events are read, so it needs `on`");
            }
        }
        if let Some(node) = fields.get("on") {
            starts.events = self.starting_events(node);
        }
        starts
    }

    fn read(&mut self, node: &Node) -> Read {
        match node.text().map(|text| &**text) {
            Some("data") => Read::Data,
            Some("envelope") => Read::Envelope,
            Some("raw") => Read::Raw,
            _ => {
                self.error(node.span, "IL-WF-009", "`read` is `data`, `envelope` or `raw`");
                Read::Data
            }
        }
    }

    fn reserve(&mut self) -> TaskId {
        self.tasks.push(None);
        TaskId(u32::try_from(self.tasks.len() - 1).unwrap_or(u32::MAX))
    }

    fn fill(&mut self, id: TaskId, task: Task) {
        if let Some(slot) = self.tasks.get_mut(id.0 as usize) {
            *slot = Some(task);
        }
    }

    /// Whether no more mistakes are told.
    fn is_full(&self) -> bool {
        self.problems.iter().filter(|known| known.severity == Severity::Error).nth(PROBLEMS_MAX).is_some()
    }

    fn error(&mut self, place: Span, code: &'static str, message: impl Into<String>) -> Told<'_> {
        let diagnostic = Diagnostic::error(self.source, place, code, message);
        Told { problems: &mut self.problems, diagnostic: Some(diagnostic) }
    }

    fn warn(&mut self, place: Span, code: &'static str, message: impl Into<String>) -> Told<'_> {
        let diagnostic = Diagnostic::warning(self.source, place, code, message);
        Told { problems: &mut self.problems, diagnostic: Some(diagnostic) }
    }
}

/// A problem that has been found and may get a help line.
struct Told<'a> {
    problems: &'a mut Diagnostics,
    diagnostic: Option<Diagnostic>,
}

impl Told<'_> {
    fn help(mut self, help: impl Into<String>) {
        self.diagnostic = self.diagnostic.take().map(|diagnostic| diagnostic.with_help(help));
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let Some(diagnostic) = self.diagnostic.take() else { return };
        let severity = diagnostic.severity;
        match self.problems.iter().filter(|known| known.severity == severity).count() {
            count if count < PROBLEMS_MAX => self.problems.push(diagnostic),
            count if count == PROBLEMS_MAX => {
                let message = "there is more to correct: this is as much as is told at once";
                self.problems.push(Diagnostic { message: message.to_owned(), help: None, ..diagnostic });
            }
            _ => {}
        }
    }
}

fn is_label(text: &str) -> bool {
    let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && alphanumeric(text.chars().next())
        && alphanumeric(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
