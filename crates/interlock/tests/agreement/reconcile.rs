//! `interlock reconcile` between both simulated systems: what was done behind Interlock's back is found, exported and mended.

use std::fs;

use serde_json::{Value, json};

use crate::program::{Ended, Program, until};
use crate::systems::{Interlock, OPERATOR};
use crate::world::World;
use crate::{LATER, SOON};

/// More than the ERP can hold.
const LONG: &str = "Initech International Holdings and Partners Limited";

/// Runs the command for the project; what it prints with `--json` as a value.
fn reconcile(world: &World, console: &str, arguments: &[&str]) -> (Option<i32>, Value, Ended) {
    let (project, environment) = (world.project.to_string_lossy(), world.folder.path().join("environment"));
    let environment = environment.to_string_lossy();
    let place = ["--project", &project, "--environment", &environment, "--url", console, "--json"];
    let arguments = [&["reconcile"], arguments, &place].concat();
    let ended = Program::start(&arguments, &[("INTERLOCK_TOKEN", OPERATOR)]).end(LATER);
    (ended.status, serde_json::from_str(&ended.output).unwrap_or_default(), ended)
}

/// Both systems with three customers, of which Interlock hears nothing more from the ERP.
pub(crate) fn agreed(world: &World) -> (Interlock<'_>, Vec<(String, String)>) {
    for file in ["connections/crm.yaml", "connections/erp.yaml"] {
        world.edit(file, "every: 20s", "every: 6h");
    }
    let interlock = world.interlock();
    let accounts: Vec<String> = ["ACME Limited", "Umbrella", LONG]
        .iter()
        .map(|name| {
            world.create_account(&json!({
                "Name": name, "BillingCity": "Leeds", "BillingPostalCode": "LS1 4AP", "BillingCountry": "Ireland"
            }))
        })
        .collect();
    let linked = until(SOON, || {
        accounts
            .iter()
            .map(|id| {
                let number = world.account(id)["ERP_Customer_Number__c"].as_str().map(str::to_owned);
                Ok((id.clone(), number.ok_or_else(|| format!("{id} is not linked: {:?}", interlock.items()))?))
            })
            .collect::<Result<Vec<_>, String>>()
    });
    (interlock, linked)
}

/// What the ERP tells goes nowhere.
fn deafen(world: &World) {
    world.control(&world.erp, "events", &json!({"url": "http://127.0.0.1:1/events/erp", "token": "none"}));
}

/// The finding of a member of a record.
fn of<'a>(found: &'a Value, id: &str, member: &str) -> &'a Value {
    let findings = found["findings"].as_array().expect("findings");
    let is_it = |finding: &&Value| finding["records"]["erp"] == id && finding["member"] == member;
    findings.iter().find(is_it).unwrap_or_else(|| panic!("nothing of {member} of {id} in {found:#}"))
}

#[test]
fn what_was_done_behind_its_back_is_found_exported_and_mended_by_ownership() {
    let world = World::new();
    let (interlock, linked) = agreed(&world);
    let equal = until(SOON, || match reconcile(&world, &interlock.console, &["customer"]) {
        (Some(0), found, _) => Ok(found),
        (_, found, ended) => Err(format!("{found:#} {ended:?}")),
    });
    assert_eq!(equal["totals"]["records"], json!({"crm": 3, "erp": 3}), "{equal:#}");
    assert_eq!(
        (&equal["totals"]["equal"], &equal["own_forms"]),
        (&json!(3), &json!(1)),
        "a name that is cut is no difference"
    );

    deafen(&world);
    let [acme, umbrella, _] = linked.as_slice() else { panic!("three customers") };
    world.update_partner(&acme.1, &json!({"OrganizationBPName1": "Acme Grabbed", "SearchTerm1": "GRABBED"}));
    world.update_partner(&umbrella.1, &json!({"BusinessPartnerIsBlocked": true}));
    let stranger = world.create_partner("Stranger", "York", "YO1 7HH");

    let files: Vec<String> = ["csv", "html", "parquet"]
        .iter()
        .map(|form| world.folder.path().join(format!("found.{form}")).to_string_lossy().into_owned())
        .collect();
    let exports: Vec<&str> = files.iter().flat_map(|file| ["--export", file.as_str()]).collect();
    let (status, found, ended) = reconcile(&world, &interlock.console, &[&["customer"], &exports[..]].concat());
    assert_eq!(status, Some(1), "{ended:?}");
    let totals = &found["totals"];
    assert_eq!((&totals["equal"], &totals["different"]), (&json!(1), &json!(2)), "{found:#}");
    assert_eq!(totals["missing"], json!({"crm": 1, "erp": 0}));
    assert_eq!(found["findings"].as_array().expect("findings").len(), 4, "{found:#}");
    let name = of(&found, &acme.1, "name");
    assert_eq!(name["values"], json!({"crm": "ACME Limited", "erp": "Acme Grabbed"}));
    assert_eq!((&name["owner"], &name["verdict"]), (&json!("crm"), &json!("write")));
    assert_eq!(name["records"]["crm"], acme.0.as_str());
    assert_eq!(of(&found, &acme.1, "searchTerm")["verdict"], "unowned");
    let blocked = of(&found, &umbrella.1, "blocked");
    assert_eq!((&blocked["owner"], &blocked["values"]["erp"]), (&json!("erp"), &json!(true)));
    let missing = found["findings"].as_array().and_then(|all| all.iter().find(|one| one["finding"] == "missing"));
    let missing = missing.expect("the stranger");
    assert_eq!((&missing["on"], &missing["verdict"]), (&json!("crm"), &json!("create")), "{missing:#}");
    assert_eq!(missing["records"]["erp"], stranger.as_str());

    let csv = fs::read_to_string(&files[0]).expect("a file");
    assert_eq!(csv.lines().count(), 5, "{csv}");
    assert!(csv.lines().any(|line| line.contains("ACME Limited,Acme Grabbed,crm,write,crm owns it")), "{csv}");
    let page = fs::read_to_string(&files[1]).expect("a page");
    assert!(page.contains("Acme Grabbed") && page.contains("3 records are not the same"), "{page}");
    assert!(fs::read(&files[2]).expect("a file").starts_with(b"PAR1"));

    // Nobody is there to be asked, and nothing is done.
    let (status, _, ended) = reconcile(&world, &interlock.console, &["customer", "--repair"]);
    assert_eq!(status, Some(2), "{ended:?}");
    assert!(ended.errors.contains("--yes") && ended.errors.contains("its value is written to erp"), "{}", ended.errors);
    assert_eq!(world.partner(&acme.1)["OrganizationBPName1"], "Acme Grabbed");

    let (status, mended, ended) = reconcile(&world, &interlock.console, &["customer", "--repair", "--yes"]);
    assert_eq!(status, Some(0), "{ended:?}");
    assert_eq!(mended["repair"]["left"]["equal"], true, "{mended:#}");
    assert_eq!(world.partner(&acme.1)["OrganizationBPName1"], "ACME Limited");
    let account = world.account(&acme.0);
    assert_eq!(account["Search_Term__c"], "GRABBED", "{account}");
    assert_eq!(world.account(&umbrella.0)["ERP_Blocked__c"], true);
    assert_eq!(world.accounts(&format!("ERP_Customer_Number__c = '{stranger}'")).len(), 1);
    let (status, found, ended) = reconcile(&world, &interlock.console, &["customer"]);
    assert_eq!((status, &found["totals"]["equal"]), (Some(0), &json!(4)), "{found:#} {ended:?}");
    assert_eq!(interlock.items(), Vec::<Value>::new());
}

#[test]
fn what_cannot_be_compared_is_said_in_one_line() {
    let world = World::new();
    let (interlock, _) = agreed(&world);
    let refused = |arguments: &[&str], status: i32, parts: &[&str]| {
        let (_, _, ended) = reconcile(&world, &interlock.console, arguments);
        ended.refused(status, parts);
    };
    refused(&["custmer"], 2, &["there is no object `custmer`", "Did you mean `customer`?"]);
    refused(&["customer", "--left", "crm", "--right", "crm"], 2, &["not compared with itself"]);
    refused(&["customer", "--left", "cmr"], 2, &["no connection `cmr`", "Did you mean `crm`?"]);
    refused(&["customer", "--export", "found.xlsx"], 2, &["found.xlsx", ".csv, .html or .parquet"]);
    let (_, _, ended) = reconcile(&world, "http://127.0.0.1:1", &["customer"]);
    ended.refused(1, &["no Interlock answers"]);
    // Without it, records are paired by the keys that they carry, which all of them do.
    let (status, found, ended) = reconcile(&world, "http://127.0.0.1:1", &["customer", "--by-key"]);
    assert_eq!((status, &found["totals"]["equal"]), (Some(0), &json!(3)), "{found:#} {ended:?}");
}

#[test]
fn without_declared_sides_it_is_compared_and_nobodys_value_counts() {
    let world = World::new();
    let (interlock, linked) = agreed(&world);
    // The running Interlock stays as it is; the command reads the files.
    let file = world.project.join("objects/customer.yaml");
    let text = fs::read_to_string(&file).expect("the file");
    let (schema, _) = text.split_once("# Which connections have it").expect("sides");
    fs::write(&file, schema).expect("written");
    deafen(&world);
    let found = until(LATER, || {
        // What was still to be read of before may be read now, with this, and be written over.
        world.update_partner(&linked[1].1, &json!({"OrganizationBPName1": "Umbrella Corporation"}));
        let (status, found, ended) = reconcile(&world, &interlock.console, &["customer"]);
        if status == Some(1) { Ok(found) } else { Err(format!("{ended:?}")) }
    });
    let name = of(&found, &linked[1].1, "name");
    assert_eq!((&name["verdict"], &name["owner"]), (&json!("undeclared"), &Value::Null), "{found:#}");
    let (_, _, ended) = reconcile(&world, &interlock.console, &["customer", "--repair", "--yes"]);
    ended.refused(2, &["nobody owns anything of customer", "objects/customer.yaml"]);
}
