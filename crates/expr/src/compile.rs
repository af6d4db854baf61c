//! Compiling expressions, once each.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jaq_core::load::{Arena, Error as LoadError, File, Loader, span};
use jaq_core::{Compiler, Filter};
use model::{Path, Value, nearest};

use crate::evaluate::{Engine, EvaluationError, Limits, evaluate};
use crate::functions;
use crate::native::Native;

/// Longest expression, in bytes, and how deeply its brackets may be nested.
const TEXT_MAX: usize = 64 * 1024;
const NESTING_MAX: usize = 100;
/// How many compiled expressions are remembered; beyond it the memory starts anew.
const REMEMBERED_MAX: usize = 4_096;

/// What is wrong with the text of an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// One sentence without a full stop.
    pub message: String,
    /// Where in the text, in bytes.
    pub offset: usize,
    /// How many bytes are meant.
    pub length: usize,
}

/// A compiled expression. Cloning is cheap.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    text: Arc<str>,
    variables: usize,
    plan: Plan,
}

enum Plan {
    /// `.` or `.a.b.c`
    Path(Option<Path>),
    /// The common part of jq, without the engine.
    Native(Native),
    Program(Filter<Engine>),
}

type Key = (Arc<str>, Vec<Arc<str>>);
static REMEMBERED: LazyLock<Mutex<HashMap<Key, Expression>>> = LazyLock::new(Mutex::default);

impl Expression {
    /// Compiles an expression without variables.
    ///
    /// # Errors
    /// With the place, when it is not jq or names an unknown function.
    pub fn compile(text: &str) -> Result<Self, ExpressionError> {
        Self::compile_with(text, &[])
    }

    /// Compiles an expression that may use these variables (`context` or `$context`); their values are given in this order at evaluation.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn compile_with(text: &str, variables: &[&str]) -> Result<Self, ExpressionError> {
        let dollar = |name: &&str| if name.starts_with('$') { Arc::from(*name) } else { Arc::from(format!("${name}")) };
        let key: Key = (Arc::from(text), variables.iter().map(dollar).collect());
        if let Some(known) = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let plan = match plain_path(text) {
            Some(path) => Plan::Path(path),
            None => {
                // The engine compiles every text, and so says what is wrong with it.
                let names: Vec<&str> = key.1.iter().map(|name| &**name).collect();
                let filter = program(text, &names)?;
                Native::compile(text, &names).map_or(Plan::Program(filter), Plan::Native)
            }
        };
        let compiled = Compiled { text: Arc::clone(&key.0), variables: variables.len(), plan };
        let expression = Self(Arc::new(compiled));
        let mut remembered = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(key, expression.clone());
        Ok(expression)
    }

    /// As [`Self::compile_with`], but always evaluated by the engine: what the native plans are compared with.
    ///
    /// # Errors
    /// As [`Self::compile`].
    #[doc(hidden)]
    pub fn compile_by_engine(text: &str, variables: &[&str]) -> Result<Self, ExpressionError> {
        let names: Vec<String> = variables.iter().map(|name| format!("${}", name.trim_start_matches('$'))).collect();
        let plan = Plan::Program(program(text, &names.iter().map(String::as_str).collect::<Vec<_>>())?);
        Ok(Self(Arc::new(Compiled { text: text.into(), variables: variables.len(), plan })))
    }

    /// Whether it is evaluated without the engine.
    #[doc(hidden)]
    #[must_use]
    pub fn is_native(&self) -> bool {
        !matches!(self.0.plan, Plan::Program(_))
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The first output; `null` when there is none.
    ///
    /// # Errors
    /// When the expression raises an error or exceeds its limits.
    pub fn evaluate(&self, input: &Value, variables: &[Value], limits: Limits) -> Result<Value, EvaluationError> {
        self.check(variables)?;
        match &self.0.plan {
            Plan::Path(None) => Ok(input.clone()),
            Plan::Path(Some(path)) => walk(path, input).cloned(),
            Plan::Native(native) => native.first(input, variables, limits),
            Plan::Program(filter) => {
                Ok(evaluate(filter, input, variables, limits, Some(1))?.into_iter().next().unwrap_or_default())
            }
        }
    }

    /// All outputs.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_all(
        &self,
        input: &Value,
        variables: &[Value],
        limits: Limits,
    ) -> Result<Vec<Value>, EvaluationError> {
        self.check(variables)?;
        match &self.0.plan {
            Plan::Path(None) => Ok(vec![input.clone()]),
            Plan::Path(Some(path)) => walk(path, input).map(|found| vec![found.clone()]),
            Plan::Native(native) => native.all(input, variables, limits),
            Plan::Program(filter) => evaluate(filter, input, variables, limits, None),
        }
    }

    /// Whether the first output is neither `null` nor `false`.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn is_true(&self, input: &Value, variables: &[Value], limits: Limits) -> Result<bool, EvaluationError> {
        Ok(!matches!(self.evaluate(input, variables, limits)?, Value::Null | Value::Bool(false)))
    }

    fn check(&self, variables: &[Value]) -> Result<(), EvaluationError> {
        let (expected, given) = (self.0.variables, variables.len());
        if expected == given { Ok(()) } else { Err(EvaluationError::Variables { expected, given }) }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Expression({})", self.0.text)
    }
}

fn walk<'a>(path: &Path, input: &'a Value) -> Result<&'a Value, EvaluationError> {
    path.names().iter().try_fold(input, |value, name| match value {
        Value::Null | Value::Object(_) => Ok(value.get(name)),
        other => {
            let message = format!("cannot index {other} with \"{name}\"");
            Err(EvaluationError::Raised(Value::from(message)))
        }
    })
}

/// `Some(None)` for `.`, `Some(path)` for `.a.b`, `None` for anything else.
fn plain_path(text: &str) -> Option<Option<Path>> {
    let names = text.trim().strip_prefix('.')?;
    if names.is_empty() {
        return Some(None);
    }
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
    };
    names.split('.').all(is_name).then(|| names.parse().ok()).flatten().map(Some)
}

pub(crate) fn program(text: &str, variables: &[&str]) -> Result<Filter<Engine>, ExpressionError> {
    refuse_what_has_no_end(text)?;
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(own_definitions());
    let arena = Arena::default();
    let modules = Loader::new(definitions)
        .load(&arena, File { code: text, path: () })
        .map_err(|errors| first(errors.into_iter().filter_map(|(_, error)| load_error(text, error)), text))?;
    let compiler = Compiler::default().with_funs(functions::all()).with_global_vars(variables.iter().copied());
    compiler.compile(modules).map_err(|errors| {
        let undefined = errors.into_iter().flat_map(|(_, undefined)| undefined);
        first(undefined.map(|(name, kind)| unknown(text, name, kind.as_str(), variables)), text)
    })
}

fn own_definitions() -> impl Iterator<Item = jaq_core::load::parse::Def<&'static str>> {
    const OWN: &str = "def in(xs): . as $x | xs | has($x);
        def inside(xs): . as $x | xs | contains($x);
        def index($x): indices($x) | .[0];
        def rindex($x): indices($x) | .[-1];
        def ascii: [.] | implode;
        def transpose: . as $rows | [range([$rows[] | length] | max // 0) as $i | [$rows[] | .[$i]]];
        def @json: tojson;";
    jaq_core::load::parse(OWN, |parser| parser.defs()).unwrap_or_default().into_iter()
}

fn first(mut errors: impl Iterator<Item = ExpressionError>, text: &str) -> ExpressionError {
    errors.next().unwrap_or_else(|| ExpressionError {
        message: "this is not a jq expression".to_owned(),
        offset: 0,
        length: text.len(),
    })
}

fn at(text: &str, part: &str, message: String) -> ExpressionError {
    let place = span(text, part);
    let offset = place.start.min(text.len());
    ExpressionError { message, offset, length: place.end.min(text.len()).saturating_sub(offset).max(1) }
}

fn load_error(text: &str, error: LoadError<&str>) -> Option<ExpressionError> {
    match error {
        LoadError::Io(mut errors) => {
            errors.pop().map(|(place, _)| at(text, place, "modules cannot be included".into()))
        }
        LoadError::Lex(errors) => errors
            .into_iter()
            .next()
            .map(|(expected, place)| at(text, place, format!("{} was expected here", expected.as_str()))),
        LoadError::Parse(errors) => errors
            .into_iter()
            .next()
            .map(|(expected, place)| at(text, place, format!("{} was expected here", expected.as_str()))),
    }
}

fn unknown(text: &str, name: &str, kind: &str, variables: &[&str]) -> ExpressionError {
    let bare = name.split('/').next().unwrap_or(name);
    let near = if bare.starts_with('$') {
        nearest(bare, variables.iter().copied()).map(str::to_owned)
    } else {
        let names: Vec<&str> = functions::all().map(|(name, ..)| name).chain(WELL_KNOWN).collect();
        nearest(bare, names).map(str::to_owned)
    };
    let hint = near.filter(|near| near != bare).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    at(text, name, format!("unknown {kind} `{bare}`{hint}"))
}

/// Functions that are defined in jq itself, for suggestions.
const WELL_KNOWN: [&str; 16] = [
    "select",
    "map",
    "add",
    "any",
    "all",
    "join",
    "split",
    "test",
    "unique",
    "unique_by",
    "to_entries",
    "from_entries",
    "with_entries",
    "tostring",
    "flatten",
    "keys",
];

/// Definitions could recurse deeper than any stack, and so could nesting without end; neither is needed.
fn refuse_what_has_no_end(text: &str) -> Result<(), ExpressionError> {
    let refused = |offset, length, message: &str| Err(ExpressionError { message: message.to_owned(), offset, length });
    if text.len() > TEXT_MAX {
        return refused(0, 1, "an expression may have 65,536 bytes");
    }
    let (mut nesting, mut word_start) = (0usize, None);
    for (offset, byte) in text.bytes().chain([b' ']).enumerate() {
        match byte {
            b'(' | b'[' | b'{' => nesting += 1,
            b')' | b']' | b'}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        if nesting > NESTING_MAX {
            return refused(offset, 1, "an expression may be nested 100 levels deep");
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b'@' | b'"') {
            word_start.get_or_insert(offset);
        } else if let Some(start) = word_start.take()
            && matches!(text.get(start..offset), Some("def" | "import" | "include"))
        {
            return refused(start, offset - start, "definitions and imports are not allowed in an expression");
        }
    }
    // Operators and prefixes nest without brackets: `- - - …`, `if if if …`, `.a as $x | .a as $x | …`.
    let words = text.split(|character: char| !character.is_ascii_alphanumeric()).count();
    if words > TERMS_MAX || text.bytes().filter(|byte| *byte == b'-').count() > TERMS_MAX {
        return refused(0, 1, "an expression may have 1,000 terms");
    }
    Ok(())
}

const TERMS_MAX: usize = 1_000;
