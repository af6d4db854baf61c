//! How long things take, in little space: counts in buckets that grow with the value.

use std::time::Duration;

use crate::Percentiles;

/// Each doubling of the value is split into so many buckets: a percentile is off by at most 1/32 of itself.
const SPLIT: u64 = 16;
/// Binary digits of a place within a doubling.
const SPLIT_BITS: u32 = SPLIT.trailing_zeros();
/// The longest doubling that is told apart, 2^40 microseconds: 12 days.
const DOUBLING_MAX: u32 = 40;
const BUCKETS: usize = ((DOUBLING_MAX - SPLIT_BITS + 1) as usize + 1) * SPLIT as usize;

/// Durations, counted. It takes 5 KB however many are recorded, and recording is one addition.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0 }
    }
}

impl Histogram {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a duration in milliseconds. What is no duration (negative, not a number) counts as 0.
    pub fn record(&mut self, milliseconds: f64) {
        // A cast from a float saturates and turns what is no number into 0, which is what is wanted.
        self.count_microseconds((milliseconds * 1_000.0) as u64);
    }

    /// Counts a duration.
    pub fn record_duration(&mut self, duration: Duration) {
        self.count_microseconds(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many were recorded.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
    }

    /// What half, 95 and 99 of 100 stay below.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        Percentiles { p50: self.percentile(50), p95: self.percentile(95), p99: self.percentile(99), count: self.count }
    }

    /// In milliseconds; 0 when nothing was recorded.
    fn percentile(&self, of_hundred: u64) -> f64 {
        let rank = (self.count * of_hundred).div_ceil(100);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= rank {
                return middle(index) / 1_000.0;
            }
        }
        0.0
    }

    fn count_microseconds(&mut self, microseconds: u64) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(microseconds)) {
            *bucket += 1;
            self.count += 1;
        }
    }
}

fn bucket_of(microseconds: u64) -> usize {
    let value = microseconds.min((1 << (DOUBLING_MAX + 1)) - 1);
    if value < SPLIT {
        return value as usize;
    }
    let doubling = value.ilog2();
    let within = (value >> (doubling - SPLIT_BITS)) - SPLIT;
    (u64::from(doubling - SPLIT_BITS + 1) * SPLIT + within) as usize
}

/// The middle of a bucket in microseconds.
fn middle(index: usize) -> f64 {
    let (row, within) = (index as u64 / SPLIT, index as u64 % SPLIT);
    if row == 0 {
        return within as f64;
    }
    let width = 1_u64 << (row - 1);
    ((SPLIT + within) * width) as f64 + (width - 1) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_measured_is_zero() {
        assert_eq!(Histogram::new().percentiles(), Percentiles::default());
    }

    #[test]
    fn strange_numbers_do_no_harm() {
        let mut histogram = Histogram::new();
        for strange in [f64::NAN, f64::INFINITY, -1.0, f64::MAX, 0.0] {
            histogram.record(strange);
        }
        histogram.record_duration(Duration::MAX);
        assert_eq!(histogram.count(), 6);
        assert!(histogram.percentiles().p99 > 1e9);
    }

    proptest! {
        #[test]
        fn percentiles_are_close_to_the_exact_ones(mut values in prop::collection::vec(1u32..100_000_000, 1..300)) {
            let mut histogram = Histogram::new();
            for value in &values {
                histogram.record(f64::from(*value) / 1_000.0);
            }
            values.sort_unstable();
            let exact = |of_hundred: usize| f64::from(values[(values.len() * of_hundred).div_ceil(100) - 1]) / 1_000.0;
            let told = histogram.percentiles();
            for (told, exact) in [(told.p50, exact(50)), (told.p95, exact(95)), (told.p99, exact(99))] {
                prop_assert!((told - exact).abs() <= exact / 16.0 + 0.002, "told {told}, exact {exact}");
            }
        }
    }
}
