//! Clusters of codes: Lloyd's algorithm with Hamming distance, whose best centre is the majority of each bit.

use super::rows::CodeRows;
use super::tiles::distance;
use crate::error::{Error, Result};
use crate::run::{Run, fits};
use rayon::prelude::*;

/// What [`k_majority`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// Centres, row-major words.
    pub centres: Vec<u64>,
    /// Cluster of each row; of equally near centres, the first.
    pub labels: Vec<u64>,
    /// Sum of the distances of the rows to their centres.
    pub cost: u64,
    /// Rounds that were run.
    pub rounds: usize,
    /// Whether the last round changed nothing.
    pub converged: bool,
}

/// Cluster rows about `k` centres; `seed` draws the first ones, each next with odds of its distance to the nearest
/// before it.
///
/// # Errors
/// [`Error::Parameter`] unless `k` is from 1 to the number of rows and there is a round, [`Error::Interrupted`].
pub fn k_majority(rows: &CodeRows<'_>, k: usize, rounds: usize, seed: u64, run: &Run) -> Result<Clusters> {
    if k == 0 || k > rows.n() {
        return Err(Error::Parameter(format!("k must be from 1 to the {} rows, not {k}", rows.n())));
    }
    if rounds == 0 {
        return Err(Error::Parameter("there must be at least one round".into()));
    }
    let width = rows.width();
    fits(&[[rows.n(), 1, 32], [rows.n(), width, 8], [k, width * 65, 8], [k, 8, 1]])?;
    let mut centres = first_centres(rows, k, seed, run)?;
    let mut labels = vec![u64::MAX; rows.n()];
    run.control().expect(rounds as u64);
    for round in 1..=rounds {
        let assigned = assign(rows, &centres, k, run)?;
        let fresh: Vec<u64> = assigned.iter().map(|pair| pair.1).collect();
        let cost = assigned.iter().map(|pair| u64::from(pair.0)).sum();
        let converged = fresh == labels;
        labels = fresh;
        if converged || round == rounds {
            return Ok(Clusters { centres, labels, cost, rounds: round, converged });
        }
        let mut ones = vec![0_u64; k * width * 64];
        let mut sizes = vec![0_u64; k];
        for (index, &label) in labels.iter().enumerate() {
            let ones = &mut ones[label as usize * width * 64..(label as usize + 1) * width * 64];
            sizes[label as usize] += 1;
            for (word, ones) in rows.row(index).iter().zip(ones.chunks_exact_mut(64)) {
                for (bit, one) in ones.iter_mut().enumerate() {
                    *one += word >> bit & 1;
                }
            }
            if index % 1024 == 0 {
                run.control().check()?;
            }
        }
        for (cluster, &size) in sizes.iter().enumerate().filter(|(_, size)| **size > 0) {
            for place in 0..width {
                let at = cluster * width + place;
                centres[at] = ones[at * 64..(at + 1) * 64]
                    .iter()
                    .enumerate()
                    .fold(0, |word, (bit, &one)| word | u64::from(2 * one > size) << bit);
            }
        }
        run.control().advance(1)?;
    }
    Err(Error::Convergence("k-majority"))
}

/// Distance to, and number of, the nearest centre of each row.
fn assign(rows: &CodeRows<'_>, centres: &[u64], k: usize, run: &Run) -> Result<Vec<(u32, u64)>> {
    let centres = CodeRows::new(centres, k, rows.n_bits())?;
    run.pool().install(|| {
        (0..rows.n())
            .into_par_iter()
            .with_min_len(256)
            .map(|index| {
                run.control().check()?;
                let row = rows.row(index);
                let of = |cluster: usize| (distance(row, centres.row(cluster)), cluster as u64);
                Ok((1..k).map(of).fold(of(0), Ord::min))
            })
            .collect()
    })
}

fn first_centres(rows: &CodeRows<'_>, k: usize, seed: u64, run: &Run) -> Result<Vec<u64>> {
    let mut state = seed;
    let mut chosen = vec![(draw(&mut state) % rows.n() as u64) as usize];
    let mut gaps: Vec<u32> = vec![u32::MAX; rows.n()];
    while chosen.len() < k {
        run.control().check()?;
        let last = rows.row(chosen[chosen.len() - 1]);
        let mut total = 0_u64;
        for (index, gap) in gaps.iter_mut().enumerate() {
            *gap = (*gap).min(distance(rows.row(index), last));
            total += u64::from(*gap);
        }
        // Fewer distinct rows than centres: the rest are copies, and stay empty.
        let mut left = if total == 0 { 0 } else { draw(&mut state) % total };
        let next = gaps.iter().position(|&gap| {
            let here = left < u64::from(gap);
            left = left.saturating_sub(u64::from(gap));
            here
        });
        chosen.push(next.unwrap_or(0));
    }
    Ok(chosen.into_iter().flat_map(|index| rows.row(index).iter().copied()).collect())
}

/// SplitMix64: the same numbers on every machine.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_come_apart_about_their_majorities() {
        let words = [0b0111, 0b1011, 0b1101, 0xf0, 0xe0, 0xd0, 0xf0];
        let rows = CodeRows::new(&words, 7, 8).expect("shape");
        let run = Run::quiet(2).expect("threads");
        for seed in 0..20 {
            let found = k_majority(&rows, 2, 50, seed, &run).expect("runs");
            assert!(found.converged);
            let a = found.labels[0];
            assert_eq!(found.labels, [a, a, a, 1 - a, 1 - a, 1 - a, 1 - a]);
            assert_eq!((found.centres[a as usize], found.centres[1 - a as usize]), (0b1111, 0xf0));
            assert_eq!(found.cost, 5);
        }
    }

    #[test]
    fn more_rounds_never_cost_more() {
        let words: Vec<u64> = (0..500).map(|index| draw(&mut { index })).collect();
        let rows = CodeRows::new(&words, 500, 64).expect("shape");
        let run = Run::quiet(2).expect("threads");
        let costs: Vec<u64> =
            (1..12).map(|rounds| k_majority(&rows, 9, rounds, 4, &run).expect("runs").cost).collect();
        assert!(costs.is_sorted_by(|a, b| a >= b) && costs[0] > costs[10]);
        assert!(k_majority(&rows, 501, 3, 0, &run).is_err());
    }
}
