//! The forms in which an answer is given to the workflow, and the fault it is otherwise.

use ::http::HeaderMap;
use ::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use model::Value;

use super::content::{base64, decode};
use super::exchange::Answered;
use super::request::Outgoing;
use crate::Failure;
use crate::secrets::MASK;

/// How much of an answer that is an error goes into the fault, in bytes.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// The form that a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// The content, as data where its type is known.
    Content,
    /// The bytes in base64.
    Raw,
    /// Everything: request, status, headers, content.
    Response,
}

impl Output {
    pub(crate) fn read(value: &Value) -> Result<Self, Failure> {
        match (value, value.as_str()) {
            (Value::Null, _) | (_, Some("content")) => Ok(Self::Content),
            (_, Some("raw")) => Ok(Self::Raw),
            (_, Some("response")) => Ok(Self::Response),
            _ => Err(Failure::configuration("`output` is `raw`, `content` or `response`")),
        }
    }

    pub(crate) fn of(self, answered: &Answered) -> Result<Value, Failure> {
        match self {
            Self::Content => content(answered),
            Self::Raw => Ok(Value::from(base64(&answered.answer.body))),
            Self::Response => Ok(Value::object([
                ("request", request(&answered.request)),
                ("headers", headers(&answered.answer.headers)),
                ("statusCode", Value::from(u32::from(answered.answer.status.as_u16()))),
                ("content", content(answered)?),
            ])),
        }
    }
}

fn content(answered: &Answered) -> Result<Value, Failure> {
    decode(answered.answer.header(CONTENT_TYPE.as_str()), &answered.answer.body)
        .map_err(|error| Failure::communication(502, format!("{}: {error}", answered.request.name())))
}

fn request(outgoing: &Outgoing) -> Value {
    let shown = outgoing.headers.iter().map(|(name, text)| {
        let credentials = *name == AUTHORIZATION || matches!(name.as_str(), "proxy-authorization" | "cookie");
        (name.as_str(), if credentials { Value::from(MASK) } else { Value::from(text.as_str()) })
    });
    Value::object([
        ("method", Value::from(outgoing.method.as_str())),
        ("uri", Value::from(outgoing.shown.as_str())),
        ("headers", Value::object(shown)),
    ])
}

fn headers(headers: &HeaderMap) -> Value {
    let mut told = Value::empty_object();
    for name in headers.keys() {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        told.set(name.as_str(), values.join(", "));
    }
    told
}

/// The fault of an answer that is an error, with what the other side says about it as data.
pub(crate) fn refused(answered: &Answered) -> Failure {
    let answer = &answered.answer;
    let mut detail = format!("{} answered {}", answered.request.name(), answer.status);
    if answer.status.is_redirection()
        && let Some(elsewhere) = answer.header(LOCATION.as_str())
    {
        let elsewhere = elsewhere.split('?').next().unwrap_or_default();
        detail = format!("{detail}, a redirect to {elsewhere} that is not followed");
    }
    let told = &answer.body[..answer.body.len().min(ERROR_BODY_MAX)];
    let data = decode(answer.header(CONTENT_TYPE.as_str()), told)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(told).into_owned()));
    Failure::communication(answer.status.as_u16(), detail).with_data(data)
}
