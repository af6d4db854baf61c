//! Times of a schedule.

use std::sync::Arc;

use jiff::Timestamp;

/// A cron expression of five fields: minute, hour, day of the month, month, day of the week; then, if it is not UTC, a time zone.
#[derive(Clone, Debug)]
pub struct Cron {
    text: Arc<str>,
    expression: Arc<cronexpr::Crontab>,
}

impl std::fmt::Display for Cron {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut options = cronexpr::ParseOptions::default();
        options.fallback_timezone_option = cronexpr::FallbackTimezoneOption::UTC;
        match cronexpr::parse_crontab_with(text, options) {
            Ok(expression) => Ok(Self { text: text.into(), expression: Arc::new(expression) }),
            Err(error) => {
                let cause = error.to_string();
                Err(cause.lines().last().unwrap_or("it cannot be read").trim_start_matches(['^', ' ']).to_owned())
            }
        }
    }

    /// As it was written.
    #[must_use]
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The first time after an instant; `None` when there is none any more.
    #[must_use]
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        let next = self.expression.find_next(instant.to_string().as_str()).ok()?;
        Some(next.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_expression_and_of_its_zone() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let next = |cron: &str, after: &str| Cron::parse(cron).expect("a schedule").next_after(at(after));
        assert_eq!(next("0 6 * * 1", "2026-11-26T12:00:00Z"), Some(at("2026-11-30T06:00:00Z")));
        assert_eq!(next("*/5 * * * *", "2026-11-26T12:05:00Z"), Some(at("2026-11-26T12:10:00Z")));
        assert_eq!(next("0 6 * * * Europe/Berlin", "2026-11-26T12:00:00Z"), Some(at("2026-11-27T05:00:00Z")));
        for wrong in ["", "* * * *", "61 * * * *", "0 6 * * 1 Nowhere/Land", "every day"] {
            assert!(Cron::parse(wrong).is_err(), "{wrong}");
        }
    }
}
