//! `$metadata` and service documents, written from the catalog.

use std::fmt::Write as _;

use super::edm::{EntityType, Property, Service};

/// The metadata of a service.
#[must_use]
pub(crate) fn document(service: &Service) -> &str {
    service.metadata.get_or_init(|| write(service))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// The name of the association behind a navigation: Gateway names them by a hash as well.
fn association(entity: &EntityType, navigation: &str) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in entity.full_name.bytes().chain([b'/']).chain(navigation.bytes()) {
        hash ^= u128::from(byte);
        hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B);
    }
    format!("assoc_{hash:032X}")
}

fn write(service: &Service) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let name = service.name;
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><edmx:Edmx Version=\"1.0\" \
         xmlns:edmx=\"http://schemas.microsoft.com/ado/2007/06/edmx\" \
         xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\" \
         xmlns:sap=\"http://www.sap.com/Protocols/SAPData\"><edmx:DataServices m:DataServiceVersion=\"2.0\">\
         <Schema Namespace=\"{name}\" xml:lang=\"en\" sap:schema-version=\"1\" \
         xmlns=\"http://schemas.microsoft.com/ado/2008/09/edm\">"
    );
    let entities = || service.types.iter().filter(|entity| !entity.set.is_empty());
    for entity in entities() {
        write_entity(entity, &mut out);
    }
    for complex in service.types.iter().filter(|entity| entity.set.is_empty()) {
        let _ = write!(out, "<ComplexType Name=\"{}\">", complex.name);
        complex.properties.iter().for_each(|property| write_property(property, &mut out));
        out.push_str("</ComplexType>");
    }
    for entity in entities() {
        for navigation in &entity.navigations {
            let assoc = association(entity, navigation.name);
            let target = service.target(navigation);
            let _ = write!(
                out,
                "<Association Name=\"{assoc}\" sap:content-version=\"1\">\
                 <End Type=\"{}\" Multiplicity=\"1\" Role=\"FromRole_{assoc}\"/>\
                 <End Type=\"{}\" Multiplicity=\"{}\" Role=\"ToRole_{assoc}\"/></Association>",
                entity.full_name, target.full_name, navigation.multiplicity
            );
        }
    }
    let _ = write!(
        out,
        "<EntityContainer Name=\"{name}_Entities\" m:IsDefaultEntityContainer=\"true\" \
         sap:message-scope-supported=\"true\" sap:supported-formats=\"atom json xlsx\">"
    );
    for entity in entities() {
        let _ = write!(out, "<EntitySet Name=\"{}\" EntityType=\"{}\"", entity.set, entity.full_name);
        for (letter, attribute) in
            [('c', "creatable"), ('u', "updatable"), ('d', "deletable"), ('p', "pageable"), ('a', "addressable")]
        {
            if entity.refuses(letter) {
                let _ = write!(out, " sap:{attribute}=\"false\"");
            }
        }
        out.push_str(" sap:content-version=\"1\"/>");
    }
    for entity in entities() {
        for navigation in &entity.navigations {
            let assoc = association(entity, navigation.name);
            let _ = write!(
                out,
                "<AssociationSet Name=\"{assoc}\" Association=\"{name}.{assoc}\" sap:creatable=\"false\" \
                 sap:updatable=\"false\" sap:deletable=\"false\" sap:content-version=\"1\">\
                 <End EntitySet=\"{}\" Role=\"FromRole_{assoc}\"/><End EntitySet=\"{}\" Role=\"ToRole_{assoc}\"/>\
                 </AssociationSet>",
                entity.set,
                service.target(navigation).set
            );
        }
    }
    for function in &service.functions {
        let returns = &service.types[function.returns];
        let kind = if function.many { format!("Collection({})", returns.full_name) } else { returns.full_name.clone() };
        let _ = write!(out, "<FunctionImport Name=\"{}\" ReturnType=\"{kind}\"", function.name);
        if !returns.set.is_empty() {
            let _ = write!(out, " EntitySet=\"{}\"", returns.set);
        }
        let _ = write!(out, " m:HttpMethod=\"{}\"", function.method);
        if let Some(action) = function.action_for {
            let _ = write!(out, " sap:action-for=\"{name}.{action}\"");
        }
        out.push('>');
        for parameter in &function.parameters {
            let _ =
                write!(out, "<Parameter Name=\"{}\" Type=\"Edm.{}\" Mode=\"In\"", parameter.name, parameter.type_name);
            if let Some(length) = parameter.length {
                let facet = if parameter.type_name == "String" { "MaxLength" } else { "Precision" };
                let _ = match length.split_once('.') {
                    Some((precision, scale)) => write!(out, " Precision=\"{precision}\" Scale=\"{scale}\""),
                    None => write!(out, " {facet}=\"{length}\""),
                };
            }
            out.push_str("/>");
        }
        out.push_str("</FunctionImport>");
    }
    out.push_str("</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>");
    out
}

fn write_entity(entity: &EntityType, out: &mut String) {
    let _ = write!(
        out,
        "<EntityType Name=\"{}\" sap:label=\"{}\" sap:content-version=\"1\"><Key>",
        entity.name,
        escape(entity.label)
    );
    for key in &entity.keys {
        let _ = write!(out, "<PropertyRef Name=\"{}\"/>", entity.properties[*key].name);
    }
    out.push_str("</Key>");
    entity.properties.iter().for_each(|property| write_property(property, out));
    for navigation in &entity.navigations {
        let assoc = association(entity, navigation.name);
        let namespace = entity.full_name.split('.').next().unwrap_or_default();
        let _ = write!(
            out,
            "<NavigationProperty Name=\"{}\" Relationship=\"{namespace}.{assoc}\" FromRole=\"FromRole_{assoc}\" ToRole=\"ToRole_{assoc}\"/>",
            navigation.name
        );
    }
    out.push_str("</EntityType>");
}

fn write_property(property: &Property, out: &mut String) {
    let _ = write!(out, "<Property Name=\"{}\" Type=\"Edm.{}\"", property.name, property.type_name);
    if !property.nullable {
        out.push_str(" Nullable=\"false\"");
    }
    if let Some(length) = property.length {
        let _ = write!(out, " MaxLength=\"{length}\"");
    }
    if let Some(precision) = property.precision {
        let _ = write!(out, " Precision=\"{precision}\"");
    }
    if let Some(scale) = property.scale {
        let _ = write!(out, " Scale=\"{scale}\"");
    }
    if property.token {
        out.push_str(" ConcurrencyMode=\"Fixed\"");
    }
    for (attribute, value) in
        [("unit", property.unit), ("semantics", property.semantics), ("display-format", property.display)]
    {
        if let Some(value) = value {
            let _ = write!(out, " sap:{attribute}=\"{value}\"");
        }
    }
    if !property.label.is_empty() {
        let _ = write!(out, " sap:label=\"{}\"", escape(property.label));
    }
    for (attribute, offered) in [
        ("creatable", property.creatable),
        ("updatable", property.updatable),
        ("sortable", property.sortable),
        ("filterable", property.filterable),
    ] {
        if !offered {
            let _ = write!(out, " sap:{attribute}=\"false\"");
        }
    }
    out.push_str("/>");
}

/// The service document as JSON: the names of its sets.
#[must_use]
pub(crate) fn service_json(service: &Service) -> String {
    let sets: Vec<String> = sets(service).map(|set| format!("\"{set}\"")).collect();
    format!("{{\"d\":{{\"EntitySets\":[{}]}}}}", sets.join(","))
}

/// The service document as Atom.
#[must_use]
pub(crate) fn service_atom(service: &Service, root: &str) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><app:service xml:lang=\"en\" xml:base=\"{}\" \
         xmlns:app=\"http://www.w3.org/2007/app\" xmlns:atom=\"http://www.w3.org/2005/Atom\" \
         xmlns:sap=\"http://www.sap.com/Protocols/SAPData\"><app:workspace><atom:title type=\"text\">Data</atom:title>",
        escape(root)
    );
    for set in sets(service) {
        let _ = write!(
            out,
            "<app:collection sap:content-version=\"1\" href=\"{set}\"><atom:title type=\"text\">{set}</atom:title></app:collection>"
        );
    }
    out.push_str("</app:workspace></app:service>");
    out
}

fn sets(service: &Service) -> impl Iterator<Item = &'static str> {
    service.types.iter().map(|entity| entity.set).filter(|set| !set.is_empty())
}
