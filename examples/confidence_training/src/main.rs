//! What training with the confidence loss does, measured:
//!
//!     cargo run -p confidence_training                  # the digits network; a small one for CIFAR-10 where CLEANAI_DATA has the images
//!     cargo run -p confidence_training -- --seeds 1 --networks digits
//!
//! A network that has learnt its task is trained a little further, with the cross entropy alone and with the penalty on neurons that leave the ranges of
//! trusted inputs beside it. Then: is it still right, do its neurons stay in their ranges, and does their number outside tell foreign inputs (inverted,
//! noisy) from those of the test set? Results are written as Markdown; `results.md` is what came out on two cores that eight others used, where the time was up
//! after one seed of CIFAR-10.

mod cifar;
mod data;
mod digits;
mod study;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Networks trained with and without the confidence loss.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// Networks, by name (digits, cifar); all there are unless some are named
    #[arg(long, value_delimiter = ',', value_parser = ["digits", "cifar"])]
    networks: Vec<String>,
    /// How often training is repeated
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..100))]
    seeds: u64,
    /// Weights of the penalty; 0 is the cross entropy alone
    #[arg(long, value_delimiter = ',', default_values_t = [0.0, 1.0, 10.0])]
    lambdas: Vec<f64>,
    /// Rounds through the training inputs that are trained further
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// Minutes that CIFAR-10 may take: no further seed is begun that would end later than this, going by the one before
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The file for the results
    #[arg(long, default_value = "target/confidence_training.md")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome<()> {
    let wanted = |name: &str| arguments.networks.is_empty() || arguments.networks.iter().any(|own| own == name);
    let mut text = table::heading(arguments);
    if wanted("digits") {
        let started = Instant::now();
        let figures = digits::study(arguments)?;
        text += &table::section(digits::TITLE, digits::ABOUT, &figures, started.elapsed());
    }
    if wanted("cifar") {
        match data::cifar()? {
            Some(images) => {
                let started = Instant::now();
                let until = Duration::try_from_secs_f64(arguments.minutes * 60.0)?;
                let figures = cifar::study(arguments, &images, until)?;
                text += &table::section(cifar::TITLE, cifar::ABOUT, &figures, started.elapsed());
            }
            None => eprintln!("SKIPPED: no CIFAR-10 (set CLEANAI_DATA to a folder with cifar10)"),
        }
    }
    table::write(&arguments.out, &text)?;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    writeln!(out, "\nwritten to {}", arguments.out.display())?;
    Ok(())
}
