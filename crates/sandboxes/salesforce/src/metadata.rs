//! Metadata files: objects and fields in YAML, as an administrator deploys them. The standard objects come in the same
//! format (`standard.yaml`).

use std::path::Path;

use indexmap::IndexMap;
use model::Problem;
use serde::Deserialize;

use crate::duplicates::RuleSource;

/// Largest metadata file.
const FILE_MAX: u64 = 4 * 1024 * 1024;
const STANDARD: &str = include_str!("standard.yaml");

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Metadata {
    #[serde(default)]
    pub(crate) objects: IndexMap<String, ObjectSource>,
    #[serde(default)]
    pub(crate) duplicate_rules: Vec<RuleSource>,
}

/// An object. Fields given for an object that exists are added to it or replace the field of the same name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ObjectSource {
    /// First three characters of ids; custom objects get theirs.
    pub(crate) prefix: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) plural: Option<String>,
    /// Whether change events are sent (default yes).
    pub(crate) changes: Option<bool>,
    /// Whether records can be written through the API at all.
    pub(crate) read_only: Option<bool>,
    /// Whether records have an owner.
    pub(crate) owned: Option<bool>,
    #[serde(default)]
    pub(crate) fields: IndexMap<String, FieldSource>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TypeSource {
    Text,
    TextArea,
    LongTextArea,
    Email,
    Phone,
    Url,
    Picklist,
    MultiPicklist,
    Checkbox,
    Int,
    Number,
    Currency,
    Percent,
    Date,
    Datetime,
    Lookup,
    AutoNumber,
    Address,
    PersonName,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum DefaultSource {
    Truth(bool),
    Whole(i64),
    Text(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhenSource {
    pub(crate) field: String,
    pub(crate) r#in: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TotalSource {
    /// `Child.Field`
    pub(crate) of: String,
    /// The child's field that refers to the record.
    pub(crate) by: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FieldSource {
    pub(crate) r#type: TypeSource,
    pub(crate) label: Option<String>,
    pub(crate) length: Option<u32>,
    pub(crate) precision: Option<u8>,
    pub(crate) scale: Option<u8>,
    #[serde(default)]
    pub(crate) required: bool,
    /// Whether this is the record's name.
    #[serde(default)]
    pub(crate) name: bool,
    #[serde(default)]
    pub(crate) indexed: bool,
    #[serde(default)]
    pub(crate) external_id: bool,
    #[serde(default)]
    pub(crate) unique: bool,
    #[serde(default)]
    pub(crate) case_sensitive: bool,
    /// The name of a company that could be a person: a text or a compound in change events.
    #[serde(default)]
    pub(crate) switchable: bool,
    /// Written at creation only.
    #[serde(default)]
    pub(crate) fixed: bool,
    #[serde(default)]
    pub(crate) read_only: bool,
    /// A picklist that takes only its values.
    #[serde(default)]
    pub(crate) restricted: bool,
    pub(crate) default: Option<DefaultSource>,
    #[serde(default)]
    pub(crate) values: Vec<String>,
    /// `{0000}` with text around it.
    pub(crate) format: Option<String>,
    /// First part of the names of an address's fields.
    pub(crate) prefix: Option<String>,
    /// The object that a lookup refers to.
    pub(crate) to: Option<String>,
    /// The name for reading the related record's fields.
    pub(crate) relationship: Option<String>,
    /// The name of the list of records at the other end.
    pub(crate) children: Option<String>,
    /// Deleting the parent deletes this record.
    #[serde(default)]
    pub(crate) cascade: bool,
    /// The parent cannot be deleted while this record exists.
    #[serde(default)]
    pub(crate) restrict: bool,
    /// Texts joined with a space.
    #[serde(default)]
    pub(crate) joined: Vec<String>,
    /// `LookupId.Field`: taken from the related record.
    pub(crate) copied: Option<String>,
    /// A field of the related record, and a path to the value that it must equal.
    pub(crate) agrees: Option<[String; 2]>,
    /// True when a field has one of these values.
    pub(crate) when: Option<WhenSource>,
    /// How often a field has become one of these values, as a flow counts that runs before the record is saved.
    pub(crate) times: Option<WhenSource>,
    /// `Child.Lookup`: how many children there are.
    pub(crate) count: Option<String>,
    pub(crate) total: Option<TotalSource>,
    #[serde(default)]
    pub(crate) sum: Vec<String>,
    pub(crate) product: Option<[String; 2]>,
    /// An amount and a percentage that is taken off.
    pub(crate) discounted: Option<[String; 2]>,
    /// By how many percent the first is less than the second.
    pub(crate) shortfall: Option<[String; 2]>,
}

fn parse(text: &str, name: &str) -> Result<Metadata, Problem> {
    serde_saphyr::from_str(text).map_err(|error| {
        let message = format!("{name} is not a metadata file: {}", error.to_string().replace('\n', " "));
        Problem::new("IL-SANDBOX-010", message, "Compare it with the standard objects' file of the simulator")
    })
}

/// The standard objects with the files laid over them, in their order.
pub(crate) fn read(files: &[impl AsRef<Path>]) -> Result<Metadata, Problem> {
    let mut metadata = parse(STANDARD, "standard.yaml")?;
    for file in files {
        let name = file.as_ref().display().to_string();
        let unreadable = |why: String| {
            Problem::new(
                "IL-SANDBOX-011",
                format!("{name} cannot be read: {why}"),
                "Check the path of the metadata file",
            )
        };
        let size = std::fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.len();
        if size > FILE_MAX {
            return Err(unreadable(format!("it is larger than {FILE_MAX} bytes")));
        }
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
        lay_over(&mut metadata, parse(&text, &name)?);
    }
    Ok(metadata)
}

fn lay_over(metadata: &mut Metadata, more: Metadata) {
    for (name, object) in more.objects {
        let known = metadata.objects.entry(name).or_default();
        known.prefix = object.prefix.or(known.prefix.take());
        known.label = object.label.or(known.label.take());
        known.plural = object.plural.or(known.plural.take());
        known.changes = object.changes.or(known.changes);
        known.read_only = object.read_only.or(known.read_only);
        known.owned = object.owned.or(known.owned);
        known.fields.extend(object.fields);
    }
    metadata.duplicate_rules.extend(more.duplicate_rules);
}
