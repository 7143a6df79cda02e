//! What a snapshot's header tells of what was measured.

use crate::declare::{NeuronKind, Requirement};
use crate::gate::covered::Covered;
use crate::measure::Measurement;

/// Facts that say what a baseline was measured on. Nothing volatile: it would change on every accept.
pub(super) fn info(measurement: &Measurement, requirements: &[Requirement], covered: Option<&Covered>) -> Info {
    let Measurement { model, data, settings, .. } = measurement;
    let text = |text: &str| Fact::Text(text.to_owned());
    let count = |count: usize| Fact::Count(i64::try_from(count).unwrap_or(i64::MAX));
    let neurons = match settings.neurons {
        NeuronKind::Channel => "channel",
        NeuronKind::Unit => "unit",
    };
    let profile = data.profile.as_deref().map(|profile| ("profile", text(profile)));
    let profile_inputs = data.profile_inputs.map(|inputs| ("profile_inputs", count(inputs)));
    let mut facts = vec![("model", text(&model.path)), ("sha256", text(&model.sha256))];
    if let Some(other) = &measurement.against {
        facts.push(("against", text(&other.path)));
        facts.push(("against_sha256", text(&other.sha256)));
    }
    facts.extend([("data", text(&data.path)), ("inputs", count(data.inputs))]);
    if !data.augmented.is_empty() {
        facts.push(("augment", Fact::Texts(data.augmented.iter().map(|made| made.how.clone()).collect())));
    }
    facts.extend(profile.into_iter().chain(profile_inputs));
    facts.extend([
        ("transform", text(&data.transform)),
        ("layers", text(&settings.layers)),
        ("neurons", text(neurons)),
        ("batch", count(settings.batch)),
        ("device", text(&settings.device)),
        ("libtorch", text(&settings.libtorch)),
        ("cleanai", text(&settings.cleanai)),
        ("require", Fact::Texts(requirements.iter().map(ToString::to_string).collect())),
    ]);
    facts.extend(covered.map(|covered| ("covered", Fact::Text(covered.digest()))));
    Info(facts)
}

/// A snapshot's metadata, in the forms that `insta` gets back from its YAML: maps, strings and signed numbers. In any other
/// (a struct, say) it would never equal the stored one where a full match is asked for.
pub(super) struct Info(Vec<(&'static str, Fact)>);

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Fact {
    Text(String),
    Count(i64),
    Texts(Vec<String>),
}

impl serde::Serialize for Info {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, fact)| (name, fact)))
    }
}
