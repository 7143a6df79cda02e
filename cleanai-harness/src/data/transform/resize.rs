//! Resizing, equal to Pillow's `Image.resize` to the last bit for 8-bit images, on every machine.
//!
//! fast_image_resize, which has vector instructions, gives other pixels than Pillow in half of the cases of
//! `tests/pillow_resize.txt`, so the sums are written out: separable filters that widen when shrinking (antialiasing),
//! weights rounded to 22 bits, the result of the first pass rounded to 8 bits.

use crate::data::transform::ResizeFilter;

/// Fractional bits of the weights: 8 bits of pixel and 2 of overshoot leave 22 of 32.
const PRECISION: u32 = 32 - 8 - 2;

/// Which source positions one output position is made of.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

impl ResizeFilter {
    /// Half the filter's width, in pixels of the smaller image.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// The filter's value at distance `x`.
    fn weight(self, x: f64) -> f64 {
        match self {
            Self::Nearest => f64::from(x.abs() <= 0.5),
            Self::Bilinear => (1.0 - x.abs()).max(0.0),
            Self::Bicubic => {
                // Keys' cubic convolution.
                const A: f64 = -0.5;
                let x = x.abs();
                if x < 1.0 {
                    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
                } else if x < 2.0 {
                    (((x - 5.0) * x + 8.0) * x - 4.0) * A
                } else {
                    0.0
                }
            }
            Self::Lanczos => {
                let sinc = |x: f64| {
                    let x = x * std::f64::consts::PI;
                    if x == 0.0 { 1.0 } else { x.sin() / x }
                };
                if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
            }
        }
    }

    /// The taps of every output position, weights summing to one.
    fn taps(self, input: usize, output: usize) -> Vec<Taps> {
        let scale = input as f64 / output as f64;
        let widening = scale.max(1.0);
        let support = self.support() * widening;
        let shrink = 1.0 / widening;
        (0..output)
            .map(|position| {
                let center = (position as f64 + 0.5) * scale;
                // The casts floor and stop at 0, as is meant.
                let first = (center - support + 0.5) as usize;
                let end = ((center + support + 0.5) as usize).min(input);
                let distance = |at: usize| (at as f64 - center + 0.5) * shrink;
                let mut weights: Vec<f64> = (first..end).map(|at| self.weight(distance(at))).collect();
                let sum: f64 = weights.iter().sum();
                if sum != 0.0 {
                    weights.iter_mut().for_each(|weight| *weight /= sum);
                }
                Taps { first, weights }
            })
            .collect()
    }
}

/// Resizes an image of `channels` interleaved 8-bit channels from (height, width) to (height, width).
pub(super) fn resize_u8(pixels: &[u8], channels: usize, from: Size, to: Size, filter: ResizeFilter) -> Vec<u8> {
    if filter == ResizeFilter::Nearest {
        return nearest(pixels, channels, from, to);
    }
    let rows = |pixels: Vec<u8>| widths_u8(pixels, channels, (from.1, to.1), filter);
    let columns = |pixels: Vec<u8>, width: usize| heights_u8(pixels, width * channels, (from.0, to.0), filter);
    match columns_first(from, to) {
        true => rows(columns(pixels.to_vec(), from.1)),
        false => columns(rows(pixels.to_vec()), to.1),
    }
}

/// Height and width.
type Size = (usize, usize);

/// The order of the two passes, which shows in the last bit: that of Pillow from version 13 on. Before, rows were always first.
fn columns_first(from: Size, to: Size) -> bool {
    let [from_height, from_width, to_height, to_width] = [from.0, from.1, to.0, to.1].map(|size| size as i64);
    to_height < from_height && from_height - to_height > 2 * (from_width - to_width)
}

/// Changes the width of every row.
fn widths_u8(pixels: Vec<u8>, channels: usize, (from, to): (usize, usize), filter: ResizeFilter) -> Vec<u8> {
    if from == to {
        return pixels;
    }
    let taps = fixed(filter.taps(from, to));
    let mut result = Vec::with_capacity(pixels.len() / from * to);
    for row in pixels.chunks_exact(from * channels) {
        // The number of channels is known to the compiler in each arm; that makes the sums several times as fast.
        match channels {
            1 => narrow::<1>(row, &taps, &mut result),
            3 => narrow::<3>(row, &taps, &mut result),
            _ => unreachable!("images have 1 or 3 channels"),
        }
    }
    result
}

fn narrow<const CHANNELS: usize>(row: &[u8], taps: &[(usize, Vec<i32>)], result: &mut Vec<u8>) {
    let (row, _) = row.as_chunks::<CHANNELS>();
    for (first, weights) in taps {
        let mut sums = [0i32; CHANNELS];
        for (weight, pixel) in weights.iter().zip(&row[*first..]) {
            for (sum, &level) in sums.iter_mut().zip(pixel) {
                *sum += weight * i32::from(level);
            }
        }
        result.extend(sums.map(rounded));
    }
}

/// Changes the number of rows of `stride` values.
fn heights_u8(pixels: Vec<u8>, stride: usize, (from, to): (usize, usize), filter: ResizeFilter) -> Vec<u8> {
    if from == to {
        return pixels;
    }
    let mut result = Vec::with_capacity(to * stride);
    let mut sums = vec![0i32; stride];
    for (first, weights) in fixed(filter.taps(from, to)) {
        sums.fill(0);
        for (weight, row) in weights.iter().zip(pixels[first * stride..].chunks_exact(stride)) {
            sums.iter_mut().zip(row).for_each(|(sum, &pixel)| *sum += weight * i32::from(pixel));
        }
        result.extend(sums.iter().map(|&sum| rounded(sum)));
    }
    result
}

fn fixed(taps: Vec<Taps>) -> Vec<(usize, Vec<i32>)> {
    let fixed = |weight: f64| (weight * f64::from(1u32 << PRECISION)).round() as i32;
    taps.into_iter().map(|taps| (taps.first, taps.weights.into_iter().map(fixed).collect())).collect()
}

fn rounded(sum: i32) -> u8 {
    ((sum + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8
}

/// Resizes one plane of floats, sums in f64, as Pillow's mode `F`.
pub(super) fn resize_f32(plane: &[f32], from: Size, to: Size, filter: ResizeFilter) -> Vec<f32> {
    if filter == ResizeFilter::Nearest {
        return nearest(plane, 1, from, to);
    }
    let rows = |plane: Vec<f32>| widths_f32(plane, (from.1, to.1), filter);
    let columns = |plane: Vec<f32>, width: usize| heights_f32(plane, width, (from.0, to.0), filter);
    match columns_first(from, to) {
        true => rows(columns(plane.to_vec(), from.1)),
        false => columns(rows(plane.to_vec()), to.1),
    }
}

fn widths_f32(plane: Vec<f32>, (from, to): (usize, usize), filter: ResizeFilter) -> Vec<f32> {
    if from == to {
        return plane;
    }
    let taps = filter.taps(from, to);
    let mut result = Vec::with_capacity(plane.len() / from * to);
    for row in plane.chunks_exact(from) {
        result.extend(taps.iter().map(|taps| {
            let terms = taps.weights.iter().zip(&row[taps.first..]);
            terms.map(|(weight, &value)| weight * f64::from(value)).sum::<f64>() as f32
        }));
    }
    result
}

fn heights_f32(plane: Vec<f32>, width: usize, (from, to): (usize, usize), filter: ResizeFilter) -> Vec<f32> {
    if from == to {
        return plane;
    }
    let mut result = Vec::with_capacity(to * width);
    let mut sums = vec![0f64; width];
    for taps in filter.taps(from, to) {
        sums.fill(0.0);
        for (weight, row) in taps.weights.iter().zip(plane[taps.first * width..].chunks_exact(width)) {
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += weight * f64::from(value));
        }
        result.extend(sums.iter().map(|&sum| sum as f32));
    }
    result
}

/// The pixel that holds the middle of each new one.
fn nearest<T: Copy>(pixels: &[T], channels: usize, (height, width): Size, (new_height, new_width): Size) -> Vec<T> {
    let columns = middles(width, new_width);
    let mut result = Vec::with_capacity(new_height * new_width * channels);
    for row in middles(height, new_height) {
        for &column in &columns {
            let at = (row * width + column) * channels;
            result.extend_from_slice(&pixels[at..at + channels]);
        }
    }
    result
}

/// Source positions by repeated addition: rounding included, that is how Pillow walks.
fn middles(input: usize, output: usize) -> Vec<usize> {
    let step = input as f64 / output as f64;
    let walk = std::iter::successors(Some(step * 0.5), |at| Some(at + step));
    walk.take(output).map(|at| (at as usize).min(input - 1)).collect()
}
