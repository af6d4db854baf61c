//! Running compiled expressions within limits.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jaq_core::data::HasLut;
use jaq_core::{Ctx, DataT, Error, Filter, Lut, ValR, Vars};
use model::Value;

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

/// The engine's view of one evaluation: every term it evaluates asks for the look-up table, which is where fuel is counted.
pub(crate) struct Engine;

#[derive(Clone)]
pub(crate) struct Evaluation<'a> {
    table: &'a Lut<Engine>,
    fuel: &'a Cell<u64>,
}

impl DataT for Engine {
    type V<'a> = Jq;
    type Data<'a> = Evaluation<'a>;
}

/// Unwinds through the engine when the fuel is used up; it never reaches a panic hook.
struct FuelUsedUp;

impl<'a> HasLut<'a, Engine> for Evaluation<'a> {
    fn lut(&self) -> &'a Lut<Engine> {
        match self.fuel.get().checked_sub(1) {
            Some(left) => self.fuel.set(left),
            None => resume_unwind(Box::new(FuelUsedUp)),
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
    let fuel = Cell::new(limits.fuel);
    let outputs = catch_unwind(AssertUnwindSafe(|| {
        let variables = Vars::new(variables.iter().cloned().map(Jq));
        let context = Ctx::<Engine>::new(Evaluation { table: &filter.lut, fuel: &fuel }, variables);
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
        Err(payload) if payload.is::<FuelUsedUp>() => Err(EvaluationError::OutOfFuel),
        Err(payload) => resume_unwind(payload),
    }
}

/// The first output of a function of the engine that always has one; `None` when the fuel is used up.
pub(crate) fn call(
    function: &Filter<Engine>,
    input: Value,
    arguments: Vec<Value>,
    fuel: &Cell<u64>,
) -> Option<ValR<Jq>> {
    let output = catch_unwind(AssertUnwindSafe(|| {
        let variables = Vars::new(arguments.into_iter().map(Jq));
        let context = Ctx::<Engine>::new(Evaluation { table: &function.lut, fuel }, variables);
        let output = function.id.run((context, Jq(input))).next().unwrap_or_else(|| Ok(Jq(Value::Null)));
        output.map_err(|exception| {
            exception.get_err().unwrap_or_else(|_| Error::str("the expression ended without a result"))
        })
    }));
    match output {
        Ok(output) => Some(output),
        Err(payload) if payload.is::<FuelUsedUp>() => None,
        Err(payload) => resume_unwind(payload),
    }
}
