//! The randomised certificate: two passes over the labels in place of `r^2` products of matrices.
//!
//! With random words `v` (one a point) and `t` (one a class), modulo 2^64:
//!
//! ```text
//!   U_k = A_k v  for all k in one pass,    w = sum_j t_j U_j,
//!   A_i w  for all i in a second pass, and the labels are accepted if  A_i w = sum_k (sum_j t_j p_ij^k) U_k .
//! ```
//!
//! This is Freivalds' check of `A_i A_j = sum_k p_ij^k A_k` for all `i` and `j` at once. Coherent labels always
//! pass. Otherwise some entry `e` of a difference is not zero; as `|e| <= n` it is divisible by at most 2^a with
//! `a = floor(log2 n)`, the coefficient of one `v_y` is a uniform multiple of that power, and with `b = 64 - a`
//! both passes miss it with a probability of at most `(b / 2 + 1) 2^-b`: 2^-43.4 for n < 2^17.

use super::classes::{Classes, ROWS, first_failure};
use super::failure::Failure;
use super::numbers::Numbers;
use super::random::Words;
use super::relations::Relations;
use super::sums::class_sums;
use crate::error::Result;
use crate::run::{Run, fits};
use rayon::prelude::*;

/// Entries of the table in which one row is searched for a witness.
const TABLE: usize = 1 << 22;

/// Upper bound on the probability that `rounds` rounds accept labels that are not coherent, for truly random words.
pub(super) fn error_bound(n: usize, rounds: usize) -> f64 {
    let b = 64.0 - f64::from(n.ilog2());
    ((b / 2.0 + 1.0) * (-b).exp2()).powi(i32::try_from(rounds).unwrap_or(i32::MAX))
}

/// Run the certificate; a failure comes with its witness, which is exact.
pub(super) fn certify<R: Relations + ?Sized>(
    relations: &R,
    classes: &Classes,
    numbers: &Numbers,
    (rounds, seed): (usize, u64),
    run: &Run,
) -> Result<Option<Failure>> {
    let (n, rank) = (relations.n(), classes.rank());
    let mut words = Words::new(seed);
    fits(&[[n, rank, 8], [rank, rank, 8], [n, 24, 1]])?;
    let mut sums = vec![0; n * rank];
    for _ in 0..rounds {
        let (v, t) = (words.take(n), words.take(rank));
        let mixed: Vec<u64> = (0..rank * rank)
            .map(|ik| {
                let (i, k) = (ik / rank, ik % rank);
                (0..rank)
                    .fold(0_u64, |sum, j| sum.wrapping_add(t[j].wrapping_mul(numbers.at(i, j, k) as u64)))
            })
            .collect();
        let some = |(job, sums): (usize, &mut [u64])| {
            let rows = job * ROWS..n.min((job + 1) * ROWS);
            class_sums(relations, rows.clone(), &v, sums);
            run.control().advance(rows.len() as u64)
        };
        if n <= ROWS {
            some((0, &mut sums))?;
        } else {
            run.pool().install(|| sums.par_chunks_mut(ROWS * rank).enumerate().try_for_each(some))?;
        }
        let w: Vec<u64> = sums.chunks_exact(rank).map(|sums| inner(sums, &t)).collect();
        let found = first_failure(n, run, |rows| {
            let mut second = vec![0; rows.len() * rank];
            class_sums(relations, rows.clone(), &w, &mut second);
            rows.zip(second.chunks_exact(rank)).find_map(|(x, second)| {
                let first = &sums[x * rank..(x + 1) * rank];
                (0..rank)
                    .find(|&i| second[i] != inner(&mixed[i * rank..(i + 1) * rank], first))
                    .map(|i| (x, i))
            })
        })?;
        if let Some((x, i)) = found {
            return witness(relations, classes, numbers, (x, i), run);
        }
    }
    Ok(None)
}

fn inner(a: &[u64], b: &[u64]) -> u64 {
    a.iter().zip(b).fold(0, |sum, (&a, &b)| sum.wrapping_add(a.wrapping_mul(b)))
}

/// The first entry in row `x` of some `A_i A_j` that is not what another pair of its class has.
///
/// Costs `k_i n`. There is one where the certificate failed in that row for that `i`.
fn witness<R: Relations + ?Sized>(
    relations: &R,
    classes: &Classes,
    numbers: &Numbers,
    (x, i): (usize, usize),
    run: &Run,
) -> Result<Option<Failure>> {
    let (n, rank) = (relations.n(), classes.rank());
    let mut row = vec![0_u16; n];
    relations.fill(x..x + 1, 0..n, &mut row);
    let width = (TABLE / rank).clamp(1, n);
    let mut labels = vec![0_u16; width];
    for start in (0..n).step_by(width) {
        let columns = start..n.min(start + width);
        let labels = &mut labels[..columns.len()];
        let mut counts = vec![0_i64; columns.len() * rank];
        for (z, _) in row.iter().enumerate().filter(|&(_, &label)| usize::from(label) == i) {
            run.control().check()?;
            relations.fill(z..z + 1, columns.clone(), labels);
            for (counts, &label) in counts.chunks_exact_mut(rank).zip(&*labels) {
                counts[usize::from(label)] += 1;
            }
        }
        for (y, counts) in columns.zip(counts.chunks_exact(rank)) {
            let class = usize::from(row[y]);
            for (j, &count) in counts.iter().enumerate() {
                let expected = numbers.at(i, j, class);
                if count != expected {
                    return Ok(Some(Failure::Product {
                        factors: [i, j],
                        class,
                        pairs: [classes.first[class], (x, y)],
                        counts: [expected, count],
                    }));
                }
            }
        }
    }
    Ok(None)
}
