//! SHA-256 of files, remembered: a set of images is not read again to learn that it is the same.
//!
//! As git's index does, a file is taken for unchanged where path, length, times of change and inode are; and never where it was changed within two
//! seconds of being read, because a second change might leave the same times.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Cache, Kind};
use crate::{Error, Result};

/// Most bytes of one memo, some two million files.
const LARGEST: u64 = 512 << 20;

/// How long before it was read a file must have been changed last, in nanoseconds.
const SETTLED: i128 = 2_000_000_000;

/// A file's SHA-256.
pub(crate) type Sum = [u8; 32];

/// What tells that a file is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    length: u64,
    /// Nanoseconds since 1970.
    modified: i128,
    /// When its contents or its facts were changed, which nobody can set at will.
    changed: i128,
    inode: u64,
    device: u64,
}

/// What is remembered of the files of one folder, or of one file: by path.
type Memo = BTreeMap<String, (Facts, Sum)>;

impl Facts {
    /// Nothing where the system does not tell enough, so that the file is always read.
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Some(Self {
            length: metadata.len(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        })
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Option<Self> {
        None
    }

    /// Whether a change after this moment would show.
    fn settled(&self, moment: i128) -> bool {
        self.modified.max(self.changed) < moment - SETTLED
    }
}

/// SHA-256 of each file, in order; `root` is the file or folder that they belong to. Without a cache all are read.
///
/// # Errors
/// The first that cannot be read, or is no file.
pub(crate) fn sums(cache: Option<&Cache>, root: &Path, files: &[PathBuf]) -> Result<Vec<Sum>> {
    let key = std::path::absolute(root).unwrap_or_else(|_| root.to_owned()).to_string_lossy().into_owned();
    let decode = |contents: &[u8]| postcard::from_bytes::<Memo>(contents).ok();
    let known = cache.and_then(|cache| cache.read(Kind::Digests, &key, LARGEST, decode)).unwrap_or_default();
    let name = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let one = |path: &PathBuf| {
        let failed = |why: io::Error| Error::io("read", path, why);
        let name = name(path);
        let facts = Facts::of(&fs::metadata(path).map_err(failed)?);
        match known.get(&name) {
            Some((own, sum)) if Some(*own) == facts => Ok((name, facts, *sum)),
            _ => {
                let (facts, sum) = read(path).map_err(failed)?;
                Ok((name, facts, sum))
            }
        }
    };
    let read: Vec<(String, Option<Facts>, Sum)> = files.par_iter().map(one).collect::<Result<_>>()?;
    let sums = read.iter().map(|(.., sum)| *sum).collect();
    let Some(cache) = cache else { return Ok(sums) };
    let found: Memo = read.into_iter().filter_map(|(name, facts, sum)| Some((name, (facts?, sum)))).collect();
    // A range of a folder leaves what is known of the others.
    if found.iter().any(|(name, own)| known.get(name) != Some(own)) {
        let all: Memo = known.into_iter().chain(found).collect();
        if let Ok(contents) = postcard::to_stdvec(&all) {
            cache.write(Kind::Digests, &key, &contents);
        }
    }
    Ok(sums)
}

/// Reads a file; its facts where they can be relied on.
fn read(path: &Path) -> io::Result<(Option<Facts>, Sum)> {
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
    // Opening a pipe would wait for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut file = File::open(path)?;
    let before = Facts::of(&file.metadata()?);
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    let after = Facts::of(&file.metadata()?);
    let facts = before.filter(|facts| facts.settled(moment) && Some(*facts) == after);
    Ok((facts, hash.finalize().into()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Makes a file look as if it had been changed long ago; what happened just now is told by its change of facts, which tests cannot set.
    fn aged(path: &Path) -> Facts {
        let long_ago = SystemTime::now() - Duration::from_secs(1000);
        File::options().append(true).open(path).unwrap().set_modified(long_ago).unwrap();
        Facts::of(&fs::metadata(path).unwrap()).unwrap()
    }

    fn remember(cache: &Cache, path: &Path, memo: &Memo) {
        let key = path.to_string_lossy().into_owned();
        cache.write(Kind::Digests, &key, &postcard::to_stdvec(memo).unwrap());
    }

    #[test]
    fn what_is_known_is_not_read_and_what_changed_is() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("cache"));
        let path = folder.path().join("x");
        fs::write(&path, "contents").unwrap();
        let facts = aged(&path);
        let sum = |path: &Path| sums(Some(&cache), path, &[path.to_owned()]).unwrap()[0];
        let real: Sum = Sha256::digest("contents").into();
        // A sum that reading would not give shows that the file was not read.
        remember(&cache, &path, &BTreeMap::from([(String::new(), (facts, [7; 32]))]));
        assert_eq!(sum(&path), [7; 32]);
        for other in [
            Facts { length: 9, ..facts },
            Facts { modified: facts.modified - 1, ..facts },
            Facts { changed: facts.changed - 1, ..facts },
            Facts { inode: facts.inode + 1, ..facts },
        ] {
            remember(&cache, &path, &BTreeMap::from([(String::new(), (other, [7; 32]))]));
            assert_eq!(sum(&path), real, "{other:?}");
        }
        assert_eq!(sums(None, &path, std::slice::from_ref(&path)).unwrap(), [real]);
    }

    #[test]
    fn a_file_changed_just_now_is_not_relied_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "one").unwrap();
        assert_eq!(read(&path).unwrap().0, None);
        // Setting the time back changes the other one.
        aged(&path);
        assert_eq!(read(&path).unwrap().0, None);
        let facts = Facts::of(&fs::metadata(&path).unwrap()).unwrap();
        assert!(!facts.settled(facts.changed + SETTLED) && facts.settled(facts.changed + SETTLED + 1));
    }

    #[test]
    fn what_is_no_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing")] {
            assert!(sums(None, &path, std::slice::from_ref(&path)).unwrap_err().what().starts_with("cannot read"));
        }
    }
}
