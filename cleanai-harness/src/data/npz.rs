//! numpy's `.npz`: a zip of `.npy` files, of which `y` holds the labels and every other one inputs.

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::data::array::{Array, damaged, unreadable};
use crate::data::bytes::{MOST_INFLATED, Source};
use crate::data::npy;
use crate::data::range::counted;
use crate::{Error, ErrorKind, Result};

/// The array of labels.
const LABELS: &str = "y";

/// Inputs and labels of an archive, labels for all rows of the file.
pub(crate) struct Arrays {
    /// Names and the rows asked for, in the archive's order; at least one.
    pub inputs: Vec<(String, Array)>,
    /// `y`, whole, if there is one.
    pub labels: Option<Array>,
}

/// Reads the rows that `select` chooses of the archive's inputs, and its labels. Errors do not name the file; the caller does.
pub(crate) fn read(path: &Path, select: impl FnMut(usize) -> Result<Range<usize>>) -> Result<Arrays> {
    read_within(path, MOST_INFLATED, select)
}

/// As [`read`]; all arrays together take at most `left` bytes.
pub(crate) fn read_within(
    path: &Path,
    mut left: u64,
    mut select: impl FnMut(usize) -> Result<Range<usize>>,
) -> Result<Arrays> {
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(unzippable)?;
    let (mut names, mut labelled) = (Vec::new(), false);
    for index in 0..archive.len() {
        let name = archive.name_for_index(index).and_then(|name| name.ok());
        match name.as_deref().and_then(|name| name.strip_suffix(".npy")) {
            Some(LABELS) => labelled = true,
            Some(array) => names.push(array.to_owned()),
            None => {}
        }
    }
    if names.is_empty() {
        let what = if labelled { "only labels, the array `y`" } else { "no .npy array" };
        return Err(Error::new(ErrorKind::Data, format!("it is a zip file that holds {what}"))
            .with_help("save the inputs with `np.savez('data.npz', x=images, y=labels)`"));
    }
    let labels = match labelled {
        true => Some(read_array(&mut archive, size, LABELS, &mut left, |rows| Ok(0..rows))?),
        false => None,
    };
    let mut inputs: Vec<(String, Array)> = Vec::with_capacity(names.len());
    let mut first: Option<(String, usize)> = None;
    for name in names {
        let array = read_array(&mut archive, size, &name, &mut left, |rows| match &first {
            Some((other, expected)) if *expected != rows => Err(uneven(other, *expected, rows)),
            _ => {
                first = Some((name.clone(), rows));
                select(rows)
            }
        })?;
        inputs.push((name, array));
    }
    Ok(Arrays { inputs, labels })
}

/// The error of an array that has not as many rows as the one before it.
fn uneven(other: &str, expected: usize, rows: usize) -> Error {
    Error::new(
        ErrorKind::Data,
        format!("it has {}, but array `{}` has {expected}", counted(rows, "row"), other.escape_debug()),
    )
    .with_help(
        "every array but `y`, the labels, is an input of the model with a row for each; save other arrays elsewhere",
    )
}

fn read_array(
    archive: &mut ZipArchive<BufReader<File>>,
    size: u64,
    name: &str,
    left: &mut u64,
    select: impl FnOnce(usize) -> Result<Range<usize>>,
) -> Result<Array> {
    let read = |archive: &mut ZipArchive<BufReader<File>>| -> Result<Array> {
        let mut entry = archive.by_name(&format!("{name}.npy")).map_err(unzippable)?;
        let compressed = entry.compressed_size().min(size);
        let (header, _) = npy::read_header(&mut entry)?;
        let array = Array::read(header, Source::Stream { stream: &mut entry, compressed, most: *left }, select)?;
        *left -= array.bytes() as u64;
        Ok(array)
    };
    read(archive).map_err(|error| error.context(format!("array `{}`", name.escape_debug())))
}

fn unzippable(why: ZipError) -> Error {
    match why {
        ZipError::Io(why) => unreadable(why),
        ZipError::UnsupportedArchive(why) => Error::new(ErrorKind::Data, format!("it cannot be unzipped: {why}"))
            .with_help("save it with `np.savez` or `np.savez_compressed`"),
        why => damaged(format!("it cannot be unzipped: {why}")),
    }
}
