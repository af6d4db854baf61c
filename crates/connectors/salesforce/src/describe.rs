//! What the org says about its kinds of records: for checks of definitions, for selections that name no field, and for the
//! few literals whose form depends on the field's type.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use connect::transport::Effect;
use connect::{CallError, ErrorClass, FieldDescription, RecordDescription, Selection};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Method;
use model::Value;

use crate::org::Org;
use crate::soql;

/// How long a description is believed: an administrator may add fields at any time.
const FRESH: Duration = Duration::from_secs(600);
/// Field types that cannot be selected for many records, or that only repeat other fields.
const NOT_SELECTED: [&str; 3] = ["address", "location", "base64"];

/// A kind of record with what queries need to know besides the contract's description.
pub(crate) struct Described {
    pub(crate) description: RecordDescription,
    /// `Account` → `Account`: names of related single records with their kind.
    parents: Vec<(Arc<str>, Arc<str>)>,
    read_at: Instant,
}

/// Descriptions read so far.
#[derive(Default)]
pub(crate) struct Descriptions {
    known: RwLock<HashMap<Arc<str>, Arc<Described>>>,
}

impl Descriptions {
    /// The description of a kind of record, from memory while it is fresh.
    pub(crate) async fn get(&self, org: &Org, record: &str) -> Result<Arc<Described>, CallError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(record).cloned();
        match known {
            Some(described) if described.read_at.elapsed() < FRESH => Ok(described),
            _ => self.refresh(org, record).await,
        }
    }

    /// Asks the org.
    pub(crate) async fn refresh(&self, org: &Org, record: &str) -> Result<Arc<Described>, CallError> {
        let name = soql::check_name(record)?;
        let path = org.data_path(&format!("sobjects/{name}/describe"));
        let answer = org.json(Method::GET, &path, None, Effect::Read).await.map_err(|mut error| {
            if error.code == "NOT_FOUND" {
                error.class = ErrorClass::Misconfigured;
                error.message = format!("the org has no kind of record `{record}`, or its user may not see it");
            }
            error
        })?;
        let described = Arc::new(understand(record, &answer));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(record.into(), Arc::clone(&described));
        Ok(described)
    }

    /// A selection in which every level names its fields. One that already does is answered as it is.
    pub(crate) async fn complete(
        &self,
        org: &Org,
        record: &str,
        selection: &Arc<Selection>,
    ) -> Result<Arc<Selection>, CallError> {
        if names_its_fields(selection) {
            return Ok(Arc::clone(selection));
        }
        self.complete_level(org, record, selection).await.map(Arc::new)
    }

    fn complete_level<'a>(
        &'a self,
        org: &'a Org,
        record: &'a str,
        selection: &'a Selection,
    ) -> BoxFuture<'a, Result<Selection, CallError>> {
        async move {
            let described = self.get(org, record).await?;
            let mut complete = Selection { fields: selection.fields.clone(), children: Vec::new() };
            if complete.fields.is_empty() {
                let selectable = |field: &&FieldDescription| !NOT_SELECTED.contains(&&*field.vendor_type);
                complete.fields = described
                    .description
                    .fields
                    .iter()
                    .filter(selectable)
                    .map(|field| Arc::clone(&field.name))
                    .collect();
            }
            for (relationship, child) in &selection.children {
                let kind = child_kind(&described.description, relationship)?;
                complete.children.push((Arc::clone(relationship), self.complete_level(org, &kind, child).await?));
            }
            Ok(complete)
        }
        .boxed()
    }

    /// The kind of the records in a child list.
    pub(crate) async fn child_kind(&self, org: &Org, record: &str, list: &str) -> Result<Arc<str>, CallError> {
        child_kind(&self.get(org, record).await?.description, list)
    }

    /// Whether what stands at a dotted path is a date or an instant.
    pub(crate) async fn is_temporal(&self, org: &Org, record: &str, path: &str) -> Result<bool, CallError> {
        let found = self.vendor_type(org, record, path).await?;
        Ok(found.is_some_and(|found| matches!(&*found, "date" | "datetime")))
    }

    /// The vendor's type of what stands at a dotted path; `None` where the org tells of no such field.
    pub(crate) async fn vendor_type(&self, org: &Org, record: &str, path: &str) -> Result<Option<Arc<str>>, CallError> {
        let mut described = self.get(org, record).await?;
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                let field = described.description.fields.iter().find(|field| field.name.eq_ignore_ascii_case(part));
                return Ok(field.map(|field| Arc::clone(&field.vendor_type)));
            }
            let parent = described.parents.iter().find(|(name, _)| name.eq_ignore_ascii_case(part));
            let Some((_, kind)) = parent else { return Ok(None) };
            let kind = Arc::clone(kind);
            described = self.get(org, &kind).await?;
        }
        Ok(None)
    }
}

fn names_its_fields(selection: &Selection) -> bool {
    !selection.fields.is_empty() && selection.children.iter().all(|(_, child)| names_its_fields(child))
}

fn child_kind(description: &RecordDescription, list: &str) -> Result<Arc<str>, CallError> {
    let found = description.children.iter().find(|(name, _)| name.eq_ignore_ascii_case(list));
    found.map(|(_, kind)| Arc::clone(kind)).ok_or_else(|| {
        let near = model::nearest(list, description.children.iter().map(|(name, _)| &**name))
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let message = format!("`{}` has no child list `{list}`{near}", description.name);
        CallError::new(ErrorClass::Misconfigured, "child-list", message)
    })
}

fn understand(record: &str, answer: &Value) -> Described {
    let text = |value: &Value| -> Option<Arc<str>> { value.as_str().map(Arc::from) };
    let fields = answer.get("fields").items().iter().filter_map(|field| {
        Some(FieldDescription {
            name: text(field.get("name"))?,
            vendor_type: text(field.get("type")).unwrap_or_else(|| "unknown".into()),
            creatable: field.get("createable").as_bool().unwrap_or(false),
            updatable: field.get("updateable").as_bool().unwrap_or(false),
            // Zero stands for types that have no length.
            length_max: field
                .get("length")
                .as_i64()
                .and_then(|length| usize::try_from(length).ok())
                .filter(|&max| max > 0),
            external_id: field.get("externalId").as_bool().unwrap_or(false)
                || field.get("idLookup").as_bool().unwrap_or(false),
        })
    });
    let parents = answer
        .get("fields")
        .items()
        .iter()
        .filter_map(|field| Some((text(field.get("relationshipName"))?, text(field.get("referenceTo").at(0))?)));
    let children = answer
        .get("childRelationships")
        .items()
        .iter()
        .filter_map(|child| Some((text(child.get("relationshipName"))?, text(child.get("childSObject"))?)));
    let name = text(answer.get("name")).unwrap_or_else(|| record.into());
    Described {
        description: RecordDescription { name, fields: fields.collect(), children: children.collect() },
        parents: parents.collect(),
        read_at: Instant::now(),
    }
}
