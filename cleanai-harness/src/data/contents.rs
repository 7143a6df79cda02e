//! What lies at a place: image files, or arrays, and their labels.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::data::array::{Array, Layout};
use crate::data::field::{Row, Values};
use crate::data::image_folder::ImageFolder;
use crate::data::location::{Format, Place};
use crate::data::range::counted;
use crate::data::sample::{Sample, shape_text};
use crate::data::transform::{self, TransformStep};
use crate::data::{Failure, idx, manifest, npy, npz};
use crate::{Error, ErrorKind, Result};

/// The name of the only field where the data names none.
const ONLY_FIELD: &str = "x";

/// Where inputs come from.
#[derive(Debug)]
pub(super) enum Inputs {
    Images {
        folder: ImageFolder,
        transform: Vec<TransformStep>,
    },
    Arrays {
        /// At least one; all have as many rows.
        columns: Vec<Column>,
        /// `digits.npz` or `digits.npy`, as inputs are named after it.
        name: String,
        /// `:x` where it is the only array of an archive, which then stands between the file and an input's position; else nothing.
        array: String,
        /// Position in the file of the first row held.
        first: usize,
        /// The file.
        path: PathBuf,
    },
    Listed(Listed),
}

/// Inputs of several files in an order of their own, as a manifest lists them.
#[derive(Debug)]
pub(super) struct Listed {
    /// At least one; all have the same fields.
    sources: Vec<Inputs>,
    /// For each input its source, and its place there; at least one.
    places: Vec<(usize, usize)>,
}

impl Listed {
    /// # Errors
    /// If not all inputs could go into one batch.
    pub(super) fn new(sources: Vec<Inputs>, places: Vec<(usize, usize)>) -> Result<Self> {
        let all = Self { sources, places };
        let kind = all.sources[all.places[0].0].kind();
        match all.places.iter().position(|(source, _)| all.sources[*source].kind() != kind) {
            Some(other) => Err(Error::new(
                ErrorKind::Data,
                format!("its inputs are of different kinds: {} and {}", all.name(0), all.name(other)),
            )
            .with_help("all have the same arrays, whole numbers or not, or are images")),
            None => Ok(all),
        }
    }

    fn name(&self, candidate: usize) -> String {
        let (source, row) = self.places[candidate];
        self.sources[source].name(row)
    }
}

/// Names of classes.
#[derive(Debug, Clone)]
pub(super) struct Classes {
    /// Ascending.
    labels: Vec<i64>,
    /// In the order of their labels.
    pub names: Vec<String>,
}

impl Classes {
    /// Of labels in ascending order.
    pub(super) fn new(classes: Vec<(i64, String)>) -> Self {
        let (labels, names) = classes.into_iter().unzip();
        Self { labels, names }
    }

    /// The name of a label.
    pub(super) fn name(&self, label: i64) -> Option<&str> {
        self.labels.binary_search(&label).ok().map(|at| self.names[at].as_str())
    }
}

/// An array whose rows are one field of the inputs.
#[derive(Debug)]
pub(super) struct Column {
    pub name: String,
    pub array: Array,
    layout: Layout,
    /// Empty where the transform is not for this array.
    transform: Vec<TransformStep>,
    /// Handed over as integers.
    integer: bool,
}

/// Inputs, their labels and the names of the classes.
pub(super) type Contents = (Inputs, Option<Vec<i64>>, Option<Classes>);

impl Inputs {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Images { folder, .. } => folder.len(),
            Self::Arrays { columns, .. } => columns[0].array.shape[0],
            Self::Listed(listed) => listed.places.len(),
        }
    }

    /// Names of the fields, in the order of the rows that `prepare` gives.
    pub(super) fn fields(&self) -> Vec<String> {
        match self {
            Self::Images { .. } => vec![ONLY_FIELD.to_owned()],
            Self::Arrays { columns, .. } => columns.iter().map(|column| column.name.clone()).collect(),
            Self::Listed(listed) => listed.sources[listed.places[0].0].fields(),
        }
    }

    /// What inputs need to have in common to go into one batch: the fields, and whether they are integers.
    fn kind(&self) -> Vec<(&str, bool)> {
        match self {
            Self::Images { .. } => vec![(ONLY_FIELD, false)],
            // The name of an only array decides nothing.
            Self::Arrays { columns, .. } if columns.len() == 1 => vec![(ONLY_FIELD, columns[0].integer)],
            Self::Arrays { columns, .. } => {
                columns.iter().map(|column| (column.name.as_str(), column.integer)).collect()
            }
            Self::Listed(listed) => listed.sources[listed.places[0].0].kind(),
        }
    }

    /// Name of an input.
    pub(super) fn name(&self, candidate: usize) -> String {
        match self {
            Self::Images { folder, .. } => folder.name(candidate).to_owned(),
            Self::Arrays { name, array, first, .. } => format!("{name}{array}[{}]", first + candidate),
            Self::Listed(listed) => listed.name(candidate),
        }
    }

    /// The file or folder an input lies in, and what a manifest adds to its path: an image's own, or an array's position.
    pub(super) fn place(&self, candidate: usize) -> (Cow<'_, Path>, String) {
        match self {
            Self::Images { folder, .. } => folder.place(candidate),
            Self::Arrays { array, first, path, .. } => (path.into(), format!("{array}[{}]", first + candidate)),
            Self::Listed(listed) => {
                let (source, row) = listed.places[candidate];
                listed.sources[source].place(row)
            }
        }
    }

    /// A hash of an input's content.
    pub(super) fn digest(&self, candidate: usize) -> Result<[u8; 32]> {
        match self {
            Self::Images { folder, .. } => Ok(Sha256::digest(folder.bytes(candidate)?).into()),
            Self::Arrays { columns, .. } => {
                let mut hash = Sha256::new();
                for column in columns {
                    hash.update(column.array.row_identity());
                    hash.update(column.array.row(candidate)?);
                }
                Ok(hash.finalize().into())
            }
            Self::Listed(listed) => {
                let (source, row) = listed.places[candidate];
                listed.sources[source].digest(row)
            }
        }
    }

    /// Decodes and transforms an input: a row for every field.
    pub(super) fn prepare(&self, candidate: usize) -> Result<Vec<Row>, Failure> {
        let input = |error: Error| Failure::Wrong(error.context(format!("input {}", self.name(candidate))));
        match self {
            Self::Images { folder, transform } => {
                let image = folder.decode(candidate).map_err(Failure::Bad)?;
                let tensor = transform::apply(Sample::Image(image), transform).map_err(input)?;
                Ok(vec![tensor.into()])
            }
            Self::Arrays { columns, .. } => {
                let several = columns.len() > 1;
                let row = |column: &Column| {
                    let named = |error: Error| match several {
                        true => error.context(format!("array `{}`", column.name.escape_debug())),
                        false => error,
                    };
                    column.row(candidate).map_err(|error| input(named(error)))
                };
                columns.iter().map(row).collect()
            }
            Self::Listed(listed) => {
                let (source, row) = listed.places[candidate];
                listed.sources[source].prepare(row)
            }
        }
    }
}

impl Column {
    fn row(&self, index: usize) -> Result<Row> {
        if self.integer {
            let values = Values::Integer(self.array.integers(index)?);
            return Ok(Row { shape: self.array.shape[1..].to_vec(), values });
        }
        transform::apply(self.array.sample(index, self.layout)?, &self.transform).map(Row::from)
    }
}

/// Decides for each array what is done with it: images are transformed. Any other array on its own is transformed too, which
/// is an error for most steps; beside others it is left as it is.
fn columns(arrays: Vec<(String, Array)>, transform: &[TransformStep]) -> Result<Vec<Column>> {
    let several = arrays.len() > 1;
    let column = |(name, array): (String, Array)| {
        let layout = match several {
            true => {
                array.layout_beside_others().map_err(|error| error.context(format!("array `{}`", name.escape_debug())))
            }
            false => array.layout(),
        }?;
        let transformed = layout != Layout::Model || !several;
        let transform = if transformed { transform.to_vec() } else { Vec::new() };
        let integer = layout == Layout::Model && transform.is_empty() && array.holds_integers()?;
        Ok(Column { name, array, layout, transform, integer })
    };
    let columns: Vec<Column> = arrays.into_iter().map(column).collect::<Result<_>>()?;
    if !transform.is_empty() && columns.iter().all(|column| column.transform.is_empty()) {
        let described = |column: &Column| {
            let Column { name, array, .. } = column;
            format!("`{}` {} {}", name.escape_debug(), array.element.name(), shape_text(&array.shape))
        };
        let shown: Vec<String> = columns.iter().take(8).map(described).collect();
        let more = if columns.len() > 8 { ", ..." } else { "" };
        return Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "the transform {} finds no images among several arrays: {}{more}",
                transform::text(transform),
                shown.join(", ")
            ),
        )
        .with_help("remove the transform, or store images as uint8 (N, H, W) or (N, H, W, C)"));
    }
    Ok(columns)
}

/// Reads what lies at a place, to be put through `transform`.
pub(super) fn read(place: &Place, transform: &[TransformStep]) -> Result<Contents> {
    let path = &place.inputs;
    match Format::at(path)? {
        Format::Folder => {
            if place.labels.is_some() {
                return Err(Error::new(ErrorKind::Configuration, "a folder of images takes no file of labels")
                    .context(path.display())
                    .with_help(
                        "put the images of each class into a folder of its own, or save them as .npz with `x` and `y`",
                    ));
            }
            let mut folder = ImageFolder::open(path, |images| place.range.of(images))?;
            let (labels, classes) = (folder.labels.take(), folder.classes.take());
            Ok((Inputs::Images { folder, transform: transform.to_vec() }, labels, classes.map(Classes::new)))
        }
        Format::Manifest => manifest::read(place, transform),
        format => array_file(path, format, place.labels.as_deref(), |inputs| place.range.of(inputs), transform),
    }
}

/// Reads the inputs that `select` chooses of a file of arrays, and their labels: those in the file `written`, in this one or beside it.
pub(super) fn array_file(
    path: &Path,
    format: Format,
    written: Option<&Path>,
    select: impl Fn(usize) -> Result<Range<usize>>,
    transform: &[TransformStep],
) -> Result<Contents> {
    let within = |error: Error| error.context(path.display());
    let mut total = 0;
    let mut first = 0;
    let mut counting = |inputs: usize| {
        if inputs == 0 {
            return Err(Error::new(ErrorKind::Data, "it holds no inputs: its first axis is 0"));
        }
        let selected = select(inputs)?;
        (total, first) = (inputs, selected.start);
        Ok(selected)
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let alone = |array: Array| vec![(ONLY_FIELD.to_owned(), array)];
    let mut array = String::new();
    let (arrays, inside, labels_at) = match format {
        Format::Npz => {
            let npz::Arrays { inputs, labels } = npz::read(path, &mut counting).map_err(within)?;
            if let [(only, _)] = &inputs[..] {
                array = format!(":{only}");
            }
            (inputs, labels, written.map(Path::to_owned))
        }
        Format::Idx { gzipped } => {
            let labels = written.map(Path::to_owned).or_else(|| idx::labels_beside(path));
            (alone(idx::read(path, gzipped, &mut counting).map_err(within)?), None, labels)
        }
        _ => (alone(npy::read(path, &mut counting).map_err(within)?), None, written.map(Path::to_owned)),
    };
    let columns = columns(arrays, transform).map_err(within)?;
    let rows = columns[0].array.shape[0];
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
        labels => labels.map(|labels| labels[first..first + rows].to_vec()),
    };
    Ok((Inputs::Arrays { columns, name, array, first, path: path.to_owned() }, labels, None))
}

/// Reads a file of labels.
fn read_labels(path: &Path) -> Result<Vec<i64>> {
    let whole = |labels: usize| Ok(0..labels);
    let array = match Format::at(path)? {
        Format::Npy => npy::read(path, whole),
        Format::Idx { gzipped } => idx::read(path, gzipped, whole),
        Format::Folder | Format::Npz | Format::Manifest => {
            Err(Error::new(ErrorKind::Data, "labels are read from .npy and idx files")
                .with_help("save them with `np.save`"))
        }
    };
    array.and_then(|array| array.to_labels()).map_err(|error| error.context(path.display()))
}
