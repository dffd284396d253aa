//! Rows of bits, borrowed.

use crate::error::{Error, Result};

/// `n` rows of `n_bits` bits, row-major words.
#[derive(Debug, Clone, Copy)]
pub struct CodeRows<'a> {
    words: &'a [u64],
    n: usize,
    n_bits: usize,
}

impl<'a> CodeRows<'a> {
    /// View `n` rows of `n_bits` bits.
    ///
    /// # Errors
    /// [`Error::Shape`] when the words do not fit, [`Error::Parameter`] when a bit past `n_bits` is set: such a
    /// row would differ from its equals.
    pub fn new(words: &'a [u64], n: usize, n_bits: usize) -> Result<Self> {
        let width = n_bits.div_ceil(64);
        if n.checked_mul(width) != Some(words.len()) {
            return Err(Error::Shape(format!(
                "{n} rows of {n_bits} bits take {width} words each, but there are {} words",
                words.len()
            )));
        }
        if !n_bits.is_multiple_of(64)
            && let Some(row) = words.chunks_exact(width).position(|row| row[width - 1] >> (n_bits % 64) != 0)
        {
            return Err(Error::Parameter(format!(
                "row {row} has bits past its {n_bits}; pad bits must be zero"
            )));
        }
        Ok(Self { words, n, n_bits })
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Bits of a row.
    pub fn n_bits(&self) -> usize {
        self.n_bits
    }

    /// Words of a row.
    pub fn width(&self) -> usize {
        self.n_bits.div_ceil(64)
    }

    /// One row.
    pub fn row(&self, index: usize) -> &'a [u64] {
        &self.words[index * self.width()..(index + 1) * self.width()]
    }

    /// Whether two sets of rows can be compared.
    pub(crate) fn comparable(&self, other: &Self) -> Result<()> {
        if self.n_bits == other.n_bits {
            return Ok(());
        }
        Err(Error::Shape(format!("codes of {} bits cannot be compared with {}", self.n_bits, other.n_bits)))
    }
}
