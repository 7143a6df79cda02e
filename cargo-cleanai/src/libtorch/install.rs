//! Puts libtorch into the cache: fetched into a staging folder, verified, unpacked beside it, then renamed into place.
//!
//! The final folder appears by one rename when all in it is checked, so a half-made one is never seen. What was
//! downloaded whole stays in the staging folder until then, and the next run takes it from there. A lock keeps a second
//! run waiting; it is released by the system however a run ends.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::fetch::{Request, Source};
use super::platform::Platform;
use super::unpack::{Package, Trouble, Unpacking};
use super::{Libtorch, Origin};
use crate::error::{Error, Result};
use crate::progress::say;
use crate::python::Python;

/// How often a package is fetched before its damage is not the network's.
const MOST_FETCHES: u32 = 2;

/// Fetches libtorch into `place` unless it is there already when the lock is held.
pub fn install(version: &str, platform: Platform, place: &Path) -> Result<()> {
    if platform.wheel_tags().is_empty() {
        return Err(Error::Platform { platform: platform.to_string(), version: version.into() });
    }
    let beside = |end: &str| {
        let mut name = place.file_name().unwrap_or_default().to_os_string();
        name.push(end);
        place.with_file_name(name)
    };
    let folder = place.parent().unwrap_or(place);
    fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    let _lock = lock(&beside(".lock"))?;
    if Libtorch::check(place, Origin::Cache, version, platform).is_ok() {
        return Ok(());
    }
    let python = Python::find().ok_or_else(|| Error::NoPython { version: version.into() })?;
    python.pip().map_err(|said| Error::NoPip { python: python.path.clone(), said, version: version.into() })?;

    let staging = beside(".part");
    let wheels = staging.join("wheels");
    fs::create_dir_all(&wheels).map_err(Error::file("make", &wheels))?;
    clear_leftovers(&staging)?;
    let mut store =
        Store { version, platform, python: &python, staging: &staging, wheels: &wheels, fetched: HashMap::new() };
    let tree = store.tree()?;
    put_in_place(tree.path(), place, &staging)?;
    drop(tree);
    fs::remove_dir_all(&staging).map_err(Error::file("remove", &staging))
}

fn lock(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(path).map_err(Error::file("open", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say("Waiting", "for another cargo cleanai that is fetching libtorch");
            file.lock().map_err(Error::file("lock", path))?;
        }
        Err(TryLockError::Error(source)) => return Err(Error::file("lock", path)(source)),
    }
    Ok(file)
}

/// Removes what runs that were cut off left in the staging folder, but for whole wheels.
fn clear_leftovers(staging: &Path) -> Result<()> {
    for entry in fs::read_dir(staging).map_err(Error::file("read", staging))? {
        let path = entry.map_err(Error::file("read", staging))?.path();
        if path.file_name().is_some_and(|name| name != "wheels") {
            fs::remove_dir_all(&path).map_err(Error::file("remove", &path))?;
        }
    }
    Ok(())
}

fn put_in_place(tree: &Path, place: &Path, staging: &Path) -> Result<()> {
    if fs::symlink_metadata(place).is_ok() {
        // Something that is no whole libtorch has the name; it goes with the staging folder.
        let aside =
            tempfile::Builder::new().prefix("old-").tempdir_in(staging).map_err(Error::file("write", staging))?;
        fs::rename(place, aside.keep().join("libtorch")).map_err(Error::file("move away", place))?;
    }
    fs::rename(tree, place).map_err(Error::file("move libtorch to", place))
}

/// The wheels of one installation.
struct Store<'a> {
    version: &'a str,
    platform: Platform,
    python: &'a Python,
    staging: &'a Path,
    wheels: &'a Path,
    fetched: HashMap<&'static str, u32>,
}

impl Store<'_> {
    /// A checked libtorch in a temporary folder of the staging folder.
    fn tree(&mut self) -> Result<tempfile::TempDir> {
        loop {
            match self.attempt() {
                Ok(tree) => return Ok(tree),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Wheel { package, path, reason }) => {
                    let wheel = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    fs::remove_file(&path).map_err(Error::file("remove", &path))?;
                    if self.fetched.get(package).is_some_and(|count| *count >= MOST_FETCHES) {
                        return Err(Error::BrokenWheel { wheel, reason });
                    }
                    say("Damaged", format!("{wheel}: {reason}"));
                }
            }
        }
    }

    fn attempt(&mut self) -> Result<tempfile::TempDir, Trouble> {
        let path = self.obtain("torch", &format!("torch=={}", self.version), &[Source::CpuIndex, Source::Default])?;
        say("Unpacking", path.file_name().unwrap_or_default().to_string_lossy());
        let tree = tempfile::Builder::new()
            .prefix("tree-")
            .tempdir_in(self.staging)
            .map_err(Error::file("make a folder in", self.staging))?;
        let mut torch = Unpacking::open("torch", path)?;
        torch.headers(tree.path())?;
        let missing = torch.libraries(tree.path(), self.platform)?;
        for (library, package) in missing {
            let requirement = match package {
                Package { name, major } if major < 13 => format!("{name}-cu{major}"),
                Package { name, major } => format!("{name}=={major}.*"),
            };
            let path = self.obtain(package.name, &requirement, &[Source::Default])?;
            let mut wheel = Unpacking::open(package.name, path)?;
            if !wheel.library(&library, tree.path())? {
                let problem = format!("{requirement} has no {library}");
                return Err(Error::Incomplete { problem, version: self.version.into() }.into());
            }
        }
        let file = tree.path().join("build-version");
        fs::write(&file, format!("{}+cpu\n", self.version)).map_err(Error::file("write", &file))?;
        Libtorch::check(tree.path(), Origin::Cache, self.version, self.platform)
            .map_err(|problem| Error::Incomplete { problem, version: self.version.into() })?;
        Ok(tree)
    }

    /// A wheel of a package: the one that is here already, else fetched.
    fn obtain(&mut self, package: &'static str, requirement: &str, sources: &[Source]) -> Result<PathBuf> {
        let entries = fs::read_dir(self.wheels).map_err(Error::file("read", self.wheels))?;
        let here = entries.flatten().map(|entry| entry.path()).find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            belongs(&name, requirement)
        });
        if let Some(path) = here {
            return Ok(path);
        }
        *self.fetched.entry(package).or_default() += 1;
        let request = Request {
            requirement,
            version: self.version,
            platform: self.platform,
            python: self.python,
            staging: self.staging,
            sources,
        };
        request.fetch(self.wheels)
    }
}

/// Whether a wheel's file name, `name-version-tags.whl`, is one that is required.
fn belongs(file: &str, requirement: &str) -> bool {
    let Some((name, rest)) = file.strip_suffix(".whl").and_then(|file| file.split_once('-')) else {
        return false;
    };
    let (wanted, version) = requirement.split_once("==").unwrap_or((requirement, ""));
    let normal = |text: &str| text.to_lowercase().replace(['-', '.'], "_");
    let found = rest.split(['-', '+']).next().unwrap_or(rest);
    normal(name) == normal(wanted)
        && match version.strip_suffix('*') {
            Some(prefix) => found.starts_with(prefix),
            None => version.is_empty() || found == version,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_are_known_by_name() {
        for (file, requirement, expected) in [
            ("torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl", "torch==2.13.0", true),
            ("torch-2.13.0+cpu-cp312-cp312-linux_x86_64.whl", "torch==2.13.0", true),
            ("torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl", "torch==2.13.0", false),
            ("torchvision-0.1-py3-none-any.whl", "torch==2.13.0", false),
            ("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.whl", "nvidia-cuda-runtime==13.*", true),
            ("nvidia_cuda_runtime-12.9.1-py3-none-manylinux2014_x86_64.whl", "nvidia-cuda-runtime==13.*", false),
            ("nvidia_cuda_runtime_cu12-12.9.1-py3-none-any.whl", "nvidia-cuda-runtime-cu12", true),
            ("torch-2.13.0.zip", "torch==2.13.0", false),
        ] {
            assert_eq!(belongs(file, requirement), expected, "{file} for {requirement}");
        }
    }
}
