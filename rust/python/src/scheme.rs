//! `featuregeom_core::scheme`.

use crate::arrays::{Rows, row_major};
use crate::enter::{Threads, enter, enter_sized, raise};
use featuregeom_core::run::Run;
use featuregeom_core::scheme::{
    self, CheckOptions, Checked, Circulant, CosineLevels, Dense, Failure, Proof, Relations,
};
use featuregeom_core::{Element, Error};
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// The name of a failure and its numbers: classes, points, counts, in the order of the core's fields.
type Reason = (&'static str, Vec<i64>);

/// Failure or None, fibre class of each point, transposes, valencies, intersection numbers (r, r, r), error bound.
type CheckedArrays<'py> = (
    Option<Reason>,
    Bound<'py, PyArray1<u16>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray3<i64>>,
    f64,
);

/// A borrowed square array of labels, row-major.
pub enum Labels<'py> {
    U8(PyReadonlyArray2<'py, u8>),
    U16(PyReadonlyArray2<'py, u16>),
}

impl<'py> FromPyObject<'_, 'py> for Labels<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(array) = object.extract() {
            return Ok(Self::U8(array));
        }
        object
            .extract()
            .map(Self::U16)
            .map_err(|_| PyTypeError::new_err("expected a 2-D NumPy array of uint8 or uint16 labels"))
    }
}

fn int(value: usize) -> i64 {
    crate::gram::index(Some(value))
}

fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn reason(failure: &Failure) -> Reason {
    let flat = |pairs: [scheme::Pair; 2]| pairs.into_iter().flat_map(|(x, y)| [int(x), int(y)]);
    match *failure {
        Failure::Diagonal { class, point, pair } => {
            ("diagonal", [class, point, pair.0, pair.1].map(int).to_vec())
        }
        Failure::Fibres { class, pairs } => {
            ("fibres", std::iter::once(int(class)).chain(flat(pairs)).collect())
        }
        Failure::Valencies { class, rows, counts } => {
            let [x, y] = rows.map(int);
            let [a, b] = counts.map(count);
            ("valencies", vec![int(class), x, y, a, b])
        }
        Failure::Transpose { class, pairs, transposed } => {
            ("transpose", std::iter::once(int(class)).chain(flat(pairs)).chain(transposed.map(int)).collect())
        }
        Failure::Product { factors, class, pairs, counts } => (
            "product",
            factors.map(int).into_iter().chain([int(class)]).chain(flat(pairs)).chain(counts).collect(),
        ),
    }
}

fn checked<'py>(py: Python<'py>, found: Checked) -> PyResult<CheckedArrays<'py>> {
    let rank = found.transpose.len();
    Ok((
        found.failure.as_ref().map(reason),
        found.diagonal.into_pyarray(py),
        PyArray1::from_iter(py, found.transpose.into_iter().map(int)),
        PyArray1::from_iter(py, found.valencies.into_iter().map(count)),
        found.numbers.into_pyarray(py).reshape([rank, rank, rank])?,
        found.error_bound,
    ))
}

/// The options that a caller names. Below zero is as wrong as zero, which the core refuses.
fn options(exact: bool, rounds: i64, seed: u64) -> CheckOptions {
    let proof = if exact { Proof::Exact } else { Proof::Usual };
    CheckOptions { proof, rounds: usize::try_from(rounds).unwrap_or(0), seed }
}

/// Whether labels are a coherent configuration, and its numbers.
#[pyfunction]
#[pyo3(signature = (relations, *, exact = false, rounds = 2, seed = 0, num_threads = None, progress = None))]
pub fn scheme_check<'py>(
    py: Python<'py>,
    relations: Labels<'py>,
    exact: bool,
    rounds: i64,
    seed: u64,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<CheckedArrays<'py>> {
    fn go(
        py: Python<'_>,
        relations: Result<impl Relations + Send, Error>,
        options: &CheckOptions,
        num_threads: Option<Threads>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Checked> {
        let relations = relations.map_err(raise)?;
        let size = relations.n() * relations.n();
        enter_sized(py, size, num_threads, progress, |run| scheme::check(&relations, options, run))
    }
    let options = options(exact, rounds, seed);
    let found = match &relations {
        Labels::U8(array) => {
            go(py, Dense::new(row_major(array)?, array.shape()[0]), &options, num_threads, progress.as_ref())
        }
        Labels::U16(array) => {
            go(py, Dense::new(row_major(array)?, array.shape()[0]), &options, num_threads, progress.as_ref())
        }
    }?;
    checked(py, found)
}

/// Whether labels are an association scheme, by the certificate alone.
#[pyfunction]
#[pyo3(signature = (relations, *, seed = 0, num_threads = None))]
pub fn scheme_holds(
    py: Python<'_>,
    relations: Labels<'_>,
    seed: u64,
    num_threads: Option<Threads>,
) -> PyResult<bool> {
    fn go(
        py: Python<'_>,
        relations: Result<impl Relations + Send, Error>,
        seed: u64,
        num_threads: Option<Threads>,
    ) -> PyResult<bool> {
        let relations = relations.map_err(raise)?;
        let size = relations.n() * relations.n();
        enter_sized(py, size, num_threads, None, |run| scheme::is_scheme(&relations, seed, run))
    }
    match &relations {
        Labels::U8(array) => go(py, Dense::new(row_major(array)?, array.shape()[0]), seed, num_threads),
        Labels::U16(array) => go(py, Dense::new(row_major(array)?, array.shape()[0]), seed, num_threads),
    }
}

/// Labels of a closure, their number, how many of them are fibres, rounds.
type ClosureArrays<'py> = (Bound<'py, PyArray2<u32>>, usize, usize, usize);

/// The coherent closure; None where it has more than `most` classes.
#[pyfunction]
#[pyo3(signature = (relations, *, seed = 0, most = None, num_threads = None, progress = None))]
pub fn scheme_closure<'py>(
    py: Python<'py>,
    relations: PyReadonlyArray2<'py, u32>,
    seed: u64,
    most: Option<usize>,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Option<ClosureArrays<'py>>> {
    let (labels, n) = (row_major(&relations)?, relations.shape()[0]);
    let most = most.unwrap_or(usize::MAX);
    let work = |run: &Run| scheme::closure(labels, n, seed, most, run);
    let Some(found) = enter_sized(py, labels.len(), num_threads, progress.as_ref(), work)? else {
        return Ok(None);
    };
    let relations = found.labels.into_pyarray(py).reshape([n, n])?;
    Ok(Some((relations, found.rank, found.fibres, found.rounds)))
}

/// As `scheme_check`, of the relations whose label of (x, y) is that of y - x modulo n.
#[pyfunction]
#[pyo3(signature = (row, *, exact = false, rounds = 2, seed = 0, num_threads = None, progress = None))]
pub fn scheme_certify_circulant<'py>(
    py: Python<'py>,
    row: PyReadonlyArray1<'py, u16>,
    exact: bool,
    rounds: i64,
    seed: u64,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<CheckedArrays<'py>> {
    let options = options(exact, rounds, seed);
    let relations = Circulant::new(row.as_slice()?).map_err(raise)?;
    let found = enter(py, num_threads, progress.as_ref(), |run| scheme::check(&relations, &options, run))?;
    checked(py, found)
}

/// As `scheme_check`, of the levels that thresholds cut from the cosines of features.
#[pyfunction]
#[pyo3(signature = (x, thresholds, *, exact = false, rounds = 2, seed = 0, num_threads = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "Python's keywords")]
pub fn scheme_certify_features<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    thresholds: PyReadonlyArray1<'py, f64>,
    exact: bool,
    rounds: i64,
    seed: u64,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<CheckedArrays<'py>> {
    let options = options(exact, rounds, seed);
    let (view, thresholds) = (x.view()?, thresholds.as_slice()?);
    let found = enter(py, num_threads, progress.as_ref(), |run| match view.element() {
        Element::F64 => scheme::check(&CosineLevels::<f64>::new(&view, thresholds, run)?, &options, run),
        _ => scheme::check(&CosineLevels::<f32>::new(&view, thresholds, run)?, &options, run),
    })?;
    checked(py, found)
}

/// Counts, means, sums of squared deviations, smallest and largest cosine of each level, and pairs (p, 2) alike.
type SpreadArrays<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<i64>>);

/// How the cosines of features lie in the levels that thresholds cut, and which features are alike.
#[pyfunction]
#[pyo3(signature = (x, thresholds, *, alike, num_threads = None, progress = None))]
pub fn scheme_spread<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    thresholds: PyReadonlyArray1<'py, f64>,
    alike: f64,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<SpreadArrays<'py>> {
    let (view, thresholds) = (x.view()?, thresholds.as_slice()?);
    let found = enter(py, num_threads, progress.as_ref(), |run| match view.element() {
        Element::F64 => scheme::spread(&CosineLevels::<f64>::new(&view, thresholds, run)?, alike, run),
        _ => scheme::spread(&CosineLevels::<f32>::new(&view, thresholds, run)?, alike, run),
    })?;
    let numbers = found.levels.iter().flat_map(|level| [level.mean, level.squares, level.least, level.most]);
    let pairs = found.alike.iter().flat_map(|&(x, y)| [int(x), int(y)]);
    Ok((
        PyArray1::from_iter(py, found.levels.iter().map(|level| count(level.count))),
        PyArray1::from_iter(py, numbers).reshape([found.levels.len(), 4])?,
        PyArray1::from_iter(py, pairs).reshape([found.alike.len(), 2])?,
    ))
}

/// Offsets of levels, levels, valencies, signature of each block (-1 for no scheme), first block of each signature.
type BlockArrays<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
);

/// Schemes on the levels of the cosines within blocks of at most 64 features.
#[pyfunction]
#[pyo3(signature = (x, members, offsets, *, tolerance = 1e-6, num_threads = None, progress = None))]
pub fn scheme_blocks<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    members: PyReadonlyArray1<'py, i64>,
    offsets: PyReadonlyArray1<'py, i64>,
    tolerance: f64,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<BlockArrays<'py>> {
    // Below zero is as wrong as beyond the last feature, which the core refuses.
    let indices = |array: &PyReadonlyArray1<'py, i64>| -> PyResult<Vec<usize>> {
        Ok(array.as_slice()?.iter().map(|&index| usize::try_from(index).unwrap_or(usize::MAX)).collect())
    };
    let (view, members, offsets) = (x.view()?, indices(&members)?, indices(&offsets)?);
    let found = enter(py, num_threads, progress.as_ref(), |run| {
        scheme::blocks(&view, &members, &offsets, tolerance, run)
    })?;
    let ints = |values: Vec<usize>| PyArray1::from_iter(py, values.into_iter().map(int));
    Ok((
        ints(found.offsets),
        found.levels.into_pyarray(py),
        ints(found.valencies),
        PyArray1::from_iter(py, found.signatures.into_iter().map(crate::gram::index)),
        ints(found.representatives),
    ))
}
