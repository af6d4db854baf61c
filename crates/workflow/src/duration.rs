//! Durations as the DSL writes them: `{ minutes: 5 }`, `PT5M`, or an expression that gives either.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use model::Value;

use crate::code::{Code, View};
use crate::fault::{Fault, FaultType};

/// The members of an inline duration and how many milliseconds each is.
pub(crate) const UNITS: [(&str, i64); 5] =
    [("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1000), ("milliseconds", 1)];

/// How long something takes.
#[derive(Clone, Debug)]
pub(crate) enum Duration {
    /// Always the same.
    Fixed(SignedDuration),
    /// With years or months: it depends on the day it starts.
    Calendar(Span),
    /// Computed when it is needed.
    Code(Code),
}

impl Duration {
    /// Reads an ISO 8601 text such as `PT30S` or `P1M`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let explain = || format!("`{text}` is not an ISO 8601 duration, such as `PT30S`, `PT5M` or `P1D`");
        if !text.starts_with('P') {
            return Err(explain());
        }
        let span: Span = text.parse().map_err(|_| explain())?;
        if span.get_years() != 0 || span.get_months() != 0 {
            return Ok(Self::Calendar(span));
        }
        span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map(Self::Fixed).map_err(|_| explain())
    }

    /// From the sum of an inline duration's members, in milliseconds.
    pub(crate) const fn from_milliseconds(milliseconds: i64) -> Self {
        Self::Fixed(SignedDuration::from_millis(milliseconds))
    }

    /// How long it is when it starts now; never negative.
    pub(crate) fn resolve(&self, now: Timestamp, dot: &Value, view: &View<'_>) -> Result<SignedDuration, Fault> {
        let duration = match self {
            Self::Fixed(duration) => *duration,
            Self::Calendar(span) => {
                let end = now.to_zoned(TimeZone::UTC).checked_add(*span);
                let end = end.map_err(|error| Fault::new(FaultType::Configuration, error.to_string()))?;
                end.timestamp().duration_since(now)
            }
            Self::Code(code) => {
                let value = code.evaluate(dot, view)?;
                let wrong = |detail: String| Fault::new(FaultType::Expression, detail);
                match &value {
                    Value::String(text) => {
                        return Self::parse(text).map_err(wrong)?.resolve(now, dot, view);
                    }
                    Value::Object(members) => {
                        let mut sum = 0_i64;
                        for (name, value) in members.iter() {
                            let unit = UNITS.iter().find(|(unit, _)| **unit == **name);
                            let amount = unit.and_then(|(_, each)| value.as_i64()?.checked_mul(*each));
                            sum = amount.and_then(|amount| sum.checked_add(amount)).ok_or_else(|| {
                                wrong(format!("`{}` gave {value}, which is no duration", code.text()))
                            })?;
                        }
                        SignedDuration::from_millis(sum)
                    }
                    _ => return Err(wrong(format!("`{}` gave a {}, not a duration", code.text(), value.kind()))),
                }
            }
        };
        Ok(duration.max(SignedDuration::ZERO))
    }
}

/// The last instant that can be read back from the whole microseconds in which instants are stored.
const END_OF_TIME: Timestamp = Timestamp::constant(253_402_207_200, 0);

/// A later instant; the end of time when it would lie beyond.
pub(crate) fn later(now: Timestamp, duration: SignedDuration) -> Timestamp {
    now.checked_add(duration).unwrap_or(END_OF_TIME).min(END_OF_TIME)
}
