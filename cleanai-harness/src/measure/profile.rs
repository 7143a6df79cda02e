//! The profile set: what criteria want to know of it, from the cache or by a pass over it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::batches::{Inputs, Watch, each_batch};
use super::importance::Gather;
use super::job::{Item, Job};
use super::observer::Role;
use crate::Result;
use crate::cache::profiles::{Profile, ProfileKey};
use crate::cache::traces::TraceWriter;
use crate::cache::{self, Cache, Held, Kind};
use crate::criteria::profile::ProfileState;
use crate::criteria::{LayerProfile, LayerTraces, Needs, TraceInputs};
use crate::data::{DataSet, transform};
use crate::declare::{DataLocation, NeuronKind};
use crate::model::{self, LayerInfo, Model};

/// What is gathered for the criteria that count the same neurons and ask for the same things.
struct Part {
    neurons: NeuronKind,
    needs: Needs,
    /// Indices of the layers that any of them looks at, in order.
    layers: Vec<usize>,
    profile: Vec<LayerProfile>,
}

impl Part {
    fn serves(&self, item: &Item) -> bool {
        // Mean differences and importance hold every value, and whole layers next to nothing, so they are kept apart from the rest.
        self.neurons == item.neurons
            && self.needs.mean_difference == item.needs.mean_difference
            && self.needs.whole_layers == item.needs.whole_layers
            && self.needs.relevance == item.needs.relevance
    }
}

/// A layer whose traces are kept: its index, and what its neurons are.
type Traced = (usize, NeuronKind);

/// What is known of the profile set.
#[derive(Default)]
pub(super) struct Profiles {
    parts: Vec<Part>,
    traces: BTreeMap<Traced, LayerTraces>,
    /// Traces of the untrusted sets, by where they lie.
    untrusted: Vec<(DataLocation, BTreeMap<Traced, LayerTraces>)>,
    /// Inputs it was made of.
    pub inputs: usize,
    /// Inputs left out because they could not be decoded.
    pub skipped: usize,
    /// Activations left out as not finite.
    pub non_finite_skipped: u64,
}

impl Profiles {
    /// The profile of a criterion's layers; none if it asks for none. Ranges of units take 16 bytes each, so they are copied only where other things
    /// come beside them or other layers are asked for.
    pub fn of(&self, item: &Item, layers: &[usize]) -> Option<Cow<'_, [LayerProfile]>> {
        let part = self.parts.iter().find(|part| item.needs.profile && part.serves(item));
        let all = part.filter(|part| part.layers == layers && !item.needs.traces && item.untrusted.is_none());
        if let Some(part) = all {
            return Some(Cow::Borrowed(&part.profile));
        }
        let traced = |layer: &usize| self.traces.get(&(*layer, item.neurons)).filter(|_| item.needs.traces).cloned();
        let untrusted = self.untrusted.iter().find(|(location, _)| Some(location) == item.untrusted.as_ref());
        let untrusted = untrusted.map(|(_, traces)| traces);
        let of_layer = |layer: &usize| {
            let profile = part.and_then(|part| Some(part.profile[part.layers.binary_search(layer).ok()?].clone()));
            let untrusted = untrusted.and_then(|traces| traces.get(&(*layer, item.neurons)).cloned());
            LayerProfile { traces: traced(layer), untrusted, ..profile.unwrap_or_default() }
        };
        item.needs.reads_profile().then(|| layers.iter().map(of_layer).collect())
    }
}

/// Gathers the activation traces of the untrusted sets of a job, as those of its profile set are gathered.
///
/// # Errors
/// As [`gather`].
pub(super) fn gather_untrusted(
    job: &Job,
    model: &mut Model,
    sets: &[(DataLocation, DataSet)],
    batch: usize,
    layers: &[LayerInfo],
    selected: &[Vec<usize>],
    profiles: &mut Profiles,
) -> Result<()> {
    for (location, set) in sets {
        let looks = |(item, _): &(&Item, &Vec<usize>)| item.untrusted.as_ref() == Some(location);
        let (items, selected): (Vec<Item>, Vec<Vec<usize>>) = job
            .items
            .iter()
            .zip(selected)
            .filter(looks)
            .map(|(item, selected)| {
                let needs = Needs { traces: true, ..Needs::default() };
                (Item { needs, ..item.clone() }, selected.clone())
            })
            .unzip();
        let gathered =
            gather(&Job { items, role: Role::Untrusted, ..job.clone() }, model, set, batch, layers, &selected)?;
        profiles.non_finite_skipped += gathered.non_finite_skipped;
        profiles.untrusted.push((location.clone(), gathered.traces));
    }
    Ok(())
}

/// Gathers what the criteria of a job want to know of its profile set.
///
/// # Errors
/// As a pass over data; of the cache there are none.
pub(super) fn gather(
    job: &Job,
    model: &mut Model,
    set: &DataSet,
    batch: usize,
    layers: &[LayerInfo],
    selected: &[Vec<usize>],
) -> Result<Profiles> {
    let mut profiles = Profiles { parts: parts(job, selected), ..Profiles::default() };
    let cache = Cache::find().filter(|_| job.is_cacheable());
    let data = cache.as_ref().map(|_| set.content_hash()).transpose()?.unwrap_or_default();
    let key = |neurons, needs: &Needs, of_layers: &[usize], traces| ProfileKey {
        model: model.sha256().to_owned(),
        options: format!("{:?}", job.model.options),
        data: data.clone(),
        transform: transform::text(&job.data.transform),
        batch,
        non_finite: format!("{:?}", job.non_finite),
        libtorch: model::libtorch_version(),
        build: cache::build().to_owned(),
        device: model::device_name(model.device()),
        neurons,
        layers: of_layers.iter().map(|layer| layers[*layer].clone()).collect(),
        std: needs.std,
        mean_difference: needs.mean_difference,
        relevance: needs.relevance,
        traces,
    };
    let of_part = |part: &Part| {
        let mut key = key(part.neurons, &part.needs, &part.layers, false);
        if part.needs.whole_layers {
            // As layers of one neuron each.
            key.layers.iter_mut().for_each(|layer| layer.shape.clear());
        }
        key
    };
    let keys: Vec<ProfileKey> = profiles.parts.iter().map(of_part).collect();
    let trace_key = |(layer, neurons): Traced| key(neurons, &Needs::default(), &[layer], true);
    let mut missing: Vec<usize> = (0..profiles.parts.len()).collect();
    let mut untraced = traced(job, selected);
    let mut known: Option<Arc<TraceInputs>> = None;
    let mut look = |cache: &Cache, missing: &mut Vec<usize>, untraced: &mut Vec<Traced>, profiles: &mut Profiles| {
        missing.retain(|at| match cache.profile(&keys[*at]) {
            Some(found) => {
                (profiles.inputs, profiles.skipped) = (found.inputs, found.skipped);
                profiles.non_finite_skipped += found.non_finite_skipped;
                profiles.parts[*at].profile = found.layers;
                false
            }
            None => true,
        });
        untraced.retain(|traced| {
            let Some(found) = cache.traces(&trace_key(*traced), known.as_ref()) else { return true };
            (profiles.inputs, profiles.skipped) = (found.traces.inputs().len(), found.skipped);
            profiles.non_finite_skipped = profiles.non_finite_skipped.max(found.non_finite_skipped);
            known.get_or_insert_with(|| found.traces.shared_inputs());
            profiles.traces.insert(*traced, found.traces);
            false
        });
        missing.is_empty() && untraced.is_empty()
    };
    let mut held = Held::default();
    if let Some(cache) = &cache {
        if look(cache, &mut missing, &mut untraced, &mut profiles) {
            return Ok(profiles);
        }
        // Another process may be making them.
        let profile_paths =
            missing.iter().filter_map(|at| Some((Kind::Profiles, cache.path(Kind::Profiles, &keys[*at])?)));
        let trace_paths =
            untraced.iter().filter_map(|own| Some((Kind::Traces, cache.path(Kind::Traces, &trace_key(*own))?)));
        let paths: Vec<(Kind, PathBuf)> = profile_paths.chain(trace_paths).collect();
        held = cache.hold(paths.iter().map(|(kind, path)| (*kind, path.as_path())))?;
        if look(cache, &mut missing, &mut untraced, &mut profiles) {
            return Ok(profiles);
        }
    }
    if missing.is_empty() && untraced.is_empty() {
        return Ok(profiles);
    }
    let writer = |(layer, neurons): &Traced| TraceWriter::new(cache.as_ref(), layers[*layer].neurons(*neurons));
    let writers = untraced.iter().map(writer).collect::<Result<Vec<_>>>()?;
    let mut traces = Traces { layers: untraced, writers, inputs: TraceInputs::default() };
    let keys_of_traces: Vec<ProfileKey> = traces.layers.iter().map(|traced| trace_key(*traced)).collect();
    let watch = pass(job, model, set, batch, layers, &mut profiles.parts, &missing, &mut traces)?;
    (profiles.inputs, profiles.skipped) = (watch.inputs, watch.skipped);
    let non_finite_skipped = watch.reader.skipped();
    profiles.non_finite_skipped += non_finite_skipped;
    let inputs = Arc::new(traces.inputs);
    for ((traced, writer), key) in traces.layers.iter().zip(traces.writers).zip(&keys_of_traces) {
        let cache = cache.as_ref().map(|cache| (cache, key));
        profiles.traces.insert(*traced, writer.finish(cache, &inputs, watch.skipped, non_finite_skipped)?);
    }
    if let Some(cache) = &cache {
        for at in missing {
            let layers = profiles.parts[at].profile.clone();
            let (inputs, skipped) = (watch.inputs, watch.skipped);
            cache.store_profile(&keys[at], &Profile { layers, inputs, skipped, non_finite_skipped });
        }
    }
    drop(held);
    Ok(profiles)
}

fn parts(job: &Job, selected: &[Vec<usize>]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (item, selection) in job.items.iter().zip(selected).filter(|(item, _)| item.needs.profile) {
        let at = parts.iter().position(|part| part.serves(item)).unwrap_or_else(|| {
            let (neurons, needs) = (item.neurons, item.needs);
            parts.push(Part { neurons, needs, layers: Vec::new(), profile: Vec::new() });
            parts.len() - 1
        });
        parts[at].needs.std |= item.needs.std;
        parts[at].layers.extend(selection);
    }
    for part in &mut parts {
        part.layers.sort_unstable();
        part.layers.dedup();
    }
    parts
}

/// The layers whose traces are asked for, each once.
fn traced(job: &Job, selected: &[Vec<usize>]) -> Vec<Traced> {
    let items = job.items.iter().zip(selected).filter(|(item, _)| item.needs.traces);
    let layers: BTreeSet<Traced> =
        items.flat_map(|(item, selection)| selection.iter().map(|layer| (*layer, item.neurons))).collect();
    layers.into_iter().collect()
}

/// Traces while the profile set runs.
struct Traces {
    layers: Vec<Traced>,
    writers: Vec<TraceWriter>,
    inputs: TraceInputs,
}

#[allow(clippy::too_many_arguments)]
fn pass(
    job: &Job,
    model: &mut Model,
    set: &DataSet,
    batch: usize,
    layers: &[LayerInfo],
    parts: &mut [Part],
    missing: &[usize],
    traces: &mut Traces,
) -> Result<Watch> {
    let new_state = |at: &usize| {
        let part = &parts[*at];
        let neurons: Vec<usize> = part.layers.iter().map(|layer| layers[*layer].neurons(part.neurons)).collect();
        ProfileState::new(&neurons, part.needs)
    };
    let states = RefCell::new(missing.iter().map(new_state).collect::<Result<Vec<_>>>()?);
    let gather = |at: &usize| {
        let part = &parts[*at];
        let new = |needs| Gather::new(job, model, layers, &part.layers, part.neurons, needs);
        part.needs.relevance.map(new).transpose()
    };
    let gathers = RefCell::new(missing.iter().map(gather).collect::<Result<Vec<_>>>()?);
    let Traces { layers: traced, writers, inputs: known } = traces;
    let mut watch = Watch::new(job.non_finite);
    each_batch(
        model,
        Inputs { set, augmenter: None, role: job.role },
        batch,
        layers,
        &mut watch,
        &mut |layer, read| {
            let (mut states, mut gathers) = (states.borrow_mut(), gathers.borrow_mut());
            for ((part, state), gather) in
                missing.iter().map(|at| &parts[*at]).zip(states.iter_mut()).zip(gathers.iter_mut())
            {
                let Ok(at) = part.layers.binary_search(&layer) else { continue };
                // Values are copied where they are held.
                let values = read.values(at, part.neurons, gather.is_none())?;
                if let Some(gather) = gather {
                    gather.observe(&values);
                }
                state.observe(values);
            }
            for ((_, neurons), writer) in traced.iter().zip(writers.iter_mut()).filter(|((own, _), _)| *own == layer) {
                writer.push(read.values(0, *neurons, false)?.values)?;
            }
            Ok(())
        },
        &mut |batch, inputs, classes, logits| {
            states.borrow().iter().try_for_each(ProfileState::end_batch)?;
            if !traced.is_empty() {
                known.push(classes, logits, batch.labels.as_deref());
            }
            for gather in gathers.borrow_mut().iter_mut().flatten() {
                gather.end_batch(inputs, batch.labels.as_deref(), classes, logits, batch.inputs)?;
            }
            Ok(())
        },
    )?;
    for ((at, state), gather) in missing.iter().zip(states.into_inner()).zip(gathers.into_inner()) {
        let mut profile = state.finish()?;
        let importance = gather.map(Gather::finish).unwrap_or_default();
        for (layer, importance) in profile.iter_mut().zip(importance) {
            layer.importance = Some(importance);
        }
        parts[*at].profile = profile;
    }
    Ok(watch)
}
