//! `$metadata` agrees with the vendor's where a copy of that is at hand.

use std::collections::BTreeMap;
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::support::{System, never};

/// What is compared of a type: key, properties with their type and length, navigation with its target and multiplicity.
#[derive(Debug, Default, PartialEq)]
struct Type {
    key: Vec<String>,
    properties: BTreeMap<String, String>,
    navigations: BTreeMap<String, (String, String)>,
}

fn attribute(element: &BytesStart<'_>, name: &str) -> String {
    let found = element.attributes().flatten().find(|attribute| attribute.key.as_ref() == name);
    found.map_or(String::new(), |attribute| attribute.value.into_owned())
}

fn short(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_owned()
}

fn types(document: &str) -> BTreeMap<String, Type> {
    let mut reader = Reader::from_str(document);
    let mut types: BTreeMap<String, Type> = BTreeMap::new();
    let mut ends: BTreeMap<(String, String), (String, String)> = BTreeMap::new();
    let (mut current, mut association) = (String::new(), String::new());
    let mut pending = Vec::new();
    loop {
        let event = reader.read_event().expect("well-formed metadata");
        match &event {
            Event::Start(element) | Event::Empty(element) => {
                let name = attribute(element, "Name");
                match element.local_name().as_ref() {
                    "EntityType" => {
                        current = name;
                        types.insert(current.clone(), Type::default());
                    }
                    "ComplexType" => current.clear(),
                    "PropertyRef" => {
                        if let Some(kind) = types.get_mut(&current) {
                            kind.key.push(name);
                        }
                    }
                    "Property" => {
                        if let Some(kind) = types.get_mut(&current) {
                            let facets = ["Type", "MaxLength", "Precision", "Scale", "Nullable", "ConcurrencyMode"];
                            let facets = facets.map(|facet| attribute(element, facet)).join(" ");
                            kind.properties.insert(name, facets);
                        }
                    }
                    "NavigationProperty" if !current.is_empty() => {
                        let role = (short(&attribute(element, "Relationship")), attribute(element, "ToRole"));
                        pending.push((current.clone(), name, role));
                    }
                    "Association" => {
                        current.clear();
                        association = name;
                    }
                    "End" if !association.is_empty() => {
                        let end = (short(&attribute(element, "Type")), attribute(element, "Multiplicity"));
                        ends.insert((association.clone(), attribute(element, "Role")), end);
                    }
                    "EntityContainer" => association.clear(),
                    _ => {}
                }
            }
            Event::End(element) if element.local_name().as_ref() == "EntityType" => current.clear(),
            Event::Eof => break,
            _ => {}
        }
    }
    for (kind, name, role) in pending {
        let end = ends.get(&role).unwrap_or_else(|| panic!("{kind}/{name} leads nowhere")).clone();
        types.get_mut(&kind).expect("a type").navigations.insert(name, end);
    }
    types
}

#[tokio::test]
async fn metadata_agrees_with_the_vendors() {
    let system = System::start(never()).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/reference/api/s4hana");
    for service in
        ["API_BUSINESS_PARTNER", "API_PRODUCT_SRV", "API_SALES_ORDER_SRV", "API_SLSPRICINGCONDITIONRECORD_SRV"]
    {
        let ours = types(&system.get(&format!("{service}/$metadata")).await.text);
        assert!(!ours.is_empty(), "{service}");
        let Ok(document) = std::fs::read_to_string(folder.join(format!("{service}.edmx"))) else {
            println!("skipped: there is no {service}.edmx to compare with in {}", folder.display());
            continue;
        };
        let theirs = types(&document);
        for (name, our_type) in &ours {
            let their_type = theirs.get(name).unwrap_or_else(|| panic!("{service} has no type {name}"));
            assert_eq!(our_type.key, their_type.key, "{name}");
            for (property, facets) in &our_type.properties {
                assert_eq!(Some(facets), their_type.properties.get(property), "{name}.{property}");
            }
            for (navigation, end) in &our_type.navigations {
                assert_eq!(Some(end), their_type.navigations.get(navigation), "{name}/{navigation}");
            }
        }
    }
}

#[tokio::test]
async fn every_service_describes_itself() {
    let system = System::start(never()).await;
    for service in [
        "API_SALES_ORDER_SIMULATION_SRV",
        "API_PRODUCT_AVAILY_INFO_BASIC",
        "API_OUTBOUND_DELIVERY_SRV",
        "API_BILLING_DOCUMENT_SRV",
        "API_CUSTOMER_RETURN_SRV",
        "API_MATERIAL_STOCK_SRV",
    ] {
        let answer = system.get(&format!("{service}/$metadata")).await;
        assert!(answer.headers["content-type"].starts_with("application/xml"), "{service}");
        let described = types(&answer.text);
        assert!(described.values().all(|kind| !kind.key.is_empty() && !kind.properties.is_empty()), "{service}");
        // Every set answers a read.
        let sets = system.get(&format!("{service}/?$format=json")).await.json();
        for set in sets["d"]["EntitySets"].as_array().expect("sets") {
            let path = format!("{service}/{}?$top=1", set.as_str().expect("a name"));
            assert_eq!(system.get(&path).await.status, 200, "{path}");
        }
    }
}
