//! Products of a feature matrix with itself: the frame operator, and what can be said of the Gram matrix
//! without ever storing it.

mod cross;
mod finite;
mod frame;
mod histogram;
mod linkage;
mod listed;
mod lists;
mod null_pairs;
mod sweep;
mod tiles;
mod unit;

pub use cross::{Cross, Nearest, cross_sweep};
pub use finite::{check_squares, first_nonfinite, nonfinite_rows};
pub use frame::{Precision, frame_operator};
pub use linkage::{Blocks, Linkage};
pub use listed::listed_cosines;
pub use null_pairs::{Kept, MOST, Measured, NullOptions, NullSweep, STEPS, null_sweep};
pub use sweep::{Sweep, SweepOptions, sweep};
pub(crate) use unit::normalise;
pub use unit::{check_small, squared_lengths, squared_norms};
