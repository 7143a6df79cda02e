//! Locks between processes, and between the threads of one: whoever holds the lock of an entry makes it, the others wait and then read.
//!
//! A lock is a file in `locks`, shared by all entries of a kind whose names begin alike, so that there are few of them and none is ever removed:
//! two entries with one lock only wait for each other. Who makes a measurement may ask for locks of profiles and traces, never the other way round,
//! so that nobody waits in a circle. The system drops the locks of a process that ends, however it ends.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Cache, Kind};
use crate::measure::observer;
use crate::{Result, interrupt};

/// How often a lock that another process holds is asked for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Locks that are held until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    files: Vec<File>,
}

impl Cache {
    /// Waits until nobody else makes one of these entries. Where there can be no locks the work is done at once, twice at worst.
    ///
    /// # Errors
    /// If the run is interrupted meanwhile.
    pub fn hold<'a>(&self, entries: impl IntoIterator<Item = (Kind, &'a Path)>) -> Result<Held> {
        // In one order for everybody.
        let names: BTreeSet<String> = entries.into_iter().map(|(kind, path)| lock_name(kind, path)).collect();
        let mut held = Held::default();
        for name in names {
            let Ok(file) = self.lock_file(&name) else { continue };
            let mut waiting = None;
            loop {
                match file.try_lock() {
                    Ok(()) => {
                        held.files.push(file);
                        break;
                    }
                    Err(TryLockError::WouldBlock) => {
                        waiting.get_or_insert_with(observer::waiting);
                        interrupt::check()?;
                        thread::sleep(BETWEEN_LOOKS);
                    }
                    Err(TryLockError::Error(_)) => break,
                }
            }
        }
        Ok(held)
    }

    /// A lock held while a temporary file is made.
    pub(super) fn while_making(&self) -> Option<File> {
        let file = self.lock_file("temporary").ok()?;
        file.lock_shared().ok()?;
        Some(file)
    }

    /// A lock that is held by one process at a time; nothing where another holds it, or there can be none.
    pub(super) fn alone(&self, name: &str) -> Option<File> {
        let file = self.lock_file(name).ok()?;
        file.try_lock().ok()?;
        Some(file)
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        let folder = self.folder.join("locks");
        fs::create_dir_all(&folder)?;
        File::options().create(true).truncate(false).write(true).open(folder.join(name))
    }
}

/// `measurements-5f`
fn lock_name(kind: Kind, path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{kind}-{}", name.get(..2).unwrap_or_default())
}

/// Removes a file unless somebody holds it locked. Whether it was there and is gone.
pub(super) fn remove_unused(path: &PathBuf) -> io::Result<bool> {
    let file = File::open(path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(false),
        // Without locks nobody can say that it is in use; what is mapped stays whole when its name goes.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    fs::remove_file(path)?;
    Ok(true)
}
