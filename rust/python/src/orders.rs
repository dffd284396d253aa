//! `featuregeom_core::orders`.

use crate::arrays::row_major;
use crate::enter::{Threads, enter, raise};
use crate::gram::index;
use featuregeom_core::orders::{Options, PointSet, found, overlaid, shape_p_values};
use featuregeom_core::run::fits;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Principal coordinates, their mean, the squared length of the rest of the mean, the least cosine of neighbours.
type Given<'py> = (PyReadonlyArray2<'py, f64>, PyReadonlyArray1<'py, f64>, f64, f64);

/// Correlations with cycle, path and partition, the points along cycle and path, p of circle, circle in a ball, strict circle, line.
type Tested<'py> = ([f64; 3], Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, [f64; 4]);

/// The best orders of sets of points, and how random sets of the same spectrum compare. Set i is variant `i % variants`
/// of family `i / variants`.
#[pyfunction]
#[pyo3(signature = (sets, *, variants, draws, hits, ball_below, ball_draws, strict_draws, guard, line, seed, num_threads = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "named in Python")]
pub fn order_tests<'py>(
    py: Python<'py>,
    sets: Vec<Given<'py>>,
    variants: u64,
    draws: u64,
    hits: u64,
    ball_below: f64,
    ball_draws: u64,
    strict_draws: u64,
    guard: bool,
    line: bool,
    seed: u64,
    num_threads: Option<Threads>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Vec<Tested<'py>>> {
    let sets = sets
        .iter()
        .zip(0..)
        .map(|((values, mean, rest, link), at)| {
            let key = [at / variants.max(1), at % variants.max(1)];
            let (values_of, mean) = (row_major(values)?.to_vec(), mean.as_slice()?.to_vec());
            Ok(PointSet::new(values.shape()[0], values_of, mean, *rest, *link, key))
        })
        .collect::<PyResult<Vec<_>>>()?;
    let options = Options { draws, hits, ball_below, ball_draws, strict_draws, guard, line, seed };
    let tested = enter(py, num_threads, progress.as_ref(), |run| {
        let found = found(&sets, run)?;
        let p_values = shape_p_values(&sets, &found, &options, run)?;
        Ok(found.into_iter().zip(p_values).collect::<Vec<_>>())
    })?;
    let order =
        |order: Vec<usize>| order.into_iter().map(|i| index(Some(i))).collect::<Vec<_>>().into_pyarray(py);
    Ok(tested
        .into_iter()
        .map(|(found, p)| {
            (
                [found.circle, found.line, found.partition],
                order(found.cycle),
                order(found.path),
                [p.circle, p.ball, p.strict, p.line],
            )
        })
        .collect())
}

/// The point for each place of a geometry, from cosines and from those that the geometry has.
#[pyfunction]
#[pyo3(signature = (cosines, ideal, *, width))]
pub fn order_overlaid<'py>(
    py: Python<'py>,
    cosines: PyReadonlyArray2<'py, f64>,
    ideal: PyReadonlyArray2<'py, f64>,
    width: usize,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let n = cosines.shape()[0];
    if n == 0 || width == 0 || cosines.shape()[1] != n || ideal.shape() != cosines.shape() {
        return Err(PyValueError::new_err("expected two square matrices of one size, and a width"));
    }
    let (cosines, ideal) = (row_major(&cosines)?, row_major(&ideal)?);
    fits(&[[width, n, 56], [n, n, 8]]).map_err(raise)?;
    let order = overlaid(n, cosines, ideal, width);
    Ok(order.into_iter().map(|i| index(Some(i))).collect::<Vec<_>>().into_pyarray(py))
}
