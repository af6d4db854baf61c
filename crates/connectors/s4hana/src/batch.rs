//! The `$batch` format: requests into one multipart body, the answers out of another. Pure.
//!
//! Every change stands in a changeset of its own, which is one unit of work in the ERP: it succeeds or fails alone. Answers
//! come in the order of the requests; a changeset that failed answers with a plain response instead of a multipart one.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Most answers that are read out of one body.
const PARTS_MAX: usize = 10_000;
/// Most header lines of one part.
const HEADERS_MAX: usize = 100;

/// One request inside a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    /// `GET`, `POST`, `PATCH`, `DELETE`.
    pub(crate) method: &'static str,
    /// Address relative to the service's root, percent-encoded.
    pub(crate) path: String,
    /// JSON, for requests that have a body.
    pub(crate) body: Option<String>,
    /// Value of `If-Match`.
    pub(crate) if_match: Option<String>,
}

/// One answer out of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Response {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

/// The body of a batch. `boundary` must not occur in any operation; it consists of letters, digits and `_`.
#[must_use]
pub(crate) fn encode(operations: &[Operation], boundary: &str) -> String {
    let size: usize =
        operations.iter().map(|one| one.path.len() + one.body.as_ref().map_or(0, String::len) + 400).sum();
    let mut out = String::with_capacity(size + 64);
    for (index, operation) in operations.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(out, "--{boundary}\r\n");
        let changes = operation.method != "GET";
        if changes {
            let _ = write!(
                out,
                "Content-Type: multipart/mixed; boundary={boundary}_{index}\r\n\r\n--{boundary}_{index}\r\n"
            );
        }
        out.push_str("Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n");
        let _ = write!(out, "{} {} HTTP/1.1\r\nAccept: application/json\r\n", operation.method, operation.path);
        if let Some(etag) = &operation.if_match {
            let _ = write!(out, "If-Match: {}\r\n", etag.replace(['\r', '\n'], ""));
        }
        if let Some(body) = &operation.body {
            let _ = write!(out, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\r\n", body.len());
        } else if changes {
            out.push_str("Content-Length: 0\r\n\r\n\r\n");
        } else {
            out.push_str("\r\n\r\n");
        }
        if changes {
            let _ = write!(out, "--{boundary}_{index}--\r\n");
        }
    }
    let _ = write!(out, "--{boundary}--\r\n");
    out
}

/// The answers in a batch's body, one for each operation that was answered: as many as could be read, in order. A caller that
/// finds fewer than it asked for does not know what became of the rest.
#[must_use]
pub(crate) fn decode(content_type: &str, body: &Bytes) -> Vec<Response> {
    let mut responses = Vec::new();
    if let Some(boundary) = boundary(content_type) {
        let mut reader = Reader { body, at: 0 };
        // Whatever stops the reader, what it has read until there is whole.
        let _ = reader.multipart(&boundary, false, &mut responses);
    }
    responses
}

/// The boundary parameter of a `multipart/mixed` content type.
fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty() && value.len() <= 200)
            .then(|| value.to_owned())
    })
}

struct Reader<'a> {
    body: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next line without its end, and whether it was ended.
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.body[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        self.at += end + 1;
        let line = &rest[..end];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn multipart(&mut self, boundary: &str, nested: bool, responses: &mut Vec<Response>) -> Option<()> {
        let delimiter = format!("--{boundary}");
        // What stands before the first delimiter is for people.
        loop {
            let line = self.line_or_rest()?;
            match line.strip_prefix(delimiter.as_bytes()) {
                Some(b"--") => return Some(()),
                Some(rest) if rest.iter().all(u8::is_ascii_whitespace) => break,
                _ => {}
            }
        }
        loop {
            if responses.len() >= PARTS_MAX {
                return None;
            }
            let headers = self.headers()?;
            let content_type =
                headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
            let inner = boundary_of_changeset(content_type, nested);
            if let Some(inner) = inner {
                let before = responses.len();
                self.multipart(&inner, true, responses)?;
                // One operation stands in each changeset, so it has one answer.
                responses.truncate(before + 1);
                if responses.len() == before {
                    return None;
                }
                if self.skip_to(&delimiter)? {
                    return Some(());
                }
            } else {
                let (response, is_last) = self.response(&delimiter)?;
                responses.push(response);
                if is_last {
                    return Some(());
                }
            }
        }
    }

    /// The last line of a body need not be ended.
    fn line_or_rest(&mut self) -> Option<&'a [u8]> {
        if let Some(line) = self.line() {
            return Some(line);
        }
        let rest = &self.body[self.at..];
        self.at = self.body.len();
        (!rest.is_empty()).then_some(rest)
    }

    fn headers(&mut self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for _ in 0..HEADERS_MAX {
            let line = self.line()?;
            if line.is_empty() {
                return Some(headers);
            }
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(line[..colon].trim_ascii());
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        None
    }

    /// An `application/http` part up to its delimiter, and whether it was the last part.
    fn response(&mut self, delimiter: &str) -> Option<(Response, bool)> {
        let status_line = std::str::from_utf8(self.line()?).ok()?;
        let mut words = status_line.split_ascii_whitespace();
        words.next().filter(|version| version.starts_with("HTTP/"))?;
        let status: u16 = words.next()?.parse().ok().filter(|status| (100..600).contains(status))?;
        let headers = self.headers()?;
        let start = self.at;
        let announced =
            headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        // A length that leads to the delimiter saves looking at every byte; servers count it in several ways.
        if let Some(end) = announced.and_then(|length| start.checked_add(length)).filter(|end| *end <= self.body.len())
        {
            self.at = end;
            if let Some(is_last) = self.delimiter_here(delimiter) {
                return Some((Response { status, headers, body: self.body.slice(start..end) }, is_last));
            }
            self.at = start;
        }
        let mut end = start;
        loop {
            let line_start = self.at;
            let line = self.line_or_rest()?;
            if let Some(rest) = line.strip_prefix(delimiter.as_bytes())
                && (rest.starts_with(b"--") || rest.iter().all(u8::is_ascii_whitespace))
            {
                let mut body = self.body.slice(start..end.max(start));
                while body.last().is_some_and(u8::is_ascii_whitespace) {
                    body.truncate(body.len() - 1);
                }
                return Some((Response { status, headers, body }, rest.starts_with(b"--")));
            }
            end = self.at.max(line_start);
        }
    }

    /// Past the next delimiter; whether it was the closing one.
    fn skip_to(&mut self, delimiter: &str) -> Option<bool> {
        loop {
            let line = self.line_or_rest()?;
            if let Some(rest) = line.strip_prefix(delimiter.as_bytes())
                && (rest.starts_with(b"--") || rest.iter().all(u8::is_ascii_whitespace))
            {
                return Some(rest.starts_with(b"--"));
            }
        }
    }

    /// Past a delimiter that comes next but for empty lines; whether it was the closing one.
    fn delimiter_here(&mut self, delimiter: &str) -> Option<bool> {
        for _ in 0..3 {
            let line = self.line_or_rest()?;
            if line.is_empty() {
                continue;
            }
            let rest = line.strip_prefix(delimiter.as_bytes())?;
            return (rest.starts_with(b"--") || rest.iter().all(u8::is_ascii_whitespace))
                .then(|| rest.starts_with(b"--"));
        }
        None
    }
}

fn boundary_of_changeset(content_type: &str, nested: bool) -> Option<String> {
    if nested { None } else { boundary(content_type) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_what_the_gateway_reads() {
        let read = Operation { method: "GET", path: "A('1')".into(), body: None, if_match: None };
        let create = Operation { method: "POST", path: "A".into(), body: Some("{}".into()), if_match: None };
        let change = Operation {
            method: "PATCH",
            path: "A('1')".into(),
            body: Some("{}".into()),
            if_match: Some("W/\"1\"".into()),
        };
        assert_eq!(
            encode(&[read, create, change], "b"),
            "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
             GET A('1') HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n\
             --b\r\nContent-Type: multipart/mixed; boundary=b_1\r\n\r\n\
             --b_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
             POST A HTTP/1.1\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}\r\n--b_1--\r\n\
             --b\r\nContent-Type: multipart/mixed; boundary=b_2\r\n\r\n\
             --b_2\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
             PATCH A('1') HTTP/1.1\r\nAccept: application/json\r\nIf-Match: W/\"1\"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}\r\n--b_2--\r\n\
             --b--\r\n"
        );
    }

    /// As the Gateway writes it: a read that succeeded, a changeset that succeeded, one that failed.
    const ANSWER: &str = "--R_0\r\nContent-Type: application/http\r\nContent-Length: 90\r\ncontent-transfer-encoding: binary\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\ndataserviceversion: 2.0\r\n\r\n{\"d\":1}\r\n\
        --R_0\r\nContent-Type: multipart/mixed; boundary=C_1\r\nContent-Length:       200\r\n\r\n\
        --C_1\r\nContent-Type: application/http\r\nContent-Length: 90\r\ncontent-transfer-encoding: binary\r\n\r\n\
        HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 7\r\nsap-message: {}\r\n\r\n{\"d\":2}\r\n--C_1--\r\n\r\n\
        --R_0\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{\"error\":{}}\r\n\
        --R_0--";

    #[test]
    fn reads_what_the_gateway_writes() {
        let responses = decode("multipart/mixed; boundary=R_0", &Bytes::from_static(ANSWER.as_bytes()));
        let seen: Vec<_> = responses.iter().map(|one| (one.status, &*one.body)).collect();
        assert_eq!(seen, [(200, &b"{\"d\":1}"[..]), (201, b"{\"d\":2}"), (400, b"{\"error\":{}}")]);
        assert_eq!(responses[1].headers.get("sap-message").map(HeaderValue::as_bytes), Some(&b"{}"[..]));
    }

    #[test]
    fn a_cut_answer_gives_only_what_is_whole() {
        for end in 0..ANSWER.len() {
            let responses = decode("multipart/mixed; boundary=R_0", &Bytes::from_static(&ANSWER.as_bytes()[..end]));
            for (index, response) in responses.iter().enumerate() {
                let whole: &[u8] = [&b"{\"d\":1}"[..], b"{\"d\":2}", b"{\"error\":{}}"][index];
                assert_eq!(&*response.body, whole, "cut at {end}");
            }
        }
    }

    fn response() -> impl Strategy<Value = (bool, u16, String, bool)> {
        (any::<bool>(), 200u16..599, "[ -~é]{0,60}", any::<bool>())
            .prop_map(|(changeset, status, body, length)| (changeset, status, body.trim().to_owned(), length))
    }

    proptest! {
        #[test]
        fn answers_are_read_back(responses in prop::collection::vec(response(), 0..8)) {
            let mut text = String::new();
            for (changeset, status, body, with_length) in &responses {
                text.push_str("--bound\r\n");
                if *changeset {
                    text.push_str("Content-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\n");
                }
                let length = if *with_length { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
                let _ = write!(text, "Content-Type: application/http\r\n\r\nHTTP/1.1 {status} Some\r\n{length}\r\n{body}\r\n");
                if *changeset {
                    text.push_str("--inner--\r\n");
                }
            }
            text.push_str("--bound--\r\n");
            let read = decode("multipart/mixed;boundary=\"bound\"", &Bytes::from(text));
            prop_assert_eq!(read.len(), responses.len());
            for (read, (_, status, body, _)) in read.iter().zip(&responses) {
                prop_assert_eq!(read.status, *status);
                prop_assert_eq!(&*read.body, body.as_bytes());
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(body in "(--R(--)?|\r\n|HTTP/1.1 200 OK|Content-(Type|Length): |application/http|multipart/mixed; boundary=R|[a-z0-9:]{0,4}){0,40}") {
            let _ = decode("multipart/mixed; boundary=R", &Bytes::from(body));
        }
    }
}
