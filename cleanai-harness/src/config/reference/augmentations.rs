//! The augmentations of `augment`: their parameters and bounds are those that readers check, the words are here.

use crate::synthesis::parameters::Field;
use crate::synthesis::{Augmentation, Norm};

use serde_json::{Value, json};

/// A parameter of an augmentation.
pub(super) struct Parameter {
    pub name: &'static str,
    /// What it may be, in words.
    pub kind: String,
    /// The default as TOML, if there is one.
    pub default: Option<String>,
    pub says: &'static str,
    /// Its JSON Schema.
    pub schema: Value,
}

/// What an augmentation of this name changes.
pub(super) fn says(name: &str) -> &'static str {
    match name {
        "relevant_pixels" => "Noise on the pixels that the predicted class's logit owes most to.",
        "random_pixels" => "Noise on as many pixels drawn at random.",
        "gaussian" => "Noise on all pixels.",
        "fgsm" => "One step along the sign of the gradient (Goodfellow et al.).",
        "bim" => "Small steps along the gradient (Kurakin et al.).",
        "pgd" => "Small steps along the gradient from a random start (Madry et al.).",
        "jsma" => "Pairs of values that speak most for a class (Papernot et al.).",
        "cw" => "As little change as it takes (Carlini and Wagner).",
        _ => "",
    }
}

/// The parameters of an augmentation of this name.
pub(super) fn parameters(name: &str) -> Vec<Parameter> {
    let Some(mut augmentation) = Augmentation::named(name) else { return Vec::new() };
    let keys = augmentation.keys();
    let mut all: Vec<_> = keys.iter().filter_map(|key| Some(parameter(key, augmentation.field(key)?))).collect();
    // The one parameter whose bounds and meaning depend on another.
    if let Some(eps) = all.iter_mut().find(|parameter| name == "fgsm" && parameter.name == "eps") {
        eps.kind.push_str(", with `norm = \"2\"` also more than 1");
        eps.says = "The size of the change, as a share of the range, by the `norm`.";
    }
    all
}

fn parameter(name: &'static str, field: Field<'_>) -> Parameter {
    let (kind, default, schema) = match field {
        Field::Number(number, within) => {
            (format!("a number, {}", within.text()), Some(number.to_string()), super::schema::number(within))
        }
        Field::Count(count) => {
            let most = crate::synthesis::parameters::MOST;
            let schema = json!({ "type": "integer", "minimum": 1, "maximum": most });
            (format!("a whole number from 1 to {most}"), Some(count.to_string()), schema)
        }
        Field::Seed(seed) => {
            ("a whole number, 0 or more".to_owned(), Some(seed.to_string()), json!({ "type": "integer", "minimum": 0 }))
        }
        Field::Flag(flag) => ("`true` or `false`".to_owned(), Some(flag.to_string()), json!({ "type": "boolean" })),
        Field::Norm(norm) => {
            let names = Norm::NAMES.map(|(name, _)| name);
            let kind = names.map(|name| format!("`\"{name}\"`")).join(" or ");
            (kind, Some(format!("\"{}\"", norm.name())), json!({ "enum": names }))
        }
        Field::Target(_) => {
            let number = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
            let name = json!({ "type": "string", "pattern": "\\S" });
            ("the number of a class, or its name".to_owned(), None, json!({ "anyOf": [number, name] }))
        }
        Field::Range([low, high]) => {
            let schema = json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 });
            ("two numbers, the lower first".to_owned(), Some(format!("[{low}, {high}]")), schema)
        }
    };
    Parameter { name, kind, default, says: meaning(name), schema }
}

/// What a parameter of this name means, in every augmentation that has it.
fn meaning(name: &str) -> &'static str {
    match name {
        "share" => "The share of pixels that are changed.",
        "std" => "The standard deviation of the noise, as a share of the range.",
        "seed" => "Other seeds give other noise, or another start.",
        "range" => "Where values lie before they are normalised.",
        "eps" => "The most that a value is changed, as a share of the range.",
        "norm" => "How the size of the change is told: `inf`, the largest of a value, or `2`, the Euclidean length.",
        "target" => "The class to be taken for; without it any other than the own one, for `jsma` the next.",
        "step" => "How much a value is changed at a time, as a share of the range.",
        "iterations" => "How many steps are taken.",
        "theta" => "How much a value is moved, as a share of the range, down where it is negative.",
        "gamma" => "The share of values that may be moved.",
        "confidence" => "By how much the margin between the logits is to be exceeded.",
        "learning_rate" => "The learning rate of Adam.",
        "binary_search_steps" => "How many weights of the margin are tried.",
        "max_iterations" => "Steps of Adam for each of them.",
        "abort_early" => "Whether an input's steps end as soon as they no longer lower its loss.",
        "initial_const" => "The first weight of the margin.",
        _ => "",
    }
}
