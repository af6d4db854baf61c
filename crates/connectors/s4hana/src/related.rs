//! Lists of related records that a service knows no way to, such as the relationships of a person: read by the field that names the
//! owner, for many owners at once, and given with them as if they were children.

use std::sync::Arc;

use connect::{Call, CallError, Selection};
use model::Value;

use crate::config::Related;
use crate::connection::{Erp, split};
use crate::literal;
use crate::query::{self, ADDRESS_MAX};

/// Room in an address for the host, the service, the set and the client.
const ADDRESS_HEAD: usize = 400;
/// Most records of one list.
const RELATED_MAX: usize = 1_000;

impl Erp {
    /// Reads by key, with the related records that are wanted; `null` for a record that does not exist.
    pub(crate) async fn read_with_related(&self, calls: &[Call]) -> Vec<Result<Value, CallError>> {
        let Some(lists) = self.config.related.get(&*calls[0].record) else { return self.read(calls).await };
        let is_related = |(name, _): &&(Arc<str>, Selection)| lists.contains_key(&**name);
        let mut plain = calls.to_vec();
        for call in &mut plain {
            if call.select.children.iter().any(|child| is_related(&child)) {
                let mut select = (*call.select).clone();
                select.children.retain(|child| !is_related(&child));
                call.select = Arc::new(select);
            }
        }
        let mut results = self.read(&plain).await;
        for (name, list) in lists {
            let selection =
                calls.iter().find_map(|call| call.select.children.iter().find(|(child, _)| **child == **name));
            let Some((_, selection)) = selection else { continue };
            if let Err(error) = self.add_related(&calls[0].record, name, list, selection, &mut results).await {
                results.iter_mut().for_each(|result| *result = Err(error.clone()));
                return results;
            }
        }
        results
    }

    async fn add_related(
        &self,
        record: &str,
        name: &str,
        list: &Related,
        selection: &Selection,
        owners: &mut [Result<Value, CallError>],
    ) -> Result<(), CallError> {
        let service = split(record)?.0.to_owned();
        let target = self.target(record).await?;
        let (_, owner) = target.service.set(target.name)?;
        let key = Arc::clone(&owner.keys[0]);
        let path = format!("{service}/{}", list.set);
        let target = self.target(&path).await?;
        let (_, entity) = target.service.set(target.name)?;
        let mut selection = selection.clone();
        if !selection.fields.is_empty() {
            selection.fields.push(list.field.as_str().into());
        }
        let projection = query::projection(&target.service, entity, &selection)?;
        let ids: Vec<Value> =
            owners.iter().flatten().map(|owner| owner.get(&key).clone()).filter(|id| !id.is_null()).collect();
        let room = ADDRESS_MAX - ADDRESS_HEAD - projection.query.len().min(ADDRESS_MAX / 2);
        let filters = query::any_of(entity, &list.field, ids.iter(), room, self.config.batch_reads)?;
        let order = literal::encode(&entity.keys.join(","));
        let (target, entity) = (&target, entity.as_ref());
        let pages = filters.iter().map(|(filter, count)| {
            let joint = if projection.query.is_empty() { "" } else { "&" };
            let address = format!("{}?{filter}&$orderby={order}{joint}{}", target.name, projection.query);
            self.rows(target, entity, address, projection.with_etag, count * RELATED_MAX)
        });
        let mut rows = Vec::new();
        for page in self.in_parallel(pages.collect()).await {
            rows.extend(page?);
        }
        for owner in owners.iter_mut().flatten().filter(|owner| !owner.is_null()) {
            let own = rows.iter().filter(|row| query::same_key(row.get(&list.field), owner.get(&key)));
            let own: Vec<Value> = own.cloned().collect();
            owner.set(name, own);
        }
        Ok(())
    }
}
