//! Following paths into values.

use std::borrow::Cow;

use jaq_core::path::Opt;
use jaq_core::{Error, ValT as _};
use model::Value;

use super::run::Sink;
use super::{Code, Flow, Kind, Machine, Scope, Step, Steps, Stop};
use crate::jq::{Jq, place, whole};

static NULL: Value = Value::Null;

/// A step whose index has been evaluated.
pub(super) enum Made {
    /// The step says all itself.
    Plain,
    Index(Value),
    Slice(Option<Value>, Option<Value>),
}

impl Machine<'_> {
    /// The only place that a path without `[]` and `?` means.
    pub(super) fn place(&self, base: &Code, steps: &Steps, scope: Scope<'_>, input: &Value) -> Result<Value, Stop> {
        let base = match &base.kind {
            Kind::Input => Cow::Borrowed(input),
            Kind::Local(_) | Kind::Global(_) => Cow::Borrowed(self.variable(base, scope)),
            Kind::Constant(value) => Cow::Borrowed(value),
            _ => Cow::Owned(self.one(base, scope, Cow::Borrowed(input))?),
        };
        self.spend(steps.steps.len())?;
        let made = self.make(steps, scope, input)?;
        let mut at = base;
        for (index, (step, _)) in steps.steps.iter().enumerate() {
            let made = made.get(index).unwrap_or(&Made::Plain);
            at = match at {
                Cow::Borrowed(value) => follow(value, step, made)?,
                Cow::Owned(value) => Cow::Owned(follow(&value, step, made)?.into_owned()),
            };
        }
        Ok(at.into_owned())
    }

    /// All places that a path means.
    pub(super) fn path(
        &self,
        base: &Code,
        steps: &Steps,
        scope: Scope<'_>,
        input: &Value,
        sink: Sink<'_>,
    ) -> Result<Flow, Stop> {
        self.each(base, scope, Cow::Borrowed(input), &mut |value| {
            let made = self.make(steps, scope, input)?;
            self.walk(value, &steps.steps, &made, sink)
        })
    }

    /// Evaluates the indices of all steps, on the input of the whole path, before any step is made. Nothing when there are none.
    pub(super) fn make(&self, steps: &Steps, scope: Scope<'_>, input: &Value) -> Result<Vec<Made>, Stop> {
        if !steps.computed {
            return Ok(Vec::new());
        }
        let one = |code: &Code| self.one(code, scope, Cow::Borrowed(input));
        let made = steps.steps.iter().map(|(step, _)| {
            Ok(match step {
                Step::Name(_) | Step::Each => Made::Plain,
                Step::Index(index) => Made::Index(one(index)?),
                Step::Slice(start, end) => {
                    Made::Slice(start.as_ref().map(one).transpose()?, end.as_ref().map(one).transpose()?)
                }
            })
        });
        made.collect()
    }

    fn walk(&self, value: Value, steps: &[(Step, Opt)], made: &[Made], sink: Sink<'_>) -> Result<Flow, Stop> {
        self.spend(1)?;
        let Some(((step, opt), rest)) = steps.split_first() else {
            return Ok(sink(value));
        };
        let (this, later) = made.split_first().unwrap_or((&Made::Plain, &[]));
        if !matches!(step, Step::Each) {
            return match (follow(&value, step, this), opt) {
                (Ok(found), _) => {
                    let found = found.into_owned();
                    self.walk(found, rest, later, sink)
                }
                (Err(_), Opt::Optional) => Ok(Flow::More),
                (Err(error), Opt::Essential) => Err(error.into()),
            };
        }
        let mut flow = Flow::More;
        match &value {
            Value::Array(items) => {
                for item in items.iter() {
                    flow = self.walk(item.clone(), rest, later, sink)?;
                    if flow == Flow::Enough {
                        break;
                    }
                }
            }
            Value::Object(members) => {
                for item in members.values() {
                    flow = self.walk(item.clone(), rest, later, sink)?;
                    if flow == Flow::Enough {
                        break;
                    }
                }
            }
            _ if matches!(opt, Opt::Essential) => {
                return Err(Error::typ(Jq(value), "iterable (array or object)").into());
            }
            _ => {}
        }
        Ok(flow)
    }
}

/// One step that leads to one place. What is neither a member nor an item is left to the rules of the engine.
fn follow<'a>(value: &'a Value, step: &Step, made: &Made) -> Result<Cow<'a, Value>, Error<Jq>> {
    match (step, made) {
        (Step::Name(name), _) => match value {
            Value::Object(members) => Ok(Cow::Borrowed(members.get(name).unwrap_or(&NULL))),
            Value::Null => Ok(Cow::Borrowed(&NULL)),
            _ => Ok(Cow::Owned(Jq(value.clone()).index(&Jq(Value::String(name.clone())))?.0)),
        },
        (_, Made::Index(index)) => match (value, index) {
            (Value::Object(members), Value::String(name)) => Ok(Cow::Borrowed(members.get(name).unwrap_or(&NULL))),
            (Value::Array(items), Value::Number(number)) => {
                let found = place(whole(*number), items.len()).and_then(|place| items.get(place));
                Ok(Cow::Borrowed(found.unwrap_or(&NULL)))
            }
            _ => Ok(Cow::Owned(Jq(value.clone()).index(&Jq(index.clone()))?.0)),
        },
        (_, Made::Slice(start, end)) => {
            let (start, end) = (start.clone().map(Jq), end.clone().map(Jq));
            Ok(Cow::Owned(Jq(value.clone()).range(start.as_ref()..end.as_ref())?.0))
        }
        // `[]` is no such step, and every other one has been evaluated.
        (_, Made::Plain) => Ok(Cow::Borrowed(value)),
    }
}
