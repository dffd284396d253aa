//! Which vector instructions the kernels use.

use super::{Kernel, Product, scalar};
use crate::error::{Error, Result};
use std::str::FromStr;

/// Environment variable that names the level to use, for tests and for finding out what a level gains.
pub const LEVEL_VARIABLE: &str = "FEATUREGEOM_SIMD";

/// Vector instructions, the widest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// 512 bits.
    Avx512,
    /// 256 bits, with FMA.
    Avx2,
    /// 128 bits, on ARM.
    Neon,
    /// Whatever the compiler makes of plain loops.
    Scalar,
}

const NAMES: [(&str, Level); 4] =
    [("avx512", Level::Avx512), ("avx2", Level::Avx2), ("neon", Level::Neon), ("scalar", Level::Scalar)];

impl Level {
    /// The levels that this processor has, the widest first; the last is always scalar.
    pub fn available() -> Vec<Self> {
        NAMES.iter().map(|&(_, level)| level).filter(|level| level.exists()).collect()
    }

    /// The level that [`LEVEL_VARIABLE`] names, or the widest.
    ///
    /// # Errors
    /// [`Error::Parameter`] where it names none that this processor has.
    pub fn current() -> Result<Self> {
        match std::env::var(LEVEL_VARIABLE) {
            Ok(name) if !name.is_empty() => name.parse(),
            _ => Ok(Self::available().first().copied().unwrap_or(Self::Scalar)),
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn exists(self) -> bool {
        // No vectors in an interpreter that checks memory.
        match self {
            Self::Avx512 => !cfg!(miri) && is_x86_feature_detected!("avx512f"),
            Self::Avx2 => !cfg!(miri) && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Neon => false,
            Self::Scalar => true,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn exists(self) -> bool {
        self == Self::Scalar || self == Self::Neon && cfg!(all(target_arch = "aarch64", not(miri)))
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        NAMES.iter().find(|known| known.0 == name && known.1.exists()).map(|known| known.1).ok_or_else(|| {
            let names =
                NAMES.iter().filter(|known| known.1.exists()).map(|known| known.0).collect::<Vec<_>>();
            Error::Parameter(format!("{LEVEL_VARIABLE} is {name:?}; this processor has {}", names.join(", ")))
        })
    }
}

impl Product for f32 {
    const WIDTH: usize = 48;

    fn kernel(level: Level) -> Kernel<Self> {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if level.exists() => Kernel {
                rows: 8,
                columns: 48,
                add: super::x86::f32_avx512,
                narrow: (16, super::x86::f32_avx512_narrow),
            },
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 if level.exists() => Kernel::of(6, 16, super::x86::f32_avx2),
            #[cfg(target_arch = "aarch64")]
            Level::Neon if level.exists() => Kernel::of(8, 12, super::neon::f32_neon),
            _ => Kernel::of(scalar::ROWS, scalar::COLUMNS, scalar::scalar),
        }
    }
}

impl Product for f64 {
    const WIDTH: usize = 24;

    fn kernel(level: Level) -> Kernel<Self> {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if level.exists() => Kernel {
                rows: 8,
                columns: 24,
                add: super::x86::f64_avx512,
                narrow: (8, super::x86::f64_avx512_narrow),
            },
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 if level.exists() => Kernel::of(6, 8, super::x86::f64_avx2),
            #[cfg(target_arch = "aarch64")]
            Level::Neon if level.exists() => Kernel::of(8, 6, super::neon::f64_neon),
            _ => Kernel::of(scalar::ROWS, scalar::COLUMNS, scalar::scalar),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    const DEPTH: usize = 131;

    /// A square of inner products by every level, against sums in `f64`; where product and sum are fused, to the bit.
    fn agree<T: Product>(epsilon: f64, fused: impl Fn(T, T, T) -> T) {
        for level in Level::available() {
            let kernel = T::kernel(level);
            let width = T::WIDTH;
            let mut state = 3;
            let mut panel =
                || -> Vec<T> { (0..DEPTH * width).map(|_| T::narrow(noise(&mut state))).collect() };
            let (left, right) = (panel(), panel());
            let mut sums = vec![T::narrow(0.0); width * width];
            kernel.add(&left, &right, &mut sums, width);
            let once = sums.clone();
            let mut lower = vec![T::narrow(0.0); width * width];
            kernel.add_lower(&left, &right, &mut lower, width);
            for i in 0..width {
                let row = i * width..=i * width + i;
                assert!(lower[row.clone()] == once[row], "{level:?} {i}: the same to the bit");
            }
            kernel.add(&left, &right, &mut sums, width);
            for i in 0..width {
                for j in 0..width {
                    let terms = || (0..DEPTH).map(|k| (left[k * width + i], right[k * width + j]));
                    let (mut sum, mut size) = (0.0, 0.0);
                    for (a, b) in terms() {
                        sum += a.into() * b.into();
                        size += (a.into() * b.into()).abs();
                    }
                    let found: f64 = once[i * width + j].into();
                    assert!((found - sum).abs() <= DEPTH as f64 * epsilon * size, "{level:?} {i} {j}");
                    assert_eq!(sums[i * width + j].into(), 2.0 * found, "it adds to what is there");
                    let exact: f64 = terms().fold(T::default(), |sum, (a, b)| fused(a, b, sum)).into();
                    assert!(level == Level::Scalar || found == exact, "{level:?} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn every_level_gives_inner_products() {
        agree::<f32>(f64::from(f32::EPSILON), f32::mul_add);
        agree::<f64>(f64::EPSILON, f64::mul_add);
    }

    #[test]
    fn a_level_is_named_or_refused() {
        for level in Level::available() {
            let name = NAMES.iter().find(|known| known.1 == level).expect("named").0;
            assert_eq!(name.parse(), Ok(level));
        }
        assert!(
            matches!("sse9".parse::<Level>(), Err(Error::Parameter(message)) if message.contains("scalar"))
        );
    }
}
