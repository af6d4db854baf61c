//! `mappings/*.yaml`

use std::sync::Arc;

use mapping::{
    Case, CompileError, CurrencySource, Direction, FieldDefinition, Kind, ListDefinition, Mapping, MappingDefinition,
    TableDefinition, TooLong, ValueMap, uses,
};
use model::{ConnectionName, ObjectName, Path, Span, Value};
use workflow::yaml::Node;

use super::files::Room;
use super::reader::{Fields, Reader, article, lost_zeros};
use super::schemas::{self, Known as Member};
use super::{Document, Known, Loader};

const CELL: [&str; 13] = [
    "field",
    "type",
    "currency",
    "values",
    "trim",
    "case",
    "length",
    "tooLong",
    "default",
    "required",
    "direction",
    "read",
    "write",
];
const DIRECTIONS: [(&str, Direction); 3] =
    [("both", Direction::Both), ("read", Direction::Read), ("write", Direction::Write)];

pub(super) fn read(loader: &Loader<'_>, known: &Known, document: &Document<'_>) -> Option<Mapping> {
    let reader = Reader { source: document.source, findings: loader.findings };
    let members = ["object", "connection", "record", "fields", "constants", "lists"];
    let fields = reader.fields(&document.node, document.node.span, "a mapping's file", &members)?;
    let (object, connection) = (fields.required_text("object"), fields.required_text("connection"));
    let record = fields.required_text("record");
    if let (Some(object), Some(connection)) = (&object, &connection) {
        check_name(loader, reader, &fields, document.stem, object, connection);
    }
    let definition = object.as_ref().and_then(|object| known.objects.get(&**object));
    let schema = definition.map(|definition| &definition.document);
    let selected = is_selected(loader, document.stem);
    let mut table = Table { reader, known, loader, root: schema, selected };
    let compiled = table.read(&fields, schema)?;
    let definition = MappingDefinition {
        name: Arc::clone(document.stem),
        object: ObjectName::new(object?),
        connection: ConnectionName::new(connection?),
        record: record?,
        table: compiled,
    };
    match Mapping::compile(&definition) {
        Ok(mapping) => Some(mapping),
        Err(errors) => {
            for error in errors {
                let span = place(&document.node, &error).unwrap_or(document.node.span);
                match error.help {
                    Some(help) => reader.error_with(span, "IL-DEF-013", error.message, help),
                    None => reader.error(span, "IL-DEF-013", error.message),
                }
            }
            None
        }
    }
}

/// The file's name says what it maps: `order.erp` or `order.erp.variant`.
fn check_name(
    loader: &Loader<'_>,
    reader: Reader<'_>,
    fields: &Fields<'_>,
    stem: &Arc<str>,
    object: &str,
    connection: &str,
) {
    let expected = format!("{object}.{connection}");
    let rest = stem.strip_prefix(expected.as_str());
    if rest.is_none_or(|rest| !rest.is_empty() && (!rest.starts_with('.') || rest.len() == 1)) {
        let message = format!("this file is called {stem}.yaml, but maps `{object}` of `{connection}`");
        let help = format!("call it {expected}.yaml, or {expected}.<variant>.yaml");
        reader.error_with(fields.key_span("object"), "IL-DEF-010", message, help);
    }
    for (member, name, room, what) in [
        ("object", object, Room::Objects, "canonical object"),
        ("connection", connection, Room::Connections, "connection"),
    ] {
        let mut names = loader.names_of(room);
        if !names.any(|known| known == name)
            && let Some(node) = fields.get(member)
        {
            let message = format!("there is no {what} `{name}`");
            reader.unknown(node.span, "IL-DEF-006", message, name, loader.names_of(room));
        }
    }
}

/// Where the cell stands that the compiler complains of.
fn place(file: &Node, error: &CompileError) -> Option<Span> {
    let mut node = file;
    for list in &error.lists {
        node = node.get("lists")?.get(list)?;
    }
    let parts = ["fields", "lists", "constants"].into_iter().filter_map(|part| node.get(part)?.map());
    parts.flatten().find(|(key, _)| key.name == error.cell).map(|(key, _)| key.span)
}

/// Whether a mapping is used, and everything that uses it has a `select`.
fn is_selected(loader: &Loader<'_>, name: &str) -> bool {
    let parts = loader.documents_of(Room::Connections).flat_map(|document| {
        let parts = ["functions", "feeds"].into_iter().filter_map(|part| document.node.get(part)?.map());
        parts.flatten().map(|(_, node)| node)
    });
    let mut uses = parts.filter(|node| node.get("mapping").and_then(Node::text).is_some_and(|used| **used == *name));
    let mut used = false;
    let all = uses.all(|node| {
        used = true;
        node.get("select").is_some()
    });
    used && all
}

struct Table<'a> {
    reader: Reader<'a>,
    known: &'a Known,
    loader: &'a Loader<'a>,
    /// The object's schema document, when there is one.
    root: Option<&'a Value>,
    /// Whether all that read with the mapping say by `select` what they ask for.
    selected: bool,
}

impl<'a> Table<'a> {
    /// `schema`: what this level has to fit; `None` when anything goes.
    fn read(&mut self, fields: &Fields<'a>, schema: Option<&'a Value>) -> Option<TableDefinition> {
        let mut table = TableDefinition::default();
        // Cells with jq, and where it stands.
        let mut computed: Vec<(usize, Span)> = Vec::new();
        for (key, node) in fields.get("fields").map(|node| self.reader.entries(node, "`fields`")).unwrap_or_default() {
            let canonical = self.reader.path(&key.name, key.span);
            if let Some(canonical) = &canonical {
                self.check_member(canonical, key.span, schema);
            }
            let cell = canonical.and_then(|canonical| self.cell(canonical, key.span, node));
            let read = node.map().and_then(|members| members.iter().find(|(key, _)| &*key.name == "read"));
            computed.extend(cell.as_ref().map(|_| table.fields.len()).zip(read.map(|(key, _)| key.span)));
            table.fields.extend(cell);
        }
        let constants = fields.get("constants").map(|node| self.reader.entries(node, "`constants`"));
        for (key, node) in constants.unwrap_or_default() {
            if lost_zeros(node) {
                let text = node.text().map_or("", |text| text);
                let message = format!("without quotes, {text} is the number {}", node.to_value());
                self.reader.warning(node.span, message, format!("write '{text}' to keep the zeros"));
            }
            let record = self.reader.path(&key.name, key.span);
            table.constants.extend(record.map(|record| (record, node.to_value())));
        }
        for (key, node) in fields.get("lists").map(|node| self.reader.entries(node, "`lists`")).unwrap_or_default() {
            let canonical = self.reader.path(&key.name, key.span);
            let schema = canonical.as_ref().and_then(|canonical| self.check_member(canonical, key.span, schema));
            let schema = schema.zip(self.root).and_then(|(schema, root)| schemas::items(root, schema));
            let what = format!("the list `{}`", key.name);
            let members = ["record", "direction", "fields", "constants", "lists"];
            let Some(fields) = self.reader.fields(node, key.span, &what, &members) else { continue };
            let record = fields.required("record").and_then(|node| self.record_path(node));
            let direction = fields.word("direction", &DIRECTIONS).unwrap_or_default();
            let inner = self.read(&fields, schema);
            if let (Some(canonical), Some(record), Some(table_of_items)) = (canonical, record, inner) {
                table.lists.push(ListDefinition { canonical, record, direction, table: table_of_items });
            }
        }
        for (place, span) in computed {
            self.check_seen(&table, &table.fields[place], span);
        }
        if table.fields.is_empty() && table.lists.is_empty() && fields.get("fields").is_none() {
            self.reader.error(fields.place(), "IL-DEF-004", "this table maps nothing: it needs `fields` or `lists`");
        }
        Some(table)
    }

    /// Warns where nobody can see what has to be asked of the system. What a list of the same table reads is asked.
    fn check_seen(&self, table: &TableDefinition, cell: &FieldDefinition, span: Span) {
        let Some(read) = cell.read.as_ref().filter(|_| cell.direction.reads() && !self.selected) else { return };
        let uses = uses(read.text());
        let listed = |path: &Path| table.lists.iter().any(|list| list.direction.reads() && list.record == *path);
        let begins = |list: &ListDefinition| {
            let text =
                read.text().trim_start().strip_prefix('.').and_then(|text| text.strip_prefix(&list.record.to_string()));
            text.is_some_and(|rest| rest.starts_with('['))
        };
        let in_a_list = table.lists.iter().any(|list| list.direction.reads() && begins(list));
        if uses.complete || (uses.paths.iter().all(listed) && in_a_list) {
            return;
        }
        let message = "which fields this jq reads cannot be seen, so they are not asked of the system";
        let help = "name them by plain paths from the record, such as `.Account.Name`, read the list that they are in under \
                    `lists`, or add them under `select` of the function or feed";
        self.reader.warning(span, message, help);
    }

    /// Tells of a canonical member that the object does not have; gives its schema when it is known.
    fn check_member(&self, path: &Path, span: Span, schema: Option<&'a Value>) -> Option<&'a Value> {
        match schemas::member(self.root?, schema?, path) {
            Member::Yes(schema) => Some(schema),
            Member::Open => None,
            Member::No(name, known) => {
                let message = format!("the object's schema has no `{name}`");
                self.reader.unknown(span, "IL-DEF-006", message, &name, known);
                None
            }
        }
    }

    fn record_path(&self, node: &Node) -> Option<Path> {
        let text = self.reader.text(node, "a record field")?;
        self.reader.path(&text, node.span)
    }

    fn cell(&self, canonical: Path, span: Span, node: &'a Node) -> Option<FieldDefinition> {
        let reader = self.reader;
        if node.map().is_none() {
            if node.text().is_none() {
                let message = format!("a record field or a mapping of rules is expected here, not {}", article(node));
                reader.error(node.span, "IL-DEF-002", message);
                return None;
            }
            return Some(FieldDefinition::plain(canonical, self.record_path(node)?));
        }
        let what = format!("the cell `{canonical}`");
        let fields = reader.fields(node, span, &what, &CELL)?;
        let record = match fields.get("field") {
            Some(node) => Some(self.record_path(node)?),
            None => None,
        };
        let direction = fields.word("direction", &DIRECTIONS).unwrap_or_default();
        let read = fields.expression("read", &[]);
        let kind = self.kind(&fields);
        let field = FieldDefinition {
            canonical,
            record,
            kind: kind.clone().unwrap_or(Kind::AsIs),
            direction,
            trim: fields.truth("trim").unwrap_or(false),
            case: fields.word("case", &[("upper", Case::Upper), ("lower", Case::Lower)]),
            length: fields.whole("length", 1, 1_000_000).and_then(|length| usize::try_from(length).ok()),
            too_long: fields.word("tooLong", &[("refuse", TooLong::Refuse), ("cut", TooLong::Cut)]).unwrap_or_default(),
            default: fields.get("default").map(Node::to_value),
            required: fields.truth("required").unwrap_or(false),
            values: self.values(&fields),
            read,
            write: fields.expression("write", &[]),
        };
        if fields.get("tooLong").is_some() && fields.get("length").is_none() {
            let message = "`tooLong` says what happens beyond `length`, which is not given";
            reader.error_with(fields.key_span("tooLong"), "IL-DEF-011", message, "add `length`, or remove `tooLong`");
        }
        // An expression that does not compile has been told; the cell must not look as if it had none.
        let broken = |name: &str, compiled: bool| fields.get(name).is_some() && !compiled;
        let whole = kind.is_some() && !broken("read", field.read.is_some()) && !broken("write", field.write.is_some());
        whole.then_some(field)
    }

    fn kind(&self, fields: &Fields<'a>) -> Option<Kind> {
        let currency = fields.get("currency");
        let kind = match fields.get("type") {
            None => Some("as-is"),
            Some(_) => fields.word(
                "type",
                &["text", "number", "integer", "decimal", "boolean", "date", "instant", "money"]
                    .map(|word| (word, word)),
            ),
        };
        if let (Some(currency), Some(kind)) = (currency, kind)
            && kind != "money"
        {
            let message = "`currency` belongs to an amount";
            self.reader.error_with(currency.span, "IL-DEF-011", message, "add `type: money`, or remove it");
        }
        Some(match kind? {
            "text" => Kind::Text,
            "number" => Kind::Number,
            "integer" => Kind::Integer,
            "decimal" => Kind::Decimal,
            "boolean" => Kind::Boolean,
            "date" => Kind::Date,
            "instant" => Kind::Instant,
            "money" => {
                let Some(node) = currency else {
                    let help =
                        "name the field that holds it, such as `currency: TransactionCurrency`, or a code such as GBP";
                    self.reader.error_with(fields.place(), "IL-DEF-004", "an amount needs `currency`", help);
                    return None;
                };
                let text = self.reader.text(node, "`currency`")?;
                Kind::Money(match text.parse() {
                    Ok(code) => CurrencySource::Constant(code),
                    Err(_) => CurrencySource::Field(self.reader.path(&text, node.span)?),
                })
            }
            _ => Kind::AsIs,
        })
    }

    fn values(&self, fields: &Fields<'a>) -> Option<Arc<ValueMap>> {
        let name = fields.text("values")?;
        let found = self.known.values.get(&name).cloned();
        if found.is_none() && !self.loader.names_of(Room::Values).any(|known| known == &*name) {
            let span = fields.get("values").map_or(fields.place(), |node| node.span);
            let message = format!("there is no value map `{name}`");
            self.reader.unknown(span, "IL-DEF-006", message, &name, self.loader.names_of(Room::Values));
        }
        found
    }
}
