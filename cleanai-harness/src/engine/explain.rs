//! `explain`: heat maps of single inputs, and the neurons their predicted class is made of.

use std::path::PathBuf;

use crate::declare::{DEFAULT_BATCH, Declaration, OnBadInput, Selector};
use crate::importance::{Rule, Rules};
use crate::measure::{self, Explanation, Request};
use crate::{Result, report};
use clap::Args;
use serde_json::{Value, json};

use crate::engine::asked::Asked;
use crate::engine::model::ModelArguments;

/// Characters of an input's name that its file has.
const LONGEST: usize = 80;

/// Arguments of `explain`; `cargo cleanai explain --help` describes them.
#[derive(Args)]
pub struct Explain {
    /// The model, `.pt` or `.pt2`.
    model: PathBuf,
    /// The inputs: an image folder, `.npz`, `.npy` or idx, with an optional range `#0..500`.
    #[arg(long, value_name = "DATA")]
    data: String,
    /// The folder to write to.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Inputs by name or by number from 0 on, with commas between them; may be given several times.
    #[arg(long = "inputs", value_name = "NAME_OR_INDEX")]
    chosen: Vec<String>,
    /// Where no input is named: so many, from the first on.
    #[arg(long, value_name = "N", default_value_t = 8)]
    count: usize,
    /// Steps applied to each input, as in cleanai.toml: `["grayscale", { normalize = { mean = [0.5], std = [0.5] } }]`.
    #[arg(long, value_name = "TOML", default_value = "[]")]
    transform: String,
    /// The rule that shares relevance among the inputs of operators with weights.
    #[arg(long, value_name = "RULE", default_value = "epsilon", value_parser = Rule::NAMES.to_vec())]
    relevance: String,
    /// The stabiliser of the rule.
    #[arg(long, value_name = "X", default_value_t = Rules::default().eps, allow_negative_numbers = true)]
    eps: f64,
    /// A layer whose most relevant neurons are listed; may be given several times.
    #[arg(long = "layer", value_name = "SELECTOR", default_value = "penultimate")]
    layers: Vec<String>,
    #[command(flatten)]
    options: ModelArguments,
    /// What an undecodable input does.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"])]
    on_bad_input: String,
}

impl Explain {
    /// Explains, writes a picture of each input and one JSON of all.
    pub fn run(&self) -> Result<()> {
        let mut rules = Rules::default();
        (rules.rule, rules.eps) = (Rule::named(&self.relevance).unwrap_or_default(), self.eps);
        let request = Request {
            inputs: self.chosen.clone(),
            count: self.count,
            layers: Selector::Any(self.layers.iter().map(|text| text.parse()).collect::<Result<_>>()?),
            rules,
        };
        let (mut inputs, mut without): (Vec<Value>, usize) = (Vec::new(), 0);
        let model = measure::explain(&self.declaration()?, &request, &mut |found| {
            let file = found.picture.as_ref().map(|_| file_name(found.index, &found.name));
            let said = said(&found);
            match (&found.picture, &file) {
                (Some(picture), Some(file)) => {
                    let path = self.out.join(file);
                    report::file::write(&path, &picture.png)?;
                    anstream::println!("{}  {said}", path.display());
                }
                _ => {
                    without += 1;
                    anstream::println!("{}  {said}", found.name);
                }
            }
            inputs.push(json!({
                "index": found.index, "name": found.name, "label": found.label, "class": found.class,
                "logit": found.logit, "file": file, "layers": found.layers,
            }));
            Ok(())
        })?;
        let all = json!({
            "schema": 1,
            "model": { "path": model.path, "sha256": model.sha256 },
            "data": self.data, "transform": self.transform, "relevance": self.relevance, "eps": self.eps,
            "inputs": inputs,
        });
        let path = self.out.join("relevance.json");
        report::file::write(&path, format!("{all:#}\n").as_bytes())?;
        anstream::println!("{}", path.display());
        if without > 0 {
            anstream::println!(
                "\nnote: {without} of {} inputs have no picture: pictures have the shape (C, H, W) or (H, W) after the transform",
                inputs.len()
            );
        }
        if without < inputs.len() {
            anstream::println!("\nRed speaks for the class, blue against it, white is irrelevant.");
        }
        anstream::println!(
            "Next: --inputs names other inputs, --layer other layers; `idc(m=6)` in a test or in `cargo cleanai measure` says how \
             thoroughly inputs combine what the most relevant neurons do."
        );
        Ok(())
    }

    fn declaration(&self) -> Result<Declaration> {
        let asked = Asked {
            model: &self.model,
            data: &self.data,
            profile: None,
            untrusted: None,
            transform: &self.transform,
            batch: DEFAULT_BATCH,
            options: &self.options,
        };
        let mut declaration = asked.declaration("explain")?;
        declaration.data.on_bad_input = if self.on_bad_input == "skip" { OnBadInput::Skip } else { OnBadInput::Fail };
        Ok(declaration)
    }
}

/// `class 3, logit 9.41 (label 5)`.
fn said(found: &Explanation) -> String {
    let class = found.class.as_ref().map_or_else(|| "output".to_owned(), |class| format!("class {class}, logit"));
    let label = found.label.as_ref().map_or_else(String::new, |label| format!(" (label {label})"));
    format!("{class} {:.4}{label}", found.logit)
}

/// `0007_cat_1.png` for `cat/1.jpg`, input number 7.
pub fn file_name(index: usize, name: &str) -> String {
    let endings = [".png", ".jpg", ".jpeg"];
    let lower = name.to_ascii_lowercase();
    let ending = endings.iter().find(|ending| lower.ends_with(**ending)).map_or(0, |ending| ending.len());
    let plain = |it: char| if it.is_alphanumeric() || matches!(it, '-' | '_') { it } else { '_' };
    let name: String = name[..name.len() - ending].chars().take(LONGEST).map(plain).collect();
    format!("{index:04}_{name}.png")
}
