//! Candidate levels of the entries of a Gram matrix: where to cut its values into few groups.
//!
//! Three ways, none of which is enough alone: valleys of the histogram smoothed over sixteen bandwidths, the
//! largest gaps, and 1-dimensional k-means. k-means cannot see a level that few pairs have (-1 among the roots of
//! E8: 120 of 28 680), valleys merge levels that are narrow and near, gaps fail as soon as there is noise.

use crate::error::{Error, Result};
use crate::matrix::FeatureMatrix;
use crate::run::{Run, fits};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Bins between the smallest and the largest value.
const BINS: usize = 1 << 14;

/// Bandwidths of the smoothed histogram, each a fixed factor wider than the last.
const BANDWIDTHS: usize = 16;

/// Groups of bins that k-means works on.
const GROUPS: usize = 1024;

/// The entries of one bin.
#[derive(Debug, Clone, Copy)]
struct Bin {
    count: u64,
    sum: f64,
    least: f64,
    most: f64,
}

const EMPTY: Bin = Bin { count: 0, sum: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY };

impl Bin {
    fn joined(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }
}

/// Thresholds, increasing, of each candidate partition of the entries of a matrix.
///
/// Candidates have from 1 to `most` levels; coarser ones come first, and no two divide the entries the same way. A
/// threshold lies halfway between the entries on its sides. Costs two passes over the entries and a few
/// milliseconds. The points of a scheme all have the same levels, so the cosines of a few of them are entries enough.
///
/// # Errors
/// [`Error::Parameter`] for no levels, [`Error::NonFinite`], [`Error::Interrupted`].
pub fn levels(values: &FeatureMatrix<'_>, most: usize, run: &Run) -> Result<Vec<Vec<f64>>> {
    if most == 0 {
        return Err(Error::Parameter("max_levels must be at least 1, not 0".into()));
    }
    if let Some(error) = crate::gram::first_nonfinite(values, run)? {
        return Err(error);
    }
    let (least, width) = range(values, run)?;
    if width.is_nan() || width <= 0.0 {
        return Ok(vec![vec![]]);
    }
    let bins = histogram(values, least, width, run)?;
    let full: Vec<(usize, Bin)> = bins.iter().copied().enumerate().filter(|(_, bin)| bin.count > 0).collect();
    // The largest 1, 2, 3 ... gaps are lists of as many cuts, and k-means has a table of costs and of ways back.
    let deep = most.min(full.len());
    fits(&[[deep, deep, 16], [most, GROUPS, 24], [GROUPS, GROUPS, 8], [BANDWIDTHS + 4, BINS, 24]])?;
    let mut cuts: BTreeSet<(usize, Vec<usize>)> = BTreeSet::from([(0, vec![])]);
    let mut offer = |found: Vec<usize>| {
        if found.len() < most {
            cuts.insert((found.len(), found));
        }
    };
    gaps(&full, most).into_iter().for_each(&mut offer);
    valleys(&bins, &full).into_iter().for_each(&mut offer);
    run.control().check()?;
    k_means(&full, most).into_iter().for_each(&mut offer);
    Ok(cuts
        .into_iter()
        .map(|(_, cuts)| {
            cuts.into_iter().map(|cut| f64::midpoint(full[cut].1.most, full[cut + 1].1.least)).collect()
        })
        .collect())
}

/// Smallest entry, and how far the largest is from it.
fn range(values: &FeatureMatrix<'_>, run: &Run) -> Result<(f64, f64)> {
    fits(&[[run.pool().current_num_threads(), values.m(), 8]])?;
    let whole = run.pool().install(|| {
        (0..values.n())
            .into_par_iter()
            .map_init(
                || vec![0.0_f64; values.m()],
                |row, i| {
                    run.control().check()?;
                    values.read(i..i + 1, row);
                    Ok(row.iter().fold(EMPTY, |bin, &v| Bin {
                        least: bin.least.min(v),
                        most: bin.most.max(v),
                        ..bin
                    }))
                },
            )
            .try_reduce(|| EMPTY, |a, b| Ok(a.joined(b)))
    })?;
    Ok((whole.least, whole.most - whole.least))
}

fn histogram(values: &FeatureMatrix<'_>, least: f64, width: f64, run: &Run) -> Result<Vec<Bin>> {
    const ROWS: usize = 256;
    fits(&[
        [values.n().div_ceil(ROWS) + 1, BINS, size_of::<Bin>()],
        [run.pool().current_num_threads(), values.m(), 8],
    ])?;
    let scale = (BINS - 1) as f64 / width;
    let parts = run.pool().install(|| {
        (0..values.n().div_ceil(ROWS))
            .into_par_iter()
            .map(|job| {
                let (mut bins, mut row) = (vec![EMPTY; BINS], vec![0.0_f64; values.m()]);
                for i in job * ROWS..values.n().min((job + 1) * ROWS) {
                    run.control().check()?;
                    values.read(i..i + 1, &mut row);
                    for &value in &row {
                        let bin = &mut bins[(((value - least) * scale) as usize).min(BINS - 1)];
                        *bin = bin.joined(Bin { count: 1, sum: value, least: value, most: value });
                    }
                }
                Ok(bins)
            })
            .collect::<Result<Vec<_>>>()
    })?;
    // In the order of rows, so that sums do not depend on the threads.
    Ok(parts.into_iter().fold(vec![EMPTY; BINS], |total, part| {
        total.into_iter().zip(part).map(|(a, b)| a.joined(b)).collect()
    }))
}

/// The 1, 2, 3 ... largest gaps between neighbouring entries.
fn gaps(full: &[(usize, Bin)], most: usize) -> Vec<Vec<usize>> {
    let gap = |cut: usize| full[cut + 1].1.least - full[cut].1.most;
    let mut order: Vec<usize> = (0..full.len() - 1).collect();
    order.sort_by(|&a, &b| gap(b).total_cmp(&gap(a)).then(a.cmp(&b)));
    (1..most.min(full.len()))
        .map(|count| {
            let mut cuts = order[..count].to_vec();
            cuts.sort_unstable();
            cuts
        })
        .collect()
}

/// Lowest places between the peaks of the histogram, for each bandwidth.
fn valleys(bins: &[Bin], full: &[(usize, Bin)]) -> Vec<Vec<usize>> {
    let heights: Vec<f64> = bins.iter().map(|bin| bin.count as f64).collect();
    (0..BANDWIDTHS)
        .map(|step| {
            // From two bins to an eighth of the range.
            let ratio = step as f64 / (BANDWIDTHS - 1) as f64;
            let half = (2.0 * (BINS as f64 / 16.0).powf(ratio)) as usize;
            let smooth = (0..3).fold(heights.clone(), |heights, _| box_filter(&heights, half));
            let mut cuts = Vec::new();
            for place in valley_places(&smooth) {
                let cut = full.partition_point(|&(bin, _)| bin <= place);
                if (1..full.len()).contains(&cut) && cuts.last() != Some(&(cut - 1)) {
                    cuts.push(cut - 1);
                }
            }
            cuts
        })
        .collect()
}

/// Means over `2 half + 1` places. Three of these in a row are nearly a Gaussian.
fn box_filter(heights: &[f64], half: usize) -> Vec<f64> {
    let mut sums = vec![0.0; heights.len() + 1];
    for (i, height) in heights.iter().enumerate() {
        sums[i + 1] = sums[i] + height;
    }
    let width = (2 * half + 1) as f64;
    (0..heights.len())
        .map(|i| (sums[(i + half + 1).min(heights.len())] - sums[i.saturating_sub(half)]) / width)
        .collect()
}

/// The middle of each lowest stretch that has higher places on both sides.
fn valley_places(heights: &[f64]) -> Vec<usize> {
    let mut found = Vec::new();
    // Differences of running sums leave rounding where nothing is.
    let noise = heights.iter().copied().fold(0.0, f64::max) * 1e-9;
    let (mut start, mut falling) = (0, false);
    for i in 1..heights.len() {
        let change = heights[i] - heights[i - 1];
        if change < -noise {
            (start, falling) = (i, true);
        } else if change > noise {
            if falling {
                found.push(usize::midpoint(start, i - 1));
            }
            falling = false;
        }
    }
    found
}

/// The best division into k groups for each k: sums of squares over stretches of bins, by dynamic programming with
/// divide and conquer (the best last cut never moves left; Grønlund et al., arXiv 1701.07204).
fn k_means(full: &[(usize, Bin)], most: usize) -> Vec<Vec<usize>> {
    // Neighbouring bins are worked on together where there are many.
    let together = full.len().div_ceil(GROUPS);
    let groups: Vec<Bin> = full
        .chunks(together)
        .map(|chunk| chunk.iter().fold(EMPTY, |sum, (_, bin)| sum.joined(*bin)))
        .collect();
    let shift = groups[0].least;
    let mut sums = vec![[0.0_f64; 3]; groups.len() + 1];
    for (i, bin) in groups.iter().enumerate() {
        let (count, mean) = (bin.count as f64, bin.sum / bin.count as f64 - shift);
        sums[i + 1] = [sums[i][0] + count, sums[i][1] + count * mean, sums[i][2] + count * mean * mean];
    }
    let cost = |from: usize, to: usize| {
        let [count, first, second] = [0, 1, 2].map(|power| sums[to][power] - sums[from][power]);
        (second - first * first / count).max(0.0)
    };
    let count = groups.len();
    let mut best: Vec<f64> = (0..=count).map(|to| if to == 0 { 0.0 } else { cost(0, to) }).collect();
    let mut cuts: Vec<Vec<usize>> = Vec::new();
    let mut found = Vec::new();
    for k in 2..=most.min(count) {
        let mut next = vec![f64::INFINITY; count + 1];
        let mut cut = vec![0; count + 1];
        divide(&best, &cost, (k, count), (k - 1, count - 1), &mut next, &mut cut);
        cuts.push(cut);
        best = next;
        let mut to = count;
        let mut path: Vec<usize> = Vec::new();
        for cut in cuts.iter().rev() {
            to = cut[to];
            path.push(to * together - 1);
        }
        path.reverse();
        found.push(path);
    }
    found
}

fn divide(
    best: &[f64],
    cost: &impl Fn(usize, usize) -> f64,
    (low, high): (usize, usize),
    (first, last): (usize, usize),
    next: &mut [f64],
    cut: &mut [usize],
) {
    if low > high {
        return;
    }
    let middle = usize::midpoint(low, high);
    for (from, &before) in best.iter().enumerate().take(middle.min(last + 1)).skip(first) {
        let total = before + cost(from, middle);
        if total < next[middle] {
            (next[middle], cut[middle]) = (total, from);
        }
    }
    let best_cut = cut[middle].max(first);
    if middle > low {
        divide(best, cost, (low, middle - 1), (first, best_cut), next, cut);
    }
    divide(best, cost, (middle + 1, high), (best_cut, last), next, cut);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_level_is_found() {
        // The cross-polytope: 0 for nearly all pairs, -1 for one pair a point.
        let n = 40;
        let cosines: Vec<f64> = (0..n)
            .flat_map(|i| (0..n).filter(move |&j| j != i).map(move |j| -f64::from(u8::from(i / 2 == j / 2))))
            .collect();
        let x = FeatureMatrix::from_slice(&cosines, n - 1).expect("shape");
        let found = levels(&x, 8, &Run::quiet(1).expect("threads")).expect("finite");
        assert_eq!(found, [vec![], vec![-0.5]]);
    }
}
