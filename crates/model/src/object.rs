//! Named members in the order they came.

use std::collections::HashMap;
use std::fmt;
use std::ops::Index;

use crate::{Text, Value};

/// Up to so many members are found by looking at each: that is faster than hashing, and nothing has to be kept for it.
const SEARCHED_MAX: usize = 24;

/// The members of an object, in the order they came. Equal are those with equal members, whatever their order.
#[derive(Clone, Default)]
pub struct Object {
    members: Vec<(Text, Value)>,
    /// Where each member is, when there are many.
    places: Option<Box<Places>>,
}

type Places = HashMap<Text, usize, foldhash::fast::RandomState>;

/// Which names may be among some: a bit for each of 64 kinds.
#[derive(Clone, Copy, Default)]
struct Kinds(u64);

impl Kinds {
    /// Notes a name. Gives whether one of its kind was noted before.
    #[inline]
    fn note(&mut self, name: &str) -> bool {
        let bytes = name.as_bytes();
        let ends =
            bytes.first().zip(bytes.last()).map_or(0, |(first, last)| usize::from(*first) * 3 + usize::from(*last));
        let bit = 1_u64 << ((bytes.len() * 11 + ends) % 64);
        let known = self.0 & bit != 0;
        self.0 |= bit;
        known
    }
}

impl Object {
    /// An object without members, with room for so many.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self { members: Vec::with_capacity(count), places: None }
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// At which place a member stands.
    #[must_use]
    #[inline]
    pub fn place_of(&self, name: &str) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(name).copied(),
            None => self.members.iter().position(|(known, _)| **known == *name),
        }
    }

    /// Whether there is a member of this name.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.place_of(name).is_some()
    }

    /// The member of this name.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.place_of(name).and_then(|place| self.members.get(place)).map(|(_, value)| value)
    }

    /// The same with its name, as it is shared.
    #[must_use]
    pub fn get_key_value(&self, name: &str) -> Option<(&Text, &Value)> {
        self.place_of(name).and_then(|place| self.get_index(place))
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.place_of(name).and_then(|place| self.members.get_mut(place)).map(|(_, value)| value)
    }

    /// The member at this place.
    #[must_use]
    pub fn get_index(&self, place: usize) -> Option<(&Text, &Value)> {
        self.members.get(place).map(|(name, value)| (name, value))
    }

    /// Sets a member, at the end when it is new. Gives what it was before.
    pub fn insert(&mut self, name: Text, value: Value) -> Option<Value> {
        match self.place_of(&name).and_then(|place| self.members.get_mut(place)) {
            Some((_, known)) => Some(std::mem::replace(known, value)),
            None => {
                self.push(name, value);
                None
            }
        }
    }

    /// The member of this name, made when there is none.
    pub fn get_or_insert_with(&mut self, name: &str, make: impl FnOnce() -> Value) -> &mut Value {
        let place = self.place_of(name).unwrap_or_else(|| {
            self.push(name.into(), make());
            self.members.len() - 1
        });
        &mut self.members[place].1
    }

    /// Appends a member of a new name.
    fn push(&mut self, name: Text, value: Value) {
        if let Some(places) = &mut self.places {
            places.insert(name.clone(), self.members.len());
        }
        self.members.push((name, value));
        if self.places.is_none() && self.members.len() > SEARCHED_MAX {
            self.find_by_hash();
        }
    }

    fn find_by_hash(&mut self) {
        self.places = (self.members.len() > SEARCHED_MAX).then(|| {
            Box::new(self.members.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect())
        });
    }

    /// Takes a member out, keeping the order of the others.
    pub fn shift_remove(&mut self, name: &str) -> Option<Value> {
        let place = self.place_of(name)?;
        let (_, value) = self.members.remove(place);
        if self.places.is_some() {
            self.find_by_hash();
        }
        Some(value)
    }

    /// Keeps only those members that are right.
    pub fn retain(&mut self, mut is_right: impl FnMut(&Text, &mut Value) -> bool) {
        let before = self.members.len();
        self.members.retain_mut(|(name, value)| is_right(name, value));
        if self.places.is_some() && self.members.len() < before {
            self.find_by_hash();
        }
    }

    /// Brings the members into the order of their names.
    pub fn sort_keys(&mut self) {
        self.members.sort_by(|one, other| one.0.cmp(&other.0));
        if self.places.is_some() {
            self.find_by_hash();
        }
    }

    /// The names, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Text> + DoubleEndedIterator + Clone {
        self.members.iter().map(|(name, _)| name)
    }

    /// The values, in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> + DoubleEndedIterator + Clone {
        self.members.iter().map(|(_, value)| value)
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Value> + DoubleEndedIterator {
        self.members.iter_mut().map(|(_, value)| value)
    }

    /// The values alone.
    pub fn into_values(self) -> impl ExactSizeIterator<Item = Value> + DoubleEndedIterator {
        self.members.into_iter().map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> Members<'_> {
        self.members.iter().map(|(name, value)| (name, value))
    }

    /// The same, with values to be changed.
    pub fn iter_mut(&mut self) -> MembersMut<'_> {
        self.members.iter_mut().map(|(name, value)| (&*name, value))
    }
}

/// Names and values in order.
pub type Members<'a> =
    std::iter::Map<std::slice::Iter<'a, (Text, Value)>, fn(&'a (Text, Value)) -> (&'a Text, &'a Value)>;
/// Names and values in order, the values to be changed.
pub type MembersMut<'a> =
    std::iter::Map<std::slice::IterMut<'a, (Text, Value)>, fn(&'a mut (Text, Value)) -> (&'a Text, &'a mut Value)>;

impl<'a> IntoIterator for &'a Object {
    type Item = (&'a Text, &'a Value);
    type IntoIter = Members<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Object {
    type Item = (&'a Text, &'a mut Value);
    type IntoIter = MembersMut<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl IntoIterator for Object {
    type Item = (Text, Value);
    type IntoIter = std::vec::IntoIter<(Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

/// A later member replaces an earlier one of the same name, at the place of that.
impl FromIterator<(Text, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (Text, Value)>>(members: I) -> Self {
        let members = members.into_iter();
        let mut object = Self::with_capacity(members.size_hint().0);
        object.extend(members);
        object
    }
}

impl Extend<(Text, Value)> for Object {
    fn extend<I: IntoIterator<Item = (Text, Value)>>(&mut self, members: I) {
        let mut kinds = Kinds::default();
        for name in self.keys() {
            kinds.note(name);
        }
        for (name, value) in members {
            if kinds.note(&name) {
                self.insert(name, value);
            } else {
                self.push(name, value);
            }
        }
    }
}

impl<const N: usize> From<[(Text, Value); N]> for Object {
    fn from(members: [(Text, Value); N]) -> Self {
        members.into_iter().collect()
    }
}

impl Index<&str> for Object {
    type Output = Value;

    /// The member of this name.
    ///
    /// # Panics
    /// When there is none.
    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or_else(|| panic!("there is no member `{name}`"))
    }
}

impl Index<usize> for Object {
    type Output = Value;

    /// The member at this place.
    ///
    /// # Panics
    /// When there is none.
    fn index(&self, place: usize) -> &Value {
        &self.members[place].1
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            // Most often the order is the same, too.
            && self.members.iter().zip(&other.members).all(|((name, value), (name_there, there))| match name == name_there {
                true => value == there,
                false => other.get(name).is_some_and(|there| value == there),
            })
    }
}
impl Eq for Object {}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use proptest::prelude::*;

    use super::*;

    fn name(number: u8) -> Text {
        format!("{}{}", char::from(b'a' + number % 7), number / 7).into()
    }

    /// What is done to both.
    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, i64),
        Remove(u8),
        Extend(Vec<(u8, i64)>),
        Retain(i64),
        Sort,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let numbers = || 0_u8..60;
        let step = prop_oneof![
            6 => (numbers(), any::<i64>()).prop_map(|(name, value)| Step::Insert(name, value)),
            2 => numbers().prop_map(Step::Remove),
            2 => proptest::collection::vec((numbers(), any::<i64>()), 0..40).prop_map(Step::Extend),
            1 => (2_i64..9).prop_map(Step::Retain),
            1 => Just(Step::Sort),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        #[test]
        fn it_behaves_as_an_ordered_map_does(steps in steps(), other in any::<u64>()) {
            let (mut object, mut map) = (Object::default(), IndexMap::<Text, Value>::new());
            for step in steps {
                match step {
                    Step::Insert(number, value) => {
                        let before = object.insert(name(number), Value::from(value));
                        prop_assert_eq!(before, map.insert(name(number), Value::from(value)));
                    }
                    Step::Remove(number) => {
                        prop_assert_eq!(object.shift_remove(&name(number)), map.shift_remove(&*name(number)));
                    }
                    Step::Extend(members) => {
                        let members = || members.iter().map(|(number, value)| (name(*number), Value::from(*value)));
                        object.extend(members());
                        map.extend(members());
                    }
                    Step::Retain(by) => {
                        object.retain(|_, value| value.as_i64().unwrap_or(0) % by != 0);
                        map.retain(|_, value| value.as_i64().unwrap_or(0) % by != 0);
                    }
                    Step::Sort => {
                        object.sort_keys();
                        map.sort_keys();
                    }
                }
                prop_assert!(object.iter().eq(map.iter()));
                for number in 0..60 {
                    prop_assert_eq!(object.get(&name(number)), map.get(&*name(number)));
                }
            }
            // Another order of the same members.
            let mut members: Vec<(Text, Value)> = object.clone().into_iter().collect();
            let by = usize::try_from(other % 64).unwrap_or(0).min(members.len());
            members.rotate_left(by);
            let turned: Object = members.into_iter().collect();
            prop_assert!(turned == object);
            if let Some((name, _)) = object.get_index(0) {
                let mut changed = turned.clone();
                changed.insert(name.clone(), Value::from("something else"));
                prop_assert!(changed != object);
            }
        }
    }
}
