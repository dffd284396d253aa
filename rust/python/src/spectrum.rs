//! `featuregeom_core::spectrum`.

use crate::arrays::{Rows, matrix, to_array};
use crate::enter::{Threads, enter, raise};
use crate::gram::{index, precision};
use faer::Mat;
use featuregeom_core::Error;
use featuregeom_core::run::fits;
use featuregeom_core::spectrum::{self, Basis, FeatureMeasure};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

/// Eigenvalues and eigenvectors.
type Decomposed<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray2<f64>>);

/// Eigenvalues, decreasing, and eigenvectors as columns of a symmetric matrix, whose lower triangle is read.
#[pyfunction]
#[pyo3(signature = (f, *, num_threads = None))]
pub fn eigh<'py>(
    py: Python<'py>,
    f: PyReadonlyArray2<'py, f64>,
    num_threads: Option<Threads>,
) -> PyResult<Decomposed<'py>> {
    let owned = owned(&f)?;
    let eigen = enter(py, num_threads, None, |run| spectrum::self_adjoint(owned, run))?;
    Ok((eigen.values.into_pyarray(py), to_array(py, &eigen.vectors)?))
}

/// A copy for the solver to work in.
fn owned(f: &PyReadonlyArray2<'_, f64>) -> PyResult<Mat<f64>> {
    let f = matrix(f)?;
    fits(&[[f.nrows(), f.ncols(), 48]]).map_err(raise)?;
    Ok(f.to_owned())
}

/// Eigenvalues alone, decreasing.
#[pyfunction]
#[pyo3(signature = (f, *, num_threads = None))]
pub fn eigvalsh<'py>(
    py: Python<'py>,
    f: PyReadonlyArray2<'py, f64>,
    num_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let owned = owned(&f)?;
    Ok(enter(py, num_threads, None, |run| spectrum::eigenvalues(owned, run))?.into_pyarray(py))
}

/// Borders, tolerance that gives them if there is one, and rows of (lower, upper, diameter, count).
type Grouped<'py> = (Bound<'py, PyArray1<i64>>, Option<f64>, Vec<(f64, f64, f64, usize)>);

/// Group positive, decreasing eigenvalues into eigenspaces.
#[pyfunction]
#[pyo3(signature = (values, *, noise = 0.0, tolerance = None))]
pub fn eigenspaces<'py>(
    py: Python<'py>,
    values: PyReadonlyArray1<'py, f64>,
    noise: f64,
    tolerance: Option<f64>,
) -> PyResult<Grouped<'py>> {
    let values: Vec<f64> = values.as_array().iter().copied().collect();
    let found = enter(py, Threads::ONE, None, |_| spectrum::eigenspaces(&values, noise, tolerance))?;
    let table = found.table.iter().map(|step| (step.lower, step.upper, step.diameter, step.count)).collect();
    let starts = PyArray1::from_iter(py, found.starts.into_iter().map(|start| index(Some(start))));
    Ok((starts, found.tolerance, table))
}

/// Capacity of every row, without an eigendecomposition.
#[pyfunction]
#[pyo3(signature = (x, *, precision = "double", num_threads = None, progress = None))]
pub fn capacities<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    precision: &str,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (view, precision) = (x.view()?, self::precision(precision)?);
    let found = enter(py, num_threads, progress.as_ref(), |run| spectrum::capacities(&view, precision, run))?;
    Ok(found.into_pyarray(py))
}

/// Kappa of some rows by the definition, from their products with all rows. The rows are positions below n.
#[pyfunction]
#[pyo3(signature = (x, chosen, trace, *, num_threads = None))]
pub fn kappas<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    chosen: PyReadonlyArray1<'py, i64>,
    trace: f64,
    num_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let view = x.view()?;
    let chosen = chosen
        .as_array()
        .iter()
        .map(|&row| usize::try_from(row).ok().filter(|&row| row < view.n()))
        .collect::<Option<Vec<usize>>>()
        .ok_or_else(|| raise(Error::Shape(format!("chosen rows must be positions below {}", view.n()))))?;
    let found = enter(py, num_threads, None, |run| spectrum::kappas(&view, &chosen, trace, run))?;
    Ok(found.into_pyarray(py))
}

/// Squared norm, kappa, capacity, leverage, slack, cv, max_mass, ipr, entropy (one row each, (9, n)), top
/// eigenspace, and the masses (n, eigenspaces) on demand.
type Measured<'py> =
    (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<i64>>, Option<Bound<'py, PyArray2<f64>>>);

/// Coordinates of the rows along the eigenvectors of their frame operator, from their Gram matrix and its eigenvectors.
#[pyfunction]
#[pyo3(signature = (gram, vectors, *, num_threads = None))]
pub fn coordinates<'py>(
    py: Python<'py>,
    gram: PyReadonlyArray2<'py, f64>,
    vectors: PyReadonlyArray2<'py, f64>,
    num_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let (gram, vectors) = (matrix(&gram)?, matrix(&vectors)?);
    let found = enter(py, num_threads, None, |run| spectrum::coordinates(gram, vectors, run))?;
    to_array(py, &found)
}

/// The borders of eigenspaces.
fn borders(starts: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<usize>> {
    let starts = starts.as_array();
    let below = |_| raise(Error::Shape("eigenspaces must not begin below zero".into()));
    starts.iter().map(|&start| usize::try_from(start)).collect::<Result<_, _>>().map_err(below)
}

/// The share of every row's squared norm in each eigenspace, and in ``null`` more dimensions where there are any, over
/// the root of its dimension.
#[pyfunction]
#[pyo3(signature = (x, vectors, starts, *, null = 0, num_threads = None))]
pub fn shares<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    vectors: PyReadonlyArray2<'py, f64>,
    starts: PyReadonlyArray1<'py, i64>,
    null: usize,
    num_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let (view, starts, vectors) = (x.view()?, borders(&starts)?, matrix(&vectors)?);
    let found = enter(py, num_threads, None, |run| spectrum::shares(&view, vectors, &starts, null, run))?;
    found.into_pyarray(py).reshape([view.n(), starts.len() - 1 + usize::from(null > 0)])
}

/// Measure every row against eigenspaces of a frame operator, by its eigenvectors or, with ``along``, by those of the
/// Gram matrix and the rows' coordinates.
#[pyfunction]
#[pyo3(signature = (x, values, vectors, starts, *, along = None, masses = false, num_threads = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "the parts of a spectrum, then options")]
pub fn measures<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    values: PyReadonlyArray1<'py, f64>,
    vectors: PyReadonlyArray2<'py, f64>,
    starts: PyReadonlyArray1<'py, i64>,
    along: Option<PyReadonlyArray2<'py, f64>>,
    masses: bool,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Measured<'py>> {
    let view = x.view()?;
    let values: Vec<f64> = values.as_array().iter().copied().collect();
    let (starts, vectors) = (borders(&starts)?, matrix(&vectors)?);
    let basis = match &along {
        Some(along) => Basis::Gram { vectors, along: matrix(along)? },
        None => Basis::Frame(vectors),
    };
    let found = enter(py, num_threads, progress.as_ref(), |run| {
        spectrum::measures(&view, &values, basis, &starts, masses, run)
    })?;
    let columns: [fn(&FeatureMeasure) -> f64; 9] = [
        |feature| feature.squared_norm,
        |feature| feature.kappa,
        |feature| feature.capacity,
        |feature| feature.leverage,
        |feature| feature.slack,
        |feature| feature.cv,
        |feature| feature.max_mass,
        |feature| feature.ipr,
        |feature| feature.entropy,
    ];
    let table: Vec<f64> = columns.iter().flat_map(|column| found.features.iter().map(column)).collect();
    let top = PyArray1::from_iter(py, found.features.iter().map(|feature| index(feature.eigenspace)));
    let masses = match found.masses {
        Some(masses) => Some(masses.into_pyarray(py).reshape([view.n(), starts.len() - 1])?),
        None => None,
    };
    Ok((table.into_pyarray(py).reshape([columns.len(), view.n()])?, top, masses))
}
