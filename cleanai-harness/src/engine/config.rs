//! `config`: checks a `cleanai.toml`, and prints the reference and the schema as this build has them.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::config::{Config as Configuration, FILE_NAME, reference_page, schema};
use crate::{Error, ErrorKind, Result};
use clap::{Args, Subcommand};

/// Checks a `cleanai.toml`, or prints what may stand in it.
#[derive(Args)]
pub struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reads a file and says what is wrong with it.
    Check {
        /// The file, or a folder in or above which it lies.
        path: Option<PathBuf>,
    },
    /// Prints the reference page, from which `docs/configuration.md` is made.
    Reference,
    /// Prints the JSON Schema, from which `docs/cleanai.schema.json` is made.
    Schema,
}

impl Config {
    /// Runs it.
    pub fn run(&self) -> Result<()> {
        match &self.command {
            Command::Check { path } => check(path.as_deref().unwrap_or(Path::new("."))),
            Command::Reference => print(&reference_page()),
            Command::Schema => print(&schema()),
        }
    }
}

fn check(path: &Path) -> Result<()> {
    let config = if path.is_dir() { Configuration::find(path)? } else { Configuration::load(path)? };
    let Some(file) = &config.path else {
        let what = format!("there is no {FILE_NAME} in {} or a folder above it", path.display());
        return Err(
            Error::new(ErrorKind::Configuration, what).with_help("name the file: `cargo cleanai config check PATH`")
        );
    };
    let missing = config.missing();
    for error in &missing {
        anstream::eprintln!("{error}\n");
    }
    if !missing.is_empty() {
        let names = if missing.len() == 1 { "a path that is" } else { "paths that are" };
        let what = format!("{} names {} {names} not there", file.display(), missing.len());
        return Err(
            Error::new(ErrorKind::Configuration, what).with_help("relative paths start at the folder of the file")
        );
    }
    let counted = |number: usize, what: &str| format!("{number} of [{what}]");
    let tables = [
        counted(config.models.len(), "models"),
        counted(config.data.len(), "data"),
        counted(config.tests.len(), "tests"),
    ];
    print(&format!("ok: {} ({})\n", file.display(), tables.join(", ")))
}

fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|why| Error::io("write to", Path::new("the standard output"), why))
}
