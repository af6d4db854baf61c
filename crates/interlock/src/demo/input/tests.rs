//! Every row in exactly one place.

use std::path::Path;

use proptest::prelude::*;

use super::plan::{Line, Reason};
use super::sort::Sorter;
use super::source::from_bytes;
use super::{FileRows, GeneratedRows, Plan, plan};

const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

fn planned(rows: &str) -> Plan {
    let mut source = from_bytes(format!("{HEADER}{rows}").as_bytes()).expect("the header is right");
    plan(&mut source, usize::MAX).expect("memory can be read")
}

fn reasons(plan: &Plan) -> Vec<(&'static str, u64)> {
    plan.account.set_aside.iter().map(|(reason, count)| (reason.word(), *count)).collect()
}

fn ties(plan: &Plan) -> bool {
    let account = &plan.account;
    let lines: usize = plan.orders.iter().map(|order| order.lines.len()).sum();
    let all = account.order_lines + account.return_lines + account.set_aside.values().sum::<u64>();
    account.rows == all && account.order_lines == lines as u64
}

#[test]
fn each_kind_of_row_goes_where_it_belongs() {
    let plan = planned(
        "1,85123A,LANTERN,6,2010-12-01T08:26:00,2.55,17850,United Kingdom\n\
         1,85123a,LANTERN,6,2010-12-01T08:26:00,2.55,17850,United Kingdom\n\
         1,POST,POSTAGE,1,2010-12-01T08:26:00,18.00,17850,United Kingdom\n\
         1,C2,CARRIAGE,1,2010-12-01T08:26:00,50.00,17850,United Kingdom\n\
         1,m,Manual,1,2010-12-01T08:26:00,1.25,17850,United Kingdom\n\
         CC1,M,Manual,-1,2010-12-01T08:26:00,1.25,17850,United Kingdom\n\
         C1,D,Discount,-1,2010-12-01T08:26:00,27.50,17850,United Kingdom\n\
         1,S,SAMPLES,1,2010-12-01T08:26:00,3.00,17850,United Kingdom\n\
         1,BANK CHARGES,Bank Charges,1,2010-12-01T08:26:00,15.00,,United Kingdom\n\
         1,gift_0001_20,Voucher,1,2010-12-01T08:26:00,16.67,,United Kingdom\n\
         A2,B,Adjust bad debt,1,2010-12-01T08:26:00,11062.06,,United Kingdom\n\
         3,71053,,-10,2010-12-01T08:26:00,0.0,,United Kingdom\n\
         4,71053,,10,2010-12-01T08:26:00,0.0,,United Kingdom\n\
         4,PADS,PADS,1,2010-12-01T08:26:00,0.001,13952,United Kingdom\n\
         5,71053,METAL,1,2010-12-01T08:26:00,3.39,,United Kingdom\n\
         C6,85123A,LANTERN,-2,2010-12-01T08:26:00,2.55,17850,United Kingdom\n\
         C6,85123A,LANTERN,-1,2010-12-01T08:26:00,2.55,17850,United Kingdom\n\
         C6,85123A,LANTERN,-4,2010-12-01T08:26:00,2.55,17850,United Kingdom\n\
         C6,71053,METAL,-1,2010-12-01T08:26:00,3.39,17850,United Kingdom\n\
         7,71053,METAL,one,2010-12-01T08:26:00,3.39,17850,United Kingdom\n\
         7,71053\n",
    );
    assert!(ties(&plan));
    assert_eq!(plan.orders.len(), 1);
    assert_eq!(plan.products.len(), 1);
    let sold = Line { product: 0, quantity: 6, price: 255 };
    assert_eq!(plan.orders[0].lines, [sold, sold]);
    assert_eq!(plan.returns.len(), 1);
    assert_eq!(plan.returns[0].lines, [Line { product: 0, quantity: 3, price: 255 }]);
    assert!(!plan.returns[0].whole);
    let expected = [
        ("postage_or_carriage", 2),
        ("manual_or_adjustment", 2),
        ("discount", 1),
        ("fee_or_commission", 1),
        ("gift_voucher", 1),
        ("sample", 1),
        ("missing_customer", 1),
        ("zero_price", 2),
        ("negative_quantity_without_c", 1),
        ("return_without_order", 2),
        ("bad_row", 3),
    ];
    assert_eq!(reasons(&plan), expected);
}

#[test]
fn an_order_that_continues_after_another_is_one_order_and_the_bound_does_not_cut_one() {
    let rows = "1,A1,X,1,2010-12-01T08:26:00,1.00,17850,UK\n\
                2,A1,X,1,2010-12-01T08:26:00,1.00,17851,UK\n\
                1,A2,Y,1,2010-12-01T08:26:00,1.00,17850,UK\n\
                3,A1,X,1,2010-12-01T08:26:00,1.00,17852,UK\n";
    let text = format!("{HEADER}{rows}");
    let plan = plan(&mut from_bytes(text.as_bytes()).expect("the header is right"), 2).expect("memory can be read");
    assert_eq!(plan.orders.iter().map(|order| order.lines.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((plan.account.rows, plan.account.more), (3, true));
}

#[test]
fn everything_given_back_is_a_change_of_mind() {
    let plan = planned(
        "1,A1,X,3,2010-12-01T08:26:00,1.00,17850,UK\n1,A2,Y,1,2010-12-01T08:26:00,1.00,17850,UK\n\
         C2,A1,X,-3,2010-12-02T08:26:00,1.00,17850,UK\nC2,A2,Y,-1,2010-12-02T08:26:00,1.00,17850,UK\n",
    );
    assert!(plan.returns[0].whole);
}

#[test]
fn the_most_frequent_price_and_name_count() {
    let plan = planned(
        "1,A1,wrong?,1,2010-12-01T08:26:00,9.00,1,UK\n2,A1,LAMP,1,2010-12-01T08:26:00,2.00,1,UK\n\
         3,A1,LAMP,1,2010-12-01T08:26:00,2.00,1,UK\n4,A1,,1,2010-12-01T08:26:00,3.00,1,UK\n",
    );
    assert_eq!((&*plan.products[0].name, plan.products[0].price, plan.products[0].lines), ("LAMP", 200, 4));
}

#[test]
fn bytes_that_are_not_utf_8_are_latin_1() {
    let mut text = HEADER.as_bytes().to_vec();
    text.extend_from_slice(b"1,A1,VOUCHER \xa340,1,2010-12-01T08:26:00,2.00,1,UK\n");
    let plan = plan(&mut from_bytes(&text).expect("the header is right"), 9).expect("memory can be read");
    assert_eq!(&*plan.products[0].name, "VOUCHER £40");
}

#[test]
fn wrong_columns_are_named() {
    let error = from_bytes(b"InvoiceNo,Stock,Quantity\n").err().expect("refused").to_string();
    assert!(error.contains("it lacks StockCode, Description, InvoiceDate"), "{error}");
    assert!(error.contains("it has unknown `Stock`"), "{error}");
    assert!(from_bytes(b"").is_err());
    assert!(
        from_bytes(b"\xef\xbb\xbfcustomerid,country,invoiceno,stockcode,description,quantity,invoicedate,unitprice\n")
            .is_ok()
    );
}

#[test]
fn the_generator_has_the_shape_of_the_real_data() {
    let generated = plan(&mut GeneratedRows::new(7), 2_000).expect("it cannot fail");
    assert!(ties(&generated));
    assert_eq!(generated.orders.len(), 2_000);
    let account = &generated.account;
    let lines = account.order_lines / 2_000;
    assert!((15..=28).contains(&lines), "{lines} lines per order");
    assert!(generated.customers.len() > 300, "{} customers", generated.customers.len());
    assert!(!generated.returns.is_empty());
    for reason in [Reason::PostageOrCarriage, Reason::MissingCustomer, Reason::ZeroPrice, Reason::BadRow] {
        assert!(account.set_aside.contains_key(&reason) || reason == Reason::BadRow, "{}", reason.word());
    }
    assert!(generated.customers.iter().any(|customer| &*customer.country == "Unspecified"));
    assert_eq!(plan(&mut GeneratedRows::new(7), 2_000), Ok(generated.clone()));
    assert_ne!(plan(&mut GeneratedRows::new(8), 2_000), Ok(generated));
}

#[test]
fn the_real_file_ties_to_the_row() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/online-retail/lines.csv.gz");
    if !file.exists() {
        println!("skipped: {} is not there", file.display());
        return;
    }
    let plan = plan(&mut FileRows::open(&file).expect("it opens"), usize::MAX).expect("it reads");
    assert!(ties(&plan));
    assert_eq!(plan.account.rows, 541_909);
    assert!(!plan.account.set_aside.contains_key(&Reason::BadRow));
    println!("{} orders, {} returns, {:?}", plan.orders.len(), plan.returns.len(), plan.account);
    assert!(plan.orders.len() > 18_000 && plan.products.len() > 3_500 && plan.customers.len() > 4_000);
    assert!(plan.products.iter().all(|product| product.price > 0));
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,3}",
        "C[0-9]{1,2}",
        "-[0-9]{1,2}",
        "(POST|M|S|D|A[0-9])",
        Just("2010-12-01T08:26:00".to_owned()),
        "[0-9]\\.[0-9]{2}",
        ".{0,6}"
    ]
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_account_that_ties(bytes in proptest::collection::vec(any::<u8>(), 0..4_000)) {
        let mut text = HEADER.as_bytes().to_vec();
        text.extend_from_slice(&bytes);
        let plan = plan(&mut from_bytes(&text).expect("the header is right"), 10).expect("memory can be read");
        prop_assert!(ties(&plan));
    }

    #[test]
    fn any_rows_end_in_an_account_that_ties(rows in proptest::collection::vec(proptest::array::uniform8(field()), 0..80)) {
        let mut sorter = Sorter::new(20);
        let mut taken = 0;
        for fields in &rows {
            let mut row = super::Row::default();
            for (column, text) in fields.iter().enumerate() {
                text.trim().clone_into(row.field(column));
            }
            if sorter.take(&row) == super::Place::Beyond { break; }
            taken += 1;
        }
        prop_assert_eq!(sorter.account().rows, taken);
        prop_assert!(ties(&sorter.finish()));
    }

    #[test]
    fn never_more_comes_back_than_was_sold(
        rows in proptest::collection::vec((1_u8..6, 1_u8..4, -9_i8..9, 1_u8..3), 0..120)
    ) {
        let mut text = String::new();
        for (document, product, quantity, customer) in rows {
            let letter = if quantity < 0 { "C" } else { "" };
            let line = format!("{letter}{customer}{document},P{product},X,{quantity},2010-12-01T08:26:00,1.00,{customer},UK\n");
            text.push_str(&line);
        }
        let plan = planned(&text);
        prop_assert!(ties(&plan));
        for (place, order) in plan.orders.iter().enumerate() {
            for product in 0..plan.products.len() {
                let pieces = |lines: &[Line]| {
                    lines.iter().filter(|line| line.product as usize == product).map(|line| u64::from(line.quantity)).sum::<u64>()
                };
                let back: u64 = plan.returns.iter().filter(|given| given.order as usize == place).map(|given| pieces(&given.lines)).sum();
                prop_assert!(back <= pieces(&order.lines));
            }
        }
    }
}
