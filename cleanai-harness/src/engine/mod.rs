//! The part of the command line that needs libtorch: `cargo cleanai inspect`, `measure`, `explain`, `augment`, `select`, `monitor`, `config`,
//! `report` and `cache`.
//!
//! A module rather than a program, so that a package which depends on the harness can be this program, too: `cargo cleanai init` builds it in
//! the user's own target folder, where the first test then finds everything compiled.

mod asked;
mod augment;
mod cache;
mod config;
mod data;
mod explain;
mod inspect;
mod measure;
mod measuring;
mod model;
mod monitor;
mod report;
mod select;

use std::process::ExitCode;

use crate::{Error, ErrorKind, Result, interrupt, progress};
use anstyle::{AnsiColor, Style};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cleanai-engine",
    version,
    about = "Looks into models and measures their coverage; run through `cargo cleanai`."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists a model's layers, neurons and parameters.
    Inspect(inspect::Inspect),
    /// Measures criteria on a data set, without a test.
    Measure(measure::Measure),
    /// Writes heat maps of inputs: what their predicted class is seen by.
    Explain(explain::Explain),
    /// Chooses the inputs that a criterion says most of, and writes them as a manifest.
    Select(select::Select),
    /// Makes monitors for services.
    Monitor(monitor::Monitor),
    /// Makes inputs of a data set by noise or an attack, as files with a manifest.
    Augment(augment::Augment),
    /// Checks a `cleanai.toml`, or prints what may stand in it.
    Config(config::Config),
    /// Puts the outcomes of test runs into one report; or writes a PDF on a model and inputs drawn from a data set.
    Report(report::Report),
    /// Shows and removes what is kept of earlier runs.
    Cache(cache::Cache),
    /// Says what lies at places that may be data, as JSON.
    #[command(hide = true)]
    Data(data::Data),
}

/// The program.
pub fn main() -> ExitCode {
    crate::private::keep_freed_memory();
    let command = Arguments::parse().command;
    interrupt::listen();
    progress::show();
    let done = crate::cache::Settings::of_environment().and_then(|_| command.run());
    match done {
        Ok(code) => code,
        Err(error) => {
            let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            anstream::eprintln!("{red}error{red:#}: {error}");
            ExitCode::from(exit_code(&error))
        }
    }
}

impl Command {
    /// The exit code of a command that did what it was asked.
    fn run(self) -> Result<ExitCode> {
        let done = match self {
            // Tells of tests, as a test binary does.
            Command::Report(report) => return report.run(),
            Command::Inspect(inspect) => inspect.run(),
            Command::Measure(measure) => measure.run(),
            Command::Explain(explain) => explain.run(),
            Command::Select(select) => select.run(),
            Command::Monitor(monitor) => monitor.run(),
            Command::Augment(augment) => augment.run(),
            Command::Config(config) => config.run(),
            Command::Cache(cache) => cache.run(),
            Command::Data(data) => data.run(),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

/// 2 where the user's words or configuration are wrong, 1 where model, data or machine are, 130 after Ctrl-C and 143 after SIGTERM.
fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Interrupted => interrupt::exit_code().unwrap_or(1),
        ErrorKind::Configuration | ErrorKind::Model | ErrorKind::Data | ErrorKind::Criterion => 2,
        _ => 1,
    }
}
