//! What a tolerance comes to for one figure: neurons and items as the figure counts them.

use crate::criteria::registry::{self, ValueKind};
use crate::declare::{
    Aggregate, BaselinePolicy, CriterionSpec, Figure, Requirement, Tolerance, criterion_and_figure, figure_key,
};
use crate::measure::{CriterionResult, Measurement};
use crate::{Error, ErrorKind, Result};

/// What one neuron and one item are worth in a figure.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Worth {
    /// One item: 1 of a total, or 1 where the figure is a count itself.
    pub item: Option<f64>,
    /// One neuron: so many items.
    pub neuron: Option<f64>,
}

impl Worth {
    /// What they are worth in a figure of a criterion.
    pub fn of(spec: &CriterionSpec, figure: Option<&Figure>, result: &CriterionResult, all: &Measurement) -> Self {
        let kind = registry::description(&spec.name).map(|description| description.value);
        let total = match figure {
            Some(Figure::Detail(_)) => None,
            Some(Figure::Covered | Figure::Uncovered) => result.total.map(|_| 1.0),
            None if kind == Some(ValueKind::Count) => Some(1.0),
            None => result.total.map(|total| total as f64),
            Some(Figure::PerClass(aggregate)) => {
                let classes = result.classes.values().map(|class| (class.value, class.total));
                deciding(*aggregate, classes).or(result.total).map(|total| total as f64)
            }
            Some(Figure::PerLayer(aggregate)) => {
                let layers = result.layers.iter().map(|layer| (layer.value, layer.total));
                deciding(*aggregate, layers).or(result.total).map(|total| total as f64)
            }
        };
        let item = total.filter(|total| *total > 0.0).map(|total| 1.0 / total);
        // Of a user's criterion in another process nothing is known; its counts are taken for what they are.
        let of_neurons = kind.is_none_or(|kind| kind == ValueKind::NeuronShare);
        let neuron = item.filter(|_| of_neurons).and_then(|item| {
            let items = items_per_neuron(spec, figure, result, all)?;
            Some(item * items)
        });
        Self { item, neuron }
    }
}

/// Of the class or layer that an aggregate comes from: its total.
fn deciding(aggregate: Aggregate, parts: impl Iterator<Item = (Option<f64>, Option<u64>)>) -> Option<u64> {
    let valued = parts.filter_map(|(value, total)| Some((value?, total?)));
    match aggregate {
        Aggregate::Min => valued.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, total)| total),
        Aggregate::Max => valued.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, total)| total),
        // A mean comes from all of them.
        Aggregate::Mean => None,
    }
}

/// Items of one neuron, on average: 1 of nc, 2 of nbc, k of kmnc.
fn items_per_neuron(
    spec: &CriterionSpec,
    figure: Option<&Figure>,
    result: &CriterionResult,
    all: &Measurement,
) -> Option<f64> {
    let layer = match figure {
        Some(Figure::PerLayer(aggregate @ (Aggregate::Min | Aggregate::Max))) => {
            let wanted = result.figure(Some(&Figure::PerLayer(*aggregate))).ok()?;
            result.layers.iter().position(|layer| layer.value == Some(wanted))
        }
        _ => None,
    };
    let (items, neurons) = match layer {
        Some(index) => (result.layers[index].total?, neurons_of(spec, result, all, index)?),
        None => {
            let neurons = (0..result.layers.len()).map(|index| neurons_of(spec, result, all, index));
            (result.total?, neurons.sum::<Option<u64>>()?)
        }
    };
    (neurons > 0).then(|| items as f64 / neurons as f64)
}

/// Neurons of one of the result's layers.
fn neurons_of(spec: &CriterionSpec, result: &CriterionResult, all: &Measurement, index: usize) -> Option<u64> {
    if let Some(table) = result.neurons.get(index) {
        return Some(table.covered.len() as u64);
    }
    let name = &result.layers.get(index)?.name;
    let kind = spec.neurons().ok().flatten().unwrap_or(all.settings.neurons);
    let layer = all.model.layers.iter().find(|layer| layer.name == *name)?;
    Some(layer.neurons(kind) as u64)
}

/// The tolerance of a figure by its key: its own, its criterion's, that of its criterion's name, or the default.
pub(crate) fn tolerance(policy: &BaselinePolicy, key: &str) -> Tolerance {
    let read = criterion_and_figure(key).map(|(criterion, _)| (criterion.to_string(), criterion.name));
    // A key whose control characters were escaped may not read back.
    let (criterion, name) = read.unwrap_or_else(|_| {
        let name = key.split(['(', '.']).next().unwrap_or(key).to_owned();
        (key.rfind(')').map_or_else(|| name.clone(), |end| key[..=end].to_owned()), name)
    });
    let found = [key, &criterion, &name].into_iter().find_map(|it| policy.per_criterion.get(it));
    found.copied().unwrap_or(policy.tolerance)
}

/// Refuses tolerances that say nothing of what a test requires, as far as that is known before anything is measured.
///
/// # Errors
/// If a tolerance counts neurons or items where the figure counts none.
pub(crate) fn check_tolerances(policy: &BaselinePolicy, requirements: &[Requirement]) -> Result<()> {
    if !policy.enabled {
        return Ok(());
    }
    for requirement in requirements {
        let Some(description) = registry::description(&requirement.criterion.name) else { continue };
        let criterion = requirement.criterion.to_string();
        // The baseline holds the value beside every figure that is required.
        for figure in [None, requirement.figure.as_ref()] {
            let key = figure_key(&criterion, figure);
            let detail = matches!(figure, Some(Figure::Detail(_)));
            let fits = match tolerance(policy, &key) {
                Tolerance::Absolute(_) | Tolerance::Relative(_) => true,
                Tolerance::Neurons(_) => description.value == ValueKind::NeuronShare && !detail,
                Tolerance::Items(_) => {
                    (description.value.has_items() || (description.value == ValueKind::Count && figure.is_none()))
                        && !detail
                }
            };
            if !fits {
                return Err(unfit(policy, &key));
            }
        }
    }
    Ok(())
}

/// The error about a tolerance that counts what a figure does not.
pub(super) fn unfit(policy: &BaselinePolicy, key: &str) -> Error {
    let tolerance = tolerance(policy, key);
    let counted = if matches!(tolerance, Tolerance::Neurons(_)) { "neurons" } else { "items out of a total" };
    let what = format!("`{key}` counts no {counted}, so the tolerance `{tolerance}` says nothing of it");
    let own = if tolerance == policy.tolerance { format!("default = {tolerance}, ") } else { String::new() };
    Error::new(ErrorKind::Configuration, what).with_help(format!(
        "give it one of its own in [baseline]: `tolerance = {{ {own}{} = 0.002 }}`, or `{{ relative = 0.01 }}`",
        quoted(key)
    ))
}

/// A key as TOML has it.
fn quoted(key: &str) -> String {
    let bare = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    match (bare, key.contains('\'')) {
        (true, _) => key.to_owned(),
        (false, false) => format!("'{key}'"),
        (false, true) => format!("{key:?}"),
    }
}
