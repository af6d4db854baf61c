//! Interpreting terms.

use std::borrow::Cow;

use jaq_core::Error;
use model::{Object, Value, json};

use super::{Binding, Code, Flow, Kind, Machine, Scope, Stop};
use crate::evaluate::call;
use crate::growth;
use crate::jq::{Jq, TEXT_MAX, too_large};

/// Whoever receives outputs.
pub(super) type Sink<'a> = &'a mut dyn FnMut(Value) -> Flow;

/// What is done with each output of a term within another term, which may fail in its turn.
pub(super) type Next<'a> = &'a mut dyn FnMut(Value) -> Result<Flow, Stop>;

/// jq's idea of truth.
pub(super) fn truth(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

impl Machine<'_> {
    pub(super) fn spend(&self, steps: usize) -> Result<(), Stop> {
        let left = self.fuel.get().checked_sub(steps as u64).ok_or(Stop::OutOfFuel)?;
        self.fuel.set(left);
        Ok(())
    }

    /// Gives all outputs to `sink`, until it wants no more. An error is one of the term itself.
    pub(super) fn run(
        &self,
        code: &Code,
        scope: Scope<'_>,
        input: Cow<'_, Value>,
        sink: Sink<'_>,
    ) -> Result<Flow, Stop> {
        if code.single {
            return Ok(sink(self.one(code, scope, input)?));
        }
        self.spend(1)?;
        let here = Cow::Borrowed(&*input);
        match &code.kind {
            Kind::Pipe(left, right) => {
                self.each(left, scope, input, &mut |value| self.run(right, scope, Cow::Owned(value), sink))
            }
            Kind::Bind(left, right) => self.each(left, scope, here.clone(), &mut |value| {
                self.run(right, Some(&Binding { value, outer: scope }), here.clone(), sink)
            }),
            Kind::Both(left, right) => match self.run(left, scope, here, sink)? {
                Flow::More => self.run(right, scope, input, sink),
                Flow::Enough => Ok(Flow::Enough),
            },
            Kind::Alternative(left, right) => {
                let mut any = false;
                let flow = self.run(left, scope, here, &mut |value| {
                    if !truth(&value) {
                        return Flow::More;
                    }
                    any = true;
                    sink(value)
                })?;
                if any { Ok(flow) } else { self.run(right, scope, input, sink) }
            }
            Kind::Logic(left, decides, right) => self.each(left, scope, here.clone(), &mut |left| {
                if truth(&left) == *decides {
                    return Ok(sink(Value::Bool(*decides)));
                }
                self.each(right, scope, here.clone(), &mut |right| Ok(sink(Value::Bool(truth(&right)))))
            }),
            Kind::Math(left, operation, right) => self.pairs((left, right), scope, &input, &mut |left, right| {
                Ok(sink(operation.run::<_, jaq_core::ValR<Jq>>(Jq(left), Jq(right))?.0))
            }),
            Kind::Compare(left, operation, right) => self.pairs((left, right), scope, &input, &mut |left, right| {
                Ok(sink(Value::Bool(operation.run(&left, &right))))
            }),
            Kind::Entry(entry) => self.pairs((&entry.0, &entry.1), scope, &input, &mut |key, value| {
                let mut members = Object::default();
                growth::put([&value])?;
                insert(&mut members, key, value)?;
                Ok(sink(Value::from(members)))
            }),
            Kind::Negate(of) => self.each(of, scope, input, &mut |value| Ok(sink((-Jq(value))?.0))),
            Kind::Try(body, catch) => match self.run(body, scope, here, sink) {
                Err(Stop::Raised(error)) => self.run(catch, scope, Cow::Owned(error.into_val().0), sink),
                other => other,
            },
            Kind::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                self.each(condition, scope, here.clone(), &mut |condition| {
                    let branch = if truth(&condition) { then } else { otherwise };
                    self.run(branch, scope, here.clone(), sink)
                })
            }
            Kind::First(of) => {
                let mut flow = Flow::More;
                self.run(of, scope, input, &mut |value| {
                    flow = sink(value);
                    Flow::Enough
                })?;
                Ok(flow)
            }
            Kind::Last(of) => {
                let mut last = None;
                self.run(of, scope, input, &mut |value| {
                    last = Some(value);
                    Flow::More
                })?;
                Ok(last.map_or(Flow::More, sink))
            }
            Kind::Range(bounds) => self.range(bounds, scope, &input, sink),
            Kind::Path(base, steps) => self.path(base, steps, scope, &input, sink),
            // Everything else gives one output; `empty` gives none.
            _ => Ok(Flow::More),
        }
    }

    /// Runs a term and does something with each output; an error is one of either.
    pub(super) fn each(
        &self,
        code: &Code,
        scope: Scope<'_>,
        input: Cow<'_, Value>,
        next: Next<'_>,
    ) -> Result<Flow, Stop> {
        if code.single {
            return next(self.one(code, scope, input)?);
        }
        let mut failed = None;
        let flow = self.run(code, scope, input, &mut |value| {
            next(value).unwrap_or_else(|stop| {
                failed = Some(stop);
                Flow::Enough
            })
        })?;
        failed.map_or(Ok(flow), Err)
    }

    /// Every output of the left side with every one of the right. As in the engine, an error on the left counts as an output
    /// there: when the right side has none, nothing is raised.
    fn pairs(
        &self,
        (left, right): (&Code, &Code),
        scope: Scope<'_>,
        input: &Value,
        next: &mut dyn FnMut(Value, Value) -> Result<Flow, Stop>,
    ) -> Result<Flow, Stop> {
        let mut failed = None;
        let outcome = self.run(left, scope, Cow::Borrowed(input), &mut |left| {
            let flow = self.each(right, scope, Cow::Borrowed(input), &mut |right| next(left.clone(), right));
            flow.unwrap_or_else(|stop| {
                failed = Some(stop);
                Flow::Enough
            })
        });
        match (outcome, failed) {
            (_, Some(stop)) => Err(stop),
            (Err(Stop::Raised(error)), None) if !right.single => {
                let mut any = false;
                let rest = self.run(right, scope, Cow::Borrowed(input), &mut |_| {
                    any = true;
                    Flow::Enough
                });
                match rest {
                    Ok(_) if !any => Ok(Flow::More),
                    Err(Stop::OutOfFuel) => Err(Stop::OutOfFuel),
                    _ => Err(Stop::Raised(error)),
                }
            }
            (outcome, None) => outcome,
        }
    }

    /// The only output of a term that gives one.
    pub(super) fn one(&self, code: &Code, scope: Scope<'_>, input: Cow<'_, Value>) -> Result<Value, Stop> {
        self.spend(1)?;
        let here = Cow::Borrowed(&*input);
        match &code.kind {
            Kind::Input => Ok(input.into_owned()),
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Local(_) | Kind::Global(_) => Ok(self.variable(code, scope).clone()),
            Kind::Raise(of) => Err(Stop::Raised(Error::new(Jq(self.one(of, scope, input)?)))),
            Kind::Text(parts) => self.text(parts, scope, &input),
            Kind::List(of) => {
                let mut items = Vec::new();
                self.run(of, scope, input, &mut |item| {
                    items.push(item);
                    Flow::More
                })?;
                growth::put(&items)?;
                Ok(Value::from(items))
            }
            Kind::Object(entries) => {
                let mut members = Object::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = self.one(key, scope, Cow::Borrowed(&input))?;
                    let value = self.one(value, scope, Cow::Borrowed(&input))?;
                    insert(&mut members, key, value)?;
                }
                growth::put(members.values())?;
                Ok(Value::from(members))
            }
            Kind::Negate(of) => Ok((-Jq(self.one(of, scope, input)?))?.0),
            Kind::Pipe(left, right) => {
                let value = self.one(left, scope, input)?;
                self.one(right, scope, Cow::Owned(value))
            }
            Kind::Bind(left, right) => {
                let value = self.one(left, scope, here)?;
                self.one(right, Some(&Binding { value, outer: scope }), input)
            }
            Kind::Alternative(left, right) => {
                let value = self.one(left, scope, here)?;
                if truth(&value) { Ok(value) } else { self.one(right, scope, input) }
            }
            Kind::Logic(left, decides, right) => {
                if truth(&self.one(left, scope, here)?) == *decides {
                    return Ok(Value::Bool(*decides));
                }
                Ok(Value::Bool(truth(&self.one(right, scope, input)?)))
            }
            Kind::Math(left, operation, right) => {
                let left = self.one(left, scope, here)?;
                let right = self.one(right, scope, input)?;
                Ok(operation.run::<_, jaq_core::ValR<Jq>>(Jq(left), Jq(right))?.0)
            }
            Kind::Compare(left, operation, right) => {
                let left = self.one(left, scope, here)?;
                let right = self.one(right, scope, input)?;
                Ok(Value::Bool(operation.run(&left, &right)))
            }
            Kind::Try(body, catch) => match self.one(body, scope, here) {
                Err(Stop::Raised(error)) => self.one(catch, scope, Cow::Owned(error.into_val().0)),
                other => other,
            },
            Kind::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let condition = truth(&self.one(condition, scope, here)?);
                self.one(if condition { then } else { otherwise }, scope, input)
            }
            Kind::Reduce(parts) => self.reduce(parts, scope, &input),
            Kind::Sum(of) => self.sum(of, scope, input),
            Kind::Search(parts, wanted) => self.search(parts, *wanted, scope, input),
            Kind::IsEmpty(of) => {
                let mut empty = true;
                self.run(of, scope, input, &mut |_| {
                    empty = false;
                    Flow::Enough
                })?;
                Ok(Value::Bool(empty))
            }
            Kind::Path(base, steps) => self.place(base, steps, scope, &input),
            Kind::Change(target, change) => self.change(target, change, scope, input),
            Kind::Extreme(key, largest) => self.extreme(key, *largest, scope, input),
            Kind::Unique(key) => self.unique(key, scope, input),
            Kind::Apply(function) => built(function(Jq(input.into_owned()))?.0),
            Kind::ApplyToItems(function) => {
                let items = input.as_object().map_or(input.items().len(), Object::len);
                self.spend(items)?;
                built(function(Jq(input.into_owned()))?.0)
            }
            Kind::ApplyTo(function, argument) => {
                let argument = self.one(argument, scope, here)?;
                built(function(Jq(input.into_owned()), Jq(argument))?.0)
            }
            Kind::Engine(filter, arguments) => {
                let arguments = arguments.iter().map(|argument| self.one(argument, scope, Cow::Borrowed(&input)));
                let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
                let output = call(filter, input.into_owned(), arguments, self.fuel).ok_or(Stop::OutOfFuel)?;
                Ok(output?.0)
            }
            // Terms with any number of outputs are never asked for the only one.
            Kind::Empty | Kind::Entry(_) | Kind::Both(..) | Kind::First(_) | Kind::Last(_) | Kind::Range(_) => {
                Ok(Value::Null)
            }
        }
    }

    /// What a variable holds.
    pub(super) fn variable<'a>(&'a self, code: &Code, scope: Scope<'a>) -> &'a Value {
        static NULL: Value = Value::Null;
        match code.kind {
            Kind::Local(outwards) => {
                let found = std::iter::successors(scope, |binding| binding.outer).nth(outwards);
                found.map_or(&NULL, |binding| &binding.value)
            }
            Kind::Global(index) => self.globals.get(index).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    /// Parts put together. All are evaluated before the first are, so that an error of a part comes before one of the length.
    fn text(&self, parts: &[Code], scope: Scope<'_>, input: &Value) -> Result<Value, Stop> {
        if let [part] = parts {
            return Ok(Jq(self.one(part, scope, Cow::Borrowed(input))?).into_text()?.0);
        }
        let (mut text, mut fits) = (String::new(), true);
        for part in parts {
            let value = match &part.kind {
                Kind::Constant(value) => Cow::Borrowed(value),
                _ => Cow::Owned(self.one(part, scope, Cow::Borrowed(input))?),
            };
            if fits {
                match &*value {
                    Value::String(value) => text.push_str(value),
                    other if growth::fits_a_text(other) => json::write(other, &mut text),
                    _ => fits = false,
                }
                fits &= text.len() <= TEXT_MAX;
            }
        }
        if fits { Ok(Value::from(text)) } else { Err(too_large().into()) }
    }
}

/// What a function gives, which may be nested deeper than what it was given.
fn built(value: Value) -> Result<Value, Stop> {
    growth::put([&value])?;
    Ok(value)
}

fn insert(members: &mut Object, key: Value, value: Value) -> Result<(), Stop> {
    match key {
        Value::String(name) => {
            members.insert(name, value);
            Ok(())
        }
        other => Err(Error::typ(Jq(other), "object key").into()),
    }
}
