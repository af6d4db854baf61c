//! One row of the Online Retail format, as text and with its values read.

use jiff::civil::DateTime;

/// The columns, in the format's order.
pub(crate) const COLUMNS: [&str; 8] =
    ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"];

/// Largest quantity of a line, either way: what a quote line of the CRM can hold with room to spare.
const QUANTITY_MAX: i64 = 9_999_999;
/// Largest price, in hundredths.
const PRICE_MAX: i64 = 100_000_000_000;

/// A row as it stands in the file, trimmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) document: String,
    pub(crate) stock_code: String,
    pub(crate) description: String,
    pub(crate) quantity: String,
    pub(crate) at: String,
    pub(crate) price: String,
    pub(crate) customer: String,
    pub(crate) country: String,
}

impl Row {
    /// The field of a column.
    pub(crate) fn field(&mut self, column: usize) -> &mut String {
        match column {
            0 => &mut self.document,
            1 => &mut self.stock_code,
            2 => &mut self.description,
            3 => &mut self.quantity,
            4 => &mut self.at,
            5 => &mut self.price,
            6 => &mut self.customer,
            _ => &mut self.country,
        }
    }
}

/// What kind of document a number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentKind {
    /// A sale.
    Sale,
    /// Begins with C: goods come back, or a sale is cancelled.
    Credit,
    /// Begins with A: an adjustment of the books.
    Adjustment,
}

/// The values of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) kind: DocumentKind,
    pub(crate) quantity: i64,
    /// In hundredths, rounded half up.
    pub(crate) price: i64,
    /// 0 for none.
    pub(crate) customer: u64,
}

impl Values {
    /// Reads a row's values; `None` when one of them is not what its column holds.
    pub(crate) fn read(row: &Row) -> Option<Self> {
        let stock_code_fits = (1..=40).contains(&row.stock_code.chars().count());
        let texts_fit = row.description.chars().count() <= 255 && row.country.chars().count() <= 80;
        if !stock_code_fits || !texts_fit || row.stock_code.chars().any(char::is_control) {
            return None;
        }
        row.at.parse::<DateTime>().ok()?;
        Some(Self {
            kind: document_kind(&row.document)?,
            quantity: whole(&row.quantity).filter(|quantity| quantity.abs() <= QUANTITY_MAX)?,
            price: hundredths(&row.price)?,
            customer: if row.customer.is_empty() { 0 } else { customer(&row.customer)? },
        })
    }
}

fn document_kind(number: &str) -> Option<DocumentKind> {
    let (kind, digits) = match number.as_bytes().first()? {
        b'C' | b'c' => (DocumentKind::Credit, &number[1..]),
        b'A' | b'a' => (DocumentKind::Adjustment, &number[1..]),
        _ => (DocumentKind::Sale, number),
    };
    ((1..=12).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(kind)
}

/// A whole number, also when a spreadsheet wrote it as `17850.0`.
fn whole(text: &str) -> Option<i64> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.bytes().any(|byte| byte != b'0') || digits.len() > 18 {
        return None;
    }
    digits.parse().ok()
}

fn customer(text: &str) -> Option<u64> {
    whole(text).and_then(|number| u64::try_from(number).ok()).filter(|number| (1..=999_999_999).contains(number))
}

/// A price in hundredths, rounded half away from zero.
pub(crate) fn hundredths(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let empty = whole.is_empty() && fraction.is_empty();
    if empty || whole.len() > 12 || fraction.len() > 20 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let digit = |index: usize| fraction.as_bytes().get(index).map_or(0, |byte| i64::from(byte - b'0'));
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let amount = whole * 100 + digit(0) * 10 + digit(1) + i64::from(digit(2) >= 5);
    (amount <= PRICE_MAX).then_some(if negative { -amount } else { amount })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_hundredths() {
        let read = ["2.55", "3", "0.001", "0.005", "-11062.06", ".5", "7.", "1e3", "", "-", "1.2.3", "999999999999"];
        let expected = [
            Some(255),
            Some(300),
            Some(0),
            Some(1),
            Some(-1_106_206),
            Some(50),
            Some(700),
            None,
            None,
            None,
            None,
            None,
        ];
        assert_eq!(read.map(hundredths), expected);
    }

    #[test]
    fn documents_are_told_apart_by_their_first_letter() {
        assert_eq!(document_kind("536365"), Some(DocumentKind::Sale));
        assert_eq!(document_kind("C536379"), Some(DocumentKind::Credit));
        assert_eq!(document_kind("A563185"), Some(DocumentKind::Adjustment));
        assert_eq!(document_kind("X1"), None);
        assert_eq!(document_kind("Ç1"), None);
        assert_eq!(document_kind("C"), None);
    }

    #[test]
    fn numbers_that_a_spreadsheet_touched_are_still_numbers() {
        assert_eq!(whole("17850.0"), Some(17_850));
        assert_eq!(whole("-6"), Some(-6));
        assert_eq!(whole("6.5"), None);
    }
}
