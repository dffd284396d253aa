//! Capacity of every feature without an eigendecomposition, and never through the Gram matrix.

use crate::error::Result;
use crate::gram::{Precision, frame_operator, normalise, squared_norms};
use crate::matrix::{FeatureMatrix, Real, dot};
use crate::run::{Run, fits};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::RangeInclusive;

/// Features that one thread works on at a time.
const ROWS: usize = 256;

/// Squared norms outside are not left to `f32`, whose entries vanish below 1e-45 and overflow above 3e38.
const SINGLE_SQUARES: RangeInclusive<f64> = 1e-40..=1e36;

/// Rows of the triangle that are multiplied at a time.
const PANEL: usize = 128;

/// `D_i = N_i^2 / sum_j M_ij^2 = N_i^2 / (w_i^T F w_i)`; zero for zero features.
///
/// With `T` the lower triangle of `F`, its part below the diagonal doubled, `w^T F w = w^T T w`: the triangular
/// product halves the work, so all of it costs `2 n m^2` operations, and `O(m^2 + tile)` memory.
///
/// # Errors
/// As [`frame_operator`] and [`squared_norms`].
pub fn capacities(x: &FeatureMatrix<'_>, precision: Precision, run: &Run) -> Result<Vec<f64>> {
    // Announced before the operator is formed, so that progress never goes back.
    run.control().expect(x.n() as u64);
    let f = frame_operator(x, precision, run)?;
    let squares = squared_norms(x, run)?;
    let outside = |square: &f64| *square > 0.0 && !SINGLE_SQUARES.contains(square);
    match precision {
        Precision::Single if !squares.iter().any(outside) => quadratic::<f32>(x, &f, run),
        _ => quadratic::<f64>(x, &f, run),
    }
}

fn quadratic<T: Real>(x: &FeatureMatrix<'_>, f: &Mat<f64>, run: &Run) -> Result<Vec<f64>> {
    let m = x.m();
    // Features of unit length against an operator of order one: no product leaves the range of `f32`.
    let scale = (0..m).map(|j| f[(j, j)]).fold(0.0, f64::max);
    if scale == 0.0 {
        return Ok(vec![0.0; x.n()]);
    }
    fits(&[[m, m, size_of::<T>()], [x.n(), 1, 8], [run.pool().current_num_threads(), 2 * ROWS * m, 8]])?;
    let triangle = Mat::<T>::from_fn(m, m, |i, j| {
        T::narrow(match i.cmp(&j) {
            Ordering::Less => 0.0,
            Ordering::Equal => f[(i, j)] / scale,
            Ordering::Greater => 2.0 * (f[(i, j)] / scale),
        })
    });
    let mut capacities = vec![0.0; x.n()];
    run.pool().install(|| {
        capacities.par_chunks_mut(ROWS).enumerate().try_for_each_init(
            || (vec![T::default(); ROWS * m], vec![T::default(); ROWS * m]),
            |(tile, image), (job, out)| {
                let (tile, image) = (&mut tile[..out.len() * m], &mut image[..out.len() * m]);
                x.read(job * ROWS..job * ROWS + out.len(), tile);
                for (norm, w) in out.iter_mut().zip(tile.chunks_exact_mut(m)) {
                    *norm = dot(w, w).sqrt();
                    if *norm > 0.0 {
                        normalise(w, *norm);
                    }
                }
                let features = MatRef::from_column_major_slice(&*tile, m, out.len());
                let mut images = MatMut::from_column_major_slice_mut(&mut *image, m, out.len());
                // Below the diagonal by rectangles: what they take in above it is zero.
                for first in (0..m).step_by(PANEL) {
                    let height = PANEL.min(m - first);
                    matmul(
                        images.as_mut().subrows_mut(first, height),
                        Accum::Replace,
                        triangle.as_ref().submatrix(first, 0, height, first + height),
                        features.subrows(0, first + height),
                        T::narrow(1.0),
                        Par::Seq,
                    );
                }
                for ((slot, w), fw) in out.iter_mut().zip(tile.chunks_exact(m)).zip(image.chunks_exact(m)) {
                    let norm = *slot;
                    *slot = if norm > 0.0 { (norm * norm / scale / dot(w, fw)).min(1.0) } else { 0.0 };
                }
                run.control().advance(out.len() as u64)
            },
        )
    })?;
    Ok(capacities)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    #[test]
    fn it_is_the_definition_through_the_gram_matrix() {
        let (n, m) = (600, 11);
        let mut state = 3;
        let mut values: Vec<f64> = (0..n * m).map(|_| noise(&mut state)).collect();
        values[..m].fill(0.0);
        let x = FeatureMatrix::from_slice(&values, m).expect("shape");
        let run = Run::quiet(2).expect("threads");
        let exact = capacities(&x, Precision::Double, &run).expect("finite");
        let single = capacities(&x, Precision::Single, &run).expect("finite");
        let dot = |i: usize, j: usize| -> f64 { (0..m).map(|k| values[i * m + k] * values[j * m + k]).sum() };
        assert_eq!(exact[0], 0.0);
        for i in 1..n {
            let expected = dot(i, i).powi(2) / (0..n).map(|j| dot(i, j).powi(2)).sum::<f64>();
            assert!((exact[i] - expected).abs() < 1e-13 * expected);
            assert!((single[i] - expected).abs() < 1e-5 * expected);
        }
    }
}
