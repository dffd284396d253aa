//! Our own micro-kernels: products of packed panels, by the best vector instructions of the processor.
//!
//! A panel holds [`Product::WIDTH`] numbers of each of `depth` rows, row after row. One panel with another gives a
//! square of inner products over the rows. A square is made of small tiles that stay in registers while the depth runs
//! by. Panels serve on either side, so features are packed once.
//!
//! Each sum adds its terms in the order of the rows, and all levels but [`Level::Scalar`] fuse product and sum, so
//! they agree to the bit; the scalar one rounds every product too.

mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
mod packed;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use level::{LEVEL_VARIABLE, Level};
pub(crate) use packed::{Packed, Part};

use crate::matrix::Real;

/// Adds the products of one tile: left panel from its first row on, right panel from its first column on, depth,
/// the first sum, sums from one row to the next.
type Tile<T> = unsafe fn(*const T, *const T, usize, *mut T, usize);

/// A micro-kernel and the size of its tiles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel<T> {
    rows: usize,
    columns: usize,
    add: Tile<T>,
    /// A tile of as many rows and fewer columns, for what is left of a square below its diagonal.
    narrow: (usize, Tile<T>),
}

/// Numbers that there are micro-kernels for.
pub(crate) trait Product: Real {
    /// Numbers of a row in a panel: a multiple of the rows and columns of every tile, and three cache lines.
    const WIDTH: usize;

    /// The micro-kernel of a level, or the scalar one where this processor does not have it.
    fn kernel(level: Level) -> Kernel<Self>;
}

impl<T: Product> Kernel<T> {
    /// A micro-kernel whose tiles are narrow enough for a square's lower half.
    fn of(rows: usize, columns: usize, add: Tile<T>) -> Self {
        Self { rows, columns, add, narrow: (columns, add) }
    }

    /// Add to `sums[stride i + j]` the sum over rows k of `left[k][i] right[k][j]`.
    ///
    /// # Panics
    /// If the panels differ in depth or the square does not fit.
    #[inline]
    pub fn add(&self, left: &[T], right: &[T], sums: &mut [T], stride: usize) {
        self.tiles(left, right, sums, stride, |_| T::WIDTH);
    }

    /// As [`Kernel::add`], for sums with j <= i; others hold anything.
    ///
    /// # Panics
    /// As [`Kernel::add`].
    #[inline]
    pub fn add_lower(&self, left: &[T], right: &[T], sums: &mut [T], stride: usize) {
        self.tiles(left, right, sums, stride, |i| i + self.rows);
    }

    /// Add tiles to the square: of the rows from i on as many columns as `wanted` says, or some more.
    #[inline(always)]
    fn tiles(&self, left: &[T], right: &[T], sums: &mut [T], stride: usize, wanted: impl Fn(usize) -> usize) {
        let depth = left.len() / T::WIDTH;
        assert!(
            left.len() == right.len()
                && left.len() == depth * T::WIDTH
                && stride >= T::WIDTH
                && sums.len() >= (T::WIDTH - 1) * stride + T::WIDTH
                && T::WIDTH.is_multiple_of(self.rows)
                && T::WIDTH.is_multiple_of(self.columns)
                && T::WIDTH.is_multiple_of(self.narrow.0),
            "panels of {} and {} numbers for {} sums, {stride} a row",
            left.len(),
            right.len(),
            sums.len()
        );
        let (narrow_columns, narrow_add) = self.narrow;
        for (columns, add, narrow) in [(self.columns, self.add, false), (narrow_columns, narrow_add, true)] {
            for j in (0..T::WIDTH).step_by(columns) {
                for i in (0..T::WIDTH).step_by(self.rows) {
                    // Rows of which few enough columns are wanted are left to narrow tiles.
                    let end = wanted(i);
                    if (end + narrow_columns <= T::WIDTH) != narrow || j >= end {
                        continue;
                    }
                    // SAFETY: of each of the `depth` rows the kernel reads `rows` numbers of the left from i on and
                    // `columns` of the right from j on, and it writes as many of as many rows of the square: all
                    // inside. The processor has its instructions, since `Product::kernel` asked.
                    unsafe {
                        let sums = sums.as_mut_ptr().add(i * stride + j);
                        add(left.as_ptr().add(i), right.as_ptr().add(j), depth, sums, stride);
                    }
                }
            }
        }
    }
}

/// Rows ahead of the one that is multiplied whose numbers are asked for: 3 KiB, often the beginning of the next panel, which
/// comes from the third-level cache. F of 3072 x 2304 in `f64` takes 8 % less time with it, of 8192 x 768 up to 10 %.
#[allow(dead_code)]
const AHEAD: usize = 16;

/// Ask for the cache line of a place, which may lie outside of what may be read.
#[allow(dead_code)]
#[inline(always)]
fn fetch<T>(place: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint, which every processor of this kind has and which reads nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = place;
}

/// A tile of `rows` times `vectors` vectors, for one type of vector.
#[allow(unused_macros)]
macro_rules! tile {
    ($name:ident, $feature:literal, $number:ty, $lanes:literal, $rows:literal x $vectors:literal,
     $load:path, $store:path, $splat:path, $add:path, $fma:expr) => {
        /// # Safety
        /// The processor has the feature, and the pointers hold what [`Kernel::add`] says.
        #[target_feature(enable = $feature)]
        pub(super) unsafe fn $name(
            left: *const $number,
            right: *const $number,
            depth: usize,
            sums: *mut $number,
            stride: usize,
        ) {
            const WIDTH: usize = <$number as $crate::products::Product>::WIDTH;
            let mut held = [[$splat(0.0); $vectors]; $rows];
            for k in 0..depth {
                // SAFETY: both rows lie in their panels.
                unsafe {
                    let row = right.add(k * WIDTH);
                    // A closure here is not always inlined, and then every vector goes through memory.
                    let mut vectors = [$splat(0.0); $vectors];
                    for (v, vector) in vectors.iter_mut().enumerate() {
                        *vector = $load(row.add(v * $lanes));
                        $crate::products::fetch(
                            row.wrapping_add($crate::products::AHEAD * WIDTH + v * $lanes),
                        );
                    }
                    let numbers = left.add(k * WIDTH);
                    $crate::products::fetch(numbers.wrapping_add($crate::products::AHEAD * WIDTH));
                    for i in 0..$rows {
                        let number = $splat(*numbers.add(i));
                        for v in 0..$vectors {
                            held[i][v] = $fma(number, vectors[v], held[i][v]);
                        }
                    }
                }
            }
            for (i, row) in held.iter().enumerate() {
                for (v, &vector) in row.iter().enumerate() {
                    // SAFETY: row i of the tile.
                    unsafe {
                        let place = sums.add(i * stride + v * $lanes);
                        $store(place, $add($load(place), vector));
                    }
                }
            }
        }
    };
}
#[allow(unused_imports)]
use tile;
