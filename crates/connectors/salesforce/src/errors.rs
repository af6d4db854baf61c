//! What the vendor's error codes mean for the caller.

use connect::transport::{Answer, Effect};
use connect::{CallError, ErrorClass, NOT_UNDERSTOOD};
use model::{Value, json};

use crate::duplicates;

use ErrorClass::{Locked, Misconfigured, Rejected, Throttled, Unauthorized, Unavailable};

/// The code of a record that a duplicate rule refuses.
pub(crate) const DUPLICATES: &str = "DUPLICATES_DETECTED";

/// Codes that say the same wherever they come up, each with the reason for its class.
const CODES: &[(&str, ErrorClass, &str)] = &[
    ("UNABLE_TO_LOCK_ROW", Locked, "another transaction holds the row or its parent; the transaction was rolled back"),
    ("REQUEST_LIMIT_EXCEEDED", Throttled, "the daily or concurrent request budget is used up"),
    ("EXCEEDED_QUOTA", Throttled, "a budget of the org is used up"),
    ("TOO_MANY_REQUESTS", Throttled, "too many requests at once"),
    ("SERVER_UNAVAILABLE", Unavailable, "the vendor took no work in"),
    ("API_CURRENTLY_DISABLED", Unavailable, "the org is being maintained"),
    ("QUERY_TIMEOUT", Unavailable, "the query was stopped; queries change nothing"),
    ("INVALID_QUERY_LOCATOR", Unavailable, "the pages of this query are gone; the query has to start again"),
    ("REQUEST_RUNNING_TOO_LONG", Unavailable, "the transaction was stopped and rolled back"),
    ("INVALID_SESSION_ID", Unauthorized, "the token ended and a fresh one was refused too"),
    ("INVALID_AUTH_HEADER", Unauthorized, "the token is not taken"),
    ("INVALID_LOGIN", Unauthorized, "the user may not sign in"),
    ("API_DISABLED_FOR_ORG", Unauthorized, "this org or user has no API access"),
    ("FUNCTIONALITY_NOT_ENABLED", Misconfigured, "the org does not have this function switched on"),
    ("INVALID_FIELD", Misconfigured, "the org has no such field, or its user may not see it"),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", Misconfigured, "the field cannot be written"),
    ("INVALID_TYPE", Misconfigured, "the org has no such kind of record"),
    ("INVALID_TYPE_FOR_OPERATION", Misconfigured, "this kind of record does not allow the action"),
    ("MALFORMED_QUERY", Misconfigured, "the query names something that the org does not know"),
    ("JSON_PARSER_ERROR", Rejected, "a value does not fit the type of its field"),
    ("METHOD_NOT_ALLOWED", Misconfigured, "there is no such function"),
    ("UNSUPPORTED_API_VERSION", Misconfigured, "the org does not serve this API version"),
    ("NUM_RECORDS_EXCEEDED", Misconfigured, "more records than the resource takes"),
    ("EXCEEDED_ID_LIMIT", Misconfigured, "more records than the resource takes"),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", Rejected, "a validation rule of the org refuses the record"),
    ("REQUIRED_FIELD_MISSING", Rejected, "the record lacks a field that the org demands"),
    ("FIELD_INTEGRITY_EXCEPTION", Rejected, "values contradict each other"),
    ("INVALID_CROSS_REFERENCE_KEY", Rejected, "the record refers to one that does not exist"),
    ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", Rejected, "the user may not refer to that record"),
    ("INSUFFICIENT_ACCESS_OR_READONLY", Rejected, "the user may not change that record"),
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", Rejected, "a trigger or flow of the org refuses the record"),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", Rejected, "the value is not in the list"),
    ("STRING_TOO_LONG", Rejected, "the text is longer than the field"),
    ("NUMBER_OUTSIDE_VALID_RANGE", Rejected, "the number does not fit the field"),
    ("MALFORMED_ID", Rejected, "this is not an id"),
    ("STANDARD_PRICE_NOT_DEFINED", Rejected, "the product needs a price in the standard price book first"),
    ("DUPLICATE_VALUE", Rejected, "another record has the unique value"),
    (DUPLICATES, Rejected, "a duplicate rule blocks the record; the details name the matches"),
    ("DUPLICATE_EXTERNAL_ID", Rejected, "several records have the external id"),
    ("ENTITY_IS_DELETED", Rejected, "the record is in the recycle bin"),
    ("ENTITY_IS_LOCKED", Rejected, "an approval process locks the record until a person decides"),
    ("DELETE_FAILED", Rejected, "other records depend on it"),
    ("DEPENDENCY_EXISTS", Rejected, "other records depend on it"),
    ("STORAGE_LIMIT_EXCEEDED", Rejected, "the org's storage is full; a person has to look"),
    ("APEX_ERROR", Rejected, "the org's own code failed and was rolled back"),
    ("INVALID_TYPE_ON_FIELD_IN_RECORD", Rejected, "a value does not fit the type of its field"),
    ("MISSING_ARGUMENT", Rejected, "the record lacks the value that identifies it"),
    ("API_ERROR", Misconfigured, "bulk jobs do not take queries of this kind"),
    ("INVALIDENTITY", Misconfigured, "bulk jobs do not take this kind of record"),
    ("INVALIDJOB", Misconfigured, "the job names what the org does not know"),
    ("INVALIDOPERATION", Misconfigured, "bulk jobs do not take this action"),
    ("FEATURENOTENABLED", Misconfigured, "the user may not use bulk jobs in this way"),
    ("LIMIT_EXCEEDED", Throttled, "the bulk jobs of the day are used up"),
    ("NOT_FOUND", Rejected, "there is no such record or resource"),
];

/// What a code means where it alone decides.
fn class_of(code: &str, message: &str) -> Option<ErrorClass> {
    // Triggers and flows wrap the error that stopped them: a lock below them is still a lock.
    if message.contains("UNABLE_TO_LOCK_ROW") {
        return Some(Locked);
    }
    CODES.iter().find(|(known, _, _)| *known == code).map(|(_, class, _)| *class)
}

/// An answer that is not a success: the vendor's own sentence with its meaning.
pub(crate) fn from_answer(answer: &Answer, effect: Effect) -> CallError {
    let told = json::parse(&answer.body).unwrap_or_default();
    let first = if told.as_array().is_some() { told.at(0) } else { &told };
    let status = answer.status.as_u16();
    let code = first.get("errorCode").as_str().or_else(|| first.get("error").as_str());
    let message = first.get("message").as_str().or_else(|| first.get("error_description").as_str());
    let class = code
        .and_then(|code| class_of(code, message.unwrap_or_default()))
        .unwrap_or_else(|| class_of_status(status, effect));
    let code = code.map_or_else(|| format!("HTTP {status}"), str::to_owned);
    let message = match message {
        Some(message) => message.to_owned(),
        None if answer.body.is_empty() => format!("the org answered {}", answer.status),
        None => format!("the org answered {}: {}", answer.status, answer.excerpt()),
    };
    if code == DUPLICATES {
        // The matches come with all their fields: what is needed of them is told.
        let existing = duplicates::existing(first);
        return CallError::new(class, code, message).with_details(duplicates::rule_of(first)).with_existing(existing);
    }
    CallError::new(class, code, message).retry_after(answer.retry_after()).with_details(told)
}

/// What a status means when its body does not say more.
fn class_of_status(status: u16, effect: Effect) -> ErrorClass {
    match status {
        401 => Unauthorized,
        403 | 404 | 405 | 406 | 410 | 414 | 415 | 431 => Misconfigured,
        409 | 412 => ErrorClass::Conflict,
        420 | 429 => Throttled,
        // The only one of the fifth hundred that says the request was not taken in.
        503 => Unavailable,
        500.. => match effect {
            Effect::Read => Unavailable,
            Effect::Write => ErrorClass::Ambiguous,
        },
        // No redirect is followed: it leads to a sign-in page or to another org.
        300..=399 => Misconfigured,
        _ => Rejected,
    }
}

/// One row of a collection that was refused: `{success: false, errors: [{statusCode, message, fields}]}`.
pub(crate) fn from_row(row: &Value) -> CallError {
    let errors = row.get("errors");
    let first = errors.at(0);
    let code = first.get("statusCode").as_str().or_else(|| first.get("errorCode").as_str()).unwrap_or("UNKNOWN");
    let message = first.get("message").as_str().unwrap_or("the org refused the record without saying why");
    // The row says that it was not saved, so an error of the vendor's own is no ambiguity here.
    let fallback = if code == "UNKNOWN_EXCEPTION" { Unavailable } else { Rejected };
    let class = class_of(code, message).unwrap_or(fallback);
    CallError::new(class, code, message).with_details(errors.clone())
}

/// One row of a bulk job that was refused: `CODE:sentence:fields --`.
pub(crate) fn from_bulk_row(words: &str) -> CallError {
    let is_code = |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let (code, rest) = words.split_once(':').filter(|(code, _)| is_code(code)).unwrap_or(("UNKNOWN", words));
    let (message, fields) = match rest.strip_suffix("--").and_then(|rest| rest.trim_end().rsplit_once(':')) {
        Some((message, fields)) => (message, fields),
        None => (rest, ""),
    };
    let fields = Value::array(fields.split([' ', ',']).filter(|field| !field.is_empty()));
    let error =
        Value::object([("statusCode", Value::from(code)), ("message", Value::from(message)), ("fields", fields)]);
    from_row(&Value::object([("errors", Value::array([error]))]))
}

/// An answer with status 200 that cannot be understood.
pub(crate) fn not_understood(effect: Effect, what: impl std::fmt::Display) -> CallError {
    let class = match effect {
        Effect::Read => Misconfigured,
        Effect::Write => ErrorClass::Ambiguous,
    };
    CallError::new(class, NOT_UNDERSTOOD, format!("the org's answer is not understood: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: http::HeaderMap::new(),
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn codes_decide_before_statuses() {
        let cases = [
            (
                400,
                r#"[{"message":"unable to obtain exclusive access","errorCode":"UNABLE_TO_LOCK_ROW","fields":[]}]"#,
                Locked,
            ),
            (403, r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#, Throttled),
            (401, r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#, Unauthorized),
            (503, "<html>maintenance</html>", Unavailable),
            (503, r#"[{"message":"wait","errorCode":"SERVER_UNAVAILABLE"}]"#, Unavailable),
            (
                400,
                r#"[{"message":"dup","errorCode":"DUPLICATES_DETECTED","duplicateResult":{"matchResults":[]}}]"#,
                Rejected,
            ),
            (500, r#"[{"message":"oops","errorCode":"UNKNOWN_EXCEPTION"}]"#, ErrorClass::Ambiguous),
            (502, "", ErrorClass::Ambiguous),
            (412, "", ErrorClass::Conflict),
            (302, "", Misconfigured),
            (400, r#"[{"message":"new rule","errorCode":"SOMETHING_NEW"}]"#, Rejected),
            (
                400,
                r#"[{"message":"MyTrigger: execution of AfterUpdate caused by: UNABLE_TO_LOCK_ROW, unable","errorCode":"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"}]"#,
                Locked,
            ),
        ];
        for (status, body, class) in cases {
            assert_eq!(from_answer(&answer(status, body), Effect::Write).class, class, "{status} {body}");
        }
        assert_eq!(from_answer(&answer(500, ""), Effect::Read).class, Unavailable);
        let error = from_answer(&answer(400, cases[5].1), Effect::Write);
        assert_eq!(error.existing.map(|existing| existing.records.len()), Some(0));
    }

    #[test]
    fn rows_speak_for_themselves() {
        let row = json::parse(
            br#"{"success":false,"errors":[{"statusCode":"STRING_TOO_LONG","message":"too long","fields":["Name"]}]}"#,
        );
        let error = from_row(&row.expect("json"));
        assert_eq!(
            (error.class, error.code.as_str(), error.message.as_str()),
            (Rejected, "STRING_TOO_LONG", "too long")
        );
        assert_eq!(from_row(&Value::Null).class, Rejected);
    }

    #[test]
    fn rows_of_bulk_jobs_say_the_same() {
        let long = from_bulk_row("STRING_TOO_LONG:Name: data value too large: a:b (max length=2):Name --");
        assert_eq!((long.class, long.code.as_str()), (Rejected, "STRING_TOO_LONG"));
        assert_eq!(long.message, "Name: data value too large: a:b (max length=2)");
        assert_eq!(long.details.at(0).get("fields").at(0).as_str(), Some("Name"));
        let locked = from_bulk_row("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access:--");
        assert_eq!((locked.class, locked.message.as_str()), (Locked, "unable to obtain exclusive access"));
        assert_eq!(from_bulk_row("something else").message, "something else");
    }
}
