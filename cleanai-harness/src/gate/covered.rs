//! What stood behind a baseline when it was accepted: which neurons were covered, by which inputs, and what each class reached.
//!
//! It lies beside the snapshot, `coverage__lenet5.3f2a91c0d2e4b7a8.covered` beside `coverage__lenet5.snap`, and is committed with it. The
//! snapshot's metadata name it (`covered: 3f2a91c0d2e4b7a8`, a hash of its contents), so that `cargo insta` can accept or reject a
//! snapshot and its companion is always the right one: that of a rejected snapshot is named by none, and removed with the next run. Without it
//! the gate decides as ever; only the explanation of a failure knows less.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Result;
use crate::measure::{ClassFigures, Measurement};
use crate::report::file;

/// The ending of such a file.
const ENDING: &str = "covered";

/// The form of the contents.
const SCHEMA: u32 = 1;

/// Inputs that are named for each criterion: those that covered most first.
const MOST_INPUTS: usize = 10_000;

/// Bytes of a file at most, and of what it unpacks to.
const LARGEST: u64 = 64 << 20;

/// What stood behind a baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Covered {
    schema: u32,
    /// Figures by canonical criterion text.
    pub criteria: BTreeMap<String, CoveredCriterion>,
    /// Names of the inputs that are spoken of, by their index then.
    pub inputs: BTreeMap<u32, String>,
}

/// What stood behind one figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CoveredCriterion {
    /// By layer, in execution order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<CoveredLayer>,
    /// By class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, ClassFigures>,
    /// Index of an input, and how many items it was the first to cover; what covered most first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contributions: Vec<(u32, u64)>,
}

/// The neurons of a layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CoveredLayer {
    pub name: String,
    /// By neuron: covered items.
    pub covered: Vec<u32>,
    /// By neuron: the input that covered the first of them.
    pub first: Vec<Option<u32>>,
}

impl Covered {
    /// What stands behind a measurement.
    pub fn of(measurement: &Measurement) -> Self {
        let mut covered = Self { schema: SCHEMA, criteria: BTreeMap::new(), inputs: BTreeMap::new() };
        for (criterion, result) in &measurement.criteria {
            let layers = result.layers.iter().zip(&result.neurons);
            let layers: Vec<CoveredLayer> = layers
                .map(|(layer, neurons)| CoveredLayer {
                    name: layer.name.clone(),
                    covered: neurons.covered.clone(),
                    first: neurons.first.clone(),
                })
                .collect();
            let mut contributions: Vec<(u32, u64)> = result
                .contributions
                .iter()
                .filter_map(|own| Some((u32::try_from(own.input).ok()?, own.covered)))
                .collect();
            contributions.sort_by_key(|(input, covered)| (std::cmp::Reverse(*covered), *input));
            contributions.truncate(MOST_INPUTS);
            let own = CoveredCriterion { layers, classes: result.classes.clone(), contributions };
            if own != CoveredCriterion::default() {
                covered.criteria.insert(criterion.clone(), own);
            }
        }
        for own in covered.criteria.values() {
            let firsts = own.layers.iter().flat_map(|layer| layer.first.iter().flatten());
            for input in firsts.chain(own.contributions.iter().map(|(input, _)| input)) {
                if let Some(name) = measurement.names.get(*input as usize) {
                    covered.inputs.entry(*input).or_insert_with(|| name.clone());
                }
            }
        }
        covered
    }

    /// Whether there is anything to keep.
    pub fn is_empty(&self) -> bool {
        self.criteria.is_empty()
    }

    /// The name of an input of then.
    pub fn name(&self, input: u32) -> Option<&str> {
        self.inputs.get(&input).map(String::as_str)
    }

    /// The contents as they are hashed.
    fn bytes(&self) -> Vec<u8> {
        // String keys or numbers, and derived implementations: nothing can fail.
        serde_json::to_vec(self).expect("a record of plain data is JSON")
    }

    /// What a snapshot names it by: the first 16 digits of the SHA-256 of its contents.
    pub fn digest(&self) -> String {
        digest(&self.bytes())
    }

    /// Writes it beside a snapshot.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, snapshot: &Path) -> Result<()> {
        let bytes = self.bytes();
        let mut packed = GzEncoder::new(Vec::new(), Compression::new(6));
        let path = beside(snapshot, &digest(&bytes));
        let failed = |why| crate::Error::io("pack", &path, why);
        packed.write_all(&bytes).map_err(failed)?;
        file::write(&path, &packed.finish().map_err(failed)?)
    }

    /// Reads that of this digest beside a snapshot; the error says in a sentence why it cannot be had.
    pub fn read(snapshot: &Path, wanted: &str) -> std::result::Result<Self, String> {
        let path = beside(snapshot, wanted);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let damaged = |why: &dyn std::fmt::Display| {
            format!("{name} cannot be read ({why}): restore it from version control, or accept the baseline anew")
        };
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                return Err(format!(
                    "{name}, which stands beside the baseline, is missing: commit it with the snapshot"
                ));
            }
            Err(why) => return Err(damaged(&why)),
        };
        let mut bytes = Vec::new();
        let read = GzDecoder::new(file.take(LARGEST)).take(LARGEST + 1).read_to_end(&mut bytes);
        read.map_err(|why| damaged(&why))?;
        if bytes.len() as u64 > LARGEST || digest(&bytes) != wanted {
            return Err(damaged(&"its contents are not those the baseline names"));
        }
        let covered: Self = serde_json::from_slice(&bytes).map_err(|why| damaged(&why))?;
        let whole = covered.schema == SCHEMA
            && covered.criteria.values().flat_map(|own| &own.layers).all(|own| own.covered.len() == own.first.len());
        if whole { Ok(covered) } else { Err(damaged(&"another version wrote it")) }
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The file of this digest beside a snapshot.
fn beside(snapshot: &Path, digest: &str) -> PathBuf {
    snapshot.with_extension(format!("{digest}.{ENDING}"))
}

/// The digest that a snapshot, pending or not, names in its metadata.
pub(crate) fn named_in(snapshot: &Path) -> Option<String> {
    let header = super::snapshot::header_of(snapshot)?;
    let value = header.lines().find_map(|line| line.trim().strip_prefix("covered:"))?;
    let value = value.trim().trim_matches(['"', '\'']);
    is_digest(value).then(|| value.to_owned())
}

/// The stem of the snapshot that a file of this name stands beside; `None` if it is no such file.
pub(super) fn stem(name: &str) -> Option<&str> {
    let (stem, digest) = name.strip_suffix(ENDING)?.strip_suffix('.')?.rsplit_once('.')?;
    is_digest(digest).then_some(stem)
}

fn is_digest(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Removes what stands beside a snapshot and is named by none of these.
pub(crate) fn tidy(snapshot: &Path, kept: &[String]) {
    let (Some(folder), Some(stem)) = (snapshot.parent(), snapshot.file_stem().and_then(|stem| stem.to_str())) else {
        return;
    };
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_str().filter(|name| self::stem(name) == Some(stem));
        let named = |name: &str| kept.iter().any(|kept| *name == format!("{stem}.{kept}.{ENDING}"));
        if name.is_some_and(|name| !named(name)) {
            // What cannot be removed is only in the way of nobody.
            _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criteria::{Contribution, CoveredNeurons, LayerFigures};
    use crate::gate::sample;
    use crate::measure::CriterionResult;

    fn measurement() -> Measurement {
        let layer = LayerFigures { name: "relu".into(), value: Some(0.5), covered: Some(1), total: Some(2) };
        let nc = CriterionResult {
            layers: vec![layer],
            neurons: vec![CoveredNeurons { covered: vec![0, 1], first: vec![None, Some(2)] }],
            contributions: vec![Contribution { input: 2, covered: 1 }],
            classes: BTreeMap::from([(
                "3".into(),
                ClassFigures { inputs: 2, value: Some(0.5), covered: Some(1), total: Some(2) },
            )]),
            ..sample::value(0.5)
        };
        let mut measurement = sample::measurement([("nc", nc), ("nlc", sample::value(1.0))]);
        measurement.names = std::sync::Arc::new(["0/a.png", "3/b.png", "3/c.png"].map(str::to_owned).to_vec());
        measurement
    }

    #[test]
    fn what_is_written_is_read_under_the_name_of_its_contents() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = folder.path().join("coverage__lenet5@cuda.snap");
        let covered = Covered::of(&measurement());
        assert_eq!(covered.criteria.keys().collect::<Vec<_>>(), ["nc"], "what has nothing behind it is left out");
        assert_eq!(covered.name(2), Some("3/c.png"));
        covered.write(&snapshot).unwrap();
        let name = format!("coverage__lenet5@cuda.{}.covered", covered.digest());
        assert!(folder.path().join(&name).is_file());
        assert_eq!(Covered::read(&snapshot, &covered.digest()), Ok(covered.clone()));
        let why = Covered::read(&snapshot, "0123456789abcdef").unwrap_err();
        assert!(why.contains("is missing: commit it"), "{why}");
    }

    #[test]
    fn a_damaged_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = folder.path().join("coverage__lenet5.snap");
        let covered = Covered::of(&measurement());
        covered.write(&snapshot).unwrap();
        let path = beside(&snapshot, &covered.digest());
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(5) {
            fs::write(&path, &whole[..at]).unwrap();
            assert!(Covered::read(&snapshot, &covered.digest()).is_err(), "cut at {at}");
            let mut damaged = whole.clone();
            damaged[at] ^= 16;
            fs::write(&path, &damaged).unwrap();
            // Bits of the header that say nothing about the contents may differ.
            assert!(
                Covered::read(&snapshot, &covered.digest()).is_ok_and(|read| read == covered) || !(2..4).contains(&at)
            );
        }
        // Another's contents under this name.
        Covered { criteria: BTreeMap::new(), ..covered.clone() }.write(&snapshot).unwrap();
        fs::rename(beside(&snapshot, &Covered { criteria: BTreeMap::new(), ..covered.clone() }.digest()), &path)
            .unwrap();
        let why = Covered::read(&snapshot, &covered.digest()).unwrap_err();
        assert!(why.contains("are not those the baseline names"), "{why}");
    }

    #[test]
    fn only_its_own_companions_are_tidied() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = folder.path().join("coverage__lenet5.snap");
        let (old, kept) = ("0123456789abcdef", "fedcba9876543210");
        let names = [
            format!("coverage__lenet5.{old}.covered"),
            format!("coverage__lenet5.{kept}.covered"),
            format!("coverage__lenet5_other.{old}.covered"),
            format!("coverage__lenet5@cuda.{old}.covered"),
            "coverage__lenet5.notes.covered".to_owned(),
            "coverage__lenet5.snap".to_owned(),
        ];
        names.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
        tidy(&snapshot, &[kept.to_owned()]);
        let there: Vec<bool> = names.iter().map(|name| folder.path().join(name).exists()).collect();
        assert_eq!(there, [false, true, true, true, true, true]);
    }

    #[test]
    fn a_snapshot_names_its_companion() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.snap");
        for (header, expected) in [
            ("info:\n  covered: 0123456789abcdef", Some("0123456789abcdef")),
            ("info:\n  covered: \"0123456789012345\"", Some("0123456789012345")),
            ("info:\n  covered: ../../etc/passwd", None),
            ("info:\n  model: x", None),
        ] {
            fs::write(&file, format!("---\nsource: x\n{header}\n---\nnc: 0.5\n")).unwrap();
            assert_eq!(named_in(&file).as_deref(), expected, "{header}");
        }
        fs::write(&file, "nc: 0.5\ncovered: 0123456789abcdef\n").unwrap();
        assert_eq!(named_in(&file), None, "outside the header it is none");
        assert_eq!(named_in(&folder.path().join("none.snap")), None);
    }
}
