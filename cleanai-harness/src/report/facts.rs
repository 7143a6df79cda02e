//! What a test was measured with, for whoever audits the figures: HTML and PDF lay the same list out.

use super::{message, text};
use crate::measure::Measurement;

/// Facts that belong together.
pub(crate) struct Group {
    /// What they are about.
    pub title: &'static str,
    /// One after the other.
    pub facts: Vec<Fact>,
}

/// A fact.
pub(crate) struct Fact {
    /// What is told.
    pub label: &'static str,
    /// It.
    pub value: String,
    /// Whether it is compared letter by letter.
    pub exact: bool,
}

fn fact(label: &'static str, value: impl Into<String>) -> Fact {
    Fact { label, value: value.into(), exact: false }
}

/// Model, data and settings; where the report is `timed`, also durations, and whether the figures were measured before.
pub(crate) fn facts(measurement: &Measurement, timed: bool) -> [Group; 3] {
    [
        Group { title: "Model", facts: model(measurement) },
        Group { title: "Data", facts: data(measurement) },
        Group { title: "Settings", facts: settings(measurement, timed) },
    ]
}

fn model(measurement: &Measurement) -> Vec<Fact> {
    let model = &measurement.model;
    let mut facts = vec![
        fact("path", &model.path),
        Fact { exact: true, ..fact("SHA-256", &model.sha256) },
        fact("format", &model.format),
        fact("parameters", text::grouped(model.parameters)),
        fact("layers", text::grouped(model.layers.len() as u64)),
    ];
    if let Some(other) = &measurement.against {
        facts.push(fact("against", &other.path));
        facts.push(Fact { exact: true, ..fact("its SHA-256", &other.sha256) });
    }
    facts
}

fn data(measurement: &Measurement) -> Vec<Fact> {
    let data = &measurement.data;
    let inputs = |inputs: usize, skipped: usize| {
        let mut text = format!("{} of shape {}", text::grouped(inputs as u64), text::shape(&data.shape));
        if skipped > 0 {
            text += &format!("; {} more skipped because they could not be decoded", text::grouped(skipped as u64));
        }
        text
    };
    let mut facts = vec![fact("test set", &data.path), fact("inputs", inputs(data.inputs, data.skipped))];
    facts.extend(message::augmented(data).into_iter().map(|made| fact("augmented", made)));
    facts.push(fact("profile set", data.profile.as_deref().unwrap_or("none")));
    let profile = data.profile_inputs.map(|profile| inputs(profile, data.profile_skipped.unwrap_or(0)));
    facts.extend(profile.map(|profile| fact("profile inputs", profile)));
    facts.push(fact("transform", if data.transform.is_empty() { "none" } else { &data.transform }));
    facts
}

fn settings(measurement: &Measurement, timed: bool) -> Vec<Fact> {
    let (settings, seconds) = (&measurement.settings, &measurement.seconds);
    let mut facts = vec![
        fact("device", &settings.device),
        fact("batch", settings.batch.to_string()),
        fact("neurons", format!("one per {}", message::neurons(settings.neurons))),
        fact("layers", &settings.layers),
        fact("libtorch", &settings.libtorch),
        fact("CleanAI", &settings.cleanai),
    ];
    if settings.non_finite_skipped > 0 {
        let skipped = text::counted(settings.non_finite_skipped, "activation", "activations");
        facts.push(fact("not finite", format!("{skipped}, ignored")));
    }
    if timed {
        let times = [
            ("load", seconds.load),
            ("decode", seconds.decode),
            ("profile", seconds.profile),
            ("forward", seconds.forward),
            ("criteria", seconds.criteria),
            ("total", seconds.total),
        ];
        let times = times.map(|(name, time)| format!("{name} {}", text::seconds(time)));
        facts.push(fact("time", times.join(", ")));
        facts.extend(message::cached(measurement).map(|cached| fact("figures", cached)));
    }
    facts
}
