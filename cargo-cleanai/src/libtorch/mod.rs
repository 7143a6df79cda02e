//! libtorch: which version is wanted, whether a folder holds it, where it is found and how it is fetched.

pub mod binary;
pub mod fetch;
pub mod find;
pub mod install;
pub mod platform;
pub mod unpack;
pub mod wheel;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use binary::Binary;
use platform::{Platform, System};

/// The libtorch that tch 0.26 takes, and no other.
pub const VERSION: &str = "2.13.0";

/// The libtorch a torch-sys takes: each takes exactly one.
pub fn version_for(torch_sys: &str) -> Option<&'static str> {
    let minor = torch_sys.strip_prefix("0.")?.split('.').next()?;
    match minor {
        "26" => Some("2.13.0"),
        "24" => Some("2.11.0"),
        _ => None,
    }
}

/// Where a libtorch was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The user named it, in this variable or file.
    Own(String),
    /// A Python's torch.
    Python(PathBuf),
    /// The user's cache folder.
    Cache,
    /// What the project is linked to already.
    Link,
}

/// A libtorch that can be built with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Libtorch {
    /// The folder with `include` and `lib`.
    pub root: PathBuf,
    /// Where it was found.
    pub origin: Origin,
    /// Its full version where it says it: `2.13.0+cpu`.
    pub version: Option<String>,
}

impl Libtorch {
    /// Takes a folder if it holds the libtorch wanted; else says what is wrong with it.
    ///
    /// Only what building and running needs is looked for: the headers, the three libraries, their processor and the
    /// version. libtorch_cuda may be missing although libtorch.so names it: the linker leaves it out.
    pub fn check(root: &Path, origin: Origin, version: &str, platform: Platform) -> Result<Libtorch, String> {
        if !root.is_dir() {
            return Err("there is no such folder".into());
        }
        for header in ["include/torch/csrc/api/include/torch/torch.h", "include/ATen/ATen.h", "include/torch/script.h"]
        {
            if !root.join(header).is_file() {
                return Err(format!("{header} is missing"));
            }
        }
        for name in ["torch_cpu", "c10", "torch"] {
            let file = format!("lib/{}", platform.library(name));
            let path = root.join(&file);
            if !path.is_file() {
                return Err(format!("{file} is missing"));
            }
            let binary = Binary::read(&path).map_err(|e| format!("{file} cannot be used: {e}"))?;
            if let Some(misfit) = binary.misfit(platform) {
                return Err(format!("{file} cannot be used: {misfit}"));
            }
        }
        let found = stated_version(root);
        if let Some(found) = &found
            && plain_version(found) != version
            && std::env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_none()
        {
            return Err(format!("it is version {found}, and {version} is needed"));
        }
        Ok(Libtorch { root: root.into(), origin, version: found })
    }

    /// The folder of its libraries.
    pub fn library_folder(&self) -> PathBuf {
        self.root.join("lib")
    }

    /// Whether it was built with CUDA and brings its CUDA library.
    pub fn has_cuda(&self, platform: Platform) -> bool {
        self.library_folder().join(platform.library("torch_cuda")).is_file()
    }

    /// The C++ ABI of its strings on Linux: 1 for C++11's, 0 for the one before.
    pub fn cxx11_abi(&self, platform: Platform) -> Option<bool> {
        if platform.system != System::Linux {
            return None;
        }
        let mut content = Vec::new();
        let file = fs::File::open(self.library_folder().join(platform.library("c10"))).ok()?;
        file.take(64 << 20).read_to_end(&mut content).ok()?;
        Some(content.windows(7).any(|window| window == b"__cxx11"))
    }

    /// Version and place in one line.
    pub fn describe(&self) -> String {
        let version = self.version.as_deref().unwrap_or("of unstated version");
        let origin = match &self.origin {
            Origin::Own(setting) => format!(" (named by {setting})"),
            Origin::Python(python) => format!(" (the torch of {})", python.display()),
            Origin::Cache | Origin::Link => String::new(),
        };
        format!("{version} in {}{origin}", self.root.display())
    }
}

/// The version a folder states: `build-version` of libtorch archives, `version.py` of Python's torch.
fn stated_version(root: &Path) -> Option<String> {
    let read = |name: &str| {
        let mut text = String::new();
        fs::File::open(root.join(name)).ok()?.take(1 << 16).read_to_string(&mut text).ok()?;
        Some(text)
    };
    if let Some(text) = read("build-version") {
        return Some(text.trim().to_string()).filter(|version| !version.is_empty());
    }
    let text = read("version.py")?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(line.trim_matches(['\'', '"', ' ']).to_string())
}

/// A version without what it was built for: `2.13.0` of `2.13.0+cpu`.
pub fn plain_version(version: &str) -> &str {
    version.split('+').next().unwrap_or(version)
}

#[cfg(test)]
#[path = "../../tests/support/make.rs"]
pub mod make;

#[cfg(test)]
pub mod tests {
    use super::make::{X86_64, elf};
    use super::platform::Processor;
    use super::*;

    /// The platform of the libraries made.
    pub const PLATFORM: Platform = Platform { system: System::Linux, processor: Processor::X86_64 };

    /// Makes a folder that passes for libtorch.
    pub fn libtorch(root: &Path, version: &str) {
        for (name, content) in [
            ("include/torch/csrc/api/include/torch/torch.h", b"//".to_vec()),
            ("include/torch/script.h", b"//".to_vec()),
            ("include/ATen/ATen.h", b"//".to_vec()),
            ("lib/libtorch_cpu.so", elf(X86_64, &["libc10.so"])),
            ("lib/libc10.so", [elf(X86_64, &[]), b"_ZNSt7__cxx1112basic_string".to_vec()].concat()),
            ("lib/libtorch.so", elf(X86_64, &["libtorch_cpu.so"])),
            ("build-version", format!("{version}\n").into_bytes()),
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    #[test]
    fn a_whole_folder_is_taken_and_described() {
        let folder = tempfile::tempdir().unwrap();
        libtorch(folder.path(), "2.13.0+cpu");
        let found = Libtorch::check(folder.path(), Origin::Cache, VERSION, PLATFORM).unwrap();
        assert_eq!(found.version.as_deref(), Some("2.13.0+cpu"));
        assert_eq!(found.cxx11_abi(PLATFORM), Some(true));
        assert!(!found.has_cuda(PLATFORM));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let problem = || Libtorch::check(folder.path(), Origin::Cache, VERSION, PLATFORM).unwrap_err();
        assert!(problem().contains("torch.h is missing"));
        libtorch(folder.path(), "2.12.1+cu130");
        assert_eq!(problem(), "it is version 2.12.1+cu130, and 2.13.0 is needed");
        libtorch(folder.path(), "2.13.0");
        fs::write(folder.path().join("lib/libc10.so"), "").unwrap();
        assert!(problem().starts_with("lib/libc10.so cannot be used"));
        fs::remove_file(folder.path().join("lib/libtorch_cpu.so")).unwrap();
        assert_eq!(problem(), "lib/libtorch_cpu.so is missing");
    }

    #[test]
    fn versions_of_python_are_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("version.py"), "from typing import X\n__version__ = '2.13.0+cu130'\n").unwrap();
        assert_eq!(stated_version(folder.path()).as_deref(), Some("2.13.0+cu130"));
        assert_eq!(
            (version_for("0.26.1"), version_for("0.24.0"), version_for("1.0.0")),
            (Some("2.13.0"), Some("2.11.0"), None)
        );
    }
}
