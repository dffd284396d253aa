//! Rows packed for products of all of them with all rows of another such block.

use super::{Kernel, Product};
use std::ops::Range;

/// Numbers of a row that are packed together: a panel of this width fits the first-level cache, 24 KiB.
const CHUNK: usize = 128;

/// Numbers that are turned round together: what they are written to stays in the first-level cache.
const TURN: usize = 16;

/// Which products are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// Both sides are one: panels below the diagonal are left as they are.
    Upper,
    /// All, and a row on the right has nothing but zeros after its own place.
    OfTriangle,
}

/// Rows in panels of [`Product::WIDTH`], the panels of a chunk of the width one after another. Past the last row are
/// zeros.
#[derive(Default)]
pub(crate) struct Packed<T> {
    values: Vec<T>,
    panels: usize,
    rows: Vec<T>,
}

/// Write the numbers from `first` on of each of the `rows` of `width` numbers one below the other.
fn turn<T: Product>(rows: &[T], width: usize, first: usize, panel: &mut [T]) {
    for (t, turned) in panel.chunks_mut(TURN * T::WIDTH).enumerate() {
        let (height, start) = (turned.len() / T::WIDTH, first + t * TURN);
        for (f, row) in rows.chunks_exact(width).enumerate() {
            for (k, &number) in row[start..start + height].iter().enumerate() {
                turned[k * T::WIDTH + f] = number;
            }
        }
    }
}

impl<T: Product> Packed<T> {
    /// Pack `count` rows of `width` numbers in place of what is here, which spares asking for memory anew; `read`
    /// writes some of them, given by number, row after row.
    pub fn fill(&mut self, count: usize, width: usize, mut read: impl FnMut(Range<usize>, &mut [T])) {
        self.panels = count.div_ceil(T::WIDTH);
        self.values.resize(self.panels * T::WIDTH * width, T::default());
        for panel in 0..self.panels {
            let wanted = panel * T::WIDTH..count.min((panel + 1) * T::WIDTH);
            let short = wanted.len() < T::WIDTH;
            self.rows.resize(wanted.len() * width, T::default());
            read(wanted, &mut self.rows);
            for (c, chunk) in self.values.chunks_mut(CHUNK * self.panels * T::WIDTH).enumerate() {
                let length = chunk.len() / self.panels;
                let chunk = &mut chunk[panel * length..][..length];
                if short {
                    chunk.fill(T::default());
                }
                turn(&self.rows, width, c * CHUNK, chunk);
            }
        }
    }

    /// Write the inner products of all rows with all rows of `right` to `products`, where each row has `stride` numbers.
    ///
    /// # Panics
    /// If rows are not equally long, or the products do not fit.
    pub fn multiply(&self, right: &Self, kernel: Kernel<T>, part: Part, products: &mut [T], stride: usize) {
        let width = T::WIDTH;
        assert!(
            stride >= right.panels * width
                && self.values.len() * right.panels == right.values.len() * self.panels,
            "{} numbers in {} panels with {} in {} for {stride} products a row",
            self.values.len(),
            self.panels,
            right.values.len(),
            right.panels
        );
        products[..self.panels * width * stride].fill(T::default());
        let chunks = self.values.chunks(CHUNK * self.panels * width);
        for (c, (left, others)) in chunks.zip(right.values.chunks(CHUNK * right.panels * width)).enumerate() {
            let (panel, other) = (left.len() / self.panels, others.len() / right.panels);
            for (j, right) in others.chunks_exact(other).enumerate() {
                if part == Part::OfTriangle && c * CHUNK >= (j + 1) * width {
                    continue;
                }
                let count = if part == Part::Upper { j + 1 } else { self.panels };
                for (i, left) in left.chunks_exact(panel).enumerate().take(count) {
                    kernel.add(left, right, &mut products[i * width * stride + j * width..], stride);
                }
            }
        }
    }
}
