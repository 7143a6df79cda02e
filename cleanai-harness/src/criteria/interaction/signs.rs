//! The signs of neurons as bits.

/// Rows of bits, one per neuron, each row in whole words; a bit is set where the value is above 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// Words per row.
    words: usize,
    bits: Vec<u64>,
}

impl Signs {
    /// The signs of rows of values. NaN is not above 0.
    pub(super) fn of(rows: &[f64], neurons: usize) -> Self {
        let mut signs = Self { words: neurons.div_ceil(64), bits: Vec::new() };
        signs.extend(rows, neurons);
        signs
    }

    /// Rows read back from `bits`.
    pub(super) fn of_bits(bits: Vec<u64>, neurons: usize) -> Self {
        Self { words: neurons.div_ceil(64), bits }
    }

    pub(super) fn extend(&mut self, rows: &[f64], neurons: usize) {
        let bits = rows.chunks_exact(neurons.max(1)).flat_map(|row| row.chunks(64).map(word));
        self.bits.extend(bits);
    }

    /// Takes in the rows of another, of the same width.
    pub(super) fn append(&mut self, other: &Self) {
        self.bits.extend_from_slice(&other.bits);
    }

    /// All rows, one after the other.
    pub(super) fn bits(&self) -> &[u64] {
        &self.bits
    }

    pub(super) fn row(&self, index: usize) -> &[u64] {
        &self.bits[index * self.words..(index + 1) * self.words]
    }

    /// The rows of these indices, in this order.
    pub(super) fn ordered(&self, order: &[u32]) -> Self {
        Self { words: self.words, bits: order.iter().flat_map(|index| self.row(*index as usize)).copied().collect() }
    }

    /// A row for each neuron with a bit for each of the `inputs` rows.
    pub(super) fn columns(&self, inputs: usize) -> Self {
        let words = inputs.div_ceil(64);
        let mut bits = vec![0; self.words * 64 * words];
        for input in 0..inputs {
            for neuron in ones(self.row(input)) {
                bits[neuron * words + input / 64] |= 1 << (input % 64);
            }
        }
        Self { words, bits }
    }
}

fn word(values: &[f64]) -> u64 {
    values.iter().rev().fold(0, |word, value| word << 1 | u64::from(*value > 0.0))
}

/// The set bits, lowest first.
pub(super) fn ones(words: &[u64]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().flat_map(|(at, word)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(at * 64 + bit)
        })
    })
}

/// Whether no bit past the neurons is set in rows of their width; for what was read from a file.
pub(super) fn are_within(bits: &[u64], neurons: usize) -> bool {
    let (words, rest) = (neurons.div_ceil(64), neurons % 64);
    rest == 0 || bits.chunks_exact(words).all(|row| row[words - 1] >> rest == 0)
}
