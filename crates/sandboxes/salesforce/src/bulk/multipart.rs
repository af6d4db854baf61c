//! A job and its data in one request (`multipart/form-data`).

use crate::errors::Refusal;

/// Most characters of data that come together with their job, by the vendor's rule.
pub(super) const CONTENT_MAX: usize = 100_000;

/// The parts of a body named `job` and `content`.
pub(super) fn parts<'a>(content_type: &str, body: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Refusal> {
    let wrong =
        |what: &str| Refusal::new("INVALID_MULTIPART_REQUEST", format!("The multipart request is wrong: {what}"));
    let boundary = content_type
        .split(';')
        .filter_map(|parameter| parameter.trim().strip_prefix("boundary="))
        .map(|boundary| boundary.trim_matches('"'))
        .find(|boundary| !boundary.is_empty() && boundary.len() <= 70)
        .ok_or_else(|| wrong("it names no boundary"))?;
    let mark = format!("--{boundary}");
    let (mut job, mut content) = (None, None);
    let mut rest = find(body, mark.as_bytes()).and_then(|at| body.get(at + mark.len()..));
    while let Some(after) = rest.filter(|after| !after.starts_with(b"--")) {
        let end = find(after, mark.as_bytes()).ok_or_else(|| wrong("a part has no end"))?;
        let (part, next) = after.split_at(end);
        rest = next.get(mark.len()..);
        let (head, data) = divide(part).ok_or_else(|| wrong("a part has no content"))?;
        match name(head) {
            Some("job") => job = Some(data),
            Some("content") => content = Some(data),
            _ => return Err(wrong("only the parts `job` and `content` are known")),
        }
    }
    job.zip(content).ok_or_else(|| wrong("it needs the parts `job` and `content`"))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// The head and the content of a part, without the line break before the next boundary.
fn divide(part: &[u8]) -> Option<(&str, &[u8])> {
    let (at, gap) = find(part, b"\r\n\r\n").map(|at| (at, 4)).or_else(|| find(part, b"\n\n").map(|at| (at, 2)))?;
    let data = part.get(at + gap..)?;
    let data = data.strip_suffix(b"\r\n").or_else(|| data.strip_suffix(b"\n")).unwrap_or(data);
    Some((std::str::from_utf8(part.get(..at)?).ok()?, data))
}

fn name(head: &str) -> Option<&str> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let given = line.split(';').find_map(|parameter| parameter.trim().strip_prefix("name="))?;
    Some(given.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--B\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=\"job\"\r\n\r\n{}\r\n--B\r\nContent-Type: text/csv\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\r\nName\na\n\r\n--B--\r\n";

    #[test]
    fn both_parts_are_found_whatever_ends_the_lines() {
        let wanted: (&[u8], &[u8]) = (b"{}", b"Name\na\n");
        assert_eq!(parts("multipart/form-data; boundary=\"B\"", BODY.as_bytes()), Ok(wanted));
        let plain = BODY.replace("\r\n", "\n");
        assert_eq!(parts("multipart/form-data; boundary=B", plain.as_bytes()), Ok(wanted));
    }

    #[test]
    fn what_is_no_such_body_is_refused() {
        for (kind, body) in [
            ("multipart/form-data", BODY),
            ("multipart/form-data; boundary=C", BODY),
            ("multipart/form-data; boundary=B", "--B\r\n\r\n"),
            ("multipart/form-data; boundary=B", "--B--"),
        ] {
            assert!(parts(kind, body.as_bytes()).is_err(), "{kind} {body}");
        }
    }
}
