//! What the benches share: clocks, medians, plain runs, inputs, and work in a process of its own.

#![allow(dead_code)] // every bench uses its own part

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use cleanai_harness::private::keep_freed_memory;
use tch::{CModule, Device, Kind, Tensor};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Milliseconds of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    pub wall: f64,
    pub cpu: f64,
}

/// Runs of both kinds of clock.
#[derive(Debug, Default)]
pub struct Samples {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Samples {
    pub fn len(&self) -> usize {
        self.wall.len()
    }

    pub fn push(&mut self, times: Times) {
        self.wall.push(times.wall);
        self.cpu.push(times.cpu);
    }

    pub fn medians(&self) -> Times {
        Times { wall: median(self.wall.clone()), cpu: median(self.cpu.clone()) }
    }
}

/// Both clocks, running.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    wall: Instant,
    cpu: f64,
}

impl Clocks {
    pub fn start() -> Self {
        let cpu = cpu_milliseconds();
        Self { wall: Instant::now(), cpu }
    }

    pub fn elapsed(self) -> Times {
        let wall = self.wall.elapsed().as_secs_f64() * 1e3;
        Times { wall, cpu: cpu_milliseconds() - self.cpu }
    }
}

/// CPU time of all threads of this process.
pub fn cpu_milliseconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The module as libtorch runs it by itself, without its profiling executor.
pub fn load(path: &Path) -> Outcome<CModule> {
    tch::jit::f_set_profiling_mode(false)?;
    let mut module = CModule::load(path)?;
    module.f_set_eval()?;
    Ok(module)
}

/// Random inputs of this shape in numpy's format.
pub fn write_inputs(path: &Path, inputs: usize, shape: [usize; 3]) -> Outcome<()> {
    let [channels, height, width] = shape;
    let header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({inputs}, {channels}, {height}, {width}), }}");
    let header = format!("{header:<117}\n");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(header.len())?.to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for _ in 0..inputs {
        let size = [i64::try_from(channels * height * width)?];
        let values: Vec<f32> = Vec::try_from(Tensor::randn(size, (Kind::Float, Device::Cpu)))?;
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        file.write_all(&bytes)?;
    }
    file.flush()?;
    Ok(())
}

/// The inputs of numpy's file with labels, all classes in turn, as numpy's archive.
pub fn write_labelled(path: &Path, inputs: &Path, count: usize, classes: usize) -> Outcome<()> {
    let mut archive = zip::ZipWriter::new(BufWriter::new(File::create(path)?));
    let plain = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("x.npy", plain)?;
    std::io::copy(&mut File::open(inputs)?, &mut archive)?;
    archive.start_file("y.npy", plain)?;
    let header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({count},), }}");
    let header = format!("{header:<117}\n");
    archive.write_all(b"\x93NUMPY\x01\x00")?;
    archive.write_all(&u16::try_from(header.len())?.to_le_bytes())?;
    archive.write_all(header.as_bytes())?;
    for input in 0..count {
        archive.write_all(&i64::try_from(input % classes)?.to_le_bytes())?;
    }
    archive.finish()?.flush()?;
    Ok(())
}

/// The numbers that this program prints when it is started with these arguments.
pub fn spawn<const N: usize>(arguments: &[&str], folder: &Path) -> Outcome<[f64; N]> {
    let output = Command::new(std::env::current_exe()?).args(arguments).arg(folder).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>();
    match numbers.map(<[f64; N]>::try_from) {
        Ok(Ok(numbers)) if output.status.success() => Ok(numbers),
        _ => Err(format!("{arguments:?} failed: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// Runs work as the runner does, its memory kept for the next batch if `kept`, and gives its result and the peak of memory in megabytes.
pub fn with_peak<T: Send>(kept: bool, work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<(T, f64)> {
    if kept {
        keep_freed_memory();
    }
    // Tests run on threads beside the main one, where memory is managed in other ways.
    let done = std::thread::scope(|scope| {
        let worker = scope.spawn(|| work().map_err(|error| error.to_string()));
        worker.join().map_err(|_| "it panicked".to_owned())?
    })?;
    Ok((done, peak_megabytes()?))
}

/// The largest part of this process that was ever in memory.
fn peak_megabytes() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1024.0)
}

/// `main` of a bench: what `run` makes of the arguments, those of cargo left out. Nothing comes from the cache of profiles.
pub fn main(run: impl FnOnce(&[&str]) -> Outcome<()>) -> std::process::ExitCode {
    // SAFETY: no other thread has been started.
    unsafe { std::env::set_var("CLEANAI_CACHE", "off") };
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
