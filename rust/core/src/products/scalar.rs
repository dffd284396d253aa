//! Tiles without vector instructions of our choosing: for processors without any that we know, and for tests.

use super::Product;
use std::ops::{AddAssign, Mul};

/// Rows and columns of a tile: sixteen sums, which the compiler keeps in registers everywhere.
pub(super) const ROWS: usize = 2;
pub(super) const COLUMNS: usize = 8;

/// # Safety
/// The pointers hold what [`super::Kernel::add`] says.
pub(super) unsafe fn scalar<T: Product + Mul<Output = T> + AddAssign>(
    left: *const T,
    right: *const T,
    depth: usize,
    sums: *mut T,
    stride: usize,
) {
    let mut held = [[T::default(); COLUMNS]; ROWS];
    for k in 0..depth {
        for (i, held) in held.iter_mut().enumerate() {
            for (j, held) in held.iter_mut().enumerate() {
                // SAFETY: both lie in row k of their panels.
                *held += unsafe { *left.add(k * T::WIDTH + i) * *right.add(k * T::WIDTH + j) };
            }
        }
    }
    for (i, row) in held.iter().enumerate() {
        for (j, &sum) in row.iter().enumerate() {
            // SAFETY: row i of the tile.
            unsafe { *sums.add(i * stride + j) += sum };
        }
    }
}
