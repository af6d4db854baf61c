//! Regular expressions: what `test`, `match`, `capture`, `scan`, `split` and `sub` are made of.
//!
//! The engine's own would search a text for minutes in one term: what a search takes is the length of the text times the size of the
//! expression, and where each of many searches looks at the rest of the text, times their number as well. Here every byte that is looked at
//! is counted against the evaluation's work, and so is what an expression comes to when it is compiled.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use jaq_core::{Cv, Error, ValR, ValT as _};
use model::Value;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Hir, HirKind, Look, Repetition};

use crate::evaluate::Engine;
use crate::growth;
use crate::jq::Jq;

type Failure = Error<Jq>;

/// Longest regular expression, in bytes, how deeply it may be nested, and how large it may become, in bytes.
const TEXT_MAX: usize = 4_096;
const NESTING_MAX: u32 = 100;
const SIZE_MAX: usize = 256 * 1024;
/// How many compiled ones are remembered by a thread; beyond it the memory starts anew.
const REMEMBERED_MAX: usize = 64;
/// How often the states of a search may outgrow their memory before it is given up.
const CLEARED_MAX: usize = 4;

/// What compiling takes, in values copied: at least, for each byte that the result has, and when it is refused.
const COMPILING: usize = 2_000;
const COMPILED: usize = 4;
const REFUSED: usize = 1_000_000;
/// What a search takes besides the bytes that it looks at, and what making its match takes besides the members that it has.
const SEARCH: usize = 40;
const MATCH: usize = 250;
/// What making the states of a search takes, for each byte that they have; they are kept for the evaluation.
const STATES: usize = 2;

/// Which parts of a text are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// What lies between matches.
    pub(crate) between: bool,
    /// The matches, each as a list of its groups.
    pub(crate) matches: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    text: Box<str>,
    flags: Box<str>,
}

struct Pattern {
    forward: DFA,
    backward: DFA,
    /// Finds what the groups of a match are; nothing when it has none.
    groups: Option<PikeVM>,
    names: Vec<Option<Box<str>>>,
    states: usize,
    size: usize,
    all: bool,
    nonempty: bool,
    /// The states that searches have made, and for which evaluation.
    caches: RefCell<(Cache, Cache)>,
    used: Cell<u64>,
}

thread_local! {
    static REMEMBERED: RefCell<HashMap<Key, Rc<Pattern>>> = RefCell::default();
}

/// The parts of a text that a regular expression makes of it: `input | matches(expression; flags)` and its like.
pub(crate) fn parts(mut cv: Cv<'_, Engine>, wanted: Wanted) -> ValR<Jq> {
    let (flags, expression) = (cv.0.pop_var(), cv.0.pop_var());
    let text = |value: &Jq| match &value.0 {
        Value::String(text) => Ok(text.clone()),
        _ => Err(Error::typ(value.clone(), "string")),
    };
    let (flags, expression, input) = (text(&flags)?, text(&expression)?, text(&cv.1)?);
    let pattern = compiled(&expression, &flags)?;
    pattern.parts(&input, wanted)
}

fn compiled(text: &str, flags: &str) -> Result<Rc<Pattern>, Failure> {
    let key = Key { text: text.into(), flags: flags.into() };
    // Whose work is used up compiles nothing more, though an expression may go on after the error.
    growth::work(SEARCH)?;
    let known = REMEMBERED.with_borrow(|remembered| remembered.get(&key).cloned());
    let pattern = match known {
        Some(pattern) => pattern,
        None => {
            let pattern = match Pattern::compile(text, flags) {
                Ok(pattern) => Rc::new(pattern),
                Err(message) => {
                    growth::work(REFUSED)?;
                    return Err(Error::str(message));
                }
            };
            REMEMBERED.with_borrow_mut(|remembered| {
                if remembered.len() >= REMEMBERED_MAX {
                    remembered.clear();
                }
                remembered.insert(key, Rc::clone(&pattern));
            });
            pattern
        }
    };
    // Whether it was remembered makes no difference to what an evaluation may do.
    if pattern.used.replace(growth::evaluation()) != growth::evaluation() {
        growth::work(COMPILING + pattern.size * COMPILED)?;
        let (forward, backward) = &mut *pattern.caches.borrow_mut();
        forward.reset(&pattern.forward);
        backward.reset(&pattern.backward);
    }
    Ok(pattern)
}

impl Pattern {
    fn compile(text: &str, flags: &str) -> Result<Self, String> {
        if text.len() > TEXT_MAX {
            return Err(format!("a regular expression may have {TEXT_MAX} bytes"));
        }
        let mut parser = ParserBuilder::new();
        parser.nest_limit(NESTING_MAX);
        let (mut all, mut nonempty) = (false, false);
        for flag in flags.chars() {
            match flag {
                'g' => all = true,
                'n' => nonempty = true,
                'i' => drop(parser.case_insensitive(true)),
                'm' => drop(parser.multi_line(true)),
                's' => drop(parser.dot_matches_new_line(true)),
                'l' => drop(parser.swap_greed(true)),
                'x' => drop(parser.ignore_whitespace(true)),
                'p' => drop(parser.multi_line(true).dot_matches_new_line(true)),
                other => return Err(format!("invalid regex flag: {other}")),
            }
        }
        let invalid = |error: &dyn std::error::Error| {
            let mut root = error;
            while let Some(source) = root.source() {
                root = source;
            }
            let told = root.to_string();
            let told = told.lines().last().unwrap_or_default();
            format!("invalid regex: {}", told.strip_prefix("error: ").unwrap_or(told))
        };
        let parsed = parser.build().parse(text).map_err(|error| invalid(&error))?;
        let parsed = with_plain_words(parsed);
        let thompson = |reverse| {
            let captures = if reverse { WhichCaptures::None } else { WhichCaptures::All };
            let limit = thompson::Config::new().nfa_size_limit(Some(SIZE_MAX)).reverse(reverse);
            NFA::compiler()
                .configure(limit.which_captures(captures))
                .build_from_hir(&parsed)
                .map_err(|error| invalid(&error))
        };
        let (there, back) = (thompson(false)?, thompson(true)?);
        let lazily = |nfa: &NFA, kind| {
            let limits = DFA::config().match_kind(kind).minimum_cache_clear_count(Some(CLEARED_MAX));
            DFA::builder()
                .configure(limits.skip_cache_capacity_check(true))
                .build_from_nfa(nfa.clone())
                .map_err(|error| invalid(&error))
        };
        let forward = lazily(&there, MatchKind::LeftmostFirst)?;
        let backward = lazily(&back, MatchKind::All)?;
        let names: Vec<Option<Box<str>>> = there
            .patterns()
            .flat_map(|pattern| there.group_info().pattern_names(pattern))
            .map(|name| name.map(Box::from))
            .collect();
        let (states, size) = (there.states().len(), there.memory_usage() + back.memory_usage());
        let groups = match names.len() {
            0 | 1 => None,
            _ => Some(PikeVM::new_from_nfa(there).map_err(|error| invalid(&error))?),
        };
        let caches = RefCell::new((forward.create_cache(), backward.create_cache()));
        Ok(Self { forward, backward, groups, names, states, size, all, nonempty, caches, used: Cell::new(0) })
    }

    fn parts(&self, text: &str, wanted: Wanted) -> ValR<Jq> {
        let mut parts = Vec::new();
        let (mut from, mut behind, mut place) = (0, 0, Place::default());
        while let Some((start, end)) = self.next(text, from)? {
            if !(self.nonempty && start == end) {
                if wanted.between {
                    parts.push(Jq(Value::from(&text[behind..start])));
                    behind = end;
                }
                if wanted.matches {
                    parts.push(self.groups(text, start, end, &mut place)?);
                }
                growth::work(MATCH)?;
                if !self.all {
                    break;
                }
            }
            // What is empty is not found at the same place again.
            from = if start == end { behind_the_next(text, end) } else { end };
            if from > text.len() {
                break;
            }
        }
        if wanted.between {
            parts.push(Jq(Value::from(&text[behind..])));
        }
        Ok(parts.into_iter().collect())
    }

    /// Where the next match begins and ends.
    fn next(&self, text: &str, mut from: usize) -> Result<Option<(usize, usize)>, Failure> {
        let (forward, backward) = &mut *self.caches.borrow_mut();
        loop {
            growth::work(SEARCH)?;
            let Some(end) = self.end(forward, text, from)? else { return Ok(None) };
            let Some(start) = self.start(backward, text, from, end)? else { return Ok(None) };
            if text.is_char_boundary(start) && text.is_char_boundary(end) {
                return Ok(Some((start, end)));
            }
            // What is empty may be found within a character.
            from = behind_the_next(text, end);
            if from > text.len() {
                return Ok(None);
            }
        }
    }

    fn end(&self, cache: &mut Cache, text: &str, from: usize) -> Result<Option<usize>, Failure> {
        let input = Input::new(text).span(from..text.len());
        let state = self.forward.start_state_forward(cache, &input).map_err(gave_up)?;
        let (mut walk, mut found) = (Walk::new(&self.forward, cache, state), None);
        for (place, byte) in text.bytes().enumerate().skip(from) {
            walk.step(byte)?;
            // A match is known one byte late.
            if walk.state.is_match() {
                found = Some(place);
            } else if walk.state.is_dead() {
                return walk.end().map(|()| found);
            }
        }
        walk.last()?;
        Ok(if walk.state.is_match() { Some(text.len()) } else { found })
    }

    fn start(&self, cache: &mut Cache, text: &str, from: usize, end: usize) -> Result<Option<usize>, Failure> {
        let input = Input::new(text).span(from..end).anchored(Anchored::Yes);
        let state = self.backward.start_state_reverse(cache, &input).map_err(gave_up)?;
        let (mut walk, mut found) = (Walk::new(&self.backward, cache, state), None);
        for place in (from..end).rev() {
            walk.step(text.as_bytes()[place])?;
            if walk.state.is_match() {
                found = Some(place + 1);
            } else if walk.state.is_dead() {
                return walk.end().map(|()| found);
            }
        }
        match from.checked_sub(1) {
            Some(before) => walk.step(text.as_bytes()[before])?,
            None => walk.last()?,
        }
        Ok(if walk.state.is_match() { Some(from) } else { found })
    }

    /// A match as the list of its groups, the first of which is all of it.
    fn groups(&self, text: &str, start: usize, end: usize, place: &mut Place) -> ValR<Jq> {
        let Some(groups) = &self.groups else {
            return Ok([group(text, start, end, None, place)?].into_iter().collect());
        };
        growth::work((end - start + 1).saturating_mul(self.states))?;
        let mut cache = groups.create_cache();
        let mut captures: Captures = groups.create_captures();
        let input = Input::new(text).span(start..end).anchored(Anchored::Yes);
        groups.captures(&mut cache, input, &mut captures);
        let mut found = Vec::new();
        for (index, name) in self.names.iter().enumerate() {
            if let Some(span) = captures.get_group(index) {
                found.push(group(text, span.start, span.end, name.as_deref(), place)?);
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// A walk through the states of a search, whose steps are counted.
struct Walk<'a> {
    states: &'a DFA,
    cache: &'a mut Cache,
    state: LazyStateID,
    memory: usize,
    uncounted: usize,
}

impl<'a> Walk<'a> {
    fn new(states: &'a DFA, cache: &'a mut Cache, state: LazyStateID) -> Self {
        let memory = cache.memory_usage();
        Self { states, cache, state, memory, uncounted: 0 }
    }

    fn step(&mut self, byte: u8) -> Result<(), Failure> {
        self.state = self.states.next_state(self.cache, self.state, byte).map_err(gave_up)?;
        self.uncounted += 1;
        if self.uncounted >= 4_096 {
            self.end()?;
        }
        Ok(())
    }

    fn last(&mut self) -> Result<(), Failure> {
        self.state = self.states.next_eoi_state(self.cache, self.state).map_err(gave_up)?;
        self.end()
    }

    fn end(&mut self) -> Result<(), Failure> {
        let memory = self.cache.memory_usage();
        let made = memory.saturating_sub(std::mem::replace(&mut self.memory, memory));
        growth::work(std::mem::take(&mut self.uncounted) + made * STATES)
    }
}

fn gave_up(_: impl std::error::Error) -> Failure {
    growth::too_many_steps()
}

/// Where the character behind this place ends: behind the end of the text for its end.
fn behind_the_next(text: &str, place: usize) -> usize {
    (place + 1..text.len()).find(|place| text.is_char_boundary(*place)).unwrap_or(text.len().max(place + 1))
}

/// Places counted in characters, from one to the next.
#[derive(Default)]
struct Place {
    byte: usize,
    character: usize,
}

impl Place {
    fn of(&mut self, text: &str, byte: usize) -> usize {
        // A group may begin before another that was counted last.
        match byte.checked_sub(self.byte) {
            Some(_) => self.character += text[self.byte..byte].chars().count(),
            None => self.character -= text[byte..self.byte].chars().count(),
        }
        self.byte = byte;
        self.character
    }
}

fn group(text: &str, start: usize, end: usize, name: Option<&str>, place: &mut Place) -> ValR<Jq> {
    let found = &text[start..end];
    let members = [
        ("offset", Value::from(place.of(text, start))),
        ("length", Value::from(found.chars().count())),
        ("string", Value::from(found)),
    ];
    let named = name.map(|name| ("name", Value::from(name)));
    Jq::from_map(members.into_iter().chain(named).map(|(name, value)| (Jq(Value::from(name)), Jq(value))))
}

/// The same expression where a word, for its boundaries, is one of ASCII: others cannot be searched for in a bounded time.
fn with_plain_words(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => other,
        }),
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
            Hir::repetition(Repetition { min, max, greedy, sub: Box::new(with_plain_words(*sub)) })
        }
        HirKind::Capture(Capture { index, name, sub }) => {
            Hir::capture(Capture { index, name, sub: Box::new(with_plain_words(*sub)) })
        }
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(with_plain_words).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.into_iter().map(with_plain_words).collect()),
    }
}
