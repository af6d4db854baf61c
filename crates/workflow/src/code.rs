//! Runtime expressions of a document, compiled once, and the data that they see.

use std::sync::Arc;

use expr::{Expression, Limits};
use jiff::Timestamp;
use model::Value;

use crate::fault::{Fault, FaultType};

/// A variable that an expression uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    Context,
    Input,
    Output,
    Secrets,
    Authorization,
    Task,
    Workflow,
    Runtime,
    /// A variable of a loop or a catch around the task, counted from the outermost.
    Scope(usize),
}

/// The variables that every expression may use, by the DSL's names.
pub(crate) const VARIABLES: [(&str, Variable); 8] = [
    ("context", Variable::Context),
    ("input", Variable::Input),
    ("output", Variable::Output),
    ("secrets", Variable::Secrets),
    ("authorization", Variable::Authorization),
    ("task", Variable::Task),
    ("workflow", Variable::Workflow),
    ("runtime", Variable::Runtime),
];

/// What an expression sees besides its input.
pub(crate) struct View<'a> {
    pub(crate) context: &'a Value,
    pub(crate) input: &'a Value,
    pub(crate) output: &'a Value,
    pub(crate) scope: &'a [Value],
    pub(crate) task: TaskView<'a>,
    pub(crate) run: RunView<'a>,
}

/// The task of which an expression is evaluated.
#[derive(Clone, Copy)]
pub(crate) struct TaskView<'a> {
    pub(crate) name: &'a Arc<str>,
    pub(crate) pointer: &'a Arc<str>,
    pub(crate) definition: &'a Value,
    pub(crate) raw: &'a Value,
    pub(crate) started: Timestamp,
}

/// The run of which an expression is evaluated.
#[derive(Clone, Copy)]
pub(crate) struct RunView<'a> {
    pub(crate) id: &'a Arc<str>,
    pub(crate) definition: &'a Value,
    pub(crate) input: &'a Value,
    pub(crate) started: Timestamp,
    pub(crate) secrets: &'a Value,
    pub(crate) runtime: &'a Value,
}

impl View<'_> {
    fn value(&self, variable: Variable) -> Value {
        match variable {
            Variable::Context => self.context.clone(),
            Variable::Input => self.input.clone(),
            Variable::Output => self.output.clone(),
            Variable::Scope(index) => self.scope.get(index).cloned().unwrap_or_default(),
            Variable::Secrets => self.run.secrets.clone(),
            Variable::Runtime => self.run.runtime.clone(),
            Variable::Authorization => Value::Null,
            Variable::Task => Value::object([
                ("name", Value::from(Arc::clone(self.task.name))),
                ("reference", Value::from(Arc::clone(self.task.pointer))),
                ("definition", self.task.definition.clone()),
                ("input", self.task.raw.clone()),
                ("output", self.output.clone()),
                ("startedAt", instant(self.task.started)),
            ]),
            Variable::Workflow => Value::object([
                ("id", Value::from(Arc::clone(self.run.id))),
                ("definition", self.run.definition.clone()),
                ("input", self.run.input.clone()),
                ("startedAt", instant(self.run.started)),
            ]),
        }
    }
}

/// An instant as the DSL's descriptors carry it.
fn instant(at: Timestamp) -> Value {
    let epoch = Value::object([("seconds", at.as_second()), ("milliseconds", at.as_millisecond())]);
    Value::object([("iso8601", Value::from(at.to_string())), ("epoch", epoch)])
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Code(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    text: Arc<str>,
    shape: Shape,
    expression: Expression,
    variables: Box<[Variable]>,
}

/// Expressions that are only a walk over members are walked, without the interpreter.
#[derive(Debug)]
enum Shape {
    Walk { from: Option<Variable>, names: Box<[Arc<str>]> },
    Any,
}

/// Why a text is no expression: what is wrong, and where in the text, in characters.
pub(crate) struct CodeError {
    pub(crate) message: String,
    pub(crate) offset: usize,
    pub(crate) length: usize,
}

impl Code {
    /// Compiles a text without its `${ }`, with the names of the loop and catch variables that are in sight.
    pub(crate) fn compile(text: &str, scope: &[Arc<str>]) -> Result<Self, CodeError> {
        let mut names: Vec<&str> = Vec::new();
        let mut variables: Vec<Variable> = Vec::new();
        for name in mentioned(text) {
            // The innermost variable of a name hides the others.
            let inner = scope.iter().rposition(|known| &**known == name).map(Variable::Scope);
            let known = inner.or_else(|| VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, known)| *known));
            if let Some(variable) = known
                && !names.contains(&name)
            {
                names.push(name);
                variables.push(variable);
            }
        }
        let expression = Expression::compile_with(text, &names).map_err(|error| {
            let characters = |from: usize, to: usize| text.get(from..to).map(|part| part.chars().count());
            CodeError {
                offset: characters(0, error.offset).unwrap_or(0),
                length: characters(error.offset, error.offset.saturating_add(error.length)).unwrap_or(1),
                message: error.message,
            }
        })?;
        let shape = walk(text, &names, &variables).unwrap_or(Shape::Any);
        Ok(Self(Arc::new(Compiled { text: text.into(), shape, expression, variables: variables.into() })))
    }

    pub(crate) fn text(&self) -> &Arc<str> {
        &self.0.text
    }

    pub(crate) fn uses(&self, variable: Variable) -> bool {
        self.0.variables.contains(&variable)
    }

    /// Whether it uses every variable that another one uses.
    pub(crate) fn uses_all_of(&self, other: &Self) -> bool {
        other.0.variables.iter().all(|variable| self.uses(*variable))
    }

    pub(crate) fn evaluate(&self, dot: &Value, view: &View<'_>) -> Result<Value, Fault> {
        if let Shape::Walk { from, names } = &self.0.shape {
            let start = from.map(|variable| view.value(variable));
            let mut value = start.as_ref().unwrap_or(dot);
            let plain = names.iter().all(|name| {
                let walkable = matches!(value, Value::Object(_) | Value::Null);
                value = value.get(name);
                walkable
            });
            if plain {
                return Ok(value.clone());
            }
        }
        let values: Vec<Value> = self.0.variables.iter().map(|variable| view.value(*variable)).collect();
        self.0.expression.evaluate(dot, &values, Limits::default()).map_err(|error| {
            Fault::new(FaultType::Expression, format!("the expression `{}` failed: {error}", self.0.text))
        })
    }

    /// Whether a condition holds, by jq's idea of truth: anything but `false` and `null`.
    pub(crate) fn holds(&self, dot: &Value, view: &View<'_>) -> Result<bool, Fault> {
        self.evaluate(dot, view).map(|value| !matches!(value, Value::Null | Value::Bool(false)))
    }
}

/// The names after a `$` in a text.
fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    })
}

fn walk(text: &str, names: &[&str], variables: &[Variable]) -> Option<Shape> {
    let text = text.trim();
    let (from, path) = match text.strip_prefix('$') {
        Some(rest) => {
            let (name, path) = rest.find('.').map_or((rest, ""), |dot| rest.split_at(dot));
            let index = names.iter().position(|known| *known == name)?;
            (Some(variables[index]), path)
        }
        None if text == "." => (None, ""),
        None => (None, text),
    };
    let mut steps = Vec::new();
    if !path.is_empty() {
        for step in path.strip_prefix('.')?.split('.') {
            let mut characters = step.chars();
            let first = characters.next()?;
            let rest = characters.all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !(first.is_ascii_alphabetic() || first == '_') || !rest {
                return None;
            }
            steps.push(step.into());
        }
    }
    Some(Shape::Walk { from, names: steps.into() })
}

/// Data with expressions in it.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    Literal(Value),
    Code(Code),
    List(Box<[Self]>),
    Map(Box<[(Arc<str>, Self)]>),
    /// A URI template: `{name}` stands for a member of the task's input.
    Uri(Box<[UriPart]>),
}

/// A part of a URI template.
#[derive(Clone, Debug)]
pub(crate) enum UriPart {
    Text(Arc<str>),
    Name(Arc<str>),
}

impl Template {
    pub(crate) fn evaluate(&self, dot: &Value, view: &View<'_>) -> Result<Value, Fault> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Code(code) => code.evaluate(dot, view)?,
            Self::List(items) => {
                let items: Result<Vec<Value>, Fault> = items.iter().map(|item| item.evaluate(dot, view)).collect();
                Value::from(items?)
            }
            Self::Map(members) => {
                let mut object = model::Object::with_capacity(members.len());
                for (name, member) in members {
                    object.insert(Arc::clone(name).into(), member.evaluate(dot, view)?);
                }
                Value::from(object)
            }
            Self::Uri(parts) => Value::from(uri(parts, dot)?),
        })
    }

    pub(crate) fn uses(&self, variable: Variable) -> bool {
        match self {
            Self::Literal(_) | Self::Uri(_) => false,
            Self::Code(code) => code.uses(variable),
            Self::List(items) => items.iter().any(|item| item.uses(variable)),
            Self::Map(members) => members.iter().any(|(_, member)| member.uses(variable)),
        }
    }

    /// A URI template when the text has `{name}` parts, the text itself otherwise.
    pub(crate) fn uri(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a `{` is not closed by `}`")?;
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                return Err(format!("`{{{name}}}` is no variable of a URI template: only names of members are"));
            }
            parts.push(UriPart::Text(before.into()));
            parts.push(UriPart::Name(name.into()));
            rest = after;
        }
        if parts.is_empty() {
            return Ok(Self::Literal(Value::from(text)));
        }
        parts.push(UriPart::Text(rest.into()));
        Ok(Self::Uri(parts.into()))
    }
}

fn uri(parts: &[UriPart], dot: &Value) -> Result<String, Fault> {
    let mut text = String::new();
    for part in parts {
        match part {
            UriPart::Text(part) => text.push_str(part),
            UriPart::Name(name) => match dot.get(name) {
                // RFC 6570, simple expansion: everything but unreserved characters is percent-encoded.
                Value::String(value) => percent_encode(value, &mut text),
                value @ (Value::Number(_) | Value::Bool(_)) => percent_encode(&value.to_string(), &mut text),
                Value::Null if !dot.has(name) => {
                    let detail = format!("the URI needs `{{{name}}}`, but the task's input has no such member");
                    return Err(Fault::new(FaultType::Expression, detail));
                }
                Value::Null => {}
                value => {
                    let detail = format!("the URI needs `{{{name}}}` to be a text or number, not a {}", value.kind());
                    return Err(Fault::new(FaultType::Expression, detail));
                }
            },
        }
    }
    Ok(text)
}

fn percent_encode(value: &str, text: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push('%');
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
}
