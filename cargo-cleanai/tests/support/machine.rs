//! A user's machine in a temporary folder: a Python made of a shell script that downloads from a folder of wheels, and a
//! cargo made of one that records what it is asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::make::{AARCH64, X86_64, elf, wheel};

const PYTHON: &str = r#"#!/bin/sh
case "$1 $2 $3" in
"-c "*) [ -f "$FAKE/torch" ] && cat "$FAKE/torch"; exit 0 ;;
"--version "*) echo "Python 3.99.0"; exit 0 ;;
"-m pip --version")
    [ -f "$FAKE/no-pip" ] && { echo "python3: No module named pip" >&2; exit 1; }
    echo "pip 99.0 from /nowhere (python 3.99)"; exit 0 ;;
"-m pip download") ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac
source=default
while [ $# -gt 1 ]; do
    case "$1" in
    --dest) destination=$2 ;;
    --index-url) source=cpu ;;
    esac
    shift
done
name=$(echo "${1%%==*}" | tr - _)
echo "$source $1" >> "$FAKE/log"
if [ $source = cpu ] && [ ! -f "$FAKE/cpu-index" ]; then
    echo "ERROR: Could not find a version that satisfies the requirement $1 (from versions: none)"
    exit 1
fi
if [ -f "$FAKE/hang" ]; then
    head -c 2000000 /dev/zero > "$TMPDIR/partial"
    touch "$FAKE/hanging"
    exec sleep 4
fi
if [ -f "$FAKE/drop" ]; then
    rm "$FAKE/drop"
    head -c 2000000 /dev/zero > "$TMPDIR/partial"
    sleep 1
    echo "ERROR: connection broken"
    exit 1
fi
if [ -f "$FAKE/first/$name" ]; then
    mv "$FAKE/first/$name" "$destination/$name-2.13.0-cp312-cp312-any.whl"
    exit 0
fi
cp "$FAKE/wheels/$name"-*.whl "$destination/" && exit 0
echo "ERROR: No matching distribution found for $1" >&2
exit 1
"#;

const CARGO: &str = r#"#!/bin/sh
[ "$1" = metadata ] && exec "$REAL_CARGO" "$@"
echo "LIBTORCH=$LIBTORCH CARGO_PKG_NAME=$CARGO_PKG_NAME $*" >> "$FAKE/cargo-log"
if [ "$1" = install ]; then
    while [ $# -gt 0 ]; do [ "$1" = --root ] && root=$2; shift; done
    mkdir -p "$root/bin"
    printf '#!/bin/sh\necho "engine $* with $LD_LIBRARY_PATH"\nexit 7\n' > "$root/bin/cleanai-engine"
    chmod +x "$root/bin/cleanai-engine"
    exit 0
fi
case "$*" in
build*cleanai-init*)
    [ -f "$FAKE/engine" ] || exit 101
    echo '{"reason":"compiler-artifact","executable":null}'
    echo "{\"reason\":\"compiler-artifact\",\"executable\":\"$FAKE/engine\"}"
    exit 0 ;;
esac
if [ -n "$CLEANAI_SHOW" ]; then
    [ -f "$FAKE/answer" ] && cat "$FAKE/answer" && exit 0
fi
exit 101
"#;

/// A user's machine: a home, a Python, a cargo and a folder to work in.
pub struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    pub fn new() -> Machine {
        let machine = Machine { folder: tempfile::tempdir().unwrap() };
        for name in ["bin", "wheels", "first", "here", "cache"] {
            fs::create_dir(machine.path(name)).unwrap();
        }
        machine.program("bin/python3", PYTHON);
        machine.program("cargo", CARGO);
        machine.wheel("wheels/torch-2.13.0-cp312-cp312-manylinux_2_28.whl", &["libcudart.so.13", "libcupti.so.13"]);
        for (package, library) in [("nvidia_cuda_runtime", "libcudart.so.13"), ("nvidia_cuda_cupti", "libcupti.so.13")]
        {
            let path = machine.path(&format!("wheels/{package}-13.0.9-py3-none-any.whl"));
            let name = format!("nvidia/cu13/lib/{library}");
            wheel(&path, &format!("{package}-13.0.9"), &[(name.as_str(), elf(native(), &[]))]);
        }
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn program(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A wheel of torch whose libtorch_cpu needs these libraries besides c10.
    pub fn wheel(&self, path: &str, needed: &[&str]) {
        let needed = [&["libc10.so", "libc.so.6"], needed].concat();
        let mut header = b"#pragma once\n".to_vec();
        header.resize(5000, b' ');
        let files = [
            ("torch/include/torch/csrc/api/include/torch/torch.h", header),
            ("torch/include/torch/script.h", b"//".to_vec()),
            ("torch/include/ATen/ATen.h", b"//".to_vec()),
            ("torch/lib/libtorch_cpu.so", elf(native(), &needed)),
            ("torch/lib/libc10.so", [elf(native(), &[]), b"__cxx11".to_vec()].concat()),
            ("torch/lib/libtorch.so", elf(native(), &["libtorch_cpu.so", "libtorch_cuda.so"])),
            ("torch/lib/libtorch_cuda.so", elf(native(), &[])),
            ("torch/__init__.py", b"".to_vec()),
        ];
        wheel(&self.path(path), "torch-2.13.0", &files);
    }

    /// A wheel with one byte of a header changed.
    pub fn damaged(&self, path: &str) {
        self.wheel(path, &[]);
        let mut content = fs::read(self.path(path)).unwrap();
        content[90] ^= 0x55;
        fs::write(self.path(path), content).unwrap();
    }

    pub fn touch(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    pub fn project(&self) -> PathBuf {
        let root = self.path("here");
        fs::write(root.join("Cargo.toml"), "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
            .unwrap();
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("src/lib.rs"), "").unwrap();
        root
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-cleanai"));
        for name in ["LIBTORCH", "LIBTORCH_USE_PYTORCH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "CARGO_TARGET_DIR"] {
            command.env_remove(name);
        }
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command.env("PATH", path).env("FAKE", self.folder.path()).env("XDG_CACHE_HOME", self.path("cache"));
        // Built in a clone, the command would take the harness beside it.
        command.env("CLEANAI_HARNESS", env!("CARGO_PKG_VERSION"));
        let real = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        command.env("CARGO", self.path("cargo")).env("REAL_CARGO", real).env("CARGO_PKG_NAME", "leaked");
        command.current_dir(self.path("here")).args(arguments).stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub fn run(&self, arguments: &[&str], code: i32) -> String {
        said(self.command(arguments).output().unwrap(), code)
    }

    pub fn log(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.path(name)).unwrap_or_default().lines().map(str::to_string).collect()
    }

    pub fn place(&self) -> PathBuf {
        self.path("cache/cleanai/libtorch-2.13.0-cpu")
    }

    #[track_caller]
    pub fn assert_installed(&self) {
        let mut libraries = names(&self.place().join("lib"));
        libraries.retain(|name| !name.starts_with("libcu"));
        assert_eq!(libraries, ["libc10.so", "libtorch.so", "libtorch_cpu.so"]);
        assert_eq!(fs::read_to_string(self.place().join("build-version")).unwrap(), "2.13.0+cpu\n");
        assert_eq!(names(&self.path("cache/cleanai")), ["libtorch-2.13.0-cpu", "libtorch-2.13.0-cpu.lock"]);
    }
}

pub fn native() -> u16 {
    if cfg!(target_arch = "x86_64") { X86_64 } else { AARCH64 }
}

pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
pub fn said(output: Output, code: i32) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}
