//! Coordinates of features along the eigenvectors of their frame operator, from their Gram matrix.
//!
//! Entries of an eigenvector `u_k` of the Gram matrix err by rounding of 1, and coordinate k of feature i is
//! `u_ik sqrt(lambda_k)`: of a short feature beside long ones nothing but rounding would be left. So features are
//! given coordinates in an orthonormal basis of their span first, each to rounding of its own norm:
//!
//! ```text
//!   C = D^-1 M D^-1 = L L^T      cosines, by pivoted Cholesky;  D = diag(norms)
//!   Y = D L                      rows with the inner products M
//!   Y^T U = V R                  V orthonormal: eigenvectors of Y^T Y, the largest eigenvalue first
//!   A = Y V                      the coordinates; |a_i| = |w_i| whatever the other norms are
//! ```

use super::eigen::parts;
use crate::error::{Error, Result};
use crate::run::{Run, fits};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt_pivoting::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::matmul::matmul;
use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size};
use faer::{Accum, Conj, Mat, MatRef};

/// Coordinates (`n x r`) of `n` features along the `r` leading eigenvectors of their frame operator, from their Gram
/// matrix and its eigenvectors `vectors` (`n x r`, by decreasing eigenvalue); zero rows for zero features.
///
/// Each coordinate errs by rounding of its feature's own norm, as from the frame operator. Costs about
/// `n^3 / 3 + 8 n^2 r` operations and `O(n^2)` memory.
///
/// # Errors
/// [`Error::Shape`], [`Error::Convergence`] if the matrix is not a Gram matrix, [`Error::Interrupted`].
pub fn coordinates(gram: MatRef<'_, f64>, vectors: MatRef<'_, f64>, run: &Run) -> Result<Mat<f64>> {
    let (n, r) = (gram.nrows(), vectors.ncols());
    let active: Vec<usize> = (0..n).filter(|&i| gram[(i, i)] > 0.0).collect();
    if gram.ncols() != n || vectors.nrows() != n || r > active.len() {
        return Err(Error::Shape(format!(
            "{r} eigenvectors of {} entries do not fit a {n} x {} Gram matrix with {} nonzero features",
            vectors.nrows(),
            gram.ncols(),
            active.len()
        )));
    }
    let mut found = Mat::zeros(n, r);
    if r == 0 {
        return Ok(found);
    }
    run.control().check()?;
    // The cosines, their factor's copy and a panel of the solver; eigenvectors, their image, bases and coordinates.
    fits(&[[active.len(), active.len(), 24], [n, r, 56]])?;
    run.pool().install(|| {
        let y = rows(gram, &active)?;
        run.control().check()?;
        let inside = Mat::from_fn(active.len(), r, |i, k| vectors[(active[i], k)]);
        let basis = basis(y.as_ref(), inside.as_ref());
        run.control().check()?;
        let mut along = Mat::zeros(active.len(), r);
        matmul(along.as_mut(), Accum::Replace, y.as_ref(), basis.as_ref(), 1.0, parts());
        for (i, &feature) in active.iter().enumerate() {
            found.row_mut(feature).copy_from(along.row(i));
        }
        Ok(found)
    })
}

/// Rows with the inner products of the active features, in as many dimensions as there are of them.
fn rows(gram: MatRef<'_, f64>, active: &[usize]) -> Result<Mat<f64>> {
    let count = active.len();
    let norms: Vec<f64> = active.iter().map(|&i| gram[(i, i)].sqrt()).collect();
    let mut cosines = Mat::from_fn(count, count, |i, j| gram[(active[i], active[j])] / norms[i] / norms[j]);
    let (mut order, mut inverse) = (vec![0_usize; count], vec![0_usize; count]);
    let mut buffer =
        MemBuffer::new(cholesky_in_place_scratch::<usize, f64>(count, parts(), Default::default()));
    let (info, _) = cholesky_in_place(
        cosines.as_mut(),
        &mut order,
        &mut inverse,
        parts(),
        MemStack::new(&mut buffer),
        Default::default(),
    )
    .map_err(|_| Error::Convergence("the Cholesky factor of the cosines"))?;
    let mut y = Mat::zeros(count, count);
    for (position, &feature) in order.iter().enumerate() {
        let last = (position + 1).min(info.rank);
        // What pivoting left out is rounding of the direction; the length is known.
        let length = (0..last).map(|k| cosines[(position, k)].powi(2)).sum::<f64>().sqrt();
        for k in 0..last {
            y[(feature, k)] = cosines[(position, k)] / length * norms[feature];
        }
    }
    Ok(y)
}

/// The orthonormal columns of the QR decomposition of `y^T vectors`.
fn basis(y: MatRef<'_, f64>, vectors: MatRef<'_, f64>) -> Mat<f64> {
    let (count, r) = (y.ncols(), vectors.ncols());
    let mut factor = Mat::zeros(count, r);
    matmul(factor.as_mut(), Accum::Replace, y.transpose(), vectors, 1.0, parts());
    let block = recommended_block_size::<f64>(count, r);
    let mut coefficients = Mat::zeros(block, r);
    let mut buffer = MemBuffer::new(qr_in_place_scratch::<f64>(count, r, block, parts(), Default::default()));
    qr_in_place(
        factor.as_mut(),
        coefficients.as_mut(),
        parts(),
        MemStack::new(&mut buffer),
        Default::default(),
    );
    let mut basis = Mat::identity(count, r);
    let mut buffer = MemBuffer::new(apply_scratch::<f64>(count, block, r));
    apply(
        factor.as_ref(),
        coefficients.as_ref(),
        Conj::No,
        basis.as_mut(),
        parts(),
        MemStack::new(&mut buffer),
    );
    basis
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram::{Precision, frame_operator};
    use crate::matrix::FeatureMatrix;
    use crate::spectrum::self_adjoint;
    use crate::testing::noise;

    fn found(data: &[f64], m: usize) -> (Mat<f64>, Vec<f64>) {
        let x = FeatureMatrix::from_slice(data, m).expect("shape");
        let run = Run::quiet(2).expect("threads");
        let gram = frame_operator(&x.transposed(), Precision::Double, &run).expect("finite");
        let eigen = self_adjoint(gram.clone(), &run).expect("converges");
        let r = eigen.values.iter().filter(|value| **value > 1e-13 * eigen.values[0]).count();
        let along = coordinates(gram.as_ref(), eigen.vectors.as_ref().subcols(0, r), &run).expect("fits");
        (along, eigen.values)
    }

    #[test]
    fn a_short_feature_beside_a_long_one_is_as_exact() {
        let (along, values) = found(&[1e6, 2e6, 3e6, 1.0, -1.0, 2.0], 3);
        // The short one turns the leading eigenvector by 2e-13, which moves both squares by 1e-12.
        assert!((along[(1, 0)].powi(2) - 25.0 / 14.0).abs() < 2e-12);
        assert!((along[(1, 1)].powi(2) - (6.0 - 25.0 / 14.0)).abs() < 2e-12);
        assert!((along.row(1).squared_norm_l2() - 6.0).abs() < 1e-14);
        // Trace 14e12 + 6 and determinant 59e12: the larger root is 14e12 + 25/14, where numbers are .002 apart.
        assert!((values[0] - (14e12 + 25.0 / 14.0)).abs() < 1e-2, "{}", values[0] - 14e12);
    }

    #[test]
    fn lengths_are_those_of_the_features_and_dependent_ones_do_no_harm() {
        let (n, m) = (40, 60);
        let mut state = 7;
        let mut data: Vec<f64> = (0..n * m).map(|_| noise(&mut state)).collect();
        for i in 0..n {
            let scale = 10.0_f64.powi(i as i32 % 5);
            data[i * m..(i + 1) * m].iter_mut().for_each(|value| *value *= scale);
        }
        data.copy_within(0..m, m);
        data[2 * m..3 * m].fill(0.0);
        let (along, _) = found(&data, m);
        for i in 0..n {
            let norm: f64 = data[i * m..(i + 1) * m].iter().map(|value| value * value).sum();
            let sum: f64 = along.row(i).iter().map(|value| value * value).sum();
            assert!((sum - norm).abs() <= 1e-13 * norm, "{i}: {sum} for {norm}");
        }
        for k in 0..along.ncols() {
            assert!((along[(0, k)] - along[(1, k)]).abs() < 1e-7 * along.row(0).norm_max());
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let run = Run::quiet(1).expect("threads");
        let (gram, vectors) = (Mat::<f64>::identity(2, 2), Mat::<f64>::identity(3, 1));
        assert!(coordinates(gram.as_ref(), vectors.as_ref(), &run).is_err());
        let zero = Mat::<f64>::zeros(2, 2);
        assert!(coordinates(zero.as_ref(), Mat::identity(2, 1).as_ref(), &run).is_err());
    }
}
