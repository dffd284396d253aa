//! Single linkage of kept neighbours (Kruskal 1956): every component of the graph at any threshold, and how long it stays.
//!
//! A component is *born* at its weakest inner link, the largest threshold at which its members hang together, and *dies*
//! at its strongest outer link, where it becomes part of a larger one. Links of equal strength join at once: what they
//! pass through on the way has its birth and death at one strength, and is no node. So the nodes depend on the strengths
//! alone, not on the order of links or features.

use crate::error::{Error, Result};
use crate::run::{Run, fits};
use rayon::prelude::*;

/// Links that are read between two looks at the control.
const STRIDE: usize = 1 << 16;

/// Which components are nodes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Members of the smallest one.
    pub least: usize,
    /// Members of the largest one.
    pub most: usize,
    /// Birth over death, at least.
    pub ratio: f64,
}

/// Nodes of the tree, each after all nodes inside it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dendrogram {
    /// All features, so that each node is one stretch of them.
    pub order: Vec<usize>,
    /// Where each node starts in `order`.
    pub starts: Vec<usize>,
    /// Its members.
    pub sizes: Vec<usize>,
    /// Its weakest inner link.
    pub births: Vec<f64>,
    /// Its strongest outer link among those that were given; 0 where there is none.
    pub deaths: Vec<f64>,
    /// The smallest node around it.
    pub parents: Vec<Option<usize>>,
}

/// One link, with the smaller feature first.
type Link = (f64, u32, u32);

/// Tree of the links that `neighbours` lists, `k` of each feature, with their strengths; `None` ends a list.
///
/// Costs O(n k log(n k)); memory 16 bytes for each link and about 80 for each feature. Strengths of 0 and NaN link
/// nothing.
///
/// # Errors
/// [`Error::Shape`] where the lists do not fit together, [`Error::Parameter`] for a neighbour that is none,
/// [`Error::Memory`].
pub fn dendrogram(
    n: usize,
    neighbours: &[Option<usize>],
    strengths: &[f64],
    limits: &Limits,
    run: &Run,
) -> Result<Dendrogram> {
    if neighbours.len() != strengths.len() || (n > 0 && !neighbours.len().is_multiple_of(n)) {
        return Err(Error::Shape(format!(
            "{} neighbours and {} strengths are not the same number for each of {n} features",
            neighbours.len(),
            strengths.len()
        )));
    }
    if u32::try_from(2 * n).is_err() {
        return Err(Error::Parameter(format!("{n} features are more than the 2^31 that a tree can have")));
    }
    fits(&[[neighbours.len(), 16, 1], [n, 96, 1]])?;
    let links = links_of(n, neighbours, strengths, run)?;
    let mut forest = Forest::new(n);
    for chunk in links.chunks(STRIDE) {
        run.control().check()?;
        for &(strength, i, j) in chunk {
            forest.join(i, j, strength);
        }
    }
    Ok(forest.read(n, limits))
}

/// Every link once or twice, the strongest first.
fn links_of(n: usize, neighbours: &[Option<usize>], strengths: &[f64], run: &Run) -> Result<Vec<Link>> {
    let k = neighbours.len() / n.max(1);
    let mut links = Vec::with_capacity(neighbours.len());
    for (slot, (&neighbour, &strength)) in neighbours.iter().zip(strengths).enumerate() {
        let Some(j) = neighbour else { continue };
        let i = slot / k;
        if j >= n || j == i {
            return Err(Error::Parameter(format!("feature {i} cannot have feature {j} as neighbour")));
        }
        if strength > 0.0 {
            // Both are below 2^31, as the caller has checked.
            links.push((strength, i.min(j) as u32, i.max(j) as u32));
        }
    }
    run.control().check()?;
    run.pool().install(|| {
        links.par_sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    });
    Ok(links)
}

/// The binary tree of joins: features first, then one inner vertex for each join.
struct Forest {
    /// Union-find over vertices.
    above: Vec<u32>,
    /// Members below each vertex.
    members: Vec<u32>,
    /// The two vertices that each join has joined, and at which strength.
    joins: Vec<(u32, u32, f64)>,
}

impl Forest {
    fn new(n: usize) -> Self {
        let mut above = Vec::with_capacity(2 * n);
        above.extend((0..n).map(|i| i as u32));
        let mut members = Vec::with_capacity(2 * n);
        members.resize(n, 1);
        Self { above, members, joins: Vec::with_capacity(n) }
    }

    fn root(&mut self, mut vertex: u32) -> u32 {
        while self.above[vertex as usize] != vertex {
            let next = self.above[vertex as usize];
            self.above[vertex as usize] = self.above[next as usize];
            vertex = next;
        }
        vertex
    }

    fn join(&mut self, i: u32, j: u32, strength: f64) {
        let (a, b) = (self.root(i), self.root(j));
        if a != b {
            let vertex = self.above.len() as u32;
            self.above.push(vertex);
            self.members.push(self.members[a as usize] + self.members[b as usize]);
            (self.above[a as usize], self.above[b as usize]) = (vertex, vertex);
            self.joins.push((a, b, strength));
        }
    }

    /// Lay the features out so that every vertex is one stretch, and list the vertices that are nodes.
    fn read(mut self, n: usize, limits: &Limits) -> Dendrogram {
        let total = self.above.len();
        // Of what each vertex is part, at which strength; roots of nothing.
        let mut parent: Vec<Option<usize>> = vec![None; total];
        for (join, &(a, b, _)) in self.joins.iter().enumerate() {
            (parent[a as usize], parent[b as usize]) = (Some(n + join), Some(n + join));
        }
        let mut least: Vec<u32> = (0..n as u32).collect();
        for &(a, b, _) in &self.joins {
            least.push(least[a as usize].min(least[b as usize]));
        }
        let mut starts = vec![0_usize; total];
        let mut roots: Vec<usize> = (0..total).filter(|&vertex| parent[vertex].is_none()).collect();
        roots.sort_unstable_by_key(|&root| least[root]);
        let mut next = 0;
        for root in roots {
            starts[root] = next;
            next += self.members[root] as usize;
        }
        // A join is numbered after what it joins, so backwards every vertex knows its place before its parts do.
        for (join, &(a, b, _)) in self.joins.iter().enumerate().rev() {
            let (first, second) = if least[a as usize] < least[b as usize] { (a, b) } else { (b, a) };
            starts[first as usize] = starts[n + join];
            starts[second as usize] = starts[n + join] + self.members[first as usize] as usize;
        }
        let mut found = Dendrogram { order: vec![0; n], ..Dendrogram::default() };
        for (feature, &start) in starts.iter().take(n).enumerate() {
            found.order[start] = feature;
        }
        self.above.clear();
        let mut node_of: Vec<Option<usize>> = vec![None; self.joins.len()];
        for (join, &(_, _, birth)) in self.joins.iter().enumerate() {
            let vertex = n + join;
            let size = self.members[vertex] as usize;
            let death = parent[vertex].map_or(0.0, |above| self.joins[above - n].2);
            if (limits.least..=limits.most).contains(&size) && birth > death && birth >= limits.ratio * death
            {
                node_of[join] = Some(found.starts.len());
                found.starts.push(starts[vertex]);
                found.sizes.push(size);
                found.births.push(birth);
                found.deaths.push(death);
            }
        }
        found.parents = vec![None; found.starts.len()];
        // From the top down: the node around each vertex.
        let mut around: Vec<Option<usize>> = vec![None; self.joins.len()];
        for join in (0..self.joins.len()).rev() {
            let outer = parent[n + join].and_then(|above| node_of[above - n].or(around[above - n]));
            around[join] = outer;
            if let Some(node) = node_of[join] {
                found.parents[node] = outer;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const ALL: Limits = Limits { least: 2, most: usize::MAX, ratio: 1.0 };

    /// Complete lists of a symmetric matrix of strengths.
    fn lists(n: usize, strength: impl Fn(usize, usize) -> f64) -> (Vec<Option<usize>>, Vec<f64>) {
        let pairs = (0..n).flat_map(|i| (0..n).filter(move |&j| j != i).map(move |j| (i, j)));
        pairs.map(|(i, j)| (Some(j), strength(i.min(j), i.max(j)))).unzip()
    }

    fn tree(n: usize, strength: impl Fn(usize, usize) -> f64, limits: &Limits, threads: usize) -> Dendrogram {
        let (neighbours, strengths) = lists(n, strength);
        dendrogram(n, &neighbours, &strengths, limits, &Run::quiet(threads).expect("threads")).expect("lists")
    }

    /// Members, birth and death of each node.
    fn nodes(tree: &Dendrogram) -> BTreeSet<(Vec<usize>, u64, u64)> {
        (0..tree.starts.len())
            .map(|node| {
                let mut members =
                    tree.order[tree.starts[node]..tree.starts[node] + tree.sizes[node]].to_vec();
                members.sort_unstable();
                (members, tree.births[node].to_bits(), tree.deaths[node].to_bits())
            })
            .collect()
    }

    /// By definition: components at every threshold, from the whole matrix.
    fn slow(n: usize, strength: &impl Fn(usize, usize) -> f64) -> BTreeSet<(Vec<usize>, u64, u64)> {
        let linked = |i: usize, j: usize| strength(i.min(j), i.max(j));
        let mut found = BTreeSet::new();
        for i in 0..n {
            for j in 0..i {
                let birth = linked(i, j);
                let mut members = vec![i];
                let mut place = 0;
                while place < members.len() {
                    let from = members[place];
                    let new: Vec<usize> =
                        (0..n).filter(|&to| !members.contains(&to) && linked(from, to) >= birth).collect();
                    members.extend(new);
                    place += 1;
                }
                members.sort_unstable();
                let outside = (0..n).filter(|to| !members.contains(to));
                let death = outside
                    .flat_map(|to| members.iter().map(move |&from| (from, to)))
                    .map(|(from, to)| linked(from, to))
                    .fold(0.0, f64::max);
                // Born where the weaker of its links would already miss a member.
                let weaker = found.iter().any(|(other, _, _): &(Vec<usize>, u64, u64)| *other == members);
                if !weaker {
                    found.insert((members, birth.to_bits(), death.to_bits()));
                } else {
                    let old = found.iter().find(|(other, _, _)| *other == members).cloned().expect("found");
                    if f64::from_bits(old.1) < birth {
                        found.remove(&old);
                        found.insert((members, birth.to_bits(), death.to_bits()));
                    }
                }
            }
        }
        found
    }

    #[test]
    fn a_family_in_a_family() {
        // 0 1 2 hang together at .8, all six at .5; 3 4 at .9, and 5 joins everything at .5.
        let strength = |i: usize, j: usize| match (i, j) {
            (0, 1) => 0.95,
            (1, 2) => 0.8,
            (3, 4) => 0.9,
            (2, 3) | (4, 5) => 0.5,
            _ => 0.1,
        };
        let found = tree(6, strength, &ALL, 1);
        let birth = |members: &[usize]| {
            nodes(&found)
                .into_iter()
                .find(|node| node.0 == members)
                .map(|node| (f64::from_bits(node.1), f64::from_bits(node.2)))
        };
        assert_eq!(birth(&[0, 1]), Some((0.95, 0.8)));
        assert_eq!(birth(&[0, 1, 2]), Some((0.8, 0.5)));
        assert_eq!(birth(&[3, 4]), Some((0.9, 0.5)));
        assert_eq!(birth(&[0, 1, 2, 3, 4, 5]), Some((0.5, 0.0)));
        // Two links of .5 join at once: there is no family of five.
        assert_eq!(found.starts.len(), 4);
        let named = tree(6, strength, &Limits { least: 3, most: 5, ratio: 1.5 }, 1);
        assert_eq!(nodes(&named).len(), 1);
        assert_eq!(named.parents, [None]);
    }

    #[test]
    fn lists_that_are_none_are_refused() {
        let run = Run::quiet(1).expect("threads");
        assert!(matches!(dendrogram(2, &[Some(2), None], &[0.5, 0.5], &ALL, &run), Err(Error::Parameter(_))));
        assert!(matches!(dendrogram(2, &[Some(0), None], &[0.5, 0.5], &ALL, &run), Err(Error::Parameter(_))));
        assert!(matches!(dendrogram(2, &[None], &[0.5], &ALL, &run), Err(Error::Shape(_))));
        assert_eq!(dendrogram(0, &[], &[], &ALL, &run).expect("nothing").order, Vec::<usize>::new());
        let none = dendrogram(2, &[Some(1), Some(0)], &[f64::NAN, 0.0], &ALL, &run).expect("no links");
        assert!(none.starts.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn it_is_what_thresholds_give(n in 2_usize..11, seed in any::<u64>(), steps in 2_u32..40) {
            // Few steps make ties.
            let mut state = seed | 1;
            let table: Vec<f64> = (0..n * n)
                .map(|_| ((noise(&mut state) + 0.5) * f64::from(steps)).ceil().max(1.0) / f64::from(steps))
                .collect();
            let strength = |i: usize, j: usize| table[i * n + j];
            let found = tree(n, strength, &ALL, 1);
            prop_assert_eq!(nodes(&found), slow(n, &strength));
            prop_assert_eq!(&found, &tree(n, strength, &ALL, 2));
            for (node, parent) in found.parents.iter().enumerate() {
                let (start, end) = (found.starts[node], found.starts[node] + found.sizes[node]);
                let around = (0..found.starts.len()).filter(|&other| {
                    other != node && found.starts[other] <= start && end <= found.starts[other] + found.sizes[other]
                });
                prop_assert_eq!(*parent, around.min_by_key(|&other| found.sizes[other]));
            }
        }
    }
}
