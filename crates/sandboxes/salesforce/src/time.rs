//! Dates and instants as the vendor writes and reads them.

use sandbox::calendar::{civil, days};

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;

/// Now, in milliseconds since 1970.
#[must_use]
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn push_digits(number: i64, places: usize, text: &mut String) {
    for place in (0..places).rev() {
        let digit = number / 10_i64.pow(u32::try_from(place).unwrap_or(0)) % 10;
        text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

/// Appends `2026-11-23`.
pub(crate) fn write_date(days: i64, text: &mut String) {
    let (year, month, day) = civil(days);
    push_digits(year, 4, text);
    text.push('-');
    push_digits(month, 2, text);
    text.push('-');
    push_digits(day, 2, text);
}

/// Appends `2026-11-23T10:00:00.000+0000`.
pub(crate) fn write_instant(millis: i64, text: &mut String) {
    write_date(millis.div_euclid(DAY), text);
    let rest = millis.rem_euclid(DAY);
    text.push('T');
    push_digits(rest / 3_600_000, 2, text);
    text.push(':');
    push_digits(rest / 60_000 % 60, 2, text);
    text.push(':');
    push_digits(rest / 1000 % 60, 2, text);
    text.push('.');
    push_digits(rest % 1000, 3, text);
    text.push_str("+0000");
}

/// Reads digits from the front.
fn digits(text: &str, places: usize) -> Option<(i64, &str)> {
    let (front, rest) = text.split_at_checked(places)?;
    if !front.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((front.parse().ok()?, rest))
}

fn date_prefix(text: &str) -> Option<(i64, &str)> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    Some((days(year, month, day)?, rest))
}

/// Reads `2026-11-23`: days since 1970.
#[must_use]
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    date_prefix(text).filter(|(_, rest)| rest.is_empty()).map(|(days, _)| days)
}

/// Reads `2026-11-23T10:00:00Z`, with or without a fraction, with `Z`, `+0100` or `+01:00`: milliseconds since 1970.
#[must_use]
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    let (day, rest) = date_prefix(text)?;
    let (hour, rest) = digits(rest.strip_prefix(['T', 't'])?, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, mut rest) = match rest.strip_prefix(':') {
        Some(rest) => digits(rest, 2)?,
        None => (0, rest),
    };
    let mut millis = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let (front, after) = fraction.split_at_checked(length)?;
        millis = front.bytes().chain(*b"000").take(3).fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        rest = after;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset = match rest.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let (hours, rest) = digits(&rest[1..], 2)?;
            let (minutes, rest) = digits(rest.strip_prefix(':').unwrap_or(rest), 2)?;
            if !rest.is_empty() || hours > 18 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    Some(day * DAY + hour * 3_600_000 + (minute - offset) * 60_000 + second * 1000 + millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_form_of_an_instant() {
        let noon = Some(1_795_435_200_000);
        for text in [
            "2026-11-23T12:00:00Z",
            "2026-11-23T12:00:00.000+0000",
            "2026-11-23T13:00:00+01:00",
            "2026-11-23T07:00:00.0-0500",
        ] {
            assert_eq!(parse_instant(text), noon, "{text}");
        }
        for text in ["2026-11-23", "2026-11-23T12:00:00", "2026-02-30T12:00:00Z", "2026-11-23T25:00:00Z", "x"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn dates_are_read_back(number in -719_162_i64..2_932_897) {
            let mut text = String::new();
            write_date(number, &mut text);
            prop_assert_eq!(parse_date(&text), Some(number));
        }

        #[test]
        fn any_text_is_an_instant_or_not(text in ".*") {
            let _ = (parse_instant(&text), parse_date(&text));
        }
    }
}
