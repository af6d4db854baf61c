//! Changing values at places.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use jaq_core::path::Opt;
use jaq_core::{Error, Exn, ValR, ValT as _, ValX};
use model::{Text, Value};

use super::paths::Made;
use super::run::truth;
use super::{Change, Machine, Scope, Step, Stop, Target};
use crate::growth;
use crate::jq::Jq;

/// What becomes of a value: another one, or none, which takes it out of where it is.
type Changer<'a> = &'a dyn Fn(Value) -> Result<Option<Value>, Stop>;

impl Machine<'_> {
    pub(super) fn change(
        &self,
        target: &Target,
        change: &Change,
        scope: Scope<'_>,
        input: Cow<'_, Value>,
    ) -> Result<Value, Stop> {
        let operand = match change {
            Change::Update(_) | Change::Delete => Value::Null,
            Change::Assign(by) | Change::Math(_, by) | Change::Alternative(by) => {
                self.one(by, scope, Cow::Borrowed(&*input))?
            }
        };
        let changed = self.update(target, scope, input.into_owned(), &|old| {
            self.spend(1)?;
            match change {
                Change::Update(by) => self.one(by, scope, Cow::Owned(old)).map(Some),
                Change::Assign(_) => Ok(Some(operand.clone())),
                Change::Math(operation, _) => Ok(Some(operation.run::<_, ValR<Jq>>(Jq(old), Jq(operand.clone()))?.0)),
                Change::Alternative(_) => Ok(Some(if truth(&old) { old } else { operand.clone() })),
                Change::Delete => Ok(None),
            }
        })?;
        // Only a deletion gives nothing, and the compiler takes none of the whole.
        Ok(changed.unwrap_or_default())
    }

    fn update(
        &self,
        target: &Target,
        scope: Scope<'_>,
        value: Value,
        changer: Changer<'_>,
    ) -> Result<Option<Value>, Stop> {
        self.spend(1)?;
        match target {
            Target::Input => changer(value),
            Target::Path(base, steps) => {
                let made = self.make(steps, scope, &value)?;
                self.update(base, scope, value, &|value| self.descend(value, &steps.steps, &made, changer).map(Some))
            }
            Target::Pipe(left, right) => {
                self.update(left, scope, value, &|value| self.update(right, scope, value, changer))
            }
            Target::Both(left, right) => match self.update(left, scope, value, changer)? {
                Some(value) => self.update(right, scope, value, changer),
                None => Ok(None),
            },
            Target::Select(condition) => {
                if truth(&self.one(condition, scope, Cow::Borrowed(&value))?) {
                    changer(value)
                } else {
                    Ok(Some(value))
                }
            }
        }
    }

    fn descend(&self, value: Value, steps: &[(Step, Opt)], made: &[Made], changer: Changer<'_>) -> Result<Value, Stop> {
        let Some(((step, opt), rest)) = steps.split_first() else {
            return Ok(value);
        };
        let (this, later) = made.split_first().unwrap_or((&Made::Plain, &[]));
        self.spend(1)?;
        let inner: Changer<'_> = &|value| {
            if rest.is_empty() { changer(value) } else { self.descend(value, rest, later, changer).map(Some) }
        };
        match (step, this) {
            (Step::Name(name), _) => member(value, name, *opt, inner),
            (_, Made::Index(Value::String(name))) => member(value, name, *opt, inner),
            (_, Made::Index(index)) => by_engine(inner, |inner| Jq(value).map_index(&Jq(index.clone()), *opt, inner)),
            (_, Made::Slice(start, end)) => by_engine(inner, |inner| {
                let (start, end) = (start.clone().map(Jq), end.clone().map(Jq));
                Jq(value).map_range(start.as_ref()..end.as_ref(), *opt, inner)
            }),
            (_, Made::Plain) => by_engine(inner, |inner| Jq(value).map_values(*opt, inner)),
        }
    }
}

/// Changes a member. Its value is taken out meanwhile, so that what nobody else holds is changed without a copy.
fn member(value: Value, name: &Text, opt: Opt, changer: Changer<'_>) -> Result<Value, Stop> {
    let mut members = match value {
        Value::Object(members) => members,
        Value::Null => Arc::default(),
        other => {
            let fail = |value: Jq| Error::index(value, Jq(Value::String(name.clone())));
            return Ok(opt.fail(Jq(other), fail)?.0);
        }
    };
    let inner = Arc::make_mut(&mut members);
    if let Some(slot) = inner.get_mut(name) {
        match changer(std::mem::take(slot))? {
            Some(new) => {
                growth::put([&new])?;
                *slot = new;
            }
            None => drop(inner.shift_remove(name)),
        }
    } else if let Some(new) = changer(Value::Null)? {
        growth::put([&new])?;
        inner.insert(name.clone(), new);
    }
    Ok(Value::Object(members))
}

/// Lets the engine's rules make a change. They know only errors of the engine, so that what stopped it is kept beside.
fn by_engine<'a>(
    changer: Changer<'_>,
    change: impl FnOnce(&dyn Fn(Jq) -> std::option::IntoIter<ValX<'a, Jq>>) -> ValX<'a, Jq>,
) -> Result<Value, Stop> {
    let stopped = Cell::new(None);
    let changed = change(&|old| {
        let new = match changer(old.0) {
            Ok(new) => new.map(|new| Ok(Jq(new))),
            Err(stop) => {
                stopped.set(Some(stop));
                Some(Err(Exn::from(Error::str(""))))
            }
        };
        new.into_iter()
    });
    match (changed, stopped.take()) {
        (_, Some(stop)) => Err(stop),
        (Ok(changed), None) => Ok(changed.0),
        (Err(exception), None) => {
            let error = exception.get_err().unwrap_or_else(|_| Error::str("the change ended without a result"));
            Err(Stop::Raised(error))
        }
    }
}
