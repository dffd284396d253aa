//! Single linkage of the Gram graph: which features stay together when weak entries are dropped.
//!
//! The coupling of two features is `|M_ij| / max(N_i, N_j)`: the share of the larger feature's norm that the
//! smaller one disturbs. It is the cosine for equal norms, and a feature that a model has all but dropped,
//! whose direction is noise, does not glue blocks together as its cosines would.
//!
//! A ladder of thresholds, each a factor sqrt 2 below the last, has a union-find structure per rung, all fed
//! by one sweep. Rungs are nested: what is joined at a high threshold is joined at every lower one. A filter
//! keeps the cost down: once most features hang together at a rung, pairs weaker than that rung are not
//! looked at again.

/// Number of rungs of the ladder of thresholds, from 1 down to 2^-20, about the rounding of `f32` cosines.
pub(super) const RUNGS: usize = 41;

/// Rungs over which a partition has to persist: a factor of 4 between the weakest link inside a block and
/// the strongest coupling between blocks.
const PERSISTENCE: usize = 4;

/// Couplings between blocks of several features are negligible below this.
const NEGLIGIBLE: f64 = 0.1;

/// Couplings below this connect nothing where anything stronger does. Between single features nothing above
/// it is negligible either, since the weak couplings of a large simplex (`1 / (n - 1)`) would pass for noise.
const WEAKEST: f64 = 0.01;

/// Blocks of the Gram graph at the threshold that was given or chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocks {
    /// Block of each feature, numbered in order of first appearance; `None` for zero features.
    pub labels: Vec<Option<usize>>,
    /// Number of blocks.
    pub count: usize,
    /// Couplings below this do not connect.
    pub threshold: f64,
    /// Whether it lies in a gap of the couplings; `None` where it was given. Without a gap whatever is coupled at
    /// all is one block.
    pub gap: Option<bool>,
    /// Every threshold of the ladder with the number of blocks there.
    pub ladder: Vec<(f64, usize)>,
}

/// The ladder of union-find structures over the nonzero features.
#[derive(Debug)]
pub struct Linkage {
    thresholds: Vec<f64>,
    rungs: Vec<Forest>,
    /// Positions below this have a smaller coupling than any pair that could still join something.
    filter: Vec<f32>,
}

#[derive(Debug)]
struct Forest {
    parent: Vec<u32>,
    size: Vec<u32>,
    trees: usize,
    largest: u32,
}

impl Forest {
    fn new(count: usize) -> Self {
        Self {
            parent: (0..count).map(|i| u32::try_from(i).unwrap_or(u32::MAX)).collect(),
            size: vec![1; count],
            trees: count,
            largest: 0,
        }
    }

    fn root(&mut self, mut node: u32) -> u32 {
        while self.parent[node as usize] != node {
            let above = self.parent[node as usize];
            self.parent[node as usize] = self.parent[above as usize];
            node = above;
        }
        node
    }

    /// Whether the two were apart.
    fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return false;
        }
        let (small, large) = if self.size[a as usize] < self.size[b as usize] { (a, b) } else { (b, a) };
        self.parent[small as usize] = large;
        self.size[large as usize] += self.size[small as usize];
        self.trees -= 1;
        if self.size[large as usize] > self.size[self.largest as usize] {
            self.largest = large;
        }
        true
    }
}

impl Linkage {
    /// Singletons, over `count` features, with one rung at `threshold` or the whole ladder.
    pub fn new(count: usize, threshold: Option<f64>) -> Self {
        let thresholds: Vec<f64> = match threshold {
            Some(value) => vec![value],
            None => (0..RUNGS).map(|rung| 2.0_f64.powf(-(rung as f64) / 2.0)).collect(),
        };
        let mut linkage = Self {
            rungs: thresholds.iter().map(|_| Forest::new(count)).collect(),
            filter: vec![0.0; count],
            thresholds,
        };
        linkage.refresh(0..count);
        linkage
    }

    /// A pair whose coupling is below the smaller of its two values here joins nothing new.
    pub fn filter(&self) -> &[f32] {
        &self.filter
    }

    /// Join two features, given by position, at every rung up to their coupling.
    pub fn join(&mut self, i: usize, j: usize, coupling: f64) {
        let (Ok(i), Ok(j)) = (u32::try_from(i), u32::try_from(j)) else { return };
        let first = self.thresholds.partition_point(|&threshold| threshold > coupling);
        for rung in &mut self.rungs[first..] {
            // Joined here means joined at every lower rung.
            if !rung.join(i, j) {
                break;
            }
        }
    }

    /// Raise the filter of some features to the first rung at which they are outside the largest tree.
    pub fn refresh(&mut self, positions: std::ops::Range<usize>) {
        for position in positions {
            let Ok(node) = u32::try_from(position) else { return };
            let outside = self
                .rungs
                .iter_mut()
                .rposition(|rung| {
                    let largest = rung.largest;
                    rung.root(node) != rung.root(largest) || rung.size[largest as usize] == 1
                })
                .map_or(f64::INFINITY, |rung| self.thresholds[rung]);
            self.filter[position] = (outside * (1.0 - 1e-6)) as f32;
        }
    }

    /// The blocks at the chosen threshold, as labels of `n` features of which `active` are nonzero.
    ///
    /// A partition is taken when it persists over a factor of 4 in the threshold and what it drops is
    /// negligible; of several the one that persists longest. Else everything that is coupled at all is one
    /// block.
    pub fn blocks(mut self, n: usize, active: &[usize]) -> Blocks {
        let ladder: Vec<(f64, usize)> = self
            .thresholds
            .iter()
            .zip(&self.rungs)
            .map(|(&threshold, rung)| (threshold, rung.trees))
            .collect();
        let found = choose(&ladder, active.len());
        let (chosen, gap) =
            (found.unwrap_or(ladder.len() - 1), (ladder.len() > 1).then_some(found.is_some()));
        let mut labels = vec![None; n];
        let mut names = vec![None; active.len()];
        let mut count = 0;
        for (position, &index) in active.iter().enumerate() {
            let root = u32::try_from(position).map_or(0, |node| self.rungs[chosen].root(node)) as usize;
            labels[index] = Some(*names[root].get_or_insert_with(|| {
                count += 1;
                count - 1
            }));
        }
        Blocks { labels, count, threshold: ladder[chosen].0, gap, ladder }
    }
}

/// The rung to read blocks at: the middle of the run of equal partitions that persists longest, if any does.
fn choose(ladder: &[(f64, usize)], count: usize) -> Option<usize> {
    let last = ladder.len() - 1;
    let mut best = (0, None);
    let mut first = 0;
    for rung in 0..=last {
        if rung < last && ladder[rung + 1].1 == ladder[first].1 {
            continue;
        }
        let (threshold, blocks) = ladder[rung];
        let negligible = if blocks == count { WEAKEST } else { NEGLIGIBLE };
        let length = rung - first;
        let linked = ladder[first].0 >= WEAKEST;
        if blocks > 1 && linked && length >= PERSISTENCE && threshold <= negligible && length > best.0 {
            // A run that reaches the last rung has no weak couplings at all below it.
            best = (length, Some(if rung == last { last } else { first + length / 2 }));
        }
        first = rung + 1;
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(count: usize, pairs: &[(usize, usize, f64)], threshold: Option<f64>) -> Blocks {
        let mut linkage = Linkage::new(count, threshold);
        for &(i, j, coupling) in pairs {
            linkage.join(i, j, coupling);
        }
        linkage.refresh(0..count);
        linkage.blocks(count, &(0..count).collect::<Vec<_>>())
    }

    #[test]
    fn weak_couplings_fall_away_where_a_gap_shows() {
        let pairs = [(0, 1, 0.9), (2, 3, 0.5), (1, 2, 0.01), (0, 3, 0.004)];
        let found = blocks(4, &pairs, None);
        assert_eq!(found.labels, [Some(0), Some(0), Some(1), Some(1)]);
        assert!(found.threshold > 0.01 && found.threshold < 0.5);
        assert_eq!(found.gap, Some(true));
    }

    #[test]
    fn without_a_gap_everything_coupled_is_one_block() {
        let pairs = [(0, 1, 0.9), (2, 3, 0.5), (1, 2, 0.3)];
        let found = blocks(4, &pairs, None);
        assert_eq!((found.count, found.gap), (1, Some(false)));
        let simplex: Vec<_> = (0..20).flat_map(|i| (0..i).map(move |j| (i, j, 1.0 / 19.0))).collect();
        assert_eq!(blocks(20, &simplex, None).count, 1);
    }

    #[test]
    fn uncoupled_features_are_blocks_of_their_own() {
        assert_eq!(blocks(3, &[], None).count, 3);
        assert_eq!(blocks(3, &[], None).gap, Some(true));
        assert_eq!(blocks(3, &[(0, 2, 1e-3)], None).count, 3);
    }

    #[test]
    fn a_threshold_that_is_given_is_used() {
        let pairs = [(0, 1, 0.9), (1, 2, 0.3)];
        assert_eq!(blocks(3, &pairs, Some(0.5)).count, 2);
        assert_eq!(blocks(3, &pairs, Some(0.5)).gap, None);
        assert_eq!(blocks(3, &pairs, Some(0.2)).count, 1);
    }

    #[test]
    fn the_filter_never_hides_a_pair_that_would_join() {
        let mut state = 42;
        let count = 60;
        let mut noise = || crate::testing::noise(&mut state) + 0.5;
        let pairs: Vec<_> = (0..count)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| (i, j, noise().powi(12)))
            .collect();
        let mut all = Linkage::new(count, None);
        let mut some = Linkage::new(count, None);
        for &(i, j, coupling) in &pairs {
            all.join(i, j, coupling);
            if coupling >= f64::from(some.filter()[i].min(some.filter()[j])) {
                some.join(i, j, coupling);
            }
            some.refresh(i..i + 1);
        }
        for (mut a, mut b) in all.rungs.into_iter().zip(some.rungs) {
            assert_eq!(a.trees, b.trees);
            for i in 1..count as u32 {
                assert_eq!(a.root(i) == a.root(0), b.root(i) == b.root(0));
            }
        }
    }
}
