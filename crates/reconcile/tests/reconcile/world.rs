//! Rows of two sides, spooled.

use std::sync::Arc;

use model::Value;
use reconcile::{Amount, Finding, Member, ReconcileError, Row, Shape, Spool, Spooled, Totals, compare};
use sync::ListKey;
use tempfile::TempDir;

/// A row as tests write it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Given {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) object: Value,
}

pub(crate) fn row(key: &str, id: &str, object: &str) -> Given {
    Given { key: key.to_owned(), id: id.to_owned(), object: json(object) }
}

pub(crate) fn json(text: &str) -> Value {
    model::json::parse(text.as_bytes()).expect("JSON")
}

/// Some members, one a list by key, one amount.
pub(crate) fn shape() -> Arc<Shape> {
    let path = |text: &str| text.parse().expect("a path");
    let member = |name: &str| Member::new(name, None).expect("a path");
    let by_id = ListKey::new(vec![path("id")]);
    Arc::new(Shape {
        members: vec![
            member("name"),
            member("billing.city"),
            member("total"),
            Member::new("items", Some(by_id)).expect("a path"),
        ],
        amounts: vec![Amount {
            name: "total".into(),
            amount: path("total"),
            currency: path("currency"),
            date: Some(path("date")),
        }],
    })
}

pub(crate) fn spooled(folder: &TempDir, rows: &[Given]) -> Spooled {
    let mut spool = Spool::create(folder.path(), shape()).expect("a spool");
    for given in rows {
        let row = Row { key: &given.key, id: &given.id, stage: None, object: &given.object };
        spool.push(row).expect("taken");
    }
    spool.finish().expect("finished")
}

pub(crate) fn compared(left: &[Given], right: &[Given]) -> (Vec<Finding>, Totals) {
    let folder = tempfile::tempdir().expect("a folder");
    let (left, right) = (spooled(&folder, left), spooled(&folder, right));
    let mut findings = Vec::new();
    let totals = compare(&left, &right, |finding| {
        findings.push(finding.clone());
        Ok::<(), ReconcileError>(())
    });
    let totals = totals.expect("compared");
    drop((left, right));
    let left_over = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left_over, 0, "the rows go with the spools");
    (findings, totals)
}
