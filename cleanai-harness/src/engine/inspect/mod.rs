//! `inspect`: what is in a model.

mod json;
mod text;

use std::path::PathBuf;

use crate::declare::Selector;
use crate::model::signature::{self, ElementType};
use crate::model::{LayerInfo, Model};
use crate::{Error, ErrorKind, Result, report};
use clap::Args;

use crate::engine::model::ModelArguments;

/// Arguments of `inspect`; `cargo cleanai inspect --help` describes them.
#[derive(Args)]
pub struct Inspect {
    /// The model, `.pt` or `.pt2`.
    model: PathBuf,
    #[command(flatten)]
    options: ModelArguments,
    /// Shape of one input, for example `1,28,28`, or `tokens=16` once for each input of a model that takes several; taken from the
    /// file, or found out by trying, where that can be.
    #[arg(long = "input-shape", value_name = "SHAPE")]
    input_shapes: Vec<String>,
    /// Writes what was found as JSON here; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Sides of square images people train on.
const SIDES: &[usize] = &[28, 32, 64, 96, 128, 160, 224, 256, 299, 512, 16, 8];
/// Lengths of sequences of tokens.
const LENGTHS: &[usize] = &[16, 8, 4, 32, 64, 128, 512];

/// Numbers of features beyond those tried one by one.
const WIDTHS: &[usize] = &[256, 512, 768, 784, 1024, 2048, 3072];

/// What is known of the model's inputs.
pub struct Inputs {
    pub shapes: Vec<(String, Vec<usize>)>,
    pub source: &'static str,
}

/// Everything `inspect` shows.
pub struct Findings {
    pub model: Model,
    pub inputs: Option<Inputs>,
    pub layers: Option<Vec<LayerInfo>>,
    pub outputs: Vec<Vec<i64>>,
    pub selectors: Vec<(String, Vec<String>)>,
}

impl Inspect {
    /// Prints what was found and writes the JSON.
    pub fn run(&self) -> Result<()> {
        let mut model = Model::open_with(&self.model, &self.options.options()?)?;
        let given = self.given(&model)?;
        let (inputs, layers, failed) = match given.or_else(|| told(&model)) {
            Some(inputs) => match model.calibrate_on_shapes(&inputs.shapes) {
                Ok(layers) => (Some(inputs), Some(layers), None),
                Err(error) => (Some(inputs), None, Some(error)),
            },
            None => guess(&mut model),
        };
        let outputs = match (&inputs, &layers) {
            (Some(inputs), Some(_)) => model.output_shapes(&inputs.shapes)?,
            _ => Vec::new(),
        };
        let selectors = selectors(&model);
        let findings = Findings { model, inputs, layers, outputs, selectors };
        let to_output = self.json.as_ref().is_some_and(|path| path.as_os_str() == "-");
        if !to_output {
            text::print(&findings);
        }
        if let Some(path) = &self.json {
            let text = json::text(&findings)?;
            if to_output {
                anstream::println!("{text}");
            } else {
                report::file::write(path, text.as_bytes())?;
                anstream::println!("\nwritten to {}", path.display());
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Shapes of the command line.
    fn given(&self, model: &Model) -> Result<Option<Inputs>> {
        if self.input_shapes.is_empty() {
            return Ok(None);
        }
        let leaves = signature::leaves(&model.graph().signature);
        let first = leaves.first().map_or("x", |leaf| leaf.name.as_str());
        let shapes = self.input_shapes.iter().map(|text| {
            let (name, sizes) = text.split_once('=').unwrap_or((first, text));
            let sizes: std::result::Result<Vec<usize>, _> = match sizes.trim() {
                // An input that is one number.
                "" => Ok(Vec::new()),
                sizes => sizes.split(',').map(|size| size.trim().parse()).collect(),
            };
            let sizes = sizes.map_err(|_| {
                Error::new(ErrorKind::Configuration, format!("--input-shape {text} is no shape"))
                    .with_help("write sizes with commas between them, 1,28,28, or tokens=16 for an input by its name")
            })?;
            Ok((name.to_owned(), sizes))
        });
        Ok(Some(Inputs { shapes: shapes.collect::<Result<_>>()?, source: "given" }))
    }
}

/// Shapes the file tells.
fn told(model: &Model) -> Option<Inputs> {
    let leaves = signature::leaves(&model.graph().signature);
    let shapes = leaves.iter().filter(|leaf| leaf.required).map(|leaf| {
        let shape = leaf.tensor.shape.as_ref()?.get(1..)?;
        Some((leaf.name.clone(), shape.iter().copied().collect::<Option<Vec<usize>>>()?))
    });
    let shapes = shapes.collect::<Option<Vec<_>>>().filter(|shapes| !shapes.is_empty());
    let shapes = shapes.or_else(|| {
        let [only] = &leaves[..] else { return None };
        Some(vec![(only.name.clone(), model.graph().input_shape.clone()?)])
    });
    Some(Inputs { shapes: shapes?, source: "from the file" })
}

/// Tries usual shapes until one runs; the error of the first where there is nothing to try.
fn guess(model: &mut Model) -> (Option<Inputs>, Option<Vec<LayerInfo>>, Option<Error>) {
    let leaves = signature::leaves(&model.graph().signature);
    let required: Vec<_> = leaves.iter().filter(|leaf| leaf.required).collect();
    let [only] = required[..] else { return (None, None, None) };
    let (name, whole) = (only.name.clone(), only.tensor.element.is_some_and(ElementType::is_integer));
    let images = SIDES.iter().flat_map(|side| [1, 3].map(|channels| vec![channels, *side, *side]));
    let vectors = (1..=128).chain(WIDTHS.iter().copied()).map(|width| vec![width]);
    let candidates: Vec<Vec<usize>> =
        if whole { LENGTHS.iter().map(|length| vec![*length]).collect() } else { images.chain(vectors).collect() };
    for shape in candidates {
        let shapes = vec![(name.clone(), shape)];
        if let Ok(layers) = model.calibrate_on_shapes(&shapes) {
            let source = "assumed: it runs; give --input-shape if it is another";
            return (Some(Inputs { shapes, source }), Some(layers), None);
        }
    }
    (None, None, None)
}

/// What the usual selectors take.
fn selectors(model: &Model) -> Vec<(String, Vec<String>)> {
    let mut classes: Vec<&str> = model.layers().iter().map(|layer| layer.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let all = [("default".to_owned(), Selector::Default), ("penultimate".to_owned(), Selector::Penultimate)]
        .into_iter()
        .chain([("logits".to_owned(), Selector::Logits)])
        .chain(classes.iter().map(|class| (format!("class:{class}"), Selector::Class((*class).to_owned()))));
    let names = |indices: Vec<usize>| indices.into_iter().map(|index| model.layers()[index].name.clone()).collect();
    all.map(|(text, selector)| (text, model.select(&selector).map(names).unwrap_or_default())).collect()
}
