//! `augment` of `[data.NAME]`

use std::path::Path;
use std::str::FromStr;

use toml::de::DeTable;

use super::document::Document;
use super::reader::{Table, Value};
use crate::declare::nearest::did_you_mean;
use crate::synthesis::parameters::{Field, MOST};
use crate::synthesis::{Augmentation, Norm, Target};
use crate::{Error, Result};

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
    let mut table = Table::open_named(value, &Augmentation::NAMES)?;
    let mut given: Vec<_> =
        Augmentation::NAMES.into_iter().filter_map(|name| Some((name, table.take(name)?))).collect();
    match (given.pop(), given.is_empty()) {
        (Some((name, value)), true) => parameters(name, value)?.ok_or(one),
        _ => Err(one),
    }
}

/// The augmentation of this name with the parameters in this table.
fn parameters(name: &str, value: Value<'_>) -> Result<Option<Augmentation>> {
    let Some(mut read) = Augmentation::named(name) else { return Ok(None) };
    let keys = read.keys();
    let mut table = Table::open_named(value, keys)?;
    // From the last on: the norm tells the bounds of `eps`.
    for key in keys.iter().rev() {
        if let (Some(value), Some(field)) = (table.take(key), read.field(key)) {
            set(field, value)?;
        }
    }
    Ok(Some(read))
}

fn set(field: Field<'_>, value: Value<'_>) -> Result<()> {
    let wrong = |must: &str| value.error(format!("{} must be {must}", value.name));
    match field {
        Field::Number(number, within) => {
            *number = value.number()?;
            if !within.holds(*number) {
                return Err(wrong(within.text()));
            }
        }
        Field::Count(count) => {
            let read = u32::try_from(value.integer()?).ok().filter(|read| (1..=MOST).contains(read));
            *count = read.ok_or_else(|| wrong(&format!("from 1 to {MOST}")))?;
        }
        Field::Seed(seed) => *seed = u64::try_from(value.integer()?).map_err(|_| wrong("0 or more"))?,
        Field::Flag(flag) => *flag = value.needed_boolean()?,
        Field::Norm(norm) => *norm = value.word(&Norm::NAMES)?,
        Field::Target(target) => {
            *target = Some(match value.text() {
                Ok(_) => Target::Name(value.name()?.to_owned()),
                Err(_) => {
                    let number = u32::try_from(value.integer()?);
                    Target::Number(number.map_err(|_| wrong("the number of a class, from 0 on, or its name"))?)
                }
            });
        }
        Field::Range(read) => *read = range(value)?,
    }
    Ok(())
}

fn range(value: Value<'_>) -> Result<[f64; 2]> {
    let wrong = value.error(format!("{} must be two numbers, the lower first", value.name));
    let ends = value.list()?.iter().map(Value::number).collect::<Result<Vec<_>>>()?;
    match ends[..] {
        [low, high] if low < high => Ok([low, high]),
        _ => Err(wrong.with_help("for example `range = [0, 1]`")),
    }
}

/// As on a command line: `fgsm(eps=0.3)`, the parameters as in `cleanai.toml`.
impl FromStr for Augmentation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let document = Document::new(Path::new("the command line"), text);
        let wrong = |span, what: String| {
            document.error(span, what).with_help("write a name and, in brackets, its parameters: `fgsm(eps=0.3)`")
        };
        let (name, rest) = text.find('(').map_or((text, ""), |open| text.split_at(open));
        let inner = match rest.strip_prefix('(') {
            None => "",
            Some(inner) => inner
                .trim_end()
                .strip_suffix(')')
                .ok_or_else(|| wrong(0..text.len(), format!("`{text}` has no closing bracket at its end")))?,
        };
        let Some(known) = Augmentation::NAMES.into_iter().find(|known| *known == name.trim()) else {
            let what = format!("there is no augmentation `{}`", name.trim());
            return Err(document.error(0..name.len(), what).with_help(did_you_mean(name.trim(), Augmentation::NAMES)));
        };
        // A table at the same place in the text, so that errors show where they are: `fgs={eps=0.3}`.
        let table = format!("{}={{{inner}}}", "k".repeat(name.len() - 1));
        let table = DeTable::parse(&table).map_err(|why| {
            let span = why.span().unwrap_or(0..text.len());
            wrong(span, format!("`{text}` cannot be read: {}", why.message().lines().next().unwrap_or("")))
        })?;
        let mut entries = table.into_inner().into_iter().map(|(_, value)| value);
        let (Some(value), None) = (entries.next(), entries.next()) else {
            return Err(wrong(0..text.len(), format!("`{text}` cannot be read: it is more than one")));
        };
        let read = parameters(known, Value::new(&document, format!("`{known}`"), value))?;
        read.ok_or_else(|| wrong(0..name.len(), format!("there is no augmentation `{known}`")))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::Config;
    use crate::synthesis::{Attack, Bim, Cw, Fgsm, Jsma, Method, Pgd, PixelNoise, Pixels};

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
        let relevant = PixelNoise { seed: 1, ..PixelNoise::new(Pixels::Relevant(0.05)) };
        assert_eq!(
            parse("{ relevant_pixels = { share = 0.05, std = 0.3, seed = 1 } }").expect("one"),
            [relevant.into()]
        );
        assert_eq!(
            parse("[{ random_pixels = { seed = 0 } }, { random_pixels.seed = 1 }, { gaussian = { std = 1, range = [-1, 2.5] } }]")
                .expect("several"),
            [
                PixelNoise::new(Pixels::Random(0.02)).into(),
                PixelNoise { seed: 1, ..PixelNoise::new(Pixels::Random(0.02)) }.into(),
                PixelNoise { std: 1.0, range: [-1.0, 2.5], ..PixelNoise::new(Pixels::All) }.into(),
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
            "`augment` in [data.a] must name one of `relevant_pixels`, `random_pixels`, `gaussian`, `fgsm`, `bim`, `pgd`, `jsma`, `cw`
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
            ("{ gaussian.std = 0 }", "`std` in `gaussian` in `augment` in [data.a] must be finite and more than 0"),
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

    #[test]
    fn attacks_and_their_parameters() {
        let attack = |method: Method| Attack::new(method);
        for (text, expected) in [
            ("{ fgsm = {} }", attack(Method::Fgsm(Fgsm { eps: 0.3, norm: Norm::Largest }))),
            ("{ fgsm = { eps = 2, norm = '2' } }", attack(Method::Fgsm(Fgsm { eps: 2.0, norm: Norm::Euclidean }))),
            ("{ bim = { iterations = 7 } }", attack(Method::Bim(Bim { eps: 0.3, step: 0.05, iterations: 7 }))),
            (
                "{ pgd = { step = 0.1, seed = 9, target = 3, range = [0, 255] } }",
                Attack {
                    target: Some(Target::Number(3)),
                    range: [0.0, 255.0],
                    ..attack(Method::Pgd(Pgd { eps: 0.3, step: 0.1, iterations: 40, seed: 9 }))
                },
            ),
            (
                "{ jsma = { theta = -1, gamma = 0.1, target = 'cat' } }",
                Attack {
                    target: Some(Target::Name("cat".into())),
                    ..attack(Method::Jsma(Jsma { theta: -1.0, gamma: 0.1 }))
                },
            ),
            (
                "{ cw = { confidence = 1, abort_early = false } }",
                attack(Method::Cw(Cw { confidence: 1.0, abort_early: false, ..Cw::default() })),
            ),
        ] {
            assert_eq!(parse(text).expect(text), [Augmentation::from(expected)], "{text}");
        }
    }

    #[test]
    fn every_parameter_of_an_attack_is_checked() {
        let end = " in `augment` in [data.a] must be";
        for (text, what) in [
            ("{ fgsm.eps = -0.1 }", format!("`eps` in `fgsm`{end} more than 0 and at most 1")),
            ("{ fgsm.eps = 0 }", format!("`eps` in `fgsm`{end} more than 0 and at most 1")),
            ("{ bim.eps = 1.5 }", format!("`eps` in `bim`{end} more than 0 and at most 1")),
            ("{ fgsm = { eps = 0, norm = '2' } }", format!("`eps` in `fgsm`{end} finite and more than 0")),
            ("{ fgsm.norm = 'inv' }", "`norm` in `fgsm` in `augment` in [data.a] cannot be `inv`".to_owned()),
            ("{ fgsm.norm = 2 }", format!("`norm` in `fgsm`{end} a string, not a whole number")),
            ("{ bim.step = 0 }", format!("`step` in `bim`{end} more than 0 and at most 1")),
            ("{ bim.iterations = 0 }", format!("`iterations` in `bim`{end} from 1 to 1000000")),
            ("{ pgd.iterations = 1000001 }", format!("`iterations` in `pgd`{end} from 1 to 1000000")),
            ("{ pgd.seed = -1 }", format!("`seed` in `pgd`{end} 0 or more")),
            ("{ jsma.theta = 0 }", format!("`theta` in `jsma`{end} from -1 to 1 and not 0")),
            ("{ jsma.theta = 1.1 }", format!("`theta` in `jsma`{end} from -1 to 1 and not 0")),
            ("{ jsma.gamma = 0 }", format!("`gamma` in `jsma`{end} more than 0 and at most 1")),
            ("{ cw.confidence = -1 }", format!("`confidence` in `cw`{end} finite and 0 or more")),
            ("{ cw.learning_rate = 0 }", format!("`learning_rate` in `cw`{end} finite and more than 0")),
            ("{ cw.abort_early = 1 }", format!("`abort_early` in `cw`{end} true or false, not a whole number")),
            ("{ fgsm.target = -1 }", format!("`target` in `fgsm`{end} the number of a class, from 0 on, or its name")),
            ("{ fgsm.target = '' }", "`target` in `fgsm` in `augment` in [data.a] is empty".to_owned()),
            ("{ fgsm.targeted = true }", "unknown key `targeted` in `fgsm` in `augment` in [data.a]".to_owned()),
            ("{ fgsm.seed = 1 }", "unknown key `seed` in `fgsm` in `augment` in [data.a]".to_owned()),
        ] {
            let said = refused(text);
            assert!(said.starts_with(&what), "{text}: {said}");
        }
        let said = refused("{ fgsm.targeted = true }");
        assert!(said.ends_with("help: did you mean `target`?"), "{said}");
    }

    #[test]
    fn on_a_command_line() {
        for text in [
            "gaussian(std=0.3, seed=0)",
            "random_pixels(share=0.5, std=0.3, seed=7)",
            "fgsm(eps=0.3, norm=\"inf\")",
            "bim(eps=0.1, step=0.05, iterations=10, target=3)",
            "pgd(eps=0.3, step=0.01, iterations=40, seed=0, target=\"cat\", range=[-1, 1.5])",
            "jsma(theta=1, gamma=1)",
            "cw(confidence=0, learning_rate=0.005, binary_search_steps=5, max_iterations=1000, abort_early=true, initial_const=0.01)",
        ] {
            let read: Augmentation = text.parse().expect(text);
            assert_eq!(read.to_string(), text);
        }
        let plain = "fgsm".parse::<Augmentation>().expect("a name alone");
        assert_eq!(plain, " fgsm ( ) ".parse().expect("spaces"));
        let refused = |text: &str| text.parse::<Augmentation>().expect_err(text).to_string();
        assert_eq!(
            refused("fgsm(epz=0.3)"),
            "unknown key `epz` in `fgsm`
  at the command line:1:6
    |
  1 | fgsm(epz=0.3)
    |      ^^^
  help: did you mean `eps`?"
        );
        assert_eq!(
            refused("fgsm(eps=-1)"),
            "`eps` in `fgsm` must be more than 0 and at most 1
  at the command line:1:10
    |
  1 | fgsm(eps=-1)
    |          ^^"
        );
        for (text, what) in [
            ("fgms(eps=1)", "there is no augmentation `fgms`"),
            ("", "there is no augmentation ``"),
            ("fgsm(eps=0.3", "`fgsm(eps=0.3` has no closing bracket at its end"),
            ("fgsm(eps)", "`fgsm(eps)` cannot be read"),
            ("fgsm(eps=0.3)x", "`fgsm(eps=0.3)x` has no closing bracket at its end"),
            ("fgsm(eps=0.3}, {)", "`fgsm(eps=0.3}, {)` cannot be read"),
        ] {
            assert!(refused(text).starts_with(what), "{text}: {}", refused(text));
        }
        assert!(refused("fgms(eps=1)").ends_with("help: did you mean `fgsm`?"));
    }
}
