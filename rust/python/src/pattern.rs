//! `featuregeom_core::pattern`.

use crate::arrays::{Rows, row_major};
use crate::enter::{Threads, enter, raise};
use featuregeom_core::Error;
use featuregeom_core::pattern::{self, CodeRows};
use featuregeom_core::run::fits;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A borrowed C-ordered array of words as rows of `n_bits` bits.
fn rows<'a>(words: &'a PyReadonlyArray2<'_, u64>, n_bits: usize) -> PyResult<CodeRows<'a>> {
    CodeRows::new(row_major(words)?, words.shape()[0], n_bits).map_err(raise)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn table<'py, T: numpy::Element>(
    py: Python<'py>,
    values: Vec<T>,
    shape: [usize; 2],
) -> PyResult<Bound<'py, PyArray2<T>>> {
    values.into_pyarray(py).reshape(shape)
}

fn copied<'py>(py: Python<'py>, values: &[u64]) -> PyResult<Bound<'py, PyArray1<u64>>> {
    fits(&[[values.len(), 1, 8]]).map_err(raise)?;
    Ok(PyArray1::from_slice(py, values))
}

/// Words (n, w), values that are not finite, row and column of the first (or None), ambiguous values.
type Packed<'py> = (Bound<'py, PyArray2<u64>>, u64, Option<(usize, usize)>, u64);

/// One bit for each value, set where it is above zero.
#[pyfunction]
#[pyo3(signature = (x, *, tolerance = None, num_threads = None, progress = None))]
pub fn pack_codes<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    tolerance: Option<f64>,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Packed<'py>> {
    let view = x.view()?;
    let found = enter(py, num_threads, progress.as_ref(), |run| pattern::pack(&view, tolerance, run))?;
    let words = table(py, found.words, [view.n(), view.m().div_ceil(64)])?;
    Ok((words, found.nonfinite, found.first_nonfinite, found.ambiguous))
}

/// Chained fingerprints (n, layers, 2) of the prefixes of each row, low half first.
#[pyfunction]
pub fn code_fingerprints<'py>(
    py: Python<'py>,
    words: PyReadonlyArray2<'py, u64>,
    n_bits: usize,
    boundaries: Vec<usize>,
) -> PyResult<Bound<'py, PyArray2<u64>>> {
    let codes = rows(&words, n_bits)?;
    if boundaries.last() != Some(&n_bits) || !boundaries.is_sorted() {
        return Err(raise(Error::Parameter(format!("layers must end at increasing bits up to {n_bits}"))));
    }
    let halves = enter(py, Threads::ONE, None, |run| {
        let mut halves = Vec::with_capacity(codes.n() * boundaries.len() * 2);
        for row in 0..codes.n() {
            run.control().check()?;
            for print in pattern::prefixes(codes.row(row), &boundaries) {
                halves.extend([print as u64, (print >> 64) as u64]);
            }
        }
        Ok(halves)
    })?;
    table(py, halves, [codes.n(), boundaries.len() * 2])
}

/// Exact counts of distinct rows.
#[pyclass(module = "featuregeom._core", frozen)]
pub struct PatternCounter {
    inner: Mutex<pattern::CodeCounter>,
}

#[pymethods]
impl PatternCounter {
    #[new]
    #[pyo3(signature = (n_bits, start = 0, fingerprint_bits = 128))]
    fn new(n_bits: usize, start: u64, fingerprint_bits: u32) -> PyResult<Self> {
        let inner = pattern::CodeCounter::new(n_bits, start, fingerprint_bits).map_err(raise)?;
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// A counter from the parts of one that was saved.
    #[staticmethod]
    fn from_parts(
        py: Python<'_>,
        words: PyReadonlyArray2<'_, u64>,
        n_bits: usize,
        counts: PyReadonlyArray1<'_, u64>,
        first: PyReadonlyArray1<'_, u64>,
        next_row: u64,
        fingerprint_bits: u32,
    ) -> PyResult<Self> {
        let codes = rows(&words, n_bits)?;
        fits(&[[counts.len(), 2, 8]]).map_err(raise)?;
        let (counts, first) = (counts.as_array().to_vec(), first.as_array().to_vec());
        let inner = enter(py, Threads::ONE, None, |_| {
            pattern::CodeCounter::from_parts(codes, &counts, &first, next_row, fingerprint_bits)
        })?;
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// Count rows; gives the position of each among the distinct ones.
    #[pyo3(signature = (words, n_bits, *, num_threads = None, progress = None))]
    fn update<'py>(
        &self,
        py: Python<'py>,
        words: PyReadonlyArray2<'py, u64>,
        n_bits: usize,
        num_threads: Option<Threads>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<u64>>> {
        let codes = rows(&words, n_bits)?;
        let inverse = enter(py, num_threads, progress.as_ref(), |run| lock(&self.inner).update(&codes, run))?;
        Ok(inverse.into_pyarray(py))
    }

    /// Add the counts of another counter.
    fn merge(&self, py: Python<'_>, other: &Self) -> PyResult<()> {
        // A copy, so that no two counters are ever locked at once.
        enter(py, Threads::ONE, None, |run| {
            let held = lock(&other.inner);
            fits(&held.held())?;
            let other = held.clone();
            drop(held);
            lock(&self.inner).merge(&other, run)
        })
    }

    /// Distinct rows of each layer alone, and of each prefix.
    #[expect(clippy::type_complexity, reason = "two arrays")]
    fn layers<'py>(
        &self,
        py: Python<'py>,
        boundaries: Vec<usize>,
    ) -> PyResult<(Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u64>>)> {
        let (alone, prefixes) =
            enter(py, Threads::ONE, None, |run| lock(&self.inner).layers(&boundaries, run))?;
        Ok((alone.into_pyarray(py), prefixes.into_pyarray(py)))
    }

    /// Distinct rows (d, w).
    fn words<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<u64>>> {
        let inner = lock(&self.inner);
        fits(&[[inner.words().len(), 1, 8]]).map_err(raise)?;
        table(py, inner.words().to_vec(), [inner.counts().len(), inner.n_bits().div_ceil(64)])
    }

    /// How often each was seen.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u64>>> {
        copied(py, lock(&self.inner).counts())
    }

    /// Index of the first of each.
    fn first<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u64>>> {
        copied(py, lock(&self.inner).first())
    }

    /// Rows, distinct rows, index of the next row, collisions.
    fn totals(&self) -> (u64, usize, u64, u64) {
        let inner = lock(&self.inner);
        (inner.rows(), inner.counts().len(), inner.next(), inner.collisions())
    }
}

/// A sketch of how many rows are distinct.
#[pyclass(module = "featuregeom._core", frozen)]
pub struct PatternSketch {
    inner: Mutex<pattern::Sketch>,
}

#[pymethods]
impl PatternSketch {
    #[new]
    fn new(n_bits: usize, precision: u8) -> PyResult<Self> {
        Ok(Self { inner: Mutex::new(pattern::Sketch::new(n_bits, precision).map_err(raise)?) })
    }

    /// Take in rows.
    fn update(&self, py: Python<'_>, words: PyReadonlyArray2<'_, u64>, n_bits: usize) -> PyResult<()> {
        let codes = rows(&words, n_bits)?;
        enter(py, Threads::ONE, None, |run| lock(&self.inner).update(&codes, run))
    }

    /// Take in another sketch.
    fn merge(&self, other: &Self) -> PyResult<()> {
        let other = lock(&other.inner).clone();
        lock(&self.inner).merge(&other).map_err(raise)
    }

    /// Estimate, and bounds of two standard errors.
    fn estimate(&self) -> [f64; 3] {
        lock(&self.inner).estimate()
    }
}

/// Distances (q, k) and indices (q, k) of the nearest rows.
#[pyfunction]
#[pyo3(signature = (train, queries, n_bits, k, *, num_threads = None, progress = None))]
#[expect(clippy::type_complexity, reason = "two arrays")]
pub fn hamming_knn<'py>(
    py: Python<'py>,
    train: PyReadonlyArray2<'py, u64>,
    queries: PyReadonlyArray2<'py, u64>,
    n_bits: usize,
    k: usize,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyArray2<u32>>, Bound<'py, PyArray2<u64>>)> {
    let (train, queries) = (rows(&train, n_bits)?, rows(&queries, n_bits)?);
    let found = enter(py, num_threads, progress.as_ref(), |run| pattern::nearest(&train, &queries, k, run))?;
    let shape = [queries.n(), k];
    Ok((table(py, found.distances, shape)?, table(py, found.indices, shape)?))
}

/// Indices (q, k) of the nearest rows, and of the farthest.
#[pyfunction]
#[pyo3(signature = (train, queries, n_bits, k, *, num_threads = None))]
#[expect(clippy::type_complexity, reason = "two arrays")]
pub fn hamming_ends<'py>(
    py: Python<'py>,
    train: PyReadonlyArray2<'py, u64>,
    queries: PyReadonlyArray2<'py, u64>,
    n_bits: usize,
    k: usize,
    num_threads: Option<Threads>,
) -> PyResult<(Bound<'py, PyArray2<u64>>, Bound<'py, PyArray2<u64>>)> {
    let (train, queries) = (rows(&train, n_bits)?, rows(&queries, n_bits)?);
    let [near, far] = enter(py, num_threads, None, |run| pattern::ends(&train, &queries, k, run))?;
    let shape = [queries.n(), k];
    Ok((table(py, near.indices, shape)?, table(py, far.indices, shape)?))
}

/// The label of most of the nearest rows.
#[pyfunction]
#[pyo3(signature = (train, labels, queries, n_bits, k, *, num_threads = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "as Python sees it")]
pub fn hamming_vote<'py>(
    py: Python<'py>,
    train: PyReadonlyArray2<'py, u64>,
    labels: PyReadonlyArray1<'py, i64>,
    queries: PyReadonlyArray2<'py, u64>,
    n_bits: usize,
    k: usize,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let (train, queries) = (rows(&train, n_bits)?, rows(&queries, n_bits)?);
    fits(&[[labels.len(), 1, 8]]).map_err(raise)?;
    let labels = labels.as_array().to_vec();
    let found =
        enter(py, num_threads, progress.as_ref(), |run| pattern::vote(&train, &labels, &queries, k, run))?;
    Ok(found.into_pyarray(py))
}

/// Rows within each radius of each query (q, r).
#[pyfunction]
#[pyo3(signature = (train, queries, n_bits, radii, *, num_threads = None))]
pub fn hamming_range_counts<'py>(
    py: Python<'py>,
    train: PyReadonlyArray2<'py, u64>,
    queries: PyReadonlyArray2<'py, u64>,
    n_bits: usize,
    radii: Vec<u32>,
    num_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyArray2<u64>>> {
    let (train, queries) = (rows(&train, n_bits)?, rows(&queries, n_bits)?);
    let found = enter(py, num_threads, None, |run| pattern::range_counts(&train, &queries, &radii, run))?;
    table(py, found, [queries.n(), radii.len()])
}

/// All distances (q, n).
#[pyfunction]
#[pyo3(signature = (train, queries, n_bits, *, num_threads = None))]
pub fn hamming_distances<'py>(
    py: Python<'py>,
    train: PyReadonlyArray2<'py, u64>,
    queries: PyReadonlyArray2<'py, u64>,
    n_bits: usize,
    num_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyArray2<u32>>> {
    let (train, queries) = (rows(&train, n_bits)?, rows(&queries, n_bits)?);
    let found = enter(py, num_threads, None, |run| pattern::distances(&train, &queries, run))?;
    table(py, found, [queries.n(), train.n()])
}

/// Centres (k, w), labels, cost, rounds, whether it converged.
type Clustered<'py> = (Bound<'py, PyArray2<u64>>, Bound<'py, PyArray1<u64>>, u64, usize, bool);

/// Clusters about the majority of their bits.
#[pyfunction]
#[pyo3(signature = (words, n_bits, k, *, rounds, seed, num_threads = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "as Python sees it")]
pub fn k_majority<'py>(
    py: Python<'py>,
    words: PyReadonlyArray2<'py, u64>,
    n_bits: usize,
    k: usize,
    rounds: usize,
    seed: u64,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Clustered<'py>> {
    let codes = rows(&words, n_bits)?;
    let found =
        enter(py, num_threads, progress.as_ref(), |run| pattern::k_majority(&codes, k, rounds, seed, run))?;
    let centres = table(py, found.centres, [k, codes.width()])?;
    Ok((centres, found.labels.into_pyarray(py), found.cost, found.rounds, found.converged))
}
