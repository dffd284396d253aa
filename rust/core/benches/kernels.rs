//! The core's kernels, alone: for finding out what a change to one of them does. `benches/compare.py` compares
//! with other libraries.
//!
//! `FEATUREGEOM_BENCH_SCALE` is `smoke` (does it run), `iterate` (the default, under a minute) or `full` (the
//! sizes of the performance table).

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use featuregeom_core::gram::{Precision, SweepOptions, frame_operator, squared_norms, sweep};
use featuregeom_core::run::Run;
use featuregeom_core::spectrum::{Basis, capacities, eigenvalues, measures, self_adjoint};
use featuregeom_core::{Element, Error};
use noise::{noise, view};
use std::hint::black_box;
use std::time::Duration;

mod noise;

const THREADS: usize = 2;

/// Rows of the passes over features, features of the sweep, sizes of the eigensolver; samples.
struct Scale {
    rows: usize,
    pairs: usize,
    m: usize,
    sizes: &'static [usize],
    samples: usize,
}

fn scale() -> Scale {
    match std::env::var("FEATUREGEOM_BENCH_SCALE").as_deref() {
        Ok("smoke") => Scale { rows: 300, pairs: 600, m: 24, sizes: &[32], samples: 10 },
        Ok("full") => {
            Scale { rows: 65536, pairs: 16384, m: 768, sizes: &[384, 768, 1024, 2048], samples: 20 }
        }
        _ => Scale { rows: 16384, pairs: 4096, m: 768, sizes: &[384, 768], samples: 10 },
    }
}

fn features(criterion: &mut Criterion) -> Result<(), Error> {
    let Scale { rows, m, samples, .. } = scale();
    let run = Run::quiet(THREADS)?;
    let mut group = criterion.benchmark_group("features");
    group.sample_size(samples).throughput(Throughput::Elements((rows * m) as u64));
    for element in [Element::F64, Element::F32, Element::F16, Element::BF16] {
        let bytes = noise(rows, m, element);
        let x = view(&bytes, m, element)?;
        // One pass that does little else than widen.
        group.bench_function(BenchmarkId::new("squared_norms", format!("{element:?}")), |bencher| {
            bencher.iter(|| squared_norms(black_box(&x), &run));
        });
        for precision in [Precision::Double, Precision::Single] {
            let name = format!("{element:?}, {precision:?}");
            group.bench_function(BenchmarkId::new("frame_operator", &name), |bencher| {
                bencher.iter(|| frame_operator(black_box(&x), precision, &run));
            });
            group.bench_function(BenchmarkId::new("capacities", &name), |bencher| {
                bencher.iter(|| capacities(black_box(&x), precision, &run));
            });
        }
    }
    let bytes = noise(rows, m, Element::F32);
    let x = view(&bytes, m, Element::F32)?;
    let eigen = self_adjoint(frame_operator(&x, Precision::Double, &run)?, &run)?;
    let starts: Vec<usize> = (0..=m).step_by(m / 8).collect();
    group.bench_function("measures, 8 eigenspaces", |bencher| {
        bencher.iter(|| {
            measures(black_box(&x), &eigen.values, Basis::Frame(eigen.vectors.as_ref()), &starts, true, &run)
        });
    });
    group.finish();
    Ok(())
}

fn pairs(criterion: &mut Criterion) -> Result<(), Error> {
    let Scale { pairs, m, samples, .. } = scale();
    let run = Run::quiet(THREADS)?;
    let mut group = criterion.benchmark_group("pairs");
    group.sample_size(samples).throughput(Throughput::Elements((pairs * (pairs - 1) / 2) as u64));
    for element in [Element::F32, Element::BF16] {
        let bytes = noise(pairs, m, element);
        let x = view(&bytes, m, element)?;
        for neighbours in [1, 16] {
            let options = SweepOptions { neighbours, bins: 199, threshold: None };
            let name = format!("{element:?}, {neighbours} neighbours");
            group.bench_function(BenchmarkId::new("sweep", name), |bencher| {
                bencher.iter(|| sweep(black_box(&x), &options, &run));
            });
        }
    }
    group.finish();
    Ok(())
}

fn eigensolver(criterion: &mut Criterion) -> Result<(), Error> {
    let Scale { sizes, samples, .. } = scale();
    let run = Run::quiet(THREADS)?;
    let mut group = criterion.benchmark_group("eigensolver");
    group.sample_size(samples);
    for &m in sizes {
        let bytes = noise(2 * m, m, Element::F64);
        let f = frame_operator(&view(&bytes, m, Element::F64)?, Precision::Double, &run)?;
        group.bench_function(BenchmarkId::new("vectors", m), |bencher| {
            bencher.iter(|| self_adjoint(black_box(&f).clone(), &run));
        });
        group.bench_function(BenchmarkId::new("values", m), |bencher| {
            bencher.iter(|| eigenvalues(black_box(&f).clone(), &run));
        });
    }
    group.finish();
    Ok(())
}

/// Errors end the benchmark with their message: the lints allow no panic outside tests.
fn or_exit(outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn all(criterion: &mut Criterion) {
    or_exit(features(criterion));
    or_exit(pairs(criterion));
    or_exit(eigensolver(criterion));
}

criterion_group! {
    name = kernels;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = all
}
criterion_main!(kernels);
