//! The first, exact pass over the labels: representatives, fibres, valencies, transposes.

use super::failure::{Failure, Pair};
use super::relations::Relations;
use super::strips::{COLUMNS, strips};
use super::sums::class_sums;
use crate::error::{Error, Result};
use crate::run::Run;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;

/// Rows of labels that one job reads.
pub(super) const ROWS: usize = 64;

/// What the labels say before any product is formed.
#[derive(Debug, Clone)]
pub(super) struct Classes {
    /// Fibre class of each point.
    pub diagonal: Vec<u16>,
    /// First pair of each class in row order.
    pub first: Vec<Pair>,
    /// Class of the transposed pairs.
    pub transpose: Vec<usize>,
    /// How many pairs of the class begin at one point of its fibre.
    pub valencies: Vec<u64>,
}

impl Classes {
    pub fn rank(&self) -> usize {
        self.first.len()
    }

    /// The fibre classes at the two ends of a class.
    pub fn ends(&self, class: usize) -> [u16; 2] {
        let (x, y) = self.first[class];
        [self.diagonal[x], self.diagonal[y]]
    }

    /// Whether the pairs of a class are points.
    pub fn is_fibre(&self, class: usize) -> bool {
        self.first[class].0 == self.first[class].1
    }
}

/// The rows of each job.
pub(super) fn jobs(n: usize) -> impl IndexedParallelIterator<Item = Range<usize>> {
    (0..n.div_ceil(ROWS)).into_par_iter().map(move |job| job * ROWS..n.min((job + 1) * ROWS))
}

/// The first failure in the order of rows, whatever the threads do.
pub(super) fn first_failure<T: Send>(
    n: usize,
    run: &Run,
    look: impl Fn(Range<usize>) -> Option<T> + Sync,
) -> Result<Option<T>> {
    let look = |rows: Range<usize>| {
        if run.control().is_cancelled() {
            return None;
        }
        let work = rows.len() as u64;
        let found = look(rows);
        // Cancelling is noticed above and below.
        let _ = run.control().advance(work);
        found
    };
    let found = if n <= ROWS {
        look(0..n)
    } else {
        run.pool().install(|| jobs(n).with_max_len(1).find_map_first(look))
    };
    run.control().check()?;
    Ok(found)
}

/// Read the classes; the inner error says why the labels are not coherent.
pub(super) fn classes<R: Relations + ?Sized>(
    relations: &R,
    run: &Run,
) -> Result<std::result::Result<Classes, Failure>> {
    let (n, rank) = (relations.n(), relations.rank());
    let label = |x: usize, y: usize| {
        let mut label = [0];
        relations.fill(x..x + 1, y..y + 1, &mut label);
        label[0]
    };
    let diagonal: Vec<u16> = (0..n).map(|x| label(x, x)).collect();
    let mut seen = histograms(relations, &diagonal, run)?;
    if let Some(failure) = seen.mixed.or(seen.uneven) {
        return Ok(Err(failure));
    }
    let first = pairs(relations, &seen.rows)?;
    let valencies =
        first.iter().enumerate().map(|(class, &(x, _))| seen.counts.remove(&(diagonal[x], class)));
    let mut found = Classes {
        valencies: valencies.map(|count| count.unwrap_or(0)).collect(),
        transpose: first.iter().map(|&(x, y)| label(y, x).into()).collect(),
        diagonal,
        first,
    };
    let fibres = (0..rank).filter(|&class| found.is_fibre(class)).count();
    let failure = if fibres == 1 { None } else { ends(relations, &found, run)? };
    if let Some(failure) = failure {
        return Ok(Err(failure));
    }
    if relations.known_symmetric() {
        found.transpose = (0..rank).collect();
    } else if let Some(failure) = transposes(relations, &found, run)? {
        return Ok(Err(failure));
    }
    Ok(Ok(found))
}

/// What the histograms of the rows show.
#[derive(Default)]
struct Histograms {
    /// First row that each class is in.
    rows: Vec<Option<usize>>,
    /// Valency of each class at the points of each fibre.
    counts: HashMap<(u16, usize), u64>,
    /// A class of points that holds another pair.
    mixed: Option<Failure>,
    /// Points of a fibre with unequal valencies.
    uneven: Option<Failure>,
}

/// One pass over the labels, in which each row is compared with the first row of its fibre.
fn histograms<R: Relations + ?Sized>(relations: &R, diagonal: &[u16], run: &Run) -> Result<Histograms> {
    let (n, rank) = (relations.n(), relations.rank());
    let ones = vec![1; n];
    let histogram = |rows: Range<usize>| {
        let mut counts = vec![0; rows.len() * rank];
        class_sums(relations, rows, &ones, &mut counts);
        counts
    };
    let mut point_of: Vec<Option<usize>> = vec![None; rank];
    let mut expected: Vec<Vec<u64>> = vec![vec![]; rank];
    for (x, &fibre) in diagonal.iter().enumerate() {
        if point_of[usize::from(fibre)].is_none() {
            point_of[usize::from(fibre)] = Some(x);
            expected[usize::from(fibre)] = histogram(x..x + 1);
        }
    }
    let some = |rows: Range<usize>| -> Result<Histograms> {
        let mut part = Histograms { rows: vec![None; rank], ..Histograms::default() };
        for (x, counts) in rows.clone().zip(histogram(rows.clone()).chunks_exact(rank)) {
            let own = usize::from(diagonal[x]);
            for (class, (&count, &expected)) in counts.iter().zip(&expected[own]).enumerate() {
                if count > 0 {
                    part.rows[class].get_or_insert(x);
                }
                let points = u64::from(class == own);
                if let (Some(point), None, true) = (point_of[class], &part.mixed, count != points) {
                    let pair = (x, place(relations, x, class, x));
                    part.mixed = Some(Failure::Diagonal { class, point, pair });
                }
                if count != expected && part.uneven.is_none() {
                    let rows = [point_of[own].unwrap_or(x), x];
                    part.uneven = Some(Failure::Valencies { class, rows, counts: [expected, count] });
                }
            }
        }
        run.control().advance(rows.len() as u64)?;
        Ok(part)
    };
    let joined = |a: Histograms, b: Histograms| {
        Ok(Histograms {
            rows: a.rows.into_iter().zip(b.rows).map(|(a, b)| a.or(b)).collect(),
            mixed: a.mixed.or(b.mixed),
            uneven: a.uneven.or(b.uneven),
            counts: HashMap::new(),
        })
    };
    let none = || Histograms { rows: vec![None; rank], ..Histograms::default() };
    let parts = if n <= ROWS {
        some(0..n)?
    } else {
        run.pool().install(|| jobs(n).with_max_len(1).map(some).try_reduce(none, joined))?
    };
    let counts = expected
        .into_iter()
        .zip(0_u16..)
        .flat_map(|(counts, fibre)| {
            counts.into_iter().enumerate().map(move |(class, count)| ((fibre, class), count))
        })
        .collect();
    Ok(Histograms { counts, ..parts })
}

/// The first column of row `x` but `except` whose label is `class`.
fn place<R: Relations + ?Sized>(relations: &R, x: usize, class: usize, except: usize) -> usize {
    let mut row = vec![0_u16; relations.n()];
    relations.fill(x..x + 1, 0..relations.n(), &mut row);
    row.iter().enumerate().position(|(y, &label)| usize::from(label) == class && y != except).unwrap_or(x)
}

/// The first pair of each class, given its row.
fn pairs<R: Relations + ?Sized>(relations: &R, rows: &[Option<usize>]) -> Result<Vec<Pair>> {
    rows.iter()
        .enumerate()
        .map(|(class, row)| match row {
            // A class with this point of the diagonal holds no other pair of the row.
            Some(x) => Ok((*x, place(relations, *x, class, usize::MAX))),
            None => Err(Error::Parameter(format!(
                "labels must be 0 to {} without a hole, but none is {class}",
                rows.len() - 1
            ))),
        })
        .collect()
}

/// Every class joins one fibre to one.
fn ends<R: Relations + ?Sized>(relations: &R, found: &Classes, run: &Run) -> Result<Option<Failure>> {
    let ends: Vec<[u16; 2]> = (0..found.rank()).map(|class| found.ends(class)).collect();
    first_failure(relations.n(), run, |rows| {
        let mut failure = None;
        strips(relations, rows.clone(), |columns, tile| {
            for (x, labels) in rows.clone().zip(tile.chunks_exact(columns.len())) {
                for (y, &label) in columns.clone().zip(labels) {
                    let class = usize::from(label);
                    if ends[class] != [found.diagonal[x], found.diagonal[y]] && failure.is_none() {
                        failure = Some(Failure::Fibres { class, pairs: [found.first[class], (x, y)] });
                    }
                }
            }
        });
        failure
    })
}

fn transposes<R: Relations + ?Sized>(relations: &R, classes: &Classes, run: &Run) -> Result<Option<Failure>> {
    let n = relations.n();
    first_failure(n, run, |rows| {
        let mut failure = None;
        let mut mirror = vec![0_u16; COLUMNS.min(n) * rows.len()];
        strips(relations, rows.clone(), |columns, tile| {
            if failure.is_some() || columns.end <= rows.start {
                return;
            }
            let mirror = &mut mirror[..tile.len()];
            relations.fill(columns.clone(), rows.clone(), mirror);
            for (i, (x, labels)) in rows.clone().zip(tile.chunks_exact(columns.len())).enumerate() {
                for (j, (y, &label)) in columns.clone().zip(labels).enumerate() {
                    let (class, back) = (usize::from(label), usize::from(mirror[j * rows.len() + i]));
                    // The pair and the transposed one are looked at together, so half the tiles serve.
                    for (class, back, pair) in [(class, back, (x, y)), (back, class, (y, x))] {
                        if classes.transpose[class] != back && failure.is_none() {
                            failure = Some(Failure::Transpose {
                                class,
                                pairs: [classes.first[class], pair],
                                transposed: [classes.transpose[class], back],
                            });
                        }
                    }
                }
            }
        });
        failure
    })
}
