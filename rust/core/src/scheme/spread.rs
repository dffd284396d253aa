//! How the cosines of many features lie in their levels: one pass over all pairs, a tile at a time.

use super::cosines::{CosineLevels, Scratch};
use super::relations::Relations;
use crate::error::Result;
use crate::run::{Run, fits};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Features in a block of rows or columns.
const BLOCK: usize = 256;

/// The cosines of one level, over pairs of two features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Pairs in it.
    pub count: u64,
    /// Mean cosine; NaN without pairs.
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub squares: f64,
    /// Smallest cosine.
    pub least: f64,
    /// Largest cosine.
    pub most: f64,
}

/// All levels, by decreasing cosine, and features of one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// One entry per level.
    pub levels: Vec<Level>,
    /// Pairs `i < j` whose cosine is at least the limit asked for; for each j the first such i.
    pub alike: Vec<(usize, usize)>,
}

/// Sums of one level, moved by a value inside it so that squares keep their digits.
#[derive(Debug, Clone, Copy)]
struct Sums {
    count: u64,
    first: f64,
    second: f64,
    least: f64,
    most: f64,
}

const NONE: Sums = Sums { count: 0, first: 0.0, second: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY };

/// Measure the levels that `relations` cuts, and find pairs of features whose cosine is at least `alike`.
///
/// Costs `n (n - 1) m` operations, and `24 n` bytes and a tile beyond the features. The same for any number of threads.
///
/// # Errors
/// [`Error::Interrupted`], [`Error::Memory`].
pub fn spread<T: Scratch>(relations: &CosineLevels<T>, alike: f64, run: &Run) -> Result<Spread> {
    let n = relations.n();
    let thresholds: Vec<f64> = relations.thresholds().iter().rev().map(|&value| value.into()).collect();
    let d = thresholds.len() + 1;
    // A level's values lie near its upper threshold, or below 1.
    let shift = |level: usize| if level == 0 { 1.0 } else { thresholds[level - 1] };
    let blocks = n.div_ceil(BLOCK);
    let block = |b: usize| b * BLOCK..n.min((b + 1) * BLOCK);
    run.control().expect((blocks * (blocks + 1) / 2) as u64);
    let threads = run.pool().current_num_threads();
    fits(&[
        [blocks + 1, d, size_of::<Sums>()],
        [threads, BLOCK * BLOCK, size_of::<T>()],
        [n, 1, 3 * size_of::<usize>()],
    ])?;
    // Of each feature the first that is like it is enough.
    let like: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(usize::MAX)).collect();
    let parts: Vec<Vec<Sums>> = run.pool().install(|| {
        (0..blocks)
            .into_par_iter()
            .with_max_len(1)
            .map(|b| {
                let rows = block(b);
                let mut sums = vec![NONE; d];
                let (mut tile, mut levels) = (vec![T::default(); BLOCK * BLOCK], vec![0_u16; BLOCK]);
                for c in b..blocks {
                    let columns = block(c);
                    let tile = &mut tile[..rows.len() * columns.len()];
                    relations.multiply(rows.clone(), columns.clone(), tile);
                    for (x, cosines) in rows.clone().zip(tile.chunks_exact(columns.len())) {
                        let first = if b == c { x + 1 - columns.start } else { 0 };
                        let (cosines, levels) = (&cosines[first..], &mut levels[..columns.len() - first]);
                        levels.fill(0);
                        for &threshold in relations.thresholds() {
                            for (level, &cosine) in levels.iter_mut().zip(cosines) {
                                *level += u16::from(cosine < threshold);
                            }
                        }
                        for ((y, &cosine), &level) in (columns.start + first..).zip(cosines).zip(&*levels) {
                            let (value, level): (f64, _) = (cosine.into(), usize::from(level));
                            let sum = &mut sums[level];
                            let moved = value - shift(level);
                            *sum = Sums {
                                count: sum.count + 1,
                                first: sum.first + moved,
                                second: sum.second + moved * moved,
                                least: sum.least.min(value),
                                most: sum.most.max(value),
                            };
                            if value >= alike && x < like[y].load(Ordering::Relaxed) {
                                like[y].fetch_min(x, Ordering::Relaxed);
                            }
                        }
                    }
                    run.control().advance(1)?;
                }
                Ok(sums)
            })
            .collect::<Result<_>>()
    })?;
    let mut total = vec![NONE; d];
    for sums in parts {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total = Sums {
                count: total.count + sum.count,
                first: total.first + sum.first,
                second: total.second + sum.second,
                least: total.least.min(sum.least),
                most: total.most.max(sum.most),
            };
        }
    }
    let firsts = like.into_iter().map(AtomicUsize::into_inner).zip(0..);
    let alike: Vec<(usize, usize)> = firsts.filter(|&(x, _)| x < n).collect();
    let levels = total
        .iter()
        .enumerate()
        .map(|(level, sum)| {
            let mean = sum.first / sum.count as f64;
            Level {
                count: sum.count,
                mean: shift(level) + mean,
                squares: (sum.second - sum.first * mean).max(0.0),
                least: sum.least,
                most: sum.most,
            }
        })
        .collect();
    Ok(Spread { levels, alike })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::FeatureMatrix;
    use crate::testing::noise;

    #[test]
    fn it_is_what_the_pairs_say() {
        let (n, m) = (2 * BLOCK + 3, 3);
        let mut state = 5;
        let mut data: Vec<f64> = (0..n * m).map(|_| noise(&mut state)).collect();
        data.copy_within(6..9, 300 * m);
        data.copy_within(6..9, 400 * m);
        let x = FeatureMatrix::from_slice(&data, m).expect("shape");
        let thresholds = [-0.2, 0.5];
        let run = Run::quiet(1).expect("threads");
        let relations = CosineLevels::<f64>::new(&x, &thresholds, &run).expect("valid");
        let found = spread(&relations, 1.0 - 1e-12, &run).expect("not cancelled");
        assert_eq!(
            found,
            spread(&relations, 1.0 - 1e-12, &Run::quiet(3).expect("threads")).expect("not cancelled")
        );
        assert_eq!(found.alike, [(2, 300), (2, 400)]);
        let row = |i: usize| &data[i * m..(i + 1) * m];
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut levels: [Vec<f64>; 3] = Default::default();
        for i in 0..n {
            for j in i + 1..n {
                let cosine = dot(row(i), row(j)) / (dot(row(i), row(i)) * dot(row(j), row(j))).sqrt();
                levels[thresholds.iter().filter(|&&t| cosine < t).count()].push(cosine);
            }
        }
        for (values, level) in levels.iter().zip(&found.levels) {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            assert_eq!(level.count, values.len() as u64);
            assert!((level.mean - mean).abs() < 1e-12);
            assert!((level.squares - squares).abs() < 1e-9 * squares);
            assert!((level.least - values.iter().copied().fold(f64::INFINITY, f64::min)).abs() < 1e-12);
            assert!((level.most - values.iter().copied().fold(f64::NEG_INFINITY, f64::max)).abs() < 1e-12);
        }
    }
}
