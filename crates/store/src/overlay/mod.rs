//! What is durable in the log and not in the tables yet, in memory: two generations of rows, the one that is being filled and
//! the one that is being written to the tables.

use std::sync::Arc;

mod layer;
mod packed;
mod table;

pub(crate) use layer::{
    Bytes, DefinitionText, Due, Heard, Layer, Layers, Listening, Part, Recognised, RecordId, Text, Version,
};
pub(crate) use packed::Packed;
pub(crate) use table::{Row, Table};

/// Both generations.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// What came last. Only who fills it keeps it beyond a look at this, and not while filling it.
    pub(crate) filling: Arc<Layer>,
    /// What is being written to the tables.
    pub(crate) moving: Option<Arc<Layer>>,
    /// How many generations are in the tables and gone from here. Who asks the tables first and looks here then has seen
    /// everything if this has not changed meanwhile.
    pub(crate) moved: u64,
}

impl Overlay {
    /// Takes in what a group of batches came to.
    pub(crate) fn fill(&mut self, group: Layer) {
        // Nobody else keeps it, so nothing is copied.
        Arc::make_mut(&mut self.filling).absorb(group);
    }

    /// Begins another generation; what was filled is the one that is being written to the tables.
    pub(crate) fn complete(&mut self) -> Arc<Layer> {
        let complete = std::mem::take(&mut self.filling);
        self.moving = Some(Arc::clone(&complete));
        complete
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(Layers<'_>) -> T) -> T {
        match &self.moving {
            Some(moving) => look(Layers::new(&self.filling, &[moving])),
            None => look(Layers::new(&self.filling, &[])),
        }
    }
}
