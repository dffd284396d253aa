//! The one way from Python into the core.

use featuregeom_core::Error;
use featuregeom_core::run::{Run, fits, pool, refused_threads};
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyOverflowError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyBool;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

mod exceptions {
    use pyo3::import_exception;
    import_exception!(featuregeom.errors, ConvergenceError);
    import_exception!(featuregeom.errors, NonFiniteError);
    import_exception!(featuregeom.errors, ParameterError);
    import_exception!(featuregeom.errors, ShapeError);
    import_exception!(featuregeom.errors, SourceError);
}

/// How often the waiting thread looks for signals and reports progress.
const PATIENCE: Duration = Duration::from_millis(50);

/// Numbers that are read in less time than it takes to start a thread, which was 50 us: 64 x 64 labels, or 64 features of
/// 64 dimensions.
const SMALL: usize = 1 << 12;

/// Bytes of the stack of the thread that a computation runs on: what Rust gives a thread where nothing is said.
const STACK: usize = 2 << 20;

/// Bytes that are kept for the words of an error. Where the process has no memory left, the 200 bytes of a sentence would
/// end it, as they did `scheme` of 256 features with 1 and with 4 MiB left; with them 42 of 42 runs at 1 to 8 MiB ended in
/// words.
const KEPT: usize = 64 << 10;

/// [`KEPT`], from the first call on until memory is refused.
static RESERVE: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// What is said after a panic.
const STOPPED: &str =
    "featuregeom's core stopped unexpectedly; this is a bug, please report it with the input";

/// A number of threads that a caller asks for: any integer of Python, however large.
#[derive(Clone, Copy)]
pub struct Threads(usize);

impl Threads {
    /// One thread, for work that is too small to share.
    pub const ONE: Option<Self> = Some(Self(1));
}

impl FromPyObject<'_, '_> for Threads {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let py = given.py();
        if given.is_instance_of::<PyBool>() {
            return Err(raise(refused_threads(given.repr()?)));
        }
        match given.extract() {
            Ok(count) => Ok(Self(count)),
            Err(error)
                if error.is_instance_of::<PyOverflowError>(py) || error.is_instance_of::<PyTypeError>(py) =>
            {
                Err(raise(refused_threads(given.repr()?)))
            }
            Err(error) => Err(error),
        }
    }
}

/// Run `work` detached from the interpreter, on a thread of its own, and wait for it.
///
/// While it runs, the calling thread lets Python handle signals and calls `progress(done, total)` about twenty
/// times a second. If either raises (Ctrl-C raises `KeyboardInterrupt`) the work is cancelled and the exception
/// is raised once the work has stopped, so borrowed arrays are never read after the call.
pub fn enter<T: Send>(
    py: Python<'_>,
    threads: Option<Threads>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Run) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let run = begin(threads, &[[1, STACK, 1]])?;
    let progress = progress.map(|callable| callable.clone().unbind());
    py.detach(|| {
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(1);
            let worker = &run;
            std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, move || {
                    // The receiver lives until the result is taken.
                    let _ = sender.send(work(worker));
                })
                .map_err(|error| raise(Error::Threads { threads: 1, reason: error.to_string() }))?;
            let mut raised = None;
            loop {
                match receiver.recv_timeout(PATIENCE) {
                    Ok(result) => {
                        return match raised {
                            Some(error) => Err(error),
                            None => {
                                let value = result.map_err(raise)?;
                                report(&run, progress.as_ref())?;
                                Ok(value)
                            }
                        };
                    }
                    Err(RecvTimeoutError::Timeout) if raised.is_none() => {
                        raised = report(&run, progress.as_ref()).err();
                        if raised.is_some() {
                            run.control().cancel();
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(PyRuntimeError::new_err(STOPPED));
                    }
                }
            }
        })
    })
}

/// As [`enter`], on the calling thread where the work reads no more than [`SMALL`] numbers: starting a thread would take
/// longer than the work, so signals are handled when it is done.
pub fn enter_sized<T: Send>(
    py: Python<'_>,
    size: usize,
    threads: Option<Threads>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Run) -> Result<T, Error> + Send,
) -> PyResult<T> {
    if size > SMALL {
        return enter(py, threads, progress, work);
    }
    let run = begin(threads, &[])?;
    let progress = progress.map(|callable| callable.clone().unbind());
    let value = py
        .detach(|| catch_unwind(AssertUnwindSafe(|| work(&run))))
        .map_err(|_| PyRuntimeError::new_err(STOPPED))?
        .map_err(raise)?;
    report(&run, progress.as_ref())?;
    Ok(value)
}

/// The threads of a computation, once it is known that there is memory for `lists`. Where there is none, the bytes that
/// are kept for the words of the error are let go.
fn begin(threads: Option<Threads>, lists: &[[usize; 3]]) -> PyResult<Run> {
    // A lock that another thread held when the process was forked is not waited for.
    let mut kept = RESERVE.try_lock().ok();
    if let Some(kept) = &mut kept {
        // Refused, it leaves nothing to let go.
        let _ = kept.try_reserve_exact(KEPT);
    }
    let started = pool(threads.map(|Threads(count)| count)).and_then(|pool| {
        if !lists.is_empty() {
            fits(lists)?;
        }
        Ok(pool)
    });
    if let (Err(_), Some(kept)) = (&started, &mut kept) {
        **kept = Vec::new();
    }
    Ok(Run::new(started.map_err(raise)?, Arc::default()))
}

fn report(run: &Run, progress: Option<&Py<PyAny>>) -> PyResult<()> {
    Python::attach(|py| {
        py.check_signals()?;
        if let Some(callable) = progress {
            callable.call1(py, run.control().progress())?;
        }
        Ok(())
    })
}

/// The Python exception for each error of the core.
pub fn raise(error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Shape(_) => exceptions::ShapeError::new_err(message),
        Error::NonFinite { row, column, .. } => exceptions::NonFiniteError::new_err((message, row, column)),
        Error::Range { .. } | Error::Small { .. } | Error::Parameter(_) => {
            exceptions::ParameterError::new_err(message)
        }
        Error::Convergence(_) => exceptions::ConvergenceError::new_err(message),
        Error::Header(_) => exceptions::SourceError::new_err(message),
        Error::Threads { .. } | Error::WorkSpace { .. } | Error::Memory { .. } => {
            PyMemoryError::new_err(message)
        }
        Error::Interrupted => PyKeyboardInterrupt::new_err(()),
    }
}
