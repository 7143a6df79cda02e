//! `cargo cleanai explain`: its arguments, and the same for the engine.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{Opening, device, option};

/// `cargo cleanai explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai explain lenet5.pt --data data/test --out pictures \\
      --transform '[{ resize = [28, 28] }, \"grayscale\", \"scale\"]'
  cargo cleanai explain lenet5.pt --data t10k.idx.gz --out pictures --inputs 7,12 --relevance z_plus --layer 'conv*'

Each picture shows the input, the relevance of its pixels, and that relevance over the input: red speaks for the predicted class,
blue against it. relevance.json has the most relevant neurons of the chosen layers. Inputs that are no pictures are in it alone.")]
pub struct Explain {
    /// A TorchScript (.pt) or torch.export (.pt2) file
    pub model: PathBuf,
    /// The inputs: an image folder, .npy, .npz or idx[.gz] file; #A..B takes a range of them
    #[arg(long, value_name = "DATA")]
    pub data: String,
    /// The folder to write to: a PNG for each input, named by its number and name, and relevance.json
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// Inputs by name or by number from 0 on, with commas between them (the first ones if not given)
    #[arg(long = "inputs", value_name = "NAME_OR_INDEX")]
    pub chosen: Vec<String>,
    /// How many inputs where none is named (8 if not given)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: Option<u32>,
    /// The steps from a file to a model input, as in cleanai.toml: '[{ resize = [28, 28] }, "grayscale", "scale"]'
    #[arg(long, value_name = "TOML")]
    pub transform: Option<String>,
    /// The rule that shares relevance among the inputs of operators with weights (epsilon if not given)
    #[arg(long, value_name = "RULE", value_parser = ["epsilon", "gamma", "alpha_beta", "z_plus"])]
    pub relevance: Option<String>,
    /// The rule's stabiliser, relative to the largest value of a node (0.01 if not given)
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub eps: Option<f64>,
    /// A layer whose most relevant neurons are listed, or a glob like 'conv*'; once for each (penultimate if not given)
    #[arg(long = "layer", value_name = "SELECTOR")]
    pub layers: Vec<String>,
    /// Where to run the model: cpu, cuda, cuda:N, or auto (a GPU if there is one)
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub device: Option<String>,
    #[command(flatten)]
    pub opening: Opening,
    /// What to do about an input that cannot be decoded: fail, or skip it
    #[arg(long, value_name = "POLICY", value_parser = ["fail", "skip"])]
    pub on_bad_input: Option<String>,
}

impl Explain {
    /// The same request for the engine.
    pub fn forward(&self) -> Vec<OsString> {
        let mut words = vec!["explain".into(), self.model.clone().into_os_string()];
        option(&mut words, "--data", Some(&self.data));
        option(&mut words, "--out", Some(&self.out));
        for input in &self.chosen {
            option(&mut words, "--inputs", Some(input));
        }
        option(&mut words, "--count", self.count.map(|n| n.to_string()).as_ref());
        option(&mut words, "--transform", self.transform.as_ref());
        option(&mut words, "--relevance", self.relevance.as_ref());
        option(&mut words, "--eps", self.eps.map(|x| x.to_string()).as_ref());
        for layer in &self.layers {
            option(&mut words, "--layer", Some(layer));
        }
        option(&mut words, "--device", self.device.as_ref());
        self.opening.forward(&mut words);
        option(&mut words, "--on-bad-input", self.on_bad_input.as_ref());
        words
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::arguments::{Arguments, Command};

    #[test]
    fn it_is_forwarded_word_for_word() {
        let line = "x explain m.pt --data d#0..5 --out o --inputs 7,a.png --inputs b --relevance gamma --eps 0.1 --layer conv1 --layer fc";
        let Command::Explain(explain) = Arguments::parse_from(line.split_whitespace()).command else { panic!() };
        let expected = "explain m.pt --data=d#0..5 --out=o --inputs=7,a.png --inputs=b --relevance=gamma --eps=0.1 --layer=conv1 --layer=fc";
        assert_eq!(explain.forward(), expected.split_whitespace().collect::<Vec<_>>());
        for wrong in ["x explain m.pt --data d", "x explain m.pt --data d --out o --count 0"] {
            assert_eq!(Arguments::try_parse_from(wrong.split_whitespace()).unwrap_err().exit_code(), 2);
        }
    }
}
