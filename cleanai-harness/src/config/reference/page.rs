//! The reference page, in Markdown.

use std::fmt::Write;

use super::{Default, FIRST, Key, Kind, SECTIONS, Section, TOLERANCE, VARIABLES, augmentations};
use crate::data::transform::STEPS;
use crate::synthesis::Augmentation;

const START: &str = "\
# Configuration

What the attribute of a test leaves open stands in `cleanai.toml`, in the package's folder or one above it: the nearest such file is read, and no
other. Relative paths start at its folder. Every key is checked; one that is not known is an error with its line and the nearest that is.

This page is written from the descriptions that the program itself checks files by. `cargo cleanai config reference` prints it,
`cargo cleanai config schema` a JSON Schema for editors (the first line of the file names it: `#:schema PATH`), `cargo cleanai config check` checks a
file, and `cargo cleanai config show TEST` says what holds for a test, and where each setting comes from.

";

const PRECEDENCE: &str = "\
## What wins

The first of these that says something:

1. the environment: the `CLEANAI_*` variables below,
2. the attribute of the test,
3. `[tests.NAME]`,
4. `[models.NAME]` (its `device`),
5. `[defaults]`,
6. the default.

Requirements add up instead: a bound of the attribute replaces one of `[tests.NAME]` on the same figure, and that one of `[defaults]`.

";

const ENVIRONMENT: &str = "\
## Environment

These win over attribute and file, for every test that runs with them. An empty one is as good as none; a wrong value is an error, and a name that
is not known is warned about. A run with one that may change figures or verdicts says so among the settings of each test, in the terminal and in
every report. `cargo cleanai measure` and its like have arguments for the same, and do not read them.

";

/// The reference of everything in a `cleanai.toml` and of all variables, in Markdown.
///
/// ```
/// assert!(cleanai_harness::config::reference_page().contains("CLEANAI_BATCH"));
/// ```
pub fn page() -> String {
    let mut page = START.to_owned();
    page.push_str(&format!("All of it is there since version {FIRST}, unless it says another.\n\n"));
    page.push_str(PRECEDENCE);
    for section in &SECTIONS {
        write_section(&mut page, section);
    }
    write_steps(&mut page);
    write_augmentations(&mut page);
    page.push_str(ENVIRONMENT);
    for variable in VARIABLES {
        line(&mut page, format_args!("### `{}`\n", variable.name));
        line(&mut page, format_args!("{}\n", variable.says));
        facts(&mut page, variable.kind, variable.default, &format!("{}={}", variable.name, variable.example));
        since(&mut page, variable.since);
        page.push('\n');
    }
    let end = page.trim_end().len();
    page.truncate(end);
    page.push('\n');
    page
}

/// A line; writing to a string cannot fail.
fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(page, "{text}");
}

fn facts(page: &mut String, kind: &str, default: &str, example: &str) {
    line(page, format_args!("- Type: {kind}"));
    line(page, format_args!("- Default: {default}"));
    line(page, format_args!("- Example: `{example}`"));
}

fn since(page: &mut String, version: &str) {
    if version != FIRST {
        line(page, format_args!("- Since: {version}"));
    }
}

fn write_section(page: &mut String, section: &Section) {
    line(page, format_args!("## `{}`\n\n{}\n", section.header(), section.says));
    line(page, format_args!("Every key once:\n\n```toml\n{}```\n", whole(section)));
    for key in section.keys {
        line(page, format_args!("### `{}` in `{}`\n", key.name, section.header()));
        write_key(page, key);
        let mut kinds = vec![&key.kind];
        while let Some(kind) = kinds.pop() {
            match kind {
                Kind::Map(_, inner) | Kind::List(inner, _) => kinds.push(inner),
                Kind::Either(either) => kinds.extend(*either),
                Kind::Table(keys) => {
                    for inner in *keys {
                        line(page, format_args!("#### `{}` of a table in `{}`\n", inner.name, key.name));
                        write_key(page, inner);
                    }
                }
                _ => {}
            }
        }
    }
}

fn write_key(page: &mut String, key: &Key) {
    line(page, format_args!("{}\n", key.says));
    let default = match key.default {
        Default::Needed => "none: it must be written".to_owned(),
        Default::Value(value) => format!("`{value}`"),
        Default::Words(words) => words.to_owned(),
    };
    facts(page, &words(&key.kind), &default, &format!("{} = {}", key.name, key.example));
    if let Some(variable) = key.variable {
        line(page, format_args!("- Environment: `{variable}`"));
    }
    since(page, key.since);
    page.push('\n');
}

/// A table with all its keys that go together, as an example.
pub(super) fn whole(section: &Section) -> String {
    let name = match section.name {
        "models" => "[models.lenet5]",
        "data" => "[data.digits]",
        "tests" => "[tests.lenet5_digits]",
        _ => &section.header(),
    };
    let together = section.keys.iter().filter(|key| section.one_of.iter().skip(1).all(|other| *other != key.name));
    let lines: Vec<String> = together.map(|key| format!("{} = {}\n", key.name, key.example)).collect();
    format!("{name}\n{}", lines.concat())
}

/// A kind in words.
fn words(kind: &Kind) -> String {
    match kind {
        Kind::Text => "a string".to_owned(),
        Kind::Path => "a path".to_owned(),
        Kind::Location => "a path, with an optional range `#0..500`".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Integer(i64::MIN, i64::MAX) => "a whole number".to_owned(),
        Kind::Integer(low, high) => format!("a whole number from {low} to {high}"),
        Kind::Number(within) => format!("a number, {}", within.text()),
        Kind::Word(known) => {
            let quoted: Vec<String> = known.iter().map(|word| format!("`\"{word}\"`")).collect();
            match quoted.as_slice() {
                [start @ .., last] if !start.is_empty() => format!("{} or {last}", start.join(", ")),
                all => all.concat(),
            }
        }
        Kind::Device => "`\"auto\"`, `\"cpu\"`, `\"cuda\"` or `\"cuda:1\"` (the second GPU)".to_owned(),
        Kind::Requirement => "a requirement".to_owned(),
        Kind::Selector => "a selector".to_owned(),
        Kind::List(inner, 0) => format!("a list, each {}", words(inner)),
        Kind::List(inner, least) => format!("a list of at least {least}, each {}", words(inner)),
        Kind::Map(keys, inner) => format!("a table; keys: {keys}; values: {}", words(inner)),
        Kind::Table(keys) => {
            let names: Vec<String> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
            format!("a table with {}", names.join(" and "))
        }
        Kind::Either(kinds) => kinds.iter().map(words).collect::<Vec<_>>().join("; or "),
        Kind::Tolerances => {
            let kinds: Vec<String> =
                TOLERANCE.iter().map(|key| format!("`{{ {} = {} }}`", key.name, key.example)).collect();
            format!(
                "a number, 0 or more; or one of {}; or a table of these, keys: `default`, a criterion's name, a criterion with its parameters, a figure of one",
                kinds.join(", ")
            )
        }
        Kind::Step => "a step (see below)".to_owned(),
        Kind::Augmentation => "an augmentation (see below)".to_owned(),
    }
}

fn write_steps(page: &mut String) {
    line(page, format_args!("## Steps of `transform`\n"));
    for (name, form, says) in STEPS {
        line(page, format_args!("- `{name}`, written `{form}`: {says}"));
    }
    page.push('\n');
}

fn write_augmentations(page: &mut String) {
    line(page, format_args!("## Augmentations of `augment`\n"));
    line(
        page,
        format_args!(
            "A table whose only key is one of these names; its value is a table of parameters, `{{}}` for the defaults.\n"
        ),
    );
    for name in Augmentation::NAMES {
        line(page, format_args!("### `{name}`\n\n{}\n", augmentations::says(name)));
        for parameter in augmentations::parameters(name) {
            let default = parameter.default.map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
            line(
                page,
                format_args!(
                    "- `{}`: {} Type: {}. Default: {default}.",
                    parameter.name, parameter.says, parameter.kind
                ),
            );
        }
        page.push('\n');
    }
}
