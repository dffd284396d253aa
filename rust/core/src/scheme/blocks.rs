//! Many small blocks of features at once: levels of the cosines, exact check, intersection numbers.
//!
//! A survey has tens of thousands of blocks of a few features. Each is done by one thread without a shared step, and
//! schemes with the same numbers get the same signature, so that they are named once.

use crate::error::{Error, Result};
use crate::gram::{first_nonfinite, normalise};
use crate::matrix::{FeatureMatrix, dot};
use crate::run::{Run, fits};
use rayon::prelude::*;
use std::collections::HashMap;

/// Most features of a block.
pub const MOST_FEATURES: usize = 64;

/// Blocks that a thread does between two checks of the control handle.
const TOGETHER: usize = 256;

/// What was found of each block.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockSchemes {
    /// Where the levels of each block begin; one more entry than blocks.
    pub offsets: Vec<usize>,
    /// Mean cosine of each level, decreasing within a block.
    pub levels: Vec<f64>,
    /// Valency of each level; zeros where the levels are not a scheme.
    pub valencies: Vec<usize>,
    /// Number of the scheme's intersection numbers in the order in which they first occur; `None` for no scheme.
    pub signatures: Vec<Option<usize>>,
    /// First block with each signature.
    pub representatives: Vec<usize>,
}

struct Block {
    levels: Vec<f64>,
    valencies: Vec<usize>,
    /// Points, then valencies, then `p_ij^k`: what makes two schemes the same in numbers.
    key: Option<Vec<u16>>,
}

/// What a thread needs again and again.
#[derive(Default)]
struct Scratch {
    rows: Vec<f64>,
    cosines: Vec<(f64, usize)>,
    labels: Vec<u8>,
    counts: Vec<u16>,
}

/// Check the levels of the cosines within blocks, given as stretches `offsets[b]..offsets[b + 1]` of `members`.
///
/// Sorted cosines are cut where two neighbours differ by more than `tolerance`; relation 0 is the diagonal, the
/// others come by decreasing level. Blocks have from 1 to 64 features. A block is no scheme and has no levels where a
/// feature is zero, or where its cosines are a continuum: a level is wider than `tolerance` and as wide as a gap beside
/// it, or than `tolerance` where it is the only one. Costs `k^2 m + k^3` for k features.
///
/// # Errors
/// [`Error::Parameter`] for stretches or members out of range, another size or a negative tolerance;
/// [`Error::NonFinite`], [`Error::Interrupted`].
pub fn blocks(
    x: &FeatureMatrix<'_>,
    members: &[usize],
    offsets: &[usize],
    tolerance: f64,
    run: &Run,
) -> Result<BlockSchemes> {
    if !(0.0..2.0).contains(&tolerance) {
        return Err(Error::Parameter(format!("the tolerance must lie in [0, 2), not {tolerance}")));
    }
    let stretches: Vec<_> = offsets.windows(2).map(|pair| pair[0]..pair[1]).collect();
    if offsets.first() != Some(&0) || offsets.last() != Some(&members.len()) {
        return Err(Error::Parameter(format!(
            "offsets must run from 0 to the number of members, {}",
            members.len()
        )));
    }
    if let Some((block, stretch)) = stretches
        .iter()
        .enumerate()
        .find(|(_, s)| s.start >= s.end || s.end > members.len() || s.len() > MOST_FEATURES)
    {
        return Err(Error::Parameter(format!(
            "blocks have from 1 to {MOST_FEATURES} features, but block {block} goes from {} to {}",
            stretch.start, stretch.end
        )));
    }
    if let Some(&member) = members.iter().find(|&&member| member >= x.n()) {
        return Err(Error::Parameter(format!("feature {member} is not among the {} features", x.n())));
    }
    run.control().expect(stretches.len() as u64);
    // Numbers of a block, once where they are found and once in the result.
    fits(&[[stretches.len(), 2 * size_of::<Block>() + 64, 1], [members.len(), 32, 1]])?;
    let found: Option<Vec<Vec<Block>>> = run.pool().install(|| {
        stretches
            .par_chunks(TOGETHER)
            .map_init(Scratch::default, |scratch, stretches| {
                run.control().advance(stretches.len() as u64)?;
                // Each may have as many levels as pairs, or a scheme with the numbers of as many classes as features;
                // few have so many, so what counts is asked for again with each chunk.
                let most = stretches.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
                let pairs: usize = stretches.iter().map(|stretch| stretch.len() * stretch.len()).sum();
                fits(&[[pairs, 12, 1], [most, x.m(), 8], [most * most, 2 * most + 24, 1]])?;
                Ok(stretches
                    .iter()
                    .map(|stretch| one(x, &members[stretch.clone()], tolerance, scratch))
                    .collect())
            })
            .collect::<Result<_>>()
    })?;
    let Some(found) = found else {
        let overflow = Error::Parameter("norms overflow float64; rescale the matrix".into());
        return Err(first_nonfinite(x, run)?.unwrap_or(overflow));
    };
    let mut result = BlockSchemes {
        offsets: vec![0],
        levels: vec![],
        valencies: vec![],
        signatures: vec![],
        representatives: vec![],
    };
    let mut numbered: HashMap<Vec<u16>, usize> = HashMap::new();
    for (place, block) in found.into_iter().flatten().enumerate() {
        result.levels.extend(block.levels);
        result.valencies.extend(block.valencies);
        result.offsets.push(result.levels.len());
        result.signatures.push(block.key.map(|key| {
            let next = numbered.len();
            *numbered.entry(key).or_insert_with(|| {
                result.representatives.push(place);
                next
            })
        }));
    }
    Ok(result)
}

/// One block; `None` where a norm is not finite.
fn one(x: &FeatureMatrix<'_>, members: &[usize], tolerance: f64, scratch: &mut Scratch) -> Option<Block> {
    let (k, m) = (members.len(), x.m());
    let Scratch { rows, cosines, labels, counts } = scratch;
    rows.resize(k * m, 0.0);
    let nothing = Block { levels: vec![], valencies: vec![], key: None };
    for (row, &member) in rows.chunks_exact_mut(m).zip(members) {
        x.read(member..member + 1, row);
        let norm = dot(row, row).sqrt();
        if !norm.is_finite() {
            return None;
        }
        if norm == 0.0 {
            return Some(nothing);
        }
        normalise(row, norm);
    }
    cosines.clear();
    for i in 0..k {
        let (own, rest) = rows[i * m..].split_at(m);
        cosines.extend(
            rest[..(k - 1 - i) * m]
                .chunks_exact(m)
                .enumerate()
                .map(|(step, other)| (dot(own, other), i * k + i + 1 + step)),
        );
    }
    cosines.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let groups = || cosines.chunk_by(|a, b| a.0 - b.0 <= tolerance);
    let levels: Vec<f64> =
        groups().map(|group| group.iter().map(|pair| pair.0).sum::<f64>() / group.len() as f64).collect();
    let d = levels.len();
    if continuous(cosines, tolerance) {
        return Some(nothing);
    }
    let refused = |levels| Block { levels, valencies: vec![0; d], key: None };
    // Each level has a pair at every point of a scheme.
    if d >= k && k > 1 {
        return Some(refused(levels));
    }
    labels.clear();
    labels.resize(k * k, 0);
    for (group, label) in groups().zip(1_u8..) {
        for &(_, pair) in group {
            labels[pair] = label;
            labels[pair % k * k + pair / k] = label;
        }
    }
    Some(match numbers(labels, k, d + 1, counts) {
        None => refused(levels),
        Some((valencies, key)) => Block {
            levels,
            valencies: valencies[1..].iter().map(|&count| count.into()).collect(),
            key: Some(key),
        },
    })
}

/// Whether some cluster of decreasing cosines is too wide for a level: at least as wide as the gaps beside it.
fn continuous(cosines: &[(f64, usize)], tolerance: f64) -> bool {
    let ends = |group: &[(f64, usize)]| (group[0].0, group[group.len() - 1].0);
    let clusters: Vec<(f64, f64)> = cosines.chunk_by(|a, b| a.0 - b.0 <= tolerance).map(ends).collect();
    let gap = |k: usize| clusters[k].1 - clusters[k + 1].0;
    clusters.iter().enumerate().any(|(k, &(high, low))| {
        let before = if k > 0 { gap(k - 1) } else { f64::INFINITY };
        let after = if k + 1 < clusters.len() { gap(k) } else { f64::INFINITY };
        let room = before.min(after);
        high - low > tolerance && high - low >= if room.is_finite() { room } else { tolerance }
    })
}

/// Valencies and the key of symmetric labels `0..rank`; `None` for no scheme.
fn numbers(labels: &[u8], k: usize, rank: usize, counts: &mut Vec<u16>) -> Option<(Vec<u16>, Vec<u16>)> {
    let mut valencies = vec![0_u16; rank];
    labels[..k].iter().for_each(|&label| valencies[usize::from(label)] += 1);
    for row in labels.chunks_exact(k).skip(1) {
        counts.clear();
        counts.resize(rank, 0);
        row.iter().for_each(|&label| counts[usize::from(label)] += 1);
        if *counts != valencies {
            return None;
        }
    }
    let mut key = vec![0_u16; 1 + rank + rank * rank * rank];
    key[0] = k as u16;
    key[1..=rank].copy_from_slice(&valencies);
    let p = &mut key[1 + rank..];
    let row = |x: usize| &labels[x * k..(x + 1) * k];
    let place = |i: u8, j: u8| usize::from(i) * rank + usize::from(j);
    // The first point has pairs of every level.
    let mut known = vec![false; rank];
    for (y, &class) in row(0).iter().enumerate() {
        if !std::mem::replace(&mut known[usize::from(class)], true) {
            let p = &mut p[usize::from(class) * rank * rank..][..rank * rank];
            row(0).iter().zip(row(y)).for_each(|(&i, &j)| p[place(i, j)] += 1);
            // (x, y) and (y, x) are of one class, so its numbers are symmetric in i and j.
            if (0..rank).any(|i| (0..i).any(|j| p[i * rank + j] != p[j * rank + i])) {
                return None;
            }
        }
    }
    counts.clear();
    counts.resize(rank * rank, 0);
    for x in 0..k {
        for y in x + 1..k {
            let p = &p[usize::from(row(x)[y]) * rank * rank..][..rank * rank];
            let pairs = || row(x).iter().zip(row(y)).map(|(&i, &j)| place(i, j));
            pairs().for_each(|at| counts[at] += 1);
            // Both tables have the sum k, so they are equal where the counts that are met agree.
            if !pairs().all(|at| counts[at] == p[at]) {
                return None;
            }
            pairs().for_each(|at| counts[at] = 0);
        }
    }
    Some((valencies, key))
}
