//! The zip side of a `.pt2`: members are found by name, sizes are bounded, nothing is unpacked to disk.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::schema::{ExportedModel, MAJOR, PayloadConfig};
use crate::{Error, ErrorKind, Result};

/// Bound of the JSON members: the graph of the largest models takes tens of megabytes.
const LARGEST_TEXT: u64 = 512 << 20;

/// An open `.pt2` file.
pub struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    /// Name of the folder all members lie in, with its slash.
    root: String,
}

impl Archive {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|why| Error::io("open", path, why))?;
        let zip = ZipArchive::new(BufReader::new(file))
            .map_err(|why| Error::new(ErrorKind::Model, format!("{} is no readable archive: {why}", path.display())))?;
        let marker = "models/model.json";
        let root = zip.file_names().flatten().find_map(|name| name.strip_suffix(marker).map(str::to_owned));
        let Some(root) = root else {
            return Err(Error::new(ErrorKind::Model, format!("{} has no {marker} in it", path.display())).with_help(
                "export it again: torch.export.save(torch.export.export(model.eval(), (example,)), \"model.pt2\")",
            ));
        };
        Ok(Self { path: path.to_owned(), zip, root })
    }

    /// An error about this file.
    pub fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Model, format!("{}: {what}", self.path.display()))
    }

    /// The model's graph, after its schema version is checked.
    pub fn model(&mut self) -> Result<ExportedModel> {
        if self.member("byteorder", 64).is_ok_and(|order| order.starts_with(b"big")) {
            return Err(self
                .error("its weights are big-endian")
                .with_help("export it again on a little-endian machine"));
        }
        let text = self.member("models/model.json", LARGEST_TEXT)?;
        let version: serde_json::Value =
            serde_json::from_slice(&text).map_err(|why| self.error(format!("models/model.json is damaged: {why}")))?;
        let major = version.pointer("/schema_version/major").and_then(serde_json::Value::as_u64);
        if major != Some(u64::from(MAJOR)) {
            let found = major.map_or("none".to_owned(), |major| major.to_string());
            let by = version.get("torch_version").and_then(serde_json::Value::as_str).unwrap_or("an unknown torch");
            return Err(self
                .error(format!(
                    "it has export schema version {found} (written by {by}), this CleanAI reads version {MAJOR}"
                ))
                .with_help("export it again with torch 2.8 to 2.13: torch.export.save(program, \"model.pt2\")"));
        }
        serde_json::from_slice(&text)
            .map_err(|why| self.error(format!("models/model.json is not of schema version {MAJOR}: {why}")))
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

    /// Size of a member in bytes, as the archive declares it.
    pub fn size(&mut self, name: &str) -> Result<u64> {
        let full = format!("{}{name}", self.root);
        let size = self.zip.by_name(&full).map(|member| member.size());
        size.map_err(|why| self.error(format!("{name} cannot be read: {why}")))
    }

    fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(&format!("{}{name}", self.root)).is_some()
    }

    /// The bytes of a member of at most `bound` bytes.
    pub fn member(&mut self, name: &str, bound: u64) -> Result<Vec<u8>> {
        let full = format!("{}{name}", self.root);
        let path = self.path.display().to_string();
        let fail = |why: String| Error::new(ErrorKind::Model, format!("{path}: {name} {why}"));
        let member = self.zip.by_name(&full).map_err(|why| fail(format!("cannot be read: {why}")))?;
        if member.size() > bound {
            return Err(fail(format!("is {} bytes long where at most {bound} make sense", member.size())));
        }
        let mut bytes = Vec::with_capacity(member.size() as usize);
        member.take(bound + 1).read_to_end(&mut bytes).map_err(|why| fail(format!("is damaged: {why}")))?;
        if bytes.len() as u64 > bound {
            return Err(fail(format!("unpacks to more than the {bound} bytes it may have")));
        }
        Ok(bytes)
    }
}
