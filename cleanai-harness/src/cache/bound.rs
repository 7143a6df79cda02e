//! One bound for all entries together, and what killed processes left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::entry::TEMPORARY;
use super::lock::remove_unused;
use super::{Cache, Kind};

/// Digits of a SHA-256.
const DIGITS: usize = 64;

/// An entry as the folder shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// When it was last used.
    pub used: SystemTime,
    pub length: u64,
    pub path: PathBuf,
    pub kind: Kind,
}

impl Cache {
    /// All entries, by the names of files alone: what is in them may be damaged.
    pub(super) fn entries(&self) -> Vec<Found> {
        let of_kind = |kind: Kind| {
            let entries = fs::read_dir(self.folder.join(kind.name())).into_iter().flatten().flatten();
            entries.filter_map(move |entry| {
                let path = entry.path();
                let kind = kind_of(&path, kind)?;
                let facts = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some(Found { used: facts.modified().ok()?, length: facts.len(), path, kind })
            })
        };
        Kind::ALL.into_iter().flat_map(of_kind).collect()
    }

    /// Removes least recently used entries that nobody reads while all are too large together.
    pub(super) fn shrink(&self, newest: &Path) {
        let Some(_lock) = self.alone("bound") else { return };
        let mut entries = self.entries();
        let mut size: u64 = entries.iter().map(|entry| entry.length).sum();
        if size <= self.size {
            return;
        }
        entries.sort();
        for entry in entries.iter().filter(|entry| entry.path != newest) {
            if size <= self.size {
                break;
            }
            if remove_unused(&entry.path).unwrap_or(false) {
                size -= entry.length;
            }
        }
    }

    /// Removes temporary files whose process has ended; gives how many, and their bytes.
    pub(super) fn sweep(&self) -> (usize, u64) {
        let left = |kind: Kind| {
            let entries = fs::read_dir(self.folder.join(kind.name())).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
            })
        };
        let left: Vec<PathBuf> = Kind::ALL.into_iter().flat_map(left).collect();
        let mut removed = (0, 0);
        if left.is_empty() {
            return removed;
        }
        // Who makes one just now has not locked it yet.
        let Some(_lock) = self.alone("temporary") else { return removed };
        for path in left {
            let length = fs::metadata(&path).map_or(0, |facts| facts.len());
            if remove_unused(&path).unwrap_or(false) {
                removed = (removed.0 + 1, removed.1 + length);
            }
        }
        removed
    }
}

/// The kind of an entry; nothing for a file that is none, which is left alone. Traces lay among profiles once.
fn kind_of(path: &Path, folder: Kind) -> Option<Kind> {
    let (name, ending) = path.file_name()?.to_str()?.split_once('.')?;
    let is_hash = name.len() == DIGITS && name.bytes().all(|sign| sign.is_ascii_hexdigit());
    let kinds = if folder == Kind::Profiles { &[Kind::Profiles, Kind::Traces][..] } else { &[folder] };
    kinds.iter().copied().find(|kind| is_hash && kind.ending() == ending)
}
