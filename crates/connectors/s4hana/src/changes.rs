//! What changed in the ERP: business events that it pushes, and sweeps for what those lost.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use connect::transport::Effect;
use connect::{CallError, ChangePage, ErrorClass, Position, PushedChange, PushedChanges, RefusedChange};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use model::{Value, json};

use crate::batch::Response;
use crate::codec::{self, Decoder};
use crate::connection::Erp;
use crate::literal;
use crate::metadata::{Edm, EntityType, Property};
use crate::read::key_of;
use crate::wire::Request;

/// Most events in one request.
const EVENTS_MAX: usize = 1_000;
/// Longest id or type of an event, in bytes.
const NAME_MAX: usize = 512;
/// In the place of a field: nothing tells when such a record changed, so each of them is looked at.
const EVERYTHING: &str = "*";
/// Records on one page of a sweep.
const PAGE: usize = 1_000;
/// Dates without a time are of the ERP's own zone, which may be behind UTC.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The events in one pushed request: CloudEvents 1.0 over HTTP in structured, batched or binary mode. An event of a batch
/// that cannot be used does not keep the others from being used.
///
/// # Errors
/// Rejected when the request as a whole is none of these.
pub(crate) fn receive(headers: &HeaderMap, body: &Bytes) -> Result<PushedChanges, CallError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(version) = header("ce-specversion") {
        let attributes = [
            ("specversion", Some(version)),
            ("id", header("ce-id")),
            ("source", header("ce-source")),
            ("type", header("ce-type")),
            ("time", header("ce-time")),
        ];
        let mut event = Value::object(attributes.into_iter().filter_map(|(name, value)| Some((name, value?))));
        if !body.is_empty() {
            event.set(
                "data",
                json::parse(body).map_err(|error| refused(format!("the event's data is not JSON: {error}")))?,
            );
        }
        return Ok(vec![read_event(&event)]);
    }
    let document = json::parse(body).map_err(|error| refused(format!("the body is not JSON: {error}")))?;
    match &document {
        Value::Array(events) if events.len() > EVENTS_MAX => {
            Err(refused(format!("more than {EVENTS_MAX} events came in one request")))
        }
        Value::Array(events) => Ok(events.iter().map(read_event).collect()),
        event => Ok(vec![read_event(event)]),
    }
}

fn refused(message: impl Into<String>) -> CallError {
    CallError::new(ErrorClass::Rejected, "not-an-event", message)
}

fn read_event(event: &Value) -> Result<PushedChange, RefusedChange> {
    understand(event).map_err(|reason| RefusedChange {
        id: attribute(event, "id").map(Arc::from),
        event_type: attribute(event, "type").map(Arc::from),
        reason,
    })
}

/// An attribute of an event, when it can be used.
fn attribute<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    event.get(name).as_str().filter(|text| !text.is_empty() && text.len() <= NAME_MAX)
}

/// The event, or why it cannot be used.
fn understand(event: &Value) -> Result<PushedChange, String> {
    let text = |name: &str| {
        attribute(event, name).ok_or_else(|| format!("the event has no attribute `{name}` that can be used"))
    };
    if !text("specversion")?.starts_with("1.") {
        return Err("the event is not of CloudEvents 1.0".to_owned());
    }
    let at = match event.get("time") {
        Value::Null => Timestamp::now(),
        _ => text("time")?.parse().map_err(|_| "the event's `time` is no instant".to_owned())?,
    };
    let data = match event.get("data_base64").as_str() {
        Some(text) => {
            let bytes = STANDARD.decode(text).map_err(|_| "the event's data is not base64".to_owned())?;
            json::parse(&bytes).map_err(|error| format!("the event's data is not JSON: {error}"))?
        }
        None => event.get("data").clone(),
    };
    if !matches!(data, Value::Object(_)) {
        return Err("the event's data holds no keys".to_owned());
    }
    let source = attribute(event, "source").unwrap_or_default().into();
    Ok(PushedChange { id: text("id")?.into(), source, event_type: text("type")?.into(), at, keys: data })
}

/// Where a sweep stands.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    /// The instant or date from which on records are wanted, as the filter compares it.
    from: String,
    /// How many records from there on have been delivered.
    skip: usize,
}

impl Mark {
    fn read(position: &Position) -> Option<Self> {
        let text = std::str::from_utf8(&position.0).ok()?;
        let (skip, from) = text.split_once('@')?;
        Some(Self { from: from.to_owned(), skip: skip.parse().ok()? })
    }

    fn position(&self) -> Position {
        Position(format!("{}@{}", self.skip, self.from).into_bytes())
    }
}

impl Erp {
    /// Ids of the records that changed at or after an instant.
    ///
    /// Records with an instant of change come oldest change first, page by page from the last instant of the page before: a
    /// record that changes meanwhile moves to a later page, so that none is missed. A record may come twice. Records that only
    /// know the day of their change come in the order of their keys, and their marks hold what their status fields say, because
    /// a day may see any number of changes.
    ///
    /// # Errors
    /// Misconfigured when nothing in the record tells when it changed.
    pub(crate) async fn sweep(
        &self,
        record: &str,
        since: Timestamp,
        page: Option<Position>,
    ) -> Result<ChangePage, CallError> {
        if self.config.changes.get(record).is_some_and(|field| field == EVERYTHING) {
            return self.sweep_everything(record, page).await;
        }
        let target = self.target(record).await?;
        let (_, entity) = target.service.set(target.name)?;
        let (field, property) = self.change_field(record, entity)?;
        // Some services type a date as a date and time, which is always midnight then.
        let by_day = property.edm == Edm::Date || (property.edm == Edm::DateTime && field == "LastChangeDate");
        let place = match page {
            Some(page) => Mark::read(&page).ok_or_else(no_place)?,
            None if by_day => Mark { from: since.checked_sub(DAY).unwrap_or(since).to_string(), skip: 0 },
            None => Mark { from: since.to_string(), skip: 0 },
        };
        // Some records keep no date of change until their first change.
        let created =
            Some("CreationDate").filter(|name| by_day && *name != field && entity.properties.contains_key(*name));
        // Where the time of the day is a field of its own, a change on the same day has another mark.
        let time = Some("LastChangeTime").filter(|name| {
            field == "LastChangeDate" && entity.properties.get(*name).is_some_and(|property| property.edm == Edm::Time)
        });
        let from = Value::from(place.from.as_str());
        let mut filter = format!("{field} ge ");
        literal::write(field, property, &from, &mut filter)?;
        if let Some(created) = created {
            filter.push_str(&format!(" or {created} ge "));
            literal::write(created, property, &from, &mut filter)?;
        }
        let keys = entity.keys.iter().map(|key| &**key);
        let order: Vec<&str> =
            if by_day { keys.clone().collect() } else { std::iter::once(field).chain(keys.clone()).collect() };
        let statuses: Vec<&str> = match by_day {
            true => entity.properties.keys().map(|name| &**name).filter(|name| name.ends_with("Status")).collect(),
            false => Vec::new(),
        };
        let fields: Vec<&str> =
            keys.chain([field]).chain(created).chain(time).chain(statuses.iter().copied()).collect();
        let address = format!(
            "{}?$filter={}&$orderby={}&$select={}&$top={PAGE}&$skip={}",
            target.name,
            literal::encode(&filter),
            literal::encode(&order.join(",")),
            literal::encode(&fields.join(",")),
            place.skip
        );
        let answer = self.wire.ask(&Request::get(&target.service.name, address)).await?;
        let response = Response { status: answer.status.as_u16(), headers: answer.headers, body: answer.body };
        let (mut rows, more) = codec::page(self.payload(&response, Effect::Read)?);
        let mut decoder = Decoder::new(&target.service, entity, false);
        rows.iter_mut().for_each(|row| decoder.record(row));
        let stamp = |row: &Value| -> Arc<str> {
            let own = row.get(field).as_str().or_else(|| created.and_then(|created| row.get(created).as_str()));
            own.unwrap_or_default().into()
        };
        let is_last = rows.is_empty() || (rows.len() < PAGE && more.is_none());
        let next = (!is_last).then(|| {
            let last = rows.last().map(&stamp).unwrap_or_default();
            let as_instant = |text: &str| text.parse::<Timestamp>().ok().map(|instant| instant.as_millisecond());
            // A whole page of one instant makes no progress by it.
            let stands = by_day || last.is_empty() || as_instant(&last) == as_instant(&place.from);
            let next = if stands {
                Mark { from: place.from.clone(), skip: place.skip + rows.len() }
            } else {
                Mark { from: last.to_string(), skip: 0 }
            };
            next.position()
        });
        let mark = |row: &Value| -> Arc<str> {
            let stamp = marked(stamp(row), time.and_then(|time| row.get(time).as_str()));
            if statuses.is_empty() {
                return stamp;
            }
            let told = statuses.iter().map(|name| row.get(name).as_str().unwrap_or_default());
            format!("{stamp}#{}", told.collect::<Vec<_>>().join(",")).into()
        };
        Ok(ChangePage { records: rows.iter().map(|row| (id_of(entity, row), mark(row))).collect(), next })
    }

    /// All records, in the order of their keys, each with a mark of what it and the records below it say: for records of which
    /// nothing tells when they changed.
    async fn sweep_everything(&self, record: &str, page: Option<Position>) -> Result<ChangePage, CallError> {
        let target = self.target(record).await?;
        let (_, entity) = target.service.set(target.name)?;
        let skip = page.map_or(Some(0), |page| Some(Mark::read(&page)?.skip)).ok_or_else(no_place)?;
        let keys = entity.keys.iter().map(|key| &**key).collect::<Vec<_>>().join(",");
        let mut address = format!("{}?$orderby={}&$top={PAGE}&$skip={skip}", target.name, literal::encode(&keys));
        let below: Vec<&str> = entity.navigations.keys().map(|name| &**name).collect();
        if !below.is_empty() {
            address.push_str(&format!("&$expand={}", literal::encode(&below.join(","))));
        }
        let answer = self.wire.ask(&Request::get(&target.service.name, address)).await?;
        let response = Response { status: answer.status.as_u16(), headers: answer.headers, body: answer.body };
        let (mut rows, more) = codec::page(self.payload(&response, Effect::Read)?);
        let mut decoder = Decoder::new(&target.service, entity, false);
        rows.iter_mut().for_each(|row| decoder.record(row));
        let is_last = rows.is_empty() || (rows.len() < PAGE && more.is_none());
        let next = (!is_last).then(|| Mark { from: String::new(), skip: skip + rows.len() }.position());
        let mark = |row: &Value| {
            let mut hasher = DefaultHasher::new();
            json::to_vec(row).hash(&mut hasher);
            Arc::from(format!("#{:016x}", hasher.finish()))
        };
        Ok(ChangePage { records: rows.iter().map(|row| (id_of(entity, row), mark(row))).collect(), next })
    }

    /// The field that tells when a record changed: as configured, or one of SAP's usual names.
    fn change_field<'a>(&'a self, record: &str, entity: &'a EntityType) -> Result<(&'a str, &'a Property), CallError> {
        if let Some(field) = self.config.changes.get(record) {
            return Ok((field, entity.property(field)?));
        }
        let usual = ["LastChangeDateTime", "LastChangeDate"];
        usual.iter().find_map(|field| Some((*field, entity.properties.get(*field)?))).ok_or_else(|| {
            let message =
                format!("nothing in {record} tells when it changed; name the field under `changes` of the connection, or `\"*\"` to have all looked at");
            CallError::new(ErrorClass::Misconfigured, "no-change-field", message)
        })
    }
}

/// The day of a change with its time, as an instant, so that it can be told when it is past. The zone is the ERP's own and not
/// told: the mark is that of the zone that comes last, so that it is never taken for past while its second may still go on. East
/// of there it is past hours later, which costs only a comparison.
fn marked(stamp: Arc<str>, time: Option<&str>) -> Arc<str> {
    match (stamp.get(..10), time) {
        (Some(day), Some(time)) => format!("{day}T{time}-12:00").into(),
        _ => stamp,
    }
}

/// A record's id: its key, as text.
fn id_of(entity: &EntityType, row: &Value) -> Arc<str> {
    match key_of(entity, row) {
        Value::String(id) => id.into(),
        key => key.to_string().into(),
    }
}

fn no_place() -> CallError {
    CallError::new(ErrorClass::Misconfigured, "position", "the place in the sweep is not one of this connector")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVENT: &str = r#"{"specversion":"1.0","type":"sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1","source":"/default/sap.s4.beh/S4HCLNT100",
        "id":"QgQ8","time":"2026-11-23T10:00:00Z","datacontenttype":"application/json","data":{"SalesOrder":"4711"}}"#;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn all_modes_of_cloud_events_are_understood() {
        let structured = receive(&HeaderMap::new(), &Bytes::from_static(EVENT.as_bytes())).expect("an event");
        let event = structured[0].as_ref().expect("an event");
        assert_eq!(event.keys, Value::object([("SalesOrder", "4711")]));
        assert_eq!(&*event.source, "/default/sap.s4.beh/S4HCLNT100");
        assert_eq!(&*event.event_type, "sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1");
        let batch = receive(&HeaderMap::new(), &Bytes::from(format!("[{EVENT},{EVENT}]"))).expect("events");
        assert_eq!((batch.len(), &batch[1]), (2, &structured[0]));
        let lines = [
            ("ce-specversion", "1.0"),
            ("ce-id", "QgQ8"),
            ("ce-source", "/default/sap.s4.beh/S4HCLNT100"),
            ("ce-type", "sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1"),
            ("ce-time", "2026-11-23T10:00:00Z"),
        ];
        let binary = receive(&headers(&lines), &Bytes::from_static(b"{\"SalesOrder\":\"4711\"}")).expect("an event");
        assert_eq!(binary, structured);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let error = receive(&HeaderMap::new(), &Bytes::new()).expect_err("nothing");
        assert_eq!(error.class, ErrorClass::Rejected);
        let lines = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-type", "t")];
        assert!(receive(&headers(&lines), &Bytes::from_static(b"{")).is_err());
        for body in ["{}", "[1]", r#"{"specversion":"1.0"}"#, r#"{"specversion":"0.3","id":"1","type":"t","data":{}}"#]
        {
            let received = receive(&HeaderMap::new(), &Bytes::from_static(body.as_bytes())).expect(body);
            assert!(matches!(&received[..], [Err(_)]), "{body}: {received:?}");
        }
        let received = receive(&headers(&lines[..1]), &Bytes::new()).expect("a request");
        assert!(received[0].is_err());
    }

    #[test]
    fn a_bad_event_keeps_no_other_from_being_used() {
        let bad = r#"{"specversion":"1.0","id":"QgQ9","type":"t","time":"yesterday","data":{}}"#;
        let received = receive(&HeaderMap::new(), &Bytes::from(format!("[{EVENT},{bad},7,{EVENT}]"))).expect("events");
        assert!(received[0].is_ok() && received[3].is_ok());
        let refused = received[1].as_ref().expect_err("no instant");
        assert_eq!((refused.id.as_deref(), refused.event_type.as_deref()), (Some("QgQ9"), Some("t")));
        assert!(refused.reason.contains("`time`"), "{}", refused.reason);
        assert_eq!(received[2].as_ref().expect_err("a number").id, None);
    }

    #[test]
    fn a_change_later_on_the_same_day_has_another_mark() {
        let marks = ["07:00:36", "07:00:37"].map(|time| marked("2026-11-27".into(), Some(time)));
        assert_eq!(marks.each_ref().map(|mark| &**mark), ["2026-11-27T07:00:36-12:00", "2026-11-27T07:00:37-12:00"]);
        let instants = marks.map(|mark| mark.parse::<Timestamp>().expect("an instant"));
        // Of a change in this second in the last zone of the earth, and in no zone earlier.
        assert_eq!(instants[0], "2026-11-27T19:00:36Z".parse().expect("an instant"));
        assert_eq!(instants[1].duration_since(instants[0]), jiff::SignedDuration::from_secs(1));
        assert_eq!(&*marked("2026-11-27".into(), None), "2026-11-27");
        assert_eq!(&*marked("".into(), Some("07:00:36")), "");
    }

    #[test]
    fn marks_are_read_back() {
        let mark = Mark { from: "2026-11-23T10:00:00Z".into(), skip: 7 };
        assert_eq!(Mark::read(&mark.position()), Some(mark));
        assert_eq!(Mark::read(&Position(vec![255])), None);
    }

    proptest! {
        #[test]
        fn any_body_is_events_or_an_error(body in "(\\{|\\}|\\[|\\]|\"specversion\":\"1.0\"|,|\"data\":|\"id\":\"1\"|[a-z\"]{0,3}){0,20}") {
            let _ = receive(&HeaderMap::new(), &Bytes::from(body));
        }
    }
}
