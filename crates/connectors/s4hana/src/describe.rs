//! What a record looks like in this ERP, from fresh metadata: releases differ in what they have and what can be written.

use std::sync::Arc;

use connect::{CallError, FieldDescription, RecordDescription};

use crate::connection::{Erp, split};

impl Erp {
    /// Describes a record, reading the service's metadata anew.
    ///
    /// # Errors
    /// When the metadata cannot be read, or the record is not in it.
    pub(crate) async fn describe_record(&self, record: &str) -> Result<RecordDescription, CallError> {
        let (service_name, set_name) = split(record)?;
        let service = self.refresh(service_name).await?;
        let (set, entity) = service.set(set_name)?;
        let fields = entity.properties.iter().map(|(name, property)| FieldDescription {
            name: Arc::clone(name),
            vendor_type: Arc::clone(&property.vendor_type),
            creatable: set.creatable && property.creatable,
            updatable: set.updatable && property.updatable && !entity.keys.contains(name),
            length_max: property.length_max,
            external_id: false,
        });
        let children = entity.navigations.iter().filter(|(_, navigation)| navigation.many).map(|(name, navigation)| {
            let target = service.set_of(&navigation.target).unwrap_or(&navigation.target);
            (Arc::clone(name), Arc::from(format!("{service_name}/{target}")))
        });
        Ok(RecordDescription { name: record.into(), fields: fields.collect(), children: children.collect() })
    }
}
