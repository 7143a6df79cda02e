//! `[baseline]`, and `tolerance` in `[tests.NAME]`

use std::collections::BTreeMap;

use super::reader::{Key, Table, Value};
use super::reference;
use crate::Result;
use crate::criteria::registry;
use crate::declare::nearest::did_you_mean;
use crate::declare::{BaselinePolicy, OnImprovement, Tolerance, criterion_and_figure, figure_key};

/// The ways to write a tolerance that is no plain number.
const KINDS: [&str; 4] = ["absolute", "relative", "neurons", "items"];

/// `tolerance`: that of all figures, and those of single ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tolerances {
    /// That of figures which have none of their own; `None` where it is not said.
    pub default: Option<Tolerance>,
    /// Those of single criteria and figures, by canonical text, or by a criterion's name.
    pub per_criterion: BTreeMap<String, Tolerance>,
}

impl Tolerances {
    /// Puts these before those of a policy: what they say nothing of stays.
    pub fn apply(&self, policy: &mut BaselinePolicy) {
        policy.tolerance = self.default.unwrap_or(policy.tolerance);
        policy.per_criterion.extend(self.per_criterion.iter().map(|(key, tolerance)| (key.clone(), *tolerance)));
    }
}

/// The words of `on_improvement`.
pub(super) const ON_IMPROVEMENT: [(&str, OnImprovement); 3] =
    [("ignore", OnImprovement::Ignore), ("pending", OnImprovement::Pending), ("fail", OnImprovement::Fail)];

pub(super) fn read(value: Value<'_>) -> Result<BaselinePolicy> {
    let mut table = Table::open(value, reference::BASELINE)?;
    let mut policy = BaselinePolicy::default();
    if let Some(value) = table.take("tolerance") {
        tolerances(value)?.apply(&mut policy);
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

/// `0.002`, `{ neurons = 3 }`, or `{ default = 0.002, "kmnc(k=1000)" = { relative = 0.01 }, nc = 0.0 }`
pub(super) fn tolerances(value: Value<'_>) -> Result<Tolerances> {
    let mut all = Tolerances::default();
    if !value.is_table() || value.has_only(&KINDS) {
        all.default = Some(tolerance(value)?);
        return Ok(all);
    }
    for (key, value) in value.entries()? {
        if KINDS.contains(&key.text.as_str()) {
            let what = format!("`{}` stands beside criteria", key.text);
            return Err(key.error(what).with_help(format!("write `default = {{ {} = … }}`", key.text)));
        }
        if key.text == "default" {
            all.default = Some(tolerance(value)?);
            continue;
        }
        let named = subject(&key)?;
        let tolerance = tolerance(value)?;
        if all.per_criterion.insert(named.clone(), tolerance).is_some() {
            return Err(key.error(format!("`{named}` has a tolerance already")));
        }
    }
    Ok(all)
}

/// The criterion, or figure of one, that a key names, in canonical text.
fn subject(key: &Key<'_>) -> Result<String> {
    let (criterion, figure) = criterion_and_figure(&key.text)
        .map_err(|error| key.error(format!("`{}` is no criterion: {}", key.text, error.what())))?;
    // Only with a namespace may it be another crate's, of which this process need not know.
    if !criterion.name.contains("::") && !registry::names().contains(&criterion.name.as_str()) {
        let help = did_you_mean(&criterion.name, registry::names());
        return Err(key.error(format!("unknown criterion `{}`", criterion.name)).with_help(help));
    }
    Ok(figure_key(&criterion.to_string(), figure.as_ref()))
}

fn tolerance(value: Value<'_>) -> Result<Tolerance> {
    if !value.is_table() {
        return number(&value).map(Tolerance::Absolute);
    }
    let empty = value.error(format!("{} says nothing", value.name)).with_help("write `{ relative = 0.01 }`");
    let mut table = Table::open(value, reference::TOLERANCE)?;
    let mut found = None;
    for kind in KINDS {
        let Some(value) = table.take(kind) else { continue };
        if found.is_some() {
            return Err(value.error(format!("{} stands beside another", value.name)).with_help("keep one of them"));
        }
        found = Some(match kind {
            "absolute" => Tolerance::Absolute(number(&value)?),
            "relative" => match number(&value)? {
                share if share <= 1.0 => Tolerance::Relative(share),
                _ => {
                    let error = value.error(format!("{} is a share from 0 to 1", value.name));
                    return Err(error.with_help("`relative = 0.01` lets a figure fall by 1 % of what it was"));
                }
            },
            "neurons" => Tolerance::Neurons(whole(&value)?),
            _ => Tolerance::Items(whole(&value)?),
        });
    }
    found.ok_or(empty)
}

fn number(value: &Value<'_>) -> Result<f64> {
    match value.number()? {
        // -0.0 is no different from 0.
        tolerance if tolerance >= 0.0 => Ok(tolerance.abs()),
        _ => Err(value.error(format!("{} must not be negative", value.name)).with_help("0 lets nothing fall")),
    }
}

fn whole(value: &Value<'_>) -> Result<u64> {
    u64::try_from(value.integer()?)
        .map_err(|_| value.error(format!("{} must not be negative", value.name)).with_help("0 lets nothing fall"))
}
