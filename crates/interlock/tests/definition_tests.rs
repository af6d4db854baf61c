//! Golden cases of a project, as its author runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

fn interlock(arguments: &[&str]) -> Output {
    // None of the variables that the connections name.
    Command::new(env!("CARGO_BIN_EXE_interlock")).args(arguments).env_clear().output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a readable path")
}

/// A project for customers without golden cases of its own.
fn project() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let made = interlock(&["new", path(folder.path()), "--integration", "master-data"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    fs::remove_dir_all(folder.path().join("tests")).expect("it came with cases");
    fs::create_dir(folder.path().join("tests")).expect("a folder");
    folder
}

/// Writes a file of cases, runs it and gives status, result and what was told.
fn run(project: &TempDir, cases: &str, options: &[&str]) -> (Option<i32>, Value, String) {
    let file: PathBuf = project.path().join("tests/cases.yaml");
    fs::write(file, cases).expect("written");
    let arguments: Vec<&str> =
        ["test", path(project.path()), "--json"].into_iter().chain(options.iter().copied()).collect();
    let output = interlock(&arguments);
    let result = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), result, text(&output.stderr))
}

#[test]
fn both_reference_integrations_pass_their_golden_cases_without_any_environment() {
    for (integration, least) in [("quote-to-cash", 14), ("master-data", 12)] {
        let folder = tempfile::tempdir().expect("a folder");
        let made = interlock(&["new", path(folder.path()), "--integration", integration]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        let output = interlock(&["test", path(folder.path()), "--json"]);
        let (result, told) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{result}{told}");
        let result: Value = serde_json::from_str(&result).expect("JSON");
        assert_eq!(result["failed"], 0);
        assert!(result["passed"].as_u64().is_some_and(|passed| passed >= least), "{result:#}");
        let output = interlock(&["test", path(folder.path())]);
        let passed = text(&output.stdout);
        assert!(passed.contains("tests/") && passed.contains(" passed, 0 failed."), "{passed}");
    }
}

#[test]
fn a_failing_case_is_told_with_its_place_and_each_member_that_differs() {
    let project = project();
    let cases = "cases:
  - case: an account
    mapping: customer.crm
    read: { Name: ACME, BillingCity: Leeds, BillingCountry: Spain }
    expect:
      name: ACME Ltd
      billing:
        city: Leeds
        country: ES
        street: Park Row
  - case: it is written
    mapping: customer.crm
    write: { name: ACME, number: '1' }
    expect: { Name: ACME, ERP_Customer_Number__c: 1 }
  - case: refused for another reason
    mapping: customer.crm
    read: { Name: '' }
    refused: the moon
  - case: fine
    mapping: customer.crm
    write: { name: ACME }
    there-and-back: true
";
    let (status, result, told) = run(&project, cases, &[]);
    assert_eq!(status, Some(1), "{told}");
    assert_eq!((&result["passed"], &result["failed"]), (&json!(1), &json!(3)), "{result:#}");
    let cases = result["files"][0]["cases"].as_array().expect("cases");
    assert_eq!(
        cases[0]["differences"],
        json!([
            {"path": "expect.name", "expected": "ACME Ltd", "got": "ACME", "line": 6, "column": 7},
            {"path": "expect.billing.street", "expected": "Park Row", "got": null, "line": 10, "column": 9},
        ]),
        "{result:#}"
    );
    // A text is no number: what is written is compared exactly.
    assert_eq!((&cases[1]["differences"][0]["expected"], &cases[1]["differences"][0]["got"]), (&json!(1), &json!("1")));
    let reason = cases[2]["differences"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("another sentence") && reason.contains("it is required"), "{reason}");
    assert_eq!((&cases[2]["line"], &cases[3]["passed"]), (&json!(15), &json!(true)), "{result:#}");
    let output = interlock(&["test", path(project.path())]);
    let shown = text(&output.stdout);
    assert!(shown.contains("tests/cases.yaml:2:5 an account (mapping customer.crm, read)"), "{shown}");
    assert!(shown.contains("expect.name (tests/cases.yaml:6:7): expected \"ACME Ltd\", got \"ACME\""), "{shown}");
    assert!(shown.contains("4 cases in 1 file: 1 passed, 3 failed."), "{shown}");
}

#[test]
fn mistakes_in_cases_are_told_at_once_with_place_and_suggestion() {
    let project = project();
    let (status, _, told) = run(
        &project,
        "cases:
  - case: a misspelt mapping
    mapping: customer.cmr
    read: {}
    expect: {}
  - case: a misspelt member
    mapping: customer.crm
    reed: {}
    expect: {}
  - case: nothing expected
    feed: crm.accounts
    record: {}
  - case: two things at once
    feed: crm.acounts
    record: {}
    skipped: true
    refused: x
  - case: no connection
    function: create-partner
    input: {}
    expect: { bodi: {} }
  - case: three records
    match: customer
    records: []
    same: perhaps
",
        &[],
    );
    assert_eq!(status, Some(2), "{told}");
    for (place, part) in [
        ("3:14", "did you mean `customer.crm`?"),
        ("8:5", "did you mean `read`?"),
        ("10:5", "this case expects nothing"),
        ("14:11", "did you mean `accounts`?"),
        ("19:15", "write it with its connection: `function: crm.create-partner`"),
        ("24:5", "`records` are two"),
        ("25:11", "`same` is `true`, `false`, or `ask`"),
    ] {
        assert!(told.contains(&format!("tests/cases.yaml:{place}")) && told.contains(part), "{place} {part}\n{told}");
    }
    let (status, _, told) = run(&project, "cases: [ { case: x", &[]);
    assert!(status == Some(2) && told.contains("IL-DEF-001"), "{told}");
    fs::remove_file(project.path().join("tests/cases.yaml")).expect("removed");
    let output = interlock(&["test", path(project.path())]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("has no golden cases. Write some in tests/*.yaml"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn what_came_out_is_written_into_the_file_and_the_rest_of_it_stays_as_it_is() {
    let project = project();
    let before = "# A comment at the top.
cases:
  - case: one member differs   # and this stays
    mapping: customer.crm
    read: { Name: ACME, BillingCountry: Spain }
    expect:
      # the name
      name: Acme    # as people say it
      billing: { country: FR }

  - case: more is there than was expected
    mapping: customer.crm
    write: { name: ACME, billing: { city: 'No. 1: # Leeds', postalCode: '010' } }
    expect:
      Name: ACME

  # Between two cases.
  - case: nothing is expected yet
    function: erp.create-partner
    input: { key: K1, name: ACME }
  - case: two records
    match: customer
    records:
      - { feed: crm.accounts, record: { Id: '1', Name: ACME, BillingPostalCode: X } }
      - { feed: crm.accounts, record: { Id: '2', Name: ACME, BillingPostalCode: X } }
    same: false
";
    let (status, result, told) = run(&project, before, &["--update"]);
    assert_eq!((status, &result["failed"], &result["unwritten"]), (Some(0), &json!(0), &json!([])), "{result:#}{told}");
    let after = fs::read_to_string(project.path().join("tests/cases.yaml")).expect("written");
    let expected = before
        .replace("name: Acme    # as people say it", "name: ACME    # as people say it")
        .replace("{ country: FR }", "{ country: ES }")
        .replace(
            "      Name: ACME\n",
            "      Name: ACME\n      BillingCity: \"No. 1: # Leeds\"\n      BillingPostalCode: \"010\"\n",
        )
        .replace("same: false", "same: ask")
        .replace(
            "    input: { key: K1, name: ACME }\n",
            "    input: { key: K1, name: ACME }
    expect:
      action: create
      record: API_BUSINESS_PARTNER/A_BusinessPartner
      businessKey: K1
      probe: { BusinessPartnerIDByExtSystem: K1 }
      body:
        BusinessPartnerIDByExtSystem: K1
        OrganizationBPName1: ACME
        to_BusinessPartnerAddress:
          - to_AddressUsage:
              - { AddressUsage: XXDEFAULT }
        to_BusinessPartnerRole:
          - { BusinessPartnerRole: FLCU00 }
          - { BusinessPartnerRole: FLCU01 }
        BusinessPartnerCategory: \"2\"
        BusinessPartnerGrouping: BP02
        CorrespondenceLanguage: EN
",
        );
    assert_eq!(after, expected);
}

#[test]
fn what_cannot_be_written_without_losing_something_is_refused_with_the_reason() {
    let project = project();
    let before = "cases:
  - case: a comment would be lost
    mapping: customer.crm
    write: { name: ACME, number: '1' }
    expect:
      Name: ACME   # why it is so
  - { case: on one line, mapping: customer.crm, write: { name: ACME }, expect: {} }
  - case: it should have been refused
    mapping: customer.crm
    write: { name: ACME }
    refused: nothing
";
    let (status, result, told) = run(&project, before, &["--update"]);
    assert_eq!(status, Some(1), "{told}");
    let reasons: Vec<&str> =
        result["unwritten"].as_array().expect("a list").iter().filter_map(|one| one["reason"].as_str()).collect();
    assert_eq!(reasons.len(), 3, "{result:#}");
    assert!(reasons[0].contains("there is a comment in it, which would be lost: write it by hand"), "{reasons:?}");
    assert!(reasons[1].contains("it does not stand on lines of its own: write it by hand"), "{reasons:?}");
    assert!(reasons[2].contains("nothing came out of the kind that it expects"), "{reasons:?}");
    assert_eq!(fs::read_to_string(project.path().join("tests/cases.yaml")).expect("there"), before);
}
