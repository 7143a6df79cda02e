//! Inputs: formats, transforms, and the loader that decodes them in parallel ahead of the forward pass.

mod array;
mod bytes;
mod contents;
mod field;
#[cfg(feature = "torch")]
mod files;
mod idx;
mod image_folder;
mod loader;
mod location;
mod manifest;
mod npy;
mod npz;
mod range;
mod sample;
pub mod transform;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

pub use field::{Field, FieldInfo, Values};
#[cfg(feature = "torch")]
pub(crate) use files::SourceFiles;
pub use loader::Batches;

use crate::data::array::CHUNK;
use crate::data::contents::{Classes, Inputs};
use crate::data::field::Row;
use crate::data::location::Place;
use crate::data::range::counted;
use crate::data::sample::shape_text;
use crate::data::transform::TransformStep;
use crate::declare::{DataLocation, OnBadInput};
use crate::{Error, ErrorKind, Result};

/// The file or folder of inputs that a location leads to.
pub(crate) fn inputs_at(location: &DataLocation) -> Result<PathBuf> {
    Place::of(location).map(|place| place.inputs)
}

/// One batch of inputs, ready for the model.
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
    /// One for every input of the model, in the order of [`DataSet::fields`]; at least one.
    pub fields: Vec<Field>,
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
/// | `.npz` | every array but `y`, each a field of its own, in the order of the archive | the array `y` |
/// | `.npy` | the array | none |
/// | idx, plain or gzipped | the array | the file beside it by MNIST's names: `images-idx3` becomes `labels-idx1` |
/// | text in a file named `.csv` | the inputs that it lists: a manifest | its column `label`, else those of the array files it names |
///
/// `inputs.npy,labels.npy` names a file of labels for any array file; both paths start from the same folder. A range at the end takes a
/// part: `#0..500`, `#..500`, `#500..` (positions from 0, the end excluded, counted after sorting). Labels are integers of any type, one
/// per input.
///
/// # Manifests
///
/// A manifest is a CSV file (UTF-8, commas) with a header, and a row for each input in the order in which they are run:
///
/// | column | holds |
/// |---|---|
/// | `input` | the path of an image from the manifest's own folder, `../test/3/1.png`; or an array file's and the position of the input in it, counted from 0: `digits.npz:x[12]` as reports name inputs, or just `digits.npz[12]` |
/// | `label` | if there is such a column: a whole number in every row, or none in any. Words are names of classes, which are numbered in their sorted order |
/// | `class` | if there is such a column: the name of the class that the label is the number of |
///
/// Any other column is for its readers, as `rank` and `adds` of `cargo cleanai select`. An input is listed once. Paths may lead upwards, so that
/// a manifest may lie beside the data, but are relative, so that both can be moved together. Rows may name images and several array files; what
/// is read of these reaches from the first to the last row that is listed. A range takes a part of the rows: `selected.csv#..100`.
///
/// # Fields
///
/// A model with several inputs is fed from an `.npz` with an array for each: they become the fields of a [`Batch`], named as the arrays are.
/// All have as many rows, which belong together. Data of any other format, and an `.npz` of one array, has one field.
///
/// # Images and values
///
/// Images are decoded to 8 bits per channel and arrive as (C, H, W): a grey image has one channel, every other three. An alpha channel is
/// dropped, 16-bit channels are reduced to 8, palettes resolved; the orientation in EXIF data is not applied (as in torchvision).
/// PNG pixels are exact; a JPEG decoder may round differently from another, so pixels can differ from Pillow's by a few of 255 levels.
///
/// Arrays of uint8 are images if their shape says so: (N, H, W) is grey; (N, H, W, C) and (N, C, H, W) with C = 1, 3 or 4 (a fourth
/// channel is dropped); if both ends could be C, that is an error. Every other array is taken as values in the model's own layout, first axis
/// inputs: floats (16, 32 and 64 bit) by value, rounded to f32; uint8 as 0..1; wider integers, int8 and bool exactly, as
/// [`Values::Integer`], but uint64 with numbers of 2^63 and more, which is rounded to f32.
///
/// 8-bit values are always scaled to 0..1 before they reach the model; see [`transform`] for the steps. Among several arrays the transform is for
/// the images; the others are left as they are, and it is an error if there is no image. A single array goes through the transform whatever
/// it holds, integers as f32.
///
/// # Bounds
///
/// Headers are checked against the size of the file before memory is taken, and the whole array must be there, whatever range is read. An image may take
/// 1 GiB decoded and 65,536 pixels a side, a manifest 1 GiB, 16,777,216 rows and 64 KiB for each; the arrays of a compressed file, in the range asked for, 8 GiB together. An uncompressed array of
/// 8 MiB and more (`.npy` or idx) stays in its file, which is read as batches need it and must not change meanwhile.
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
///     assert_eq!(batch.fields[0].values.len(), 2 * 1 * 2 * 2); // the last batch is padded
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
    inputs: Arc<Inputs>,
    /// Which of the inputs are meant, in this order, where not all are.
    chosen: Option<Vec<usize>>,
    on_bad_input: OnBadInput,
    labels: Option<Vec<i64>>,
    classes: Option<Classes>,
    /// What every input consists of after the transform, at least one field, and the input it was taken from.
    fields: Vec<FieldInfo>,
    reference: usize,
    /// Candidates found undecodable so far.
    skipped: Mutex<BTreeMap<usize, Skipped>>,
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
        let (inputs, labels, classes) = contents::read(&place, transform)?;
        let mut set = Set {
            inputs: Arc::new(inputs),
            chosen: None,
            on_bad_input,
            labels,
            classes,
            fields: Vec::new(),
            reference: 0,
            skipped: Mutex::default(),
        };
        for candidate in 0..set.inputs.len() {
            match set.inputs.prepare(candidate) {
                Ok(rows) => {
                    let field = |(name, row): (String, Row)| FieldInfo {
                        name,
                        shape: row.shape,
                        integer: matches!(row.values, Values::Integer(_)),
                    };
                    set.fields = set.inputs.fields().into_iter().zip(rows).map(field).collect();
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
        self.set.len()
    }

    /// Some of the inputs as a data set of their own, in this order.
    ///
    /// # Panics
    ///
    /// If there is no input of one of these indices, which count those that will turn out undecodable.
    pub(crate) fn choose(&self, indices: &[usize]) -> Self {
        let known = self.set.skipped();
        let skipped = indices.iter().enumerate().filter_map(|(at, index)| Some((at, known.get(index)?.clone())));
        let set = Set {
            inputs: Arc::clone(&self.set.inputs),
            chosen: Some(indices.iter().map(|index| self.set.place(*index)).collect()),
            on_bad_input: self.set.on_bad_input,
            labels: self.set.labels.as_ref().map(|labels| indices.iter().map(|index| labels[*index]).collect()),
            classes: self.set.classes.clone(),
            fields: self.set.fields.clone(),
            reference: self.set.reference,
            skipped: Mutex::new(skipped.collect()),
        };
        Self { set: Arc::new(set) }
    }

    /// The names of all inputs, those that will turn out undecodable included.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.len()).map(|candidate| self.set.name(candidate))
    }

    /// What every input consists of; at least one field.
    pub fn fields(&self) -> &[FieldInfo] {
        &self.set.fields
    }

    /// Shape of one input's first field after the transform, without the batch axis.
    pub fn shape(&self) -> &[usize] {
        &self.set.fields[0].shape
    }

    /// Labels of the [`len`](Self::len) inputs, those that will turn out undecodable included; the labels in a [`Batch`] are of its inputs.
    pub fn labels(&self) -> Option<&[i64]> {
        self.set.labels.as_deref()
    }

    /// Names of the classes in the order of their labels, where labels come from folders or a manifest names them.
    pub fn classes(&self) -> Option<&[String]> {
        self.set.classes.as_ref().map(|classes| &classes.names[..])
    }

    /// Name of the class of a label, where it has one.
    pub fn class(&self, label: i64) -> Option<&str> {
        self.set.classes.as_ref()?.name(label)
    }

    /// Name of the input that batches count as number `index`: an image's path below its folder, the array's file and the
    /// position in it, or what a manifest says in the column `input`. Right for every input that a batch has delivered, and for all once a pass is complete.
    ///
    /// # Panics
    ///
    /// If there is no such input.
    pub fn names(&self, index: usize) -> String {
        self.set.name(self.candidate(index))
    }

    /// A manifest of some inputs, given as batches count them, to be written to `file`: paths in it start from that file's folder. It has their labels,
    /// names of classes where there are any, and further columns: a name and a text for each input.
    ///
    /// ```
    /// # use cleanai_harness::{data::DataSet, declare::{DataLocation, OnBadInput}};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # for (name, level) in [("test/cat/1.png", 0), ("test/dog/1.png", 255)] {
    /// #     let path = folder.path().join(name);
    /// #     std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    /// #     image::GrayImage::from_pixel(4, 4, image::Luma([level])).save(path).unwrap();
    /// # }
    /// # let root = folder.path().to_owned();
    /// # let open = |path: &str| DataSet::open(&DataLocation { path: path.to_owned(), root: root.clone() }, &[], OnBadInput::Fail);
    /// let data = open("test")?; // test/cat/1.png  test/dog/1.png
    /// let file = root.join("dogs.csv");
    /// let text = data.manifest(&[1], &[("why", vec!["barks".to_owned()])], &file)?;
    /// assert_eq!(String::from_utf8_lossy(&text), "input,label,class,why\ntest/dog/1.png,1,dog,barks\n");
    ///
    /// std::fs::write(&file, text).unwrap();
    /// let dogs = open("dogs.csv")?;
    /// assert_eq!((dogs.len(), dogs.labels(), dogs.class(1)), (1, Some(&[1][..]), Some("dog")));
    /// # Ok::<(), cleanai_harness::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A path that is not UTF-8, or cannot be read any more.
    ///
    /// # Panics
    ///
    /// If there is no such input, or a column has not a text for each.
    pub fn manifest(&self, inputs: &[usize], columns: &[(&str, Vec<String>)], file: &Path) -> Result<Vec<u8>> {
        manifest::text(self, inputs, columns, file)
    }

    /// The file or folder a candidate lies in, and what a manifest adds to its path.
    fn place(&self, candidate: usize) -> (Cow<'_, Path>, String) {
        self.set.inputs.place(self.set.place(candidate))
    }

    /// Where the input that batches count as number `index` stands among all, those found undecodable included.
    pub(crate) fn candidate(&self, index: usize) -> usize {
        let mut candidate = index;
        for &skipped in self.set.skipped().keys() {
            if skipped > candidate {
                break;
            }
            candidate += 1;
        }
        candidate
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
    /// An image that cannot be read, unless such inputs are skipped; an array's file that cannot be read any more.
    pub fn content_hash(&self) -> Result<String> {
        let mut hash = Sha256::new();
        match &*self.set.inputs {
            Inputs::Images { .. } | Inputs::Listed(_) => {
                let skip = self.set.on_bad_input == OnBadInput::Skip;
                let digest = |candidate| match self.set.inputs.digest(self.set.place(candidate)) {
                    Err(_) if skip => Ok(Sha256::digest(b"unreadable").into()),
                    digest => digest,
                };
                let digests: Vec<[u8; 32]> = (0..self.len()).into_par_iter().map(digest).collect::<Result<_>>()?;
                hash.update(b"images");
                digests.iter().for_each(|digest| hash.update(digest));
            }
            Inputs::Arrays { columns, .. } => {
                for column in columns {
                    // The name of an only array decides nothing.
                    if columns.len() > 1 {
                        hash.update((column.name.len() as u64).to_le_bytes());
                        hash.update(&column.name);
                    }
                    hash.update(column.array.identity());
                    let chunks = column.array.chunks(CHUNK);
                    let digest = |index| chunks.get(index).map(Sha256::digest);
                    let digests: Vec<_> = (0..chunks.count()).into_par_iter().map(digest).collect::<Result<_>>()?;
                    digests.iter().for_each(|digest| hash.update(digest));
                }
            }
        }
        if let Some(chosen) = &self.set.chosen {
            hash.update(b"chosen");
            chosen.iter().for_each(|index| hash.update((*index as u64).to_le_bytes()));
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

impl Set {
    fn skipped(&self) -> MutexGuard<'_, BTreeMap<usize, Skipped>> {
        // The map is whole after every insertion, so a panic elsewhere does not spoil it.
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn skip(&self, candidate: usize, why: Error) {
        self.skipped().insert(candidate, Skipped { name: self.name(candidate), why });
    }

    fn len(&self) -> usize {
        self.chosen.as_ref().map_or_else(|| self.inputs.len(), Vec::len)
    }

    /// Where a candidate lies among the inputs.
    fn place(&self, candidate: usize) -> usize {
        self.chosen.as_ref().map_or(candidate, |chosen| chosen[candidate])
    }

    fn name(&self, candidate: usize) -> String {
        self.inputs.name(self.place(candidate))
    }

    /// Bytes of one input, all fields together, as a batch holds it.
    fn input_bytes(&self) -> usize {
        self.fields.iter().map(FieldInfo::row_bytes).sum()
    }

    /// Decodes and transforms an input and checks that it has the shape of the others.
    fn load(&self, candidate: usize) -> Result<Vec<Values>, Failure> {
        let rows = self.inputs.prepare(self.place(candidate))?;
        if let Some((field, row)) = self.fields.iter().zip(&rows).find(|(field, row)| field.shape != row.shape) {
            return Err(Failure::Wrong(self.differs(candidate, &field.shape, &row.shape)));
        }
        Ok(rows.into_iter().map(|row| row.values).collect())
    }

    /// The error of an input that has not the `expected` shape.
    fn differs(&self, candidate: usize, expected: &[usize], found: &[usize]) -> Error {
        let channels_differ = found.first() != expected.first();
        let sizes_differ = found.get(1..) != expected.get(1..);
        let fix = match (channels_differ, sizes_differ) {
            (true, true) => "add `{ resize = [HEIGHT, WIDTH] }` and `\"grayscale\"` or `\"rgb\"` to the transform",
            (true, false) => "add `\"grayscale\"` or `\"rgb\"` to the transform",
            _ => "add `{ resize = [HEIGHT, WIDTH] }` to the transform",
        };
        Error::new(
            ErrorKind::Data,
            format!(
                "inputs have different shapes: {} has {}, {} has {}",
                self.inputs.name(self.reference),
                shape_text(expected),
                self.name(candidate),
                shape_text(found)
            ),
        )
        .with_help(fix)
    }
}
