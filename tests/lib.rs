//! What the functional tests share: a temporary project as a user has it, and the real commands run on it.
//!
//! The projects are built in this workspace's own target folder, so that libtorch's binding and every other dependency
//! is compiled once.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, Once, PoisonError};

use tempfile::TempDir;

/// Versions of the tools that are installed where the machine has none.
const NEXTEST: &str = "0.9.143";
const INSTA: &str = "1.49.0";

/// A user's project in a temporary folder: the digits of the example, a LeNet-5, and tests that `cleanai.toml` says all about.
pub struct Project {
    name: String,
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Run {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails, showing everything, unless the exit code is this.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "the exit code; stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Fails, showing everything, unless the output has this in it.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text) || self.err.contains(text), "no {text:?} in\n{}\n{}", self.out, self.err);
        self
    }

    /// Fails if the output has this in it.
    #[track_caller]
    pub fn silent_about(self, text: &str) -> Self {
        assert!(!self.out.contains(text) && !self.err.contains(text), "{text:?} in\n{}\n{}", self.out, self.err);
        self
    }
}

/// The workspace this crate belongs to.
pub fn workspace() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace");
    folder.to_owned()
}

/// The target folder the running test was built in.
fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("a running test has a path");
    let found = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    found.map_or_else(|| workspace().join("target"), Path::to_owned)
}

/// The folder a cargo subcommand lies in; installed into the target folder where the machine has none.
fn tool(name: &str, version: &str) -> PathBuf {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let tools = target().join("tools");
    let folders = std::env::split_paths(&paths).chain(home.map(|home| home.join("bin"))).chain([tools.join("bin")]);
    if let Some(folder) = folders.into_iter().find(|folder| folder.join(name).is_file()) {
        return folder;
    }
    eprintln!("installing {name} {version} into {}, once", tools.display());
    let status = Command::new("cargo")
        .args(["install", "--locked", "--quiet", name, "--version", version, "--root"])
        .arg(&tools)
        .env("CARGO_TARGET_DIR", tools.join("build"))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .status()
        .expect("cargo runs");
    assert!(status.success(), "{name} {version} cannot be installed");
    // What was built on the way is not needed again; a leftover only takes room.
    if let Err(why) = fs::remove_dir_all(tools.join("build")) {
        eprintln!("{}: {why}", tools.join("build").display());
    }
    tools.join("bin")
}

/// The folder that `cargo cleanai` lies in, built as it is now.
fn command_line() -> PathBuf {
    static BUILDING: Once = Once::new();
    BUILDING.call_once(|| {
        let mut command = Command::new("cargo");
        command.args(["build", "--quiet", "--package", "cargo-cleanai"]).current_dir(workspace());
        let status = command.env("CARGO_TARGET_DIR", target()).status();
        assert!(status.expect("cargo runs").success(), "cargo-cleanai cannot be built");
    });
    target().join("debug")
}

/// Has cargo fetch what the lock file names, once: the projects are built without a network, and `cargo metadata`, which nextest and insta
/// ask, wants the packages of all platforms.
fn fetch() {
    static FETCHING: Once = Once::new();
    FETCHING.call_once(|| {
        let status = Command::new("cargo").args(["fetch", "--locked", "--quiet"]).current_dir(workspace()).status();
        assert!(status.expect("cargo runs").success(), "the packages of Cargo.lock cannot be fetched");
    });
}

/// Runs `cargo cleanai` in the workspace.
pub fn cleanai(arguments: &[&str]) -> Run {
    let mut command = Command::new(command_line().join("cargo-cleanai"));
    let output =
        command.arg("cleanai").args(arguments).current_dir(workspace()).env("CARGO_TARGET_DIR", target()).output();
    Run::of(output.expect("the command line runs"))
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the example's data can be listed") {
        let entry = entry.expect("the example's data can be listed");
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_tree(&source, &copy);
        } else {
            fs::copy(&source, &copy).expect("the example's data can be copied");
        }
    }
}

impl Project {
    /// A project of this package name; names differ between tests, because they share a target folder.
    pub fn new(name: &str) -> Self {
        fetch();
        let project = Self { name: name.to_owned(), folder: TempDir::with_prefix(name).expect("a temporary folder") };
        let harness = workspace().join("cleanai-harness");
        project.write(
            "Cargo.toml",
            &format!(
                r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[dev-dependencies]
cleanai-harness = {{ path = {harness:?} }}

[[test]]
name = "coverage"
harness = false

[workspace]
{}"#,
                profile()
            ),
        );
        project.write("src/lib.rs", "");
        project.write("tests/coverage.rs", SOURCE);
        fs::copy(workspace().join("Cargo.lock"), project.path("Cargo.lock")).expect("the lock file can be copied");
        for part in ["data", "models"] {
            copy_tree(&workspace().join("examples/digits").join(part), &project.path(part));
        }
        project.configure(&Configuration::default());
        project
    }

    /// A package as `cargo new` makes it, with the models and the data of the example, and nothing of the harness.
    pub fn bare(name: &str) -> Self {
        fetch();
        let project = Self { name: name.to_owned(), folder: TempDir::with_prefix(name).expect("a temporary folder") };
        project.cargo(&["init", "--lib", "--vcs", "none", "--name", name], &[]).expect(0);
        let manifest = fs::read_to_string(project.path("Cargo.toml")).expect("cargo made a manifest");
        project.write("Cargo.toml", &format!("{manifest}\n[workspace]\n{}", profile()));
        fs::copy(workspace().join("Cargo.lock"), project.path("Cargo.lock")).expect("the lock file can be copied");
        for part in ["data", "models"] {
            copy_tree(&workspace().join("examples/digits").join(part), &project.path(part));
        }
        // Where a user's reports lie.
        #[cfg(unix)]
        std::os::unix::fs::symlink(target(), project.path("target")).expect("a link can be made");
        project
    }

    /// A path in the project.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file of the project.
    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    /// Writes `cleanai.toml`.
    pub fn configure(&self, configuration: &Configuration<'_>) {
        let Configuration { test, requirements, baseline } = configuration;
        self.write(
            "cleanai.toml",
            &format!(
                r#"[models.lenet5]
path = "models/lenet5.pt"
device = "cpu"

[data.digits]
profile = "data/train"
test = "{test}"
transform = ["grayscale", "scale", {{ normalize = {{ mean = [0.5], std = [0.5] }} }}]

[tests.digits]
require = [{requirements}]

[baseline]
{baseline}
"#
            ),
        );
    }

    /// The committed baseline of the test `digits`.
    pub fn snapshot(&self) -> PathBuf {
        self.path("tests/snapshots/coverage__digits.snap")
    }

    /// The pending one.
    pub fn pending(&self) -> PathBuf {
        self.path("tests/snapshots/coverage__digits.snap.new")
    }

    /// Where the reports of this project lie.
    pub fn report(&self, file: &str) -> PathBuf {
        target().join("cleanai").join(&self.name).join(file)
    }

    /// `cargo` in the project: a clean environment (no `CI`, no variables of ours, of insta or of nextest, no cache), the tools it needs on
    /// the path.
    fn command(&self, program: &str, tools: &[PathBuf]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let families = ["CLEANAI_", "INSTA_", "NEXTEST", "CARGO_PKG_", "RUST_TEST", "RUST_BACKTRACE"];
            let single = ["CI", "TF_BUILD", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO"];
            if families.iter().any(|family| text.starts_with(family)) || single.contains(&&*text) {
                command.env_remove(&name);
            }
        }
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::env::split_paths(&paths).chain(tools.iter().cloned());
        command
            .current_dir(self.folder.path())
            .env("PATH", std::env::join_paths(paths).expect("PATH can be joined"))
            .env("CARGO_TARGET_DIR", target())
            .env("CARGO_NET_OFFLINE", "true")
            // Of earlier runs nothing may be left, and nothing goes to the cache folder of whoever runs this.
            .env("CLEANAI_CACHE", "off")
            .env("CARGO_TERM_COLOR", "never");
        command
    }

    /// Runs `cargo`; `environment` is set on top of a clean one.
    pub fn cargo<S: AsRef<OsStr>>(&self, arguments: &[S], environment: &[(&str, &str)]) -> Run {
        let asks_for = |name: &str| arguments.iter().any(|argument| argument.as_ref() == name);
        let mut tools = Vec::new();
        if asks_for("insta") {
            tools.push(tool("cargo-insta", INSTA));
        }
        if asks_for("nextest") {
            tools.push(tool("cargo-nextest", NEXTEST));
        }
        let mut command = self.command("cargo", &tools);
        let output = command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null()).output();
        Run::of(output.expect("cargo runs"))
    }

    /// A shell script in the project, with `cargo cleanai` and what else it may call on the path.
    pub fn shell(&self, script: &str) -> Run {
        let tools = [command_line(), tool("cargo-insta", INSTA)];
        let output = self.command("sh", &tools).args(["-c", script]).stdin(Stdio::null()).output();
        Run::of(output.expect("sh runs"))
    }

    /// `cargo insta review` in a terminal, with a reviewer who presses these keys.
    #[cfg(target_os = "linux")]
    pub fn review(&self, keys: &str) -> Run {
        // `script` gives the command a terminal of its own; the pauses let it ask before it is answered.
        let terminal = format!("(sleep 3; printf {keys}; sleep 3) | script -qec 'cargo insta review' /dev/null");
        let output = self.command("sh", &[tool("cargo-insta", INSTA)]).args(["-c", &terminal]).output();
        Run::of(output.expect("sh runs"))
    }

    /// `cargo test` with these arguments for the tests.
    pub fn test(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let arguments: Vec<&str> =
            ["test", "--quiet", "--test", "coverage", "--"].iter().chain(arguments).copied().collect();
        self.cargo(&arguments, environment)
    }

    /// Creates the baseline of today's figures and accepts it.
    #[track_caller]
    pub fn accept_baseline(&self) {
        self.test(&["digits", "--exact"], &[]).expect(101).says("cargo insta");
        assert!(self.pending().is_file(), "no pending snapshot was written");
        self.cargo(&["insta", "accept"], &[]).expect(0);
        assert!(self.snapshot().is_file() && !self.pending().exists(), "accepting did not make a baseline");
    }
}

/// What lets the projects take what the workspace has compiled: its profiles.
fn profile() -> String {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).expect("the workspace has a manifest");
    let profiles = manifest.find("\n[profile.").expect("the workspace has profiles");
    manifest[profiles..].to_string()
}

/// What `cleanai.toml` says in a scenario.
pub struct Configuration<'a> {
    /// The test set.
    pub test: &'a str,
    /// Items of the `require` list.
    pub requirements: &'a str,
    /// Lines of the `[baseline]` table.
    pub baseline: &'a str,
}

impl Default for Configuration<'_> {
    fn default() -> Self {
        Self {
            test: "data/test#0..300",
            requirements: "\"kmnc(k=100) >= 0.3\", \"tknc >= 0.1\"",
            baseline: "tolerance = 0.002",
        }
    }
}

/// The user's test file: one test that the configuration says all about, others for the command line.
const SOURCE: &str = r#"use cleanai_harness::prelude::*;

#[cleanai::coverage(model = "lenet5", nc(threshold = 0.25) >= 0.3)]
fn digits() {}

#[cleanai::coverage(model = "lenet5", tknc >= 0.1)]
#[ignore]
fn slow() {}

mod inner {
    use cleanai_harness::prelude::*;

    #[cleanai::coverage(model = "lenet5", nac >= 0.1)]
    #[ignore]
    fn body(m: &Measurement) -> Result<(), Failed> {
        ensure!(m.value("nac")? > 2.0, "no share is above two");
        Ok(())
    }
}

cleanai_harness::main!();
"#;
