//! One entry: read with its checksum and key looked at, written as a whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind as Fault, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use super::{Cache, Kind, warn};
use crate::criteria::saved;
use crate::{Error, ErrorKind};

/// What names of files in the making start and end with.
pub(super) const TEMPORARY: (&str, &str) = (".cleanai-", ".tmp");

impl Cache {
    /// The entry of this key, if it is there whole; `decode` says what its contents are, or nothing where they cannot be. A damaged one, or one with more than `largest` bytes,
    /// is reported and removed.
    pub(super) fn read<K, T>(
        &self,
        kind: Kind,
        key: &K,
        largest: u64,
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T>
    where
        K: Serialize + DeserializeOwned + PartialEq,
    {
        let path = self.path(kind, key)?;
        let file = open(&path)?;
        let mut bytes = Vec::new();
        let length = file.metadata().ok()?.len();
        let whole = length <= largest && file.take(length).read_to_end(&mut bytes).is_ok();
        let decoded = whole.then(|| {
            let (found, contents): (K, &[u8]) = saved::open(&bytes, "entry").ok()?;
            if found == *key { decode(contents) } else { None }
        });
        match decoded.flatten() {
            Some(found) => {
                touch(&path);
                Some(found)
            }
            None => {
                damaged(&path);
                None
            }
        }
    }

    /// Keeps an entry, unless it is too large; where it cannot be written the next run makes it again.
    pub(super) fn write(&self, kind: Kind, key: &impl Serialize, contents: &[u8]) {
        let (Some(path), Ok(bytes)) = (self.path(kind, key), saved::seal(key, contents)) else { return };
        if !self.takes(bytes.len() as u64) {
            return;
        }
        let written = self.temporary(kind).and_then(|mut file| {
            file.write_all(&bytes)?;
            Ok(file)
        });
        match written {
            Ok(file) => self.keep(file, &path),
            Err(why) => self.unwritable(&why),
        }
    }

    /// A file in the making, locked, which is removed unless it is kept.
    ///
    /// # Errors
    /// If none can be made there.
    pub(super) fn temporary(&self, kind: Kind) -> io::Result<NamedTempFile> {
        let folder = self.folder.join(kind.name());
        fs::create_dir_all(&folder)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
        // Temporary files are private; who else may read the cache the umask decides.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // Nobody takes it for one that was left behind before it is locked.
        let _making = self.while_making();
        let file = builder.tempfile_in(&folder)?;
        // Some file systems have no locks; there it may be taken for one that was left behind, and is made again.
        _ = file.as_file().lock_shared();
        Ok(file)
    }

    /// Gives a file its place in the cache.
    pub(super) fn keep(&self, file: NamedTempFile, path: &Path) {
        match file.persist(path) {
            Ok(_) => self.shrink(path),
            Err(why) => self.unwritable(&why.error),
        }
    }
}

/// Opens an entry; nothing where there is none, or none that may be read.
pub(super) fn open(path: &Path) -> Option<File> {
    match File::open(path) {
        Ok(file) => Some(file),
        Err(why) => {
            if !matches!(why.kind(), Fault::NotFound | Fault::NotADirectory) {
                warn(&Error::io("read the cache's", path, why).with_help("it is made again, as if it were not there"));
            }
            None
        }
    }
}

/// Reports and removes an entry that is not what it ought to be.
pub(super) fn damaged(path: &Path) {
    let removed = match fs::remove_file(path) {
        Ok(()) => "it was removed and is made again".to_owned(),
        // Somebody else has found it too.
        Err(why) if why.kind() == Fault::NotFound => "it was removed and is made again".to_owned(),
        Err(why) => format!("it is made again, but cannot be removed: {why}"),
    };
    warn(&Error::new(ErrorKind::Io, format!("{} in the cache is damaged; {removed}", path.display())));
}

/// Marks a file as used; where that fails it is only removed sooner.
pub(super) fn touch(path: &Path) {
    if let Ok(file) = File::options().append(true).open(path) {
        _ = file.set_modified(SystemTime::now());
    }
}
