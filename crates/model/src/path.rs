//! Dotted paths into values, as mapping tables write them: `billing.country`, `BillingAddress.City`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Value;

/// A path of member names.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path(Arc<[Arc<str>]>);

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path: member names are separated by single points, as in `billing.country`")]
pub struct PathError(pub String);

impl Path {
    /// The member names.
    #[must_use]
    pub fn names(&self) -> &[Arc<str>] {
        &self.0
    }

    /// What stands at this path; `null` when any part is missing.
    #[must_use]
    pub fn get<'a>(&self, value: &'a Value) -> &'a Value {
        self.0.iter().fold(value, |value, name| value.get(name))
    }

    /// Puts a value at this path, making the objects on the way.
    pub fn set(&self, target: &mut Value, value: Value) {
        fn put(names: &[Arc<str>], target: &mut Value, value: Value) {
            match names {
                [] => *target = value,
                [name] => target.set(Arc::clone(name), value),
                [name, rest @ ..] => {
                    let mut inner = target.remove_keeping_place(name);
                    put(rest, &mut inner, value);
                    target.set(Arc::clone(name), inner);
                }
            }
        }
        put(&self.0, target, value);
    }
}

impl Value {
    /// Takes a member's value, leaving `null` in its place, so that it can be changed without a copy.
    fn remove_keeping_place(&mut self, name: &str) -> Self {
        match self {
            Self::Object(members) => Arc::make_mut(members).get_mut(name).map(std::mem::take).unwrap_or_default(),
            _ => Self::Null,
        }
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let names: Vec<Arc<str>> = text.split('.').map(Arc::from).collect();
        if names.iter().any(|name| name.is_empty() || name.contains(char::is_whitespace)) {
            return Err(PathError(text.to_owned()));
        }
        Ok(Self(names.into()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(".")?;
            }
            formatter.write_str(name)?;
        }
        Ok(())
    }
}
impl fmt::Debug for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_gets() {
        let path: Path = "billing.country".parse().expect("a path");
        let mut value = Value::Null;
        path.set(&mut value, Value::from("GB"));
        "billing.city".parse::<Path>().expect("a path").set(&mut value, Value::from("Leeds"));
        assert_eq!(path.get(&value), &Value::from("GB"));
        assert_eq!(value.to_string(), r#"{"billing":{"country":"GB","city":"Leeds"}}"#);
        assert!("a..b".parse::<Path>().is_err());
    }
}
