//! Cosines of pairs that are given.

use super::unit::{SUNKEN, normalise};
use crate::error::{Error, Result};
use crate::matrix::{FeatureMatrix, dot};
use crate::run::{Run, fits};
use rayon::prelude::*;

/// Pairs that a thread takes at a time.
const SHARE: usize = 256;

/// The cosine of row `i` of `x` and row `j` of `y` for each pair (i, j), in `f64`; 0 where one of them is zero. A row of
/// `x` that several pairs in sequence have is read once.
///
/// # Errors
/// [`Error::Shape`] unless the dimensions are equal, [`Error::Parameter`] for a pair outside, [`Error::Interrupted`].
pub fn listed_cosines([x, y]: [&FeatureMatrix<'_>; 2], pairs: &[[usize; 2]], run: &Run) -> Result<Vec<f64>> {
    let m = x.m();
    if y.m() != m {
        return Err(Error::Shape(format!("features of {m} and of {} dimensions have no cosine", y.m())));
    }
    if let Some([i, j]) = pairs.iter().find(|[i, j]| *i >= x.n() || *j >= y.n()) {
        return Err(Error::Parameter(format!("no pair ({i}, {j}) in {} and {} features", x.n(), y.n())));
    }
    fits(&[[pairs.len(), 1, 8], [run.pool().current_num_threads(), 2 * m, 8]])?;
    let mut cosines = vec![0.0; pairs.len()];
    run.control().expect(pairs.len() as u64);
    run.pool().install(|| {
        let shares = cosines.par_chunks_mut(SHARE).zip(pairs.par_chunks(SHARE));
        shares.try_for_each_init(
            || [vec![0.0; m], vec![0.0; m]],
            |[left, right], (cosines, pairs)| {
                let mut held = None;
                for (cosine, &[i, j]) in cosines.iter_mut().zip(pairs) {
                    run.control().check()?;
                    if held != Some(i) {
                        unit(x, i, left);
                        held = Some(i);
                    }
                    unit(y, j, right);
                    *cosine = dot(left, right).clamp(-1.0, 1.0);
                }
                run.control().advance(pairs.len() as u64)
            },
        )
    })?;
    Ok(cosines)
}

/// Read one feature and divide it by its norm; a zero one stays.
fn unit(x: &FeatureMatrix<'_>, i: usize, row: &mut [f64]) {
    x.read(i..i + 1, row);
    let mut square = dot(row, row);
    // Outside of this range a square has lost digits, or is 0 or infinite of a feature that is not.
    if !(SUNKEN..=SUNKEN.recip()).contains(&square) {
        let largest = row.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        if largest == 0.0 {
            return;
        }
        row.iter_mut().for_each(|value| *value /= largest);
        square = dot(row, row);
    }
    normalise(row, square.sqrt());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_the_definition(
            n in 1_usize..9, m in 1_usize..30, count in 0_usize..700, exponents in [-300_i32..300, -300_i32..300], seed: u64,
        ) {
            let mut state = seed | 1;
            let rows: Vec<f64> = (0..n * m).map(|_| noise(&mut state)).collect();
            let scaled: Vec<f64> = rows.iter().enumerate()
                .map(|(at, value)| value * 10_f64.powi(exponents[at / m % 2])).collect();
            let x = FeatureMatrix::from_slice(&scaled, m).expect("shape");
            let y = FeatureMatrix::from_slice(&rows, m).expect("shape");
            let mut pick = || { noise(&mut state); (state % n as u64) as usize };
            let pairs: Vec<[usize; 2]> = (0..count).map(|_| [pick(), pick()]).collect();
            let found = listed_cosines([&x, &y], &pairs, &Run::quiet(2).expect("threads")).expect("runs");
            for (&[i, j], cosine) in pairs.iter().zip(&found) {
                let [a, b] = [i, j].map(|row| &rows[row * m..(row + 1) * m]);
                let expected = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
                prop_assert!((cosine - expected).abs() < 1e-13, "{} {}", cosine, expected);
            }
        }
    }

    #[test]
    fn zero_features_have_none_and_wrong_pairs_are_refused() {
        let x = FeatureMatrix::from_slice(&[0.0, 0.0, 3.0, 4.0], 2).expect("shape");
        let run = Run::quiet(1).expect("threads");
        assert_eq!(listed_cosines([&x, &x], &[[0, 1], [1, 1]], &run), Ok(vec![0.0, 1.0]));
        assert!(matches!(listed_cosines([&x, &x], &[[0, 2]], &run), Err(Error::Parameter(_))));
        let other = FeatureMatrix::from_slice(&[1.0], 1).expect("shape");
        assert!(matches!(listed_cosines([&x, &other], &[], &run), Err(Error::Shape(_))));
    }
}
