//! Workloads: the runs of one workflow, or the objects of one kind. None waits for the flood of another one.

use uuid::Uuid;

/// Where the workload stands in an id: in a byte that is random otherwise, before the lane.
pub(crate) const PLACE: usize = 13;

/// One of 256 workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Workload(pub(crate) u8);

impl Workload {
    /// The workload of a workflow or an object of this name.
    pub(crate) fn named(name: &str) -> Self {
        // FNV-1a, mixed so that all of it counts: names are few and none is chosen by outsiders.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let [first, ..] = (hash ^ (hash >> 16)).wrapping_mul(0x7feb_352d).to_be_bytes();
        Self(first)
    }

    /// An id without its workload.
    pub(crate) fn none(id: Uuid) -> Uuid {
        let mut bytes = id.into_bytes();
        bytes[PLACE] = 0;
        Uuid::from_bytes(bytes)
    }

    /// The workload that an id names.
    pub(crate) fn of(id: Uuid) -> Self {
        Self(id.into_bytes()[PLACE])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_belong_to_the_reference_projects_differ() {
        let names =
            ["quote-to-cash", "returns", "customer", "contact", "product", "price", "stock", "order", "invoice"];
        let found: std::collections::HashSet<u8> = names.iter().map(|name| Workload::named(name).0).collect();
        assert_eq!(found.len(), names.len());
    }
}
