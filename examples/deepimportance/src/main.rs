//! The evaluation of DeepImportance (Gerasimou, Eniser, Sen, Cakan, ICSE 2020) as something to run:
//!
//!     cargo run -p deepimportance                     # LeNet-1, -4 and -5 on MNIST where CLEANAI_DATA has them, else the digits of examples/digits
//!     cargo run -p deepimportance -- --seeds 2 --profile 2000 --test 500 --out results
//!     cargo run -p deepimportance -- --questions 3,4 --profile 10000 --inputs 500
//!
//! It answers the paper's questions and writes the answers as Markdown, where seeds are drawn anew with mean and standard deviation:
//!
//! - RQ1: do the important neurons move more than others when the relevant pixels of an input are disturbed?
//! - RQ2: does coverage rise more by inputs that differ in what matters (U_O + U_DI: noise on relevant pixels) than by others (U_O + U_S: on random ones)?
//! - RQ3: does coverage rise by adversarial inputs (FGSM, BIM, JSMA, CW)? `--inputs` limits how many are made.
//! - RQ4: do criteria order these sets as each other does? (Spearman's rank correlation)
//! - RQ5: how does importance-driven coverage differ from layer to layer?
//!
//! Every step leaves a file; started again it goes on where it was stopped. `results.md` is what it wrote for the LeNets of DeepXplore and MNIST, in two runs on
//! two cores that were busy otherwise: RQ1, RQ2 and RQ5 on all of it in 23 minutes (9 minutes of CPU), RQ3 and RQ4 with 200 attacked inputs in 16 minutes (14
//! of CPU), most of it for CW.

mod correlation;
mod effectiveness;
mod published;
mod settings;
mod store;
mod study;
mod table;

use std::io::Write;
use std::process::{Command, ExitCode};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use effectiveness::Effectiveness;
use settings::{Arguments, Network};
use store::Store;
use study::Study;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match with_cache(&arguments).and_then(|done| if let Some(code) = done { Ok(code) } else { run(&arguments) }) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The profile set is explained once, not for every seed: its profile is kept beside the results. The cache is chosen by the environment, so the
/// work is done by a process that has it.
fn with_cache(arguments: &Arguments) -> Outcome<Option<ExitCode>> {
    let cache = std::path::absolute(arguments.out.join("cache"))?;
    if std::env::var_os("CLEANAI_CACHE").is_some_and(|own| own == cache) {
        return Ok(None);
    }
    let status = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env("CLEANAI_CACHE", cache)
        .status()?;
    Ok(Some(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)))
}

fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let (studied, attacked) = (arguments.asks(&[1, 2, 5]), arguments.asks(&[3, 4]));
    let networks = settings::networks(arguments, arguments.test)?;
    let limited = settings::networks(arguments, arguments.inputs)?;
    let store = |setting: String| Store::new(&arguments.out, &setting);
    let steps = if studied { Study::steps(arguments.seeds) } else { 0 };
    let steps = steps + if attacked { Effectiveness::STEPS } else { 0 };
    let progress = ProgressBar::new(networks.len() as u64 * steps);
    progress.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed_precise} {msg}")?);
    let mut text = heading(&networks, arguments);
    let mut all = Vec::new();
    for (network, limited) in networks.iter().zip(&limited) {
        let answers = if studied {
            let store = store(format!("profile{}-test{}", arguments.profile, arguments.test))?;
            Some(Study { network, arguments, store: &store, progress: &progress }.run()?)
        } else {
            None
        };
        let sets = if attacked {
            let store = store(format!("profile{}-inputs{}", arguments.profile, arguments.inputs))?;
            Effectiveness { network: limited, store: &store, progress: &progress }.run()?
        } else {
            Vec::new()
        };
        text += &table::section(network, arguments, answers.as_ref(), &sets);
        all.push(sets);
    }
    if attacked {
        text += &table::together(arguments, &all);
    }
    progress.finish_and_clear();
    let path = arguments.out.join("results.md");
    store::write(&path, text.as_bytes())?;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    writeln!(out, "\nwritten to {}", path.display())?;
    Ok(ExitCode::SUCCESS)
}

fn heading(networks: &[Network], arguments: &Arguments) -> String {
    let names: Vec<&str> = networks.iter().map(|network| network.name.as_str()).collect();
    let (studied, attacked) = (arguments.asks(&[1, 2, 5]), arguments.asks(&[3, 4]));
    let mut data = format!(
        "Data: {}. {} profile inputs at most",
        networks.first().map_or("none", |network| network.data.as_str()),
        arguments.profile
    );
    let questions: Vec<String> = arguments.questions.iter().map(u8::to_string).collect();
    let mut command = format!("--questions {} --profile {}", questions.join(","), arguments.profile);
    if !arguments.networks.is_empty() {
        command += &format!(" --networks {}", arguments.networks.join(","));
    }
    if studied {
        data += &format!(
            "; {} test inputs at most, {} seeds (mean ± standard deviation over them)",
            arguments.test, arguments.seeds
        );
        command += &format!(" --test {} --seeds {}", arguments.test, arguments.seeds);
    }
    if attacked {
        data += &format!("; for RQ3 and RQ4 {} test inputs at most, each attacked", arguments.inputs);
        command += &format!(" --inputs {}", arguments.inputs);
    }
    format!(
        "# DeepImportance: {}\n\n{data}. CleanAI {}, libtorch {}. Made by `cargo run -p deepimportance -- {command}`.\n",
        names.join(", "),
        env!("CARGO_PKG_VERSION"),
        cleanai_harness::model::libtorch_version(),
    )
}
