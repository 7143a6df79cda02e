//! What a test was measured with, for an audit: model, data, settings and versions.

use super::content::part;
use super::layout::{Align, BODY, Canvas, HAIRLINE, LEFT, MONO, NOTE, Pen, RIGHT, STRONG};
use crate::measure::Measurement;
use crate::report::{message, text};

/// Model, data and settings: label and value in two columns.
pub(super) fn facts(canvas: &mut Canvas, measurement: &Measurement, timed: bool) {
    part(canvas, "Measured with", 80.0);
    let (model, data, settings, seconds) =
        (&measurement.model, &measurement.data, &measurement.settings, &measurement.seconds);
    let inputs = |inputs: usize, skipped: usize| {
        let mut text = format!("{} of shape {}", text::grouped(inputs as u64), text::shape(&data.shape));
        if skipped > 0 {
            text = format!("{text}; {} more skipped because they could not be decoded", text::grouped(skipped as u64));
        }
        text
    };
    let transform = if data.transform.is_empty() { "none" } else { &data.transform };
    let mut groups = vec![
        (
            "Model",
            vec![
                ("path", BODY, model.path.clone()),
                ("SHA-256", MONO, model.sha256.clone()),
                ("format", BODY, model.format.clone()),
                ("parameters", BODY, text::grouped(model.parameters)),
                ("layers", BODY, text::grouped(model.layers.len() as u64)),
            ],
        ),
        (
            "Data",
            vec![
                ("test set", BODY, data.path.clone()),
                ("inputs", BODY, inputs(data.inputs, data.skipped)),
                ("profile set", BODY, data.profile.clone().unwrap_or_else(|| "none".into())),
            ],
        ),
        (
            "Settings",
            vec![
                ("device", BODY, settings.device.clone()),
                ("batch", BODY, settings.batch.to_string()),
                ("neurons", BODY, format!("one per {}", message::neurons(settings.neurons))),
                ("layers", BODY, settings.layers.clone()),
                ("libtorch", BODY, settings.libtorch.clone()),
                ("CleanAI", BODY, settings.cleanai.clone()),
            ],
        ),
    ];
    groups[1].1.splice(2..2, message::augmented(data).into_iter().map(|made| ("augmented", BODY, made)));
    if let Some(profile) = data.profile_inputs {
        groups[1].1.push(("profile inputs", BODY, inputs(profile, data.profile_skipped.unwrap_or(0))));
    }
    groups[1].1.push(("transform", BODY, transform.to_string()));
    if settings.non_finite_skipped > 0 {
        let skipped = format!("{}, ignored", text::counted(settings.non_finite_skipped, "activation", "activations"));
        groups[2].1.push(("not finite", BODY, skipped));
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
        groups[2].1.push(("time", BODY, times.join(", ")));
    }
    for (title, rows) in groups {
        group(canvas, title, &rows);
    }
    canvas.space(16.0);
}

/// A title at the left, and beside it labels with their values, each with its pen.
pub(super) fn group(canvas: &mut Canvas, title: &str, rows: &[(&str, Pen, String)]) {
    const LABEL: f32 = LEFT + 78.0;
    const VALUE: f32 = LABEL + 74.0;
    canvas.ensure(40.0);
    canvas.rule(0.5, HAIRLINE);
    canvas.space(6.0);
    let y = canvas.y();
    canvas.text(LEFT, y + 8.5, Align::Left, LABEL - LEFT, STRONG, title);
    for (label, pen, value) in rows {
        canvas.ensure(canvas.height(VALUE, RIGHT, *pen, value).min(60.0));
        let y = canvas.y();
        canvas.text(LABEL, y + 8.5, Align::Left, VALUE - LABEL, NOTE, label);
        canvas.paragraph(VALUE, RIGHT, *pen, value);
        if value.is_empty() {
            canvas.space(12.0);
        }
    }
    canvas.space(5.0);
}
