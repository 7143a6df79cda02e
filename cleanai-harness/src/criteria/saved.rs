//! States in files: a run can be interrupted and go on, or be split over machines and merged.
//!
//! A file begins with `CLEANAI`, a zero byte and the format's version (u32, little-endian). Then come the length of the key (u64) and the key as
//! JSON, the length of the contents (u64) and the contents, and a SHA-256 over all before it. The key says what the state
//! belongs to, so that one of another model, layer set or profile is refused by name.
//!
//! ```
//! use cleanai_harness::criteria::{LayerBatch, Start, registry, saved};
//! use cleanai_harness::declare::NeuronKind;
//! use cleanai_harness::model::LayerInfo;
//!
//! let layers = [LayerInfo {
//!     name: "fc".into(), class: "Linear".into(), operator: "linear".into(), shape: vec![2], channel_axis: 0,
//! }];
//! let start = Start { layers: &layers, neurons: &[2], profile: None };
//! let criterion = registry::criterion(&"nac".parse()?)?;
//! let key = saved::Key::new("5f2a", criterion.spec(), NeuronKind::Channel, start);
//!
//! let mut first = criterion.start(start)?;
//! first.observe(LayerBatch::channels(1, vec![1.0, -1.0]).values(0, 0));
//! let file = saved::write(&key, first.as_ref())?;
//!
//! // Elsewhere, the inputs that follow.
//! let mut second = criterion.start(start)?;
//! second.observe(LayerBatch::channels(1, vec![-1.0, 1.0]).values(0, 1));
//! let mut whole = saved::read(&file, &key, criterion.as_ref(), start)?;
//! whole.merge(second)?;
//! assert_eq!(whole.figures().value, Some(1.0));
//! # Ok::<(), cleanai_harness::Error>(())
//! ```

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Criterion, LayerProfile, Start, State};
use crate::declare::{CriterionSpec, NeuronKind};
use crate::model::LayerInfo;
use crate::{Error, ErrorKind, Result};

const MAGIC: &[u8; 8] = b"CLEANAI\0";

/// Version of the format of files and of the states in them; it grows whenever either changes.
const VERSION: u32 = 1;

/// What a state belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// SHA-256 of the model file, lower-case hex.
    pub model: String,
    /// The criterion's canonical text.
    pub criterion: String,
    /// What a neuron is.
    pub neurons: NeuronKind,
    /// The layers, in execution order.
    pub layers: Vec<LayerInfo>,
    /// SHA-256 of the profile the state was started with, if it was.
    pub profile: Option<String>,
}

impl Key {
    /// The key of a state that is started like this on the model of this hash.
    pub fn new(model: &str, criterion: &CriterionSpec, neurons: NeuronKind, start: Start<'_>) -> Self {
        Self {
            model: model.to_owned(),
            criterion: criterion.to_string(),
            neurons,
            layers: start.layers.to_vec(),
            profile: start.profile.map(profile_hash),
        }
    }

    /// The first thing in which another key differs, in words.
    fn difference(&self, found: &Self) -> Option<String> {
        let (own, others) = (&self.layers, &found.layers);
        if self.criterion != found.criterion {
            return Some(format!("of `{}`, not of `{}`", found.criterion, self.criterion));
        }
        if self.model != found.model {
            return Some(format!("of another model (SHA-256 {}, not {})", short(&found.model), short(&self.model)));
        }
        if self.neurons != found.neurons {
            return Some(format!("of {} neurons, not of {} neurons", found.neurons, self.neurons));
        }
        if own != others {
            let at = own.iter().zip(others).position(|(own, other)| own != other);
            return Some(match at {
                Some(at) if own[at].name == others[at].name => {
                    format!("of a layer `{}` of another shape or kind", own[at].name)
                }
                Some(at) => format!("of other layers: `{}` in place of `{}`", others[at].name, own[at].name),
                None => format!("of {} layers, not of {}", others.len(), own.len()),
            });
        }
        (self.profile != found.profile).then(|| "of another profile".to_owned())
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn profile_hash(profile: &[LayerProfile]) -> String {
    let mut hash = Sha256::new();
    for column in profile.iter().flat_map(|layer| [&layer.low, &layer.high, &layer.std, &layer.mean_difference]) {
        hash.update((column.len() as u64).to_le_bytes());
        column.iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
    for traces in profile.iter().flat_map(|layer| [&layer.traces, &layer.untrusted]).flatten() {
        hash.update((traces.rows().len() as u64).to_le_bytes());
        traces.rows().iter().for_each(|value| hash.update(value.to_le_bytes()));
        traces.inputs().predicted.iter().for_each(|class| hash.update(class.to_le_bytes()));
        traces.inputs().confidence.iter().for_each(|share| hash.update(share.to_le_bytes()));
        traces.inputs().labels.iter().flatten().for_each(|label| hash.update(label.to_le_bytes()));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A state as the bytes of a file; equal states of one key give equal bytes.
///
/// # Errors
/// If states of this criterion cannot be saved.
pub fn write(key: &Key, state: &dyn State) -> Result<Vec<u8>> {
    seal(key, &state.save()?)
}

/// The state in the bytes of a file.
///
/// # Errors
/// If they are no state, are damaged, or are that of another criterion, model, layer set, neuron kind, profile or version; the error
/// names which.
pub fn read(bytes: &[u8], key: &Key, criterion: &dyn Criterion, start: Start<'_>) -> Result<Box<dyn State>> {
    let (found, contents): (Key, &[u8]) = open(bytes, "state")?;
    match key.difference(&found) {
        None => criterion.restore(start, contents),
        Some(difference) => Err(Error::new(
            ErrorKind::Criterion,
            format!("the saved state is {difference}"),
        )
        .with_help("states are merged and continued only with the model, layers, profile and criterion they were made with; make it anew")),
    }
}

/// Key and contents as a file.
pub(crate) fn seal<K: Serialize>(key: &K, contents: &[u8]) -> Result<Vec<u8>> {
    let key = serde_json::to_vec(key)
        .map_err(|why| Error::new(ErrorKind::Criterion, format!("the key of a state cannot be written: {why}")))?;
    let mut file = Vec::with_capacity(MAGIC.len() + 4 + 16 + key.len() + contents.len() + 32);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    for part in [&key, contents] {
        file.extend_from_slice(&(part.len() as u64).to_le_bytes());
        file.extend_from_slice(part);
    }
    let checksum = Sha256::digest(&file);
    file.extend_from_slice(&checksum);
    Ok(file)
}

/// The reverse of [`seal`]; `what` names the file's purpose in messages.
pub(crate) fn open<'a, K: DeserializeOwned>(bytes: &'a [u8], what: &str) -> Result<(K, &'a [u8])> {
    let refused = |why: String| {
        Error::new(ErrorKind::Criterion, why).with_help(format!("remove the file; the {what} is made anew"))
    };
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err(refused(format!("this is no saved {what}"))) };
    let damaged = || refused(format!("the saved {what} is damaged"));
    let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(refused(format!(
            "the saved {what} is of format {version}, this version of CleanAI reads format {VERSION}"
        )));
    }
    let (body, checksum) = bytes.split_last_chunk::<32>().ok_or_else(damaged)?;
    if Sha256::digest(body).as_slice() != checksum {
        return Err(damaged());
    }
    let rest = rest.get(..rest.len().saturating_sub(checksum.len())).ok_or_else(damaged)?;
    let (key, rest) = part(rest).ok_or_else(damaged)?;
    let (contents, rest) = part(rest).ok_or_else(damaged)?;
    let key = serde_json::from_slice(key).map_err(|_| damaged())?;
    if rest.is_empty() { Ok((key, contents)) } else { Err(damaged()) }
}

/// A part with its length before it.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::super::registry;
    use super::*;

    fn layer(name: &str, width: usize) -> LayerInfo {
        let name = name.to_owned();
        LayerInfo { name, class: "Linear".into(), operator: "linear".into(), shape: vec![width], channel_axis: 0 }
    }

    struct Case {
        criterion: Box<dyn Criterion>,
        layers: Vec<LayerInfo>,
        profile: Vec<LayerProfile>,
        model: &'static str,
    }

    impl Case {
        fn new(criterion: &str, layers: &[LayerInfo], high: f64, model: &'static str) -> Self {
            let profile = |layer: &LayerInfo| LayerProfile {
                low: vec![0.0; layer.units()],
                high: vec![high; layer.units()],
                ..LayerProfile::default()
            };
            Self {
                criterion: registry::criterion(&criterion.parse().unwrap()).unwrap(),
                layers: layers.to_vec(),
                profile: layers.iter().map(profile).collect(),
                model,
            }
        }

        /// What `work` gives for this case's start and key.
        fn with<T>(&self, work: impl FnOnce(&Key, Start<'_>) -> T) -> T {
            let neurons: Vec<usize> = self.layers.iter().map(LayerInfo::units).collect();
            let start = Start { layers: &self.layers, neurons: &neurons, profile: Some(&self.profile) };
            work(&Key::new(self.model, self.criterion.spec(), NeuronKind::Unit, start), start)
        }

        fn file(&self) -> Vec<u8> {
            self.with(|key, start| write(key, self.criterion.start(start).unwrap().as_ref()).unwrap())
        }

        fn read(&self, file: &[u8]) -> Result<Box<dyn State>> {
            self.with(|key, start| read(file, key, self.criterion.as_ref(), start))
        }
    }

    #[test]
    fn what_does_not_belong_is_refused_by_name() {
        let layers = [layer("fc1", 3), layer("fc2", 2)];
        let own = Case::new("kmnc(k=4)", &layers, 1.0, "aaaa");
        assert!(own.read(&own.file()).is_ok());
        let refusal = |other: &Case| own.read(&other.file()).err().expect("refused").what().to_owned();
        let other = |criterion, layers: &[LayerInfo], high, model| refusal(&Case::new(criterion, layers, high, model));
        assert_eq!(other("kmnc(k=5)", &layers, 1.0, "aaaa"), "the saved state is of `kmnc(k=5)`, not of `kmnc(k=4)`");
        assert_eq!(
            other("kmnc(k=4)", &layers, 1.0, "bbbb"),
            "the saved state is of another model (SHA-256 bbbb, not aaaa)"
        );
        assert_eq!(other("kmnc(k=4)", &layers, 2.0, "aaaa"), "the saved state is of another profile");
        assert_eq!(other("kmnc(k=4)", &layers[..1], 1.0, "aaaa"), "the saved state is of 1 layers, not of 2");
        assert_eq!(
            other("kmnc(k=4)", &[layer("fc1", 3), layer("fc3", 2)], 1.0, "aaaa"),
            "the saved state is of other layers: `fc3` in place of `fc2`"
        );
        assert_eq!(
            other("kmnc(k=4)", &[layer("fc1", 4), layer("fc2", 2)], 1.0, "aaaa"),
            "the saved state is of a layer `fc1` of another shape or kind"
        );
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let own = Case::new("nbc", &[layer("fc", 3)], 1.0, "aaaa");
        let file = own.file();
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x10;
            assert!(own.read(&damaged).is_err(), "byte {at}");
            assert!(own.read(&file[..at]).is_err(), "cut at {at}");
        }
        let said = |file: &[u8]| own.read(file).err().expect("refused").what().to_owned();
        assert_eq!(said(b"PK"), "this is no saved state");
        assert_eq!(said(&file[..file.len() - 1]), "the saved state is damaged");
        let mut newer = file;
        newer[8] = 9;
        assert_eq!(said(&newer), "the saved state is of format 9, this version of CleanAI reads format 1");
    }
}
