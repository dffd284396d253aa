//! Exact verification: every entry of every `A_i A_j`.

use super::classes::{Classes, first_failure};
use super::failure::Failure;
use super::numbers::Numbers;
use super::relations::Relations;
use crate::error::{Error, Result};
use crate::run::{Run, fits};

/// Points up to which counting every triple of points is quick.
pub(super) const FEW: usize = 64;

/// Most bytes of bit sets or labels.
const MOST_BYTES: usize = 8 << 30;

/// Pairs of classes from which on it is quicker to count triples than bits.
const MANY_PAIRS: usize = 256;

/// Verify all products; a failure comes with its witness.
///
/// Costs `n^3 / 64` for each pair of classes that does not follow from others and `r n^2 / 8` bytes, or `n^3` and
/// `4 n^2` bytes where there are few points or many such pairs.
pub(super) fn verify<R: Relations + ?Sized>(
    relations: &R,
    classes: &Classes,
    numbers: &Numbers,
    run: &Run,
) -> Result<Option<Failure>> {
    let needed = needed(classes);
    if relations.n() <= FEW || needed.iter().map(Vec::len).sum::<usize>() >= MANY_PAIRS {
        triples(relations, classes, numbers, run)
    } else {
        bit_sets(relations, classes, numbers, &needed, run)
    }
}

fn within_memory(n: usize, bytes: usize) -> Result<()> {
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(Error::Parameter(format!(
        "an exact check of {n} points needs {bytes} bytes, more than {MOST_BYTES}; leave out exact=True for the \
         certificate, which needs none"
    )))
}

fn triples<R: Relations + ?Sized>(
    relations: &R,
    classes: &Classes,
    numbers: &Numbers,
    run: &Run,
) -> Result<Option<Failure>> {
    let (n, rank) = (relations.n(), classes.rank());
    within_memory(n, n.saturating_mul(n).saturating_mul(4))?;
    fits(&[[n, n, 4], [run.pool().current_num_threads(), rank * rank, 8]])?;
    let mut labels = vec![0_u16; n * n];
    labels.chunks_exact_mut(n).enumerate().for_each(|(x, row)| relations.fill(x..x + 1, 0..n, row));
    let mut mirror = vec![0_u16; n * n];
    for (x, row) in labels.chunks_exact(n).enumerate() {
        row.iter().enumerate().for_each(|(y, &label)| mirror[y * n + x] = label);
    }
    first_failure(n, run, |rows| {
        let mut counts = vec![0_i64; rank * rank];
        for x in rows {
            if run.control().is_cancelled() {
                return None;
            }
            let from = &labels[x * n..(x + 1) * n];
            for (y, to) in mirror.chunks_exact(n).enumerate() {
                let pairs = || from.iter().zip(to).map(|(&i, &j)| (usize::from(i), usize::from(j)));
                pairs().for_each(|(i, j)| counts[i * rank + j] += 1);
                let class = usize::from(from[y]);
                // Counts that are met agree and have the sum n, so those that are not met are zero on both sides.
                for (i, j) in pairs() {
                    let (count, expected) = (counts[i * rank + j], numbers.at(i, j, class));
                    if count != expected {
                        return Some(Failure::Product {
                            factors: [i, j],
                            class,
                            pairs: [classes.first[class], (x, y)],
                            counts: [expected, count],
                        });
                    }
                }
                pairs().for_each(|(i, j)| counts[i * rank + j] = 0);
            }
        }
        None
    })
}

/// The pairs of classes whose products do not follow from the others.
///
/// Products with fibres follow from the ends of classes. `sum_j A_i A_j` over the `j` from one fibre to another is
/// known from the valencies, so one such `j` is left out, and likewise one `i`. `(A_i A_j)^T = A_j' A_i'` halves
/// the rest.
fn needed(classes: &Classes) -> Vec<Vec<usize>> {
    let rank = classes.rank();
    let last: Vec<bool> =
        (0..rank).map(|j| !(j + 1..rank).any(|other| classes.ends(other) == classes.ends(j))).collect();
    (0..rank)
        .map(|i| {
            (0..rank)
                .filter(|&j| {
                    let (transposed_j, transposed_i) = (classes.transpose[j], classes.transpose[i]);
                    classes.ends(i)[1] == classes.ends(j)[0]
                        && !classes.is_fibre(i)
                        && !classes.is_fibre(j)
                        && !last[transposed_i]
                        && !last[j]
                        && (i, j) <= (transposed_j, transposed_i)
                })
                .collect()
        })
        .collect()
}

fn bit_sets<R: Relations + ?Sized>(
    relations: &R,
    classes: &Classes,
    numbers: &Numbers,
    needed: &[Vec<usize>],
    run: &Run,
) -> Result<Option<Failure>> {
    let (n, rank) = (relations.n(), classes.rank());
    let words = n.div_ceil(64);
    let bytes = rank.saturating_mul(n).saturating_mul(words).saturating_mul(8);
    within_memory(n, bytes)?;
    fits(&[[bytes, 1, 1]])?;
    // The points that x reaches by class k, a bit each.
    let mut sets = vec![0_u64; rank * n * words];
    let mut row = vec![0_u16; n];
    for x in 0..n {
        relations.fill(x..x + 1, 0..n, &mut row);
        for (y, &label) in row.iter().enumerate() {
            sets[(usize::from(label) * n + x) * words + y / 64] |= 1 << (y % 64);
        }
    }
    let set = |class: usize, x: usize| &sets[(class * n + x) * words..][..words];
    first_failure(n, run, |rows| {
        let mut row = vec![0_u16; n];
        for x in rows {
            if run.control().is_cancelled() {
                return None;
            }
            relations.fill(x..x + 1, 0..n, &mut row);
            for i in (0..rank).filter(|&i| classes.ends(i)[0] == classes.diagonal[x]) {
                let from = set(i, x);
                for &j in &needed[i] {
                    for (y, &label) in row.iter().enumerate() {
                        let class = usize::from(label);
                        let to = set(classes.transpose[j], y);
                        let count: u32 = from.iter().zip(to).map(|(a, b)| (a & b).count_ones()).sum();
                        let expected = numbers.at(i, j, class);
                        if i64::from(count) != expected {
                            return Some(Failure::Product {
                                factors: [i, j],
                                class,
                                pairs: [classes.first[class], (x, y)],
                                counts: [expected, count.into()],
                            });
                        }
                    }
                }
            }
        }
        None
    })
}
