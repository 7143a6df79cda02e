//! Reading steps from TOML (or any other serde format), with errors that say what belongs there.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, Serialize as DeriveSerialize};

use crate::data::transform::{ResizeFilter, TransformStep};
use crate::declare::nearest::nearest;
use crate::{Error, ErrorKind, Result};

/// Every step with the way it is written and what it does.
pub(crate) const STEPS: [(&str, &str, &str); 6] = [
    (
        "resize",
        "{ resize = [28, 28] }",
        "to this height and width. `{ resize = { size = [28, 28], filter = \"bicubic\" } }` names a filter: `nearest`, `bilinear` (unless it is said), `bicubic` or `lanczos`.",
    ),
    ("center_crop", "{ center_crop = [24, 24] }", "the middle of this height and width."),
    ("grayscale", "\"grayscale\"", "one channel, ITU-R 601 luma."),
    ("rgb", "\"rgb\"", "three channels; a single one is repeated."),
    ("scale", "\"scale\"", "whole numbers of 8 bits, 0 to 255, to 0 to 1."),
    (
        "normalize",
        "{ normalize = { mean = [0.5], std = [0.5] } }",
        "`(x - mean) / std` for each channel; one number serves all.",
    ),
];

/// Reads a transform from TOML: a list of steps, or a single step.
///
/// # Errors
///
/// What is wrong and where, with the nearest step that exists.
pub fn parse(text: &str) -> Result<Vec<TransformStep>> {
    let text = text.trim();
    let steps = if text.starts_with('[') {
        toml::de::ValueDeserializer::parse(text).and_then(Vec::deserialize)
    } else {
        toml::de::ValueDeserializer::parse(text).and_then(TransformStep::deserialize).map(|step| vec![step])
    };
    steps.map_err(|why| {
        Error::new(ErrorKind::Configuration, format!("transform `{text}`: {}", why.message()))
            .with_help("a transform is a list such as `[{ resize = [28, 28] }, \"grayscale\", { normalize = { mean = [0.5], std = [0.5] } }]`")
    })
}

fn unknown<E: de::Error>(what: &str, written: &str, known: &[&str]) -> E {
    let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match nearest(written, known.iter().copied()) {
        Some(name) => E::custom(format!("unknown {what} `{written}`; did you mean `{name}`? There are {list}")),
        None => E::custom(format!("unknown {what} `{written}`; there are {list}")),
    }
}

/// The names by which other tools call steps, so that the error can say ours.
fn known_elsewhere(written: &str) -> Option<&'static str> {
    Some(match written.to_lowercase().replace(['_', '-', ' '], "").as_str() {
        "totensor" | "rescale" | "todtype" | "convertimagedtype" => "scale",
        "gray" | "grey" | "greyscale" | "l" | "luma" | "mono" => "grayscale",
        "crop" | "centercrop" => "center_crop",
        "color" | "colour" => "rgb",
        "normalise" | "standardize" | "standardise" => "normalize",
        "size" => "resize",
        _ => return None,
    })
}

fn step_name<E: de::Error>(written: &str) -> std::result::Result<&'static str, E> {
    if let Some((name, ..)) = STEPS.iter().find(|(name, ..)| *name == written) {
        return Ok(name);
    }
    let names: Vec<&str> = STEPS.iter().map(|(name, ..)| *name).collect();
    match known_elsewhere(written) {
        Some(name) => Err(E::custom(format!("unknown transform step `{written}`; did you mean `{name}`?"))),
        None => Err(unknown("transform step", written, &names)),
    }
}

fn form(name: &str) -> &'static str {
    STEPS.iter().find(|(step, ..)| *step == name).map_or("", |(_, form, _)| form)
}

impl<'de> Deserialize<'de> for TransformStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor)
    }
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = TransformStep;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a transform step such as `\"grayscale\"` or `{ resize = [28, 28] }`")
    }

    fn visit_str<E: de::Error>(self, written: &str) -> std::result::Result<TransformStep, E> {
        match step_name(written)? {
            "grayscale" => Ok(TransformStep::Grayscale),
            "rgb" => Ok(TransformStep::Rgb),
            "scale" => Ok(TransformStep::Scale),
            name => Err(E::custom(format!("transform step `{name}` needs its numbers: write `{}`", form(name)))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<TransformStep, A::Error> {
        let Some(name) = map.next_key_seed(Key)? else {
            return Err(de::Error::custom("an empty table is no transform step"));
        };
        let step = map.next_value_seed(Arguments(name))?;
        match map.next_key::<String>()? {
            None => Ok(step),
            Some(second) => Err(de::Error::custom(format!(
                "`{second}` stands in the same table as `{name}`; steps apply in the order written, so each has its own table"
            ))),
        }
    }
}

/// The key of a step; an unknown one is an error at the key.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<&'static str, D::Error> {
        step_name(&String::deserialize(deserializer)?)
    }
}

/// What stands right of a step's key.
struct Arguments(&'static str);

impl<'de> DeserializeSeed<'de> for Arguments {
    type Value = TransformStep;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<TransformStep, D::Error> {
        let step = match self.0 {
            "resize" => {
                let Sides { height, width, filter } = deserializer.deserialize_any(SizeVisitor { filtered: true })?;
                TransformStep::Resize { height, width, filter }
            }
            "center_crop" => {
                let Sides { height, width, .. } = deserializer.deserialize_any(SizeVisitor { filtered: false })?;
                TransformStep::CenterCrop { height, width }
            }
            "normalize" => deserializer.deserialize_any(NormalizeVisitor)?,
            name => {
                return Err(de::Error::custom(format!("transform step `{name}` takes nothing: write `\"{name}\"`")));
            }
        };
        step.check().map_err(|error| de::Error::custom(error.what()))?;
        Ok(step)
    }
}

struct Sides {
    height: u32,
    width: u32,
    filter: ResizeFilter,
}

/// `28`, `[28, 28]`, or with a filter `{ size = [28, 28], filter = "bicubic" }`.
struct SizeVisitor {
    filtered: bool,
}

fn size<E: de::Error>(number: i64) -> std::result::Result<u32, E> {
    u32::try_from(number).map_err(|_| E::custom(format!("{number} is not a size in pixels")))
}

impl<'de> Visitor<'de> for SizeVisitor {
    type Value = Sides;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a height and width such as `[28, 28]`")?;
        if self.filtered { f.write_str(" or `{ size = [28, 28], filter = \"bicubic\" }`") } else { Ok(()) }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> std::result::Result<Sides, E> {
        let side = size(number)?;
        Ok(Sides { height: side, width: side, filter: ResizeFilter::default() })
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> std::result::Result<Sides, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> std::result::Result<Sides, A::Error> {
        let mut sides = Vec::new();
        while let Some(number) = sequence.next_element::<i64>()? {
            sides.push(size::<A::Error>(number)?);
            if sides.len() > 2 {
                break;
            }
        }
        match sides[..] {
            [height, width] => Ok(Sides { height, width, filter: ResizeFilter::default() }),
            _ => Err(de::Error::custom("a size has two numbers, height and width, such as `[28, 28]`")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Sides, A::Error> {
        let known: &[&str] = if self.filtered { &["size", "filter"] } else { &["size"] };
        let (mut sides, mut filter) = (None, None);
        while let Some(key) = map.next_key_seed(Among(known))? {
            match key {
                "size" => sides = Some(map.next_value_seed(Side)?),
                _ => filter = Some(map.next_value_seed(Filter)?),
            }
        }
        let sides: Sides = sides.ok_or_else(|| de::Error::custom("`size` is missing: `size = [28, 28]`"))?;
        Ok(Sides { filter: filter.unwrap_or_default(), ..sides })
    }
}

/// The `size` inside a table.
struct Side;

impl<'de> DeserializeSeed<'de> for Side {
    type Value = Sides;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Sides, D::Error> {
        deserializer.deserialize_any(SizeVisitor { filtered: false })
    }
}

/// The name of a filter.
struct Filter;

impl<'de> DeserializeSeed<'de> for Filter {
    type Value = ResizeFilter;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<ResizeFilter, D::Error> {
        let written = String::deserialize(deserializer)?;
        let found = ResizeFilter::ALL.into_iter().find(|filter| filter.name() == written);
        found.ok_or_else(|| unknown("filter", &written, &ResizeFilter::ALL.map(ResizeFilter::name)))
    }
}

/// A key that must be one of these.
struct Among<'a>(&'a [&'static str]);

impl<'de> DeserializeSeed<'de> for Among<'_> {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<&'static str, D::Error> {
        let written = String::deserialize(deserializer)?;
        self.0.iter().copied().find(|name| *name == written).ok_or_else(|| unknown("key", &written, self.0))
    }
}

/// `{ mean = [..], std = [..] }`, each a list or a single number.
struct NormalizeVisitor;

impl<'de> Visitor<'de> for NormalizeVisitor {
    type Value = TransformStep;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`{ mean = [0.5], std = [0.5] }`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<TransformStep, A::Error> {
        let (mut mean, mut std) = (None, None);
        while let Some(key) = map.next_key_seed(Among(&["mean", "std"]))? {
            let numbers = Some(map.next_value::<Numbers>()?.0);
            if key == "mean" {
                mean = numbers;
            } else {
                std = numbers;
            }
        }
        match (mean, std) {
            (Some(mean), Some(std)) => Ok(TransformStep::Normalize { mean, std }),
            _ => Err(de::Error::custom("normalize needs both mean and std: `{ mean = [0.5], std = [0.5] }`")),
        }
    }
}

/// A list of numbers, or one.
struct Numbers(Vec<f32>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct NumbersVisitor;

        impl<'de> Visitor<'de> for NumbersVisitor {
            type Value = Vec<f32>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers such as `[0.485, 0.456, 0.406]`")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> std::result::Result<Vec<f32>, E> {
                Ok(vec![number as f32])
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> std::result::Result<Vec<f32>, E> {
                Ok(vec![number as f32])
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> std::result::Result<Vec<f32>, E> {
                Ok(vec![number as f32])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> std::result::Result<Vec<f32>, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = sequence.next_element::<f64>()? {
                    numbers.push(number as f32);
                }
                Ok(numbers)
            }
        }

        deserializer.deserialize_any(NumbersVisitor).map(Numbers)
    }
}

/// Writes the form that is read.
impl Serialize for TransformStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(DeriveSerialize)]
        struct Resize {
            size: [u32; 2],
            filter: ResizeFilter,
        }
        #[derive(DeriveSerialize)]
        struct Normalize<'a> {
            mean: &'a [f32],
            std: &'a [f32],
        }
        if matches!(self, Self::Grayscale | Self::Rgb | Self::Scale) {
            return serializer.serialize_str(self.name());
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Resize { height, width, filter } => {
                map.serialize_entry("resize", &Resize { size: [*height, *width], filter: *filter })?;
            }
            Self::CenterCrop { height, width } => map.serialize_entry("center_crop", &[height, width])?,
            Self::Normalize { mean, std } => map.serialize_entry("normalize", &Normalize { mean, std })?,
            Self::Grayscale | Self::Rgb | Self::Scale => {}
        }
        map.end()
    }
}
