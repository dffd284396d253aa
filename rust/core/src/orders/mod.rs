//! In which order a few points lie: on a circle, on a line, in the places of a geometry, and against what chance gives.
//!
//! | file | what it computes |
//! |---|---|
//! | `search` | the best cyclic order, path and partition of points that are given by inner products |
//! | `overlay` | which point takes which place of a geometry |
//! | `draws` | random sets of the same spectrum, and of the same row norms as well |
//! | `test` | p-values from such draws, sequentially, for many sets at once |

mod draws;
mod overlay;
mod search;
mod test;

pub use overlay::overlaid;
pub use search::{Kernel, Products};
pub use test::{Found, Options, PValues, PointSet, found, shape_p_values};
