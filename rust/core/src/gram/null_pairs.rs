//! All pairs of features, each cosine divided by the spread that the spectral measures alone would give it.
//!
//! Where a feature's part in each eigenspace k (of dimension d_k) points anywhere, the cosine of i and j has mean 0
//! and variance
//!
//! ```text
//! V_ij = sum_k mu_i(k) mu_j(k) / d_k,     z_ij = c_ij / sqrt(V_ij)
//! ```
//!
//! with mu_i(k) the share of feature i's squared norm in eigenspace k. So one tile is two products: features with
//! features, and rows mu_i(k) / sqrt(d_k) with such rows. The caller says which eigenspaces the shares are of; for
//! pairs that must not have made them, it gives two sets of features and shares in eigenspaces of all others.

use super::histogram::{Cosine, Histogram};
use super::lists::{Lists, lock, smaller, unlocked};
use super::tiles::{BLOCK, Reader, Side, Tile, memory, multiply};
use super::unit::{UnitFeatures, squared_lengths};
use crate::error::{Error, Result};
use crate::matrix::{Element, FeatureMatrix, dot};
use crate::run::{Run, fits};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::sync::{Mutex, MutexGuard};

/// Steps of z^2 in the histogram are 1 / this wide: a p-value changes by 6 % from one to the next.
pub const STEPS: usize = 8;

/// Largest z^2 that has a step of its own, where a p-value is 1e-56.
pub const MOST: usize = 256;

/// Bins of the histogram of signed z^2.
const BINS: usize = 2 * STEPS * MOST;

/// Scores of pairs that are compared with what the lists need at a time, before any is looked at alone.
const GROUP: usize = 64;

/// Most neighbours of all features together: 64 GiB of indices and numbers.
const MOST_SLOTS: usize = 1 << 31;

/// What a sweep against the measure null keeps of each feature.
#[derive(Debug, Clone, Copy)]
pub struct NullOptions {
    /// Neighbours of either sign by decreasing |z|.
    pub by_score: usize,
    /// Neighbours of either sign by decreasing |cosine|.
    pub by_cosine: usize,
    /// Least z^2 of a neighbour that is kept by |z|.
    pub least: f64,
}

impl NullOptions {
    /// Entries of each feature: positive and negative by |z|, positive and negative by |cosine|.
    pub fn slots(&self) -> usize {
        2 * (self.by_score + self.by_cosine)
    }

    /// How many entries each of the four lists has.
    fn lengths(&self) -> [usize; 4] {
        [self.by_score, self.by_score, self.by_cosine, self.by_cosine]
    }
}

/// Features and the share of each one's squared norm in every eigenspace, over the root of its dimension.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// Features as rows.
    pub features: FeatureMatrix<'a>,
    /// One row for each feature: its shares, each over the root of the dimension of the eigenspace.
    pub shares: FeatureMatrix<'a>,
}

/// What was kept of the features of one side: [`NullOptions::slots`] entries each, list after list.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The other feature, `None` past the last of a list.
    pub neighbours: Vec<Option<usize>>,
    /// Cosines, in `f64`.
    pub cosines: Vec<f64>,
    /// z, in `f64`.
    pub scores: Vec<f64>,
    /// Bin of the histogram in which the pair was counted.
    pub bins: Vec<i64>,
}

/// What a sweep against the measure null gave.
#[derive(Debug, Clone, PartialEq)]
pub struct NullSweep {
    /// Pairs in each step of signed z^2, from -[`MOST`] to [`MOST`]; the outer bins hold all beyond.
    pub histogram: Vec<u64>,
    /// Of the left features, then of the right ones where there are two sets.
    pub kept: Vec<Kept>,
    /// Arithmetic of the products: `f64` for `f64` input, else `f32`.
    pub element: Element,
}

/// Sweep all pairs of `left` with `right`, or of `left` with itself, against the measure null.
///
/// Costs `2 n (n - 1) m` operations at most for `n` features of one set, twice a plain sweep, and memory for the
/// lists and some tiles. What is kept is computed again in `f64`. Zero features have no pairs.
///
/// # Errors
/// [`Error::Shape`] where the parts do not fit together, [`Error::Parameter`] for an option out of range; as
/// [`squared_lengths`].
pub fn null_sweep(
    left: Measured<'_>,
    right: Option<Measured<'_>>,
    options: &NullOptions,
    run: &Run,
) -> Result<NullSweep> {
    for side in [Some(left), right].into_iter().flatten() {
        let fits = side.features.n() == side.shares.n()
            && side.features.m() == left.features.m()
            && side.shares.m() == left.shares.m()
            && side.features.element() == left.features.element();
        if !fits {
            return Err(Error::Shape(format!(
                "features of shape ({}, {}) and shares of shape ({}, {}) do not fit together, or two sets of features \
                 differ in dimensions, eigenspaces or element type",
                side.features.n(),
                side.features.m(),
                side.shares.n(),
                side.shares.m()
            )));
        }
        if side.features.n().checked_mul(options.slots()).is_none_or(|slots| slots > MOST_SLOTS) {
            return Err(Error::Parameter(format!("n k must be at most {MOST_SLOTS}")));
        }
    }
    if options.least.is_nan() || options.least < 0.0 {
        return Err(Error::Parameter(format!("the least z^2 must be at least 0, not {}", options.least)));
    }
    let (left, right) = (side_of(left, run)?, right.map(|right| side_of(right, run)).transpose()?);
    match left.unit.element() {
        Element::F64 => pass::<f64>(&left, right.as_ref(), options, run),
        Element::F32 | Element::F16 | Element::BF16 => pass::<f32>(&left, right.as_ref(), options, run),
    }
}

fn side_of<'a>(measured: Measured<'a>, run: &Run) -> Result<Side<'a>> {
    let unit = UnitFeatures::new(&measured.features, &squared_lengths(&measured.features, run)?);
    Ok(Side { unit, weights: Some(measured.shares) })
}

/// Where the variance is below this, the cosine is rounding: z stays below .1.
fn floor<T: Cosine>() -> T {
    T::narrow(if T::SINGLE { 1e-10 } else { 1e-26 })
}

/// The four lists of one block of features.
type Four<T> = [Lists<T>; 4];

/// What the tiles of one pass update.
struct Collected<T> {
    left: Vec<Mutex<Four<T>>>,
    /// Empty where rows and columns are of one set.
    right: Vec<Mutex<Four<T>>>,
}

fn lists_of<T: Cosine>(side: &Side<'_>, options: &NullOptions) -> Vec<Mutex<Four<T>>> {
    // An uncorrelated pair is nobody's neighbour.
    let positive = f64::from(f32::MIN_POSITIVE);
    let least = [options.least.max(positive), options.least.max(positive), positive, positive];
    let keep = options.lengths();
    let four = |count| std::array::from_fn(|kind| Lists::new(count, keep[kind], T::narrow(least[kind])));
    (0..side.blocks()).map(|b| Mutex::new(four(side.block(b).len()))).collect()
}

fn pass<T: Cosine>(
    left: &Side<'_>,
    right: Option<&Side<'_>>,
    options: &NullOptions,
    run: &Run,
) -> Result<NullSweep> {
    // As in `sweep`; each entry is held with its slot, cosine, score and bin.
    let threads = run.pool().current_num_threads();
    let both = left.unit.n() + right.map_or(0, |side| side.unit.n());
    let width = left.unit.m() + left.weights.map_or(0, |weights| weights.m());
    let [packed, rows, tiles] = memory::<T>(both, width, 2, threads);
    fits(&[[both, options.slots(), 128], [both, 400, 1], [threads, BINS, 64], packed, rows, tiles])?;
    let collected = Collected::<T> {
        left: lists_of(left, options),
        right: right.map_or_else(Vec::new, |right| lists_of(right, options)),
    };
    let histogram = multiply(left, right, &collected, run)?;
    let mut kept = vec![exact(left, right.unwrap_or(left), collected.left, options, run)?];
    if let Some(right) = right {
        kept.push(exact(right, left, collected.right, options, run)?);
    }
    let element = if T::SINGLE { Element::F32 } else { Element::F64 };
    Ok(NullSweep { histogram: histogram.counts(), kept, element })
}

impl<T: Cosine> Collected<T> {
    fn four(&self, own: bool, block: usize) -> MutexGuard<'_, Four<T>> {
        lock(if own { &self.left[block] } else { &self.right[block] })
    }
}

impl<T: Cosine> Reader<T> for Collected<T> {
    type Tally = Histogram;

    fn tally(&self) -> Histogram {
        Histogram::new(BINS)
    }

    fn merged(a: Histogram, b: &Histogram) -> Histogram {
        a.merged(b)
    }

    #[inline(always)]
    fn read(&self, tile: &Tile<'_, T>, histogram: &mut Histogram) {
        // Blocks are locked in increasing order, rows before columns, so tiles cannot wait in a circle.
        let mut own = self.four(true, tile.b);
        let mut other = (!tile.diagonal).then(|| self.four(self.right.is_empty(), tile.c));
        let width = tile.columns.len();
        let mut limits: [Vec<T>; 4] = {
            let theirs = other.as_deref().unwrap_or(&own);
            std::array::from_fn(|kind| theirs[kind].least.clone())
        };
        let mut squares = vec![T::default(); width];
        let mut scaled = vec![T::default(); width];
        let scale = T::narrow(1.0 / MOST as f64);
        let least = floor::<T>();
        for i in 0..tile.rows.len() {
            let (cosines, variances) = (tile.cosines(i), tile.weights(i));
            // On the diagonal each pair is met twice; it counts where the column comes later.
            let first = if tile.diagonal { i + 1 } else { 0 };
            for (((square, scaled), &cosine), &variance) in
                squares.iter_mut().zip(&mut scaled).zip(cosines).zip(variances)
            {
                let variance = if variance > least { variance } else { least };
                *square = cosine * cosine.magnitude() / variance;
                *scaled = *square * scale;
            }
            histogram.add(&scaled[first..]);
            for start in (first..width).step_by(GROUP) {
                let group = start..width.min(start + GROUP);
                let reached = any_reaches(
                    &squares[group.clone()],
                    [&limits[0][group.clone()], &limits[1][group.clone()]],
                    [own[0].least[i], own[1].least[i]],
                ) | any_reaches(
                    &cosines[group.clone()],
                    [&limits[2][group.clone()], &limits[3][group.clone()]],
                    [own[2].least[i], own[3].least[i]],
                );
                if !reached {
                    continue;
                }
                for column in group {
                    for (kind, value) in [(0, squares[column]), (2, cosines[column])] {
                        let kind = if value < T::default() { kind + 1 } else { kind };
                        let strength = value.magnitude();
                        if strength >= own[kind].least[i] {
                            own[kind].offer(i, strength, tile.columns.start + column);
                        }
                        let theirs = other.as_deref_mut().unwrap_or(&mut own);
                        if strength >= theirs[kind].least[column] {
                            theirs[kind].offer(column, strength, tile.rows.start + i);
                        }
                        limits[kind][column] = theirs[kind].least[column];
                    }
                }
            }
        }
    }
}

/// Whether any value reaches its column's limit or the row's, for values above and below zero. There is no early
/// exit, so that the compiler makes vector code of it: this is what nearly all pairs cost.
#[inline(always)]
fn any_reaches<T: Cosine>(values: &[T], [above, below]: [&[T]; 2], [row_above, row_below]: [T; 2]) -> bool {
    values.iter().zip(above).zip(below).fold(false, |any, ((&value, &above), &below)| {
        any | (value >= smaller(above, row_above)) | (-value >= smaller(below, row_below))
    })
}

/// One kept pair, at its place among the slots of a feature.
struct Entry {
    slot: usize,
    other: usize,
    cosine: f64,
    score: f64,
    bin: i64,
}

/// The kept pairs of one side with their cosines and z computed again in `f64`.
fn exact<T: Cosine>(
    side: &Side<'_>,
    others: &Side<'_>,
    lists: Vec<Mutex<Four<T>>>,
    options: &NullOptions,
    run: &Run,
) -> Result<Kept> {
    let slots = options.slots();
    let blocks: Vec<Four<T>> = lists.into_iter().map(unlocked).collect();
    let rows: Vec<Vec<Entry>> = run.pool().install(|| {
        (0..side.unit.len())
            .into_par_iter()
            .map_init(<[Vec<f64>; 4]>::default, |[feature, shares, other, theirs], i| {
                run.control().check()?;
                let four = &blocks[i / BLOCK];
                let mut entries = Vec::new();
                if slots > 0 {
                    side.row(i, feature, shares);
                }
                let mut slot = 0;
                for (kind, keep) in options.lengths().into_iter().enumerate() {
                    for (rank, &(strength, Reverse(j))) in four[kind].entries[i % BLOCK].iter().enumerate() {
                        others.row(j, other, theirs);
                        let cosine = dot(feature, other).clamp(-1.0, 1.0);
                        let variance = dot(shares, theirs).max(floor::<T>().into());
                        let sign = if kind % 2 == 0 { 1.0 } else { -1.0 };
                        entries.push(Entry {
                            slot: slot + rank,
                            other: others.unit.active[j],
                            cosine,
                            score: cosine / variance.sqrt(),
                            bin: if kind < 2 { bin_of(strength, sign) } else { -1 },
                        });
                    }
                    slot += keep;
                }
                Ok(entries)
            })
            .collect::<Result<_>>()
    })?;
    let total = side.unit.n() * slots;
    let mut kept = Kept {
        neighbours: vec![None; total],
        cosines: vec![f64::NAN; total],
        scores: vec![f64::NAN; total],
        bins: vec![-1; total],
    };
    for (&index, entries) in side.unit.active.iter().zip(&rows) {
        for entry in entries {
            let at = index * slots + entry.slot;
            kept.neighbours[at] = Some(entry.other);
            kept.cosines[at] = entry.cosine;
            kept.scores[at] = entry.score;
            kept.bins[at] = entry.bin;
        }
    }
    Ok(kept)
}

/// Bin of the histogram for a square that the tiles gave, in the same arithmetic.
fn bin_of<T: Cosine>(square: T, sign: f64) -> i64 {
    let scaled = square * T::narrow(sign / MOST as f64);
    i64::from(scaled.bin(BINS as f32 / 2.0, (BINS - 1) as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;
    use proptest::prelude::*;

    const OPTIONS: NullOptions = NullOptions { by_score: 2, by_cosine: 3, least: 0.5 };

    fn random(n: usize, m: usize, seed: u64) -> Vec<f64> {
        let mut state = seed | 1;
        (0..n * m).map(|_| noise(&mut state)).collect()
    }

    fn positive(n: usize, m: usize, seed: u64) -> Vec<f64> {
        random(n, m, seed).into_iter().map(f64::abs).collect()
    }

    /// Signed z^2 and cosine of a pair, by hand.
    fn pair(a: &[f64], b: &[f64], shares_a: &[f64], shares_b: &[f64]) -> (f64, f64) {
        let inner = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(x, y)| x * y).sum::<f64>();
        let cosine = inner(a, b) / (inner(a, a) * inner(b, b)).sqrt();
        (cosine * cosine.abs() / inner(shares_a, shares_b), cosine)
    }

    #[test]
    fn no_result_depends_on_threads_or_on_the_split() {
        let (n, m, k) = (2 * BLOCK + 17, 5, 4);
        let (values, shares) = (random(n, m, 7), positive(n, k, 8));
        let measured = |range: std::ops::Range<usize>| Measured {
            features: FeatureMatrix::from_slice(&values[range.start * m..range.end * m], m).expect("shape"),
            shares: FeatureMatrix::from_slice(&shares[range.start * k..range.end * k], k).expect("shape"),
        };
        let run = |threads| Run::quiet(threads).expect("threads");
        let one = null_sweep(measured(0..n), None, &OPTIONS, &run(1)).expect("finite");
        assert_eq!(one, null_sweep(measured(0..n), None, &OPTIONS, &run(3)).expect("finite"));
        assert_eq!(one.histogram.iter().sum::<u64>(), (n * (n - 1) / 2) as u64);
        // Two sets together meet the pairs of one: within the first, within the second, across.
        let cut = 300;
        let (a, b) = (measured(0..cut), measured(cut..n));
        let parts = [
            null_sweep(a, None, &OPTIONS, &run(2)).expect("finite"),
            null_sweep(b, None, &OPTIONS, &run(2)).expect("finite"),
            null_sweep(a, Some(b), &OPTIONS, &run(2)).expect("finite"),
        ];
        for bin in 0..BINS {
            let sum: u64 = parts.iter().map(|part| part.histogram[bin]).sum();
            assert_eq!(sum, one.histogram[bin]);
        }
        assert_eq!(parts[2].kept.len(), 2);
        let across = &parts[2].kept[1];
        for (slot, neighbour) in across.neighbours.iter().enumerate().filter(|(_, j)| j.is_some()) {
            let (i, j) = (cut + slot / OPTIONS.slots(), neighbour.expect("checked"));
            let row = |i: usize| (&values[i * m..(i + 1) * m], &shares[i * k..(i + 1) * k]);
            let (square, cosine) = pair(row(i).0, row(j).0, row(i).1, row(j).1);
            assert!((across.cosines[slot] - cosine).abs() < 1e-12);
            assert!((across.scores[slot] * across.scores[slot].abs() - square).abs() < 1e-9 * square.abs());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_agrees_with_every_pair_alone(n in 2_usize..40, m in 1_usize..9, k in 1_usize..6, seed in any::<u64>()) {
            let (mut values, shares) = (random(n, m, seed), positive(n, k, seed ^ 99));
            values[..m].fill(0.0);
            let features = FeatureMatrix::from_slice(&values, m).expect("shape");
            let table = FeatureMatrix::from_slice(&shares, k).expect("shape");
            let measured = Measured { features, shares: table };
            let found = null_sweep(measured, None, &OPTIONS, &Run::quiet(2).expect("threads")).expect("finite");
            let mut histogram = vec![0_u64; BINS];
            let of = |i: usize, j: usize| pair(
                &values[i * m..(i + 1) * m],
                &values[j * m..(j + 1) * m],
                &shares[i * k..(i + 1) * k],
                &shares[j * k..(j + 1) * k],
            );
            for i in 1..n {
                for j in i + 1..n {
                    let place = (of(i, j).0 / MOST as f64 + 1.0) * (STEPS * MOST) as f64;
                    histogram[(place.max(0.0) as usize).min(BINS - 1)] += 1;
                }
                let mut slot = i * OPTIONS.slots();
                for (kind, keep) in OPTIONS.lengths().into_iter().enumerate() {
                    let sign = if kind % 2 == 0 { 1.0 } else { -1.0 };
                    let key = |j: usize| if kind < 2 { sign * of(i, j).0 } else { sign * of(i, j).1 };
                    let least = if kind < 2 { OPTIONS.least } else { 0.0 };
                    let mut strengths: Vec<f64> =
                        (1..n).filter(|&j| j != i).map(key).filter(|&s| s >= least && s > 0.0).collect();
                    strengths.sort_by(|a, b| b.total_cmp(a));
                    for rank in 0..keep {
                        prop_assert_eq!(found.kept[0].neighbours[slot].is_some(), rank < strengths.len());
                        if let Some(j) = found.kept[0].neighbours[slot] {
                            prop_assert!((key(j) - strengths[rank]).abs() <= 1e-9 * strengths[rank]);
                            prop_assert!((found.kept[0].cosines[slot] - of(i, j).1).abs() < 1e-12);
                        }
                        slot += 1;
                    }
                }
            }
            // A square on the edge of a bin may fall to either side of it.
            let cumulated = |counts: &[u64]| -> Vec<i64> {
                counts.iter().scan(0, |sum, &c| { *sum += c as i64; Some(*sum) }).collect()
            };
            for (a, b) in cumulated(&histogram).iter().zip(cumulated(&found.histogram)) {
                prop_assert!((a - b).abs() <= 1);
            }
            prop_assert!(found.kept[0].neighbours[..OPTIONS.slots()].iter().all(Option::is_none));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (values, shares) = ([1.0, 0.0, 0.0, 1.0], [1.0, 0.5, 0.5]);
        let features = FeatureMatrix::from_slice(&values, 2).expect("shape");
        let short = FeatureMatrix::from_slice(&shares, 1).expect("shape");
        let run = Run::quiet(1).expect("threads");
        let bad = null_sweep(Measured { features, shares: short }, None, &OPTIONS, &run);
        assert!(matches!(bad, Err(Error::Shape(_))));
        let fine = Measured { features, shares: FeatureMatrix::from_slice(&shares[..2], 1).expect("shape") };
        let options = NullOptions { least: f64::NAN, ..OPTIONS };
        assert!(matches!(null_sweep(fine, None, &options, &run), Err(Error::Parameter(_))));
    }
}
