//! Signature files: a monitor that a service loads beside its model.
//!
//! They have the format of [`crate::criteria::saved`], whose checksum tells damage; what they belong to is the model's SHA-256, the monitor, and the layers.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::judge::Judge;
use crate::criteria::saved;
use crate::declare::NeuronKind;
use crate::model::LayerInfo;
use crate::report;
use crate::{Error, ErrorKind, Result};

/// A signature of all classes is never larger.
const LARGEST: u64 = 17 << 30;

/// What a file of signatures is called in messages.
const WHAT: &str = "monitor signature";

/// What a signature belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// SHA-256 of the model file, lower-case hex.
    pub model: String,
    /// The monitor, a criterion's canonical text: `src`, `mrc(q=10)`.
    pub monitor: String,
    /// What a neuron is.
    pub neurons: NeuronKind,
    /// The layers it looks at, in execution order.
    pub layers: Vec<LayerInfo>,
    /// The model's inputs: their names, and the shape of each without the batch.
    pub inputs: Vec<(String, Vec<usize>)>,
    /// Inputs per forward pass when it was made. Other sizes move activations in their last bits.
    pub batch: usize,
    /// Trusted inputs by class.
    pub trusted: Vec<u64>,
}

/// A monitor as a file holds it.
///
/// ```no_run
/// use cleanai_harness::monitor::file::MonitorFile;
///
/// let monitor = MonitorFile::read("lenet5.monitor".as_ref())?;
/// println!("{} over {} layers", monitor.facts.monitor, monitor.facts.layers.len());
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MonitorFile {
    /// What it belongs to.
    pub facts: Facts,
    /// Signatures and thresholds.
    pub judge: Judge,
}

impl MonitorFile {
    /// The bytes of the file; of equal monitors equal bytes.
    ///
    /// # Errors
    /// If they cannot be written, which the types rule out.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let judge = postcard::to_stdvec(&self.judge)
            .map_err(|why| Error::new(ErrorKind::Criterion, format!("a {WHAT} cannot be written: {why}")))?;
        saved::seal(&self.facts, &judge)
    }

    /// The monitor in the bytes of a file.
    ///
    /// # Errors
    /// If they are no monitor, are damaged, or are of another version of the format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let again = "export it again: `cargo cleanai monitor export`";
        let (facts, contents): (Facts, &[u8]) = saved::open(bytes, WHAT).map_err(|error| error.with_help(again))?;
        let damaged = || Error::new(ErrorKind::Criterion, format!("the saved {WHAT} is damaged")).with_help(again);
        let (judge, rest): (Judge, &[u8]) = postcard::take_from_bytes(contents).map_err(|_| damaged())?;
        let widths: Vec<usize> =
            facts.layers.iter().map(|layer| width(layer, facts.neurons)).collect::<Option<_>>().ok_or_else(damaged)?;
        let fits = rest.is_empty()
            && !widths.is_empty()
            && judge.signature.is_sound(&widths)
            && judge.tau.len() == judge.signature.classes.len()
            && facts.trusted.len() == judge.tau.len()
            && judge.tau.iter().flatten().all(|tau| tau.is_finite() && *tau >= 0.0);
        if fits { Ok(Self { facts, judge }) } else { Err(damaged()) }
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        report::file::write(path, &self.to_bytes()?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`MonitorFile::from_bytes`], with the file's path; and if it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(|why| Error::io("read", path, why))?.len();
        if size > LARGEST {
            return Err(Error::new(ErrorKind::Criterion, format!("{} is too large for a {WHAT}", path.display()))
                .with_help("it is written by `cargo cleanai monitor export`"));
        }
        let bytes = std::fs::read(path).map_err(|why| Error::io("read", path, why))?;
        Self::from_bytes(&bytes).map_err(|error| error.context(path.display()))
    }
}

/// Neurons of a layer, unless its shape is one that no tensor has.
fn width(layer: &LayerInfo, neurons: NeuronKind) -> Option<usize> {
    let units = layer.shape.iter().try_fold(1usize, |units, size| units.checked_mul(*size))?;
    Some(if neurons == NeuronKind::Unit { units } else { layer.channels() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::criteria::{LayerTraces, TraceInputs};
    use crate::monitor::{Calibration, Method};

    fn monitor(method: Method) -> MonitorFile {
        let mut inputs = TraceInputs::default();
        inputs.push(2, &[0.0, 9.0, 0.0, 9.0, 0.0, 9.0, 9.0, 0.0], Some(&[1, 1, 1, 0]));
        let rows = vec![0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        let traces = [LayerTraces::new(Arc::new(rows), 3, Arc::new(inputs))];
        let calibration = Calibration::new(method, &traces, None).unwrap();
        let layer = LayerInfo {
            name: "fc".into(),
            class: "Linear".into(),
            operator: "linear".into(),
            shape: vec![3],
            channel_axis: 0,
        };
        MonitorFile {
            facts: Facts {
                model: "5f2a".into(),
                monitor: "src".into(),
                neurons: NeuronKind::Channel,
                layers: vec![layer],
                inputs: vec![("x".into(), vec![1, 4, 4])],
                batch: 64,
                trusted: calibration.trusted,
            },
            judge: calibration.judge,
        }
    }

    const METHODS: [Method; 4] = [
        Method::Ranges,
        Method::Sections { sections: 3 },
        Method::TopK { places: 2 },
        Method::Nearest { neighbours: 1 },
    ];

    #[test]
    fn gives_back_what_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.monitor");
        for method in METHODS {
            let monitor = monitor(method);
            monitor.write(&path).unwrap();
            assert_eq!(MonitorFile::read(&path).unwrap(), monitor, "{method:?}");
        }
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        for method in METHODS {
            let bytes = monitor(method).to_bytes().unwrap();
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x10;
                assert!(MonitorFile::from_bytes(&damaged).is_err(), "{method:?}, byte {at}");
                assert!(MonitorFile::from_bytes(&bytes[..at]).is_err(), "{method:?}, cut at {at}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.monitor");
        let said = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let error = MonitorFile::read(&path).unwrap_err().to_string();
            error.strip_prefix(&format!("{}: ", path.display())).expect("the path").to_owned()
        };
        let bytes = monitor(Method::Ranges).to_bytes().unwrap();
        let help = "\n  help: export it again: `cargo cleanai monitor export`";
        assert_eq!(said(b"PK"), format!("this is no saved monitor signature{help}"));
        let mut tampered = bytes.clone();
        *tampered.last_mut().unwrap() ^= 1;
        assert_eq!(said(&tampered), format!("the saved monitor signature is damaged{help}"));
        let mut newer = bytes;
        newer[8] = 7;
        assert_eq!(
            said(&newer),
            format!("the saved monitor signature is of format 7, this version of CleanAI reads format 1{help}")
        );
        std::fs::remove_file(&path).unwrap();
        assert!(MonitorFile::read(&path).unwrap_err().what().starts_with("cannot read "));
    }

    #[test]
    fn a_sealed_file_whose_parts_do_not_fit_is_refused() {
        let sealed = |change: &dyn Fn(&mut MonitorFile)| {
            let mut own = monitor(Method::Nearest { neighbours: 1 });
            change(&mut own);
            MonitorFile::from_bytes(&own.to_bytes().unwrap()).map(drop)
        };
        assert!(sealed(&|_| {}).is_ok());
        assert!(sealed(&|own| own.judge.tau.clear()).is_err());
        assert!(sealed(&|own| own.judge.tau[1] = Some(f64::NAN)).is_err());
        assert!(sealed(&|own| own.facts.layers[0].shape = vec![4]).is_err());
        assert!(sealed(&|own| own.facts.layers[0].shape = vec![usize::MAX, 2]).is_err());
        assert!(sealed(&|own| own.facts.layers.clear()).is_err());
        assert!(sealed(&|own| own.judge.signature.classes[1] = None).is_ok());
        let other = monitor(Method::Ranges);
        assert!(sealed(&|own| own.judge.signature.classes = other.judge.signature.classes.clone()).is_err());
    }
}
