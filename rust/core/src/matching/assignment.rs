//! The assignment of rows to columns with the largest sum, over a sparse list of pairs, and the prices that prove it.
//!
//! First an auction: each row bids for its best column and raises its price by what it gains over its second best one,
//! so that it is just as content with either. Where nothing is gained (ties) or bids get too many, the row waits; those
//! rows are then put in one by one along cheapest augmenting paths (Dijkstra over reduced profits). Prices only rise,
//! and a column that nobody took keeps the price 0, so rows, columns and prices are optimal together at the end.
//!
//! Source: Jonker & Volgenant, Computing 38 (1987); Bertsekas, Ann. Oper. Res. 14 (1988), for the auction.

use crate::error::Result;
use crate::run::Run;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Bids per row after which the auction leaves the rest to paths: price wars over near ties would go on for long.
const BIDS: usize = 32;

/// Bids or columns between two looks at whether the run is cancelled: well below a millisecond.
const CHECK: usize = 1 << 10;

/// Pairs of a row and a column with their values, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Edges {
    /// Where the pairs of each row begin, and where the last ends.
    pub starts: Vec<usize>,
    /// Columns of the pairs, increasing within a row.
    pub columns: Vec<u32>,
    /// Values of the pairs.
    pub values: Vec<f64>,
}

impl Edges {
    fn of(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.starts[row]..self.starts[row + 1];
        self.columns[range.clone()]
            .iter()
            .map(|&column| column as usize)
            .zip(self.values[range].iter().copied())
    }
}

/// An assignment and the bound that no other exceeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Column of each row, `None` for one that took its fallback, or found no free column among its pairs.
    pub columns: Vec<Option<usize>>,
    /// Price of each column, at least 0.
    pub prices: Vec<f64>,
    /// `sum_i max(fallback_i, max_j value_ij - price_j) + sum_j price_j`: at least the sum of every assignment in which
    /// a row has one of its pairs or its fallback, and each column at most one row.
    pub bound: f64,
}

/// Assign every row to a column, or to its fallback, so that the sum of values is the largest.
///
/// # Errors
/// [`crate::Error::Interrupted`] once the run is cancelled.
pub fn assign(edges: &Edges, n_columns: usize, fallback: Option<&[f64]>, run: &Run) -> Result<Assignment> {
    let rows = edges.starts.len() - 1;
    let mut state = State {
        edges,
        fallback,
        columns: vec![None; rows],
        values: vec![0.0; rows],
        owners: vec![None; n_columns],
        prices: vec![0.0; n_columns],
    };
    let waiting = state.auction(run)?;
    let mut search = Search::new(n_columns);
    for row in waiting {
        run.control().check()?;
        state.augment(row, &mut search, run)?;
    }
    let best = (0..rows).map(|row| state.best(row).0.profit).sum::<f64>();
    let bound = best + state.prices.iter().sum::<f64>();
    Ok(Assignment { columns: state.columns, prices: state.prices, bound })
}

/// What a row can take, and what it then has.
#[derive(Clone, Copy)]
struct Choice {
    profit: f64,
    value: f64,
    /// `None` for the fallback.
    column: Option<usize>,
}

struct State<'a> {
    edges: &'a Edges,
    fallback: Option<&'a [f64]>,
    columns: Vec<Option<usize>>,
    /// Value of each row with its column.
    values: Vec<f64>,
    owners: Vec<Option<usize>>,
    prices: Vec<f64>,
}

/// Distances of the columns from the row that is to be put in, in lost profit.
struct Search {
    distance: Vec<f64>,
    done: Vec<bool>,
    /// Row from which the column was reached, and its value there.
    from: Vec<(usize, f64)>,
    reached: Vec<usize>,
    settled: Vec<usize>,
    heap: BinaryHeap<Reverse<Reached>>,
}

impl Search {
    fn new(n_columns: usize) -> Self {
        Self {
            distance: vec![f64::INFINITY; n_columns],
            done: vec![false; n_columns],
            from: vec![(0, 0.0); n_columns],
            reached: Vec::new(),
            settled: Vec::new(),
            heap: BinaryHeap::new(),
        }
    }

    fn clear(&mut self) {
        for &column in &self.reached {
            self.distance[column] = f64::INFINITY;
            self.done[column] = false;
        }
        self.reached.clear();
        self.settled.clear();
        self.heap.clear();
    }

    /// The nearest column that is not settled yet.
    fn next(&mut self) -> Option<(f64, usize)> {
        while let Some(Reverse(Reached(distance, column))) = self.heap.pop() {
            if !self.done[column] && distance <= self.distance[column] {
                return Some((distance, column));
            }
        }
        None
    }
}

/// A column in the queue: nearer ones first, equal ones by number.
#[derive(PartialEq)]
struct Reached(f64, usize);

impl Eq for Reached {}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reached {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

impl State<'_> {
    /// Best and second best choice of a row.
    fn best(&self, row: usize) -> (Choice, Choice) {
        let nothing = Choice { profit: f64::NEG_INFINITY, value: f64::NEG_INFINITY, column: None };
        let (mut best, mut second) = (nothing, nothing);
        let own = self.fallback.map(|fallback| (None, fallback[row]));
        let pairs = self.edges.of(row).map(|(column, value)| (Some(column), value));
        for (column, value) in pairs.chain(own) {
            let profit = value - column.map_or(0.0, |column| self.prices[column]);
            let choice = Choice { profit, value, column };
            if profit > best.profit {
                (best, second) = (choice, best);
            } else if profit > second.profit {
                second = choice;
            }
        }
        (best, second)
    }

    fn take(&mut self, row: usize, column: usize, value: f64) {
        self.columns[row] = Some(column);
        self.values[row] = value;
        self.owners[column] = Some(row);
    }

    /// Let rows bid; gives those that are left.
    fn auction(&mut self, run: &Run) -> Result<Vec<usize>> {
        let rows = self.columns.len();
        let (mut waiting, mut left): (Vec<usize>, Vec<usize>) = ((0..rows).rev().collect(), Vec::new());
        let mut bids = 0;
        while let Some(row) = waiting.pop() {
            bids += 1;
            if bids % CHECK == 0 {
                run.control().check()?;
            }
            let (best, second) = self.best(row);
            let Some(column) = best.column else { continue };
            let gain = if second.profit.is_finite() { best.profit - second.profit } else { 0.0 };
            match self.owners[column] {
                None => {}
                Some(owner) if gain > 0.0 && bids < BIDS * rows => {
                    self.columns[owner] = None;
                    waiting.push(owner);
                }
                Some(_) => {
                    left.push(row);
                    continue;
                }
            }
            self.prices[column] += gain;
            self.take(row, column, best.value);
        }
        left.sort_unstable();
        Ok(left)
    }

    /// Put one more row in, along the path of moves that costs the others least.
    fn augment(&mut self, start: usize, search: &mut Search, run: &Run) -> Result<()> {
        search.clear();
        let (mut row, mut base, mut profit) = (start, 0.0, self.best(start).0.profit);
        let mut out = (f64::INFINITY, start); // the row that goes to its fallback at the least loss
        let end = loop {
            if let Some(fallback) = self.fallback {
                let loss = base + (profit - fallback[row]).max(0.0);
                if loss < out.0 {
                    out = (loss, row);
                }
            }
            for (column, value) in self.edges.of(row) {
                // Where rounding makes an optimal profit look improvable, nothing is lost.
                let distance = base + (profit - (value - self.prices[column])).max(0.0);
                if !search.done[column] && distance < search.distance[column] {
                    if search.distance[column] == f64::INFINITY {
                        search.reached.push(column);
                    }
                    search.distance[column] = distance;
                    search.from[column] = (row, value);
                    search.heap.push(Reverse(Reached(distance, column)));
                }
            }
            // Where both cost the same, a column is better than a fallback: someone else may need that one's partner.
            let Some((distance, column)) = search.next().filter(|&(distance, _)| distance <= out.0) else {
                break None;
            };
            let Some(owner) = self.owners[column] else { break Some((distance, column)) };
            search.done[column] = true;
            search.settled.push(column);
            if search.settled.len().is_multiple_of(CHECK) {
                run.control().check()?;
            }
            (row, base, profit) = (owner, distance, self.values[owner] - self.prices[column]);
        };
        let length = end.map_or(out.0, |(distance, _)| distance);
        if length.is_finite() {
            for &column in &search.settled {
                self.prices[column] += (length - search.distance[column]).max(0.0);
            }
            let last = match end {
                Some((_, column)) => Some(column),
                None => self.columns[out.1].take(),
            };
            self.shift(start, last, search);
        }
        Ok(())
    }

    /// Give a column to the row that it was reached from, that row's column to the one before, and so on to the start.
    fn shift(&mut self, start: usize, last: Option<usize>, search: &Search) {
        let mut column = last;
        while let Some(free) = column {
            let (row, value) = search.from[free];
            column = if row == start { None } else { self.columns[row] };
            self.take(row, free, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;
    use proptest::prelude::*;

    /// Best sum over all assignments of rows to columns or fallbacks, by trying them all.
    fn best(values: &[Vec<Option<f64>>], fallback: Option<&[f64]>, row: usize, taken: u32) -> f64 {
        if row == values.len() {
            return 0.0;
        }
        let mut most =
            fallback.map_or(f64::NEG_INFINITY, |own| own[row] + best(values, fallback, row + 1, taken));
        for (column, value) in values[row].iter().enumerate() {
            if let Some(value) = value
                && taken & (1 << column) == 0
            {
                most = most.max(value + best(values, fallback, row + 1, taken | 1 << column));
            }
        }
        most
    }

    fn edges_of(values: &[Vec<Option<f64>>]) -> Edges {
        let mut edges = Edges { starts: vec![0], columns: vec![], values: vec![] };
        for row in values {
            for (column, value) in row.iter().enumerate() {
                if let Some(value) = value {
                    edges.columns.push(column as u32);
                    edges.values.push(*value);
                }
            }
            edges.starts.push(edges.columns.len());
        }
        edges
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn it_is_the_best_of_all(
            rows in 1_usize..6, more in 0_usize..3, sparse in any::<bool>(), levels in 1_usize..7, seed in any::<u64>()
        ) {
            // Few levels make ties.
            let mut state = seed | 1;
            let columns = rows + more;
            let mut draw = || (noise(&mut state) * levels as f64).round() / levels as f64;
            let mut values: Vec<Vec<Option<f64>>> =
                (0..rows).map(|_| (0..columns).map(|_| Some(draw())).collect()).collect();
            let fallback: Vec<f64> = (0..rows).map(|_| draw()).collect();
            if sparse {
                for value in values.iter_mut().flatten() {
                    if draw() > 0.0 {
                        *value = None;
                    }
                }
            }
            let own = sparse.then_some(&fallback[..]);
            let found = assign(&edges_of(&values), columns, own, &Run::quiet(1).expect("threads")).expect("done");
            let most = best(&values, own, 0, 0);
            let mut sum = 0.0;
            let mut taken = vec![false; columns];
            for (row, column) in found.columns.iter().enumerate() {
                sum += column.map_or(fallback[row], |column| values[row][column].expect("a pair"));
                if let Some(column) = *column {
                    prop_assert!(!taken[column]);
                    taken[column] = true;
                }
            }
            prop_assert!((sum - most).abs() < 1e-12, "{sum} {most}");
            prop_assert!((found.bound - most).abs() < 1e-12, "{} {most}", found.bound);
            prop_assert!(found.prices.iter().all(|&price| price >= 0.0));
        }
    }
}
