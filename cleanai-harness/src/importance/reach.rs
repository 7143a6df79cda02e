//! Which inputs the outputs of windows see, as of convolutions and pooling, and what is passed from outputs to all inputs they see.

use std::ops::Range;

use crate::vectorise::vectorised;

/// Windows along one axis.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// Cells of a window.
    pub cells: usize,
    pub stride: usize,
    pub dilation: usize,
    /// Cells of padding before the first input.
    pub before: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl Axis {
    /// The outputs that see an input, not padding, in this cell of their window.
    pub fn outputs(&self, cell: usize) -> Range<usize> {
        let shift = cell * self.dilation;
        let first = self.before.saturating_sub(shift).div_ceil(self.stride).min(self.outputs);
        let end = (self.inputs + self.before).saturating_sub(shift).div_ceil(self.stride).min(self.outputs);
        first..end.max(first)
    }

    /// The input in a cell of the window of an output, which is one of [`Axis::outputs`].
    pub fn input(&self, cell: usize, output: usize) -> usize {
        output * self.stride + cell * self.dilation - self.before
    }

    /// How many inputs each output sees.
    fn seen(&self) -> Vec<f64> {
        let mut seen = vec![0.0; self.outputs];
        for cell in 0..self.cells {
            self.outputs(cell).for_each(|output| seen[output] += 1.0);
        }
        seen
    }
}

/// Rows and columns of the windows of a convolution, and how its channels are grouped.
#[derive(Debug)]
pub(super) struct Reach {
    rows: Axis,
    columns: Axis,
    /// Input channels of a group.
    channels: usize,
    /// By row and by column of the outputs: how many rows and columns of inputs are seen.
    seen: [Vec<f64>; 2],
}

impl Reach {
    pub fn new(rows: Axis, columns: Axis, channels: usize) -> Option<Self> {
        let whole = |axis: &Axis| axis.stride > 0 && axis.inputs > 0 && axis.outputs > 0;
        if channels == 0 || !whole(&rows) || !whole(&columns) {
            return None;
        }
        let seen = [rows.seen(), columns.seen()];
        Some(Self { rows, columns, channels, seen })
    }

    /// Input channels of a group.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Inputs of one channel.
    pub fn inputs(&self) -> usize {
        self.rows.inputs * self.columns.inputs
    }

    /// Outputs of one input and one group.
    pub fn outputs(&self) -> usize {
        self.rows.outputs * self.columns.outputs
    }

    /// Adds to the relevance of one input, `[groups, channels, height, width]`, what its outputs give, `[groups, rows, columns]`: they share it
    /// evenly among all they see.
    pub fn spread(&self, relevance: &mut [f64], given: &[f64]) {
        let area = self.inputs();
        let (mut each, mut line) = (vec![0.0; self.columns.outputs], vec![0.0; self.columns.inputs]);
        let mut plane = vec![0.0; area];
        let groups = relevance.chunks_exact_mut(self.channels * area).zip(given.chunks_exact(self.outputs()));
        for (relevance, given) in groups {
            if self.channels == 1 {
                spread_plane(self, relevance, given, &mut each, &mut line);
                continue;
            }
            plane.fill(0.0);
            spread_plane(self, &mut plane, given, &mut each, &mut line);
            relevance.chunks_exact_mut(area).for_each(|relevance| add(relevance, &plane));
        }
    }
}

vectorised! {
    /// First along the columns, then along the rows: a sum over a window is a sum of sums.
    fn spread_plane(reach: &Reach, plane: &mut [f64], given: &[f64], each: &mut [f64], line: &mut [f64]) {
        let (rows, columns) = (&reach.rows, &reach.columns);
        for (row, given) in given.chunks_exact(columns.outputs).enumerate() {
            // Outputs that see nothing but padding have nobody to give to: they are in no range.
            let high = reach.seen[0][row] * reach.channels as f64;
            for ((each, given), wide) in each.iter_mut().zip(given).zip(&reach.seen[1]) {
                *each = given / (high * wide);
            }
            line.fill(0.0);
            for cell in 0..columns.cells {
                let outputs = columns.outputs(cell);
                if outputs.is_empty() {
                    continue;
                }
                let (each, line) = (&each[outputs.clone()], &mut line[columns.input(cell, outputs.start)..]);
                if columns.stride == 1 {
                    add(line, each);
                } else {
                    line.iter_mut().step_by(columns.stride).zip(each).for_each(|(line, each)| *line += each);
                }
            }
            for cell in (0..rows.cells).filter(|cell| rows.outputs(*cell).contains(&row)) {
                let start = rows.input(cell, row) * columns.inputs;
                add(&mut plane[start..start + columns.inputs], line);
            }
        }
    }
}

#[inline(always)]
fn add(sums: &mut [f64], terms: &[f64]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn axis() -> impl Strategy<Value = Axis> {
        (1..5_usize, 1..4_usize, 1..3_usize, 0..4_usize, 1..24_usize, 0..2_usize).prop_map(
            |(cells, stride, dilation, before, inputs, more)| {
                let window = (cells - 1) * dilation + 1;
                let whole = (inputs + 2 * before).saturating_sub(window) / stride + 1;
                Axis { cells, stride, dilation, before, inputs, outputs: whole + more }
            },
        )
    }

    /// The inputs of an output, one by one.
    fn seen(axis: &Axis, output: usize) -> Vec<usize> {
        let places = (0..axis.cells).map(|cell| output * axis.stride + cell * axis.dilation);
        places.filter_map(|place| place.checked_sub(axis.before)).filter(|place| *place < axis.inputs).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn outputs_are_those_that_see_an_input(axis in axis()) {
            for cell in 0..axis.cells {
                let all = (0..axis.outputs).filter(|output| {
                    (output * axis.stride + cell * axis.dilation).checked_sub(axis.before).is_some_and(|at| at < axis.inputs)
                });
                prop_assert_eq!(axis.outputs(cell).collect::<Vec<_>>(), all.collect::<Vec<_>>());
            }
        }

        #[test]
        fn spreads_evenly(rows in axis(), columns in axis(), groups in 1..3_usize, channels in 1..4_usize, seed in 0..1000_u32) {
            let reach = Reach::new(rows.clone(), columns.clone(), channels).expect("no axis is empty");
            let number = |at: usize| f64::from((at as u32 * 7919 + seed) % 1009) - 500.0;
            let given: Vec<f64> = (0..groups * reach.outputs()).map(number).collect();
            let mut expected = vec![0.5; groups * channels * reach.inputs()];
            let mut found = expected.clone();
            for (place, given) in given.iter().enumerate() {
                let (group, output) = (place / reach.outputs(), place % reach.outputs());
                let lines = seen(&rows, output / columns.outputs);
                let places = seen(&columns, output % columns.outputs);
                let all = (channels * lines.len() * places.len()) as f64;
                for channel in 0..channels {
                    for (line, place) in lines.iter().flat_map(|line| places.iter().map(move |place| (line, place))) {
                        let plane = (group * channels + channel) * reach.inputs();
                        expected[plane + line * columns.inputs + place] += given / all;
                    }
                }
            }
            reach.spread(&mut found, &given);
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((found - expected).abs() <= 1e-9, "{} instead of {}", found, expected);
            }
        }
    }
}
