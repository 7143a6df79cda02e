//! `[models.NAME]`

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::reader::{Table, Value};
use super::tests::device;
use crate::Result;
use crate::declare::{AxisChoice, DeviceChoice, StateChoice};
use crate::model::signature::ElementType;

/// `[models.NAME]`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelTable {
    /// `path`, relative to the file; `None` for a model that a function builds.
    pub path: Option<PathBuf>,
    /// `function`, the name of a constructor marked `#[cleanai::model]`, in place of `path`.
    pub function: Option<String>,
    /// `device`; `None` leaves it to `[defaults]`.
    pub device: Option<DeviceChoice>,
    /// `libraries`: those with a folder in their path are relative to the file, others are looked for by the loader.
    pub libraries: Vec<PathBuf>,
    /// `allow_files`
    pub allow_files: bool,
    /// `state`
    pub state: StateChoice,
    /// `inputs`, element types by name.
    pub inputs: BTreeMap<String, ElementType>,
    /// `axes`, by a glob on layer names.
    pub axes: Vec<AxisChoice>,
}

const KEYS: &[&str] = &["path", "function", "device", "libraries", "allow_files", "state", "inputs", "axes"];

pub(super) fn read(value: Value<'_>) -> Result<ModelTable> {
    let mut table = Table::open(value, KEYS)?;
    let libraries = match table.take("libraries") {
        Some(value) => value.list()?.iter().map(|library| Ok(library.name()?.into())).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    let state = |value: Value<'_>| value.word(&[("fresh", StateChoice::Fresh), ("keep", StateChoice::Keep)]);
    let inputs = match table.take("inputs") {
        Some(value) => {
            let entries = value.entries()?.into_iter();
            entries.map(|(key, value)| Ok((key.text, value.word(&ElementType::NAMES)?))).collect::<Result<_>>()?
        }
        None => BTreeMap::new(),
    };
    let axes = match table.take("axes") {
        Some(value) => value.entries()?.into_iter().map(|(key, value)| axis(key.text, value)).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    let function = table.take("function");
    let path = match (&function, table.take("path")) {
        (Some(function), Some(_)) => {
            return Err(function
                .error(format!("{} stands beside `path`", function.name))
                .with_help("keep one: `path` names a file, `function` a constructor"));
        }
        (Some(_), None) => None,
        (None, Some(path)) => Some(path.name()?.into()),
        (None, None) => Some(table.need("path", "\"models/lenet5.pt\"")?.name()?.into()),
    };
    Ok(ModelTable {
        path,
        function: function.map(|value| Ok(value.name()?.to_owned())).transpose()?,
        device: table.take("device").map(|value| device(&value)).transpose()?,
        libraries,
        allow_files: table.take("allow_files").map(|value| value.needed_boolean()).transpose()?.unwrap_or(false),
        state: table.take("state").map(state).transpose()?.unwrap_or_default(),
        inputs,
        axes,
    })
}

fn axis(layers: String, value: Value<'_>) -> Result<AxisChoice> {
    let mut table = Table::open(value, &["batch", "channel"])?;
    let batch = table.take("batch").map(|value| value.integer()).transpose()?;
    let channel = table.take("channel").map(|value| value.integer()).transpose()?;
    Ok(AxisChoice { layers, batch, channel })
}
