//! What the ERP's refusals mean.
//!
//! The Gateway answers an error as `{"error": {"code", "message": {"value"}, "innererror": {"transactionid", "errordetails"}}}`
//! and, when it fails early, as the same in XML. Codes of business messages are an ABAP message class and number (`V1/311`);
//! codes of the framework start with `/IWBEP/` or `/IWFND/`, or are a 32-digit text id.

use std::time::Duration;

use connect::transport::Effect;
use connect::{CallError, ErrorClass};
use model::{Value, json};
use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// Messages that say that somebody holds the ABAP enqueue lock of the document.
const LOCK_MESSAGES: [&str; 9] =
    ["V1/042", "VL/045", "VL/046", "MC/601", "MC/602", "M3/022", "M3/682", "F2/042", "VF/042"];

/// Words of a lock message whose number is not known. The connection's language is English unless it says otherwise.
const LOCK_WORDS: [&str; 6] = [
    "locked by",
    "being processed by",
    "is currently locked",
    "being edited by",
    "wird gerade bearbeitet",
    "gesperrt durch",
];

/// Codes that say that the service, set or field does not exist or is not active.
const MISSING_SERVICE: [&str; 3] = ["/IWFND/MED/170", "/IWFND/CM_MGW/004", "/IWFND/MED/111"];

/// An answer that is not a success, as far as it matters.
pub(crate) struct Refusal<'a> {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Whether the answer asked for a new CSRF token.
    pub(crate) wants_token: bool,
    /// How long it asked to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Its body.
    pub(crate) body: &'a [u8],
}

/// What is known of an error body.
#[derive(Debug, Default, PartialEq)]
struct Told {
    code: String,
    message: String,
    details: Value,
}

/// The meaning of a refusal. `more_locks` are message codes that mean a lock in this particular ERP.
#[must_use]
pub(crate) fn classify(refusal: &Refusal<'_>, effect: Effect, more_locks: &[String]) -> CallError {
    let told = read(refusal.body);
    let status = refusal.status;
    let code = told.as_ref().map(|told| told.code.as_str()).filter(|code| !code.is_empty());
    let business = code.is_some_and(is_business);
    let locked = told.as_ref().is_some_and(|told| is_lock(told, more_locks));
    let missing = code.is_some_and(|code| MISSING_SERVICE.contains(&code));
    let lost = match effect {
        Effect::Read => ErrorClass::Unavailable,
        Effect::Write => ErrorClass::Ambiguous,
    };
    let class = match status {
        423 => ErrorClass::Locked,
        400 | 409 | 422 | 500 if locked => ErrorClass::Locked,
        429 => ErrorClass::Throttled,
        412 | 428 => ErrorClass::Conflict,
        401 => ErrorClass::Unauthorized,
        // The session was renewed and the request repeated already; nothing was done either time.
        403 if refusal.wants_token => ErrorClass::Unavailable,
        403 | 404 if missing => ErrorClass::Misconfigured,
        403 => ErrorClass::Unauthorized,
        405 | 406 | 415 | 501 => ErrorClass::Misconfigured,
        // A record that does not exist is answered with a text id as well, but with 404.
        400 if code.is_some_and(is_protocol) => ErrorClass::Misconfigured,
        408 => ErrorClass::Unavailable,
        // A gateway between may say so after it had passed the request on; a system that is busy says when to come back.
        503 if refusal.retry_after.is_some() => ErrorClass::Unavailable,
        503 => lost,
        500 if business => ErrorClass::Rejected,
        500.. => lost,
        _ => ErrorClass::Rejected,
    };
    let told = told.unwrap_or_default();
    let message = if status == 403 && refusal.wants_token {
        "the ERP refuses the CSRF token even of a new session; a proxy between may be dropping cookies".to_owned()
    } else if told.message.is_empty() {
        match connect::transport::excerpt(refusal.body) {
            excerpt if excerpt.is_empty() || excerpt.starts_with('<') => {
                format!("the ERP answered with status {status}")
            }
            excerpt => format!("the ERP answered with status {status}: {excerpt}"),
        }
    } else {
        told.message
    };
    let code = if told.code.is_empty() { format!("HTTP {status}") } else { told.code };
    CallError::new(class, code, message).retry_after(refusal.retry_after).with_details(told.details)
}

/// A message class and number of the application, not of the framework.
fn is_business(code: &str) -> bool {
    let Some((class, number)) = code.rsplit_once('/') else { return false };
    let framework = class.starts_with("/IWBEP") || class.starts_with("/IWFND") || class.starts_with("/IWCOR");
    number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()) && !framework && class != "SY"
}

/// An error of the OData layer about the request itself: text ids of its exception classes.
fn is_protocol(code: &str) -> bool {
    let is_text_id = code.len() == 32 && code.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_text_id || code.starts_with("/IWCOR/")
}

fn is_lock(told: &Told, more_locks: &[String]) -> bool {
    let known = |code: &str| LOCK_MESSAGES.contains(&code) || more_locks.iter().any(|lock| lock == code);
    let worded = |message: &str| {
        let message = message.to_lowercase();
        LOCK_WORDS.iter().any(|words| message.contains(words))
    };
    known(&told.code)
        || worded(&told.message)
        || told.details.items().iter().any(|detail| {
            let is_error = detail.get("severity").as_str().is_none_or(|severity| severity == "error");
            is_error
                && (detail.get("code").as_str().is_some_and(known)
                    || detail.get("message").as_str().is_some_and(worded))
        })
}

fn read(body: &[u8]) -> Option<Told> {
    match body.trim_ascii_start().first()? {
        b'{' => read_json(body),
        b'<' => read_xml(std::str::from_utf8(body).ok()?),
        _ => None,
    }
}

fn read_json(body: &[u8]) -> Option<Told> {
    let document = json::parse(body).ok()?;
    let error = document.get("error");
    error.as_object()?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let message = match error.get("message") {
        Value::String(message) => message.to_string(),
        message => text(message.get("value")),
    };
    let details = error.get("innererror").get("errordetails");
    let mut told = Told { code: text(error.get("code")), message, details: details.clone() };
    // A generic exception says nothing; the first business message behind it does.
    if !is_business(&told.code) {
        let cause = details.items().iter().find(|detail| {
            let severity = detail.get("severity").as_str().unwrap_or("error");
            severity == "error" && detail.get("code").as_str().is_some_and(is_business)
        });
        if let Some(cause) = cause {
            told.code = text(cause.get("code"));
            if let Some(message) = cause.get("message").as_str().filter(|message| !message.is_empty()) {
                told.message = message.to_owned();
            }
        }
    }
    Some(told)
}

fn read_xml(document: &str) -> Option<Told> {
    let mut reader = Reader::from_str(document);
    let (mut told, mut inside, mut events) = (Told::default(), String::new(), 0);
    let mut depth = 0usize;
    loop {
        events += 1;
        match reader.read_event().ok()? {
            Event::Start(element) => {
                inside = element.local_name().into_inner().to_owned();
                if depth == 0 && inside != "error" {
                    return None;
                }
                depth += 1;
            }
            Event::End(_) => {
                inside.clear();
                depth = depth.saturating_sub(1);
            }
            // Only the error's own children; details repeat them deeper down.
            Event::Text(text) if depth == 2 => match inside.as_str() {
                "code" => told.code.push_str(&text.xml10_content()),
                "message" => told.message.push_str(&text.xml10_content()),
                _ => {}
            },
            Event::Eof => return (depth == 0 && !told.code.is_empty()).then_some(told),
            _ => {}
        }
        if events > 10_000 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(status: u16, body: &str, effect: Effect) -> CallError {
        classify(
            &Refusal { status, wants_token: false, retry_after: None, body: body.as_bytes() },
            effect,
            &["ZZ/001".into()],
        )
    }

    fn error(code: &str, message: &str) -> String {
        format!(
            r#"{{"error":{{"code":"{code}","message":{{"lang":"en","value":"{message}"}},"innererror":{{"errordetails":[]}}}}}}"#
        )
    }

    #[test]
    fn classes_of_refusals() {
        use Effect::{Read, Write};
        use ErrorClass::*;
        let locked = error("V1/042", "Sales document 4711 is currently being processed (by user JANE)");
        let worded = error("ZSD/007", "Customer 10 is locked by JANE");
        let business = error("V1/311", "Sold-to party 17100009 is not maintained for sales area 1010 10 00");
        let framework = error("/IWBEP/CM_MGW_RT/022", "An exception was raised");
        let syntax = error("005056A509B11EE1B9A8FEC11C21578E", "Invalid token detected at position 5");
        let no_service = error("/IWFND/MED/170", "No service found for namespace '', name 'API_X', version '0001'");
        for (status, body, effect, class) in [
            (400, &locked, Write, Locked),
            (500, &locked, Write, Locked),
            (400, &worded, Write, Locked),
            (423, &String::new(), Write, Locked),
            (400, &error("ZZ/001", "busy"), Write, Locked),
            (400, &business, Write, Rejected),
            (500, &business, Write, Rejected),
            (500, &framework, Write, Ambiguous),
            (500, &framework, Read, Unavailable),
            (500, &error("SY/530", "An exception was raised"), Write, Ambiguous),
            (502, &"<html>bad gateway</html>".to_owned(), Write, Ambiguous),
            (504, &String::new(), Write, Ambiguous),
            (504, &String::new(), Read, Unavailable),
            (503, &String::new(), Write, Ambiguous),
            (503, &String::new(), Read, Unavailable),
            (429, &String::new(), Write, Throttled),
            (412, &String::new(), Write, Conflict),
            (428, &String::new(), Write, Conflict),
            (401, &String::new(), Read, Unauthorized),
            (403, &error("/IWBEP/CM_MGW_RT/040", "no authorization"), Read, Unauthorized),
            (403, &no_service, Read, Misconfigured),
            (400, &syntax, Read, Misconfigured),
            (405, &String::new(), Write, Misconfigured),
            (404, &error("/IWBEP/CM_MGW_RT/020", "Resource not found"), Write, Rejected),
        ] {
            let got = class_of(status, body, effect);
            assert_eq!(got.class, class, "{status} {body} {got:?}");
        }
        let busy = Refusal { status: 503, wants_token: false, retry_after: Some(Duration::from_secs(1)), body: b"" };
        assert_eq!(classify(&busy, Write, &[]).class, Unavailable);
    }

    #[test]
    fn the_business_message_behind_a_generic_exception_is_told() {
        let body = r#"{"error":{"code":"/IWBEP/CX_MGW_BUSI_EXCEPTION","message":{"lang":"en","value":"An exception was raised"},
            "innererror":{"transactionid":"A1","errordetails":[{"code":"V4/248","message":"Check the item","severity":"warning"},
            {"code":"V1/382","message":"Material X is not defined for sales org.1010","severity":"error","target":"to_Item"}]}}}"#;
        let error = class_of(400, body, Effect::Write);
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Rejected, "V1/382"));
        assert_eq!(error.message, "Material X is not defined for sales org.1010");
        assert_eq!(error.details.items().len(), 2);
    }

    #[test]
    fn xml_errors_are_understood() {
        let body = "<?xml version=\"1.0\"?><error xmlns=\"m\"><code>/IWFND/MED/170</code><message xml:lang=\"en\">No service found</message>\
                    <innererror><code>x</code></innererror></error>";
        let error = class_of(404, body, Effect::Read);
        assert_eq!(
            (error.class, error.code.as_str(), error.message.as_str()),
            (ErrorClass::Misconfigured, "/IWFND/MED/170", "No service found")
        );
    }

    #[test]
    fn what_is_no_error_body_is_quoted() {
        assert_eq!(class_of(400, "no good", Effect::Read).message, "the ERP answered with status 400: no good");
        assert_eq!(class_of(502, "<html>", Effect::Read).message, "the ERP answered with status 502");
    }
}
