//! The state of an object as a value that can be stored.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use model::{ConnectionName, Object, Value};

use crate::agreement::{Agreement, Cause, Holding, Rule, Turns, Verdict, Waiting};
use crate::fields::Fields;
use crate::retire::Retired;
use crate::shared::Shared;

/// A stored state that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored state of the object is damaged at `{0}`")]
pub struct Damaged(pub &'static str);

impl Rule {
    const WORDS: [(Self, &'static str); 9] = [
        (Self::First, "first"),
        (Self::Only, "only"),
        (Self::Owner, "owner"),
        (Self::Changed, "changed"),
        (Self::Merged, "merged"),
        (Self::Newest, "newest"),
        (Self::FirstNamed, "first-named"),
        (Self::Same, "same"),
        (Self::Person, "person"),
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(rule, _)| *rule == self).map_or("", |(_, word)| word)
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(rule, _)| *rule)
    }
}

impl Agreement {
    /// As it is stored.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::object([
            ("agreed", of_fields(&self.agreed)),
            ("verdicts", of_verdicts(&self.verdicts)),
            ("stage", Value::from(self.stage.clone())),
            ("sides", of_sides(&self.sides, of_holding)),
            ("conflicts", of_map(&self.conflicts, |sides| of_sides(sides, Value::clone))),
            ("turns", of_map(&self.turns, of_turns)),
        ])
    }

    /// From what is stored.
    ///
    /// # Errors
    /// When it was not written by [`Self::to_value`].
    pub fn from_value(value: &Value) -> Result<Self, Damaged> {
        Ok(Self {
            agreed: fields(value.get("agreed"), "agreed")?,
            verdicts: verdicts(value.get("verdicts"))?,
            stage: text(value.get("stage")),
            sides: sides(value.get("sides"), "sides", holding)?,
            conflicts: map(value.get("conflicts"), "conflicts", |value| {
                sides(value, "conflicts", |value| Ok(value.clone()))
            })?,
            turns: map(value.get("turns"), "turns", turns)?,
        })
    }
}

fn of_fields(fields: &Fields) -> Value {
    Value::Object(fields.share())
}

fn of_map<T>(entries: &IndexMap<Arc<str>, T>, of: impl Fn(&T) -> Value) -> Value {
    Value::object(entries.iter().map(|(name, entry)| (Arc::clone(name), of(entry))))
}

fn of_sides<T>(entries: &IndexMap<ConnectionName, T>, of: impl Fn(&T) -> Value) -> Value {
    Value::object(entries.iter().map(|(name, entry)| (Arc::<str>::from(name.as_str()), of(entry))))
}

/// Verdicts that have all in common but what lost.
struct Group<'a> {
    common: &'a Verdict,
    fields: Vec<Value>,
    lost: Object,
}

impl<'a> Group<'a> {
    fn new(common: &'a Verdict) -> Self {
        Self { common, fields: Vec::new(), lost: Object::default() }
    }

    fn takes(&self, verdict: &Verdict) -> bool {
        let Verdict { from, rule, cause, .. } = self.common;
        *cause == verdict.cause && *rule == verdict.rule && *from == verdict.from
    }

    fn add(&mut self, field: &str, verdict: &Verdict) {
        self.fields.push(Value::from(Arc::from(field)));
        if !verdict.lost.is_empty() {
            self.lost.insert(field.into(), of_sides(&verdict.lost, Value::clone));
        }
    }

    fn into_value(self) -> Value {
        let Verdict { from, rule, cause, .. } = self.common;
        let mut group = Value::object([
            ("from", Value::from(from.as_str())),
            ("rule", Value::from(rule.word())),
            ("event", Value::from(Arc::clone(&cause.event))),
            ("at", Value::from(cause.at.to_string())),
            ("release", Value::from(Arc::clone(&cause.release))),
            ("fields", Value::from(self.fields)),
        ]);
        if !self.lost.is_empty() {
            group.set("lost", self.lost);
        }
        group
    }
}

/// Most fields of an object came with one event: what their verdicts have in common is written once.
fn of_verdicts(verdicts: &IndexMap<Arc<str>, Verdict>) -> Value {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (field, verdict) in verdicts {
        let place = groups.iter().position(|group| group.takes(verdict)).unwrap_or_else(|| {
            groups.push(Group::new(verdict));
            groups.len() - 1
        });
        groups[place].add(field, verdict);
    }
    Value::array(groups.into_iter().map(Group::into_value))
}

/// Of what is held only that is written which is not the same as what was reached.
fn of_holding(holding: &Holding) -> Value {
    let other = |field: &str, value: &Value| holding.reached.get(field) != Some(value);
    let held = holding.held.iter().filter(|(field, value)| other(field, value));
    let reads: Vec<Value> = holding.held.keys().map(|field| Value::from(field.clone())).collect();
    let mut value = Value::object([
        ("id", Value::from(holding.id.clone())),
        ("reached", of_fields(&holding.reached)),
        ("reads", Value::from(reads)),
        ("held", Value::object(held.map(|(field, value)| (field.clone(), value.clone())))),
        ("readAt", Value::from(holding.read_at.map(|at| at.to_string()))),
        ("writtenAt", Value::from(holding.written_at.map(|at| at.to_string()))),
    ]);
    if let Some(waiting) = &holding.waiting {
        let waiting = [
            ("fields", of_fields(&waiting.fields)),
            ("expected", of_fields(&waiting.expected)),
            ("overwritten", of_fields(&waiting.overwritten)),
        ];
        value.set("waiting", Value::object(waiting));
    }
    if holding.checking {
        value.set("checking", true);
    }
    if holding.changed_meanwhile {
        value.set("changedMeanwhile", true);
    }
    if let Some(refused) = &holding.refused {
        value.set("refused", of_fields(refused));
    }
    if let Some(named) = &holding.named {
        value.set("named", Arc::clone(named));
    }
    if holding.insists {
        value.set("insists", true);
    }
    if let Some(retired) = &holding.retired {
        value.set("retired", retired.words());
    }
    value
}

fn of_turns(turns: &Turns) -> Value {
    let taken = turns.taken.iter().map(|(side, value, times)| {
        Value::object([
            ("side", Value::from(side.as_str())),
            ("value", value.clone()),
            ("times", Value::from(i64::from(*times))),
        ])
    });
    Value::object([
        ("since", Value::from(turns.since.map(|since| since.to_string()))),
        ("taken", Value::from(taken.collect::<Vec<_>>())),
    ])
}

fn text(value: &Value) -> Option<Arc<str>> {
    value.as_str().map(Arc::from)
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn side(value: &Value) -> Result<ConnectionName, Damaged> {
    value.as_str().map(ConnectionName::from).ok_or(Damaged("side"))
}

fn map<T>(
    value: &Value,
    place: &'static str,
    of: impl Fn(&Value) -> Result<T, Damaged>,
) -> Result<IndexMap<Arc<str>, T>, Damaged> {
    let members = value.as_object().ok_or(Damaged(place))?;
    members.iter().map(|(name, member)| Ok((name.clone().into(), of(member)?))).collect()
}

fn sides<T>(
    value: &Value,
    place: &'static str,
    of: impl Fn(&Value) -> Result<T, Damaged>,
) -> Result<IndexMap<ConnectionName, T>, Damaged> {
    if value.is_null() {
        return Ok(IndexMap::new());
    }
    Ok(map(value, place, of)?.into_iter().map(|(name, entry)| (ConnectionName::new(name), entry)).collect())
}

fn fields(value: &Value, place: &'static str) -> Result<Fields, Damaged> {
    match value {
        Value::Object(members) => Ok(Fields::from(Arc::clone(members))),
        _ => Err(Damaged(place)),
    }
}

fn verdicts(value: &Value) -> Result<Shared<IndexMap<Arc<str>, Verdict>>, Damaged> {
    let mut verdicts = IndexMap::new();
    for group in value.as_array().ok_or(Damaged("verdicts"))? {
        let common = Verdict {
            from: side(group.get("from"))?,
            rule: group.get("rule").as_str().and_then(Rule::from_word).ok_or(Damaged("rule"))?,
            cause: Cause {
                event: text(group.get("event")).unwrap_or_default(),
                at: instant(group.get("at")).ok_or(Damaged("verdicts.at"))?,
                release: text(group.get("release")).unwrap_or_default(),
            },
            lost: IndexMap::new(),
        };
        for field in group.get("fields").items() {
            let field = text(field).ok_or(Damaged("verdicts.fields"))?;
            let lost = sides(group.get("lost").get(&field), "lost", |value| Ok(value.clone()))?;
            verdicts.insert(field, Verdict { lost, ..common.clone() });
        }
    }
    Ok(verdicts.into())
}

fn holding(value: &Value) -> Result<Holding, Damaged> {
    let reached = fields(value.get("reached"), "reached")?;
    let others = fields(value.get("held"), "held")?;
    let held = value.get("reads").items().iter().filter_map(|field| {
        let field = text(field)?;
        let held = others.get(&field).or_else(|| reached.get(&field)).cloned().unwrap_or_default();
        Some((field.into(), held))
    });
    let waiting = value.get("waiting");
    Ok(Holding {
        id: text(value.get("id")),
        held: held.collect(),
        reached,
        read_at: instant(value.get("readAt")),
        checking: value.get("checking").as_bool() == Some(true),
        written_at: instant(value.get("writtenAt")),
        waiting: match waiting.is_null() {
            true => None,
            false => Some(Waiting {
                fields: fields(waiting.get("fields"), "waiting.fields")?,
                expected: fields(waiting.get("expected"), "waiting.expected")?,
                overwritten: fields(waiting.get("overwritten"), "waiting.overwritten")?,
            }),
        },
        changed_meanwhile: value.get("changedMeanwhile").as_bool() == Some(true),
        refused: match value.get("refused") {
            Value::Null => None,
            refused => Some(fields(refused, "refused")?),
        },
        named: text(value.get("named")),
        insists: value.get("insists").as_bool() == Some(true),
        retired: match value.get("retired") {
            Value::Null => None,
            words => Some(words.as_str().and_then(Retired::from_words).ok_or(Damaged("retired"))?),
        },
    })
}

fn turns(value: &Value) -> Result<Turns, Damaged> {
    let taken = value.get("taken").items().iter().map(|turn| {
        let times = turn.get("times").as_i64().and_then(|times| u32::try_from(times).ok());
        Ok((side(turn.get("side"))?, turn.get("value").clone(), times.ok_or(Damaged("times"))?))
    });
    Ok(Turns { since: instant(value.get("since")), taken: taken.collect::<Result<_, _>>()? })
}
