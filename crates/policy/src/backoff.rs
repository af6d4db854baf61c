//! How long to wait before the same request is sent again.

use std::time::Duration;

/// Waits that grow by a factor up to a longest one, spread by jitter so that many waiting requests do not come back at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// By how much each wait is longer than the one before, in percent: 200 doubles.
    pub growth_percent: u32,
    /// No wait is longer, unless the system asks for it.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(200), growth_percent: 200, longest: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row (1 or more). `spread` is any number, best a random one: the wait lies between
    /// half and all of the grown one, never below what the system asked for.
    #[must_use]
    pub fn wait(&self, failures: u32, spread: u64, asked: Option<Duration>) -> Duration {
        let longest = micros(self.longest);
        let mut grown = micros(self.first).min(longest);
        // Bounded: a growth of 100 % never arrives, however many failures there were.
        for _ in 1..failures.clamp(1, GROWTHS_MAX) {
            if grown >= longest {
                break;
            }
            grown = grown.saturating_mul(u64::from(self.growth_percent.max(100))) / 100;
        }
        let grown = grown.min(longest);
        let half = grown / 2;
        let wait = Duration::from_micros(half + spread % (grown - half + 1));
        asked.map_or(wait, |asked| wait.max(asked))
    }
}

/// After so many failures the wait has long reached its longest, at any growth worth the name.
const GROWTHS_MAX: u32 = 1_000;

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::default();
        let most = |failures| backoff.wait(failures, 0, None).as_millis() * 2;
        assert_eq!([most(1), most(2), most(3), most(20), most(u32::MAX)], [200, 400, 800, 30_000, 30_000]);
        assert_eq!(backoff.wait(1, 0, Some(Duration::from_secs(90))), Duration::from_secs(90));
    }

    proptest! {
        #[test]
        fn a_wait_is_never_longer_than_the_longest_nor_shorter_than_half_the_first(
            failures in 1u32.., spread: u64, growth_percent in 0u32..1_000
        ) {
            let backoff = Backoff { growth_percent, ..Backoff::default() };
            let wait = backoff.wait(failures, spread, None);
            prop_assert!(wait <= backoff.longest && wait * 2 >= backoff.first);
        }
    }
}
