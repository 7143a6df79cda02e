//! `measure`: the same engine as the tests', without a test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anstyle::Style;
use clap::Args;
use cleanai_harness::data::transform;
use cleanai_harness::declare::{
    BaselinePolicy, CriterionSpec, DEFAULT_BATCH, DataChoice, DataLocation, Declaration, DeviceChoice, ModelChoice,
    NeuronKind, NonFinite, OnBadInput, Selector, TestIdentity,
};
use cleanai_harness::measure::{self, Measurement};
use cleanai_harness::{Error, ErrorKind, Result, report};

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
        if self.batch == 0 || self.batch > 65_536 {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("--batch {} is not between 1 and 65536", self.batch),
            ));
        }
        let root = std::env::current_dir()
            .map_err(|why| Error::new(ErrorKind::Io, format!("the current folder cannot be found: {why}")))?;
        let location = |path: &str| DataLocation { path: path.to_owned(), root: root.clone() };
        Ok(Declaration {
            test: TestIdentity {
                name: "measure".into(),
                package: String::new(),
                target: String::new(),
                file: PathBuf::new(),
                line: 0,
            },
            model: ModelChoice {
                options: self.options.options()?,
                ..ModelChoice::file(self.model.display().to_string(), &self.model, DeviceChoice::default())
            },
            data: DataChoice {
                name: self.data.clone(),
                profile: self.profile.as_deref().map(location),
                test: location(&self.data),
                transform: transform::parse(&self.transform).map_err(|error| error.context("--transform"))?,
                on_bad_input: if self.on_bad_input == "skip" { OnBadInput::Skip } else { OnBadInput::Fail },
            },
            layers: self.layers.parse::<Selector>()?,
            neurons: if self.neurons == "unit" { NeuronKind::Unit } else { NeuronKind::Channel },
            batch: self.batch,
            non_finite: if self.non_finite == "ignore" { NonFinite::Ignore } else { NonFinite::Error },
            requirements: Vec::new(),
            baseline: BaselinePolicy {
                tolerance: 0.0,
                per_criterion: BTreeMap::new(),
                enabled: false,
                ..BaselinePolicy::default()
            },
            report: Vec::new(),
        })
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
