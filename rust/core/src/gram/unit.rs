//! Features scaled to unit length, read in tiles: the cosine between two features is the product of two columns.

use super::finite::check_squares;
use crate::error::{Error, Result};
use crate::matrix::{Element, FeatureMatrix, Real, dot};
use crate::run::{Run, fits};
use rayon::prelude::*;
use std::ops::Range;

/// Rows whose norms one thread computes at a time.
const ROWS: usize = 64;

/// Norms below this are lifted before they are inverted.
const TINY: f64 = 1e-30;

/// Norms below this are near the subnormal numbers of `f64`, which have few digits: they are computed anew, lifted.
const COARSE: f64 = 1e-290;

/// How often such rows are multiplied by [`LIFT`]: the least number above 0 then has a square.
const LIFTS: usize = 9;

/// Squared norms below this have lost digits, or are 0 of a feature that is not.
pub(super) const SUNKEN: f64 = 1e-280;

/// Such rows are multiplied by this power of two first, which rounds nothing.
const LIFT: f64 = (1_u128 << 100) as f64;

/// `N_i`, the squared norm of each feature, in `f64`. Costs one pass.
///
/// # Errors
/// As [`check_squares`] and [`check_small`].
pub fn squared_norms(x: &FeatureMatrix<'_>, run: &Run) -> Result<Vec<f64>> {
    let norms = squared_lengths(x, run)?;
    check_small(x, &norms)?;
    Ok(norms)
}

/// Accept squared norms of the rows of `x` unless one has lost digits, or is 0 of a row that is not.
///
/// # Errors
/// [`Error::Small`] for the first such row.
pub fn check_small(x: &FeatureMatrix<'_>, squares: &[f64]) -> Result<()> {
    for (row, _) in squares.iter().enumerate().filter(|&(_, &square)| square < SUNKEN) {
        let norm = small_norm(x, row);
        if norm > 0.0 {
            return Err(Error::Small { row, norm });
        }
    }
    Ok(())
}

/// [`squared_norms`] of rows that may be too small for them, which are then 0 or have lost digits.
///
/// # Errors
/// As [`check_squares`].
pub fn squared_lengths(x: &FeatureMatrix<'_>, run: &Run) -> Result<Vec<f64>> {
    let m = x.m();
    fits(&[[x.n(), 1, 16], [run.pool().current_num_threads(), ROWS * m, 8]])?;
    let mut norms = vec![0.0; x.n()];
    let some = |tile: &mut Vec<f64>, (chunk, norms): (usize, &mut [f64])| {
        run.control().check()?;
        let tile = &mut tile[..norms.len() * m];
        x.read(chunk * ROWS..chunk * ROWS + norms.len(), tile);
        for (norm, row) in norms.iter_mut().zip(tile.chunks_exact(m)) {
            *norm = dot(row, row);
        }
        Ok(())
    };
    if x.n() <= ROWS {
        some(&mut vec![0.0_f64; x.n() * m], (0, &mut norms))?;
    } else {
        run.pool().install(|| {
            let tiles = norms.par_chunks_mut(ROWS).enumerate();
            tiles.try_for_each_init(|| vec![0.0_f64; ROWS * m], some)
        })?;
    }
    check_squares(x, norms.iter().copied(), run)?;
    Ok(norms)
}

/// Divide a feature by its norm, which is not zero.
pub(crate) fn normalise<T: Real>(row: &mut [T], norm: f64) {
    let mut norm = norm;
    if norm < COARSE {
        let lift = T::narrow(LIFT);
        for _ in 0..LIFTS {
            row.iter_mut().for_each(|value| *value *= lift);
        }
        norm = dot(row, row).sqrt();
    } else if norm < TINY {
        // The inverse would be out of the range of `f32`.
        let lift = T::narrow(LIFT);
        row.iter_mut().for_each(|value| *value *= lift);
        norm *= LIFT;
    }
    let inverse = T::narrow(norm.recip());
    row.iter_mut().for_each(|value| *value *= inverse);
}

/// The nonzero features of a matrix, each divided by its norm when it is read.
pub(super) struct UnitFeatures<'a> {
    x: FeatureMatrix<'a>,
    /// Indices of the nonzero features, increasing.
    pub active: Vec<usize>,
    /// Their norms.
    pub norms: Vec<f64>,
}

impl<'a> UnitFeatures<'a> {
    pub fn new(x: &FeatureMatrix<'a>, squared_norms: &[f64]) -> Self {
        let (active, norms) = (0..x.n())
            .map(|i| {
                let square = squared_norms[i];
                (i, if square < SUNKEN { small_norm(x, i) } else { square.sqrt() })
            })
            .filter(|&(_, norm)| norm > 0.0)
            .unzip();
        Self { x: *x, active, norms }
    }

    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Dimensions of a feature.
    pub fn m(&self) -> usize {
        self.x.m()
    }

    /// Number of features, zero ones too.
    pub fn n(&self) -> usize {
        self.x.n()
    }

    pub fn element(&self) -> Element {
        self.x.element()
    }

    /// Read unit features, given by position among the nonzero ones, into the rows of `tile`.
    pub fn read<T: Real>(&self, positions: Range<usize>, tile: &mut [T]) {
        self.read_beside(&self.x, positions.clone(), tile);
        for (row, &norm) in tile.chunks_exact_mut(self.x.m()).zip(&self.norms[positions]) {
            normalise(row, norm);
        }
    }

    /// Read the rows that another matrix has for these features, as they are.
    pub fn read_beside<T: Real>(&self, other: &FeatureMatrix<'_>, positions: Range<usize>, tile: &mut [T]) {
        let m = other.m();
        let mut rest = &mut tile[..positions.len() * m];
        // Runs of consecutive rows are read together, which matters when columns are contiguous instead.
        for run in self.active[positions].chunk_by(|a, b| a + 1 == *b) {
            let (part, after) = rest.split_at_mut(run.len() * m);
            rest = after;
            other.read(run[0]..run[0] + run.len(), part);
        }
    }

    /// Read one unit feature, given by position, in `f64`.
    pub fn row(&self, position: usize, row: &mut Vec<f64>) {
        row.resize(self.x.m(), 0.0);
        self.read(position..position + 1, row);
    }

    /// Cosine of two features, given by position, in `f64`.
    pub fn cosine(&self, i: usize, j: usize, rows: &mut [Vec<f64>; 2]) -> f64 {
        for (position, row) in [i, j].into_iter().zip(rows.iter_mut()) {
            self.row(position, row);
        }
        dot(&rows[0], &rows[1]).clamp(-1.0, 1.0)
    }
}

/// Norm of a feature whose entries have no squares.
fn small_norm(x: &FeatureMatrix<'_>, i: usize) -> f64 {
    let mut row = vec![0.0_f64; x.m()];
    x.read(i..i + 1, &mut row);
    let largest = row.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    if largest > 0.0 {
        row.iter_mut().for_each(|value| *value /= largest);
    }
    largest * dot(&row, &row).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnormal_features_keep_their_digits() {
        // Multiples of the least number: their norm, as one of them, would be known to a part in a million at best.
        let least = f64::from_bits(1);
        let mut row = [3e6 * least, 4e6 * least, 12e6 * least];
        let norm = 13e6 * least;
        normalise(&mut row, norm);
        for (found, expected) in row.iter().zip([3.0 / 13.0, 4.0 / 13.0, 12.0 / 13.0]) {
            assert!((found - expected).abs() < 1e-15, "{found}");
        }
        let mut row = [1.0 * least, 1.0 * least, 1.0 * least];
        normalise(&mut row, 2.0 * least);
        assert!(row.iter().all(|found| (found - 3.0_f64.sqrt().recip()).abs() < 1e-15), "{row:?}");
    }

    #[test]
    fn features_without_squares_have_cosines() {
        let values = [3e-160, 4e-160, 1.0, 0.0, 3e-300, -4e-300, 0.0, 0.0];
        let x = FeatureMatrix::from_slice(&values, 2).expect("shape");
        let run = Run::quiet(1).expect("threads");
        let unit = UnitFeatures::new(&x, &squared_lengths(&x, &run).expect("in range"));
        assert_eq!(unit.active, [0, 1, 2]);
        let mut rows = Default::default();
        for (i, j, cosine) in [(0, 1, 0.6), (1, 2, 0.6), (0, 2, -0.28)] {
            assert!((unit.cosine(i, j, &mut rows) - cosine).abs() < 1e-15, "{i}, {j}");
        }
    }

    #[test]
    fn the_first_feature_without_a_square_is_named() {
        let values = [0.0, 0.0, 1.0, 0.0, 0.0, 3e-200, 1e-300, 0.0];
        let x = FeatureMatrix::from_slice(&values, 2).expect("shape");
        let run = Run::quiet(1).expect("threads");
        assert_eq!(squared_norms(&x, &run), Err(Error::Small { row: 2, norm: 3e-200 }));
        let x = FeatureMatrix::from_slice(&values[..4], 2).expect("shape");
        assert_eq!(squared_norms(&x, &run), Ok(vec![0.0, 1.0]));
    }

    #[test]
    fn tiny_features_have_unit_length_too() {
        let values = [1.0, 0.0, 3e-42, 4e-42];
        let x = FeatureMatrix::from_slice(&values, 2).expect("shape");
        let run = Run::quiet(1).expect("threads");
        let unit = UnitFeatures::new(&x, &squared_lengths(&x, &run).expect("in range"));
        let mut tile = [0.0_f32; 4];
        unit.read(0..2, &mut tile);
        // 3e-42 and 4e-42 are subnormal in f32, with three digits left.
        assert!((tile[2] - 0.6).abs() < 1e-3 && (tile[3] - 0.8).abs() < 1e-3);
    }

    #[test]
    fn zero_features_are_left_out() {
        let values = [3.0, 4.0, 0.0, 0.0, 0.0, -2.0];
        let x = FeatureMatrix::from_slice(&values, 2).expect("shape");
        let run = Run::quiet(1).expect("threads");
        let norms = squared_norms(&x, &run).expect("not interrupted");
        assert_eq!(norms, [25.0, 0.0, 4.0]);
        let unit = UnitFeatures::new(&x, &norms);
        assert_eq!(unit.active, [0, 2]);
        let mut tile = [0.0_f64; 4];
        unit.read(0..2, &mut tile);
        assert!((tile[0] - 0.6).abs() < 1e-15 && (tile[3] + 1.0).abs() < 1e-15);
        assert!((unit.cosine(0, 1, &mut Default::default()) + 0.8).abs() < 1e-15);
    }
}
