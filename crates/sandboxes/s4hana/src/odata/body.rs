//! Bodies of creates and changes: JSON read once, guided by the entity's type, into values.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::edm::{Edm, EntityType, Property, Service, without_zeros};
use super::error::Error;
use super::fixed::{Amount, Rate};
use super::time;
use super::value::Value;

/// How deeply records may be nested.
const DEPTH_MAX: usize = 10;
/// Most records in one body.
const RECORDS_MAX: usize = 20_000;

/// A record of a body.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    /// Its type.
    pub(crate) entity: &'a EntityType,
    /// Its properties, in the order they came.
    pub(crate) values: Vec<(usize, Value)>,
    /// Its children by navigation, in the order they came.
    pub(crate) children: Vec<(usize, Vec<Body<'a>>)>,
}

impl<'a> Body<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not JSON, or names or values do not fit the type.
    pub(crate) fn read(bytes: &[u8], entity: &'a EntityType, service: &'a Service) -> Result<Self, Error> {
        let count = std::cell::Cell::new(0);
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let seed = Record { entity, service, depth: 0, count: &count };
        let body = seed.deserialize(&mut reader).and_then(|body| reader.end().map(|()| body));
        body.map_err(|error| {
            let text = error.to_string();
            // Where serde says at which line: that is of no use in a message about a property.
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text).to_owned();
            match text.split_once('\u{1}') {
                Some((property, message)) => {
                    Error::new(400, "005056A509B11ED1BEB1513CEE2A4BDA", message.to_owned()).at(property)
                }
                None => Error::syntax(format!("Error while parsing the JSON body: {text}")),
            }
        })
    }

    /// The value of a property; `None` when it was not sent.
    #[must_use]
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(place, _)| self.entity.properties[*place].name == name).map(|(_, value)| value)
    }

    /// A text that is not empty.
    #[must_use]
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value(name).and_then(Value::as_text)
    }

    /// An amount.
    #[must_use]
    pub(crate) fn amount(&self, name: &str) -> Option<Amount> {
        match self.value(name) {
            Some(Value::Amount(amount)) => Some(*amount),
            _ => None,
        }
    }

    /// A date or an instant, in milliseconds.
    #[must_use]
    pub(crate) fn date(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Some(Value::Date(instant) | Value::Instant(instant)) => Some(*instant),
            _ => None,
        }
    }

    /// The children behind a navigation.
    #[must_use]
    pub(crate) fn children(&self, name: &str) -> &[Body<'a>] {
        let found = self.children.iter().find(|(place, _)| self.entity.navigations[*place].name == name);
        found.map_or(&[], |(_, children)| children)
    }
}

/// An error about a property, in the form that [`Body::read`] takes apart.
fn about<E: de::Error>(property: &str, message: impl fmt::Display) -> E {
    E::custom(format_args!("{property}\u{1}{message}"))
}

#[derive(Clone, Copy)]
struct Record<'a, 'c> {
    entity: &'a EntityType,
    service: &'a Service,
    depth: usize,
    count: &'c std::cell::Cell<usize>,
}

impl<'de, 'a> DeserializeSeed<'de> for Record<'a, '_> {
    type Value = Body<'a>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Body<'a>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, 'a> Visitor<'de> for Record<'a, '_> {
    type Value = Body<'a>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object of {}", self.entity.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body<'a>, A::Error> {
        self.count.set(self.count.get() + 1);
        if self.depth > DEPTH_MAX || self.count.get() > RECORDS_MAX {
            return Err(about("", "The body is too large"));
        }
        let entity = self.entity;
        let mut body = Body { entity, values: Vec::with_capacity(8), children: Vec::new() };
        while let Some(name) = map.next_key_seed(Name)? {
            let place = match &name {
                std::borrow::Cow::Borrowed(name) => entity.property(name),
                std::borrow::Cow::Owned(name) => entity.property(name),
            };
            if let Some(place) = place {
                let value = map.next_value_seed(Single(&entity.properties[place]))?;
                body.values.retain(|(other, _)| *other != place);
                body.values.push((place, value));
            } else if let Some(place) = entity.navigation(&name) {
                let navigation = &entity.navigations[place];
                let target = self.service.target(navigation);
                let children = Children { record: Record { entity: target, depth: self.depth + 1, ..self } };
                let children = map.next_value_seed(children)?;
                // A deferred link that was read earlier and comes back says nothing.
                if let Some(children) = children {
                    body.children.retain(|(other, _)| *other != place);
                    body.children.push((place, children));
                }
            } else if name == "__metadata" {
                map.next_value::<IgnoredAny>()?;
            } else {
                let message = format!("Property '{name}' is invalid for type '{}'", entity.full_name);
                return Err(about(&name, message));
            }
        }
        Ok(body)
    }
}

/// A name that is borrowed from the body where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = std::borrow::Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = std::borrow::Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.to_owned().into())
    }
}

/// Children: a list, `{"results": […]}`, one object, a deferred link or `null`.
struct Children<'a, 'c> {
    record: Record<'a, 'c>,
}

impl<'de, 'a> DeserializeSeed<'de> for Children<'a, '_> {
    type Value = Option<Vec<Body<'a>>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, 'a> Visitor<'de> for Children<'a, '_> {
    type Value = Option<Vec<Body<'a>>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "records of {}", self.record.entity.name)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = list.next_element_seed(self.record)? {
            children.push(child);
        }
        Ok(Some(children))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut map = Peeked { map, first: None };
        map.first = map.map.next_key_seed(Name)?;
        match map.first.as_deref() {
            Some("results") => {
                let children = map.map.next_value_seed(self)?;
                while map.map.next_key::<IgnoredAny>()?.is_some() {
                    map.map.next_value::<IgnoredAny>()?;
                }
                Ok(children)
            }
            Some("__deferred") => {
                map.map.next_value::<IgnoredAny>()?;
                while map.map.next_key::<IgnoredAny>()?.is_some() {
                    map.map.next_value::<IgnoredAny>()?;
                }
                Ok(None)
            }
            _ => Ok(Some(vec![self.record.visit_map(map)?])),
        }
    }
}

/// A map whose first name was read already.
struct Peeked<'de, A> {
    map: A,
    first: Option<std::borrow::Cow<'de, str>>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Peeked<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(name) => match name {
                std::borrow::Cow::Borrowed(name) => {
                    seed.deserialize(de::value::BorrowedStrDeserializer::new(name)).map(Some)
                }
                std::borrow::Cow::Owned(name) => seed.deserialize(de::value::StringDeserializer::new(name)).map(Some),
            },
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// One value of a property.
struct Single<'a>(&'a Property);

impl<'de> DeserializeSeed<'de> for Single<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Single<'_> {
    fn misfit<E: de::Error>(&self, value: impl fmt::Display) -> E {
        let name = self.0.name;
        about(name, format_args!("Property '{name}' has invalid value '{value}'"))
    }
}

impl<'de> Visitor<'de> for Single<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a value for {}", self.0.name)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Value, E> {
        if self.0.edm == Edm::Boolean { Ok(Value::Bool(flag)) } else { Err(self.misfit(flag)) }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        match self.0.edm {
            Edm::Int32 => Ok(Value::Int(number)),
            Edm::Decimal => self.visit_str(&number.to_string()),
            _ => Err(self.misfit(number)),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => Err(self.misfit(number)),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        // The shortest text of a binary number is what was written, for as many digits as amounts have.
        if self.0.edm == Edm::Decimal { self.visit_str(&number.to_string()) } else { Err(self.misfit(number)) }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        let property = self.0;
        match property.edm {
            Edm::String => {
                if let Some(most) = property.length
                    && text.len() > most
                    && text.chars().count() > most
                {
                    let name = property.name;
                    let message = format!("Property '{name}' has invalid value '{text}': the maximum length is {most}");
                    return Err(about(name, message));
                }
                let text = if property.range { without_zeros(text) } else { text };
                let upper = property.upper && text.bytes().any(|byte| byte.is_ascii_lowercase() || !byte.is_ascii());
                Ok(if upper { Value::text(text.to_uppercase()) } else { Value::text(text) })
            }
            Edm::Decimal if property.scale.unwrap_or(0) > 3 => {
                Rate::parse(text).map(Value::Rate).ok_or_else(|| self.misfit(text))
            }
            Edm::Decimal => {
                let fits = |amount: &Amount| {
                    let whole = property.precision.unwrap_or(18).saturating_sub(property.scale.unwrap_or(0)).min(15);
                    amount.units().unsigned_abs() / 1000 < 10_u64.pow(whole)
                };
                Amount::parse(text).filter(fits).map(Value::Amount).ok_or_else(|| self.misfit(text))
            }
            Edm::DateTime => {
                let date = time::parse_json_date(text).or_else(|| time::parse_iso(text));
                let date = date.map(|date| if property.display == Some("Date") { time::midnight(date) } else { date });
                date.map(Value::Date).ok_or_else(|| self.misfit(text))
            }
            Edm::DateTimeOffset => {
                let instant = time::parse_json_date(text).or_else(|| time::parse_iso(text));
                instant.map(Value::Instant).ok_or_else(|| self.misfit(text))
            }
            Edm::Time => time::parse_duration(text).map(Value::Time).ok_or_else(|| self.misfit(text)),
            Edm::Guid => match uuid::Uuid::parse_str(text) {
                Ok(guid) => Ok(Value::Guid(guid.as_u128())),
                Err(_) => Err(self.misfit(text)),
            },
            Edm::Boolean => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(self.misfit(text)),
            },
            Edm::Int32 => text.parse().map(Value::Int).map_err(|_| self.misfit(text)),
        }
    }
}
