//! Two sets of features matched one to one, so that the sum of their cosines is the largest.
//!
//! Only near pairs are candidates ([`crate::gram::cross_sweep`]): of every feature of either set its `k` nearest in the
//! other. A pair that is no candidate has at most the cosine of the last one listed, so a feature that takes an option
//! of its own with that value, instead of a candidate, loses nothing. That problem is solved exactly ([`assignment`]);
//! its optimum is at least that of all pairs, and the matching found is held against it.
//!
//! ```text
//! best matching of all pairs  <=  sum_i max(fallback_i, max_j c_ij - v_j) + sum_j v_j      for every price v >= 0
//! ```

mod assignment;

pub use assignment::{Assignment, Edges, assign};

use crate::error::{Error, Result};
use crate::gram::{Cross, Nearest, cross_sweep};
use crate::matrix::FeatureMatrix;
use crate::run::{Run, fits};

/// A matching, and what no matching exceeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// Right feature of each left one; `None` for a zero feature, and for one whose partner is not among its nearest.
    pub partners: Vec<Option<usize>>,
    /// No matching of all left features has a larger sum of strengths.
    pub bound: f64,
}

/// The nearest other of each feature, and how near it is.
pub type NearestOne = Vec<Option<(usize, f64)>>;

/// Two sets of features matched by cosine and by absolute cosine.
#[derive(Debug, Clone, PartialEq)]
pub struct Matching {
    /// By cosine, then by absolute cosine.
    pub matched: [Matched; 2],
    /// The nearest of each left feature by cosine and by absolute cosine, then of each right one.
    pub nearest: [[NearestOne; 2]; 2],
}

/// Match two sets of features by cosine, and by absolute cosine.
///
/// Costs `2 n_a n_b m` operations for the candidates; `O((n_a + n_b) k + tile)` memory.
///
/// # Errors
/// [`Error::Shape`] where the left set has more nonzero features than the right one; as [`cross_sweep`].
pub fn match_features(
    left: &FeatureMatrix<'_>,
    right: &FeatureMatrix<'_>,
    k: usize,
    run: &Run,
) -> Result<Matching> {
    match_listed(&cross_sweep(left, right, k, run)?, [left.n(), right.n()], run)
}

/// Match two sets of `totals` features whose nearest others are known, as [`cross_sweep`] lists them.
///
/// # Errors
/// [`Error::Shape`] where the left set has more nonzero features than the right one, or the lists do not fit together.
pub fn match_listed(cross: &Cross, totals: [usize; 2], run: &Run) -> Result<Matching> {
    if !fit_together(cross, totals) {
        return Err(Error::Shape(format!(
            "lists of nearest features do not fit sets of {totals:?} features"
        )));
    }
    let counts = [cross.active[0].len(), cross.active[1].len()];
    if counts[0] > counts[1] {
        return Err(Error::Shape(format!(
            "{} features are not matched with {} others one to one: give the smaller set first",
            counts[0], counts[1]
        )));
    }
    let matched = |lists: &[Nearest; 2]| -> Result<Matched> {
        let (edges, fallback) = candidates(&lists[0], &lists[1])?;
        let found = assign(&edges, counts[1], fallback.as_deref(), run)?;
        let mut partners = vec![None; totals[0]];
        for (&index, column) in cross.active[0].iter().zip(&found.columns) {
            partners[index] = column.map(|column| cross.active[1][column]);
        }
        Ok(Matched { partners, bound: found.bound + cross.rounding * counts[0] as f64 })
    };
    let nearest = [0, 1].map(|side| {
        [&cross.signed, &cross.absolute].map(|lists| {
            let mut of = vec![None; totals[side]];
            for (i, &index) in cross.active[side].iter().enumerate() {
                of[index] = lists[side].of(i).next().map(|(j, value)| (cross.active[1 - side][j], value));
            }
            of
        })
    });
    Ok(Matching { matched: [matched(&cross.signed)?, matched(&cross.absolute)?], nearest })
}

/// Whether every list has its length, and names features that are there.
fn fit_together(cross: &Cross, totals: [usize; 2]) -> bool {
    [0, 1].into_iter().all(|side| {
        let (active, others) = (&cross.active[side], cross.active[1 - side].len());
        let listed = |lists: &Nearest| {
            let length = active.len() * lists.keep;
            (1..=others).contains(&lists.keep)
                && (lists.others.len(), lists.strengths.len()) == (length, length)
                && lists.others.iter().all(|&other| (other as usize) < others)
        };
        active.iter().all(|&index| index < totals[side])
            && listed(&cross.signed[side])
            && listed(&cross.absolute[side])
    })
}

/// The pairs that either of the two has listed, and what a row can have beside them, `None` if all pairs are listed.
fn candidates(rows: &Nearest, columns: &Nearest) -> Result<(Edges, Option<Vec<f64>>)> {
    let (count, listed) = (rows.len(), rows.others.len() + columns.others.len());
    fits(&[[listed, 1, 24], [count, 1, 64], [columns.len(), 1, 80]])?;
    let mut starts = vec![0; count + 1];
    for i in 0..count {
        starts[i + 1] += rows.keep;
    }
    for &i in &columns.others {
        starts[i as usize + 1] += 1;
    }
    for i in 0..count {
        starts[i + 1] += starts[i];
    }
    let mut ends = starts[..count].to_vec();
    let mut pairs = vec![(0_u32, 0.0_f64); listed];
    let mut put = |i: usize, j: usize, value: f64| {
        pairs[ends[i]] = (j as u32, value);
        ends[i] += 1;
    };
    for i in 0..count {
        rows.of(i).for_each(|(j, value)| put(i, j, value));
    }
    for j in 0..columns.len() {
        columns.of(j).for_each(|(i, value)| put(i, j, value));
    }
    let mut edges =
        Edges { starts: vec![0], columns: Vec::with_capacity(listed), values: Vec::with_capacity(listed) };
    for i in 0..count {
        let row = &mut pairs[starts[i]..starts[i + 1]];
        row.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        for (at, &(j, value)) in row.iter().enumerate() {
            if at == 0 || row[at - 1].0 != j {
                edges.columns.push(j);
                edges.values.push(value);
            }
        }
        edges.starts.push(edges.columns.len());
    }
    if rows.keep == columns.len() || columns.keep == count {
        return Ok((edges, None));
    }
    let most = (0..columns.len()).map(|j| columns.least(j)).fold(f64::NEG_INFINITY, f64::max);
    Ok((edges, Some((0..count).map(|i| rows.least(i).min(most)).collect())))
}
