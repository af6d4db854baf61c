//! Mending by ownership: the records that differ are read again by the running Interlock, which writes what has to be written
//! and asks people about what it cannot decide; then they are compared again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use comparison::Subject;
use model::{Problem, Value};
use reconcile::{Finding, Judge, Line, Pair, Side, Verdict};

use super::references::References;
use crate::failure::Failure;
use crate::ops::Client;

/// How many findings are mended at once.
pub(super) const FINDINGS_MAX: usize = 100_000;
/// How many records are named in one request.
const RECORDS_MAX: usize = 1_000;
/// How long it is waited after the last progress, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_FIRST: Duration = Duration::from_millis(300);
const LOOK_LAST: Duration = Duration::from_secs(5);

/// A finding that reading again may mend.
#[derive(Debug, Clone)]
struct Wanted {
    key: Arc<str>,
    ids: Pair<Option<Arc<str>>>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    wanted: Vec<Wanted>,
    /// How many more there are than can be mended at once.
    more: u64,
    /// How often each thing is done, by its sentence.
    steps: BTreeMap<String, u64>,
    /// The same of what is not mended by reading again.
    rest: BTreeMap<String, u64>,
}

/// Whether reading the records again leads to something.
fn is_mended(verdict: &Verdict) -> bool {
    verdict.written().is_some() || matches!(verdict, Verdict::Unowned(_) | Verdict::Stages)
}

impl Plan {
    /// Takes a finding in, with its lines.
    pub(super) fn add(&mut self, finding: &Finding, lines: &[Line], judge: &Judge) {
        for line in lines {
            let steps = if is_mended(&line.verdict) { &mut self.steps } else { &mut self.rest };
            let what = line.member.as_deref().unwrap_or(if line.finding == "missing" {
                "a missing record"
            } else {
                "several records of one key"
            });
            *steps.entry(format!("{what}: {}", judge.sentence(&line.verdict))).or_default() += 1;
        }
        if !lines.iter().any(|line| is_mended(&line.verdict)) {
            return;
        }
        if self.wanted.len() >= FINDINGS_MAX {
            self.more += 1;
            return;
        }
        let ids = match finding {
            Finding::Missing { on: Side::Left, id, .. } => Pair { left: None, right: Some(Arc::clone(id)) },
            Finding::Missing { on: Side::Right, id, .. } => Pair { left: Some(Arc::clone(id)), right: None },
            Finding::Different { ids, .. } => {
                Pair { left: Some(Arc::clone(&ids.left)), right: Some(Arc::clone(&ids.right)) }
            }
            Finding::Doubled { .. } => return,
        };
        self.wanted.push(Wanted { key: Arc::clone(finding.key()), ids });
    }

    /// How many findings are mended.
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// What is going to be done, for people.
    pub(super) fn text(&self, subject: &Subject) -> String {
        let ids = |side: Side| self.wanted.iter().filter(|wanted| wanted.ids.of(side).is_some()).count();
        let mut text = format!(
            "To be read again: {} records of {} and {} of {}.\n",
            ids(Side::Left),
            subject.sides.left,
            ids(Side::Right),
            subject.sides.right
        );
        for (sentence, count) in &self.steps {
            text.push_str(&format!("  {count} × {sentence}\n"));
        }
        if !self.rest.is_empty() {
            text.push_str("Not mended by this:\n");
            for (sentence, count) in &self.rest {
                text.push_str(&format!("  {count} × {sentence}\n"));
            }
        }
        if self.more > 0 {
            text.push_str(&format!("{} more are mended when you do it again.\n", self.more));
        }
        text
    }

    /// The same for programs.
    pub(super) fn to_value(&self) -> Value {
        let counts =
            |counts: &BTreeMap<String, u64>| {
                Value::object(counts.iter().map(|(sentence, count)| {
                    (sentence.as_str(), Value::from(i64::try_from(*count).unwrap_or(i64::MAX)))
                }))
            };
        Value::object([
            ("records", Value::from(self.wanted.len())),
            ("steps", counts(&self.steps)),
            ("rest", counts(&self.rest)),
        ])
    }

    /// Has all of them read again.
    ///
    /// # Errors
    /// When Interlock cannot be asked, or refuses.
    pub(super) async fn carry_out(&self, client: &Client, subject: &Subject) -> Result<(), Failure> {
        for side in [Side::Left, Side::Right] {
            let ids: Vec<Value> =
                self.wanted.iter().filter_map(|wanted| wanted.ids.of(side).clone()).map(Value::from).collect();
            for part in ids.chunks(RECORDS_MAX) {
                let body = Value::object([(subject.sides.of(side).as_str(), Value::array(part.iter().cloned()))]);
                client.tell(&["objects", subject.object.as_str(), "reread"], &body).await?;
            }
        }
        Ok(())
    }

    /// Which records these findings are about, by these cross-references: those that were made meanwhile have ids, and those that
    /// were not known have keys.
    pub(super) fn concerned(&self, references: Pair<References>) -> Concerned {
        let mut keys: HashSet<&str> = self.wanted.iter().map(|wanted| &*wanted.key).collect();
        let mut ids = Pair { left: HashSet::<Arc<str>>::new(), right: HashSet::new() };
        for (wanted, side) in self.wanted.iter().flat_map(|wanted| [(wanted, Side::Left), (wanted, Side::Right)]) {
            if let Some(id) = wanted.ids.of(side) {
                keys.extend(references.of(side).key(id));
                ids.of_mut(side).insert(Arc::clone(id));
            }
        }
        for side in [Side::Left, Side::Right] {
            let records = references.of(side).iter().filter(|(_, key)| keys.contains(key));
            ids.of_mut(side).extend(records.map(|(id, _)| Arc::from(id)));
        }
        let is_known = |wanted: &Wanted| {
            let key = |side| references.of(side).key(wanted.ids.of(side).as_deref()?);
            let both = [key(Side::Left), key(Side::Right)];
            both.iter().all(Option::is_some) && both[0] == both[1]
        };
        let is_complete = self.wanted.iter().all(is_known);
        Concerned { ids, references, is_complete }
    }
}

/// The records that a repair is about.
pub(super) struct Concerned {
    ids: Pair<HashSet<Arc<str>>>,
    pub(super) references: Pair<References>,
    /// Whether both records of every finding are known, so that asking again would tell nothing new.
    pub(super) is_complete: bool,
}

impl Concerned {
    /// The ids of one side.
    pub(super) fn ids(&self, side: Side) -> Vec<Arc<str>> {
        let mut ids: Vec<Arc<str>> = self.ids.of(side).iter().cloned().collect();
        ids.sort_unstable();
        ids
    }
}

/// Looks again and again, in growing steps, until there is no progress any more.
pub(super) struct Patience {
    next: Duration,
    least: u64,
    since: Instant,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { next: LOOK_FIRST, least: u64::MAX, since: Instant::now() }
    }

    /// Waits until it is time to look again.
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(LOOK_LAST);
    }

    /// So many are left: whether it is worth looking again.
    pub(super) fn goes_on(&mut self, left: u64) -> bool {
        if left < self.least {
            (self.least, self.since) = (left, Instant::now());
        }
        left > 0 && self.since.elapsed() < PATIENCE
    }
}

/// Refuses what nobody's ownership decides.
///
/// # Errors
/// When the object is not declared to be kept the same.
pub(super) fn possible(subject: &Subject) -> Result<(), Problem> {
    if subject.synchronised.is_some() {
        return Ok(());
    }
    let message = format!("nobody owns anything of {}, so that nothing can be repaired", subject.object);
    let remedy = format!("Declare `sides` and `owners` in objects/{}.yaml", subject.object);
    Err(Problem::new("IL-REC-026", message, remedy))
}
