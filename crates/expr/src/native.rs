//! The common part of jq, interpreted directly on [`Value`].
//!
//! The engine boxes an iterator for every step and adds object literals up member by member. Most of what workflows and
//! mappings say is plain enough to do without: paths, literals, arithmetic, conditions, loops over lists, simple changes. Such an
//! expression is compiled from the engine's own syntax tree into a tree of [`Code`]; anything outside of it leaves the whole
//! expression to the engine. Both answer the same, outputs and errors alike: `tests/native.rs` compares them on random
//! expressions, and the rules of values (`jq.rs`, `functions.rs`) are shared.
//!
//! Outputs are handed to a callback as they come, so that what is not asked for is not computed and cannot fail. A callback only
//! says whether it wants more: an error raised by whoever receives an output never passes through whoever gave it, which is why
//! `try` catches nothing but what its own body raised.

mod calls;
mod compile;
mod fold;
mod paths;
mod run;
mod update;

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use jaq_core::ops::{Cmp, Math};
use jaq_core::path::Opt;
use jaq_core::{Error, Filter, ValR};
use model::{Text, Value};

use crate::evaluate::{Engine, EvaluationError, Limits};
use crate::growth;
use crate::jq::Jq;

/// An expression of the common part.
pub(crate) struct Native(Code);

/// A term, and whether it gives exactly one output (or an error) whatever its input: such a term needs no callback.
struct Code {
    kind: Kind,
    single: bool,
}

/// A function of the engine that takes its input alone, and one that takes an argument too.
type Function = fn(Jq) -> ValR<Jq>;
type FunctionOf = fn(Jq, Jq) -> ValR<Jq>;

enum Kind {
    /// `.`
    Input,
    Constant(Value),
    /// A variable bound in the expression, counted outwards from the innermost.
    Local(usize),
    /// A variable that is given.
    Global(usize),
    /// `empty`
    Empty,
    /// `error(f)`
    Raise(Box<Code>),
    /// `"…\(f)…"`; every part gives one output.
    Text(Box<[Code]>),
    /// `[f]`
    List(Box<Code>),
    /// `{k: f, …}` whose keys and values all give one output.
    Object(Box<[(Code, Code)]>),
    /// `{k: f}` with any number of outputs.
    Entry(Box<(Code, Code)>),
    /// `-f`
    Negate(Box<Code>),
    /// `f | g`
    Pipe(Box<Code>, Box<Code>),
    /// `f as $x | g`
    Bind(Box<Code>, Box<Code>),
    /// `f, g`
    Both(Box<Code>, Box<Code>),
    /// `f // g`
    Alternative(Box<Code>, Box<Code>),
    /// `f or g` and `f and g`: the truth at which the left side decides.
    Logic(Box<Code>, bool, Box<Code>),
    Math(Box<Code>, Math, Box<Code>),
    Compare(Box<Code>, Cmp, Box<Code>),
    /// `try f catch g`
    Try(Box<Code>, Box<Code>),
    /// `if f then g else h end`
    If(Box<[Code; 3]>),
    /// `reduce f as $x (g; h)`
    Reduce(Box<[Code; 3]>),
    /// `add(f)`
    Sum(Box<Code>),
    /// Whether an output of the first has an output of the second with this truth, or else the other answer: `any`, `all`.
    Search(Box<[Code; 2]>, bool),
    /// `isempty(f)`
    IsEmpty(Box<Code>),
    /// `first(f)`
    First(Box<Code>),
    /// `last(f)`
    Last(Box<Code>),
    /// `range(from; to; by)`
    Range(Box<[Code; 3]>),
    /// `f.a[g][]`
    Path(Box<Code>, Steps),
    /// `f |= g` and its like.
    Change(Target, Change),
    /// `min_by(f)`, or `max_by(f)`
    Extreme(Box<Code>, bool),
    /// `unique_by(f)`
    Unique(Box<Code>),
    Apply(Function),
    /// The same, for functions that look at every item.
    ApplyToItems(Function),
    ApplyTo(FunctionOf, Box<Code>),
    /// A function that only the engine has, with arguments that give one output.
    Engine(Arc<Filter<Engine>>, Box<[Code]>),
}

/// The parts of a path.
struct Steps {
    steps: Box<[(Step, Opt)]>,
    /// Whether any of them has to be evaluated first.
    computed: bool,
}

enum Step {
    /// `.name`
    Name(Text),
    /// `[f]`
    Index(Code),
    /// `[f:g]`
    Slice(Option<Code>, Option<Code>),
    /// `[]`
    Each,
}

/// Where a change is made: the terms that the engine can update, as far as they are simple.
enum Target {
    Input,
    Path(Box<Target>, Steps),
    Pipe(Box<Target>, Box<Target>),
    Both(Box<Target>, Box<Target>),
    /// `select(f)`
    Select(Box<Code>),
}

/// What is done there.
enum Change {
    /// `|= f`, on what is there.
    Update(Box<Code>),
    /// `= f`, with `f` of the whole.
    Assign(Box<Code>),
    /// `+= f`
    Math(Math, Box<Code>),
    /// `//= f`
    Alternative(Box<Code>),
    /// `del(…)`
    Delete,
}

impl Code {
    const INPUT: Self = Self { kind: Kind::Input, single: true };

    fn constant(value: impl Into<Value>) -> Self {
        Self { kind: Kind::Constant(value.into()), single: true }
    }

    /// `.[]`
    fn each() -> Self {
        let steps = Steps { steps: [(Step::Each, Opt::Essential)].into(), computed: false };
        Self { kind: Kind::Path(Box::new(Self::INPUT), steps), single: false }
    }
}

/// Why a term has no further outputs.
enum Stop {
    Raised(Error<Jq>),
    OutOfFuel,
}

impl From<Error<Jq>> for Stop {
    fn from(error: Error<Jq>) -> Self {
        Self::Raised(error)
    }
}

impl From<Stop> for EvaluationError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Raised(error) => Self::Raised(error.into_val().0),
            Stop::OutOfFuel => Self::OutOfFuel,
        }
    }
}

/// Whether more outputs are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    More,
    Enough,
}

/// A variable bound in the expression, and those around it.
struct Binding<'a> {
    value: Value,
    outer: Scope<'a>,
}
type Scope<'a> = Option<&'a Binding<'a>>;

/// One evaluation.
struct Machine<'a> {
    globals: &'a [Value],
    fuel: &'a Cell<u64>,
}

impl Native {
    /// Compiles what the engine has accepted; `None` when any of it is outside of the common part.
    pub(crate) fn compile(text: &str, variables: &[&str]) -> Option<Self> {
        compile::compile(text, variables).map(Self)
    }

    /// The first output; `null` when there is none.
    pub(crate) fn first(&self, input: &Value, variables: &[Value], limits: Limits) -> Result<Value, EvaluationError> {
        growth::begin();
        let fuel = Cell::new(limits.fuel);
        let machine = Machine { globals: variables, fuel: &fuel };
        let (code, input) = (&self.0, Cow::Borrowed(input));
        if code.single {
            return Ok(machine.one(code, None, input)?);
        }
        let mut first = None;
        machine.run(code, None, input, &mut |output| {
            first = Some(output);
            Flow::Enough
        })?;
        Ok(first.unwrap_or_default())
    }

    /// All outputs.
    pub(crate) fn all(
        &self,
        input: &Value,
        variables: &[Value],
        limits: Limits,
    ) -> Result<Vec<Value>, EvaluationError> {
        growth::begin();
        let fuel = Cell::new(limits.fuel);
        let machine = Machine { globals: variables, fuel: &fuel };
        let (mut outputs, mut too_many) = (Vec::new(), false);
        machine.run(&self.0, None, Cow::Borrowed(input), &mut |output| {
            outputs.push(output);
            too_many = outputs.len() > limits.outputs;
            if too_many { Flow::Enough } else { Flow::More }
        })?;
        if too_many { Err(EvaluationError::TooManyOutputs) } else { Ok(outputs) }
    }
}
