//! A request before it is sent, with stand-ins in place of secrets.

use ::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use ::http::{HeaderMap, HeaderValue, Method};
use bytes::Bytes;
use model::{Value, json};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use super::media_type;
use crate::Failure;
use crate::secrets::SecretStandIns;

/// What stays as it is in the names and values of a query or a form.
pub(crate) const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Longest address, in bytes.
const ADDRESS_MAX: usize = 64 * 1024;
/// Most headers of one request.
const HEADERS_MAX: usize = 100;
const FORM: &str = "application/x-www-form-urlencoded";

/// A request. What is shown of it has stand-ins, what is sent has secrets.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// The address as it may be shown.
    pub(crate) shown: String,
    /// The address as it is sent.
    pub(crate) url: Url,
    /// With stand-ins.
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) content: Option<Content>,
}

/// The body of a request as it is sent.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    /// Whether a secret is in it, so that it goes to one origin only.
    pub(crate) secret: bool,
}

/// A value as a text outside of JSON.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// Names and values as a form or a query; the items of a list repeat their name, and what is null is left out.
pub(crate) fn form(members: &Value) -> String {
    let mut encoded = String::new();
    let mut add = |name: &str, value: &Value| {
        if value.is_null() {
            return;
        }
        if !encoded.is_empty() {
            encoded.push('&');
        }
        encoded.extend(utf8_percent_encode(name, &PLAIN));
        encoded.push('=');
        encoded.extend(utf8_percent_encode(&text_of(value), &PLAIN));
    };
    for (name, value) in members.as_object().into_iter().flatten() {
        match value {
            Value::Array(items) => items.iter().for_each(|item| add(name, item)),
            value => add(name, value),
        }
    }
    encoded
}

/// The members of an object as parts (RFC 7578): texts as they are, anything else as JSON.
fn multipart(members: &Value, boundary: &str) -> String {
    let mut body = String::new();
    let mut add = |name: &str, value: &Value| {
        let name = name.replace(['"', '\r', '\n'], "_");
        let kind = if matches!(value, Value::Object(_)) { "\r\ncontent-type: application/json" } else { "" };
        let text = text_of(value);
        let head = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"{kind}\r\n\r\n");
        body.push_str(&head);
        body.push_str(&text);
        body.push_str("\r\n");
    };
    for (name, value) in members.as_object().into_iter().flatten() {
        match value {
            Value::Array(items) => items.iter().for_each(|item| add(name, item)),
            Value::Null => {}
            value => add(name, value),
        }
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    body
}

impl Outgoing {
    pub(crate) fn new(method: Method, address: &str, query: &Value, secrets: &SecretStandIns) -> Result<Self, Failure> {
        if !query.is_null() && query.as_object().is_none() {
            return Err(Failure::configuration(format!("`query` is an object, not a value of type {}", query.kind())));
        }
        let more = form(query);
        let address = address.split('#').next().unwrap_or_default();
        let shown = match (more.is_empty(), address.contains('?')) {
            (true, _) => address.to_owned(),
            (false, false) => format!("{address}?{more}"),
            (false, true) => format!("{address}&{more}"),
        };
        if shown.len() > ADDRESS_MAX {
            return Err(Failure::configuration(format!("the address is longer than {ADDRESS_MAX} bytes")));
        }
        let url = Url::parse(&secrets.fill_address(&shown))
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                Failure::configuration(format!(
                    "`{}` is no address to call: it has to begin with http:// or https://",
                    without_password(&shown)
                ))
            })?;
        Ok(Self { method, shown: without_password(&shown), url, headers: Vec::new(), content: None })
    }

    /// Takes an object of headers.
    pub(crate) fn set_headers(&mut self, headers: &Value) -> Result<(), Failure> {
        let Some(members) = headers.as_object() else {
            return match headers.is_null() {
                true => Ok(()),
                false => Err(Failure::configuration(format!(
                    "`headers` is an object, not a value of type {}",
                    headers.kind()
                ))),
            };
        };
        if members.len() > HEADERS_MAX {
            return Err(Failure::configuration(format!("a request has at most {HEADERS_MAX} headers")));
        }
        for (name, value) in members {
            match value {
                Value::Null => {}
                Value::Array(items) => {
                    let items: Vec<String> = items.iter().map(text_of).collect();
                    self.set_header(name, &items.join(", "))?;
                }
                value => self.set_header(name, &text_of(value))?,
            }
        }
        Ok(())
    }

    pub(crate) fn set_header(&mut self, name: &str, text: &str) -> Result<(), Failure> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Failure::configuration(format!("`{name}` cannot be the name of a header")))?;
        // The length of what is sent is not the author's to say.
        if name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
            self.headers.retain(|(known, _)| *known != name);
            self.headers.push((name, text.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.as_str() == name).map(|(_, text)| text.as_str())
    }

    /// Takes a body, in the form that the header `content-type` says where the author set one.
    pub(crate) fn set_body(&mut self, body: &Value, secrets: &SecretStandIns) -> Result<(), Failure> {
        if body.is_null() {
            return Ok(());
        }
        let given = self.header(CONTENT_TYPE.as_str()).map(media_type);
        // `default` is what the bytes are called where the author called them nothing.
        let (bytes, default) = match (body, given.as_deref()) {
            (Value::String(text), _) => (secrets.fill_text(text).into_bytes(), "text/plain; charset=utf-8"),
            (Value::Object(_), Some(FORM)) => (form(&secrets.fill(body)).into_bytes(), FORM),
            (Value::Object(_), Some("multipart/form-data")) => {
                let boundary = format!("interlock-{}", uuid::Uuid::now_v7().simple());
                self.set_header(CONTENT_TYPE.as_str(), &format!("multipart/form-data; boundary={boundary}"))?;
                (multipart(&secrets.fill(body), &boundary).into_bytes(), "multipart/form-data")
            }
            (Value::Object(_), Some(kind)) if kind.starts_with("multipart/") || kind.ends_with("xml") => {
                let detail = format!("a body of type `{kind}` cannot be made of an object: give it as a text");
                return Err(Failure::configuration(detail));
            }
            _ => (json::to_vec(&secrets.fill(body)), "application/json"),
        };
        if given.is_none() {
            self.set_header(CONTENT_TYPE.as_str(), default)?;
        }
        self.content = Some(Content { bytes: bytes.into(), secret: secrets.within(body) });
        Ok(())
    }

    /// The headers as they are sent.
    pub(crate) fn sent_headers(&self, secrets: &SecretStandIns) -> Result<HeaderMap, Failure> {
        let mut sent = HeaderMap::with_capacity(self.headers.len() + 2);
        for (name, text) in &self.headers {
            let mut value = HeaderValue::from_str(&secrets.fill_text(text)).map_err(|_| {
                Failure::configuration(format!(
                    "the value of the header `{name}` has characters that no header may have"
                ))
            })?;
            value.set_sensitive(secrets.within_text(text));
            sent.insert(name, value);
        }
        if !sent.contains_key(ACCEPT) {
            sent.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.8"));
        }
        Ok(sent)
    }

    /// In words for messages: without the query, which may be long.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.shown.split('?').next().unwrap_or_default())
    }
}

/// An address without the password that may stand in it.
pub(crate) fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}@{}", crate::secrets::MASK, &rest[at + 1..]),
        None => address.to_owned(),
    }
}
