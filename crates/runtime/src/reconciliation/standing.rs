//! What Interlock knows already of a record that differs: it may be on its way, with a person, or meant to be so.

use std::sync::Arc;

use comparison::Subject;
use reconcile::{Finding, Pair, Side};
use store::{Page, Store, StoreError, WorkItemFilter, WorkItemStatus};
use sync::{Agreement, Retired};

use crate::core::Core;
use crate::lane::{CONFLICT, DELETED, ONLY_ELSEWHERE, WRITE};

/// How a difference stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody knows of it.
    New,
    /// Something is being written.
    UnderWay,
    /// A person is asked about it otherwise.
    Asked,
    /// It is missing because it was deleted elsewhere, or because none is made there.
    Meant,
}

/// What is known of a finding: how it stands, what people call the object, and which records belong to it.
pub(super) struct Knowledge {
    pub(super) standing: Standing,
    pub(super) title: Arc<str>,
    pub(super) ids: Pair<Option<Arc<str>>>,
}

/// Looks it up.
pub(super) fn look_up(
    core: &Core,
    store: &dyn Store,
    subject: &Subject,
    finding: &Finding,
) -> Result<Knowledge, StoreError> {
    let (object, key) = (subject.object.as_str(), finding.key());
    let mut ids = match finding {
        Finding::Missing { on, id, .. } => {
            let mut ids = Pair::default();
            *ids.of_mut(on.other()) = Some(Arc::clone(id));
            ids
        }
        Finding::Different { ids, .. } => {
            Pair { left: Some(Arc::clone(&ids.left)), right: Some(Arc::clone(&ids.right)) }
        }
        Finding::Doubled { on, ids: found, .. } => {
            let mut ids = Pair::default();
            *ids.of_mut(*on) = found.first().cloned();
            ids
        }
    };
    let mut standing = Standing::New;
    if is_unread(core, subject, &ids) {
        standing = Standing::Asked;
    }
    let Some(row) = store.synced(object, key)? else {
        return Ok(Knowledge { standing, title: Arc::clone(key), ids });
    };
    let title = if row.title.is_empty() { Arc::clone(key) } else { Arc::clone(&row.title) };
    let Ok(agreement) = Agreement::from_value(&row.state) else { return Ok(Knowledge { standing, title, ids }) };
    for side in [Side::Left, Side::Right] {
        let Some(holding) = agreement.sides.get(subject.sides.of(side)) else { continue };
        if ids.of(side).is_none() {
            ids.of_mut(side).clone_from(&holding.id);
        }
    }
    let holdings = || agreement.sides.values();
    let is_asked = || holdings().any(|holding| holding.retired == Some(Retired::Asked));
    let is_under_way = holdings().any(|holding| {
        holding.waiting.is_some()
            || holding.checking
            || matches!(holding.retired, Some(Retired::Doing(_) | Retired::Undoing(_)))
    });
    if let Finding::Missing { on, .. } = finding {
        let side = subject.sides.of(*on);
        let is_gone = agreement.sides.get(side).is_some_and(|holding| holding.retired == Some(Retired::Gone));
        let stage = store.transaction(row.transaction)?.map(|matter| matter.stage).unwrap_or_default();
        let pair = (Arc::from(object), Arc::clone(key));
        if is_asked() || core.asked.is_about(&pair, side.as_str()) {
            standing = Standing::Asked;
        } else if is_gone || stage.strip_prefix(ONLY_ELSEWHERE) == Some(side.as_str()) {
            standing = Standing::Meant;
        }
    }
    if standing == Standing::New && is_under_way {
        standing = Standing::UnderWay;
    }
    if standing == Standing::New {
        let filter = WorkItemFilter {
            transaction: Some(row.transaction),
            status: Some(WorkItemStatus::Open),
            ..WorkItemFilter::default()
        };
        let items = store.work_items(&filter, Page { offset: 0, limit: 20 })?;
        let kind = |kind: &str| [WRITE, CONFLICT, DELETED].contains(&kind);
        if items.iter().any(|item| item.content.get("kind").as_str().is_some_and(kind)) {
            standing = Standing::Asked;
        }
    }
    Ok(Knowledge { standing, title, ids })
}

/// Whether one of the records has an open item because it cannot be read, or because it is not clear which object it is.
fn is_unread(core: &Core, subject: &Subject, ids: &Pair<Option<Arc<str>>>) -> bool {
    let unreadable = core.unreadable();
    if unreadable.is_empty() {
        return false;
    }
    [Side::Left, Side::Right].into_iter().any(|side| {
        let Some(id) = ids.of(side) else { return false };
        let connection = subject.sides.of(side).as_str();
        let feeds = subject.feeds.of(side).iter();
        feeds.map(|feed| crate::matter::key_of_record(connection, &feed.name, id)).any(|key| unreadable.contains(&key))
    })
}
