//! Stand-ins for secrets: what expressions see in place of them, and what they are replaced by just before something is sent.
//!
//! A run's state is stored, so it must never hold a secret. `$secrets` therefore gives texts such as
//! `<interlock-secret NONCE NAME /pointer>`, which may travel through expressions, variables and stored state like any other
//! text. The nonce is known to nobody outside, so that data from outside cannot name a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use connect::Secret;
use model::{Value, json};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays as it is in the names and pointers of stand-ins, and in addresses.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Longest name with its pointer within a stand-in, in bytes: a text that only begins like one is not searched to its end.
const REFERENCE_MAX: usize = 2048;
/// Shorter secrets are not looked for in messages: they would be found in every word.
const MASKED_MIN: usize = 4;
/// What stands for a secret in a message.
pub(crate) const MASK: &str = "***";

/// The secrets that a workflow may use, behind their stand-ins. Cloning it is cheap; no formatter prints a secret.
#[derive(Clone, Default)]
pub struct SecretStandIns(Arc<Held>);

#[derive(Default)]
struct Held {
    /// How every stand-in begins.
    opening: String,
    /// The same within an address.
    opening_encoded: String,
    shown: Value,
    /// By reference: the encoded name, and behind a space the pointer of a member.
    leaves: BTreeMap<String, Leaf>,
}

struct Leaf {
    text: Secret,
    /// A number keeps its type where it is the whole of a text.
    number: bool,
}

impl fmt::Debug for SecretStandIns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SecretStandIns").field("shown", &self.0.shown.kind()).finish_non_exhaustive()
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, &PLAIN).to_string()
}

impl SecretStandIns {
    /// Stand-ins for these secrets by name. `nonce` has to be unguessable and stay the same for as long as runs are stored that
    /// hold stand-ins; letters and digits only are taken of it.
    #[must_use]
    pub fn new(nonce: &str, secrets: BTreeMap<String, Secret>) -> Self {
        let nonce: String = nonce.chars().filter(char::is_ascii_alphanumeric).collect();
        let opening = format!("<interlock-secret {nonce} ");
        let mut held =
            Held { opening_encoded: encode(&opening), opening, shown: Value::empty_object(), leaves: BTreeMap::new() };
        for (name, secret) in secrets {
            let parsed = json::parse(secret.expose().as_bytes()).ok().filter(|value| value.as_object().is_some());
            let reference = encode(&name);
            let shown = match parsed {
                Some(object) => held.shape(&reference, "", &object),
                None => held.stand_in(reference, secret, false),
            };
            held.shown.set(name, shown);
        }
        Self(Arc::new(held))
    }

    /// What `$secrets` is in expressions: for each secret a stand-in text; for one whose text is a JSON object, an object of the
    /// same shape with stand-ins for its texts and numbers.
    #[must_use]
    pub fn expression_value(&self) -> Value {
        self.0.shown.clone()
    }

    /// The same data with every stand-in replaced by its secret: only for what is sent right now. What merely looks like a
    /// stand-in stays.
    #[must_use]
    pub fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match self.whole(text) {
                Some(leaf) if leaf.number => json::parse(leaf.text.expose().as_bytes()).unwrap_or_default(),
                _ if text.contains(&*self.0.opening) && !self.0.leaves.is_empty() => Value::from(self.fill_text(text)),
                _ => value.clone(),
            },
            Value::Array(items) => Value::array(items.iter().map(|item| self.fill(item))),
            Value::Object(members) => {
                Value::object(members.iter().map(|(name, member)| (name.clone(), self.fill(member))))
            }
            _ => value.clone(),
        }
    }

    /// The same text with every stand-in replaced by its secret: only for what is sent right now.
    #[must_use]
    pub fn fill_text(&self, text: &str) -> String {
        self.replace(text, &self.0.opening, ">", |filled, leaf| filled.push_str(leaf.text.expose()))
    }

    /// The same address with every stand-in replaced: a secret that begins the address is an address itself, any other is
    /// encoded.
    pub(crate) fn fill_address(&self, address: &str) -> String {
        let put = |filled: &mut String, leaf: &Leaf| {
            if filled.is_empty() {
                filled.push_str(leaf.text.expose());
            } else {
                filled.extend(utf8_percent_encode(leaf.text.expose(), &PLAIN));
            }
        };
        let filled = self.replace(address, &self.0.opening, ">", put);
        self.replace(&filled, &self.0.opening_encoded, "%3E", put)
    }

    /// Whether data holds a stand-in.
    pub(crate) fn within(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.within_text(text),
            Value::Array(items) => items.iter().any(|item| self.within(item)),
            Value::Object(members) => members.values().any(|member| self.within(member)),
            _ => false,
        }
    }

    pub(crate) fn within_text(&self, text: &str) -> bool {
        !self.0.leaves.is_empty() && text.contains(&*self.0.opening)
    }

    /// The stand-ins of one secret.
    pub(crate) fn named(&self, name: &str) -> Option<&Value> {
        self.0.shown.as_object()?.get(name)
    }

    /// Every secret text that is long enough to be recognised, for masking messages.
    pub(crate) fn recognisable(&self) -> impl Iterator<Item = &str> {
        self.0.leaves.values().map(|leaf| leaf.text.expose()).filter(|text| text.len() >= MASKED_MIN)
    }

    fn whole(&self, text: &str) -> Option<&Leaf> {
        let reference = text.strip_prefix(&*self.0.opening)?.strip_suffix('>')?;
        self.0.leaves.get(reference)
    }

    fn replace(&self, text: &str, opening: &str, closing: &str, put: impl Fn(&mut String, &Leaf)) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while !self.0.leaves.is_empty()
            && let Some(at) = rest.find(opening)
        {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            let inside = &from[opening.len()..];
            let end = inside.find(closing).filter(|end| *end <= REFERENCE_MAX);
            let reference = end.map(|end| &inside[..end]);
            // Within an address the reference was encoded once more.
            let decoded = reference.map(|reference| match closing {
                ">" => reference.into(),
                _ => percent_decode_str(reference).decode_utf8_lossy(),
            });
            match (end, decoded.and_then(|reference| self.0.leaves.get(&*reference))) {
                (Some(end), Some(leaf)) => {
                    put(&mut filled, leaf);
                    rest = &inside[end + closing.len()..];
                }
                _ => {
                    filled.push_str(opening);
                    rest = inside;
                }
            }
        }
        filled.push_str(rest);
        filled
    }
}

impl Held {
    fn stand_in(&mut self, reference: String, text: Secret, number: bool) -> Value {
        let shown = format!("{}{reference}>", self.opening);
        self.leaves.insert(reference, Leaf { text, number });
        Value::from(shown)
    }

    fn shape(&mut self, name: &str, pointer: &str, value: &Value) -> Value {
        let below = |part: &str| format!("{pointer}/{}", part.replace('~', "~0").replace('/', "~1"));
        let reference = || {
            let parts: Vec<String> = pointer.split('/').map(encode).collect();
            format!("{name} {}", parts.join("/"))
        };
        match value {
            // Neither is a secret, and conditions ask for them.
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(_) => self.stand_in(reference(), Secret::new(value.to_string()), true),
            Value::String(text) => self.stand_in(reference(), Secret::new(text.to_string()), false),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                Value::array(items.map(|(index, item)| self.shape(name, &below(&index.to_string()), item)))
            }
            Value::Object(members) => Value::object(
                members.iter().map(|(member, value)| (member.clone(), self.shape(name, &below(member), value))),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand_ins() -> SecretStandIns {
        let secret = |text: &str| Secret::new(text.to_owned());
        SecretStandIns::new(
            "n0nce",
            BTreeMap::from([
                ("token".to_owned(), secret("s3cret/&")),
                ("hook".to_owned(), secret("https://hooks.example/a?b=c")),
                ("erp user".to_owned(), secret(r#"{"username":"anna","p~/w":{"a":["x>y"]},"pin":7312,"on":true}"#)),
            ]),
        )
    }

    #[test]
    fn stand_ins_have_the_shape_of_their_secret_and_hold_nothing_of_it() {
        let shown = stand_ins().expression_value();
        assert_eq!(shown.get("token").as_str(), Some("<interlock-secret n0nce token>"));
        let user = shown.get("erp user");
        assert_eq!(user.get("username").as_str(), Some("<interlock-secret n0nce erp%20user /username>"));
        assert!(user.get("p~/w").get("a").at(0).as_str().is_some_and(|text| text.ends_with("/a/0>")));
        assert_eq!(user.get("on"), &Value::from(true));
        for secret in ["s3cret", "anna", "x>y", "7312", "hooks"] {
            assert!(!shown.to_string().contains(secret), "{secret}");
            assert!(!format!("{:?}", stand_ins()).contains(secret), "{secret}");
        }
    }

    #[test]
    fn stand_ins_are_filled_wherever_they_stand_in_a_text() {
        let stand_ins = stand_ins();
        let shown = stand_ins.expression_value();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let both =
            format!("a {} b {}", text(shown.get("token")), text(shown.get("erp user").get("p~/w").get("a").at(0)));
        assert_eq!(stand_ins.fill_text(&both), "a s3cret/& b x>y");
        let data = Value::object([("pin", shown.get("erp user").get("pin").clone()), ("n", Value::from(1))]);
        assert_eq!(stand_ins.fill(&data).to_string(), r#"{"pin":7312,"n":1}"#);
    }

    #[test]
    fn what_only_looks_like_a_stand_in_stays() {
        let stand_ins = stand_ins();
        let long = format!("<interlock-secret n0nce {}", "a".repeat(5000));
        for text in [
            "<interlock-secret other token>",
            "<interlock-secret n0nce nobody>",
            "<interlock-secret n0nce token",
            &long,
        ] {
            assert_eq!(stand_ins.fill_text(text), text);
            assert_eq!(stand_ins.fill(&Value::from(text)), Value::from(text));
            assert_eq!(stand_ins.fill_address(text), text);
        }
    }

    #[test]
    fn within_an_address_a_secret_is_encoded_unless_it_is_the_address() {
        let stand_ins = stand_ins();
        let shown = stand_ins.expression_value();
        let token = shown.get("token").as_str().unwrap_or_default();
        for part in [token.to_owned(), encode(token)] {
            assert_eq!(
                stand_ins.fill_address(&format!("https://x/?key={part}&a=1")),
                "https://x/?key=s3cret%2F%26&a=1"
            );
        }
        let hook = format!("{}&d=1", shown.get("hook").as_str().unwrap_or_default());
        assert_eq!(stand_ins.fill_address(&hook), "https://hooks.example/a?b=c&d=1");
    }
}
