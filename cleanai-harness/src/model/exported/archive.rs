//! The members of a `.pt2`: found by name, sizes bounded, nothing unpacked to disk.
//!
//! Three layouts are read. torch 2.6 and 2.7 put `serialized_exported_program.json` beside `serialized_state_dict.pt` and
//! `serialized_constants.pt`, which are archives of `torch.save`; torch 2.8 names the same parts `models/model.json`,
//! `data/weights/model.pt` and `data/constants/model.pt`; torch 2.9 and later store every weight as raw bytes that a table describes.

use std::path::Path;

use super::schema::{ExportedModel, MAJOR, MINOR, PayloadConfig};
use super::state_dict::StateDict;
use crate::model::container::Container;
use crate::model::torchscript::lacks;
use crate::{Error, Result};

/// Bound of the JSON members: the graph of the largest models takes tens of megabytes.
const LARGEST_TEXT: u64 = 512 << 20;
/// Bound of an archive within the archive, which is held in memory.
const LARGEST_STATE_DICT: u64 = 64 << 30;

const MODEL: &str = "models/model.json";
const FLAT_MODEL: &str = "serialized_exported_program.json";
const EXPORT: &str = "export it again with torch 2.8 to 2.13: torch.export.save(program, \"model.pt2\")";

/// An open `.pt2` file.
pub struct Archive {
    container: Container,
    /// Name of the folder all members lie in, with its slash.
    root: String,
    /// Name of the graph's member in that folder.
    model: &'static str,
}

/// Where the values of weights or constants are.
pub enum Payloads {
    /// Each in a member of its own, by this table.
    Table(PayloadConfig),
    /// All in an archive of `torch.save`.
    StateDict(Box<StateDict>),
}

impl Archive {
    pub fn open(path: &Path) -> Result<Self> {
        let container = Container::open(path)?;
        let found = [MODEL, FLAT_MODEL].into_iter().find_map(|model| {
            let roots = container.names().iter().filter_map(|name| name.strip_suffix(model));
            let mut roots = roots.filter(|root| root.is_empty() || root.ends_with('/'));
            roots.next().map(|root| (root.to_owned(), model))
        });
        let Some((root, model)) = found else {
            return Err(container.error(format!("{MODEL} is missing in the archive")).with_help(EXPORT));
        };
        Ok(Self { container, root, model })
    }

    /// An error about this file.
    pub fn error(&self, what: impl std::fmt::Display) -> Error {
        self.container.error(what)
    }

    /// The error for an operator that libtorch does not have.
    pub fn lacks(&self, operator: &str) -> Error {
        lacks(self.container.path(), operator, None)
    }

    /// The model's graph, after its schema version is checked.
    pub fn model(&mut self) -> Result<ExportedModel> {
        self.check_version()?;
        if self.member("byteorder", 64).is_ok_and(|order| order.starts_with(b"big")) {
            return Err(self
                .error("its weights are big-endian")
                .with_help("export it again on a little-endian machine"));
        }
        let name = self.model;
        let text = self.member(name, LARGEST_TEXT)?;
        let version: serde_json::Value = serde_json::from_slice(&text)
            .map_err(|why| self.error(format!("{name} is damaged: {why}")).with_help("copy or export it again"))?;
        let number = |key: &str| version.pointer(&format!("/schema_version/{key}")).and_then(serde_json::Value::as_u64);
        let (major, minor) = (number("major"), number("minor"));
        if major != Some(MAJOR) || minor.is_none_or(|minor| minor > MINOR) {
            let found = match (major, minor) {
                (None, _) => "none".to_owned(),
                (Some(MAJOR), Some(minor)) => format!("{MAJOR}.{minor}"),
                (Some(major), _) => major.to_string(),
            };
            let by = version.get("torch_version").and_then(serde_json::Value::as_str).unwrap_or("an unknown torch");
            let read = if major == Some(MAJOR) { format!("{MAJOR}.0 to {MAJOR}.{MINOR}") } else { MAJOR.to_string() };
            return Err(self
                .error(format!(
                    "it has export schema version {found} (written by {}), this CleanAI reads version {read}",
                    by.escape_debug()
                ))
                .with_help(EXPORT));
        }
        serde_json::from_slice(&text)
            .map_err(|why| self.error(format!("{name} is not of schema version {MAJOR}: {why}")).with_help(EXPORT))
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

    /// Where the `weights` or `constants` are; an archive that tells nothing of them has none.
    pub fn payloads(&mut self, kind: &str) -> Result<Payloads> {
        let saved = match (self.model, kind) {
            (FLAT_MODEL, "weights") => "serialized_state_dict.pt".to_owned(),
            (FLAT_MODEL, _) => format!("serialized_{kind}.pt"),
            _ => format!("data/{kind}/model.pt"),
        };
        let table = format!("data/{kind}/model_{kind}_config.json");
        if self.has(&table) {
            let text = self.member(&table, LARGEST_TEXT)?;
            let table = serde_json::from_slice(&text)
                .map_err(|why| self.error(format!("{table} is damaged: {why}")).with_help("copy or export it again"))?;
            return Ok(Payloads::Table(table));
        }
        if self.size(&saved).is_some_and(|size| size > 0) {
            return Ok(Payloads::StateDict(Box::new(self.saved(&saved)?)));
        }
        Ok(Payloads::Table(PayloadConfig::default()))
    }

    /// The tensors in a member that `torch.save` wrote.
    pub fn saved(&mut self, name: &str) -> Result<StateDict> {
        StateDict::open(self.container.within(&format!("{}{name}", self.root), name, LARGEST_STATE_DICT)?)
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
