//! Histogram of cosines, and what it asks of a cosine in either arithmetic.

use crate::products::Product;

/// More bins than this are a mistake: they would be a table of the pairs.
pub(super) const MOST_BINS: usize = 1 << 20;

/// Values that are sorted into bins together: conversion in vectors, counting one by one.
const GROUP: usize = 64;

/// What the sweep asks of a cosine in either arithmetic.
pub(super) trait Cosine: Product {
    /// Whether this is `f32`.
    const SINGLE: bool;
    fn magnitude(self) -> Self;
    fn single(self) -> f32;
    /// `(value + 1) * half`, cut to `0..=last`. Unchecked and through `i32`, since the processor converts vectors
    /// to that and the compiler makes single steps of anything else; `last` is below [`MOST_BINS`].
    fn bin(self, half: f32, last: f32) -> u32;
}

impl Cosine for f32 {
    const SINGLE: bool = true;
    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }
    fn single(self) -> f32 {
        self
    }
    #[inline(always)]
    fn bin(self, half: f32, last: f32) -> u32 {
        let place = ((self + 1.0) * half).max(0.0).min(last);
        // SAFETY: it lies in 0..=last, far inside `i32`; `max` takes 0 for NaN.
        unsafe { place.to_int_unchecked::<i32>() as u32 }
    }
}

impl Cosine for f64 {
    const SINGLE: bool = false;
    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }
    fn single(self) -> f32 {
        self as f32
    }
    #[inline(always)]
    fn bin(self, half: f32, last: f32) -> u32 {
        let place = ((self + 1.0) * Self::from(half)).max(0.0).min(Self::from(last));
        // SAFETY: as above.
        unsafe { place.to_int_unchecked::<i32>() as u32 }
    }
}

/// Counts over [-1, 1]. Four interleaved copies, so that equal neighbours do not wait for each other.
pub(super) struct Histogram {
    copies: [Vec<u64>; 4],
}

impl Histogram {
    pub(super) fn new(bins: usize) -> Self {
        Self { copies: std::array::from_fn(|_| vec![0; bins]) }
    }

    #[inline(always)]
    pub(super) fn add<T: Cosine>(&mut self, values: &[T]) {
        let bins = self.copies[0].len();
        let (half, last) = (bins as f32 / 2.0, (bins - 1) as f32);
        let mut places = [0_u32; GROUP];
        for group in values.chunks(GROUP) {
            for (place, value) in places.iter_mut().zip(group) {
                *place = value.bin(half, last);
            }
            for quad in places[..group.len()].chunks(4) {
                for (copy, &place) in self.copies.iter_mut().zip(quad) {
                    copy[place as usize] += 1;
                }
            }
        }
    }

    pub(super) fn merged(mut self, other: &Self) -> Self {
        for (copy, more) in self.copies.iter_mut().zip(&other.copies) {
            for (count, more) in copy.iter_mut().zip(more) {
                *count += more;
            }
        }
        self
    }

    pub(super) fn counts(&self) -> Vec<u64> {
        (0..self.copies[0].len()).map(|bin| self.copies.iter().map(|copy| copy[bin]).sum()).collect()
    }
}
