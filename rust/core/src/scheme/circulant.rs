//! Relations between residues that depend on differences alone: Paley, cyclotomic and polygon schemes of any size
//! without their n x n labels.

use super::relations::{MOST_CLASSES, Relations};
use crate::error::{Error, Result};
use std::ops::Range;

/// The relations with `C(x, y) = row[y - x mod n]`.
#[derive(Debug, Clone)]
pub struct Circulant {
    rank: usize,
    symmetric: bool,
    /// The row twice, so that every row of labels is a stretch of it.
    twice: Vec<u16>,
}

impl Circulant {
    /// The relations with this first row.
    ///
    /// # Errors
    /// [`Error::Shape`] for an empty row, [`Error::Parameter`] for a label of [`MOST_CLASSES`] or more.
    pub fn new(row: &[u16]) -> Result<Self> {
        let Some(&largest) = row.iter().max() else {
            return Err(Error::Shape("a row of labels needs a label for each point, but it is empty".into()));
        };
        let rank = usize::from(largest) + 1;
        if rank > MOST_CLASSES {
            return Err(Error::Parameter(format!(
                "a check takes at most {MOST_CLASSES} classes, but a label is {largest}"
            )));
        }
        let symmetric = row[1..].iter().eq(row[1..].iter().rev());
        Ok(Self { rank, symmetric, twice: row.repeat(2) })
    }
}

impl Relations for Circulant {
    fn n(&self) -> usize {
        self.twice.len() / 2
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn fill(&self, rows: Range<usize>, columns: Range<usize>, labels: &mut [u16]) {
        for (x, out) in rows.zip(labels.chunks_exact_mut(columns.len())) {
            let start = (columns.start + self.n() - x) % self.n();
            out.copy_from_slice(&self.twice[start..start + columns.len()]);
        }
    }

    fn known_symmetric(&self) -> bool {
        self.symmetric
    }
}
