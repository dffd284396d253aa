//! The coarsest coherent configuration that refines given labels: 2-dimensional Weisfeiler-Leman closure.
//!
//! A round replaces the class of (x, y) by that class, the class of (y, x) and the multiset of
//! `(C(x, z), C(z, y))` over all z (Weisfeiler & Leman 1968; Babel et al., arXiv 1002.1921). The multiset is
//! represented by one entry of the product of two matrices whose entries are random integers, one a class. The
//! integers are so small that the product is exact in `f64`, so equal multisets never differ. Unequal ones
//! coincide with a probability near 2^-20; a round that changes nothing is therefore repeated with other
//! integers before it is believed.

use super::random::{Words, mix};
use crate::error::{Error, Result};
use crate::run::{Run, fits};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Rounds in a row that have to change nothing: 2^-57 together.
const CONFIRMATIONS: usize = 3;

/// Most points: three matrices of 8 bytes an entry, and two of labels.
const MOST_POINTS: usize = 1 << 13;

/// Rows of one product, which is one job. Fewer points are a single job.
const ROWS: usize = 128;

/// A coherent configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    /// Class of each pair, row-major; fibres first, then in the order of the classes they refine.
    pub labels: Vec<u32>,
    /// Number of classes.
    pub rank: usize,
    /// How many of them are fibres.
    pub fibres: usize,
    /// Rounds, those that changed nothing included.
    pub rounds: usize,
}

/// Old class, old class of the transposed pair, entry of the product.
type Key = (u32, u32, u64);

/// The closure of `n x n` labels, the same for any order of the points.
///
/// Each round costs a product of `n x n` matrices and `n^2` look-ups, and there are few; memory is about `32 n^2`
/// bytes. Where there are more than `most` classes it ends early, with none.
///
/// # Errors
/// [`Error::Shape`] for another number of labels or no points, [`Error::Parameter`] for more than 8 192 points,
/// [`Error::Interrupted`].
pub fn closure(labels: &[u32], n: usize, seed: u64, most: usize, run: &Run) -> Result<Option<Closure>> {
    if n == 0 || n.checked_mul(n) != Some(labels.len()) {
        return Err(Error::Shape(format!("{} labels are not those of {n} x {n} pairs", labels.len())));
    }
    if n > MOST_POINTS {
        return Err(Error::Parameter(format!("the closure takes at most {MOST_POINTS} points, not {n}")));
    }
    fits(&[[n, n, 48]])?;
    // On threads that have the work space of products, however few points there are.
    run.pool().install(|| refined(labels, n, seed, most, run))
}

fn refined(labels: &[u32], n: usize, seed: u64, most: usize, run: &Run) -> Result<Option<Closure>> {
    // Points are fibres of their own kind, whatever they are labelled, and come first.
    let mut now: Vec<u32> = labels.to_vec();
    let mut rank = relabel(&mut now, n, |x, y, label| (u32::from(x != y), label, 0), run)?;
    let (mut still, mut rounds) = (0, 0);
    let mut words = Words::new(seed);
    let mut products = vec![0.0; n * n];
    while still < CONFIRMATIONS && rank < n * n {
        if rank > most {
            return Ok(None);
        }
        run.control().expect(n as u64);
        multiply(&now, rank, &mut products, n, &mut words, run)?;
        let old = now.clone();
        let at = |x: usize, y: usize| x * n + y;
        let refined =
            relabel(&mut now, n, |x, y, label| (label, old[at(y, x)], products[at(x, y)].to_bits()), run)?;
        still = if refined == rank { still + 1 } else { 0 };
        rank = refined;
        rounds += 1;
    }
    if rank > most {
        return Ok(None);
    }
    let mut fibres: Vec<u32> = (0..n).map(|x| now[x * n + x]).collect();
    fibres.sort_unstable();
    fibres.dedup();
    Ok(Some(Closure { labels: now, rank, fibres: fibres.len(), rounds }))
}

/// `H(x, y) = sum_z a(C(x, z)) b(C(z, y))` with random integers a and b, exactly.
fn multiply(
    labels: &[u32],
    rank: usize,
    products: &mut [f64],
    n: usize,
    words: &mut Words,
    run: &Run,
) -> Result<()> {
    // n squares of these stay below 2^53.
    let bits = (53 - n.next_power_of_two().ilog2()) / 2;
    let mut weights = || -> Vec<f64> { words.take(rank).iter().map(|w| (w >> (64 - bits)) as f64).collect() };
    let (a, b) = (weights(), weights());
    let right: Vec<f64> = labels.iter().map(|&label| b[label as usize]).collect();
    let some = |(out, labels): (&mut [f64], &[u32])| {
        let left: Vec<f64> = labels.iter().map(|&label| a[label as usize]).collect();
        let rows = left.len() / n;
        // Row-major matrices are the transposes of column-major ones.
        matmul(
            MatMut::from_column_major_slice_mut(out, n, rows),
            Accum::Replace,
            MatRef::from_column_major_slice(&right, n, n),
            MatRef::from_column_major_slice(&left, n, rows),
            1.0,
            Par::Seq,
        );
        run.control().advance(rows as u64)
    };
    if n <= ROWS {
        return some((products, labels));
    }
    products.par_chunks_mut(ROWS * n).zip(labels.par_chunks(ROWS * n)).try_for_each(some)
}

/// Number pairs by the order of their keys; gives how many keys there are.
fn relabel(
    labels: &mut [u32],
    n: usize,
    key: impl Fn(usize, usize, u32) -> Key + Sync,
    run: &Run,
) -> Result<usize> {
    let met = |(job, labels): (usize, &[u32])| {
        run.control().check()?;
        let mut seen: HashMap<Key, (), BuildHasherDefault<Mixing>> = HashMap::default();
        let mut last = None;
        for (place, &label) in labels.iter().enumerate() {
            let key = key(job * ROWS + place / n, place % n, label);
            if last != Some(key) {
                seen.insert(key, ());
                last = Some(key);
            }
        }
        Ok(seen.into_keys().collect::<Vec<_>>())
    };
    let mut keys = if n <= ROWS {
        met((0, labels))?
    } else {
        labels.par_chunks(ROWS * n).enumerate().map(met).collect::<Result<Vec<_>>>()?.concat()
    };
    if n <= ROWS {
        keys.sort_unstable();
    } else {
        keys.par_sort_unstable();
    }
    keys.dedup();
    let number: HashMap<Key, u32, BuildHasherDefault<Mixing>> = keys.iter().copied().zip(0_u32..).collect();
    let renumber = |(job, labels): (usize, &mut [u32])| {
        for (place, label) in labels.iter_mut().enumerate() {
            // Every key is in the table.
            *label = number.get(&key(job * ROWS + place / n, place % n, *label)).copied().unwrap_or(u32::MAX);
        }
        run.control().check()
    };
    if n <= ROWS {
        renumber((0, labels))?;
    } else {
        labels.par_chunks_mut(ROWS * n).enumerate().try_for_each(renumber)?;
    }
    Ok(keys.len())
}

/// A quick hash of a few words.
#[derive(Default)]
struct Mixing(u64);

impl Hasher for Mixing {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0.rotate_left(23) ^ word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_fibres() {
        // The path 0-1-2: fibres {0, 2} and {1}; the orbits of pairs of its group are 5.
        let labels = [0, 1, 2, 1, 0, 1, 2, 1, 0];
        let run = Run::quiet(1).expect("threads");
        assert_eq!(closure(&labels, 3, 0, 4, &run), Ok(None));
        let found = closure(&labels, 3, 0, 5, &run).expect("labels").expect("at most 5 classes");
        assert_eq!((found.rank, found.fibres), (5, 2));
        assert_eq!(found.labels[0], found.labels[8]);
        assert_ne!(found.labels[0], found.labels[4]);
    }
}
