//! `featuregeom_core::families`.

use crate::arrays::row_major;
use crate::enter::{Threads, enter};
use crate::gram::index;
use featuregeom_core::families::{self, Limits};
use featuregeom_core::run::fits;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// Order of the features, then of each node its start there, size, birth, death and parent (-1 for none).
type Tree<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<i64>>,
);

/// Single linkage of the neighbours (-1 for none) that each row lists.
#[pyfunction]
#[pyo3(signature = (neighbours, strengths, *, least, most, ratio, num_threads = None))]
pub fn dendrogram<'py>(
    py: Python<'py>,
    neighbours: PyReadonlyArray2<'py, i64>,
    strengths: PyReadonlyArray2<'py, f64>,
    least: usize,
    most: usize,
    ratio: f64,
    num_threads: Option<Threads>,
) -> PyResult<Tree<'py>> {
    let limits = Limits { least, most, ratio };
    let n = neighbours.shape()[0];
    let (listed, strengths) = (row_major(&neighbours)?, row_major(&strengths)?);
    let found = enter(py, num_threads, None, |run| {
        fits(&[[listed.len(), 1, 16]])?;
        let listed: Vec<Option<usize>> = listed.iter().map(|&other| usize::try_from(other).ok()).collect();
        families::dendrogram(n, &listed, strengths, &limits, run)
    })?;
    let indices =
        |values: Vec<usize>| PyArray1::from_iter(py, values.into_iter().map(|value| index(Some(value))));
    Ok((
        indices(found.order),
        indices(found.starts),
        indices(found.sizes),
        found.births.into_pyarray(py),
        found.deaths.into_pyarray(py),
        PyArray1::from_iter(py, found.parents.into_iter().map(index)),
    ))
}
