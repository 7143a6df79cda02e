//! The values of a batch: a field for every input of the model.

use std::borrow::Cow;

use crate::data::sample::Tensor;

/// What a model takes as one of its inputs: the same for every row of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldInfo {
    /// Name of the array in the `.npz`; `x` for images, `.npy` and idx files.
    pub name: String,
    /// Shape of one input, without the batch axis.
    pub shape: Vec<usize>,
    /// Whether the values are [`Values::Integer`].
    pub integer: bool,
}

/// One field of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// As [`FieldInfo::name`].
    pub name: String,
    /// Shape of one input, without the batch axis.
    pub shape: Vec<usize>,
    /// As many values as the batch has rows, padding included, times the product of `shape`; row-major, batch axis first.
    pub values: Values,
}

/// Numbers as the data holds them: what is whole in the file stays whole, for inputs that are indices.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Images after the transform, and arrays of floats.
    Float(Vec<f32>),
    /// Arrays of integers and of bool, without rounding.
    Integer(Vec<i64>),
}

impl Values {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Integer(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values for a model that takes floats; integers are rounded to the nearest f32 (from 2^24 on not all are one).
    pub fn to_floats(&self) -> Cow<'_, [f32]> {
        match self {
            Self::Float(values) => Cow::Borrowed(values),
            Self::Integer(values) => Cow::Owned(values.iter().map(|&value| value as f32).collect()),
        }
    }
}

/// One input of one field, on its way into a batch.
#[derive(Debug)]
pub(super) struct Row {
    pub shape: Vec<usize>,
    pub values: Values,
}

impl From<Tensor> for Row {
    fn from(tensor: Tensor) -> Self {
        Self { shape: tensor.shape, values: Values::Float(tensor.values) }
    }
}

impl FieldInfo {
    /// How many values one input has.
    pub(super) fn row(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of one input.
    pub(super) fn row_bytes(&self) -> usize {
        self.row() * if self.integer { size_of::<i64>() } else { size_of::<f32>() }
    }

    /// Joins rows of this field, given in order and at least one, and repeats the last until there are `size`; none where memory does not
    /// suffice. Floats take the memory of `spare`.
    pub(super) fn joined<'a>(
        &self,
        rows: impl Iterator<Item = &'a Values>,
        size: usize,
        spare: Vec<f32>,
    ) -> Option<Field> {
        let values = if self.integer {
            let rows = rows.filter_map(|values| if let Values::Integer(values) = values { Some(values) } else { None });
            Values::Integer(padded(rows, self.row(), size, Vec::new())?)
        } else {
            let rows = rows.filter_map(|values| if let Values::Float(values) = values { Some(values) } else { None });
            Values::Float(padded(rows, self.row(), size, spare)?)
        };
        Some(Field { name: self.name.clone(), shape: self.shape.clone(), values })
    }
}

fn padded<'a, T: Copy + 'a>(
    rows: impl Iterator<Item = &'a Vec<T>>,
    row: usize,
    size: usize,
    mut values: Vec<T>,
) -> Option<Vec<T>> {
    let length = size.checked_mul(row)?;
    values.clear();
    values.try_reserve_exact(length).ok()?;
    rows.for_each(|row| values.extend_from_slice(row));
    while values.len() < length {
        values.extend_from_within(values.len() - row..);
    }
    Some(values)
}
