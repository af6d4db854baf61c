//! From the engine's syntax tree to ours.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Opt, Part, Path};
use jaq_core::{ValR, ValT as _};
use model::{Object, Value};

use super::{Change, Code, Kind, Step, Steps, Target};
use crate::jq::Jq;

/// How many terms an expression may have and how deeply they may be nested, so that interpreting it fits on every stack.
const TERMS_MAX: usize = 400;
const DEPTH_MAX: usize = 60;

type Entry<'t> = (Term<&'t str>, Option<Term<&'t str>>);

pub(super) struct Compiler<'t> {
    globals: &'t [&'t str],
    locals: Vec<&'t str>,
    terms: usize,
    depth: usize,
}

/// `None` when anything is outside of the common part.
pub(super) fn compile(text: &str, variables: &[&str]) -> Option<Code> {
    let term = jaq_core::load::parse(text, |parser| parser.term())?;
    Compiler { globals: variables, locals: Vec::new(), terms: 0, depth: 0 }.code(&term)
}

fn boxed(code: Code) -> Box<Code> {
    Box::new(code)
}

/// A term that gives one output when its parts do.
fn of_two(left: Code, right: Code, kind: impl FnOnce(Box<Code>, Box<Code>) -> Kind) -> Code {
    let single = left.single && right.single;
    Code { kind: kind(boxed(left), boxed(right)), single }
}

/// What a term is when it is written out as constants.
fn constants(code: &Code) -> Option<Vec<Value>> {
    match &code.kind {
        Kind::Constant(value) => Some(vec![value.clone()]),
        Kind::Empty => Some(Vec::new()),
        Kind::Both(left, right) => Some([constants(left)?, constants(right)?].concat()),
        _ => None,
    }
}

impl<'t> Compiler<'t> {
    pub(super) fn code(&mut self, term: &Term<&'t str>) -> Option<Code> {
        self.terms += 1;
        if self.terms > TERMS_MAX || self.depth >= DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let code = self.term(term);
        self.depth -= 1;
        code
    }

    pub(super) fn boxed(&mut self, term: &Term<&'t str>) -> Option<Box<Code>> {
        self.code(term).map(Box::new)
    }

    /// A term that gives one output.
    pub(super) fn single(&mut self, term: &Term<&'t str>) -> Option<Code> {
        self.code(term).filter(|code| code.single)
    }

    fn term(&mut self, term: &Term<&'t str>) -> Option<Code> {
        Some(match term {
            Term::Id => Code::INPUT,
            Term::Num(text) => Code::constant(number(text)?),
            Term::Str(None, parts) => self.text(parts)?,
            Term::Arr(None) => Code::constant(Value::from(Vec::new())),
            Term::Arr(Some(of)) => {
                let of = self.code(of)?;
                match constants(&of) {
                    Some(items) => Code::constant(items),
                    None => Code { kind: Kind::List(boxed(of)), single: true },
                }
            }
            Term::Obj(entries) => self.object(entries)?,
            Term::Neg(of) => {
                let of = self.code(of)?;
                Code { single: of.single, kind: Kind::Negate(boxed(of)) }
            }
            Term::BinOp(left, BinaryOp::Pipe(Some(Pattern::Var(name))), right) => {
                let left = self.code(left)?;
                let right = self.within(name, |compiler| compiler.code(right))?;
                of_two(left, right, Kind::Bind)
            }
            Term::BinOp(left, operator, right) => self.operation(left, operator, right)?,
            Term::Fold("reduce", items, Pattern::Var(name), parts) => {
                let [start, step] = parts.as_slice() else { return None };
                let (items, start) = (self.code(items)?, self.single(start)?);
                let step = self.within(name, |compiler| compiler.single(step))?;
                Code { kind: Kind::Reduce(Box::new([items, start, step])), single: true }
            }
            Term::TryCatch(body, catch) => {
                let body = self.code(body)?;
                let catch = match catch {
                    Some(catch) => self.code(catch)?,
                    None => Code { kind: Kind::Empty, single: false },
                };
                of_two(body, catch, Kind::Try)
            }
            Term::IfThenElse(branches, otherwise) => {
                let otherwise = match otherwise {
                    Some(otherwise) => self.code(otherwise)?,
                    None => Code::INPUT,
                };
                branches.iter().rev().try_fold(otherwise, |otherwise, (condition, then)| {
                    let (condition, then) = (self.code(condition)?, self.code(then)?);
                    Some(choice(condition, then, otherwise))
                })?
            }
            Term::Call(name, arguments) => self.call(name, arguments)?,
            Term::Var(name) => self.variable(name)?,
            Term::Path(base, path) => {
                let base = self.code(base)?;
                let (steps, plain) = self.steps(path)?;
                Code { single: base.single && plain, kind: Kind::Path(boxed(base), steps) }
            }
            _ => return None,
        })
    }

    fn within<T>(&mut self, name: &'t str, compile: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.locals.push(name);
        let compiled = compile(self);
        self.locals.pop();
        compiled
    }

    fn variable(&self, name: &str) -> Option<Code> {
        let local = self.locals.iter().rev().position(|known| *known == name).map(Kind::Local);
        let global = || self.globals.iter().rposition(|known| *known == name).map(Kind::Global);
        local.or_else(global).map(|kind| Code { kind, single: true })
    }

    fn operation(&mut self, left: &Term<&'t str>, operator: &BinaryOp<&'t str>, right: &Term<&'t str>) -> Option<Code> {
        let change = match operator {
            BinaryOp::Assign => Change::Assign(Box::new(self.single(right)?)),
            BinaryOp::Update => Change::Update(Box::new(self.single(right)?)),
            BinaryOp::UpdateMath(operation) => Change::Math(*operation, Box::new(self.single(right)?)),
            BinaryOp::UpdateAlt => Change::Alternative(Box::new(self.single(right)?)),
            _ => {
                let (left, right) = (self.code(left)?, self.code(right)?);
                return Some(match operator {
                    BinaryOp::Pipe(None) => of_two(left, right, Kind::Pipe),
                    BinaryOp::Comma => Code { kind: Kind::Both(boxed(left), boxed(right)), single: false },
                    BinaryOp::Alt => of_two(left, right, Kind::Alternative),
                    BinaryOp::Or => of_two(left, right, |left, right| Kind::Logic(left, true, right)),
                    BinaryOp::And => of_two(left, right, |left, right| Kind::Logic(left, false, right)),
                    BinaryOp::Math(operation) => of_two(left, right, |left, right| Kind::Math(left, *operation, right)),
                    BinaryOp::Cmp(operation) => {
                        of_two(left, right, |left, right| Kind::Compare(left, *operation, right))
                    }
                    _ => return None,
                });
            }
        };
        Some(Code { kind: Kind::Change(self.target(left)?, change), single: true })
    }

    fn text(&mut self, parts: &[StrPart<&'t str, Term<&'t str>>]) -> Option<Code> {
        let mut compiled: Vec<Code> = Vec::with_capacity(parts.len());
        let mut literal = String::new();
        for part in parts {
            match part {
                StrPart::Str(text) => literal.push_str(text),
                StrPart::Char(character) => literal.push(*character),
                StrPart::Term(term) => {
                    if !literal.is_empty() {
                        compiled.push(Code::constant(std::mem::take(&mut literal)));
                    }
                    compiled.push(self.code(term)?);
                }
            }
        }
        if compiled.is_empty() {
            return Some(Code::constant(literal));
        }
        if !literal.is_empty() {
            compiled.push(Code::constant(literal));
        }
        if compiled.iter().all(|part| part.single) {
            return Some(Code { kind: Kind::Text(compiled.into()), single: true });
        }
        // Each output of a part with each of the others, as the engine adds them up.
        Some(added(compiled.into_iter().map(text_of)))
    }

    fn object(&mut self, entries: &[Entry<'t>]) -> Option<Code> {
        let mut parts: Vec<Code> = Vec::new();
        let mut plain: Vec<(Code, Code)> = Vec::new();
        let together = |plain: &mut Vec<(Code, Code)>| literal(std::mem::take(plain));
        for (key, value) in entries {
            let (key, value) = self.entry(key, value.as_ref())?;
            if key.single && value.single {
                plain.push((key, value));
                continue;
            }
            if !plain.is_empty() {
                parts.push(together(&mut plain));
            }
            parts.push(Code { kind: Kind::Entry(Box::new((key, value))), single: false });
        }
        if parts.is_empty() || !plain.is_empty() {
            parts.push(together(&mut plain));
        }
        Some(added(parts.into_iter()))
    }

    fn entry(&mut self, key: &Term<&'t str>, value: Option<&Term<&'t str>>) -> Option<(Code, Code)> {
        match (key, value) {
            (Term::Var(name), None) => Some((Code::constant(name.get(1..)?), self.variable(name)?)),
            (key, Some(value)) => Some((self.code(key)?, self.code(value)?)),
            (key, None) => {
                // The key is written once and used twice: as the name, and to look the value up.
                let (name, index) = (self.single(key)?, self.single(key)?);
                let steps = steps(vec![(step(index), Opt::Essential)]);
                Some((name, Code { kind: Kind::Path(boxed(Code::INPUT), steps), single: true }))
            }
        }
    }

    /// The parts of a path whose indices give one output each, and whether it leads to exactly one place.
    fn steps(&mut self, path: &Path<Term<&'t str>>) -> Option<(Steps, bool)> {
        let (mut compiled, mut plain) = (Vec::with_capacity(path.0.len()), true);
        for (part, opt) in &path.0 {
            let made = match part {
                Part::Index(index) => step(self.single(index)?),
                Part::Range(None, None) => Step::Each,
                Part::Range(start, end) => {
                    let mut bound = |term: &Option<Term<&'t str>>| match term {
                        Some(term) => self.single(term).map(Some),
                        None => Some(None),
                    };
                    Step::Slice(bound(start)?, bound(end)?)
                }
            };
            plain &= matches!(opt, Opt::Essential) && !matches!(made, Step::Each);
            compiled.push((made, *opt));
        }
        Some((steps(compiled), plain))
    }

    /// A term that says where a change is made.
    pub(super) fn target(&mut self, term: &Term<&'t str>) -> Option<Target> {
        self.terms += 1;
        if self.terms > TERMS_MAX || self.depth >= DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let target = self.target_of(term);
        self.depth -= 1;
        target
    }

    fn target_of(&mut self, term: &Term<&'t str>) -> Option<Target> {
        Some(match term {
            Term::Id => Target::Input,
            Term::Path(base, path) => {
                let base = self.target(base)?;
                let (steps, _) = self.steps(path)?;
                // The engine raises an error of an index only where the base has led somewhere.
                if steps.computed && !matches!(base, Target::Input) {
                    return None;
                }
                Target::Path(Box::new(base), steps)
            }
            Term::BinOp(left, BinaryOp::Pipe(None), right) => {
                Target::Pipe(Box::new(self.target(left)?), Box::new(self.target(right)?))
            }
            Term::BinOp(left, BinaryOp::Comma, right) => {
                Target::Both(Box::new(self.target(left)?), Box::new(self.target(right)?))
            }
            Term::Call("select", arguments) => {
                let [condition] = arguments.as_slice() else { return None };
                Target::Select(Box::new(self.single(condition)?))
            }
            _ => return None,
        })
    }
}

impl Target {
    /// Whether what is changed there is always part of something, so that something is left when it is taken out.
    pub(super) fn is_inside(&self) -> bool {
        match self {
            Self::Input | Self::Select(_) => false,
            Self::Path(..) => true,
            Self::Both(left, right) => left.is_inside() && right.is_inside(),
            Self::Pipe(left, right) => match &**left {
                Self::Input => right.is_inside(),
                left => left.is_inside(),
            },
        }
    }
}

fn number(text: &str) -> Option<Value> {
    text.parse::<isize>()
        .map_or_else(|_| Jq::from_num(text), |integer| Ok(Jq::from(integer)))
        .ok()
        .map(|number| number.0)
}

fn step(index: Code) -> Step {
    match index.kind {
        Kind::Constant(Value::String(name)) => Step::Name(name),
        _ => Step::Index(index),
    }
}

pub(super) fn steps(steps: Vec<(Step, Opt)>) -> Steps {
    let computed = steps.iter().any(|(step, _)| matches!(step, Step::Index(_) | Step::Slice(..)));
    Steps { steps: steps.into(), computed }
}

pub(super) fn choice(condition: Code, then: Code, otherwise: Code) -> Code {
    let single = condition.single && then.single && otherwise.single;
    Code { kind: Kind::If(Box::new([condition, then, otherwise])), single }
}

/// Parts added up from the right, as the engine does.
fn added(parts: impl DoubleEndedIterator<Item = Code>) -> Code {
    let sum = parts.rev().reduce(|sum, part| of_two(part, sum, |left, right| Kind::Math(left, Math::Add, right)));
    sum.unwrap_or(Code::INPUT)
}

/// A part of a text, as text.
fn text_of(part: Code) -> Code {
    fn into_string(value: Jq) -> ValR<Jq> {
        Ok(value.into_string())
    }
    of_two(part, Code { kind: Kind::Apply(into_string), single: true }, Kind::Pipe)
}

/// An object whose keys and values give one output each; written out, it is a constant.
fn literal(entries: Vec<(Code, Code)>) -> Code {
    let constant = entries.iter().map(|(key, value)| match (&key.kind, &value.kind) {
        (Kind::Constant(Value::String(name)), Kind::Constant(value)) => Some((name.clone(), value.clone())),
        _ => None,
    });
    match constant.collect::<Option<Object>>() {
        Some(members) => Code::constant(members),
        None => Code { kind: Kind::Object(entries.into()), single: true },
    }
}
