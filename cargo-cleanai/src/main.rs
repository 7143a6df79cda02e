//! `cargo cleanai`: provides libtorch, and runs coverage tests, the demonstration and the engine.
//!
//! It builds without libtorch, because it provides it.

mod arguments;
mod config;
mod doctor;
mod error;
mod init;
mod libtorch;
mod process;
mod progress;
mod python;
mod ratchet;
mod run;
mod setup;
mod targets;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(arguments::normalise(std::env::args_os()));
    let result = match &arguments.command {
        Command::Demo => run::demo(),
        Command::Init(init) => init::init(init),
        Command::Test(test) => run::test(test),
        Command::Ratchet(wanted) => ratchet::ratchet(wanted),
        Command::Setup => setup::setup(),
        Command::Doctor => doctor::doctor(),
        Command::Inspect(inspect) => run::engine(Some(&inspect.model), &inspect.forward()),
        Command::Measure(measure) => run::engine(Some(&measure.model), &measure.forward()),
        Command::Explain(explain) => run::engine(Some(&explain.model), &explain.forward()),
        Command::Select(select) => run::engine(Some(&select.model), &select.forward()),
        Command::Monitor(monitor) => run::engine(Some(monitor.model()), &monitor.forward()),
        Command::Augment(augment) => run::engine(Some(&augment.model), &augment.forward()),
        Command::Config(arguments) => config::config(arguments),
        Command::Cache(cache) => run::engine(None, &cache.forward()),
        Command::Report(report) if report.is_about_runs() => run::report(report),
        Command::Report(report) => run::engine(report.model.as_deref(), &report.forward()),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            error.print();
            ExitCode::from(error.exit_code())
        }
    }
}
