//! Which runs an event may concern, answered by a hash instead of by asking every run.
//!
//! From the documents alone it is known what a `listen` compares: the type, other attributes, and the expressions of its
//! correlations. That is a shape. An event is stored under one hash for each shape of its type, made of the values that
//! the event has; a run waits under the hash made of the values that it expects. Conditions on the data are left to the
//! machine, which is asked with every event of its hash.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use std::collections::HashSet;
use std::sync::Arc;

use expr::{Expression, Limits};
use jiff::Timestamp;
use model::Value;
use sha2::{Digest, Sha256};
use workflow::{EventFilter, Interest};

/// Bytes of a hash: 128 bits.
const LENGTH: usize = 16;
/// How many hashes of recent events are remembered: 16 MB at the most.
const RECENT_MAX: usize = 1 << 20;

/// What events and waiting runs are stored under.
pub(crate) type Correlation = Vec<u8>;

/// Something that filters compare.
#[derive(Debug)]
struct Selector {
    /// Unique for the selector: `@subject` for an attribute, else the expression's text.
    name: Arc<str>,
    expression: Option<Expression>,
}

impl Selector {
    fn of(&self, event: &Value) -> Option<Value> {
        match &self.expression {
            None => Some(event.get(&self.name[1..]).clone()),
            Some(expression) => {
                expression.evaluate(event, &[], Limits::default()).ok().filter(|value| !value.is_null())
            }
        }
    }
}

fn attribute(name: &str) -> Arc<str> {
    format!("@{name}").into()
}

type Shape = Vec<Selector>;

/// The shapes of everything that a live workflow may listen for.
#[derive(Debug, Default)]
pub(crate) struct Correlations {
    by_type: HashMap<Option<Arc<str>>, Vec<Shape>>,
}

impl Correlations {
    /// Of these interests.
    pub(crate) fn new(interests: impl IntoIterator<Item = Interest>) -> Self {
        let mut by_type: HashMap<Option<Arc<str>>, Vec<Shape>> = HashMap::new();
        for interest in interests {
            let attributes =
                interest.attributes.iter().map(|name| Selector { name: attribute(name), expression: None });
            // An expression over the run's own variables says nothing about an event alone: the machine looks at it.
            let correlations = interest.correlations.iter().filter_map(|text| {
                let expression = Expression::compile_with(text, &[]).ok()?;
                Some(Selector { name: Arc::clone(text), expression: Some(expression) })
            });
            let mut shape: Shape = attributes.chain(correlations).collect();
            shape.sort_by(|left, right| left.name.cmp(&right.name));
            shape.dedup_by(|left, right| left.name == right.name);
            let known = by_type.entry(interest.event_type).or_default();
            let same = |other: &Shape| other.iter().map(|one| &one.name).eq(shape.iter().map(|one| &one.name));
            if !known.iter().any(same) {
                known.push(shape);
            }
        }
        Self { by_type }
    }

    /// The hashes that an event is stored under; none when nobody may ever listen for it.
    pub(crate) fn of_event(&self, event: &Value) -> Vec<Correlation> {
        let own: Option<Arc<str>> = event.get("type").as_str().map(Arc::from);
        let mut found = Vec::new();
        for event_type in [own, None] {
            for shape in self.by_type.get(&event_type).into_iter().flatten() {
                let values: Option<Vec<Value>> = shape.iter().map(|selector| selector.of(event)).collect();
                let Some(values) = values else { continue };
                found.push(hash(event_type.as_deref(), shape.iter().map(|selector| &*selector.name).zip(&values)));
            }
            if event_type.is_none() {
                break;
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// The hashes under which a run waits for what its filters ask for.
    pub(crate) fn of_filters(&self, filters: &[EventFilter]) -> Vec<Correlation> {
        let mut found: Vec<Correlation> = filters.iter().filter_map(|filter| self.of_filter(filter)).collect();
        found.sort();
        found.dedup();
        found
    }

    fn of_filter(&self, filter: &EventFilter) -> Option<Correlation> {
        let mut known: HashMap<Arc<str>, Value> = HashMap::new();
        for (name, value) in [("source", &filter.source), ("subject", &filter.subject)] {
            if let Some(value) = value {
                known.insert(attribute(name), Value::from(Arc::clone(value)));
            }
        }
        known.extend(filter.attributes.iter().map(|(name, value)| (attribute(name), value.clone())));
        for correlation in &filter.correlations {
            if let Some(expected) = correlation.expected.as_ref().filter(|value| !value.is_null()) {
                known.insert(Arc::clone(&correlation.from), expected.clone());
            }
        }
        let best = |event_type: Option<Arc<str>>| {
            let shapes = self.by_type.get(&event_type)?.iter();
            let fits = |shape: &&Shape| shape.iter().all(|selector| known.contains_key(&selector.name));
            let shape = shapes.filter(fits).max_by_key(|shape| shape.len())?;
            let pairs = shape.iter().filter_map(|selector| Some((&*selector.name, known.get(&selector.name)?)));
            Some(hash(event_type.as_deref(), pairs))
        };
        filter.event_type.clone().and_then(|own| best(Some(own))).or_else(|| best(None))
    }
}

fn hash<'a>(event_type: Option<&str>, pairs: impl Iterator<Item = (&'a str, &'a Value)>) -> Correlation {
    let mut digest = Sha256::new();
    text(&mut digest, event_type.unwrap_or("*"));
    for (name, value) in pairs {
        text(&mut digest, name);
        feed(&mut digest, value);
    }
    digest.finalize()[..LENGTH].to_vec()
}

fn text(digest: &mut Sha256, text: &str) {
    digest.update((text.len() as u64).to_be_bytes());
    digest.update(text);
}

/// Equal values give equal bytes, however their numbers were written and whatever the order of their members.
fn feed(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Null => digest.update([0]),
        Value::Bool(truth) => digest.update([1, u8::from(*truth)]),
        Value::Number(number) => {
            digest.update([2]);
            let written = number.to_decimal().to_string();
            let short = match written.contains(['.']) && !written.contains(['e', 'E']) {
                true => written.trim_end_matches('0').trim_end_matches('.'),
                false => &written,
            };
            text(digest, short);
        }
        Value::String(string) => {
            digest.update([3]);
            text(digest, string);
        }
        Value::Array(items) => {
            digest.update([4]);
            digest.update((items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| feed(digest, item));
        }
        Value::Object(members) => {
            digest.update([5]);
            digest.update((members.len() as u64).to_be_bytes());
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|left, right| left.0.cmp(right.0));
            for (name, member) in sorted {
                text(digest, name);
                feed(digest, member);
            }
        }
    }
}

/// Under which hashes events came since an instant: a run that was started later and begins to listen need not look into
/// the store when none of its hashes is here.
#[derive(Debug)]
pub(crate) struct Recent(Mutex<Since>);

#[derive(Debug)]
struct Since {
    at: Timestamp,
    hashes: HashSet<u64, foldhash::fast::RandomState>,
}

impl Recent {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Since { at: now, hashes: HashSet::default() }))
    }

    /// An event is about to be stored under these.
    pub(crate) fn note(&self, correlations: &[Correlation], now: Timestamp) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if since.hashes.len() >= RECENT_MAX {
            since.hashes.clear();
            since.at = now;
        }
        since.hashes.extend(correlations.iter().map(|correlation| short(correlation)));
    }

    /// Whether an event may be stored under one of these that arrived at or after `started`.
    pub(crate) fn may_hold(&self, correlations: &[Correlation], started: Timestamp) -> bool {
        let since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        started < since.at || correlations.iter().any(|correlation| since.hashes.contains(&short(correlation)))
    }
}

fn short(correlation: &[u8]) -> u64 {
    correlation.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    fn value(text: &str) -> Value {
        json::parse(text.as_bytes()).expect("JSON")
    }

    fn interest(event_type: Option<&str>, attributes: &[&str], correlations: &[&str]) -> Interest {
        let list = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        Interest {
            event_type: event_type.map(Arc::from),
            attributes: list(attributes),
            correlations: list(correlations),
        }
    }

    fn filter(event_type: &str, from: &str, expected: &str) -> EventFilter {
        EventFilter {
            event_type: Some(event_type.into()),
            correlations: vec![workflow::Correlation {
                name: "key".into(),
                from: from.into(),
                expected: Some(value(expected)),
            }],
            ..EventFilter::default()
        }
    }

    #[test]
    fn an_event_and_the_run_that_waits_for_it_meet_under_one_hash() {
        let from = r#".data.order // "" | split("-")[0]"#;
        let known = Correlations::new([
            interest(Some("shipped"), &[], &[from]),
            interest(Some("shipped"), &["subject"], &[]),
            interest(None, &[], &[".data.number"]),
        ]);
        let event = value(r#"{"type": "shipped", "subject": "S-1", "data": {"order": "Q-1010", "number": 12.50}}"#);
        let stored = known.of_event(&event);
        assert_eq!(stored.len(), 3);
        let meets = |filter: EventFilter| known.of_filters(&[filter]).iter().all(|hash| stored.contains(hash));
        assert!(meets(filter("shipped", from, r#""Q""#)));
        assert!(!meets(filter("shipped", from, r#""R""#)));
        assert!(meets(filter("whatever", ".data.number", "12.5")), "equal numbers are equal");
        let by_subject = |subject: &str| EventFilter {
            event_type: Some("shipped".into()),
            subject: Some(subject.into()),
            ..EventFilter::default()
        };
        assert!(meets(by_subject("S-1")));
        assert!(!meets(by_subject("S-2")));
    }

    #[test]
    fn an_event_nobody_may_listen_for_has_no_hash() {
        let known = Correlations::new([interest(Some("shipped"), &[], &[".data.order"])]);
        assert!(known.of_event(&value(r#"{"type": "other"}"#)).is_empty());
        assert!(known.of_event(&value(r#"{"type": "shipped", "data": {}}"#)).is_empty(), "nothing links it to a run");
    }

    #[test]
    fn recent_events_are_known_and_older_runs_have_to_look() {
        let at = |second| Timestamp::from_second(second).expect("an instant");
        let recent = Recent::new(at(100));
        assert!(recent.may_hold(&[vec![1; 16]], at(99)));
        assert!(!recent.may_hold(&[vec![1; 16]], at(100)));
        recent.note(&[vec![1; 16]], at(101));
        assert!(recent.may_hold(&[vec![2; 16], vec![1; 16]], at(100)));
        assert!(!recent.may_hold(&[vec![2; 16]], at(100)));
    }
}
