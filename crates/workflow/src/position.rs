//! Where in a run something is awaited.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A waiting point of a run: the stable pointer of its task, the rounds of the loops around it, and a number that fences
/// it. Two visits of the same task, by a retry, a jump back or a new round, never have the same number, so that an answer
/// which comes late or twice is recognised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// JSON pointer of the task in its document, such as `/do/2/createOrders/for/do/0/create`.
    pub pointer: Arc<str>,
    /// The round of each loop around the task, outermost first.
    pub iterations: Vec<u32>,
    /// Number of this waiting point within the run; later points have larger numbers.
    pub attempt: u32,
}

impl fmt::Display for Position {
    /// `/do/2/createOrders/for/do/0/create[3]#17`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.pointer)?;
        for iteration in &self.iterations {
            write!(formatter, "[{iteration}]")?;
        }
        write!(formatter, "#{}", self.attempt)
    }
}

/// Why a text is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a position of a workflow run, such as `/do/0/create[3]#17`")]
pub struct PositionError(pub String);

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let error = || PositionError(text.to_owned());
        let (mut rest, attempt) = text.rsplit_once('#').ok_or_else(error)?;
        let attempt = attempt.parse().map_err(|_| error())?;
        let mut iterations = Vec::new();
        while let Some((before, number)) = rest.strip_suffix(']').and_then(|inner| inner.rsplit_once('[')) {
            iterations.push(number.parse().map_err(|_| error())?);
            rest = before;
        }
        iterations.reverse();
        Ok(Self { pointer: rest.into(), iterations, attempt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_back() {
        let position = Position { pointer: "/do/0/a~1b".into(), iterations: vec![3, 0], attempt: 17 };
        assert_eq!(position.to_string(), "/do/0/a~1b[3][0]#17");
        assert_eq!(position.to_string().parse(), Ok(position));
        assert!("x".parse::<Position>().is_err());
    }
}
