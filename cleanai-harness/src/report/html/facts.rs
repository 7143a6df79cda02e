//! Model, data and settings, for whoever audits the figures.

use maud::{Markup, html};

use crate::measure::Measurement;
use crate::report::{message, text};

/// What was measured, on what, with which settings.
pub(super) fn facts(measurement: &Measurement) -> Markup {
    let groups = [("Model", model(measurement)), ("Data", data(measurement)), ("Settings", settings(measurement))];
    html! {
        h3 { "Model, data and settings" }
        div.facts {
            @for (title, rows) in groups {
                div {
                    h4 { (title) }
                    dl {
                        @for (label, value) in rows {
                            dt { (label) }
                            dd { (value) }
                        }
                    }
                }
            }
        }
    }
}

type Rows = Vec<(&'static str, String)>;

fn model(measurement: &Measurement) -> Rows {
    let model = &measurement.model;
    vec![
        ("path", model.path.clone()),
        ("SHA-256", model.sha256.clone()),
        ("format", model.format.clone()),
        ("parameters", text::grouped(model.parameters)),
        ("layers", text::grouped(model.layers.len() as u64)),
    ]
}

fn data(measurement: &Measurement) -> Rows {
    let data = &measurement.data;
    let inputs = |inputs: usize, skipped: usize| {
        let mut text = format!("{} of shape {}", text::grouped(inputs as u64), text::shape(&data.shape));
        if skipped > 0 {
            text += &format!("; {} more skipped because they could not be decoded", text::grouped(skipped as u64));
        }
        text
    };
    let mut rows = vec![("test set", data.path.clone()), ("inputs", inputs(data.inputs, data.skipped))];
    rows.extend(message::augmented(data).into_iter().map(|made| ("augmented", made)));
    rows.push(("profile set", data.profile.clone().unwrap_or_else(|| "none".to_owned())));
    let profile = data.profile_inputs.map(|profile| inputs(profile, data.profile_skipped.unwrap_or(0)));
    rows.extend(profile.map(|profile| ("profile inputs", profile)));
    let transform = if data.transform.is_empty() { "none" } else { &data.transform };
    rows.push(("transform", transform.to_owned()));
    rows
}

fn settings(measurement: &Measurement) -> Rows {
    let (settings, seconds) = (&measurement.settings, &measurement.seconds);
    let mut rows = vec![
        ("device", settings.device.clone()),
        ("batch", settings.batch.to_string()),
        ("neurons", format!("one per {}", message::neurons(settings.neurons))),
        ("layers", settings.layers.clone()),
        ("libtorch", settings.libtorch.clone()),
        ("CleanAI", settings.cleanai.clone()),
    ];
    if settings.non_finite_skipped > 0 {
        let skipped = text::counted(settings.non_finite_skipped, "activation", "activations");
        rows.push(("not finite", format!("{skipped}, ignored")));
    }
    let times = [
        ("load", seconds.load),
        ("decode", seconds.decode),
        ("profile", seconds.profile),
        ("forward", seconds.forward),
        ("criteria", seconds.criteria),
        ("total", seconds.total),
    ];
    rows.push(("time", times.map(|(name, time)| format!("{name} {}", text::seconds(time))).join(", ")));
    rows
}
