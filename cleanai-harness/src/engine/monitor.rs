//! `monitor`: signatures for services.

use std::path::PathBuf;

use crate::Result;
use crate::declare::{CriterionSpec, DEFAULT_BATCH, NeuronKind, NonFinite, OnBadInput, Selector};
use crate::measure;
use clap::{Args, Subcommand};

use crate::engine::asked::Asked;
use crate::engine::model::ModelArguments;

/// Arguments of `monitor`.
#[derive(Args)]
pub struct Monitor {
    #[command(subcommand)]
    command: MonitorCommand,
}

#[derive(Subcommand)]
enum MonitorCommand {
    /// Writes the signature file of a monitor.
    Export(Export),
}

/// Arguments of `monitor export`; `cargo cleanai monitor export --help` describes them.
#[derive(Args)]
struct Export {
    /// The model, `.pt` or `.pt2`.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The profile inputs with labels, usually the training set.
    #[arg(long, value_name = "DATA")]
    profile: String,
    /// Inputs that must not be accepted; they tell the thresholds.
    #[arg(long, value_name = "DATA")]
    untrusted: Option<String>,
    /// The monitor: `src`, `mrc(q=10)`, `topk(k=3)`, `knn(k=1)`.
    #[arg(long, value_name = "MONITOR", default_value = "src")]
    by: String,
    /// The signature file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Steps applied to each input, as in cleanai.toml: `["grayscale", { normalize = { mean = [0.5], std = [0.5] } }]`.
    #[arg(long, value_name = "TOML", default_value = "[]")]
    transform: String,
    /// Layers the monitor looks at unless it names its own.
    #[arg(long, value_name = "SELECTOR", default_value = "default")]
    layers: String,
    /// What a neuron is: a channel, or every unit.
    #[arg(long, value_name = "KIND", default_value = "channel", value_parser = ["channel", "unit"])]
    neurons: String,
    /// Inputs per forward pass.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_BATCH)]
    batch: usize,
    #[command(flatten)]
    options: ModelArguments,
    /// What an undecodable input does.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"])]
    on_bad_input: String,
    /// What a NaN or infinite activation does.
    #[arg(long, value_name = "WHAT", default_value = "error", value_parser = ["error", "ignore"])]
    non_finite: String,
}

impl Monitor {
    /// Does what is asked.
    pub fn run(&self) -> Result<()> {
        match &self.command {
            MonitorCommand::Export(export) => export.run(),
        }
    }
}

impl Export {
    fn run(&self) -> Result<()> {
        let spec: CriterionSpec = self.by.trim().parse()?;
        let asked = Asked {
            model: &self.model,
            data: &self.profile,
            profile: Some(&self.profile),
            untrusted: self.untrusted.as_deref(),
            transform: &self.transform,
            batch: self.batch,
            options: &self.options,
        };
        let mut declaration = asked.declaration("monitor")?;
        declaration.layers = self.layers.parse::<Selector>()?;
        declaration.neurons = if self.neurons == "unit" { NeuronKind::Unit } else { NeuronKind::Channel };
        declaration.non_finite = if self.non_finite == "ignore" { NonFinite::Ignore } else { NonFinite::Error };
        declaration.data.on_bad_input = if self.on_bad_input == "skip" { OnBadInput::Skip } else { OnBadInput::Fail };
        let exported = measure::export_monitor(&declaration, &spec)?;
        exported.file.write(&self.out)?;
        let (facts, judge) = (&exported.file.facts, &exported.file.judge);
        let trusted: u64 = facts.trusted.iter().sum();
        anstream::println!(
            "{}  {} over {} layers, {trusted} trusted inputs of {} classes",
            self.out.display(),
            facts.monitor,
            facts.layers.len(),
            facts.trusted.iter().filter(|trusted| **trusted > 0).count()
        );
        for (class, (tau, trusted)) in judge.tau.iter().zip(&facts.trusted).enumerate() {
            match tau {
                Some(tau) => anstream::println!("  class {class}: {trusted} trusted inputs, tau {tau}"),
                None => anstream::println!("  class {class}: {trusted} trusted inputs, too few: it accepts nothing"),
            }
        }
        if let Some(rate) = exported.trusted_acceptance_rate {
            anstream::println!(
                "It accepts {:.2} % of the trusted inputs, each left out of its own signature",
                rate * 100.0
            );
        }
        if let Some(rate) = exported.untrusted_acceptance_rate {
            anstream::println!("and {:.2} % of the untrusted inputs.", rate * 100.0);
        }
        Ok(())
    }
}
