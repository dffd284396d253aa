//! `featuregeom_core::matching`.

use crate::arrays::Rows;
use crate::enter::{Threads, enter};
use crate::gram::index;
use featuregeom_core::gram::{Cross, Nearest as List};
use featuregeom_core::matching::{self, Matching, NearestOne};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// Partner of each left feature (-1 for none), and what no matching's sum exceeds.
type Matched<'py> = (Bound<'py, PyArray1<i64>>, f64);

/// The nearest other of each feature (-1 for none), and its cosine or absolute cosine.
type Nearest<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f64>>);

/// By cosine and by absolute cosine: both matchings, and the nearest of either side.
type Found<'py> = ([Matched<'py>; 2], [[Nearest<'py>; 2]; 2]);

/// Others of each feature and their strengths.
type Table<'py> = (PyReadonlyArray2<'py, u32>, PyReadonlyArray2<'py, f64>);

/// Nonzero features of a side, and their lists by cosine and by absolute cosine.
type Listed<'py> = (PyReadonlyArray1<'py, i64>, Table<'py>, Table<'py>);

fn nearest(py: Python<'_>, found: NearestOne) -> Nearest<'_> {
    let others = found.iter().map(|each| index(each.map(|(other, _)| other)));
    let others = PyArray1::from_iter(py, others);
    let strengths: Vec<f64> =
        found.into_iter().map(|each| each.map_or(f64::NAN, |(_, value)| value)).collect();
    (others, strengths.into_pyarray(py))
}

/// Match the rows of `x` with those of `y`: by cosine and by absolute cosine; nearest of both, of `x` and of `y`.
#[pyfunction]
#[pyo3(signature = (x, y, *, neighbours = 64, num_threads = None, progress = None))]
pub fn match_features<'py>(
    py: Python<'py>,
    x: Rows<'py>,
    y: Rows<'py>,
    neighbours: usize,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Found<'py>> {
    let (left, right) = (x.view()?, y.view()?);
    let found = enter(py, num_threads, progress.as_ref(), |run| {
        matching::match_features(&left, &right, neighbours, run)
    })?;
    Ok(given(py, found))
}

/// Match sets of `totals` features from their `lists` alone, as in `featuregeom_core::gram::Cross`: of each side its
/// nonzero features, the nearest others by cosine and the cosines, and the same by absolute cosine.
#[pyfunction]
#[pyo3(signature = (totals, lists, rounding, *, num_threads = None, progress = None))]
pub fn match_listed<'py>(
    py: Python<'py>,
    totals: [usize; 2],
    lists: [Listed<'py>; 2],
    rounding: f64,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Found<'py>> {
    let [left, right] = lists;
    let active = [&left.0, &right.0].map(|active| active.as_array().iter().map(|&i| i as usize).collect());
    let cross = Cross {
        active,
        signed: [list(&left.1)?, list(&right.1)?],
        absolute: [list(&left.2)?, list(&right.2)?],
        rounding,
    };
    let found = enter(py, num_threads, progress.as_ref(), |run| matching::match_listed(&cross, totals, run))?;
    Ok(given(py, found))
}

fn list((others, strengths): &Table<'_>) -> PyResult<List> {
    let (others, strengths) = (others.as_array(), strengths.as_array());
    if others.dim() != strengths.dim() {
        return Err(PyTypeError::new_err("expected as many cosines as features"));
    }
    Ok(List {
        keep: others.ncols(),
        others: others.iter().copied().collect(),
        strengths: strengths.iter().copied().collect(),
    })
}

fn given(py: Python<'_>, found: Matching) -> Found<'_> {
    let matched =
        found.matched.map(|each| (PyArray1::from_iter(py, each.partners.into_iter().map(index)), each.bound));
    (matched, found.nearest.map(|side| side.map(|kind| nearest(py, kind))))
}
