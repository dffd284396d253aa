//! About how many rows are distinct, in a few KiB: HyperLogLog, as Apache DataSketches has it.

use super::fingerprint::fingerprint;
use super::rows::CodeRows;
use crate::error::{Error, Result};
use crate::run::Run;
use datasketches::hll::{HllSketch, HllType, HllUnion};

/// A sketch of the distinct rows of a stream.
#[derive(Debug, Clone)]
pub struct Sketch {
    hll: HllSketch,
    n_bits: usize,
}

impl Sketch {
    /// An empty sketch of `2^precision` registers; its relative standard error is about `1.04 / 2^(precision / 2)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `precision` is from 4 to 21.
    pub fn new(n_bits: usize, precision: u8) -> Result<Self> {
        let hll = HllSketch::new(precision, HllType::Hll8)
            .map_err(|_| Error::Parameter(format!("precision must be from 4 to 21, not {precision}")))?;
        Ok(Self { hll, n_bits })
    }

    /// Take in rows.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of bits, [`Error::Interrupted`].
    pub fn update(&mut self, codes: &CodeRows<'_>, run: &Run) -> Result<()> {
        self.fits(codes.n_bits())?;
        run.control().expect(codes.n() as u64);
        for row in 0..codes.n() {
            self.hll.update(fingerprint(codes.row(row)));
            if row % 4096 == 4095 {
                run.control().advance(4096)?;
            }
        }
        Ok(())
    }

    /// Take in the rows of another sketch.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of bits, [`Error::Parameter`] for another precision.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.fits(other.n_bits)?;
        let precision = self.hll.lg_config_k();
        if precision != other.hll.lg_config_k() {
            return Err(Error::Parameter(format!(
                "a sketch of precision {precision} cannot take in one of precision {}",
                other.hll.lg_config_k()
            )));
        }
        let mut union = HllUnion::new(precision).map_err(|error| Error::Parameter(error.to_string()))?;
        union.update(&self.hll);
        union.update(&other.hll);
        self.hll = union.to_sketch(HllType::Hll8);
        Ok(())
    }

    /// The estimate with bounds of two standard errors. It depends on the rows alone, not on their order.
    pub fn estimate(&self) -> [f64; 3] {
        let error = 2.0 * 1.04 / f64::from(1_u32 << self.hll.lg_config_k()).sqrt();
        // The sketch's own estimator is a little better, but depends on the order of rows.
        let estimate = self.hll.composite_estimate();
        [estimate, estimate / (1.0 + error), estimate / (1.0 - error)]
    }

    fn fits(&self, n_bits: usize) -> Result<()> {
        if n_bits == self.n_bits {
            return Ok(());
        }
        Err(Error::Shape(format!("the sketch takes rows of {} bits, not of {n_bits}", self.n_bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_near_and_shards_agree_with_the_whole() {
        let run = Run::quiet(1).expect("threads");
        let words: Vec<u64> = (0..60_000_u64).map(|row| row % 20_000).collect();
        let sketch = |words: &[u64]| {
            let mut sketch = Sketch::new(64, 12).expect("precision");
            sketch.update(&CodeRows::new(words, words.len(), 64).expect("shape"), &run).expect("runs");
            sketch
        };
        let whole = sketch(&words).estimate();
        // Four standard errors.
        assert!((whole[0] / 20_000.0 - 1.0).abs() < 4.0 * 1.04 / 64.0);
        assert!(whole[1] < whole[0] && whole[0] < whole[2]);
        for cut in [10, 30_000] {
            let (mut a, mut b) = (sketch(&words[..cut]), sketch(&words[cut..]));
            let first = a.clone();
            a.merge(&b).expect("fits");
            b.merge(&first).expect("fits");
            assert_eq!((a.estimate(), b.estimate()), (whole, whole));
        }
        assert!(Sketch::new(64, 30).is_err());
    }
}
