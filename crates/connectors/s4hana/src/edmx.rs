//! Reads a `$metadata` document (EDMX 1.0 with OData V2 and SAP annotations) into a [`Service`].
//!
//! Only what the connector uses is kept. Documents come from outside: their size is bounded by the transport, the number of
//! definitions here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::metadata::{Edm, EntitySet, EntityType, Function, Navigation, Property, Service};

/// Most types, sets, associations, functions, properties and navigations of one service together.
const DEFINITIONS_MAX: usize = 200_000;

/// Why a document is not metadata that the connector can work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EdmxError {
    /// It is not well-formed XML.
    #[error("it is not well-formed XML at byte {at}: {message}")]
    Xml {
        /// Where.
        at: u64,
        /// What is wrong.
        message: String,
    },
    /// It is XML, but it describes no entity container.
    #[error("it describes no entity sets and no functions")]
    Empty,
    /// It is larger than any service of this vendor.
    #[error("it has more than {DEFINITIONS_MAX} definitions")]
    TooLarge,
}

/// A navigation before its association is known.
struct OpenNavigation {
    entity: Arc<str>,
    name: Arc<str>,
    association: Arc<str>,
    to_role: Arc<str>,
}

struct End {
    role: Arc<str>,
    entity: Arc<str>,
    many: bool,
}

#[derive(Default)]
struct Building {
    service: Service,
    current_type: Option<EntityType>,
    current_function: Option<(Arc<str>, Function)>,
    current_association: Option<Arc<str>>,
    associations: HashMap<Arc<str>, Vec<End>>,
    navigations: Vec<OpenNavigation>,
    definitions: usize,
}

/// Reads the `$metadata` document of the service `name`.
///
/// # Errors
/// When it is not XML, describes nothing, or is larger than any real service.
pub(crate) fn parse(name: &str, document: &str) -> Result<Service, EdmxError> {
    let mut reader = Reader::from_str(document);
    let mut building = Building { service: Service { name: name.into(), ..Service::default() }, ..Building::default() };
    loop {
        let event = reader
            .read_event()
            .map_err(|error| EdmxError::Xml { at: reader.error_position(), message: error.to_string() })?;
        match event {
            Event::Start(element) => building.open(&element)?,
            Event::Empty(element) => {
                building.open(&element)?;
                building.close(element.local_name().into_inner());
            }
            Event::End(element) => building.close(element.local_name().into_inner()),
            Event::Eof => break,
            _ => {}
        }
    }
    building.finish()
}

impl Building {
    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), EdmxError> {
        self.definitions += 1;
        if self.definitions > DEFINITIONS_MAX {
            return Err(EdmxError::TooLarge);
        }
        let text = |name: &str| attribute(element, name);
        let name = || -> Arc<str> { text("Name").unwrap_or_default().into() };
        let allowed = |name: &str| text(name).as_deref() != Some("false");
        match element.local_name().into_inner() {
            "EntityType" | "ComplexType" => {
                self.current_type = Some(EntityType { name: name(), ..EntityType::default() });
            }
            "PropertyRef" => {
                if let Some(entity) = &mut self.current_type {
                    entity.keys.push(name());
                }
            }
            "Property" => {
                if let Some(entity) = &mut self.current_type {
                    entity.has_etag |= text("ConcurrencyMode").as_deref() == Some("Fixed");
                    entity.properties.insert(name(), property(element));
                }
            }
            "NavigationProperty" => {
                if let Some(entity) = &self.current_type {
                    self.navigations.push(OpenNavigation {
                        entity: Arc::clone(&entity.name),
                        name: name(),
                        association: unqualified(&text("Relationship").unwrap_or_default()),
                        to_role: text("ToRole").unwrap_or_default().into(),
                    });
                }
            }
            "Association" => self.current_association = Some(name()),
            "End" => {
                // An AssociationSet has ends as well, but of sets: they have no type.
                if let (Some(association), Some(entity)) = (&self.current_association, text("Type")) {
                    self.associations.entry(Arc::clone(association)).or_default().push(End {
                        role: text("Role").unwrap_or_default().into(),
                        entity: unqualified(&entity),
                        many: text("Multiplicity").as_deref() == Some("*"),
                    });
                }
            }
            "EntitySet" => {
                let set = EntitySet {
                    entity: unqualified(&text("EntityType").unwrap_or_default()),
                    creatable: allowed("creatable"),
                    updatable: allowed("updatable"),
                    deletable: allowed("deletable"),
                };
                self.service.sets.insert(name(), set);
            }
            "FunctionImport" => {
                let function = Function {
                    changes: text("HttpMethod").as_deref().is_some_and(|method| method != "GET"),
                    parameters: Vec::new(),
                    returns: text("ReturnType").map(|kind| {
                        let kind = kind.strip_prefix("Collection(").map_or(&*kind, |kind| kind.trim_end_matches(')'));
                        unqualified(kind)
                    }),
                    action_for: text("action-for").map(|kind| unqualified(&kind)),
                };
                self.current_function = Some((name(), function));
            }
            "Parameter" => {
                if let Some((_, function)) = &mut self.current_function {
                    function.parameters.push((name(), property(element)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, element: &str) {
        match element {
            "EntityType" | "ComplexType" => {
                if let Some(entity) = self.current_type.take() {
                    self.service.types.insert(Arc::clone(&entity.name), Arc::new(entity));
                }
            }
            "Association" => self.current_association = None,
            "FunctionImport" => {
                if let Some((name, function)) = self.current_function.take() {
                    self.service.functions.insert(name, function);
                }
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Result<Service, EdmxError> {
        for open in std::mem::take(&mut self.navigations) {
            let ends = self.associations.get(&open.association).map(Vec::as_slice).unwrap_or_default();
            let Some(end) = ends.iter().find(|end| end.role == open.to_role) else { continue };
            let navigation = Navigation { target: Arc::clone(&end.entity), many: end.many };
            if let Some(entity) = self.service.types.get_mut(&open.entity).and_then(Arc::get_mut) {
                entity.navigations.insert(open.name, navigation);
            }
        }
        let types = &self.service.types;
        for function in self.service.functions.values_mut() {
            function.returns = function.returns.take().filter(|kind| types.contains_key(kind));
        }
        if self.service.sets.is_empty() && self.service.functions.is_empty() {
            return Err(EdmxError::Empty);
        }
        Ok(self.service)
    }
}

fn property(element: &BytesStart<'_>) -> Property {
    let text = |name: &str| attribute(element, name);
    let vendor_type = text("Type").unwrap_or_default();
    let edm = match vendor_type.strip_prefix("Edm.") {
        Some("String") => Edm::String,
        Some("Decimal") => Edm::Decimal,
        Some("Int64") => Edm::Int64,
        Some("Byte" | "SByte" | "Int16" | "Int32") => Edm::Integer,
        Some("Double" | "Single") => Edm::Double,
        Some("Boolean") => Edm::Boolean,
        Some("DateTime") if text("display-format").as_deref() == Some("Date") => Edm::Date,
        Some("DateTime") => Edm::DateTime,
        Some("DateTimeOffset") => Edm::DateTimeOffset,
        Some("Time") => Edm::Time,
        Some("Guid") => Edm::Guid,
        Some("Binary") => Edm::Binary,
        Some(_) => Edm::Other,
        None => Edm::Complex(unqualified(&vendor_type)),
    };
    Property {
        edm,
        nullable: text("Nullable").as_deref() != Some("false"),
        length_max: text("MaxLength").and_then(|length| length.parse().ok()),
        scale: text("Scale").and_then(|scale| scale.parse().ok()),
        creatable: text("creatable").as_deref() != Some("false"),
        updatable: text("updatable").as_deref() != Some("false"),
        vendor_type: vendor_type.into(),
    }
}

/// The attribute with this local name: prefixes (`sap:`, `m:`) are a matter of the document.
fn attribute<'a>(element: &'a BytesStart<'_>, name: &str) -> Option<Cow<'a, str>> {
    element
        .attributes()
        .flatten()
        .find(|attribute| attribute.key.local_name().into_inner() == name)
        .and_then(|attribute| attribute.normalized_value(XmlVersion::Implicit1_0).ok())
}

fn unqualified(name: &str) -> Arc<str> {
    name.rsplit('.').next().unwrap_or(name).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: &str = r#"<?xml version="1.0"?><edmx:Edmx Version="1.0" xmlns:edmx="e" xmlns:m="m" xmlns:sap="s">
      <edmx:DataServices m:DataServiceVersion="2.0"><Schema Namespace="S">
        <EntityType Name="OrderType"><Key><PropertyRef Name="Order"/></Key>
          <Property Name="Order" Type="Edm.String" Nullable="false" MaxLength="10"/>
          <Property Name="Net" Type="Edm.Decimal" Precision="16" Scale="3" sap:creatable="false"/>
          <Property Name="On" Type="Edm.DateTime" Precision="0" sap:display-format="Date"/>
          <Property Name="Changed" Type="Edm.DateTimeOffset" ConcurrencyMode="Fixed"/>
          <NavigationProperty Name="to_Item" Relationship="S.a1" FromRole="f" ToRole="t"/>
        </EntityType>
        <EntityType Name="ItemType"><Key><PropertyRef Name="Order"/><PropertyRef Name="Item"/></Key>
          <Property Name="Order" Type="Edm.String"/><Property Name="Item" Type="Edm.String"/></EntityType>
        <ComplexType Name="Done"><Property Name="Ok" Type="Edm.Boolean"/></ComplexType>
        <Association Name="a1"><End Type="S.OrderType" Multiplicity="1" Role="f"/><End Type="S.ItemType" Multiplicity="*" Role="t"/></Association>
        <EntityContainer Name="C" m:IsDefaultEntityContainer="true">
          <EntitySet Name="Orders" EntityType="S.OrderType" sap:deletable="false"/>
          <EntitySet Name="Items" EntityType="S.ItemType"/>
          <AssociationSet Name="a1" Association="S.a1"><End EntitySet="Orders" Role="f"/><End EntitySet="Items" Role="t"/></AssociationSet>
          <FunctionImport Name="release" ReturnType="S.Done" m:HttpMethod="POST" sap:action-for="S.OrderType"><Parameter Name="Order" Type="Edm.String" Mode="In"/></FunctionImport>
          <FunctionImport Name="list" ReturnType="Collection(S.ItemType)" m:HttpMethod="GET"/>
        </EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

    #[test]
    fn reads_types_sets_and_functions() {
        let service = parse("S", SMALL).expect("metadata");
        let (set, order) = service.set("Orders").expect("a set");
        assert!(set.creatable && !set.deletable);
        assert_eq!((&*order.keys[0], order.has_etag), ("Order", true));
        assert_eq!(order.properties["On"].edm, Edm::Date);
        assert_eq!(order.properties["Net"].scale, Some(3));
        assert!(!order.properties["Net"].creatable && !order.properties["Order"].nullable);
        assert_eq!(order.navigations["to_Item"], Navigation { target: "ItemType".into(), many: true });
        let release = service.function("release").expect("a function");
        assert!(release.changes);
        assert_eq!((release.returns.as_deref(), release.action_for.as_deref()), (Some("Done"), Some("OrderType")));
        assert_eq!(service.function("list").expect("a function").returns.as_deref(), Some("ItemType"));
    }

    #[test]
    fn names_the_nearest_set_and_field() {
        let service = parse("S", SMALL).expect("metadata");
        assert!(service.set("Order").expect_err("none").message.contains("did you mean `Orders`?"));
        let (_, order) = service.set("Orders").expect("a set");
        assert!(order.property("net").expect_err("none").message.contains("did you mean `Net`?"));
    }

    #[test]
    fn what_is_not_metadata_is_refused() {
        assert_eq!(parse("S", "<html></html>").expect_err("no metadata"), EdmxError::Empty);
        assert!(matches!(parse("S", "<a><b></a>"), Err(EdmxError::Xml { .. })));
    }

    #[test]
    fn the_real_documents_are_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/reference/api/s4hana");
        if !folder.exists() {
            println!("skipped: the vendor's metadata documents are not on this machine");
            return;
        }
        let read = |name: &str| {
            let text = std::fs::read_to_string(folder.join(format!("{name}.edmx"))).expect("a file");
            parse(name, &text).expect("metadata")
        };
        let orders = read("API_SALES_ORDER_SRV");
        assert_eq!(orders.sets.len(), 11);
        let (_, order) = orders.set("A_SalesOrder").expect("a set");
        assert!(order.has_etag);
        assert_eq!(order.navigations["to_Item"].target.as_ref(), "A_SalesOrderItemType");
        assert_eq!(order.properties["PurchaseOrderByCustomer"].length_max, Some(35));
        assert_eq!(order.properties["LastChangeDateTime"].edm, Edm::DateTimeOffset);
        assert!(orders.function("releaseApprovalRequest").expect("a function").changes);
        let partners = read("API_BUSINESS_PARTNER");
        let (customers, customer) = partners.set("A_Customer").expect("a set");
        assert!(!customers.creatable && !customer.has_etag);
        let (_, partner) = partners.set("A_BusinessPartner").expect("a set");
        assert!(partner.navigations["to_BusinessPartnerAddress"].many && !partner.navigations["to_Customer"].many);
        for other in ["API_PRODUCT_SRV", "API_SLSPRICINGCONDITIONRECORD_SRV"] {
            let service = read(other);
            for (name, set) in &service.sets {
                assert!(!service.types[&set.entity].keys.is_empty(), "{other}/{name}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_error_or_a_service(text in "(<[a-zA-Z]{1,14}( Name=\"[a-z]{0,3}\")?/?>|</[a-zA-Z]{1,9}>|[a-z<&\"]{0,3}){0,20}") {
            let _ = parse("S", &text);
        }

        #[test]
        fn a_cut_document_is_an_error_or_a_service(at in 0usize..SMALL.len()) {
            if let Some(text) = SMALL.get(..at) {
                let _ = parse("S", text);
            }
        }
    }
}
