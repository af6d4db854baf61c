//! Two systems that people edit, and an agreement between them.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::{ConnectionName, Value};
use sync::{Agreement, Cause, Conflict, Fields, Finding, Owner, Owners, Policy, Reading, Side, Taken, Write, is_same};

/// `note` belongs to nobody, `name` and `city` to the CRM, `credit` to the ERP, `billing.*` to the CRM until the stage `buyer`.
pub(crate) const FIELDS: [&str; 5] = ["name", "city", "credit", "note", "billing.country"];
/// The ERP cuts names.
pub(crate) const NAME_MAX: usize = 4;

pub(crate) fn name(side: &str) -> ConnectionName {
    ConnectionName::from(side)
}

pub(crate) fn policy(conflict: Conflict) -> Policy {
    let all = || FIELDS.iter().map(|field| Arc::from(*field)).collect();
    let side = || Side { reads: all(), writes: all(), creates: all(), ..Side::default() };
    let (crm, erp) = (name("crm"), name("erp"));
    let owners = Owners {
        default: None,
        fields: vec![
            ("name".into(), Owner::Always(crm.clone())),
            ("city".into(), Owner::Always(crm.clone())),
            ("credit".into(), Owner::Always(erp.clone())),
            ("billing".into(), Owner::Until { stage: "buyer".into(), before: crm.clone(), then: erp.clone() }),
        ],
        stages: vec!["new".into(), "buyer".into()],
    };
    Policy { owners, conflict, sides: [(crm, side()), (erp, side())].into_iter().collect(), ..Policy::default() }
}

/// The systems, as they really are.
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) agreement: Agreement,
    pub(crate) records: HashMap<ConnectionName, Fields>,
    under_way: HashMap<ConnectionName, Write>,
    /// Seconds.
    clock: i64,
    pub(crate) findings: Vec<Finding>,
    pub(crate) writes: usize,
    /// Whether records are read as soon as that is asked for.
    pub(crate) checks_at_once: bool,
    /// What each side makes of a value.
    pub(crate) form: fn(&ConnectionName, &str, &Value) -> Value,
}

pub(crate) fn cut(side: &ConnectionName, field: &str, value: &Value) -> Value {
    match value.as_str() {
        Some(text) if side.as_str() == "erp" && field == "name" => {
            Value::from(text.chars().take(NAME_MAX).collect::<String>())
        }
        _ => value.clone(),
    }
}

impl World {
    pub(crate) fn new(conflict: Conflict) -> Self {
        Self {
            policy: policy(conflict),
            agreement: Agreement::default(),
            records: HashMap::new(),
            under_way: HashMap::new(),
            clock: 0,
            findings: Vec::new(),
            writes: 0,
            checks_at_once: true,
            form: cut,
        }
    }

    fn now(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp::from_second(1_760_000_000).expect("an instant") + SignedDuration::from_secs(self.clock)
    }

    /// Somebody changes a record, or makes it.
    pub(crate) fn edit(&mut self, side: &str, field: &str, value: impl Into<Value>) {
        let side = name(side);
        let value = (self.form)(&side, field, &value.into());
        let record = self
            .records
            .entry(side)
            .or_insert_with(|| FIELDS.iter().map(|field| ((*field).into(), Value::Null)).collect());
        record.insert(field.into(), value);
    }

    /// The record is read and taken in; what has to be written is under way then.
    pub(crate) fn tell(&mut self, side: &str) -> Option<Taken> {
        let at = self.now();
        let side = name(side);
        let fields = self.records.get(&side)?.clone();
        let cause = Cause { event: "event".into(), at, release: "r1".into() };
        let reading = Reading { id: format!("{side}-1").into(), fields, at, cause };
        let taken = self.agreement.take(&self.policy, &side, reading, &mut self.findings);
        self.plan();
        // What is stored is what is known.
        assert_eq!(Agreement::from_value(&self.agreement.to_value()), Ok(self.agreement.clone()));
        Some(taken)
    }

    pub(crate) fn plan(&mut self) {
        let form = self.form;
        let normal = |side: &ConnectionName, fields: &Fields| {
            fields.iter().map(|(field, value)| (field.clone(), form(side, field, value))).collect()
        };
        let plan = self.agreement.plan(&self.policy, &normal);
        for write in plan.writes {
            assert!(self.under_way.insert(write.side.clone(), write).is_none(), "one write at a time");
        }
        if self.checks_at_once {
            for (side, _) in plan.checks {
                self.tell(side.as_str());
            }
        }
    }

    /// The write that is under way to this side happens, and its outcome is known.
    pub(crate) fn write(&mut self, side: &str) -> bool {
        let side = name(side);
        let Some(write) = self.under_way.remove(&side) else { return false };
        self.writes += 1;
        for (field, value) in &write.fields {
            self.edit(side.as_str(), field, value.clone());
        }
        let at = self.now();
        let cause = Cause { event: "write".into(), at, release: "r1".into() };
        let id = Some(format!("{side}-1").into());
        let again = self.agreement.written(&self.policy, &side, id, &cause, &mut self.findings);
        self.plan();
        if again {
            self.tell(side.as_str());
        }
        true
    }

    pub(crate) fn refuse(&mut self, side: &str) {
        self.under_way.remove(&name(side)).expect("a write");
        self.agreement.refused(&name(side));
        self.plan();
        self.tell(side);
    }

    pub(crate) fn is_writing(&self, side: &str) -> bool {
        self.under_way.contains_key(&name(side))
    }

    /// Everything is told and written, as often as that leads to something.
    pub(crate) fn settle(&mut self) {
        for _ in 0..50 {
            let before = self.writes;
            for side in ["crm", "erp"] {
                self.write(side);
                self.tell(side);
            }
            let checking = self.agreement.sides.values().any(|holding| holding.checking);
            if before == self.writes && self.under_way.is_empty() && !checking {
                return;
            }
        }
        panic!("it goes to and fro for ever: {:#?}", self.agreement);
    }

    pub(crate) fn value(&self, side: &str, field: &str) -> Value {
        self.records.get(&name(side)).and_then(|record| record.get(field)).cloned().unwrap_or_default()
    }

    /// Whether both sides hold what is agreed, each in its form.
    pub(crate) fn agrees(&self) -> Result<(), String> {
        for side in ["crm", "erp"] {
            for field in FIELDS {
                let agreed = self.agreement.agreed.get(field).cloned().unwrap_or_default();
                let wanted = (self.form)(&name(side), field, &agreed);
                let held = self.value(side, field);
                if !is_same(&held, &wanted) {
                    return Err(format!("{field}: {side} holds {held}, agreed is {agreed}"));
                }
            }
        }
        Ok(())
    }
}
