//! Walking a parsed file: every key is known or an error, every value of the right type or an error, each with its place.

use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Document;
use super::reference::{Key as Described, Kind};
use crate::declare::nearest::did_you_mean;
use crate::declare::{Origin, Source, SyntaxError};
use crate::{Error, Result};

/// A table whose keys have been checked.
pub(super) struct Table<'d> {
    document: &'d Document<'d>,
    /// As the user writes it: `[data.digits]`.
    name: String,
    span: Range<usize>,
    known: Vec<&'static str>,
    described: &'static [Described],
    entries: DeTable<'d>,
}

impl<'d> Table<'d> {
    /// The table of a value, all of whose keys must be described.
    pub fn open(value: Value<'d>, described: &'static [Described]) -> Result<Self> {
        let known = described.iter().map(|key| key.name).collect();
        Ok(Self { described, ..Self::of(value, known)? })
    }

    /// The table of a value, all of whose keys must be among these.
    pub fn open_named(value: Value<'d>, known: &[&'static str]) -> Result<Self> {
        Self::of(value, known.to_vec())
    }

    fn of(value: Value<'d>, known: Vec<&'static str>) -> Result<Self> {
        let Value { document, name, span, value, .. } = value;
        match value {
            DeValue::Table(entries) => Self::new(document, name, span, entries, known),
            other => Err(wrong_type(document, span, &name, "a table", &other)),
        }
    }

    /// A table all of whose keys must be among `known`; the first in the file that is not is the error.
    pub fn new(
        document: &'d Document<'d>,
        name: String,
        span: Range<usize>,
        entries: DeTable<'d>,
        known: Vec<&'static str>,
    ) -> Result<Self> {
        let unknown =
            entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).min_by_key(|key| key.span().start);
        match unknown {
            None => Ok(Self { document, name, span, known, described: &[], entries }),
            Some(key) => {
                let place = if name.is_empty() { "at the top".to_owned() } else { format!("in {name}") };
                let what = format!("unknown key `{}` {place}", key.get_ref());
                Err(document.error(key.span(), what).with_help(did_you_mean(key.get_ref(), known.iter().copied())))
            }
        }
    }

    /// The value of a key, if it is there.
    pub fn take(&mut self, key: &'static str) -> Option<Value<'d>> {
        debug_assert!(self.known.contains(&key), "{key} is read but not known");
        let (written, value) = self.entries.remove_entry(key)?;
        let kind = self.described.iter().find(|described| described.name == key).map(|described| &described.kind);
        // Keys of tables within tables belong to the key above them.
        let place = self.name.starts_with('[').then(|| (self.name.clone(), key.to_owned()));
        if let Some((table, key)) = &place {
            self.document.note(table, key, written.span().start);
        }
        Some(Value { kind, place, ..Value::new(self.document, format!("`{key}` in {}", self.name), value) })
    }

    /// The value of a key that must be there.
    pub fn need(&mut self, key: &'static str, example: &str) -> Result<Value<'d>> {
        match self.take(key) {
            Some(value) => Ok(value),
            None => {
                let what = format!("{} lacks `{key}`", self.name);
                Err(self.document.error(self.span.clone(), what).with_help(format!("add `{key} = {example}`")))
            }
        }
    }
}

/// A value and where it stands.
pub(super) struct Value<'d> {
    document: &'d Document<'d>,
    /// For messages: `` `path` in [models.lenet5] ``, or a table's header.
    pub name: String,
    span: Range<usize>,
    value: DeValue<'d>,
    /// What it is described as, if it is.
    kind: Option<&'static Kind>,
    /// Its table and key, if it is the value of one.
    place: Option<(String, String)>,
}

impl<'d> Value<'d> {
    pub fn new(document: &'d Document<'d>, name: String, value: Spanned<DeValue<'d>>) -> Self {
        Self { document, name, span: value.span(), value: value.into_inner(), kind: None, place: None }
    }

    /// An error about this value.
    pub fn error(&self, what: impl Into<String>) -> Error {
        self.document.error(self.span.clone(), what)
    }

    /// Where this value stands, and its text.
    pub fn origin(&self, source: Source, text: &str) -> Origin {
        let place = self.document.place(self.span.clone());
        Origin { source, file: place.file, line: place.line, column: place.column, text: text.to_owned() }
    }

    /// An error about the text in this value, at its place within the file where the quoted text is the plain one.
    pub fn syntax_error(&self, error: &SyntaxError) -> Error {
        let written = self.document.text.get(self.span.clone()).unwrap_or_default();
        let quotes =
            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| written.starts_with(quotes)).unwrap_or_default();
        let inside = written.get(quotes.len()..written.len().saturating_sub(quotes.len()));
        let span = match inside {
            // With an escape in it, or its first line break left out, the text's bytes are not the file's.
            Some(inside) if self.value.as_str() == Some(inside) => {
                let start = self.span.start + quotes.len();
                start + error.span().start..start + error.span().end
            }
            _ => self.span.clone(),
        };
        let shown = self.document.error(span, format!("{}: {}", self.name, error.what()));
        match error.help() {
            Some(help) => shown.with_help(help),
            None => shown,
        }
    }

    fn wrong_type(&self, wanted: &str) -> Error {
        wrong_type(self.document, self.span.clone(), &self.name, wanted, &self.value)
    }

    /// A string.
    pub fn text(&self) -> Result<&str> {
        self.value.as_str().ok_or_else(|| self.wrong_type("a string"))
    }

    /// A string that is not empty.
    pub fn name(&self) -> Result<&str> {
        match self.text()? {
            text if text.trim().is_empty() => Err(self.error(format!("{} is empty", self.name))),
            text => Ok(text),
        }
    }

    /// `true` or `false`, if it is one of them.
    pub fn boolean(&self) -> Option<bool> {
        self.value.as_bool()
    }

    /// `true` or `false`.
    pub fn needed_boolean(&self) -> Result<bool> {
        self.boolean().ok_or_else(|| self.wrong_type("true or false"))
    }

    /// A finite number.
    pub fn number(&self) -> Result<f64> {
        let number = match &self.value {
            DeValue::Float(float) => float.as_str().parse().unwrap_or(f64::INFINITY),
            // As any decimal number, to the nearest f64.
            DeValue::Integer(_) => self.integer()? as f64,
            _ => return Err(self.wrong_type("a number")),
        };
        if number.is_finite() { Ok(number) } else { Err(self.error(format!("{} must be finite", self.name))) }
    }

    /// A whole number.
    pub fn integer(&self) -> Result<i64> {
        let DeValue::Integer(integer) = &self.value else { return Err(self.wrong_type("a whole number")) };
        i64::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| self.error(format!("{} is out of range", self.name)))
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<T> {
        debug_assert!(
            self.kind.is_none_or(|kind| kind.has_words(words.iter().map(|(word, _)| *word))),
            "the words of {} are described otherwise",
            self.name
        );
        let text = self.text()?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                let error = self.error(format!("{} cannot be `{text}`", self.name));
                Err(error.with_help(did_you_mean(text, words.iter().map(|(word, _)| *word))))
            }
        }
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Whether it is a table with a key, and none beside these.
    pub fn has_only(&self, keys: &[&str]) -> bool {
        let mut entries = self.value.as_table().into_iter().flatten().peekable();
        entries.peek().is_some() && entries.all(|(key, _)| keys.contains(&key.get_ref().as_ref()))
    }

    /// The elements of a list.
    pub fn list(self) -> Result<Vec<Value<'d>>> {
        let Self { document, name, span, value, kind, place } = self;
        match value {
            DeValue::Array(items) => {
                let elements = items.into_iter().enumerate().map(|(index, item)| {
                    if let Some((table, key)) = &place {
                        document.note(table, &format!("{key}[{index}]"), item.span().start);
                    }
                    let kind = kind.and_then(Kind::inner);
                    Self { kind, ..Self::new(document, format!("an element of {name}"), item) }
                });
                Ok(elements.collect())
            }
            other => Err(wrong_type(document, span, &name, "a list", &other)),
        }
    }

    /// The entries of a table whose keys the user chooses, in the order of the file.
    pub fn entries(self) -> Result<Vec<(Key<'d>, Value<'d>)>> {
        let Self { document, name, span, value, kind, place } = self;
        let DeValue::Table(entries) = value else { return Err(wrong_type(document, span, &name, "a table", &value)) };
        let mut entries: Vec<_> = entries
            .into_iter()
            .map(|(key, value)| {
                let named = format!("`{}` in {name}", key.get_ref());
                if let Some((table, whole)) = &place {
                    document.note(table, &format!("{whole}.{}", key.get_ref()), key.span().start);
                }
                let kind = kind.and_then(Kind::inner);
                (
                    Key { document, span: key.span(), text: key.into_inner().into_owned() },
                    Self { kind, ..Self::new(document, named, value) },
                )
            })
            .collect();
        entries.sort_by_key(|(key, _)| key.span.start);
        Ok(entries)
    }

    /// Whatever serde makes of it.
    pub fn deserialize<T: serde::de::DeserializeOwned>(self) -> Result<T> {
        let Self { document, name, span, value, .. } = self;
        let read = T::deserialize(toml::de::ValueDeserializer::from(Spanned::new(span.clone(), value)));
        read.map_err(|error| document.error(error.span().unwrap_or(span), format!("{name}: {}", error.message())))
    }
}

/// A key the user chose.
pub(super) struct Key<'d> {
    document: &'d Document<'d>,
    span: Range<usize>,
    pub text: String,
}

impl Key<'_> {
    /// An error about this key.
    pub fn error(&self, what: impl Into<String>) -> Error {
        self.document.error(self.span.clone(), what)
    }
}

fn wrong_type(document: &Document<'_>, span: Range<usize>, name: &str, wanted: &str, found: &DeValue<'_>) -> Error {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    document.error(span, format!("{name} must be {wanted}, not {found}"))
}
