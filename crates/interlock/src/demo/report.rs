//! The closing account for people: a compact table.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use model::{Decimal, Rounding};

use super::account::Account;
use super::board::{STEPS, percentile};

const WIDTH: usize = 72;

/// Colours where they are seen.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Green for zero, red for anything else.
    fn zero(self, text: &str, is_zero: bool) -> String {
        self.with(if is_zero { "32;1" } else { "31;1" }, text)
    }
}

/// Prints the account on standard output.
pub(crate) fn print(account: &Account) {
    let paint = Paint(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    print!("{}", text(account, paint));
}

fn text(account: &Account, paint: Paint) -> String {
    let mut text = String::new();
    let mut line = |content: String| {
        text.push_str(content.trim_end());
        text.push('\n');
    };
    line(String::new());
    line(paint.strong("  Closing account"));
    line(paint.faint(&format!("  {}", "─".repeat(WIDTH))));
    let input = &account.input;
    line(row("Rows read", &grouped(input.rows)));
    line(row(
        "  lines of orders",
        &format!("{}   in {} orders", grouped(input.order_lines), grouped(account.input_orders)),
    ));
    line(row(
        "  lines of returns",
        &format!("{}   in {} returns", grouped(input.return_lines), grouped(account.input_returns)),
    ));
    for (reason, count) in &input.set_aside {
        line(paint.faint(&row(&format!("  aside: {}", reason.word().replace('_', " ")), &grouped(*count))));
    }
    line(String::new());
    let orders = &account.orders;
    line(row("Orders accepted", &grouped(orders.accepted)));
    line(row(
        "  in the ERP",
        &format!("{}   as {} sales orders", grouped(orders.in_erp), grouped(orders.sales_orders)),
    ));
    line(row("  waiting for a person", &grouped(orders.held)));
    line(format!("{}{}", label("  missing"), paint.zero(&number(orders.missing), orders.missing == 0)));
    line(format!("{}{}", label("  doubled"), paint.zero(&number(orders.doubled), orders.doubled == 0)));
    line(row(
        "Returns handed in",
        &format!("{}   {} credited", grouped(account.returns), grouped(account.returns_processed)),
    ));
    if !orders.missing_examples.is_empty() {
        line(format!("  such as {}", orders.missing_examples.join(", ")));
    }
    line(String::new());
    line(paint.faint(&format!("  {:<24}{:>15} {:>15} {:>15}", "", "Salesforce", "S/4HANA", "difference")));
    for money in &account.money {
        let amounts = [
            ("invoiced", money.crm.invoiced, money.erp.invoiced),
            ("credited", money.crm.credited, money.erp.credited),
            ("paid", money.crm.paid, money.erp.paid),
        ];
        for (name, crm, erp) in amounts {
            let difference = crm.subtract(erp).unwrap_or(Decimal::ZERO);
            let shown = paint.zero(&format!("{:>15}", cents(difference)), difference.is_zero());
            let name = format!("{} {name}", money.currency);
            line(format!("  {name:<24}{:>15} {:>15} {shown}", cents(crm), cents(erp)));
        }
    }
    line(String::new());
    if account.own.work_items.is_empty() {
        line(row("Open work items", "0"));
    }
    for (queue, open) in &account.own.work_items {
        line(row(&format!("Open in queue {queue}"), &grouped(*open)));
    }
    let own = &account.own;
    if own.since_last_start {
        line(paint.faint("  Interlock was killed meanwhile, so it counted since its last start:"));
    }
    match own.counted {
        Some(counted) => {
            line(row("Requests sent again", &grouped(counted.retries)));
            line(row("Records looked up by key", &grouped(counted.probed)));
            line(row("  lost answers found done", &grouped(counted.found)));
            line(row("Lost events made good", &grouped(counted.healed)));
        }
        None => line(row("Requests sent again", "  unknown: Interlock did not tell")),
    }
    let faults: i64 = account.faults.values().sum();
    let kinds = account.faults.values().filter(|count| **count > 0).count();
    line(row("Faults that struck", &format!("{faults:>9}   of {kinds} kinds")));
    line(String::new());
    line(paint.faint(&format!("  {:<24}{:>15} {:>15} {:>15}", "", "p50", "p95", "p99")));
    for (step, values) in STEPS.iter().zip(&account.latencies) {
        let at = |percent| duration(percentile(values, percent));
        line(format!("  {:<24}{:>15} {:>15} {:>15}", step.replace('_', " "), at(50), at(95), at(99)));
    }
    line(String::new());
    let speed =
        format!("{:>9.1}   {} in {:.1} s", account.per_second(), grouped(orders.in_erp).trim_start(), account.seconds);
    line(row("Orders per second", &speed));
    if !account.at_rest {
        line(paint.with("31;1", "  Not every order came to rest: nothing moved any more, so the account was closed."));
    }
    let verdict = if account.closes() { "  The account closes." } else { "  The account does not close." };
    line(paint.zero(verdict, account.closes()));
    text
}

fn label(name: &str) -> String {
    format!("  {name:<32}")
}

fn row(name: &str, value: &str) -> String {
    format!("{}{value}", label(name))
}

fn number(count: u64) -> String {
    grouped(count)
}

/// A count with thin groups of three, right-aligned.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text:>9}")
}

fn cents(amount: Decimal) -> String {
    let text = amount.round(2, Rounding::HalfEven).to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "00"));
    let whole = whole.parse::<u64>().map_or_else(|_| whole.to_owned(), |whole| grouped(whole).trim_start().to_owned());
    format!("{sign}{whole}.{fraction}")
}

fn duration(milliseconds: f64) -> String {
    let mut text = String::new();
    let written = if milliseconds < 1_000.0 {
        write!(text, "{milliseconds:.0} ms")
    } else {
        write!(text, "{:.2} s", milliseconds / 1_000.0)
    };
    // Writing into a string does not fail.
    let _ = written;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(541_909).trim(), "541,909");
        assert_eq!(grouped(7).trim(), "7");
        assert_eq!(cents(Decimal::from_units(-1_234_567, 2)), "-12,345.67");
        assert_eq!(duration(12.4), "12 ms");
        assert_eq!(duration(12_400.0), "12.40 s");
    }
}
