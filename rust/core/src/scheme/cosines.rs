//! Relations between features: the level of their cosine, computed a tile at a time.

use super::relations::{MOST_CLASSES, Relations};
use crate::error::{Error, Result};
use crate::gram::{normalise, squared_norms};
use crate::matrix::{FeatureMatrix, Real};
use crate::run::{Run, fits};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::cell::RefCell;
use std::ops::Range;

/// The class of a point is 0, that of a pair 1 plus the number of thresholds above its cosine.
#[derive(Debug, Clone)]
pub struct CosineLevels<T> {
    n: usize,
    m: usize,
    thresholds: Vec<T>,
    /// Unit features, row-major.
    unit: Vec<T>,
}

impl<T: Real> CosineLevels<T> {
    /// The relations of the features that `thresholds`, increasing, cut from their cosines. Memory is `n m` numbers.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a feature of norm zero, thresholds that do not increase or too many; as
    /// [`squared_norms`].
    pub fn new(x: &FeatureMatrix<'_>, thresholds: &[f64], run: &Run) -> Result<Self> {
        let sorted = thresholds.windows(2).all(|pair| pair[0] < pair[1]);
        if !sorted || !thresholds.iter().all(|value| value.is_finite()) || thresholds.len() + 2 > MOST_CLASSES
        {
            return Err(Error::Parameter(format!(
                "thresholds must be finite, increase and be at most {}",
                MOST_CLASSES - 2
            )));
        }
        let norms = squared_norms(x, run)?;
        if let Some(row) = norms.iter().position(|&norm| norm == 0.0) {
            return Err(Error::Parameter(format!("feature {row} is zero and has no cosines; drop it")));
        }
        let (n, m) = (x.n(), x.m());
        fits(&[[n, m, size_of::<T>()]])?;
        let mut unit = vec![T::default(); n * m];
        x.read(0..n, &mut unit);
        unit.chunks_exact_mut(m).zip(&norms).for_each(|(row, norm)| normalise(row, norm.sqrt()));
        Ok(Self { n, m, thresholds: thresholds.iter().map(|&value| T::narrow(value)).collect(), unit })
    }

    /// Where the levels are cut, increasing.
    pub(super) fn thresholds(&self) -> &[T] {
        &self.thresholds
    }

    /// The cosines of `rows` with `columns`, row-major.
    pub(super) fn multiply(&self, rows: Range<usize>, columns: Range<usize>, cosines: &mut [T]) {
        // Column x of the product holds the cosines of feature x.
        matmul(
            MatMut::from_column_major_slice_mut(cosines, columns.len(), rows.len()),
            Accum::Replace,
            self.rows(columns).transpose(),
            self.rows(rows),
            T::narrow(1.0),
            Par::Seq,
        );
    }

    fn rows(&self, rows: Range<usize>) -> MatRef<'_, T> {
        MatRef::from_column_major_slice(
            &self.unit[rows.start * self.m..rows.end * self.m],
            self.m,
            rows.len(),
        )
    }
}

/// A type with room for a tile of cosines in each thread.
pub trait Scratch: Real {
    /// Use it.
    fn with<R>(work: impl FnOnce(&mut Vec<Self>) -> R) -> R;
}

macro_rules! scratch {
    ($real:ty) => {
        impl Scratch for $real {
            fn with<R>(work: impl FnOnce(&mut Vec<Self>) -> R) -> R {
                thread_local!(static TILE: RefCell<Vec<$real>> = const { RefCell::new(Vec::new()) });
                TILE.with_borrow_mut(work)
            }
        }
    };
}
scratch!(f32);
scratch!(f64);

impl<T: Scratch> Relations for CosineLevels<T> {
    fn n(&self) -> usize {
        self.n
    }

    fn rank(&self) -> usize {
        // A point alone has no pairs.
        if self.n == 1 { 1 } else { self.thresholds.len() + 2 }
    }

    fn fill(&self, rows: Range<usize>, columns: Range<usize>, labels: &mut [u16]) {
        T::with(|cosines| {
            cosines.resize(labels.len(), T::default());
            self.multiply(rows.clone(), columns.clone(), cosines);
            labels.fill(1);
            for &threshold in &self.thresholds {
                for (label, &cosine) in labels.iter_mut().zip(&*cosines) {
                    *label += u16::from(cosine < threshold);
                }
            }
        });
        for (x, labels) in rows.zip(labels.chunks_exact_mut(columns.len())) {
            if columns.contains(&x) {
                labels[x - columns.start] = 0;
            }
        }
    }

    fn known_symmetric(&self) -> bool {
        // Rounding may depend on the order of the factors, but thresholds lie between levels.
        true
    }
}
