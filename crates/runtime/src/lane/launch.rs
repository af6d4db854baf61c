//! Starting a run because somebody asks for it.

use std::sync::Arc;

use model::{Problem, RunId, Value};
use store::RunStatus;

use super::LaneTask;
use super::round::{After, Earlier, FIRST, Round};
use super::runs::NewRun;
use crate::journal::line;
use crate::lane_id::LaneId;
use crate::launching::Launch;
use crate::matter;
use crate::work::run_key;

/// What the asker is told: the run and whether it is new.
pub(crate) type LaunchAnswer = tokio::sync::oneshot::Sender<Result<(RunId, bool), Problem>>;

impl LaneTask {
    /// Starts it, unless its key has a run that lives or has completed.
    pub(super) fn launch(&mut self, round: &mut Round, launch: Launch, answer: LaunchAnswer) {
        let result = self.launched(round, launch);
        round.after.push(After::Launched(answer, result));
    }

    fn launched(&mut self, round: &mut Round, launch: Launch) -> Result<(RunId, bool), Problem> {
        let workflow = Arc::clone(launch.definition.name());
        let (object, matter_key) = (launch.object(), launch.matter_key());
        let key = run_key(&object, &matter_key);
        let mut in_doubt = false;
        if launch.key.is_some() {
            let unread = || Problem::new("IL-RUN-012", "The store cannot be read", "Look at the disk and the log");
            let place = (workflow.clone(), Arc::clone(&key));
            match round.loaded.earlier.get(&place).ok_or_else(unread)?.get(&FIRST).copied() {
                None => {}
                Some(Earlier { run, status: RunStatus::Cancelled }) => {
                    // What the cancelled run gave up may have happened all the same.
                    self.remove_run(round, run);
                    in_doubt = true;
                }
                Some(Earlier { run, status }) => {
                    // Nobody is told of the end of one that has ended.
                    if status != RunStatus::Completed {
                        self.core.waiters.add(run, launch.end);
                    }
                    return Ok((run, false));
                }
            }
            let new = Earlier { run: launch.run, status: RunStatus::Live };
            round.loaded.earlier.entry(place).or_default().insert(FIRST, new);
        }
        let pair = (object, matter_key);
        let known = round.loaded.matters.get(&pair).cloned().flatten();
        let lane = LaneId::of(launch.run.uuid());
        let mut row = known.unwrap_or_else(|| {
            let mut row = matter::new(lane.matter(&pair.0), &pair.0, &pair.1, round.now);
            row.title = format!("{workflow} {}", pair.1).into();
            row
        });
        row.closed = false;
        row.updated_at = round.now;
        let matter = row.id;
        round.marked.insert(matter);
        self.matters.insert(matter, row);
        round.mutations.push(line(matter, round.now, "started", None, format!("{workflow} started"), Value::Null));
        self.core.waiters.add(launch.run, launch.end);
        let run = NewRun { id: launch.run, key, matter, started_at: round.now, in_doubt };
        self.begin(round, run, &launch.definition, launch.input);
        Ok((launch.run, true))
    }
}
