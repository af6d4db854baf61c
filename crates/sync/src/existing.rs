//! A side that has a record of the object already: it refused to make one, because it takes another record for it.

use std::sync::Arc;

use model::ConnectionName;

use crate::agreement::Agreement;

impl Agreement {
    /// The side says that this record is the object's. Nothing is made there any more, and the record counts from when it is read.
    pub fn named(&mut self, side: &ConnectionName, record: Arc<str>) {
        self.refused(side);
        if let Some(holding) = self.sides.get_mut(side) {
            holding.named = Some(record);
            holding.insists = false;
        }
    }

    /// A record that a side named is not there, or cannot be read. Gives whether it was named: what was refused stays so then, as the
    /// side would only name it again.
    pub fn unnamed(&mut self, side: &ConnectionName, record: &str) -> bool {
        let Some(holding) = self.sides.get_mut(side) else { return false };
        if holding.named.as_deref() != Some(record) {
            return false;
        }
        holding.named = None;
        true
    }

    /// A person wants a record made although the side takes others for it.
    pub fn insist(&mut self, side: &ConnectionName) {
        if let Some(holding) = self.sides.get_mut(side).filter(|holding| holding.id.is_none()) {
            holding.named = None;
            holding.refused = None;
            holding.insists = true;
        }
    }
}
