//! Cancelling a computation from outside and reading how far it is.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared between a computation and whoever waits for it.
///
/// A computation announces its total work once per phase, adds to it as it goes, and asks
/// [`Control::check`] often enough (every few milliseconds) that cancelling feels immediate.
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Control {
    /// Ask the computation to stop; it returns [`Error::Interrupted`] at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked the computation to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Go on, or stop here.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once the run is cancelled.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Announce that `work` more units are to be done.
    pub fn expect(&self, work: u64) {
        self.total.fetch_add(work, Ordering::Relaxed);
    }

    /// Report `work` more units done, and check.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once the run is cancelled.
    pub fn advance(&self, work: u64) -> Result<()> {
        self.done.fetch_add(work, Ordering::Relaxed);
        self.check()
    }

    /// Units done and units announced.
    pub fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}
