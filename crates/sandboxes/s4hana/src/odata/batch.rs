//! `$batch`: requests out of one multipart body, the answers into another.
//!
//! Reads stand alone, changes in changesets; a changeset that fails answers with one plain response.

/// Most requests in one batch.
const PARTS_MAX: usize = 1_000;
/// Most header lines of one part.
const HEADERS_MAX: usize = 60;

/// One request inside a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation<'a> {
    /// `GET`, `POST`, `PATCH`, …
    pub(crate) method: &'a str,
    /// The address: relative to the service, from the root of the host, or whole.
    pub(crate) address: &'a str,
    /// `If-Match`.
    pub(crate) if_match: Option<&'a str>,
    /// `Content-ID`.
    pub(crate) content_id: Option<&'a str>,
    /// `X-HTTP-Method`: the method that is meant by a POST.
    pub(crate) tunneled: Option<&'a str>,
    /// The body.
    pub(crate) body: &'a [u8],
}

/// A part of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// A read.
    Single(Operation<'a>),
    /// Changes that succeed or fail together.
    Changeset(Vec<Operation<'a>>),
}

/// The boundary in a content type, when it is multipart.
#[must_use]
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty() && value.len() <= 200).then_some(value)
    })
}

/// Reads the parts of a batch. `None` when it is malformed.
#[must_use]
pub(crate) fn read<'a>(body: &'a [u8], boundary: &'a str) -> Option<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    let mut count = 0;
    for part in pieces(body, boundary)? {
        let mut reader = Lines(part);
        let headers = Headers::read(&mut reader)?;
        let part = if let Some(inner) = headers.content_type.and_then(self::boundary) {
            let mut operations = Vec::new();
            for piece in pieces(reader.0, inner)? {
                let mut reader = Lines(piece);
                let headers = Headers::read(&mut reader)?;
                operations.push(operation(&mut reader, &headers)?);
            }
            count += operations.len();
            Part::Changeset(operations)
        } else {
            count += 1;
            Part::Single(operation(&mut reader, &headers)?)
        };
        if count > PARTS_MAX {
            return None;
        }
        parts.push(part);
    }
    Some(parts)
}

fn operation<'a>(reader: &mut Lines<'a>, outer: &Headers<'a>) -> Option<Operation<'a>> {
    let mut words = reader.text()?.split_ascii_whitespace();
    let (method, address) = (words.next()?, words.next()?);
    let headers = Headers::read(reader)?;
    let mut body = reader.0;
    if let Some(length) = headers.length.filter(|length| *length <= body.len() && *length > 0) {
        body = &body[..length];
    }
    let body = body.trim_ascii();
    Some(Operation {
        method,
        address,
        if_match: headers.if_match,
        content_id: headers.content_id.or(outer.content_id),
        tunneled: headers.tunneled,
        body,
    })
}

/// What stands between the delimiters.
fn pieces<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<&'a [u8]>> {
    let delimiter = format!("--{boundary}");
    let delimiter = delimiter.as_bytes();
    let mut pieces = Vec::new();
    let mut start: Option<usize> = None;
    let mut at = 0;
    while at < body.len() {
        let end = body[at..].iter().position(|byte| *byte == b'\n').map_or(body.len(), |end| at + end + 1);
        let line = body[at..end].trim_ascii_end();
        if let Some(rest) = line.strip_prefix(delimiter)
            && (rest.is_empty() || rest == b"--")
        {
            if let Some(start) = start {
                pieces.push(&body[start..at]);
                if pieces.len() > PARTS_MAX {
                    return None;
                }
            }
            if rest == b"--" {
                return Some(pieces);
            }
            start = Some(end);
        }
        at = end;
    }
    None
}

struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    fn text(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 1..];
        std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()
    }
}

#[derive(Default)]
struct Headers<'a> {
    content_type: Option<&'a str>,
    content_id: Option<&'a str>,
    if_match: Option<&'a str>,
    tunneled: Option<&'a str>,
    length: Option<usize>,
}

impl<'a> Headers<'a> {
    fn read(reader: &mut Lines<'a>) -> Option<Self> {
        let mut headers = Self::default();
        for _ in 0..HEADERS_MAX {
            // A part may end with its last header.
            let Some(line) = reader.text() else { return reader.0.trim_ascii().is_empty().then_some(headers) };
            if line.is_empty() {
                return Some(headers);
            }
            let (name, value) = line.split_once(':')?;
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "content-type" => headers.content_type = Some(value),
                "content-id" => headers.content_id = Some(value),
                "if-match" => headers.if_match = Some(value),
                "x-http-method" => headers.tunneled = Some(value),
                "content-length" => headers.length = value.parse().ok(),
                _ => {}
            }
        }
        None
    }
}

/// One answer inside a batch.
pub(crate) struct Answer<'a> {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Its text.
    pub(crate) reason: &'a str,
    /// Header lines, each with its end.
    pub(crate) headers: &'a str,
    /// The body.
    pub(crate) body: &'a [u8],
}

/// Appends an answer as a part, after its delimiter.
pub(crate) fn write_answer(answer: &Answer<'_>, boundary: &str, out: &mut Vec<u8>) {
    let head = format!("HTTP/1.1 {} {}\r\n{}", answer.status, answer.reason, answer.headers);
    // Gateway counts the inner message from its status line to the end of its body.
    let inner = head.len() + 2 + answer.body.len();
    out.extend_from_slice(
        format!(
            "--{boundary}\r\nContent-Type: application/http\r\nContent-Length: {inner}\r\ncontent-transfer-encoding: binary\r\n\r\n{head}\r\n"
        )
        .as_bytes(),
    );
    out.extend_from_slice(answer.body);
    out.extend_from_slice(b"\r\n");
}

/// Appends the answers of a changeset, already written with `inner` as their boundary.
pub(crate) fn write_changeset(answers: &[u8], inner: &str, boundary: &str, out: &mut Vec<u8>) {
    let end = format!("--{inner}--\r\n");
    let length = answers.len() + end.len();
    out.extend_from_slice(
        format!("--{boundary}\r\nContent-Type: multipart/mixed; boundary={inner}\r\nContent-Length: {length}\r\n\r\n")
            .as_bytes(),
    );
    out.extend_from_slice(answers);
    out.extend_from_slice(end.as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BATCH: &str = "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
        GET A('1') HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n\
        --b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\
        --c\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\nPOST A HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}\r\n\
        --c\r\nContent-Type: application/http\r\n\r\nMERGE $1 HTTP/1.1\r\nIf-Match: *\r\n\r\n{\"a\":1}\r\n--c--\r\n\
        --b--\r\n";

    #[test]
    fn reads_reads_and_changesets() {
        let parts = read(BATCH.as_bytes(), "b").expect("a batch");
        assert_eq!(parts.len(), 2);
        assert!(matches!(parts[0], Part::Single(Operation { method: "GET", address: "A('1')", .. })));
        let Part::Changeset(changes) = &parts[1] else { panic!("a changeset") };
        assert_eq!((changes[0].content_id, changes[0].body), (Some("1"), &b"{}"[..]));
        assert_eq!((changes[1].if_match, changes[1].body), (Some("*"), &b"{\"a\":1}"[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_batch_or_none(body in "(--b(--)?|\r\n|GET A HTTP/1.1|Content-(Type|Length): |multipart/mixed; boundary=b|[a-z0-9:]{0,4}){0,40}") {
            let _ = read(body.as_bytes(), "b");
        }
    }
}
