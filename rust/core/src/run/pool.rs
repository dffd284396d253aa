//! The project's own thread pools: never rayon's global one, and safe after a fork.
//!
//! A forked child inherits a pool's memory but none of its threads, and a lock that another thread held at the
//! fork stays locked for ever. So the registry of pools belongs to a process id: a child finds that the id is
//! not its own, leaves the inherited registry untouched and starts a new one.

use crate::error::{Error, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::HashMap;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

/// A shared pool of threads.
pub type Pool = Arc<ThreadPool>;

struct Registry {
    process: u32,
    pools: Mutex<HashMap<usize, Pool>>,
}

static REGISTRY: AtomicPtr<Registry> = AtomicPtr::new(std::ptr::null_mut());

/// The pool of `threads` threads, started on first use and kept.
///
/// `None` takes `RAYON_NUM_THREADS` where it is set to a positive number, else all that the machine offers.
///
/// # Errors
/// [`Error::Parameter`] for zero threads, [`Error::Threads`] when the system gives none.
pub fn pool(threads: Option<usize>) -> Result<Pool> {
    let threads = match threads {
        Some(0) => return Err(Error::Parameter("num_threads must be at least 1, not 0".into())),
        Some(count) => count,
        None => default_threads(),
    };
    let mut pools = registry().pools.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = pools.get(&threads) {
        return Ok(pool.clone());
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("featuregeom-{index}"))
        .build()
        .map_err(|error| Error::Threads { threads, reason: error.to_string() })?;
    let pool = Arc::new(pool);
    pools.insert(threads, pool.clone());
    Ok(pool)
}

/// Hand out `busy` no more: something that cannot be stopped still runs on it. The next call starts another.
pub fn retire(busy: &Pool) {
    let mut pools = registry().pools.lock().unwrap_or_else(PoisonError::into_inner);
    pools.retain(|_, pool| !Arc::ptr_eq(pool, busy));
}

fn default_threads() -> usize {
    std::env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|&count| count > 0)
        .unwrap_or_else(|| available_parallelism().map_or(1, usize::from))
}

/// This process's registry. Registries are never freed: a child must not drop its parent's pools.
fn registry() -> &'static Registry {
    let process = std::process::id();
    let current = REGISTRY.load(Ordering::Acquire);
    // SAFETY: the pointer is null or came from `Box::into_raw` below and is never freed.
    if let Some(found) = unsafe { current.as_ref() }
        && found.process == process
    {
        return found;
    }
    let fresh = Box::into_raw(Box::new(Registry { process, pools: Mutex::default() }));
    let kept = match REGISTRY.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => fresh,
        Err(other) => {
            // SAFETY: another thread won the race, so nobody else has seen `fresh`.
            drop(unsafe { Box::from_raw(fresh) });
            other
        }
    };
    // SAFETY: as above; both branches give a registry that is never freed.
    unsafe { &*kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_kept_by_its_size() {
        let first = pool(Some(2)).expect("threads");
        let second = pool(Some(2)).expect("threads");
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(first.current_num_threads(), 2);
    }

    #[test]
    fn a_retired_pool_is_not_handed_out_again() {
        let busy = pool(Some(7)).expect("threads");
        retire(&busy);
        assert!(!Arc::ptr_eq(&busy, &pool(Some(7)).expect("threads")));
    }

    #[test]
    fn zero_threads_are_refused() {
        assert!(matches!(pool(Some(0)), Err(Error::Parameter(_))));
    }
}
