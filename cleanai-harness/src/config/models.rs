//! `[models.NAME]`

use std::path::PathBuf;

use super::reader::{Table, Value};
use super::tests::device;
use crate::Result;
use crate::declare::DeviceChoice;

/// `[models.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct ModelTable {
    /// `path`, relative to the file.
    pub path: PathBuf,
    /// `device`; `None` leaves it to `[defaults]`.
    pub device: Option<DeviceChoice>,
}

pub(super) fn read(value: Value<'_>) -> Result<ModelTable> {
    let mut table = Table::open(value, &["path", "device"])?;
    Ok(ModelTable {
        path: table.need("path", "\"models/lenet5.pt\"")?.name()?.into(),
        device: table.take("device").map(|value| device(&value)).transpose()?,
    })
}
