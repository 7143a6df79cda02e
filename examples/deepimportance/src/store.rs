//! Results of steps on disk, so that a stopped evaluation goes on.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Outcome;

/// Results of one setting.
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The results of this setting; those of others lie elsewhere.
    pub fn new(out: &Path, setting: &str) -> Outcome<Self> {
        let folder = out.join(setting);
        fs::create_dir_all(&folder).map_err(|why| format!("cannot make {}: {why}", folder.display()))?;
        Ok(Self { folder })
    }

    /// The result of a step: as it lies there, or made now.
    pub fn step<T: Serialize + DeserializeOwned>(&self, name: &str, make: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let path = self.folder.join(format!("{name}.json"));
        if let Some(known) = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Ok(known);
        }
        let made = make()?;
        write(&path, &serde_json::to_vec_pretty(&made)?)?;
        Ok(made)
    }
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let beside = path.with_extension("part");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|why| format!("cannot write {}: {why}", path.display()))?;
    Ok(())
}
