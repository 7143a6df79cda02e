//! MNIST's idx format, plain or gzipped: two zero bytes, the element type, the number of axes, their sizes, the array.
//!
//! Format: the page of the MNIST database, "the IDX file format". All numbers are big-endian.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::data::array::{Array, ElementType, Header, damaged, unreadable};
use crate::data::bytes::{MOST_INFLATED, Source};
use crate::{Error, ErrorKind, Result};

/// Reads the rows that `select` chooses of the idx file at `path`. Errors do not name the file; the caller does.
pub(crate) fn read(path: &Path, gzipped: bool, select: impl FnOnce(usize) -> Result<Range<usize>>) -> Result<Array> {
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if gzipped {
        let mut inflated = MultiGzDecoder::new(BufReader::new(file));
        let (header, _) = read_header(&mut inflated)?;
        Array::read(header, Source::Stream { stream: &mut inflated, compressed: size, most: MOST_INFLATED }, select)
    } else {
        let (header, length) = read_header(&mut file)?;
        Array::read(header, Source::File(&mut file, size.saturating_sub(length)), select)
    }
}

/// Whether a file that starts with `start` (at least four bytes) is an idx file.
pub(crate) fn recognises(start: &[u8]) -> bool {
    matches!(start, [0, 0, kind, axes, ..] if element_type(*kind).is_some() && *axes > 0)
}

fn element_type(code: u8) -> Option<ElementType> {
    Some(match code {
        0x08 => ElementType::U8,
        0x09 => ElementType::I8,
        0x0b => ElementType::I16,
        0x0c => ElementType::I32,
        0x0d => ElementType::F32,
        0x0e => ElementType::F64,
        _ => return None,
    })
}

/// Reads the header and says how many bytes it took.
fn read_header(reader: &mut dyn Read) -> Result<(Header, u64)> {
    let mut start = [0u8; 4];
    reader.read_exact(&mut start).map_err(unreadable)?;
    let element = match start {
        [0, 0, code, _] => {
            element_type(code).ok_or_else(|| damaged(format!("it names an unknown element type {code}")))?
        }
        _ => return Err(damaged("it does not start as an idx file does".to_owned())),
    };
    let axes = start[3];
    if axes == 0 || axes > 8 {
        return Err(damaged(format!("its header claims {axes} axes")));
    }
    let mut shape = Vec::with_capacity(axes.into());
    for _ in 0..axes {
        let mut size = [0u8; 4];
        reader.read_exact(&mut size).map_err(unreadable)?;
        shape.push(u32::from_be_bytes(size) as usize);
    }
    Ok((Header { element, big_endian: true, fortran: false, shape }, 4 + 4 * u64::from(axes)))
}

/// The file of labels that belongs to a file of images by MNIST's names, if it is there:
/// `train-images-idx3-ubyte.gz` has `train-labels-idx1-ubyte.gz`, with or without `.gz`, `-` or `.` before `idx`.
pub(crate) fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    if labels == name || !name.contains("images") {
        return None;
    }
    let other = match labels.strip_suffix(".gz") {
        Some(plain) => plain.to_owned(),
        None => format!("{labels}.gz"),
    };
    [labels, other].into_iter().map(|name| images.with_file_name(name)).find(|path| path.is_file())
}

/// The first bytes of what a gzip file holds.
pub(crate) fn inflated_start(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(unreadable)?;
    let mut start = Vec::new();
    MultiGzDecoder::new(BufReader::new(file)).take(8).read_to_end(&mut start).map_err(unreadable)?;
    if start.is_empty() {
        return Err(Error::new(ErrorKind::Data, "it is an empty gzip file"));
    }
    Ok(start)
}
