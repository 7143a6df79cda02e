//! Which passes a set of declarations needs: those over one model and data, with one device, batch size and transform, share one.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::by_input::ByInput;
use super::cached;
use super::job::{Item, Items, Job, Sets};
use super::pass::{self, Measured};
use super::{Measurement, OtherModel};
use crate::criteria::registry;
use crate::data::DataSet;
use crate::declare::{CriterionSpec, DataLocation, Declaration, NeuronKind, Selector};
use crate::{Error, ErrorKind, Result};

/// The passes of a run and which declaration reads which.
///
/// ```no_run
/// # fn declarations() -> Vec<cleanai_harness::declare::Declaration> { Vec::new() }
/// let plan = cleanai_harness::measure::Plan::new(declarations());
/// let first = plan.measure(0)?;
/// println!("{} criteria on {} inputs", first.criteria.len(), first.data.inputs);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
pub struct Plan {
    parts: Vec<Part>,
}

/// What one declaration takes from its pass.
struct Part {
    declaration: Declaration,
    /// Its criteria by canonical text; the error of the first that cannot be understood.
    items: Result<Items>,
    group: Arc<Group>,
    /// The same of the model it is compared with.
    against: Option<Other>,
}

/// The model that a declaration's is compared with: the same criteria, in a pass of their own.
struct Other {
    declaration: Declaration,
    items: Result<Items>,
    group: Arc<Group>,
}

struct Group {
    job: Job,
    result: OnceLock<Result<Measured>>,
}

impl Plan {
    /// Groups declarations into passes; nothing runs yet.
    pub fn new(declarations: Vec<Declaration>) -> Self {
        let mut jobs: Vec<Job> = Vec::new();
        let mut add = |declaration: &Declaration| {
            let job = Job::of(declaration);
            let group = jobs.iter().position(|known| known.shares_a_pass_with(&job)).unwrap_or_else(|| {
                jobs.push(job);
                jobs.len() - 1
            });
            let specs: Vec<CriterionSpec> =
                declaration.requirements.iter().map(|requirement| requirement.criterion.clone()).collect();
            (add_items(&mut jobs[group], declaration, &specs), group)
        };
        let mut parts = Vec::new();
        for declaration in declarations {
            let own = add(&declaration);
            let other = declaration.against.clone().map(|model| {
                let other = Declaration { model, against: None, report: Vec::new(), ..declaration.clone() };
                let (items, group) = add(&other);
                (other, items, group)
            });
            parts.push((declaration, own, other));
        }
        let groups: Vec<Arc<Group>> =
            jobs.into_iter().map(|job| Arc::new(Group { job, result: OnceLock::new() })).collect();
        let group = |index: usize| Arc::clone(&groups[index]);
        let parts = parts.into_iter().map(|(declaration, (items, own), other)| Part {
            declaration,
            items,
            group: group(own),
            against: other.map(|(declaration, items, index)| Other { declaration, items, group: group(index) }),
        });
        Self { parts: parts.collect() }
    }

    /// Measures the declaration of this index, running its pass if no other has done so yet. Threads that need the same pass wait for it.
    ///
    /// # Errors
    /// Whatever stands in the way: the declaration, the model, the data, a criterion.
    pub fn measure(&self, index: usize) -> Result<Measurement> {
        let part = self
            .parts
            .get(index)
            .ok_or_else(|| Error::new(ErrorKind::Configuration, format!("no declaration {index} in this plan")))?;
        let mut measurement = part.group.measurement(&part.declaration, &part.items)?;
        if let Some(Other { declaration, items, group }) = &part.against {
            let name = &declaration.model.name;
            let other = group.measurement(declaration, items);
            let other = other.map_err(|error| error.context(format!("comparing with the model `{name}`")))?;
            measurement.against = Some(OtherModel::of(&other, &part.declaration.requirements));
        }
        Ok(measurement)
    }
}

impl Group {
    /// What a declaration takes from the pass, which runs if no other has done so yet.
    fn measurement(&self, declaration: &Declaration, items: &Result<Items>) -> Result<Measurement> {
        let items = items.clone()?;
        let measured = self.result.get_or_init(|| cached::run(&self.job)).as_ref().map_err(Clone::clone)?;
        measured.measurement(declaration, &items)
    }
}

/// Measures these criteria on the model and data of a declaration, whatever it requires.
///
/// # Errors
/// Whatever stands in the way: the model, the data, a criterion.
pub fn once(declaration: &Declaration, criteria: &[CriterionSpec]) -> Result<Measurement> {
    once_on(declaration, criteria, None, None)
}

/// The same on inputs that take the place of the declaration's: the test set, and the profile set if there is one.
pub(super) fn on_inputs(
    declaration: &Declaration,
    criteria: &[CriterionSpec],
    test: DataSet,
    profile: Option<DataSet>,
) -> Result<Measurement> {
    once_on(declaration, criteria, Some(Sets { test, profile }), None)
}

/// The same on these inputs, if there are any; what is told of single inputs is gathered.
pub(super) fn once_on(
    declaration: &Declaration,
    criteria: &[CriterionSpec],
    sets: Option<Sets>,
    by_input: Option<&mut ByInput>,
) -> Result<Measurement> {
    let mut job = Job::of(declaration);
    let items = add_items(&mut job, declaration, criteria)?;
    let measured = match (&sets, &by_input) {
        (None, None) => cached::run(&job),
        _ => pass::run(&job, sets, by_input),
    };
    measured?.measurement(declaration, &items)
}

/// Adds what a declaration asks for, and what its report shows.
fn add_items(job: &mut Job, declaration: &Declaration, specs: &[CriterionSpec]) -> Result<Items> {
    let mut add = |specs: &[CriterionSpec], required: bool| -> Result<Vec<(String, usize)>> {
        let items = items(declaration, specs, required)?;
        Ok(items.into_iter().map(|item| job.add(item)).collect())
    };
    Ok(Items { required: add(specs, true)?, report: add(&declaration.report, false)? })
}

/// The criteria of a declaration with the layers and neurons each looks at.
pub(super) fn items(declaration: &Declaration, specs: &[CriterionSpec], required: bool) -> Result<Vec<Item>> {
    let by_text: BTreeMap<String, &CriterionSpec> = specs.iter().map(|spec| (spec.to_string(), spec)).collect();
    let mut items = Vec::new();
    for (text, spec) in by_text {
        let criterion = registry::criterion(spec)?;
        let needs = criterion.needs();
        // What looks at modules does not follow the test's own settings: all of them, unit by unit.
        let (layers, neurons) = match needs.modules {
            true => (Selector::Default, NeuronKind::Unit),
            false => (declaration.layers.clone(), declaration.neurons),
        };
        let layers = registry::layers_of(spec)?.or_else(|| criterion.default_layers()).unwrap_or(layers);
        let neurons = registry::neurons_of(spec)?.unwrap_or(neurons);
        // Its own path starts where those of the data do.
        let named = |path: &str| DataLocation { path: path.to_owned(), root: declaration.data.test.root.clone() };
        let untrusted = criterion.untrusted().map(named).or_else(|| declaration.data.untrusted.clone());
        let untrusted = untrusted.filter(|_| needs.untrusted);
        items.push(Item { text, needs, spec: spec.clone(), layers, neurons, required, untrusted });
    }
    Ok(items)
}
