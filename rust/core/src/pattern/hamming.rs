//! Exact searches by Hamming distance.

use super::rows::CodeRows;
use super::tiles::{BLOCK, Distances, GROUP, Searched, Span};
use crate::error::{Error, Result};
use crate::run::{Run, fits};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Queries that a thread takes at a time.
const SHARE: usize = 256;

/// Bytes of searched rows that all queries of a share pass over before the next: half a second-level cache.
const RESIDENT: usize = 1 << 18;

/// Nearest rows of every query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbours {
    /// `k` increasing distances for each query.
    pub distances: Vec<u32>,
    /// Their rows; of equally near ones, the first.
    pub indices: Vec<u64>,
}

/// What a search holds of its rows: a copy in another order.
fn searched_bytes(rows: &CodeRows<'_>) -> [usize; 3] {
    [rows.n() + BLOCK, rows.width(), 8]
}

/// The `k` nearest of `rows` to every query, by distance and then by index.
///
/// # Errors
/// [`Error::Shape`] when the bits differ, [`Error::Parameter`] unless `k` is from 1 to the number of rows,
/// [`Error::Interrupted`].
pub fn nearest(rows: &CodeRows<'_>, queries: &CodeRows<'_>, k: usize, run: &Run) -> Result<Neighbours> {
    searchable(rows, queries, k)?;
    fits(&[[queries.n(), k, 12], searched_bytes(rows)])?;
    let mut found = Neighbours::none(queries.n(), k);
    let searched = Searched::new(*rows);
    run.control().expect(queries.n() as u64);
    run.pool().install(|| {
        found.shares(k).enumerate().try_for_each(|(share, mut lists)| {
            let start = share * SHARE;
            visit(&searched, queries, start, lists.len(k), run, |query, block, found, [least, _]| {
                let mut list = lists.of(query - start, k);
                if least < list.farthest() {
                    for (lane, &distance) in found.iter().enumerate() {
                        list.offer(distance, block * BLOCK + lane);
                    }
                }
            })
        })
    })?;
    Ok(found)
}

/// The `k` nearest and the `k` farthest of `rows` to every query, as [`nearest`]. The distances of the second are those
/// to the opposite of the query: all bits less those that differ.
///
/// # Errors
/// As [`nearest`].
pub fn ends(rows: &CodeRows<'_>, queries: &CodeRows<'_>, k: usize, run: &Run) -> Result<[Neighbours; 2]> {
    searchable(rows, queries, k)?;
    fits(&[[queries.n(), 2 * k, 12], searched_bytes(rows)])?;
    let [mut near, mut far] = [(); 2].map(|()| Neighbours::none(queries.n(), k));
    let searched = Searched::new(*rows);
    let bits = rows.n_bits() as u32;
    run.control().expect(queries.n() as u64);
    run.pool().install(|| {
        near.shares(k).zip(far.shares(k)).enumerate().try_for_each(|(share, (mut near, mut far))| {
            let start = share * SHARE;
            visit(&searched, queries, start, near.len(k), run, |query, block, found, [least, most]| {
                let mut list = near.of(query - start, k);
                if least < list.farthest() {
                    for (lane, &distance) in found.iter().enumerate() {
                        list.offer(distance, block * BLOCK + lane);
                    }
                }
                let mut list = far.of(query - start, k);
                // Rows that fill up a block may differ in more bits than there are.
                if bits.saturating_sub(most) < list.farthest() {
                    for (lane, &distance) in found.iter().enumerate() {
                        list.offer(bits - distance, block * BLOCK + lane);
                    }
                }
            })
        })
    })?;
    Ok([near, far])
}

/// The lists of some queries.
struct Lists<'a> {
    distances: &'a mut [u32],
    indices: &'a mut [u64],
}

impl Neighbours {
    fn none(queries: usize, k: usize) -> Self {
        Self { distances: vec![u32::MAX; queries * k], indices: vec![0; queries * k] }
    }

    /// The lists of a share of the queries each.
    fn shares(&mut self, k: usize) -> impl IndexedParallelIterator<Item = Lists<'_>> {
        let indices = self.indices.par_chunks_mut(SHARE * k);
        let lists = self.distances.par_chunks_mut(SHARE * k).zip(indices);
        lists.map(|(distances, indices)| Lists { distances, indices })
    }
}

impl Lists<'_> {
    /// Number of queries.
    fn len(&self, k: usize) -> usize {
        self.distances.len() / k
    }

    /// The list of one query.
    fn of(&mut self, place: usize, k: usize) -> Lists<'_> {
        let slots = place * k..(place + 1) * k;
        Lists { distances: &mut self.distances[slots.clone()], indices: &mut self.indices[slots] }
    }

    /// Distance of the last of one list.
    fn farthest(&self) -> u32 {
        self.distances[self.distances.len() - 1]
    }

    /// Take a row into one list, if it is nearer than the last. Rows come in order, so of equally near ones that which
    /// comes later stays behind.
    fn offer(&mut self, distance: u32, row: usize) {
        if distance < self.farthest() {
            let rank = self.distances.partition_point(|&kept| kept <= distance);
            let last = self.distances.len() - 1;
            self.distances.copy_within(rank..last, rank + 1);
            self.indices.copy_within(rank..last, rank + 1);
            self.distances[rank] = distance;
            self.indices[rank] = row as u64;
        }
    }
}

fn searchable(rows: &CodeRows<'_>, queries: &CodeRows<'_>, k: usize) -> Result<()> {
    rows.comparable(queries)?;
    if k == 0 || k > rows.n() {
        return Err(Error::Parameter(format!(
            "k must be from 1 to the {} rows that are searched, not {k}",
            rows.n()
        )));
    }
    Ok(())
}

/// The label that most of the `k` nearest rows have, for every query; of equally frequent ones, the least.
///
/// Where rows tie at the distance of the `k`-th, all of them vote with equal parts of the votes that are left, so the
/// order of the rows does not matter.
///
/// # Errors
/// As [`nearest`], and [`Error::Shape`] unless there is a label for each row.
pub fn vote(
    rows: &CodeRows<'_>,
    labels: &[i64],
    queries: &CodeRows<'_>,
    k: usize,
    run: &Run,
) -> Result<Vec<i64>> {
    if labels.len() != rows.n() {
        return Err(Error::Shape(format!("{} labels for {} rows", labels.len(), rows.n())));
    }
    searchable(rows, queries, k)?;
    let threads = run.pool().current_num_threads();
    fits(&[[queries.n(), 1, 8], [threads * SHARE, k, 16], searched_bytes(rows)])?;
    let searched = Searched::new(*rows);
    let mut voted = vec![0_i64; queries.n()];
    run.control().expect(queries.n() as u64);
    run.pool().install(|| {
        voted.par_chunks_mut(SHARE).enumerate().try_for_each(|(share, voted)| {
            let start = share * SHARE;
            let mut electorates = vec![Electorate::new(k); voted.len()];
            visit(&searched, queries, start, voted.len(), run, |query, block, found, [least, _]| {
                let electorate = &mut electorates[query - start];
                if least > electorate.farthest() {
                    return;
                }
                for (&distance, &label) in found.iter().zip(&labels[block * BLOCK..]) {
                    if distance <= electorate.farthest() {
                        electorate.admit(distance, label);
                    }
                }
            })?;
            for (label, electorate) in voted.iter_mut().zip(&electorates) {
                *label = electorate.winner();
            }
            Ok(())
        })
    })?;
    Ok(voted)
}

/// The rows that vote on one query: the `k` nearest so far, and those that tie with the `k`-th.
#[derive(Clone)]
struct Electorate {
    /// Distance and label of the `k` nearest, the farthest last; a distance of `u32::MAX` stands for no row.
    nearest: Vec<(u32, i64)>,
    /// How many others have each label at the distance of the farthest.
    tied: BTreeMap<i64, u64>,
}

impl Electorate {
    fn new(k: usize) -> Self {
        Self { nearest: vec![(u32::MAX, 0); k], tied: BTreeMap::new() }
    }

    /// Distance of the `k`-th nearest.
    fn farthest(&self) -> u32 {
        self.nearest[self.nearest.len() - 1].0
    }

    /// Take in a row unless it is farther than the farthest.
    fn admit(&mut self, distance: u32, label: i64) {
        let (farthest, last) = self.nearest[self.nearest.len() - 1];
        if distance == farthest {
            *self.tied.entry(label).or_default() += 1;
            return;
        }
        let rank = self.nearest.partition_point(|kept| kept.0 <= distance);
        self.nearest.pop();
        self.nearest.insert(rank, (distance, label));
        if self.farthest() < farthest {
            self.tied.clear();
        } else if farthest < u32::MAX {
            *self.tied.entry(last).or_default() += 1;
        }
    }

    /// The label of most votes. With c of the `k` nearer than the farthest and t at its distance, a nearer one has
    /// one vote and each of the others (k - c) / t: t and k - c, in integers.
    fn winner(&self) -> i64 {
        let farthest = self.farthest();
        let split = self.nearest.partition_point(|kept| kept.0 < farthest);
        let (nearer, level) = self.nearest.split_at(split);
        let mut at_level = self.tied.clone();
        for &(_, label) in level {
            *at_level.entry(label).or_default() += 1;
        }
        let tied: u64 = at_level.values().sum();
        let mut votes: BTreeMap<i64, u64> = BTreeMap::new();
        for &(_, label) in nearer {
            *votes.entry(label).or_default() += tied;
        }
        for (label, count) in at_level {
            *votes.entry(label).or_default() += count * level.len() as u64;
        }
        votes
            .into_iter()
            .fold((0, 0), |best, (label, votes)| if votes > best.1 { (label, votes) } else { best })
            .0
    }
}

/// How many rows lie within each radius of every query: `radii.len()` numbers per query.
///
/// # Errors
/// [`Error::Shape`] when the bits differ, [`Error::Interrupted`].
pub fn range_counts(
    rows: &CodeRows<'_>,
    queries: &CodeRows<'_>,
    radii: &[u32],
    run: &Run,
) -> Result<Vec<u64>> {
    rows.comparable(queries)?;
    fits(&[[queries.n(), radii.len(), 8], searched_bytes(rows)])?;
    let mut counts = vec![0_u64; queries.n() * radii.len()];
    if radii.is_empty() {
        return Ok(counts);
    }
    let farthest = radii.iter().copied().max().unwrap_or(0);
    let searched = Searched::new(*rows);
    run.control().expect(queries.n() as u64);
    run.pool().install(|| {
        counts.par_chunks_mut(SHARE * radii.len()).enumerate().try_for_each(|(share, counts)| {
            let start = share * SHARE;
            visit(
                &searched,
                queries,
                start,
                counts.len() / radii.len(),
                run,
                |query, _, found, [least, _]| {
                    if least <= farthest {
                        let counts =
                            &mut counts[(query - start) * radii.len()..(query - start + 1) * radii.len()];
                        for (count, &radius) in counts.iter_mut().zip(radii) {
                            *count += found.iter().filter(|&&distance| distance <= radius).count() as u64;
                        }
                    }
                },
            )
        })
    })?;
    Ok(counts)
}

/// All distances, `queries` by `rows`.
///
/// # Errors
/// [`Error::Shape`] when the bits differ, [`Error::Interrupted`].
pub fn distances(rows: &CodeRows<'_>, queries: &CodeRows<'_>, run: &Run) -> Result<Vec<u32>> {
    rows.comparable(queries)?;
    let n = rows.n();
    fits(&[[queries.n(), n, 4], searched_bytes(rows)])?;
    let mut out = vec![0_u32; queries.n() * n];
    if n == 0 {
        return Ok(out);
    }
    let searched = Searched::new(*rows);
    run.control().expect(queries.n() as u64);
    run.pool().install(|| {
        out.par_chunks_mut(SHARE * n).enumerate().try_for_each(|(share, out)| {
            let start = share * SHARE;
            visit(&searched, queries, start, out.len() / n, run, |query, block, found, _| {
                let at = (query - start) * n + block * BLOCK;
                out[at..at + found.len()].copy_from_slice(found);
            })
        })
    })?;
    Ok(out)
}

/// Show `see` the distances of each query of a share to each block, blocks in order:
/// `see(query, block, distances, bounds of them)`.
fn visit(
    searched: &Searched<'_>,
    queries: &CodeRows<'_>,
    start: usize,
    count: usize,
    run: &Run,
    mut see: impl FnMut(usize, usize, &[u32], Span),
) -> Result<()> {
    let mut found: Distances = [[0; BLOCK]; GROUP];
    let size = (searched.rows().width() * 8 * BLOCK).max(1);
    let step = (RESIDENT / size).max(1);
    for first in (0..searched.blocks()).step_by(step) {
        for group in (start..start + count).step_by(GROUP) {
            run.control().check()?;
            let end = (group + GROUP).min(start + count);
            let mut asked: [&[u64]; GROUP] = [&[]; GROUP];
            for (slot, query) in asked.iter_mut().zip(group..end) {
                *slot = queries.row(query);
            }
            for block in first..searched.blocks().min(first + step) {
                let spans = searched.distances(&asked[..end - group], block, &mut found);
                let len = searched.len_of(block);
                for ((query, found), span) in (group..end).zip(&found).zip(spans) {
                    see(query, block, &found[..len], span);
                }
            }
        }
    }
    run.control().advance(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::tiles::distance;
    use crate::testing::noise;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn searches_agree_with_sorting_all_distances(
            n in 1_usize..300, q in 0_usize..9, m in 0_usize..150, k in 1_usize..12, seed: u64, few: bool,
        ) {
            let mut state = seed | 1;
            let width = m.div_ceil(64);
            let mask = if m % 64 == 0 { u64::MAX } else { (1 << (m % 64)) - 1 };
            let mut draw = |count: usize| -> Vec<u64> {
                (0..count * width).map(|_| { noise(&mut state); (if few { state & 5 } else { state }) & mask }).collect()
            };
            let (train, asked) = (draw(n), draw(q));
            let rows = CodeRows::new(&train, n, m).expect("shape");
            let queries = CodeRows::new(&asked, q, m).expect("shape");
            let k = k.min(n);
            let run = Run::quiet(2).expect("threads");
            let found = nearest(&rows, &queries, k, &run).expect("runs");
            let [near, far] = ends(&rows, &queries, k, &run).expect("runs");
            let all = distances(&rows, &queries, &run).expect("runs");
            let labels: Vec<i64> = (0..n as u64).map(|row| (seed.wrapping_mul(2 * row + 1) >> 61) as i64 - 3).collect();
            let voted = vote(&rows, &labels, &queries, k, &run).expect("runs");
            let radii = [0, 1, 7, 200];
            let within = range_counts(&rows, &queries, &radii, &run).expect("runs");
            for i in 0..q {
                let mut order: Vec<(u32, u64)> =
                    (0..n).map(|j| (distance(queries.row(i), rows.row(j)), j as u64)).collect();
                let row: Vec<u32> = order.iter().map(|pair| pair.0).collect();
                prop_assert_eq!(&all[i * n..(i + 1) * n], &row);
                for (at, &radius) in radii.iter().enumerate() {
                    prop_assert_eq!(within[i * 4 + at], row.iter().filter(|&&d| d <= radius).count() as u64);
                }
                order.sort_unstable();
                let level = order[k - 1].0;
                let nearer = order.iter().filter(|pair| pair.0 < level).count() as u64;
                let tied = order.iter().filter(|pair| pair.0 == level).count() as u64;
                let weight = |label: i64| -> u64 {
                    let of = |pair: &&(u32, u64)| labels[pair.1 as usize] == label;
                    let (near, far) = (
                        order.iter().filter(|pair| pair.0 < level).filter(of).count() as u64,
                        order.iter().filter(|pair| pair.0 == level).filter(of).count() as u64,
                    );
                    near * tied + far * (k as u64 - nearer)
                };
                let best = (-3..5).map(weight).max().expect("labels");
                prop_assert_eq!(Some(voted[i]), (-3..5).find(|&label| weight(label) == best));
                let bits = m as u32;
                let mut turned: Vec<(u32, u64)> = order.iter().map(|&(d, row)| (bits - d, row)).collect();
                turned.sort_unstable();
                for (found, order) in [(&found, &order), (&near, &order), (&far, &turned)] {
                    for (rank, &pair) in order.iter().take(k).enumerate() {
                        let slot = i * k + rank;
                        prop_assert_eq!((found.distances[slot], found.indices[slot]), pair);
                    }
                }
            }
        }
    }

    #[test]
    fn equal_votes_go_to_the_least_label() {
        let train = [0b00, 0b01, 0b10, 0b11];
        let rows = CodeRows::new(&train, 4, 2).expect("shape");
        let query = CodeRows::new(&train[..1], 1, 2).expect("shape");
        let run = Run::quiet(1).expect("threads");
        assert_eq!(vote(&rows, &[5, 3, 3, 9], &query, 1, &run).expect("runs"), [5]);
        // Two rows tie for the second place: half a vote each.
        assert_eq!(vote(&rows, &[5, 3, 3, 9], &query, 2, &run).expect("runs"), [3]);
        assert_eq!(vote(&rows, &[5, 3, 4, 9], &query, 2, &run).expect("runs"), [5]);
        assert_eq!(vote(&rows, &[5, 3, 5, 9], &query, 3, &run).expect("runs"), [5]);
        assert!(vote(&rows, &[5], &query, 1, &run).is_err());
        assert!(nearest(&rows, &query, 5, &run).is_err());
    }
}
