//! The bytes of an array: where they come from, checked before memory is taken, and where they are kept.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::data::array::{cut_off, damaged, unreadable};
use crate::{Error, ErrorKind, Result};

/// Most bytes kept of a file that lies compressed: a few bytes of a hostile one can ask for any amount.
pub(crate) const MOST_INFLATED: u64 = 8 << 30;

/// DEFLATE yields at most 1032 bytes per byte of input; a header that promises more is false.
const DEFLATE_RATIO: u64 = 1032;

/// Arrays of files that can be read anywhere stay there from this size on: held in memory, a data set of images would take more of it
/// than the model.
const LEFT_IN_FILE: u64 = 8 << 20;

/// The bytes of an array, row-major.
#[derive(Debug)]
pub(crate) enum Bytes {
    Memory(Vec<u8>),
    /// A part of an open file, read when it is asked for. Reading, unlike a mapping, survives a file that someone cuts off meanwhile.
    File {
        file: File,
        start: u64,
        length: usize,
    },
}

impl Bytes {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File { length, .. } => *length,
        }
    }

    /// The bytes of a range within these.
    pub(crate) fn get(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>> {
        match self {
            Self::Memory(bytes) => Ok(Cow::Borrowed(&bytes[range])),
            Self::File { file, start, length } => {
                assert!(range.end <= *length, "a part of the array is asked for");
                let mut bytes = reserved(range.len())?;
                bytes.resize(range.len(), 0);
                file.read_exact_at(&mut bytes, start + range.start as u64).map_err(unreadable)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

/// Where an array's bytes come from, positioned just after its header.
pub(crate) enum Source<'a> {
    /// An uncompressed file, with how many bytes are left.
    File(&'a mut File, u64),
    /// A stream that cannot seek.
    Stream {
        stream: &'a mut dyn Read,
        /// The compressed bytes it is made from.
        compressed: u64,
        /// The most bytes that may be kept of it.
        most: u64,
    },
}

impl Source<'_> {
    /// Refuses a header whose promise this source cannot keep, before anything is allocated.
    pub(crate) fn check_total(&self, total: u64) -> Result<()> {
        match self {
            Self::File(_, left) if *left < total => {
                Err(damaged(format!("it is cut off: its header promises {total} bytes of data, {left} are there")))
            }
            Self::File(_, left) if *left > total => {
                Err(damaged(format!("it has {} bytes more than its header says", left - total)))
            }
            Self::File(..) => Ok(()),
            Self::Stream { compressed, .. } => {
                if total > compressed.saturating_mul(DEFLATE_RATIO).saturating_add(DEFLATE_RATIO) {
                    return Err(damaged(format!(
                        "it is cut off: its header promises {total} bytes of data, more than {compressed} compressed bytes can hold"
                    )));
                }
                Ok(())
            }
        }
    }

    pub(crate) fn skip(&mut self, bytes: u64) -> Result<()> {
        match self {
            Self::File(file, _) => {
                file.seek(SeekFrom::Current(bytes as i64)).map_err(unreadable)?;
                Ok(())
            }
            Self::Stream { stream, .. } => {
                let skipped = io::copy(&mut stream.take(bytes), &mut io::sink()).map_err(unreadable)?;
                if skipped < bytes { Err(cut_off(bytes - skipped)) } else { Ok(()) }
            }
        }
    }

    pub(crate) fn take(&mut self, bytes: u64) -> Result<Vec<u8>> {
        let reader: &mut dyn Read = match self {
            Self::File(file, _) => *file,
            Self::Stream { stream, most, .. } => {
                if bytes > *most {
                    let left = match *most {
                        MOST_INFLATED => String::new(),
                        most => format!("{most} that the arrays before it leave of the "),
                    };
                    return Err(Error::new(
                        ErrorKind::Data,
                        format!(
                            "it inflates to {bytes} bytes, more than the {left}{MOST_INFLATED} allowed for compressed data"
                        ),
                    )
                    .with_help("save it uncompressed as .npy, or take a part of it with a range such as `#0..500`"));
                }
                *stream
            }
        };
        let mut buffer = reserved(bytes as usize)?;
        reader.take(bytes).read_to_end(&mut buffer).map_err(unreadable)?;
        if (buffer.len() as u64) < bytes { Err(cut_off(bytes - buffer.len() as u64)) } else { Ok(buffer) }
    }

    /// As [`Source::take`], but what is large and can be read again at any place stays where it is.
    pub(crate) fn keep(&mut self, bytes: u64) -> Result<Bytes> {
        match self {
            Self::File(file, _) if bytes >= LEFT_IN_FILE => {
                let start = file.stream_position().map_err(unreadable)?;
                let kept = Bytes::File { file: file.try_clone().map_err(unreadable)?, start, length: bytes as usize };
                self.skip(bytes)?;
                Ok(kept)
            }
            _ => self.take(bytes).map(Bytes::Memory),
        }
    }

    /// Nothing may follow; reaching the end also makes the decompressor check its checksum.
    pub(crate) fn finish(&mut self) -> Result<()> {
        match self {
            Self::File(..) => Ok(()),
            Self::Stream { stream, .. } => match stream.read(&mut [0u8; 1]).map_err(unreadable)? {
                0 => Ok(()),
                _ => Err(damaged("it has more data than its header says".to_owned())),
            },
        }
    }
}

/// An empty vector with room for `bytes`, or an error where memory does not suffice.
pub(crate) fn reserved(bytes: usize) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).map_err(|_| {
        Error::new(ErrorKind::Data, format!("its {bytes} bytes do not fit into memory"))
            .with_help("take a part of it with a range such as `#0..500`")
    })?;
    Ok(buffer)
}
