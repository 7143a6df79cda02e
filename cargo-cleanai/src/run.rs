//! What is run once libtorch is there: the tests, the demonstration, the engine.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anstyle::Style;

use crate::arguments;
use crate::error::{Error, Result};
use crate::init::source::{HARNESS, Source};
use crate::libtorch::find::cache;
use crate::libtorch::{Libtorch, plain_version};
use crate::process::{self, cargo};
use crate::progress::{say, warn};
use crate::setup::ensure;
use crate::workspace::Workspace;

/// The version of this command, and of the harness that goes with it.
pub const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// `cargo cleanai test`.
pub fn test(arguments: &arguments::Test) -> Result<u8> {
    let Some(workspace) = Workspace::find()? else {
        return Err(Error::Metadata { said: "there is no Cargo.toml in this folder or above it".into() });
    };
    if arguments.nextest && tool("cargo-nextest").is_none() {
        return Err(Error::NoTool { tool: "cargo-nextest" });
    }
    ensure(Some(&workspace))?;
    let mut command = plain_cargo(&workspace);
    if arguments.nextest {
        command.args(["nextest", "run"])
    } else {
        command.arg("test")
    };
    if arguments.arguments.is_empty() && workspace.is_ours {
        command.arg("--workspace");
    }
    process::run(command.args(&arguments.arguments))
}

/// `cargo cleanai demo`.
pub fn demo() -> Result<u8> {
    let workspace = Workspace::find()?.filter(|workspace| workspace.is_ours).ok_or(Error::NoDemo)?;
    let example = workspace.root.join("examples/digits");
    if !example.join("Cargo.toml").is_file() {
        return Err(Error::NoDemo);
    }
    ensure(Some(&workspace))?;
    say(
        "Building",
        "and running examples/digits: a LeNet-5, gated on handwritten digits (the first build takes minutes)",
    );
    let start = SystemTime::now();
    let mut command = plain_cargo(&workspace);
    // The whole workspace resolves features as `cargo cleanai test` does: what is built here serves there too.
    let code = process::run(command.args(["test", "--workspace", "--test", "coverage", "--", "--show-output"]))?;
    closing(&workspace, code, start);
    Ok(code)
}

/// Says where the reports of the run lie and what to do next.
fn closing(workspace: &Workspace, code: u8, start: SystemTime) {
    let folder = workspace.target.join("cleanai/digits");
    let files = [("HTML", "html"), ("PDF", "pdf"), ("JUnit", "junit.xml"), ("Markdown", "md"), ("JSON", "json")];
    let written = files
        .map(|(kind, extension)| (kind, folder.join(format!("coverage.{extension}"))))
        .into_iter()
        .filter(|(_, path)| path.metadata().and_then(|file| file.modified()).is_ok_and(|time| time >= start))
        .collect::<Vec<_>>();
    let bold = Style::new().bold();
    if written.is_empty() {
        if code == 0 {
            warn(format!("the run wrote no reports to {}", folder.display()));
        }
        return;
    }
    let verdict = if code == 0 { "The gate let this model pass" } else { "The gate stopped this model" };
    anstream::println!("\n{bold}{verdict}; `cargo test` says so to CI by its exit code ({code}).{bold:#}");
    anstream::println!("\n{bold}The same results as files{bold:#}");
    for (kind, path) in written {
        anstream::println!("  {kind:<8} {}", shown(&path));
    }
    anstream::println!("\n{bold}Next{bold:#}");
    for (what, why) in [
        ("examples/digits/tests/coverage.rs", "the tests you have just seen: raise a threshold, run the demo again"),
        ("cargo cleanai test", "this project's whole test suite"),
        ("cargo cleanai --help", "layers of a model, measuring without a test"),
    ] {
        anstream::println!("  {what:<34} {why}");
    }
}

/// A path below the current folder is shown relative to it.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).display().to_string()
}

/// `cargo cleanai report` on runs: of this project, unless folders are named.
pub fn report(report: &arguments::Report) -> Result<u8> {
    let home = match Workspace::find() {
        Ok(workspace) => workspace.map(|workspace| workspace.target.join("cleanai")),
        // Folders need no project.
        Err(Error::Metadata { .. }) if !report.folders.is_empty() => None,
        Err(error) => return Err(error),
    };
    if let (None, []) = (&home, report.folders.as_slice()) {
        return Err(Error::Metadata { said: "there is no Cargo.toml in this folder or above it".into() });
    }
    engine(None, &report.forward_runs(home.as_deref()))
}

/// `cargo cleanai inspect`, `measure`, `explain`, `augment`, `select`, `monitor` and `report`: runs the engine, which is built or installed first.
pub fn engine(model: Option<&Path>, words: &[OsString]) -> Result<u8> {
    if let Some(model) = model.filter(|model| !model.exists()) {
        return Err(Error::NoModel { path: model.into() });
    }
    process::run(engine_command(&Source::own()?)?.args(words))
}

/// A command that starts the engine of the harness of this source.
pub fn engine_command(source: &Source) -> Result<std::process::Command> {
    match Workspace::find() {
        Ok(Some(workspace)) if workspace.is_ours => engine_of_workspace(&workspace),
        // The engine needs no project, so one that cargo cannot read is none.
        Ok(_) | Err(Error::Metadata { .. }) => match source.clone() {
            Some(clone) => engine_of_workspace(&Workspace::of(clone)?),
            None => installed_engine(&ensure(None)?, source),
        },
        Err(error) => Err(error),
    }
}

/// The engine of this repository, built in its workspace, but run where the user is.
fn engine_of_workspace(workspace: &Workspace) -> Result<std::process::Command> {
    let libtorch = ensure(Some(workspace))?;
    let program = workspace.target.join("debug/cleanai-engine");
    let mut build = plain_cargo(workspace);
    // With a test of the whole workspace, cargo chooses the features that `cargo cleanai test` and the demo build with: what one has
    // compiled serves the other.
    build.current_dir(&workspace.root).args(["build", "--workspace", "--bin", "cleanai-engine", "--test", "coverage"]);
    if program.is_file() {
        build.arg("--quiet");
    } else {
        say("Building", format!("the engine in {} (the first build takes minutes)", workspace.root.display()));
    }
    if process::run(&mut build)? != 0 {
        return Err(Error::Engine { version: OWN_VERSION });
    }
    let wanted = crate::setup::wanted(Some(workspace))?;
    Ok(with_libtorch(&program, &libtorch, wanted.platform.loader_variable()))
}

fn installed_engine(libtorch: &Libtorch, source: &Source) -> Result<std::process::Command> {
    let wanted = crate::setup::wanted(None)?;
    let version = libtorch.version.as_deref().map_or(wanted.version, plain_version);
    let root = cache(wanted.platform)?.join(format!("engine-{OWN_VERSION}-libtorch-{version}"));
    let program = root.join("bin/cleanai-engine");
    if !program.is_file() {
        install_engine(libtorch, &root, source)?;
    }
    Ok(with_libtorch(&program, libtorch, wanted.platform.loader_variable()))
}

/// A command that starts a program with libtorch where the system's loader finds it.
pub fn with_libtorch(program: &Path, libtorch: &Libtorch, variable: &str) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.env(variable, process::with_first(&libtorch.library_folder(), variable));
    command
}

fn install_engine(libtorch: &Libtorch, root: &Path, source: &Source) -> Result<()> {
    say("Installing", format!("the engine of cleanai-harness {OWN_VERSION} (once; it takes minutes)"));
    std::fs::create_dir_all(root).map_err(Error::file("make", root))?;
    let lock = root.join(".lock");
    let file = File::create(&lock).map_err(Error::file("write", &lock))?;
    file.lock().map_err(Error::file("lock", &lock))?;
    if root.join("bin/cleanai-engine").is_file() {
        return Ok(());
    }
    let mut command = cargo();
    command.args(["install", HARNESS]);
    match source {
        Source::Git { address, revision } => {
            command.args(["--git", address]);
            command.args(revision.iter().flat_map(|revision| ["--rev", revision]));
        }
        Source::Version(_) | Source::Path(_) => _ = command.args(["--version", OWN_VERSION]),
    }
    command.args(["--bin", "cleanai-engine", "--root"]).arg(root);
    command.env("LIBTORCH", &libtorch.root);
    if process::run(&mut command)? == 0 { Ok(()) } else { Err(Error::Engine { version: OWN_VERSION }) }
}

/// A cargo command with the environment of a plain one: `LIBTORCH` is left to the project's cargo configuration where
/// it is our own link, so that nothing is built anew when the user runs cargo by hand.
pub fn plain_cargo(workspace: &Workspace) -> std::process::Command {
    let mut command = cargo();
    if std::env::var_os("LIBTORCH").is_some_and(|value| Path::new(&value) == workspace.link_path()) {
        command.env_remove("LIBTORCH");
    }
    command
}

/// Where a cargo subcommand lies: on PATH, or where cargo installs to.
pub fn tool(name: &str) -> Option<PathBuf> {
    process::find(name).or_else(|| {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")))?;
        Some(home.join("bin").join(name)).filter(|path| path.is_file())
    })
}
