//! `[tests.NAME]` and `[defaults]`

use std::collections::BTreeMap;

use super::baseline::{self, Tolerances};
use super::data::DataTable;
use super::reader::{Table, Value};
use super::reference;
use crate::Result;
use crate::declare::nearest::did_you_mean;
use crate::declare::{DeviceChoice, NeuronKind, NonFinite, Requirement, Selector, Source, possible};

/// Inputs per forward pass at most.
pub(super) const MAX_BATCH: usize = 65536;

/// `[tests.NAME]` and `[defaults]`: what an attribute leaves open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TestTable {
    /// `against`: the model it is compared with, a key of `[models]` or a path; not in `[defaults]`.
    pub against: Option<String>,
    /// `tolerance`: what goes before that of `[baseline]`; not in `[defaults]`.
    pub tolerance: Tolerances,
    /// `data`: a key of `[data]`.
    pub data: Option<String>,
    /// `require`
    pub require: Vec<Requirement>,
    /// `layers`
    pub layers: Option<Selector>,
    /// `neurons`
    pub neurons: Option<NeuronKind>,
    /// `batch`
    pub batch: Option<usize>,
    /// `device`
    pub device: Option<DeviceChoice>,
    /// `non_finite`
    pub non_finite: Option<NonFinite>,
}

/// `[tests.NAME]`
pub(super) fn read(value: Value<'_>, data: &BTreeMap<String, DataTable>) -> Result<TestTable> {
    let mut table = Table::open(value, reference::TESTS)?;
    let against = table.take("against").map(|value| value.name().map(str::to_owned)).transpose()?;
    let tolerance = table.take("tolerance").map(baseline::tolerances).transpose()?.unwrap_or_default();
    Ok(TestTable { against, tolerance, ..shared(table, data, Source::Test)? })
}

/// `[defaults]`
pub(super) fn defaults(value: Value<'_>, data: &BTreeMap<String, DataTable>) -> Result<TestTable> {
    let table = Table::open(value, reference::DEFAULTS)?;
    shared(table, data, Source::Defaults)
}

/// The keys that both have.
fn shared(mut table: Table<'_>, data: &BTreeMap<String, DataTable>, source: Source) -> Result<TestTable> {
    Ok(TestTable {
        against: None,
        tolerance: Tolerances::default(),
        data: table.take("data").map(|value| data_key(&value, data)).transpose()?,
        require: table.take("require").map(|value| requirements(value, source)).transpose()?.unwrap_or_default(),
        layers: table.take("layers").map(selector).transpose()?,
        neurons: table
            .take("neurons")
            .map(|value| value.word(&[("channel", NeuronKind::Channel), ("unit", NeuronKind::Unit)]))
            .transpose()?,
        batch: table.take("batch").map(|value| batch(&value)).transpose()?,
        device: table.take("device").map(|value| device(&value)).transpose()?,
        non_finite: table
            .take("non_finite")
            .map(|value| value.word(&[("error", NonFinite::Error), ("ignore", NonFinite::Ignore)]))
            .transpose()?,
    })
}

fn data_key(value: &Value<'_>, data: &BTreeMap<String, DataTable>) -> Result<String> {
    let key = value.name()?;
    if data.contains_key(key) {
        return Ok(key.to_owned());
    }
    let error = value.error(format!("{} names no data: there is no [data.{key}]", value.name));
    Err(if data.is_empty() {
        error.with_help(format!("add it: [data.{key}] with `test = \"data/test\"`"))
    } else {
        error.with_help(did_you_mean(key, data.keys().map(String::as_str)))
    })
}

fn requirements(value: Value<'_>, source: Source) -> Result<Vec<Requirement>> {
    if !value.is_list() {
        let name = value.name.clone();
        return Err(match value.text() {
            Ok(text) => {
                value.error(format!("{name} must be a list")).with_help(format!("write `require = [{text:?}]`"))
            }
            Err(_) => value.error(format!("{name} must be a list of strings")),
        });
    }
    let mut requirements: Vec<Requirement> = Vec::new();
    for item in value.list()? {
        let text = item.text()?;
        let previous = requirements.last().map(|last| last.criterion.clone());
        let read = Requirement::parse_after(text, previous.as_ref()).map_err(|error| item.syntax_error(&error))?;
        let requirement = Requirement { origin: Some(item.origin(source, text)), ..read };
        if let Some(first) = requirements.iter().find(|first| first.replaces(&requirement)) {
            let what = format!("`{requirement}` bounds what `{first}` bounds already");
            return Err(item.error(what).with_help("keep one of them"));
        }
        let contradiction = || requirements.iter().find_map(|first| possible::contradiction(first, &requirement));
        if let Some(wrong) = possible::impossible(&requirement).or_else(contradiction) {
            return Err(item.error(wrong.what).with_help(wrong.help));
        }
        requirements.push(requirement);
    }
    Ok(requirements)
}

fn selector(value: Value<'_>) -> Result<Selector> {
    if !value.is_list() {
        return Selector::parse(value.text()?).map_err(|error| value.syntax_error(&error));
    }
    let empty = value.error(format!("{} names no layers", value.name));
    let one = |item: Value<'_>| Selector::parse(item.text()?).map_err(|error| item.syntax_error(&error));
    let selectors = value.list()?.into_iter().map(one).collect::<Result<Vec<_>>>()?;
    if selectors.is_empty() { Err(empty) } else { Ok(Selector::Any(selectors)) }
}

fn batch(value: &Value<'_>) -> Result<usize> {
    let batch = value.integer()?;
    let allowed = usize::try_from(batch).ok().filter(|batch| (1..=MAX_BATCH).contains(batch));
    allowed.ok_or_else(|| value.error(format!("{} must be from 1 to {MAX_BATCH}", value.name)))
}

/// A device's text.
pub(super) fn device(value: &Value<'_>) -> Result<DeviceChoice> {
    value.text()?.parse().map_err(|error: crate::Error| {
        let shown = value.error(format!("{}: {}", value.name, error.what()));
        match error.help() {
            Some(help) => shown.with_help(help),
            None => shown,
        }
    })
}
