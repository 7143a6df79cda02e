//! `augment` of `[data.NAME]`

use super::reader::{Table, Value};
use crate::Result;
use crate::synthesis::{Augmentation, Pixels};

/// `{ gaussian = { std = 0.3 } }`, or a list of such.
pub(super) fn read(value: Value<'_>) -> Result<Vec<Augmentation>> {
    if !value.is_list() {
        return Ok(vec![augmentation(value)?]);
    }
    let mut all: Vec<Augmentation> = Vec::new();
    for item in value.list()? {
        let twice = item.error(format!("{} makes the same inputs as one before it", item.name));
        let new = augmentation(item)?;
        if all.contains(&new) {
            return Err(twice.with_help("give it another `seed`"));
        }
        all.push(new);
    }
    Ok(all)
}

/// A table whose only key is the augmentation's name.
fn augmentation(value: Value<'_>) -> Result<Augmentation> {
    let names = Augmentation::NAMES.map(|name| format!("`{name}`")).join(", ");
    let one = value.error(format!("{} must name one of {names}", value.name));
    let one =
        one.with_help("for example `{ relevant_pixels = { share = 0.02, std = 0.3, seed = 1 } }`; several make a list");
    let mut table = Table::open(value, &Augmentation::NAMES)?;
    let [relevant, random, gaussian] = Augmentation::NAMES.map(|name| table.take(name));
    match (relevant, random, gaussian) {
        (Some(value), None, None) => parameters(value, Some(Pixels::Relevant)),
        (None, Some(value), None) => parameters(value, Some(Pixels::Random)),
        (None, None, Some(value)) => parameters(value, None),
        _ => Err(one),
    }
}

/// What an augmentation is told; `pixels` of a share, all where there is none.
fn parameters(value: Value<'_>, pixels: Option<fn(f64) -> Pixels>) -> Result<Augmentation> {
    let known: &[&str] = if pixels.is_some() { &["share", "std", "seed", "range"] } else { &["std", "seed", "range"] };
    let mut table = Table::open(value, known)?;
    let pixels = match pixels {
        Some(pixels) => pixels(table.take("share").map_or(Ok(Augmentation::SHARE), share)?),
        None => Pixels::All,
    };
    let mut read = Augmentation::new(pixels);
    if let Some(value) = table.take("std") {
        read.std = value.number()?;
        if read.std <= 0.0 {
            return Err(value.error(format!("{} must be more than 0", value.name)));
        }
    }
    if let Some(value) = table.take("seed") {
        let seed = u64::try_from(value.integer()?);
        read.seed = seed.map_err(|_| value.error(format!("{} must be 0 or more", value.name)))?;
    }
    if let Some(value) = table.take("range") {
        read.range = range(value)?;
    }
    Ok(read)
}

fn share(value: Value<'_>) -> Result<f64> {
    let share = value.number()?;
    if share > 0.0 && share <= 1.0 {
        return Ok(share);
    }
    Err(value.error(format!("{} must be more than 0 and at most 1", value.name)))
}

fn range(value: Value<'_>) -> Result<[f64; 2]> {
    let wrong = value.error(format!("{} must be two numbers, the lower first", value.name));
    let ends = value.list()?.iter().map(Value::number).collect::<Result<Vec<_>>>()?;
    match ends[..] {
        [low, high] if low < high => Ok([low, high]),
        _ => Err(wrong.with_help("for example `range = [0, 1]`")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::Config;

    fn parse(augment: &str) -> Result<Vec<Augmentation>> {
        let text = format!("[data.a]\ntest = 'a'\naugment = {augment}\n");
        let mut config = Config::parse(PathBuf::from("/p/cleanai.toml"), &text)?;
        Ok(config.data.remove("a").expect("the table").augment)
    }

    #[track_caller]
    fn refused(augment: &str) -> String {
        parse(augment).expect_err(augment).to_string()
    }

    #[test]
    fn one_or_several() {
        let relevant = Augmentation { seed: 1, ..Augmentation::new(Pixels::Relevant(0.05)) };
        assert_eq!(parse("{ relevant_pixels = { share = 0.05, std = 0.3, seed = 1 } }").expect("one"), [relevant]);
        assert_eq!(
            parse("[{ random_pixels = { seed = 0 } }, { random_pixels.seed = 1 }, { gaussian = { std = 1, range = [-1, 2.5] } }]")
                .expect("several"),
            [
                Augmentation::new(Pixels::Random(0.02)),
                Augmentation { seed: 1, ..Augmentation::new(Pixels::Random(0.02)) },
                Augmentation { std: 1.0, range: [-1.0, 2.5], ..Augmentation::new(Pixels::All) },
            ]
        );
        assert_eq!(parse("[]").expect("none"), []);
    }

    #[test]
    fn errors_as_the_user_sees_them() {
        assert_eq!(
            refused("{ relevant_pixels = { shard = 0.02 } }"),
            "unknown key `shard` in `relevant_pixels` in `augment` in [data.a]
  at /p/cleanai.toml:3:33
    |
  3 | augment = { relevant_pixels = { shard = 0.02 } }
    |                                 ^^^^^
  help: did you mean `share`?"
        );
        assert_eq!(
            refused("[{ gausian = {} }]"),
            "unknown key `gausian` in an element of `augment` in [data.a]
  at /p/cleanai.toml:3:14
    |
  3 | augment = [{ gausian = {} }]
    |              ^^^^^^^
  help: did you mean `gaussian`?"
        );
        assert_eq!(
            refused("{ gaussian = {}, random_pixels = {} }"),
            "`augment` in [data.a] must name one of `relevant_pixels`, `random_pixels`, `gaussian`
  at /p/cleanai.toml:3:11
    |
  3 | augment = { gaussian = {}, random_pixels = {} }
    |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  help: for example `{ relevant_pixels = { share = 0.02, std = 0.3, seed = 1 } }`; several make a list"
        );
    }

    #[test]
    fn every_number_is_checked() {
        for (text, what) in [
            ("'gaussian'", "`augment` in [data.a] must be a table, not a string"),
            ("{}", "`augment` in [data.a] must name one of"),
            ("{ gaussian = 0.3 }", "`gaussian` in `augment` in [data.a] must be a table, not a number"),
            ("{ gaussian.share = 1 }", "unknown key `share` in `gaussian`"),
            ("{ gaussian.std = 0 }", "`std` in `gaussian` in `augment` in [data.a] must be more than 0"),
            ("{ gaussian.std = inf }", "`std` in `gaussian` in `augment` in [data.a] must be finite"),
            ("{ gaussian.seed = -1 }", "`seed` in `gaussian` in `augment` in [data.a] must be 0 or more"),
            ("{ gaussian.seed = 0.5 }", "must be a whole number, not a number"),
            ("{ random_pixels.share = 0 }", "must be more than 0 and at most 1"),
            ("{ relevant_pixels.share = 1.01 }", "must be more than 0 and at most 1"),
            ("{ gaussian.range = [1, 0] }", "must be two numbers, the lower first"),
            ("{ gaussian.range = [0, 1, 2] }", "must be two numbers, the lower first"),
            ("{ gaussian.range = 1 }", "must be a list, not a whole number"),
            ("[{ gaussian = {} }, { gaussian.seed = 0 }]", "makes the same inputs as one before it"),
        ] {
            let said = refused(text);
            assert!(said.contains(what), "{text}: {said}");
        }
    }
}
