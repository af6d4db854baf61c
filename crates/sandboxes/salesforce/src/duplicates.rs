//! Duplicate rules: which records the org takes for one that is to be saved, and what it says of them.
//!
//! A rule compares fields exactly, without regard to case; nothing matches a record that lacks one of them. A change is looked at
//! when it touches a field of the rule.

use model::json::write_string;
use serde::{Deserialize, Serialize};

use crate::errors::Refusal;
use crate::id::RecordId;
use crate::render::{write_attributes, write_record};
use crate::schema::{FieldAt, Object, ObjectAt, Place, Schema};
use crate::store::{Record, Store};

/// Most rules of an org, and fields of a rule.
const RULES_MAX: usize = 100;
const FIELDS_MAX: usize = 10;
/// Most records that an answer names.
const MATCHES_MAX: usize = 100;
/// What people are told, unless the administrator wrote something else.
const ALERT: &str = "Use one of these records?";

/// What becomes of a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RuleAction {
    /// It is not saved.
    #[default]
    Block,
    /// It is saved for who has seen the alert: through the API, for who says so in the header.
    Alert,
}

/// A rule as an administrator writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RuleSource {
    pub(crate) object: String,
    /// Fields that have to be the same.
    pub(crate) fields: Vec<String>,
    #[serde(default)]
    pub(crate) action: RuleAction,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// A rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    name: String,
    object: ObjectAt,
    fields: Vec<FieldAt>,
    action: RuleAction,
    pub(crate) source: RuleSource,
}

/// What a request says of duplicates: `Sforce-Duplicate-Rule-Header`.
#[derive(Debug, Clone, Default)]
pub(crate) struct DuplicateHeader {
    /// Save what a rule only alerts of.
    pub(crate) allow_save: bool,
    /// Tell all fields of the duplicates, and not only their ids.
    pub(crate) include_record_details: bool,
    /// The version of the API, for the addresses of the duplicates.
    pub(crate) version: String,
}

impl DuplicateHeader {
    /// From the value of the header.
    pub(crate) fn parse(value: Option<&str>, version: &str) -> Self {
        let options = value.unwrap_or_default();
        let is_true = |name: &str| {
            let mut options = options.split([',', ';']).filter_map(|option| option.split_once('='));
            options.any(|(known, value)| known.trim().eq_ignore_ascii_case(name) && value.trim() == "true")
        };
        Self {
            allow_save: is_true("allowSave"),
            include_record_details: is_true("includeRecordDetails"),
            version: version.to_owned(),
        }
    }
}

/// Rules ready to be applied, or what is wrong with one.
pub(crate) fn rules(schema: &Schema, sources: Vec<RuleSource>) -> Result<Vec<Rule>, String> {
    if sources.len() > RULES_MAX {
        return Err(format!("an org has at most {RULES_MAX} duplicate rules"));
    }
    sources.into_iter().map(|source| rule(schema, source)).collect()
}

fn rule(schema: &Schema, source: RuleSource) -> Result<Rule, String> {
    let object = schema.find(&source.object).ok_or_else(|| format!("there is no object `{}`", source.object))?;
    if source.fields.is_empty() || source.fields.len() > FIELDS_MAX {
        return Err(format!("a duplicate rule of {} compares 1 to {FIELDS_MAX} fields", object.name));
    }
    let field = |name: &String| {
        let at = object.field_at(name).filter(|at| matches!(object.field(*at).place, Place::Cell(_)));
        at.ok_or_else(|| format!("{} has no field `{name}` that a duplicate rule could compare", object.name))
    };
    let fields = source.fields.iter().map(field).collect::<Result<_, _>>()?;
    let name = source.name.clone().unwrap_or_else(|| format!("{}_Duplicate_Rule", object.name));
    Ok(Rule { name, object: object.at, fields, action: source.action, source })
}

/// Refuses a record that a rule takes for another one. `changed` says which fields are new.
pub(crate) fn check(
    store: &Store,
    object: &Object,
    serial: u32,
    record: &Record,
    changed: impl Fn(FieldAt) -> bool,
    header: &DuplicateHeader,
) -> Result<(), Refusal> {
    for rule in &store.duplicate_rules {
        let is_overruled = rule.action == RuleAction::Alert && header.allow_save;
        if rule.object != object.at || is_overruled || !rule.fields.iter().any(|at| changed(*at)) {
            continue;
        }
        let matches = matches(store, object, serial, record, rule);
        if !matches.is_empty() {
            let details = Some(described(store, object, rule, &matches, header).into());
            return Err(Refusal { details, ..Refusal::new("DUPLICATES_DETECTED", ALERT) });
        }
    }
    Ok(())
}

/// The other records with the same values, in the order of their ids.
fn matches(store: &Store, object: &Object, serial: u32, record: &Record, rule: &Rule) -> Vec<u32> {
    let text = |record: &Record, at: FieldAt| {
        let text = record.cell(object.field(at)).as_str().map(|text| text.trim().to_lowercase());
        text.filter(|text| !text.is_empty())
    };
    let Some(wanted) = rule.fields.iter().map(|at| text(record, *at)).collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    let table = store.table(object.at);
    let is_same = |other: &u32| {
        *other != serial
            && table.get(u64::from(*other)).is_some_and(|known| {
                let mut fields = rule.fields.iter().zip(&wanted);
                !known.deleted && fields.all(|(at, wanted)| text(known, *at).as_ref() == Some(wanted))
            })
    };
    table.serials().filter(is_same).take(MATCHES_MAX).collect()
}

/// The member `duplicateResult` of the refusal.
fn described(store: &Store, object: &Object, rule: &Rule, matches: &[u32], header: &DuplicateHeader) -> String {
    let mut text = format!(r#"{{"allowSave":{},"duplicateRule":"#, rule.action == RuleAction::Alert);
    write_string(&rule.name, &mut text);
    text.push_str(r#","duplicateRuleEntityType":"#);
    write_string(&object.name, &mut text);
    text.push_str(r#","errorMessage":"#);
    write_string(ALERT, &mut text);
    text.push_str(r#","matchResults":[{"entityType":"#);
    write_string(&object.name, &mut text);
    text.push_str(r#","errors":[],"matchEngine":"ExactMatchEngine","matchRecords":["#);
    for (index, serial) in matches.iter().enumerate() {
        text.push_str(if index > 0 { "," } else { "" });
        text.push_str(r#"{"additionalInformation":[],"fieldDiffs":[],"matchConfidence":100.0,"record":"#);
        write_match(store, object, store.id(object.at, *serial), header, &mut text);
        text.push('}');
    }
    text.push_str(r#"],"rule":"#);
    write_string(&rule.name.replace("Duplicate", "Match"), &mut text);
    text.push_str(&format!(r#","size":{},"success":true}}]}}"#, matches.len()));
    text
}

fn write_match(store: &Store, object: &Object, id: RecordId, header: &DuplicateHeader, text: &mut String) {
    match store.get(id).filter(|_| header.include_record_details) {
        Some((_, record)) => {
            let all = (0..object.fields.len()).filter_map(|at| u16::try_from(at).ok()).map(FieldAt);
            write_record(object, id, record, &all.collect::<Vec<_>>(), &header.version, text);
        }
        None => {
            text.push('{');
            write_attributes(object, Some(id), &header.version, text);
            text.push_str(&format!(r#","Id":"{id}"}}"#));
        }
    }
}
