//! The frame operator `F = X^T X`, streamed.

use super::finite::check_squares;
use crate::error::Result;
use crate::matrix::FeatureMatrix;
use crate::products::{Level, Product};
use crate::run::{Run, fits};
use faer::Mat;
use pulp::Arch;
use rayon::prelude::*;
use std::ops::{Range, RangeInclusive};

/// Rows that are packed together. Sums over them are added to `f64` once, which costs little beside the products;
/// in `f32` they are the longest sums that round to `f32`.
const ROWS: usize = 1024;

/// Rows of a chunk: a panel of one fits the first-level cache, 24 KiB, and one thread packs a chunk.
const CHUNK: usize = 128;

/// Most panels on a side of a block of `F`, which is one job: its sums and the panels of a chunk fit the second-level
/// cache, 650 KiB, and the more there are the less is read from further away.
const MOST_PANELS: usize = 6;

/// Blocks on a side of `F` at least, so that threads share it evenly.
const BLOCKS: usize = 8;

/// Rows that are widened at a time, so that they are still in the first-level cache when they are packed.
const ROWS_AT_ONCE: usize = 4;

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
/// Costs `n m (m + 1)` operations (one triangle) and `O(m^2 + tile)` memory. The order of every sum depends on `n`
/// alone, so the result does not depend on the number of threads.
///
/// # Errors
/// [`Error::NonFinite`] for NaN or infinity, [`Error::Range`] where squares overflow or underflow `f64`,
/// [`Error::Interrupted`], [`Error::Parameter`] as [`Level::current`].
pub fn frame_operator(x: &FeatureMatrix<'_>, precision: Precision, run: &Run) -> Result<Mat<f64>> {
    at_level(x, precision, Level::current()?, run)
}

fn at_level(x: &FeatureMatrix<'_>, precision: Precision, level: Level, run: &Run) -> Result<Mat<f64>> {
    run.control().expect(x.n() as u64);
    let f = match precision {
        Precision::Double => products::<f64>(x, level, run)?,
        Precision::Single => {
            let f = products::<f32>(x, level, run)?;
            let largest = (0..x.m()).map(|j| f[(j, j)]).fold(0.0, f64::max);
            if SINGLE_SQUARES.contains(&largest) {
                f
            } else {
                run.control().expect(x.n() as u64);
                products::<f64>(x, level, run)?
            }
        }
    };
    // The diagonal holds the squared norms of columns, so it shows whatever went wrong in the sums.
    check_squares(x, (0..x.m()).map(|j| f[(j, j)]), run)?;
    Ok(f)
}

/// A block of `F` and the panels of its rows and columns; squares of panels one after another.
struct Block {
    rows: Range<usize>,
    columns: Range<usize>,
    sums: Vec<f64>,
}

impl Block {
    /// Pairs of panels that the block holds: on the diagonal those from it down.
    fn pairs(rows: Range<usize>, columns: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
        rows.flat_map(move |i| columns.clone().filter(move |&j| j <= i).map(move |j| (i, j)))
    }
}

/// `F` with products in `T` and sums over [`ROWS`] rows in `f64`.
fn products<T: Product>(x: &FeatureMatrix<'_>, level: Level, run: &Run) -> Result<Mat<f64>> {
    let (n, m) = (x.n(), x.m());
    let (kernel, arch) = (T::kernel(level), Arch::new());
    let width = T::WIDTH;
    let (panels, square) = (m.div_ceil(width), width * width);
    let side = (panels / BLOCKS).clamp(1, MOST_PANELS);
    // The operator, and one triangle of it in blocks; the packed rows; of each thread rows to widen and a square.
    let threads = run.pool().current_num_threads();
    fits(&[
        [m, m, 8],
        [panels, panels + side, 4 * square],
        [ROWS.min(n), panels * width, size_of::<T>()],
        [threads, ROWS_AT_ONCE * m + side * side * square, size_of::<T>()],
    ])?;
    let mut blocks: Vec<Block> = Block::pairs(0..panels.div_ceil(side), 0..panels.div_ceil(side))
        .map(|(i, j)| {
            let range = |at: usize| at * side..panels.min((at + 1) * side);
            let (rows, columns) = (range(i), range(j));
            let sums = vec![0.0; Block::pairs(rows.clone(), columns.clone()).count() * square];
            Block { rows, columns, sums }
        })
        .collect();
    let mut packed = vec![T::default(); ROWS.min(n) * panels * width];
    run.pool().install(|| {
        for first in (0..n).step_by(ROWS) {
            let height = ROWS.min(n - first);
            let packed = &mut packed[..height * panels * width];
            packed.par_chunks_mut(CHUNK * panels * width).enumerate().for_each_init(
                Vec::new,
                |rows, (c, chunk)| match level {
                    Level::Scalar => pack(x, first + c * CHUNK, chunk, rows),
                    _ => arch.dispatch(|| pack(x, first + c * CHUNK, chunk, rows)),
                },
            );
            blocks.par_iter_mut().with_max_len(1).for_each_init(Vec::new, |sums, block| {
                // All blocks of wide rows take a third of a second: those that are left are not needed any more.
                if run.control().is_cancelled() {
                    return;
                }
                sums.clear();
                sums.resize(block.sums.len(), T::default());
                for chunk in packed.chunks(CHUNK * panels * width) {
                    let panel = chunk.len() / panels;
                    let pairs = Block::pairs(block.rows.clone(), block.columns.clone());
                    for ((i, j), sums) in pairs.zip(sums.chunks_exact_mut(square)) {
                        let (left, right) = (&chunk[i * panel..][..panel], &chunk[j * panel..][..panel]);
                        if i == j {
                            kernel.add_lower(left, right, sums, width);
                        } else {
                            kernel.add(left, right, sums, width);
                        }
                    }
                }
                match level {
                    Level::Scalar => grow(&mut block.sums, sums),
                    _ => arch.dispatch(|| grow(&mut block.sums, sums)),
                }
            });
            run.control().advance(height as u64)?;
        }
        Ok(())
    })?;
    let mut f = Mat::zeros(m, m);
    for block in &blocks {
        let pairs = Block::pairs(block.rows.clone(), block.columns.clone());
        for ((i, j), sums) in pairs.zip(block.sums.chunks_exact(square)) {
            for (r, sums) in (i * width..m).zip(sums.chunks_exact(width)) {
                for (c, &sum) in (j * width..=r.min((j + 1) * width - 1)).zip(sums) {
                    f[(r, c)] = sum;
                    f[(c, r)] = sum;
                }
            }
        }
    }
    Ok(f)
}

/// Add sums over some rows to those over all before. Compiled once more for each set of vector instructions, as [`pack`].
#[inline(always)]
fn grow<T: Product>(totals: &mut [f64], sums: &[T]) {
    totals.iter_mut().zip(sums).for_each(|(total, &sum)| *total += sum.into());
}

/// Pack the rows of `x` from `first` on into panels of [`Product::WIDTH`] columns, panel after panel; past the last
/// column are zeros, which nothing overwrites.
#[inline(always)]
fn pack<T: Product>(x: &FeatureMatrix<'_>, first: usize, chunk: &mut [T], rows: &mut Vec<T>) {
    let (m, width) = (x.m(), T::WIDTH);
    let panels = m.div_ceil(width);
    let height = chunk.len() / (panels * width);
    rows.resize(ROWS_AT_ONCE * m, T::default());
    for start in (0..height).step_by(ROWS_AT_ONCE) {
        let count = ROWS_AT_ONCE.min(height - start);
        let rows = &mut rows[..count * m];
        x.read(first + start..first + start + count, rows);
        for (row, values) in rows.chunks_exact(m).enumerate() {
            for (panel, values) in chunk.chunks_exact_mut(height * width).zip(values.chunks(width)) {
                let place = &mut panel[(start + row) * width..][..width];
                if values.len() == width {
                    // A length that the compiler knows: without a call, which took 5 to 8 % of the time of F.
                    place[..T::WIDTH].copy_from_slice(&values[..T::WIDTH]);
                } else {
                    place[..values.len()].copy_from_slice(values);
                }
            }
        }
    }
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
    fn levels_agree_and_threads_change_no_bit() {
        let (n, m) = (2 * ROWS + CHUNK + 3, 101);
        let mut state = 5;
        let values: Vec<f64> = (0..n * m).map(|_| crate::testing::noise(&mut state)).collect();
        let x = FeatureMatrix::from_slice(&values, m).expect("shape");
        let run = |threads| Run::quiet(threads).expect("threads");
        for (precision, bound) in [(Precision::Double, 1e-15), (Precision::Single, 1e-6)] {
            let of = |level, threads| at_level(&x, precision, level, &run(threads)).expect("finite");
            let scalar = of(Level::Scalar, 1);
            for level in Level::available() {
                let one = of(level, 1);
                assert!(one == of(level, 2), "{level:?}");
                assert!((&one - &scalar).norm_max() <= bound * n as f64, "{level:?}");
                assert!(level == Level::Scalar || one == of(Level::available()[0], 3), "{level:?}");
            }
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
