//! Instants, dates and times of day as OData V2 writes them. Everything is milliseconds since 1970 in UTC.

use sandbox::calendar::{civil, days};

use super::fixed::write_digits;

const DAY: i64 = 86_400_000;

/// Midnight of the day that an instant lies in.
#[must_use]
pub(crate) const fn midnight(instant: i64) -> i64 {
    instant - instant.rem_euclid(DAY)
}

/// So many days later.
#[must_use]
pub(crate) const fn days_after(date: i64, days: i64) -> i64 {
    date.saturating_add(days.saturating_mul(DAY))
}

/// Reads `2026-11-23T11:30:00.123`, with any of the seconds, fraction, zone (`Z`, `+02:00`) and time missing.
#[must_use]
pub(crate) fn parse_iso(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        if part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse().ok() } else { None }
    };
    let at = |index: usize| text.as_bytes().get(index).copied();
    if at(4)? != b'-' || at(7)? != b'-' {
        return None;
    }
    let days = days(number(0..4)?, number(5..7)?, number(8..10)?)?;
    let mut instant = days * DAY;
    if text.len() == 10 {
        return Some(instant);
    }
    if at(10)? != b'T' || at(13)? != b':' {
        return None;
    }
    let (hour, minute) = (number(11..13)?, number(14..16)?);
    let mut rest = 16;
    let mut second = 0;
    let mut fraction = 0;
    if at(16) == Some(b':') {
        second = number(17..19)?;
        rest = 19;
        if at(19) == Some(b'.') {
            let digits = text.get(20..)?.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 || digits > 12 {
                return None;
            }
            let shown = digits.min(3);
            fraction = number(20..20 + shown)? * [100, 10, 1][shown - 1];
            rest = 20 + digits;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    instant += ((hour * 60 + minute) * 60 + second) * 1000 + fraction;
    match text.get(rest..)? {
        "" | "Z" | "z" => Some(instant),
        zone => {
            let sign = match zone.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            if zone.len() != 6 || zone.as_bytes()[3] != b':' {
                return None;
            }
            let offset = number(rest + 1..rest + 3)? * 60 + number(rest + 4..rest + 6)?;
            Some(instant - sign * offset * 60_000)
        }
    }
}

/// Reads the JSON form: `/Date(1732320000000)/` or `/Date(1732320000000+0060)/` (the offset, in minutes, only says how it
/// was written; the number is always UTC).
#[must_use]
pub(crate) fn parse_json_date(text: &str) -> Option<i64> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let digits_end = inner[1.min(inner.len())..].find(['+', '-']).map_or(inner.len(), |at| at + 1);
    let (number, offset) = inner.split_at(digits_end);
    let offset_is_right =
        offset.is_empty() || (offset.len() == 5 && offset[1..].bytes().all(|byte| byte.is_ascii_digit()));
    if !offset_is_right {
        return None;
    }
    number.parse::<i64>().ok().filter(|instant| (-62_135_596_800_000..=253_402_300_799_999).contains(instant))
}

/// Reads a time of day `PT11H22M33S` as seconds since midnight.
#[must_use]
pub(crate) fn parse_duration(text: &str) -> Option<u32> {
    let mut rest = text.strip_prefix("PT")?;
    if rest.is_empty() {
        return None;
    }
    let mut seconds: u32 = 0;
    for (unit, factor) in [('H', 3600), ('M', 60), ('S', 1)] {
        if let Some((number, tail)) = rest.split_once(unit) {
            let number = if unit == 'S' { number.split('.').next()? } else { number };
            seconds = seconds.checked_add(number.parse::<u32>().ok()?.checked_mul(factor)?)?;
            rest = tail;
        }
    }
    (rest.is_empty() && seconds < 86_400).then_some(seconds)
}

/// Appends `PT11H22M33S`.
pub(crate) fn write_duration(seconds: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"PT");
    write_digits(u64::from(seconds / 3600), 2, out);
    out.push(b'H');
    write_digits(u64::from(seconds / 60 % 60), 2, out);
    out.push(b'M');
    write_digits(u64::from(seconds % 60), 2, out);
    out.push(b'S');
}

/// Appends `2026-11-23T11:30:00`, with seven digits behind the second when `fraction`, as Gateway writes time stamps.
pub(crate) fn write_iso(instant: i64, fraction: bool, out: &mut Vec<u8>) {
    let (year, month, day) = civil(instant.div_euclid(DAY));
    let of_day = instant.rem_euclid(DAY);
    let part = |number: i64| number.unsigned_abs();
    write_digits(part(year), 4, out);
    out.push(b'-');
    write_digits(part(month), 2, out);
    out.push(b'-');
    write_digits(part(day), 2, out);
    out.push(b'T');
    write_digits(part(of_day / 3_600_000), 2, out);
    out.push(b':');
    write_digits(part(of_day / 60_000 % 60), 2, out);
    out.push(b':');
    write_digits(part(of_day / 1000 % 60), 2, out);
    if fraction {
        out.push(b'.');
        write_digits(part(of_day % 1000) * 10_000, 7, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for instant in [0, 951_782_400_000, 1_795_432_200_123, -86_400_000] {
            let mut out = Vec::new();
            write_iso(instant, true, &mut out);
            let text = String::from_utf8(out).expect("ascii");
            assert_eq!(parse_iso(&text), Some(instant), "{text}");
        }
        assert_eq!(parse_iso("2026-11-23"), Some(1_795_392_000_000));
        assert_eq!(parse_iso("2026-11-23T02:00:00+02:00"), Some(1_795_392_000_000));
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in ["", "2026-02-29", "2026-13-01", "2026-11-23T24:00", "2026-11-23X", "2026-11-23T10:00:00.", "日本"]
        {
            assert_eq!(parse_iso(text), None, "{text}");
        }
        for text in ["/Date()/", "/Date(x)/", "/Date(1+1)/", "Date(1)", "/Date(99999999999999999)/"] {
            assert_eq!(parse_json_date(text), None, "{text}");
        }
        assert_eq!(parse_json_date("/Date(-5+0000)/"), Some(-5));
        assert_eq!(parse_duration("PT1H2M3S"), Some(3723));
        assert_eq!(parse_duration("PT"), None);
    }
}
