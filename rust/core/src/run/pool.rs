//! The project's own thread pools: never rayon's global one, and safe after a fork.
//!
//! A forked child inherits a pool's memory but none of its threads, and a lock that another thread held at the
//! fork stays locked for ever. So the registry of pools belongs to a process id: a child finds that the id is
//! not its own, leaves the inherited registry untouched and starts a new one.

use super::memory::fits;
use crate::error::{Error, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::fmt::Display;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;

/// A shared pool of threads.
pub type Pool = Arc<ThreadPool>;

/// Pools that nothing runs on, and that are kept all the same: starting threads costs some 50 us each. Two serve a
/// caller who goes to and fro between one thread and all of them.
const IDLE_POOLS: usize = 2;

/// Threads per core that a caller may ask for. More only cost memory and switches between them.
const THREADS_PER_CORE: usize = 4;

/// Rows and columns of the product that gives a thread its work space: too many for the kernels that need none.
const PRODUCT: usize = 64;

/// Bytes of address space that a thread takes beside its work space: its stack, 2 MiB, and the 64 MiB that glibc sets aside
/// for what the thread allocates. Without them `analyze` with 96 MiB left ended by an allocation of 64 MiB that failed.
const THREAD: usize = 66 << 20;

/// Bytes of the last cache where the system does not tell.
const USUAL_CACHE: usize = 32 << 20;

struct Registry {
    process: u32,
    /// The pool that was asked for last comes last.
    pools: Mutex<Vec<Pool>>,
}

static REGISTRY: AtomicPtr<Registry> = AtomicPtr::new(std::ptr::null_mut());

/// The pool of `threads` threads. It is started on first use, and kept while something runs on it or it is one of the
/// two that were asked for last.
///
/// `None` takes `RAYON_NUM_THREADS` where it is set to a positive number, but [`most_threads`] at most; else all that
/// the machine offers.
///
/// # Errors
/// [`Error::Parameter`] for zero threads and for more than [`most_threads`], [`Error::Threads`] when the system gives
/// none, [`Error::WorkSpace`] when it gives them no memory.
pub fn pool(threads: Option<usize>) -> Result<Pool> {
    let most = most_threads();
    let threads = match threads {
        Some(count) if (1..=most).contains(&count) => count,
        Some(count) => return Err(refused_threads(count)),
        None => default_threads().min(most),
    };
    let mut pools = registry().pools.lock().unwrap_or_else(PoisonError::into_inner);
    let place = pools.iter().position(|pool| pool.current_num_threads() == threads);
    let found = match place {
        Some(place) => pools.remove(place),
        None => Arc::new(start(threads)?),
    };
    pools.push(found.clone());
    // The newest are kept, and the one that is handed out counts as one of them. Holders let go of a pool without this
    // lock, so a pool may turn idle while they are counted: each is looked at once.
    let mut idle = 1;
    pools.reverse();
    pools.retain(|pool| {
        let in_use = Arc::strong_count(pool) > 1;
        idle += usize::from(!in_use);
        in_use || idle <= IDLE_POOLS
    });
    pools.reverse();
    Ok(found)
}

/// Start a pool, each thread with the work space of its matrix products: where memory is short it is missed here, by an
/// error, and not in the middle of a computation, by the end of the process.
fn start(threads: usize) -> Result<ThreadPool> {
    fits(&[[threads, 2, last_level_cache()], [threads, 1, THREAD]]).map_err(|error| match error {
        Error::Memory { bytes } => Error::WorkSpace { threads, bytes },
        other => other,
    })?;
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("featuregeom-{index}"))
        .build()
        .map_err(|error| Error::Threads { threads, reason: error.to_string() })?;
    pool.broadcast(|_| {
        let ones = faer::Mat::<f64>::full(PRODUCT, PRODUCT, 1.0);
        let mut product = ones.clone();
        let (into, left) = (faer::Accum::Replace, ones.as_ref());
        faer::linalg::matmul::matmul(product.as_mut(), into, left, left, 1.0, faer::Par::Seq);
        std::hint::black_box(product[(0, 0)]);
    });
    Ok(pool)
}

/// Bytes of the last cache of this machine. faer's products keep twice as much for each thread, from its first one on.
fn last_level_cache() -> usize {
    std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index3/size")
        .ok()
        .and_then(|text| text.trim().strip_suffix('K')?.parse::<usize>().ok())
        .map_or(USUAL_CACHE, |kibibytes| kibibytes << 10)
}

/// Stop handing out `busy`: something that cannot be stopped still runs on it. The next call starts another.
pub fn retire(busy: &Pool) {
    let mut pools = registry().pools.lock().unwrap_or_else(PoisonError::into_inner);
    pools.retain(|pool| !Arc::ptr_eq(pool, busy));
}

/// The most threads that may be asked for: four per core that this process may use.
pub fn most_threads() -> usize {
    THREADS_PER_CORE * cores()
}

/// The error for a number of threads that is out of range, however large it is.
pub fn refused_threads(count: impl Display) -> Error {
    let most = most_threads();
    Error::Parameter(format!(
        "num_threads must be from 1 to {most} (four per core of this machine), not {count}"
    ))
}

/// Cores that this process may use, as asked the first time: it takes 20 us, longer than much of the work.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().map_or(1, usize::from))
}

fn default_threads() -> usize {
    std::env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|&count| count > 0)
        .unwrap_or_else(cores)
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
    fn pools_that_turn_idle_while_they_are_counted_do_no_harm() {
        std::thread::scope(|scope| {
            for start in 0..4 {
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let held = pool(Some(1 + (start + round) % 2)).expect("threads");
                        (0..round % 300).for_each(|_| std::hint::spin_loop());
                        drop(held);
                    }
                });
            }
        });
    }

    #[test]
    fn a_pool_is_kept_by_its_size() {
        let first = pool(Some(2)).expect("threads");
        let second = pool(Some(2)).expect("threads");
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(first.current_num_threads(), 2);
    }

    #[test]
    fn a_retired_pool_is_not_handed_out_again() {
        let busy = pool(Some(4)).expect("threads");
        retire(&busy);
        assert!(!Arc::ptr_eq(&busy, &pool(Some(4)).expect("threads")));
    }

    #[test]
    fn wrong_numbers_of_threads_are_refused() {
        for count in [0, most_threads() + 1, usize::MAX] {
            assert!(matches!(pool(Some(count)), Err(Error::Parameter(_))));
        }
        assert!(pool(Some(most_threads())).is_ok());
    }
}
