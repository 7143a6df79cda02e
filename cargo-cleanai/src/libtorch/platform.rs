//! The machine libtorch is wanted for: library names and the tags of the wheels that fit it.

use std::fmt;

/// An operating system that PyTorch publishes wheels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux with the GNU C library.
    Linux,
    /// macOS.
    Macos,
}

/// A processor that PyTorch publishes wheels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// x86-64.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

/// Operating system and processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// Operating system.
    pub system: System,
    /// Processor.
    pub processor: Processor,
}

impl Platform {
    /// The machine this runs on, or its name when libtorch libraries of it are unknown here.
    pub fn host() -> Result<Platform, String> {
        let system = match std::env::consts::OS {
            "linux" if cfg!(not(target_env = "gnu")) => Err("Linux with a C library other than GNU's"),
            "linux" => Ok(System::Linux),
            "macos" => Ok(System::Macos),
            other => Err(other),
        };
        let processor = match std::env::consts::ARCH {
            "x86_64" => Ok(Processor::X86_64),
            "aarch64" => Ok(Processor::Aarch64),
            other => Err(other),
        };
        match (system, processor) {
            (Ok(system), Ok(processor)) => Ok(Platform { system, processor }),
            (Err(system), _) => Err(system.to_string()),
            (_, Err(processor)) => Err(format!("{} on {processor}", std::env::consts::OS)),
        }
    }

    /// The file name of a library: `torch_cpu` is `libtorch_cpu.so` or `libtorch_cpu.dylib`.
    pub fn library(self, name: &str) -> String {
        match self.system {
            System::Linux => format!("lib{name}.so"),
            System::Macos => format!("lib{name}.dylib"),
        }
    }

    /// The variable in which the loader of programs looks for libraries.
    pub fn loader_variable(self) -> &'static str {
        match self.system {
            System::Linux => "LD_LIBRARY_PATH",
            System::Macos => "DYLD_LIBRARY_PATH",
        }
    }

    /// The platform tags of wheels that run here, best first; empty where PyTorch publishes none.
    ///
    /// They are given to pip word for word, so that neither the age of pip nor the version of Python decides whether a
    /// wheel is found: libtorch does not need Python. NVIDIA's wheels have other tags than PyTorch's.
    pub fn wheel_tags(self) -> Vec<String> {
        let (system, processor) = match (self.system, self.processor) {
            (System::Linux, Processor::X86_64) => ("linux", "x86_64"),
            (System::Linux, Processor::Aarch64) => ("linux", "aarch64"),
            (System::Macos, Processor::Aarch64) => ("macosx", "arm64"),
            // The last wheels for Intel Macs were those of torch 2.2.
            (System::Macos, Processor::X86_64) => return Vec::new(),
        };
        if system == "macosx" {
            return (11..=14).rev().map(|release| format!("macosx_{release}_0_{processor}")).collect();
        }
        // A pip of some age takes a tag literally and knows nothing of the older ones that fit as well.
        let by_library = (17..=28).rev().map(|minor| format!("manylinux_2_{minor}_{processor}"));
        let named = ["manylinux2014", "manylinux2010", "manylinux1", "linux"];
        by_library.chain(named.map(|name| format!("{name}_{processor}"))).collect()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = match self.system {
            System::Linux => "Linux",
            System::Macos => "macOS",
        };
        let processor = match self.processor {
            Processor::X86_64 => "x86-64",
            Processor::Aarch64 => "arm64",
        };
        write!(f, "{system} {processor}")
    }
}
