//! Tasks and lists of tasks.

use std::sync::Arc;

use model::Value;

use super::Loader;
use crate::code::{Template, Variable};
use crate::definition::Protocol;
use crate::definition::{Case, Extended, Extension, Flow, ForLoop, Kind, List, Shape, Subflow, Task, TaskId};
use crate::yaml::{Key, Node};

/// Most tasks of one workflow: functions that call functions could grow without end.
const TASKS_MAX: u32 = 20_000;
/// Members that every task may have.
const COMMON: [&str; 7] = ["if", "input", "output", "export", "timeout", "then", "metadata"];

/// The member that says what a task does, with the members that go with it. `for` stands before `do`, which it has too.
const KINDS: [(&str, &[&str]); 12] = [
    ("for", &["while", "do"]),
    ("call", &["with"]),
    ("do", &[]),
    ("fork", &[]),
    ("emit", &[]),
    ("listen", &["foreach"]),
    ("raise", &[]),
    ("run", &[]),
    ("set", &[]),
    ("switch", &[]),
    ("try", &["catch"]),
    ("wait", &[]),
];

impl Task {
    /// Finds out which data has to be kept while the task waits.
    pub(super) fn decide_keeping(&mut self) {
        let each = match &self.kind {
            Kind::Listen(listen) | Kind::Request { messages: Some(listen), .. } => listen.each.as_ref(),
            _ => None,
        };
        let own = [&self.output, &self.export];
        let shapes = own.into_iter().chain(each.into_iter().flat_map(|each| [&each.output, &each.export]));
        let templates: Vec<&Template> = shapes.filter_map(|shape: &Shape| shape.template.as_ref()).collect();
        let condition = match &self.kind {
            Kind::For(each) => each.condition.as_ref(),
            _ => None,
        };
        let uses = |variable| {
            templates.iter().any(|template| template.uses(variable))
                || condition.is_some_and(|code| code.uses(variable))
        };
        // A retry's and a catch's conditions see `$input` and `$task` too.
        let catches = matches!(self.kind, Kind::Try(_));
        let (input, task) = (uses(Variable::Input), uses(Variable::Task));
        self.keeps_input = input || catches;
        self.keeps_raw = task || catches;
    }
}

impl Loader<'_> {
    /// A list of named tasks.
    pub(super) fn list(&mut self, node: &Node, pointer: &str) -> List {
        let items = self.items(node, "a list of tasks");
        let mut named: Vec<(&Key, &Node)> = Vec::with_capacity(items.len());
        for item in items {
            if let Some((key, task)) = self.only(item, "a task") {
                if named.iter().any(|(other, _)| other.name == key.name) {
                    let message = format!("this list already has a task `{}`", key.name);
                    self.error(key.span, "IL-WF-005", message).help("give it another name, so that `then` is clear");
                }
                named.push((key, task));
            }
        }
        let names = named.iter().map(|(key, _)| Arc::clone(&key.name)).collect();
        let outer = std::mem::replace(&mut self.siblings, names);
        let ids: Vec<TaskId> = named
            .into_iter()
            .enumerate()
            .map(|(index, (key, task))| {
                let pointer = format!("{pointer}/{index}/{}", escape(&key.name));
                self.extended(&key.name, key, task, &pointer)
            })
            .collect();
        self.siblings = outer;
        ids.into()
    }

    /// A list of tasks that sees these variables.
    pub(super) fn list_with(&mut self, node: &Node, pointer: &str, variables: &[Arc<str>]) -> List {
        self.with_variables(variables, |loader| loader.list(node, pointer))
    }

    pub(super) fn with_variables<T>(&mut self, variables: &[Arc<str>], read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.scope.len();
        self.scope.extend_from_slice(variables);
        let result = read(self);
        self.scope.truncate(before);
        result
    }

    /// A task inside the extensions that apply to it.
    fn extended(&mut self, name: &Arc<str>, key: &Key, node: &Node, pointer: &str) -> TaskId {
        let extensions = self.extensions_for(node);
        if extensions.is_empty() {
            return self.task(name, key, node, pointer);
        }
        let outer = self.reserve();
        // The task's own condition and direction go for the whole.
        let inner = self.task(name, key, node, pointer);
        if let Some(Some(task)) = self.tasks.get_mut(inner.0 as usize) {
            task.condition = None;
            task.then = Flow::Continue;
        }
        self.extending = true;
        let mut read = Vec::new();
        for (index, extension) in extensions.into_iter().enumerate() {
            let when = extension.get("when").and_then(|node| self.expression(node, "when"));
            let mut part = |name: &str| {
                let node = extension.get(name)?;
                Some(self.list(node, &format!("{pointer}/extensions/{index}/{name}")))
            };
            let (before, after) = (part("before"), part("after"));
            read.push(Extension { when, before, after });
        }
        self.extending = false;
        let (condition, then) = (
            node.get("if").and_then(|node| self.expression(node, "if")),
            node.get("then").map_or(Flow::Continue, |node| self.flow(node)),
        );
        let definition = if self.keeps_definition { node.to_value() } else { Value::Null };
        self.fill(
            outer,
            Task {
                name: Arc::clone(name),
                pointer: format!("{pointer}/extensions").into(),
                definition,
                condition,
                input: Shape::default(),
                output: Shape::default(),
                export: Shape::default(),
                timeout: None,
                then,
                keeps_input: true,
                keeps_raw: true,
                kind: Kind::Extended(Box::new(Extended { extensions: read.into(), task: inner })),
            },
        );
        outer
    }

    pub(super) fn task(&mut self, name: &Arc<str>, key: &Key, node: &Node, pointer: &str) -> TaskId {
        let id = self.reserve();
        if id.0 >= TASKS_MAX {
            if id.0 == TASKS_MAX {
                let message =
                    "this workflow has more than 20,000 tasks, counting functions at each place that calls them";
                self.error(key.span, "IL-WF-010", message).help("run a part of it as another workflow");
            }
            return id;
        }
        if let Some(task) = self.read_task(name, key, node, pointer) {
            self.fill(id, task);
        }
        id
    }

    fn read_task(&mut self, name: &Arc<str>, key: &Key, node: &Node, pointer: &str) -> Option<Task> {
        let Some(members) = node.map() else {
            let message = format!("the task `{name}` is a mapping, not a {}", node.kind_name());
            self.error(node.span, "IL-WF-004", message);
            return None;
        };
        let Some((kind_name, more)) = KINDS.into_iter().find(|(kind, _)| node.get(kind).is_some()) else {
            let kinds = KINDS.map(|(kind, _)| kind);
            let misspelt = members.iter().find_map(|(key, _)| Some((key, model::nearest(&key.name, kinds)?)));
            let message = format!("the task `{name}` does not say what it does");
            match misspelt {
                Some((key, nearest)) => {
                    self.error(key.span, "IL-WF-003", message).help(format!("did you mean `{nearest}`?"));
                }
                None => {
                    let help = format!("add one of `{}`", kinds.join("`, `"));
                    self.error(key.span, "IL-WF-003", message).help(help);
                }
            }
            return None;
        };
        let known: Vec<&str> = COMMON.into_iter().chain([kind_name]).chain(more.iter().copied()).collect();
        let fields = self.fields(node, &format!("a `{kind_name}` task"), &known)?;
        let shape = |loader: &mut Self, name: &str, read: fn(&mut Self, &Node) -> Shape| {
            fields.get(name).map(|node| read(loader, node)).unwrap_or_default()
        };
        let condition = fields.get("if").and_then(|node| self.expression(node, "if"));
        let input = shape(self, "input", Self::input);
        let output = shape(self, "output", Self::output);
        let export = shape(self, "export", Self::export);
        let timeout = fields.get("timeout").and_then(|node| self.timeout(node));
        let then = fields.get("then").map_or(Flow::Continue, |node| self.flow(node));
        if let Some(metadata) = fields.get("metadata") {
            self.open(metadata, "`metadata`");
        }
        let kind = self.kind(kind_name, fields.get(kind_name)?, node, pointer)?;
        let mut task = Task {
            name: Arc::clone(name),
            pointer: pointer.into(),
            definition: if self.keeps_definition { node.to_value() } else { Value::Null },
            condition,
            input,
            output,
            export,
            timeout,
            then,
            keeps_input: false,
            keeps_raw: false,
            kind,
        };
        task.decide_keeping();
        Some(task)
    }

    fn kind(&mut self, kind: &str, value: &Node, task: &Node, pointer: &str) -> Option<Kind> {
        Some(match kind {
            "do" => Kind::Do(self.list(value, &format!("{pointer}/do"))),
            "set" => Kind::Set(self.set(value)?),
            "switch" => Kind::Switch(self.cases(value).into()),
            "for" => Kind::For(Box::new(self.for_loop(value, task, pointer)?)),
            "fork" => self.fork(value, pointer)?,
            "try" => Kind::Try(Box::new(self.try_catch(value, task, pointer)?)),
            "raise" => Kind::Raise(Box::new(self.raise(value)?)),
            "wait" => Kind::Wait(self.duration(value)?),
            "listen" => Kind::Listen(Box::new(self.listen(value, task, pointer)?)),
            "emit" => Kind::Emit(self.emit(value)?.into()),
            "run" => self.run(value)?,
            _ => self.call(value, task, pointer)?,
        })
    }

    fn set(&mut self, node: &Node) -> Option<Template> {
        if node.list().is_some() || (node.map().is_none() && node.string().is_none()) {
            let message = format!("`set` is a mapping or an expression, not a {}", node.kind_name());
            self.error(node.span, "IL-WF-004", message);
            return None;
        }
        if node.map().is_some_and(<[_]>::is_empty) {
            self.error(node.span, "IL-WF-003", "`set` needs at least one member");
        }
        self.expression_or_template(node, "set")
    }

    fn cases(&mut self, node: &Node) -> Vec<Case> {
        let items = self.items(node, "`switch`");
        if items.is_empty() && node.list().is_some() {
            self.error(node.span, "IL-WF-003", "`switch` needs at least one case");
        }
        let mut cases = Vec::with_capacity(items.len());
        let last = items.len().saturating_sub(1);
        for (index, item) in items.iter().enumerate() {
            let Some((key, case)) = self.only(item, "a case") else { continue };
            let Some(fields) = self.fields(case, "a case", &["when", "then"]) else { continue };
            let when = fields.get("when");
            if when.is_none() && index != last {
                let message = format!("the case `{}` has no `when`, so the cases after it are never reached", key.name);
                self.error(key.span, "IL-WF-010", message).help("move it to the end");
            }
            let when = when.map(|node| self.expression(node, "when"));
            let then = fields.required(self, "then").map(|node| self.flow(node));
            match (when, then) {
                (None, Some(then)) => cases.push(Case { name: Arc::clone(&key.name), when: None, then }),
                (Some(Some(when)), Some(then)) => {
                    cases.push(Case { name: Arc::clone(&key.name), when: Some(when), then });
                }
                _ => {}
            }
        }
        cases
    }

    fn for_loop(&mut self, node: &Node, task: &Node, pointer: &str) -> Option<ForLoop> {
        let fields = self.fields(node, "`for`", &["each", "in", "at"])?;
        let items = fields.required(self, "in").and_then(|node| self.expression_or_template(node, "in"));
        let variables = [self.variable(fields.get("each"), "item"), self.variable(fields.get("at"), "index")];
        let condition =
            task.get("while").map(|node| self.with_variables(&variables, |loader| loader.expression(node, "while")));
        let body = match task.get("do") {
            Some(node) => self.list_with(node, &format!("{pointer}/for/do"), &variables),
            None => {
                self.error(node.span, "IL-WF-003", "a `for` task needs `do`");
                return None;
            }
        };
        let [each, _] = variables;
        Some(ForLoop { each, items: items?, condition: condition.map_or(Some(None), |code| code.map(Some))?, body })
    }

    /// The name of a variable that a loop or a catch gives.
    pub(super) fn variable(&mut self, node: Option<&Node>, default: &str) -> Arc<str> {
        let Some(node) = node else { return default.into() };
        let Some(name) = self.text(node, "the name of a variable") else { return default.into() };
        let mut characters = name.chars();
        let first = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !first || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let message = format!("`{name}` cannot be a variable: letters, digits and `_` can");
            self.error(node.span, "IL-WF-009", message);
            return default.into();
        }
        if crate::code::VARIABLES.iter().any(|(known, _)| *known == &*name) {
            let message = format!("`${name}` is a variable of the DSL itself");
            self.error(node.span, "IL-WF-009", message).help("choose another name");
        }
        name
    }

    fn fork(&mut self, node: &Node, pointer: &str) -> Option<Kind> {
        let fields = self.fields(node, "`fork`", &["branches", "compete"])?;
        let compete = fields.get("compete").and_then(|node| self.truth(node, "compete")).unwrap_or(false);
        let node = fields.required(self, "branches")?;
        let branches = self.list(node, &format!("{pointer}/fork/branches"));
        for id in branches.iter() {
            if let Some(Some(task)) = self.tasks.get_mut(id.0 as usize)
                && matches!(task.then, Flow::To(_))
            {
                let message = format!("the branch `{}` cannot go to another branch: they run side by side", task.name);
                self.error(node.span, "IL-WF-010", message).help("put the tasks of a branch into a `do`");
            }
        }
        Some(Kind::Fork { branches, compete })
    }

    fn run(&mut self, node: &Node) -> Option<Kind> {
        let known = ["workflow", "container", "script", "shell", "await", "return"];
        let fields = self.fields(node, "`run`", &known)?;
        let awaited = fields.get("await").and_then(|node| self.truth(node, "await")).unwrap_or(true);
        for (name, protocol) in
            [("container", Protocol::Container), ("script", Protocol::Script), ("shell", Protocol::Shell)]
        {
            let Some(process) = fields.get(name) else { continue };
            if !self.permissions.processes {
                let message = format!("this deployment runs no {name}s");
                let help = "call a function of a connection instead, such as `call: name:1.0.0@connection`";
                self.error(process.span, "IL-WF-007", message).help(help);
            }
            self.process(name, process);
            return Some(Kind::Request { protocol, call: self.template(node), awaited, messages: None });
        }
        let Some(workflow) = fields.get("workflow") else {
            self.error(node.span, "IL-WF-003", "`run` needs `workflow`");
            return None;
        };
        let fields = self.fields(workflow, "`workflow`", &["namespace", "name", "version", "input"])?;
        let mut text = |name: &str| fields.required(self, name).and_then(|node| self.text(node, name));
        let (namespace, name, version) = (text("namespace"), text("name"), text("version"));
        let input = fields.get("input").map(|node| self.template(node));
        let subflow = Subflow { namespace: namespace?, name: name?, version: version?, input, awaited };
        if !self.catalog.has_workflow(&subflow.namespace, &subflow.name, &subflow.version) {
            let message = format!("there is no workflow {}/{}:{}", subflow.namespace, subflow.name, subflow.version);
            match self.catalog.workflows_may_come() {
                true => {
                    self.warn(workflow.span, "IL-WF-005", message).help("put its document beside this one to run it")
                }
                false => drop(self.error(workflow.span, "IL-WF-005", message)),
            }
        }
        Some(Kind::Subflow(Box::new(subflow)))
    }

    fn process(&mut self, kind: &str, node: &Node) {
        let (known, required): (&[&str], &str) = match kind {
            "container" => (
                &[
                    "image",
                    "name",
                    "command",
                    "ports",
                    "volumes",
                    "environment",
                    "stdin",
                    "arguments",
                    "lifetime",
                    "pullPolicy",
                ],
                "image",
            ),
            "script" => (&["language", "stdin", "arguments", "environment", "code", "source"], "language"),
            _ => (&["command", "stdin", "arguments", "environment"], "command"),
        };
        if let Some(fields) = self.fields(node, &format!("`{kind}`"), known) {
            fields.required(self, required);
        }
    }

    /// Where to go after a task: `continue`, `exit`, `end`, or a task of the same list.
    pub(super) fn flow(&mut self, node: &Node) -> Flow {
        let Some(text) = self.text(node, "then") else { return Flow::Continue };
        match &*text {
            "continue" => return Flow::Continue,
            "exit" => return Flow::Exit,
            "end" => return Flow::End,
            _ => {}
        }
        if let Some(index) = self.siblings.iter().position(|name| *name == text) {
            return Flow::To(index);
        }
        if self.is_full() {
            return Flow::Continue;
        }
        let message = format!("there is no task `{text}` in this list to go to");
        let candidates = self.siblings.iter().map(|name| &**name).chain(["continue", "exit", "end"]);
        let help = match model::nearest(&text, candidates) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "`then` names a task of the same list, or is `continue`, `exit` or `end`".to_owned(),
        };
        self.error(node.span, "IL-WF-005", message).help(help);
        Flow::Continue
    }
}

impl<'a> Loader<'a> {
    /// The extensions whose kind of task this is.
    fn extensions_for(&self, task: &Node) -> Vec<&'a Node> {
        if self.extending {
            return Vec::new();
        }
        let Some(kind) = KINDS.into_iter().map(|(kind, _)| kind).find(|kind| task.get(kind).is_some()) else {
            return Vec::new();
        };
        let all = self.uses.and_then(|uses| uses.get("extensions")).and_then(Node::list).unwrap_or_default();
        let named = all.iter().filter_map(|item| item.map()?.first());
        named
            .filter(|(_, extension)| {
                extension.get("extend").and_then(Node::text).is_some_and(|extend| match &**extend {
                    "all" => true,
                    "composite" => matches!(kind, "do" | "fork"),
                    extend => extend == kind,
                })
            })
            .map(|(_, extension)| extension)
            .collect()
    }
}

/// A name inside a JSON pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
