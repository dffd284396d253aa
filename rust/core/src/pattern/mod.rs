//! Activation patterns: which units of a network are on, one bit each, as rows of 64-bit words.
//!
//! ```text
//!   activations -> pack -> words -> counter   distinct rows, exactly, in a stream
//!                            |  \-> sketch    distinct rows, about, in a few KiB
//!                            |
//!                          tiles -> neighbours, range counts, distances, votes
//!                            \----> majority  clusters of codes
//! ```
//!
//! A row of `m` bits takes `ceil(m / 64)` words; bit `j` is bit `j % 64` of word `j / 64`, and bits past `m` are zero.

mod counter;
mod fingerprint;
mod hamming;
mod majority;
mod pack;
mod rows;
mod sketch;
mod tiles;

pub use counter::CodeCounter;
pub use fingerprint::{fingerprint, prefixes, slice_bits};
pub use hamming::{Neighbours, distances, ends, nearest, range_counts, vote};
pub use majority::{Clusters, k_majority};
pub use pack::{Packed, pack};
pub use rows::CodeRows;
pub use sketch::Sketch;
