//! Doing something with several runs or items: asking first, and telling what was done and what was refused.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use model::{Problem, Value};

use super::client::Trouble;
use super::show::{Output, cell, harmless};
use crate::failure::Failure;

/// Makes sure that something is meant that is done with more than one: by `--yes`, or by a person at a terminal.
///
/// # Errors
/// When neither says so.
pub(crate) fn agreed(yes: bool, count: usize, wish: &str) -> Result<(), Failure> {
    if yes || count <= 1 {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        let message = format!("this would {wish}");
        return Err(Failure::Wrong(Problem::new("IL-OPS-006", message, "Add --yes when that is meant")));
    }
    eprint!("This will {wish}. Go on? [y/N] ");
    // Without the question there is no answer.
    let mut answer = String::new();
    let asked = io::stderr().flush().and_then(|()| io::stdin().lock().read_line(&mut answer));
    match asked {
        Ok(_) if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") => Ok(()),
        _ => Err(Failure::Refused("Nothing was done.".to_owned())),
    }
}

/// Something that was not done, and why.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The id of the run or item.
    pub(crate) id: String,
    /// What happened, one sentence without a full stop.
    pub(crate) why: String,
    /// What to do about it.
    pub(crate) remedy: String,
    /// Its stable code.
    pub(crate) code: String,
}

/// What was done with several, counted while it is done.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    done: usize,
    refused: Vec<Refusal>,
    settled: usize,
}

impl Tally {
    /// What came of one more.
    ///
    /// # Errors
    /// When the next one would meet the same.
    pub(crate) fn note(&mut self, id: &str, answer: Result<Value, Trouble>) -> Result<(), Trouble> {
        match answer {
            Ok(_) => self.did(1),
            Err(trouble) if trouble.lasts => return Err(trouble),
            Err(Trouble { message: why, remedy, code, .. }) => {
                self.refuse(Refusal { id: id.to_owned(), why, remedy, code });
            }
        }
        Ok(())
    }

    /// So many more were done.
    pub(crate) fn did(&mut self, count: usize) {
        self.done += count;
    }

    /// One more was refused; it is told at once, as there may be long to go.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        let Refusal { id, why, remedy, code } = &refusal;
        eprintln!("{}: {}. {remedy}. [{code}]", cell(id), harmless(why));
        self.refused.push(refusal);
    }

    /// For one more there was nothing left to do.
    pub(crate) fn settle(&mut self) {
        self.settled += 1;
    }

    /// Says on standard error how far it is, when that is not the end.
    pub(crate) fn progress(&self, total: usize) {
        let tried = self.done + self.settled + self.refused.len();
        if tried < total {
            eprintln!("{tried} of {total} …");
        }
    }

    /// Says what was done, and fails when anything was not: because it was refused, or because of `trouble`, which ended it.
    ///
    /// # Errors
    /// When not all were done.
    pub(crate) fn close(
        self,
        output: Output,
        total: usize,
        one: &str,
        did: &str,
        trouble: Option<Trouble>,
    ) -> Result<(), Failure> {
        let Self { done, refused, settled } = self;
        let count = refused.len();
        let tried = done + settled + count;
        if let Some(trouble) = trouble.as_ref().filter(|_| tried == 0) {
            return Err(trouble.clone().into());
        }
        let result = Value::object([
            ("done", Value::from(done)),
            ("refused", Value::array(refused.iter().map(Refusal::to_value))),
            ("settled", Value::from(settled)),
            ("untouched", Value::from(total.saturating_sub(tried))),
        ]);
        output.print(&result, || {
            let many = |count: usize| format!("{count} {one}{} {did}", if count == 1 { "" } else { "s" });
            let settled = if settled > 0 { format!(", {settled} settled meanwhile") } else { String::new() };
            let refused = if count > 0 { format!(", {count} refused") } else { String::new() };
            format!("{}{settled}{refused}.", many(done))
        });
        match trouble {
            Some(trouble) => {
                let rest = total.saturating_sub(tried);
                Err(Failure::Refused(format!("it ended with {rest} of {total} to go: {trouble}")))
            }
            None if count > 0 => Err(Failure::Ended),
            None => Ok(()),
        }
    }
}

impl Refusal {
    fn to_value(&self) -> Value {
        Value::object([
            ("id", Value::from(self.id.as_str())),
            ("why", Value::from(self.why.as_str())),
            ("remedy", Value::from(self.remedy.as_str())),
            ("code", Value::from(self.code.as_str())),
        ])
    }
}
