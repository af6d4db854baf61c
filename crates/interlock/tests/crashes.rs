//! Orders on their way while the middleware is killed, again and again: in the end each is there once, and every cent is equal.

use std::process::{Command, Stdio};

/// What the closing account says, as JSON.
fn account(arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(["demo", "--once", "--json", "--api", "127.0.0.1:0", "--console", "127.0.0.1:0"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    let account: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no account ({error}): {}", told.lines().last().unwrap_or_default()));
    assert_eq!(output.status.code(), Some(0), "{account:#}");
    account
}

fn closes(account: &serde_json::Value, orders: u64) {
    assert_eq!(account["orders"]["accepted"], orders, "{account:#}");
    assert_eq!(account["orders"]["missing"], 0, "{account:#}");
    assert_eq!(account["orders"]["doubled"], 0, "{account:#}");
    assert_eq!(account["customers"]["doubled"], 0, "{account:#}");
    assert_eq!(account["returns"]["doubled"], 0, "{account:#}");
    assert_eq!(account["at_rest"], true, "{account:#}");
    for money in account["money"].as_array().expect("sums") {
        assert_eq!(money["difference"].as_f64(), Some(0.0), "{account:#}");
        assert_eq!(money["paid_difference"].as_f64(), Some(0.0), "{account:#}");
    }
    // What went in is all accounted for: orders in the ERP, or held for a person.
    let count = |name: &str| account["orders"][name].as_u64().expect("a count");
    assert_eq!(count("in_erp") + count("held"), orders, "{account:#}");
}

#[test]
fn twenty_kills_lose_and_double_nothing() {
    let account = account(&["--orders", "600", "--faults", "some", "--kills", "20", "--rate", "25"]);
    closes(&account, 600);
}

#[test]
fn rough_weather_loses_and_doubles_nothing() {
    let account = account(&["--orders", "400", "--faults", "many", "--seed", "7"]);
    closes(&account, 400);
    let faults = account["faults"].as_object().expect("faults");
    let happened: i64 = faults.values().filter_map(serde_json::Value::as_i64).sum();
    assert!(happened > 0, "there was weather: {account:#}");
}
