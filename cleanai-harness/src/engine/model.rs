//! What all commands take about the model itself; the keys of `[models.NAME]` as arguments.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::declare::{InputChoice, ModelOptions, StateChoice};
use crate::model::signature::ElementType;
use crate::{Error, ErrorKind, Result};
use clap::Args;

/// Arguments that say how a model is opened.
#[derive(Args)]
pub struct ModelArguments {
    /// `auto`, `cpu`, `cuda` or `cuda:1`.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// A library that brings operators, loaded before the model; may be given several times.
    #[arg(long = "library", value_name = "FILE")]
    libraries: Vec<PathBuf>,
    /// Lets the model's code call operators that read and write files.
    #[arg(long)]
    allow_files: bool,
    /// What a batch starts with where runs change the model's state: `fresh` or `keep`.
    #[arg(long, value_name = "STATE", default_value = "fresh", value_parser = ["fresh", "keep"])]
    state: String,
    /// The element type of an input, `tokens=int64`; may be given several times.
    #[arg(long = "input", value_name = "NAME=TYPE")]
    inputs: Vec<String>,
}

impl ModelArguments {
    /// The same as options of the harness.
    pub fn options(&self) -> Result<ModelOptions> {
        let mut inputs = BTreeMap::new();
        for text in &self.inputs {
            let (name, kind) = text.split_once('=').unwrap_or(("", text));
            let known = ElementType::NAMES.iter().find(|(word, _)| *word == kind);
            let Some((_, element)) = known.filter(|_| !name.is_empty()) else {
                let words = ElementType::NAMES.map(|(word, _)| word).join(", ");
                return Err(Error::new(ErrorKind::Configuration, format!("--input {text} is not NAME=TYPE"))
                    .with_help(format!("a type is one of {words}, as in tokens=int64")));
            };
            inputs.insert(name.to_owned(), InputChoice { element: Some(*element), batch: None });
        }
        Ok(ModelOptions {
            device: self.device.parse()?,
            libraries: self.libraries.clone(),
            allow_files: self.allow_files,
            state: if self.state == "keep" { StateChoice::Keep } else { StateChoice::Fresh },
            inputs,
            axes: Vec::new(),
        })
    }
}
