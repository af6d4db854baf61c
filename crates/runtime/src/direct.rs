//! What workflows reach without a connection: calls to addresses and processes. How each protocol is spoken is not known here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use model::{IntentId, Value};
use tokio::sync::{Notify, Semaphore};
use workflow::{Fault, Protocol};

/// So many direct calls are under way at the same time; the others wait.
const UNDER_WAY_MAX: usize = 512;

/// Stands in the rows of intents where a connection would.
pub(crate) const DIRECT: &str = "@direct";

/// Carries out what workflows reach without a connection.
pub trait DirectCalls: Send + Sync {
    /// Does it, once. The intent's id is what a target can recognise a repetition by.
    fn perform<'a>(
        &'a self,
        protocol: Protocol,
        call: &'a Value,
        intent: IntentId,
    ) -> BoxFuture<'a, Result<Value, DirectFailure>>;

    /// Whether the same again changes nothing more, so that it may be repeated when its fate is unknown.
    fn is_repeatable(&self, protocol: Protocol, call: &Value) -> bool;

    /// The text of a function's definition at an address.
    fn fetch<'a>(&'a self, endpoint: &'a Value) -> BoxFuture<'a, Result<Arc<str>, DirectFailure>>;
}

/// Why a direct call did not succeed.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectFailure {
    /// What the workflow can catch.
    pub fault: Fault,
    /// Whether it was sent and no answer came.
    pub may_have_happened: bool,
}

impl DirectFailure {
    /// It is known that nothing happened.
    #[must_use]
    pub const fn known(fault: Fault) -> Self {
        Self { fault, may_have_happened: false }
    }
}

/// What becomes of a call that must not be repeated and whose fate is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InDoubt {
    /// A work item: a person looks whether it happened.
    #[default]
    AskPeople,
    /// The workflow gets the error: where nobody is there to be asked.
    Fail,
}

/// What workflows may reach without a connection.
#[derive(Clone)]
pub struct DirectAccess {
    /// Carries it out.
    pub calls: Arc<dyn DirectCalls>,
    /// What becomes of calls whose fate is unknown.
    pub in_doubt: InDoubt,
}

/// The direct calls under way.
#[derive(Debug)]
pub(crate) struct UnderWay {
    slots: Arc<Semaphore>,
    count: AtomicUsize,
    fewer: Notify,
}

impl Default for UnderWay {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(UNDER_WAY_MAX)), count: AtomicUsize::new(0), fewer: Notify::new() }
    }
}

/// One direct call under way, until it is dropped.
pub(crate) struct OneUnderWay(Arc<UnderWay>);

impl Drop for OneUnderWay {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.fewer.notify_waiters();
    }
}

impl UnderWay {
    /// Counts one.
    pub(crate) fn one(self: &Arc<Self>) -> OneUnderWay {
        self.count.fetch_add(1, Ordering::AcqRel);
        OneUnderWay(Arc::clone(self))
    }

    /// Waits for a turn. `None` when no more are to be begun.
    pub(crate) async fn turn(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Begins no more and waits for those under way, at most so long.
    pub(crate) async fn stop(&self, within: Duration) {
        self.slots.close();
        let all_back = async {
            loop {
                let fewer = self.fewer.notified();
                tokio::pin!(fewer);
                // From here on none is missed.
                fewer.as_mut().enable();
                if self.count.load(Ordering::Acquire) == 0 {
                    return;
                }
                fewer.await;
            }
        };
        // What does not come back in time is looked at when Interlock starts again.
        let _ = tokio::time::timeout(within, all_back).await;
    }
}
