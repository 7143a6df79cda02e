//! numpy's `.npz`: a zip of `.npy` files, of which `x` holds the inputs and `y` the labels.

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::data::array::{Array, Source, damaged, unreadable};
use crate::data::npy;
use crate::{Error, ErrorKind, Result};

/// Inputs and labels of an archive, labels for all rows of the file.
pub(crate) struct Arrays {
    /// The array the inputs came from.
    pub name: String,
    /// The rows asked for.
    pub inputs: Array,
    /// `y`, whole, if there is one.
    pub labels: Option<Array>,
}

/// Reads the rows that `select` chooses of the archive's inputs, and its labels. Errors do not name the file; the caller does.
pub(crate) fn read(path: &Path, select: impl FnOnce(usize) -> Result<Range<usize>>) -> Result<Arrays> {
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(unzippable)?;
    let mut names = Vec::new();
    for index in 0..archive.len() {
        let name = archive.name_for_index(index).and_then(|name| name.ok());
        if let Some(array) = name.as_deref().and_then(|name| name.strip_suffix(".npy")) {
            names.push(array.to_owned());
        }
    }
    let inputs = inputs_among(&names)?.to_owned();
    let labels = match names.iter().any(|name| name == "y") {
        true => Some(read_array(&mut archive, size, "y", |rows| Ok(0..rows))?),
        false => None,
    };
    Ok(Arrays { inputs: read_array(&mut archive, size, &inputs, select)?, labels, name: inputs })
}

/// The array that holds the inputs: `x`, or the only one besides `y`.
fn inputs_among(names: &[String]) -> Result<&str> {
    if names.is_empty() {
        return Err(Error::new(ErrorKind::Data, "it is a zip file without any .npy array")
            .with_help("save the inputs with `np.savez('data.npz', x=images, y=labels)`"));
    }
    if names.iter().any(|name| name == "x") {
        return Ok("x");
    }
    let others: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != "y").collect();
    match others[..] {
        [only] => Ok(only),
        _ => {
            let shown: Vec<String> = names.iter().take(8).map(|name| format!("`{}`", name.escape_debug())).collect();
            let more = if names.len() > 8 { ", ..." } else { "" };
            Err(Error::new(ErrorKind::Data, format!("it holds no array `x`, only {}{more}", shown.join(", ")))
                .with_help("save the inputs as `x` and the labels as `y`: `np.savez('data.npz', x=images, y=labels)`"))
        }
    }
}

fn read_array(
    archive: &mut ZipArchive<BufReader<File>>,
    size: u64,
    name: &str,
    select: impl FnOnce(usize) -> Result<Range<usize>>,
) -> Result<Array> {
    let read = |archive: &mut ZipArchive<BufReader<File>>| {
        let mut entry = archive.by_name(&format!("{name}.npy")).map_err(unzippable)?;
        let compressed = entry.compressed_size().min(size);
        let (header, _) = npy::read_header(&mut entry)?;
        Array::read(header, Source::Stream(&mut entry, compressed), select)
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
