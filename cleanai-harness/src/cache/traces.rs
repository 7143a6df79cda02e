//! Activation traces on disk: written batch by batch while a set runs, then mapped into memory, so that a training set takes no memory that the
//! system cannot have back.
//!
//! A file begins with 64 bytes: `CLEANAI`, a zero byte, the format's version (u32, little-endian), four zero bytes, where the rows end (u64), the length of
//! what follows them (u64), and a SHA-256 over all after these 64 bytes. Then come the rows (f32, little-endian), one for each input, and
//! the facts: what the rows belong to and what is known of their inputs. Of the cache ([`Cache`]) a file that is damaged, cut off or of another
//! key is removed. Where there is no cache, or its disk is full, the file has no name and goes with the measurement. A file that is mapped is locked.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::entry::{damaged, open, touch};
use super::profiles::ProfileKey;
use super::{Cache, Kind};
use crate::criteria::{LayerTraces, Numbers, TraceInputs};
use crate::{Error, ErrorKind, Result};

const MAGIC: &[u8; 8] = b"CLEANAI\0";

/// Grows whenever the format changes.
const VERSION: u32 = 1;

/// Bytes before the rows, which must lie at multiples of four.
const START: usize = 64;

/// Traces of one layer, and how the pass went that made them.
pub(crate) struct StoredTraces {
    pub traces: LayerTraces,
    /// Inputs left out because they could not be decoded.
    pub skipped: usize,
    /// Activations left out as not finite.
    pub non_finite_skipped: u64,
}

/// What follows the rows.
#[derive(Serialize, Deserialize)]
struct Facts {
    /// The key as JSON.
    key: String,
    width: usize,
    inputs: TraceInputs,
    skipped: usize,
    non_finite_skipped: u64,
}

/// The rows of a file that is mapped.
struct Mapped {
    map: Mmap,
    /// Keeps the lock, so that nobody removes the file while it is read.
    _file: File,
    /// Where the rows end.
    end: usize,
}

impl AsRef<[f32]> for Mapped {
    fn as_ref(&self) -> &[f32] {
        // Looked at when the file was opened.
        bytemuck::try_cast_slice(&self.map[START..self.end]).unwrap_or_default()
    }
}

/// Writes the traces of a layer.
pub(crate) struct TraceWriter {
    file: NamedTempFile,
    /// The cache it lies in.
    cache: Option<Cache>,
    hash: Sha256,
    width: usize,
    bytes: Vec<u8>,
    written: u64,
}

impl TraceWriter {
    /// Begins a file where the cache keeps its own, else where temporary files are.
    ///
    /// # Errors
    /// If no file can be written there.
    pub fn new(cache: Option<&Cache>, width: usize) -> Result<Self> {
        let made = cache.and_then(|cache| {
            let made = cache.temporary(Kind::Traces).map_err(|why| cache.unwritable(&why)).ok()?;
            Some((made, Some(cache.clone())))
        });
        let (file, cache) = match made {
            Some(made) => made,
            None => (elsewhere()?, None),
        };
        let mut writer = Self { file, cache, hash: Sha256::new(), width, bytes: vec![0; START], written: 0 };
        writer.write()?;
        Ok(writer)
    }

    /// Writes the rows of a batch.
    ///
    /// # Errors
    /// If the disk takes no more.
    pub fn push(&mut self, values: Numbers<'_>) -> Result<()> {
        self.bytes.clear();
        match values {
            Numbers::Double(values) => values.iter().for_each(|value| self.bytes.extend((*value as f32).to_le_bytes())),
            Numbers::Single(values) => values.iter().for_each(|value| self.bytes.extend(value.to_le_bytes())),
            Numbers::Device(units) => units.copy().iter().for_each(|value| self.bytes.extend(value.to_le_bytes())),
        }
        self.hash.update(&self.bytes);
        self.write()
    }

    /// Writes the bytes at hand. Where the cache's disk takes no more, all goes on where temporary files are.
    fn write(&mut self) -> Result<()> {
        if let Err(why) = self.file.write_all(&self.bytes) {
            let Some(cache) = self.cache.take() else { return Err(unwritable(self.file.path(), why)) };
            cache.unwritable(&why);
            let mut other = elsewhere()?;
            let moved = self.file.rewind().and_then(|()| {
                io::copy(&mut self.file.as_file().take(self.written), other.as_file_mut())?;
                other.write_all(&self.bytes)
            });
            moved.map_err(|why| unwritable(other.path(), why))?;
            self.file = other;
        }
        self.written += self.bytes.len() as u64;
        Ok(())
    }

    /// Ends the file, maps it, and gives it to the cache.
    ///
    /// # Errors
    /// If the disk takes no more, or the file cannot be mapped.
    pub fn finish(
        mut self,
        cache: Option<(&Cache, &ProfileKey)>,
        inputs: &Arc<TraceInputs>,
        skipped: usize,
        non_finite_skipped: u64,
    ) -> Result<LayerTraces> {
        let end = self.written;
        let key = cache.and_then(|(_, key)| serde_json::to_string(key).ok()).unwrap_or_default();
        let facts = Facts { key, width: self.width, inputs: TraceInputs::clone(inputs), skipped, non_finite_skipped };
        self.bytes = postcard::to_stdvec(&facts)
            .map_err(|why| Error::new(ErrorKind::Data, format!("activation traces cannot be written: {why}")))?;
        self.hash.update(&self.bytes);
        self.write()?;
        let mut start = Vec::with_capacity(START);
        start.extend(MAGIC);
        start.extend(VERSION.to_le_bytes());
        start.extend([0; 4]);
        start.extend(end.to_le_bytes());
        start.extend((self.written - end).to_le_bytes());
        start.extend(self.hash.finalize());
        let mapped = (|| {
            let file = self.file.as_file_mut();
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&start)?;
            map(file.try_clone()?, end as usize)
        })();
        let rows = mapped.map_err(|why| unwritable(self.file.path(), why))?;
        if let Some((cache, key)) = cache.filter(|(cache, _)| self.cache.is_some() && cache.takes(self.written))
            && let Some(path) = cache.path(Kind::Traces, key)
        {
            cache.keep(self.file, &path);
        }
        Ok(LayerTraces::new(Arc::new(rows), self.width, Arc::clone(inputs)))
    }
}

impl Cache {
    /// The traces of a key, if they are there whole. Layers of one set share what is known of the inputs where `known` has the same.
    pub fn traces(&self, key: &ProfileKey, known: Option<&Arc<TraceInputs>>) -> Option<StoredTraces> {
        let path = self.path(Kind::Traces, key)?;
        let file = open(&path)?;
        // Whoever wants to remove it now finds it in use; where there are no locks it stays whole all the same.
        _ = file.try_lock_shared();
        let found = load(file, key, known);
        match found {
            Some(_) => touch(&path),
            None => damaged(&path),
        }
        found
    }
}

fn load(mut file: File, key: &ProfileKey, known: Option<&Arc<TraceInputs>>) -> Option<StoredTraces> {
    let length = file.metadata().ok()?.len();
    let mut start = [0; START];
    file.read_exact(&mut start).ok()?;
    let number = |at: usize| Some(u64::from_le_bytes(start[at..at + 8].try_into().ok()?));
    let (end, rest) = (number(16)?, number(24)?);
    let is_ours = start.starts_with(MAGIC) && start[8..12] == VERSION.to_le_bytes() && start[12..16] == [0; 4];
    if !is_ours || end < START as u64 || end.checked_add(rest)? != length || !(end - START as u64).is_multiple_of(4) {
        return None;
    }
    let rows = map(file, usize::try_from(end).ok()?).ok()?;
    if rows.map.len() as u64 != length || Sha256::digest(&rows.map[START..]).as_slice() != &start[32..] {
        return None;
    }
    let Facts { key: found, width, inputs, skipped, non_finite_skipped } =
        postcard::from_bytes(&rows.map[rows.end..]).ok()?;
    let layer = key.layers.first()?;
    let count = inputs.len();
    let fits = serde_json::from_str(&found).is_ok_and(|found: ProfileKey| found == *key)
        && width == layer.neurons(key.neurons)
        && width.checked_mul(count) == Some(rows.as_ref().len())
        && inputs.confidence.len() == count
        && inputs.labels.as_ref().is_none_or(|labels| labels.len() == count);
    if !fits {
        return None;
    }
    let inputs = known.filter(|known| ***known == inputs).map_or_else(|| Arc::new(inputs), Arc::clone);
    Some(StoredTraces { traces: LayerTraces::new(Arc::new(rows), width, inputs), skipped, non_finite_skipped })
}

/// Maps a file whose rows end there.
fn map(file: File, end: usize) -> io::Result<Mapped> {
    // SAFETY: the mapping is read only, and nothing of this program changes a file of traces once it is written: in the cache one is replaced or
    // removed as a whole, which leaves mappings of the old one as they are. Another program of the same user that cuts the file off stops this one;
    // it could stop it by other means as well.
    let map = unsafe { Mmap::map(&file)? };
    if map.len() < end || cfg!(target_endian = "big") {
        return Err(io::Error::other("the file of activation traces was cut off"));
    }
    Ok(Mapped { map, _file: file, end })
}

/// A file that goes with the measurement.
fn elsewhere() -> Result<NamedTempFile> {
    NamedTempFile::new().map_err(|why| unwritable(&std::env::temp_dir(), why))
}

fn unwritable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::io("write", path, why).with_help(
        "activation traces take 4 bytes for each neuron and profile input; free some space, or name another folder in CLEANAI_CACHE or TMPDIR",
    )
}

#[cfg(test)]
mod tests {
    use super::super::profiles::tests::key;
    use super::*;

    fn inputs() -> Arc<TraceInputs> {
        let mut inputs = TraceInputs::default();
        inputs.push(2, &[1.0, 0.0, 0.0, 3.0, 2.0, 2.0], Some(&[0, 1, 1]));
        Arc::new(inputs)
    }

    fn written(cache: Option<&Cache>, key: &ProfileKey) -> LayerTraces {
        let mut writer = TraceWriter::new(cache, 2).unwrap();
        writer.push(Numbers::Double(&[0.1, -1.0, 2.0, 3.0])).unwrap();
        writer.push(Numbers::Single(&[5.0, f32::MIN_POSITIVE])).unwrap();
        writer.finish(cache.map(|cache| (cache, key)), &inputs(), 1, 7).unwrap()
    }

    #[test]
    fn gives_back_what_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let key = key("a");
        let rows = [0.1, -1.0, 2.0, 3.0, 5.0, f32::MIN_POSITIVE];
        assert_eq!(written(None, &key).rows(), rows);
        assert!(cache.traces(&key, None).is_none());
        let traces = written(Some(&cache), &key);
        assert_eq!(traces.rows(), rows);
        let known = Arc::clone(&inputs());
        let loaded = cache.traces(&key, Some(&known)).unwrap();
        assert_eq!((loaded.traces, loaded.skipped, loaded.non_finite_skipped), (traces, 1, 7));
        let other = ProfileKey { batch: 3, ..key.clone() };
        std::fs::copy(cache.path(Kind::Traces, &key).unwrap(), cache.path(Kind::Traces, &other).unwrap()).unwrap();
        assert!(cache.traces(&other, None).is_none(), "the traces of one key under the name of another");
    }

    #[test]
    fn a_damaged_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let key = key("a");
        written(Some(&cache), &key);
        let path = cache.path(Kind::Traces, &key).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert!(cache.traces(&key, None).is_none() && !path.exists(), "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(cache.traces(&key, None).is_none() && !path.exists(), "cut at {at}");
        }
        std::fs::write(&path, &whole).unwrap();
        assert!(cache.traces(&key, None).is_some());
    }
}
