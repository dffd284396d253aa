//! The self-adjoint eigensolver: faer's, made cancellable and independent of the number of threads.

use super::tridiagonal;
use crate::error::{Error, Result};
use crate::run::{Run, fits, retire};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::evd::{
    ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch,
};
use faer::linalg::matmul::matmul;
use faer::{Accum, Auto, Mat, MatRef, Par};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Parts that the solver splits its work into. Its rounding depends on this number and not on how many
/// threads share the parts, so it is fixed; more than four parts gain nothing below m = 4096 on few cores.
const PARTS: usize = 4;

/// Rounds that the solver's threads spin at a barrier before they sleep. The default of 65536 costs whole time
/// slices wherever another process wants the cores; this costs nothing measurable on free ones.
const SPINS: u32 = 256;

/// Residual that rounding may leave, in units of `m^1.5 eps` times the largest eigenvalue: sound decompositions of 10
/// to 600 dimensions have at most a tenth of it, failed ones 10 to 10^9 times as much.
const RESIDUAL: f64 = 4.0;

/// How often a waiting caller looks whether the run was cancelled.
const PATIENCE: Duration = Duration::from_millis(20);

/// Eigenvalues, decreasing, and the eigenvectors as columns in the same order.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// Eigenvalues, decreasing.
    pub values: Vec<f64>,
    /// Orthonormal eigenvectors, one in each column.
    pub vectors: Mat<f64>,
}

/// Decompose a symmetric matrix, of which the lower triangle is read. Costs about `9 m^3` operations.
///
/// The solver cannot be stopped half-way. When the run is cancelled this returns at once and the solver ends
/// in the background on the threads of the run, which later runs then do not wait for; its result is thrown
/// away.
///
/// # Errors
/// [`Error::Shape`], [`Error::NonFinite`], [`Error::Convergence`], [`Error::Interrupted`].
pub fn self_adjoint(f: Mat<f64>, run: &Run) -> Result<Eigen> {
    decompose(f, solve, run)
}

/// The eigenvalues alone, decreasing, in about a third of the time.
///
/// # Errors
/// As [`self_adjoint`].
pub fn eigenvalues(f: Mat<f64>, run: &Run) -> Result<Vec<f64>> {
    decompose(f, solve_values, run)
}

fn decompose<T: Send + 'static>(f: Mat<f64>, solve: fn(Mat<f64>) -> Result<T>, run: &Run) -> Result<T> {
    if f.nrows() != f.ncols() {
        return Err(Error::Shape(format!("a {} x {} matrix is not square", f.nrows(), f.ncols())));
    }
    for (column, entries) in f.col_iter().enumerate() {
        for (row, &value) in entries.iter().enumerate().skip(column) {
            if !value.is_finite() {
                return Err(Error::NonFinite { row, column, value });
            }
        }
    }
    // Vectors, the solver's own copy and workspace, and what the caller gets.
    fits(&[[f.nrows(), f.nrows(), 40]])?;
    run.control().check()?;
    let (sender, receiver) = sync_channel(1);
    run.pool().spawn(move || {
        // A caller that was cancelled has hung up.
        let _ = sender.send(solve(f));
    });
    loop {
        match receiver.recv_timeout(PATIENCE) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => run.control().check().inspect_err(|_| retire(run.pool()))?,
            Err(RecvTimeoutError::Disconnected) => return Err(Error::Convergence("the eigensolver")),
        }
    }
}

/// By divide and conquer; where that leaves more than rounding, by the QR iteration, which costs about three times as
/// much. The former of faer 0.24 loses up to 1e-4 of the largest eigenvalue from 128 dimensions on when sizes of rows
/// differ by orders of magnitude.
fn solve(f: Mat<f64>) -> Result<Eigen> {
    let params = <SelfAdjointEvdParams as Auto<f64>>::auto();
    let found = solve_by(&f, params)?;
    if f.nrows() < params.recursion_threshold || is_sound(f.as_ref(), &found) {
        return Ok(found);
    }
    let found = solve_by(&f, SelfAdjointEvdParams { recursion_threshold: usize::MAX, ..params })?;
    if is_sound(f.as_ref(), &found) { Ok(found) } else { Err(Error::Convergence("the eigensolver")) }
}

/// Whether `V diag(values) V^T z` is `F z` up to rounding, for two vectors `z` of random signs. Costs `8 m^2`.
fn is_sound(f: MatRef<'_, f64>, found: &Eigen) -> bool {
    let m = f.nrows();
    let largest = found.values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let limit = RESIDUAL * f64::EPSILON * (m as f64).powf(1.5) * largest;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let signs = Mat::from_fn(m, 2, |_, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state >> 63 == 0 { 1.0 } else { -1.0 }
    });
    let mut along = Mat::zeros(m, 2);
    matmul(along.as_mut(), Accum::Replace, found.vectors.transpose(), signs.as_ref(), 1.0, Par::Seq);
    for (k, value) in found.values.iter().enumerate() {
        along.row_mut(k).iter_mut().for_each(|entry| *entry *= value);
    }
    let mut residual = Mat::zeros(m, 2);
    matmul(residual.as_mut(), Accum::Replace, found.vectors.as_ref(), along.as_ref(), 1.0, Par::Seq);
    for j in 0..m {
        for i in j..m {
            for probe in 0..2 {
                residual[(i, probe)] -= f[(i, j)] * signs[(j, probe)];
                if i > j {
                    residual[(j, probe)] -= f[(i, j)] * signs[(i, probe)];
                }
            }
        }
    }
    (0..2).all(|probe| residual.col(probe).norm_l2() <= limit)
}

fn solve_by(f: &Mat<f64>, params: SelfAdjointEvdParams) -> Result<Eigen> {
    let m = f.nrows();
    let par = parts();
    let compute = ComputeEigenvectors::Yes;
    let mut buffer = MemBuffer::new(self_adjoint_evd_scratch::<f64>(m, compute, par, params.into()));
    let mut values = Diag::<f64>::zeros(m);
    let mut vectors = Mat::<f64>::zeros(m, m);
    self_adjoint_evd(
        f.as_ref(),
        values.as_mut(),
        Some(vectors.as_mut()),
        par,
        MemStack::new(&mut buffer),
        params.into(),
    )
    .map_err(|_| Error::Convergence("the eigensolver"))?;
    Ok(Eigen {
        values: values.column_vector().iter().rev().copied().collect(),
        vectors: vectors.reverse_cols().to_owned(),
    })
}

fn solve_values(mut f: Mat<f64>) -> Result<Vec<f64>> {
    let m = f.nrows();
    let par = parts();
    let mut buffer = MemBuffer::new(tridiag_in_place_scratch::<f64>(m, par, Default::default()));
    // The reflections are not wanted again, so they need not be gathered in blocks.
    let mut reflections = Mat::<f64>::zeros(1, m.saturating_sub(1));
    tridiag_in_place(f.as_mut(), reflections.as_mut(), par, MemStack::new(&mut buffer), Default::default());
    let beside: Vec<f64> = (1..m).map(|i| f[(i, i - 1)]).collect();
    tridiagonal::eigenvalues((0..m).map(|i| f[(i, i)]).collect(), &beside)
}

pub(super) fn parts() -> Par {
    spindle::SPIN_LIMIT.store(SPINS, Ordering::Relaxed);
    Par::rayon(PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    fn symmetric(m: usize) -> Mat<f64> {
        let mut state = 9;
        let x = Mat::from_fn(m + 3, m, |_, _| noise(&mut state));
        x.transpose() * &x
    }

    #[test]
    fn it_reconstructs_and_does_not_depend_on_threads() {
        for m in [1, 2, 7, 150, 400] {
            let f = symmetric(m);
            let one = self_adjoint(f.clone(), &Run::quiet(1).expect("threads")).expect("converges");
            let three = self_adjoint(f.clone(), &Run::quiet(3).expect("threads")).expect("converges");
            assert!(one == three, "m = {m}");
            assert!(one.values.windows(2).all(|pair| pair[0] >= pair[1]));
            let v = &one.vectors;
            let scaled = Mat::from_fn(m, m, |i, j| v[(i, j)] * one.values[j]);
            let scale = one.values[0] * m as f64;
            assert!((scaled * v.transpose() - &f).norm_max() < 1e-14 * scale);
            assert!((v.transpose() * v - Mat::<f64>::identity(m, m)).norm_max() < 1e-14 * m as f64);
            let alone = eigenvalues(f, &Run::quiet(2).expect("threads")).expect("converges");
            assert!(alone.iter().zip(&one.values).all(|(a, b)| (a - b).abs() < 1e-14 * scale));
        }
    }

    #[test]
    fn rows_of_very_different_sizes_are_decomposed_to_rounding() {
        let (m, mut state) = (200, 5);
        let x = Mat::from_fn(m, 2 * m, |i, _| noise(&mut state) * 10.0_f64.powf(6.0 * i as f64 / m as f64));
        let f = &x * x.transpose();
        let found = self_adjoint(f.clone(), &Run::quiet(2).expect("threads")).expect("converges");
        let scaled = Mat::from_fn(m, m, |i, j| found.vectors[(i, j)] * found.values[j]);
        assert!((scaled * found.vectors.transpose() - &f).norm_max() < 1e-13 * found.values[0]);
        let wrong =
            Eigen { values: found.values.iter().map(|v| v * (1.0 + 1e-9)).collect(), ..found.clone() };
        assert!(is_sound(f.as_ref(), &found) && !is_sound(f.as_ref(), &wrong));
    }

    #[test]
    fn bad_operators_are_refused() {
        let run = Run::quiet(1).expect("threads");
        let mut f = symmetric(3);
        f[(2, 1)] = f64::NAN;
        assert!(matches!(self_adjoint(f, &run), Err(Error::NonFinite { row: 2, column: 1, .. })));
        assert!(matches!(self_adjoint(Mat::zeros(2, 3), &run), Err(Error::Shape(_))));
    }

    #[test]
    fn a_cancelled_run_returns_at_once() {
        let run = Run::quiet(1).expect("threads");
        run.control().cancel();
        assert_eq!(self_adjoint(symmetric(5), &run), Err(Error::Interrupted));
    }
}
