//! The text of a baseline: a line per figure, and below it a line per layer.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::criteria::LayerFigures;
use crate::declare::Requirement;
use crate::measure::Measurement;
use crate::{Error, ErrorKind};

/// What stands before the line of a layer.
const INDENT: &str = "  ";

/// Decimals of a stored value.
const DECIMALS: usize = 6;

/// One line of a baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BaselineLine {
    /// The value, rounded to six decimals; `None` where there was nothing to cover.
    pub value: Option<f64>,
    /// Covered and total, for criteria that count. Shown to the reviewer, not compared.
    pub counts: Option<(u64, u64)>,
}

/// A baseline: figures by criterion. `Display` writes the text, `FromStr` reads it.
///
/// ```
/// use cleanai_harness::gate::baseline::BaselineText;
/// let text = "accuracy: 0.983333  354/360\nnc: 0.750000\n";
/// let baseline: BaselineText = text.parse()?;
/// assert_eq!(baseline.get("nc").unwrap().value, Some(0.75));
/// assert_eq!(baseline.to_string(), text);
/// # Ok::<(), cleanai_harness::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BaselineText {
    pub(super) lines: BTreeMap<String, BaselineLine>,
    /// The layers of a criterion, in execution order, where it has several.
    pub(super) layers: BTreeMap<String, Vec<(String, BaselineLine)>>,
}

impl BaselineText {
    /// The text of a measurement: a line per criterion, and one per further figure that a requirement names (`src.auroc`).
    pub fn of(measurement: &Measurement, requirements: &[Requirement]) -> Self {
        let mut lines = BTreeMap::new();
        let mut layers = BTreeMap::new();
        for (criterion, result) in &measurement.criteria {
            let key = line_key(criterion).into_owned();
            lines.insert(key.clone(), BaselineLine::of(result.value, result.covered.zip(result.total)));
            // The only layer says what the figure says.
            if result.layers.len() > 1 {
                let line = |layer: &LayerFigures| {
                    let line = BaselineLine::of(layer.value, layer.covered.zip(layer.total));
                    let name = line_key(layer.name.trim()).into_owned();
                    (!name.is_empty()).then_some((name, line))
                };
                layers.insert(key, result.layers.iter().filter_map(line).collect());
            }
        }
        for requirement in requirements {
            let Some(figure) = &requirement.figure else { continue };
            let criterion = requirement.criterion.to_string();
            let value = measurement.criteria.get(&criterion).and_then(|it| it.figure(Some(figure)).ok());
            let line = BaselineLine { value: value.map(rounded), counts: None };
            lines.insert(line_key(&requirement.subject()).into_owned(), line);
        }
        Self { lines, layers }
    }

    /// The layers that stand below a criterion, by name, in execution order; none where it has one, or its baseline holds none.
    pub fn layers(&self, key: &str) -> &[(String, BaselineLine)] {
        self.layers.get(line_key(key).as_ref()).map_or(&[], Vec::as_slice)
    }

    /// The line of a criterion's canonical text, or of `criterion.figure`.
    pub fn get(&self, key: &str) -> Option<&BaselineLine> {
        self.lines.get(line_key(key).as_ref())
    }

    /// Takes these figures from another, with their layers.
    pub(crate) fn take<'k>(&mut self, from: &Self, keys: impl IntoIterator<Item = &'k str>) {
        for key in keys {
            if let Some(line) = from.lines.get(key) {
                self.lines.insert(key.to_owned(), *line);
                match from.layers.get(key) {
                    Some(layers) => self.layers.insert(key.to_owned(), layers.clone()),
                    None => self.layers.remove(key),
                };
            }
        }
    }

    /// The figures that are NaN or infinite.
    pub fn not_finite(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(|(_, line)| !line.is_finite()).map(|(key, _)| key.as_str())
    }
}

impl BaselineLine {
    /// Counts are kept where the value is their ratio: then a reader can check one by the other.
    pub(super) fn of(value: Option<f64>, counts: Option<(u64, u64)>) -> Self {
        let line = Self { value: value.map(rounded), counts };
        if line.agrees() { line } else { Self { counts: None, ..line } }
    }

    /// Whether value and counts say the same.
    fn agrees(&self) -> bool {
        let Some((covered, total)) = self.counts.filter(|_| self.is_finite()) else { return true };
        let ratio = (total > 0).then(|| rounded(covered as f64 / total as f64));
        covered <= total && self.value == ratio
    }

    pub(super) fn is_finite(&self) -> bool {
        self.value.is_none_or(f64::is_finite)
    }
}

/// A key as it stands in the text: on one line whatever a string parameter holds.
pub(super) fn line_key(key: &str) -> Cow<'_, str> {
    if !key.contains(char::is_control) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(key.chars().fold(String::new(), |mut text, character| {
        if character.is_control() {
            text.extend(character.escape_default())
        } else {
            text.push(character)
        }
        text
    }))
}

/// A value as it is stored; the same for what is observed, so that both are compared alike.
pub(in crate::gate) fn rounded(value: f64) -> f64 {
    let stored: f64 = format!("{value:.DECIMALS$}").parse().unwrap_or(value);
    // A tiny negative number is stored as 0.000000, not -0.000000.
    if stored == 0.0 { 0.0 } else { stored }
}

impl fmt::Display for BaselineText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, line) in &self.lines {
            writeln!(f, "{key}: {line}")?;
            for (layer, line) in self.layers.get(key).into_iter().flatten() {
                writeln!(f, "{INDENT}{layer}: {line}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for BaselineLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => write!(f, "{value:.DECIMALS$}")?,
            None => f.write_str("none")?,
        }
        match self.counts {
            Some((covered, total)) => write!(f, "  {covered}/{total}"),
            None => Ok(()),
        }
    }
}

impl FromStr for BaselineText {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut read = Self::default();
        let mut criterion: Option<String> = None;
        for (index, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let garbled = |why: &str| {
                let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
                Error::new(ErrorKind::Io, format!("line {} of the baseline {why}: `{shown}`", index + 1))
            };
            let of_layer = text.strip_prefix(INDENT);
            let parsed = parse_line(of_layer.unwrap_or(text));
            let (key, line) = parsed.ok_or_else(|| garbled("is not `criterion: value  covered/total`"))?;
            if !line.agrees() {
                return Err(garbled("has a value that is not covered/total"));
            }
            match (of_layer, &criterion) {
                (Some(_), Some(criterion)) => {
                    read.layers.entry(criterion.clone()).or_default().push((key.to_owned(), line));
                }
                (Some(_), None) => return Err(garbled("is a layer of no criterion")),
                (None, _) => {
                    if read.lines.insert(key.to_owned(), line).is_some() {
                        return Err(garbled("repeats a criterion"));
                    }
                    criterion = Some(key.to_owned());
                }
            }
        }
        Ok(read)
    }
}

fn parse_line(text: &str) -> Option<(&str, BaselineLine)> {
    // A string parameter may hold `: `, a value never does.
    let (key, figures) = text.trim_end().rsplit_once(": ")?;
    let mut words = figures.split_whitespace();
    let value = match words.next()? {
        "none" => None,
        number => Some(number.parse().ok()?),
    };
    let counts = match words.next() {
        Some(word) => {
            let (covered, total) = word.split_once('/')?;
            Some((covered.parse().ok()?, total.parse().ok()?))
        }
        None => None,
    };
    let complete = words.next().is_none() && !key.is_empty() && key.trim() == key;
    complete.then_some((key, BaselineLine { value, counts }))
}
