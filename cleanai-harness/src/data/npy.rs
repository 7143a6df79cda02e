//! numpy's `.npy`: magic, version, a header that is a Python dictionary literal, then the array.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. The header is read by a parser of
//! this one dictionary instead of one for Python literals: it cannot recurse, whatever a hostile file nests.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use crate::data::array::{Array, ElementType, Header, damaged, unreadable};
use crate::data::bytes::Source;
use crate::{Error, ErrorKind, Result};

/// The first bytes of every `.npy`.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header accepted; plain arrays need some 100 bytes.
const LONGEST_HEADER: u32 = 64 << 10;

/// Reads the rows that `select` chooses of the `.npy` at `path`. Errors do not name the file; the caller does.
pub(crate) fn read(path: &Path, select: impl FnOnce(usize) -> Result<Range<usize>>) -> Result<Array> {
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let (header, length) = read_header(&mut file)?;
    Array::read(header, Source::File(&mut file, size.saturating_sub(length)), select)
}

/// Reads the header and says how many bytes it took.
pub(crate) fn read_header(reader: &mut dyn Read) -> Result<(Header, u64)> {
    let mut start = [0u8; 8];
    reader.read_exact(&mut start).map_err(unreadable)?;
    if start[..6] != *MAGIC {
        return Err(damaged("it does not start as a .npy file does".to_owned()));
    }
    let (length, taken) = match start[6] {
        1 => {
            let mut length = [0u8; 2];
            reader.read_exact(&mut length).map_err(unreadable)?;
            (u32::from(u16::from_le_bytes(length)), 10)
        }
        2 | 3 => {
            let mut length = [0u8; 4];
            reader.read_exact(&mut length).map_err(unreadable)?;
            (u32::from_le_bytes(length), 12)
        }
        version => {
            return Err(Error::new(ErrorKind::Data, format!("it is .npy version {version}; 1, 2 and 3 are known")));
        }
    };
    if length > LONGEST_HEADER {
        return Err(damaged(format!("its header claims {length} bytes, more than the {LONGEST_HEADER} allowed")));
    }
    let mut text = vec![0u8; length as usize];
    reader.read_exact(&mut text).map_err(unreadable)?;
    Ok((parse_header(&text)?, taken + u64::from(length)))
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse_header(text: &[u8]) -> Result<Header> {
    let mut parser = Parser { rest: text };
    let (mut kind, mut fortran, mut shape) = (None, None, None);
    parser.expect(b'{')?;
    while !parser.accept(b'}') {
        let key = parser.string()?;
        parser.expect(b':')?;
        let repeated = match key {
            b"descr" => kind.replace(parser.element_type()?).is_some(),
            b"fortran_order" => fortran.replace(parser.boolean()?).is_some(),
            b"shape" => shape.replace(parser.shape()?).is_some(),
            _ => return Err(parser.fault("an unknown key")),
        };
        if repeated {
            return Err(parser.fault("a repeated key"));
        }
        if !parser.accept(b',') {
            parser.expect(b'}')?;
            break;
        }
    }
    if !parser.at_end() {
        return Err(parser.fault("text after the dictionary"));
    }
    match (kind, fortran, shape) {
        (Some((element, big_endian)), Some(fortran), Some(shape)) => Ok(Header { element, big_endian, fortran, shape }),
        _ => Err(parser.fault("a missing key: descr, fortran_order and shape belong there")),
    }
}

/// Reads the few Python literals a header consists of.
struct Parser<'a> {
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    fn fault(&self, what: &str) -> Error {
        damaged(format!("its header has {what}"))
    }

    fn next(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.first().copied()
    }

    fn at_end(&mut self) -> bool {
        self.next().is_none()
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.next() == Some(byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.accept(byte) { Ok(()) } else { Err(self.fault(&format!("no `{}` where one belongs", byte as char))) }
    }

    fn string(&mut self) -> Result<&'a [u8]> {
        let quote = match self.next() {
            Some(quote @ (b'\'' | b'"')) => quote,
            _ => return Err(self.fault("no string where one belongs")),
        };
        let inside = &self.rest[1..];
        let end = inside.iter().position(|&byte| byte == quote).ok_or_else(|| self.fault("a string without end"))?;
        self.rest = &inside[end + 1..];
        Ok(&inside[..end])
    }

    fn word(&mut self) -> &'a [u8] {
        self.next();
        let end = self.rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.word() {
            b"True" => Ok(true),
            b"False" => Ok(false),
            _ => Err(self.fault("neither True nor False at fortran_order")),
        }
    }

    fn shape(&mut self) -> Result<Vec<usize>> {
        self.expect(b'(')?;
        let mut shape = Vec::new();
        while !self.accept(b')') {
            let word = self.word();
            // Python 2 wrote long integers as 3L.
            let digits = word.strip_suffix(b"L").unwrap_or(word);
            let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            shape.push(number.ok_or_else(|| self.fault("a shape that is not a tuple of sizes"))?);
            if shape.len() > 32 {
                return Err(self.fault("more axes than numpy allows"));
            }
            if !self.accept(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(shape)
    }

    /// The element type and whether it is big-endian.
    fn element_type(&mut self) -> Result<(ElementType, bool)> {
        let supported = "integers, bool, float16, float32 and float64 are supported";
        if self.next() == Some(b'[') {
            return Err(Error::new(ErrorKind::Data, "it holds a structured array")
                .with_help(format!("save one field of it as a plain array; {supported}")));
        }
        let text = self.string()?;
        let (order, kind) = match text {
            [order @ (b'<' | b'>' | b'|' | b'='), kind @ ..] => (*order, kind),
            kind => (b'|', kind),
        };
        let element = match kind {
            b"b1" => ElementType::Bool,
            b"u1" => ElementType::U8,
            b"u2" => ElementType::U16,
            b"u4" => ElementType::U32,
            b"u8" => ElementType::U64,
            b"i1" => ElementType::I8,
            b"i2" => ElementType::I16,
            b"i4" => ElementType::I32,
            b"i8" => ElementType::I64,
            b"f2" => ElementType::F16,
            b"f4" => ElementType::F32,
            b"f8" => ElementType::F64,
            [b'O', ..] => {
                return Err(Error::new(ErrorKind::Data, "it holds pickled Python objects, which are never loaded")
                    .with_help(format!("save a plain array: `x.astype('float32')`; {supported}")));
            }
            _ => {
                let text = String::from_utf8_lossy(&text[..text.len().min(32)]).escape_debug().to_string();
                return Err(Error::new(ErrorKind::Data, format!("it holds elements of type `{text}`"))
                    .with_help(format!("save it with `x.astype('float32')`; {supported}")));
            }
        };
        Ok((element, order == b'>'))
    }
}
