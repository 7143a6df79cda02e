//! `augment`: inputs made of a data set by noise or an attack, as files with a manifest.

mod files;

use std::path::PathBuf;

use crate::declare::{DEFAULT_BATCH, Declaration, OnBadInput};
use crate::measure::Synthesis;
use crate::synthesis::Augmentation;
use crate::{Error, ErrorKind, Result};
use clap::Args;

use crate::engine::asked::Asked;
use crate::engine::model::ModelArguments;
use files::{Files, Form};

/// Arguments of `augment`; `cargo cleanai augment --help` describes them.
#[derive(Args)]
pub struct Augment {
    /// The model, `.pt` or `.pt2`.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The inputs: an image folder, `.npz`, `.npy` or idx, with an optional range `#0..500`.
    #[arg(long, value_name = "DATA")]
    data: String,
    /// What is made of them: `fgsm(eps=0.3)`.
    #[arg(long, value_name = "ATTACK")]
    attack: String,
    /// The folder to write to; it must not be there yet.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Steps applied to each input, as in cleanai.toml: `["grayscale", { normalize = { mean = [0.5], std = [0.5] } }]`.
    #[arg(long, value_name = "TOML", default_value = "[]")]
    transform: String,
    /// What inputs are written as.
    #[arg(long, value_name = "FORM", value_parser = ["png", "npz"])]
    format: Option<String>,
    /// Inputs per forward pass.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_BATCH)]
    batch: usize,
    #[command(flatten)]
    options: ModelArguments,
    /// What an undecodable input does.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = ["fail", "skip"])]
    on_bad_input: String,
}

impl Augment {
    /// Makes the inputs and writes them.
    pub fn run(&self) -> Result<()> {
        let augmentation: Augmentation = self.attack.parse()?;
        Files::check(&self.out)?;
        let mut synthesis = Synthesis::open(&self.declaration()?, &augmentation)?;
        let form = self.form(&synthesis)?;
        let mut files = Files::start(&self.out, &augmentation, &synthesis, form)?;
        let classes: Vec<String> = synthesis.classes().unwrap_or_default().to_vec();
        let folder = |label: i64| {
            usize::try_from(label).ok().and_then(|at| classes.get(at)).cloned().unwrap_or_else(|| label.to_string())
        };
        synthesis.each(form == Form::Pictures, &mut |made| {
            let class = made.label.map(folder);
            files.add(&made, class.as_deref())
        })?;
        let totals = files.finish()?;
        let (all, out) = (totals.inputs as f64, self.out.display());
        anstream::println!("{augmentation}: {} of {} inputs succeed", totals.successes, totals.inputs);
        anstream::println!(
            "distortion in lengths of the data's range, means: L2 {:.4}, L-infinity {:.4}",
            totals.euclidean / all,
            totals.largest / all
        );
        anstream::println!("written to {out}, {out}/manifest.csv lists them");
        let data = match form {
            Form::Pictures => out.to_string(),
            Form::Arrays => format!("{out}/inputs.npz"),
        };
        anstream::println!(
            "Next: cargo cleanai measure --model {} --data {data} --transform '{}' --criterion accuracy",
            self.model.display(),
            synthesis.transform()
        );
        Ok(())
    }

    fn form(&self, synthesis: &Synthesis) -> Result<Form> {
        match (self.format.as_deref(), synthesis.channels()) {
            (Some("npz"), _) | (None, None) => Ok(Form::Arrays),
            (_, Some(channels)) => {
                debug_assert!(channels == 1 || channels == 3);
                Ok(Form::Pictures)
            }
            (Some(_), None) => {
                let what = format!(
                    "--format png is for inputs of the shape (1, H, W) or (3, H, W) from 0 to 1 before they are normalised; these have the shape {:?}",
                    synthesis.shape()
                );
                Err(Error::new(ErrorKind::Configuration, what).with_help("leave it out: they are written as .npz"))
            }
        }
    }

    fn declaration(&self) -> Result<Declaration> {
        let asked = Asked {
            model: &self.model,
            data: &self.data,
            untrusted: None,
            profile: None,
            transform: &self.transform,
            batch: self.batch,
            options: &self.options,
        };
        let mut declaration = asked.declaration("augment")?;
        declaration.data.on_bad_input = if self.on_bad_input == "skip" { OnBadInput::Skip } else { OnBadInput::Fail };
        Ok(declaration)
    }
}
