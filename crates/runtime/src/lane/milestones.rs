//! `milestone:1.0.0@process`: the business state of the matter, without any outside effect.

use model::{RunId, Value};

use super::LaneTask;
use super::round::Round;
use crate::journal::{line, summary};
use crate::matter;

impl LaneTask {
    pub(super) fn milestone(&mut self, round: &mut Round, id: RunId, input: &Value) -> Value {
        let Some(run) = self.runs.get(&id) else { return Value::Null };
        let Some(row) = self.matters.get_mut(&run.matter) else { return Value::Null };
        let before = (row.stage.clone(), row.closed);
        matter::mark(row, input, round.now);
        round.marked.insert(run.matter);
        let note = input.get("note").as_str().filter(|note| !note.is_empty());
        if before != (row.stage.clone(), row.closed) || note.is_some() {
            let title = match note {
                Some(note) => note.to_owned(),
                None => format!("{}: {}", row.title, row.stage),
            };
            let detail = summary(input);
            round.mutations.push(line(run.matter, round.now, "milestone", None, title, detail));
        }
        let mut value = matter::value(row);
        let waits = self.runs.get(&id).is_some_and(|run| self.is_waited_for(run));
        value.set("again", waits);
        value
    }
}
