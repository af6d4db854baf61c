//! The functions of the common part.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jaq_core::load::parse::Term;
use jaq_core::ops::{Cmp, Math};
use jaq_core::path::Opt;
use jaq_core::{Error, Filter, ValR, ValT as _};
use model::{Object, Text, Value};

use super::compile::{Compiler, choice, steps};
use super::{Change, Code, Function, FunctionOf, Kind, Step};
use crate::compile::program;
use crate::evaluate::Engine;
use crate::functions;
use crate::jq::Jq;

/// Functions that only the engine has, all with exactly one output and with arguments that are values of the same input. They
/// are called through it one by one: what they do is exactly what they always did.
const ENGINE: [(&str, usize); 44] = [
    ("@base64", 0),
    ("@base64d", 0),
    ("@html", 0),
    ("@json", 0),
    ("@text", 0),
    ("@uri", 0),
    ("abs", 0),
    ("ascii", 0),
    ("ceil", 0),
    ("endswith", 1),
    ("explode", 0),
    ("fabs", 0),
    ("flatten", 0),
    ("flatten", 1),
    ("floor", 0),
    ("fromdate", 0),
    ("fromdateiso8601", 0),
    ("gmtime", 0),
    ("implode", 0),
    ("in", 1),
    ("index", 1),
    ("inside", 1),
    ("isarray", 0),
    ("isnumber", 0),
    ("isobject", 0),
    ("isstring", 0),
    ("join", 1),
    ("ltrimstr", 1),
    ("pow", 2),
    ("reverse", 0),
    ("rindex", 1),
    ("round", 0),
    ("rtrimstr", 1),
    ("sort", 0),
    ("split", 2),
    ("sqrt", 0),
    ("startswith", 1),
    ("strftime", 1),
    ("strptime", 1),
    ("test", 1),
    ("test", 2),
    ("todate", 0),
    ("transpose", 0),
    ("trim", 0),
];

impl<'t> Compiler<'t> {
    pub(super) fn call(&mut self, name: &'t str, arguments: &[Term<&'t str>]) -> Option<Code> {
        match arguments {
            [] => self.call_none(name),
            [argument] => self.call_one(name, argument),
            [first, second] => match name {
                "all" | "any" => {
                    let (items, condition) = (self.code(first)?, self.code(second)?);
                    Some(search(items, condition, name))
                }
                "range" => self.range(Some(first), second, None),
                _ => self.engine(name, arguments),
            },
            [from, to, by] if name == "range" => self.range(Some(from), to, Some(by)),
            _ => None,
        }
    }

    fn call_none(&mut self, name: &str) -> Option<Code> {
        let single = |kind| Code { kind, single: true };
        let apply = |function: Function| single(Kind::Apply(function));
        let at = |place: i64| {
            let steps = steps(vec![(Step::Index(Code::constant(place)), Opt::Essential)]);
            single(Kind::Path(Box::new(Code::INPUT), steps))
        };
        Some(match name {
            "null" => Code::constant(Value::Null),
            "true" => Code::constant(true),
            "false" => Code::constant(false),
            "empty" => Code { kind: Kind::Empty, single: false },
            "error" => single(Kind::Raise(Box::new(Code::INPUT))),
            "not" => apply(|value| Ok(Jq::from(!value.as_bool()))),
            "tostring" | "text" => apply(Jq::into_text),
            "tojson" => apply(|value| value.to_json()),
            "fromjson" => apply(|value| functions::from_json(&value)),
            "tonumber" => apply(functions::to_number),
            "length" => apply(functions::length),
            "sum" => single(Kind::ApplyToItems(|value| functions::sum(&value))),
            "digits" => apply(|value| functions::digits(&value)),
            "type" => apply(|value| Ok(Jq(Value::from(value.0.kind())))),
            "ascii_downcase" => apply(|value| with_text(value, str::to_ascii_lowercase)),
            "ascii_upcase" => apply(|value| with_text(value, str::to_ascii_uppercase)),
            "keys" => single(Kind::ApplyToItems(keys)),
            "to_entries" => single(Kind::ApplyToItems(to_entries)),
            "from_entries" => single(Kind::ApplyToItems(from_entries)),
            "add" => single(Kind::Sum(Box::new(Code::each()))),
            "min" | "max" => single(Kind::Extreme(Box::new(Code::INPUT), name == "max")),
            "unique" => single(Kind::Unique(Box::new(Code::INPUT))),
            "all" | "any" => search(Code::each(), Code::INPUT, name),
            "first" => at(0),
            "last" => at(-1),
            "values" => choice(
                single(Kind::Compare(Box::new(Code::INPUT), Cmp::Ne, Box::new(Code::constant(Value::Null)))),
                Code::INPUT,
                Code { kind: Kind::Empty, single: false },
            ),
            _ => return self.engine(name, &[]),
        })
    }

    fn call_one(&mut self, name: &'t str, argument: &Term<&'t str>) -> Option<Code> {
        let single = |kind| Code { kind, single: true };
        let many = |kind| Code { kind, single: false };
        let mut apply = |function: FunctionOf| Some(single(Kind::ApplyTo(function, Box::new(self.single(argument)?))));
        Some(match name {
            "has" => return apply(functions::has),
            "contains" => {
                return apply(|value, part| Ok(Jq::from(functions::contains(&value.0, &part.0)?)));
            }
            "indices" => return apply(functions::indices),
            "round_to" => return apply(functions::round_to),
            "split" => return apply(split),
            "error" => single(Kind::Raise(Box::new(self.single(argument)?))),
            "select" => choice(self.code(argument)?, Code::INPUT, many(Kind::Empty)),
            "map" => self.map(argument)?,
            "with_entries" => {
                let map = self.map(argument)?;
                let inner = single(Kind::Pipe(Box::new(map), Box::new(single(Kind::ApplyToItems(from_entries)))));
                single(Kind::Pipe(Box::new(single(Kind::ApplyToItems(to_entries))), Box::new(inner)))
            }
            "add" => single(Kind::Sum(self.boxed(argument)?)),
            "all" | "any" => search(Code::each(), self.code(argument)?, name),
            "isempty" => single(Kind::IsEmpty(self.boxed(argument)?)),
            "first" => many(Kind::First(self.boxed(argument)?)),
            "last" => many(Kind::Last(self.boxed(argument)?)),
            "min_by" | "max_by" => single(Kind::Extreme(self.boxed(argument)?, name == "max_by")),
            "unique_by" => single(Kind::Unique(self.boxed(argument)?)),
            "range" => return self.range(None, argument, None),
            "del" => {
                let target = self.target(argument).filter(super::Target::is_inside)?;
                single(Kind::Change(target, Change::Delete))
            }
            _ => return self.engine(name, std::slice::from_ref(argument)),
        })
    }

    /// `map(f)` is `[.[] | f]`.
    fn map(&mut self, of: &Term<&'t str>) -> Option<Code> {
        let of = self.code(of)?;
        let each = Code { kind: Kind::Pipe(Box::new(Code::each()), Box::new(of)), single: false };
        Some(Code { kind: Kind::List(Box::new(each)), single: true })
    }

    fn range(&mut self, from: Option<&Term<&'t str>>, to: &Term<&'t str>, by: Option<&Term<&'t str>>) -> Option<Code> {
        let mut bound = |term: Option<&Term<&'t str>>, otherwise: i64| match term {
            Some(term) => self.single(term),
            None => Some(Code::constant(otherwise)),
        };
        let bounds = Box::new([bound(from, 0)?, bound(Some(to), 0)?, bound(by, 1)?]);
        Some(Code { kind: Kind::Range(bounds), single: false })
    }

    fn engine(&mut self, name: &str, arguments: &[Term<&'t str>]) -> Option<Code> {
        if !ENGINE.contains(&(name, arguments.len())) {
            return None;
        }
        let arguments = arguments.iter().map(|argument| self.single(argument)).collect::<Option<Box<[_]>>>()?;
        Some(Code { kind: Kind::Engine(engine(name, arguments.len())?, arguments), single: true })
    }
}

/// A function of the engine as a program of its own, compiled once.
fn engine(name: &str, arguments: usize) -> Option<Arc<Filter<Engine>>> {
    type Known = HashMap<(String, usize), Arc<Filter<Engine>>>;
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    let key = (name.to_owned(), arguments);
    if let Some(known) = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Some(Arc::clone(known));
    }
    let variables = ["$first", "$second"].get(..arguments)?;
    let text = if variables.is_empty() { name.to_owned() } else { format!("{name}({})", variables.join(";")) };
    let filter = Arc::new(program(&text, variables).ok()?);
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&filter));
    Some(filter)
}

fn search(items: Code, condition: Code, name: &str) -> Code {
    Code { kind: Kind::Search(Box::new([items, condition]), name == "any"), single: true }
}

fn with_text(value: Jq, change: impl FnOnce(&str) -> String) -> ValR<Jq> {
    match value.0.as_str() {
        Some(text) => Ok(Jq(Value::from(change(text)))),
        None => Err(Error::typ(value, "string")),
    }
}

fn split(value: Jq, separator: Jq) -> ValR<Jq> {
    match (&value.0, &separator.0) {
        (Value::String(_), Value::String(_)) => Math::Div.run(value, separator),
        _ => Err(Error::str("split input and separator must be strings")),
    }
}

fn keys(value: Jq) -> ValR<Jq> {
    let mut keys = value.key_values().map(|pair| Ok(pair?.0.0)).collect::<Result<Vec<_>, _>>()?;
    keys.sort();
    Ok(Jq(Value::from(keys)))
}

fn to_entries(value: Jq) -> ValR<Jq> {
    let entries = value.key_values().map(|pair| {
        let (key, value) = pair?;
        let mut entry = Object::with_capacity(2);
        entry.insert(Text::new_static("key"), key.0);
        entry.insert(Text::new_static("value"), value.0);
        Ok(Value::from(entry))
    });
    Ok(Jq(Value::from(entries.collect::<Result<Vec<_>, _>>()?)))
}

fn from_entries(value: Jq) -> ValR<Jq> {
    let (key, content) = (Jq(Value::from("key")), Jq(Value::from("value")));
    let mut members = Object::default();
    for item in value.values() {
        let item = item?;
        match item.clone().index(&key)?.0 {
            Value::String(name) => members.insert(name, item.index(&content)?.0),
            other => return Err(Error::typ(Jq(other), "object key")),
        };
    }
    Ok(Jq(Value::from(members)))
}
