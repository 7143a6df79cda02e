//! What `measure` and `select` both take: a model, data, and how layers are read.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::declare::{DEFAULT_BATCH, Declaration, NeuronKind, NonFinite, OnBadInput, Selector};
use clap::Args;

use crate::engine::asked::Asked;
use crate::engine::model::ModelArguments;

/// Arguments of whatever measures.
#[derive(Args)]
pub struct Measuring {
    /// The model, `.pt` or `.pt2`.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The test inputs: an image folder, `.npz`, `.npy`, idx or a manifest (`.csv`), with an optional range `#0..500`.
    #[arg(long, value_name = "DATA")]
    pub data: String,
    /// The profile inputs (usually the training set), for criteria that need ranges.
    #[arg(long, value_name = "DATA")]
    pub profile: Option<String>,
    /// Inputs that must not be accepted, for monitors that name none themselves.
    #[arg(long, value_name = "DATA")]
    untrusted: Option<String>,
    /// Steps applied to each input, as in cleanai.toml: `["grayscale", { normalize = { mean = [0.5], std = [0.5] } }]`.
    #[arg(long, value_name = "TOML", default_value = "[]")]
    pub transform: String,
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
    /// What an undecodable input does.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"])]
    on_bad_input: String,
    /// What a NaN or infinite activation does.
    #[arg(long, value_name = "WHAT", default_value = "error", value_parser = ["error", "ignore"])]
    non_finite: String,
}

impl Measuring {
    /// The same as a test would declare it.
    pub fn declaration(&self, name: &str) -> Result<Declaration> {
        let asked = Asked {
            model: &self.model,
            data: &self.data,
            profile: self.profile.as_deref(),
            untrusted: self.untrusted.as_deref(),
            transform: &self.transform,
            batch: self.batch,
            options: &self.options,
        };
        let mut declaration = asked.declaration(name)?;
        declaration.layers = self.layers.parse::<Selector>()?;
        declaration.neurons = if self.neurons == "unit" { NeuronKind::Unit } else { NeuronKind::Channel };
        declaration.non_finite = if self.non_finite == "ignore" { NonFinite::Ignore } else { NonFinite::Error };
        declaration.data.on_bad_input = if self.on_bad_input == "skip" { OnBadInput::Skip } else { OnBadInput::Fail };
        Ok(declaration)
    }

    /// The command that measures this criterion in the same way on other data.
    pub fn on_other_data(&self, data: &Path, criterion: &str) -> String {
        let mut words = vec!["cargo cleanai measure".to_owned()];
        let mut option = |name: &str, value: &str, default: &str| {
            if value != default {
                words.push(format!("{name} {}", quoted(value)));
            }
        };
        option("--model", &self.model.display().to_string(), "");
        option("--data", &data.display().to_string(), "");
        option("--profile", self.profile.as_deref().unwrap_or_default(), "");
        option("--transform", &self.transform, "[]");
        option("--layers", &self.layers, "default");
        option("--neurons", &self.neurons, "channel");
        option("--batch", &self.batch.to_string(), &DEFAULT_BATCH.to_string());
        option("--criterion", criterion, "");
        words.join(" ")
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "-_./:=@,+".contains(sign);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
