//! Whether there is memory for a computation, asked before it starts.
//!
//! A failed allocation in the middle of one would end the process, and Python with it. So each computation adds up
//! what it is going to need and asks for that much at once; the system refuses it there, and an error says how much
//! it was. What other threads take between the question and the work is not seen.

use crate::error::{Error, Result};
use std::hint::black_box;

/// Bytes beside those that depend on the input: small lists, and what the allocator rounds up.
const BESIDE: u128 = 1 << 20;

/// Say whether there is memory for some lists, each given as (numbers, numbers, bytes): `[n, k, 16]` is `n k` pairs of
/// an index and a value.
///
/// # Errors
/// [`Error::Memory`] with what is needed in all, an eighth more than the lists hold.
pub fn fits(lists: &[[usize; 3]]) -> Result<()> {
    let product =
        |list: &[usize; 3]| list.iter().fold(1_u128, |product, &count| product.saturating_mul(count as u128));
    let held = lists.iter().map(product).fold(0_u128, u128::saturating_add);
    let bytes = held.saturating_add(held / 8).saturating_add(BESIDE);
    let mut asked = Vec::<u8>::new();
    let given = usize::try_from(bytes).is_ok_and(|bytes| asked.try_reserve_exact(bytes).is_ok());
    // Without this the compiler may leave out a question whose answer is thrown away.
    black_box(asked.as_mut_ptr());
    if given { Ok(()) } else { Err(Error::Memory { bytes }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused() {
        assert_eq!(fits(&[]), Ok(()));
        assert_eq!(fits(&[[1000, 1000, 8], [3, 5, 1]]), Ok(()));
        for lists in [[[1 << 40, 1 << 20, 16]; 2], [[usize::MAX; 3]; 2]] {
            assert!(matches!(fits(&lists), Err(Error::Memory { .. })));
        }
    }
}
