//! The measured table: an order as an ERP has it, 25 fields of every kind, and a record of 2 KB that fits it.

use std::sync::Arc;

use mapping::{
    CompileError, CurrencySource, Direction, FieldDefinition, Kind, ListDefinition, Mapping, MappingDefinition,
    Otherwise, TableDefinition, TooLong, ValueMap,
};
use model::{Path, PathError, Value};

/// How many fields are mapped, those of the list's items counted once.
pub(crate) const FIELDS: usize = 25;

/// Why there is no table: not for reasons that a user could mend.
#[derive(Debug)]
pub(crate) enum TableError {
    Path(PathError),
    Table(Vec<CompileError>),
}

impl From<PathError> for TableError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

impl std::fmt::Display for TableError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(error) => error.fmt(formatter),
            Self::Table(errors) => write!(formatter, "{errors:?}"),
        }
    }
}

/// The table.
pub(crate) fn table() -> Result<Mapping, TableError> {
    let cell = |canonical: &str, record: &str| -> Result<FieldDefinition, PathError> {
        Ok(FieldDefinition::plain(canonical.parse()?, record.parse()?))
    };
    let typed = |canonical: &str, record: &str, kind: Kind| -> Result<FieldDefinition, PathError> {
        Ok(FieldDefinition { kind, ..cell(canonical, record)? })
    };
    let coded = |canonical: &str, record: &str, values: &Arc<ValueMap>| -> Result<FieldDefinition, PathError> {
        Ok(FieldDefinition { values: Some(Arc::clone(values)), ..cell(canonical, record)? })
    };
    let money =
        || -> Result<Kind, PathError> { Ok(Kind::Money(CurrencySource::Field("TransactionCurrency".parse()?))) };
    let item_money = || -> Result<Kind, PathError> { Ok(Kind::Money(CurrencySource::Field("Currency".parse()?))) };
    let (countries, statuses) = (countries(), statuses());
    let lines = TableDefinition {
        fields: vec![
            cell("number", "SalesOrderItem")?,
            cell("product", "Material")?,
            typed("quantity", "RequestedQuantity", Kind::Decimal)?,
            typed("net", "NetAmount", item_money()?)?,
        ],
        ..TableDefinition::default()
    };
    let definition = MappingDefinition {
        name: "order.erp".into(),
        object: "order".into(),
        connection: "erp".into(),
        record: "API_SALES_ORDER_SRV/A_SalesOrder".into(),
        table: TableDefinition {
            fields: vec![
                FieldDefinition { length: Some(35), required: true, ..cell("key", "PurchaseOrderByCustomer")? },
                cell("number", "SalesOrder")?,
                cell("kind", "SalesOrderType")?,
                coded("status", "OverallSDProcessStatus", &statuses)?,
                cell("customer.number", "SoldToParty")?,
                FieldDefinition { trim: true, ..cell("customer.name", "to_Partner.Name")? },
                cell("customer.street", "to_Partner.Address.StreetName")?,
                cell("customer.city", "to_Partner.Address.CityName")?,
                cell("customer.postalCode", "to_Partner.Address.PostalCode")?,
                coded("customer.country", "to_Partner.Address.Country", &countries)?,
                cell("customer.email", "to_Partner.Email")?,
                typed("orderedOn", "CustomerPurchaseOrderDate", Kind::Date)?,
                typed("requestedOn", "RequestedDeliveryDate", Kind::Date)?,
                typed("changedAt", "LastChangeDateTime", Kind::Instant)?,
                typed("net", "TotalNetAmount", money()?)?,
                typed("tax", "TotalTaxAmount", money()?)?,
                typed("discount", "DiscountPercent", Kind::Decimal)?,
                typed("priority", "DeliveryPriority", Kind::Integer)?,
                typed("complete", "CompleteDeliveryIsDefined", Kind::Boolean)?,
                typed("weight", "GrossWeight", Kind::Number)?,
                FieldDefinition {
                    length: Some(1_000),
                    too_long: TooLong::Cut,
                    trim: true,
                    ..typed("instructions", "to_Text.LongText", Kind::Text)?
                },
            ],
            constants: vec![("SalesOrganization".parse::<Path>()?, Value::from("1010"))],
            lists: vec![ListDefinition {
                canonical: "lines".parse()?,
                record: "to_Item".parse()?,
                direction: Direction::Both,
                table: lines,
            }],
        },
    };
    Mapping::compile(&definition).map_err(TableError::Table)
}

fn countries() -> Arc<ValueMap> {
    let pairs = [("GB", "United Kingdom"), ("DE", "Germany"), ("FR", "France"), ("IE", "Ireland"), ("NO", "Norway")];
    values("countries", pairs)
}

fn statuses() -> Arc<ValueMap> {
    values("statuses", [("A", "open"), ("B", "in-process"), ("C", "completed"), ("D", "held"), ("E", "cancelled")])
}

fn values(name: &str, pairs: [(&str, &str); 5]) -> Arc<ValueMap> {
    let pairs = pairs.map(|(record, canonical)| (Arc::from(record), Value::from(canonical)));
    Arc::new(ValueMap::new(name, pairs, Otherwise::Refuse))
}

/// The record as it comes from a wire.
pub(crate) const RECORD: &str = r#"{"SalesOrder":"0000004711","SalesOrderType":"OR","PurchaseOrderByCustomer":"Q-00004711-LEEDS-01","SoldToParty":"0017100003","OverallSDProcessStatus":"B","CustomerPurchaseOrderDate":"2026-11-23","RequestedDeliveryDate":"2026-11-30","LastChangeDateTime":"2026-11-23T09:31:27.1234567Z","TotalNetAmount":"12874.50","TotalTaxAmount":"2574.90","TransactionCurrency":"GBP","DiscountPercent":"2.50","DeliveryPriority":2,"CompleteDeliveryIsDefined":false,"GrossWeight":1284.375,"to_Partner":{"Name":"Northern Valve and Instrument Company Limited","Email":"purchasing@northern-valve.example.co.uk","Address":{"StreetName":"Unit 14, Whitehall Industrial Estate","CityName":"Leeds","PostalCode":"LS12 5JB","Country":"GB"}},"to_Text":{"LongText":"Deliver to gate 3 between 07:00 and 11:00 and ask for the store keeper. The forklift at this site lifts no more than 1.2 t, so split pallets that are heavier and mark each part with the number of the order. Certificates for pressure equipment have to travel with the goods, in English, one copy for each line, signed and dated; goods without them are sent back at the cost of the supplier. If a line cannot be delivered in full, tell the purchasing department before anything is shipped: part deliveries of valves are not accepted, spare parts may follow within ten working days. Invoices go to the address of the customer and not to this site, one for each delivery, with the number of the order and of the delivery note; what is not on the note is not paid, and the terms of the framework agreement count before those on the back of the invoice."},"to_Item":[{"SalesOrderItem":"10","Material":"VALVE-DN50-PN16-GG25","RequestedQuantity":"120.000","NetAmount":"6480.00","Currency":"GBP"},{"SalesOrderItem":"20","Material":"GAUGE-100MM-0-16BAR","RequestedQuantity":"60.000","NetAmount":"2394.50","Currency":"GBP"},{"SalesOrderItem":"30","Material":"SEAL-KIT-DN50-EPDM","RequestedQuantity":"400.000","NetAmount":"4000.00","Currency":"GBP"}],"SalesOrganization":"1010","DistributionChannel":"10","OrganizationDivision":"00"}"#;
