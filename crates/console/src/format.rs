//! How amounts, times and counts are written for people.

use jiff::Timestamp;
use maud::{Markup, html};
use model::{Decimal, Money, Rounding};

/// An amount with thousands separators and its currency: `£1,234.50`, `CHF 12.00`.
pub(crate) fn money(money: &Money) -> String {
    let scale = usize::try_from(money.amount.scale()).unwrap_or(0);
    let wanted = if scale < 2 { money.amount.round(2, Rounding::HalfEven) } else { money.amount };
    with_currency(wanted, money.currency.as_str())
}

/// An amount without its fraction, for large figures whose exact value is one hover away.
pub(crate) fn money_rounded(money: &Money) -> String {
    with_currency(money.amount.round(0, Rounding::HalfEven), money.currency.as_str())
}

fn with_currency(amount: Decimal, currency: &str) -> String {
    let symbol = match currency {
        "GBP" => "£",
        "EUR" => "€",
        "USD" => "$",
        "JPY" => "¥",
        _ => "",
    };
    let sign = if amount.is_negative() { "\u{2212}" } else { "" };
    let digits = grouped(&amount.abs().to_string());
    match symbol {
        "" => format!("{sign}{currency}\u{a0}{digits}"),
        symbol => format!("{sign}{symbol}{digits}"),
    }
}

/// Several amounts, one per currency; a dash for none.
pub(crate) fn amounts(amounts: &[Money]) -> Markup {
    html! {
        @if amounts.is_empty() { span.faint { "–" } }
        @for (place, amount) in amounts.iter().enumerate() {
            @if place > 0 { span.faint { " + " } }
            span.nowrap title=(money(amount)) { (money_rounded(amount)) }
        }
    }
}

/// An amount in a table's cell.
pub(crate) fn amount(amount: Option<&Money>) -> Markup {
    html! { @match amount { Some(amount) => span.nowrap { (money(amount)) }, None => span.faint { "–" } } }
}

/// A count with thousands separators.
pub(crate) fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// A count and its noun: `1 order`, `1,312 orders`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

fn grouped(digits: &str) -> String {
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut text = String::with_capacity(digits.len() + whole.len() / 3 + 1);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) && whole.is_ascii() {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// A duration in one unit: `now`, `42 s`, `5 min`, `3 h`, `12 d`.
pub(crate) fn duration(seconds: i64) -> String {
    match seconds.abs() {
        0..=1 => "a moment".to_owned(),
        seconds @ 2..=89 => format!("{seconds} s"),
        seconds @ 90..=5_399 => format!("{} min", (seconds + 30) / 60),
        seconds @ 5_400..=129_599 => format!("{} h", (seconds + 1_800) / 3_600),
        seconds => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// How far apart two instants are in words: `just now`, `3 min ago`, `in 2 h`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    match seconds {
        -1..=1 => "just now".to_owned(),
        2.. => format!("in {}", duration(seconds)),
        _ => format!("{} ago", duration(seconds)),
    }
}

/// A relative time with the exact one as its title.
pub(crate) fn time(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(exact(at)) { (relative(at, now)) } }
}

/// When something is due: marked once it is late.
pub(crate) fn due(at: Timestamp, now: Timestamp) -> Markup {
    let late = at < now;
    html! {
        span.due.late[late] {
            time datetime=(at) title=(exact(at)) {
                @if late { "overdue by " (duration(now.as_second() - at.as_second())) } @else { "due " (relative(at, now)) }
            }
        }
    }
}

/// `2026-11-23 14:05:11 UTC`
pub(crate) fn exact(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Milliseconds with a sensible precision: `0.4 ms`, `12 ms`, `1.3 s`.
pub(crate) fn milliseconds(value: f64) -> String {
    match value {
        value if !value.is_finite() || value <= 0.0 => "–".to_owned(),
        value if value < 10.0 => format!("{value:.1}\u{a0}ms"),
        value if value < 1_000.0 => format!("{value:.0}\u{a0}ms"),
        value => format!("{:.1}\u{a0}s", value / 1_000.0),
    }
}

/// The same for a whole number.
pub(crate) fn milliseconds_whole(value: i64) -> String {
    match value {
        ..=0 => "<\u{a0}1\u{a0}ms".to_owned(),
        1..=999 => format!("{value}\u{a0}ms"),
        value => format!("{}.{}\u{a0}s", value / 1_000, value % 1_000 / 100),
    }
}

/// A rate per second with a sensible precision: `0`, `0.4`, `12`, `1,204`.
pub(crate) fn rate(value: f64) -> String {
    match value {
        value if !value.is_finite() || value < 0.05 => "0".to_owned(),
        value if value < 10.0 => format!("{value:.1}"),
        value => grouped(&format!("{value:.0}")),
    }
}

/// A word of a definition as a label: `not-paid` and `notPaid` become `Not paid`, `erpNumber` becomes `ERP number`.
pub(crate) fn label(word: &str) -> String {
    // What Salesforce puts behind the names of an org's own fields says nothing to people.
    let text = spelled(word.strip_suffix("__c").unwrap_or(word));
    let (first, rest) = text.split_once(' ').map_or((&*text, None), |(first, rest)| (first, Some(rest)));
    match (first, rest) {
        ("Erp" | "Crm" | "Id", Some(rest)) => format!("{} {rest}", first.to_uppercase()),
        ("Erp" | "Crm" | "Id", None) => first.to_uppercase(),
        _ => text,
    }
}

fn spelled(word: &str) -> String {
    let mut text = String::with_capacity(word.len() + 4);
    let mut before_was_small = false;
    for (place, letter) in word.chars().enumerate() {
        match letter {
            '-' | '_' => text.push(' '),
            letter if place == 0 => text.extend(letter.to_uppercase()),
            letter if letter.is_uppercase() && before_was_small => {
                text.push(' ');
                text.extend(letter.to_lowercase());
            }
            letter => text.push(letter),
        }
        before_was_small = letter.is_lowercase();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pounds(text: &str) -> Money {
        Money { amount: text.parse().expect("a decimal"), currency: "GBP".parse().expect("a currency") }
    }

    #[test]
    fn amounts_are_grouped_and_keep_every_digit() {
        assert_eq!(money(&pounds("1234567.8")), "£1,234,567.80");
        assert_eq!(money(&pounds("-0.005")), "\u{2212}£0.005");
        assert_eq!(money(&pounds("999")), "£999.00");
        assert_eq!(money_rounded(&pounds("1234.5")), "£1,234");
        let francs = Money { currency: "CHF".parse().expect("a currency"), ..pounds("100000") };
        assert_eq!(money(&francs), "CHF\u{a0}100,000.00");
    }

    #[test]
    fn times_are_told_in_one_unit() {
        let now: Timestamp = "2026-11-23T14:00:00Z".parse().expect("an instant");
        let at = |seconds: i64| Timestamp::from_second(now.as_second() + seconds).expect("an instant");
        assert_eq!(relative(at(0), now), "just now");
        assert_eq!(relative(at(-42), now), "42 s ago");
        assert_eq!(relative(at(-180), now), "3 min ago");
        assert_eq!(relative(at(7_200), now), "in 2 h");
        assert_eq!(relative(at(-864_000), now), "10 d ago");
    }

    #[test]
    fn words_of_definitions_become_labels() {
        assert_eq!(label("order-desk"), "Order desk");
        assert_eq!(label("erpNumber"), "ERP number");
        assert_eq!(label("orderId"), "Order id");
        assert_eq!(label("paid"), "Paid");
        assert_eq!(label("Search_Term__c"), "Search Term");
        assert_eq!(label(""), "");
    }
}
