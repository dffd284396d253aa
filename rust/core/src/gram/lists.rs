//! The nearest others of each feature of a block, kept while tiles go by.

use crate::matrix::Real;
use std::cmp::Reverse;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Neighbours of one block of features, and how a candidate has to compare to enter.
pub(super) struct Lists<T> {
    keep: usize,
    pub entries: Vec<Vec<(T, Reverse<usize>)>>,
    /// Strength that a candidate needs: that of the last kept neighbour, or the least of all while there is room.
    pub least: Vec<T>,
}

impl<T: Real> Lists<T> {
    /// Lists of the `keep` strongest of each of `count` features, at least `least`.
    pub fn new(count: usize, keep: usize, least: T) -> Self {
        let least = if keep > 0 { least } else { T::narrow(f64::INFINITY) };
        Self { keep, entries: vec![Vec::new(); count], least: vec![least; count] }
    }

    /// Order is total, so the lists do not depend on the order in which tiles come.
    pub fn offer(&mut self, feature: usize, strength: T, other: usize) {
        let entries = &mut self.entries[feature];
        let candidate = (strength, Reverse(other));
        let place = entries.partition_point(|entry| {
            entry.0 > candidate.0 || (entry.0 == candidate.0 && entry.1 > candidate.1)
        });
        if place < self.keep {
            // The last goes first, so that a list never has room for more than it keeps.
            entries.truncate(self.keep - 1);
            entries.insert(place, candidate);
            if entries.len() == self.keep {
                self.least[feature] = entries[self.keep - 1].0;
            }
        }
    }
}

/// A panicking tile ends the whole sweep, so what it left behind is never read.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is under the lock once all tiles are read.
pub(super) fn unlocked<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[inline(always)]
pub(super) fn smaller<T: PartialOrd>(a: T, b: T) -> T {
    if a < b { a } else { b }
}
