//! What the vendor's API says when it refuses something.

use std::sync::Arc;

/// One record, or one request, that is refused: the vendor's code and sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Vec<Arc<str>>,
    /// Of a duplicate: what it is a duplicate of, as JSON. Only the resources of single records tell it.
    pub(crate) details: Option<Box<str>>,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), fields: Vec::new(), details: None }
    }

    pub(crate) fn on(code: &'static str, field: &Arc<str>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), fields: vec![Arc::clone(field)], details: None }
    }

    /// The HTTP status that goes with the code when it refuses a whole request.
    pub(crate) fn status(&self) -> u16 {
        match self.code {
            "NOT_FOUND" | "ENTITY_IS_DELETED" | "INVALID_QUERY_LOCATOR_NOT_FOUND" => 404,
            "INVALID_SESSION_ID" => 401,
            "REQUEST_LIMIT_EXCEEDED" => 403,
            "METHOD_NOT_ALLOWED" => 405,
            "REQUEST_ENTITY_TOO_LARGE" => 413,
            "UNSUPPORTED_MEDIA_TYPE" => 415,
            "SERVER_UNAVAILABLE" => 503,
            _ => 400,
        }
    }

    /// Appends `{"message":…,"errorCode":…,"fields":[…]}`; `fields` only where there are some, or always in rows.
    pub(crate) fn write(&self, row: bool, text: &mut String) {
        use model::json::write_string;
        if let Some(details) = self.details.as_deref().filter(|_| !row) {
            text.push_str(&format!(r#"{{"duplicateResult":{details},"errorCode":"{}","message":"#, self.code));
            write_string(&self.message, text);
            text.push('}');
            return;
        }
        if row {
            text.push_str(r#"{"statusCode":""#);
            text.push_str(self.code);
            text.push_str(r#"","message":"#);
            write_string(&self.message, text);
        } else {
            text.push_str(r#"{"message":"#);
            write_string(&self.message, text);
            text.push_str(r#","errorCode":""#);
            text.push_str(self.code);
            text.push('"');
        }
        if row || !self.fields.is_empty() || self.is_about_a_record() {
            text.push_str(r#","fields":["#);
            for (index, field) in self.fields.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(field, text);
            }
            text.push(']');
        }
        text.push('}');
    }

    /// Errors of saving a record carry `fields` even when it is empty.
    fn is_about_a_record(&self) -> bool {
        matches!(
            self.code,
            "REQUIRED_FIELD_MISSING"
                | "STRING_TOO_LONG"
                | "DUPLICATE_VALUE"
                | "ENTITY_IS_DELETED"
                | "INVALID_CROSS_REFERENCE_KEY"
                | "UNABLE_TO_LOCK_ROW"
                | "DELETE_FAILED"
                | "FIELD_INTEGRITY_EXCEPTION"
                | "STANDARD_PRICE_NOT_DEFINED"
                | "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
                | "NUMBER_OUTSIDE_VALID_RANGE"
        )
    }

    /// The whole body of a refused request.
    pub(crate) fn body(&self) -> String {
        let mut text = String::from("[");
        self.write(false, &mut text);
        text.push(']');
        text
    }
}
