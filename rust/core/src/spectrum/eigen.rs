//! The self-adjoint eigensolver: faer's, made cancellable and independent of the number of threads.

use super::tridiagonal;
use crate::error::{Error, Result};
use crate::run::{Run, retire};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Mat, Par};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Parts that the solver splits its work into. Its rounding depends on this number and not on how many
/// threads share the parts, so it is fixed; more than four parts gain nothing below m = 4096 on few cores.
const PARTS: usize = 4;

/// Rounds that the solver's threads spin at a barrier before they sleep. The default of 65536 costs whole time
/// slices wherever another process wants the cores; this costs nothing measurable on free ones.
const SPINS: u32 = 256;

/// How often a waiting caller looks whether the run was cancelled.
const PATIENCE: Duration = Duration::from_millis(20);

/// Eigenvalues, decreasing, and the eigenvectors as columns in the same order.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// Eigenvalues, decreasing.
    pub values: Vec<f64>,
    /// One orthonormal eigenvector a column.
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

fn solve(f: Mat<f64>) -> Result<Eigen> {
    let m = f.nrows();
    let par = parts();
    let compute = ComputeEigenvectors::Yes;
    let mut buffer = MemBuffer::new(self_adjoint_evd_scratch::<f64>(m, compute, par, Default::default()));
    let mut values = Diag::<f64>::zeros(m);
    let mut vectors = Mat::<f64>::zeros(m, m);
    self_adjoint_evd(
        f.as_ref(),
        values.as_mut(),
        Some(vectors.as_mut()),
        par,
        MemStack::new(&mut buffer),
        Default::default(),
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
