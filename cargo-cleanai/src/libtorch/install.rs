//! Puts libtorch into the cache: fetched into a staging folder, verified, unpacked beside it, then renamed into place.
//!
//! The final folder appears by one rename when all in it is checked, so a half-made one is never seen. What was
//! downloaded whole stays in the staging folder until then, and the next run takes it from there. A lock keeps a second
//! run waiting; it is released by the system however a run ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::binary::Binary;
use super::fetch::{Request, Source};
use super::platform::Platform;
use super::wheel::{Wheel, WheelError};
use super::{Libtorch, Origin};
use crate::error::{Error, Result};
use crate::progress::say;
use crate::python::Python;

/// The most bytes unpacked, all files together; a libtorch without CUDA has 0.5 GB.
const LARGEST_TREE: u64 = 4 << 30;
/// How often a package is fetched before its damage is not the network's.
const MOST_FETCHES: u32 = 2;

/// Fetches libtorch into `place` unless it is there already when the lock is held.
pub fn install(version: &str, platform: Platform, place: &Path) -> Result<()> {
    if platform.wheel_tags().is_empty() {
        return Err(Error::Platform {
            platform: platform.to_string(),
            version: version.into(),
        });
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
    let python = Python::find().ok_or_else(|| Error::NoPython {
        version: version.into(),
    })?;
    python.pip().map_err(|said| Error::NoPip {
        python: python.path.clone(),
        said,
        version: version.into(),
    })?;

    let staging = beside(".part");
    let wheels = staging.join("wheels");
    fs::create_dir_all(&wheels).map_err(Error::file("make", &wheels))?;
    clear_leftovers(&staging)?;
    let mut store = Store {
        version,
        platform,
        python: &python,
        staging: &staging,
        wheels: &wheels,
        fetched: HashMap::new(),
    };
    let tree = store.tree()?;
    put_in_place(tree.path(), place, &staging)?;
    drop(tree);
    fs::remove_dir_all(&staging).map_err(Error::file("remove", &staging))
}

fn lock(path: &Path) -> Result<File> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(Error::file("open", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(
                "Waiting",
                "for another cargo cleanai that is fetching libtorch",
            );
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
        let aside = tempfile::Builder::new()
            .prefix("old-")
            .tempdir_in(staging)
            .map_err(Error::file("write", staging))?;
        fs::rename(place, aside.keep().join("libtorch"))
            .map_err(Error::file("move away", place))?;
    }
    fs::rename(tree, place).map_err(Error::file("move libtorch to", place))
}

/// Why an attempt to make a libtorch ended.
enum Trouble {
    /// A wheel is damaged.
    Wheel {
        package: &'static str,
        path: PathBuf,
        reason: String,
    },
    /// Anything else; another attempt will not help.
    Final(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Final(error)
    }
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
                Err(Trouble::Wheel {
                    package,
                    path,
                    reason,
                }) => {
                    let wheel = path
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned();
                    fs::remove_file(&path).map_err(Error::file("remove", &path))?;
                    if self
                        .fetched
                        .get(package)
                        .is_some_and(|count| *count >= MOST_FETCHES)
                    {
                        return Err(Error::BrokenWheel { wheel, reason });
                    }
                    say("Damaged", format!("{wheel}: {reason}"));
                }
            }
        }
    }

    fn attempt(&mut self) -> Result<tempfile::TempDir, Trouble> {
        let path = self.obtain(
            "torch",
            &format!("torch=={}", self.version),
            &[Source::CpuIndex, Source::Default],
        )?;
        say(
            "Unpacking",
            path.file_name().unwrap_or_default().to_string_lossy(),
        );
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
                return Err(Error::Incomplete {
                    problem,
                    version: self.version.into(),
                }
                .into());
            }
        }
        let file = tree.path().join("build-version");
        fs::write(&file, format!("{}+cpu\n", self.version)).map_err(Error::file("write", &file))?;
        Libtorch::check(tree.path(), Origin::Cache, self.version, self.platform).map_err(
            |problem| Error::Incomplete {
                problem,
                version: self.version.into(),
            },
        )?;
        Ok(tree)
    }

    /// A wheel of a package: the one that is here already, else fetched.
    fn obtain(
        &mut self,
        package: &'static str,
        requirement: &str,
        sources: &[Source],
    ) -> Result<PathBuf> {
        let entries = fs::read_dir(self.wheels).map_err(Error::file("read", self.wheels))?;
        let here = entries.flatten().map(|entry| entry.path()).find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            belongs(&name, package, requirement)
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

/// Whether a wheel's file name, `name-version-tags.whl`, is one of the package and version required.
fn belongs(file: &str, package: &str, requirement: &str) -> bool {
    let Some((name, rest)) = file
        .strip_suffix(".whl")
        .and_then(|file| file.split_once('-'))
    else {
        return false;
    };
    let (wanted, version) = requirement.split_once("==").unwrap_or((requirement, ""));
    let normal = |text: &str| text.to_lowercase().replace(['-', '.'], "_");
    let found = rest.split(['-', '+']).next().unwrap_or(rest);
    normal(name) == normal(wanted)
        && match version.strip_suffix('*') {
            Some(prefix) => found.starts_with(prefix),
            None => version.is_empty() || (found == version && package == "torch"),
        }
}

/// A package of NVIDIA's that libtorch_cpu needs a library of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: &'static str,
    major: u32,
}

impl Package {
    /// The package that a library like `libcudart.so.13` is in; its wheels carry the CUDA version since 13 and
    /// the suffix `-cu12` before.
    fn of(library: &str) -> Option<Package> {
        let (stem, major) = library.split_once(".so.")?;
        let name = match stem {
            "libcudart" => "nvidia-cuda-runtime",
            "libcupti" => "nvidia-cuda-cupti",
            _ => return None,
        };
        Some(Package {
            name,
            major: major.split('.').next()?.parse().ok()?,
        })
    }
}

/// A wheel that is being taken apart.
struct Unpacking {
    package: &'static str,
    path: PathBuf,
    wheel: Wheel,
    written: u64,
}

impl Unpacking {
    fn open(package: &'static str, path: PathBuf) -> Result<Unpacking, Trouble> {
        match Wheel::open(&path) {
            Ok(wheel) => Ok(Unpacking {
                package,
                path,
                wheel,
                written: 0,
            }),
            Err(error) => Err(trouble(package, &path, error)),
        }
    }

    fn extract(&mut self, name: &str, destination: &Path) -> Result<(), Trouble> {
        self.wheel
            .extract(name, destination)
            .map_err(|error| trouble(self.package, &self.path, error))?;
        self.written += fs::metadata(destination)
            .map_err(Error::file("read", destination))?
            .len();
        if self.written > LARGEST_TREE {
            let reason = format!("it unpacks to more than {} GiB", LARGEST_TREE >> 30);
            return Err(Trouble::Wheel {
                package: self.package,
                path: self.path.clone(),
                reason,
            });
        }
        Ok(())
    }

    fn headers(&mut self, tree: &Path) -> Result<(), Trouble> {
        let names = self
            .wheel
            .names()
            .iter()
            .filter(|name| name.starts_with("torch/include/"));
        for name in names.cloned().collect::<Vec<_>>() {
            self.extract(&name, &tree.join(name.trim_start_matches("torch/")))?;
        }
        Ok(())
    }

    /// Takes libtorch_cpu, c10, libtorch and all they need that is in the wheel, but for CUDA. Gives what they need of
    /// NVIDIA's and is not in the wheel.
    fn libraries(
        &mut self,
        tree: &Path,
        platform: Platform,
    ) -> Result<BTreeMap<String, Package>, Trouble> {
        let mut wanted: Vec<String> = ["torch_cpu", "c10", "torch"]
            .map(|name| platform.library(name))
            .into();
        let (mut seen, mut missing) = (BTreeSet::new(), BTreeMap::new());
        while let Some(library) = wanted.pop() {
            if needs_cuda(&library) || !seen.insert(library.clone()) {
                continue;
            }
            if self.library(&library, tree)? {
                let path = tree.join("lib").join(&library);
                let binary = Binary::read(&path).map_err(|e| Trouble::Wheel {
                    package: self.package,
                    path: self.path.clone(),
                    reason: format!("{library}: {e}"),
                })?;
                wanted.extend(binary.needed);
            } else if let Some(package) = Package::of(&library) {
                missing.insert(library, package);
            }
        }
        Ok(missing)
    }

    /// Takes one library, wherever in the wheel it lies; false if it is not there.
    fn library(&mut self, library: &str, tree: &Path) -> Result<bool, Trouble> {
        let end = format!("/{library}");
        let Some(name) = self
            .wheel
            .names()
            .iter()
            .find(|name| name.ends_with(&end))
            .cloned()
        else {
            return Ok(false);
        };
        self.extract(&name, &tree.join("lib").join(library))?;
        Ok(true)
    }
}

/// The libraries that only a GPU needs; libtorch names them, and the linker leaves them out.
fn needs_cuda(library: &str) -> bool {
    ["libtorch_cuda", "libc10_cuda", "libtorch_hip", "libc10_hip"]
        .iter()
        .any(|name| library.starts_with(name))
}

fn trouble(package: &'static str, path: &Path, error: WheelError) -> Trouble {
    match error {
        WheelError::Broken(reason) => Trouble::Wheel {
            package,
            path: path.into(),
            reason,
        },
        WheelError::Machine { path, source } => Trouble::Final(Error::File {
            action: "write",
            path,
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::make::{X86_64, elf, mach, wheel};
    use crate::libtorch::platform::{Processor, System};
    use crate::libtorch::tests::PLATFORM;

    #[test]
    fn wheels_are_known_by_name() {
        for (file, package, requirement, expected) in [
            (
                "torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl",
                "torch",
                "torch==2.13.0",
                true,
            ),
            (
                "torch-2.13.0+cpu-cp312-cp312-linux_x86_64.whl",
                "torch",
                "torch==2.13.0",
                true,
            ),
            (
                "torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl",
                "torch",
                "torch==2.13.0",
                false,
            ),
            (
                "torchvision-0.1-py3-none-any.whl",
                "torch",
                "torch==2.13.0",
                false,
            ),
            (
                "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.whl",
                "x",
                "nvidia-cuda-runtime==13.*",
                true,
            ),
            (
                "nvidia_cuda_runtime-12.9.1-py3-none-manylinux2014_x86_64.whl",
                "x",
                "nvidia-cuda-runtime==13.*",
                false,
            ),
            (
                "nvidia_cuda_runtime_cu12-12.9.1-py3-none-any.whl",
                "x",
                "nvidia-cuda-runtime-cu12",
                true,
            ),
            ("torch-2.13.0.zip", "torch", "torch==2.13.0", false),
        ] {
            assert_eq!(
                belongs(file, package, requirement),
                expected,
                "{file} for {requirement}"
            );
        }
    }

    #[test]
    fn packages_are_known_by_library() {
        assert_eq!(
            Package::of("libcudart.so.13"),
            Some(Package {
                name: "nvidia-cuda-runtime",
                major: 13
            })
        );
        assert_eq!(
            Package::of("libcupti.so.12.8"),
            Some(Package {
                name: "nvidia-cuda-cupti",
                major: 12
            })
        );
        assert_eq!(
            (Package::of("libc.so.6"), Package::of("libcudart.so")),
            (None, None)
        );
    }

    fn take(files: &[(&str, Vec<u8>)], platform: Platform) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("torch-2.13.0-x.whl");
        wheel(&path, "torch-2.13.0", files);
        let tree = folder.path().join("tree");
        let Ok(mut unpacking) = Unpacking::open("torch", path) else {
            panic!("the wheel opens")
        };
        assert!(unpacking.headers(&tree).is_ok());
        let Ok(missing) = unpacking.libraries(&tree, platform) else {
            panic!("the libraries are taken")
        };
        let mut taken = fs::read_dir(tree.join("lib"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>();
        taken.sort();
        (taken, missing.into_keys().collect())
    }

    #[test]
    fn linux_takes_what_is_needed_and_no_cuda() {
        let library = |needed: &[&str]| elf(X86_64, needed);
        let (taken, missing) = take(
            &[
                (
                    "torch/lib/libtorch_cpu.so",
                    library(&[
                        "libc10.so",
                        "libgomp.so.1",
                        "libcudart.so.13",
                        "libcupti.so.13",
                        "libm.so.6",
                    ]),
                ),
                ("torch/lib/libc10.so", library(&[])),
                (
                    "torch/lib/libtorch.so",
                    library(&["libtorch_cpu.so", "libtorch_cuda.so"]),
                ),
                ("torch/lib/libtorch_cuda.so", library(&[])),
                ("torch/lib/libtorch_python.so", library(&[])),
                ("torch.libs/libgomp.so.1", library(&["libhidden.so"])),
                ("torch/lib/libhidden.so", library(&[])),
            ],
            PLATFORM,
        );
        assert_eq!(
            taken,
            [
                "libc10.so",
                "libgomp.so.1",
                "libhidden.so",
                "libtorch.so",
                "libtorch_cpu.so"
            ]
        );
        assert_eq!(missing, ["libcudart.so.13", "libcupti.so.13"]);
    }

    #[test]
    fn macos_takes_its_own_names() {
        let (taken, missing) = take(
            &[
                (
                    "torch/lib/libtorch_cpu.dylib",
                    mach(&[
                        "@rpath/libc10.dylib",
                        "@rpath/libomp.dylib",
                        "/usr/lib/libc++.1.dylib",
                    ]),
                ),
                ("torch/lib/libc10.dylib", mach(&[])),
                ("torch/lib/libomp.dylib", mach(&[])),
                (
                    "torch/lib/libtorch.dylib",
                    mach(&["@rpath/libtorch_cpu.dylib"]),
                ),
                ("torch/lib/libtorch_python.dylib", mach(&[])),
            ],
            Platform {
                system: System::Macos,
                processor: Processor::Aarch64,
            },
        );
        assert_eq!(
            taken,
            [
                "libc10.dylib",
                "libomp.dylib",
                "libtorch.dylib",
                "libtorch_cpu.dylib"
            ]
        );
        assert!(missing.is_empty());
    }
}
