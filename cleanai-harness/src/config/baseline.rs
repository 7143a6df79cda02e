//! `[baseline]`

use super::reader::{Table, Value};
use super::reference;
use crate::Result;
use crate::criteria::registry;
use crate::declare::nearest::did_you_mean;
use crate::declare::{BaselinePolicy, CriterionSpec, OnImprovement};

/// The words of `on_improvement`.
pub(super) const ON_IMPROVEMENT: [(&str, OnImprovement); 3] =
    [("ignore", OnImprovement::Ignore), ("pending", OnImprovement::Pending), ("fail", OnImprovement::Fail)];

pub(super) fn read(value: Value<'_>) -> Result<BaselinePolicy> {
    let mut table = Table::open(value, reference::BASELINE)?;
    let mut policy = BaselinePolicy::default();
    match table.take("tolerance") {
        None => {}
        Some(value) if value.is_table() => tolerances(value, &mut policy)?,
        Some(value) => policy.tolerance = tolerance(&value)?,
    }
    if let Some(value) = table.take("on_improvement") {
        policy.on_improvement = value.word(&ON_IMPROVEMENT)?;
    }
    if let Some(value) = table.take("enabled") {
        policy.enabled = value.needed_boolean()?;
    }
    if let Some(value) = table.take("by") {
        let words = value.list()?;
        let by = words.iter().map(|word| word.word(&[("device", By::Device), ("libtorch", By::Libtorch)]));
        let by = by.collect::<Result<Vec<_>>>()?;
        policy.by_device = by.contains(&By::Device);
        policy.by_libtorch = by.contains(&By::Libtorch);
    }
    Ok(policy)
}

/// What has baselines of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Device,
    Libtorch,
}

/// `{ default = 0.002, "kmnc(k=1000)" = 0.01, nc = 0.0 }`
fn tolerances(value: Value<'_>, policy: &mut BaselinePolicy) -> Result<()> {
    for (key, value) in value.entries()? {
        let tolerance = tolerance(&value)?;
        if key.text == "default" {
            policy.tolerance = tolerance;
            continue;
        }
        let criterion = CriterionSpec::parse(&key.text)
            .map_err(|error| key.error(format!("`{}` is no criterion: {}", key.text, error.what())))?;
        // Only with a namespace may it be another crate's, of which this process need not know.
        if !criterion.name.contains("::") && !registry::names().contains(&criterion.name.as_str()) {
            let help = did_you_mean(&criterion.name, registry::names());
            return Err(key.error(format!("unknown criterion `{}`", criterion.name)).with_help(help));
        }
        if policy.per_criterion.insert(criterion.to_string(), tolerance).is_some() {
            return Err(key.error(format!("`{criterion}` has a tolerance already")));
        }
    }
    Ok(())
}

fn tolerance(value: &Value<'_>) -> Result<f64> {
    match value.number()? {
        // -0.0 is no different from 0.
        tolerance if tolerance >= 0.0 => Ok(tolerance.abs()),
        _ => Err(value.error(format!("{} must not be negative", value.name)).with_help("0 lets nothing fall")),
    }
}
