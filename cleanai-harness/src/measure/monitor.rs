//! Monitors for services: signatures from a profile set, without a test set.

use super::batches::calibrate;
use super::job::Job;
use super::needs::{no_logits, select};
use super::open::{open_model, open_profile, open_untrusted};
use super::plan::items;
use super::profile;
use crate::criteria::{LayerTraces, monitors};
use crate::declare::{CriterionSpec, Declaration};
use crate::model::LayerInfo;
use crate::monitor::file::{Facts, MonitorFile};
use crate::monitor::{Calibration, Trusted};
use crate::{Error, ErrorKind, Result};

/// A monitor, and what the inputs it was made of are to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedMonitor {
    /// The monitor.
    pub file: MonitorFile,
    /// The share of trusted inputs it accepts, each left out of its own signature.
    pub trusted_acceptance_rate: Option<f64>,
    /// The share of untrusted inputs it accepts, where there are any.
    pub untrusted_acceptance_rate: Option<f64>,
}

/// Makes the monitor of a declaration's model, profile set and untrusted set that a criterion names: `src`, `mrc(q=10)@penultimate`.
///
/// # Errors
/// Whatever stands in the way: the criterion, the model, the data, no trusted inputs.
///
/// ```no_run
/// # fn export(declaration: &cleanai_harness::declare::Declaration) -> cleanai_harness::Result<()> {
/// let exported = cleanai_harness::measure::export_monitor(declaration, &"mrc(q=10)".parse()?)?;
/// exported.file.write("lenet5.monitor".as_ref())
/// # }
/// ```
pub fn export_monitor(declaration: &Declaration, criterion: &CriterionSpec) -> Result<ExportedMonitor> {
    let method = monitors::method(criterion)?;
    let mut job = Job::of(declaration);
    job.items = items(declaration, std::slice::from_ref(criterion), true)?;
    let [item] = &job.items[..] else {
        return Err(Error::new(ErrorKind::Criterion, "a monitor is one criterion"));
    };
    let mut model = open_model(&job.model)?;
    if !model.has_logits() {
        return Err(no_logits(item, &model));
    }
    // A selector that matches nothing is told before data is decoded.
    select(&model, item)?;
    let profile = open_profile(&job)?;
    // Said before the model runs, not after.
    if profile.labels().is_none() {
        Trusted::of(&Default::default())?;
    }
    let untrusted = open_untrusted(&job, &profile, "profile")?;
    let layers = calibrate(&mut model, Some(&profile), &profile, job.batch)?;
    let batch = model.fixed_batch().unwrap_or(job.batch);
    let selected = vec![select(&model, item)?];
    let mut profiles = profile::gather(&job, &mut model, &profile, batch, &layers, &selected)?;
    profile::gather_untrusted(&job, &mut model, &untrusted, batch, &layers, &selected, &mut profiles)?;
    let of_layers = profiles.of(item, &selected[0]).unwrap_or_default();
    let traces: Vec<LayerTraces> = of_layers.iter().filter_map(|layer| layer.traces.clone()).collect();
    let others: Vec<LayerTraces> = of_layers.iter().filter_map(|layer| layer.untrusted.clone()).collect();
    let others = (!others.is_empty()).then_some(others);
    let calibration = Calibration::new(method, &traces, others.as_deref()).map_err(|error| error.context(criterion))?;
    let facts = Facts {
        model: model.sha256().to_owned(),
        monitor: criterion.to_string(),
        neurons: item.neurons,
        layers: selected[0].iter().map(|layer| layers[*layer].clone()).collect::<Vec<LayerInfo>>(),
        inputs: profile.fields().iter().map(|field| (field.name.clone(), field.shape.clone())).collect(),
        batch,
        trusted: calibration.trusted.clone(),
    };
    Ok(ExportedMonitor {
        trusted_acceptance_rate: calibration.left_out.acceptance_rate(),
        untrusted_acceptance_rate: calibration.untrusted.as_ref().and_then(|own| own.acceptance_rate()),
        file: MonitorFile { facts, judge: calibration.judge },
    })
}
