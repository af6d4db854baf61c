//! What comparisons find: each finding that is there for good is an item of the matter of the object's comparisons, until it is not
//! there any more, or a person had its records read again or wants to leave it so.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::{ConnectionName, Problem, Value};
use reconcile::Following;
use store::{Mutation, WorkItemRow};

use super::LaneTask;
use super::agreement::{unread, withdrawn};
use super::queues::NewItem;
use super::round::{After, Round};
use crate::core::ToIntake;
use crate::journal::line;
use crate::lane_id::LaneId;
use crate::matter;
use crate::reconciliation::{Findings, MATTER, Told, finding_of};

/// Where the items of findings stand.
const FINDING_PLACE: &str = "/@finding/";

impl LaneTask {
    /// A comparison came to its end.
    pub(super) fn compared(&mut self, round: &mut Round, findings: Findings) -> Result<(), Problem> {
        let object = Arc::clone(&findings.object);
        let pair: (Arc<str>, Arc<str>) = (MATTER.into(), Arc::clone(&object));
        let known = round.loaded.matters.get(&pair).ok_or_else(unread)?.clone();
        let mut memory = round.loaded.memories.get(&object).cloned().ok_or_else(unread)?;
        let mut row = match known {
            Some(row) => row,
            None => matter::new(LaneId::of_matter(MATTER, &object).matter(MATTER), &pair.0, &object, round.now),
        };
        let id = row.id;
        let open: HashMap<Arc<str>, WorkItemRow> = round
            .loaded
            .open
            .remove(&id)
            .unwrap_or_default()
            .into_iter()
            .filter(|item| !round.resolved.contains(&item.id))
            .filter_map(|item| Some((finding_of(&item)?, item)))
            .collect();
        let items: Vec<WorkItemRow> = open.values().cloned().collect();
        let mut following = Following::new(memory.told(&items, findings.compared.begun));
        findings.compared.found.iter().for_each(|identity| following.see(identity));
        findings.compared.moving.iter().for_each(|identity| following.leave(identity));
        let mut followed = following.end();

        let words: HashMap<&Arc<str>, &Told> =
            findings.compared.words.iter().map(|told| (&told.identity, told)).collect();
        // Of what has no words, as others were told of when it was looked at, the next comparison tells.
        let wordless = followed.open.len();
        followed.open.retain(|identity| words.contains_key(identity));
        followed.beyond += (wordless - followed.open.len()) as u64;
        let count = followed.open.len() + followed.stay.len();
        row.title = format!("Comparison of {object}").into();
        row.stage = if count == 0 { "compared" } else { "differs" }.into();
        row.closed = count == 0;
        row.updated_at = round.now;
        round.loaded.matters.insert(pair, Some(row.clone()));
        self.matters.insert(id, row);
        round.marked.insert(id);

        for identity in &followed.withdraw {
            round.mutations.push(withdrawn(id, &format!("{FINDING_PLACE}{identity}")));
        }
        if !followed.withdraw.is_empty() {
            let title = format!("{} findings are not there any more", followed.withdraw.len());
            round.mutations.push(line(id, round.now, "compared", None, title, Value::Null));
        }
        for identity in &followed.stay {
            let (Some(item), Some(told)) = (open.get(identity), words.get(identity)) else { continue };
            if *item.reason != *told.reason {
                let (reason, title) = (told.reason.as_str().into(), told.title.as_str().into());
                let item = WorkItemRow { reason, title, content: told.content.clone(), ..item.clone() };
                round.mutations.push(Mutation::PutWorkItem(item));
            }
        }
        for told in followed.open.iter().filter_map(|identity| words.get(identity)) {
            self.open(
                round,
                NewItem {
                    queue: findings.queue.as_str(),
                    matter: id,
                    run: Some((model::RunId::new(id.uuid()), format!("{FINDING_PLACE}{}", told.identity).into_bytes())),
                    title: told.title.clone(),
                    reason: told.reason.clone(),
                    amount: None,
                    content: told.content.clone(),
                },
            );
        }
        let gone: HashSet<&Arc<str>> = followed.forget.iter().collect();
        let before = (memory.dismissed.len(), memory.tried.len());
        memory.dismissed.retain(|identity| !gone.contains(identity));
        memory.tried.retain(|(_, at)| *at >= findings.compared.begun);
        if before != (memory.dismissed.len(), memory.tried.len()) {
            round.mutations.push(memory.put(&object, round.now));
        }
        round.loaded.memories.insert(Arc::clone(&object), memory);

        let number = |count: u64| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
        let mut value = findings.value.clone();
        value.set("open", Value::from(count));
        value.set("dismissed", number(followed.dismissed));
        value.set("beyond", number(followed.beyond + findings.compared.account.beyond));
        round.mutations.push(findings.kept(value));
        Ok(())
    }

    /// A person had the records of a finding read again, or wants to leave it so.
    pub(super) fn decide_finding(
        &mut self,
        round: &mut Round,
        item: &WorkItemRow,
        action: &str,
    ) -> Result<(), Problem> {
        let object: Arc<str> = item.content.get("object").as_str().unwrap_or_default().into();
        let mut memory = round.loaded.memories.get(&object).cloned().ok_or_else(unread)?;
        let finding = finding_of(item).unwrap_or_default();
        if action == "retry" {
            let mut rows = Vec::new();
            for (connection, id) in item.content.get("records").as_object().into_iter().flatten() {
                let Some(id) = id.as_str().map(Arc::<str>::from) else { continue };
                let connection = ConnectionName::new(connection.clone());
                let feeds = self.core.release.connections.get(&connection).map(|definition| &definition.feeds);
                let feeds = feeds.into_iter().flat_map(|feeds| feeds.values());
                let feeds = feeds.filter(|feed| feed.object.as_str() == &*object);
                rows.extend(feeds.map(|feed| intake::look_row(feed, &id, round.now)));
            }
            if rows.is_empty() {
                let message = format!("no connection has a feed of {object} any more that could read it again");
                return Err(Problem::new("IL-RUN-020", message, "dismiss the item, or define the feed again"));
            }
            for row in rows {
                round.mutations.push(Mutation::PutInbox(row.clone()));
                round.after.push(After::Intake(ToIntake::Look { row }));
            }
            memory.tried.retain(|(known, _)| *known != finding);
            memory.tried.push((finding, round.now));
        } else {
            memory.dismissed.push(finding);
        }
        round.mutations.push(memory.put(&object, round.now));
        round.loaded.memories.insert(object, memory);
        let is_left = |other: &WorkItemRow| other.id != item.id && !round.resolved.contains(&other.id);
        let is_last = !round.loaded.open.get(&item.transaction).is_some_and(|open| open.iter().any(is_left));
        if is_last && let Some(row) = self.matters.get_mut(&item.transaction) {
            row.stage = "compared".into();
            row.closed = true;
            row.updated_at = round.now;
            round.marked.insert(item.transaction);
        }
        Ok(())
    }
}
