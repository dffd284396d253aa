//! Instructions of the core's kernels, counted by callgrind: other work on the machine does not move them, so that a change
//! of a few per cent is seen. Valgrind knows no AVX-512, so that the kernels of AVX2 are counted.
//!
//! Time is another matter: `kernels.rs` and `benches/compare.py` measure it.

use featuregeom_core::gram::{Precision, SweepOptions, frame_operator, sweep};
use featuregeom_core::run::Run;
use featuregeom_core::spectrum::{Basis, capacities, eigenvalues, measures, self_adjoint};
use featuregeom_core::{Element, Error};
use gungraun::{
    Callgrind, EntryPoint, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group,
    main,
};
use noise::{noise, view};
use std::hint::black_box;

mod noise;

/// Features and dimensions: large enough for the products to be most of what is counted. All of the process is; a tenth of
/// the least count is the making of the features.
const SHAPE: [usize; 2] = [2048, 512];

/// More instructions than in the run before, in per cent, that are an error: a hundred times what two runs of one build
/// differed by, beside another suite of tests (.005; threads wait for each other).
const MORE: f64 = 0.5;

#[library_benchmark]
#[bench::f64(Element::F64)]
#[bench::f32(Element::F32)]
#[bench::bf16(Element::BF16)]
fn frame_operators(element: Element) -> Result<(), Error> {
    let bytes = noise(SHAPE[0], SHAPE[1], element);
    black_box(frame_operator(&view(&bytes, SHAPE[1], element)?, Precision::Single, &Run::quiet(1)?)?);
    Ok(())
}

#[library_benchmark]
#[bench::f32(Element::F32)]
#[bench::bf16(Element::BF16)]
fn all_pairs(element: Element) -> Result<(), Error> {
    let bytes = noise(SHAPE[0], SHAPE[1], element);
    let options = SweepOptions { neighbours: 1, bins: 199, threshold: None };
    black_box(sweep(&view(&bytes, SHAPE[1], element)?, &options, &Run::quiet(1)?)?);
    Ok(())
}

#[library_benchmark]
#[bench::f32(Element::F32)]
fn capacity(element: Element) -> Result<(), Error> {
    let bytes = noise(SHAPE[0], SHAPE[1], element);
    black_box(capacities(&view(&bytes, SHAPE[1], element)?, Precision::Double, &Run::quiet(1)?)?);
    Ok(())
}

// The decomposition that they need is counted with them.
#[library_benchmark]
#[bench::f32(Element::F32)]
fn spectral_measures(element: Element) -> Result<(), Error> {
    let run = Run::quiet(1)?;
    let [n, m] = SHAPE;
    let bytes = noise(n, m, element);
    let x = view(&bytes, m, element)?;
    let eigen = self_adjoint(frame_operator(&x, Precision::Double, &run)?, &run)?;
    let starts: Vec<usize> = (0..=m).step_by(m / 8).collect();
    let basis = Basis::Frame(eigen.vectors.as_ref());
    black_box(measures(&x, &eigen.values, basis, &starts, true, &run)?);
    Ok(())
}

#[library_benchmark]
#[bench::f64(Element::F64)]
fn spectrum(element: Element) -> Result<(), Error> {
    let run = Run::quiet(1)?;
    let bytes = noise(SHAPE[1], SHAPE[1], element);
    let x = view(&bytes, SHAPE[1], element)?;
    black_box(eigenvalues(frame_operator(&x, Precision::Double, &run)?, &run)?);
    Ok(())
}

library_benchmark_group!(
    name = kernels;
    benchmarks = frame_operators, all_pairs, capacity, spectral_measures, spectrum
);

/// The work is done on a thread of the pool, which the usual count of one function in the first thread would miss.
fn config() -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.entry_point(EntryPoint::None).soft_limits([(EventKind::Ir, MORE)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

main!(config = config(); library_benchmark_groups = kernels);
