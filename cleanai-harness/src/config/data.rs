//! `[data.NAME]`

use super::reader::{Table, Value};
use super::{augment, reference};
use crate::Result;
use crate::data::transform::TransformStep;
use crate::declare::OnBadInput;
use crate::synthesis::Augmentation;

/// `[data.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct DataTable {
    /// `profile`
    pub profile: Option<String>,
    /// `untrusted`
    pub untrusted: Option<String>,
    /// `test`
    pub test: String,
    /// `transform`
    pub transform: Vec<TransformStep>,
    /// `on_bad_input`
    pub on_bad_input: OnBadInput,
    /// `augment`
    pub augment: Vec<Augmentation>,
}

pub(super) fn read(value: Value<'_>) -> Result<DataTable> {
    let mut table = Table::open(value, reference::DATA)?;
    let transform = match table.take("transform") {
        Some(steps) => steps.list()?.into_iter().map(Value::deserialize).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    let on_bad_input = match table.take("on_bad_input") {
        Some(value) => value.word(&[("fail", OnBadInput::Fail), ("skip", OnBadInput::Skip)])?,
        None => OnBadInput::default(),
    };
    Ok(DataTable {
        profile: table.take("profile").map(|value| value.name().map(str::to_owned)).transpose()?,
        untrusted: table.take("untrusted").map(|value| value.name().map(str::to_owned)).transpose()?,
        test: table.need("test", "\"data/test\"")?.name()?.to_owned(),
        transform,
        on_bad_input,
        augment: table.take("augment").map(augment::read).transpose()?.unwrap_or_default(),
    })
}
