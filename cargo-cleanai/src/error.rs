//! What can go wrong before anything is run: each error says what, why and the one fix.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Trouble in set-up or configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, written or moved.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// A verb that reads after "cannot".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// The operating system's word.
        source: io::Error,
    },
    /// There is no home folder to keep a cache in.
    #[error("there is no cache folder: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    /// PyTorch publishes nothing for this machine.
    #[error("PyTorch publishes no libtorch {version} for {platform}")]
    Platform {
        /// Operating system and processor.
        platform: String,
        /// The libtorch wanted.
        version: String,
    },
    /// The user's own libtorch cannot be used.
    #[error("{setting} names {}, which cannot be used: {problem}", path.display())]
    OwnLibtorch {
        /// Where the user set it.
        setting: String,
        /// The folder it names.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The libtorch wanted.
        version: String,
    },
    /// `LIBTORCH_USE_PYTORCH` is set, and Python's torch will not do.
    #[error("LIBTORCH_USE_PYTORCH is set, but {problem}")]
    UsePytorch {
        /// What is wrong.
        problem: String,
        /// The libtorch wanted.
        version: String,
    },
    /// No Python to run pip with.
    #[error("libtorch is fetched with pip, and there is no python3")]
    NoPython {
        /// The libtorch wanted.
        version: String,
    },
    /// Python without pip.
    #[error("libtorch is fetched with pip, and {} has none: {said}", python.display())]
    NoPip {
        /// The interpreter.
        python: PathBuf,
        /// Its own words.
        said: String,
        /// The libtorch wanted.
        version: String,
    },
    /// No source gave the package.
    #[error("could not fetch {requirement}{}", attempts.iter().map(|a| format!("\n  {a}")).collect::<String>())]
    Fetch {
        /// What was asked of pip.
        requirement: String,
        /// One line for each source tried.
        attempts: Vec<String>,
        /// The libtorch wanted.
        version: String,
    },
    /// A wheel that was fetched twice is damaged.
    #[error("{wheel} is damaged, also when fetched again: {reason}")]
    BrokenWheel {
        /// Its file name.
        wheel: String,
        /// What does not fit.
        reason: String,
    },
    /// A wheel does not hold what is needed.
    #[error("the packages fetched make no whole libtorch: {problem}")]
    Incomplete {
        /// What is missing.
        problem: String,
        /// The libtorch wanted.
        version: String,
    },
    /// `cargo metadata` failed.
    #[error("cargo cannot read this project: {said}")]
    Metadata {
        /// Cargo's own words.
        said: String,
    },
    /// The project's cargo configuration cannot take our lines.
    #[error("cannot add LIBTORCH to {}: {problem}", path.display())]
    Configuration {
        /// The configuration file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A real folder lies where the link to libtorch belongs.
    #[error("{} is not a link, so it cannot be pointed at libtorch", path.display())]
    LinkTaken {
        /// The path of the link.
        path: PathBuf,
    },
    /// The demonstration needs the repository.
    #[error("the demonstration is part of the CleanAI repository, and this is not inside a checkout of it")]
    NoDemo,
    /// A model that is not there.
    #[error("there is no model {}", path.display())]
    NoModel {
        /// The path as given.
        path: PathBuf,
    },
    /// A cargo subcommand that was asked for is not installed.
    #[error("{tool} is not installed")]
    NoTool {
        /// Its name.
        tool: &'static str,
    },
    /// A file is no longer what it was when it was read.
    #[error("{} changed meanwhile, so it was not written", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// What a test binary says of its run cannot be understood.
    #[error("a test binary left a record that cannot be understood: {problem}")]
    Record {
        /// What is wrong with it.
        problem: String,
    },
    /// A package that cannot be set up for coverage tests as it is.
    #[error("{problem}")]
    Init {
        /// What is wrong, and where.
        problem: String,
        /// What to do about it.
        fix: String,
    },
    /// The engine could not be built or installed.
    #[error("cargo could not build the engine of cleanai-harness {version}")]
    Engine {
        /// The version of cleanai-harness.
        version: &'static str,
    },
    /// No package has a test target that could be asked.
    #[error("there is no test target that CleanAI runs")]
    NoTargets,
    /// A package that is not in the workspace.
    #[error("there is no package `{name}` in this workspace")]
    NoPackage {
        /// The name as given.
        name: String,
        /// The nearest that is.
        near: Option<String>,
    },
    /// A test target does not answer, or not as expected.
    #[error("the tests of {package} do not tell their settings: {said}")]
    Answer {
        /// The package.
        package: String,
        /// What is wrong with the answer.
        said: String,
    },
    /// A test that no target has.
    #[error("there is no coverage test `{name}`")]
    NoTest {
        /// The name as given.
        name: String,
        /// The nearest that is.
        near: Option<String>,
        /// All that there are.
        known: Vec<String>,
    },
}

impl Error {
    /// A [`Error::File`] as a closure for `map_err`.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::File { action, path, source }
    }

    /// 2 for usage and configuration, 1 for trouble in set-up.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::OwnLibtorch { .. }
            | Error::UsePytorch { .. }
            | Error::Metadata { .. }
            | Error::Configuration { .. }
            | Error::LinkTaken { .. }
            | Error::NoDemo
            | Error::NoModel { .. }
            | Error::NoTargets
            | Error::NoPackage { .. }
            | Error::NoTest { .. }
            | Error::Init { .. } => 2,
            _ => 1,
        }
    }

    /// The one thing to do about it.
    pub fn fix(&self) -> Option<String> {
        let own = |version: &str| {
            format!("or set LIBTORCH to a libtorch {version} of your own (a folder with include and lib)")
        };
        Some(match self {
            Error::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space (about 1.5 GB while libtorch is fetched, 0.5 GB after), then run the command again".into()
            }
            Error::File { source, .. }
                if matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
            {
                "see that you may do that there, then run the command again".into()
            }
            Error::File { .. } => return None,
            Error::Start { program, .. } => format!("install {program}, or put it on PATH"),
            Error::NoCache => "set XDG_CACHE_HOME to a folder that can hold 1.5 GB".into(),
            Error::Platform { version, .. } => {
                format!("build libtorch {version} yourself and set LIBTORCH to it (a folder with include and lib)")
            }
            Error::OwnLibtorch { setting, version, .. } => format!(
                "point {setting} at a libtorch {version} (a folder with include and lib), or take it away and run `cargo cleanai setup`"
            ),
            Error::UsePytorch { version, .. } => {
                format!("install torch {version} for that Python, or unset LIBTORCH_USE_PYTORCH and run `cargo cleanai setup`")
            }
            Error::NoPython { version } => format!("install python3 with pip, {}", own(version)),
            Error::NoPip { version, .. } => {
                format!("install pip (on Debian and Ubuntu: apt install python3-pip), {}", own(version))
            }
            Error::Fetch { version, .. } => {
                format!("check the network (pip's own settings apply: proxy, index, certificates) and run the command again, {}", own(version))
            }
            Error::BrokenWheel { .. } => {
                "the package index or a proxy hands out a damaged file: try another network or index (PIP_INDEX_URL)".into()
            }
            Error::Incomplete { version, .. } => format!("run the command again, {}", own(version)),
            Error::Metadata { .. } => "run it inside a Cargo project whose Cargo.toml is valid".into(),
            Error::Configuration { .. } => {
                "add these lines by hand:\n        [env]\n        LIBTORCH = { value = \".cargo/libtorch\", relative = true }".into()
            }
            Error::LinkTaken { path } => format!("move {} away, or set LIBTORCH to it", path.display()),
            Error::NoDemo => "clone the repository and run `cargo cleanai demo` in it".into(),
            Error::NoModel { .. } => "give the path of a TorchScript (.pt) or torch.export (.pt2) file".into(),
            Error::Init { fix, .. } => fix.clone(),
            Error::NoTool { tool } => format!("cargo install --locked {tool}"),
            Error::NoTargets => {
                "run it in a package with a `[[test]]` that has `harness = false` and cleanai_harness::main!(), or name one: -p PACKAGE, --test TARGET, --workspace".into()
            }
            Error::NoPackage { near, .. } => match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`cargo metadata` lists the packages of the workspace".into(),
            },
            Error::Answer { .. } => {
                format!("they need cleanai-harness {} and cleanai_harness::main!()", env!("CARGO_PKG_VERSION"))
            }
            Error::NoTest { near: Some(near), .. } => format!("did you mean `{near}`?"),
            Error::NoTest { known, .. } if known.is_empty() => "the test targets have no #[cleanai::coverage]".into(),
            Error::NoTest { known, .. } => format!("known: {}", known.join(", ")),
            Error::Changed { .. } => "run the command again".into(),
            Error::Record { .. } => "use one version of cargo-cleanai and cleanai-harness".into(),
            Error::Engine { .. } => "read what cargo said above; `cargo cleanai doctor` names what is missing on this machine".into(),
        })
    }

    /// Writes the error and its fix to standard error.
    pub fn print(&self) {
        line(Style::new().bold().fg_color(Some(AnsiColor::Red.into())), "error", self);
        if let Some(fix) = self.fix() {
            line(Style::new().bold().fg_color(Some(AnsiColor::Cyan.into())), "help", fix);
        }
    }
}

fn line(style: Style, label: &str, text: impl Display) {
    anstream::eprintln!("{style}{label}{style:#}: {text}");
}
