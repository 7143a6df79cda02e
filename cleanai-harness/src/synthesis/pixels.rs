//! Which pixels are changed, and by what: arrays and random numbers alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Words of the random stream that one value's noise takes.
const WORDS: u128 = 4;

/// How the values of one input make up pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub channels: usize,
    pub positions: usize,
}

impl Grid {
    /// Of an input of this shape: from three axes on the first is that of the channels.
    pub fn of(shape: &[usize]) -> Self {
        match shape {
            [channels, positions @ ..] if positions.len() > 1 => {
                Self { channels: *channels, positions: positions.iter().product() }
            }
            _ => Self { channels: 1, positions: shape.iter().product() },
        }
    }

    /// How many pixels a share is: rounded, one at least.
    pub fn count(self, share: f64) -> usize {
        ((share * self.positions as f64).round() as usize).max(1).min(self.positions)
    }

    /// The most relevant pixels, in order; of equals the first. Sums are compared in f32, so that the rounding of f64, which batches may
    /// change, decides nothing.
    pub fn most_relevant(self, relevance: &[f64], count: usize) -> Vec<usize> {
        let sum = |position: usize| {
            let channels = relevance.iter().skip(position).step_by(self.positions.max(1));
            // Of the zeros none is the larger.
            channels.sum::<f64>() as f32 + 0.0
        };
        let sums: Vec<f32> = (0..self.positions).map(sum).collect();
        let mut order: Vec<usize> = (0..self.positions).collect();
        if let Some(last) = count.min(order.len()).checked_sub(1) {
            order.select_nth_unstable_by(last, |a, b| sums[*b].total_cmp(&sums[*a]).then(a.cmp(b)));
        }
        sorted(order, count)
    }

    /// Pixels drawn at random, in order (Fisher and Yates).
    pub fn at_random(self, source: &Source, count: usize) -> Vec<usize> {
        let mut random = source.draw();
        let mut order: Vec<usize> = (0..self.positions).collect();
        for place in 0..count.min(self.positions) {
            let left = (self.positions - place) as u128;
            let from = place + ((u128::from(random.next_u64()) * left) >> 64) as usize;
            order.swap(place, from);
        }
        sorted(order, count)
    }

    /// Adds noise to these pixels, all where none are named, and clips it. `bounds` are those of each channel, or of
    /// each place on the first axis, which the noise is scaled to.
    pub fn disturb(self, values: &mut [f32], chosen: Option<&[usize]>, std: f64, bounds: &[[f32; 2]], source: &Source) {
        let mut normal = source.normal();
        let plane = (values.len() / bounds.len().max(1)).max(1);
        let mut disturb = |place: usize| {
            let [low, high] = bounds[place / plane];
            let noise = std * (f64::from(high) - f64::from(low)) * normal.at(place);
            values[place] = ((f64::from(values[place]) + noise) as f32).clamp(low, high);
        };
        for channel in 0..self.channels {
            match chosen {
                Some(chosen) => chosen.iter().for_each(|position| disturb(channel * self.positions + position)),
                None => (0..self.positions).for_each(|position| disturb(channel * self.positions + position)),
            }
        }
    }
}

fn sorted(mut order: Vec<usize>, count: usize) -> Vec<usize> {
    order.truncate(count);
    order.sort_unstable();
    order
}

/// Where the random numbers of one input come from.
pub(super) struct Source([u8; 32]);

impl Source {
    /// By an augmentation's name (16 bytes of it) and seed, and the input's number.
    pub fn of(name: &str, seed: u64, input: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&input.to_le_bytes());
        key[16..].iter_mut().zip(name.bytes()).for_each(|(key, byte)| *key = byte);
        Self(key)
    }

    /// Numbers to draw pixels by.
    fn draw(&self) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::from_seed(self.0);
        random.set_stream(1);
        random
    }

    /// Uniform numbers from 0 to 1, one place after the other.
    pub fn uniform(&self) -> impl Iterator<Item = f64> + use<> {
        let mut random = ChaCha8Rng::from_seed(self.0);
        std::iter::repeat_with(move || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// The noise.
    fn normal(&self) -> Normal {
        Normal(ChaCha8Rng::from_seed(self.0))
    }
}

/// Normal numbers by place, whatever places are asked for.
struct Normal(ChaCha8Rng);

impl Normal {
    /// By Box and Muller, from as many words for each: what rejects some of them could not tell the next one's place.
    fn at(&mut self, place: usize) -> f64 {
        let word = place as u128 * WORDS;
        if self.0.get_word_pos() != word {
            self.0.set_word_pos(word);
        }
        // In (0, 1], and in [0, 1).
        let [radius, angle] = [self.0.next_u64(), self.0.next_u64()].map(|bits| (bits >> 11) as f64);
        let (radius, angle) = ((radius + 1.0) / (1u64 << 53) as f64, angle / (1u64 << 53) as f64);
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}
