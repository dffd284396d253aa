//! `featuregeom_core::matching`.

use crate::arrays::Rows;
use crate::enter::{Threads, enter};
use crate::gram::index;
use featuregeom_core::matching::{self, NearestOne};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

/// Partner of each left feature (-1 for none), and what no matching's sum exceeds.
type Matched<'py> = (Bound<'py, PyArray1<i64>>, f64);

/// The nearest other of each feature (-1 for none), and its cosine or absolute cosine.
type Nearest<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f64>>);

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
) -> PyResult<([Matched<'py>; 2], [[Nearest<'py>; 2]; 2])> {
    let (left, right) = (x.view()?, y.view()?);
    let found = enter(py, num_threads, progress.as_ref(), |run| {
        matching::match_features(&left, &right, neighbours, run)
    })?;
    let matched =
        found.matched.map(|each| (PyArray1::from_iter(py, each.partners.into_iter().map(index)), each.bound));
    Ok((matched, found.nearest.map(|side| side.map(|kind| nearest(py, kind)))))
}
