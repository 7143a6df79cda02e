//! What was found, for people.

use crate::model::LayerInfo;
use crate::model::signature::{Argument, ArgumentType, TensorType};
use anstyle::Style;

use super::Findings;

/// The most names shown of a long list.
const SHOWN: usize = 6;

/// Prints everything.
pub fn print(findings: &Findings) {
    let bold = Style::new().bold();
    let model = &findings.model;
    let graph = model.graph();
    anstream::println!("{bold}{}{bold:#}  {}", model.path().display(), model.format());
    anstream::println!("sha256 {}", model.sha256());
    anstream::println!(
        "{} parameters, {} modules, {} layers",
        graph.parameters,
        graph.modules.len(),
        model.layers().len()
    );
    let arguments = graph.signature.iter().map(argument).collect::<Vec<_>>().join(", ");
    anstream::println!("forward({arguments})");
    match &findings.inputs {
        Some(inputs) => {
            let shapes = inputs.shapes.iter().map(|(name, shape)| format!("{name} {}", batched(shape)));
            anstream::println!("input {}, {}", shapes.collect::<Vec<_>>().join(", "), inputs.source);
        }
        None => {
            anstream::println!("input shape unknown: give --input-shape to see shapes and neurons");
        }
    }
    if !findings.outputs.is_empty() {
        let outputs = findings.outputs.iter().map(|shape| format!("{shape:?}")).collect::<Vec<_>>();
        anstream::println!("output {} for the batch that was tried", outputs.join(", "));
    }
    match model.fixed_batch() {
        Some(1) if model.branches_on_data() => {
            anstream::println!("inputs are run one by one: branches or loops depend on the data")
        }
        Some(batch) => anstream::println!("runs batches of exactly {batch}: the file is fixed to it"),
        None => {}
    }
    let operators: Vec<String> = model.operators().into_iter().map(|(name, count)| format!("{count} {name}")).collect();
    anstream::println!("operators: {}", operators.join(", "));
    layers(findings);
    for left in model.left_out() {
        anstream::println!("left out: {}, {}", left.name, left.why);
    }
    anstream::println!("\n{bold}selector{bold:#}");
    for (text, names) in &findings.selectors {
        anstream::println!("  {text:24}  {}", summary(names));
    }
    anstream::println!("\n{bold}graph{bold:#}: each layer, and what it reads");
    for (layer, reads) in model.layers().iter().zip(model.reads()) {
        anstream::println!(
            "  {}  <-  {}",
            layer.name,
            if reads.is_empty() { "-".to_owned() } else { reads.join(" + ") }
        );
    }
}

fn layers(findings: &Findings) {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let model = &findings.model;
    let names = model.layers().iter().map(|layer| layer.name.chars().count());
    let width = names.max().unwrap_or(0).max(5);
    let class_width = model.layers().iter().map(|layer| layer.class.chars().count()).max().unwrap_or(0).max(14);
    anstream::println!(
        "\n{bold}{:>3}  {:width$}  {:class_width$}  {:>9}  {:>10}  output{bold:#}",
        "#",
        "layer",
        "class",
        "channels",
        "units"
    );
    let (mut channels, mut units) = (0, 0);
    for (index, layer) in model.layers().iter().enumerate() {
        let mark = if model.logits_layer() == Some(index) { "  logits" } else { "" };
        let (of_layer, shape) = match findings.layers.as_ref().map(|layers| &layers[index]) {
            Some(info) => {
                channels += info.channels();
                units += info.units();
                ((info.channels().to_string(), info.units().to_string()), shape(info))
            }
            None => (("?".to_owned(), "?".to_owned()), "?".to_owned()),
        };
        anstream::println!(
            "{index:>3}  {:width$}  {:class_width$}  {:>9}  {:>10}  {shape}{dim}{mark}{dim:#}",
            layer.name,
            layer.class,
            of_layer.0,
            of_layer.1
        );
    }
    if findings.layers.is_some() {
        anstream::println!(
            "{bold}{:>3}  {:width$}  {:class_width$}  {channels:>9}  {units:>10}{bold:#}",
            "",
            "all",
            ""
        );
    }
}

/// `(N, 6, 28, 28), channels on axis 1`
fn shape(info: &LayerInfo) -> String {
    match info.shape.len() {
        0 | 1 => batched(&info.shape),
        _ => format!("{}, channels on axis {}", batched(&info.shape), info.channel_axis + 1),
    }
}

fn batched(shape: &[usize]) -> String {
    let sizes: Vec<String> = std::iter::once("N".to_owned()).chain(shape.iter().map(usize::to_string)).collect();
    format!("({})", sizes.join(", "))
}

fn summary(names: &[String]) -> String {
    match names.len() {
        0 => "nothing".to_owned(),
        1 => names[0].clone(),
        count if count <= SHOWN => format!("{count} layers: {}", names.join(", ")),
        count => format!("{count} layers: {}, ...", names[..SHOWN].join(", ")),
    }
}

/// `tokens: Tensor[int64]`
pub fn argument(argument: &Argument) -> String {
    let default = if argument.has_default { " = default" } else { "" };
    format!("{}: {}{default}", argument.name, kind(&argument.kind))
}

fn kind(kind: &ArgumentType) -> String {
    match kind {
        ArgumentType::Tensor(TensorType { element: Some(element), .. }) => format!("Tensor[{}]", element.name()),
        ArgumentType::Tensor(_) => "Tensor".to_owned(),
        ArgumentType::Optional(inner) => format!("Optional[{}]", self::kind(inner)),
        ArgumentType::List(inner) => format!("List[{}]", self::kind(inner)),
        ArgumentType::Dictionary(inner) => format!("Dict[str, {}]", self::kind(inner)),
        ArgumentType::Structure(fields) => {
            let fields = fields.iter().map(|(name, field)| format!("{name}: {}", self::kind(field)));
            format!("({})", fields.collect::<Vec<_>>().join(", "))
        }
        ArgumentType::Scalar(name) | ArgumentType::Other(name) => name.clone(),
    }
}
