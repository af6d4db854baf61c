//! Keeps secrets out of what is told: whatever was sent with a request is masked in its fault, even when the other side quotes it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use connect::Secret;
use model::Value;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Failure;
use crate::secrets::{MASK, SecretStandIns};

/// What must not be told of one request.
pub(crate) struct Veil<'a> {
    secrets: &'a SecretStandIns,
    /// Made for this request alone: headers with credentials, access tokens.
    made: Mutex<Vec<Secret>>,
}

impl<'a> Veil<'a> {
    pub(crate) fn new(secrets: &'a SecretStandIns) -> Self {
        Self { secrets, made: Mutex::new(Vec::new()) }
    }

    /// Keeps this text out of faults too.
    pub(crate) fn hide(&self, text: &str) {
        if text.len() >= 4 {
            self.made.lock().unwrap_or_else(PoisonError::into_inner).push(Secret::new(text.to_owned()));
        }
    }

    /// The failure without any of it.
    pub(crate) fn cover(&self, mut failure: Failure) -> Failure {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hidden: Vec<&str> = self.secrets.recognisable().chain(made.iter().map(Secret::expose)).collect();
        // A secret that contains another one goes first, so that nothing is left of it.
        hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let fault = &mut failure.fault;
        for text in [&mut fault.title, &mut fault.detail].into_iter().flatten() {
            if let Cow::Owned(covered) = mask(text, &hidden) {
                *text = covered.into();
            }
        }
        fault.data = mask_value(&fault.data, &hidden);
        failure
    }
}

fn mask<'t>(text: &'t str, hidden: &[&str]) -> Cow<'t, str> {
    let mut covered = Cow::Borrowed(text);
    for secret in hidden {
        if covered.contains(secret) {
            covered = Cow::Owned(covered.replace(secret, MASK));
        }
        let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        if covered.contains(&encoded) {
            covered = Cow::Owned(covered.replace(&encoded, MASK));
        }
    }
    covered
}

fn mask_value(value: &Value, hidden: &[&str]) -> Value {
    match value {
        Value::String(text) => match mask(text, hidden) {
            Cow::Borrowed(_) => value.clone(),
            Cow::Owned(covered) => Value::from(covered),
        },
        Value::Number(_) if hidden.contains(&value.to_string().as_str()) => Value::from(MASK),
        Value::Array(items) => Value::array(items.iter().map(|item| mask_value(item, hidden))),
        Value::Object(members) => Value::object(
            members.iter().map(|(name, member)| (Arc::from(mask(name, hidden)), mask_value(member, hidden))),
        ),
        _ => value.clone(),
    }
}
