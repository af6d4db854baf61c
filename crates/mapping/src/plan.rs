//! The compiled form of a mapping.

use std::sync::Arc;

use expr::Expression;
use model::{ConnectionName, Object, ObjectName, Path, Text, Value};

use crate::definition::{Case, Direction, Kind, TooLong};
use crate::uses::Uses;
use crate::values::ValueMap;

/// A compiled mapping. Can be shared by all threads.
#[derive(Debug)]
pub struct Mapping {
    pub(crate) name: Arc<str>,
    pub(crate) object: ObjectName,
    pub(crate) connection: ConnectionName,
    pub(crate) record: Arc<str>,
    pub(crate) table: Table,
    pub(crate) selected: Selected,
}

/// Which fields of a record a mapping reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selected {
    /// Fields as the system spells them; related single records with dots.
    pub fields: Vec<Arc<str>>,
    /// Child lists and what is read of each child.
    pub children: Vec<(Arc<str>, Selected)>,
}

/// One level of cells.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) cells: Vec<Cell>,
    pub(crate) lists: Vec<List>,
    /// The shape of what reading builds.
    pub(crate) read: Shape<ReadLeaf>,
    /// The shape of what writing builds.
    pub(crate) write: Shape<WriteLeaf>,
}

/// An object that is built.
#[derive(Debug)]
pub(crate) struct Shape<L> {
    /// Its members, in their order.
    pub(crate) branches: Vec<Branch<L>>,
    /// The object with all its members, each `null`: a copy of it is filled faster than one is made from names.
    pub(crate) empty: Object,
}

impl<L> Default for Shape<L> {
    fn default() -> Self {
        Self { branches: Vec::new(), empty: Object::default() }
    }
}

impl<L> Shape<L> {
    /// Adds a member; there is none of this name.
    pub(crate) fn push(&mut self, branch: Branch<L>) {
        let (Branch::Leaf(name, _) | Branch::Inner(name, _)) = &branch;
        self.empty.insert(name.clone(), Value::Null);
        self.branches.push(branch);
    }

    /// The object with these values of all members, in their order.
    pub(crate) fn filled(&self, values: impl Iterator<Item = Value>) -> Object {
        let mut object = self.empty.clone();
        for (place, value) in object.values_mut().zip(values) {
            *place = value;
        }
        object
    }
}

/// A member that is built: a leaf, or an object of members.
#[derive(Debug)]
pub(crate) enum Branch<L> {
    Leaf(Text, L),
    Inner(Text, Shape<L>),
}

/// Where a canonical member comes from: places in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReadLeaf {
    Cell(usize),
    List(usize),
}

/// Where a record field comes from.
#[derive(Debug)]
pub(crate) enum WriteLeaf {
    /// Cells that must agree: several amounts may share one currency field.
    Cells(Vec<Source>),
    Constant(Value),
    List(usize),
}

/// What a cell gives to a record field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    Value(usize),
    Currency(usize),
}

#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) canonical: Path,
    pub(crate) canonical_text: String,
    pub(crate) record: Option<Path>,
    pub(crate) record_text: String,
    pub(crate) kind: Kind,
    pub(crate) direction: Direction,
    pub(crate) trim: bool,
    pub(crate) case: Option<Case>,
    pub(crate) length: Option<usize>,
    pub(crate) too_long: TooLong,
    pub(crate) default: Option<Value>,
    pub(crate) required: bool,
    pub(crate) values: Option<Arc<ValueMap>>,
    pub(crate) read: Option<Computed>,
    pub(crate) write: Option<Computed>,
    /// Whether the value goes through as it is, in both directions, when it is there.
    pub(crate) plain: bool,
}

/// A cell's jq and what it is known to look at.
#[derive(Debug)]
pub(crate) struct Computed {
    pub(crate) expression: Expression,
    pub(crate) uses: Uses,
}

#[derive(Debug)]
pub(crate) struct List {
    pub(crate) canonical: Path,
    pub(crate) canonical_text: String,
    pub(crate) record: Path,
    pub(crate) record_text: String,
    pub(crate) direction: Direction,
    pub(crate) table: Table,
}

impl Mapping {
    /// Its name: `order.erp`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The canonical object.
    #[must_use]
    pub const fn object(&self) -> &ObjectName {
        &self.object
    }

    /// The connection whose records it maps.
    #[must_use]
    pub const fn connection(&self) -> &ConnectionName {
        &self.connection
    }

    /// The kind of record, as the system spells it.
    #[must_use]
    pub fn record(&self) -> &str {
        &self.record
    }

    /// The canonical members of the record itself, and its lists as wholes, that are read from it (`read`) or written to it.
    pub fn members(&self, read: bool) -> impl Iterator<Item = &str> {
        let used = move |direction: Direction| if read { direction.reads() } else { direction.writes() };
        let cells = self.table.cells.iter().filter(move |cell| used(cell.direction));
        let lists = self.table.lists.iter().filter(move |list| used(list.direction));
        cells.map(|cell| &*cell.canonical_text).chain(lists.map(|list| &*list.canonical_text))
    }

    /// The members of the items of a list that are read (`read`) or written; `None` where the list is no table of child records.
    #[must_use]
    pub fn items(&self, list: &str, read: bool) -> Option<Vec<&str>> {
        let used = |direction: Direction| if read { direction.reads() } else { direction.writes() };
        let list = self.table.lists.iter().find(|own| own.canonical_text == list && used(own.direction))?;
        let cells = list.table.cells.iter().filter(|cell| used(cell.direction));
        Some(cells.map(|cell| &*cell.canonical_text).collect())
    }

    /// What has to be asked of the system so that [`Self::read`] finds everything. Fields that only a jq expression reads
    /// are in it when they can be seen in its text ([`crate::uses`]).
    #[must_use]
    pub const fn selection(&self) -> &Selected {
        &self.selected
    }
}
