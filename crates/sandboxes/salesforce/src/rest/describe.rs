//! What the org says about itself: versions, resources, limits, objects.

use serde_json::{Value, json};

use super::reply::{Call, Reply};
use crate::bulk::{DAILY_BATCHES, DAILY_QUERY_JOBS, DAILY_QUERY_STORAGE_MB};
use crate::org::{DAILY_REQUESTS, Org};
use crate::schema::{Field, Kind, Object, Schema};

/// Versions that are served: the oldest and the newest.
pub(crate) const VERSIONS: std::ops::RangeInclusive<u32> = 52..=67;

/// `GET /services/data`
pub(crate) fn versions() -> Reply {
    let names = ["Winter", "Spring", "Summer"];
    let version = |number: u32| {
        // Summer '26 is 67; there are three releases a year.
        let (release, year) = (names[(number % 3 + 1) as usize % 3], 26 - (67 - number).div_ceil(3));
        json!({"label": format!("{release} '{year}"), "url": format!("/services/data/v{number}.0"), "version": format!("{number}.0")})
    };
    Reply::json(200, Value::from(VERSIONS.map(version).collect::<Vec<_>>()).to_string())
}

/// `GET /services/data/v67.0`
pub(super) fn resources(call: &Call) -> Reply {
    let root = format!("/services/data/v{}", call.version);
    let names = ["sobjects", "query", "queryAll", "composite", "limits", "jobs"];
    let all: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!(format!("{root}/{name}")))).collect();
    Reply::json(200, Value::from(all).to_string())
}

/// `GET /limits`
pub(super) fn limits(org: &Org) -> Reply {
    let remaining = DAILY_REQUESTS.saturating_sub(org.used());
    let (queries, batches, megabytes) = org.jobs.remaining();
    let body = json!({
        "DailyApiRequests": {"Max": DAILY_REQUESTS, "Remaining": remaining},
        "DailyBulkApiBatches": {"Max": DAILY_BATCHES, "Remaining": batches},
        "DailyBulkV2QueryJobs": {"Max": DAILY_QUERY_JOBS, "Remaining": queries},
        "DailyBulkV2QueryFileStorageMB": {"Max": DAILY_QUERY_STORAGE_MB, "Remaining": megabytes},
        "DailyStandardVolumePlatformEvents": {"Max": 25_000, "Remaining": 25_000},
        "HourlyPublishedPlatformEvents": {"Max": 250_000, "Remaining": 250_000},
        "DataStorageMB": {"Max": 10_240, "Remaining": 10_240},
        "FileStorageMB": {"Max": 10_240, "Remaining": 10_240},
    });
    Reply::json(200, body.to_string())
}

fn summary(object: &Object, version: &str) -> serde_json::Map<String, Value> {
    let url = format!("/services/data/v{version}/sobjects/{}", object.name);
    let writable = !object.read_only;
    let body = json!({
        "name": &*object.name, "label": object.label, "labelPlural": object.plural,
        "keyPrefix": if object.event { Value::Null } else { json!(object.prefix.to_string()) },
        "custom": object.custom, "customSetting": false, "activateable": false, "deprecatedAndHidden": false,
        "createable": writable, "updateable": writable && !object.event, "deletable": writable && !object.event,
        "undeletable": false, "mergeable": false, "replicateable": !object.event, "retrieveable": !object.event,
        "queryable": !object.event, "searchable": !object.event, "feedEnabled": false, "hasSubtypes": false,
        "isSubtype": false, "layoutable": true, "triggerable": true, "mruEnabled": false,
        "urls": {"sobject": url, "describe": format!("{url}/describe"), "rowTemplate": format!("{url}/{{ID}}")},
    });
    match body {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    }
}

/// `GET /sobjects`
pub(super) fn global(org: &Org, call: &Call) -> Reply {
    let objects: Vec<Value> = org.schema.objects.iter().map(|object| summary(object, &call.version).into()).collect();
    Reply::json(200, json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects}).to_string())
}

/// `GET /sobjects/X`
pub(super) fn basic(object: &Object, call: &Call) -> Reply {
    let body = json!({"objectDescribe": summary(object, &call.version), "recentItems": []});
    Reply::json(200, body.to_string())
}

/// `GET /sobjects/X/describe`
pub(super) fn describe(schema: &Schema, object: &Object, call: &Call) -> Reply {
    let mut body = summary(object, &call.version);
    let fields: Vec<Value> = object.fields.iter().map(|one| field(schema, object, one)).collect();
    body.insert("fields".to_owned(), fields.into());
    let children: Vec<Value> = object
        .children
        .iter()
        .map(|list| {
            let child = schema.object(list.object);
            json!({
                "childSObject": &*child.name, "field": &*child.field(list.field).name,
                "relationshipName": list.relationship.as_deref(),
                "cascadeDelete": list.on_delete == crate::schema::OnDelete::Cascade,
                "restrictedDelete": list.on_delete == crate::schema::OnDelete::Restrict,
                "deprecatedAndHidden": false, "junctionIdListNames": [], "junctionReferenceTo": [],
            })
        })
        .collect();
    body.insert("childRelationships".to_owned(), children.into());
    body.insert("recordTypeInfos".to_owned(), json!([]));
    body.insert("supportedScopes".to_owned(), json!([{"label": "All", "name": "everything"}]));
    Reply::json(200, Value::Object(body).to_string())
}

fn field(schema: &Schema, object: &Object, field: &Field) -> Value {
    let soap = match field.kind {
        Kind::Id | Kind::Reference => "tns:ID",
        Kind::Boolean => "xsd:boolean",
        Kind::Int => "xsd:int",
        Kind::Number | Kind::Currency | Kind::Percent => "xsd:double",
        Kind::Date => "xsd:date",
        Kind::DateTime => "xsd:dateTime",
        Kind::Address => "urn:address",
        _ => "xsd:string",
    };
    let length = match field.kind {
        Kind::Id | Kind::Reference => 18,
        _ => field.length,
    };
    let filterable = !matches!(field.kind, Kind::LongText | Kind::Address);
    let to: Vec<&str> = field.reference.iter().map(|reference| &*schema.object(reference.to).name).collect();
    let values: Vec<Value> = field
        .values
        .iter()
        .map(|value| {
            let default = field.default.as_str() == Some(value.as_str());
            json!({"active": true, "defaultValue": default, "label": value.as_str(), "value": value.as_str(), "validFor": null})
        })
        .collect();
    let always = field.kind == Kind::Id
        || field.required
        || field.kind == Kind::Boolean
        || matches!(
            &*field.name,
            "OwnerId" | "CreatedDate" | "CreatedById" | "LastModifiedDate" | "LastModifiedById" | "SystemModstamp"
        );
    json!({
        "name": &*field.name, "label": field.label, "type": field.type_name(), "soapType": soap,
        "length": length, "byteLength": length * 3, "digits": if field.kind == Kind::Int { field.precision } else { 0 },
        "precision": if field.kind == Kind::Int { 0 } else { field.precision }, "scale": field.scale,
        "nillable": !always, "createable": field.createable, "updateable": field.updateable,
        "custom": field.custom, "calculated": field.calculated, "calculatedFormula": null,
        "autoNumber": field.kind == Kind::AutoNumber, "unique": field.unique, "externalId": field.external_id,
        "idLookup": field.is_key(), "caseSensitive": field.case_sensitive, "nameField": field.is_name, "namePointing": false,
        "defaultedOnCreate": always && !field.required || field.kind == Kind::AutoNumber,
        "defaultValue": match &field.default {
            crate::cell::Cell::Bool(truth) => json!(truth),
            _ => Value::Null,
        },
        "filterable": filterable, "sortable": filterable && field.kind != Kind::MultiPicklist,
        "groupable": filterable && !field.is_number() && field.kind != Kind::DateTime, "aggregatable": filterable,
        "compoundFieldName": field.compound.map(|at| object.field(at).name.to_string()),
        "extraTypeInfo": if field.kind == Kind::LongText { json!("plaintextarea") } else { Value::Null },
        "picklistValues": values, "restrictedPicklist": field.restricted, "dependentPicklist": false,
        "referenceTo": to, "relationshipName": field.reference.as_ref().and_then(|reference| reference.relationship.as_deref()),
        "relationshipOrder": null, "polymorphicForeignKey": false, "cascadeDelete": false, "restrictedDelete": false,
        "deprecatedAndHidden": false, "encrypted": false, "htmlFormatted": false, "permissionable": field.createable,
        "queryByDistance": false, "searchPrefilterable": false, "writeRequiresMasterRead": false, "inlineHelpText": null,
    })
}
