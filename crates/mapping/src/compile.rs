//! Definition → plan, with everything that cannot work told at once.

use std::sync::Arc;

use expr::Expression;
use model::Path;

use crate::convert;
use crate::definition::{
    CurrencySource, Direction, FieldDefinition, Kind, ListDefinition, MappingDefinition, TableDefinition,
};
use crate::plan::{Branch, Cell, Computed, List, Mapping, ReadLeaf, Selected, Shape, Source, Table, WriteLeaf};
use crate::uses::uses;

/// A cell that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// The canonical lists around it, outermost first.
    pub lists: Vec<Arc<str>>,
    /// The canonical member as written; the record field for a constant.
    pub cell: Arc<str>,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Mapping {
    /// Compiles a table.
    ///
    /// # Errors
    /// Every cell that cannot work.
    pub fn compile(definition: &MappingDefinition) -> Result<Self, Vec<CompileError>> {
        let mut compiler = Compiler { lists: Vec::new(), errors: Vec::new() };
        let table = compiler.table(&definition.table);
        if !compiler.errors.is_empty() {
            return Err(compiler.errors);
        }
        Ok(Self {
            name: Arc::clone(&definition.name),
            object: definition.object.clone(),
            connection: definition.connection.clone(),
            record: Arc::clone(&definition.record),
            selected: selected(&table),
            table,
        })
    }
}

struct Compiler {
    lists: Vec<Arc<str>>,
    errors: Vec<CompileError>,
}

impl Compiler {
    fn wrong(&mut self, cell: &Path, message: impl Into<String>, help: Option<&str>) {
        self.errors.push(CompileError {
            lists: self.lists.clone(),
            cell: cell.to_string().into(),
            message: message.into(),
            help: help.map(str::to_owned),
        });
    }

    fn table(&mut self, definition: &TableDefinition) -> Table {
        let cells: Vec<Cell> = definition.fields.iter().map(|field| self.cell(field)).collect();
        let lists: Vec<List> = definition.lists.iter().map(|list| self.list(list)).collect();
        let (mut read, mut write) = (Shape::default(), Shape::default());
        for (index, cell) in cells.iter().enumerate() {
            if cell.direction.reads() && place(&mut read, cell.canonical.names(), ReadLeaf::Cell(index)).is_err() {
                self.wrong(&cell.canonical, format!("`{}` is read twice", cell.canonical), Some(ONE_PLACE));
            }
            let Some(record) = cell.record.as_ref().filter(|_| cell.direction.writes()) else { continue };
            self.target(&mut write, &cell.canonical, record, Source::Value(index));
        }
        for (index, cell) in cells.iter().enumerate() {
            if let Kind::Money(CurrencySource::Field(currency)) = &cell.kind
                && cell.direction.writes()
            {
                self.target(&mut write, &cell.canonical, currency, Source::Currency(index));
            }
        }
        for (index, list) in lists.iter().enumerate() {
            if list.direction.reads() && place(&mut read, list.canonical.names(), ReadLeaf::List(index)).is_err() {
                self.wrong(&list.canonical, format!("`{}` is read twice", list.canonical), Some(ONE_PLACE));
            }
            if list.direction.writes() && place(&mut write, list.record.names(), WriteLeaf::List(index)).is_err() {
                self.wrong(&list.canonical, format!("the record field `{}` is written twice", list.record), None);
            }
        }
        for (record, value) in &definition.constants {
            if place(&mut write, record.names(), WriteLeaf::Constant(value.clone())).is_err() {
                let help = "remove the constant, or give the cell `direction: read`";
                self.wrong(record, format!("the record field `{record}` is written by a cell too"), Some(help));
            }
        }
        Table { cells, lists, read, write }
    }

    fn list(&mut self, definition: &ListDefinition) -> List {
        self.lists.push(definition.canonical.to_string().into());
        let table = self.table(&definition.table);
        self.lists.pop();
        List {
            canonical: definition.canonical.clone(),
            canonical_text: definition.canonical.to_string(),
            record: definition.record.clone(),
            record_text: definition.record.to_string(),
            direction: definition.direction,
            table,
        }
    }

    fn target(&mut self, write: &mut Shape<WriteLeaf>, cell: &Path, record: &Path, source: Source) {
        // A currency field may be shared, by other amounts and by a cell of its own.
        if let Some(WriteLeaf::Cells(sources)) = leaf(write, record.names()) {
            let values = |source: &Source| matches!(source, Source::Value(_));
            if !values(&source) || !sources.iter().any(values) {
                sources.push(source);
                return;
            }
        } else if place(write, record.names(), WriteLeaf::Cells(vec![source])).is_ok() {
            return;
        }
        let help = "give all but one of the cells `direction: read`";
        self.wrong(cell, format!("the record field `{record}` is written twice"), Some(help));
    }

    fn cell(&mut self, field: &FieldDefinition) -> Cell {
        let direction = self.direction(field);
        if let Kind::Money(_) = field.kind
            && (field.values.is_some() || field.length.is_some() || field.read.is_some() || field.write.is_some())
        {
            let message = "an amount takes no value map, length or jq";
            self.wrong(
                &field.canonical,
                message,
                Some("use the plain type, or compute `{amount, currency}` without `type: money`"),
            );
        }
        if field.length == Some(0) {
            self.wrong(&field.canonical, "a length of 0 lets nothing through", None);
        }
        if let Some(default) = &field.default
            && !matches!(field.kind, Kind::Money(_))
            && let Err(rule) = convert::convert(&field.kind, default.clone())
        {
            self.wrong(&field.canonical, format!("the default does not fit the type: {rule}"), None);
        }
        let computed =
            |expression: &Expression| Computed { uses: uses(expression.text()), expression: expression.clone() };
        Cell {
            canonical: field.canonical.clone(),
            canonical_text: field.canonical.to_string(),
            record: field.record.clone(),
            record_text: field.record.as_ref().map(ToString::to_string).unwrap_or_default(),
            kind: field.kind.clone(),
            direction,
            trim: field.trim,
            case: field.case,
            length: field.length,
            too_long: field.too_long,
            default: field.default.clone(),
            required: field.required,
            values: field.values.clone(),
            read: field.read.as_ref().filter(|_| direction.reads()).map(computed),
            write: field.write.as_ref().filter(|_| direction.writes()).map(computed),
            plain: field.kind == Kind::AsIs
                && !field.trim
                && field.case.is_none()
                && field.length.is_none()
                && field.values.is_none()
                && field.read.is_none()
                && field.write.is_none(),
        }
    }

    /// The direction that was asked for, or the only one that the cell can have.
    fn direction(&mut self, field: &FieldDefinition) -> Direction {
        let (has_field, read, write) = (field.record.is_some(), field.read.is_some(), field.write.is_some());
        match field.direction {
            Direction::Both if !has_field && read && !write => return Direction::Read,
            Direction::Both if has_field && read != write => {
                let (given, missing, only) = if read { ("read", "write", "read") } else { ("write", "read", "write") };
                let message = format!("`{given}` is computed, but `{missing}` does not say how to get back");
                let help = format!("add `{missing}`, or `direction: {only}`");
                self.wrong(&field.canonical, message, Some(&help));
            }
            Direction::Read if !has_field && !read => {
                self.wrong(&field.canonical, "this cell reads nothing", Some("give `field` or a jq `read`"));
            }
            Direction::Read if write => {
                self.wrong(&field.canonical, "`write` is given, but the cell is only read", None);
            }
            Direction::Write if read => {
                self.wrong(&field.canonical, "`read` is given, but the cell is only written", None);
            }
            direction if direction.writes() && !has_field => {
                self.wrong(&field.canonical, "this cell names no record field", Some("give `field`"));
            }
            _ => {}
        }
        field.direction
    }
}

const ONE_PLACE: &str = "each canonical member is read from one place; the others need `direction: write`";

/// Puts a leaf at a path; an error when something stands there or on the way.
fn place<L>(shape: &mut Shape<L>, names: &[Arc<str>], leaf: L) -> Result<(), ()> {
    let Some((name, rest)) = names.split_first() else { return Err(()) };
    let known = shape.branches.iter_mut().find(|branch| match branch {
        Branch::Leaf(known, _) | Branch::Inner(known, _) => **known == **name,
    });
    match (known, rest.is_empty()) {
        (None, true) => shape.push(Branch::Leaf(Arc::clone(name).into(), leaf)),
        (None, false) => {
            let mut inner = Shape::default();
            place(&mut inner, rest, leaf)?;
            shape.push(Branch::Inner(Arc::clone(name).into(), inner));
        }
        (Some(Branch::Inner(_, inner)), false) => return place(inner, rest, leaf),
        (Some(_), _) => return Err(()),
    }
    Ok(())
}

fn leaf<'a, L>(shape: &'a mut Shape<L>, names: &[Arc<str>]) -> Option<&'a mut L> {
    let (name, rest) = names.split_first()?;
    shape.branches.iter_mut().find_map(|branch| match branch {
        Branch::Leaf(known, leaf) if **known == **name && rest.is_empty() => Some(leaf),
        Branch::Inner(known, inner) if **known == **name => self::leaf(inner, rest),
        _ => None,
    })
}

fn selected(table: &Table) -> Selected {
    let mut selected = Selected::default();
    let mut add = |path: &Path| {
        let name: Arc<str> = path.to_string().into();
        if !selected.fields.contains(&name) {
            selected.fields.push(name);
        }
    };
    for cell in table.cells.iter().filter(|cell| cell.direction.reads()) {
        match &cell.read {
            Some(read) if read.uses.complete => read.uses.paths.iter().for_each(&mut add),
            _ => cell.record.iter().for_each(&mut add),
        }
        if let Kind::Money(CurrencySource::Field(currency)) = &cell.kind {
            add(currency);
        }
    }
    let lists = table.lists.iter().filter(|list| list.direction.reads());
    selected.children = lists.map(|list| (list.record_text.as_str().into(), self::selected(&list.table))).collect();
    selected
}
