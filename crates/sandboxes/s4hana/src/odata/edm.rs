//! Entity types as data: what a service serves, read from a compact table of names, types, lengths and labels.
//!
//! A table has one line for each thing: `service`, `entity TYPE SET FLAGS | label`, `key`, properties (`NAME TYPE FLAGS …
//! | label`), navigation (`-> NAME TARGET MULTIPLICITY`, with `via` own
//! properties that start the key of the related, or `where` a property of the related has the own key, or the own property of
//! that name), `complex` and `function`. Flags of properties: `n` not nullable,
//! `c` not creatable, `u` not updatable, `f` not filterable, `s` not sortable, `U` kept in upper case, `D` a date without
//! time, `G` without sign, `e` the ETag, `i` looked up by an index; of sets: `c`, `u`, `d`, `p`, `a` for what is refused.

use std::collections::HashMap;
use std::sync::OnceLock;

/// A primitive type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edm {
    /// Edm.String.
    String,
    /// Edm.Decimal.
    Decimal,
    /// Edm.DateTime: a date or an instant in the system's zone, which is UTC here.
    DateTime,
    /// Edm.DateTimeOffset.
    DateTimeOffset,
    /// Edm.Time.
    Time,
    /// Edm.Boolean.
    Boolean,
    /// Edm.Byte, Edm.Int16 or Edm.Int32.
    Int32,
    /// Edm.Guid.
    Guid,
}

impl Edm {
    fn read(name: &str) -> Option<Self> {
        Some(match name {
            "String" => Self::String,
            "Decimal" => Self::Decimal,
            "DateTime" => Self::DateTime,
            "DateTimeOffset" => Self::DateTimeOffset,
            "Time" => Self::Time,
            "Boolean" => Self::Boolean,
            "Int32" | "Int16" | "Byte" => Self::Int32,
            "Guid" => Self::Guid,
            _ => return None,
        })
    }
}

/// A property of an entity or complex type.
#[derive(Debug)]
pub(crate) struct Property {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) edm: Edm,
    /// The type's name as the metadata has it.
    pub(crate) type_name: &'static str,
    /// MaxLength of a text, in characters.
    pub(crate) length: Option<usize>,
    /// Precision of a number or an instant.
    pub(crate) precision: Option<u32>,
    /// Digits behind the point.
    pub(crate) scale: Option<u32>,
    /// Whether `null` is allowed.
    pub(crate) nullable: bool,
    /// Whether a create may set it.
    pub(crate) creatable: bool,
    /// Whether a change may set it.
    pub(crate) updatable: bool,
    /// Whether a filter may name it.
    pub(crate) filterable: bool,
    /// Whether an order may name it.
    pub(crate) sortable: bool,
    /// Whether it is kept in upper case.
    pub(crate) upper: bool,
    /// Whether it is a number of a number range, which is the same with and without leading zeros.
    pub(crate) range: bool,
    /// `sap:display-format`.
    pub(crate) display: Option<&'static str>,
    /// Whether it is the concurrency token.
    pub(crate) token: bool,
    /// Whether records are indexed by it.
    pub(crate) indexed: bool,
    /// `sap:unit`.
    pub(crate) unit: Option<&'static str>,
    /// `sap:semantics`.
    pub(crate) semantics: Option<&'static str>,
    /// `sap:label`.
    pub(crate) label: &'static str,
    /// `"Name":`.
    pub(crate) head: Box<[u8]>,
}

/// A way from one entity to others.
#[derive(Debug)]
pub(crate) struct Navigation {
    /// Its name.
    pub(crate) name: &'static str,
    /// The target's index within the service.
    pub(crate) target: usize,
    /// Whether it leads to many.
    pub(crate) many: bool,
    /// The multiplicity as written: `*`, `1`, `0..1`.
    pub(crate) multiplicity: &'static str,
    /// The properties whose values start the keys of the related; empty when the own key does.
    pub(crate) via: Vec<usize>,
    /// The indexed property of the related that holds the own property of this name, or else the own key, where their key does
    /// not start with it.
    pub(crate) by: Option<usize>,
    /// `"Name":`.
    pub(crate) head: Box<[u8]>,
}

/// An entity type with its set, or a complex type (without set and key).
#[derive(Debug)]
pub(crate) struct EntityType {
    /// Its place among the types of all services.
    pub(crate) id: usize,
    /// The service's place in the catalog.
    pub(crate) service: usize,
    /// Its name.
    pub(crate) name: &'static str,
    /// The name of its set; empty for a complex type.
    pub(crate) set: &'static str,
    /// What the set refuses, as letters of the table.
    pub(crate) refused: &'static str,
    /// `sap:label`.
    pub(crate) label: &'static str,
    /// The key's properties.
    pub(crate) keys: Vec<usize>,
    /// Its properties, in the order of the metadata.
    pub(crate) properties: Vec<Property>,
    /// Its navigation.
    pub(crate) navigations: Vec<Navigation>,
    /// The property that is the concurrency token.
    pub(crate) token: Option<usize>,
    /// `SERVICE.Type`.
    pub(crate) full_name: String,
    names: HashMap<&'static str, usize, foldhash::fast::FixedState>,
}

impl EntityType {
    /// Where a property stands.
    #[must_use]
    pub(crate) fn property(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// Where a navigation stands.
    #[must_use]
    pub(crate) fn navigation(&self, name: &str) -> Option<usize> {
        self.navigations.iter().position(|navigation| navigation.name == name)
    }

    /// Whether the set refuses `c`reating, `u`pdating, `d`eleting or `a`ddressing.
    #[must_use]
    pub(crate) fn refuses(&self, what: char) -> bool {
        self.refused.contains(what)
    }
}

/// A parameter of a function.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its type's name.
    pub(crate) type_name: &'static str,
    /// MaxLength.
    pub(crate) length: Option<&'static str>,
}

/// A function import.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: &'static str,
    /// `GET` or `POST`.
    pub(crate) method: &'static str,
    /// The type it returns, by index within the service.
    pub(crate) returns: usize,
    /// Whether it returns many.
    pub(crate) many: bool,
    /// `sap:action-for`.
    pub(crate) action_for: Option<&'static str>,
    /// Its parameters.
    pub(crate) parameters: Vec<Parameter>,
}

/// A service.
#[derive(Debug)]
pub(crate) struct Service {
    /// Its name, which is its namespace as well.
    pub(crate) name: &'static str,
    /// Entity and complex types.
    pub(crate) types: Vec<EntityType>,
    /// Function imports.
    pub(crate) functions: Vec<Function>,
    /// Its `$metadata`, once asked for.
    pub(crate) metadata: OnceLock<String>,
}

impl Service {
    /// The type of a set.
    #[must_use]
    pub(crate) fn set(&self, name: &str) -> Option<&EntityType> {
        self.types.iter().find(|entity| !entity.set.is_empty() && entity.set == name)
    }

    /// A function import.
    #[must_use]
    pub(crate) fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The type that a navigation leads to.
    #[must_use]
    pub(crate) fn target(&self, navigation: &Navigation) -> &EntityType {
        &self.types[navigation.target]
    }
}

/// All services.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// The services, in the order of their tables.
    pub(crate) services: Vec<Service>,
    /// How many types there are.
    pub(crate) types: usize,
}

impl Catalog {
    /// Reads tables.
    ///
    /// # Errors
    /// Names the line that is wrong.
    pub(crate) fn read(tables: &[&'static str]) -> Result<Self, String> {
        let mut catalog = Self { services: Vec::new(), types: 0 };
        for table in tables {
            let service = read_service(table, catalog.services.len(), &mut catalog.types)?;
            catalog.services.push(service);
        }
        Ok(catalog)
    }

    /// A service by its name.
    #[must_use]
    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// Every type.
    pub(crate) fn all_types(&self) -> impl Iterator<Item = &EntityType> {
        self.services.iter().flat_map(|service| &service.types)
    }
}

/// A number of a number range without its leading zeros; other texts as they are.
#[must_use]
pub(crate) fn without_zeros(text: &str) -> &str {
    let digits = text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { Some(text.trim_start_matches('0')).filter(|rest| !rest.is_empty()).unwrap_or("0") } else { text }
}

fn head(name: &str) -> Box<[u8]> {
    format!("\"{name}\":").into_bytes().into_boxed_slice()
}

fn read_service(table: &'static str, service: usize, next_id: &mut usize) -> Result<Service, String> {
    let mut name = "";
    let mut types: Vec<EntityType> = Vec::new();
    // What refers to other types waits until all of them are known.
    let (mut navigations, mut functions, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for line in table.lines() {
        let wrong = || format!("the catalog line `{line}` cannot be read");
        let (facts, label) = line.split_once(" | ").unwrap_or((line.trim_end_matches(" |"), ""));
        let mut words = facts.split_whitespace();
        let Some(first) = words.next() else { continue };
        match first {
            "service" => name = words.next().ok_or_else(wrong)?,
            "entity" | "complex" => {
                let type_name = words.next().ok_or_else(wrong)?;
                types.push(EntityType {
                    id: *next_id,
                    service,
                    name: type_name,
                    set: words.next().unwrap_or(""),
                    refused: words.next().unwrap_or("-"),
                    label,
                    keys: Vec::new(),
                    properties: Vec::new(),
                    navigations: Vec::new(),
                    token: None,
                    full_name: format!("{name}.{type_name}"),
                    names: HashMap::default(),
                });
                *next_id += 1;
            }
            "key" => keys.push((types.len().checked_sub(1).ok_or_else(wrong)?, words)),
            "->" => navigations.push((types.len().checked_sub(1).ok_or_else(wrong)?, words)),
            "function" => functions.push(words),
            property => {
                let entity = types.last_mut().ok_or_else(wrong)?;
                let read = read_property(property, words, label).ok_or_else(wrong)?;
                if read.token {
                    entity.token = Some(entity.properties.len());
                }
                entity.names.insert(property, entity.properties.len());
                entity.properties.push(read);
            }
        }
    }
    let missing = |what: &str| format!("the catalog of {name} does not know `{what}`");
    for (place, words) in keys {
        for word in words {
            let key = types[place].property(word).ok_or_else(|| missing(word))?;
            types[place].keys.push(key);
        }
    }
    let find = |types: &[EntityType], wanted: &str| {
        types.iter().position(|entity| entity.name == wanted).ok_or_else(|| missing(wanted))
    };
    for (place, mut words) in navigations {
        let mut next = || words.next().ok_or_else(|| missing("navigation"));
        let (navigation, target, multiplicity) = (next()?, next()?, next()?);
        let target = find(&types, target)?;
        let by_related = words.next() == Some("where");
        let named = if by_related { target } else { place };
        let found = words.map(|word| types[named].property(word).ok_or_else(|| missing(word)));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let (via, by) = if by_related { (Vec::new(), found.first().copied()) } else { (found, None) };
        let many = multiplicity == "*";
        let head = head(navigation);
        types[place].navigations.push(Navigation { name: navigation, target, many, multiplicity, via, by, head });
    }
    let mut read_functions = Vec::new();
    for mut words in functions {
        let mut next = || words.next().ok_or_else(|| missing("function"));
        let (function, method, returns, action) = (next()?, next()?, next()?, next()?);
        let inner = returns.strip_prefix("Collection(").and_then(|inner| inner.strip_suffix(')'));
        let parameters = words.map(|word| {
            let (parameter, kind) = word.split_once(':').ok_or_else(|| missing(word))?;
            let (type_name, length) = match kind.split_once('(') {
                Some((type_name, length)) => (type_name, Some(length.trim_end_matches(')'))),
                None => (kind, None),
            };
            Ok::<_, String>(Parameter { name: parameter, type_name, length })
        });
        read_functions.push(Function {
            name: function,
            method,
            returns: find(&types, inner.unwrap_or(returns))?,
            many: inner.is_some(),
            action_for: Some(action).filter(|action| *action != "-"),
            parameters: parameters.collect::<Result<_, _>>()?,
        });
    }
    Ok(Service { name, types, functions: read_functions, metadata: OnceLock::new() })
}

fn read_property(
    name: &'static str,
    mut words: std::str::SplitWhitespace<'static>,
    label: &'static str,
) -> Option<Property> {
    let kind = words.next()?;
    let flags = words.next()?;
    let (type_name, size) = match kind.split_once('(') {
        Some((type_name, size)) => (type_name, Some(size.strip_suffix(')')?)),
        None => (kind, None),
    };
    let edm = Edm::read(type_name)?;
    let (mut length, mut precision, mut scale) = (None, None, None);
    if let Some(size) = size {
        if edm == Edm::String {
            length = Some(size.parse().ok()?);
        } else {
            let (digits, behind) = size.split_once('.').unwrap_or((size, ""));
            precision = Some(digits.parse().ok()?);
            scale = if behind.is_empty() { None } else { Some(behind.parse().ok()?) };
        }
    }
    let (mut unit, mut semantics) = (None, None);
    for word in words {
        match word.split_once('=')? {
            ("unit", value) => unit = Some(value),
            ("semantics", value) => semantics = Some(value),
            _ => return None,
        }
    }
    let has = |flag: char| flags.contains(flag);
    let display = match (has('U'), has('D'), has('G')) {
        (true, ..) => Some("UpperCase"),
        (_, true, _) => Some("Date"),
        (.., true) => Some("NonNegative"),
        _ => None,
    };
    Some(Property {
        name,
        edm,
        type_name,
        length,
        precision,
        scale,
        nullable: !has('n'),
        creatable: !has('c'),
        updatable: !has('u'),
        filterable: !has('f'),
        sortable: !has('s'),
        upper: has('U'),
        range: has('U') && length == Some(10),
        display,
        token: has('e'),
        indexed: has('i'),
        unit,
        semantics,
        label,
        head: head(name),
    })
}
