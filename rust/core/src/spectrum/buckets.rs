//! Which eigenvalues count as equal: groups that chance would not make.
//!
//! ```text
//!   lambda   3.2231 3.2176                 1.02
//!              |-|------------------------- |
//!            width 0.0017     gap 0.68
//! ```
//!
//! Eigenvalues are merged by single linkage in the gap relative to the local eigenvalue. Every group that this
//! passes through is judged by its relative width and the gap at which it merges with a neighbour. Of `r`
//! independent eigenvalues without degeneracy, `d` neighbours stand `R` times closer together than the gap beside
//! them about `r R^-(d-1)` times: each of the `d - 1` inner distances has to fall short by chance. A group is an
//! eigenspace if that number is at most [`LEVEL`], and if it is not too wide to be one at all. Eigenvalues of a
//! random matrix repel each other, so that far fewer of its groups pass.
//!
//! Parts compete with the whole by the coincidences that they explain, `(d - 1) log10 R`, which add up over
//! parts: two exact pairs a thousandth apart are two eigenspaces, and two of three trained eigenvalues that are
//! close by accident are not one. The whole spectrum has no neighbour, so its width alone decides.
//!
//! Groups are judged one by one, not whole partitions: a pentagon that training left split by 2e-3 is one
//! eigenspace whatever else is in the spectrum.

use crate::error::{Error, Result};

/// Smallest relative width and gap that are told apart: what is below is rounding.
const FINEST: f64 = 1e-8;

/// Groups that may come about by chance in one spectrum of independent eigenvalues, on average. Simulated: .17 at
/// 5 eigenvalues, .33 at 20, .42 at 100 and .45 at 384, uniform in log lambda; none in 80 Wishart matrices of
/// dimension 384.
const LEVEL: f64 = 0.5;

/// Most that a pair may differ by, relatively. Noise that splits a pair by as much splits an eigenspace of dimension
/// `d` by `sqrt(d / 2)` times as much, the width of a random symmetric matrix's spectrum.
const PAIR: f64 = 0.05;

/// Most that any eigenspace may be wide, relatively. Toys of 64 features in 16 dimensions whose saturation is .9988
/// and more are left .06 to .13 wide by their training.
const WIDEST: f64 = 0.15;

/// The gap that the whole spectrum counts as having, to compete with its parts.
const ALONE: f64 = 2.0 * WIDEST;

/// A bucket may be this many tolerances wide before it is split at its widest gap.
const WIDTH: f64 = 4.0;

/// The partition by single linkage at tolerances in `[lower, upper)`.
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

/// Retained eigenvalues grouped into eigenspaces.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigenspaces {
    /// First eigenvalue of each eigenspace, then their number: eigenspace k is `starts[k]..starts[k + 1]`.
    pub starts: Vec<usize>,
    /// The relative tolerance that was given, or the least that gives these eigenspaces; `None` where no tolerance
    /// does, since a gap inside one is wider than a gap between two.
    pub tolerance: Option<f64>,
    /// Every partition that single linkage passes through, finest first.
    pub table: Vec<Partition>,
}

/// Group positive eigenvalues, given in decreasing order, into eigenspaces.
///
/// `noise` is the absolute uncertainty of an eigenvalue: differences below it are none. `tolerance` groups by
/// single linkage at that relative gap, with buckets at most four times as wide; `None` keeps the groups that chance
/// would not make.
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
            tolerance: Some(tolerance.unwrap_or(FINEST)),
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
    let nodes = dendrogram(values, &gaps, noise);
    let table = partitions(&nodes, values.len());
    let Some(tolerance) = tolerance else {
        let starts = unlikely(&nodes, values.len());
        let tolerance = reproducing(values, &gaps, noise, &starts);
        return Ok(Eigenspaces { starts, tolerance, table });
    };
    let mut starts = cut(&gaps, tolerance);
    split_wide(values, &gaps, tolerance, noise, &mut starts);
    Ok(Eigenspaces { starts, tolerance: Some(tolerance), table })
}

/// The least tolerance, 1e-8 where that is one, at which single linkage with split chains gives these eigenspaces.
fn reproducing(values: &[f64], gaps: &[f64], noise: f64, starts: &[usize]) -> Option<f64> {
    let least = starts.windows(2).fold(0.0_f64, |least, pair| {
        let inner = gaps[pair[0]..pair[1] - 1].iter().fold(least, |widest, &gap| widest.max(gap));
        inner.max(diameter(&values[pair[0]..pair[1]], noise) / WIDTH)
    });
    let between =
        starts[1..starts.len() - 1].iter().fold(1.0_f64, |least, &start| least.min(gaps[start - 1]));
    [least.max(FINEST), least].into_iter().find(|&tolerance| tolerance < between)
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

/// A group of neighbouring eigenvalues that single linkage makes of two smaller ones.
struct Node {
    start: usize,
    end: usize,
    /// The gap that joined its halves.
    gap: f64,
    /// The gap that joins it to a neighbour; infinite for the root.
    next: f64,
    diameter: f64,
    /// Its diameter, or what of it is beyond telling: rounding and noise.
    width: f64,
    /// Its halves, where they are groups themselves.
    halves: [Option<usize>; 2],
}

impl Node {
    /// Coincidences that the group explains: decades by which its inner distances fall short of the gap beside it.
    fn score(&self) -> f64 {
        let next = if self.next.is_finite() { self.next } else { ALONE };
        (self.end - self.start - 1) as f64 * (next / self.width).log10()
    }

    /// Whether it is narrow enough for an eigenspace, and unlikely by chance among `values` eigenvalues.
    fn accepted(&self, values: usize) -> bool {
        let widest = PAIR * ((self.end - self.start) as f64 / 2.0).sqrt();
        let unlikely = self.next.is_infinite() || self.score() >= (values as f64 / LEVEL).log10();
        self.width <= widest.min(WIDEST) && unlikely
    }
}

/// Every group of two or more eigenvalues that single linkage passes through; halves come before wholes.
fn dendrogram(values: &[f64], gaps: &[f64], noise: f64) -> Vec<Node> {
    let mut order: Vec<usize> = (0..gaps.len()).collect();
    order.sort_by(|&a, &b| gaps[a].total_cmp(&gaps[b]));
    let mut nodes: Vec<Node> = Vec::with_capacity(gaps.len());
    // The group that begins, and the one that ends, at each eigenvalue.
    let mut begins: Vec<Option<usize>> = vec![None; values.len()];
    let mut ends = begins.clone();
    for between in order {
        let halves = [ends[between], begins[between + 1]];
        let gap = gaps[between].max(FINEST);
        for half in halves.into_iter().flatten() {
            nodes[half].next = gap;
        }
        let start = halves[0].map_or(between, |half| nodes[half].start);
        let end = halves[1].map_or(between + 2, |half| nodes[half].end);
        let diameter = diameter(&values[start..end], noise);
        (begins[start], ends[end - 1]) = (Some(nodes.len()), Some(nodes.len()));
        let width = diameter.max(FINEST).max(noise / values[start]);
        nodes.push(Node { start, end, gap, next: f64::INFINITY, diameter, width, halves });
    }
    nodes
}

/// The partition at every tolerance: nodes come in the order of their gaps.
fn partitions(nodes: &[Node], values: usize) -> Vec<Partition> {
    let mut table = vec![Partition { lower: FINEST, upper: f64::INFINITY, diameter: 0.0, count: values }];
    for node in nodes {
        let last = table.len() - 1;
        let Partition { lower, diameter, count, .. } = table[last];
        let next = Partition {
            lower: node.gap,
            upper: f64::INFINITY,
            diameter: diameter.max(node.diameter),
            count: count - 1,
        };
        if node.gap > lower {
            table[last].upper = node.gap;
            table.push(next);
        } else {
            table[last] = next;
        }
    }
    table
}

/// Borders of the groups that chance would not make, and of every eigenvalue outside them.
fn unlikely(nodes: &[Node], values: usize) -> Vec<usize> {
    // From the leaves up: the best that can be had inside each group, and whether the group itself is kept.
    let mut best: Vec<f64> = Vec::with_capacity(nodes.len());
    let mut kept: Vec<bool> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let parts: f64 = node.halves.into_iter().flatten().map(|half| best[half]).sum();
        let own = node.score();
        let keep = node.accepted(values) && own >= parts;
        best.push(if keep { own } else { parts });
        kept.push(keep);
    }
    let mut joined = vec![false; values];
    let mut open: Vec<usize> = nodes.len().checked_sub(1).into_iter().collect();
    while let Some(node) = open.pop() {
        if kept[node] {
            joined[nodes[node].start + 1..nodes[node].end].fill(true);
        } else {
            open.extend(nodes[node].halves.into_iter().flatten());
        }
    }
    (0..values).filter(|&i| !joined[i]).chain(std::iter::once(values)).collect()
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

    fn gaps(values: &[f64]) -> Vec<f64> {
        values.windows(2).map(|pair| (pair[0] - pair[1]) / pair[0]).collect()
    }

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
    fn a_group_is_judged_alone() {
        assert_eq!(dims(&[3.2231, 3.2176, 1.000_01, 1.0], None), [2, 2]);
        assert_eq!(dims(&[3.2231, 3.2176, 1.0, 1.0, 1.0], None), [2, 3]);
        // Exact pairs a thousandth apart are two eigenspaces; two of three trained ones may be close by accident.
        assert_eq!(dims(&[1.001, 1.001, 1.0, 1.0], None), [2, 2]);
        assert_eq!(dims(&[1.001, 1.000_01, 1.0], None), [3]);
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
    fn a_width_is_judged_by_the_gap_beside_it() {
        // Two of three: r / LEVEL = 6, so the gap has to be six times the width.
        assert_eq!(dims(&[1.0, 0.99, 0.99 * (1.0 - 0.065)], None), [2, 1]);
        assert_eq!(dims(&[1.0, 0.99, 0.99 * (1.0 - 0.055)], None), [1, 1, 1]);
        // The whole spectrum by its width: 5 % for a pair, sqrt(d / 2) times as much for more, up to 15 %.
        assert_eq!(dims(&[1.0, 0.951], None), [2]);
        assert_eq!(dims(&[1.0, 0.949], None), [1, 1]);
        let even = |count: usize, width: f64| -> Vec<f64> {
            (0..count).map(|i| 1.0 - width * i as f64 / (count - 1) as f64).collect()
        };
        assert_eq!(dims(&even(8, 0.0999), None), [8]);
        assert_eq!(dims(&even(8, 0.1001), None), [1; 8]);
        assert_eq!(dims(&even(50, 0.1499), None), [50]);
        assert_eq!(dims(&even(50, 0.1501), None), [1; 50]);
    }

    #[test]
    fn a_tolerance_is_reported_only_where_it_gives_the_eigenspaces() {
        let found = eigenspaces(&[3.2231, 3.2176, 1.0], 0.0, None).expect("valid");
        assert_eq!(found.tolerance, Some((3.2231 - 3.2176) / 3.2231));
        // A gap of 2e-3 inside the first, of 1e-3 between the others.
        let found = eigenspaces(&[3.006, 3.0, 1.001, 1.001, 1.0, 1.0], 0.0, None).expect("valid");
        assert_eq!((found.starts.as_slice(), found.tolerance), (&[0, 2, 4, 6][..], None));
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
            if let Some(tolerance) = found.tolerance {
                let again = eigenspaces(&values, 0.0, Some(tolerance)).expect("valid");
                prop_assert_eq!(&again.starts, &found.starts);
            } else {
                let gaps = gaps(&values);
                let inner = |k: &usize| !found.starts.contains(&(k + 1));
                let (within, between): (Vec<usize>, Vec<usize>) = (0..gaps.len()).partition(inner);
                let least = between.iter().map(|&k| gaps[k]).fold(1.0, f64::min);
                let widths = found.starts.windows(2).map(|pair| diameter(&values[pair[0]..pair[1]], 0.0) / WIDTH);
                prop_assert!(within.iter().map(|&k| gaps[k]).chain(widths).any(|wide| wide >= least));
            }
            let scaled: Vec<f64> = values.iter().map(|v| v * 2.0_f64.powi(power)).collect();
            prop_assert_eq!(&eigenspaces(&scaled, 0.0, None).expect("valid").starts, &found.starts);
        }
    }
}
