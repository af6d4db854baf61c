//! [`Value`] as the jq engine sees it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::ops::Math;
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValR, ValT, ValX};
use model::{Decimal, DecimalError, Number, Object, Value, json};

use crate::{evaluate, growth};

/// Longest text and longest list that an expression may build.
pub(crate) const TEXT_MAX: usize = 16 * 1024 * 1024;
pub(crate) const ITEMS_MAX: usize = 1_000_000;

/// A value inside the engine. Wrapping is free.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Jq(pub(crate) Value);

type Failure = Error<Jq>;

/// What making a member of an object takes, in values copied.
const MEMBER: usize = 50;

/// Bytes of text that are copied in the time of a value.
const TEXT_PER_VALUE: usize = 128;

/// How many values are copied when something that may be shared is changed.
fn copied<T>(shared: &Arc<T>, values: usize) -> usize {
    if Arc::strong_count(shared) > 1 { values } else { 0 }
}

pub(crate) fn too_large() -> Failure {
    Error::str("the expression builds more than it may")
}

fn number_failure(error: DecimalError) -> Failure {
    Error::str(format!("the number cannot be computed: {error}"))
}

impl Jq {
    fn math(
        self,
        other: Self,
        operation: Math,
        integers: impl Fn(i64, i64) -> Option<i64>,
        decimals: impl Fn(Decimal, Decimal) -> Result<Decimal, DecimalError>,
    ) -> ValR<Self> {
        match (&self.0, &other.0) {
            (Value::Number(left), Value::Number(right)) => {
                if let (Number::Integer(left), Number::Integer(right)) = (left, right)
                    && let Some(result) = integers(*left, *right)
                {
                    return Ok(Self(Value::from(result)));
                }
                decimals(left.to_decimal(), right.to_decimal()).map(whole_if_plain).map_err(number_failure)
            }
            _ => Err(Error::math(self, operation, other)),
        }
    }

    fn bounds(range: &Range<&Self>, length: usize) -> Result<(usize, usize), Failure> {
        let place = |bound: Option<&Self>, default: usize| match bound.map(|bound| (&bound.0, bound.0.as_number())) {
            None | Some((Value::Null, _)) => Ok(default),
            Some((_, Some(number))) => Ok(absolute(whole(number), length).clamp(0, length)),
            Some((other, None)) => Err(Error::typ(Self(other.clone()), "number")),
        };
        let (start, end) = (place(range.start, 0)?, place(range.end, length)?);
        Ok((start, end.max(start)))
    }
}

/// A decimal that came out without a fraction and without a scale is an integer again.
fn whole_if_plain(decimal: Decimal) -> Jq {
    let integer = (decimal.scale() <= 0).then(|| decimal.to_i64()).flatten();
    Jq(integer.map_or_else(|| Value::from(decimal), Value::from))
}

pub(crate) fn whole(number: Number) -> i64 {
    match number {
        Number::Integer(integer) => integer,
        Number::Decimal(decimal) => decimal.round(0, model::Rounding::Floor).to_i64().unwrap_or(i64::MAX),
    }
}

fn absolute(index: i64, length: usize) -> usize {
    if index < 0 {
        let back = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
        length.saturating_sub(back)
    } else {
        usize::try_from(index).unwrap_or(usize::MAX)
    }
}

/// The place an index means; `None` when it lies outside.
pub(crate) fn place(index: i64, length: usize) -> Option<usize> {
    if index < 0 {
        let back = usize::try_from(index.unsigned_abs()).ok()?;
        length.checked_sub(back)
    } else {
        usize::try_from(index).ok().filter(|place| *place < length)
    }
}

impl fmt::Display for Jq {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}
impl From<bool> for Jq {
    fn from(value: bool) -> Self {
        Self(Value::from(value))
    }
}
impl From<isize> for Jq {
    fn from(value: isize) -> Self {
        Self(Value::from(value as i64))
    }
}
impl From<usize> for Jq {
    fn from(value: usize) -> Self {
        Self(Value::from(value))
    }
}
impl From<f64> for Jq {
    /// The shortest decimal that means this float; what is no number becomes `null`, as JSON has no word for it.
    fn from(value: f64) -> Self {
        let decimal = value.is_finite().then(|| format!("{value}").parse::<Decimal>().ok()).flatten();
        decimal.map_or(Self(Value::Null), whole_if_plain)
    }
}
impl From<String> for Jq {
    fn from(value: String) -> Self {
        Self(Value::from(value))
    }
}
impl From<Range<Self>> for Jq {
    fn from(range: Range<Self>) -> Self {
        let bound = |bound: Option<Self>| bound.map_or(Value::Null, |bound| bound.0);
        Self(Value::object([("start", bound(range.start)), ("end", bound(range.end))]))
    }
}
impl FromIterator<Self> for Jq {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        let items: Vec<Value> = items.into_iter().map(|item| item.0).collect();
        if growth::put(&items).is_err() {
            evaluate::too_large();
        }
        Self(Value::from(items))
    }
}

impl std::ops::Add for Jq {
    type Output = ValR<Self>;
    fn add(self, other: Self) -> ValR<Self> {
        match (self.0, other.0) {
            (Value::Null, value) | (value, Value::Null) => Ok(Self(value)),
            (Value::String(left), Value::String(right)) => {
                if left.len() + right.len() > TEXT_MAX {
                    return Err(too_large());
                }
                growth::work((left.len() + right.len()) / TEXT_PER_VALUE)?;
                Ok(Self(Value::from([&*left, &*right].concat())))
            }
            (Value::Array(mut left), Value::Array(right)) => {
                if left.len() + right.len() > ITEMS_MAX {
                    return Err(too_large());
                }
                growth::put(&*right)?;
                growth::work(copied(&left, left.len()) + right.len())?;
                Arc::make_mut(&mut left).extend(right.iter().cloned());
                Ok(Self(Value::Array(left)))
            }
            (Value::Object(mut left), Value::Object(right)) => {
                growth::put(right.values())?;
                growth::work(copied(&left, left.len()) + right.len())?;
                let members = right.iter().map(|(name, value)| (name.clone(), value.clone()));
                Arc::make_mut(&mut left).extend(members);
                Ok(Self(Value::Object(left)))
            }
            (left, right) => Self(left).math(Self(right), Math::Add, i64::checked_add, Decimal::add),
        }
    }
}
impl std::ops::Sub for Jq {
    type Output = ValR<Self>;
    fn sub(self, other: Self) -> ValR<Self> {
        match (&self.0, &other.0) {
            (Value::Array(left), Value::Array(right)) => {
                // Looked up, as each item compared with each would take the square of their number.
                growth::work(left.len())?;
                growth::work(right.len())?;
                let unwanted: BTreeSet<&Value> = right.iter().collect();
                let kept = left.iter().filter(|item| !unwanted.contains(item)).cloned();
                Ok(Self(Value::from(kept.collect::<Vec<_>>())))
            }
            _ => self.math(other, Math::Sub, i64::checked_sub, Decimal::subtract),
        }
    }
}
impl std::ops::Mul for Jq {
    type Output = ValR<Self>;
    fn mul(self, other: Self) -> ValR<Self> {
        match (&self.0, &other.0) {
            (Value::String(text), Value::Number(times)) | (Value::Number(times), Value::String(text)) => {
                let times = usize::try_from(whole(*times)).unwrap_or(0);
                if times == 0 {
                    return Ok(Self(Value::Null));
                }
                if text.len().saturating_mul(times) > TEXT_MAX {
                    return Err(too_large());
                }
                Ok(Self(Value::from(text.repeat(times))))
            }
            (Value::Object(left), Value::Object(right)) => {
                growth::put(right.values())?;
                Ok(Self(Value::from(merged(left, right))))
            }
            _ => self.math(other, Math::Mul, i64::checked_mul, Decimal::multiply),
        }
    }
}
impl std::ops::Div for Jq {
    type Output = ValR<Self>;
    fn div(self, other: Self) -> ValR<Self> {
        match (&self.0, &other.0) {
            (Value::String(text), Value::String(separator)) => {
                if text.is_empty() {
                    return Ok(Self(Value::array::<Value>([])));
                }
                let parts: Vec<Value> = if separator.is_empty() {
                    text.chars().map(|character| Value::from(character.to_string())).collect()
                } else {
                    text.split(&**separator).map(Value::from).collect()
                };
                Ok(Self(Value::from(parts)))
            }
            _ => {
                let whole_result = |left: i64, right: i64| {
                    (right != 0 && left.checked_rem(right) == Some(0)).then(|| left.checked_div(right)).flatten()
                };
                let divide = |left: Decimal, right| left.divide(right).map(Decimal::normalized);
                self.math(other, Math::Div, whole_result, divide)
            }
        }
    }
}
impl std::ops::Rem for Jq {
    type Output = ValR<Self>;
    fn rem(self, other: Self) -> ValR<Self> {
        self.math(other, Math::Rem, i64::checked_rem, Decimal::remainder)
    }
}
impl std::ops::Neg for Jq {
    type Output = ValR<Self>;
    fn neg(self) -> ValR<Self> {
        Self(Value::from(0)).sub_numbers(self)
    }
}
impl Jq {
    /// A text as it is, anything else as JSON.
    pub(crate) fn into_text(self) -> ValR<Self> {
        match self.0 {
            Value::String(_) => Ok(self),
            other => Self(other).to_json(),
        }
    }

    pub(crate) fn to_json(&self) -> ValR<Self> {
        match growth::fits_a_text(&self.0) {
            true => Ok(Self(Value::from(json::to_string(&self.0)))),
            false => Err(too_large()),
        }
    }

    fn sub_numbers(self, other: Self) -> ValR<Self> {
        self.math(other, Math::Sub, i64::checked_sub, Decimal::subtract)
    }
}

fn merged(left: &Object, right: &Object) -> Object {
    let mut result = left.clone();
    for (name, value) in right {
        let both = match (result.get(name), value) {
            (Some(Value::Object(left)), Value::Object(right)) => Value::from(merged(left, right)),
            _ => value.clone(),
        };
        result.insert(name.clone(), both);
    }
    result
}

impl ValT for Jq {
    fn from_num(text: &str) -> ValR<Self> {
        if let Ok(integer) = text.parse::<i64>() {
            return Ok(Self(Value::from(integer)));
        }
        text.parse::<Decimal>().map(|decimal| Self(Value::from(decimal))).map_err(number_failure)
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> ValR<Self> {
        let mut object = Object::default();
        for (name, value) in members {
            match name.0 {
                Value::String(name) => object.insert(name, value.0),
                other => return Err(Error::typ(Self(other), "object key")),
            };
        }
        growth::put(object.values())?;
        // One term makes as many as a text has matches.
        growth::work(object.len() * MEMBER)?;
        Ok(Self(Value::from(object)))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        match self.0 {
            Value::Array(items) => {
                let items: Vec<Value> = items.to_vec();
                Box::new(items.into_iter().enumerate().map(|(index, item)| Ok((Self::from(index), Self(item)))))
            }
            Value::Object(members) => {
                let members = Arc::unwrap_or_clone(members);
                Box::new(members.into_iter().map(|(name, value)| Ok((Self(Value::String(name)), Self(value)))))
            }
            other => box_once(Err(Error::typ(Self(other), "iterable (array or object)"))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        match self.0 {
            Value::Array(items) => Box::new((0..items.len()).map(move |index| Ok(Self(items[index].clone())))),
            Value::Object(members) => Box::new((0..members.len()).map(move |index| Ok(Self(members[index].clone())))),
            other => box_once(Err(Error::typ(Self(other), "iterable (array or object)"))),
        }
    }

    fn index(self, index: &Self) -> ValR<Self> {
        match (&self.0, &index.0) {
            (Value::Null, Value::String(_) | Value::Number(_) | Value::Null) => Ok(Self(Value::Null)),
            (Value::Object(members), Value::String(name)) => Ok(Self(members.get(name).cloned().unwrap_or_default())),
            (Value::Array(items), Value::Number(number)) => {
                let found = place(whole(*number), items.len()).and_then(|place| items.get(place));
                Ok(Self(found.cloned().unwrap_or_default()))
            }
            (Value::Array(items), Value::Array(part)) if !part.is_empty() => {
                growth::work(items.len().saturating_mul(part.len()))?;
                let places = items.windows(part.len()).enumerate();
                let found = places.filter(|(_, window)| *window == part.as_slice()).map(|(place, _)| place);
                Ok(Self(Value::array(found)))
            }
            (_, Value::Object(range)) if range.contains_key("start") && range.contains_key("end") => {
                let (start, end) = (Self(index.0.get("start").clone()), Self(index.0.get("end").clone()));
                self.range(Some(&start)..Some(&end))
            }
            _ => Err(Error::index(self, index.clone())),
        }
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        match &self.0 {
            Value::Null => Ok(self),
            Value::Array(items) => {
                let (start, end) = Self::bounds(&range, items.len())?;
                Ok(Self(Value::from(items[start..end].to_vec())))
            }
            Value::String(text) => {
                let (start, end) = Self::bounds(&range, text.chars().count())?;
                Ok(Self(Value::from(text.chars().skip(start).take(end - start).collect::<String>())))
            }
            _ => Err(Error::typ(self, "array or string")),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        match self.0 {
            Value::Array(items) => {
                let mut kept = Vec::with_capacity(items.len());
                for item in Arc::unwrap_or_clone(items) {
                    for new in f(Self(item)) {
                        kept.push(new?.0);
                    }
                }
                growth::put(&kept)?;
                Ok(Self(Value::from(kept)))
            }
            Value::Object(members) => {
                let mut kept = Object::default();
                for (name, value) in Arc::unwrap_or_clone(members) {
                    if let Some(value) = f(Self(value)).next() {
                        kept.insert(name, value?.0);
                    }
                }
                growth::put(kept.values())?;
                Ok(Self(Value::from(kept)))
            }
            other => opt.fail(Self(other), |value| Exn::from(Error::typ(value, "iterable (array or object)"))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match (self.0, &index.0) {
            (value @ (Value::Object(_) | Value::Null), Value::String(name)) => {
                let mut value = if value.is_null() { Value::empty_object() } else { value };
                match f(Self(value.get(name).clone())).next() {
                    Some(new) => {
                        let new = new?.0;
                        growth::put([&new])?;
                        value.set(name.clone(), new);
                    }
                    None => {
                        value.remove(name);
                    }
                }
                Ok(Self(value))
            }
            (Value::Array(mut items), Value::Number(number)) => {
                let Some(place) = place(whole(*number), items.len()) else {
                    return map_beyond(items, whole(*number), opt, f);
                };
                growth::work(copied(&items, items.len()))?;
                let list = Arc::make_mut(&mut items);
                let old = list.get_mut(place).map(std::mem::take).unwrap_or_default();
                match f(Self(old)).next() {
                    Some(new) => {
                        let new = new?.0;
                        growth::put([&new])?;
                        list[place] = new;
                    }
                    None => {
                        growth::work(list.len() - place)?;
                        list.remove(place);
                    }
                }
                Ok(Self(Value::Array(items)))
            }
            (value, _) => opt.fail(Self(value), |value| Exn::from(Error::index(value, index.clone()))),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let Value::Array(items) = &self.0 else {
            return opt.fail(self, |value| Exn::from(Error::typ(value, "array")));
        };
        let (start, end) = Self::bounds(&range, items.len())?;
        let middle = f(Self(Value::from(items[start..end].to_vec()))).next().transpose()?;
        let middle = middle.map_or(Value::Null, |middle| middle.0);
        growth::put(middle.items())?;
        let whole = items[..start].iter().chain(middle.items()).chain(&items[end..]);
        Ok(Self(Value::from(whole.cloned().collect::<Vec<_>>())))
    }

    fn as_bool(&self) -> bool {
        !matches!(self.0, Value::Null | Value::Bool(false))
    }

    fn into_string(self) -> Self {
        self.into_text().unwrap_or_else(|_| evaluate::too_large())
    }
}

/// Sets an item behind the end of a list: the gap is filled with `null`.
fn map_beyond<'a, I: Iterator<Item = ValX<'a, Jq>>>(
    mut items: Arc<Vec<Value>>,
    index: i64,
    opt: Opt,
    f: impl Fn(Jq) -> I,
) -> ValX<'a, Jq> {
    let place = usize::try_from(index).ok().filter(|place| *place < ITEMS_MAX);
    let Some(place) = place else {
        return opt
            .fail(Jq(Value::Array(items)), |_| Exn::from(Error::str(format!("{index} is no place in the list"))));
    };
    if let Some(new) = f(Jq(Value::Null)).next() {
        let new = new?.0;
        growth::put([&new])?;
        let list = Arc::make_mut(&mut items);
        list.resize(place, Value::Null);
        list.push(new);
    }
    Ok(Jq(Value::Array(items)))
}

impl jaq_std::ValT for Jq {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self.0 {
            Value::Array(items) => Ok(Arc::unwrap_or_clone(items).into_iter().map(Self).collect()),
            other => Err(Self(other)),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self.0, Value::Number(Number::Integer(_)))
    }

    fn as_isize(&self) -> Option<isize> {
        match self.0 {
            Value::Number(Number::Integer(integer)) => isize::try_from(integer).ok(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        self.0.as_number().map(|number| number.to_decimal().to_f64_lossy())
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self.0, Value::String(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        self.0.as_str().map(str::as_bytes)
    }

    fn as_sub_str(&self, sub: &[u8]) -> Self {
        Self::from_utf8_bytes(sub.to_vec())
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self(Value::from(String::from_utf8_lossy(bytes.as_ref()).into_owned()))
    }
}
