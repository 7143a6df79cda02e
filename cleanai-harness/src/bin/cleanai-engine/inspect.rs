//! `inspect`: what is in a model.

use std::path::PathBuf;

use anstyle::Style;
use clap::Args;
use cleanai_harness::declare::DeviceChoice;
use cleanai_harness::model::{LayerInfo, Model};
use cleanai_harness::{Error, ErrorKind, Result, report};

/// Arguments of `inspect`; `cargo cleanai inspect --help` describes them.
#[derive(Args)]
pub struct Inspect {
    /// The model, `.pt` or `.pt2`.
    model: PathBuf,
    /// `auto`, `cpu`, `cuda` or `cuda:1`.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Shape of one input, for example `1,28,28`; found out by trying where the file does not tell it.
    #[arg(long, value_name = "SHAPE", value_delimiter = ',')]
    input_shape: Option<Vec<usize>>,
    /// Writes what was found as JSON here; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Sides of square images people train on.
const SIDES: &[usize] = &[28, 32, 64, 96, 128, 160, 224, 256, 299, 512, 16, 8];

/// What is known of the model's input.
struct Input {
    shape: Vec<usize>,
    source: &'static str,
}

impl Inspect {
    /// Prints the layers and writes the JSON.
    pub fn run(&self) -> Result<()> {
        let device: DeviceChoice = self.device.parse()?;
        let mut model = Model::open(&self.model, device)?;
        let known = self.known_input(&model);
        let (input, layers) = match known {
            Some(input) => {
                let layers = model.layer_shapes(&input.shape)?;
                (Some(input), Some(layers))
            }
            None => guess(&mut model),
        };
        let print_json = self.json.as_ref().is_some_and(|path| path.as_os_str() == "-");
        if !print_json {
            self.print(&model, input.as_ref(), layers.as_deref());
        }
        if let Some(path) = &self.json {
            let text = json(&model, input.as_ref(), layers.as_deref())?;
            if print_json {
                anstream::println!("{text}");
            } else {
                report::file::write(path, text.as_bytes())?;
                anstream::println!("\nwritten to {}", path.display());
            }
        }
        Ok(())
    }

    fn known_input(&self, model: &Model) -> Option<Input> {
        if let Some(shape) = &self.input_shape {
            return Some(Input { shape: shape.clone(), source: "given" });
        }
        model.graph().input_shape.as_ref().map(|shape| Input { shape: shape.clone(), source: "from the file" })
    }

    fn print(&self, model: &Model, input: Option<&Input>, layers: Option<&[LayerInfo]>) {
        let bold = Style::new().bold();
        let dim = Style::new().dimmed();
        anstream::println!("{bold}{}{bold:#}  {}", model.path().display(), model.format());
        anstream::println!("sha256 {}", model.sha256());
        anstream::println!(
            "{} parameters, {} modules, {} layers",
            model.graph().parameters,
            model.graph().modules.len(),
            model.layers().len()
        );
        match input {
            Some(input) => anstream::println!("input (N, {}), {}", text(&input.shape), input.source),
            None => anstream::println!("input shape unknown: give --input-shape to see shapes and neurons"),
        }
        let name_width = model.layers().iter().map(|layer| layer.name.chars().count()).max().unwrap_or(0).max(5);
        anstream::println!(
            "\n{bold}{:>3}  {:name_width$}  {:14}  {:>9}  {:>10}  output{bold:#}",
            "#",
            "layer",
            "class",
            "channels",
            "units"
        );
        let (mut channels, mut units) = (0, 0);
        for (index, layer) in model.layers().iter().enumerate() {
            let info = layers.map(|layers| &layers[index]);
            let mark = if model.logits_layer() == Some(index) { "  logits" } else { "" };
            match info {
                Some(info) => {
                    channels += info.channels();
                    units += info.units();
                    let axis = if info.shape.len() > 1 {
                        format!(", channels on axis {}", info.channel_axis + 1)
                    } else {
                        String::new()
                    };
                    anstream::println!(
                        "{index:>3}  {:name_width$}  {:14}  {:>9}  {:>10}  (N, {}){dim}{axis}{mark}{dim:#}",
                        layer.name,
                        layer.class,
                        info.channels(),
                        info.units(),
                        text(&info.shape)
                    );
                }
                None => anstream::println!(
                    "{index:>3}  {:name_width$}  {:14}  {:>9}  {:>10}  ?{dim}{mark}{dim:#}",
                    layer.name,
                    layer.class,
                    "?",
                    "?"
                ),
            }
        }
        if layers.is_some() {
            anstream::println!("{bold}{:>3}  {:name_width$}  {:14}  {channels:>9}  {units:>10}{bold:#}", "", "all", "");
        }
    }
}

/// Tries the usual image shapes until one runs.
fn guess(model: &mut Model) -> (Option<Input>, Option<Vec<LayerInfo>>) {
    for side in SIDES {
        for channels in [1, 3] {
            let shape = vec![channels, *side, *side];
            if let Ok(layers) = model.layer_shapes(&shape) {
                return (
                    Some(Input { shape, source: "assumed: it runs; give --input-shape if it is another" }),
                    Some(layers),
                );
            }
        }
    }
    (None, None)
}

fn text(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn json(model: &Model, input: Option<&Input>, layers: Option<&[LayerInfo]>) -> Result<String> {
    let layers: Vec<serde_json::Value> = model
        .layers()
        .iter()
        .enumerate()
        .map(|(index, layer)| {
            let info = layers.map(|layers| &layers[index]);
            serde_json::json!({
                "name": layer.name, "class": layer.class, "operator": layer.operator,
                "shape": info.map(|info| &info.shape), "channel_axis": info.map(|info| info.channel_axis),
                "channels": info.map(LayerInfo::channels), "units": info.map(LayerInfo::units),
                "logits": model.logits_layer() == Some(index),
            })
        })
        .collect();
    let all = serde_json::json!({
        "schema": 1,
        "model": { "path": model.path(), "format": model.format(), "sha256": model.sha256(), "parameters": model.graph().parameters },
        "input": input.map(|input| serde_json::json!({ "shape": input.shape, "source": input.source })),
        "layers": layers,
    });
    serde_json::to_string_pretty(&all)
        .map_err(|why| Error::new(ErrorKind::Io, format!("the result cannot be written as JSON: {why}")))
}
