//! `report --model`: a PDF on a model and some inputs of a data set, without a test.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::declare::{CriterionSpec, Value};
use crate::report::cleanai::{Analysis, Settings};
use crate::{Error, ErrorKind, Result, measure};
use clap::Args;

use crate::engine::asked::Asked;
use crate::engine::model::ModelArguments;

/// What of `report` is about a model.
#[derive(Args)]
pub struct Analyse {
    /// What it looks like: `cleanai`, the tables of the CleanAI library.
    #[arg(long, value_name = "STYLE", value_parser = ["cleanai"], requires = "model")]
    style: Option<String>,
    /// The model, `.pt` or `.pt2`.
    #[arg(long, value_name = "FILE", requires = "data")]
    model: Option<PathBuf>,
    /// What inputs are drawn from: an image folder, `.npz`, `.npy` or idx, with an optional range `#0..500`.
    #[arg(long, value_name = "DATA", requires = "model")]
    data: Option<String>,
    /// How many inputs are drawn for the sections on several inputs.
    #[arg(long = "inputs", value_name = "N", default_value_t = 50)]
    several: usize,
    /// The seed they are drawn with.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What a neuron must exceed in threshold coverage.
    #[arg(long, value_name = "X", default_value_t = Settings::default().threshold, allow_negative_numbers = true)]
    threshold: f64,
    /// What a difference must exceed in value coverage and in pairs.
    #[arg(long, value_name = "X", default_value_t = Settings::default().value_threshold, allow_negative_numbers = true)]
    value_threshold: f64,
    /// How many neurons of each layer top-k coverage adds up.
    #[arg(long, value_name = "K", default_value_t = Settings::default().top_k)]
    top_k: u64,
    /// The intervals of multisection coverage, `[[0, 0.1], [0.1, 0.2]]`.
    #[arg(long, value_name = "LIST")]
    intervals: Option<String>,
    /// Adds the section on pairs of neurons.
    #[arg(long)]
    pairs: bool,
    /// Inputs that give the boundaries in place of the several inputs.
    #[arg(long, value_name = "DATA")]
    profile: Option<String>,
    /// Steps applied to each input, as in cleanai.toml: `["grayscale", { normalize = { mean = [0.5], std = [0.5] } }]`.
    #[arg(long, value_name = "TOML", default_value = "[]")]
    transform: String,
    /// Inputs per forward pass.
    #[arg(long, value_name = "N", default_value_t = 16)]
    batch: usize,
    #[command(flatten)]
    options: ModelArguments,
    /// The PDF; Analysis_NAME.pdf for a model NAME.pt unless given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Analyse {
    /// Measures and writes the PDF, if a model is given; says whether one is.
    pub fn run(&self) -> Result<bool> {
        let (Some(model), Some(data)) = (&self.model, &self.data) else { return Ok(false) };
        let settings = Settings {
            threshold: self.threshold,
            value_threshold: self.value_threshold,
            top_k: self.top_k,
            intervals: match &self.intervals {
                Some(text) => intervals(text)?,
                None => Settings::default().intervals,
            },
            pairs: self.pairs,
        };
        settings.check()?;
        let asked = Asked {
            model,
            data,
            profile: self.profile.as_deref(),
            untrusted: None,
            transform: &self.transform,
            batch: self.batch,
            options: &self.options,
        };
        let analysis = measure::analyse(&asked.declaration("report")?, &settings, self.seed, self.several)?;
        let output = self.output.clone().unwrap_or_else(|| {
            let name = model.file_stem().unwrap_or_default().to_string_lossy();
            PathBuf::from(format!("Analysis_{name}.pdf"))
        });
        write(&analysis, &output)?;
        anstream::println!("written to {}", output.display());
        Ok(true)
    }
}

#[cfg(feature = "pdf")]
fn write(analysis: &Analysis, path: &std::path::Path) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    crate::report::pdf::write_analysis(analysis, now, path)
}

#[cfg(not(feature = "pdf"))]
fn write(_: &Analysis, _: &std::path::Path) -> Result<()> {
    let error = Error::new(ErrorKind::Configuration, "this build has no PDF reports");
    Err(error.with_help("enable the feature `pdf` of cleanai-harness"))
}

/// Reads the list as the parameter of the criterion.
fn intervals(text: &str) -> Result<Vec<(f64, f64)>> {
    let wrong = || {
        Error::new(ErrorKind::Configuration, format!("--intervals {text} is no list of intervals"))
            .with_help("write pairs of numbers, none from more to less, as in [[0, 0.1], [0.1, 0.2]]")
    };
    let spec: CriterionSpec = format!("cleanai::mnc(intervals={text})").parse().map_err(|_| wrong())?;
    let number = |value: &Value| match value {
        Value::Number(number) => Some(*number),
        Value::Integer(number) => Some(*number as f64),
        _ => None,
    };
    let interval = |value: &Value| match value {
        Value::List(ends) => match ends.as_slice() {
            [from, to] => Some((number(from)?, number(to)?)),
            _ => None,
        },
        _ => None,
    };
    match spec.parameters.get("intervals") {
        Some(Value::List(items)) if spec.parameters.len() == 1 && !items.is_empty() => {
            let intervals: Option<Vec<_>> = items.iter().map(interval).collect();
            intervals.filter(|all| all.iter().all(|(from, to)| from <= to)).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}
