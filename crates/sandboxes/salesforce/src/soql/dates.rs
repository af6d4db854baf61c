//! `TODAY`, `LAST_N_DAYS:30` and their like, as spans of time (in UTC).

use sandbox::calendar::{civil, days};

use crate::time::DAY;

/// Longest `n`.
const N_MAX: i64 = 100_000;

/// First day of a month that is so many months after January of year 0.
fn month_start(months: i64) -> i64 {
    days(months.div_euclid(12).clamp(1, 9999), months.rem_euclid(12) + 1, 1).unwrap_or(0)
}

/// The span from one day to before another, in milliseconds.
fn span(from: i64, to: i64) -> (i64, i64) {
    (from.saturating_mul(DAY), to.saturating_mul(DAY))
}

/// What a date literal means now. `n` is the number behind its colon.
pub(super) fn span_of(word: &str, n: Option<i64>, now: i64) -> Option<(i64, i64)> {
    let word = word.to_ascii_uppercase();
    let today = now.div_euclid(DAY);
    let (year, month, _) = civil(today);
    let this_month = year * 12 + month - 1;
    let this_quarter = this_month.div_euclid(3) * 3;
    // Weeks begin on Sunday; 1970 began on a Thursday.
    let this_week = today - (today + 4).rem_euclid(7);
    if let Some(n) = n {
        if !(0..=N_MAX).contains(&n) {
            return None;
        }
        let months = |from: i64, to: i64| span(month_start(from), month_start(to));
        return Some(match word.as_str() {
            "LAST_N_DAYS" => span(today - n, today + 1),
            "NEXT_N_DAYS" => span(today + 1, today + n + 1),
            "N_DAYS_AGO" => span(today - n, today - n + 1),
            "LAST_N_WEEKS" => span(this_week - 7 * n, this_week),
            "NEXT_N_WEEKS" => span(this_week + 7, this_week + 7 * (n + 1)),
            "LAST_N_MONTHS" => months(this_month - n, this_month),
            "NEXT_N_MONTHS" => months(this_month + 1, this_month + 1 + n),
            "LAST_N_QUARTERS" => months(this_quarter - 3 * n, this_quarter),
            "NEXT_N_QUARTERS" => months(this_quarter + 3, this_quarter + 3 * (n + 1)),
            "LAST_N_YEARS" => months((year - n) * 12, year * 12),
            "NEXT_N_YEARS" => months((year + 1) * 12, (year + 1 + n) * 12),
            _ => return None,
        });
    }
    let months = |from: i64, count: i64| span(month_start(from), month_start(from + count));
    Some(match word.as_str() {
        "TODAY" => span(today, today + 1),
        "YESTERDAY" => span(today - 1, today),
        "TOMORROW" => span(today + 1, today + 2),
        "THIS_WEEK" => span(this_week, this_week + 7),
        "LAST_WEEK" => span(this_week - 7, this_week),
        "NEXT_WEEK" => span(this_week + 7, this_week + 14),
        "THIS_MONTH" => months(this_month, 1),
        "LAST_MONTH" => months(this_month - 1, 1),
        "NEXT_MONTH" => months(this_month + 1, 1),
        "LAST_90_DAYS" => span(today - 90, today + 1),
        "NEXT_90_DAYS" => span(today + 1, today + 91),
        "THIS_QUARTER" => months(this_quarter, 3),
        "LAST_QUARTER" => months(this_quarter - 3, 3),
        "NEXT_QUARTER" => months(this_quarter + 3, 3),
        "THIS_YEAR" => months(year * 12, 12),
        "LAST_YEAR" => months((year - 1) * 12, 12),
        "NEXT_YEAR" => months((year + 1) * 12, 12),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_instant;

    #[test]
    fn spans_are_whole_days_weeks_and_months() {
        // A Monday.
        let now = parse_instant("2026-11-23T14:30:00Z").expect("an instant");
        let at = |text: &str| parse_instant(&format!("{text}T00:00:00Z")).expect("an instant");
        assert_eq!(span_of("today", None, now), Some((at("2026-11-23"), at("2026-11-24"))));
        assert_eq!(span_of("THIS_WEEK", None, now), Some((at("2026-11-22"), at("2026-11-29"))));
        assert_eq!(span_of("LAST_MONTH", None, now), Some((at("2026-10-01"), at("2026-11-01"))));
        assert_eq!(span_of("THIS_QUARTER", None, now), Some((at("2026-10-01"), at("2027-01-01"))));
        assert_eq!(span_of("LAST_N_DAYS", Some(3), now), Some((at("2026-11-20"), at("2026-11-24"))));
        assert_eq!(span_of("NEXT_N_YEARS", Some(1), now), Some((at("2027-01-01"), at("2028-01-01"))));
        assert_eq!(span_of("SOMEDAY", None, now), None);
    }
}
