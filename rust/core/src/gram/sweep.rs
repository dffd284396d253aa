//! One blocked pass over all pairs of features: neighbours, coherence, histogram of cosines, linkage.

use super::histogram::{Cosine, Histogram, MOST_BINS};
use super::linkage::{Blocks, Linkage, RUNGS};
use super::lists::{Lists, lock, smaller, unlocked};
use super::tiles::{Reader, Side, Tile, memory, multiply};
use super::unit::{UnitFeatures, squared_lengths};
use crate::error::{Error, Result};
use crate::matrix::{Element, FeatureMatrix};
use crate::run::{Run, fits};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Mutex;

/// Cosines that are compared with thresholds at a time, before any is looked at alone.
const GROUP: usize = 64;

/// Pairs that wait to be joined before the filters are drawn again: the first rows of a tile join most of its
/// columns to the rest, and all others then pass by.
const FLUSH: usize = 512;

/// Most neighbours of all features together: 64 GiB of indices and cosines.
const MOST_SLOTS: usize = 1 << 32;

/// What a sweep should collect.
#[derive(Debug, Clone, Copy)]
pub struct SweepOptions {
    /// Neighbours to keep of each feature, by decreasing |cosine|.
    pub neighbours: usize,
    /// Equal bins of the histogram over [-1, 1].
    pub bins: usize,
    /// Couplings below this do not connect blocks; `None` chooses (see [`Blocks`]).
    pub threshold: Option<f64>,
}

/// What one pass over all pairs of features gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// `options.neighbours` neighbours of each feature, nearest first; `None` past the last.
    pub neighbours: Vec<Option<usize>>,
    /// Their cosines, computed in `f64`.
    pub cosines: Vec<f64>,
    /// Pairs `i < j` of nonzero features in each bin of cosines.
    pub histogram: Vec<u64>,
    /// Largest |cosine| between two features; `None` with fewer than two nonzero ones.
    pub coherence: Option<f64>,
    /// Connected components of the Gram graph.
    pub blocks: Blocks,
    /// Arithmetic of the products: `f64` for `f64` input, else `f32`.
    pub element: Element,
}

/// Sweep all pairs of nonzero features once.
///
/// Costs `n (n - 1) m` operations and `O(n k + n log(1/eps) + tile)` memory; the `n x n` Gram matrix is never
/// stored. Cosines are multiplied in `f32` unless the input is `f64`; those of the neighbours that are kept
/// are computed again in `f64`.
///
/// # Errors
/// [`Error::Parameter`] for an option out of range; as [`squared_lengths`].
pub fn sweep(x: &FeatureMatrix<'_>, options: &SweepOptions, run: &Run) -> Result<Sweep> {
    let slots = x.n().checked_mul(options.neighbours);
    if options.neighbours == 0 || slots.is_none_or(|slots| slots > MOST_SLOTS) {
        return Err(Error::Parameter(format!(
            "k must be at least 1 and n k at most {MOST_SLOTS}, not k = {} for n = {}",
            options.neighbours,
            x.n()
        )));
    }
    if !(1..=MOST_BINS).contains(&options.bins) {
        return Err(Error::Parameter(format!(
            "bins must lie between 1 and {MOST_BINS}, not {}",
            options.bins
        )));
    }
    if options.threshold.is_some_and(|value| !(value > 0.0 && value <= 1.0)) {
        return Err(Error::Parameter("the threshold of couplings must lie in (0, 1]".into()));
    }
    // Of each neighbour an index and a cosine, in lists that grow, in order, and as the caller gets them; of each feature
    // a union-find of every rung, and numbers of one's own; of each thread some histograms; and the tiles.
    let threads = run.pool().current_num_threads();
    let keep = options.neighbours.min(x.n());
    let [packed, rows, tiles] = match x.element() {
        Element::F64 => memory::<f64>(x.n(), x.m(), 1, threads),
        Element::F32 | Element::F16 | Element::BF16 => memory::<f32>(x.n(), x.m(), 1, threads),
    };
    fits(&[
        [x.n(), options.neighbours, 32],
        [x.n(), keep, 48],
        [x.n(), RUNGS, 8],
        [x.n(), 160, 1],
        [4 * threads + 2, options.bins, 32],
        packed,
        rows,
        tiles,
    ])?;
    let side = Side { unit: UnitFeatures::new(x, &squared_lengths(x, run)?), weights: None };
    match x.element() {
        Element::F64 => pass::<f64>(x, &side, options, run),
        Element::F32 | Element::F16 | Element::BF16 => pass::<f32>(x, &side, options, run),
    }
}

/// Everything that the tiles of one pass update.
struct Collected<'a, T> {
    unit: &'a UnitFeatures<'a>,
    bins: usize,
    lists: Vec<Mutex<Lists<T>>>,
    linkage: Mutex<Linkage>,
}

fn pass<T: Cosine>(
    x: &FeatureMatrix<'_>,
    side: &Side<'_>,
    options: &SweepOptions,
    run: &Run,
) -> Result<Sweep> {
    let unit = &side.unit;
    let keep = options.neighbours.min(unit.len().saturating_sub(1)).max(1);
    let collected = Collected {
        unit,
        bins: options.bins,
        lists: (0..side.blocks())
            .map(|b| Mutex::new(Lists::new(side.block(b).len(), keep, T::narrow(-1.0))))
            .collect(),
        linkage: Mutex::new(Linkage::new(unit.len(), options.threshold)),
    };
    let histogram = multiply(side, None, &collected, run)?;
    let mut result = Sweep {
        neighbours: vec![None; x.n() * options.neighbours],
        cosines: vec![f64::NAN; x.n() * options.neighbours],
        histogram: histogram.counts(),
        coherence: None,
        blocks: unlocked(collected.linkage).blocks(x.n(), &unit.active),
        element: if T::SINGLE { Element::F32 } else { Element::F64 },
    };
    let lists: Vec<Vec<_>> = collected.lists.into_iter().flat_map(|lists| unlocked(lists).entries).collect();
    let exact: Vec<Vec<(f64, usize)>> = run.pool().install(|| {
        lists
            .par_iter()
            .enumerate()
            .map_init(Default::default, |rows, (i, entries)| {
                run.control().check()?;
                let mut exact: Vec<_> =
                    entries.iter().map(|&(_, Reverse(j))| (unit.cosine(i, j, rows), j)).collect();
                exact.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()).then(a.1.cmp(&b.1)));
                Ok(exact)
            })
            .collect::<Result<_>>()
    })?;
    for (&index, entries) in unit.active.iter().zip(&exact) {
        for (rank, &(cosine, j)) in entries.iter().enumerate() {
            result.neighbours[index * options.neighbours + rank] = Some(unit.active[j]);
            result.cosines[index * options.neighbours + rank] = cosine;
        }
    }
    result.coherence = exact.iter().filter_map(|entries| entries.first()).map(|e| e.0.abs()).reduce(f64::max);
    Ok(result)
}

impl<T: Cosine> Reader<T> for Collected<'_, T> {
    type Tally = Histogram;

    fn tally(&self) -> Histogram {
        Histogram::new(self.bins)
    }

    fn merged(a: Histogram, b: &Histogram) -> Histogram {
        a.merged(b)
    }

    /// Update everything from the cosines of a block of rows with a block of columns.
    #[inline(always)]
    fn read(&self, tile: &Tile<'_, T>, histogram: &mut Histogram) {
        let (rows, columns) = (&tile.rows, &tile.columns);
        // Blocks are locked in increasing order, so tiles cannot wait for each other in a circle.
        let mut own = lock(&self.lists[tile.b]);
        let mut other = (!tile.diagonal).then(|| lock(&self.lists[tile.c]));
        let (mut row_filter, mut column_filter) = self.filters(rows, columns);
        let norms = &self.unit.norms[columns.clone()];
        let limit = |least: T, filter: f32| smaller(least, T::widen(filter));
        let limits_of = |theirs: &Lists<T>, filter: &[f32]| -> Vec<T> {
            theirs.least.iter().zip(filter).map(|(&least, &filter)| limit(least, filter)).collect()
        };
        let mut limits = limits_of(other.as_deref().unwrap_or(&own), &column_filter);
        let mut joins: Vec<(usize, usize, f32)> = Vec::new();
        for (i, position) in rows.clone().enumerate() {
            let cosines = tile.cosines(i);
            // On the diagonal each pair is met twice; it counts where the column comes later.
            let first = if tile.diagonal { i + 1 } else { 0 };
            histogram.add(&cosines[first..]);
            for start in (first..cosines.len()).step_by(GROUP) {
                let group = start..cosines.len().min(start + GROUP);
                let (group_cosines, limits) = (&cosines[group.clone()], &mut limits[group.clone()]);
                if !any_reaches(group_cosines, limits, limit(own.least[i], row_filter[i])) {
                    continue;
                }
                for (column, cosine) in group.clone().zip(group_cosines) {
                    let strength = cosine.magnitude();
                    if strength >= own.least[i] {
                        own.offer(i, strength, columns.start + column);
                    }
                    let theirs = other.as_deref_mut().unwrap_or(&mut own);
                    if strength >= theirs.least[column] {
                        theirs.offer(column, strength, position);
                    }
                    let filter = row_filter[i].min(column_filter[column]);
                    // The coupling is at most the cosine, and a division is slow.
                    if strength.single() >= filter {
                        let coupling = strength.single() * ratio(self.unit.norms[position], norms[column]);
                        if coupling >= filter {
                            joins.push((position, columns.start + column, coupling));
                        }
                    }
                    limits[column - start] = limit(theirs.least[column], column_filter[column]);
                }
            }
            if joins.len() >= FLUSH {
                self.join(&mut joins);
                (row_filter, column_filter) = self.filters(rows, columns);
                limits = limits_of(other.as_deref().unwrap_or(&own), &column_filter);
            }
        }
        self.join(&mut joins);
    }
}

impl<T> Collected<'_, T> {
    /// What the couplings of rows and of columns have to reach to join anything new.
    fn filters(&self, rows: &Range<usize>, columns: &Range<usize>) -> (Vec<f32>, Vec<f32>) {
        let mut linkage = lock(&self.linkage);
        let mut filter = |positions: &Range<usize>| {
            linkage.refresh(positions.clone());
            linkage.filter()[positions.clone()].to_vec()
        };
        (filter(rows), filter(columns))
    }

    /// Hand over the pairs that may join something.
    fn join(&self, joins: &mut Vec<(usize, usize, f32)>) {
        if !joins.is_empty() {
            let mut linkage = lock(&self.linkage);
            for (i, j, coupling) in joins.drain(..) {
                linkage.join(i, j, f64::from(coupling));
            }
        }
    }
}

/// Whether any |cosine| reaches its column's limit or the row's. There is no early exit, so that the compiler
/// makes vector code of it: this is what nearly all pairs cost.
#[inline(always)]
fn any_reaches<T: Cosine>(cosines: &[T], limits: &[T], row_limit: T) -> bool {
    cosines
        .iter()
        .zip(limits)
        .fold(false, |any, (cosine, &limit)| any | (cosine.magnitude() >= smaller(limit, row_limit)))
}

fn ratio(a: f64, b: f64) -> f32 {
    (if a < b { a / b } else { b / a }) as f32
}

#[cfg(test)]
mod tests {
    use super::super::tiles::BLOCK;
    use super::*;
    use crate::testing::noise;
    use proptest::prelude::*;

    const OPTIONS: SweepOptions = SweepOptions { neighbours: 3, bins: 199, threshold: None };
    fn random(n: usize, m: usize, seed: u64) -> Vec<f64> {
        let mut state = seed | 1;
        (0..n * m).map(|_| noise(&mut state)).collect()
    }

    #[test]
    fn no_result_depends_on_threads_or_block_borders() {
        let values = random(3 * BLOCK + 17, 5, 7);
        let x = FeatureMatrix::from_slice(&values, 5).expect("shape");
        let one = sweep(&x, &OPTIONS, &Run::quiet(1).expect("threads")).expect("finite");
        for threads in [2, 4] {
            assert_eq!(one, sweep(&x, &OPTIONS, &Run::quiet(threads).expect("threads")).expect("finite"));
        }
        let n = x.n() as u64;
        assert_eq!(one.histogram.iter().sum::<u64>(), n * (n - 1) / 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_agrees_with_the_gram_matrix(n in 1_usize..40, m in 1_usize..9, seed in any::<u64>(), zeros in 0_usize..3) {
            let mut values = random(n, m, seed);
            for row in 0..zeros.min(n) {
                values[row * m..(row + 1) * m].fill(0.0);
            }
            let x = FeatureMatrix::from_slice(&values, m).expect("shape");
            let found = sweep(&x, &OPTIONS, &Run::quiet(2).expect("threads")).expect("finite");
            let rows: Vec<&[f64]> = values.chunks(m).collect();
            let norm = |i: usize| rows[i].iter().map(|v| v * v).sum::<f64>().sqrt();
            let cosine = |i: usize, j: usize| {
                rows[i].iter().zip(rows[j]).map(|(a, b)| a * b).sum::<f64>() / norm(i) / norm(j)
            };
            let active: Vec<usize> = (0..n).filter(|&i| norm(i) > 0.0).collect();
            let mut coherence: Option<f64> = None;
            for i in 0..n {
                let mut others: Vec<usize> =
                    if norm(i) > 0.0 { active.iter().copied().filter(|&j| j != i).collect() } else { vec![] };
                others.sort_by(|&a, &b| cosine(i, b).abs().total_cmp(&cosine(i, a).abs()));
                coherence = others.first().map(|&j| cosine(i, j).abs()).into_iter().chain(coherence).reduce(f64::max);
                for rank in 0..OPTIONS.neighbours {
                    let slot = i * OPTIONS.neighbours + rank;
                    prop_assert_eq!(found.neighbours[slot].is_some(), rank < others.len());
                    if rank < others.len() {
                        prop_assert!((found.cosines[slot].abs() - cosine(i, others[rank]).abs()).abs() < 1e-6);
                        let j = found.neighbours[slot].expect("checked");
                        prop_assert!((found.cosines[slot] - cosine(i, j)).abs() < 1e-12);
                    }
                }
            }
            prop_assert_eq!(found.coherence.is_some(), active.len() > 1);
            if let (Some(a), Some(b)) = (found.coherence, coherence) {
                prop_assert!((a - b).abs() < 1e-6);
            }
            let pairs = active.len() * active.len().saturating_sub(1) / 2;
            prop_assert_eq!(found.histogram.iter().sum::<u64>(), pairs as u64);
            for (i, label) in found.blocks.labels.iter().enumerate() {
                prop_assert_eq!(label.is_some(), active.contains(&i));
            }
        }
    }

    #[test]
    fn a_direct_sum_comes_apart() {
        // A triangle in the first two dimensions, a pair in the third, a zero feature.
        let h = 0.75_f64.sqrt();
        let values =
            [1.0, 0.0, 0.0, 0.0, 0.0, 2.0, -0.5, h, 0.0, 0.0, 0.0, 0.0, -0.5, -h, 0.0, 0.0, 0.0, -2.0];
        let x = FeatureMatrix::from_slice(&values, 3).expect("shape");
        let found = sweep(&x, &OPTIONS, &Run::quiet(1).expect("threads")).expect("finite");
        assert_eq!(found.blocks.labels, [Some(0), Some(1), Some(0), None, Some(0), Some(1)]);
        assert_eq!(found.coherence, Some(1.0));
    }
}
