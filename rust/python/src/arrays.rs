//! NumPy arrays to views of the core, and back.

use crate::enter::raise;
use faer::{Mat, MatRef};
use featuregeom_core::run::fits;
use featuregeom_core::{Element, FeatureMatrix};
use half::f16;
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// A borrowed 2-D array of one of the four element types.
pub enum Rows<'py> {
    F64(PyReadonlyArray2<'py, f64>),
    F32(PyReadonlyArray2<'py, f32>),
    F16(PyReadonlyArray2<'py, f16>),
    BF16(PyReadonlyArray2<'py, u16>),
}

impl<'py> FromPyObject<'_, 'py> for Rows<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(array) = object.extract() {
            return Ok(Self::F32(array));
        }
        if let Ok(array) = object.extract() {
            return Ok(Self::F64(array));
        }
        if let Ok(array) = object.extract() {
            return Ok(Self::F16(array));
        }
        if let Ok(array) = object.extract() {
            return Ok(Self::BF16(array));
        }
        Err(PyTypeError::new_err(
            "expected a 2-D NumPy array of float64, float32, float16 or uint16 (bfloat16 bits), native byte order",
        ))
    }
}

impl Rows<'_> {
    /// The array as a feature matrix of the core, in place.
    pub fn view(&self) -> PyResult<FeatureMatrix<'_>> {
        let (array, element): (&Bound<'_, PyUntypedArray>, Element) = match self {
            Self::F64(array) => (array.as_untyped(), Element::F64),
            Self::F32(array) => (array.as_untyped(), Element::F32),
            Self::F16(array) => (array.as_untyped(), Element::F16),
            Self::BF16(array) => (array.as_untyped(), Element::BF16),
        };
        let origin = match self {
            Self::F64(array) => array.data().cast_const().cast(),
            Self::F32(array) => array.data().cast_const().cast(),
            Self::F16(array) => array.data().cast_const().cast(),
            Self::BF16(array) => array.data().cast_const().cast(),
        };
        let (&[rows, columns], &[down, across]) = (array.shape(), array.strides()) else {
            return Err(PyTypeError::new_err("expected a 2-D array"));
        };
        // SAFETY: NumPy vouches for shape and strides, and the borrow keeps the array alive. It keeps Rust from writing
        // there, but not other threads of Python while the interpreter is detached, which no lock of NumPy could: an
        // array that is written meanwhile is read as it is at each moment, values of any bits are numbers, and
        // docs/gotchas.md says that the result is of no use.
        unsafe { FeatureMatrix::from_raw(origin, [rows, columns], [down, across], element) }.map_err(raise)
    }
}

/// The entries of an array row by row, in place. The array's own test for a slice takes columns as well.
pub fn row_major<'a, T: numpy::Element>(array: &'a PyReadonlyArray2<'_, T>) -> PyResult<&'a [T]> {
    if !array.is_c_contiguous() {
        return Err(PyTypeError::new_err("expected a C-contiguous array"));
    }
    Ok(array.as_slice()?)
}

/// A borrowed array of doubles as a matrix of the linear algebra library, in place.
pub fn matrix<'a>(array: &'a PyReadonlyArray2<'_, f64>) -> PyResult<MatRef<'a, f64>> {
    let size = size_of::<f64>() as isize;
    let (&[rows, columns], &[down, across]) = (array.shape(), array.strides()) else {
        return Err(PyTypeError::new_err("expected a 2-D array"));
    };
    if !array.is_aligned() || down % size != 0 || across % size != 0 {
        return Err(PyTypeError::new_err("expected an aligned array of float64"));
    }
    // SAFETY: NumPy vouches for shape and strides; they are whole elements, checked above.
    Ok(unsafe {
        MatRef::from_raw_parts(array.data().cast_const(), rows, columns, down / size, across / size)
    })
}

/// Numbers copied between two looks for signals: 8 MB take 0.01 to 0.02 s where the memory is new.
const AT_ONCE: usize = 1 << 20;

/// A new array with the entries of a matrix, in Fortran order as the core keeps them.
pub fn to_array<'py>(py: Python<'py>, matrix: &Mat<f64>) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let (rows, columns) = matrix.shape();
    fits(&[[rows, columns, 8]]).map_err(raise)?;
    let mut entries = Vec::with_capacity(rows * columns);
    for (j, column) in matrix.col_iter().enumerate() {
        if j % (AT_ONCE / rows.max(1) + 1) == 0 {
            py.check_signals()?;
        }
        entries.extend(column.iter());
    }
    PyArray1::from_vec(py, entries).reshape([columns, rows])?.transpose()
}
