//! Rows of the same shape as the real data, made up: for when there is no file. The same seed makes the same rows.
//!
//! The shape is the real one's: about 21 lines per order with a long tail, customers who come back, most of them British,
//! products whose price moves a little, a document in six that takes something back, postage on orders from abroad, and the
//! dirt: lines without a customer, samples, give-aways, countries that are none.

use std::collections::VecDeque;

use ::sandbox::faults::Dice;
use jiff::ToSpan;
use jiff::civil::{DateTime, date};
use model::Problem;

use super::row::Row;
use super::source::RowSource;

const PRODUCTS: u64 = 3_600;
const CUSTOMERS: u64 = 4_300;
/// Orders that cancellations reach back to.
const REMEMBERED: usize = 200;

const COUNTRIES: [(&str, u64); 14] = [
    ("United Kingdom", 890),
    ("Germany", 24),
    ("France", 22),
    ("EIRE", 20),
    ("Spain", 8),
    ("Netherlands", 7),
    ("Belgium", 6),
    ("Switzerland", 6),
    ("Portugal", 4),
    ("Australia", 4),
    ("Channel Islands", 3),
    ("RSA", 2),
    ("Unspecified", 3),
    ("European Community", 1),
];
const COLOURS: [&str; 12] =
    ["WHITE", "RED", "PINK", "CREAM", "IVORY", "BLUE", "GREEN", "VINTAGE", "RETROSPOT", "ANTIQUE", "SILVER", "JUMBO"];
const MATERIALS: [&str; 10] =
    ["METAL", "WOODEN", "GLASS", "ENAMEL", "KNITTED", "CERAMIC", "PAPER", "ZINC", "WICKER", "FELT"];
const THINGS: [&str; 20] = [
    "LANTERN",
    "T-LIGHT HOLDER",
    "CAKE STAND",
    "HEART",
    "HOT WATER BOTTLE",
    "LUNCH BOX",
    "BUNTING",
    "COAT HANGER",
    "DOORMAT",
    "CLOCK",
    "JAM JAR",
    "TEA TOWEL",
    "PHOTO FRAME",
    "PARASOL",
    "MUG",
    "STORAGE TIN",
    "BIRD HOUSE",
    "CANDLE",
    "SHOPPER BAG",
    "CUSHION COVER",
];

struct Sold {
    customer: u64,
    country: &'static str,
    lines: Vec<(u64, u64, u64)>,
}

/// Made-up rows, without end.
pub(crate) struct GeneratedRows {
    dice: Dice,
    waiting: VecDeque<Row>,
    document: u64,
    at: DateTime,
    sold: VecDeque<Sold>,
}

impl GeneratedRows {
    /// Rows of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            waiting: VecDeque::new(),
            document: 536_364,
            at: date(2010, 12, 1).at(8, 26, 0, 0),
            sold: VecDeque::new(),
        }
    }

    fn below(&self, bound: u64) -> u64 {
        self.dice.next() % bound.max(1)
    }

    fn chance(&self, per_thousand: u64) -> bool {
        self.below(1_000) < per_thousand
    }

    /// Small numbers often, large ones rarely: how products and customers are popular.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    fn popular(&self, bound: u64) -> u64 {
        ((self.dice.unit().powi(2) * bound as f64) as u64).min(bound - 1)
    }

    /// Lognormal around 12 with a mean of about 21.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn line_count(&self) -> u64 {
        // The sum of twelve uniform numbers is close enough to a normal one.
        let normal: f64 = (0..12).map(|_| self.dice.unit()).sum::<f64>() - 6.0;
        ((2.5 + 1.05 * normal).exp().clamp(1.0, 250.0)) as u64
    }

    fn country(customer: u64) -> &'static str {
        let mut place = scattered(customer) % 1_000;
        for (country, share) in COUNTRIES {
            if place < share {
                return country;
            }
            place -= share;
        }
        "United Kingdom"
    }

    fn push(&mut self, document: &str, code: String, name: String, quantity: String, price: u64, buyer: (u64, &str)) {
        let customer = if buyer.0 == 0 { String::new() } else { buyer.0.to_string() };
        self.waiting.push_back(Row {
            document: document.to_owned(),
            stock_code: code,
            description: name,
            quantity,
            at: self.at.to_string(),
            price: format!("{}.{:02}", price / 100, price % 100),
            customer,
            country: buyer.1.to_owned(),
        });
    }

    fn next_document(&mut self) {
        self.document += 1 + self.below(3);
        let minutes = i64::try_from(1 + self.below(20)).unwrap_or(1);
        self.at = self.at.checked_add(minutes.minutes()).unwrap_or(self.at);
        match self.below(100) {
            0..=13 if !self.sold.is_empty() => self.cancellation(),
            14..=19 => self.anonymous(),
            20 => self.write_off(),
            _ => self.order(),
        }
    }

    fn order(&mut self) {
        let document = self.document.to_string();
        let customer = 12_346 + self.popular(CUSTOMERS);
        let country = Self::country(customer);
        let mut lines = Vec::new();
        for _ in 0..self.line_count() {
            let product = self.popular(PRODUCTS);
            let pack = [1, 2, 3, 4, 6, 8, 12, 24][usize::try_from(self.below(8)).unwrap_or(0)];
            let quantity = pack * (1 + u64::from(self.chance(30)) * 9);
            let mut price = list_price(product);
            // Larger quantities are cheaper, and now and then somebody quotes what they like.
            if quantity >= 24 {
                price -= price / 8;
            }
            if self.chance(4) {
                price += price;
            }
            lines.push((product, quantity, price.max(1)));
        }
        if self.chance(6) {
            // A whole quote at prices of its own.
            for line in &mut lines {
                line.2 = (line.2 / 2).max(1);
            }
        }
        for (product, quantity, price) in lines.clone() {
            self.push(&document, code(product), name(product), quantity.to_string(), price, (customer, country));
        }
        if country != "United Kingdom" {
            self.push(&document, "POST".to_owned(), "POSTAGE".to_owned(), "1".to_owned(), 1_800, (customer, country));
        }
        if self.chance(8) {
            self.push(&document, "M".to_owned(), "Manual".to_owned(), "1".to_owned(), 425, (customer, country));
        }
        if self.chance(4) {
            self.push(&document, code(7), name(7), "1".to_owned(), 0, (customer, country));
        }
        if self.chance(2) {
            self.push(&document, "S".to_owned(), "SAMPLES".to_owned(), "1".to_owned(), 300, (customer, country));
        }
        self.sold.push_back(Sold { customer, country, lines });
        if self.sold.len() > REMEMBERED {
            self.sold.pop_front();
        }
    }

    fn cancellation(&mut self) {
        let document = format!("C{}", self.document);
        let place = usize::try_from(self.below(self.sold.len() as u64)).unwrap_or(0);
        let Some(sold) = self.sold.get(place) else { return };
        let (buyer, mut lines) = ((sold.customer, sold.country), sold.lines.clone());
        match self.below(100) {
            0..=5 => {}
            6..=19 => {
                self.push(&document, "D".to_owned(), "Discount".to_owned(), "-1".to_owned(), 1_275, buyer);
                return;
            }
            _ => lines.truncate(1 + usize::try_from(self.below(4)).unwrap_or(0)),
        }
        for (product, quantity, price) in lines {
            let quantity = 1 + self.below(quantity);
            self.push(&document, code(product), name(product), format!("-{quantity}"), price, buyer);
        }
    }

    /// A sale at the counter: nobody's name is on it.
    fn anonymous(&mut self) {
        let document = self.document.to_string();
        for _ in 0..self.line_count() * 3 {
            let product = self.popular(PRODUCTS);
            let price = list_price(product) * 2;
            self.push(&document, code(product), name(product), "1".to_owned(), price, (0, "United Kingdom"));
        }
        self.push(
            &document,
            "DOT".to_owned(),
            "DOTCOM POSTAGE".to_owned(),
            "1".to_owned(),
            9_500,
            (0, "United Kingdom"),
        );
    }

    fn write_off(&mut self) {
        let document = self.document.to_string();
        let product = self.popular(PRODUCTS);
        let quantity = format!("-{}", 1 + self.below(200));
        self.push(&document, code(product), "damaged".to_owned(), quantity, 0, (0, "United Kingdom"));
    }
}

impl RowSource for GeneratedRows {
    fn next(&mut self, row: &mut Row) -> Result<Option<bool>, Problem> {
        while self.waiting.is_empty() {
            self.next_document();
        }
        *row = self.waiting.pop_front().unwrap_or_default();
        Ok(Some(true))
    }
}

/// The same number for the same product or customer, whatever the seed.
fn scattered(number: u64) -> u64 {
    Dice::new(number).next()
}

fn code(product: u64) -> String {
    let letter = match scattered(product) % 6 {
        0 => "A",
        1 => "B",
        _ => "",
    };
    format!("{}{letter}", 20_000 + product * 18)
}

fn list_price(product: u64) -> u64 {
    [42, 55, 85, 125, 145, 165, 195, 210, 255, 295, 339, 375, 425, 495, 695, 795, 995, 1_275]
        [usize::try_from(scattered(product) / 7 % 18).unwrap_or(0)]
}

fn name(product: u64) -> String {
    let bits = scattered(product ^ 0x5eed);
    let pick = |words: &[&'static str], shift: u32| {
        usize::try_from((bits >> shift) % words.len() as u64)
            .ok()
            .and_then(|place| words.get(place).copied())
            .unwrap_or("")
    };
    format!("{} {} {}", pick(&COLOURS, 0), pick(&MATERIALS, 16), pick(&THINGS, 32))
}
