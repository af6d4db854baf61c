//! Function imports.
//!
//! Parameters stand in the address as literals. Functions that only read go together into a `$batch`; functions that may change
//! something go alone, as some of them commit by themselves and do not stand a changeset.

use std::fmt::Write as _;

use connect::transport::Effect;
use connect::{Call, CallError, ErrorClass};
use model::{Value, nearest};

use crate::batch::{Operation, Response};
use crate::codec::{self, ETAG};
use crate::connection::{Erp, Places, Target};
use crate::literal;
use crate::metadata::Function;

impl Erp {
    /// Calls functions.
    pub(crate) async fn invoke(&self, calls: &[Call]) -> Vec<Result<Value, CallError>> {
        let mut places = Places::new(calls);
        let target = match self.target(&calls[0].record).await {
            Ok(target) => target,
            Err(error) => return vec![Err(error); calls.len()],
        };
        let function = match target.service.function(target.name) {
            Ok(function) => function,
            Err(error) => return vec![Err(error); calls.len()],
        };
        let (mut asked, mut operations) = (Vec::new(), Vec::new());
        for (place, call) in calls.iter().enumerate() {
            match address(target.name, function, &call.body) {
                Err(error) => places.set(place, Err(error)),
                Ok(path) => {
                    let method = if function.changes { "POST" } else { "GET" };
                    let if_match = call.body.get(ETAG).as_str().map(str::to_owned);
                    operations.push((Operation { method, path, body: None, if_match }, call.intent));
                    asked.push(place);
                }
            }
        }
        let responses = if function.changes {
            let alone = asked
                .iter()
                .zip(operations)
                .map(|(place, operation)| self.invoke_one(&target, function, &calls[*place], operation));
            self.in_parallel(alone.collect()).await
        } else {
            self.operate(&target.service.name, operations, self.config.batch_reads, Effect::Read).await
        };
        let effect = if function.changes { Effect::Write } else { Effect::Read };
        for (place, response) in asked.into_iter().zip(responses) {
            let result = response.and_then(|response| self.payload(&response, effect)).map(|payload| {
                codec::function_result(&target.service, target.name, function.returns.as_ref(), payload)
            });
            places.set(place, result);
        }
        places.finish()
    }

    /// A function that may change something. Where it works on a record with an ETag and none was given, the ERP asks for it
    /// with 428, having done nothing: it is read and sent.
    async fn invoke_one(
        &self,
        target: &Target<'_>,
        function: &Function,
        call: &Call,
        (mut operation, intent): (Operation, Option<model::IntentId>),
    ) -> Result<Response, CallError> {
        let single = vec![(operation.clone(), intent)];
        let response = self.operate(&target.service.name, single, 1, Effect::Write).await.pop().transpose()?;
        let response = response.ok_or_else(lost)?;
        let entity = function.action_for.as_ref().and_then(|kind| target.service.types.get(kind));
        let set = function.action_for.as_ref().and_then(|kind| target.service.set_of(kind));
        let (428, None, Some(entity), Some(set)) = (response.status, &operation.if_match, entity, set) else {
            return Ok(response);
        };
        let address = format!("{set}{}", literal::key_predicate(entity, |name| call.body.get(name))?);
        operation.if_match = self.fresh_etag(&target.service.name, &address, &entity.keys[0]).await?;
        self.operate(&target.service.name, vec![(operation, intent)], 1, Effect::Write)
            .await
            .pop()
            .unwrap_or_else(|| Err(lost()))
    }
}

fn lost() -> CallError {
    CallError::new(ErrorClass::Ambiguous, "internal", "the connector lost the answer to this call")
}

/// `Function?Order='4711'&Quantity=2m`, percent-encoded.
fn address(name: &str, function: &Function, body: &Value) -> Result<String, CallError> {
    if let Some(members) = body.as_object() {
        for given in members.keys().filter(|given| &***given != ETAG) {
            if function.parameters.iter().all(|(known, _)| **known != **given) {
                let mut message = format!("the function {name} has no parameter `{given}`");
                if let Some(near) = nearest(given, function.parameters.iter().map(|(known, _)| &**known)) {
                    let _ = write!(message, "; did you mean `{near}`?");
                }
                return Err(CallError::new(ErrorClass::Misconfigured, "unknown-parameter", message));
            }
        }
    } else if !body.is_null() {
        let message = format!("the function {name} takes an object of parameters, not {}", body.kind());
        return Err(CallError::new(ErrorClass::Misconfigured, "unknown-parameter", message));
    }
    let mut path = name.to_owned();
    let mut joint = '?';
    for (parameter, property) in &function.parameters {
        let value = body.get(parameter);
        // A parameter that is not given is left out: the ERP says when it needs it.
        if value.is_null() {
            continue;
        }
        let mut text = String::new();
        literal::write(parameter, property, value, &mut text)?;
        let _ = write!(path, "{joint}{parameter}={}", literal::encode(&text));
        joint = '&';
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_literals() {
        let service = crate::query::tests::service();
        let function = service.function("availability").expect("a function");
        let body = Value::object([("Material", "A&B"), ("At", "2026-11-23T10:00:00Z")]);
        assert_eq!(
            address("availability", function, &body),
            Ok("availability?Material='A%26B'&At=datetimeoffset'2026-11-23T10:00:00Z'".to_owned())
        );
        assert_eq!(address("availability", function, &Value::Null), Ok("availability".to_owned()));
        let error = address("availability", function, &Value::object([("Materiel", "A")])).expect_err("unknown");
        assert!(error.message.contains("did you mean `Material`?"));
    }
}
