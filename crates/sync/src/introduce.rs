//! The first record of a side that cannot hold all of what others can.

use std::sync::Arc;

use model::{ConnectionName, Value};

use crate::agreement::{Agreement, Reading, Rule};
use crate::fields::{Fields, is_empty, is_same};
use crate::plan::{Normal, formed};
use crate::policy::Policy;

impl Agreement {
    /// Looks at the first record of a side before it is taken in: where it holds what is agreed in its own form, or where what
    /// is agreed is only the form of what it holds, the two do not differ, and the fuller value is agreed. Otherwise a name that
    /// one system cuts would meet the whole one as if somebody had changed it. Nothing happens for a side that is known.
    pub fn introduce(&mut self, policy: &Policy, side: &ConnectionName, reading: &Reading, normal: &Normal<'_>) {
        if self.sides.get(side).is_some_and(|holding| holding.id.is_some() || holding.waiting.is_some()) {
            return;
        }
        let mut fields = reading.fields.clone();
        policy.keep(&mut fields);
        fields.retain(|field, value| {
            let agreed = self.agreed.get(field);
            !is_empty(value) && agreed.is_some_and(|agreed| !is_empty(agreed) && !is_same(agreed, value))
        });
        if fields.is_empty() {
            return;
        }
        let agreed: Fields =
            fields.keys().filter_map(|field| Some((field.clone(), self.agreed.get(field)?.clone()))).collect();
        let own = formed(policy, side, &agreed, normal);
        let (less, others): (Fields, Fields) = fields.into_iter().partition(|(field, value)| is(&own, field, value));
        for (field, value) in less {
            self.stands(side, &field, &value, agreed.get(&field).unwrap_or(&value));
        }
        for (field, value, behind) in self.fuller(policy, side, others, normal) {
            for other in behind {
                if let Some(holding) = self.sides.get_mut(&other) {
                    holding.reached.insert(field.clone().into(), value.clone());
                }
            }
            self.stands(side, &field, &value, &value);
            self.agree(side, &field, value, Rule::Same, &reading.cause, None);
        }
    }

    /// Those values of which all sides behind what is agreed hold the form already, and these sides.
    fn fuller(
        &self,
        policy: &Policy,
        side: &ConnectionName,
        mut values: Fields,
        normal: &Normal<'_>,
    ) -> Vec<(Arc<str>, Value, Vec<ConnectionName>)> {
        values.retain(|field, _| !self.conflicts.contains_key(field.as_str()));
        let known = self.sides.iter().filter(|(other, holding)| *other != side && holding.id.is_some());
        let forms: Vec<_> =
            known.map(|(other, holding)| (other, holding, formed(policy, other, &values, normal))).collect();
        let mut fuller = Vec::new();
        for (field, value) in values {
            let agreed = self.agreed.get(&field).unwrap_or(&Value::Null);
            let stands = |values: &Fields| values.get(&field).is_some_and(|reached| is_same(reached, agreed));
            let standing = forms.iter().filter(|(_, holding, _)| stands(&holding.reached));
            let (behind, against): (Vec<_>, Vec<_>) = standing
                .partition(|(_, holding, form)| holding.held.get(&field).is_some_and(|held| is(form, &field, held)));
            if against.is_empty() {
                fuller.push((field.into(), value, behind.into_iter().map(|(other, ..)| (*other).clone()).collect()));
            }
        }
        fuller
    }

    fn stands(&mut self, side: &ConnectionName, field: &str, held: &Value, reached: &Value) {
        let holding = self.sides.entry(side.clone()).or_default();
        holding.held.insert(field.into(), held.clone());
        holding.reached.insert(field.into(), reached.clone());
    }
}

fn is(form: &Fields, field: &str, value: &Value) -> bool {
    form.get(field).is_some_and(|form| is_same(form, value))
}
