//! Has pip download one wheel, shows how far it is, and gives up on a source that stays silent.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::platform::Platform;
use crate::error::{Error, Result};
use crate::process;
use crate::progress::{Progress, say};
use crate::python::Python;

/// The PyTorch project's own index of builds without CUDA: a third of the size of those on the default index.
const CPU_INDEX: &str = "https://download.pytorch.org/whl/cpu";

/// How often pip's progress is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// A source of wheels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The PyTorch project's CPU index, given up quickly when it cannot be reached.
    CpuIndex,
    /// pip's default index, or the one the user has set.
    Default,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::CpuIndex => "PyTorch's CPU index",
            Source::Default => "pip's default index",
        }
    }

    fn patience(self) -> Patience {
        match self {
            Source::CpuIndex => Patience { first: Duration::from_secs(20), next: Duration::from_secs(60) },
            Source::Default => Patience { first: Duration::from_secs(240), next: Duration::from_secs(240) },
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Source::CpuIndex => &["--index-url", CPU_INDEX, "--timeout", "5", "--retries", "0"],
            Source::Default => &[],
        }
    }
}

/// How long pip may show no progress.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Before the first byte of a wheel.
    first: Duration,
    /// After it.
    next: Duration,
}

/// What is to be fetched.
pub struct Request<'a> {
    /// The package and its version, for pip: `torch==2.13.0`.
    pub requirement: &'a str,
    /// The libtorch it is for.
    pub version: &'a str,
    /// The machine it is for.
    pub platform: Platform,
    /// The Python whose pip fetches it.
    pub python: &'a Python,
    /// The folder to work in.
    pub staging: &'a Path,
    /// Where to look, in order.
    pub sources: &'a [Source],
}

impl Request<'_> {
    /// Downloads the wheel into a folder of its own below `staging` and moves it, complete, into `wheels`.
    pub fn fetch(&self, wheels: &Path) -> Result<PathBuf> {
        let mut attempts = Vec::new();
        for source in self.sources {
            say("Fetching", format!("{} from {}", self.requirement, source.name()));
            // A connection that broke on the way is worth a second try; a source that never answered is not.
            for last in [false, true] {
                let folder = tempfile::Builder::new()
                    .prefix("pip-")
                    .tempdir_in(self.staging)
                    .map_err(Error::file("make a folder in", self.staging))?;
                match self.attempt(*source, source.patience(), folder.path())? {
                    Ok(wheel) => {
                        let place = wheels.join(wheel.file_name().unwrap_or_default());
                        fs::rename(&wheel, &place).map_err(Error::file("move", &wheel))?;
                        return Ok(place);
                    }
                    Err(failed) => {
                        let broken_off = failed.received > 1_000_000 && !last;
                        if broken_off {
                            say("Fetching", format!("{} again: {}", self.requirement, failed.reason));
                            continue;
                        }
                        attempts.push(format!("{}: {}", source.name(), failed.reason));
                        break;
                    }
                }
            }
        }
        Err(Error::Fetch { requirement: self.requirement.into(), attempts, version: self.version.into() })
    }

    fn attempt(&self, source: Source, patience: Patience, folder: &Path) -> Result<Result<PathBuf, Failed>> {
        let (temporary, destination, log) = (folder.join("tmp"), folder.join("wheel"), folder.join("log"));
        for path in [&temporary, &destination] {
            fs::create_dir(path).map_err(Error::file("make", path))?;
        }
        let output = File::create(&log).map_err(Error::file("write", &log))?;
        let errors = output.try_clone().map_err(Error::file("write", &log))?;
        let mut command = self.python.command();
        command.args(["-m", "pip", "download", "--no-deps", "--no-cache-dir", "--progress-bar", "off"]);
        command.args([
            "--only-binary",
            ":all:",
            "--python-version",
            "3.12",
            "--implementation",
            "cp",
            "--abi",
            "cp312",
        ]);
        for tag in self.platform.wheel_tags() {
            command.arg("--platform").arg(tag);
        }
        command.args(source.options()).arg("--dest").arg(&destination).arg(self.requirement);
        command.env("TMPDIR", &temporary).env("PYTHONUNBUFFERED", "1").env("PIP_NO_INPUT", "1");
        command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("PIP_REQUIRE_VIRTUALENV", "0");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().map_err(|source| Error::Start { program: process::name(&command), source })?;
        let mut running = Running(child);
        let outcome = watch(&mut running.0, folder, &log, self.requirement, patience);
        drop(running);
        Ok(match outcome {
            Ok(()) => one_wheel(&destination)
                .ok_or_else(|| Failed { reason: "pip said all is well, and left no wheel".into(), received: 0 }),
            Err(failed) => Err(failed),
        })
    }
}

/// A download that did not come to its end.
struct Failed {
    reason: String,
    received: u64,
}

/// pip, killed when it is no longer watched.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // It may end by itself just now; it is gone either way.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn watch(child: &mut Child, folder: &Path, log: &Path, what: &str, patience: Patience) -> Result<(), Failed> {
    let mut progress = Progress::new(what);
    let (mut most, mut last, mut moved) = (0, (0, 0), Instant::now());
    loop {
        let status = child.try_wait();
        let said = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let here = size_below(folder).saturating_sub(said.len() as u64);
        most = most.max(here);
        match status {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(_)) => {
                return Err(Failed { reason: complaint(&said), received: most });
            }
            Err(e) => {
                return Err(Failed { reason: format!("pip cannot be waited for: {e}"), received: most });
            }
            Ok(None) => {}
        }
        progress.update(most, announced(&said));
        let now = (here, said.len());
        if now != last {
            (last, moved) = (now, Instant::now());
        }
        let limit = if most == 0 { patience.first } else { patience.next };
        if moved.elapsed() > limit {
            let reason = format!("no progress for {} s", limit.as_secs());
            return Err(Failed { reason, received: most });
        }
        sleep(BETWEEN_LOOKS);
    }
}

/// The bytes of all files below a folder; what vanishes meanwhile does not count.
fn size_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The size pip announced for the wheel it downloads: `Downloading torch-2.13.0-….whl (526.6 MB)`.
fn announced(said: &str) -> Option<u64> {
    let line = said.lines().rev().find(|line| line.contains("Downloading") && line.contains(".whl ("))?;
    let (number, unit) = line.rsplit_once('(')?.1.split_once(')')?.0.split_once(' ')?;
    let factor = match unit {
        "bytes" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * factor;
    (bytes.is_finite() && bytes >= 1.0).then_some(bytes as u64)
}

/// What pip complained of: its errors, else its last words.
fn complaint(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    if said.contains("(from versions: none)") {
        // pip says the same of an index it cannot reach and of one that has no such package.
        return "it has no such package, or cannot be reached".into();
    }
    let errors = lines().filter_map(|line| line.strip_prefix("ERROR:")).map(str::trim).collect::<Vec<_>>();
    match errors.last() {
        Some(error) => error.to_string(),
        None => lines().next_back().unwrap_or("pip failed and said nothing").to_string(),
    }
}

fn one_wheel(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "whl"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::tests::PLATFORM;

    #[test]
    fn sizes_that_pip_announces() {
        assert_eq!(
            announced("Collecting torch\n  Downloading https://x/torch-2.13.0.whl (526.6 MB)\n"),
            Some(526_600_000)
        );
        assert_eq!(announced("  Downloading x.whl (7 bytes)"), Some(7));
        assert_eq!(announced("  Downloading x.whl.metadata (38 kB)"), None);
        assert_eq!(announced("  Downloading x.whl (nan MB)"), None);
    }

    #[test]
    fn complaints_of_pip() {
        assert_eq!(
            complaint("WARNING: a\nERROR: first\nERROR: No matching distribution\n\n"),
            "No matching distribution"
        );
        assert_eq!(complaint("Traceback\nOSError: no space\n"), "OSError: no space");
        let unreachable = "ERROR: Could not find a version (from versions: none)\nERROR: No matching distribution";
        assert_eq!(complaint(unreachable), "it has no such package, or cannot be reached");
        assert_eq!(complaint(""), "pip failed and said nothing");
    }

    /// A Python that does what a shell script says.
    #[cfg(unix)]
    fn python(folder: &Path, script: &str) -> Python {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("python3");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Python { path }
    }

    #[cfg(unix)]
    #[test]
    fn a_silent_source_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let python = python(folder.path(), "exec sleep 60");
        let request = Request {
            requirement: "torch==1",
            version: "1",
            platform: PLATFORM,
            python: &python,
            staging: folder.path(),
            sources: &[],
        };
        let work = tempfile::tempdir_in(folder.path()).unwrap();
        let patience = Patience { first: Duration::from_millis(500), next: Duration::from_secs(60) };
        let start = Instant::now();
        let failed = request.attempt(Source::CpuIndex, patience, work.path()).unwrap().unwrap_err();
        assert!(failed.reason.starts_with("no progress") && start.elapsed() < Duration::from_secs(20));
    }
}
