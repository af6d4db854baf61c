//! Findings in files.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;
use reconcile::{Export, Heading, Judge, ReconcileError, compare, lines};

use crate::world::{row, spooled};

/// Writes an export of one difference, one missing and one doubled record with unpleasant names.
fn export(file: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    let left = [
        row("K1", "1", r#"{"name":"<b>\"ACME\"</b>","total":10.50,"currency":"EUR","date":"2026-11-01"}"#),
        row("K2", "2", r#"{"name":"=1+1"}"#),
        row("K3", "3", r#"{"name":"a"}"#),
        row("K3", "4", r#"{"name":"b"}"#),
    ];
    let right = [
        row("K1", "91", r#"{"name":"Größe\nzwei","total":10.25,"currency":"EUR","date":"2026-11-01"}"#),
        row("K3", "93", r#"{"name":"a"}"#),
    ];
    let (left, right) = (spooled(&folder, &left), spooled(&folder, &right));
    let judge = Judge::new("crm".into(), "erp".into(), None);
    let heading = Heading { title: "customer: crm and erp".to_owned(), at: Timestamp::UNIX_EPOCH };
    let mut export = Export::create(file, heading).expect("begun");
    let totals =
        compare(&left, &right, |finding| lines(finding, &judge).iter().try_for_each(|line| export.line(line, &judge)));
    assert!(!file.exists(), "it is not there before it is complete");
    export.finish(&totals.expect("compared"), &judge).expect("finished");
}

#[test]
fn csv_has_a_line_for_each_difference() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("found.csv");
    export(&file);
    let mut reader = csv::Reader::from_path(&file).expect("a file");
    assert_eq!(reader.headers().expect("names").len(), 11);
    let mut rows: Vec<Vec<String>> =
        reader.records().map(|record| record.expect("a record").iter().take(8).map(str::to_owned).collect()).collect();
    rows.sort();
    assert_eq!(
        rows,
        [
            vec!["K1", "different", "", "1", "91", "name", "<b>\"ACME\"</b>", "Größe\nzwei"],
            vec!["K1", "different", "", "1", "91", "total", "10.50", "10.25"],
            vec!["K2", "missing", "erp", "2", "", "", "", ""],
            vec!["K3", "doubled", "crm", "3, 4", "", "", "", ""],
        ]
    );
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing else is left");
}

#[test]
fn html_is_one_page_in_which_nothing_from_outside_is_markup() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("found.html");
    export(&file);
    let page = fs::read_to_string(&file).expect("a page");
    assert!(page.contains("&lt;b&gt;&quot;ACME&quot;&lt;/b&gt;") && !page.contains("<b>"), "{page}");
    assert!(page.contains("3 records are not the same") && page.contains("missing on erp"), "{page}");
    assert!(page.contains(">10.50<") && page.contains(">0.25<") && page.contains(">2026-11<"), "{page}");
    assert!(!page.contains("http") && !page.contains("src="), "it needs nothing else");
}

#[test]
fn parquet_holds_the_same_lines_and_the_totals() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("found.parquet");
    export(&file);
    let reader = SerializedFileReader::new(fs::File::open(&file).expect("a file")).expect("Parquet");
    let mut rows: Vec<(String, String, Option<String>)> = reader
        .get_row_iter(None)
        .expect("rows")
        .map(|row| row.expect("a row"))
        .map(|row| {
            let text = |place: usize| row.get_string(place).expect("a text").clone();
            (text(0), text(1), row.get_string(6).ok().cloned())
        })
        .collect();
    rows.sort();
    let name =
        |key: &str, finding: &str, left: Option<&str>| (key.to_owned(), finding.to_owned(), left.map(str::to_owned));
    assert_eq!(
        rows,
        [
            name("K1", "different", Some("10.50")),
            name("K1", "different", Some("<b>\"ACME\"</b>")),
            name("K2", "missing", None),
            name("K3", "doubled", None),
        ]
    );
    let properties = reader.metadata().file_metadata().key_value_metadata().expect("properties");
    let totals = properties.iter().find(|one| one.key == "interlock").and_then(|one| one.value.clone());
    let totals = crate::world::json(&totals.expect("totals"));
    assert_eq!(totals.get("totals").get("records").to_string(), r#"{"crm":4,"erp":2}"#);
}

#[test]
fn a_name_that_says_no_form_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let heading = Heading { title: "x".to_owned(), at: Timestamp::UNIX_EPOCH };
    let refused = Export::create(&folder.path().join("found.xlsx"), heading).err().expect("refused");
    assert!(matches!(refused, ReconcileError::Format { .. }));
    assert!(refused.problem().to_string().contains(".parquet"), "{}", refused.problem());
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}
