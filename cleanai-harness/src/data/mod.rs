//! Inputs: formats, transforms, and the loader that decodes them in parallel ahead of the forward pass.

mod array;
mod idx;
mod image_folder;
mod loader;
mod location;
mod npy;
mod npz;
mod range;
mod sample;
pub mod transform;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

pub use loader::Batches;

use crate::data::array::{Array, Layout};
use crate::data::image_folder::ImageFolder;
use crate::data::location::{Format, Place};
use crate::data::range::counted;
use crate::data::sample::{Sample, shape_text};
use crate::data::transform::TransformStep;
use crate::declare::{DataLocation, OnBadInput};
use crate::{Error, ErrorKind, Result};

/// One batch of inputs, ready for the model: f32, row-major, batch axis first.
///
/// Every batch has exactly `size` rows: the last is padded by repeating its last input, so that results do not
/// depend on how the data is split (CRITERIA, "batch size").
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Index of the first input in the data set (after skipped inputs are left out).
    pub first: usize,
    /// How many rows are real; the rest is padding.
    pub inputs: usize,
    /// Rows, padding included.
    pub size: usize,
    /// Shape of one input.
    pub shape: Vec<usize>,
    /// `size * shape.product()` values.
    pub values: Vec<f32>,
    /// Labels of the real inputs, where the data has labels.
    pub labels: Option<Vec<i64>>,
}

/// An input that was left out because it could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its name, as [`DataSet::names`] gives names.
    pub name: String,
    /// Why it could not be decoded.
    pub why: Error,
}

/// Inputs, their labels, and the transform that prepares them for a model.
///
/// # What can be opened
///
/// The format is told by what lies at the path, not by its name:
///
/// | at the path | inputs | labels |
/// |---|---|---|
/// | a folder | its PNG and JPEG images (`.png`, `.jpg`, `.jpeg`), at any depth, sorted by their path below the folder, byte by byte; hidden files and files of other kinds are left out | from the first-level folders, if every image lies in one: if all their names are different whole numbers the label is that number, else the position of the name in sorted order, folders without images counted, as torchvision's `ImageFolder` does |
/// | `.npz` | the array `x`, or the only array besides `y` | the array `y` |
/// | `.npy` | the array | none |
/// | idx, plain or gzipped | the array | the file beside it by MNIST's names: `images-idx3` becomes `labels-idx1` |
///
/// `inputs.npy,labels.npy` names a file of labels for any array file; both paths start from the same folder. A range at the end takes a
/// part: `#0..500`, `#..500`, `#500..` (positions from 0, the end excluded, counted after sorting). Labels are integers of any type, one
/// per input.
///
/// # Images and values
///
/// Images are decoded to 8 bits per channel and arrive as (C, H, W): a grey image has one channel, every other three. An alpha channel is
/// dropped, 16-bit channels are reduced to 8, palettes resolved; the orientation in EXIF data is not applied (as in torchvision).
/// PNG pixels are exact; a JPEG decoder may round differently from another, so pixels can differ from Pillow's by a few of 255 levels.
///
/// Arrays of uint8 are images if their shape says so: (N, H, W) is grey; (N, H, W, C) and (N, C, H, W) with C = 1, 3 or 4 (a fourth
/// channel is dropped); if both ends could be C, that is an error. Every other array is taken as values in the model's own layout, first axis
/// inputs: floats (16, 32 and 64 bit) and wider integers by value, rounded to f32; uint8 as 0..1.
///
/// 8-bit values are always scaled to 0..1 before they reach the model; see [`transform`] for the steps.
///
/// # Bounds
///
/// Headers are checked against the size of the file before memory is taken, and the whole array must be there, whatever range is read. An image may take
/// 1 GiB decoded and 65,536 pixels a side; a compressed array, in the range asked for, 8 GiB.
///
/// # Example
///
/// ```
/// use cleanai_harness::data::{DataSet, transform};
/// use cleanai_harness::declare::{DataLocation, OnBadInput};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # for (name, level) in [("test/cat/1.png", 0), ("test/dog/1.png", 255), ("test/dog/2.png", 51)] {
/// #     let path = folder.path().join(name);
/// #     std::fs::create_dir_all(path.parent().unwrap()).unwrap();
/// #     image::GrayImage::from_pixel(4, 4, image::Luma([level])).save(path).unwrap();
/// # }
/// # let root = folder.path().to_owned();
/// // test/cat/1.png  test/dog/1.png  test/dog/2.png
/// let location = DataLocation { path: "test".to_owned(), root };
/// let steps = transform::parse("[{ resize = [2, 2] }]")?;
/// let data = DataSet::open(&location, &steps, OnBadInput::Fail)?;
///
/// assert_eq!((data.len(), data.shape()), (3, &[1, 2, 2][..]));
/// assert_eq!(data.labels(), Some(&[0, 1, 1][..]));
/// assert_eq!(data.classes().unwrap(), ["cat", "dog"]);
///
/// for batch in data.batches(2) {
///     let batch = batch?;
///     assert_eq!(batch.values.len(), 2 * 1 * 2 * 2); // the last batch is padded
///     println!("{} inputs from number {}: {}", batch.inputs, batch.first, data.names(batch.first));
/// }
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DataSet {
    set: Arc<Set>,
}

/// What a data set and the thread that reads ahead share.
#[derive(Debug)]
struct Set {
    inputs: Inputs,
    transform: Vec<TransformStep>,
    on_bad_input: OnBadInput,
    labels: Option<Vec<i64>>,
    classes: Option<Vec<String>>,
    /// Shape of every input after the transform, and the candidate it was taken from.
    shape: Vec<usize>,
    reference: usize,
    /// Candidates found undecodable so far.
    skipped: Mutex<BTreeMap<usize, Skipped>>,
}

/// Where inputs come from.
#[derive(Debug)]
enum Inputs {
    Images(ImageFolder),
    Array {
        array: Array,
        layout: Layout,
        /// `digits.npz[x]` or `digits.npy`: what stands before an input's position in its name.
        name: String,
        /// Position in the file of the first row held.
        first: usize,
    },
}

/// Why an input is not there.
enum Failure {
    /// It cannot be decoded; `on_bad_input` decides.
    Bad(Error),
    /// Skipping would not help.
    Wrong(Error),
}

impl DataSet {
    /// Opens what lies at `location`, as the table at [`DataSet`] says, and puts its first input through `transform`.
    ///
    /// With [`OnBadInput::Skip`] images that cannot be decoded are left out; see [`DataSet::skipped`].
    ///
    /// # Errors
    ///
    /// A path that does not exist or holds no data, a damaged file, a range past the end, labels that do not match the inputs,
    /// a transform that does not fit them: each named, with the nearest fix.
    pub fn open(location: &DataLocation, transform: &[TransformStep], on_bad_input: OnBadInput) -> Result<Self> {
        for step in transform {
            step.check().map_err(|error| error.context(format!("transform step {step}")))?;
        }
        let place = Place::of(location)?;
        let (inputs, labels, classes) = read(&place)?;
        let mut set = Set {
            inputs,
            transform: transform.to_vec(),
            on_bad_input,
            labels,
            classes,
            shape: Vec::new(),
            reference: 0,
            skipped: Mutex::default(),
        };
        for candidate in 0..set.inputs.len() {
            match set.prepare(candidate) {
                Ok(tensor) => {
                    set.shape = tensor.shape;
                    set.reference = candidate;
                    return Ok(Self { set: Arc::new(set) });
                }
                Err(Failure::Bad(why)) if on_bad_input == OnBadInput::Skip => set.skip(candidate, why),
                Err(Failure::Bad(error) | Failure::Wrong(error)) => return Err(error),
            }
        }
        let skipped = set.skipped();
        let why = skipped.values().next().map_or("", |skipped| skipped.why.what());
        Err(Error::new(
            ErrorKind::Data,
            format!(
                "none of {} in {} can be decoded; the first: {why}",
                counted(skipped.len(), "image"),
                place.inputs.display()
            ),
        ))
    }

    /// How many inputs there are, those that will turn out undecodable included.
    #[allow(clippy::len_without_is_empty, reason = "an empty data set cannot be opened")]
    pub fn len(&self) -> usize {
        self.set.inputs.len()
    }

    /// Shape of one input after the transform, without the batch axis.
    pub fn shape(&self) -> &[usize] {
        &self.set.shape
    }

    /// Labels of the [`len`](Self::len) inputs, those that will turn out undecodable included; the labels in a [`Batch`] are of its inputs.
    pub fn labels(&self) -> Option<&[i64]> {
        self.set.labels.as_deref()
    }

    /// Names of the classes in the order of their labels, where labels come from folders.
    pub fn classes(&self) -> Option<&[String]> {
        self.set.classes.as_deref()
    }

    /// Name of the input that batches count as number `index`: an image's path below its folder, or the array's file and the
    /// position in it. Right for every input that a batch has delivered, and for all once a pass is complete.
    ///
    /// # Panics
    ///
    /// If there is no such input.
    pub fn names(&self, index: usize) -> String {
        let mut candidate = index;
        for &skipped in self.set.skipped().keys() {
            if skipped > candidate {
                break;
            }
            candidate += 1;
        }
        self.set.name(candidate)
    }

    /// The inputs left out as undecodable, in order; complete once a pass over [`batches`](Self::batches) is.
    /// Later passes leave out the same ones without trying again.
    pub fn skipped(&self) -> Vec<Skipped> {
        self.set.skipped().values().cloned().collect()
    }

    /// All inputs in order, `size` at a time, decoded in parallel ahead of use by a thread that ends with the iterator.
    ///
    /// At most a few batches are in memory. The first error ends the iteration; batches before it are delivered.
    ///
    /// # Errors
    ///
    /// An input that cannot be decoded (unless such inputs are skipped), one whose shape differs from the first one's, a size of 0.
    pub fn batches(&self, size: usize) -> Batches {
        Batches::start(Arc::clone(&self.set), size)
    }

    /// SHA-256 over the contents and labels of the inputs in order, as lower-case hex; transform, names and place do not count.
    ///
    /// # Errors
    ///
    /// An image that cannot be read, unless such inputs are skipped.
    pub fn content_hash(&self) -> Result<String> {
        let mut hash = Sha256::new();
        match &self.set.inputs {
            Inputs::Images(folder) => {
                let skip = self.set.on_bad_input == OnBadInput::Skip;
                let digest = |index| match folder.bytes(index) {
                    Ok(bytes) => Ok(Sha256::digest(bytes)),
                    Err(_) if skip => Ok(Sha256::digest(b"unreadable")),
                    Err(error) => Err(error),
                };
                let digests: Vec<_> = (0..folder.len()).into_par_iter().map(digest).collect::<Result<_>>()?;
                hash.update(b"images");
                digests.iter().for_each(|digest| hash.update(digest));
            }
            Inputs::Array { array, .. } => {
                let (description, bytes) = array.identity();
                hash.update(description);
                let digests: Vec<_> = bytes.par_chunks(1 << 20).map(Sha256::digest).collect();
                digests.iter().for_each(|digest| hash.update(digest));
            }
        }
        match self.labels() {
            Some(labels) => {
                hash.update(b"labels");
                labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
            }
            None => hash.update(b"no labels"),
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Inputs {
    fn len(&self) -> usize {
        match self {
            Self::Images(folder) => folder.len(),
            Self::Array { array, .. } => array.shape[0],
        }
    }
}

impl Set {
    fn skipped(&self) -> MutexGuard<'_, BTreeMap<usize, Skipped>> {
        // The map is whole after every insertion, so a panic elsewhere does not spoil it.
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn skip(&self, candidate: usize, why: Error) {
        self.skipped().insert(candidate, Skipped { name: self.name(candidate), why });
    }

    fn name(&self, candidate: usize) -> String {
        match &self.inputs {
            Inputs::Images(folder) => folder.name(candidate).to_owned(),
            Inputs::Array { name, first, .. } => format!("{name}[{}]", first + candidate),
        }
    }

    /// Decodes and transforms an input.
    fn prepare(&self, candidate: usize) -> Result<sample::Tensor, Failure> {
        let decoded = match &self.inputs {
            Inputs::Images(folder) => Sample::Image(folder.decode(candidate).map_err(Failure::Bad)?),
            Inputs::Array { array, layout, .. } => array.sample(candidate, *layout),
        };
        transform::apply(decoded, &self.transform)
            .map_err(|error| Failure::Wrong(error.context(format!("input {}", self.name(candidate)))))
    }

    /// Decodes and transforms an input and checks that it has the shape of the others.
    fn load(&self, candidate: usize) -> Result<Vec<f32>, Failure> {
        let tensor = self.prepare(candidate)?;
        if tensor.shape == self.shape {
            return Ok(tensor.values);
        }
        let channels_differ = tensor.shape.first() != self.shape.first();
        let sizes_differ = tensor.shape.get(1..) != self.shape.get(1..);
        let fix = match (channels_differ, sizes_differ) {
            (true, true) => "add `{ resize = [HEIGHT, WIDTH] }` and `\"grayscale\"` or `\"rgb\"` to the transform",
            (true, false) => "add `\"grayscale\"` or `\"rgb\"` to the transform",
            _ => "add `{ resize = [HEIGHT, WIDTH] }` to the transform",
        };
        Err(Failure::Wrong(
            Error::new(
                ErrorKind::Data,
                format!(
                    "inputs have different shapes: {} has {}, {} has {}",
                    self.name(self.reference),
                    shape_text(&self.shape),
                    self.name(candidate),
                    shape_text(&tensor.shape)
                ),
            )
            .with_help(fix),
        ))
    }
}

/// Inputs, their labels and the names of the classes.
type Contents = (Inputs, Option<Vec<i64>>, Option<Vec<String>>);

/// Reads what lies at a place.
fn read(place: &Place) -> Result<Contents> {
    let path = &place.inputs;
    let within = |error: Error| error.context(path.display());
    let select = |inputs: usize| {
        if inputs == 0 {
            return Err(Error::new(ErrorKind::Data, "it holds no inputs: its first axis is 0"));
        }
        place.range.of(inputs)
    };
    let mut total = 0;
    let mut first = 0;
    let mut counting = |inputs: usize| {
        let selected = select(inputs)?;
        (total, first) = (inputs, selected.start);
        Ok(selected)
    };
    let written = place.labels.as_deref();
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (name, array, inside, labels_at) = match Format::at(path)? {
        Format::Folder => {
            if written.is_some() {
                return Err(within(Error::new(ErrorKind::Configuration, "a folder of images takes no file of labels"))
                    .with_help(
                        "put the images of each class into a folder of its own, or save them as .npz with `x` and `y`",
                    ));
            }
            let mut folder = ImageFolder::open(path, select)?;
            let (labels, classes) = (folder.labels.take(), folder.classes.take());
            return Ok((Inputs::Images(folder), labels, classes));
        }
        Format::Npy => (file, npy::read(path, &mut counting).map_err(within)?, None, written.map(Path::to_owned)),
        Format::Npz => {
            let arrays = npz::read(path, &mut counting).map_err(within)?;
            (format!("{file}:{}", arrays.name), arrays.inputs, arrays.labels, written.map(Path::to_owned))
        }
        Format::Idx { gzipped } => {
            let labels = written.map(Path::to_owned).or_else(|| idx::labels_beside(path));
            (file, idx::read(path, gzipped, &mut counting).map_err(within)?, None, labels)
        }
    };
    let layout = array.layout().map_err(within)?;
    let labels = match (&labels_at, &inside) {
        (Some(labels), _) => Some(read_labels(labels)?),
        (None, Some(array)) => Some(array.to_labels().map_err(|error| within(error.context("array `y`")))?),
        (None, None) => None,
    };
    let labels = match labels {
        Some(labels) if labels.len() != total => {
            let of = labels_at.as_deref().unwrap_or(path);
            return Err(Error::new(
                ErrorKind::Data,
                format!(
                    "{} holds {}, but there are {} in {}",
                    of.display(),
                    counted(labels.len(), "label"),
                    counted(total, "input"),
                    path.display()
                ),
            )
            .with_help("every input has one label; do the two belong together?"));
        }
        labels => labels.map(|labels| labels[first..first + array.shape[0]].to_vec()),
    };
    Ok((Inputs::Array { array, layout, name, first }, labels, None))
}

/// Reads a file of labels.
fn read_labels(path: &Path) -> Result<Vec<i64>> {
    let whole = |labels: usize| Ok(0..labels);
    let array = match Format::at(path)? {
        Format::Npy => npy::read(path, whole),
        Format::Idx { gzipped } => idx::read(path, gzipped, whole),
        Format::Folder | Format::Npz => Err(Error::new(ErrorKind::Data, "labels are read from .npy and idx files")
            .with_help("save them with `np.save`")),
    };
    array.and_then(|array| array.to_labels()).map_err(|error| error.context(path.display()))
}
