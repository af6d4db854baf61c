//! Compiling and checking.

use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use model::Value;

use crate::value::{Exact, to_json_value};

/// Most violations that are told of one value.
const VIOLATIONS_MAX: usize = 50;
/// Longest message, in characters.
const MESSAGE_MAX: usize = 300;
/// How large a compiled pattern may get, in bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;

/// A compiled schema. Cheap to share behind an `Arc`.
pub struct Schema {
    validator: Validator<Exact>,
}

/// A place that does not fit a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer into the value; empty for the value itself.
    pub path: String,
    /// What does not fit, one sentence without a full stop.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => formatter.write_str(&self.message),
            path => write!(formatter, "{path}: {}", self.message),
        }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Schema")
    }
}

impl Schema {
    /// Compiles a JSON Schema, draft 2020-12 unless its `$schema` says otherwise. `format` is checked.
    ///
    /// # Errors
    /// What is wrong with the schema, one sentence without a full stop.
    pub fn compile(document: &Value) -> Result<Self, String> {
        Self::compile_in_place(document).map_err(|violation| match violation.path.as_str() {
            "" => violation.message,
            path => format!("at `{path}`: {}", violation.message),
        })
    }

    /// As [`Self::compile`], with the place of the mistake in the schema.
    ///
    /// # Errors
    /// What is wrong with the schema, and where in it.
    pub fn compile_in_place(document: &Value) -> Result<Self, Violation> {
        if !matches!(document, Value::Object(_) | Value::Bool(_)) {
            let message = format!("a schema is an object, this is a {}", document.kind());
            return Err(Violation { path: String::new(), message });
        }
        let patterns = PatternOptions::regex().size_limit(PATTERN_SIZE_MAX).dfa_size_limit(PATTERN_SIZE_MAX);
        let options =
            jsonschema::options_for::<Exact>().offline().should_validate_formats(true).with_pattern_options(patterns);
        let validator = options
            .build(&to_json_value(document))
            .map_err(|error| Violation { path: error.instance_path().to_string(), message: sentence(&error) })?;
        Ok(Self { validator })
    }

    /// Whether a value fits; the fastest check.
    #[must_use]
    pub fn is_valid(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// Checks a value.
    ///
    /// # Errors
    /// What does not fit and where; at most 50 places.
    pub fn check(&self, value: &Value) -> Result<(), Vec<Violation>> {
        if self.validator.is_valid(value) {
            return Ok(());
        }
        let errors = self.validator.iter_errors(value).take(VIOLATIONS_MAX);
        Err(errors
            .map(|error| Violation { path: error.instance_path().to_string(), message: sentence(&error) })
            .collect())
    }
}

/// An error in a sentence that quotes no more of the data than it needs.
fn sentence(error: &ValidationError<'_>) -> String {
    let message = match error.kind() {
        ValidationErrorKind::Required { property } => format!("`{}` is missing", property.as_str().unwrap_or("?")),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            format!("there is no member `{}`", unexpected.join("`, `"))
        }
        ValidationErrorKind::Referencing(error) => format!("a reference cannot be followed: {error}"),
        _ => match error.instance().as_ref() {
            serde_json::Value::Object(_) => error.masked_with("the object").to_string(),
            serde_json::Value::Array(_) => error.masked_with("the list").to_string(),
            serde_json::Value::String(text) if text.chars().count() > 60 => error.masked_with("the text").to_string(),
            _ => error.to_string(),
        },
    };
    if message.chars().count() <= MESSAGE_MAX {
        return message;
    }
    let cut: String = message.chars().take(MESSAGE_MAX).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        model::json::parse(text.as_bytes()).expect("JSON")
    }

    fn violations(schema: &str, instance: &str) -> Vec<String> {
        let schema = Schema::compile(&value(schema)).expect("a schema");
        schema.check(&value(instance)).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_violation_is_told_with_its_place() {
        let schema = r#"{"type":"object","required":["number","lines"],"additionalProperties":false,"properties":{
            "number":{"type":"string","maxLength":3},"on":{"type":"string","format":"date"},
            "lines":{"type":"array","items":{"type":"object","properties":{"quantity":{"type":"number","exclusiveMinimum":0}}}}}}"#;
        assert!(violations(schema, r#"{"number":"a","on":"2026-02-28","lines":[{"quantity":0.001}]}"#).is_empty());
        let mut told =
            violations(schema, r#"{"on":"2026-02-30","lines":[{"quantity":1},{"quantity":-0.0001}],"nmber":"x"}"#);
        told.sort();
        assert_eq!(
            told,
            [
                "/lines/1/quantity: -0.0001 is less than or equal to the minimum of 0",
                "/on: \"2026-02-30\" is not a \"date\"",
                "`number` is missing",
                "there is no member `nmber`",
            ]
        );
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(violations(r#"{"const":1}"#, "1.00").is_empty());
        assert!(violations(r#"{"enum":[2.5]}"#, "2.50").is_empty());
        assert!(violations(r#"{"type":"integer"}"#, "7.000").is_empty());
        assert!(!violations(r#"{"type":"integer"}"#, "7.001").is_empty());
        assert!(violations(r#"{"multipleOf":0.01}"#, "250000.57").is_empty());
        assert!(!violations(r#"{"multipleOf":0.01}"#, "250000.571").is_empty());
        assert!(!violations(r#"{"uniqueItems":true}"#, "[1,2,1.0]").is_empty());
        assert!(!violations(r#"{"maximum":10}"#, "12345678901234567890123456789.5").is_empty());
        assert!(violations(r#"{"minimum":10}"#, "99999999999999999999999999999").is_empty());
    }

    #[test]
    fn a_wrong_schema_is_refused_and_nothing_is_fetched() {
        for (schema, part) in [
            ("1", "a schema is an object"),
            (r#"{"type":"strng"}"#, "strng"),
            (r#"{"$ref":"https://example.com/s.json"}"#, "reference"),
            (r##"{"$ref":"#/$defs/none"}"##, "reference"),
            (r#"{"pattern":"("}"#, "regex"),
        ] {
            let message = Schema::compile(&value(schema)).expect_err(schema);
            assert!(message.contains(part), "{schema}: {message}");
        }
    }

    #[test]
    fn local_references_are_followed() {
        let schema = r##"{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"}}}}}"##;
        assert!(violations(schema, r#"{"next":{"next":{}}}"#).is_empty());
        assert_eq!(violations(schema, r#"{"next":{"next":1}}"#), ["/next/next: 1 is not of type \"object\""]);
    }

    #[test]
    fn no_more_than_fifty_are_told() {
        let items = vec!["1"; 200].join(",");
        assert_eq!(violations(r#"{"items":{"type":"string"}}"#, &format!("[{items}]")).len(), 50);
    }
}
