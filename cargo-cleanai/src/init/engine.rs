//! What the engine says of models and data; it is asked in JSON.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::process;

use super::build::Build;

/// A model, as `inspect` describes it.
#[derive(Debug, Deserialize)]
pub struct Model {
    model: Facts,
    /// Its inputs.
    pub inputs: Vec<Leaf>,
    tried: Vec<Tried>,
    /// The shapes of its outputs for the batch that was tried; none if it did not run.
    pub outputs: Vec<Vec<i64>>,
    layers: Vec<Layer>,
    input: Option<Origin>,
}

#[derive(Debug, Deserialize)]
struct Facts {
    format: String,
    parameters: u64,
}

/// One tensor that a model takes.
#[derive(Debug, Deserialize)]
pub struct Leaf {
    /// Its name.
    pub name: String,
    /// Whether it must be given.
    pub required: bool,
}

#[derive(Debug, Deserialize)]
struct Tried {
    shape: Vec<usize>,
}

#[derive(Debug, Deserialize)]
struct Layer {}

#[derive(Debug, Deserialize)]
struct Origin {
    source: String,
}

impl Model {
    /// The shape of one input, if the model takes one and runs on it.
    pub fn input(&self) -> Option<&[usize]> {
        match &self.tried[..] {
            [only] if self.runs() => Some(&only.shape),
            _ => None,
        }
    }

    /// Whether the shape of the input was found by trying, so that it may be another.
    pub fn is_assumed(&self) -> bool {
        self.input.as_ref().is_some_and(|input| input.source.starts_with("assumed"))
    }

    /// Whether it takes more than one input.
    pub fn takes_several(&self) -> bool {
        self.inputs.iter().filter(|input| input.required).count() > 1
    }

    /// Whether it ran.
    pub fn runs(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// How many classes it tells apart, if its first output is of a classifier's shape.
    pub fn classes(&self) -> Option<i64> {
        match self.outputs.first().map(Vec::as_slice) {
            Some([_, classes]) if *classes >= 2 => Some(*classes),
            _ => None,
        }
    }

    /// In a few words: `TorchScript, 61706 parameters, 9 layers, input (N, 1, 28, 28)`.
    pub fn describe(&self) -> String {
        let input = match self.input() {
            Some(shape) => format!("input {}", batched(shape)),
            None if self.takes_several() => format!("{} inputs", self.inputs.len()),
            None => "input of unknown shape".to_string(),
        };
        let Facts { format, parameters } = &self.model;
        let format = match &**format {
            "torchscript" => "TorchScript",
            "torch.export" => "torch.export",
            other => other,
        };
        format!("{format}, {parameters} parameters, {} layers, {input}", self.layers.len())
    }
}

/// `(N, 1, 28, 28)`
pub fn batched(shape: &[usize]) -> String {
    let sizes: Vec<String> = ["N".to_string()].into_iter().chain(shape.iter().map(usize::to_string)).collect();
    format!("({})", sizes.join(", "))
}

/// A data set, as `data` describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Data {
    /// Why it cannot be opened; then nothing else is known.
    pub error: Option<String>,
    /// How many inputs.
    pub inputs: usize,
    /// What every input consists of.
    pub fields: Vec<Field>,
    /// Whether values are whole numbers of 8 bits, as pixels are.
    pub eight_bit: bool,
    /// Whether the inputs of the sample are of one shape.
    pub one_shape: bool,
    /// How many classes, if there are labels.
    pub classes: Option<usize>,
    /// The least label.
    pub lowest_label: Option<i64>,
    /// The largest label.
    pub highest_label: Option<i64>,
    /// A manifest of some inputs.
    pub sample: Option<String>,
}

/// One array, or the images.
#[derive(Debug, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The shape of one input.
    pub shape: Vec<usize>,
}

impl Data {
    /// `300 inputs of 10 classes`
    pub fn describe(&self) -> String {
        let classes = self.classes.map(|classes| format!(" of {classes} classes")).unwrap_or_default();
        format!("{} inputs{classes}", self.inputs)
    }

    /// Whether the labels are classes that a model of so many can be right about.
    pub fn labels_fit(&self, classes: Option<i64>) -> bool {
        match (self.lowest_label, self.highest_label, classes) {
            (Some(lowest), Some(highest), Some(classes)) => lowest >= 0 && highest < classes,
            _ => false,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Measured {
    criteria: BTreeMap<String, Figure>,
}

#[derive(Debug, Deserialize)]
struct Figure {
    value: Option<f64>,
}

/// What the engine refused, in its own words.
#[derive(Debug)]
pub struct Refused {
    /// What it wrote.
    pub said: String,
    /// Its exit code.
    pub code: u8,
}

/// The engine, built when it is first asked.
pub struct Engine<'a> {
    build: Build<'a>,
    folder: PathBuf,
    ready: Option<Command>,
}

impl<'a> Engine<'a> {
    /// The engine of this build, to be run in a folder.
    pub fn new(build: Build<'a>, folder: &Path) -> Engine<'a> {
        Engine { build, folder: folder.into(), ready: None }
    }

    /// Looks into a model.
    pub fn inspect(&mut self, model: &str) -> Result<Result<Model, Refused>> {
        self.inspect_with(model, None)
    }

    /// Looks into a model that shall take inputs of a shape.
    pub fn inspect_with(&mut self, model: &str, shape: Option<&[usize]>) -> Result<Result<Model, Refused>> {
        let mut words = vec!["inspect".into(), "--json=-".into()];
        if let Some(shape) = shape {
            let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
            words.push(format!("--input-shape={}", sizes.join(",")).into());
        }
        words.extend(["--".into(), model.into()]);
        let folder = self.folder.clone();
        self.ask(&folder, &words)
    }

    /// Looks at what lies at some locations of a folder, and leaves a sample of each in another.
    pub fn data(&mut self, folder: &Path, locations: &[String], samples: &Path) -> Result<Result<Vec<Data>, Refused>> {
        let mut option = OsString::from("--samples=");
        option.push(samples);
        let words: Vec<OsString> =
            ["data".into(), option, "--".into()].into_iter().chain(locations.iter().map(OsString::from)).collect();
        self.ask(folder, &words)
    }

    /// How many inputs a model is right about, and how many it is sure of, as shares; nothing if it cannot be measured so.
    pub fn right_and_sure(&mut self, model: &str, data: &str, transform: &str) -> Result<Option<(f64, f64)>> {
        const SURE: &str = "high_confidence(threshold=0.9)";
        let words = [
            "measure".into(),
            format!("--model={model}").into(),
            format!("--data={data}").into(),
            format!("--transform={transform}").into(),
            "--criterion=accuracy".into(),
            format!("--criterion={SURE}").into(),
            "--json=-".into(),
        ];
        let folder = self.folder.clone();
        let measured: Option<Measured> = self.ask(&folder, &words)?.ok();
        Ok(measured.and_then(|measured| {
            let value = |criterion: &str| measured.criteria.get(criterion)?.value;
            Some((value("accuracy")?, value(SURE).unwrap_or(0.0)))
        }))
    }

    fn ask<T: DeserializeOwned>(&mut self, folder: &Path, words: &[OsString]) -> Result<Result<T, Refused>> {
        let mut command = self.command()?;
        command.current_dir(folder).args(words).stdin(Stdio::null());
        let output = command.output().map_err(|source| Error::Start { program: process::name(&command), source })?;
        // `inspect` tells of a model that does not run as well, and then fails.
        match serde_json::from_slice(&output.stdout) {
            Ok(answer) => Ok(Ok(answer)),
            Err(why) => {
                let said = String::from_utf8_lossy(&output.stderr).trim_end().to_string();
                let said =
                    if said.is_empty() { format!("error: the engine's answer cannot be read: {why}") } else { said };
                let code = match process::exit_code(output.status) {
                    0 => 1,
                    code => code,
                };
                Ok(Err(Refused { said, code }))
            }
        }
    }

    /// A command that starts it; what it takes to build it is done once.
    fn command(&mut self) -> Result<Command> {
        let ready = match self.ready.take() {
            Some(ready) => ready,
            None => self.build.command()?,
        };
        let mut command = Command::new(ready.get_program());
        command.args(ready.get_args());
        for (name, value) in ready.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.ready = Some(ready);
        Ok(command)
    }
}
