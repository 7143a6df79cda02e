//! What observation costs, against libtorch's own run of the same file in the same process: `cargo bench --bench observe`.
//!
//! Times are medians over rounds that alternate between the two, of the clock and of the CPU, which other work on the
//! machine moves less; memory is the peak of a process of its own. Compare
//! figures only within one run.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/resnet/mod.rs"]
mod resnet;

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use cleanai_harness::declare::{CriterionSpec, DeviceChoice};
use cleanai_harness::measure;
use cleanai_harness::model::Model;
use cleanai_harness::private::keep_freed_memory;
use common::{Case, declaration, root};
use resnet::Weights;
use tch::{CModule, Device, Kind, Tensor};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Images of the coverage pass, and its batches.
const IMAGES: usize = 64;
const BATCH: usize = 16;

struct Comparison {
    name: &'static str,
    path: PathBuf,
    input: [i64; 4],
    rounds: usize,
    target: Option<f64>,
}

fn main() -> ExitCode {
    // cargo passes `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["child", work, allocator, folder] => child(work, allocator, Path::new(folder)),
        _ => bench(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
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
    write_images(&folder.path().join("images.npy"))?;
    println!("\nResNet-50, batches of {BATCH}, {IMAGES} images, each in a process of its own");
    println!("{:<10} {:<8} {:>14} {:>9} {:>6} {:>7}", "work", "malloc", "ms per image", "peak MB", "ratio", "target");
    for allocator in ["default", "kept"] {
        let mut plain_peak = None;
        for work in ["plain", "coverage"] {
            let (ms, peak) = spawn(work, allocator, folder.path())?;
            let ratio = *plain_peak.get_or_insert(peak);
            let (ratio, target) = match work {
                "plain" => ("-".to_owned(), "-"),
                _ => (format!("{:.3}", peak / ratio), "1.30"),
            };
            println!("{work:<10} {allocator:<8} {ms:>14.2} {peak:>9.0} {ratio:>6} {target:>7}");
        }
    }
    Ok(())
}

/// Milliseconds of a run.
struct Times {
    wall: f64,
    cpu: f64,
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
    let mut samples = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for round in 0..WARM_UP + case.rounds {
        // Each goes first as often as the other.
        for which in [round % 2, 1 - round % 2] {
            let (start, cpu_start) = (Instant::now(), cpu_milliseconds()?);
            run(which == 1)?;
            if round >= WARM_UP {
                samples[which][1].push(cpu_milliseconds()? - cpu_start);
                samples[which][0].push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    Ok(samples.map(|[wall, cpu]| Times { wall: median(wall), cpu: median(cpu) }))
}

/// CPU time of all threads of this process.
fn cpu_milliseconds() -> Outcome<f64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call.
    if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The module as libtorch runs it by itself, without its profiling executor.
fn load(path: &Path) -> Outcome<CModule> {
    tch::jit::f_set_profiling_mode(false)?;
    let mut module = CModule::load(path)?;
    module.f_set_eval()?;
    Ok(module)
}

/// Random images in numpy's format.
fn write_images(path: &Path) -> Outcome<()> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({IMAGES}, 3, 224, 224), }}");
    let header = format!("{header:<117}\n");
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(header.len())?.to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for _ in 0..IMAGES {
        let values: Vec<f32> = Vec::try_from(Tensor::randn([3 * 224 * 224], (Kind::Float, Device::Cpu)))?;
        for value in values {
            file.write_all(&value.to_le_bytes())?;
        }
    }
    file.flush()?;
    Ok(())
}

/// Milliseconds per image and peak megabytes of work in a process of its own.
fn spawn(work: &str, allocator: &str, folder: &Path) -> Outcome<(f64, f64)> {
    let output = Command::new(std::env::current_exe()?).args(["child", work, allocator]).arg(folder).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>();
    match numbers.as_deref() {
        Ok([ms, peak]) if output.status.success() => Ok((*ms, *peak)),
        _ => Err(format!("{work} failed: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// Work in this process; prints what `spawn` reads.
fn child(work: &str, allocator: &str, folder: &Path) -> Outcome<()> {
    if allocator == "kept" {
        keep_freed_memory();
    }
    // Tests run on threads beside the main one, where memory is managed in other ways.
    let per_image = std::thread::scope(|scope| {
        let worker = scope.spawn(|| match work {
            "plain" => plain_forward(folder).map_err(|error| error.to_string()),
            _ => coverage(folder).map_err(|error| error.to_string()),
        });
        worker.join().map_err(|_| "it panicked".to_owned())?
    })?;
    println!("{per_image} {}", peak_megabytes()?);
    Ok(())
}

/// Seconds per image of plain forward passes, as many as the coverage pass has.
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

/// The largest part of this process that was ever in memory.
fn peak_megabytes() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1024.0)
}
