//! Which passes a set of declarations needs: those over one model and data, with one device, batch size and transform, share one.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::Measurement;
use super::pass::{self, Item, Job, Measured};
use crate::criteria::registry;
use crate::declare::{CriterionSpec, Declaration};
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
    items: Result<Vec<(String, usize)>>,
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
        let mut parts = Vec::new();
        for declaration in declarations {
            let job = Job::of(&declaration);
            let group = jobs.iter().position(|known| known.shares_a_pass_with(&job)).unwrap_or_else(|| {
                jobs.push(job);
                jobs.len() - 1
            });
            let specs: Vec<CriterionSpec> =
                declaration.requirements.iter().map(|requirement| requirement.criterion.clone()).collect();
            let items =
                items(&declaration, &specs).map(|items| items.into_iter().map(|item| jobs[group].add(item)).collect());
            parts.push((declaration, items, group));
        }
        let groups: Vec<Arc<Group>> =
            jobs.into_iter().map(|job| Arc::new(Group { job, result: OnceLock::new() })).collect();
        let parts = parts.into_iter();
        let parts =
            parts.map(|(declaration, items, group)| Part { declaration, items, group: Arc::clone(&groups[group]) });
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
        let items = part.items.clone()?;
        let measured = part.group.result.get_or_init(|| pass::run(&part.group.job)).as_ref().map_err(Clone::clone)?;
        measured.measurement(&part.declaration, &items)
    }
}

/// Measures these criteria on the model and data of a declaration, whatever it requires.
///
/// # Errors
/// Whatever stands in the way: the model, the data, a criterion.
pub fn once(declaration: &Declaration, criteria: &[CriterionSpec]) -> Result<Measurement> {
    let mut job = Job::of(declaration);
    let items: Vec<(String, usize)> = items(declaration, criteria)?.into_iter().map(|item| job.add(item)).collect();
    pass::run(&job)?.measurement(declaration, &items)
}

/// The criteria of a declaration with the layers and neurons each looks at.
fn items(declaration: &Declaration, specs: &[CriterionSpec]) -> Result<Vec<Item>> {
    let by_text: BTreeMap<String, &CriterionSpec> = specs.iter().map(|spec| (spec.to_string(), spec)).collect();
    let mut items = Vec::new();
    for (text, spec) in by_text {
        let criterion = registry::criterion(spec)?;
        let layers = registry::layers_of(spec)?.unwrap_or_else(|| declaration.layers.clone());
        let neurons = registry::neurons_of(spec)?.unwrap_or(declaration.neurons);
        items.push(Item { text, needs: criterion.needs(), spec: spec.clone(), layers, neurons });
    }
    Ok(items)
}
