//! Profiles on disk: the training set runs once for a model, a transform, layers and neurons, not once for every run of the tests.
//!
//! A profile lies in `profiles` of the folder `CLEANAI_CACHE` names, else of `cleanai` in the user's cache folder, under the hash of everything its
//! numbers depend on, and beside it the activation traces of its layers ([`super::trace_store`]). `CLEANAI_CACHE=off` turns the cache off. A file that
//! cannot be read, is damaged or is of another version is as good as none; the least recently used go when all take more than 4 GiB.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::criteria::{LayerProfile, saved};
use crate::declare::NeuronKind;
use crate::importance::RelevanceNeeds;
use crate::model::LayerInfo;
use crate::report::file;

/// The space that all profiles may take.
const LARGEST_CACHE: u64 = 4 << 30;

/// A profile larger than this is not kept.
const LARGEST_PROFILE: usize = 1 << 30;

/// Everything the numbers of a profile depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ProfileKey {
    /// SHA-256 of the model file.
    pub model: String,
    /// How it is opened: device, state, inputs, axes.
    pub options: String,
    /// SHA-256 of the profile set's contents.
    pub data: String,
    pub transform: String,
    pub batch: usize,
    pub non_finite: String,
    pub libtorch: String,
    pub cleanai: String,
    pub device: String,
    pub neurons: NeuronKind,
    pub layers: Vec<LayerInfo>,
    pub std: bool,
    pub mean_difference: bool,
    pub relevance: Option<RelevanceNeeds>,
    /// Whether it is the key of activation traces, of one layer.
    pub traces: bool,
}

/// A profile with what else is known of the pass that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    pub layers: Vec<LayerProfile>,
    /// Inputs it was made of.
    pub inputs: usize,
    /// Inputs left out because they could not be decoded.
    pub skipped: usize,
    /// Activations left out as not finite.
    pub non_finite_skipped: u64,
}

/// The folder of cached profiles.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache of this user; none if it is turned off or there is no place for it.
    pub fn find() -> Option<Self> {
        let named = env::var_os("CLEANAI_CACHE").filter(|value| !value.is_empty());
        let folder = match named {
            Some(value) if value == "off" => return None,
            Some(folder) => PathBuf::from(folder),
            None => user_cache()?.join("cleanai"),
        };
        Some(Self { folder: folder.join("profiles") })
    }

    /// The profile of this key, if it is there whole.
    pub fn load(&self, key: &ProfileKey) -> Option<Profile> {
        let path = self.path(key)?;
        let size = fs::metadata(&path).ok()?.len();
        if size > 2 * LARGEST_PROFILE as u64 {
            return None;
        }
        let bytes = fs::read(&path).ok()?;
        let (found, contents): (ProfileKey, &[u8]) = saved::open(&bytes, "profile").ok()?;
        let profile: Profile = postcard::from_bytes(contents).ok()?;
        let widths_fit = profile.layers.len() == key.layers.len()
            && profile.layers.iter().zip(&key.layers).all(|(profile, layer)| {
                let width = layer.neurons(key.neurons);
                let full = |asked: bool| if asked { width } else { 0 };
                [profile.low.len(), profile.high.len()] == [width; 2]
                    && profile.std.len() == full(key.std)
                    && profile.mean_difference.len() == full(key.mean_difference)
                    && profile.importance.is_some() == key.relevance.is_some()
                    && profile.importance.iter().all(|importance| {
                        importance.relevance.len() == width
                            && Some(importance.values.len()) == width.checked_mul(importance.inputs)
                    })
            });
        if found != *key || !widths_fit {
            return None;
        }
        Self::touch(&path);
        Some(profile)
    }

    /// The cache in a folder.
    #[cfg(test)]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the traces of this key are kept; the file need not be there.
    pub fn traces(&self, key: &ProfileKey) -> Option<PathBuf> {
        Some(self.path(key)?.with_extension("traces"))
    }

    /// Marks a file as used; where that fails it is only removed sooner.
    pub fn touch(path: &Path) {
        if let Ok(file) = fs::File::options().append(true).open(path) {
            _ = file.set_modified(SystemTime::now());
        }
    }

    /// A file in the making, which is removed unless it is kept.
    pub fn temporary(&self) -> std::io::Result<NamedTempFile> {
        fs::create_dir_all(&self.folder)?;
        tempfile::Builder::new().prefix(".cleanai-").suffix(".tmp").tempfile_in(&self.folder)
    }

    /// Keeps traces that are written in such a file, unless they are too large.
    pub fn take_traces(&self, key: &ProfileKey, file: NamedTempFile, length: u64) {
        if let Some(path) = self.traces(key).filter(|_| length <= LARGEST_CACHE / 2)
            && file.persist(&path).is_ok()
        {
            self.shrink(&path);
        }
    }

    /// Keeps a profile; where it cannot be written the next run makes it again.
    pub fn store(&self, key: &ProfileKey, profile: &Profile) {
        let held = |layer: &LayerProfile| layer.importance.as_ref().map_or(0, |importance| importance.values.len());
        let numbers: usize =
            profile.layers.iter().map(|layer| 3 * layer.low.len() + 2 * layer.std.len() + held(layer)).sum();
        if numbers * 8 > LARGEST_PROFILE {
            return;
        }
        let sealed = postcard::to_stdvec(profile).ok().and_then(|contents| saved::seal(key, &contents).ok());
        if let (Some(path), Some(bytes)) = (self.path(key), sealed) {
            // A full disk is no reason to fail a measurement that is made.
            if file::write(&path, &bytes).is_ok() {
                self.shrink(&path);
            }
        }
    }

    fn path(&self, key: &ProfileKey) -> Option<PathBuf> {
        let digest = Sha256::digest(serde_json::to_vec(key).ok()?);
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(self.folder.join(name + ".profile"))
    }

    /// Removes the least recently used profiles while all are too large together.
    fn shrink(&self, newest: &Path) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let known = |entry: fs::DirEntry| {
            let facts = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            let is_profile = entry.path().extension().is_some_and(|ending| ending == "profile" || ending == "traces");
            is_profile.then_some((facts.modified().ok()?, facts.len(), entry.path()))
        };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries.filter_map(|entry| known(entry.ok()?)).collect();
        files.sort();
        let mut size: u64 = files.iter().map(|file| file.1).sum();
        for (_, length, path) in files.iter().filter(|file| file.2 != newest) {
            if size <= LARGEST_CACHE {
                break;
            }
            if fs::remove_file(path).is_ok() {
                size -= length;
            }
        }
    }
}

/// The user's folder for what can be made again.
fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn key(model: &str) -> ProfileKey {
        ProfileKey {
            model: model.into(),
            options: String::new(),
            data: "d".into(),
            transform: String::new(),
            batch: 2,
            non_finite: "Error".into(),
            libtorch: "2.13.0".into(),
            cleanai: "0.1.0".into(),
            device: "cpu".into(),
            neurons: NeuronKind::Channel,
            layers: vec![LayerInfo {
                name: "fc".into(),
                class: "Linear".into(),
                operator: "linear".into(),
                shape: vec![2],
                channel_axis: 0,
            }],
            std: false,
            mean_difference: false,
            relevance: None,
            traces: false,
        }
    }

    fn profile() -> Profile {
        let layer = LayerProfile { low: vec![0.1, f64::INFINITY], high: vec![1.0, -0.0], ..LayerProfile::default() };
        Profile { layers: vec![layer], inputs: 7, skipped: 1, non_finite_skipped: 0 }
    }

    #[test]
    fn gives_back_what_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { folder: folder.path().join("profiles") };
        assert_eq!(cache.load(&key("a")), None);
        cache.store(&key("a"), &profile());
        assert_eq!(cache.load(&key("a")), Some(profile()));
        assert_eq!(cache.load(&key("b")), None);
        let wider = ProfileKey { std: true, ..key("a") };
        cache.store(&wider, &profile());
        assert_eq!(cache.load(&wider), None, "a profile without what was asked for is none");
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { folder: folder.path().to_path_buf() };
        cache.store(&key("a"), &profile());
        let path = cache.path(&key("a")).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(cache.load(&key("a")), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(cache.load(&key("a")), None, "cut at {at}");
        }
        // One profile under the name of another.
        fs::write(cache.path(&key("b")).unwrap(), &whole).unwrap();
        assert_eq!(cache.load(&key("b")), None);
    }
}
