//! `data`: what lies at places that may be data, for `cargo cleanai init`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::data::DataSet;
use crate::data::transform::TransformStep;
use crate::declare::{DataLocation, OnBadInput};
use crate::{Error, ErrorKind, Result, report};
use clap::Args;
use serde_json::{Value, json};

/// Arguments of `data`.
#[derive(Args)]
pub struct Data {
    /// Image folders, `.npz`, `.npy` and idx files and manifests (`.csv`), each as in cleanai.toml.
    #[arg(required = true)]
    locations: Vec<String>,
    /// Writes a manifest of some inputs of each here: `0.csv` for the first, `1.csv` for the second.
    #[arg(long, value_name = "FOLDER")]
    samples: Option<PathBuf>,
    /// How many inputs a sample has at most; they are spread evenly over the data.
    #[arg(long, value_name = "N", default_value_t = 256)]
    sample_size: usize,
}

impl Data {
    /// Prints an array of JSON with an element for every location, in their order.
    pub fn run(&self) -> Result<()> {
        let root = std::env::current_dir()
            .map_err(|why| Error::new(ErrorKind::Io, format!("the current folder cannot be found: {why}")))?;
        let described = self.locations.iter().enumerate().map(|(number, location)| {
            self.describe(number, location, &root)
                .unwrap_or_else(|error| json!({ "location": location, "error": error.what(), "help": error.help() }))
        });
        anstream::println!("{}", Value::from_iter(described));
        Ok(())
    }

    /// One location; what the files tell of it without a transform.
    fn describe(&self, number: usize, location: &str, root: &Path) -> Result<Value> {
        let open = |path: &str, transform: &[TransformStep]| {
            DataSet::open(&DataLocation { path: path.to_owned(), root: root.to_owned() }, transform, OnBadInput::Skip)
        };
        let set = open(location, &[])?;
        let labels = set.labels().map(|labels| labels.iter().copied().collect::<BTreeSet<i64>>());
        let (mut sample, mut one_shape) = (None, true);
        if let Some(folder) = &self.samples {
            let file = folder.join(format!("{number}.csv"));
            let decodable = set.len() - set.skipped().len();
            report::file::write(&file, &set.manifest(&spread(decodable, self.sample_size), &[], &file)?)?;
            let path = file.display().to_string();
            // Shapes are looked at where the model's would be: batches are of one shape.
            one_shape = open(&path, &[])?.batches(1).all(|batch| batch.is_ok());
            sample = Some(path);
        }
        let fields = set.fields().iter();
        Ok(json!({
            "location": location,
            "inputs": set.len(),
            "fields": fields
                .map(|field| json!({ "name": field.name, "shape": field.shape, "integer": field.integer }))
                .collect::<Vec<_>>(),
            // Only whole numbers of 8 bits can be scaled.
            "eight_bit": open(location, &[TransformStep::Scale]).is_ok(),
            "one_shape": one_shape,
            "classes": labels.as_ref().map(BTreeSet::len),
            "lowest_label": labels.as_ref().and_then(BTreeSet::first),
            "highest_label": labels.as_ref().and_then(BTreeSet::last),
            "sample": sample,
        }))
    }
}

/// At most `size` of `inputs` positions, evenly spread.
fn spread(inputs: usize, size: usize) -> Vec<usize> {
    let size = size.clamp(1, inputs);
    (0..size).map(|step| step * inputs / size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_and_never_repeat() {
        assert_eq!(spread(3, 256), [0, 1, 2]);
        assert_eq!(spread(10, 5), [0, 2, 4, 6, 8]);
        assert_eq!(spread(1, 0), [0]);
        for inputs in 1..50 {
            let places = spread(inputs, 7);
            assert!(places.len() == inputs.min(7) && places.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(places.iter().all(|place| *place < inputs));
        }
    }
}
