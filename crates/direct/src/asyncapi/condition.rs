//! The expressions of a subscription, which are asked for each message.

use expr::{Expression, Limits};
use model::Value;
use workflow::FaultType;

use crate::Failure;

/// The variables of the DSL; those that the call does not bring along are `null`.
const VARIABLES: [&str; 8] = ["context", "input", "output", "secrets", "authorization", "task", "workflow", "runtime"];

/// A condition: an expression, or what it was found to be before the call.
#[derive(Debug)]
pub(super) enum Condition {
    Known(bool),
    Asked { expression: Box<Expression>, values: Vec<Value> },
}

impl Condition {
    /// Reads a member; a text is an expression, with or without `${ }`.
    pub(super) fn read(name: &str, value: &Value, variables: &Value) -> Result<Option<Self>, Failure> {
        let text = match value {
            Value::Null => return Ok(None),
            Value::String(text) => text.trim(),
            other => return Ok(Some(Self::Known(other.as_bool() != Some(false)))),
        };
        let text = text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let own = variables.as_object().into_iter().flatten().map(|(name, _)| &**name);
        let mut names = VARIABLES.to_vec();
        names.extend(own.filter(|name| !VARIABLES.contains(name)));
        let expression = Expression::compile_with(text, &names).map_err(|error| {
            Failure::new(FaultType::Expression, format!("`{name}` does not compile: {}", error.message))
        })?;
        let values = names.iter().map(|name| variables.get(name).clone()).collect();
        Ok(Some(Self::Asked { expression: Box::new(expression), values }))
    }

    /// Whether it holds of this.
    pub(super) fn holds(&self, input: &Value) -> Result<bool, Failure> {
        match self {
            Self::Known(holds) => Ok(*holds),
            Self::Asked { expression, values } => {
                expression.is_true(input, values, Limits::default()).map_err(|error| {
                    let detail = format!("the expression `{}` failed: {error}", expression.text());
                    Failure::new(FaultType::Expression, detail)
                })
            }
        }
    }
}
