//! What the log is told of a system that refuses Interlock or is not there, and that it is over: each once, however long it
//! lasts and however many calls meet it.

use connect::CallError;
use model::{ConnectionName, Problem};

use crate::BudgetFigures;

/// What the log knows already.
pub(crate) struct Told {
    connection: ConnectionName,
    /// That the credentials are refused: until the system has answered something else.
    refused: bool,
    /// Groups that were refused at least once and not served since.
    groups: Vec<usize>,
    down: bool,
    /// That the day's requests are used up.
    over_budget: bool,
}

impl Told {
    pub(crate) const fn new(connection: ConnectionName) -> Self {
        Self { connection, refused: false, groups: Vec::new(), down: false, over_budget: false }
    }

    /// The credentials are refused in a group; `all` when that shuts the whole connection. Whether it was worth a line.
    pub(crate) fn refused(&mut self, group: usize, function: Option<&str>, all: bool, error: &CallError) -> bool {
        let known = self.groups.contains(&group);
        if !known {
            self.groups.push(group);
        }
        if self.refused || (known && !all) {
            return false;
        }
        self.refused = true;
        let message = format!("{} refuses its credentials: {error}", self.connection);
        let remedy = "Correct `auth` of the connection and start again; until then its work waits";
        let problem = Problem::new("IL-CONN-003", message, remedy);
        tracing::error!(function, "{problem}");
        true
    }

    /// The system has answered something other than a refusal; `opens` when that ends the refusal of the whole connection.
    pub(crate) fn accepted(&mut self, opens: bool) -> bool {
        self.refused = false;
        if !opens || self.groups.is_empty() {
            return false;
        }
        self.groups.clear();
        tracing::warn!("{} takes its credentials again", self.connection);
        true
    }

    /// A group that was shut is served.
    pub(crate) fn served(&mut self, group: usize, function: Option<&str>) -> bool {
        let Some(place) = self.groups.iter().position(|known| *known == group) else { return false };
        self.groups.swap_remove(place);
        tracing::warn!(function, "{} takes its credentials again", self.connection);
        true
    }

    /// The system counts as down.
    pub(crate) fn down(&mut self, error: Option<&CallError>) -> bool {
        if std::mem::replace(&mut self.down, true) {
            return false;
        }
        let why = error.map(ToString::to_string).unwrap_or_default();
        tracing::warn!("{} is down and is tried again by itself; its work waits: {why}", self.connection);
        true
    }

    /// The system answers.
    pub(crate) fn back(&mut self) -> bool {
        if !std::mem::take(&mut self.down) {
            return false;
        }
        tracing::warn!("{} is back", self.connection);
        true
    }

    /// Something is to be sent, and so much of the day's requests is used.
    pub(crate) fn budget(&mut self, budget: &BudgetFigures) -> bool {
        if std::mem::replace(&mut self.over_budget, budget.until.is_some()) == self.over_budget {
            return false;
        }
        let (connection, limit) = (&self.connection, budget.limit);
        match budget.until {
            Some(until) => tracing::warn!(
                "the daily budget of {limit} requests to {connection} is used up (limits.daily): its work waits until {until}"
            ),
            None => tracing::warn!("the daily budget of requests to {connection} has begun anew; its work goes on"),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::ErrorClass;

    fn told() -> (Told, CallError) {
        (Told::new("erp".into()), CallError::new(ErrorClass::Unauthorized, "HTTP 401", "no"))
    }

    #[test]
    fn refused_credentials_are_one_line_and_so_is_their_end() {
        let (mut told, error) = told();
        assert!(told.refused(0, Some("find-customer"), false, &error));
        assert!(!told.refused(1, None, true, &error), "the same refusal");
        assert!(!told.refused(1, None, false, &error), "a try");
        assert!(told.accepted(true));
        assert!(!told.served(0, None) && !told.accepted(true));
        assert!(told.refused(0, None, false, &error), "another one");
    }

    #[test]
    fn a_function_without_authorization_is_one_line_while_others_are_served() {
        let (mut told, error) = told();
        assert!(told.refused(3, Some("create-order"), false, &error));
        for _ in 0..10 {
            assert!(!told.accepted(false) && !told.refused(3, Some("create-order"), false, &error));
        }
        assert!(!told.accepted(false));
        assert!(told.refused(3, None, true, &error), "now it is all of them");
        assert!(told.accepted(true));
        assert!(told.refused(3, None, false, &error) && told.served(3, None));
    }

    #[test]
    fn a_used_up_budget_is_one_line_and_so_is_its_end() {
        let (mut told, _) = told();
        let used = |used, until| BudgetFigures { used, limit: 20, until };
        let midnight = Some("2026-11-24T00:00:00Z".parse().expect("an instant"));
        assert!(!told.budget(&used(18, None)));
        assert!(told.budget(&used(19, midnight)) && !told.budget(&used(20, midnight)));
        assert!(told.budget(&used(0, None)) && !told.budget(&used(1, None)));
    }

    #[test]
    fn an_outage_is_one_line_and_so_is_its_end() {
        let (mut told, error) = told();
        assert!(!told.back());
        assert!(told.down(Some(&error)) && !told.down(None));
        assert!(told.back() && !told.back());
    }
}
