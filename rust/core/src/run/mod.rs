//! How a long computation is run: on which threads, how it is cancelled and how it tells its progress.

mod control;
mod memory;
mod pool;

pub use control::Control;
pub use memory::fits;
pub use pool::{Pool, most_threads, pool, refused_threads, retire};

use crate::error::Result;
use std::sync::Arc;

/// The threads and the control handle that a long computation works with.
#[derive(Clone, Debug)]
pub struct Run {
    pool: Pool,
    control: Arc<Control>,
}

impl Run {
    /// A run on `pool`, steered through `control`.
    pub fn new(pool: Pool, control: Arc<Control>) -> Self {
        Self { pool, control }
    }

    /// A run on `threads` threads that nobody cancels: for tests and benchmarks.
    ///
    /// # Errors
    /// [`crate::Error::Threads`] when the system gives none.
    pub fn quiet(threads: usize) -> Result<Self> {
        Ok(Self::new(pool(Some(threads))?, Arc::default()))
    }

    /// The threads.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The handle for cancelling and for progress.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }
}
