//! Lanes: each matter belongs to one, and every id that is made for the matter says which. So an id alone tells where its
//! run, intent or work item is looked after, and what belongs together is worked on in order, by one task, without a lock.
//!
//! The last two bytes of such a UUIDv7, which are random otherwise, are a hash of the matter's object and key. How many
//! tasks share the lanes may differ from start to start.

use model::{RunId, TransactionId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::workload::{self, Workload};

/// Where the lane stands in an id.
const PLACE: usize = 14;

/// One of 65,536 lanes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct LaneId([u8; 2]);

impl LaneId {
    /// The lane of a matter.
    pub(crate) fn of_matter(object: &str, key: &str) -> Self {
        let digest = Sha256::new().chain_update(object).chain_update([0]).chain_update(key).finalize();
        Self([digest[0], digest[1]])
    }

    /// The lane that an id names.
    pub(crate) fn of(id: Uuid) -> Self {
        let bytes = id.into_bytes();
        Self([bytes[PLACE], bytes[PLACE + 1]])
    }

    /// A fresh id in this lane, of this workload.
    pub(crate) fn id(self, workload: Workload) -> Uuid {
        let mut bytes = Uuid::now_v7().into_bytes();
        bytes[workload::PLACE] = workload.0;
        self.put(bytes)
    }

    /// The id of the run that this cause makes: the same cause gives the same id. It takes its time from `since`.
    fn caused(self, since: Uuid, cause: &[&[u8]]) -> Uuid {
        let mut digest = Sha256::new();
        for part in cause {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        let digest = digest.finalize();
        let mut bytes = since.into_bytes();
        for (byte, hashed) in bytes[6..PLACE].iter_mut().zip(digest) {
            *byte = hashed;
        }
        // Version 7, variant of RFC 9562.
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        self.put(bytes)
    }

    /// The run of a workflow that an event starts.
    pub(crate) fn started_by(self, event: model::EventId, workflow: &str) -> RunId {
        let mut bytes = self.caused(event.uuid(), &[event.uuid().as_bytes(), workflow.as_bytes()]).into_bytes();
        bytes[workload::PLACE] = Workload::named(workflow).0;
        RunId::new(Uuid::from_bytes(bytes))
    }

    /// The run that another run starts at this waiting point.
    pub(crate) fn child(self, parent: RunId, attempt: u32) -> RunId {
        RunId::new(self.caused(parent.uuid(), &[parent.uuid().as_bytes(), &attempt.to_be_bytes()]))
    }

    /// A fresh id of a matter of this object.
    pub(crate) fn matter(self, object: &str) -> TransactionId {
        TransactionId::new(self.id(Workload::named(object)))
    }

    /// Which of so many tasks looks after it.
    pub(crate) fn task(self, count: usize) -> usize {
        usize::from(u16::from_be_bytes(self.0)) % count.max(1)
    }

    fn put(self, mut bytes: [u8; 16]) -> Uuid {
        bytes[PLACE..].copy_from_slice(&self.0);
        Uuid::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use model::EventId;

    use super::*;

    #[test]
    fn ids_say_their_lane_and_the_same_cause_gives_the_same_run() {
        let lane = LaneId::of_matter("quote", "00012345");
        let event = EventId::now();
        let run = lane.started_by(event, "quote-to-cash");
        assert_eq!(run, lane.started_by(event, "quote-to-cash"));
        assert_ne!(run, lane.started_by(event, "returns"));
        assert_ne!(lane.child(run, 1), lane.child(run, 2));
        assert_eq!(Workload::of(run.uuid()), Workload::named("quote-to-cash"));
        let workload = Workload::named("quote");
        assert_eq!(Workload::of(lane.id(workload)), workload);
        for id in [run.uuid(), lane.child(run, 1).uuid(), lane.id(workload)] {
            assert_eq!(LaneId::of(id), lane);
            assert_eq!(id.get_version_num(), 7);
        }
    }
}
