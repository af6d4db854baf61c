//! The program as a person at a terminal meets it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs the program to its end. One that does not end by itself is a failure, not a test that hangs.
fn interlock(arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().expect("its state").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("it is ours");
            panic!("{arguments:?} did not end: {}", told(&child.wait_with_output().expect("its output")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("its output")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a readable path")
}

/// A simulator, and the first line that it says.
fn sandbox(arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(["sandbox"])
        .args(arguments)
        .arg("--child")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    (child, line)
}

#[test]
fn without_arguments_it_says_what_it_can_do() {
    let output = interlock(&[]);
    assert_eq!(output.status.code(), Some(2));
    let text = told(&output);
    for command in ["new", "check", "run", "sandbox", "demo", "bench"] {
        assert!(text.contains(command), "{text}");
    }
}

#[test]
fn wrong_arguments_end_with_status_2_and_one_clear_message() {
    for (arguments, part) in [
        (vec!["demo", "--orders", "0"], "0 is not in 1.."),
        (vec!["demo", "--faults", "hail"], "none, some, many"),
        (vec!["demo", "--rate=-1"], "orders per second"),
        (vec!["sandbox", "s4hana", "--fault", "row_lock"], "NAME=RATE"),
        (vec!["sandbox", "s4hana", "--listen", "here"], "invalid socket address"),
    ] {
        let output = interlock(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(told(&output).contains(part), "{}", told(&output));
    }
}

#[test]
fn a_new_project_is_written_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = folder.path().join("acme");
    let output = interlock(&["new", path(&project)]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("interlock check"));
    for file in ["interlock.yaml", "connections/crm.yaml", "connections/erp.yaml", "workflows/quote-to-cash.yaml"] {
        assert!(project.join(file).is_file(), "{file}");
    }
    let output = interlock(&["new", path(&project)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("is not empty. Give the name of a new folder"), "{}", told(&output));
}

#[test]
fn a_demo_whose_address_is_taken_says_which_option_to_change_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    for (option, purpose) in [("--api", "process APIs"), ("--console", "the console")] {
        let begun = Instant::now();
        let demo = folder.path().join("demo");
        let output = interlock(&["demo", "--once", "--orders", "5", "--dir", path(&demo), option, &address]);
        assert_eq!(output.status.code(), Some(1));
        let wanted = format!("{purpose} cannot listen on {address}: another program uses this port");
        let remedy = format!("choose another port with {option}");
        let told = told(&output);
        assert!(told.contains(&wanted) && told.contains(&remedy) && !told.contains("interlock.yaml"), "{told}");
        assert!(!demo.exists() && begun.elapsed() < Duration::from_secs(5), "nothing was started");
    }
}

#[test]
fn data_that_is_not_there_or_something_else_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lines.csv");
    let output = interlock(&["demo", "--once", "--data", path(&file)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("Check the path after --data. [IL-DATA-001]"), "{}", told(&output));
    fs::write(&file, "a,b,c\n1,2,3\n").expect("written");
    let output = interlock(&["demo", "--once", "--data", path(&file)]);
    assert!(told(&output).contains("it lacks InvoiceNo, StockCode"), "{}", told(&output));
    fs::write(&file, "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n")
        .expect("written");
    let output = interlock(&["demo", "--once", "--data", path(&file)]);
    assert!(told(&output).contains("there is not one order in"), "{}", told(&output));
    fs::write(&file, [0x1f, 0x8b, 0x08, 0x00, 0x01]).expect("written");
    let output = interlock(&["demo", "--once", "--data", path(&file)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("IL-DATA-00"), "{}", told(&output));
}

#[test]
fn a_simulator_says_where_it_is_and_ends_with_its_parent() {
    let (mut child, line) = sandbox(&["s4hana"]);
    assert!(line.contains("\"ready\":true") && line.contains("\"url\":\"http://127.0.0.1:"), "{line}");
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_taken_port_is_one_clear_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = interlock(&["sandbox", "s4hana", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let text = told(&output);
    assert!(text.contains(&format!("cannot listen on {address}")) && text.contains("choose another port"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn an_unknown_fault_is_answered_with_those_there_are() {
    let output = interlock(&["sandbox", "s4hana", "--fault", "hail=0.1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("row_lock"), "{}", told(&output));
}

/// A new project, and an environment file with everything it asks for.
fn project(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (project, environment) = (folder.join("acme"), folder.join("environment"));
    assert!(interlock(&["new", path(&project)]).status.success());
    let variables = [
        "CRM_URL=http://127.0.0.1:1",
        "CRM_CLIENT_ID=interlock",
        "CRM_CLIENT_SECRET=secret",
        "ERP_URL=http://127.0.0.1:1",
        "ERP_INSECURE=true",
        "ERP_USER=INTERLOCK",
        "ERP_PASSWORD=secret",
        "EVENTS_TOKEN=a-token-of-some-length-1",
        "QUOTING_KEY=a-token-of-some-length-2",
        "OLIVIA_TOKEN=a-token-of-some-length-3",
        "FATIMA_TOKEN=a-token-of-some-length-4",
        "OSCAR_TOKEN=a-token-of-some-length-5",
        "API_ADDRESS=127.0.0.1:0",
        "CONSOLE_ADDRESS=127.0.0.1:0",
    ];
    fs::write(&environment, variables.join("\n")).expect("written");
    (project, environment)
}

fn with_environment(command: &str, project: &Path, environment: &Path, more: &[&str]) -> Output {
    let arguments = [&[command, path(project), "--environment", path(environment)], more].concat();
    interlock(&arguments)
}

#[test]
fn the_reference_integration_has_no_mistakes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (project, environment) = project(folder.path());
    let output = with_environment("check", &project, &environment, &[]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no mistakes. 2 connections"));
}

#[test]
fn mistakes_are_shown_in_their_place_all_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (project, environment) = project(folder.path());
    let change = |file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(project.join(file)).expect("read");
        assert!(text.contains(from), "{file}");
        fs::write(project.join(file), text.replacen(from, to, 1)).expect("written");
    };
    change("connections/erp.yaml", "action: create", "action: creat");
    change("mappings/order.crm.yaml", "number: ERP_Order_Number__c", "numbr: ERP_Order_Number__c");
    let output = with_environment("check", &project, &environment, &[]);
    assert_eq!(output.status.code(), Some(2));
    let text = told(&output);
    for part in ["connections/erp.yaml:", "mappings/order.crm.yaml:", "creat", "numbr", "^^^", "mistakes"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(with_environment("run", &project, &environment, &[]).status.code(), Some(2));
}

#[test]
fn no_project_is_one_clear_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = interlock(&["check", path(&folder.path().join("nothing"))]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(told(&output).lines().count(), 1, "{}", told(&output));
    let output = interlock(&["run", path(folder.path()), "--environment", "/no/such/file"]);
    assert!(told(&output).contains("Check the path after --environment"), "{}", told(&output));
}

#[test]
fn a_missing_secret_a_taken_store_and_a_taken_port_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (project, environment) = project(folder.path());
    let complete = fs::read_to_string(&environment).expect("read");

    fs::write(&environment, complete.replace("ERP_PASSWORD=secret", "")).expect("written");
    let output = with_environment("run", &project, &environment, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("ERP_PASSWORD is not set"), "{}", told(&output));
    fs::write(&environment, &complete).expect("written");

    let mut first = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(["run", path(&project), "--environment", path(&environment), "--child"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(first.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    assert!(line.contains("\"ready\":true"), "{line}");
    let output = with_environment("run", &project, &environment, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("is in use by another process"), "{}", told(&output));
    drop(first.stdin.take());
    assert!(first.wait().expect("it ends").success());

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let busy = complete.replace("API_ADDRESS=127.0.0.1:0", &format!("API_ADDRESS={address}"));
    fs::write(&environment, busy).expect("written");
    let output = with_environment("run", &project, &environment, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains(&address), "{}", told(&output));

    fs::write(&environment, &complete).expect("written");
    let output = with_environment("run", &project, &environment, &["--store", "/proc/nowhere/interlock.db"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("cannot be opened"), "{}", told(&output));
}
