//! Reads by key, finds and probes.
//!
//! Many reads by a single key become one filter of alternatives; reads with related records, with a key of several parts, and
//! finds become one `$batch` of requests.

use std::sync::Arc;

use connect::transport::Effect;
use connect::{Call, CallError, ErrorClass, Key, Selection};
use model::{Value, json};

use crate::batch::{Operation, Response};
use crate::codec::{self, Decoder};
use crate::connection::{Erp, Places, Target};
use crate::literal;
use crate::metadata::EntityType;
use crate::query::{self, ADDRESS_MAX, Projection};
use crate::wire::Request;

/// Most records that one find answers.
const FOUND_MAX: usize = 50_000;
/// Most records that a probe looks at.
const PROBED_MAX: usize = 50;
/// Room in an address for the host, the service, the set and the client.
const ADDRESS_HEAD: usize = 400;

/// How one read is carried out.
enum Plan {
    /// By its only key property.
    Key(Value),
    /// By this key predicate.
    Predicate(String),
    /// By another field, as a filter.
    Filter(String),
}

impl Erp {
    /// Reads by key; `null` for a record that does not exist.
    pub(crate) async fn read(&self, calls: &[Call]) -> Vec<Result<Value, CallError>> {
        let mut places = Places::new(calls);
        let target = match self.target(&calls[0].record).await {
            Ok(target) => target,
            Err(error) => return vec![Err(error); calls.len()],
        };
        let entity = match target.service.set(target.name) {
            Ok((_, entity)) => Arc::clone(entity),
            Err(error) => return vec![Err(error); calls.len()],
        };
        let mut together: Vec<Gathered<'_>> = Vec::new();
        let mut alone: Vec<Alone> = Vec::new();
        for (place, call) in calls.iter().enumerate() {
            let planned = query::projection(&target.service, &entity, &call.select)
                .and_then(|projection| Ok((plan(&entity, call)?, projection)));
            match planned {
                Err(error) => places.set(place, Err(error)),
                Ok((Plan::Key(value), projection)) if !projection.expands && calls.len() > 1 => {
                    let group = together.iter_mut().find(|group| group.call.select == call.select);
                    match group {
                        Some(group) => group.wanted.push((place, value)),
                        None => together.push(Gathered { call, projection, wanted: vec![(place, value)] }),
                    }
                }
                Ok((Plan::Key(value), projection)) => match literal::key_predicate(&entity, |_| &value) {
                    Ok(address) => alone.push(Alone { place, projection, address, is_filter: false }),
                    Err(error) => places.set(place, Err(error)),
                },
                Ok((Plan::Predicate(address), projection)) => {
                    alone.push(Alone { place, projection, address, is_filter: false });
                }
                Ok((Plan::Filter(address), projection)) => {
                    alone.push(Alone { place, projection, address, is_filter: true })
                }
            }
        }
        let batched = self.read_alone(&target, &entity, calls, alone);
        let filtered = self.read_together(&target, &entity, together);
        let (batched, filtered) = futures::join!(batched, filtered);
        for (place, result) in batched.into_iter().chain(filtered) {
            places.set(place, result);
        }
        places.finish()
    }

    async fn read_alone(
        &self,
        target: &Target<'_>,
        entity: &EntityType,
        calls: &[Call],
        reads: Vec<Alone>,
    ) -> Vec<(usize, Result<Value, CallError>)> {
        let operations = reads.iter().map(|Alone { place, projection, address, is_filter }| {
            let options = match (is_filter, projection.query.is_empty()) {
                (true, true) => format!("?$filter={address}&$top=2"),
                (true, false) => format!("?$filter={address}&$top=2&{}", projection.query),
                (false, true) => address.clone(),
                (false, false) => format!("{address}?{}", projection.query),
            };
            (get(format!("{}{options}", target.name)), calls[*place].intent)
        });
        let operations = operations.collect();
        let responses = self.operate(&target.service.name, operations, self.config.batch_reads, Effect::Read).await;
        let results = reads.into_iter().zip(responses).map(|(Alone { place, projection, is_filter, .. }, response)| {
            let mut decoder = Decoder::new(&target.service, entity, projection.with_etag);
            let result = match response {
                Err(error) => Err(error),
                Ok(response) if is_filter => self.only_one(&response, &mut decoder),
                Ok(response) => {
                    let selection = with_keys(entity, &calls[place].select);
                    self.record_or_null(&response, &selection, &mut decoder)
                }
            };
            (place, result)
        });
        results.collect()
    }

    fn record_or_null(
        &self,
        response: &Response,
        selection: &Selection,
        decoder: &mut Decoder<'_>,
    ) -> Result<Value, CallError> {
        match self.selected(response, selection, Effect::Read) {
            Ok(mut record) => {
                decoder.record(&mut record);
                Ok(record)
            }
            Err(error) if response.status == 404 && error.class != ErrorClass::Misconfigured => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }

    fn only_one(&self, response: &Response, decoder: &mut Decoder<'_>) -> Result<Value, CallError> {
        let (mut rows, _) = codec::page(self.payload(response, Effect::Read)?);
        if rows.len() > 1 {
            let message = "more than one record has this value, so it cannot be read by it";
            return Err(CallError::new(ErrorClass::Rejected, "not-unique", message));
        }
        let mut record = rows.pop().unwrap_or_default();
        decoder.record(&mut record);
        Ok(record)
    }

    async fn read_together(
        &self,
        target: &Target<'_>,
        entity: &EntityType,
        groups: Vec<Gathered<'_>>,
    ) -> Vec<(usize, Result<Value, CallError>)> {
        let mut results = Vec::new();
        let mut pages = Vec::new();
        for group in &groups {
            let key = &entity.keys[0];
            let room = ADDRESS_MAX - ADDRESS_HEAD - group.projection.query.len().min(ADDRESS_MAX / 2);
            let values = group.wanted.iter().map(|(_, value)| value);
            match query::any_of(entity, key, values, room, self.config.batch_reads) {
                Err(error) => results.extend(group.wanted.iter().map(|(place, _)| (*place, Err(error.clone())))),
                Ok(filters) => {
                    let mut from = 0;
                    for (filter, count) in filters {
                        pages.push((group, &group.wanted[from..from + count], filter));
                        from += count;
                    }
                }
            }
        }
        let found = pages.into_iter().map(|(group, wanted, filter)| async move {
            let joint = if group.projection.query.is_empty() { "" } else { "&" };
            let address = format!("{}?{filter}{joint}{}", target.name, group.projection.query);
            let rows = self.rows(target, entity, address, group.projection.with_etag, wanted.len() * 2).await;
            (wanted, rows)
        });
        let found = self.in_parallel(found.collect()).await;
        for (wanted, rows) in found {
            match rows {
                Err(error) => results.extend(wanted.iter().map(|(place, _)| (*place, Err(error.clone())))),
                Ok(rows) => {
                    let row_of =
                        |value: &Value| rows.iter().find(|row| query::same_key(row.get(&entity.keys[0]), value));
                    let matched =
                        wanted.iter().map(|(place, value)| (*place, Ok(row_of(value).cloned().unwrap_or_default())));
                    results.extend(matched);
                }
            }
        }
        results
    }

    /// All rows behind an address, page after page.
    pub(crate) async fn rows(
        &self,
        target: &Target<'_>,
        entity: &EntityType,
        address: String,
        with_etag: bool,
        most: usize,
    ) -> Result<Vec<Value>, CallError> {
        let response = self.wire.ask(&Request::get(&target.service.name, address)).await?;
        let response = Response { status: response.status.as_u16(), headers: response.headers, body: response.body };
        let mut decoder = Decoder::new(&target.service, entity, with_etag);
        let page = self.payload(&response, Effect::Read)?;
        self.follow(&target.service.name, page, &mut decoder, most).await
    }

    /// The rows of a page and of all that follow it.
    async fn follow(
        &self,
        service: &str,
        page: Value,
        decoder: &mut Decoder<'_>,
        most: usize,
    ) -> Result<Vec<Value>, CallError> {
        let (mut rows, mut next) = codec::page(page);
        while let Some(address) = next {
            if rows.len() >= most {
                break;
            }
            let path = next_path(service, &address).ok_or_else(|| {
                let message = format!("the address of the next page leads out of the service: {address}");
                CallError::new(ErrorClass::Unavailable, "paging", message)
            })?;
            let answer = self.wire.ask(&Request::get(service, path)).await?;
            let response = Response { status: answer.status.as_u16(), headers: answer.headers, body: answer.body };
            let (more, after) = codec::page(self.payload(&response, Effect::Read)?);
            rows.extend(more);
            next = after;
            if rows.len() > FOUND_MAX {
                let message = format!("more than {FOUND_MAX} records were found; narrow the search or set `$top`");
                return Err(CallError::new(ErrorClass::Rejected, "too-many", message));
            }
        }
        rows.truncate(most);
        for row in &mut rows {
            decoder.record(row);
        }
        Ok(rows)
    }

    /// Finds by the members of the bodies.
    pub(crate) async fn find(&self, calls: &[Call]) -> Vec<Result<Value, CallError>> {
        let mut places = Places::new(calls);
        let target = match self.target(&calls[0].record).await {
            Ok(target) => target,
            Err(error) => return vec![Err(error); calls.len()],
        };
        let entity = match target.service.set(target.name) {
            Ok((_, entity)) => Arc::clone(entity),
            Err(error) => return vec![Err(error); calls.len()],
        };
        let (mut asked, mut operations) = (Vec::new(), Vec::new());
        for (place, call) in calls.iter().enumerate() {
            let planned = query::search(&entity, &call.body)
                .and_then(|search| Ok((search, query::projection(&target.service, &entity, &call.select)?)));
            match planned {
                Err(error) => places.set(place, Err(error)),
                Ok((search, projection)) => {
                    let options = [search.query.as_str(), projection.query.as_str()];
                    let options =
                        options.iter().filter(|option| !option.is_empty()).copied().collect::<Vec<_>>().join("&");
                    let joint = if options.is_empty() { "" } else { "?" };
                    operations.push((get(format!("{}{joint}{options}", target.name)), call.intent));
                    asked.push((place, projection.with_etag, search.top));
                }
            }
        }
        let responses = self.operate(&target.service.name, operations, self.config.batch_reads, Effect::Read).await;
        for ((place, with_etag, top), response) in asked.into_iter().zip(responses) {
            let mut decoder = Decoder::new(&target.service, &entity, with_etag);
            let result = match response.and_then(|response| self.payload(&response, Effect::Read)) {
                Err(error) => Err(error),
                Ok(page) => {
                    let most = top.unwrap_or(usize::MAX);
                    self.follow(&target.service.name, page, &mut decoder, most).await.map(Value::from)
                }
            };
            places.set(place, result);
        }
        places.finish()
    }

    /// Looks whether a create whose fate is unknown has happened. Of several records the oldest is answered, with the keys of
    /// the others in its member `duplicates`.
    pub(crate) async fn look_for(&self, call: &Call) -> Result<Option<Value>, CallError> {
        if call.probe.is_empty() {
            let message = format!("nothing tells how to find out whether {} was created", call.record);
            return Err(CallError::new(ErrorClass::Misconfigured, "no-probe", message));
        }
        let target = self.target(&call.record).await?;
        let (_, entity) = target.service.set(target.name)?;
        let wanted = Value::object(call.probe.iter().map(|(field, value)| (Arc::clone(field), value.clone())));
        let search = query::search(entity, &wanted)?;
        let mut projection = query::projection(&target.service, entity, &call.select)?;
        if projection.query.is_empty() {
            // The answer of the create would have held the children that were sent.
            let children: Vec<&str> = match call.body.as_object() {
                Some(members) => members
                    .keys()
                    .filter(|name| entity.navigations.contains_key(name.as_str()))
                    .map(|name| &**name)
                    .collect(),
                None => Vec::new(),
            };
            if !children.is_empty() {
                projection.query = format!("$expand={}", literal::encode(&children.join(",")));
            }
        }
        // Newest first, so that a page cut short misses only old records of another matter.
        let age = ["CreationDate", "CreationDateTime"].into_iter().find(|field| entity.properties.contains_key(*field));
        let order: Vec<String> =
            age.into_iter().chain(entity.keys.iter().map(|key| &**key)).map(|field| format!("{field} desc")).collect();
        let mut options = format!("{}&$orderby={}&$top={PROBED_MAX}", search.query, literal::encode(&order.join(",")));
        if !projection.query.is_empty() {
            options = format!("{options}&{}", projection.query);
        }
        let address = format!("{}?{options}", target.name);
        let mut rows = self.rows(&target, entity, address, projection.with_etag, PROBED_MAX).await?;
        let Some(mut oldest) = rows.pop() else { return Ok(None) };
        if !rows.is_empty() {
            let duplicates: Vec<Value> = rows.iter().rev().map(|row| key_of(entity, row)).collect();
            tracing::warn!(record = &*call.record, count = duplicates.len(), "a create happened more than once");
            oldest.set("duplicates", duplicates);
        }
        Ok(Some(oldest))
    }

    /// The ETag that a record has now; `None` when the service gives it none.
    ///
    /// # Errors
    /// Rejected when there is no such record.
    pub(crate) async fn fresh_etag(
        &self,
        service: &str,
        address: &str,
        key: &str,
    ) -> Result<Option<String>, CallError> {
        let request = Request::get(service, format!("{address}?$select={key}"));
        let answer = self.wire.ask(&request).await?;
        let header = answer.header("etag").map(str::to_owned);
        let response = Response { status: answer.status.as_u16(), headers: answer.headers, body: answer.body };
        let record = self.payload(&response, Effect::Read)?;
        Ok(record.get("__metadata").get("etag").as_str().map(str::to_owned).or(header))
    }
}

/// A read that is a request of its own.
struct Alone {
    place: usize,
    projection: Projection,
    /// A key predicate, or the filter that stands for one; percent-encoded.
    address: String,
    is_filter: bool,
}

/// Reads with the same selection.
struct Gathered<'a> {
    call: &'a Call,
    projection: Projection,
    wanted: Vec<(usize, Value)>,
}

/// What is selected, and the key that always comes along.
fn with_keys(entity: &EntityType, selection: &Selection) -> Selection {
    let mut selection = selection.clone();
    if !selection.fields.is_empty() {
        selection.fields.extend(entity.keys.iter().cloned());
    }
    selection
}

fn get(path: String) -> Operation {
    Operation { method: "GET", path, body: None, if_match: None }
}

fn plan(entity: &EntityType, call: &Call) -> Result<Plan, CallError> {
    let Some(key) = &call.key else {
        let message = format!("reading {} needs a key", call.record);
        return Err(CallError::new(ErrorClass::Misconfigured, "key", message));
    };
    let is_key = key.field.is_empty() || entity.keys.contains(&key.field);
    if entity.keys.len() == 1 && is_key && !matches!(key.value, Value::Object(_) | Value::Null) {
        return Ok(Plan::Key(key.value.clone()));
    }
    if is_key || matches!(key.value, Value::Object(_)) || key.value.as_str().is_some_and(|text| text.starts_with('{')) {
        return predicate(entity, Some(key), &call.body).map(Plan::Predicate);
    }
    let wanted = Value::object([(Arc::clone(&key.field), key.value.clone())]);
    let search = query::search(entity, &wanted)?;
    Ok(Plan::Filter(search.query.trim_start_matches("$filter=").to_owned()))
}

/// The key predicate of a call. A key of several parts is an object of them (or its JSON text, as sweeps give ids), or its
/// further parts stand in the body.
///
/// # Errors
/// Misconfigured when a part is missing.
pub(crate) fn predicate(entity: &EntityType, key: Option<&Key>, body: &Value) -> Result<String, CallError> {
    let parsed = key.and_then(|key| key.value.as_str()).filter(|text| text.starts_with('{'));
    let parsed = parsed.and_then(|text| json::parse(text.as_bytes()).ok());
    literal::key_predicate(entity, |name| match (key, &parsed) {
        (_, Some(parts @ Value::Object(_))) if parts.has(name) => parts.get(name),
        (Some(key), _) if key.value.has(name) => key.value.get(name),
        (Some(key), _) if names(entity, key, name) && !matches!(key.value, Value::Object(_)) => &key.value,
        _ => body.get(name),
    })
}

/// Whether a key's value belongs to this key field: by its name, or as the record's own id where that is a single field.
fn names(entity: &EntityType, key: &Key, field: &str) -> bool {
    &*key.field == field || (key.field.is_empty() && entity.keys.len() == 1)
}

/// The key of a record: the value of a single key, an object of a key with several parts.
pub(crate) fn key_of(entity: &EntityType, record: &Value) -> Value {
    match entity.keys.as_slice() {
        [only] => record.get(only).clone(),
        keys => Value::object(keys.iter().map(|key| (Arc::clone(key), record.get(key).clone()))),
    }
}

/// The part of a next page's address after the service's root. Only what lies in the same service is followed, so that
/// credentials go nowhere else.
fn next_path(service: &str, address: &str) -> Option<String> {
    let path = if address.contains("://") || address.starts_with('/') {
        let marker = format!("/{service}/");
        address.split_once(&marker)?.1
    } else {
        address
    };
    // Every request brings these by itself.
    let (resource, options) = path.split_once('?').unwrap_or((path, ""));
    let kept: Vec<&str> = options
        .split('&')
        .filter(|option| !option.starts_with("sap-client=") && !option.starts_with("sap-language="))
        .collect();
    let encode = |text: &str| text.replace(' ', "%20").replace('"', "%22");
    Some(if options.is_empty() {
        encode(resource)
    } else {
        format!("{}?{}", encode(resource), encode(&kept.join("&")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_pages_stay_in_the_service() {
        let next = "https://erp.example.com:443/sap/opu/odata/sap/S/A?sap-client=100&$top=2&$skiptoken=20";
        assert_eq!(next_path("S", next).as_deref(), Some("A?$top=2&$skiptoken=20"));
        assert_eq!(next_path("S", "A?$skiptoken='1 2'").as_deref(), Some("A?$skiptoken='1%202'"));
        assert_eq!(next_path("S", "https://elsewhere.example.com/A"), None);
    }
}
