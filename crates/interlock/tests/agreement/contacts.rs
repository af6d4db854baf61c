//! Contacts of customers: two records in the ERP, a person and its relationship to the customer, and one in the CRM.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::people::{FUNCTIONS, Relationship};
use crate::program::until;
use crate::systems::Interlock;
use crate::world::World;
use crate::{LATER, Random, SOON};

/// An account with its partner's number.
fn customer(world: &World, interlock: &Interlock<'_>, name: &str) -> (String, String) {
    let code = name.to_uppercase();
    let account = world.create_account(&json!({"Name": name, "BillingPostalCode": code, "BillingCountry": "Ireland"}));
    let number = until(SOON, || {
        let found = world.account(&account);
        let number = found["ERP_Customer_Number__c"].as_str().map(str::to_owned);
        number.ok_or_else(|| format!("{found} {:?}", interlock.items()))
    });
    (account, number)
}

/// Waits until the contact with this e-mail address is a person in the ERP with one relationship, to this company.
fn related(world: &World, interlock: &Interlock<'_>, email: &str, company: &str) -> Relationship {
    until(SOON, || {
        let all = world.relationships();
        let own: Vec<&Relationship> = all.iter().filter(|one| one.email == email).collect();
        match own[..] {
            [one] if one.company == company => Ok(one.clone()),
            _ => Err(format!("{all:?} {:?}", interlock.items())),
        }
    })
}

fn stands(interlock: &Interlock<'_>, title: &str, stage: &str) {
    until(SOON, || {
        let found = interlock.stages(title);
        if found == [stage] { Ok(()) } else { Err(format!("{title} stands as {found:?} {:?}", interlock.items())) }
    });
}

#[test]
fn a_contact_of_either_side_is_made_on_the_other_and_changes_go_both_ways() {
    let world = World::with_frequent_sweeps();
    let interlock = world.interlock();
    let (account, number) = customer(&world, &interlock, "ACME");
    // From Salesforce to the ERP: a person, and what makes it a contact.
    let contact = world.create_record(
        "Contact",
        &json!({
            "AccountId": account, "FirstName": "Ada", "LastName": "Lovelace", "Email": "ada@example.com",
            "Phone": "0113 496 0001", "Title": "Head of Purchasing", "Department": "Purchasing"
        }),
    );
    let made = related(&world, &interlock, "ada@example.com", &number);
    assert_eq!((&*made.phone, &*made.function, &*made.department), ("0113 496 0001", "0002", "0002"));
    let person = world.partner(&made.person);
    let key = until(SOON, || match world.contact(&contact)["Interlock_Key__c"].clone() {
        Value::Null => Err(format!("no key: {:?}", interlock.items())),
        key => Ok(key),
    });
    assert_eq!((&person["FirstName"], &person["LastName"]), (&json!("Ada"), &json!("Lovelace")));
    assert_eq!((&person["BusinessPartnerCategory"], &person["BusinessPartnerIDByExtSystem"]), (&json!("1"), &key));

    // From the ERP to Salesforce.
    let grace = world.create_person("Grace", "Hopper");
    world.relate(&number, &grace, &json!({"EmailAddress": "grace@example.com", "ContactPersonFunction": "0001"}));
    let found = until(SOON, || {
        let found = world.contacts("Email = 'grace@example.com'");
        found.first().cloned().ok_or_else(|| format!("no contact: {:?}", interlock.items()))
    });
    assert_eq!((&found["AccountId"], &found["LastName"]), (&json!(account), &json!("Hopper")));
    assert_eq!(found["Title"], "Executive Board");

    // Changes both ways, and what its owner does not want is written over.
    world.change_relationship(&made, &json!({"PhoneNumber": "0113 496 0002"}));
    world.update_record("Contact", &contact, &json!({"LastName": "King", "Title": "Head of Sales"}));
    world.update_partner(&made.person, &json!({"FirstName": "Adah"}));
    until(SOON, || {
        let (contact, person) = (world.contact(&contact), world.partner(&made.person));
        let all = world.relationships();
        let own = all.iter().find(|one| one.person == made.person).ok_or("no relationship")?;
        let agrees = contact["Phone"] == "0113 496 0002"
            && person["LastName"] == "King"
            && own.function == "0003"
            && person["FirstName"] == "Ada";
        if agrees { Ok(()) } else { Err(format!("{contact} {person} {own:?} {:?}", interlock.items())) }
    });
    assert_eq!(interlock.items(), Vec::<Value>::new());
    assert_eq!((world.contacts("Id != null").len(), world.relationships().len()), (2, 2), "nothing is doubled");
    // Nobody takes a person for a customer.
    assert_eq!(world.accounts("Name != null").len(), 1);
}

#[test]
fn a_contact_waits_for_its_customer_and_one_without_is_in_one_system_only() {
    let world = World::with_frequent_sweeps();
    let interlock = world.interlock();
    // The ERP refuses the customer, so that it has none.
    let account =
        world.create_account(&json!({"Name": "ACME", "BillingPostalCode": "1", "BillingCountry": "Wonderland"}));
    interlock.item("erp refuses ACME");
    let contact = world
        .create_record("Contact", &json!({"AccountId": account, "LastName": "Lovelace", "Email": "ada@example.com"}));
    stands(&interlock, "Lovelace", "its customer is waited for");
    // It waits through a restart as well.
    interlock.program.kill();
    let interlock = world.interlock();
    assert!(world.relationships().is_empty());
    world.update_account(&account, &json!({"BillingCountry": "Ireland"}));
    let number = until(SOON, || {
        let found = world.account(&account);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    });
    let made = related(&world, &interlock, "ada@example.com", &number);
    stands(&interlock, "Lovelace", "in agreement");

    // A private contact is nobody's business in the ERP, until it gets a customer.
    let private = world.create_record("Contact", &json!({"LastName": "Hopper", "Email": "grace@example.com"}));
    stands(&interlock, "Hopper", "not for erp");
    world.update_record("Contact", &private, &json!({"AccountId": account}));
    related(&world, &interlock, "grace@example.com", &number);

    // To another customer: one relationship goes, another one comes.
    let (other, other_number) = customer(&world, &interlock, "Umbrella");
    world.update_record("Contact", &contact, &json!({"AccountId": other}));
    let moved = related(&world, &interlock, "ada@example.com", &other_number);
    assert_eq!(moved.person, made.person);
    // And back, by the ERP.
    world.end_relationship(&moved);
    world.relate(&number, &made.person, &json!({"EmailAddress": "ada@example.com"}));
    until(SOON, || match &world.contact(&contact)["AccountId"] {
        found if *found == json!(account) => Ok(()),
        found => Err(format!("{found} {:?}", interlock.items())),
    });
    related(&world, &interlock, "ada@example.com", &number);

    // Without a customer it is nobody's contact any more; the person stays.
    world.update_record("Contact", &contact, &json!({"AccountId": null}));
    until(SOON, || {
        let left = world.relationships();
        let gone = left.iter().all(|one| one.person != made.person);
        if gone { Ok(()) } else { Err(format!("{left:?} {:?}", interlock.items())) }
    });
    assert_eq!(world.partner(&made.person)["LastName"], "Lovelace");
    assert_eq!(interlock.items(), Vec::<Value>::new());
    assert_eq!(world.contacts("Id != null").len(), 2, "nothing is doubled");
}

#[test]
fn a_deleted_contact_is_blocked_and_one_of_two_companies_is_for_a_person() {
    let world = World::with_frequent_sweeps();
    let interlock = world.interlock();
    let (account, number) = customer(&world, &interlock, "ACME");
    let contact = world
        .create_record("Contact", &json!({"AccountId": account, "LastName": "Lovelace", "Email": "ada@example.com"}));
    let made = related(&world, &interlock, "ada@example.com", &number);
    let blocked = |wanted: bool| {
        until(SOON, || {
            let person = world.partner(&made.person);
            if person["BusinessPartnerIsBlocked"] == wanted { Ok(()) } else { Err(format!("{person}")) }
        });
    };
    world.delete_record("Contact", &contact);
    blocked(true);
    world.does("undelete", &json!({"ids": [contact]}));
    blocked(false);
    // The ERP could name two customers, the CRM cannot.
    let (_, other) = customer(&world, &interlock, "Umbrella");
    world.relate(&other, &made.person, &json!({}));
    let item = interlock.item(&format!("contacts {} of erp cannot be read", made.person));
    let reason = item["reason"].as_str().expect("a reason");
    assert!(reason.contains("a contact of several companies") && reason.contains(&other), "{item:#}");
    // Nothing else waits for it, and it is over when one of the relationships is.
    let second = world.relationships().into_iter().find(|one| one.company == other).expect("the second");
    world.create_record("Contact", &json!({"AccountId": account, "LastName": "Hopper", "Email": "grace@example.com"}));
    related(&world, &interlock, "grace@example.com", &number);
    world.end_relationship(&second);
    until(SOON, || match interlock.items() {
        items if items.is_empty() => Ok(()),
        items => Err(format!("{items:?}")),
    });
    world.update_record("Contact", &contact, &json!({"Email": "ada.l@example.com"}));
    related(&world, &interlock, "ada.l@example.com", &number);
}

#[test]
fn contacts_that_both_had_before_are_found_by_their_address_within_the_customer() {
    const IN_BOTH: usize = 30;
    let world = World::with_frequent_sweeps();
    let mut wanted = HashMap::new();
    for place in 0..IN_BOTH {
        let (name, code) = (format!("Company {place}"), format!("C{place}"));
        let account =
            world.create_account(&json!({"Name": name, "BillingPostalCode": code, "BillingCountry": "Ireland"}));
        let number = world.create_partner(&name, "Hull", &code);
        // The same address at each customer: it is another person there.
        let email = "info@example.com";
        let contact = world.create_record(
            "Contact",
            &json!({"AccountId": account, "LastName": format!("Of {place}"), "Email": email}),
        );
        let person = world.create_person("", &format!("of {place}"));
        world.relate(
            &number,
            &person,
            &json!({"EmailAddress": "INFO@example.com", "PhoneNumber": format!("0113 {place}")}),
        );
        wanted.insert(contact, (person, format!("0113 {place}")));
    }
    let mut interlock = world.interlock();
    for _ in 0..2 {
        interlock.program.kill();
        interlock = world.interlock();
    }
    until(LATER, || {
        let contacts = world.contacts("Id != null");
        if contacts.len() != IN_BOTH || world.relationships().len() != IN_BOTH {
            return Err(format!("{} and {:?} {:?}", contacts.len(), world.relationships(), interlock.items()));
        }
        for contact in &contacts {
            let (person, phone) = &wanted[contact["Id"].as_str().expect("an id")];
            let person = world.partner(person);
            if contact["Phone"] != *phone
                || contact["Interlock_Key__c"] != person["BusinessPartnerIDByExtSystem"]
                || contact["LastName"] != person["LastName"]
            {
                return Err(format!("{contact} is not {person} {:?}", interlock.items()));
            }
        }
        Ok(())
    });
    assert_eq!(interlock.items(), Vec::<Value>::new());
}

#[test]
fn edits_of_contacts_on_both_sides_with_faults_and_kills_end_in_agreement() {
    const CONTACTS: usize = 20;
    const EDITS: usize = 150;
    const KILLS: usize = 3;
    let world = World::with_frequent_sweeps();
    world.edit("objects/contact.yaml", "conflict: queue", "conflict: newest");
    let mut interlock = world.interlock();
    let customers: Vec<(String, String)> =
        ["A", "B", "C"].into_iter().map(|name| customer(&world, &interlock, name)).collect();
    for place in 0..CONTACTS {
        let (account, number) = &customers[place % customers.len()];
        let email = format!("c{place}@example.com");
        if place % 2 == 0 {
            let name = format!("Person {place}");
            world.create_record("Contact", &json!({"AccountId": account, "LastName": name, "Email": email}));
        } else {
            let person = world.create_person("", &format!("Person {place}"));
            world.relate(number, &person, &json!({"EmailAddress": email}));
        }
    }
    let pairs: Vec<(String, String)> = until(LATER, || {
        let (contacts, persons) = (world.contacts("Interlock_Key__c != null"), world.persons());
        let related = world.relationships();
        let person = |contact: &Value| {
            let is = |person: &&Value| person["BusinessPartnerIDByExtSystem"] == contact["Interlock_Key__c"];
            let number = persons.iter().find(is)?["BusinessPartner"].as_str()?.to_owned();
            related.iter().any(|one| one.person == number).then_some(number)
        };
        let pairs: Vec<_> = contacts
            .iter()
            .filter_map(|contact| Some((contact["Id"].as_str()?.to_owned(), person(contact)?)))
            .collect();
        if pairs.len() == CONTACTS { Ok(pairs) } else { Err(format!("{} {:?}", pairs.len(), interlock.items())) }
    });
    world.weather(0.02);
    // What the owner of the name said last, by contact.
    let mut last = HashMap::new();
    let mut random = Random(7);
    for edit in 0..EDITS {
        let (contact, person) = &pairs[random.below(CONTACTS)];
        let text = format!("Value {edit}");
        match random.below(6) {
            0 => {
                world.update_record("Contact", contact, &json!({"LastName": text}));
                last.insert(contact.clone(), text);
            }
            1 => world.update_record("Contact", contact, &json!({"Phone": format!("0113 {edit}")})),
            2 => {
                let (title, _) = FUNCTIONS[random.below(FUNCTIONS.len())];
                world.update_record("Contact", contact, &json!({"Title": title}));
            }
            3 => {
                let (account, _) = &customers[random.below(customers.len())];
                world.update_record("Contact", contact, &json!({"AccountId": account}));
            }
            4 => world.update_partner(person, &json!({"LastName": text})),
            // It may be moved to another company at the same time.
            _ => world.try_to_change(person, &json!({"PhoneNumber": format!("0114 {edit}")})),
        }
        if edit % (EDITS / KILLS) == EDITS / KILLS / 2 {
            interlock.program.kill();
            interlock = world.interlock();
        }
    }
    world.weather(0.0);
    until(LATER, || {
        let (contacts, related, persons) = (world.contacts("Id != null"), world.relationships(), world.persons());
        if (contacts.len(), related.len(), persons.len()) != (CONTACTS, CONTACTS, CONTACTS) {
            return Err(format!(
                "{} contacts, {} persons, {related:?} {:?}",
                contacts.len(),
                persons.len(),
                interlock.items()
            ));
        }
        for (id, number) in &pairs {
            let contact = contacts.iter().find(|contact| contact["Id"] == **id).ok_or("no contact")?;
            let person = persons.iter().find(|person| person["BusinessPartner"] == **number).ok_or("no person")?;
            let own = related.iter().find(|one| one.person == *number).ok_or("no relationship")?;
            let text = |name: &str| contact[name].as_str().unwrap_or_default();
            let account = customers.iter().find(|(_, number)| *number == own.company).map(|(account, _)| account);
            let function = FUNCTIONS.iter().find(|(title, _)| *title == text("Title")).map_or("", |(_, code)| code);
            let pairs = [
                (text("LastName"), person["LastName"].as_str().unwrap_or_default()),
                (text("Phone"), &own.phone),
                (text("Email"), &own.email),
                (function, &own.function),
                (text("AccountId"), account.map_or("", |account| account)),
            ];
            if let Some((crm, erp)) = pairs.into_iter().find(|(crm, erp)| crm != erp) {
                return Err(format!("{contact}: {crm} is not {erp} in {own:?} {:?}", interlock.items()));
            }
            if let Some(owners) = last.get(id).filter(|owners| **owners != text("LastName")) {
                return Err(format!("{contact}: its owner called it {owners}"));
            }
        }
        Ok(())
    });
    until(SOON, || match interlock.items() {
        items if items.is_empty() => Ok(()),
        items => Err(format!("{items:?}")),
    });
}

#[test]
fn a_customer_below_another_one_has_its_group_in_the_erp_and_a_circle_is_for_a_person() {
    let world = World::with_frequent_sweeps();
    let interlock = world.interlock();
    // The one below comes first.
    let (first, below) = customer(&world, &interlock, "Branch");
    let (second, above) = customer(&world, &interlock, "Head");
    let group = |number: &str, wanted: &str| {
        until(SOON, || {
            let found = world.read(&format!("API_BUSINESS_PARTNER/A_Customer('{number}')"));
            let group = found["CustomerCorporateGroup"].as_str().unwrap_or_default();
            if group == wanted { Ok(()) } else { Err(format!("{group} instead of {wanted}: {:?}", interlock.items())) }
        });
    };
    world.update_account(&first, &json!({"ParentId": second}));
    group(&below, &above);
    // Of a new one as well.
    let third = world.create_account(
        &json!({"Name": "Office", "BillingPostalCode": "O", "BillingCountry": "Ireland", "ParentId": first}),
    );
    let number = until(SOON, || {
        let found = world.account(&third);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    });
    group(&number, &below);
    // A circle: the one that closes it is told of, and nothing else waits for that.
    world.update_account(&second, &json!({"ParentId": third, "Name": "Head office"}));
    let item = interlock.item("its parent cannot be set");
    let reason = item["reason"].as_str().expect("a reason");
    assert!(reason.contains("Office") && reason.contains("Branch") && reason.contains(" → "), "{item:#}");
    assert_eq!(item["queue"], "stewardship");
    until(SOON, || match world.partner(&above)["OrganizationBPName1"].as_str() {
        Some("Head office") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    group(&above, "");
    stands(&interlock, &format!("Head office {above}"), "its parent is below it");
    // Another one of them gets another parent: the circle is open.
    world.update_account(&third, &json!({"ParentId": null}));
    group(&above, &number);
    group(&number, "");
    until(SOON, || match interlock.items() {
        items if items.is_empty() => Ok(()),
        items => Err(format!("{items:?}")),
    });
    // A parent that is not known is told of, and set when it is.
    let unreadable = world.create_account(&json!({"Name": " ", "BillingCountry": "Ireland"}));
    world.update_account(&second, &json!({"ParentId": unreadable}));
    let item = interlock.item("its parent cannot be set");
    assert!(item["reason"].as_str().is_some_and(|reason| reason.contains(&unreadable)), "{item:#}");
    world.update_account(&unreadable, &json!({"Name": "Holding"}));
    let holding = until(SOON, || {
        let found = world.account(&unreadable);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    });
    group(&above, &holding);
    until(SOON, || match interlock.items() {
        items if items.is_empty() => Ok(()),
        items => Err(format!("{items:?}")),
    });
}
