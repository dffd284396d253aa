//! Where the labels of pairs come from.

use crate::error::{Error, Result};
use std::ops::Range;

/// Most classes that a check takes: their `512^3` numbers `p_ij^k` of 8 bytes fill 1 GiB.
pub const MOST_CLASSES: usize = 512;

/// A partition of the pairs of `n` points into classes `0..rank`, read a tile at a time.
pub trait Relations: Sync {
    /// Number of points.
    fn n(&self) -> usize;

    /// Number of classes, at most [`MOST_CLASSES`].
    fn rank(&self) -> usize;

    /// Write the labels of `rows` x `columns`, row-major; all are below [`Relations::rank`].
    fn fill(&self, rows: Range<usize>, columns: Range<usize>, labels: &mut [u16]);

    /// Whether `C(x, y) = C(y, x)` is known without looking.
    fn known_symmetric(&self) -> bool {
        false
    }
}

/// A type that labels are stored in.
pub trait Label: Copy + Sync + Ord + Into<u16> {}
impl Label for u8 {}
impl Label for u16 {}

/// Labels in memory, row-major.
#[derive(Debug, Clone, Copy)]
pub struct Dense<'a, L> {
    n: usize,
    rank: usize,
    labels: &'a [L],
}

impl<'a, L: Label> Dense<'a, L> {
    /// View `n x n` labels; the largest of them gives the rank.
    ///
    /// # Errors
    /// [`Error::Shape`] for no points or another number of labels, [`Error::Parameter`] for a label of
    /// [`MOST_CLASSES`] or more.
    pub fn new(labels: &'a [L], n: usize) -> Result<Self> {
        if n == 0 || n.checked_mul(n) != Some(labels.len()) {
            return Err(Error::Shape(format!("{} labels are not those of {n} x {n} pairs", labels.len())));
        }
        let largest: u16 = labels.iter().copied().max().map_or(0, Into::into);
        let rank = usize::from(largest) + 1;
        if rank > MOST_CLASSES {
            return Err(Error::Parameter(format!(
                "a check takes at most {MOST_CLASSES} classes, but a label is {largest}"
            )));
        }
        Ok(Self { n, rank, labels })
    }
}

impl<L: Label> Relations for Dense<'_, L> {
    fn n(&self) -> usize {
        self.n
    }

    fn rank(&self) -> usize {
        self.rank
    }

    fn fill(&self, rows: Range<usize>, columns: Range<usize>, labels: &mut [u16]) {
        for (row, out) in rows.zip(labels.chunks_exact_mut(columns.len())) {
            let start = row * self.n;
            for (slot, &label) in out.iter_mut().zip(&self.labels[start + columns.start..start + columns.end])
            {
                *slot = label.into();
            }
        }
    }
}
