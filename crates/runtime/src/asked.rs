//! Which objects people are asked about, because a record may be one of them: until they have answered, none of these is made in the
//! record's system, where it may exist.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Value;

/// An object and its key.
type Pair = (Arc<str>, Arc<str>);

/// The open questions.
#[derive(Default)]
pub(crate) struct Asked(Mutex<Questions>);

#[derive(Default)]
struct Questions {
    /// By the key of the record: its connection, and the objects that it may be.
    of_record: HashMap<Arc<str>, (Arc<str>, Vec<Pair>)>,
    /// How many questions are about an object and a connection.
    about: HashMap<(Pair, Arc<str>), usize>,
}

impl Asked {
    fn questions(&self) -> MutexGuard<'_, Questions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question is open, as its work item says.
    pub(crate) fn open(&self, record: Arc<str>, item: &Value) {
        let text = |name: &str| Arc::<str>::from(item.get(name).as_str().unwrap_or_default());
        let (object, connection) = (text("object"), text("connection"));
        let keys = item.get("candidates").items().iter().filter_map(|candidate| candidate.get("key").as_str());
        let pairs: Vec<Pair> = keys.map(|key| (Arc::clone(&object), Arc::from(key))).collect();
        let mut questions = self.questions();
        questions.close(&record);
        for pair in &pairs {
            *questions.about.entry((pair.clone(), Arc::clone(&connection))).or_default() += 1;
        }
        questions.of_record.insert(record, (connection, pairs));
    }

    /// It is not any more. Gives the objects that it was about.
    pub(crate) fn close(&self, record: &str) -> Vec<Pair> {
        self.questions().close(record)
    }

    /// Whether some record of this connection may be this object.
    pub(crate) fn is_about(&self, pair: &Pair, connection: &str) -> bool {
        let questions = self.questions();
        !questions.about.is_empty() && questions.about.contains_key(&(pair.clone(), Arc::from(connection)))
    }
}

impl Questions {
    fn close(&mut self, record: &str) -> Vec<Pair> {
        let Some((connection, pairs)) = self.of_record.remove(record) else { return Vec::new() };
        for pair in &pairs {
            let about = (pair.clone(), Arc::clone(&connection));
            if let Some(count) = self.about.get_mut(&about) {
                *count -= 1;
                if *count == 0 {
                    self.about.remove(&about);
                }
            }
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_asked_about_until_the_last_question_is_answered() {
        let item = |keys: [&str; 2]| {
            let candidates = keys.map(|key| Value::object([("key", key)]));
            Value::object([
                ("object", Value::from("customer")),
                ("connection", Value::from("erp")),
                ("candidates", Value::array(candidates)),
            ])
        };
        let pair = |key: &str| -> Pair { ("customer".into(), key.into()) };
        let asked = Asked::default();
        asked.open("1".into(), &item(["A", "B"]));
        asked.open("1".into(), &item(["A", "B"]));
        asked.open("2".into(), &item(["A", "C"]));
        assert!(
            asked.is_about(&pair("A"), "erp")
                && asked.is_about(&pair("C"), "erp")
                && !asked.is_about(&pair("A"), "crm")
        );
        assert_eq!(asked.close("2"), [pair("A"), pair("C")]);
        assert!(asked.is_about(&pair("A"), "erp") && !asked.is_about(&pair("C"), "erp"));
        assert_eq!(asked.close("1"), [pair("A"), pair("B")]);
        assert!(!asked.is_about(&pair("A"), "erp") && asked.close("1").is_empty());
    }
}
