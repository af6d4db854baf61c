//! What takes many outputs to one answer.

use std::borrow::Cow;

use jaq_core::{Error, ValR};
use model::Value;

use super::run::{Sink, truth};
use super::{Binding, Code, Flow, Kind, Machine, Scope, Stop};
use crate::functions::steps;
use crate::jq::Jq;

impl Machine<'_> {
    /// `reduce`
    pub(super) fn reduce(&self, parts: &[Code; 3], scope: Scope<'_>, input: &Value) -> Result<Value, Stop> {
        let [items, start, step] = parts;
        let mut result = self.one(start, scope, Cow::Borrowed(input))?;
        self.each(items, scope, Cow::Borrowed(input), &mut |value| {
            let so_far = std::mem::take(&mut result);
            result = self.one(step, Some(&Binding { value, outer: scope }), Cow::Owned(so_far))?;
            Ok(Flow::More)
        })?;
        Ok(result)
    }

    /// `add(f)`
    pub(super) fn sum(&self, of: &Code, scope: Scope<'_>, input: Cow<'_, Value>) -> Result<Value, Stop> {
        let mut sum = Jq(Value::Null);
        self.each(of, scope, input, &mut |value| {
            let so_far = std::mem::replace(&mut sum, Jq(Value::Null));
            sum = (so_far + Jq(value))?;
            Ok(Flow::More)
        })?;
        Ok(sum.0)
    }

    /// `any` looks for what is true and `all` for what is not; neither looks further than it has to.
    pub(super) fn search(
        &self,
        parts: &[Code; 2],
        wanted: bool,
        scope: Scope<'_>,
        input: Cow<'_, Value>,
    ) -> Result<Value, Stop> {
        let [items, condition] = parts;
        let mut found = false;
        self.each(items, scope, input, &mut |item| {
            self.run(condition, scope, Cow::Owned(item), &mut |holds| {
                found = truth(&holds) == wanted;
                if found { Flow::Enough } else { Flow::More }
            })
        })?;
        Ok(Value::Bool(found == wanted))
    }

    /// `range`
    pub(super) fn range(
        &self,
        bounds: &[Code; 3],
        scope: Scope<'_>,
        input: &Value,
        sink: Sink<'_>,
    ) -> Result<Flow, Stop> {
        let bound = |code: &Code| self.one(code, scope, Cow::Borrowed(input)).map(Jq);
        let [from, to, by] = bounds;
        let (from, to, by) = (bound(from)?, bound(to)?, bound(by)?);
        for step in steps(&from, &to, &by)? {
            self.spend(1)?;
            if sink(Value::from(step)) == Flow::Enough {
                return Ok(Flow::Enough);
            }
        }
        Ok(Flow::More)
    }

    /// `min_by` and `max_by`: the first of the least, the last of the greatest.
    pub(super) fn extreme(
        &self,
        key: &Code,
        largest: bool,
        scope: Scope<'_>,
        input: Cow<'_, Value>,
    ) -> Result<Value, Stop> {
        let mut best: Option<(&Value, Vec<Value>)> = None;
        for item in list(&input)? {
            let key = self.key(key, scope, item)?;
            let better = best.as_ref().is_none_or(|(_, known)| if largest { key >= *known } else { key < *known });
            if better {
                best = Some((item, key));
            }
        }
        Ok(best.map(|(item, _)| item.clone()).unwrap_or_default())
    }

    /// `unique_by`: the first item of each key, in the order of the keys.
    pub(super) fn unique(&self, key: &Code, scope: Scope<'_>, input: Cow<'_, Value>) -> Result<Value, Stop> {
        let keyed = list(&input)?.iter().map(|item| Ok((self.key(key, scope, item)?, item)));
        let mut keyed = keyed.collect::<Result<Vec<_>, Stop>>()?;
        keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
        keyed.dedup_by(|(later, _), (kept, _)| later == kept);
        Ok(Value::from(keyed.into_iter().map(|(_, item)| item.clone()).collect::<Vec<_>>()))
    }

    fn key(&self, key: &Code, scope: Scope<'_>, item: &Value) -> Result<Vec<Value>, Stop> {
        self.spend(1)?;
        if matches!(key.kind, Kind::Input) {
            return Ok(vec![item.clone()]);
        }
        let mut outputs = Vec::new();
        self.run(key, scope, Cow::Borrowed(item), &mut |output| {
            outputs.push(output);
            Flow::More
        })?;
        Ok(outputs)
    }
}

fn list(value: &Value) -> ValR<&[Value], Jq> {
    value.as_array().ok_or_else(|| Error::typ(Jq(value.clone()), "array"))
}
