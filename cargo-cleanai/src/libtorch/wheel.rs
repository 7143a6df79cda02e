//! Takes files out of a Python wheel, each checked against the archive's CRC and the wheel's own RECORD.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

/// The largest file taken from a wheel, in bytes; libtorch_cpu is a third of it.
const LARGEST_FILE: u64 = 2 << 30;
/// The most entries a wheel may have; torch has 13,000.
const MOST_ENTRIES: usize = 200_000;
/// The largest RECORD read, in bytes; torch's is 1.3 MB.
const LARGEST_RECORD: u64 = 64 << 20;

/// Why a file could not be taken.
#[derive(Debug)]
pub enum WheelError {
    /// The wheel itself is damaged; fetching it again may help.
    Broken(String),
    /// This machine could not read or write.
    Machine {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
}

/// An open wheel.
pub struct Wheel {
    archive: ZipArchive<File>,
    record: HashMap<String, Recorded>,
    names: Vec<String>,
}

struct Recorded {
    sha256: String,
    size: Option<u64>,
}

impl Wheel {
    /// Opens a wheel and reads its RECORD.
    pub fn open(path: &Path) -> Result<Wheel, WheelError> {
        let file = File::open(path).map_err(|source| WheelError::Machine { path: path.into(), source })?;
        let mut archive = ZipArchive::new(file).map_err(|e| WheelError::Broken(e.to_string()))?;
        if archive.len() > MOST_ENTRIES {
            return Err(WheelError::Broken(format!("it has {} entries", archive.len())));
        }
        let names = (0..archive.len())
            .filter_map(|index| archive.name_for_index(index)?.ok().map(|name| name.into_owned()))
            .filter(|name| is_plain(name))
            .collect::<Vec<_>>();
        let record = names
            .iter()
            .find(|name| name.ends_with(".dist-info/RECORD") && name.matches('/').count() == 1)
            .ok_or_else(|| WheelError::Broken("it has no RECORD".into()))?;
        let mut text = String::new();
        archive
            .by_name(record)
            .map_err(|e| WheelError::Broken(e.to_string()))?
            .take(LARGEST_RECORD)
            .read_to_string(&mut text)
            .map_err(|e| WheelError::Broken(format!("its RECORD cannot be read: {e}")))?;
        let record = text.lines().filter_map(recorded).collect();
        Ok(Wheel { archive, record, names })
    }

    /// The names of its files, those with unsafe names left out.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Writes one file of the wheel, and checks it on the way.
    pub fn extract(&mut self, name: &str, destination: &Path) -> Result<(), WheelError> {
        let broken = |reason: String| WheelError::Broken(format!("{name}: {reason}"));
        let machine = |source| WheelError::Machine { path: destination.into(), source };
        let recorded = self.record.get(name).ok_or_else(|| broken("it is not in RECORD".into()))?;
        let mut entry = self.archive.by_name(name).map_err(|e| broken(e.to_string()))?;
        if entry.is_symlink() {
            return Err(broken("it is a link".into()));
        }
        let limit = recorded.size.unwrap_or(LARGEST_FILE).min(LARGEST_FILE);
        if let Some(folder) = destination.parent() {
            fs::create_dir_all(folder).map_err(machine)?;
        }
        let mut output = File::create(destination).map_err(machine)?;
        let mut digest = Sha256::new();
        let mut size = 0u64;
        let mut buffer = vec![0; 1 << 18];
        loop {
            let count = entry.read(&mut buffer).map_err(|e| broken(e.to_string()))?;
            if count == 0 {
                break;
            }
            size += count as u64;
            if size > limit {
                return Err(broken(format!("it is longer than the {limit} bytes it should have")));
            }
            digest.update(&buffer[..count]);
            output.write_all(&buffer[..count]).map_err(machine)?;
        }
        if recorded.size.is_some_and(|expected| expected != size) {
            return Err(broken(format!("it has {size} bytes where RECORD says {limit}")));
        }
        if base64(digest.finalize().as_slice()) != recorded.sha256 {
            return Err(broken("its SHA-256 is not the one in RECORD".into()));
        }
        // The folder is renamed into place at the end: what it holds must be on the disk by then. The headers are many
        // and small, and a build names a missing one; a torn library would only fail when it is loaded.
        if size > 1 << 16 {
            output.sync_all().map_err(machine)?;
        }
        Ok(())
    }
}

/// Whether a name stays below the folder it is put in, on every system.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(['\\', '\0', ':'])
        && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

/// One line of RECORD: `path,sha256=digest,size`, the path in quotes when it holds a comma or a quote.
fn recorded(line: &str) -> Option<(String, Recorded)> {
    let (name, rest) = match line.strip_prefix('"') {
        None => line.split_once(',').map(|(name, rest)| (name.to_string(), rest))?,
        Some(quoted) => {
            let end = quoted.find("\",")?;
            (quoted[..end].replace("\"\"", "\""), &quoted[end + 2..])
        }
    };
    let (digest, size) = rest.trim_end().rsplit_once(',')?;
    let sha256 = digest.strip_prefix("sha256=")?.trim_end_matches('=').to_string();
    Some((name, Recorded { sha256, size: size.parse().ok() }))
}

/// URL-safe base64 without padding, as RECORD writes digests.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let group = (0..3).fold(0u32, |group, at| group << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
            (0..=chunk.len()).map(move |at| char::from(LETTERS[(group >> (18 - 6 * at)) as usize & 63]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::make;

    fn take(path: &Path, name: &str) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("a/b");
        let result = Wheel::open(path).and_then(|mut wheel| wheel.extract(name, &destination));
        match result {
            Ok(()) => Ok(fs::read(destination).unwrap()),
            Err(WheelError::Broken(reason)) => Err(reason),
            Err(WheelError::Machine { source, .. }) => panic!("{source}"),
        }
    }

    #[test]
    fn digests_are_written_as_record_writes_them() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xfb\xff\xfe", "-__-")]
        {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn record_lines() {
        let (name, recorded) = recorded("\"a, \"\"b\"\".h\",sha256=xyz=,12\r").unwrap();
        assert_eq!((name.as_str(), recorded.sha256.as_str(), recorded.size), ("a, \"b\".h", "xyz", Some(12)));
        assert!(super::recorded("x.dist-info/RECORD,,").is_none());
        assert!(super::recorded("").is_none());
    }

    #[test]
    fn whole_files_come_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.whl");
        let content = (0..700_000u32).map(|i| (i % 251) as u8).collect::<Vec<_>>();
        make::wheel(&path, "w-1", &[("w/x", content.clone()), ("w/empty", Vec::new())]);
        assert_eq!(take(&path, "w/x").unwrap(), content);
        assert_eq!(take(&path, "w/empty").unwrap(), b"");
    }

    #[test]
    fn damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.whl");
        let files = [("w/x", b"content".to_vec()), ("../escape", b"out".to_vec())];
        make::wheel(&path, "w-1", &files);
        assert!(Wheel::open(&path).is_ok_and(|wheel| wheel.names() == ["w/x", "w-1.dist-info/RECORD"]));
        make::wheel_with_record(&path, "w-1", &files, "w/x,sha256=AAAA,7\n");
        assert_eq!(take(&path, "w/x").unwrap_err(), "w/x: its SHA-256 is not the one in RECORD");
        make::wheel_with_record(&path, "w-1", &files, "w/x,sha256=AAAA,3\n");
        assert!(take(&path, "w/x").unwrap_err().contains("longer than the 3 bytes"));
        make::wheel_with_record(&path, "w-1", &files, "w/x,sha256=AAAA,9\n");
        assert!(take(&path, "w/x").unwrap_err().contains("7 bytes where RECORD says 9"));
        make::wheel_with_record(&path, "w-1", &files, "other,,\n");
        assert!(take(&path, "w/x").unwrap_err().contains("not in RECORD"));
        fs::write(&path, "<html>busy</html>").unwrap();
        assert!(take(&path, "w/x").is_err());
    }

    #[test]
    fn a_flipped_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.whl");
        make::wheel(&path, "w-1", &[("w/x", b"abcdefgh".repeat(64))]);
        let mut content = fs::read(&path).unwrap();
        content[40] ^= 0x10;
        fs::write(&path, content).unwrap();
        assert!(take(&path, "w/x").is_err());
    }
}
