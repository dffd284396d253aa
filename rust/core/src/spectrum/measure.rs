//! How each feature's norm is spread over the eigenspaces, and the numbers that follow from it.

use crate::error::{Error, Result};
use crate::gram::{check_small, check_squares};
use crate::matrix::{FeatureMatrix, dot};
use crate::products::{Level, Packed, Product};
use crate::run::{self, Run};
use crate::spectrum::energies::{energies_of, packed_columns, total};
use faer::MatRef;
use pulp::Arch;
use rayon::prelude::*;

/// Features that one thread works on at a time: packed they fit the second-level cache.
const ROWS: usize = 96;

/// A feature with no more than this share of its norm in the retained eigenspaces is as good as zero there.
const UNSEEN: f64 = 1e-9;

/// A feature with more than this share of its norm outside the retained eigenspaces has no measure: what is inside
/// does not tell how it lies. Choice, well above what the rounding of bfloat16 leaves outside (`eps^2 / 12`, 5e-6).
const HIDDEN: f64 = 1e-4;

/// The retained eigenvectors, from whichever of the two operators was decomposed.
#[derive(Debug, Clone, Copy)]
pub enum Basis<'a> {
    /// Eigenvectors of the frame operator, `m x r`: a feature's coordinates are `V^T w`.
    Frame(MatRef<'a, f64>),
    /// From the Gram matrix: its eigenvectors, and the coordinates of the features, see [`super::coordinates`]; both
    /// `n x r`.
    Gram {
        /// Entry (i, k) is the square root of what eigenvalue k gives to the leverage of feature i; errs by rounding of 1.
        vectors: MatRef<'a, f64>,
        /// The same times the root of the eigenvalue, up to its sign; errs by rounding of the feature's norm.
        along: MatRef<'a, f64>,
    },
}

impl Basis<'_> {
    fn rank(&self) -> usize {
        match self {
            Self::Frame(vectors) | Self::Gram { vectors, .. } => vectors.ncols(),
        }
    }
}

/// The spectral measure `mu_i(k) = |P_k w_i|^2 / N_i` of one feature in numbers.
///
/// A feature that is zero, or lies in the null space, has capacity and leverage 0, no top eigenspace, and NaN
/// elsewhere. Masses add up to the share inside the retained eigenspaces; kappa and capacity are those of all of the
/// feature, leverage that of what is inside. Up to [`HIDDEN`] outside, the other numbers are those of the projection,
/// so that they are those of a probability; beyond it there are none, and no top eigenspace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureMeasure {
    /// `N = |w|^2`.
    pub squared_norm: f64,
    /// Rayleigh quotient `w^T F w / N`: the mean of lambda under mu.
    pub kappa: f64,
    /// `D = N / kappa`.
    pub capacity: f64,
    /// `w^T F^+ w`.
    pub leverage: f64,
    /// `1 - D / leverage`, computed without cancellation.
    pub slack: f64,
    /// Standard deviation of lambda under mu, over kappa.
    pub cv: f64,
    /// `max_k mu(k)`, like the next two of mu over its sum.
    pub max_mass: f64,
    /// Inverse participation ratio `sum_k mu(k)^2`.
    pub ipr: f64,
    /// Entropy of mu in nats.
    pub entropy: f64,
    /// The eigenspace with the largest mass.
    pub eigenspace: Option<usize>,
}

impl FeatureMeasure {
    const ZERO: Self = Self {
        squared_norm: 0.0,
        kappa: f64::NAN,
        capacity: 0.0,
        leverage: 0.0,
        slack: f64::NAN,
        cv: f64::NAN,
        max_mass: f64::NAN,
        ipr: f64::NAN,
        entropy: f64::NAN,
        eigenspace: None,
    };
}

/// The measures of all features.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// One entry per feature.
    pub features: Vec<FeatureMeasure>,
    /// The measures themselves, row-major `n x eigenspaces`, when they were asked for; NaN rows for zero
    /// features.
    pub masses: Option<Vec<f64>>,
}

/// Measure every feature against eigenspaces `starts[k]..starts[k + 1]` of the retained `values`.
///
/// Costs `2 n m r` operations for a [`Basis::Frame`], `n r` for a [`Basis::Gram`], and `O(n)` memory beyond the
/// masses (`n` times the number of eigenspaces, only on demand).
///
/// # Errors
/// [`Error::Shape`] when the parts do not fit together; as [`check_squares`] and [`check_small`].
pub fn measures(
    x: &FeatureMatrix<'_>,
    values: &[f64],
    basis: Basis<'_>,
    starts: &[usize],
    with_masses: bool,
    run: &Run,
) -> Result<Measures> {
    let (n, m, r) = (x.n(), x.m(), values.len());
    let fits = match basis {
        Basis::Frame(vectors) => vectors.nrows() == m,
        Basis::Gram { vectors, along } => {
            vectors.nrows() == n && along.nrows() == n && along.ncols() == vectors.ncols()
        }
    };
    let covers = starts.first() == Some(&0)
        && starts.last() == Some(&r)
        && starts.windows(2).all(|pair| pair[0] < pair[1]);
    if !fits || basis.rank() != r || !covers {
        return Err(Error::Shape(format!(
            "{r} eigenvalues, {} eigenvectors and eigenspaces {starts:?} do not fit a {n} x {m} matrix",
            basis.rank()
        )));
    }
    let (spaces, stride) = (starts.len() - 1, r.next_multiple_of(f64::WIDTH));
    let largest = values.first().copied().unwrap_or(1.0);
    let relative: Vec<f64> = values.iter().map(|value| value / largest).collect();
    let (threads, kept) = (run.pool().current_num_threads(), if with_masses { 2 * spaces } else { 0 });
    run::fits(&[
        [n, 2 * size_of::<FeatureMeasure>() + 88, 1],
        [n, kept, 8],
        [threads, ROWS * (2 * m + stride), 8],
        [stride, m, 8],
    ])?;
    let (level, arch) = (Level::current()?, Arch::new());
    let kernel = f64::kernel(level);
    let basis_rows = match basis {
        Basis::Frame(vectors) => packed_columns(vectors),
        Basis::Gram { .. } => Packed::default(),
    };
    run.control().expect(n as u64);
    let jobs: Vec<(Vec<FeatureMeasure>, Vec<f64>)> = run.pool().install(|| {
        (0..n)
            .into_par_iter()
            .step_by(ROWS)
            .map_init(
                || {
                    (
                        vec![0.0; ROWS * m],
                        Packed::default(),
                        vec![0.0; ROWS * stride],
                        vec![0.0; r],
                        vec![0.0; spaces],
                    )
                },
                |(tile, packed, energies, levers, mass), first| {
                    let rows = ROWS.min(n - first);
                    let tile = &mut tile[..rows * m];
                    x.read(first..first + rows, tile);
                    match basis {
                        Basis::Frame(_) => {
                            energies_of(tile, m, packed, &basis_rows, kernel, energies, stride)
                        }
                        Basis::Gram { along, .. } => {
                            for (at, energy) in energies.iter_mut().enumerate().take(rows * stride) {
                                let (row, k) = (at / stride, at % stride);
                                *energy = if k < r { along[(first + row, k)].powi(2) } else { 0.0 };
                            }
                        }
                    }
                    let mut features = Vec::with_capacity(rows);
                    let mut masses = Vec::with_capacity(if with_masses { rows * spaces } else { 0 });
                    for (row, w) in tile.chunks_exact(m).enumerate() {
                        let energy = &energies[row * stride..][..r];
                        let mut numbers = || {
                            levers_of(basis, first + row, energy, values, levers);
                            measure(dot(w, w), energy, levers, &relative, largest, starts, mass)
                        };
                        features.push(match level {
                            Level::Scalar => numbers(),
                            _ => arch.dispatch(numbers),
                        });
                        if with_masses {
                            masses.extend_from_slice(mass);
                        }
                    }
                    run.control().advance(rows as u64)?;
                    Ok((features, masses))
                },
            )
            .collect::<Result<_>>()
    })?;
    let (features, masses): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
    let features = features.concat();
    let squares: Vec<f64> = features.iter().map(|feature| feature.squared_norm).collect();
    check_squares(x, squares.iter().copied(), run)?;
    check_small(x, &squares)?;
    Ok(Measures { features, masses: with_masses.then(|| masses.concat()) })
}

/// What each eigenvalue gives to the leverage of a feature: its energy over the eigenvalue, with the eigenvalue's
/// relative error, eps times the largest over it; or the square of the Gram matrix's eigenvector's entry, which errs
/// by eps over the entry. The smaller error decides.
#[inline(always)]
fn levers_of(basis: Basis<'_>, feature: usize, energy: &[f64], values: &[f64], levers: &mut [f64]) {
    for ((lever, energy), value) in levers.iter_mut().zip(energy).zip(values) {
        *lever = energy / value;
    }
    if let Basis::Gram { vectors, .. } = basis {
        let largest = values.first().copied().unwrap_or(1.0);
        for (k, (lever, value)) in levers.iter_mut().zip(values).enumerate() {
            if lever.sqrt() > value / largest {
                *lever = vectors[(feature, k)].powi(2);
            }
        }
    }
}

/// The numbers of one feature, and its measure into `mass`. `relative` are the eigenvalues over the largest one,
/// so that powers of them stay in range. Compiled once more for each set of vector instructions.
#[inline(always)]
fn measure(
    norm: f64,
    energy: &[f64],
    levers: &[f64],
    relative: &[f64],
    largest: f64,
    starts: &[usize],
    mass: &mut [f64],
) -> FeatureMeasure {
    let kept = total([energy], |[e]| e);
    if norm == 0.0 {
        mass.fill(f64::NAN);
    } else if mass.len() == energy.len() {
        mass.iter_mut().zip(energy).for_each(|(mass, energy)| *mass = energy / norm);
    } else {
        for (mass, space) in mass.iter_mut().zip(starts.windows(2)) {
            *mass = total([&energy[space[0]..space[1]]], |[e]| e) / norm;
        }
    }
    if norm == 0.0 || kept <= UNSEEN * norm {
        return FeatureMeasure { squared_norm: norm, ..FeatureMeasure::ZERO };
    }
    // Means over the projection, whose shares of the single eigenvalues are a probability.
    let kappa = total([energy, relative], |[e, lambda]| e * lambda) / kept;
    let variance = total([energy, relative], |[e, lambda]| e * (lambda - kappa) * (lambda - kappa)) / kept;
    // kappa E[1/lambda] - 1 = E[(lambda - kappa)^2 / lambda] / kappa: a sum of squares, no cancellation.
    let scale = largest / kept;
    let spread = |[lever, lambda]: [f64; 2]| lever * scale * (lambda - kappa) * (lambda - kappa);
    let excess = total([levers, relative], spread) / kappa;
    let top = mass
        .iter()
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, (k, &value)| if value > best.1 { (k, value) } else { best });
    let inside = kept / norm;
    let whole = FeatureMeasure {
        squared_norm: norm,
        kappa: kappa * largest * inside,
        capacity: norm / inside / largest / kappa,
        leverage: total([levers], |[lever]| lever),
        ..FeatureMeasure::ZERO
    };
    if inside < 1.0 - HIDDEN {
        return whole;
    }
    let shares = mass.iter().map(|value| value / inside).filter(|share| *share > 0.0);
    FeatureMeasure {
        slack: excess / (1.0 + excess),
        cv: variance.sqrt() / kappa,
        max_mass: (top.1 / inside).min(1.0),
        ipr: total([mass], |[value]| (value / inside) * (value / inside)).min(1.0),
        entropy: shares.map(|share| -share * share.ln()).sum::<f64>().max(0.0),
        eigenspace: Some(top.0),
        ..whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram::{Precision, frame_operator};
    use crate::spectrum::{coordinates, eigenspaces, self_adjoint};
    use crate::testing::noise;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn identities_hold_on_both_sides(n in 1_usize..40, m in 1_usize..12, seed in any::<u64>()) {
            let mut state = seed | 1;
            let data: Vec<f64> = (0..n * m).map(|_| noise(&mut state)).collect();
            let x = FeatureMatrix::from_slice(&data, m).expect("shape");
            let run = Run::quiet(2).expect("threads");
            let mut sides = Vec::new();
            for gram in [false, true] {
                let view = if gram { x.transposed() } else { x };
                let f = frame_operator(&view, Precision::Double, &run).expect("finite");
                let eigen = self_adjoint(f.clone(), &run).expect("converges");
                // Random matrices of these sizes are well enough conditioned for a plain cut.
                let r = eigen.values.iter().filter(|v| **v > 1e-10 * eigen.values[0]).count();
                let values = &eigen.values[..r];
                let spaces = eigenspaces(values, 0.0, None).expect("valid");
                let vectors = eigen.vectors.as_ref().subcols(0, r);
                let along = gram.then(|| coordinates(f.as_ref(), vectors, &run).expect("fits"));
                let basis = along.as_ref().map_or(Basis::Frame(vectors), |along| Basis::Gram { vectors, along: along.as_ref() });
                let found = measures(&x, values, basis, &spaces.starts, true, &run).expect("fits");
                let leverage: f64 = found.features.iter().map(|f| f.leverage).sum();
                let error = 1e-14 * values[0] / values[r - 1] * (n * m) as f64;
                prop_assert!((leverage - r as f64).abs() <= error);
                for (feature, mass) in found.features.iter().zip(found.masses.expect("asked for").chunks(spaces.starts.len() - 1)) {
                    // Both bases are orthonormal; a feature may have a little of itself among the null ones.
                    prop_assert!((mass.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{} of {}", mass.iter().sum::<f64>(), feature.squared_norm);
                    prop_assert!(feature.capacity <= feature.leverage * (1.0 + 1e-12) + error);
                    prop_assert!(feature.leverage <= 1.0 + error);
                    prop_assert!((feature.slack - (1.0 - feature.capacity / feature.leverage)).abs() < 1e-12 + error);
                    prop_assert!(feature.ipr <= feature.max_mass + 1e-12 && feature.max_mass <= 1.0);
                }
                sides.push(found.features);
            }
            for (a, b) in sides[0].iter().zip(&sides[1]) {
                prop_assert!((a.kappa - b.kappa).abs() < 1e-9 * a.kappa);
                prop_assert!((a.capacity - b.capacity).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_zero_feature_is_flagged_and_harms_nobody() {
        let data = [1.0, 0.0, 0.0, 0.0, 0.0, 2.0];
        let x = FeatureMatrix::from_slice(&data, 2).expect("shape");
        let run = Run::quiet(1).expect("threads");
        let eigen = self_adjoint(frame_operator(&x, Precision::Double, &run).expect("finite"), &run)
            .expect("converges");
        let found = measures(&x, &eigen.values, Basis::Frame(eigen.vectors.as_ref()), &[0, 1, 2], true, &run)
            .expect("fits");
        assert_eq!(found.features[1].capacity, 0.0);
        assert_eq!(found.features[1].eigenspace, None);
        assert!(found.features[1].kappa.is_nan());
        assert_eq!(found.features[0].capacity, 1.0);
        assert_eq!(found.features[2].eigenspace, Some(0));
        assert!(found.masses.expect("asked for")[2..4].iter().all(|v| v.is_nan()));
    }

    #[test]
    fn what_lies_outside_leaves_a_probability_or_nothing() {
        // Two of three axes are retained; the last features have shares of 1/2 and 1e-10 / 4 outside them.
        let data = [3.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.3, 0.4, 0.5, 0.3, 0.4, 0.25e-5];
        let x = FeatureMatrix::from_slice(&data, 3).expect("shape");
        let run = Run::quiet(1).expect("threads");
        let vectors = faer::Mat::<f64>::identity(3, 2);
        let found =
            measures(&x, &[9.0, 4.0], Basis::Frame(vectors.as_ref()), &[0, 1, 2], true, &run).expect("fits");
        let [.., half, nearly] = found.features[..] else { unreachable!() };
        let near = |a: f64, b: f64| (a - b).abs() < 1e-15;
        assert!(near(nearly.max_mass, 0.64) && near(nearly.ipr, 0.64 * 0.64 + 0.36 * 0.36));
        assert!(near(nearly.entropy, -0.64 * 0.64_f64.ln() - 0.36 * 0.36_f64.ln()));
        assert_eq!((half.eigenspace, nearly.eigenspace), (None, Some(1)));
        assert!(
            [half.slack, half.cv, half.max_mass, half.ipr, half.entropy].iter().all(|value| value.is_nan())
        );
        let energy = 0.09 * 9.0 + 0.16 * 4.0;
        assert!(near(half.kappa, energy / 0.5) && near(half.capacity, 0.25 / energy));
        assert!(near(half.leverage, 0.09 / 9.0 + 0.16 / 4.0));
        let masses = found.masses.expect("asked for");
        assert!(near(masses[4], 0.18) && near(masses[5], 0.32));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let x = FeatureMatrix::from_slice(&[1.0, 2.0], 2).expect("shape");
        let run = Run::quiet(1).expect("threads");
        let vectors = faer::Mat::<f64>::identity(2, 2);
        for starts in [&[0, 1][..], &[0, 2, 2], &[], &[1, 2]] {
            assert!(measures(&x, &[5.0, 1.0], Basis::Frame(vectors.as_ref()), starts, false, &run).is_err());
        }
    }
}
