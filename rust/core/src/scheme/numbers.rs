//! Intersection numbers, from one pair of each class.

use super::classes::Classes;
use super::relations::Relations;
use crate::error::Result;
use crate::run::{Run, fits};

/// `p_ij^k` for one pair of each class, at `(i r + j) r + k`.
///
/// If the labels are coherent these are the intersection numbers. Costs `O(r n)` and `r^3` numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbers {
    rank: usize,
    values: Vec<i64>,
}

impl Numbers {
    pub fn new<R: Relations + ?Sized>(relations: &R, classes: &Classes, run: &Run) -> Result<Self> {
        let (n, rank) = (relations.n(), classes.rank());
        fits(&[[rank * rank, rank, 8], [n, 1, 4]])?;
        let mut values = vec![0; rank * rank * rank];
        let (mut from, mut to) = (vec![0_u16; n], vec![0_u16; n]);
        for (class, &(x, y)) in classes.first.iter().enumerate() {
            run.control().check()?;
            relations.fill(x..x + 1, 0..n, &mut from);
            if relations.known_symmetric() {
                relations.fill(y..y + 1, 0..n, &mut to);
            } else {
                relations.fill(0..n, y..y + 1, &mut to);
            }
            for (&i, &j) in from.iter().zip(&to) {
                values[(usize::from(i) * rank + usize::from(j)) * rank + class] += 1;
            }
        }
        Ok(Self { rank, values })
    }

    pub fn at(&self, i: usize, j: usize, k: usize) -> i64 {
        self.values[(i * self.rank + j) * self.rank + k]
    }

    pub fn into_values(self) -> Vec<i64> {
        self.values
    }
}
