//! What the bytes of an answer mean, by their media type.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::{Source, Value, json};

/// The media type alone, in lower case, without parameters.
pub(crate) fn media_type(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// An answer's content: JSON and YAML as data, texts as texts, anything else in base64. Without a media type the bytes
/// themselves are asked. Numbers keep their digits.
///
/// # Errors
/// When the content is not what its media type says.
pub(crate) fn decode(content_type: Option<&str>, bytes: &[u8]) -> Result<Value, String> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let Some(content_type) = content_type.filter(|text| !text.trim().is_empty()) else {
        return Ok(match std::str::from_utf8(bytes) {
            Ok(text) => json::parse(bytes).unwrap_or_else(|_| Value::from(text)),
            Err(_) => Value::from(BASE64.encode(bytes)),
        });
    };
    let kind = media_type(content_type);
    let (main, sub) = kind.split_once('/').unwrap_or((&*kind, ""));
    let suffix = sub.rsplit_once('+').map(|(_, suffix)| suffix);
    if sub == "json" || suffix == Some("json") {
        return json::parse(bytes).map_err(|error| format!("the answer calls itself {kind} but is not: {error}"));
    }
    if matches!(sub, "yaml" | "x-yaml" | "vnd.yaml") || suffix == Some("yaml") {
        let text = text(content_type, bytes);
        return yaml(&text).map_err(|error| format!("the answer calls itself {kind} but is not: {error}"));
    }
    let texts = ["xml", "javascript", "x-www-form-urlencoded", "x-ndjson", "ndjson", "jsonl", "graphql", "sql"];
    if main == "text" || texts.contains(&sub) || suffix == Some("xml") {
        return Ok(Value::from(text(content_type, bytes)));
    }
    Ok(Value::from(BASE64.encode(bytes)))
}

/// A YAML text as data.
pub(crate) fn yaml(text: &str) -> Result<Value, String> {
    let source = Source { file: "content".into(), text: Arc::from(text) };
    workflow::yaml::parse(&source).map(|node| node.to_value()).map_err(|problems| {
        let first = problems.iter().next();
        first.map_or_else(String::new, |problem| format!("line {}: {}", problem.span.line, problem.message))
    })
}

fn text(content_type: &str, bytes: &[u8]) -> String {
    let lower = content_type.to_ascii_lowercase();
    let charset = lower.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("charset="));
    match charset.map(|charset| charset.trim_matches('"')) {
        // Each byte of it is the character of that number.
        Some("iso-8859-1" | "latin1") => bytes.iter().map(|byte| char::from(*byte)).collect(),
        _ => {
            let text = String::from_utf8_lossy(bytes);
            text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()
        }
    }
}

/// The bytes in base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_read_by_its_media_type() {
        let read = |kind: &str, bytes: &[u8]| decode(Some(kind).filter(|kind| !kind.is_empty()), bytes);
        let json = r#"{"a":1.10}"#;
        for kind in ["application/json", "application/problem+json; charset=utf-8", "text/json", "APPLICATION/JSON", ""]
        {
            assert_eq!(read(kind, json.as_bytes()).map(|value| value.to_string()).as_deref(), Ok(json), "{kind}");
        }
        for kind in ["application/yaml", "text/yaml", "application/x-yaml", "application/vnd.oai+yaml"] {
            assert_eq!(read(kind, b"a: [1, x]").map(|value| value.to_string()).as_deref(), Ok(r#"{"a":[1,"x"]}"#));
        }
        assert_eq!(read("text/plain; charset=ISO-8859-1", b"\xe4"), Ok(Value::from("ä")));
        assert_eq!(read("application/soap+xml", b"<a/>"), Ok(Value::from("<a/>")));
        assert_eq!(read("image/png", b"\x89P"), Ok(Value::from("iVA=")));
        assert_eq!(read("", b"\xff\xfe"), Ok(Value::from("//4=")));
        assert_eq!(read("", b"hello"), Ok(Value::from("hello")));
        assert_eq!(read("application/json", b""), Ok(Value::Null));
        assert!(read("application/json", b"<html>").is_err_and(|error| error.contains("application/json")));
        assert!(read("application/yaml", b"a: [").is_err_and(|error| error.contains("line")));
    }
}
