//! The members of a `.pt2`: found by name, sizes bounded, nothing unpacked to disk.

use std::path::Path;

use super::schema::{ExportedModel, MAJOR, PayloadConfig};
use crate::model::container::Container;
use crate::model::torchscript::lacks;
use crate::{Error, Result};

/// Bound of the JSON members: the graph of the largest models takes tens of megabytes.
const LARGEST_TEXT: u64 = 512 << 20;

const MODEL: &str = "models/model.json";
const EXPORT: &str = "export it again with torch 2.8 to 2.13: torch.export.save(program, \"model.pt2\")";

/// An open `.pt2` file.
pub struct Archive {
    container: Container,
    /// Name of the folder all members lie in, with its slash.
    root: String,
}

impl Archive {
    pub fn open(path: &Path) -> Result<Self> {
        let container = Container::open(path)?;
        let root = container.names().iter().find_map(|name| name.strip_suffix(MODEL).map(str::to_owned));
        let Some(root) = root else {
            return Err(container.error(format!("{MODEL} is missing in the archive")).with_help(EXPORT));
        };
        Ok(Self { container, root })
    }

    /// An error about this file.
    pub fn error(&self, what: impl std::fmt::Display) -> Error {
        self.container.error(what)
    }

    /// The error for an operator that libtorch does not have.
    pub fn lacks(&self, operator: &str) -> Error {
        lacks(self.container.path(), operator)
    }

    /// The model's graph, after its schema version is checked.
    pub fn model(&mut self) -> Result<ExportedModel> {
        self.check_version()?;
        if self.member("byteorder", 64).is_ok_and(|order| order.starts_with(b"big")) {
            return Err(self
                .error("its weights are big-endian")
                .with_help("export it again on a little-endian machine"));
        }
        let text = self.member(MODEL, LARGEST_TEXT)?;
        let version: serde_json::Value = serde_json::from_slice(&text)
            .map_err(|why| self.error(format!("{MODEL} is damaged: {why}")).with_help("copy or export it again"))?;
        let major = version.pointer("/schema_version/major").and_then(serde_json::Value::as_u64);
        if major != Some(u64::from(MAJOR)) {
            let found = major.map_or("none".to_owned(), |major| major.to_string());
            let by = version.get("torch_version").and_then(serde_json::Value::as_str).unwrap_or("an unknown torch");
            return Err(self
                .error(format!(
                    "it has export schema version {found} (written by {by}), this CleanAI reads version {MAJOR}"
                ))
                .with_help(EXPORT));
        }
        serde_json::from_slice(&text)
            .map_err(|why| self.error(format!("models/model.json is not of schema version {MAJOR}: {why}")))
    }

    /// The archive's own format and version; older exports that do not tell are taken as they are.
    fn check_version(&mut self) -> Result<()> {
        for (name, known) in [("archive_format", "pt2"), ("archive_version", "0")] {
            if !self.has(name) {
                continue;
            }
            let bytes = self.member(name, 64)?;
            let found = String::from_utf8_lossy(&bytes);
            let found = found.trim();
            if found != known {
                let what = name.replace('_', " ");
                return Err(self
                    .error(format!("it has {what} {:?}, this CleanAI reads {known}", found))
                    .with_help(EXPORT));
            }
        }
        Ok(())
    }

    /// The table of weights or constants; an archive without one has none.
    pub fn payloads(&mut self, kind: &str) -> Result<PayloadConfig> {
        let name = format!("data/{kind}/model_{kind}_config.json");
        if !self.has(&name) {
            return Ok(PayloadConfig::default());
        }
        let text = self.member(&name, LARGEST_TEXT)?;
        serde_json::from_slice(&text).map_err(|why| self.error(format!("{name} is damaged: {why}")))
    }

    /// Size of a member in bytes; `None` if it is not there.
    pub fn size(&mut self, name: &str) -> Option<u64> {
        self.container.size(&format!("{}{name}", self.root))
    }

    fn has(&self, name: &str) -> bool {
        self.container.has(&format!("{}{name}", self.root))
    }

    /// The bytes of a member of at most `bound` bytes.
    pub fn member(&mut self, name: &str, bound: u64) -> Result<Vec<u8>> {
        self.container.read(&format!("{}{name}", self.root), name, bound)
    }
}
