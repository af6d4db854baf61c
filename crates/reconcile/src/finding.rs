//! What a comparison finds, one by one and altogether.

use std::sync::Arc;

use model::Value;

use crate::sums::SumLine;
use crate::verdict::Judge;

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The first.
    Left,
    /// The second.
    Right,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// Something for each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pair<T> {
    /// Of the left one.
    pub left: T,
    /// Of the right one.
    pub right: T,
}

impl<T> Pair<T> {
    /// Of this one.
    pub const fn of(&self, side: Side) -> &T {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    /// Of this one, to change it.
    pub const fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}

/// A member that two records hold otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its path.
    pub member: Arc<str>,
    /// What the left one holds.
    pub left: Value,
    /// What the right one holds.
    pub right: Value,
}

/// Something that is not the same on both sides.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// A record without its counterpart.
    Missing {
        /// By what it is known.
        key: Arc<str>,
        /// Where it is missing.
        on: Side,
        /// The id of the record on the other side.
        id: Arc<str>,
    },
    /// Several records of one side with the same key; none of them is compared, as nobody knows which is meant.
    Doubled {
        /// By what they are known.
        key: Arc<str>,
        /// On which side.
        on: Side,
        /// Their ids, of many only the first.
        ids: Vec<Arc<str>>,
        /// How many there are.
        count: u64,
        /// How many there are on the other side.
        counterparts: u64,
    },
    /// Two records that hold something else.
    Different {
        /// By what they are known.
        key: Arc<str>,
        /// The ids of the records.
        ids: Pair<Arc<str>>,
        /// The stages that they are in.
        stages: Pair<Option<Arc<str>>>,
        /// What they hold otherwise, in the order of the shape.
        members: Vec<Difference>,
    },
}

impl Finding {
    /// By what the records are known.
    #[must_use]
    pub const fn key(&self) -> &Arc<str> {
        match self {
            Self::Missing { key, .. } | Self::Doubled { key, .. } | Self::Different { key, .. } => key,
        }
    }
}

/// What a comparison comes to. Each row of a side is in exactly one of `equal`, `different`, `missing` on the other side,
/// `doubled_rows` and `apart`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many rows each side has.
    pub rows: Pair<u64>,
    /// Pairs that hold the same.
    pub equal: u64,
    /// Pairs that do not.
    pub different: u64,
    /// Records that the side lacks.
    pub missing: Pair<u64>,
    /// Keys that come more than once on the side.
    pub doubled: Pair<u64>,
    /// How many rows these are.
    pub doubled_rows: Pair<u64>,
    /// Rows whose key is doubled on the other side only, so that they have no counterpart that is known.
    pub apart: Pair<u64>,
    /// Amounts, by name, currency and month.
    pub sums: Vec<SumLine>,
}

impl Totals {
    /// How many findings there are.
    #[must_use]
    pub const fn findings(&self) -> u64 {
        let (missing, doubled) = (self.missing, self.doubled);
        self.different + missing.left + missing.right + doubled.left + doubled.right
    }
}

impl Totals {
    /// As JSON, with the names of the sides.
    #[must_use]
    pub fn to_value(&self, judge: &Judge) -> Value {
        let name = |side| Arc::<str>::from(judge.name(side).as_str());
        let number = |count: u64| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
        let both = |pair: &Pair<u64>| {
            Value::object([(name(Side::Left), number(pair.left)), (name(Side::Right), number(pair.right))])
        };
        let sum = |line: &SumLine| {
            Value::object([
                ("name", Value::from(Arc::clone(&line.name))),
                ("currency", Value::from(line.currency.map(|currency| currency.to_string()))),
                ("month", Value::from(line.period.map(|period| period.to_string()))),
                (judge.name(Side::Left).as_str(), Value::from(line.left.amount)),
                (judge.name(Side::Right).as_str(), Value::from(line.right.amount)),
                ("difference", Value::from(line.difference)),
            ])
        };
        Value::object([
            ("records", both(&self.rows)),
            ("equal", number(self.equal)),
            ("different", number(self.different)),
            ("missing", both(&self.missing)),
            ("doubled", both(&self.doubled)),
            ("sums", Value::array(self.sums.iter().map(sum))),
        ])
    }
}
