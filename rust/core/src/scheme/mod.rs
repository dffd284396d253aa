//! Relations between points: is a partition of the pairs an association scheme, or a coherent configuration?
//!
//! A partition of the pairs of `n` points into `r` classes is given by its labels `C`, with `A_k = [C = k]`. It is
//! a coherent configuration when the diagonal is a union of classes (the fibres), the transpose of a class is a
//! class, and `A_i A_j = sum_k p_ij^k A_k`. With one fibre it is an association scheme.
//!
//! ```text
//!   relations (labels, a tile at a time) -> classes (diagonal, valencies, transposes) -> numbers p_ij^k
//!                                                                                          /       \
//!                                                                               certificate        exact
//! ```

mod blocks;
mod certificate;
mod check;
mod circulant;
mod classes;
mod closure;
mod cosines;
mod exact;
mod failure;
mod numbers;
pub(crate) mod random;
mod relations;
mod spread;
mod strips;
mod sums;

pub use blocks::{BlockSchemes, MOST_FEATURES, blocks};
pub use check::{CheckOptions, Checked, Proof, check, is_scheme};
pub use circulant::Circulant;
pub use closure::{Closure, closure};
pub use cosines::CosineLevels;
pub use failure::{Failure, Pair};
pub use relations::{Dense, Label, MOST_CLASSES, Relations};
pub use spread::{Level, Spread, spread};
