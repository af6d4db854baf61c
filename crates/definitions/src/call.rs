//! What a function makes of an input and of an answer. Pure.

use std::sync::Arc;

use connect::{Action, Call, INSIST, Key};
use expr::{Expression, Limits};
use mapping::MappingError;
use model::{IntentId, ObjectName, Value};

use crate::connection::Function;

/// Which side could not be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionSide {
    /// The input: nothing was sent.
    Input,
    /// The answer: the system did what was asked.
    Answer,
}

/// Data that a definition cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FunctionError {
    /// Which side.
    pub side: FunctionSide,
    /// What and why, one sentence without a full stop.
    pub message: String,
    /// The cells that do not fit, when it was the mapping.
    pub mapping: Option<Box<MappingError>>,
}

impl FunctionError {
    /// The values that value maps do not know ([`MappingError::unmapped`]); `null` when it is nothing of that.
    #[must_use]
    pub fn unmapped(&self) -> Value {
        self.mapping.as_ref().map_or(Value::Null, |error| error.unmapped())
    }

    pub(crate) fn new(side: FunctionSide, message: impl Into<String>) -> Self {
        Self { side, message: message.into(), mapping: None }
    }

    pub(crate) fn mapping(side: FunctionSide, error: MappingError) -> Self {
        Self { side, message: error.to_string(), mapping: Some(Box::new(error)) }
    }
}

/// A cross-reference that a success teaches: the canonical object, its key, and the record's id in the connection.
pub type LearntReference = (ObjectName, Arc<str>, Arc<str>);

impl Function {
    /// What is asked of the system.
    ///
    /// `input` (jq) makes the body, then the mapping writes it. A read or delete sends its key only. The body of a find names
    /// record fields: it is what `input` gives, and only without `input` written by the mapping, without its constants.
    ///
    /// # Errors
    /// When the input does not fit the definition: nothing was sent.
    pub fn call(&self, intent: Option<IntentId>, input: &Value) -> Result<Call, FunctionError> {
        let body = match self.action {
            Action::Read | Action::Delete => Value::Null,
            Action::Find | Action::Create | Action::Upsert | Action::Update | Action::Invoke => self.body(input)?,
        };
        let key = match &self.key {
            Some((field, expression)) => {
                let value = self.evaluate(FunctionSide::Input, "key", expression, input, &[])?;
                if is_empty(&value) {
                    return Err(self.missing("key", expression));
                }
                Some(Key { field: Arc::clone(field), value })
            }
            None => None,
        };
        let mut probe = Vec::with_capacity(self.probe.len());
        for (field, expression) in &self.probe {
            let value = self.evaluate(FunctionSide::Input, "probe", expression, input, &[])?;
            if is_empty(&value) {
                return Err(self.missing("probe", expression));
            }
            probe.push((Arc::clone(field), value));
        }
        let select = Arc::clone(&self.select);
        let insist = input.get(INSIST).as_bool() == Some(true);
        Ok(Call { intent, action: self.action, record: Arc::clone(&self.record), key, body, select, probe, insist })
    }

    fn body(&self, input: &Value) -> Result<Value, FunctionError> {
        let prepared = match &self.input {
            Some(expression) => self.evaluate(FunctionSide::Input, "input", expression, input, &[])?,
            None => input.clone(),
        };
        let written = match &self.mapping {
            None => return Ok(prepared),
            Some(_) if self.action == Action::Find && self.input.is_some() => return Ok(prepared),
            Some(mapping) if self.action == Action::Find => mapping.write_fields(&prepared),
            // The record has what is required already.
            Some(mapping) if self.action == Action::Update => mapping.write_partial(&prepared),
            Some(mapping) => mapping.write(&prepared),
        };
        written.map_err(|error| FunctionError::mapping(FunctionSide::Input, error))
    }

    /// The function's output: the mapping reads the answer (each record of a list by itself; `null` stays `null`), then
    /// `output` (jq) sees it, with the input as `$input`. Of what a system answers to a write, required members may be
    /// missing: often that is no more than an id.
    ///
    /// # Errors
    /// When the answer does not fit the definition: the system did what was asked.
    pub fn answer(&self, input: &Value, answer: Value) -> Result<Value, FunctionError> {
        let canonical = match (&self.mapping, &answer) {
            (None, _) | (Some(_), Value::Null) => answer,
            (Some(_), _) if self.action == Action::Delete => answer,
            (Some(mapping), _) => {
                let partial = matches!(self.action, Action::Create | Action::Upsert | Action::Update);
                let read = |record: &Value| {
                    let canonical = match record {
                        Value::Null => return Ok(Value::Null),
                        record if partial => mapping.read_partial(record),
                        record => mapping.read(record),
                    };
                    canonical.map_err(|error| FunctionError::mapping(FunctionSide::Answer, error))
                };
                match &answer {
                    Value::Array(records) => {
                        Value::from(records.iter().map(read).collect::<Result<Vec<Value>, FunctionError>>()?)
                    }
                    record => read(record)?,
                }
            }
        };
        match &self.output {
            Some(output) => {
                self.evaluate(FunctionSide::Answer, "output", output, &canonical, std::slice::from_ref(input))
            }
            None => Ok(canonical),
        }
    }

    /// The intent's business key; `None` when the definition asks for none.
    ///
    /// # Errors
    /// When the definition asks for one and the input gives none.
    pub fn business_key(&self, input: &Value) -> Result<Option<Arc<str>>, FunctionError> {
        let Some(expression) = &self.business_key else { return Ok(None) };
        let value = self.evaluate(FunctionSide::Input, "businessKey", expression, input, &[])?;
        key_text(&value).map(Some).ok_or_else(|| self.missing("businessKey", expression))
    }

    /// The cross-reference that this success teaches: object, canonical key, record id. `None` when the definition has no
    /// such rule, or when there is no output because the record was not found.
    ///
    /// # Errors
    /// When the input gives no key or the output no id.
    pub fn reference(&self, input: &Value, output: &Value) -> Result<Option<LearntReference>, FunctionError> {
        let Some(rule) = &self.reference else { return Ok(None) };
        if output.is_null() {
            return Ok(None);
        }
        let key = self.evaluate(FunctionSide::Input, "reference.key", &rule.key, input, &[])?;
        let key = key_text(&key).ok_or_else(|| self.missing("reference.key", &rule.key))?;
        let id = self.evaluate(FunctionSide::Answer, "reference.id", &rule.id, output, &[])?;
        let id = key_text(&id).ok_or_else(|| {
            let message = format!(
                "the answer to {self} names no record: `{}` gives nothing, so its id is not known",
                rule.id.text()
            );
            FunctionError::new(FunctionSide::Answer, message)
        })?;
        Ok(Some((rule.object.clone(), key, id)))
    }

    fn evaluate(
        &self,
        side: FunctionSide,
        what: &str,
        expression: &Expression,
        dot: &Value,
        variables: &[Value],
    ) -> Result<Value, FunctionError> {
        expression.evaluate(dot, variables, Limits::default()).map_err(|error| {
            let data = match side {
                FunctionSide::Input => "input",
                FunctionSide::Answer => "answer",
            };
            let text = expression.text().trim();
            FunctionError::new(side, format!("`{what}` of {self} does not work on this {data}: `{text}` says {error}"))
        })
    }

    fn missing(&self, what: &str, expression: &Expression) -> FunctionError {
        let text = expression.text().trim();
        FunctionError::new(FunctionSide::Input, format!("the input of {self} has no {what}: `{text}` gives nothing"))
    }
}

impl std::fmt::Display for Function {
    /// As workflows call it: `create-order:1.0.0@erp`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}@{}", self.name, self.version, self.connection)
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

/// A key or id as text; `None` for what is none.
pub(crate) fn key_text(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}
