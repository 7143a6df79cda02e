//! Takes a libtorch out of wheels: the headers, and the libraries that running on the CPU needs, no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::binary::Binary;
use super::platform::Platform;
use super::wheel::{Wheel, WheelError};
use crate::error::Error;

/// The most bytes unpacked of one wheel; a libtorch without CUDA has 0.5 GB.
const LARGEST_TREE: u64 = 4 << 30;

/// Why an attempt to make a libtorch ended.
pub enum Trouble {
    /// A wheel is damaged.
    Wheel {
        /// The package it is of.
        package: &'static str,
        /// The wheel.
        path: PathBuf,
        /// What does not fit.
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

/// A package of NVIDIA's that libtorch_cpu needs a library of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// As pip knows it, without the suffix for CUDA 12 and before.
    pub name: &'static str,
    /// The major version of CUDA.
    pub major: u32,
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
        Some(Package { name, major: major.split('.').next()?.parse().ok()? })
    }
}

/// A wheel that is being taken apart.
pub struct Unpacking {
    package: &'static str,
    path: PathBuf,
    wheel: Wheel,
    written: u64,
}

impl Unpacking {
    /// Opens a wheel of a package.
    pub fn open(package: &'static str, path: PathBuf) -> Result<Unpacking, Trouble> {
        match Wheel::open(&path) {
            Ok(wheel) => Ok(Unpacking { package, path, wheel, written: 0 }),
            Err(error) => Err(trouble(package, &path, error)),
        }
    }

    fn extract(&mut self, name: &str, destination: &Path) -> Result<(), Trouble> {
        self.wheel.extract(name, destination).map_err(|error| trouble(self.package, &self.path, error))?;
        self.written += fs::metadata(destination).map_err(Error::file("read", destination))?.len();
        if self.written > LARGEST_TREE {
            let reason = format!("it unpacks to more than {} GiB", LARGEST_TREE >> 30);
            return Err(Trouble::Wheel { package: self.package, path: self.path.clone(), reason });
        }
        Ok(())
    }

    /// Takes the headers.
    pub fn headers(&mut self, tree: &Path) -> Result<(), Trouble> {
        let names = self.wheel.names().iter().filter(|name| name.starts_with("torch/include/"));
        for name in names.cloned().collect::<Vec<_>>() {
            self.extract(&name, &tree.join(name.trim_start_matches("torch/")))?;
        }
        Ok(())
    }

    /// Takes libtorch_cpu, c10, libtorch and all they need that is in the wheel, but for CUDA. Gives what they need of
    /// NVIDIA's and is not in the wheel.
    pub fn libraries(&mut self, tree: &Path, platform: Platform) -> Result<BTreeMap<String, Package>, Trouble> {
        let mut wanted: Vec<String> = ["torch_cpu", "c10", "torch"].map(|name| platform.library(name)).into();
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
    pub fn library(&mut self, library: &str, tree: &Path) -> Result<bool, Trouble> {
        let end = format!("/{library}");
        let Some(name) = self.wheel.names().iter().find(|name| name.ends_with(&end)).cloned() else {
            return Ok(false);
        };
        self.extract(&name, &tree.join("lib").join(library))?;
        Ok(true)
    }
}

/// The libraries that only a GPU needs; libtorch names them, and the linker leaves them out.
fn needs_cuda(library: &str) -> bool {
    ["libtorch_cuda", "libc10_cuda", "libtorch_hip", "libc10_hip"].iter().any(|name| library.starts_with(name))
}

fn trouble(package: &'static str, path: &Path, error: WheelError) -> Trouble {
    match error {
        WheelError::Broken(reason) => Trouble::Wheel { package, path: path.into(), reason },
        WheelError::Machine { path, source } => Trouble::Final(Error::File { action: "write", path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::make::{X86_64, elf, mach, wheel};
    use crate::libtorch::platform::{Processor, System};
    use crate::libtorch::tests::PLATFORM;

    #[test]
    fn packages_are_known_by_library() {
        assert_eq!(Package::of("libcudart.so.13"), Some(Package { name: "nvidia-cuda-runtime", major: 13 }));
        assert_eq!(Package::of("libcupti.so.12.8"), Some(Package { name: "nvidia-cuda-cupti", major: 12 }));
        assert_eq!((Package::of("libc.so.6"), Package::of("libcudart.so")), (None, None));
    }

    fn take(files: &[(&str, Vec<u8>)], platform: Platform) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("torch-2.13.0-x.whl");
        wheel(&path, "torch-2.13.0", files);
        let tree = folder.path().join("tree");
        let Ok(mut unpacking) = Unpacking::open("torch", path) else { panic!("the wheel opens") };
        assert!(unpacking.headers(&tree).is_ok());
        let Ok(missing) = unpacking.libraries(&tree, platform) else { panic!("the libraries are taken") };
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
                    library(&["libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13", "libm.so.6"]),
                ),
                ("torch/lib/libc10.so", library(&[])),
                ("torch/lib/libtorch.so", library(&["libtorch_cpu.so", "libtorch_cuda.so"])),
                ("torch/lib/libtorch_cuda.so", library(&[])),
                ("torch/lib/libtorch_python.so", library(&[])),
                ("torch.libs/libgomp.so.1", library(&["libhidden.so"])),
                ("torch/lib/libhidden.so", library(&[])),
            ],
            PLATFORM,
        );
        assert_eq!(taken, ["libc10.so", "libgomp.so.1", "libhidden.so", "libtorch.so", "libtorch_cpu.so"]);
        assert_eq!(missing, ["libcudart.so.13", "libcupti.so.13"]);
    }

    #[test]
    fn macos_takes_its_own_names() {
        let (taken, missing) = take(
            &[
                (
                    "torch/lib/libtorch_cpu.dylib",
                    mach(&["@rpath/libc10.dylib", "@rpath/libomp.dylib", "/usr/lib/libc++.1.dylib"]),
                ),
                ("torch/lib/libc10.dylib", mach(&[])),
                ("torch/lib/libomp.dylib", mach(&[])),
                ("torch/lib/libtorch.dylib", mach(&["@rpath/libtorch_cpu.dylib"])),
                ("torch/lib/libtorch_python.dylib", mach(&[])),
            ],
            Platform { system: System::Macos, processor: Processor::Aarch64 },
        );
        assert_eq!(taken, ["libc10.dylib", "libomp.dylib", "libtorch.dylib", "libtorch_cpu.dylib"]);
        assert!(missing.is_empty());
    }
}
