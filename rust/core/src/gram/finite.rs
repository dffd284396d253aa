//! Where a feature matrix holds NaN or infinity.

use crate::error::{Error, Result};
use crate::matrix::FeatureMatrix;
use crate::run::Run;
use rayon::prelude::*;

/// Rows that one thread looks at between two checks of the control handle.
const ROWS: usize = 256;

/// The first bad row in order and its first bad column, as the error that reports it.
///
/// Costs one pass over the matrix.
///
/// # Errors
/// [`Error::Interrupted`].
pub fn first_nonfinite(x: &FeatureMatrix<'_>, run: &Run) -> Result<Option<Error>> {
    let look = |first: usize| {
        if run.control().is_cancelled() {
            return None;
        }
        let (row, tile) = rows(x, first).find(|(_, values)| !values.iter().all(|v| v.is_finite()))?;
        let (column, &value) = tile.iter().enumerate().find(|(_, v)| !v.is_finite())?;
        Some(Error::NonFinite { row, column, value })
    };
    let found = if x.n() <= ROWS {
        look(0)
    } else {
        run.pool().install(|| (0..x.n()).into_par_iter().step_by(ROWS).find_map_first(look))
    };
    run.control().check()?;
    Ok(found)
}

/// Squared norms whose squares (the frame potential, the insides of the eigensolver) stay well inside `f64`.
const SQUARES: std::ops::RangeInclusive<f64> = 1e-142..=1e142;

/// Accept squared norms of rows or columns of `x` that can be computed with: finite, and the largest of them in
/// range. Bad input shows here, so it costs no pass of its own.
///
/// # Errors
/// [`Error::NonFinite`] at the first bad position, [`Error::Range`], [`Error::Interrupted`].
pub fn check_squares(
    x: &FeatureMatrix<'_>,
    squares: impl Iterator<Item = f64> + Clone,
    run: &Run,
) -> Result<()> {
    let largest = squares.clone().fold(0.0, f64::max);
    if squares.clone().all(f64::is_finite) && SQUARES.contains(&largest) {
        return Ok(());
    }
    if let Some(error) = first_nonfinite(x, run)? {
        return Err(error);
    }
    // Zero squares of nonzero entries have underflowed.
    let magnitude = if largest > 0.0 && largest.is_finite() { largest.sqrt() } else { largest_magnitude(x) };
    if magnitude == 0.0 { Ok(()) } else { Err(Error::Range { largest: magnitude }) }
}

fn largest_magnitude(x: &FeatureMatrix<'_>) -> f64 {
    let mut row = vec![0.0_f64; x.m()];
    (0..x.n()).fold(0.0, |largest, i| {
        x.read(i..i + 1, &mut row);
        row.iter().fold(largest, |largest, value| value.abs().max(largest))
    })
}

/// All rows that hold NaN or infinity, in order.
///
/// # Errors
/// [`Error::Interrupted`].
pub fn nonfinite_rows(x: &FeatureMatrix<'_>, run: &Run) -> Result<Vec<usize>> {
    let found = run.pool().install(|| {
        (0..x.n())
            .into_par_iter()
            .step_by(ROWS)
            .map(|first| {
                run.control().check()?;
                Ok(rows(x, first)
                    .filter(|(_, values)| !values.iter().all(|v| v.is_finite()))
                    .map(|(row, _)| row)
                    .collect::<Vec<_>>())
            })
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(found.concat())
}

/// The rows of the tile that begins at `first`, widened.
fn rows(x: &FeatureMatrix<'_>, first: usize) -> impl Iterator<Item = (usize, Vec<f64>)> {
    let last = x.n().min(first + ROWS);
    let m = x.m();
    let mut tile = vec![0.0_f64; (last - first) * m];
    x.read(first..last, &mut tile);
    (first..last).map(move |row| (row, tile[(row - first) * m..(row - first + 1) * m].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_position_is_found() {
        let run = Run::quiet(2).expect("threads");
        let mut values = vec![1.0; 1000 * 3];
        let clean = FeatureMatrix::from_slice(&values, 3).expect("shape");
        assert_eq!(first_nonfinite(&clean, &run), Ok(None));
        values[900 * 3 + 1] = f64::INFINITY;
        values[700 * 3 + 2] = f64::NEG_INFINITY;
        let x = FeatureMatrix::from_slice(&values, 3).expect("shape");
        let found = first_nonfinite(&x, &run).expect("not interrupted");
        assert_eq!(found, Some(Error::NonFinite { row: 700, column: 2, value: f64::NEG_INFINITY }));
        assert_eq!(nonfinite_rows(&x, &run), Ok(vec![700, 900]));
    }
}
