//! Spectral measures over the roots of dimensions: what `gram::null_sweep` multiplies.

use super::energies::{energies_of, packed_columns, total};
use crate::error::{Error, Result};
use crate::matrix::FeatureMatrix;
use crate::products::{Level, Packed, Product};
use crate::run::{Run, fits};
use faer::MatRef;
use pulp::Arch;
use rayon::prelude::*;

/// Features that one thread works on at a time: packed they fit the second-level cache.
const ROWS: usize = 96;

/// The share of each feature's squared norm in each eigenspace, over the root of its dimension: row-major, one number
/// for each of the eigenspaces `starts[k]..starts[k + 1]` of the `vectors`, and where there are `null` dimensions
/// outside of them, one more for these. 0 for zero features.
///
/// The variance of the cosine of two features under the measure null is the inner product of their rows. Costs
/// `2 n m r` operations; each feature is divided by its largest entry first, so that no square leaves `f64`.
///
/// # Errors
/// [`Error::Shape`] when the parts do not fit together, [`Error::Memory`], [`Error::Interrupted`].
pub fn shares(
    x: &FeatureMatrix<'_>,
    vectors: MatRef<'_, f64>,
    starts: &[usize],
    null: usize,
    run: &Run,
) -> Result<Vec<f64>> {
    let (n, m, r) = (x.n(), x.m(), vectors.ncols());
    let covers = starts.first() == Some(&0)
        && starts.last() == Some(&r)
        && starts.windows(2).all(|pair| pair[0] < pair[1]);
    if vectors.nrows() != m || !covers {
        return Err(Error::Shape(format!(
            "{r} eigenvectors of {} entries and eigenspaces {starts:?} do not fit a {n} x {m} matrix",
            vectors.nrows()
        )));
    }
    let spaces = starts.len() - 1;
    let (width, stride) = (spaces + usize::from(null > 0), r.next_multiple_of(f64::WIDTH));
    let threads = run.pool().current_num_threads();
    fits(&[[n, width, 8], [threads, ROWS * (2 * m + stride), 8], [stride, m, 8]])?;
    let roots: Vec<f64> = starts.windows(2).map(|space| ((space[1] - space[0]) as f64).sqrt()).collect();
    let (level, arch) = (Level::current()?, Arch::new());
    let (kernel, basis) = (f64::kernel(level), packed_columns(vectors));
    let mut found = vec![0.0; n * width];
    run.pool().install(|| {
        found.par_chunks_mut((ROWS * width).max(1)).enumerate().try_for_each_init(
            || (vec![0.0; ROWS * m], Packed::default(), vec![0.0; ROWS * stride]),
            |(tile, packed, energies), (job, found)| {
                run.control().check()?;
                let rows = found.len() / width;
                let tile = &mut tile[..rows * m];
                x.read(job * ROWS..job * ROWS + rows, tile);
                for w in tile.chunks_exact_mut(m) {
                    let largest = w.iter().fold(0.0_f64, |most: f64, &entry: &f64| most.max(entry.abs()));
                    if largest > 0.0 {
                        w.iter_mut().for_each(|entry| *entry /= largest);
                    }
                }
                energies_of(tile, m, packed, &basis, kernel, energies, stride);
                for (row, (w, found)) in tile.chunks_exact(m).zip(found.chunks_exact_mut(width)).enumerate() {
                    let energy = &energies[row * stride..][..r];
                    let mut fill = || of_one(w, energy, starts, &roots, null, found);
                    match level {
                        Level::Scalar => fill(),
                        _ => arch.dispatch(fill),
                    }
                }
                Ok(())
            },
        )
    })?;
    Ok(found)
}

/// The row of one feature. Compiled once more for each set of vector instructions.
#[inline(always)]
fn of_one(w: &[f64], energy: &[f64], starts: &[usize], roots: &[f64], null: usize, found: &mut [f64]) {
    let norm = total([w], |[entry]| entry * entry);
    if norm == 0.0 {
        return;
    }
    if roots.len() == energy.len() {
        found.iter_mut().zip(energy).for_each(|(share, energy)| *share = energy / norm);
    } else {
        for ((share, space), root) in found.iter_mut().zip(starts.windows(2)).zip(roots) {
            *share = total([&energy[space[0]..space[1]]], |[e]| e) / norm / root;
        }
    }
    if null > 0 {
        found[roots.len()] = (1.0 - total([energy], |[e]| e) / norm).max(0.0) / (null as f64).sqrt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;
    use faer::Mat;

    #[test]
    fn it_is_the_projections_over_the_norm_and_the_root() {
        let (n, m) = (2 * ROWS + 7, 5);
        let mut state = 7;
        let mut data: Vec<f64> = (0..n * m).map(|_| noise(&mut state)).collect();
        data[..m].fill(0.0);
        data[m..2 * m].iter_mut().for_each(|entry| *entry *= 1e-200);
        let x = FeatureMatrix::from_slice(&data, m).expect("shape");
        let angle = 0.3_f64;
        let mut vectors = Mat::<f64>::identity(m, 4);
        (vectors[(0, 0)], vectors[(1, 0)]) = (angle.cos(), angle.sin());
        (vectors[(0, 1)], vectors[(1, 1)]) = (-angle.sin(), angle.cos());
        for (starts, null) in [(vec![0, 1, 2, 3, 4], 0), (vec![0, 2, 3, 4], 3), (vec![0, 4], 1)] {
            let width = starts.len() - 1 + usize::from(null > 0);
            for threads in [1, 2] {
                let run = Run::quiet(threads).expect("threads");
                let found = shares(&x, vectors.as_ref(), &starts, null, &run).expect("fits");
                for (w, found) in data.chunks(m).zip(found.chunks(width)) {
                    let norm: f64 = w.iter().map(|entry| (entry / w[0]).powi(2)).sum();
                    let along =
                        |k: usize| (0..m).map(|a| w[a] / w[0] * vectors[(a, k)]).sum::<f64>().powi(2) / norm;
                    let mut expected: Vec<f64> = starts
                        .windows(2)
                        .map(|s| (s[0]..s[1]).map(along).sum::<f64>() / ((s[1] - s[0]) as f64).sqrt())
                        .collect();
                    if null > 0 {
                        expected.push((1.0 - (0..4).map(along).sum::<f64>()) / (null as f64).sqrt());
                    }
                    for (found, expected) in found.iter().zip(&expected) {
                        let expected = if w[0] == 0.0 { 0.0 } else { *expected };
                        assert!((found - expected).abs() < 1e-14, "{found} {expected}");
                    }
                }
            }
        }
        let run = Run::quiet(1).expect("threads");
        assert!(shares(&x, vectors.as_ref(), &[0, 3], 0, &run).is_err());
        assert!(shares(&x, Mat::<f64>::identity(4, 4).as_ref(), &[0, 4], 0, &run).is_err());
    }
}
