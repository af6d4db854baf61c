//! A side that has a record of the object already: it refused to make one, because it takes another record for it.

use std::sync::Arc;

use model::ConnectionName;

use crate::agreement::Agreement;

impl Agreement {
    /// The side says that this record is the object's. Nothing is made there any more, and the record counts from when it is read.
    pub fn named(&mut self, side: &ConnectionName, record: Arc<str>) {
        self.refused(side);
        if let Some(holding) = self.sides.get_mut(side) {
            holding.named = Some(record);
            holding.insists = false;
        }
    }

    /// A record that a side named is not there, or cannot be read. Gives whether it was named: what was refused stays so then, as the
    /// side would only name it again.
    pub fn unnamed(&mut self, side: &ConnectionName, record: &str) -> bool {
        let Some(holding) = self.sides.get_mut(side) else { return false };
        if holding.named.as_deref() != Some(record) {
            return false;
        }
        holding.named = None;
        true
    }

    /// A person wants a record made although the side takes others for it.
    pub fn insist(&mut self, side: &ConnectionName) {
        if let Some(holding) = self.sides.get_mut(side).filter(|holding| holding.id.is_none()) {
            holding.named = None;
            holding.refused = None;
            holding.insists = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use model::Value;

    use super::*;
    use crate::agreement::{Cause, Reading};
    use crate::fields::Fields;
    use crate::policy::{Policy, Side};

    fn side(name: &str) -> ConnectionName {
        ConnectionName::from(name)
    }

    fn reading(id: &str, name: &str, at: i64) -> Reading {
        let at = jiff::Timestamp::from_second(at).expect("an instant");
        let fields = Fields::from_iter([("name".into(), Value::from(name))]);
        Reading { id: id.into(), fields, at, cause: Cause { at, ..Cause::default() } }
    }

    /// A customer of the ERP whose account is being made.
    fn being_made() -> (Policy, Agreement) {
        let all = || ["name".into()].into_iter().collect();
        let both = Side { reads: all(), writes: all(), creates: all(), ..Side::default() };
        let sides = IndexMap::from([(side("crm"), both.clone()), (side("erp"), both)]);
        let policy = Policy { sides, conflict: crate::Conflict::First, ..Policy::default() };
        let mut agreement = Agreement::default();
        agreement.take(&policy, &side("erp"), reading("17", "Northern", 1), &mut Vec::new());
        assert_eq!(agreement.plan(&policy, &|_, fields| fields.clone()).writes.len(), 1);
        (policy, agreement)
    }

    #[test]
    fn what_a_side_named_is_read_before_anything_is_written_and_then_brought_into_agreement() {
        let (policy, mut agreement) = being_made();
        let (crm, normal) = (side("crm"), |_: &ConnectionName, fields: &Fields| fields.clone());
        agreement.named(&crm, "001".into());
        assert!(agreement.plan(&policy, &normal).writes.is_empty());
        let mut agreement = Agreement::from_value(&agreement.to_value()).expect("as it was stored");
        assert!(agreement.plan(&policy, &normal).writes.is_empty());
        agreement.take(&policy, &crm, reading("001", "Southern", 2), &mut Vec::new());
        // The CRM is named first, so that its name counts: the ERP gets it, as soon as it is seen that nothing changed there.
        let plan = agreement.plan(&policy, &normal);
        assert_eq!((plan.writes.len(), plan.checks), (0, vec![(side("erp"), "17".into())]));
        agreement.take(&policy, &side("erp"), reading("17", "Northern", 3), &mut Vec::new());
        let writes = agreement.plan(&policy, &normal).writes;
        assert_eq!((writes.len(), &writes[0].side, writes[0].id.as_deref()), (1, &side("erp"), Some("17")));
        assert!(agreement.sides[&crm].named.is_none() && agreement.sides[&crm].refused.is_none());
    }

    #[test]
    fn what_was_named_and_is_not_there_is_not_tried_again_by_itself() {
        let (policy, mut agreement) = being_made();
        let (crm, normal) = (side("crm"), |_: &ConnectionName, fields: &Fields| fields.clone());
        agreement.named(&crm, "001".into());
        assert!(!agreement.unnamed(&crm, "002") && agreement.unnamed(&crm, "001"));
        assert!(agreement.plan(&policy, &normal).writes.is_empty());
        agreement.insist(&crm);
        let mut agreement = Agreement::from_value(&agreement.to_value()).expect("as it was stored");
        assert!(agreement.sides[&crm].insists);
        assert_eq!(agreement.plan(&policy, &normal).writes.len(), 1);
        let cause = Cause::default();
        agreement.written(&policy, &crm, Some("003".into()), &cause, &mut Vec::new());
        assert!(!agreement.sides[&crm].insists);
    }
}
