//! The frame operator `F = X^T X`, streamed.

use super::finite::check_squares;
use crate::error::Result;
use crate::matrix::{FeatureMatrix, Real};
use crate::run::{Run, fits};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::ops::RangeInclusive;

/// Bytes of a tile of rows: it should stay in the second-level cache while it is multiplied.
const TILE_BYTES: usize = 4 << 20;

/// Most columns of `F` that one job updates.
const PANEL: usize = 128;

/// Rows that a thread widens at a time.
const ROWS_PER_JOB: usize = 32;

/// Largest entry of the diagonal of `F` for which the squares of `f32` values stay well inside `f32`.
const SINGLE_SQUARES: RangeInclusive<f64> = 1e-20..=1e30;

/// Arithmetic of the products. Sums over tiles are always kept in `f64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Products and sums in `f64`: exact products of `f32`, `f16` and `bf16` values.
    Double,
    /// Products and sums within a tile in `f32`, twice as fast: about 1e-6 relative. Values whose squares
    /// leave the range of `f32` are multiplied in `f64` after all.
    Single,
}

/// `F = X^T X`, `m x m` and symmetric.
///
/// Costs `n m (m + 1)` operations (one triangle) and `O(m^2 + tile)` memory. Tiles have a size that depends on
/// `m` alone and are added in order, so the result does not depend on the number of threads.
///
/// # Errors
/// [`Error::NonFinite`] for NaN or infinity, [`Error::Range`] where squares overflow or underflow `f64`,
/// [`Error::Interrupted`].
pub fn frame_operator(x: &FeatureMatrix<'_>, precision: Precision, run: &Run) -> Result<Mat<f64>> {
    // The operator twice, once for the caller; for each thread a panel in single precision; the tile.
    let threads = run.pool().current_num_threads();
    fits(&[[x.m(), x.m(), 24], [threads, x.m() * PANEL, 4], [height(x, size_of::<f64>()), x.m(), 8]])?;
    run.control().expect(x.n() as u64);
    let mut f = match precision {
        Precision::Double => double(x, run)?,
        Precision::Single => {
            let f = single(x, run)?;
            let largest = (0..x.m()).map(|j| f[(j, j)]).fold(0.0, f64::max);
            if SINGLE_SQUARES.contains(&largest) {
                f
            } else {
                run.control().expect(x.n() as u64);
                double(x, run)?
            }
        }
    };
    // The diagonal holds the squared norms of columns, so it shows whatever went wrong in the sums.
    check_squares(x, (0..x.m()).map(|j| f[(j, j)]), run)?;
    for j in 0..f.ncols() {
        for i in 0..j {
            f[(i, j)] = f[(j, i)];
        }
    }
    Ok(f)
}

/// The lower triangle of `F`.
fn double(x: &FeatureMatrix<'_>, run: &Run) -> Result<Mat<f64>> {
    let mut f = Mat::zeros(x.m(), x.m());
    let width = panel_width(x.m());
    accumulate::<f64>(x, run, |tile| {
        f.as_mut().par_col_chunks_mut(width).enumerate().for_each(|(k, panel)| {
            multiply(below(panel, k * width), Accum::Add, tile, k * width);
        });
    })?;
    Ok(f)
}

/// The lower triangle of `F`, with products in `f32` and sums over tiles in `f64`.
fn single(x: &FeatureMatrix<'_>, run: &Run) -> Result<Mat<f64>> {
    let mut f = Mat::zeros(x.m(), x.m());
    let width = panel_width(x.m());
    let part = || Mat::<f32>::zeros(x.m(), width);
    accumulate::<f32>(x, run, |tile| {
        f.as_mut().par_col_chunks_mut(width).enumerate().for_each_init(part, |part, (k, panel)| {
            let panel = below(panel, k * width);
            let mut part = part.as_mut().submatrix_mut(0, 0, panel.nrows(), panel.ncols());
            multiply(part.as_mut(), Accum::Replace, tile, k * width);
            for (j, (column, part)) in panel.col_iter_mut().zip(part.as_ref().col_iter()).enumerate() {
                for (sum, &new) in column.iter_mut().zip(part.iter()).skip(j) {
                    *sum += f64::from(new);
                }
            }
        });
    })?;
    Ok(f)
}

/// Columns of a panel of `F`: each is one job, so there are enough to share, and few enough that a product pays.
fn panel_width(m: usize) -> usize {
    m.div_ceil(8).next_multiple_of(16).min(PANEL)
}

/// The rows of a panel from the diagonal down.
fn below<T>(panel: MatMut<'_, T>, first: usize) -> MatMut<'_, T> {
    let rows = panel.nrows() - first;
    panel.subrows_mut(first, rows)
}

/// The products of one panel of `F`, which starts at column `first` and at the diagonal.
///
/// Panels are shared among threads, each product is sequential: threads that work on one product wait for each
/// other at every step of it, which is slow wherever another process wants a core.
fn multiply<T: Real>(panel: MatMut<'_, T>, accum: Accum, tile: MatRef<'_, T>, first: usize) {
    let width = panel.ncols();
    let (own, others) = tile.subrows(first, tile.nrows() - first).split_at_row(width);
    let (diagonal, rest) = panel.split_at_row_mut(width);
    let (whole, one) = (BlockStructure::Rectangular, T::narrow(1.0));
    let lower = BlockStructure::TriangularLower;
    triangular::matmul(diagonal, lower, accum, own, whole, own.transpose(), whole, one, Par::Seq);
    matmul(rest, accum, others, own.transpose(), one, Par::Seq);
}

/// Rows of a tile of values of `size` bytes.
fn height(x: &FeatureMatrix<'_>, size: usize) -> usize {
    (TILE_BYTES / (x.m() * size)).clamp(64, 2048).min(x.n())
}

/// Hand the tiles of `x` to `add` one after another, features as columns.
fn accumulate<T: Real>(
    x: &FeatureMatrix<'_>,
    run: &Run,
    mut add: impl FnMut(MatRef<'_, T>) + Send,
) -> Result<()> {
    let (n, m) = (x.n(), x.m());
    let height = height(x, size_of::<T>());
    let mut tile = vec![T::default(); height * m];
    run.pool().install(|| {
        for first in (0..n).step_by(height) {
            let rows = height.min(n - first);
            let tile = &mut tile[..rows * m];
            tile.par_chunks_mut(ROWS_PER_JOB * m).enumerate().for_each(|(job, part)| {
                let start = first + job * ROWS_PER_JOB;
                x.read(start..start + part.len() / m, part);
            });
            add(MatRef::from_column_major_slice(tile, m, rows));
            run.control().advance(rows as u64)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::error::Error;

    fn slow(values: &[f64], m: usize) -> Mat<f64> {
        Mat::from_fn(m, m, |i, j| values.chunks(m).map(|row| row[i] * row[j]).sum())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn it_is_the_product_and_does_not_depend_on_threads(
            n in 1_usize..400, m in 1_usize..24, seed in any::<u64>(),
        ) {
            let mut state = seed | 1;
            let values: Vec<f64> = (0..n * m).map(|_| crate::testing::noise(&mut state)).collect();
            let x = FeatureMatrix::from_slice(&values, m).expect("shape");
            let one = frame_operator(&x, Precision::Double, &Run::quiet(1).expect("threads")).expect("finite");
            let three = frame_operator(&x, Precision::Double, &Run::quiet(3).expect("threads")).expect("finite");
            prop_assert!(one == three);
            let expected = slow(&values, m);
            prop_assert!((&one - &expected).norm_max() <= 1e-13 * n as f64);
            let single = frame_operator(&x, Precision::Single, &Run::quiet(2).expect("threads")).expect("finite");
            prop_assert!((&single - &expected).norm_max() <= 1e-5 * n as f64);
        }
    }

    #[test]
    fn single_precision_does_not_underflow() {
        let values = [1e-25, 2e-25, -3e-25, 1e-25];
        let x = FeatureMatrix::from_slice(&values, 2).expect("shape");
        let run = Run::quiet(1).expect("threads");
        let single = frame_operator(&x, Precision::Single, &run).expect("in range");
        assert!((single[(0, 0)] - 1e-49).abs() < 1e-55);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let run = Run::quiet(1).expect("threads");
        for scale in [1e200, 1e-200] {
            let values = [scale, 2.0 * scale];
            let x = FeatureMatrix::from_slice(&values, 2).expect("shape");
            let error = frame_operator(&x, Precision::Double, &run).expect_err("out of range");
            assert!(matches!(error, Error::Range { .. }), "{error}");
        }
        let values = [1.0, f64::NAN];
        let x = FeatureMatrix::from_slice(&values, 2).expect("shape");
        assert!(matches!(
            frame_operator(&x, Precision::Double, &run),
            Err(Error::NonFinite { row: 0, column: 1, .. })
        ));
        let values = [0.0; 4];
        let x = FeatureMatrix::from_slice(&values, 2).expect("shape");
        assert!(frame_operator(&x, Precision::Double, &run).is_ok());
    }

    #[test]
    fn a_cancelled_run_stops() {
        let run = Run::quiet(1).expect("threads");
        run.control().cancel();
        let values = [1.0; 8];
        let x = FeatureMatrix::from_slice(&values, 2).expect("shape");
        assert_eq!(frame_operator(&x, Precision::Double, &run), Err(Error::Interrupted));
    }
}
