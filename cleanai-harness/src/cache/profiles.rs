//! Profiles on disk: the training set runs once for a model, a transform, layers and neurons, not once for every run of the tests.

use serde::{Deserialize, Serialize};

use super::{Cache, Kind};
use crate::criteria::LayerProfile;
use crate::declare::NeuronKind;
use crate::importance::RelevanceNeeds;
use crate::model::LayerInfo;

/// A profile larger than this is not kept.
const LARGEST_PROFILE: usize = 1 << 30;

/// Everything the numbers of a profile depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProfileKey {
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
    /// What the program is built of ([`super::build`]).
    pub build: String,
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
pub(crate) struct Profile {
    pub layers: Vec<LayerProfile>,
    /// Inputs it was made of.
    pub inputs: usize,
    /// Inputs left out because they could not be decoded.
    pub skipped: usize,
    /// Activations left out as not finite.
    pub non_finite_skipped: u64,
}

impl Cache {
    /// The profile of this key, if it is there whole.
    pub fn profile(&self, key: &ProfileKey) -> Option<Profile> {
        self.read(Kind::Profiles, key, 2 * LARGEST_PROFILE as u64, |contents| {
            let profile: Profile = postcard::from_bytes(contents).ok()?;
            profile.fits(key).then_some(profile)
        })
    }

    /// Keeps a profile; where it cannot be written the next run makes it again.
    pub fn store_profile(&self, key: &ProfileKey, profile: &Profile) {
        let held = |layer: &LayerProfile| layer.importance.as_ref().map_or(0, |importance| importance.values.len());
        let numbers: usize =
            profile.layers.iter().map(|layer| 3 * layer.low.len() + 2 * layer.std.len() + held(layer)).sum();
        if numbers * 8 > LARGEST_PROFILE {
            return;
        }
        if let Ok(contents) = postcard::to_stdvec(profile) {
            self.write(Kind::Profiles, key, &contents);
        }
    }
}

impl Profile {
    /// Whether it has what the key asks for.
    fn fits(&self, key: &ProfileKey) -> bool {
        self.layers.len() == key.layers.len()
            && self.layers.iter().zip(&key.layers).all(|(profile, layer)| {
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
            })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

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
            build: "b".into(),
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
        let cache = Cache::at(folder.path());
        assert_eq!(cache.profile(&key("a")), None);
        cache.store_profile(&key("a"), &profile());
        assert_eq!(cache.profile(&key("a")), Some(profile()));
        assert_eq!(cache.profile(&key("b")), None);
        let wider = ProfileKey { std: true, ..key("a") };
        cache.store_profile(&wider, &profile());
        assert_eq!(cache.profile(&wider), None, "a profile without what was asked for is none");
    }

    #[test]
    fn a_damaged_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        cache.store_profile(&key("a"), &profile());
        let path = cache.path(Kind::Profiles, &key("a")).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(cache.profile(&key("a")), None, "byte {at}");
            assert!(!path.exists(), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(cache.profile(&key("a")), None, "cut at {at}");
            assert!(!path.exists(), "cut at {at}");
        }
        // One profile under the name of another.
        let other = cache.path(Kind::Profiles, &key("b")).unwrap();
        fs::write(&other, &whole).unwrap();
        assert_eq!(cache.profile(&key("b")), None);
        assert!(!other.exists());
    }
}
