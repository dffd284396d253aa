//! Eigenvalues of a symmetric tridiagonal matrix without square roots: the QL iteration of Pal, Walker and Kahan.
//!
//! Parlett, The Symmetric Eigenvalue Problem (1998), section 8.15. It works on the squares of the off-diagonal,
//! and so needs no rotations; where the eigenvectors are not wanted this halves the time that a self-adjoint
//! solver spends after its reduction, which no second thread can share.

use crate::error::{Error, Result};

/// Sweeps for each eigenvalue before the iteration is given up; two are usual.
const SWEEPS: usize = 30;

/// Eigenvalues, decreasing, of the matrix with this diagonal (n) and these entries beside it (n - 1), to a few
/// times `eps` of the largest. Costs about `1.5 n^2` steps of two divisions each.
///
/// # Errors
/// [`Error::Convergence`]; entries that are not finite never converge.
pub(super) fn eigenvalues(mut diagonal: Vec<f64>, beside: &[f64]) -> Result<Vec<f64>> {
    let scale = diagonal.iter().chain(beside).fold(0.0, |most: f64, entry| most.max(entry.abs()));
    if scale == 0.0 {
        return Ok(diagonal);
    }
    // The squares of entries of size one neither overflow nor lose what matters.
    diagonal.iter_mut().for_each(|entry| *entry /= scale);
    let mut squares: Vec<f64> = beside.iter().map(|entry| (entry / scale).powi(2)).collect();
    let mut left = SWEEPS * diagonal.len();
    let mut top = 0;
    while top < diagonal.len() {
        let bottom = (top..squares.len()).find(|&i| negligible(&diagonal, &squares, i));
        let bottom = bottom.unwrap_or(diagonal.len() - 1);
        if let Some(square) = squares.get_mut(bottom) {
            *square = 0.0;
        }
        // The iteration finds the eigenvalue at the top, and is quick where the entries grow downwards.
        if diagonal[bottom].abs() < diagonal[top].abs() {
            diagonal[top..=bottom].reverse();
            squares[top..bottom].reverse();
        }
        while top < bottom && !negligible(&diagonal, &squares, top) {
            left = left.checked_sub(1).ok_or(Error::Convergence("the eigensolver"))?;
            sweep(&mut diagonal[top..=bottom], &mut squares[top..bottom]);
            // A matrix that has come apart further down is taken up again from its upper part.
            if (top + 1..bottom).any(|i| negligible(&diagonal, &squares, i)) {
                break;
            }
        }
        if top == bottom || negligible(&diagonal, &squares, top) {
            top += 1;
        }
    }
    diagonal.iter_mut().for_each(|entry| *entry *= scale);
    diagonal.sort_unstable_by(|a, b| b.total_cmp(a));
    Ok(diagonal)
}

/// Whether the entry below place `i` changes no eigenvalue: small beside its neighbours, or by `eps^2` of all.
fn negligible(diagonal: &[f64], squares: &[f64], i: usize) -> bool {
    let size = (diagonal[i] * diagonal[i + 1]).abs().max(f64::EPSILON * f64::EPSILON);
    squares[i] <= f64::EPSILON * f64::EPSILON * size
}

/// One sweep with the shift of Wilkinson, from the bottom up.
fn sweep(diagonal: &mut [f64], squares: &mut [f64]) {
    let root = squares[0].sqrt();
    let half = (diagonal[1] - diagonal[0]) / (2.0 * root);
    let shift = diagonal[0] - root / (half + half.hypot(1.0).copysign(half));
    let last = squares.len();
    let mut gamma = diagonal[last] - shift;
    let (mut cosine, mut sine, mut square) = (1.0, 0.0, gamma * gamma);
    for i in (0..last).rev() {
        let beside = squares[i];
        let sum = square + beside;
        if i + 1 < last {
            squares[i + 1] = sine * sum;
        }
        let (before, above) = (cosine, gamma);
        // Both quotients at once: the next square needs the inverse, and divisions wait for nothing but their
        // operands.
        let inverse = sum / square;
        cosine = square / sum;
        sine = beside / sum;
        gamma = cosine * (diagonal[i] - shift) - sine * above;
        diagonal[i + 1] = above + (diagonal[i] - gamma);
        square = if cosine > f64::MIN_POSITIVE { gamma * gamma * inverse } else { before * beside };
    }
    squares[0] = sine * square;
    diagonal[0] = shift + gamma;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many eigenvalues lie below `x`: the signs of the pivots of T - x, by Sylvester's law.
    fn below(diagonal: &[f64], beside: &[f64], x: f64) -> usize {
        let mut pivot = 1.0_f64;
        (0..diagonal.len())
            .filter(|&i| {
                let coupling = if i == 0 { 0.0 } else { beside[i - 1] * beside[i - 1] / pivot };
                pivot = diagonal[i] - x - coupling;
                if pivot == 0.0 {
                    pivot = f64::MIN_POSITIVE.sqrt();
                }
                pivot < 0.0
            })
            .count()
    }

    fn check(diagonal: &[f64], beside: &[f64]) {
        let found = eigenvalues(diagonal.to_vec(), beside).expect("converges");
        let n = diagonal.len();
        let norm = (0..n)
            .map(|i| {
                diagonal[i].abs()
                    + if i > 0 { beside[i - 1].abs() } else { 0.0 }
                    + beside.get(i).copied().unwrap_or(0.0).abs()
            })
            .fold(0.0, f64::max);
        assert!(found.windows(2).all(|pair| pair[0] >= pair[1]));
        // In units of the norm, so that the counts square nothing that underflows.
        let unit = |entries: &[f64]| entries.iter().map(|x| x / norm.max(f64::MIN_POSITIVE)).collect();
        let (diagonal, beside, found): (Vec<f64>, Vec<f64>, Vec<f64>) =
            (unit(diagonal), unit(beside), unit(&found));
        let slack = (10.0 + n as f64) * f64::EPSILON;
        for (rank, value) in found.iter().enumerate() {
            assert!(below(&diagonal, &beside, value - slack) <= n - 1 - rank, "{rank}: {value} is too large");
            assert!(below(&diagonal, &beside, value + slack) >= n - rank, "{rank}: {value} is too small");
        }
    }

    #[test]
    fn the_path_has_cosines() {
        for n in [1_usize, 2, 3, 10, 257, 1000] {
            let found = eigenvalues(vec![2.0; n], &vec![-1.0; n - 1]).expect("converges");
            for (k, value) in found.iter().enumerate() {
                let angle = (k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
                assert!((value - 2.0 - 2.0 * angle.cos()).abs() < 1e-14, "n = {n}: {k}");
            }
        }
    }

    #[test]
    fn close_pairs_and_graded_and_broken_matrices() {
        // Wilkinson's W21+, whose largest eigenvalues agree to fifteen digits.
        let wilkinson: Vec<f64> = (-10..=10_i32).map(|i| f64::from(i.abs())).collect();
        check(&wilkinson, &[1.0; 20]);
        let found = eigenvalues(wilkinson, &[1.0; 20]).expect("converges");
        assert!((found[0] - 10.746_194_182_903_3).abs() < 1e-12 && found[0] - found[1] < 1e-13);
        let graded: Vec<f64> = (0..40).map(|i| 10_f64.powi(-i)).collect();
        for scale in [1.0, 1e-150, 1e150] {
            let diagonal: Vec<f64> = graded.iter().map(|x| x * scale).collect();
            check(&diagonal, &diagonal[1..]);
            let turned: Vec<f64> = diagonal.iter().rev().copied().collect();
            check(&turned, &turned[..39]);
        }
        check(&[0.0; 9], &[1.0, 0.0, 0.0, 1.0, 1e-300, 1.0, 1.0, 0.0]);
        check(&[0.0; 5], &[0.0; 4]);
        assert!(eigenvalues(Vec::new(), &[]).expect("nothing").is_empty());
        assert!(eigenvalues(vec![1.0, f64::NAN], &[1.0]).is_err());
    }

    proptest! {
        #[test]
        fn counts_of_sturm(
            entries in proptest::collection::vec((-1.0_f64..1.0, prop_oneof![-1.0_f64..1.0, Just(0.0), -1e-12_f64..1e-12]), 1..60),
            power in -100_i32..100,
        ) {
            let scale = 10_f64.powi(power);
            let diagonal: Vec<f64> = entries.iter().map(|entry| entry.0 * scale).collect();
            let beside: Vec<f64> = entries[1..].iter().map(|entry| entry.1 * scale).collect();
            check(&diagonal, &beside);
        }
    }
}
