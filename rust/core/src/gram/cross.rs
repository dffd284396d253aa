//! The nearest features of another set, for every feature of two sets, in one pass over all pairs of the two.

use super::histogram::Cosine;
use super::lists::{Lists, lock, smaller, unlocked};
use super::tiles::{Reader, Side, Tile, memory, multiply};
use super::unit::{UnitFeatures, squared_lengths};
use crate::error::{Error, Result};
use crate::matrix::{Element, FeatureMatrix};
use crate::run::{Run, fits};
use std::cmp::Reverse;
use std::sync::Mutex;

/// Cosines that are compared with what the lists need at a time, before any is looked at alone.
const GROUP: usize = 64;

/// Strengths are rounded to multiples of this, so that copies are as near as each other, whatever their products round
/// to: some units of the last place of a sum of thousands of terms.
fn step<T: Cosine>() -> f64 {
    if T::SINGLE { 1.0 / (1 << 20) as f64 } else { 1.0 / (1_u64 << 44) as f64 }
}

/// Most features of a set: lists hold 32-bit positions.
const MOST: usize = u32::MAX as usize;

/// The nearest others of every nonzero feature of one set, as many for each, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// Others of each feature.
    pub keep: usize,
    /// Their positions among the nonzero features of the other set, feature after feature.
    pub others: Vec<u32>,
    /// Cosines or absolute cosines, in the arithmetic of the products.
    pub strengths: Vec<f64>,
}

impl Nearest {
    /// The others of feature `i`, by position, with their strengths.
    pub fn of(&self, i: usize) -> impl Iterator<Item = (usize, f64)> {
        let slots = i * self.keep..(i + 1) * self.keep;
        let others = self.others[slots.clone()].iter().map(|&other| other as usize);
        others.zip(self.strengths[slots].iter().copied())
    }

    /// Strength of the last that was kept of feature `i`: none that was left out is stronger.
    pub fn least(&self, i: usize) -> f64 {
        self.strengths[(i + 1) * self.keep - 1]
    }

    /// Features that have a list.
    pub fn len(&self) -> usize {
        self.others.len() / self.keep
    }

    /// Whether no feature has a list.
    pub fn is_empty(&self) -> bool {
        self.others.is_empty()
    }
}

/// What one pass over two sets of features gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Cross {
    /// Indices of the nonzero features of both sets, increasing.
    pub active: [Vec<usize>; 2],
    /// By cosine: of the left features, then of the right ones.
    pub signed: [Nearest; 2],
    /// By absolute cosine.
    pub absolute: [Nearest; 2],
    /// Largest error of a strength: of products and sums of `m` terms in their arithmetic, and of rounding to steps.
    pub rounding: f64,
}

/// Find the `keep` nearest features of the other set for every feature of two sets.
///
/// Costs `2 n_a n_b m` operations and `O((n_a + n_b) keep + tile)` memory. Equally near ones are taken in cyclic
/// order, from a feature's own place on, so that many copies of one feature do not all list the same few others.
/// Products are in `f32` unless either set is `f64`.
///
/// # Errors
/// [`Error::Shape`] for sets of different dimensions or without a nonzero feature, [`Error::Parameter`] for `keep` of 0;
/// as [`squared_lengths`].
pub fn cross_sweep(
    left: &FeatureMatrix<'_>,
    right: &FeatureMatrix<'_>,
    keep: usize,
    run: &Run,
) -> Result<Cross> {
    if left.m() != right.m() {
        return Err(Error::Shape(format!(
            "features of {} and of {} dimensions have no cosines",
            left.m(),
            right.m()
        )));
    }
    if keep == 0 || left.n().max(right.n()) > MOST {
        return Err(Error::Parameter("k must be at least 1, and a set below 2^32 features".into()));
    }
    let of = |x: &FeatureMatrix<'_>| squared_lengths(x, run);
    let sides = [
        Side { unit: UnitFeatures::new(left, &of(left)?), weights: None },
        Side { unit: UnitFeatures::new(right, &of(right)?), weights: None },
    ];
    if sides.iter().any(|side| side.unit.len() == 0) {
        return Err(Error::Shape("a set of features that are all zero has no directions".into()));
    }
    let double = [left, right].iter().any(|x| x.element() == Element::F64);
    if double { pass::<f64>(&sides, keep, run) } else { pass::<f32>(&sides, keep, run) }
}

/// Lists of one block: by cosine, and by absolute cosine.
type Two<T> = [Lists<T>; 2];

struct Collected<T> {
    blocks: [Vec<Mutex<Two<T>>>; 2],
    /// Nonzero features of both sets.
    counts: [usize; 2],
}

fn pass<T: Cosine>(sides: &[Side<'_>; 2], keep: usize, run: &Run) -> Result<Cross> {
    let counts = [sides[0].unit.len(), sides[1].unit.len()];
    let keeps = [keep.min(counts[1]), keep.min(counts[0])];
    let threads = run.pool().current_num_threads();
    // Of each entry the list with room to grow, and what is given back; and the tiles.
    let m = sides[0].unit.m();
    let [packed, rows, tiles] = memory::<T>(counts[0].max(counts[1]), m, 1, threads);
    fits(&[
        [counts[0], keeps[0], 88],
        [counts[1], keeps[1], 88],
        [counts[0] + counts[1], 160, 1],
        packed,
        rows,
        tiles,
    ])?;
    let lists_of = |side: usize| -> Vec<Mutex<Two<T>>> {
        let two = |count| [-2.0, -1.0].map(|least| Lists::new(count, keeps[side], T::narrow(least)));
        (0..sides[side].blocks()).map(|b| Mutex::new(two(sides[side].block(b).len()))).collect()
    };
    let collected = Collected { blocks: [lists_of(0), lists_of(1)], counts };
    multiply(&sides[0], Some(&sides[1]), &collected, run)?;
    let [left, right] = collected.blocks;
    let [signed_left, absolute_left] = nearest(left, keeps[0], counts[1]);
    let [signed_right, absolute_right] = nearest(right, keeps[1], counts[0]);
    let unit = if T::SINGLE { f64::from(f32::EPSILON) } else { f64::EPSILON };
    Ok(Cross {
        active: [sides[0].unit.active.clone(), sides[1].unit.active.clone()],
        signed: [signed_left, signed_right],
        absolute: [absolute_left, absolute_right],
        // Half a unit for each term of the sum, and for the entries, which are rounded and divided by a norm.
        rounding: (sides[0].unit.m() + 16) as f64 * unit / 2.0 + step::<T>() / 2.0,
    })
}

/// The lists of all blocks of one set, with the positions that their entries stand for.
fn nearest<T: Cosine>(blocks: Vec<Mutex<Two<T>>>, keep: usize, others: usize) -> [Nearest; 2] {
    let mut found = [0; 2].map(|_: usize| Nearest { keep, others: Vec::new(), strengths: Vec::new() });
    let mut first = 0;
    for block in blocks {
        let two = unlocked(block);
        let count = two[0].entries.len();
        for (lists, found) in two.into_iter().zip(&mut found) {
            for (i, entries) in lists.entries.into_iter().enumerate() {
                for (strength, Reverse(turned)) in entries {
                    found.others.push(((turned + first + i) % others) as u32);
                    found.strengths.push(strength.into());
                }
            }
        }
        first += count;
    }
    found
}

/// How many places after feature `i` the feature `j` of `count` others comes in cyclic order.
#[inline(always)]
fn turned(i: usize, j: usize, count: usize) -> usize {
    let from = i % count;
    if j >= from { j - from } else { j + count - from }
}

impl<T: Cosine> Reader<T> for Collected<T> {
    type Tally = ();

    fn tally(&self) {}

    fn merged((): (), (): &()) {}

    #[inline(always)]
    fn read(&self, tile: &Tile<'_, T>, (): &mut ()) {
        // Rows before columns, so tiles cannot wait in a circle.
        let mut own = lock(&self.blocks[0][tile.b]);
        let mut other = lock(&self.blocks[1][tile.c]);
        let width = tile.columns.len();
        // A strength may be rounded up by half a step.
        let below = |least: T| T::narrow(least.into() - step::<T>());
        let limits_of = |lists: &Lists<T>| lists.least.iter().map(|&least| below(least)).collect::<Vec<T>>();
        let mut limits = [limits_of(&other[0]), limits_of(&other[1])];
        for i in 0..tile.rows.len() {
            let (row, cosines) = (tile.rows.start + i, tile.cosines(i));
            for start in (0..width).step_by(GROUP) {
                let group = start..width.min(start + GROUP);
                let ranges = [&limits[0][group.clone()], &limits[1][group.clone()]];
                if !any_reaches(
                    &cosines[group.clone()],
                    ranges,
                    [below(own[0].least[i]), below(own[1].least[i])],
                ) {
                    continue;
                }
                for at in group {
                    let column = tile.columns.start + at;
                    let cosine = T::narrow((cosines[at].into() / step::<T>()).round() * step::<T>());
                    for (kind, strength) in [cosine, cosine.magnitude()].into_iter().enumerate() {
                        if strength >= own[kind].least[i] {
                            own[kind].offer(i, strength, turned(row, column, self.counts[1]));
                        }
                        if strength >= other[kind].least[at] {
                            other[kind].offer(at, strength, turned(column, row, self.counts[0]));
                            limits[kind][at] = below(other[kind].least[at]);
                        }
                    }
                }
            }
        }
    }
}

/// Whether any cosine, or absolute cosine, reaches its column's limit or the row's; without an early exit, so that the
/// compiler makes vector code of it.
#[inline(always)]
fn any_reaches<T: Cosine>(cosines: &[T], [signed, absolute]: [&[T]; 2], row: [T; 2]) -> bool {
    cosines.iter().zip(signed).zip(absolute).fold(false, |any, ((&cosine, &signed), &absolute)| {
        any | (cosine >= smaller(signed, row[0])) | (cosine.magnitude() >= smaller(absolute, row[1]))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tiles::BLOCK;
    use super::*;
    use crate::testing::noise;
    use proptest::prelude::*;

    fn random(n: usize, m: usize, seed: u64) -> Vec<f64> {
        let mut state = seed | 1;
        (0..n * m).map(|_| noise(&mut state)).collect()
    }

    #[test]
    fn no_result_depends_on_threads() {
        let (a, b) = (random(2 * BLOCK + 5, 6, 3), random(BLOCK + 9, 6, 4));
        let [x, y] = [&a, &b].map(|values| FeatureMatrix::from_slice(values, 6).expect("shape"));
        let of = |threads| cross_sweep(&x, &y, 7, &Run::quiet(threads).expect("threads")).expect("finite");
        let one = of(1);
        assert_eq!(one, of(2));
        assert_eq!(one, of(3));
        assert_eq!([one.signed[0].len(), one.signed[1].len()], [2 * BLOCK + 5, BLOCK + 9]);
    }

    #[test]
    fn copies_list_different_copies() {
        let (a, b) = (vec![1.0; 30], vec![1.0; 30]);
        let [x, y] = [&a, &b].map(|values| FeatureMatrix::from_slice(values, 1).expect("shape"));
        let found = cross_sweep(&x, &y, 3, &Run::quiet(1).expect("threads")).expect("finite");
        assert_eq!(found.signed[0].of(29).map(|(other, _)| other).collect::<Vec<_>>(), [29, 0, 1]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_agrees_with_every_pair_alone(
            n in 2_usize..30, p in 2_usize..30, m in 1_usize..7, keep in 1_usize..6, seed in any::<u64>()
        ) {
            let (mut a, b) = (random(n, m, seed), random(p, m, seed ^ 77));
            a[..m].fill(0.0);
            let [x, y] = [&a, &b].map(|values| FeatureMatrix::from_slice(values, m).expect("shape"));
            let found = cross_sweep(&x, &y, keep, &Run::quiet(2).expect("threads")).expect("finite");
            let inner = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(x, y)| x * y).sum::<f64>();
            let cosine = |i: usize, j: usize| {
                let (u, v) = (&a[i * m..(i + 1) * m], &b[j * m..(j + 1) * m]);
                inner(u, v) / (inner(u, u) * inner(v, v)).sqrt()
            };
            prop_assert_eq!(&found.active[0], &(1..n).collect::<Vec<_>>());
            for (kind, form) in [(&found.signed, false), (&found.absolute, true)] {
                let strength = |i: usize, j: usize| {
                    let value = cosine(found.active[0][i], found.active[1][j]);
                    if form { value.abs() } else { value }
                };
                for (side, (rows, columns)) in [(n - 1, p), (p, n - 1)].into_iter().enumerate() {
                    prop_assert_eq!(kind[side].len(), rows);
                    let of = |i: usize, j: usize| if side == 0 { strength(i, j) } else { strength(j, i) };
                    for i in 0..rows {
                        let mut all: Vec<f64> = (0..columns).map(|j| of(i, j)).collect();
                        all.sort_by(|a, b| b.total_cmp(a));
                        for (rank, (j, value)) in kind[side].of(i).enumerate() {
                            prop_assert!((value - all[rank]).abs() < 1e-12);
                            prop_assert!((value - of(i, j)).abs() < 1e-12);
                        }
                    }
                }
            }
        }
    }
}
