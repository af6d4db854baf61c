//! Dates, instants and times of day between their neutral texts and the forms of OData V2.
//!
//! In JSON a date or an instant is `/Date(1795392000000)/`, milliseconds since 1970 in UTC; an instant may carry an offset in
//! minutes (`/Date(1795392000000+0060)/`) that says how it was shown and does not change it. A time of day is an ISO 8601
//! duration since midnight (`PT13H20M05S`).

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

const DAY_MILLISECONDS: i64 = 86_400_000;
const EPOCH: Date = Date::constant(1970, 1, 1);

/// The milliseconds in `/Date(…)/`.
pub(crate) fn wire_milliseconds(text: &str) -> Option<i64> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    // The offset starts at a sign that is not the first character.
    let end = inner.char_indices().skip(1).find(|(_, character)| matches!(character, '+' | '-')).map(|(at, _)| at);
    let (number, offset) = inner.split_at(end.unwrap_or(inner.len()));
    if !offset.is_empty() && (offset.len() < 2 || !offset[1..].bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    number.parse().ok()
}

/// The calendar date `2026-11-23` of a wire date.
pub(crate) fn date_from_wire(text: &str) -> Option<String> {
    let days = wire_milliseconds(text)?.div_euclid(DAY_MILLISECONDS);
    // By the calendar and not as an instant: what has no end lasts until 9999-12-31, of which not every hour is an instant.
    let since = SignedDuration::from_secs(days.checked_mul(DAY_MILLISECONDS / 1000)?);
    Some(EPOCH.checked_add(since).ok()?.to_string())
}

/// The instant in RFC 3339 of a wire instant.
pub(crate) fn instant_from_wire(text: &str) -> Option<String> {
    // By the calendar: what has no end lasts until the last second of 9999-12-31, which is no instant of every library.
    let since = SignedDuration::from_millis(wire_milliseconds(text)?);
    let moment = EPOCH.to_datetime(Time::midnight()).checked_add(since).ok()?;
    Some(format!("{moment}Z"))
}

/// `13:20:05` of `PT13H20M05S`.
pub(crate) fn time_from_wire(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix("PT")?;
    let mut parts = [0u32; 3];
    let mut last = None;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, unit) = rest.split_at(end);
        let place = match unit.as_bytes()[0] {
            b'H' => 0,
            b'M' => 1,
            b'S' => 2,
            _ => return None,
        };
        if last.is_some_and(|last| last >= place) {
            return None;
        }
        last = Some(place);
        // A fraction of a second is not kept: SAP's times of day have none.
        parts[place] = number.split('.').next()?.parse().ok()?;
        rest = &unit[1..];
    }
    let [hours, minutes, seconds] = parts;
    (last.is_some() && hours < 25 && minutes < 60 && seconds < 60)
        .then(|| format!("{hours:02}:{minutes:02}:{seconds:02}"))
}

/// A calendar date of a neutral text: of a date, or of an instant by its day in UTC.
pub(crate) fn date(text: &str) -> Option<Date> {
    if text.len() == 10 {
        return text.parse().ok();
    }
    Some(instant(text)?.date())
}

/// An instant of a neutral text, as date and time in UTC: RFC 3339, or midnight UTC of a date.
pub(crate) fn instant(text: &str) -> Option<DateTime> {
    if text.len() == 10 {
        let date: Date = text.parse().ok()?;
        return Some(date.to_datetime(Time::midnight()));
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(Offset::UTC.to_datetime(instant));
    }
    text.strip_suffix('Z').filter(|rest| rest.contains('T'))?.parse().ok()
}

/// Appends `/Date(…)/` of a calendar date, without quotes.
pub(crate) fn write_date(date: Date, out: &mut String) {
    let milliseconds = date.duration_since(EPOCH).as_secs() * 1000;
    // Writing to a String cannot fail.
    let _ = write!(out, "/Date({milliseconds})/");
}

/// Appends `/Date(…+0000)/` of an instant, without quotes.
pub(crate) fn write_instant(instant: DateTime, with_offset: bool, out: &mut String) {
    let milliseconds = instant.duration_since(EPOCH.to_datetime(Time::midnight())).as_millis();
    let _ = write!(out, "/Date({milliseconds}{})/", if with_offset { "+0000" } else { "" });
}

/// Appends an instant for a URL: `2026-11-23T10:00:00.1234567`, with at most seven digits of a second, without a zone.
pub(crate) fn write_literal_instant(moment: DateTime, out: &mut String) {
    let _ = write!(out, "{}T{:02}:{:02}:{:02}", moment.date(), moment.hour(), moment.minute(), moment.second());
    let ticks = moment.subsec_nanosecond() / 100;
    if ticks > 0 {
        let fraction = format!("{ticks:07}");
        out.push('.');
        out.push_str(fraction.trim_end_matches('0'));
    }
}

/// Appends `PT13H20M05S` of a neutral time of day; `false` when the text is none.
pub(crate) fn write_time(text: &str, out: &mut String) -> bool {
    if text.starts_with("PT") && time_from_wire(text).is_some() {
        out.push_str(text);
        return true;
    }
    let Ok(time) = text.parse::<Time>() else { return false };
    let _ = write!(out, "PT{:02}H{:02}M{:02}S", time.hour(), time.minute(), time.second());
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_forms_of_the_wire() {
        assert_eq!(date_from_wire("/Date(1795392000000)/").as_deref(), Some("2026-11-23"));
        assert_eq!(date_from_wire("/Date(-86400000)/").as_deref(), Some("1969-12-31"));
        assert_eq!(date_from_wire("/Date(253402214400000)/").as_deref(), Some("9999-12-31"), "what has no end");
        let mut forever = String::new();
        write_date(date("9999-12-31").expect("a date"), &mut forever);
        assert_eq!(forever, "/Date(253402214400000)/");
        assert_eq!(instant_from_wire("/Date(1795427999000+0060)/").as_deref(), Some("2026-11-23T09:59:59Z"));
        assert_eq!(instant_from_wire("/Date(1478099423123+0000)/").as_deref(), Some("2016-11-02T15:10:23.123Z"));
        let end = "9999-12-31T23:59:59Z";
        assert_eq!(instant_from_wire("/Date(253402300799000+0000)/").as_deref(), Some(end), "what has no end");
        let (mut forever, mut literal) = (String::new(), String::new());
        write_instant(instant(end).expect("an instant"), true, &mut forever);
        write_literal_instant(instant(end).expect("an instant"), &mut literal);
        assert_eq!((forever.as_str(), literal.as_str()), ("/Date(253402300799000+0000)/", "9999-12-31T23:59:59"));
        assert_eq!(time_from_wire("PT13H20M05S").as_deref(), Some("13:20:05"));
        assert_eq!(time_from_wire("PT0S").as_deref(), Some("00:00:00"));
        for wrong in ["/Date()/", "/Date(1+)/", "/Date(1", "1795392000000", "/Date(1+x)/", "/Date(99999999999999999)/"]
        {
            assert_eq!(instant_from_wire(wrong), None, "{wrong}");
        }
        for wrong in ["PT", "PT1S1H", "P1D", "PT99H", "PT1", "PTH"] {
            assert_eq!(time_from_wire(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn literals_keep_seven_digits_of_a_second() {
        let mut out = String::new();
        write_literal_instant(instant("2026-11-23T10:00:00.123456789Z").expect("an instant"), &mut out);
        assert_eq!(out, "2026-11-23T10:00:00.1234567");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(milliseconds in -10_000_000_000_000i64..100_000_000_000_000) {
            let moment = Offset::UTC.to_datetime(Timestamp::from_millisecond(milliseconds).expect("in range"));
            for with_offset in [false, true] {
                let mut wire = String::new();
                write_instant(moment, with_offset, &mut wire);
                prop_assert_eq!(wire_milliseconds(&wire), Some(milliseconds));
                prop_assert_eq!(instant_from_wire(&wire).and_then(|text| instant(&text)), Some(moment));
            }
            let day = moment.date();
            let mut wire = String::new();
            write_date(day, &mut wire);
            prop_assert_eq!(date_from_wire(&wire), Some(day.to_string()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(/Date\\(|PT)?[-+0-9HMS.é)/]{0,20}") {
            let _ = (wire_milliseconds(&text), date_from_wire(&text), time_from_wire(&text), instant(&text), date(&text));
        }
    }
}
