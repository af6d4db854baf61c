//! What is proven of a feed, compared with a model that keeps every second by itself.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sync::{Coverage, WINDOWS_MAX, Window, Windows};

const SECONDS: i64 = 60;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).expect("an instant")
}

fn window(from: i64, until: i64) -> Window {
    Window::new(at(from), at(until)).expect("a window")
}

fn windows(all: &[(i64, i64)]) -> Windows {
    all.iter().map(|(from, until)| window(*from, *until)).collect()
}

fn seconds(windows: &Windows) -> BTreeSet<i64> {
    (-SECONDS..2 * SECONDS).filter(|second| windows.contains(at(*second))).collect()
}

/// In order, and so far apart that none could be one with the next.
fn is_tidy(windows: &Windows) -> bool {
    windows.as_slice().windows(2).all(|pair| pair[0].until() < pair[1].from())
}

#[test]
fn a_window_holds_something() {
    assert_eq!(Window::new(at(1), at(1)), None);
    assert_eq!(Window::new(at(2), at(1)), None);
    assert_eq!(window(1, 3).length(), SignedDuration::from_secs(2));
}

#[test]
fn what_touches_becomes_one() {
    assert_eq!(windows(&[(0, 2), (4, 6), (2, 4)]).as_slice(), [window(0, 6)]);
    assert_eq!(windows(&[(4, 6), (0, 2)]).as_slice(), [window(0, 2), window(4, 6)]);
}

#[test]
fn a_feed_without_proof_is_as_far_behind_as_it_is_old() {
    let mut coverage = Coverage::new(at(0));
    assert_eq!(coverage.behind(at(50)), SignedDuration::from_secs(50));
    assert_eq!(coverage.gap(at(50)), windows(&[(0, 50)]));
    coverage.prove(window(-5, 10));
    assert_eq!((coverage.complete_until(), coverage.proven()), (at(10), &windows(&[(0, 10)])));
    // A later proof behind a hole does not help until the hole is closed.
    coverage.prove(window(20, 50));
    assert_eq!(coverage.behind(at(50)), SignedDuration::from_secs(40));
    assert_eq!(coverage.gap(at(50)), windows(&[(10, 20)]));
    coverage.prove(window(10, 20));
    assert_eq!((coverage.behind(at(50)), coverage.gap(at(50)).is_empty()), (SignedDuration::ZERO, true));
    // The clock of a system may be ahead.
    assert_eq!(coverage.behind(at(40)), SignedDuration::ZERO);
}

#[test]
fn a_window_that_is_being_read_again_is_not_begun_twice() {
    let mut coverage = Coverage::new(at(0));
    coverage.prove(window(0, 10));
    assert!(coverage.reread(window(10, 30)));
    assert_eq!(coverage.unattended(at(40)), windows(&[(30, 40)]));
    assert_eq!(coverage.gap(at(40)), windows(&[(10, 40)]));
    coverage.prove(window(10, 20));
    assert_eq!(coverage.rereading(), &windows(&[(20, 30)]));
    coverage.abandon(window(20, 30));
    assert_eq!(coverage.unattended(at(40)), windows(&[(20, 40)]));
}

#[test]
fn a_doubt_takes_the_proof_and_the_reading_that_began_before_it() {
    let mut coverage = Coverage::new(at(0));
    coverage.prove(window(0, 30));
    assert!(coverage.reread(window(30, 40)));
    coverage.doubt(window(20, 35));
    assert_eq!(coverage.gap(at(40)), windows(&[(20, 40)]));
    assert_eq!(coverage.unattended(at(40)), windows(&[(20, 35)]));
}

#[test]
fn what_cannot_be_kept_is_read_again_and_never_taken_for_proven() {
    let mut coverage = Coverage::new(at(0));
    let many = i64::try_from(WINDOWS_MAX).expect("a number") * 3;
    for place in 0..many {
        // Every seventh is longer and outlives the others.
        coverage.prove(window(place * 10, place * 10 + if place % 7 == 0 { 4 } else { 2 }));
    }
    assert_eq!(coverage.proven().as_slice().len(), WINDOWS_MAX);
    assert_eq!(coverage.proven().as_slice().first(), Some(&window(0, 4)));
    assert_eq!(coverage.proven().as_slice().last(), Some(&window((many - 1) * 10, (many - 1) * 10 + 2)));
    let long = (0..many).filter(|place| place % 7 == 0);
    assert!(long.into_iter().all(|place| coverage.proven().contains(at(place * 10))), "a long one was forgotten");
    for place in 0..many {
        assert!(!coverage.proven().contains(at(place * 10 + 4)), "what was never proven");
    }
    let mut doubted = Coverage::new(at(0));
    doubted.prove(window(0, many * 10));
    (0..many).for_each(|place| doubted.doubt(window(place * 10 + 5, place * 10 + 6)));
    assert!(doubted.proven().as_slice().len() <= WINDOWS_MAX);
    assert!((0..many).all(|place| !doubted.proven().contains(at(place * 10 + 5))));
}

#[test]
fn more_readings_than_are_kept_in_mind_are_refused() {
    let mut coverage = Coverage::new(at(0));
    let kept = (0..200).filter(|place| coverage.reread(window(place * 2, place * 2 + 1))).count();
    assert_eq!(kept, WINDOWS_MAX);
    coverage.abandon(window(0, 1));
    assert!(coverage.reread(window(1_000, 1_001)));
}

#[derive(Debug, Clone)]
enum Happens {
    Prove(i64, i64),
    Doubt(i64, i64),
    Reread(i64, i64),
    Abandon(i64, i64),
}

fn happens() -> impl Strategy<Value = Happens> {
    let window = (-5..SECONDS, 1..15i64).prop_map(|(from, length)| (from, from + length));
    (0..4, window).prop_map(|(kind, (from, until))| match kind {
        0 => Happens::Prove(from, until),
        1 => Happens::Doubt(from, until),
        2 => Happens::Reread(from, until),
        _ => Happens::Abandon(from, until),
    })
}

proptest! {
    #[test]
    fn coverage_is_what_second_by_second_book_keeping_says(
        history in prop::collection::vec(happens(), 0..30),
        now in 0..SECONDS,
    ) {
        let mut coverage = Coverage::new(at(0));
        let (mut proven, mut reading) = (BTreeSet::new(), BTreeSet::new());
        for one in history {
            match one {
                Happens::Prove(from, until) => {
                    coverage.prove(window(from, until));
                    (from..until).for_each(|second| {
                        reading.remove(&second);
                        if second >= 0 {
                            proven.insert(second);
                        }
                    });
                }
                Happens::Doubt(from, until) => {
                    coverage.doubt(window(from, until));
                    (from..until).for_each(|second| {
                        proven.remove(&second);
                        reading.remove(&second);
                    });
                }
                Happens::Reread(from, until) => {
                    prop_assert!(coverage.reread(window(from, until)));
                    reading.extend(from..until);
                }
                Happens::Abandon(from, until) => {
                    coverage.abandon(window(from, until));
                    (from..until).for_each(|second| {
                        reading.remove(&second);
                    });
                }
            }
            prop_assert!(is_tidy(coverage.proven()) && is_tidy(coverage.rereading()), "{coverage:?}");
        }
        prop_assert_eq!(&seconds(coverage.proven()), &proven);
        prop_assert_eq!(&seconds(coverage.rereading()), &reading);
        let gap: BTreeSet<i64> = (0..now).filter(|second| !proven.contains(second)).collect();
        prop_assert_eq!(&seconds(&coverage.gap(at(now))), &gap);
        let unattended: BTreeSet<i64> = gap.difference(&reading).copied().collect();
        prop_assert_eq!(&seconds(&coverage.unattended(at(now))), &unattended);
        let first_hole = (0..).find(|second| !proven.contains(second)).unwrap_or_default();
        prop_assert_eq!(coverage.complete_until(), at(first_hole));
        prop_assert_eq!(coverage.gap(at(now)).length(), SignedDuration::from_secs(i64::try_from(gap.len()).unwrap_or(-1)));
    }

    #[test]
    fn windows_add_and_take_away_like_sets(
        one in prop::collection::vec((0..SECONDS, 1..15i64), 0..12),
        other in prop::collection::vec((0..SECONDS, 1..15i64), 0..12),
    ) {
        let of = |all: &[(i64, i64)]| all.iter().map(|(from, length)| window(*from, from + length)).collect::<Windows>();
        let (one, other) = (of(&one), of(&other));
        let (mine, its) = (seconds(&one), seconds(&other));
        prop_assert_eq!(seconds(&one.union(&other)), mine.union(&its).copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(one.union(&other), other.union(&one));
        prop_assert_eq!(seconds(&one.without(&other)), mine.difference(&its).copied().collect::<BTreeSet<_>>());
        prop_assert!(is_tidy(&one.without(&other)) && is_tidy(&one.union(&other)));
        prop_assert_eq!(one.length(), SignedDuration::from_secs(i64::try_from(mine.len()).unwrap_or(-1)));
    }
}
