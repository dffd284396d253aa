//! Capacity of every feature without an eigendecomposition, and never through the Gram matrix.

use crate::error::Result;
use crate::gram::{Precision, frame_operator, normalise, squared_norms};
use crate::matrix::{FeatureMatrix, dot};
use crate::products::{Level, Packed, Part, Product};
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

/// Features whose quadratic forms one thread computes at a time: packed they fit the second-level cache.
const TILE: usize = 96;

/// Share of the trace below which kappa is not taken from the frame operator: rounding of the operator is `1e-16` of
/// its trace, which here would be more than ten digits from the end. Choice: matrices without features a thousand times
/// shorter than the rest have none there.
pub const DOUBTFUL: f64 = 1e-6;

/// Chosen features that are multiplied with all features at a time.
const CHOSEN: usize = 96;

/// `D_i = N_i^2 / sum_j M_ij^2 = N_i^2 / (w_i^T F w_i)`; zero for zero features.
///
/// With `T` the lower triangle of `F`, its part below the diagonal doubled, `w^T F w = w^T T w`: the triangular
/// product halves the work, so all of it costs `2 n m^2` operations, and `O(m^2 + tile)` memory. Features whose kappa
/// is [`DOUBTFUL`] are done again by [`kappas`].
///
/// # Errors
/// As [`frame_operator`] and [`squared_norms`].
pub fn capacities(x: &FeatureMatrix<'_>, precision: Precision, run: &Run) -> Result<Vec<f64>> {
    // Announced before the operator is formed, so that progress never goes back.
    run.control().expect(x.n() as u64);
    let f = frame_operator(x, precision, run)?;
    let squares = squared_norms(x, run)?;
    let outside = |square: &f64| *square > 0.0 && !SINGLE_SQUARES.contains(square);
    let mut found = match precision {
        Precision::Single if !squares.iter().any(outside) => quadratic::<f32>(x, &f, run)?,
        _ => quadratic::<f64>(x, &f, run)?,
    };
    let trace: f64 = squares.iter().sum();
    // Negative or no number at all where kappa is nothing but rounding.
    let sure =
        |(square, capacity): (&f64, &f64)| *square == 0.0 || square / trace >= DOUBTFUL * capacity.abs();
    let doubtful: Vec<usize> =
        squares.iter().zip(&found).enumerate().filter(|(_, pair)| !sure(*pair)).map(|(i, _)| i).collect();
    for (&i, kappa) in doubtful.iter().zip(kappas(x, &doubtful, trace, run)?) {
        found[i] = (squares[i] / kappa).min(1.0);
    }
    Ok(found)
}

/// `kappa_i = sum_j <w_i, w_j>^2 / N_i` of some features by the definition, from their products with all features;
/// `trace` is the sum of all squared norms.
///
/// A product errs by rounding of both norms, not of the longest: kappa by about `2 m u sqrt(trace / kappa)` of itself,
/// where through the frame operator it is `(n + m) u trace / kappa`. Costs `2 n m` operations per chosen feature, and
/// memory for tiles.
///
/// # Errors
/// [`Error::Interrupted`](crate::error::Error::Interrupted), [`Error::Memory`](crate::error::Error::Memory).
///
/// # Panics
/// If a chosen feature does not exist.
pub fn kappas(x: &FeatureMatrix<'_>, chosen: &[usize], trace: f64, run: &Run) -> Result<Vec<f64>> {
    let (n, m, scale) = (x.n(), x.m(), trace.sqrt());
    let threads = run.pool().current_num_threads();
    fits(&[[chosen.len(), 1, 16], [threads, (CHOSEN + ROWS) * m + CHOSEN * ROWS, 8]])?;
    let mut found = vec![0.0; chosen.len()];
    run.pool().install(|| {
        found.par_chunks_mut(CHOSEN).zip(chosen.par_chunks(CHOSEN)).try_for_each_init(
            || (vec![0.0; CHOSEN * m], vec![0.0; ROWS * m], vec![0.0; CHOSEN * ROWS]),
            |(few, tile, products), (out, chosen)| {
                for (w, &i) in few.chunks_exact_mut(m).zip(chosen) {
                    x.read(i..i + 1, w);
                    let norm = dot(w, w).sqrt();
                    if norm > 0.0 {
                        normalise(w, norm);
                    }
                }
                for first in (0..n).step_by(ROWS) {
                    run.control().check()?;
                    let rows = ROWS.min(n - first);
                    x.read(first..first + rows, &mut tile[..rows * m]);
                    matmul(
                        MatMut::from_column_major_slice_mut(
                            &mut products[..rows * out.len()],
                            rows,
                            out.len(),
                        ),
                        Accum::Replace,
                        MatRef::from_row_major_slice(&tile[..rows * m], rows, m),
                        MatRef::from_column_major_slice(&few[..out.len() * m], m, out.len()),
                        1.0 / scale,
                        Par::Seq,
                    );
                    for (kappa, products) in out.iter_mut().zip(products.chunks_exact(rows)) {
                        *kappa += dot(products, products);
                    }
                }
                out.iter_mut().for_each(|kappa| *kappa *= trace);
                Ok(())
            },
        )
    })?;
    Ok(found)
}

fn quadratic<T: Product>(x: &FeatureMatrix<'_>, f: &Mat<f64>, run: &Run) -> Result<Vec<f64>> {
    let (m, stride) = (x.m(), x.m().next_multiple_of(T::WIDTH));
    // Features of unit length against an operator of order one: no product leaves the range of `f32`.
    let scale = (0..m).map(|j| f[(j, j)]).fold(0.0, f64::max);
    if scale == 0.0 {
        return Ok(vec![0.0; x.n()]);
    }
    let threads = run.pool().current_num_threads();
    fits(&[[stride, m, size_of::<T>()], [x.n(), 1, 8], [threads, TILE * (2 * m + stride), size_of::<T>()]])?;
    let kernel = T::kernel(Level::current()?);
    let mut triangle = Packed::default();
    triangle.fill(m, m, |wanted, rows| {
        for (i, row) in wanted.zip(rows.chunks_exact_mut(m)) {
            for (j, entry) in row.iter_mut().enumerate() {
                *entry = T::narrow(match i.cmp(&j) {
                    Ordering::Less => 0.0,
                    Ordering::Equal => f[(i, j)] / scale,
                    Ordering::Greater => 2.0 * (f[(i, j)] / scale),
                });
            }
        }
    });
    let mut capacities = vec![0.0; x.n()];
    run.pool().install(|| {
        capacities.par_chunks_mut(TILE).enumerate().try_for_each_init(
            || (vec![T::default(); TILE * m], Packed::default(), vec![T::default(); TILE * stride]),
            |(tile, packed, image), (job, out)| {
                let tile = &mut tile[..out.len() * m];
                x.read(job * TILE..job * TILE + out.len(), tile);
                for (norm, w) in out.iter_mut().zip(tile.chunks_exact_mut(m)) {
                    *norm = dot(w, w).sqrt();
                    if *norm > 0.0 {
                        normalise(w, *norm);
                    }
                }
                packed.fill(out.len(), m, |rows, into| {
                    into.copy_from_slice(&tile[rows.start * m..rows.end * m]);
                });
                packed.multiply(&triangle, kernel, Part::OfTriangle, image, stride);
                let features = tile.chunks_exact(m).zip(image.chunks_exact(stride));
                for (slot, (w, fw)) in out.iter_mut().zip(features) {
                    let norm = *slot;
                    let form = dot(w, &fw[..m]);
                    *slot = if norm > 0.0 { (norm * norm / scale / form).min(1.0) } else { 0.0 };
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
    fn a_short_feature_across_a_long_one_keeps_its_digits() {
        // The inner product is 0, and 5 r: capacities 1 and 36 / (36 + 25 r^2).
        let run = Run::quiet(2).expect("threads");
        for (r, pad) in [(1e3, 0), (1e9, 0), (1e12, 700)] {
            for (short, inner) in [([1.0, 1.0, -1.0], 0.0), ([1.0, -1.0, 2.0], 5.0 * r)] {
                let mut data = vec![r, 2.0 * r, 3.0 * r];
                data.extend(short);
                data.extend(vec![0.0; 3 * pad]);
                let x = FeatureMatrix::from_slice(&data, 3).expect("shape");
                let square: f64 = short.iter().map(|value| value * value).sum();
                let expected = square * square / (square * square + inner * inner);
                // Three terms of a product, each rounded, as no order of adding them can avoid.
                let (inner, error) = (inner / square.sqrt(), 3.0 * f64::EPSILON * (14.0 * r * r).sqrt());
                let kappa = square + inner * inner;
                let allowed = expected * (1e-13 + (2.0 * inner * error + error * error) / kappa);
                let found = capacities(&x, Precision::Double, &run).expect("finite");
                assert!((found[1] - expected).abs() <= allowed, "{} for {expected}", found[1]);
                assert!(found[2..].iter().all(|capacity| *capacity == 0.0));
            }
        }
    }

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
