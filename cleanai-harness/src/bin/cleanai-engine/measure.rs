//! `measure`: the same engine as the tests', without a test.

use std::path::PathBuf;

use anstyle::Style;
use clap::Args;
use cleanai_harness::declare::{
    CriterionSpec, DEFAULT_BATCH, Declaration, NeuronKind, NonFinite, OnBadInput, Selector,
};
use cleanai_harness::measure::{self, Measurement};
use cleanai_harness::{Result, report};

use crate::asked::Asked;
use crate::model::ModelArguments;

/// Arguments of `measure`; `cargo cleanai measure --help` describes them.
#[derive(Args)]
pub struct Measure {
    /// The model, `.pt` or `.pt2`.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The test inputs: an image folder, `.npz`, `.npy` or idx, with an optional range `#0..500`.
    #[arg(long, value_name = "DATA")]
    data: String,
    /// The profile inputs (usually the training set), for criteria that need ranges.
    #[arg(long, value_name = "DATA")]
    profile: Option<String>,
    /// Inputs that must not be accepted, for monitors that name none themselves.
    #[arg(long, value_name = "DATA")]
    untrusted: Option<String>,
    /// Steps applied to each input, as in cleanai.toml: `["grayscale", { normalize = { mean = [0.5], std = [0.5] } }]`.
    #[arg(long, value_name = "TOML", default_value = "[]")]
    transform: String,
    /// Layers the criteria look at unless they name their own.
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
    /// A criterion, for example `kmnc(k=1000)`; may be given several times.
    #[arg(long = "criterion", value_name = "CRITERION", required = true)]
    criteria: Vec<String>,
    /// Writes the result as JSON here; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What an undecodable input does.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"])]
    on_bad_input: String,
    /// What a NaN or infinite activation does.
    #[arg(long, value_name = "WHAT", default_value = "error", value_parser = ["error", "ignore"])]
    non_finite: String,
}

impl Measure {
    /// Measures, prints a table and writes the JSON.
    pub fn run(&self) -> Result<()> {
        let texts = self.criteria.iter().map(|text| text.trim());
        let asked = texts.map(|text| Ok((text, text.parse()?))).collect::<Result<Vec<(&str, CriterionSpec)>>>()?;
        let specs: Vec<CriterionSpec> = asked.iter().map(|(_, spec)| spec.clone()).collect();
        let mut measurement = measure::once(&self.declaration()?, &specs)?;
        // Results stand under the words they were asked for with, not under their canonical form.
        let results = std::mem::take(&mut measurement.criteria);
        for (text, spec) in &asked {
            if let Some(result) = results.get(&spec.to_string()) {
                measurement.criteria.insert((*text).to_owned(), result.clone());
            }
        }
        match &self.json {
            Some(path) if path.as_os_str() == "-" => {
                anstream::println!("{}", report::json::measurement_json(&measurement))
            }
            Some(path) => {
                print(&measurement);
                report::file::write(path, report::json::measurement_json(&measurement).as_bytes())?;
                anstream::println!("\nwritten to {}", path.display());
            }
            None => print(&measurement),
        }
        Ok(())
    }

    fn declaration(&self) -> Result<Declaration> {
        let asked = Asked {
            model: &self.model,
            data: &self.data,
            profile: self.profile.as_deref(),
            untrusted: self.untrusted.as_deref(),
            transform: &self.transform,
            batch: self.batch,
            options: &self.options,
        };
        let mut declaration = asked.declaration("measure")?;
        declaration.layers = self.layers.parse::<Selector>()?;
        declaration.neurons = if self.neurons == "unit" { NeuronKind::Unit } else { NeuronKind::Channel };
        declaration.non_finite = if self.non_finite == "ignore" { NonFinite::Ignore } else { NonFinite::Error };
        declaration.data.on_bad_input = if self.on_bad_input == "skip" { OnBadInput::Skip } else { OnBadInput::Fail };
        Ok(declaration)
    }
}

fn print(measurement: &Measurement) {
    let bold = Style::new().bold();
    let Measurement { model, data, settings, seconds, .. } = measurement;
    anstream::println!(
        "{bold}{}{bold:#}  {} parameters, {} layers, on {}",
        model.path,
        model.parameters,
        model.layers.len(),
        settings.device
    );
    let profile = match (&data.profile, data.profile_inputs) {
        (Some(path), Some(inputs)) => format!(", profile {path} ({inputs} inputs)"),
        _ => String::new(),
    };
    anstream::println!("{}  {} inputs{profile}", data.path, data.inputs);
    if data.skipped > 0 {
        anstream::println!("{} inputs could not be decoded and were skipped", data.skipped);
    }
    let width = measurement.criteria.keys().map(|text| text.chars().count()).max().unwrap_or(0).max(9);
    anstream::println!("\n{bold}{:width$}  {:>12}  {:>22}{bold:#}", "criterion", "value", "covered / total");
    for (text, result) in &measurement.criteria {
        let value = result.value.map_or("nothing".to_owned(), |value| format!("{value:.6}"));
        let counts = match (result.covered, result.total) {
            (Some(covered), Some(total)) => format!("{covered} / {total}"),
            _ => String::new(),
        };
        anstream::println!("{text:width$}  {value:>12}  {counts:>22}");
    }
    anstream::println!(
        "\n{:.2} s: load {:.2}, profile {:.2}, decode {:.2}, forward {:.2}, criteria {:.2}",
        seconds.total,
        seconds.load,
        seconds.profile,
        seconds.decode,
        seconds.forward,
        seconds.criteria
    );
}
