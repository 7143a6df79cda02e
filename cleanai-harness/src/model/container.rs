//! The zip archive a model lies in. Whoever reads it later must see what was checked here: one meaning for every name,
//! no name that leaves the archive, no size that the file cannot hold.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use crate::{Error, ErrorKind, Result};

/// The most that deflate can pack into one byte, rounded up.
const DEFLATE_RATIO: u64 = 1040;
/// The most that packed members (code and other text; weights are stored as they are) may unpack to, all together.
const LARGEST_UNPACKED: u64 = 1 << 30;

/// An open archive whose directory is checked.
pub struct Container {
    path: PathBuf,
    /// The file, and the member that is this archive if it lies within another.
    place: String,
    zip: ZipArchive<Box<dyn Source>>,
    names: Vec<String>,
}

/// Bytes at any place.
trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

impl Container {
    /// Opens the archive and checks its directory; no member is read.
    ///
    /// # Errors
    /// If it is damaged, or if a name or a size in it cannot be meant well.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|why| Error::io("open", path, why))?;
        Self::check(path.to_owned(), path.display().to_string(), Box::new(BufReader::new(file)))
    }

    /// Opens a member that is an archive itself; it is held in memory. Errors name it as `shown`.
    ///
    /// # Errors
    /// As [`Container::open`], or if the member cannot be read.
    pub fn within(&mut self, name: &str, shown: &str, bound: u64) -> Result<Self> {
        let bytes = self.read(name, shown, bound)?;
        let place = format!("{}: {}", self.place, shown.escape_debug());
        Self::check(self.path.clone(), place, Box::new(Cursor::new(bytes)))
    }

    fn check(path: PathBuf, place: String, source: Box<dyn Source>) -> Result<Self> {
        let damaged = |why: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Model, format!("{place} is a damaged or truncated archive: {why}"))
                .with_help("copy or export it again")
        };
        // Models begin at the first byte. Looking for an offset instead takes the second member for the first one where the first
        // directory entry is as long as the zip64 records.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let mut zip = ZipArchive::with_config(config, source).map_err(|why| damaged(&plain(&why)))?;
        let mut names = Vec::with_capacity(zip.len());
        let mut unpacked = 0u64;
        for index in 0..zip.len() {
            let member = zip.by_index_raw(index).map_err(|why| damaged(&plain(&why)))?;
            let name = std::str::from_utf8(member.name_raw())
                .map_err(|_| damaged(&"the name of a member is no UTF-8"))?
                .to_owned();
            let shown = name.escape_debug();
            if leaves(&name) {
                return Err(Error::new(
                    ErrorKind::Model,
                    format!("{place} is refused: its member {shown} has a path that leads outside the archive"),
                )
                .with_help("no export writes such a name; get the file again from where it comes from"));
            }
            let (size, packed) = (member.size(), member.compressed_size());
            match member.compression() {
                CompressionMethod::Stored if size == packed => {}
                CompressionMethod::Deflated if size / DEFLATE_RATIO <= packed => {
                    unpacked = unpacked.saturating_add(size)
                }
                CompressionMethod::Stored | CompressionMethod::Deflated => {
                    return Err(damaged(&format_args!("its member {shown} claims {size} bytes, {packed} are stored")));
                }
                other => return Err(damaged(&format_args!("its member {shown} is packed by {other}"))),
            }
            if member.encrypted() {
                return Err(damaged(&format_args!("its member {shown} is encrypted")));
            }
            names.push(name);
        }
        if unpacked > LARGEST_UNPACKED {
            return Err(damaged(&format_args!(
                "its packed members claim {unpacked} bytes, more than the {LARGEST_UNPACKED} allowed"
            )));
        }
        zip.validate_header_consistency().map_err(|why| damaged(&plain(&why)))?;
        Ok(Self { path, place, zip, names })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all members, as they are stored.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// An error about this file.
    pub fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Model, format!("{}: {what}", self.place))
    }

    /// Whether there is a member of this name.
    pub fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// Size of a member in bytes; `None` if there is none of this name.
    pub fn size(&mut self, name: &str) -> Option<u64> {
        let index = self.zip.index_for_name(name)?;
        self.zip.by_index_raw(index).ok().map(|member| member.size())
    }

    /// The bytes of a member of at most `bound` bytes, their checksum verified. Errors name the member as `shown`.
    pub fn read(&mut self, name: &str, shown: &str, bound: u64) -> Result<Vec<u8>> {
        let place = self.place.clone();
        let fail = |why: &str| Error::new(ErrorKind::Model, format!("{place}: {} {why}", shown.escape_debug()));
        let missing = || fail("is missing in the archive").with_help("copy or export it again");
        let index = self.zip.index_for_name(name).ok_or_else(missing)?;
        let member = self.zip.by_index(index).map_err(|why| fail(&format!("cannot be read: {}", plain(&why))))?;
        let size = member.size();
        if size > bound {
            return Err(fail(&format!("is {size} bytes long where at most {bound} make sense")));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let read = member.take(bound + 1).read_to_end(&mut bytes);
        read.map_err(|why| {
            fail(&format!("is damaged: {}", why.to_string().to_lowercase())).with_help("copy or export it again")
        })?;
        if bytes.len() as u64 != size {
            return Err(fail(&format!("unpacks to {} bytes, the archive says {size}", bytes.len()))
                .with_help("copy or export it again"));
        }
        Ok(bytes)
    }

    /// Reads a member to its end and verifies its checksum; nothing is kept.
    pub fn verify(&mut self, name: &str) -> Result<()> {
        let damaged = |place: &str, why: String| {
            Error::new(ErrorKind::Model, format!("{place}: {} is damaged: {why}", name.escape_debug()))
                .with_help("copy or export it again")
        };
        let mut member = self.zip.by_name(name).map_err(|why| damaged(&self.place, plain(&why)))?;
        let read = std::io::copy(&mut member, &mut std::io::sink());
        read.map(|_| ()).map_err(|why| damaged(&self.place, why.to_string().to_lowercase()))
    }
}

/// What the zip reader says, without the kind in front.
fn plain(why: &zip::result::ZipError) -> String {
    let text = why.to_string();
    if text.contains("EOCD") {
        return "the list of its members, at its end, is missing".to_owned();
    }
    let text = text.rsplit_once("detected: ").map_or(text.as_str(), |(_, rest)| rest);
    text.strip_prefix("invalid Zip archive: ").unwrap_or(text).to_owned()
}

/// Whether a member name, taken as a path, could mean something outside the archive's folder.
fn leaves(name: &str) -> bool {
    name.is_empty()
        || name.starts_with('/')
        || name.contains(['\\', '\0'])
        || name.split('/').any(|part| part == "..")
        || name.as_bytes().get(1) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_outside_are_told_from_others() {
        for name in ["/etc/x", "..", "a/../b", "a/..", "\\x", "C:/x", "a\0b", ""] {
            assert!(leaves(name), "{name:?}");
        }
        for name in ["mlp/data/0", "mlp/code/__torch__/a..b.py", "mlp/.data/version", "a/...", "mlp/a:b"] {
            assert!(!leaves(name), "{name:?}");
        }
    }
}
