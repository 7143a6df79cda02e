//! `cargo cleanai augment`: its arguments, and the same for the engine.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{Opening, device, option};

/// `cargo cleanai augment`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo cleanai augment --model lenet5.pt --data data/test --out data/test-fgsm --attack 'fgsm(eps=0.3)' \\
      --transform '[{ resize = [28, 28] }, \"grayscale\", { normalize = { mean = 0.5, std = 0.5 } }]'
  cargo cleanai augment --model lenet5.pt --data t10k.idx.gz#..500 --out seven --attack 'cw(target=7)' --format npz

Attacks, with their defaults; each also takes target (a class, to be taken for it) and range (where data lies, [0, 1]):
  fgsm(eps=0.3, norm=\"inf\")
  bim(eps=0.3, step=0.05, iterations=10)
  pgd(eps=0.3, step=0.01, iterations=40, seed=0)
  jsma(theta=1, gamma=1)
  cw(confidence=0, learning_rate=5e-3, binary_search_steps=5, max_iterations=1000, abort_early=true, initial_const=1e-2)
Noise:
  gaussian(std=0.3, seed=0), random_pixels(share=0.02, std=0.3, seed=0), relevant_pixels(share=0.02, std=0.3, seed=0)

The folder has a PNG for each input, in the folder of its class, or inputs.npz with the arrays x and y. manifest.csv has a line for
each: input, parent, label, attack, success, distortion_l2 and distortion_linf, of what is in the file, in lengths of the range.
Inputs are written as they are before they are normalised. The folder appears once it is complete. To measure a test set together
with what is made of it, write augment = [{ fgsm = { eps = 0.3 } }] into its [data.NAME] in cleanai.toml.")]
pub struct Augment {
    /// A TorchScript (.pt) or torch.export (.pt2) file
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// The inputs: an image folder, .npy, .npz or idx[.gz] file; #A..B takes a range of them
    #[arg(long, value_name = "DATA")]
    pub data: String,
    /// What is made of them: an attack or noise with its parameters
    #[arg(long, value_name = "ATTACK")]
    pub attack: String,
    /// The folder to write to; it must not be there yet
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// The steps from a file to a model input, as in cleanai.toml: '[{ resize = [28, 28] }, "grayscale", "scale"]'
    #[arg(long, value_name = "TOML")]
    pub transform: Option<String>,
    /// What inputs are written as (png for images of one or three channels from 0 to 1, else npz)
    #[arg(long, value_name = "FORMAT", value_parser = ["png", "npz"])]
    pub format: Option<String>,
    /// Inputs per forward pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// Where to run the model: cpu, cuda, cuda:N, or auto (a GPU if there is one)
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub device: Option<String>,
    #[command(flatten)]
    pub opening: Opening,
    /// What to do about an input that cannot be decoded: fail, or skip it
    #[arg(long, value_name = "POLICY", value_parser = ["fail", "skip"])]
    pub on_bad_input: Option<String>,
}

impl Augment {
    /// The same request for the engine.
    pub fn forward(&self) -> Vec<OsString> {
        let mut words = vec!["augment".into()];
        option(&mut words, "--model", Some(&self.model));
        option(&mut words, "--data", Some(&self.data));
        option(&mut words, "--attack", Some(&self.attack));
        option(&mut words, "--out", Some(&self.out));
        option(&mut words, "--transform", self.transform.as_ref());
        option(&mut words, "--format", self.format.as_ref());
        option(&mut words, "--batch", self.batch.map(|n| n.to_string()).as_ref());
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
        let line = "x augment --model m.pt --data d#0..5 --attack bim(eps=0.1,step=0.02) --out o --format npz --batch 8 --device cpu --on-bad-input skip";
        let Command::Augment(augment) = Arguments::parse_from(line.split_whitespace()).command else { panic!() };
        let expected = "augment --model=m.pt --data=d#0..5 --attack=bim(eps=0.1,step=0.02) --out=o --format=npz --batch=8 --device=cpu --on-bad-input=skip";
        assert_eq!(augment.forward(), expected.split_whitespace().collect::<Vec<_>>());
        for wrong in [
            "x augment --model m.pt --data d --attack fgsm",
            "x augment --model m.pt --data d --out o",
            "x augment --model m.pt --data d --attack fgsm --out o --format gif",
        ] {
            assert_eq!(Arguments::try_parse_from(wrong.split_whitespace()).unwrap_err().exit_code(), 2);
        }
    }
}
