//! Avro's binary encoding: the few types that events are made of.

use model::{Number, Value};

use crate::cell::{View, ten};
use crate::schema::{Field, Kind};
use crate::time;

/// Appends a whole number.
pub(super) fn write_long(number: i64, bytes: &mut Vec<u8>) {
    let mut bits = (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned();
    while bits >= 0x80 {
        // The low seven bits, and one that says more follow.
        bytes.push((bits & 0x7f) as u8 | 0x80);
        bits >>= 7;
    }
    bytes.push((bits & 0x7f) as u8);
}

/// Appends a text.
pub(super) fn write_text(text: &str, bytes: &mut Vec<u8>) {
    write_long(i64::try_from(text.len()).unwrap_or(i64::MAX), bytes);
    bytes.extend_from_slice(text.as_bytes());
}

/// Appends a list of texts.
pub(super) fn write_texts<'a>(texts: impl ExactSizeIterator<Item = &'a str>, bytes: &mut Vec<u8>) {
    if texts.len() > 0 {
        write_long(i64::try_from(texts.len()).unwrap_or(i64::MAX), bytes);
        texts.for_each(|text| write_text(text, bytes));
    }
    write_long(0, bytes);
}

/// The name of the type that holds a field of this kind.
pub(super) const fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int => "int",
        Kind::Number | Kind::Currency | Kind::Percent => "double",
        Kind::Date | Kind::DateTime => "long",
        _ => "string",
    }
}

/// Appends a value without the number of its union branch.
pub(super) fn write_view(field: &Field, view: View<'_>, bytes: &mut Vec<u8>) {
    match view {
        View::Null => {}
        View::Bool(truth) => bytes.push(u8::from(truth)),
        View::Text(text) => write_text(text, bytes),
        View::Ref(id) => {
            let mut text = String::with_capacity(18);
            id.write(&mut text);
            write_text(&text, bytes);
        }
        View::Number(number) => match field.kind {
            Kind::Date => write_long(number * time::DAY, bytes),
            Kind::DateTime | Kind::Int => write_long(number, bytes),
            _ => bytes.extend_from_slice(&double(number, field.scale).to_le_bytes()),
        },
    }
}

/// The double nearest to a decimal.
fn double(units: i64, scale: u8) -> f64 {
    // 2^53: both numbers are exact up to here, so that their quotient is rounded only once.
    if units.unsigned_abs() < 9_007_199_254_740_992 && scale <= 22 {
        #[expect(clippy::cast_precision_loss, reason = "exact, as just checked")]
        return units as f64 / ten(scale) as f64;
    }
    let mut text = String::new();
    crate::cell::write_units(units, scale, &mut text);
    text.parse().unwrap_or(f64::NAN)
}

/// What a client published: values by name, read by the schema of the event.
pub(crate) fn decode_platform_event(fields: &[&Field], mut bytes: &[u8]) -> Option<model::Object> {
    let mut members = model::Object::default();
    for field in fields {
        let optional = field.place_is_cell();
        let present = !optional || read_long(&mut bytes)? == 1;
        if !present {
            continue;
        }
        let value = match type_name(field.kind) {
            "boolean" => Value::from(take(&mut bytes, 1)? == [1]),
            "int" | "long" => Value::from(read_long(&mut bytes)?),
            "double" => {
                let number = f64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?);
                Value::from(Number::Decimal(format!("{number:e}").parse().ok()?))
            }
            _ => {
                let length = usize::try_from(read_long(&mut bytes)?).ok()?;
                Value::from(std::str::from_utf8(take(&mut bytes, length)?).ok()?)
            }
        };
        let value = match field.kind {
            Kind::Date | Kind::DateTime => {
                let mut text = String::new();
                time::write_instant(value.as_i64()?.clamp(-62_135_596_800_000, 253_402_300_799_000), &mut text);
                Value::from(text)
            }
            _ => value,
        };
        if optional {
            members.insert(field.name.clone().into(), value);
        }
    }
    bytes.is_empty().then_some(members)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn read_long(bytes: &mut &[u8]) -> Option<i64> {
    let mut bits = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take(bytes, 1)? else { return None };
        bits |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_read_back(number in any::<i64>()) {
            let mut bytes = Vec::new();
            write_long(number, &mut bytes);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(read_long(&mut rest), Some(number));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn doubles_are_the_nearest(units in any::<i64>(), scale in 0_u8..=18) {
            let mut text = String::new();
            crate::cell::write_units(units, scale, &mut text);
            prop_assert_eq!(Ok(double(units, scale)), text.parse::<f64>());
        }
    }
}
