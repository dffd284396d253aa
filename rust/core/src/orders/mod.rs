//! In which order a few points lie: on a circle, on a line, and against what chance gives.
//!
//! | file | what it computes |
//! |---|---|
//! | `search` | the best cyclic order, path and partition of points that are given by inner products |
//! | `draws` | random sets of the same spectrum, and of the same row norms as well |
//! | `test` | p-values from such draws, sequentially, for many sets at once |

mod draws;
mod search;
mod test;

pub use search::{Kernel, Products};
pub use test::{Found, Options, PValues, PointSet, found, shape_p_values};
