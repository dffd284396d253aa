//! A feature matrix in place: any strides, four element types, read in widened tiles of rows.

use crate::error::{Error, Result};
use half::{bf16, f16, slice::HalfFloatSliceExt};
use std::marker::PhantomData;
use std::ops::{MulAssign, Range};

/// Columns that are read together when features are not contiguous.
const STRIP: usize = 16;

/// Values that a half-precision row is widened by at a time.
const CHUNK: usize = 256;

/// Element type of a feature matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// IEEE double precision.
    F64,
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16: the upper half of a single.
    BF16,
}

impl Element {
    /// Bytes of one value.
    pub const fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// Distance from 1 to the next larger value.
    pub const fn epsilon(self) -> f64 {
        match self {
            Self::F64 => f64::EPSILON,
            Self::F32 => f32::EPSILON as f64,
            Self::F16 => 9.765_625e-4,
            Self::BF16 => 7.812_5e-3,
        }
    }
}

/// What tiles are widened to: `f32` or `f64`.
pub trait Real: faer::traits::ComplexField + Copy + Default + PartialOrd + MulAssign + Into<f64> {
    /// The value in this type; exact but for `f64` to `f32`.
    fn narrow(value: f64) -> Self;
    /// The value in this type, exactly.
    fn widen(value: f32) -> Self;
}

impl Real for f64 {
    fn narrow(value: f64) -> Self {
        value
    }
    fn widen(value: f32) -> Self {
        f64::from(value)
    }
}

impl Real for f32 {
    fn narrow(value: f64) -> Self {
        value as f32
    }
    fn widen(value: f32) -> Self {
        value
    }
}

/// Inner product in `f64`. Eight sums side by side: one alone waits for each addition to end.
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0_f64; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder()).map(|(&a, &b)| a.into() * b.into()).sum::<f64>();
    for (a, b) in a.zip(b) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a.into() * b.into();
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// A borrowed `n x m` matrix of features (rows) with arbitrary strides, never copied as a whole.
#[derive(Debug, Clone, Copy)]
pub struct FeatureMatrix<'a> {
    origin: *const u8,
    rows: usize,
    columns: usize,
    row_stride: isize,
    column_stride: isize,
    element: Element,
    data: PhantomData<&'a [u8]>,
}

// SAFETY: the view only reads, and its data outlives it.
unsafe impl Send for FeatureMatrix<'_> {}
// SAFETY: as above.
unsafe impl Sync for FeatureMatrix<'_> {}

impl<'a> FeatureMatrix<'a> {
    /// View `rows x columns` values of type `element` that begin at `origin`; strides are in bytes and may be
    /// negative, and no alignment is needed.
    ///
    /// # Errors
    /// [`Error::Shape`] for a matrix without rows or without columns.
    ///
    /// # Safety
    /// For all `i < rows` and `j < columns`, `origin + i * row_stride + j * column_stride` must be readable
    /// for `element.size()` bytes during `'a`, and nobody may write there.
    pub unsafe fn from_raw(
        origin: *const u8,
        [rows, columns]: [usize; 2],
        [row_stride, column_stride]: [isize; 2],
        element: Element,
    ) -> Result<Self> {
        if rows == 0 || columns == 0 {
            return Err(Error::Shape(format!(
                "a feature matrix needs rows and columns, but its shape is ({rows}, {columns})"
            )));
        }
        Ok(Self { origin, rows, columns, row_stride, column_stride, element, data: PhantomData })
    }

    /// View a row-major slice of doubles as a matrix with `columns` columns.
    ///
    /// # Errors
    /// [`Error::Shape`] when the slice is empty or no whole number of rows.
    pub fn from_slice(values: &'a [f64], columns: usize) -> Result<Self> {
        if columns == 0 || values.is_empty() || !values.len().is_multiple_of(columns) {
            return Err(Error::Shape(format!("{} values are no whole rows of {columns}", values.len())));
        }
        let size = size_of::<f64>() as isize;
        // SAFETY: every index stays inside `values`, which is borrowed for 'a.
        unsafe {
            Self::from_raw(
                values.as_ptr().cast(),
                [values.len() / columns, columns],
                [size * columns as isize, size],
                Element::F64,
            )
        }
    }

    /// Number of features.
    pub fn n(&self) -> usize {
        self.rows
    }

    /// Number of dimensions.
    pub fn m(&self) -> usize {
        self.columns
    }

    /// Element type.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The same values with rows and columns exchanged.
    pub fn transposed(&self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..*self
        }
    }

    /// Read rows into `tile`, row-major, widened to `T`.
    ///
    /// # Panics
    /// If `rows` do not lie inside the matrix, or `tile` does not hold exactly that many rows.
    #[inline(always)]
    pub fn read<T: Real>(&self, rows: Range<usize>, tile: &mut [T]) {
        assert!(
            rows.start <= rows.end && rows.end <= self.rows && tile.len() == rows.len() * self.columns,
            "rows {rows:?} of {} into {} values of rows of {}",
            self.rows,
            tile.len(),
            self.columns
        );
        match self.element {
            Element::F64 => self.gather(rows, tile, |at| {
                // SAFETY: `gather` passes addresses of elements of this matrix.
                T::narrow(unsafe { at.cast::<f64>().read_unaligned() })
            }),
            Element::F32 => self.gather(rows, tile, |at| {
                // SAFETY: as above.
                T::widen(unsafe { at.cast::<f32>().read_unaligned() })
            }),
            Element::BF16 => self.gather(rows, tile, |at| {
                // SAFETY: as above.
                T::widen(bf16::from_bits(unsafe { at.cast::<u16>().read_unaligned() }).to_f32())
            }),
            Element::F16 => self.read_f16(rows, tile),
        }
    }

    /// Read by single elements, along whichever axis is nearer to contiguous.
    #[inline(always)]
    fn gather<T: Real>(&self, rows: Range<usize>, tile: &mut [T], value: impl Fn(*const u8) -> T) {
        let m = self.columns;
        if self.column_stride.unsigned_abs() <= self.row_stride.unsigned_abs() {
            for (row, out) in rows.zip(tile.chunks_exact_mut(m)) {
                let start = self.at(row, 0);
                if self.column_stride == self.element.size() as isize {
                    // A constant stride lets the compiler use vector loads.
                    for (column, slot) in out.iter_mut().enumerate() {
                        *slot = value(start.wrapping_add(column * self.element.size()));
                    }
                } else {
                    for (column, slot) in out.iter_mut().enumerate() {
                        *slot = value(start.wrapping_offset(column as isize * self.column_stride));
                    }
                }
            }
        } else {
            for strip in (0..m).step_by(STRIP) {
                let end = m.min(strip + STRIP);
                for (row, out) in rows.clone().zip(tile.chunks_exact_mut(m)) {
                    for (column, slot) in (strip..end).zip(&mut out[strip..end]) {
                        *slot = value(self.at(row, column));
                    }
                }
            }
        }
    }

    /// Half precision is widened by chunks: the processor converts vectors of it, not single values.
    fn read_f16<T: Real>(&self, rows: Range<usize>, tile: &mut [T]) {
        let mut halves = [f16::ZERO; CHUNK];
        let mut singles = [0.0_f32; CHUNK];
        for (row, out) in rows.zip(tile.chunks_exact_mut(self.columns)) {
            for (chunk, out) in out.chunks_mut(CHUNK).enumerate() {
                for (offset, half) in halves.iter_mut().take(out.len()).enumerate() {
                    let at = self.at(row, chunk * CHUNK + offset);
                    // SAFETY: row and column lie inside the matrix.
                    *half = f16::from_bits(unsafe { at.cast::<u16>().read_unaligned() });
                }
                halves[..out.len()].convert_to_f32_slice(&mut singles[..out.len()]);
                for (slot, &single) in out.iter_mut().zip(&singles) {
                    *slot = T::widen(single);
                }
            }
        }
    }

    fn at(&self, row: usize, column: usize) -> *const u8 {
        self.origin.wrapping_offset(row as isize * self.row_stride + column as isize * self.column_stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of<T: Copy>(values: &[T]) -> &[u8] {
        // SAFETY: plain numbers have no padding.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
    }

    #[test]
    fn every_element_type_reads_the_same_numbers() {
        let values = [1.0_f32, -2.5, 0.0, 1024.0, -0.125, 3.0];
        let halves = values.map(f16::from_f32);
        let brains = values.map(bf16::from_f32);
        let doubles = values.map(f64::from);
        for (bytes, element) in [
            (bytes_of(&doubles), Element::F64),
            (bytes_of(&values), Element::F32),
            (bytes_of(&halves), Element::F16),
            (bytes_of(&brains), Element::BF16),
        ] {
            let size = element.size() as isize;
            // SAFETY: the strides are those of a row-major 2 x 3 matrix.
            let x = unsafe { FeatureMatrix::from_raw(bytes.as_ptr(), [2, 3], [3 * size, size], element) };
            let mut tile = [0.0_f64; 6];
            x.expect("shape").read(0..2, &mut tile);
            assert_eq!(tile, doubles, "{element:?}");
        }
    }

    proptest! {
        #[test]
        fn strided_views_agree_with_indexing(
            n in 1_usize..9, m in 1_usize..40, row_step in 1_usize..3, column_step in 1_usize..3,
            flip_rows: bool, flip_columns: bool, fortran: bool, half: bool, shift in 0_usize..3,
        ) {
            let element = if half { Element::F16 } else { Element::F32 };
            let size = element.size();
            let (height, width) = (n * row_step, m * column_step);
            let value = |row: usize, column: usize| (row * 64 + column) as f32;
            let place = |row: usize, column: usize| if fortran { column * height + row } else { row * width + column };
            // `shift` bytes in front make the data unaligned.
            let mut bytes = vec![0_u8; shift + height * width * size];
            for row in 0..height {
                for column in 0..width {
                    let at = shift + place(row, column) * size;
                    if half {
                        bytes[at..at + 2].copy_from_slice(&f16::from_f32(value(row, column)).to_le_bytes());
                    } else {
                        bytes[at..at + 4].copy_from_slice(&value(row, column).to_le_bytes());
                    }
                }
            }
            let row_of = |i: usize| if flip_rows { (n - 1 - i) * row_step } else { i * row_step };
            let column_of = |j: usize| if flip_columns { (m - 1 - j) * column_step } else { j * column_step };
            let sign = |flip: bool| if flip { -1_isize } else { 1 };
            let per_row = (place(1, 0) * size * row_step) as isize * sign(flip_rows);
            let per_column = (place(0, 1) * size * column_step) as isize * sign(flip_columns);
            let origin = bytes[shift + place(row_of(0), column_of(0)) * size..].as_ptr();
            // SAFETY: all addresses are those of elements of `bytes`.
            let x = unsafe { FeatureMatrix::from_raw(origin, [n, m], [per_row, per_column], element) }.expect("shape");
            let (first, last) = (n / 3, n);
            let mut tile = vec![0.0_f64; (last - first) * m];
            x.read(first..last, &mut tile);
            let mut flat = vec![0.0_f32; m * n];
            x.transposed().read(0..m, &mut flat);
            for i in first..last {
                for j in 0..m {
                    let expected = value(row_of(i), column_of(j));
                    prop_assert_eq!(tile[(i - first) * m + j], f64::from(expected));
                    prop_assert_eq!(flat[j * n + i], expected);
                }
            }
        }
    }

    #[test]
    fn an_empty_matrix_is_refused() {
        // SAFETY: nothing is read from a matrix without elements.
        let x = unsafe { FeatureMatrix::from_raw([0_u8; 8].as_ptr(), [0, 3], [24, 8], Element::F64) };
        assert!(matches!(x, Err(Error::Shape(_))));
        assert!(FeatureMatrix::from_slice(&[1.0, 2.0, 3.0], 2).is_err());
    }
}
