//! The measurements of a report in the style of the CleanAI library, on inputs drawn from a data set.

use super::plan::on_inputs;
use crate::data::DataSet;
use crate::declare::Declaration;
use crate::report::cleanai::{Analysis, Draw, Settings};
use crate::{Error, ErrorKind, Result};

/// Draws two inputs and several others from the declaration's test set and measures what the report shows of them.
///
/// Without a profile set the several inputs give the boundaries. The same seed draws the same inputs. All are different, unless the
/// data set has too few: then the several inputs may have the two among them, and are all there are where even that is not enough.
///
/// # Errors
/// Whatever stands in the way: a parameter, the model, the data (which must have two inputs).
pub fn analyse(declaration: &Declaration, settings: &Settings, seed: u64, inputs: usize) -> Result<Analysis> {
    settings.check()?;
    if inputs == 0 {
        let error = Error::new(ErrorKind::Configuration, "a report on several inputs needs at least one");
        return Err(error.with_help("draw 50, as `--inputs 50` does"));
    }
    let data = &declaration.data;
    let all =
        DataSet::open(&data.test, &data.transform, data.on_bad_input).map_err(|error| error.context("test data"))?;
    if all.len() < 2 {
        let what = format!("the report compares two inputs, and {} has {}", data.test.path, all.len());
        return Err(Error::new(ErrorKind::Data, what).with_help("give it data with two inputs or more"));
    }
    let drawn = draw(seed, all.len(), inputs);
    let (pair, several) = (all.choose(&drawn.pair), all.choose(&drawn.several));
    let boundaries = data.profile.is_none().then(|| several.clone());
    let criteria = settings.criteria();
    let measured_pair = on_inputs(declaration, &criteria, pair.clone(), boundaries)?;
    let measured_several = on_inputs(declaration, &criteria[..1], several.clone(), None)?;
    Ok(Analysis {
        settings: settings.clone(),
        pair: measured_pair,
        several: measured_several,
        draw: Draw {
            seed,
            of: all.len(),
            pair: [pair.names(0), pair.names(1)],
            several: (0..several.len()).map(|index| several.names(index)).collect(),
            wanted: inputs,
            distinct: !drawn.several.iter().any(|index| drawn.pair.contains(index)),
        },
    })
}

#[derive(Debug, PartialEq)]
struct Drawn {
    pair: [usize; 2],
    several: Vec<usize>,
}

/// Two of `all` inputs and `several` others.
fn draw(seed: u64, all: usize, several: usize) -> Drawn {
    let mut random = Random(seed);
    let mut order: Vec<usize> = (0..all).collect();
    let enough = several.saturating_add(2) <= all;
    shuffle(&mut random, &mut order, if enough { several + 2 } else { 2 });
    let pair = [order[0], order[1]];
    if enough {
        return Drawn { pair, several: order[2..several + 2].to_vec() };
    }
    let several = several.min(all);
    shuffle(&mut random, &mut order, several);
    Drawn { pair, several: order[..several].to_vec() }
}

/// Fills the first places with items drawn from all (Fisher and Yates).
fn shuffle(random: &mut Random, order: &mut [usize], places: usize) {
    for place in 0..places.min(order.len()) {
        let from = place + random.below(order.len() - place);
        order.swap(place, from);
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_generator_is_the_published_one() {
        let mut random = Random(0);
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn drawn_inputs_are_different_where_there_are_enough() {
        for (all, several) in [(52, 50), (1000, 50), (3, 1)] {
            for seed in 0..20 {
                let drawn = draw(seed, all, several);
                let different: BTreeSet<_> = drawn.pair.iter().chain(&drawn.several).copied().collect();
                assert_eq!((drawn.several.len(), different.len()), (several, several + 2));
                assert!(different.iter().all(|index| *index < all));
                assert_eq!(draw(seed, all, several), drawn);
            }
        }
        assert_ne!(draw(1, 1000, 50), draw(2, 1000, 50));
        // Too few: among themselves they still are.
        for (all, several, expected) in [(51, 50, 50), (10, 50, 10), (2, 2, 2), (2, usize::MAX, 2)] {
            let drawn = draw(7, all, several);
            assert_eq!(drawn.several.iter().collect::<BTreeSet<_>>().len(), expected);
            assert_ne!(drawn.pair[0], drawn.pair[1]);
        }
    }
}
