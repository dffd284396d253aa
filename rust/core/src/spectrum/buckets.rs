//! Which eigenvalues are "one"? Eigenspaces by persistence over the tolerance.
//!
//! ```text
//!   lambda   3.2231 3.2176                 1.02
//!              |-|------------------------- |
//!             gap 0.0017        gap 0.68
//!
//!   tolerance 1e-8 ......... 1.7e-3 ... 0.1
//!              three spaces  | two spaces
//! ```
//!
//! Eigenvalues are merged by single linkage in the gap relative to the local eigenvalue. A partition is *clean*
//! over the tolerances from its widest bucket (relative diameter) to its narrowest gap, and the clean partition
//! that persists over the most decades within [1e-8, 1e-1] is taken, if it does so over one decade at least.
//! The partition into single eigenvalues does not compete: nothing bounds its persistence from below, so it
//! would win against every trained, slightly split eigenspace. It is what remains when no other is clean.

use crate::error::{Error, Result};

/// Smallest tolerance that is considered: gaps below it are rounding.
const FINEST: f64 = 1e-8;

/// Largest tolerance that is considered: a tenth of an eigenvalue is no degeneracy.
const COARSEST: f64 = 1e-1;

/// Decades over which a clean partition has to persist.
const DECADES: f64 = 1.0;

/// A bucket may be this many tolerances wide before it is split at its widest gap.
const WIDTH: f64 = 4.0;

/// One step of the dendrogram: the partition at tolerances in `[lower, upper)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Partition {
    /// The tolerance from which it exists: its widest gap inside a bucket.
    pub lower: f64,
    /// The tolerance at which the next merge comes: its narrowest gap between buckets; infinite for one bucket.
    pub upper: f64,
    /// Largest relative diameter of a bucket.
    pub diameter: f64,
    /// Number of buckets.
    pub count: usize,
}

impl Partition {
    /// Decades of tolerance, within the range that is considered, over which it is clean.
    pub fn persistence(&self) -> f64 {
        (self.upper.min(COARSEST) / self.diameter.max(FINEST)).log10().max(0.0)
    }
}

/// Retained eigenvalues grouped into eigenspaces.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigenspaces {
    /// First eigenvalue of each eigenspace, then their number: eigenspace k is `starts[k]..starts[k + 1]`.
    pub starts: Vec<usize>,
    /// The relative tolerance at which they were read.
    pub tolerance: f64,
    /// The whole dendrogram, finest partition first.
    pub table: Vec<Partition>,
}

/// Group positive eigenvalues, given in decreasing order, into eigenspaces.
///
/// `noise` is the absolute uncertainty of an eigenvalue: differences below it are none. `tolerance` groups by
/// single linkage at that relative gap, with buckets at most four times as wide; `None` chooses by persistence.
///
/// # Errors
/// [`Error::Parameter`] for a tolerance outside [0, 1) or eigenvalues that are not positive and decreasing.
pub fn eigenspaces(values: &[f64], noise: f64, tolerance: Option<f64>) -> Result<Eigenspaces> {
    if values.windows(2).any(|pair| pair[0] < pair[1])
        || values.last().is_some_and(|&last| last.is_nan() || last <= 0.0)
    {
        return Err(Error::Parameter("eigenvalues must be positive and in decreasing order".into()));
    }
    if tolerance.is_some_and(|value| !(0.0..1.0).contains(&value)) {
        return Err(Error::Parameter(
            "the tolerance of eigenspaces is relative to the eigenvalue and must lie in [0, 1)".into(),
        ));
    }
    if values.is_empty() {
        return Ok(Eigenspaces {
            starts: vec![0],
            tolerance: tolerance.unwrap_or(FINEST),
            table: Vec::new(),
        });
    }
    let gaps: Vec<f64> = values
        .windows(2)
        .map(|pair| {
            let gap = pair[0] - pair[1];
            if gap <= noise { 0.0 } else { gap / pair[0] }
        })
        .collect();
    let table = dendrogram(values, &gaps, noise);
    let tolerance = tolerance.unwrap_or_else(|| chosen(&table, values.len()));
    let mut starts = cut(&gaps, tolerance);
    split_wide(values, &gaps, tolerance, noise, &mut starts);
    Ok(Eigenspaces { starts, tolerance, table })
}

/// Borders where the gap is wider than the tolerance.
fn cut(gaps: &[f64], tolerance: f64) -> Vec<usize> {
    let inner = gaps.iter().enumerate().filter(|(_, gap)| **gap > tolerance).map(|(i, _)| i + 1);
    std::iter::once(0).chain(inner).chain(std::iter::once(gaps.len() + 1)).collect()
}

fn diameter(bucket: &[f64], noise: f64) -> f64 {
    match bucket {
        [first, .., last] if first - last > noise => (first - last) / first,
        _ => 0.0,
    }
}

/// Every partition that single linkage passes through, finest first.
fn dendrogram(values: &[f64], gaps: &[f64], noise: f64) -> Vec<Partition> {
    let mut steps: Vec<f64> = gaps.iter().map(|gap| gap.max(FINEST)).collect();
    steps.push(FINEST);
    steps.sort_by(f64::total_cmp);
    steps.dedup();
    // Merging only ever joins two neighbouring buckets, so both bookkeepings are incremental.
    let mut order: Vec<usize> = (0..gaps.len()).collect();
    order.sort_by(|&a, &b| gaps[a].total_cmp(&gaps[b]));
    let mut first: Vec<usize> = (0..values.len()).collect();
    let mut last = first.clone();
    let (mut widest, mut count, mut next) = (0.0_f64, values.len(), 0);
    let mut table = Vec::with_capacity(steps.len());
    for (step, &lower) in steps.iter().enumerate() {
        while let Some(&gap) = order.get(next).filter(|&&gap| gaps[gap] <= lower) {
            let (start, end) = (first[gap], last[gap + 1]);
            last[start] = end;
            first[end] = start;
            widest = widest.max(diameter(&values[start..=end], noise));
            count -= 1;
            next += 1;
        }
        let upper = steps.get(step + 1).copied().unwrap_or(f64::INFINITY);
        table.push(Partition { lower, upper, diameter: widest, count });
    }
    table
}

/// The tolerance in the middle of the most persistent clean partition.
fn chosen(table: &[Partition], values: usize) -> f64 {
    let best = table
        .iter()
        .filter(|partition| partition.count < values && partition.persistence() >= DECADES)
        .max_by(|a, b| a.persistence().total_cmp(&b.persistence()))
        .or_else(|| table.first());
    best.map_or(FINEST, |partition| {
        let lower = partition.diameter.max(partition.lower).max(FINEST);
        (lower * partition.upper.clamp(lower, COARSEST.max(lower))).sqrt()
    })
}

/// Split chains that grew wider than the tolerance allows, at their widest gaps.
fn split_wide(values: &[f64], gaps: &[f64], tolerance: f64, noise: f64, starts: &mut Vec<usize>) {
    let mut k = 0;
    while k + 1 < starts.len() {
        let (start, end) = (starts[k], starts[k + 1]);
        if end - start > 1 && diameter(&values[start..end], noise) > WIDTH * tolerance {
            let widest = (start..end - 1).max_by(|&a, &b| gaps[a].total_cmp(&gaps[b])).unwrap_or(start);
            starts.insert(k + 1, widest + 1);
        } else {
            k += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dims(values: &[f64], tolerance: Option<f64>) -> Vec<usize> {
        let found = eigenspaces(values, 0.0, tolerance).expect("valid");
        found.starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn a_trained_pentagon_is_one_eigenspace() {
        let trained = [3.2231, 3.2176];
        assert_eq!(dims(&trained, None), [2]);
        assert_eq!(dims(&trained, Some(1e-3)), [1, 1]);
        assert_eq!(dims(&trained, Some(1e-2)), [2]);
    }

    #[test]
    fn clean_degeneracies_are_found_at_every_scale() {
        assert_eq!(dims(&[4.225, 4.225, 2.0, 4.0 / 3.0, 4.0 / 3.0, 4.0 / 3.0], None), [2, 1, 3]);
        assert_eq!(dims(&[3.001, 2.999, 2.0], None), [2, 1]);
        // A tolerance absolute in the largest eigenvalue would merge the whole bottom.
        assert_eq!(dims(&[1e6, 1e6 * (1.0 - 1e-12), 3.0, 3.0, 1.0], None), [2, 2, 1]);
        assert_eq!(dims(&[5.0], None), [1]);
        assert!(dims(&[], None).is_empty());
    }

    #[test]
    fn a_spectrum_without_degeneracy_stays_apart() {
        let values: Vec<f64> =
            (0..200).map(|i| 1.05_f64.powi(-i) * (1.0 + 0.01 * f64::from(i % 7))).collect();
        let mut sorted = values.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(dims(&sorted, None).len(), 200);
    }

    #[test]
    fn a_chain_is_not_one_eigenspace() {
        let chain: Vec<f64> = (0..100).map(|i| 0.99_f64.powi(i)).collect();
        let found = dims(&chain, Some(0.011));
        assert!(found.len() > 10 && found.iter().all(|&dim| dim <= 6), "{found:?}");
    }

    #[test]
    fn differences_below_the_noise_are_none() {
        let found = eigenspaces(&[1.0, 1.0 - 1e-6, 1e-3, 1e-3 - 1e-6], 2e-6, None).expect("valid");
        assert_eq!(found.starts, [0, 2, 4]);
    }

    #[test]
    fn bad_arguments_are_refused() {
        assert!(eigenspaces(&[1.0, 2.0], 0.0, None).is_err());
        assert!(eigenspaces(&[1.0, 0.0], 0.0, None).is_err());
        assert!(eigenspaces(&[1.0], 0.0, Some(1.0)).is_err());
        assert!(eigenspaces(&[1.0], 0.0, Some(f64::NAN)).is_err());
    }

    proptest! {
        #[test]
        fn partitions_are_nested_scale_free_and_reproducible(
            mut values in prop::collection::vec(1e-3_f64..1e3, 1..40), power in -20_i32..20,
        ) {
            values.sort_by(|a, b| b.total_cmp(a));
            let found = eigenspaces(&values, 0.0, None).expect("valid");
            prop_assert_eq!(found.starts[0], 0);
            prop_assert_eq!(*found.starts.last().expect("not empty"), values.len());
            prop_assert!(found.starts.windows(2).all(|pair| pair[0] < pair[1]));
            for pair in found.table.windows(2) {
                prop_assert!(pair[0].upper == pair[1].lower && pair[0].count > pair[1].count);
                prop_assert!(pair[0].diameter <= pair[1].diameter);
            }
            prop_assert_eq!(found.table.last().expect("not empty").count, 1);
            let again = eigenspaces(&values, 0.0, Some(found.tolerance)).expect("valid");
            prop_assert_eq!(&again.starts, &found.starts);
            let scaled: Vec<f64> = values.iter().map(|v| v * 2.0_f64.powi(power)).collect();
            prop_assert_eq!(&eigenspaces(&scaled, 0.0, None).expect("valid").starts, &found.starts);
        }
    }
}
