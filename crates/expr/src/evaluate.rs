//! Running compiled expressions within limits.

use std::any::Any;
use std::cell::Cell;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jaq_core::data::HasLut;
use jaq_core::{Ctx, DataT, Error, Filter, Lut, ValR, Vars};
use model::Value;

use crate::growth;
use crate::jq::{ITEMS_MAX, Jq};

/// What an evaluation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many terms are evaluated at most. A plain path uses a handful, a map over a thousand rows some ten thousand.
    pub fuel: u64,
    /// How many outputs are collected at most.
    pub outputs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 2_000_000, outputs: ITEMS_MAX }
    }
}

/// Why an expression has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// The expression raised an error itself, or was given a value it cannot work on.
    #[error("{0}")]
    Raised(Value),
    /// It ran longer than it may.
    #[error("the expression takes more steps than it may")]
    OutOfFuel,
    /// It goes deeper into itself than it may, such as by `repeat(.) |= .`.
    #[error("the expression goes deeper into itself than it may")]
    TooDeep,
    /// It builds more than it may.
    #[error("the expression builds more than it may")]
    TooLarge,
    /// It gives more outputs than it may.
    #[error("the expression gives more outputs than it may")]
    TooManyOutputs,
    /// The number of variables is not the one it was compiled with.
    #[error("the expression was compiled for {expected} variables and is given {given}")]
    Variables {
        /// How many it was compiled with.
        expected: usize,
        /// How many it was given.
        given: usize,
    },
}

/// How much of the stack one evaluation may take, in bytes: half of what threads have.
const STACK_MAX: usize = 1024 * 1024;

/// The engine's view of one evaluation: every term it evaluates asks for the look-up table, which is where fuel is counted and
/// the depth is looked at.
pub(crate) struct Engine;

#[derive(Clone)]
pub(crate) struct Evaluation<'a> {
    table: &'a Lut<Engine>,
    fuel: &'a Cell<u64>,
    /// Where the stack was when it began.
    began: usize,
}

impl<'a> Evaluation<'a> {
    fn new(table: &'a Lut<Engine>, fuel: &'a Cell<u64>) -> Self {
        Self { table, fuel, began: stack() }
    }
}

/// Where the stack is now.
fn stack() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(black_box(&here)).addr()
}

impl DataT for Engine {
    type V<'a> = Jq;
    type Data<'a> = Evaluation<'a>;
}

/// Unwinds through the engine when the fuel or the stack is used up; it never reaches a panic hook.
enum UsedUp {
    Fuel,
    Stack,
    Size,
}

/// Ends an evaluation by the engine that builds more than it may, where the engine knows no error.
pub(crate) fn too_large() -> ! {
    resume_unwind(Box::new(UsedUp::Size))
}

impl From<UsedUp> for EvaluationError {
    fn from(what: UsedUp) -> Self {
        match what {
            UsedUp::Fuel => Self::OutOfFuel,
            UsedUp::Stack => Self::TooDeep,
            UsedUp::Size => Self::TooLarge,
        }
    }
}

impl<'a> HasLut<'a, Engine> for Evaluation<'a> {
    fn lut(&self) -> &'a Lut<Engine> {
        match self.fuel.get().checked_sub(1) {
            Some(left) => self.fuel.set(left),
            None => resume_unwind(Box::new(UsedUp::Fuel)),
        }
        if self.began.abs_diff(stack()) > STACK_MAX {
            resume_unwind(Box::new(UsedUp::Stack));
        }
        self.table
    }
}

/// All outputs, at most `wanted` of them.
pub(crate) fn evaluate(
    filter: &Filter<Engine>,
    input: &Value,
    variables: &[Value],
    limits: Limits,
    wanted: Option<usize>,
) -> Result<Vec<Value>, EvaluationError> {
    growth::begin();
    let fuel = Cell::new(limits.fuel);
    let outputs = catch_unwind(AssertUnwindSafe(|| {
        let variables = Vars::new(variables.iter().cloned().map(Jq));
        let context = Ctx::<Engine>::new(Evaluation::new(&filter.lut, &fuel), variables);
        let mut outputs = Vec::new();
        for output in filter.id.run((context, Jq(input.clone()))) {
            let output = output.map_err(|exception| match exception.get_err() {
                Ok(error) => EvaluationError::Raised(error.into_val().0),
                Err(_) => EvaluationError::Raised(Value::from("the expression ended without a result")),
            })?;
            outputs.push(output.0);
            if wanted == Some(outputs.len()) {
                break;
            }
            if outputs.len() > limits.outputs {
                return Err(EvaluationError::TooManyOutputs);
            }
        }
        Ok(outputs)
    }));
    match outputs {
        Ok(result) => result,
        Err(payload) => Err(used_up(payload)),
    }
}

/// The error of an evaluation that was ended from within.
fn used_up(payload: Box<dyn Any + Send>) -> EvaluationError {
    match payload.downcast::<UsedUp>() {
        Ok(what) => (*what).into(),
        Err(payload) => resume_unwind(payload),
    }
}

/// The first output of a function of the engine that always has one; `None` when it uses more than it may.
pub(crate) fn call(
    function: &Filter<Engine>,
    input: Value,
    arguments: Vec<Value>,
    fuel: &Cell<u64>,
) -> Option<ValR<Jq>> {
    let output = catch_unwind(AssertUnwindSafe(|| {
        let variables = Vars::new(arguments.into_iter().map(Jq));
        let context = Ctx::<Engine>::new(Evaluation::new(&function.lut, fuel), variables);
        let output = function.id.run((context, Jq(input))).next().unwrap_or(Ok(Jq(Value::Null)));
        output.map_err(|exception| {
            exception.get_err().unwrap_or_else(|_| Error::str("the expression ended without a result"))
        })
    }));
    match output {
        Ok(output) => Some(output),
        Err(payload) => {
            used_up(payload);
            None
        }
    }
}
