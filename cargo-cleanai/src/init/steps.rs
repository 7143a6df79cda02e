//! From data to what a model takes: the steps that shapes tell, and the scaling of pixels that answers best.

use super::engine::{Data, Model, batched};

/// A scaling of pixels, as people train with.
struct Scaling {
    /// A step of `transform`.
    step: &'static str,
    /// What it is called.
    name: &'static str,
    /// How many channels it is for; any if 0.
    channels: usize,
}

const SCALINGS: [Scaling; 6] = [
    Scaling { step: "\"scale\"", name: "0 to 1", channels: 0 },
    Scaling { step: "{ normalize = { mean = [0.5], std = [0.5] } }", name: "-1 to 1", channels: 0 },
    Scaling {
        step: "{ normalize = { mean = [0.1307], std = [0.3081] } }",
        name: "MNIST's mean and deviation",
        channels: 1,
    },
    Scaling {
        step: "{ normalize = { mean = [0.286], std = [0.353] } }",
        name: "Fashion-MNIST's mean and deviation",
        channels: 1,
    },
    Scaling {
        step: "{ normalize = { mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] } }",
        name: "ImageNet's means and deviations",
        channels: 3,
    },
    Scaling {
        step: "{ normalize = { mean = [0.4914, 0.4822, 0.4465], std = [0.247, 0.2435, 0.2616] } }",
        name: "CIFAR-10's means and deviations",
        channels: 3,
    },
];

/// The transform proposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// The array of `transform`, as TOML; nothing where no step is needed.
    pub text: Option<String>,
    /// Why it is this one.
    pub why: String,
    /// Whether the user has to look at it.
    pub doubtful: bool,
    /// Whether the model was seen to answer well with it.
    pub confirmed: bool,
}

impl Steps {
    fn none(why: impl Into<String>) -> Steps {
        Steps { text: None, why: why.into(), doubtful: false, confirmed: false }
    }

    fn doubtful(why: impl Into<String>) -> Steps {
        Steps { text: None, why: why.into(), doubtful: true, confirmed: false }
    }
}

/// What shapes alone tell: steps that come before the scaling, or that nothing is to be scaled.
enum Shapes {
    /// Pixels to be scaled after these steps, for so many channels.
    Pixels(Vec<String>, usize),
    /// There is nothing to do or nothing to be known.
    Settled(Steps),
}

/// Proposes a transform. `right_and_sure` says of a transform how many of the sample's inputs the model is right about, and how many
/// it is sure of; nothing where that cannot be measured.
pub fn propose<E>(
    model: &Model,
    data: &Data,
    mut right_and_sure: impl FnMut(&str) -> Result<Option<(f64, f64)>, E>,
) -> Result<Steps, E> {
    let (before, channels) = match shapes(model, data) {
        Shapes::Pixels(before, channels) => (before, channels),
        Shapes::Settled(steps) => return Ok(steps),
    };
    let transform = |scaling: &Scaling| {
        let steps: Vec<&str> = before.iter().map(String::as_str).chain([scaling.step]).collect();
        format!("[{}]", steps.join(", "))
    };
    let mut tried: Vec<(f64, f64, &Scaling)> = Vec::new();
    for scaling in SCALINGS.iter().filter(|scaling| [0, channels].contains(&scaling.channels)) {
        match right_and_sure(&transform(scaling))? {
            Some((right, sure)) => tried.push((right, sure, scaling)),
            None => break,
        }
    }
    // The first of equals, which is the simplest.
    let best = tried.iter().rev().max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    Ok(match best {
        Some((right, sure, scaling)) => {
            let chance = 1.0 / data.classes.unwrap_or(2).max(1) as f64;
            // Who releases a model expects more of it than half of that.
            let guessing = *right < 0.5 || *right <= 1.2 * chance;
            let why = format!(
                "pixels as {}: of {} usual scalings tried this one answers best, {:.1} % of a sample correctly ({:.0} % with confidence)",
                scaling.name,
                tried.len(),
                right * 100.0,
                sure * 100.0
            );
            let why = match guessing {
                true => format!(
                    "{why}, which is little: is it the model's kind of data, are labels in the order of its outputs?"
                ),
                false => why,
            };
            Steps { text: Some(transform(scaling)), why, doubtful: guessing, confirmed: !guessing }
        }
        None => Steps {
            text: Some(transform(&SCALINGS[0])),
            why: "pixels as 0 to 1, which no labels of the model's classes could confirm: scale as in training".into(),
            doubtful: true,
            confirmed: false,
        },
    })
}

/// Whether data can be brought to what a model takes, by all that is known.
pub fn fit(model: &Model, data: &Data) -> bool {
    match shapes(model, data) {
        Shapes::Pixels(..) => true,
        Shapes::Settled(steps) => !steps.doubtful,
    }
}

/// The shape to try of a model whose file does not tell one: that of the data, or the usual one of photographs.
pub fn shape_to_try(model: &Model, data: &Data) -> Option<Vec<usize>> {
    let [field] = &data.fields[..] else { return None };
    match (model.input()?, &field.shape[..]) {
        ([channels, ..], [_, height, width]) if data.eight_bit => {
            let (height, width) = if data.one_shape { (*height, *width) } else { (224, 224) };
            Some(vec![*channels, height, width])
        }
        (_, shape) => Some(shape.to_vec()),
    }
    .filter(|shape| model.input() != Some(shape))
}

fn shapes(model: &Model, data: &Data) -> Shapes {
    let settled = |steps| Shapes::Settled(steps);
    let [field] = &data.fields[..] else {
        let missing: Vec<&str> = model
            .inputs
            .iter()
            .filter(|input| input.required && !data.fields.iter().any(|field| field.name == input.name))
            .map(|input| input.name.as_str())
            .collect();
        return settled(match missing[..] {
            [] => Steps::none("an array for each input of the model, taken as they are"),
            _ => {
                Steps::doubtful(format!("the model takes inputs that the data has no array of: {}", missing.join(", ")))
            }
        });
    };
    if model.takes_several() {
        return settled(Steps::doubtful(
            "the model takes several inputs, and this is one array: store them as an .npz with an array for each, by its name",
        ));
    }
    let Some(wanted) = model.input() else {
        return settled(Steps::doubtful(
            "the shape of the model's input could not be found out: say how inputs are brought to it",
        ));
    };
    let image = data.eight_bit && field.shape.len() == 3 && [1, 3].contains(&field.shape[0]);
    match (image, wanted) {
        (true, [channels @ (1 | 3), height, width]) => {
            let mut steps = Vec::new();
            if !data.one_shape || field.shape[0] != *channels {
                steps.push(if *channels == 1 { "\"grayscale\"" } else { "\"rgb\"" }.to_string());
            }
            if !data.one_shape || field.shape[1..] != [*height, *width] {
                steps.push(format!("{{ resize = [{height}, {width}] }}"));
            }
            Shapes::Pixels(steps, *channels)
        }
        _ if field.shape == wanted => settled(Steps::none("the data has the shape that the model takes")),
        _ => settled(Steps::doubtful(format!(
            "the data is {}, and the model takes {}",
            batched(&field.shape),
            batched(wanted)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn model(shape: &[usize]) -> Model {
        let text = serde_json::json!({
            "model": { "format": "TorchScript", "parameters": 1 }, "inputs": [{ "name": "x", "required": true }],
            "tried": [{ "name": "x", "shape": shape }], "outputs": [[1, 10]], "layers": [{}], "input": null,
        });
        serde_json::from_value(text).unwrap()
    }

    fn data(shape: &[usize], eight_bit: bool, one_shape: bool) -> Data {
        let text = serde_json::json!({
            "inputs": 9, "fields": [{ "name": "x", "shape": shape }], "eight_bit": eight_bit, "one_shape": one_shape, "classes": 10,
        });
        serde_json::from_value(text).unwrap()
    }

    fn proposed(model: &Model, data: &Data, answers: &[(f64, f64)]) -> Steps {
        let mut answers = answers.iter();
        propose(model, data, |_| Ok::<_, Infallible>(answers.next().copied())).unwrap()
    }

    #[test]
    fn shapes_decide_the_first_steps() {
        let grey = model(&[1, 28, 28]);
        for (data, expected) in [
            (data(&[1, 28, 28], true, true), "[\"scale\"]"),
            (data(&[3, 28, 28], true, true), "[\"grayscale\", \"scale\"]"),
            (data(&[1, 20, 28], true, true), "[{ resize = [28, 28] }, \"scale\"]"),
            (data(&[1, 28, 28], true, false), "[\"grayscale\", { resize = [28, 28] }, \"scale\"]"),
        ] {
            let steps = proposed(&grey, &data, &[]);
            assert_eq!((steps.text.as_deref(), steps.doubtful), (Some(expected), true));
        }
        let colours = proposed(&model(&[3, 32, 32]), &data(&[1, 28, 28], true, true), &[]);
        assert_eq!(colours.text.as_deref(), Some("[\"rgb\", { resize = [32, 32] }, \"scale\"]"));
        assert_eq!(proposed(&model(&[16]), &data(&[16], false, true), &[]).text, None);
        assert!(proposed(&model(&[16]), &data(&[17], false, true), &[]).doubtful);
        assert!(proposed(&model(&[16]), &data(&[3, 4, 4], true, true), &[]).doubtful);
    }

    #[test]
    fn the_scaling_that_answers_best_is_taken() {
        let (model, data) = (model(&[1, 28, 28]), data(&[1, 28, 28], true, true));
        let text = |answers: &[(f64, f64)]| proposed(&model, &data, answers).text.unwrap();
        assert!(text(&[(0.8, 0.5), (0.9, 0.5), (0.7, 0.9), (0.1, 0.1)]).contains("mean = [0.5]"));
        assert!(text(&[(0.9, 0.5), (0.9, 0.5), (0.9, 0.7), (0.9, 0.6)]).contains("0.1307"));
        assert_eq!(text(&[(0.9, 0.5), (0.9, 0.5), (0.9, 0.5), (0.9, 0.5)]), "[\"scale\"]");
        let guessing = proposed(&model, &data, &[(0.1, 0.5), (0.12, 0.5), (0.1, 0.5), (0.1, 0.5)]);
        assert!(guessing.doubtful && guessing.why.contains("which is little"));
    }

    #[test]
    fn several_inputs_are_matched_by_name() {
        let mut two = model(&[4]);
        two.inputs = serde_json::from_str(
            r#"[{"name":"a","required":true},{"name":"b","required":true},{"name":"c","required":false}]"#,
        )
        .unwrap();
        let mut arrays = data(&[4], false, true);
        assert!(proposed(&two, &arrays, &[]).why.contains("several inputs"));
        arrays.fields = serde_json::from_str(r#"[{"name":"a","shape":[4]},{"name":"z","shape":[4]}]"#).unwrap();
        assert!(proposed(&two, &arrays, &[]).why.ends_with("no array of: b"));
        arrays.fields = serde_json::from_str(r#"[{"name":"a","shape":[4]},{"name":"b","shape":[4]}]"#).unwrap();
        assert!(!proposed(&two, &arrays, &[]).doubtful);
    }
}
