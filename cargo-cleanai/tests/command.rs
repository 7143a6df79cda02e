//! The command as a whole: a Python made of a shell script downloads from a folder of wheels, a cargo made of one
//! records what it is asked.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

#[path = "support/make.rs"]
#[allow(dead_code, reason = "the unit tests use the rest")]
mod make;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use make::{AARCH64, X86_64, elf, wheel};

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
exit 101
"#;

/// A user's machine: a home, a Python, a cargo and a folder to work in.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let machine = Machine {
            folder: tempfile::tempdir().unwrap(),
        };
        for name in ["bin", "wheels", "first", "here", "cache"] {
            fs::create_dir(machine.path(name)).unwrap();
        }
        machine.program("bin/python3", PYTHON);
        machine.program("cargo", CARGO);
        machine.wheel(
            "wheels/torch-2.13.0-cp312-cp312-manylinux_2_28.whl",
            &["libcudart.so.13", "libcupti.so.13"],
        );
        for (package, library) in [
            ("nvidia_cuda_runtime", "libcudart.so.13"),
            ("nvidia_cuda_cupti", "libcupti.so.13"),
        ] {
            let path = machine.path(&format!("wheels/{package}-13.0.9-py3-none-any.whl"));
            let name = format!("nvidia/cu13/lib/{library}");
            wheel(
                &path,
                &format!("{package}-13.0.9"),
                &[(name.as_str(), elf(native(), &[]))],
            );
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A wheel of torch whose libtorch_cpu needs these libraries besides c10.
    fn wheel(&self, path: &str, needed: &[&str]) {
        let needed = [&["libc10.so", "libc.so.6"], needed].concat();
        let mut header = b"#pragma once\n".to_vec();
        header.resize(5000, b' ');
        let files = [
            ("torch/include/torch/csrc/api/include/torch/torch.h", header),
            ("torch/include/torch/script.h", b"//".to_vec()),
            ("torch/include/ATen/ATen.h", b"//".to_vec()),
            ("torch/lib/libtorch_cpu.so", elf(native(), &needed)),
            (
                "torch/lib/libc10.so",
                [elf(native(), &[]), b"__cxx11".to_vec()].concat(),
            ),
            (
                "torch/lib/libtorch.so",
                elf(native(), &["libtorch_cpu.so", "libtorch_cuda.so"]),
            ),
            ("torch/lib/libtorch_cuda.so", elf(native(), &[])),
            ("torch/__init__.py", b"".to_vec()),
        ];
        wheel(&self.path(path), "torch-2.13.0", &files);
    }

    /// A wheel with one byte of a header changed.
    fn damaged(&self, path: &str) {
        self.wheel(path, &[]);
        let mut content = fs::read(self.path(path)).unwrap();
        content[90] ^= 0x55;
        fs::write(self.path(path), content).unwrap();
    }

    fn touch(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    fn project(&self) -> PathBuf {
        let root = self.path("here");
        fs::write(
            root.join("Cargo.toml"),
            "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        )
        .unwrap();
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("src/lib.rs"), "").unwrap();
        root
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-cleanai"));
        for name in [
            "LIBTORCH",
            "LIBTORCH_USE_PYTORCH",
            "VIRTUAL_ENV",
            "LD_LIBRARY_PATH",
            "CARGO_TARGET_DIR",
        ] {
            command.env_remove(name);
        }
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command
            .env("PATH", path)
            .env("FAKE", self.folder.path())
            .env("XDG_CACHE_HOME", self.path("cache"));
        let real = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        command
            .env("CARGO", self.path("cargo"))
            .env("REAL_CARGO", real)
            .env("CARGO_PKG_NAME", "leaked");
        command
            .current_dir(self.path("here"))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> String {
        said(self.command(arguments).output().unwrap(), code)
    }

    fn log(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.path(name))
            .unwrap_or_default()
            .lines()
            .map(str::to_string)
            .collect()
    }

    fn place(&self) -> PathBuf {
        self.path("cache/cleanai/libtorch-2.13.0-cpu")
    }

    #[track_caller]
    fn assert_installed(&self) {
        let mut libraries = names(&self.place().join("lib"));
        libraries.retain(|name| !name.starts_with("libcu"));
        assert_eq!(libraries, ["libc10.so", "libtorch.so", "libtorch_cpu.so"]);
        assert_eq!(
            fs::read_to_string(self.place().join("build-version")).unwrap(),
            "2.13.0+cpu\n"
        );
        assert_eq!(
            names(&self.path("cache/cleanai")),
            ["libtorch-2.13.0-cpu", "libtorch-2.13.0-cpu.lock"]
        );
    }
}

fn native() -> u16 {
    if cfg!(target_arch = "x86_64") {
        X86_64
    } else {
        AARCH64
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn said(output: Output, code: i32) -> String {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn fetches_all_that_is_needed_once() {
    let machine = Machine::new();
    let text = machine.run(&["cleanai", "setup"], 0);
    assert!(
        text.contains("pip's default index") && text.contains("Unpacking torch-2.13.0"),
        "{text}"
    );
    machine.assert_installed();
    assert_eq!(names(&machine.place().join("lib")).len(), 5);
    let log = machine.log("log");
    assert_eq!(
        log,
        [
            "cpu torch==2.13.0",
            "default torch==2.13.0",
            "default nvidia-cuda-runtime==13.*",
            "default nvidia-cuda-cupti==13.*"
        ]
    );
    machine.run(&["setup"], 0);
    assert_eq!(machine.log("log"), log);
}

#[test]
fn the_cpu_index_comes_first() {
    let machine = Machine::new();
    machine.touch("cpu-index");
    fs::remove_dir_all(machine.path("wheels")).unwrap();
    fs::create_dir(machine.path("wheels")).unwrap();
    machine.wheel(
        "wheels/torch-2.13.0+cpu-cp312-cp312-manylinux_2_28.whl",
        &[],
    );
    machine.run(&["setup"], 0);
    machine.assert_installed();
    assert_eq!(machine.log("log"), ["cpu torch==2.13.0"]);
}

#[test]
fn a_torch_of_python_is_taken_if_it_is_the_right_one() {
    let machine = Machine::new();
    machine.run(&["setup"], 0);
    let torch = machine.path("site-packages/torch");
    fs::create_dir(machine.path("site-packages")).unwrap();
    fs::rename(machine.place(), &torch).unwrap();
    fs::remove_file(torch.join("build-version")).unwrap();
    fs::write(
        machine.path("torch"),
        format!("2.13.0+cu130\n{}\n", torch.display()),
    )
    .unwrap();
    let text = machine.run(&["setup"], 0);
    assert!(
        text.contains(&format!("libtorch 2.13.0+cu130 in {}", torch.display())),
        "{text}"
    );
    fs::write(
        machine.path("torch"),
        format!("2.12.0\n{}\n", torch.display()),
    )
    .unwrap();
    let text = machine.run(&["setup"], 0);
    assert!(text.contains("is 2.12.0, and 2.13.0 is needed"), "{text}");
    machine.assert_installed();
}

#[test]
fn whole_wheels_survive_a_failure() {
    let machine = Machine::new();
    let hidden = machine.path("hidden");
    let cupti = machine.path("wheels/nvidia_cuda_cupti-13.0.9-py3-none-any.whl");
    fs::rename(&cupti, &hidden).unwrap();
    let text = machine.run(&["setup"], 1);
    assert!(
        text.contains("error: could not fetch nvidia-cuda-cupti==13.*") && text.contains("help: "),
        "{text}"
    );
    assert!(!machine.place().exists());
    fs::rename(&hidden, &cupti).unwrap();
    machine.run(&["setup"], 0);
    machine.assert_installed();
    assert_eq!(
        machine
            .log("log")
            .iter()
            .filter(|line| *line == "default torch==2.13.0")
            .count(),
        1
    );
}

#[test]
fn a_run_killed_while_it_downloads_leaves_nothing_half() {
    let machine = Machine::new();
    machine.touch("hang");
    let mut child = machine
        .command(&["setup"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !machine.path("hanging").exists() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the download never began"
        );
        sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!machine.place().exists());
    fs::remove_file(machine.path("hang")).unwrap();
    machine.run(&["setup"], 0);
    machine.assert_installed();
}

#[test]
fn a_broken_connection_is_tried_again() {
    let machine = Machine::new();
    machine.touch("drop");
    let text = machine.run(&["setup"], 0);
    assert!(
        text.contains("torch==2.13.0 again: connection broken"),
        "{text}"
    );
    machine.assert_installed();
}

#[test]
fn a_damaged_wheel_is_fetched_again_once() {
    let machine = Machine::new();
    machine.damaged("first/torch");
    let text = machine.run(&["setup"], 0);
    assert!(text.contains("Damaged torch-2.13.0"), "{text}");
    machine.assert_installed();

    let machine = Machine::new();
    machine.damaged("wheels/torch-2.13.0-cp312-cp312-manylinux_2_28.whl");
    let text = machine.run(&["setup"], 1);
    assert!(
        text.contains("is damaged, also when fetched again: torch/include/"),
        "{text}"
    );
    assert_eq!(
        machine
            .log("log")
            .iter()
            .filter(|line| *line == "default torch==2.13.0")
            .count(),
        2
    );
    assert!(!machine.place().exists());
}

#[test]
fn a_wheel_that_is_no_wheel_is_damaged_too() {
    let machine = Machine::new();
    fs::write(
        machine.path("first/torch"),
        "<html>log in to the network</html>",
    )
    .unwrap();
    machine.run(&["setup"], 0);
    machine.assert_installed();
}

#[test]
fn a_half_made_folder_is_replaced() {
    let machine = Machine::new();
    fs::create_dir_all(machine.place().join("lib")).unwrap();
    fs::write(machine.place().join("lib/libtorch_cpu.so"), "half").unwrap();
    machine.run(&["setup"], 0);
    machine.assert_installed();
}

#[test]
fn two_at_once_fetch_once() {
    let machine = Machine::new();
    let children = [(); 3].map(|()| {
        machine
            .command(&["setup"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    for child in children {
        said(child.wait_with_output().unwrap(), 0);
    }
    machine.assert_installed();
    assert_eq!(machine.log("log").len(), 4);
}

#[test]
fn no_python_and_no_pip_are_named() {
    let machine = Machine::new();
    machine.touch("no-pip");
    let text = machine.run(&["setup"], 1);
    assert!(
        text.contains("has none: python3: No module named pip")
            && text.contains("help: install pip"),
        "{text}"
    );
    let text = said(
        machine
            .command(&["setup"])
            .env("PATH", machine.path("first"))
            .output()
            .unwrap(),
        1,
    );
    assert!(
        text.contains("there is no python3") && text.contains("help: install python3 with pip"),
        "{text}"
    );
}

#[test]
fn a_libtorch_of_the_users_own_wins_and_is_checked() {
    let machine = Machine::new();
    machine.run(&["setup"], 0);
    let own = machine.path("own");
    fs::rename(machine.place(), &own).unwrap();
    let text = said(
        machine
            .command(&["setup"])
            .env("LIBTORCH", &own)
            .output()
            .unwrap(),
        0,
    );
    assert!(text.contains("(named by LIBTORCH)"), "{text}");
    assert!(!machine.place().exists());
    fs::write(own.join("build-version"), "2.12.0\n").unwrap();
    let text = said(
        machine
            .command(&["setup"])
            .env("LIBTORCH", &own)
            .output()
            .unwrap(),
        2,
    );
    assert!(
        text.contains("it is version 2.12.0, and 2.13.0 is needed") && text.contains("help: "),
        "{text}"
    );
}

#[test]
fn tests_run_in_a_project_that_is_set_up_on_the_way() {
    let machine = Machine::new();
    let root = machine.project();
    let text = machine.run(&["test", "-p", "user", "--", "--list"], 101);
    assert!(text.contains("Linked .cargo/libtorch"), "{text}");
    assert_eq!(
        fs::read_link(root.join(".cargo/libtorch")).unwrap(),
        machine.place()
    );
    let configuration = fs::read_to_string(root.join(".cargo/config.toml")).unwrap();
    assert!(configuration.contains("LIBTORCH = { value = \".cargo/libtorch\", relative = true }"));
    // The second time nothing is said, and our own link in LIBTORCH is not taken for a choice of the user's.
    let again = machine
        .command(&["test", "--", "name"])
        .env("LIBTORCH", root.join(".cargo/libtorch"))
        .output()
        .unwrap();
    assert_eq!(said(again, 101), "");
    machine.run(&["test"], 101);
    assert_eq!(
        machine.log("cargo-log"),
        [
            "LIBTORCH= CARGO_PKG_NAME= test -p user -- --list",
            "LIBTORCH= CARGO_PKG_NAME= test -- name",
            "LIBTORCH= CARGO_PKG_NAME= test"
        ]
    );
    assert_eq!(machine.log("log").len(), 4);
}

#[test]
fn an_engine_is_installed_once_and_given_the_request() {
    let machine = Machine::new();
    machine.touch("here/m.pt");
    let line = [
        "measure",
        "--model",
        "m.pt",
        "--data",
        "d",
        "--criterion",
        "nc",
    ];
    let text = machine.run(&line, 7);
    let expected = format!(
        "engine measure --model=m.pt --data=d --criterion=nc with {}\n",
        machine.place().join("lib").display()
    );
    assert!(text.contains(&expected), "{text}");
    assert!(
        machine
            .run(&["inspect", "m.pt"], 7)
            .contains("engine inspect m.pt with")
    );
    let log = machine.log("cargo-log");
    assert!(
        log.len() == 1
            && log[0].contains("install cleanai-harness --version")
            && log[0].contains("LIBTORCH=/"),
        "{log:?}"
    );
    assert!(
        machine
            .run(&["inspect", "other.pt"], 2)
            .contains("there is no model other.pt")
    );
}

#[test]
fn the_doctor_names_the_fix() {
    let machine = Machine::new();
    machine.project();
    let text = machine.run(&["doctor"], 1);
    assert!(text.contains("To fix it: cargo cleanai setup"), "{text}");
    machine.run(&["setup"], 0);
    machine.program("bin/c++", "#!/bin/sh\necho fake c++ 1\n");
    let text = machine.run(&["doctor"], 0);
    assert!(
        text.contains("libtorch      2.13.0+cpu in")
            && text.contains("this libtorch has no libtorch_cuda"),
        "{text}"
    );
    assert!(text.contains("All is well"), "{text}");
}

#[test]
fn usage_and_place_are_told_apart_from_trouble() {
    let machine = Machine::new();
    for line in [
        &["nonsense"][..],
        &["demo"],
        &["test"],
        &["measure", "--model", "m"],
        &[],
    ] {
        machine.run(line, 2);
    }
    fs::write(machine.path("here/Cargo.toml"), "[package\n").unwrap();
    let text = machine.run(&["setup"], 2);
    assert!(
        text.contains("error: cargo cannot read this project"),
        "{text}"
    );
    assert!(machine.run(&["--help"], 0).contains("cargo cleanai demo"));
    assert!(
        machine
            .run(&["cleanai", "--version"], 0)
            .contains(env!("CARGO_PKG_VERSION"))
    );
    assert!(machine.log("log").is_empty());
}
