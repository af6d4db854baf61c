//! Turns between workloads: however much of one waits, what comes of another one is served next.

use std::collections::VecDeque;

/// A queue in which each workload has its turn: within one, what came first goes first.
#[derive(Debug)]
pub struct Fair<T> {
    /// The workloads of which something waits, in the order of their turns.
    lines: VecDeque<(u8, VecDeque<T>)>,
    len: usize,
}

impl<T> Default for Fair<T> {
    fn default() -> Self {
        Self { lines: VecDeque::new(), len: 0 }
    }
}

impl<T> Fair<T> {
    /// How many wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Of how many workloads something waits.
    #[must_use]
    pub fn workloads(&self) -> usize {
        self.lines.len()
    }

    /// Puts something behind what waits of its workload.
    pub fn push_back(&mut self, workload: u8, item: T) {
        self.len += 1;
        match self.lines.iter_mut().find(|(known, _)| *known == workload) {
            Some((_, line)) => line.push_back(item),
            None => self.lines.push_back((workload, VecDeque::from([item]))),
        }
    }

    /// Puts something before everything else.
    pub fn push_front(&mut self, workload: u8, item: T) {
        self.len += 1;
        let place = self.lines.iter().position(|(known, _)| *known == workload);
        let (_, mut line) = place.and_then(|place| self.lines.remove(place)).unwrap_or_default();
        line.push_front(item);
        self.lines.push_front((workload, line));
    }

    /// Puts something before what waits of its workload, whose turn comes when it would have come.
    pub fn put_back(&mut self, workload: u8, item: T) {
        self.len += 1;
        match self.lines.iter_mut().find(|(known, _)| *known == workload) {
            Some((_, line)) => line.push_front(item),
            None => self.lines.push_back((workload, VecDeque::from([item]))),
        }
    }

    /// What is next.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.lines.front().and_then(|(_, line)| line.front())
    }

    /// Takes what is next; its workload's next turn comes after those of all others.
    pub fn pop_front(&mut self) -> Option<T> {
        self.pop_front_of(|_| true)
    }

    /// Takes what is next of the workloads whose turn may come.
    pub fn pop_front_of(&mut self, may_come: impl Fn(u8) -> bool) -> Option<T> {
        let place = self.lines.iter().position(|(workload, _)| may_come(*workload))?;
        let (workload, mut line) = self.lines.remove(place)?;
        let item = line.pop_front();
        if !line.is_empty() {
            self.lines.push_back((workload, line));
        }
        self.len -= usize::from(item.is_some());
        item
    }

    /// Takes what is next if it is right.
    pub fn pop_front_if(&mut self, is_right: impl FnOnce(&T) -> bool) -> Option<T> {
        if self.front().is_some_and(is_right) { self.pop_front() } else { None }
    }
}

impl<T> IntoIterator for Fair<T> {
    type Item = T;
    type IntoIter = std::iter::FlatMap<
        std::collections::vec_deque::IntoIter<(u8, VecDeque<T>)>,
        VecDeque<T>,
        fn((u8, VecDeque<T>)) -> VecDeque<T>,
    >;

    /// Everything, workload by workload.
    fn into_iter(self) -> Self::IntoIter {
        self.lines.into_iter().flat_map(|(_, line)| line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_flood_does_not_keep_others_from_their_turn() {
        let mut queue = Fair::default();
        for number in 0..1_000 {
            queue.push_back(1, (1, number));
        }
        queue.push_back(2, (2, 0));
        queue.push_back(2, (2, 1));
        queue.push_back(3, (3, 0));
        let first: Vec<_> = std::iter::from_fn(|| queue.pop_front()).take(6).collect();
        assert_eq!(first, [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2)]);
        queue.push_front(3, (3, 9));
        queue.push_front(1, (1, 9));
        assert_eq!((queue.workloads(), queue.front()), (2, Some(&(1, 9))));
        assert_eq!(queue.pop_front_if(|item| item.0 == 3), None);
        assert_eq!(queue.pop_front_if(|item| item.0 == 1), Some((1, 9)));
        assert_eq!(queue.pop_front(), Some((3, 9)));
        queue.put_back(1, (1, 8));
        queue.put_back(4, (4, 8));
        let next: Vec<_> = std::iter::from_fn(|| queue.pop_front()).take(3).collect();
        assert_eq!(next, [(1, 8), (4, 8), (1, 3)]);
        queue.push_back(5, (5, 0));
        assert_eq!(queue.pop_front_of(|workload| workload != 1), Some((5, 0)));
        assert_eq!(queue.pop_front_of(|workload| workload != 1), None);
        assert_eq!(queue.len(), 996);
        assert_eq!(queue.into_iter().count(), 996);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_each_workload_keeps_its_order(
            steps in prop::collection::vec(prop::option::of((0_u8..5, any::<bool>())), 0..200)
        ) {
            let (mut queue, mut model) = (Fair::default(), std::collections::HashMap::<u8, VecDeque<usize>>::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Some((workload, true)) => {
                        queue.push_back(workload, (workload, number));
                        model.entry(workload).or_default().push_back(number);
                    }
                    Some((workload, false)) => {
                        queue.push_front(workload, (workload, number));
                        model.entry(workload).or_default().push_front(number);
                        prop_assert_eq!(queue.front(), Some(&(workload, number)));
                    }
                    None => {
                        let next = queue.front().copied();
                        let taken = queue.pop_front();
                        prop_assert_eq!(next, taken);
                        let all = model.values().map(VecDeque::len).sum::<usize>();
                        match taken {
                            None => prop_assert_eq!(all, 0),
                            Some((workload, number)) => {
                                prop_assert_eq!(model.get_mut(&workload).and_then(VecDeque::pop_front), Some(number));
                            }
                        }
                    }
                }
                prop_assert_eq!(queue.len(), model.values().map(VecDeque::len).sum::<usize>());
                prop_assert_eq!(queue.workloads(), model.values().filter(|line| !line.is_empty()).count());
            }
        }
    }
}
