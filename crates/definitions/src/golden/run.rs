//! What a case gives.

use std::sync::Arc;

use connect::Call;
use expr::Limits;
use mapping::Mapping;
use model::{Span, Value};
use sync::matching::{self, Candidate};

use super::compare::{Difference, Nulls, compare, compare_values};
use super::{Case, Recognised, References, Subject, Written};
use crate::agreement::Synchronised;
use crate::call::key_text;
use crate::connection::{Feed, Function};
use crate::occasions::Occasions;

/// What a case gave, and how that differs from what it should have given.
#[derive(Debug)]
pub struct Outcome {
    /// What is not as it should be; none when the case passes.
    pub differences: Vec<Difference>,
    /// What came out, by the member of the case that says what should.
    pub(crate) results: Vec<Gave>,
}

impl Outcome {
    /// Whether the case passes.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Something that came out.
#[derive(Debug)]
pub(crate) struct Gave {
    /// The member of the case: `expect`.
    pub(crate) name: &'static str,
    /// What it should say.
    pub(crate) value: Value,
    pub(crate) nulls: Nulls,
}

/// What is made of some data: nothing when it is skipped, or why it is refused.
type Made = Result<Option<Value>, String>;

impl Case {
    /// Runs the case.
    #[must_use]
    pub fn run(&self) -> Outcome {
        let mut check = Check { case: self, outcome: Outcome { differences: Vec::new(), results: Vec::new() } };
        match &self.subject {
            Subject::Read { mapping, record } => {
                let made = mapping.read(record).map(Some).map_err(|error| error.to_string());
                check.made(&made, Nulls::Absent);
                check.there_and_back(mapping, made.as_ref().ok().and_then(Option::as_ref));
            }
            Subject::Write { mapping, object } => {
                let made = mapping.write(object).map(Some).map_err(|error| error.to_string());
                check.made(&made, Nulls::Written);
                check.there_and_back(mapping, made.is_ok().then_some(object));
            }
            Subject::Feed { feed, before, record, known } => {
                let handed =
                    occasions(feed, before).and_then(|occasions| handed_over(feed, record, Some(known), occasions));
                let object = handed.as_ref().map(|handed| handed.as_ref().map(|(_, object)| object.clone()));
                check.made(&object.map_err(Clone::clone), Nulls::Absent);
                if let Ok(Some((key, _))) = &handed {
                    let key = Value::from(Arc::clone(key));
                    check.compare("key", self.expected.key.as_ref(), &key, Nulls::Written);
                    check.result("key", &key, Nulls::Written);
                }
            }
            Subject::Function { function, input, answer } => check.function(function, input, answer.as_ref()),
            Subject::Match { object, records } => match recognised(object, records) {
                Ok(same) if self.expected.refused.is_none() => {
                    check.compare("same", self.expected.same.as_ref(), &same, Nulls::Written);
                    check.result("same", &same, Nulls::Written);
                }
                other => check.ended(&other.map(Some)),
            },
        }
        check.outcome
    }
}

struct Check<'a> {
    case: &'a Case,
    outcome: Outcome,
}

impl Check<'_> {
    fn tell(&mut self, path: &str, reason: String, span: Span) {
        let path = path.to_owned();
        self.outcome.differences.push(Difference { path, expected: None, got: None, reason: Some(reason), span });
    }

    fn compare(&mut self, path: &str, expected: Option<&Written>, got: &Value, nulls: Nulls) {
        let Some(expected) = expected else { return };
        compare(path, &expected.node, expected.name, got, nulls, &mut self.outcome.differences);
    }

    fn result(&mut self, name: &'static str, value: &Value, nulls: Nulls) {
        self.outcome.results.push(Gave { name, value: value.clone(), nulls });
    }

    /// Compares what came out with what should have.
    fn made(&mut self, made: &Made, nulls: Nulls) {
        self.ended(made);
        if let Ok(Some(value)) = made {
            self.compare("expect", self.case.expected.value.as_ref(), value, nulls);
            self.result("expect", value, nulls);
        }
    }

    /// Whether something came out, or was refused or skipped, as it should.
    fn ended(&mut self, made: &Made) {
        let (span, expected) = (self.case.span, &self.case.expected);
        match (made, &expected.refused, expected.skipped) {
            (Err(reason), Some((part, _)), _) if reason.contains(&**part) => {}
            (Err(reason), Some((_, place)), _) => {
                self.tell("refused", format!("it is refused with another sentence: {reason}"), *place);
            }
            (Ok(_), Some((_, place)), _) => self.tell("refused", "it is not refused".to_owned(), *place),
            (Err(reason), None, _) => self.tell("", format!("it is refused: {reason}"), span),
            (Ok(None), None, None) => {
                self.tell("", "it is skipped: the feed does not want this record".to_owned(), span);
            }
            (Ok(Some(value)), None, Some(place)) => {
                self.tell("skipped", format!("it is not skipped but gives {value}"), place);
            }
            (Ok(None), None, Some(_)) | (Ok(Some(_)), None, None) => {}
        }
    }

    /// What is both read and written has to come back as it was.
    fn there_and_back(&mut self, mapping: &Mapping, object: Option<&Value>) {
        let (Some(span), Some(object)) = (self.case.expected.there_and_back, object) else { return };
        let back = mapping.write_partial(object).and_then(|record| mapping.read_partial(&record));
        match back {
            Ok(back) => {
                let (before, after) = (mapping.both_ways(object), mapping.both_ways(&back));
                compare_values("there-and-back", &before, &after, span, &mut self.outcome.differences);
            }
            Err(error) => self.tell("there-and-back", format!("it does not come back: {error}"), span),
        }
    }

    fn function(&mut self, function: &Function, input: &Value, answer: Option<&Value>) {
        let business_key = function.business_key(input);
        let call = function.call(None, input).and_then(|call| Ok(call_value(&call, business_key?)));
        let call = call.map_err(|error| error.to_string());
        let Ok(whole) = &call else { return self.made(&call.map(Some), Nulls::Written) };
        let output = answer.map(|answer| function.answer(input, answer.clone()).map_err(|error| error.to_string()));
        // Of a call only what the case names is compared.
        let expected = self.case.expected.value.as_ref().map(|expected| expected.node.map().unwrap_or_default());
        let named = |name: &str| expected.is_none_or(|named| named.iter().any(|(key, _)| &*key.name == name));
        let members = whole.as_object().into_iter().flatten().filter(|(name, _)| named(name));
        let shown = Value::object(members.map(|(name, value)| (name.clone(), value.clone())));
        self.compare("expect", self.case.expected.value.as_ref(), &shown, Nulls::Written);
        self.result("expect", &shown, Nulls::Written);
        match output {
            None => self.ended(&Ok(Some(Value::Null))),
            Some(output) => {
                self.ended(&output.clone().map(Some));
                if let Ok(output) = output {
                    self.compare("output", self.case.expected.output.as_ref(), &output, Nulls::Absent);
                    self.result("output", &output, Nulls::Absent);
                }
            }
        }
    }
}

/// A call as cases write it.
fn call_value(call: &Call, business_key: Option<Arc<str>>) -> Value {
    let mut value =
        Value::object([("action", Value::from(call.action.word())), ("record", Value::from(Arc::clone(&call.record)))]);
    if let Some(key) = &call.key {
        let field = Value::from(Arc::clone(&key.field));
        value.set("key", Value::object([("field", field), ("value", key.value.clone())]));
    }
    if let Some(key) = business_key {
        value.set("businessKey", Value::from(key));
    }
    if !call.probe.is_empty() {
        let probe = call.probe.iter().map(|(field, value)| (Arc::clone(field), value.clone()));
        value.set("probe", Value::object(probe));
    }
    if !call.body.is_null() {
        value.set("body", call.body.clone());
    }
    value
}

/// The occasions that a record has had when these were read of it one after the other.
fn occasions(feed: &Feed, before: &[Value]) -> Result<Occasions, String> {
    let mut occasions = Occasions::default();
    for record in before {
        let canonical = feed.canonical(record).map_err(|error| format!("`before`: {error}"))?;
        let mark = match &canonical {
            Some(canonical) => feed.occasion(&canonical.object).map_err(|error| format!("`before`: {error}"))?,
            None => None,
        };
        occasions.see(mark.as_deref());
    }
    Ok(occasions)
}

/// What a feed hands over of a record, with its key: mapped, resolved, checked. Where it is not said what is `known`, no parent is
/// waited for.
fn handed_over(
    feed: &Feed,
    record: &Value,
    known: Option<&References>,
    mut occasions: Occasions,
) -> Result<Option<(Arc<str>, Value)>, String> {
    let Some(canonical) = feed.canonical(record).map_err(|error| error.to_string())? else { return Ok(None) };
    let mut object = canonical.object;
    for rule in &feed.resolve {
        let id = rule.id.evaluate(&object, &[], Limits::default()).map_err(|error| error.to_string())?;
        let Some((id, known)) = key_text(&id).zip(known) else {
            object.set(Arc::clone(&rule.member), Value::Null);
            continue;
        };
        let object_name = &rule.object;
        let parent = known
            .get(object_name)
            .and_then(|records| records.get(&id))
            .ok_or_else(|| format!("it waits for the {object_name} with the id {id}: say in `known` what that is"))?;
        let value = match &rule.at {
            None => &parent.key,
            Some(at) => parent.at.get(at).ok_or_else(|| {
                format!("it waits until the {object_name} {id} has a record in {at}: say in `known` which, `{{ key: …, {at}: … }}`")
            })?,
        };
        object.set(Arc::clone(&rule.member), Value::from(Arc::clone(value)));
    }
    if let Some(rule) = &feed.occasion {
        occasions.see(feed.occasion(&object).map_err(|error| error.to_string())?.as_deref());
        object.set(Arc::clone(&rule.member), Value::from(i64::from(occasions.count())));
    }
    feed.check(&object).map_err(|error| error.to_string())?;
    Ok(Some((canonical.key, object)))
}

/// Whether two records are the same object, when the first is known and the second comes: `true`, `false`, or `ask` when a person
/// has to say. By the key that they carry, or else by the rules of the object.
fn recognised(object: &Synchronised, [first, second]: &[Recognised; 2]) -> Result<Value, String> {
    let read = |one: &Recognised| {
        let handed = handed_over(&one.feed, &one.record, None, Occasions::default())?;
        handed.map(|(_, object)| object).ok_or_else(|| format!("a record of {} is skipped", one.feed))
    };
    let (left, right) = (read(first)?, read(second)?);
    let key = |value: &Value| value.get("key").as_str().filter(|key| !key.is_empty()).map(Arc::<str>::from);
    // One object has one record on each side: whether two are to be merged is for a person.
    let taken = first.feed.connection == second.feed.connection;
    if let Some(right) = key(&right) {
        let same = key(&left) == Some(right);
        return Ok(if same && taken { Value::from("ask") } else { Value::Bool(same) });
    }
    let matcher = &object.matcher;
    let (known, subject) = (matcher.know(&left), matcher.know(&right));
    let shares = matcher.keys(&known);
    if !matcher.keys(&subject).iter().any(|value| shares.contains(value)) {
        return Ok(Value::Bool(false));
    }
    let candidate = Candidate { id: "".into(), known: &known, taken };
    Ok(match matcher.recognise(&subject, [candidate]) {
        matching::Recognised::Linked(_) => Value::Bool(true),
        matching::Recognised::Ask { .. } => Value::from("ask"),
        matching::Recognised::New => Value::Bool(false),
    })
}
