//! `cargo cleanai config`: its arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `cargo cleanai config`.
#[derive(Debug, Args)]
pub struct Config {
    /// What to do
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show what holds for a test, and where each setting comes from; without a name, which tests there are
    Show(Show),
    /// Say what is wrong with a cleanai.toml, or that it is good
    Check(Check),
    /// Print the reference: all keys and variables with type, default and example
    Reference,
    /// Print a JSON Schema of cleanai.toml for editors
    Schema,
}

/// `cargo cleanai config show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai config show                               the tests there are
  cargo cleanai config show lenet5                        settings, requirements and their origins
  CLEANAI_BATCH=16 cargo cleanai config show lenet5       what a variable changes
  cargo cleanai config show -p digits --json -- --release what follows -- goes to cargo test

It builds the test targets that CleanAI runs and asks them; no model is opened.")]
pub struct Show {
    /// The test: a function's name, or module::function
    pub test: Option<String>,
    #[command(flatten)]
    pub targets: Targets,
    /// Print JSON; without a test's name, that of all tests
    #[arg(long)]
    pub json: bool,
}

/// `cargo cleanai config check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai config check                      the cleanai.toml of this folder or one above it
  cargo cleanai config check ci/cleanai.toml
  cargo cleanai config check --unused             tables that no test uses, too: the tests are built")]
pub struct Check {
    /// The file, or a folder in or above which it lies (this folder if not given)
    pub path: Option<PathBuf>,
    /// Build the tests, and name the tables that none of them uses
    #[arg(long)]
    pub unused: bool,
    #[command(flatten)]
    pub targets: Targets,
}

/// Which test targets are asked.
#[derive(Debug, Default, Args)]
pub struct Targets {
    /// A package; once for each (those that `cargo test` takes if not given)
    #[arg(short, long = "package", value_name = "PACKAGE")]
    pub packages: Vec<String>,
    /// All packages of the workspace
    #[arg(long, conflicts_with = "packages")]
    pub workspace: bool,
    /// A test target; once for each (all that CleanAI runs if not given)
    #[arg(long = "test", value_name = "TARGET")]
    pub tests: Vec<String>,
    /// Arguments for `cargo test`, after --
    #[arg(last = true, value_name = "ARGS")]
    pub arguments: Vec<OsString>,
}
