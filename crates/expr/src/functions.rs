//! Functions beside the engine's own: those every jq has, and a few exact ones for business numbers. What would make an
//! answer depend on when or where it is computed refuses to work.

use jaq_core::data::HasLut as _;
use jaq_core::native::{Fun, bome, run, unary, v};
use jaq_core::{Error, ValR, ValT as _};
use model::{Decimal, Rounding, Text, Value, json};

use crate::evaluate::Engine;
use crate::growth;
use crate::jq::{ITEMS_MAX, Jq};
use crate::regex::{Wanted, parts};

/// Engine functions whose answer depends on the machine, its clock, or nothing an expression should touch.
const REFUSED: [&str; 12] = [
    "now",
    "env",
    "input",
    "inputs",
    "halt",
    "debug_empty",
    "stderr_empty",
    "localtime",
    "strflocaltime",
    "mktime",
    "range",
    "input_line_number",
];

/// Engine functions in whose place ours are: those would search for as long as they like.
const REPLACED: [&str; 3] = ["matches", "split_matches", "split_"];

pub(crate) fn all() -> impl Iterator<Item = Fun<Engine>> {
    let engine = jaq_core::funs::<Engine>().chain(jaq_std::funs::<Engine>());
    engine.filter(|(name, ..)| !REFUSED.contains(name) && !REPLACED.contains(name)).chain(refused()).chain(ours())
}

fn refused() -> impl Iterator<Item = Fun<Engine>> {
    REFUSED.into_iter().filter(|name| *name != "range").map(|name| {
        let arguments = match name {
            "halt" | "strflocaltime" => 1,
            _ => 0,
        };
        run::<Engine>((name, v(arguments), |_| {
            bome(Err(Error::str("expressions may not use clocks, the environment, input, output or halt")))
        }))
    })
}

fn ours() -> impl Iterator<Item = Fun<Engine>> {
    let functions: [jaq_core::native::Filter<jaq_core::RunPtr<Engine>>; 15] = [
        ("length", v(0), |cv| bome(length(cv.1))),
        ("tojson", v(0), |cv| bome(cv.1.to_json())),
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
        ("tonumber", v(0), |cv| bome(to_number(cv.1))),
        ("has", v(1), |cv| unary(cv, has)),
        ("contains", v(1), |cv| unary(cv, |value, part| Ok(Jq::from(contains(&value.0, &part.0)?)))),
        ("indices", v(1), |cv| unary(cv, indices)),
        ("round_to", v(1), |cv| unary(cv, round_to)),
        ("sum", v(0), |cv| bome(sum(&cv.1))),
        ("digits", v(0), |cv| bome(digits(&cv.1))),
        ("text", v(0), |cv| bome(cv.1.into_text())),
        ("matches", v(2), |cv| bome(parts(cv, Wanted { between: false, matches: true }))),
        ("split_matches", v(2), |cv| bome(parts(cv, Wanted { between: true, matches: true }))),
        ("split_", v(2), |cv| bome(parts(cv, Wanted { between: true, matches: false }))),
        ("range", v(3), |mut cv| {
            let (by, to, from) = (cv.0.pop_var(), cv.0.pop_var(), cv.0.pop_var());
            match steps(&from, &to, &by) {
                Ok(steps) => {
                    // Each number costs fuel: a range inside a range would otherwise run for ever on one term.
                    let evaluation = cv.0.data().clone();
                    Box::new(steps.map(move |step| {
                        evaluation.lut();
                        Ok(Jq(Value::from(step)))
                    }))
                }
                Err(error) => bome(Err(error)),
            }
        }),
    ];
    functions.into_iter().map(run::<Engine>)
}

pub(crate) fn length(value: Jq) -> ValR<Jq> {
    match &value.0 {
        Value::Null => Ok(Jq::from(0usize)),
        Value::String(text) => Ok(Jq::from(text.chars().count())),
        Value::Array(items) => Ok(Jq::from(items.len())),
        Value::Object(members) => Ok(Jq::from(members.len())),
        Value::Number(number) if number.to_decimal().is_negative() => -value,
        Value::Number(_) => Ok(value),
        Value::Bool(_) => Err(Error::str("a boolean has no length")),
    }
}

pub(crate) fn from_json(value: &Jq) -> ValR<Jq> {
    let text = value.0.as_str().ok_or_else(|| Error::typ(value.clone(), "string"))?;
    json::parse(text.as_bytes()).map(Jq).map_err(|error| Error::str(format!("this is not JSON: {error}")))
}

pub(crate) fn to_number(value: Jq) -> ValR<Jq> {
    match &value.0 {
        Value::Number(_) => Ok(value),
        Value::String(text) => Jq::from_num(text.trim()),
        _ => Err(Error::typ(value, "number")),
    }
}

pub(crate) fn has(value: Jq, key: Jq) -> ValR<Jq> {
    match (&value.0, &key.0) {
        (Value::Object(members), Value::String(name)) => Ok(Jq::from(members.contains_key(name))),
        (Value::Array(items), Value::Number(_)) => {
            let place = key.0.as_i64().and_then(|place| usize::try_from(place).ok());
            Ok(Jq::from(place.is_some_and(|place| place < items.len())))
        }
        _ => Err(Error::index(value, key)),
    }
}

/// What comparing two values takes, in values copied.
const COMPARISON: usize = 3;

pub(crate) fn contains(value: &Value, part: &Value) -> Result<bool, Error<Jq>> {
    match (value, part) {
        (Value::String(value), Value::String(part)) => {
            growth::work(COMPARISON + value.len() / 64)?;
            Ok(value.contains(&**part))
        }
        (Value::Array(value), Value::Array(part)) => {
            each_holds(part.iter(), |part| some_holds(value.iter(), |value| contains(value, part)))
        }
        (Value::Object(value), Value::Object(part)) => each_holds(part.iter(), |(name, part)| match value.get(name) {
            Some(value) => contains(value, part),
            None => Ok(false),
        }),
        _ => {
            growth::work(COMPARISON)?;
            Ok(value == part)
        }
    }
}

fn each_holds<T>(
    items: impl Iterator<Item = T>,
    holds: impl Fn(T) -> Result<bool, Error<Jq>>,
) -> Result<bool, Error<Jq>> {
    Ok(!some_holds(items, |item| Ok(!holds(item)?))?)
}

fn some_holds<T>(
    items: impl Iterator<Item = T>,
    holds: impl Fn(T) -> Result<bool, Error<Jq>>,
) -> Result<bool, Error<Jq>> {
    for item in items {
        if holds(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn indices(value: Jq, part: Jq) -> ValR<Jq> {
    match (&value.0, &part.0) {
        (Value::Null, _) => Ok(Jq(Value::Null)),
        (Value::String(text), Value::String(part)) if !part.is_empty() => {
            // Places are counted in characters, from one to the next.
            let (mut byte, mut character) = (0, 0);
            let places = text.match_indices(&**part).map(|(found, _)| {
                character += text[byte..found].chars().count();
                byte = found;
                character
            });
            Ok(Jq(Value::array(places)))
        }
        (Value::Array(_), Value::Array(_)) => value.index(&part),
        (Value::Array(items), part) => {
            growth::work(items.len())?;
            let places = items.iter().enumerate().filter(|(_, item)| *item == part).map(|(place, _)| place);
            Ok(Jq(Value::array(places)))
        }
        _ => Err(Error::index(value, part)),
    }
}

/// Rounds half up, as commerce does: `2.345 | round_to(2)` is `2.35`.
pub(crate) fn round_to(value: Jq, places: Jq) -> ValR<Jq> {
    let number = value.0.as_decimal().ok_or_else(|| Error::typ(value.clone(), "number"))?;
    let scale = places.0.as_i64().and_then(|places| i16::try_from(places).ok());
    let scale = scale.filter(|scale| (0..=38).contains(scale));
    let scale = scale.ok_or_else(|| Error::str("round_to takes a whole number of places from 0 to 38"))?;
    Ok(Jq(Value::from(number.round(scale, Rounding::HalfUp))))
}

/// The exact sum of a list of numbers; 0 for an empty one, `null` items count nothing.
pub(crate) fn sum(value: &Jq) -> ValR<Jq> {
    let items = value.0.as_array().ok_or_else(|| Error::typ(value.clone(), "array"))?;
    let mut sum = Jq::from(0usize);
    for item in items.iter().filter(|item| !item.is_null()) {
        if item.as_number().is_none() {
            return Err(Error::typ(Jq(item.clone()), "number"));
        }
        sum = (sum + Jq(item.clone()))?;
    }
    Ok(sum)
}

/// Only the digits of a text.
pub(crate) fn digits(value: &Jq) -> ValR<Jq> {
    let text = value.0.as_str().ok_or_else(|| Error::typ(value.clone(), "string"))?;
    let digits: Text = text.chars().filter(char::is_ascii_digit).collect();
    Ok(Jq(Value::String(digits)))
}

/// The numbers of `range`, never more than a list may hold.
pub(crate) fn steps(from: &Jq, to: &Jq, by: &Jq) -> Result<impl Iterator<Item = Decimal> + use<>, Error<Jq>> {
    let number = |value: &Jq| value.0.as_decimal().ok_or_else(|| Error::typ(value.clone(), "number"));
    let (from, to, by) = (number(from)?, number(to)?, number(by)?);
    let too_many = Error::str(format!("range gives more than {ITEMS_MAX} numbers"));
    let distance = to.subtract(from).map_err(Error::str)?;
    if !by.is_zero() {
        let count = distance.divide(by).map_err(Error::str)?;
        if count > Decimal::from(i64::try_from(ITEMS_MAX).unwrap_or(i64::MAX)) {
            return Err(too_many);
        }
    } else if from < to {
        return Err(too_many);
    }
    let mut next = Some(from);
    Ok(std::iter::from_fn(move || {
        let current = next.filter(|current| if by.is_negative() { *current > to } else { *current < to })?;
        next = current.add(by).ok();
        Some(current)
    }))
}
