//! `cargo cleanai`: provides libtorch, and runs coverage tests, the demonstration and the engine.
//!
//! It builds without libtorch, because it provides it.

mod arguments;
mod doctor;
mod error;
mod init;
mod libtorch;
mod process;
mod progress;
mod python;
mod run;
mod setup;
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
        Command::Setup => setup::setup(),
        Command::Doctor => doctor::doctor(),
        Command::Inspect(inspect) => run::engine(&inspect.model, &inspect.forward()),
        Command::Measure(measure) => run::engine(&measure.model, &measure.forward()),
        Command::Explain(explain) => run::engine(&explain.model, &explain.forward()),
        Command::Select(select) => run::engine(&select.model, &select.forward()),
        Command::Monitor(monitor) => run::engine(monitor.model(), &monitor.forward()),
        Command::Augment(augment) => run::engine(&augment.model, &augment.forward()),
        Command::Report(report) => run::engine(&report.model, &report.forward()),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            error.print();
            ExitCode::from(error.exit_code())
        }
    }
}
