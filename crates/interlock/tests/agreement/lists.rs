//! Lists that both systems change item by item: industries of customers, each of them a record of its own in the ERP and one value
//! of a multi-select picklist in the CRM; and tax numbers, whose items have members.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::addresses::{at_rest, number_of};
use crate::pages::Visitor;
use crate::program::until;
use crate::systems::Interlock;
use crate::world::World;
use crate::{LATER, Random, SOON};

const SERVICE: &str = "API_BUSINESS_PARTNER";
const CODES: [&str; 6] = ["BANK", "CHEM", "FOOD", "MACH", "RETL", "UTIL"];

impl World {
    /// The industries of an account, in the order in which they were written.
    fn industries(&self, account: &str) -> String {
        let found = self.records(&format!("SELECT Id, Industries__c FROM Account WHERE Id = '{account}'")).remove(0);
        found["Industries__c"].as_str().unwrap_or_default().to_owned()
    }

    /// Those of a partner, in the order of their codes.
    fn partner_industries(&self, number: &str) -> String {
        let found = self.read(&format!("{SERVICE}/A_BusinessPartner('{number}')/to_BuPaIndustry"));
        let codes = found["results"].as_array().expect("industries").iter();
        let codes: BTreeSet<&str> = codes.map(|one| one["IndustrySector"].as_str().expect("a code")).collect();
        codes.into_iter().collect::<Vec<_>>().join(";")
    }

    /// Somebody in the ERP adds an industry, or takes one out; that may be there or gone already.
    fn in_erp(&self, number: &str, code: &str, is_in: bool) -> Result<Value, String> {
        let set = format!("{SERVICE}/A_BuPaIndustry");
        let key = format!("{set}(BusinessPartner='{number}',IndustrySystemType='0001',IndustrySector='{code}')");
        let body = json!({"BusinessPartner": number, "IndustrySystemType": "0001", "IndustrySector": code});
        if is_in { self.write(Method::POST, &set, &body) } else { self.write(Method::DELETE, &key, &json!({})) }
    }

    fn industries_are(&self, interlock: &Interlock<'_>, account: &str, number: &str, wanted: &str) {
        until(SOON, || {
            let (crm, erp) = (sorted(&self.industries(account)), self.partner_industries(number));
            let agree = crm == wanted && erp == wanted;
            if agree { Ok(()) } else { Err(format!("{crm} and {erp}, not {wanted}: {:?}", interlock.items())) }
        });
    }

    fn key_of(&self, account: &str) -> String {
        self.account(account)["Interlock_Key__c"].as_str().expect("a key").to_owned()
    }
}

fn sorted(codes: &str) -> String {
    let codes: BTreeSet<&str> = codes.split(';').filter(|code| !code.is_empty()).collect();
    codes.into_iter().collect::<Vec<_>>().join(";")
}

fn acme(more: &Value) -> Value {
    let mut fields = json!({
        "Name": "ACME", "BillingStreet": "1 Park Row", "BillingCity": "Leeds", "BillingPostalCode": "LS1",
        "BillingCountry": "Ireland"
    });
    for (name, value) in more.as_object().expect("fields") {
        fields[name] = value.clone();
    }
    fields
}

#[test]
fn industries_that_both_systems_add_and_take_out_at_once_are_merged_with_nobody_asked() {
    let world = World::with_frequent_sweeps();
    let interlock = world.interlock();
    let account = world.create_account(&acme(&json!({"Industries__c": "RETL;FOOD"})));
    let number = number_of(&world, &interlock, &account);
    world.industries_are(&interlock, &account, &number, "FOOD;RETL");
    world.in_erp(&number, "CHEM", true).expect("added");
    world.industries_are(&interlock, &account, &number, "CHEM;FOOD;RETL");

    // Both change other items of it, while nobody listens.
    at_rest(&interlock);
    interlock.program.kill();
    world.update_account(&account, &json!({"Industries__c": "RETL;MACH;CHEM"}));
    world.in_erp(&number, "BANK", true).expect("added");
    world.in_erp(&number, "CHEM", false).expect("taken out");
    let interlock = world.interlock();
    world.industries_are(&interlock, &account, &number, "BANK;MACH;RETL");
    at_rest(&interlock);
    assert_eq!(interlock.items(), Vec::<Value>::new());

    // Which value counts and why, at the command line and on the page.
    let key = world.key_of(&account);
    let explained = interlock.explain(&key, "industries").expect("an explanation");
    let member = &explained["members"][0];
    assert_eq!(member["value"], json!(["BANK", "MACH", "RETL"]), "{member:#}");
    assert_eq!((&member["rule"], &member["merged"]), (&json!("merged"), &json!("item by item")), "{member:#}");
    assert_eq!((&member["owner"], &member["standing"]), (&Value::Null, &json!("settled")), "{member:#}");
    let states: Vec<&Value> = member["sides"].as_array().expect("sides").iter().map(|side| &side["state"]).collect();
    assert_eq!(states, ["it holds what is agreed", "it holds what is agreed"]);
    let page = Visitor::of(&interlock).sees(&format!("/records/customer/{key}"));
    let row = page.split("data-member=\"industries\"").nth(1).and_then(|rest| rest.split("</tr>").next());
    let row = row.expect("a row of the page");
    for part in ["BANK", "MACH", "RETL", "no two changes met", "merged item by item"] {
        assert!(row.contains(part), "{part}: {row}");
    }

    // Another order is no change: it stays as somebody wrote it, though later changes make the round.
    world.update_account(&account, &json!({"Industries__c": "RETL;BANK;MACH", "Search_Term__c": "ORDERED"}));
    until(SOON, || match world.partner(&number)["SearchTerm1"].as_str() {
        Some("ORDERED") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    world.update_partner(&number, &json!({"SearchTerm1": "AGAIN"}));
    until(SOON, || match world.account(&account)["Search_Term__c"].as_str() {
        Some("AGAIN") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    at_rest(&interlock);
    assert_eq!(world.industries(&account), "RETL;BANK;MACH");
    let again = interlock.explain(&key, "industries").expect("an explanation");
    assert_eq!(again["members"][0]["event"], member["event"], "{again:#}");

    // And all of them go.
    world.update_account(&account, &json!({"Industries__c": null}));
    world.industries_are(&interlock, &account, &number, "");
    assert_eq!(interlock.items(), Vec::<Value>::new());
    assert_eq!((world.accounts("Name != null").len(), world.partners().len()), (1, 1), "nothing is doubled");
}

/// In each round both sides change other items of the same lists while nobody listens; what follows goes on with faults, and is
/// killed in the middle.
#[test]
fn industries_changed_on_both_sides_with_faults_and_kills_are_merged() {
    const CUSTOMERS: usize = 9;
    const ROUNDS: usize = 2;
    let world = World::with_frequent_sweeps();
    let mut interlock = world.interlock();
    let made: Vec<String> = (0..CUSTOMERS)
        .map(|place| {
            world
                .create_account(&acme(&json!({"Name": format!("C {place}"), "BillingPostalCode": format!("P{place}")})))
        })
        .collect();
    let numbers: Vec<String> = made.iter().map(|account| number_of(&world, &interlock, account)).collect();
    let keys: Vec<String> = made.iter().map(|account| world.key_of(account)).collect();
    at_rest(&interlock);
    let mut wanted = vec![BTreeSet::new(); CUSTOMERS];
    let mut random = Random(7);
    for _ in 0..ROUNDS {
        interlock.program.kill();
        for place in 0..CUSTOMERS {
            let mut in_crm: BTreeSet<&str> = wanted[place].clone();
            // Some codes are changed here, and others there.
            for code in CODES {
                if random.below(2) == 0 {
                    continue;
                }
                let is_in = !wanted[place].contains(code);
                if random.below(2) == 0 {
                    if is_in {
                        in_crm.insert(code)
                    } else {
                        in_crm.remove(code)
                    };
                } else {
                    world.in_erp(&numbers[place], code, is_in).expect("done");
                }
                if is_in {
                    wanted[place].insert(code)
                } else {
                    wanted[place].remove(code)
                };
            }
            let codes: Vec<&str> = in_crm.into_iter().rev().collect();
            world.update_account(&made[place], &json!({"Industries__c": codes.join(";")}));
        }
        world.weather(0.05);
        interlock = world.interlock();
        let are_agreed = |interlock: &Interlock<'_>, enough: usize| {
            let is = |(key, wanted): &(&String, &BTreeSet<&str>)| {
                let (_, found) = interlock.ops(Method::GET, &format!("objects/customer/{key}"), None);
                let members = found["members"].as_array().map(Vec::as_slice).unwrap_or_default();
                let own = members.iter().find(|member| member["member"] == "industries");
                let value = own.map(|own| own["value"].clone()).unwrap_or_default();
                value.as_array().is_some_and(|value| value.iter().filter_map(Value::as_str).eq(wanted.iter().copied()))
                    || (value.is_null() && wanted.is_empty())
            };
            let agreed = keys.iter().zip(&wanted).filter(is).count();
            if agreed >= enough { Ok(()) } else { Err(format!("{agreed} of {enough}: {:?}", interlock.items())) }
        };
        for enough in [CUSTOMERS / 3, 2 * CUSTOMERS / 3] {
            until(LATER, || are_agreed(&interlock, enough));
            interlock.program.kill();
            interlock = world.interlock();
        }
        until(LATER, || are_agreed(&interlock, CUSTOMERS));
        world.weather(0.0);
        for ((account, number), wanted) in made.iter().zip(&numbers).zip(&wanted) {
            let wanted = wanted.iter().copied().collect::<Vec<_>>().join(";");
            world.industries_are(&interlock, account, number, &wanted);
        }
        at_rest(&interlock);
    }
    assert_eq!(interlock.items(), Vec::<Value>::new());
    assert_eq!((world.accounts("Name != null").len(), world.partners().len()), (CUSTOMERS, CUSTOMERS));
}

/// Tax numbers of a customer: records of the partner in the ERP, lines of the description of an account in the CRM (`GB0 GB123`), which
/// may say more of each.
fn with_tax_numbers() -> World {
    let world = World::with_frequent_sweeps();
    let object = "objects/customer.yaml";
    world.edit(
        object,
        "    industries: {",
        "    taxNumbers:
      type: [array, 'null']
      items:
        type: object
        properties: { type: { type: string }, number: { type: string }, note: { type: [string, 'null'] } }
    industries: {",
    );
    world.edit(object, "  industries: {}", "  industries: {}\n  taxNumbers: { key: type }");
    world.edit(
        object,
        "      - { function: remove-industry",
        "      - function: add-tax
        members: [taxNumbers]
        each: '[.current.taxNumbers[]?.type] as $there | [.taxNumbers[]? | select([.type] - $there != [])]'
      - function: change-tax
        members: [taxNumbers]
        each: |
          .current.taxNumbers as $there
          | [.taxNumbers[]? | . as $item | select(any($there[]?; .type == $item.type and .number != $item.number))]
      - function: remove-tax
        members: [taxNumbers]
        each: '[.taxNumbers[]?.type] as $wanted | [.current.taxNumbers[]? | select([.type] - $wanted != [])]'
      - { function: remove-industry",
    );
    world.edit(
        "mappings/customer.crm.yaml",
        "  industries:\n",
        r#"  taxNumbers:
    field: Description
    read: |
      [(.Description // "") | split("\n")[] | select(. != "") | split(" ")
        | {type: .[0], number: .[1], note: (if length > 2 then .[2:] | join(" ") else null end)}]
    write: |
      if has("taxNumbers")
      then [(.taxNumbers // [])[] | [.type, .number, .note] | map(select(. != null)) | join(" ")] | join("\n")
      else null end
  industries:
"#,
    );
    world.edit(
        "mappings/customer.erp.yaml",
        "lists:\n",
        "lists:
  taxNumbers:
    record: to_BusinessPartnerTax
    fields:
      type: BPTaxType
      number: { field: BPTaxNumber, case: upper }
",
    );
    let erp = "connections/erp.yaml";
    world.edit(
        erp,
        "  API_BUSINESS_PARTNER/A_BuPaIndustry: \"*\"\n",
        "  API_BUSINESS_PARTNER/A_BuPaIndustry: \"*\"\n  API_BUSINESS_PARTNER/A_BusinessPartnerTaxNumber: \"*\"\n",
    );
    world.edit(
        erp,
        "        API_BUSINESS_PARTNER/A_BuPaIndustry: .BusinessPartner\n",
        "        API_BUSINESS_PARTNER/A_BuPaIndustry: .BusinessPartner
        API_BUSINESS_PARTNER/A_BusinessPartnerTaxNumber: .BusinessPartner\n",
    );
    world.edit(
        erp,
        "  # Each industry is a record",
        "  add-tax:
    version: 1.0.0
    action: create
    record: API_BUSINESS_PARTNER/A_BusinessPartnerTaxNumber
    effect: once
    businessKey: .id + \"-\" + .item.type
    probe: { BusinessPartner: .id, BPTaxType: .item.type }
    lookFirst: true
    input: '{BusinessPartner: .id, BPTaxType: .item.type, BPTaxNumber: .item.number}'

  change-tax:
    version: 1.0.0
    action: update
    record: API_BUSINESS_PARTNER/A_BusinessPartnerTaxNumber
    key: { field: BPTaxType, value: '{BusinessPartner: .id, BPTaxType: .item.type}' }
    input: '{BPTaxNumber: .item.number}'

  remove-tax:
    version: 1.0.0
    action: delete
    record: API_BUSINESS_PARTNER/A_BusinessPartnerTaxNumber
    key: { field: BPTaxType, value: '{BusinessPartner: .id, BPTaxType: .item.type}' }

  # Each industry is a record",
    );
    world
}

impl World {
    /// What the account says, line by line in the order of their types.
    fn lines(&self, account: &str) -> Vec<String> {
        let found = self.records(&format!("SELECT Id, Description FROM Account WHERE Id = '{account}'")).remove(0);
        let mut lines: Vec<String> =
            found["Description"].as_str().unwrap_or_default().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    fn tax_numbers(&self, number: &str) -> Vec<String> {
        let found = self.read(&format!("{SERVICE}/A_BusinessPartner('{number}')/to_BusinessPartnerTax"));
        let text = |one: &Value, name: &str| one[name].as_str().expect("a text").to_owned();
        let all = found["results"].as_array().expect("tax numbers").iter();
        let mut all: Vec<String> =
            all.map(|one| format!("{} {}", text(one, "BPTaxType"), text(one, "BPTaxNumber"))).collect();
        all.sort();
        all
    }

    fn set_tax(&self, method: Method, number: &str, kind: &str, tax: &str) {
        let set = format!("{SERVICE}/A_BusinessPartnerTaxNumber");
        let path = match method {
            Method::POST => set,
            _ => format!("{set}(BusinessPartner='{number}',BPTaxType='{kind}')"),
        };
        let body = json!({"BusinessPartner": number, "BPTaxType": kind, "BPTaxNumber": tax});
        self.write(method, &path, &body).expect("done");
    }

    fn are(&self, interlock: &Interlock<'_>, account: &str, number: &str, lines: &[&str], numbers: &[&str]) {
        until(SOON, || {
            let (crm, erp) = (self.lines(account), self.tax_numbers(number));
            let agree = crm == lines && erp == numbers;
            if agree { Ok(()) } else { Err(format!("{crm:?} and {erp:?}: {:?}", interlock.items())) }
        });
    }
}

#[test]
fn items_with_members_are_merged_member_by_member_and_only_what_both_changed_is_for_a_person() {
    let world = with_tax_numbers();
    let interlock = world.interlock();
    let account = world.create_account(&acme(&json!({"Description": "GB0 GB1 head office\nDE0 de1"})));
    let number = number_of(&world, &interlock, &account);
    // What the ERP holds in capitals and without the note stays as it was written here.
    let written = ["DE0 de1", "GB0 GB1 head office"];
    world.are(&interlock, &account, &number, &written, &["DE0 DE1", "GB0 GB1"]);

    // Two members of one item, an item that comes on each side, and one that goes.
    at_rest(&interlock);
    interlock.program.kill();
    world.update_account(&account, &json!({"Description": "FR0 FR1\nDE0 de1\nGB0 GB1 main office"}));
    world.set_tax(Method::PATCH, &number, "GB0", "GB2");
    world.set_tax(Method::POST, &number, "IT0", "IT1");
    world.set_tax(Method::DELETE, &number, "DE0", "");
    let interlock = world.interlock();
    let merged = ["FR0 FR1", "GB0 GB2 main office", "IT0 IT1"];
    world.are(&interlock, &account, &number, &merged, &["FR0 FR1", "GB0 GB2", "IT0 IT1"]);
    at_rest(&interlock);
    assert_eq!(interlock.items(), Vec::<Value>::new());

    // One member of one item: a person decides. What is not in question counts whatever that is.
    interlock.program.kill();
    world.update_account(&account, &json!({"Description": "IT0 IT1\nGB0 GB3 main office\nES0 ES1"}));
    world.set_tax(Method::PATCH, &number, "GB0", "GB4");
    world.set_tax(Method::PATCH, &number, "IT0", "IT2");
    let interlock = world.interlock();
    let item = interlock.item("which taxNumbers is right?");
    let offered = |kind: &str, number: &str, note: Option<&str>| json!({"type": kind, "number": number, "note": note});
    let both = |side: &str, gb: &str| {
        let of = item["record"][side].as_array().expect("a list").iter();
        let said: Vec<Value> = of
            .map(|one| offered(one["type"].as_str().unwrap(), one["number"].as_str().unwrap(), one["note"].as_str()))
            .collect();
        let wanted =
            [offered("ES0", "ES1", None), offered("GB0", gb, Some("main office")), offered("IT0", "IT2", None)];
        assert_eq!(said, wanted, "{item:#}");
    };
    both("crm", "GB3");
    both("erp", "GB4");
    assert_eq!(item["queue"], "stewardship");
    let path = format!("items/{}/keep-erp", item["id"].as_str().expect("an id"));
    assert_eq!(interlock.ops(Method::POST, &path, Some(&json!({}))).0 / 100, 2);
    let decided = ["ES0 ES1", "GB0 GB4 main office", "IT0 IT2"];
    world.are(&interlock, &account, &number, &decided, &["ES0 ES1", "GB0 GB4", "IT0 IT2"]);
    at_rest(&interlock);
    let member = &interlock.explain(&world.key_of(&account), "taxNumbers").expect("an explanation")["members"][0];
    assert_eq!((&member["rule"], &member["merged"]), (&json!("person"), &json!("item by item, known by type")));
    assert_eq!(interlock.items(), Vec::<Value>::new());
}
