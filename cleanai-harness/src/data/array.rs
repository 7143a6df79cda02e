//! A numeric array read from a file: bounded reading, conversion to f32, to labels, and to inputs.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use crate::data::bytes::{Bytes, Source, reserved};
use crate::data::sample::{Image, Sample, Tensor, shape_text};
use crate::{Error, ErrorKind, Result};

/// Bytes looked at together, whole elements of any type.
pub(crate) const CHUNK: usize = 1 << 20;

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ElementType {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    F32,
    F64,
}

impl ElementType {
    /// Bytes per element.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// numpy's name of the type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }
}

/// What a file's header says about the array that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// Type of the elements.
    pub element: ElementType,
    /// Most significant byte first.
    pub big_endian: bool,
    /// First axis fastest.
    pub fortran: bool,
    /// All axes, inputs first.
    pub shape: Vec<usize>,
}

impl Header {
    /// Bytes of one row (everything beyond the first axis) and of the whole array, or an error if no machine could hold it.
    fn sizes(&self) -> Result<(u64, u64)> {
        let row = self
            .shape
            .iter()
            .skip(1)
            .try_fold(self.element.bytes() as u64, |product, &size| product.checked_mul(size as u64));
        row.and_then(|row| Some((row, row.checked_mul(*self.shape.first().unwrap_or(&1) as u64)?)))
            .filter(|&(_, total)| total <= isize::MAX as u64)
            .ok_or_else(|| damaged(format!("its header claims an impossible shape {}", shape_text(&self.shape))))
    }
}

/// Appends to `$values` the `$number`s in `$bytes`, each converted.
macro_rules! extend_with {
    ($big_endian:expr, $bytes:expr, $values:expr, $number:ty, $value:ty, $convert:expr) => {{
        const WIDTH: usize = size_of::<$number>();
        let elements = $bytes.chunks_exact(WIDTH).map(|chunk| {
            let mut element = [0u8; WIDTH];
            element.copy_from_slice(chunk);
            element
        });
        let convert: fn($number) -> $value = $convert;
        if $big_endian {
            $values.extend(elements.map(|element| convert(<$number>::from_be_bytes(element))));
        } else {
            $values.extend(elements.map(|element| convert(<$number>::from_le_bytes(element))));
        }
    }};
}

/// An array: row-major, as many rows as were asked for.
#[derive(Debug)]
pub(crate) struct Array {
    /// Type of the elements.
    pub element: ElementType,
    /// All axes, inputs first.
    pub shape: Vec<usize>,
    big_endian: bool,
    bytes: Bytes,
}

impl Array {
    /// Reads the rows `select` chooses (given how many there are), checking that the file holds exactly what its header says.
    pub(crate) fn read(
        header: Header,
        mut source: Source<'_>,
        select: impl FnOnce(usize) -> Result<Range<usize>>,
    ) -> Result<Self> {
        let (row, total) = header.sizes()?;
        source.check_total(total)?;
        let Some(&rows) = header.shape.first() else {
            return Err(Error::new(ErrorKind::Data, "it holds a single number, not an array")
                .with_help("the first axis counts the inputs"));
        };
        let selected = select(rows)?;
        let (start, end) = (selected.start as u64 * row, selected.end as u64 * row);
        let bytes = if header.fortran && header.shape.len() > 1 {
            // Rows are scattered over the whole file.
            let all = source.take(total)?;
            Bytes::Memory(transposed(&all, &header.shape, header.element.bytes(), selected.clone())?)
        } else {
            source.skip(start)?;
            let bytes = source.keep(end - start)?;
            source.skip(total - end)?;
            bytes
        };
        source.finish()?;
        let mut shape = header.shape;
        shape[0] = selected.len();
        Ok(Self { element: header.element, shape, big_endian: header.big_endian, bytes })
    }

    /// Bytes of all rows.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of one row.
    fn row_bytes(&self) -> usize {
        self.element.bytes() * self.shape[1..].iter().product::<usize>()
    }

    /// The bytes of row `index`, as in the file.
    pub(crate) fn row(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        self.bytes.get(index * self.row_bytes()..(index + 1) * self.row_bytes())
    }

    /// All bytes in order, in chunks of `size`.
    pub(crate) fn chunks(&self, size: usize) -> Chunks<'_> {
        Chunks { bytes: &self.bytes, size }
    }

    /// What is needed to tell arrays of the same bytes apart.
    pub(crate) fn identity(&self) -> String {
        let order = if self.big_endian { ">" } else { "<" };
        format!("{order}{}{}", self.element.name(), shape_text(&self.shape))
    }

    /// The same for the bytes of a single row.
    pub(crate) fn row_identity(&self) -> String {
        let order = if self.big_endian { ">" } else { "<" };
        format!("{order}{}{}", self.element.name(), shape_text(&self.shape[1..]))
    }

    /// The rows as class labels: integers of any type, one per input.
    pub(crate) fn to_labels(&self) -> Result<Vec<i64>> {
        let per_input = self.shape[1..].iter().product::<usize>();
        if per_input != 1 {
            return Err(Error::new(
                ErrorKind::Data,
                format!("labels have shape {}, expected one label per input", shape_text(&self.shape)),
            )
            .with_help("turn one-hot rows into class numbers: `y.argmax(axis=1)`"));
        }
        if matches!(self.element, ElementType::F16 | ElementType::F32 | ElementType::F64) {
            return Err(Error::new(
                ErrorKind::Data,
                format!("labels are {}, but class labels are integers", self.element.name()),
            )
            .with_help("save them with `y.astype('int64')`"));
        }
        if let Some((index, label)) = self.beyond_i64()? {
            return Err(Error::new(ErrorKind::Data, format!("label {label} of input {index} is too large")));
        }
        let mut labels = Vec::with_capacity(self.shape[0]);
        self.extend_with_i64(&self.bytes.get(0..self.bytes.len())?, &mut labels);
        Ok(labels)
    }

    /// The first element, if any, that is too large for i64, and its position.
    fn beyond_i64(&self) -> Result<Option<(usize, u64)>> {
        if self.element != ElementType::U64 {
            return Ok(None);
        }
        let chunks = self.chunks(CHUNK);
        for chunk in 0..chunks.count() {
            let bytes = chunks.get(chunk)?;
            let number = |bytes: &[u8; 8]| match self.big_endian {
                true => u64::from_be_bytes(*bytes),
                false => u64::from_le_bytes(*bytes),
            };
            let mut numbers = bytes.as_chunks::<8>().0.iter().map(number).enumerate();
            if let Some((at, number)) = numbers.find(|&(_, number)| i64::try_from(number).is_err()) {
                return Ok(Some((chunk * CHUNK / 8 + at, number)));
            }
        }
        Ok(None)
    }

    /// Whether the rows are to stay integers: every type but uint8, which stands for 0..1, if i64 holds all elements.
    pub(crate) fn holds_integers(&self) -> Result<bool> {
        match self.element {
            ElementType::U8 | ElementType::F16 | ElementType::F32 | ElementType::F64 => Ok(false),
            _ => Ok(self.beyond_i64()?.is_none()),
        }
    }

    /// Row `index` as integers, of an array that [holds](Self::holds_integers) such.
    pub(crate) fn integers(&self, index: usize) -> Result<Vec<i64>> {
        let row = self.row(index)?;
        let mut values = Vec::with_capacity(row.len() / self.element.bytes());
        self.extend_with_i64(&row, &mut values);
        Ok(values)
    }

    /// How one row is an input among several: as [`layout`](Self::layout) says, and a number of each input's own is one, too.
    pub(crate) fn layout_beside_others(&self) -> Result<Layout> {
        if self.shape.len() == 1 { Ok(Layout::Model) } else { self.layout() }
    }

    /// How one row is an input, by the rule stated at [`crate::data::DataSet`].
    pub(crate) fn layout(&self) -> Result<Layout> {
        let axes = &self.shape[1..];
        if axes.is_empty() {
            return Err(Error::new(
                ErrorKind::Data,
                format!("inputs have no axis of their own: the array's shape is {}", shape_text(&self.shape)),
            )
            .with_help("the first axis counts the inputs, the others are the input; are these the labels?"));
        }
        if axes.contains(&0) {
            return Err(Error::new(
                ErrorKind::Data,
                format!("inputs hold no value: shape {}", shape_text(&self.shape)),
            ));
        }
        let colour = |channels: usize| matches!(channels, 1 | 3 | 4);
        match (self.element, axes) {
            (ElementType::U8, [_, _]) => Ok(Layout::Grey),
            (ElementType::U8, &[first, height, last]) => match (colour(first), colour(last)) {
                (true, true) if !(first == 1 && height == 1 && last == 1) => Err(Error::new(
                    ErrorKind::Data,
                    format!(
                        "uint8 array of shape {} could be (N, C, H, W) or (N, H, W, C): both ends look like channels",
                        shape_text(&self.shape)
                    ),
                )
                .with_help("save float32 in the model's layout: `(x / 255).astype('float32')`, shape (N, C, H, W)")),
                (_, true) => Ok(Layout::ChannelsLast),
                (true, false) => Ok(Layout::ChannelsFirst),
                (false, false) => Ok(Layout::Model),
            },
            _ => Ok(Layout::Model),
        }
    }

    /// Row `index` as an input.
    pub(crate) fn sample(&self, index: usize, layout: Layout) -> Result<Sample> {
        let row = self.row(index)?;
        let axes = &self.shape[1..];
        Ok(match layout {
            Layout::Grey => {
                Sample::Image(Image { height: axes[0], width: axes[1], channels: 1, pixels: row.into_owned() })
            }
            Layout::ChannelsLast => Sample::Image(without_alpha(axes[0], axes[1], axes[2], |position, channel| {
                row[position * axes[2] + channel]
            })),
            Layout::ChannelsFirst => {
                let positions = axes[1] * axes[2];
                Sample::Image(without_alpha(axes[1], axes[2], axes[0], |position, channel| {
                    row[channel * positions + position]
                }))
            }
            Layout::Model => {
                let mut values = Vec::with_capacity(row.len() / self.element.bytes());
                self.extend_with_f32(&row, &mut values);
                Sample::Tensor(Tensor { shape: axes.to_vec(), values })
            }
        })
    }

    /// Appends the elements in `bytes` as f32: uint8 as 0..1, everything else by value.
    fn extend_with_f32(&self, bytes: &[u8], values: &mut Vec<f32>) {
        macro_rules! numbers {
            ($number:ty, $convert:expr) => {
                extend_with!(self.big_endian, bytes, values, $number, f32, $convert)
            };
        }
        match self.element {
            ElementType::Bool => numbers!(u8, |value| f32::from(u8::from(value != 0))),
            ElementType::U8 => numbers!(u8, unit_interval),
            ElementType::U16 => numbers!(u16, |value| value.into()),
            ElementType::U32 => numbers!(u32, |value| value as f32),
            ElementType::U64 => numbers!(u64, |value| value as f32),
            ElementType::I8 => numbers!(i8, |value| value.into()),
            ElementType::I16 => numbers!(i16, |value| value.into()),
            ElementType::I32 => numbers!(i32, |value| value as f32),
            ElementType::I64 => numbers!(i64, |value| value as f32),
            ElementType::F16 => numbers!(u16, half_to_f32),
            ElementType::F32 => numbers!(f32, |value| value),
            ElementType::F64 => numbers!(f64, |value| value as f32),
        }
    }

    /// Appends the elements in `bytes`, integers of any type, as i64.
    fn extend_with_i64(&self, bytes: &[u8], values: &mut Vec<i64>) {
        macro_rules! numbers {
            ($number:ty, $convert:expr) => {
                extend_with!(self.big_endian, bytes, values, $number, i64, $convert)
            };
        }
        match self.element {
            ElementType::Bool => numbers!(u8, |value| i64::from(value != 0)),
            ElementType::U8 => numbers!(u8, |value| value.into()),
            ElementType::U16 => numbers!(u16, |value| value.into()),
            ElementType::U32 => numbers!(u32, |value| value.into()),
            ElementType::U64 => numbers!(u64, |value| value as i64),
            ElementType::I8 => numbers!(i8, |value| value.into()),
            ElementType::I16 => numbers!(i16, |value| value.into()),
            ElementType::I32 => numbers!(i32, |value| value.into()),
            ElementType::I64 => numbers!(i64, |value| value),
            ElementType::F16 | ElementType::F32 | ElementType::F64 => {
                unreachable!("floats are never asked for as integers")
            }
        }
    }
}

/// The bytes of an array in chunks of one size, the last as long as is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunks<'a> {
    bytes: &'a Bytes,
    size: usize,
}

impl<'a> Chunks<'a> {
    pub(crate) fn count(self) -> usize {
        self.bytes.len().div_ceil(self.size)
    }

    pub(crate) fn get(self, index: usize) -> Result<Cow<'a, [u8]>> {
        let start = index * self.size;
        self.bytes.get(start..self.bytes.len().min(start + self.size))
    }
}

/// How a row of an array is an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// uint8 (H, W): a grey image.
    Grey,
    /// uint8 (H, W, C): an image.
    ChannelsLast,
    /// uint8 (C, H, W): an image.
    ChannelsFirst,
    /// Values in the model's own layout.
    Model,
}

/// An image from a function of position and channel; a fourth channel is left out.
fn without_alpha(height: usize, width: usize, stored: usize, pixel: impl Fn(usize, usize) -> u8) -> Image {
    let channels = stored.min(3);
    let pixels = (0..height * width).flat_map(|at| (0..channels).map(move |channel| (at, channel)));
    Image { height, width, channels, pixels: pixels.map(|(at, channel)| pixel(at, channel)).collect() }
}

/// `f32(value) / f32(255)`.
pub(crate) fn unit_interval(value: u8) -> f32 {
    f32::from(value) / 255.0
}

/// IEEE 754 binary16 to binary32; every value is exact.
fn half_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 31;
    let fraction = u32::from(bits) & 1023;
    match exponent {
        // Subnormal: the fraction counts in units of 2^-24.
        0 => f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// Row-major bytes of `rows` from column-major `bytes`.
fn transposed(bytes: &[u8], shape: &[usize], width: usize, rows: Range<usize>) -> Result<Vec<u8>> {
    let per_row: usize = shape[1..].iter().product();
    let mut result = reserved(rows.len() * per_row * width)?;
    let mut position = vec![0usize; shape.len()];
    for row in rows {
        position.fill(0);
        position[0] = row;
        for _ in 0..per_row {
            let element = position.iter().zip(shape).rev().fold(0, |offset, (&at, &size)| offset * size + at);
            result.extend_from_slice(&bytes[element * width..(element + 1) * width]);
            // The next position in row-major order: the last axis turns fastest.
            for axis in (1..shape.len()).rev() {
                position[axis] += 1;
                if position[axis] < shape[axis] {
                    break;
                }
                position[axis] = 0;
            }
        }
    }
    Ok(result)
}

/// An error about content that contradicts itself.
pub(crate) fn damaged(what: String) -> Error {
    Error::new(ErrorKind::Data, what).with_help("the file is damaged or not fully copied; make or fetch it again")
}

pub(crate) fn cut_off(missing: u64) -> Error {
    damaged(format!("it is cut off: {missing} bytes are missing"))
}

/// An error of reading, in which a decompressor also reports what it cannot make sense of.
pub(crate) fn unreadable(why: io::Error) -> Error {
    match why.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it is cut off".to_owned()),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            damaged(format!("it cannot be decompressed: {why}"))
        }
        _ => Error::new(ErrorKind::Io, format!("it cannot be read: {why}")),
    }
}
