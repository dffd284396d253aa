//! `featuregeom_core::gram`.

use crate::arrays::{Rows, to_array};
use crate::enter::{Threads, enter, enter_sized, raise};
use featuregeom_core::gram::{self, Kept, Measured, NullOptions, Precision, SweepOptions};
use featuregeom_core::run::fits;
use featuregeom_core::{Element, Error};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

/// The precision that a caller names.
pub fn precision(name: &str) -> PyResult<Precision> {
    match name {
        "double" => Ok(Precision::Double),
        "single" => Ok(Precision::Single),
        _ => Err(raise(Error::Parameter(format!("precision must be 'double' or 'single', not '{name}'")))),
    }
}

/// An index for NumPy, -1 for none.
pub fn index(value: Option<usize>) -> i64 {
    value.and_then(|value| i64::try_from(value).ok()).unwrap_or(-1)
}

/// ``X^T X`` as an (m, m) array.
#[pyfunction]
#[pyo3(signature = (x, *, precision = "double", num_threads = None, progress = None))]
pub fn frame_operator<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    precision: &str,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let (view, precision) = (x.view()?, self::precision(precision)?);
    let f = enter(py, num_threads, progress.as_ref(), |run| gram::frame_operator(&view, precision, run))?;
    to_array(py, &f)
}

/// Squared norms of the rows. With ``features`` a row that is too small to have one is refused, by its number.
#[pyfunction]
#[pyo3(signature = (x, *, features = true, num_threads = None))]
pub fn squared_norms<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    features: bool,
    num_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let view = x.view()?;
    let form = if features { gram::squared_norms } else { gram::squared_lengths };
    Ok(enter_sized(py, view.n() * view.m(), num_threads, None, |run| form(&view, run))?.into_pyarray(py))
}

/// Cosine of row ``i`` of ``x`` and row ``j`` of ``other`` for each pair.
#[pyfunction]
#[pyo3(signature = (x, other, i, j, *, num_threads = None))]
pub fn listed_cosines<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    other: Rows<'py>,
    i: PyReadonlyArray1<'py, i64>,
    j: PyReadonlyArray1<'py, i64>,
    num_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let views = [x.view()?, other.view()?];
    // Below zero is as wrong as past the end, which the core refuses.
    let place = |index: &i64| usize::try_from(*index).unwrap_or(usize::MAX);
    let (i, j) = (i.as_array(), j.as_array());
    fits(&[[i.len(), 2, 8]]).map_err(raise)?;
    let pairs: Vec<[usize; 2]> = i.iter().zip(&j).map(|(i, j)| [place(i), place(j)]).collect();
    let found =
        enter(py, num_threads, None, |run| gram::listed_cosines([&views[0], &views[1]], &pairs, run))?;
    Ok(found.into_pyarray(py))
}

/// Raise NonFiniteError at the first NaN or infinity.
#[pyfunction]
#[pyo3(signature = (x, *, num_threads = None))]
pub fn check_finite(py: Python<'_>, x: Rows<'_>, num_threads: Option<Threads>) -> PyResult<()> {
    let view = x.view()?;
    let size = view.n() * view.m();
    enter_sized(py, size, num_threads, None, |run| gram::first_nonfinite(&view, run)?.map_or(Ok(()), Err))
}

/// Indices of the rows that hold NaN or infinity.
#[pyfunction]
#[pyo3(signature = (x, *, num_threads = None))]
pub fn nonfinite_rows<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    num_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let view = x.view()?;
    let rows = enter(py, num_threads, None, |run| gram::nonfinite_rows(&view, run))?;
    Ok(PyArray1::from_iter(py, rows.into_iter().map(|row| index(Some(row)))))
}

/// Neighbours (n, k), their cosines (n, k), histogram, coherence (NaN for none), block of each feature, number
/// of blocks, threshold, whether it lies in a gap (None if given), ladder of (threshold, blocks), element type of the products.
type Swept<'py> = (
    Bound<'py, PyArray2<i64>>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray1<u64>>,
    f64,
    Bound<'py, PyArray1<i64>>,
    usize,
    f64,
    Option<bool>,
    Vec<(f64, usize)>,
    &'static str,
);

/// One pass over all pairs of rows.
#[pyfunction]
#[pyo3(signature = (x, *, neighbours = 1, bins = 199, threshold = None, num_threads = None, progress = None))]
pub fn sweep<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    neighbours: i64,
    bins: i64,
    threshold: Option<f64>,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Swept<'py>> {
    let view = x.view()?;
    // Below zero is as wrong as zero, which the core refuses.
    let [neighbours, bins] = [neighbours, bins].map(|count| usize::try_from(count).unwrap_or(0));
    let options = SweepOptions { neighbours, bins, threshold };
    let found = enter(py, num_threads, progress.as_ref(), |run| gram::sweep(&view, &options, run))?;
    let shape = [view.n(), neighbours];
    let indices: Vec<i64> = found.neighbours.into_iter().map(index).collect();
    Ok((
        indices.into_pyarray(py).reshape(shape)?,
        found.cosines.into_pyarray(py).reshape(shape)?,
        found.histogram.into_pyarray(py),
        found.coherence.unwrap_or(f64::NAN),
        PyArray1::from_iter(py, found.blocks.labels.into_iter().map(index)),
        found.blocks.count,
        found.blocks.threshold,
        found.blocks.gap,
        found.blocks.ladder,
        if found.element == Element::F64 { "float64" } else { "float32" },
    ))
}

/// Neighbours, cosines, z and bins of the features of one side, each (n, slots).
type KeptArrays<'py> = (
    Bound<'py, PyArray2<i64>>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray2<i64>>,
);

fn kept_arrays<'py>(py: Python<'py>, kept: Kept, slots: usize) -> PyResult<KeptArrays<'py>> {
    let shape = [kept.neighbours.len().checked_div(slots).unwrap_or(0), slots];
    let neighbours: Vec<i64> = kept.neighbours.into_iter().map(index).collect();
    Ok((
        neighbours.into_pyarray(py).reshape(shape)?,
        kept.cosines.into_pyarray(py).reshape(shape)?,
        kept.scores.into_pyarray(py).reshape(shape)?,
        kept.bins.into_pyarray(py).reshape(shape)?,
    ))
}

/// Histogram of signed z^2, its steps for each unit, its largest z^2, and what was kept of each set.
type NullSwept<'py> = (Bound<'py, PyArray1<u64>>, usize, usize, Vec<KeptArrays<'py>>);

/// One pass over all pairs of rows, or of rows of two sets, against the measure null.
#[pyfunction]
#[pyo3(signature = (x, shares, other = None, other_shares = None, *, by_score, by_cosine, least, num_threads = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "keywords of Python")]
pub fn null_sweep<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    shares: Rows<'py>,
    other: Option<Rows<'py>>,
    other_shares: Option<Rows<'py>>,
    by_score: usize,
    by_cosine: usize,
    least: f64,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<NullSwept<'py>> {
    let left = Measured { features: x.view()?, shares: shares.view()? };
    let right = match (&other, &other_shares) {
        (Some(features), Some(shares)) => {
            Some(Measured { features: features.view()?, shares: shares.view()? })
        }
        _ => None,
    };
    let options = NullOptions { by_score, by_cosine, least };
    let found =
        enter(py, num_threads, progress.as_ref(), |run| gram::null_sweep(left, right, &options, run))?;
    let kept = found.kept.into_iter().map(|kept| kept_arrays(py, kept, options.slots()));
    Ok((found.histogram.into_pyarray(py), gram::STEPS, gram::MOST, kept.collect::<PyResult<_>>()?))
}
