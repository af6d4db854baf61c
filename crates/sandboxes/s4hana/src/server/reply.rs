//! Answers before they go out: alone on a connection, or as a part of a batch.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::odata::batch::{Answer, write_answer};
use crate::odata::error::Error;

/// JSON.
pub(crate) const JSON: &str = "application/json";

/// An answer.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The content type; empty when there is no body.
    pub(crate) content_type: String,
    /// More headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// A JSON answer.
    #[must_use]
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, content_type: JSON.to_owned(), headers: vec![("dataserviceversion", "2.0".to_owned())], body }
    }

    /// An answer without a body.
    #[must_use]
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: vec![("dataserviceversion", "2.0".to_owned())], ..Self::default() }
    }

    /// An answer of any type.
    #[must_use]
    pub(crate) fn of(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("dataserviceversion", "2.0".to_owned())];
        Self { status, content_type: content_type.to_owned(), headers, body: body.into() }
    }

    /// An error, in JSON or in XML.
    #[must_use]
    pub(crate) fn error(error: &Error, service: &str, transaction: u64, json: bool) -> Self {
        let mut body = Vec::with_capacity(1024);
        if json {
            error.write_json(service, transaction, &mut body);
            return Self::json(error.status, body);
        }
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><error xmlns=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\">\
             <code>{}</code><message xml:lang=\"en\">{}</message><innererror><transactionid>{transaction:032X}</transactionid></innererror></error>",
            escape(error.code),
            escape(&error.message)
        );
        Self::of(error.status, "application/xml;charset=utf-8", text)
    }

    /// With a header.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer on a connection of its own.
    #[must_use]
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&self.content_type)
            && !self.content_type.is_empty()
        {
            headers.insert(http::header::CONTENT_TYPE, value);
        }
        for (name, value) in self.headers {
            // A value that no header can hold comes from outside; it is left out.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        response
    }

    /// Appends the answer as a part of a batch.
    pub(crate) fn write_part(&self, boundary: &str, out: &mut Vec<u8>) {
        use std::fmt::Write as _;
        let mut headers = String::with_capacity(256);
        // Writing to a String cannot fail.
        if !self.content_type.is_empty() {
            let _ = write!(headers, "Content-Type: {}\r\n", self.content_type);
        }
        let _ = write!(headers, "Content-Length: {}\r\n", self.body.len());
        for (name, value) in &self.headers {
            let _ = write!(headers, "{name}: {}\r\n", value.replace(['\r', '\n'], " "));
        }
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
        write_answer(&Answer { status: self.status, reason, headers: &headers, body: &self.body }, boundary, out);
    }
}
