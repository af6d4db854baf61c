//! Creating a record together with its children, all or none: `POST /composite/tree/{record}`.

use std::sync::Arc;

use connect::transport::Effect;
use connect::{CallError, ErrorClass};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Method;
use model::{Object, Value, json};

use crate::describe::Descriptions;
use crate::errors;
use crate::org::Org;
use crate::write::COLLECTION_MAX;

/// How deep children may be nested, by the vendor's rule.
const DEPTH_MAX: usize = 5;

/// Whether a body carries children: no field of a record is a list, so a list is one of children.
pub(crate) fn has_children(body: &Value) -> bool {
    body.as_object().is_some_and(|members| members.values().any(|member| member.as_array().is_some()))
}

/// Creates one record with its children. Answers `{"Id": …, "created": true}` with the children's ids in their lists.
pub(crate) async fn create(
    org: &Org,
    descriptions: &Descriptions,
    record: &str,
    body: &Value,
) -> Result<Value, CallError> {
    let mut writer = Writer { org, descriptions, text: String::from(r#"{"records":["#), count: 0 };
    let members = body.as_object().cloned().unwrap_or_default();
    let root = writer.node(Arc::from(record), members, 0).await?;
    let Writer { mut text, .. } = writer;
    text.push_str("]}");
    let path = org.data_path(&format!("composite/tree/{record}"));
    let answer = org.send(Method::POST, &path, Some(text), Effect::Write).await?;
    let told = json::parse(&answer.body);
    if !answer.status.is_success() {
        return Err(match told {
            Ok(told) if told.get("hasErrors").as_bool() == Some(true) => {
                let failed = told.get("results").items().iter().find(|row| !row.get("errors").items().is_empty());
                errors::from_row(failed.unwrap_or(&Value::Null)).with_details(told.get("results").clone())
            }
            _ => errors::from_answer(&answer, Effect::Write),
        });
    }
    let told = told.map_err(|error| errors::not_understood(Effect::Write, error))?;
    let mut created = root.with_ids(told.get("results").items())?;
    created.set("created", true);
    Ok(created)
}

/// What was written, to put the ids into.
struct Node {
    number: usize,
    lists: Vec<(Arc<str>, Vec<Node>)>,
}

impl Node {
    fn with_ids(&self, results: &[Value]) -> Result<Value, CallError> {
        let reference = reference(self.number);
        let row = results.iter().find(|row| row.get("referenceId").as_str() == Some(&reference));
        let Some(id) = row.map(|row| row.get("id")).filter(|id| !id.is_null()) else {
            return Err(errors::not_understood(Effect::Write, "a created record came back without its id"));
        };
        let mut value = Value::object([("Id", id.clone())]);
        for (name, nodes) in &self.lists {
            let children: Result<Vec<Value>, CallError> = nodes.iter().map(|node| node.with_ids(results)).collect();
            value.set(Arc::clone(name), Value::from(children?));
        }
        Ok(value)
    }
}

fn reference(number: usize) -> String {
    format!("r{number}")
}

struct Writer<'a> {
    org: &'a Org,
    descriptions: &'a Descriptions,
    text: String,
    count: usize,
}

impl Writer<'_> {
    fn node(&mut self, kind: Arc<str>, members: Object, depth: usize) -> BoxFuture<'_, Result<Node, CallError>> {
        async move {
            let number = self.count;
            self.count += 1;
            if self.count > COLLECTION_MAX || depth >= DEPTH_MAX {
                let message =
                    format!("a record is created with at most {COLLECTION_MAX} records in {DEPTH_MAX} levels at once");
                return Err(CallError::new(ErrorClass::Rejected, "too-many-children", message));
            }
            self.text.push_str(r#"{"attributes":{"type":"#);
            json::write_string(&kind, &mut self.text);
            self.text.push_str(r#","referenceId":"#);
            json::write_string(&reference(number), &mut self.text);
            self.text.push('}');
            let (lists, fields): (Object, Object) =
                members.into_iter().partition(|(_, member)| member.as_array().is_some());
            crate::write::write_members(Some(&fields), None, &mut self.text);
            let mut node = Node { number, lists: Vec::new() };
            for (name, list) in lists {
                let child_kind = self.descriptions.child_kind(self.org, &kind, &name).await?;
                self.text.push(',');
                json::write_string(&name, &mut self.text);
                self.text.push_str(r#":{"records":["#);
                let mut children = Vec::new();
                for (index, child) in list.items().iter().enumerate() {
                    if index > 0 {
                        self.text.push(',');
                    }
                    let Some(members) = child.as_object().cloned() else {
                        let message = format!("the children in `{name}` must be records");
                        return Err(CallError::new(ErrorClass::Rejected, "children", message));
                    };
                    children.push(self.node(Arc::clone(&child_kind), members, depth + 1).await?);
                }
                self.text.push_str("]}");
                node.lists.push((name.into(), children));
            }
            self.text.push('}');
            Ok(node)
        }
        .boxed()
    }
}
