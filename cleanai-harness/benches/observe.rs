//! What observation costs, against libtorch's own run of the same file in the same process:
//! `cargo bench --bench observe` (`-- memory` for the peak of memory alone).
//!
//! Times are medians over rounds that alternate between the two, of the clock and of the CPU, which other work on the
//! machine moves less; memory is the median peak of several processes. Compare figures only within one run.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/resnet/mod.rs"]
mod resnet;
mod support;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use cleanai_harness::declare::{CriterionSpec, DeviceChoice};
use cleanai_harness::measure;
use cleanai_harness::model::Model;
use cleanai_harness::private::keep_freed_memory;
use common::{Case, declaration, root};
use resnet::Weights;
use support::{Clocks, Outcome, Samples, Times, load, median, spawn, with_peak, write_inputs};
use tch::{Device, Kind, Tensor};

/// Images of the coverage pass, and its batches.
const IMAGES: usize = 64;
const BATCH: usize = 16;

/// Processes whose median is the peak of memory: how the allocator's free blocks happen to lie moves a single one by a third.
const PROCESSES: usize = 5;

struct Comparison {
    name: &'static str,
    path: PathBuf,
    input: [i64; 4],
    rounds: usize,
    target: Option<f64>,
}

fn main() -> ExitCode {
    support::main(|arguments| match arguments {
        ["child", work, allocator, folder] => child(work, allocator, Path::new(folder)),
        ["memory"] => memory(tempfile::tempdir()?.path()),
        [] => bench(),
        _ => Err("it takes no argument, or `memory`".into()),
    })
}

fn bench() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let network = |depth: usize| -> Outcome<PathBuf> {
        let path = folder.path().join(format!("resnet{depth}.pt"));
        resnet::write(depth, Weights::Full, &path)?;
        Ok(path)
    };
    let image = [BATCH as i64, 3, 224, 224];
    let lenet = root().join("examples/digits/models/lenet5.pt");
    let cases = [
        Comparison { name: "LeNet-5", path: lenet, input: [1, 1, 28, 28], rounds: 5000, target: Some(1.05) },
        Comparison { name: "ResNet-18", path: network(18)?, input: image, rounds: 21, target: Some(1.02) },
        Comparison { name: "ResNet-50", path: network(50)?, input: image, rounds: 11, target: None },
    ];
    keep_freed_memory();
    println!(
        "{:<10} {:>5} {:>10} {:>12} {:>6} {:>10} {:>7}",
        "model", "batch", "plain ms", "observed ms", "ratio", "CPU ratio", "target"
    );
    for case in &cases {
        let [plain, observed] = times(case)?;
        let target = case.target.map_or("-".to_owned(), |target| format!("{target:.2}"));
        let (name, batch) = (case.name, case.input[0]);
        let (ratio, cpu_ratio) = (observed.wall / plain.wall, observed.cpu / plain.cpu);
        println!(
            "{name:<10} {batch:>5} {:>10.3} {:>12.3} {ratio:>6.3} {cpu_ratio:>10.3} {target:>7}",
            plain.wall, observed.wall
        );
    }
    println!();
    memory(folder.path())
}

/// The peak of memory of a coverage pass over ResNet-50, and of the model's own run of as many batches.
fn memory(folder: &Path) -> Outcome<()> {
    resnet::write(50, Weights::Full, &folder.join("resnet50.pt"))?;
    write_inputs(&folder.join("images.npy"), IMAGES, [3, 224, 224])?;
    println!("ResNet-50, batches of {BATCH}, {IMAGES} images: medians of {PROCESSES} processes, which alternate");
    println!(
        "{:<10} {:<8} {:>14} {:>9} {:>13} {:>6} {:>7}",
        "work", "malloc", "ms per image", "peak MB", "from .. to", "ratio", "target"
    );
    for allocator in ["default", "kept"] {
        let works = ["plain", "coverage"];
        let mut found = works.map(|_| (Vec::new(), Vec::new()));
        for _ in 0..PROCESSES {
            for (work, (times, peaks)) in works.iter().zip(&mut found) {
                let [ms, peak] = spawn(&["child", work, allocator], folder)?;
                times.push(ms);
                peaks.push(peak);
            }
        }
        let plain = median(found[0].1.clone());
        for (work, (times, peaks)) in works.iter().zip(found) {
            let range =
                peaks.iter().fold((f64::INFINITY, 0f64), |range, peak| (range.0.min(*peak), range.1.max(*peak)));
            let (peak, ms) = (median(peaks), median(times));
            let (ratio, target) =
                if *work == "plain" { ("-".to_owned(), "-") } else { (format!("{:.3}", peak / plain), "1.30") };
            println!(
                "{work:<10} {allocator:<8} {ms:>14.2} {peak:>9.0} {:>13} {ratio:>6} {target:>7}",
                format!("{:.0} .. {:.0}", range.0, range.1)
            );
        }
    }
    Ok(())
}

const WARM_UP: usize = 3;

/// Medians of a plain and of an observed run.
fn times(case: &Comparison) -> Outcome<[Times; 2]> {
    let input = Tensor::randn(case.input.as_slice(), (Kind::Float, Device::Cpu));
    let module = load(&case.path)?;
    let mut model = Model::open(&case.path, DeviceChoice::Cpu)?;
    let mut run = |observed: bool| -> Outcome<()> {
        if observed {
            let observe = &mut |observed, tensor: &Tensor| {
                black_box((observed, tensor));
                Ok(())
            };
            drop(black_box(model.run(&[&input], observe)?));
        } else {
            drop(black_box(tch::no_grad(|| module.forward_ts(&[&input]))?));
        }
        Ok(())
    };
    let mut samples = [Samples::default(), Samples::default()];
    for round in 0..WARM_UP + case.rounds {
        // Each goes first as often as the other.
        for which in [round % 2, 1 - round % 2] {
            let clocks = Clocks::start();
            run(which == 1)?;
            let times = clocks.elapsed();
            if round >= WARM_UP {
                samples[which].push(times);
            }
        }
    }
    Ok(samples.map(|samples| samples.medians()))
}

/// Work in this process; prints what `spawn` reads.
fn child(work: &str, allocator: &str, folder: &Path) -> Outcome<()> {
    let run = || if work == "plain" { plain_forward(folder) } else { coverage(folder) };
    let (per_image, peak) = with_peak(allocator == "kept", run)?;
    println!("{per_image} {peak}");
    Ok(())
}

/// Milliseconds per image of plain forward passes, as many as the coverage pass has.
fn plain_forward(folder: &Path) -> Outcome<f64> {
    let module = load(&folder.join("resnet50.pt"))?;
    let input = Tensor::randn([BATCH as i64, 3, 224, 224], (Kind::Float, Device::Cpu));
    let mut times = Vec::new();
    for _ in 0..2 * IMAGES / BATCH {
        let start = Instant::now();
        drop(black_box(tch::no_grad(|| module.forward_ts(&[&input]))?));
        times.push(start.elapsed().as_secs_f64() * 1e3 / BATCH as f64);
    }
    Ok(median(times))
}

/// Milliseconds per image of a profile pass and a test pass over the same images.
fn coverage(folder: &Path) -> Outcome<f64> {
    let case = Case { model: "resnet50.pt", profile: Some("images.npy"), test: "images.npy", transform: "[]" };
    let mut declaration = declaration(folder, &case);
    declaration.batch = BATCH;
    let criteria =
        ["nc", "kmnc(k=1000)"].map(str::parse::<CriterionSpec>).into_iter().collect::<Result<Vec<_>, _>>()?;
    let measured = measure::once(&declaration, &criteria)?;
    Ok((measured.seconds.total - measured.seconds.load) * 1e3 / (2 * IMAGES) as f64)
}
