//! The parser of requirements: recursive descent over characters, every error with the bytes it concerns.

mod bound;
mod figure;

use std::collections::BTreeMap;
use std::ops::Range;

use super::Figure;
use super::nearest::listed;
use super::selector::{Selector, is_list};
use super::spec::{Comparison, CriterionSpec, Requirement, Value};
use crate::{Error, ErrorKind};

/// Lists in lists in lists: further than anyone writes, and far from the end of the stack.
pub(super) const MAX_DEPTH: usize = 16;

/// What is wrong in a text of the requirement grammar, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    what: String,
    span: Range<usize>,
    help: Option<String>,
}

impl SyntaxError {
    pub(super) fn new(what: impl Into<String>, span: Range<usize>) -> Self {
        Self { what: what.into(), span, help: None }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same error about a text that stands `by` bytes into another.
    pub(super) fn shifted(mut self, by: usize) -> Self {
        self.span = self.span.start + by..self.span.end + by;
        self
    }

    /// The same error about these bytes.
    pub(super) fn over(mut self, span: Range<usize>) -> Self {
        self.span = span;
        self
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The bytes of the text that are concerned; empty at the end of the text.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The nearest fix, if there is one.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The error for a reader who has only the text: it names the column, from 1.
    pub fn into_error(self, text: &str) -> Error {
        let column = text.get(..self.span.start).unwrap_or(text).chars().count() + 1;
        let error = Error::new(ErrorKind::Configuration, format!("{}, at column {column} of `{text}`", self.what));
        match self.help {
            Some(help) => error.with_help(help),
            None => error,
        }
    }
}

/// Reads `criterion[(params)][@layers][.figure] op bound`.
pub(super) fn requirement(text: &str) -> Result<Requirement, SyntaxError> {
    requirement_after(text, None)
}

/// The same behind another requirement, whose criterion a lone figure belongs to.
pub(super) fn requirement_after(text: &str, previous: Option<&CriterionSpec>) -> Result<Requirement, SyntaxError> {
    read(text, previous).map(|(requirement, _)| requirement)
}

/// The bytes of a requirement's bound.
pub(crate) fn bound_of(text: &str, previous: Option<&CriterionSpec>) -> Result<Range<usize>, SyntaxError> {
    read(text, previous).map(|(_, bound)| bound)
}

fn read(text: &str, previous: Option<&CriterionSpec>) -> Result<(Requirement, Range<usize>), SyntaxError> {
    let mut parser = Parser { text, at: 0 };
    let (criterion, figure) = match parser.lone_figure(previous)? {
        Some((criterion, figure)) => (criterion, Some(figure)),
        None => parser.criterion()?,
    };
    let comparison = parser.comparison()?;
    parser.space();
    let start = parser.at;
    let bound = parser.bound(comparison)?;
    let span = start..parser.at;
    parser.end("the bound")?;
    Ok((Requirement { criterion, figure, comparison, bound, origin: None }, span))
}

/// Reads `criterion[(params)][@layers]`.
pub(super) fn criterion(text: &str) -> Result<CriterionSpec, SyntaxError> {
    match criterion_and_figure(text)? {
        (criterion, None) => Ok(criterion),
        (_, Some(figure)) => {
            let shown = format!(".{figure}");
            let span = text.rfind(&shown).map_or(0..text.len(), |start| start..start + shown.len());
            Err(SyntaxError::new(format!("`{shown}` names a figure where a criterion is wanted"), span))
        }
    }
}

/// Reads `criterion[(params)][@layers][.figure]`.
pub(crate) fn criterion_and_figure(text: &str) -> Result<(CriterionSpec, Option<Figure>), SyntaxError> {
    let mut parser = Parser { text, at: 0 };
    let read = parser.criterion()?;
    parser.end("the criterion")?;
    Ok(read)
}

/// Reads one parameter value.
pub(super) fn value(text: &str) -> Result<Value, SyntaxError> {
    let mut parser = Parser { text, at: 0 };
    parser.space();
    let value = parser.value(0)?;
    parser.end("the value")?;
    Ok(value)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Steps over `token` if it is next.
    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// The characters up to the first that `stop` takes.
    fn until(&mut self, stop: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let text = &rest[..rest.find(stop).unwrap_or(rest.len())];
        self.at += text.len();
        text
    }

    fn word(&mut self) -> Option<&'t str> {
        let starts = self.peek().is_some_and(|c| c.is_alphabetic() || c == '_');
        starts.then(|| self.until(|c| !is_word(c)))
    }

    /// The bytes of the next word or character, for an error about it.
    fn next_span(&self) -> Range<usize> {
        let rest = self.rest();
        let length = match rest.chars().next() {
            Some(c) if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            Some(c) => c.len_utf8(),
            None => 0,
        };
        self.at..self.at + length
    }

    fn expected(&self, wanted: &str) -> SyntaxError {
        let span = self.next_span();
        let what = match &self.text[span.clone()] {
            "" => format!("expected {wanted}, found the end"),
            found => format!("expected {wanted}, found `{found}`"),
        };
        SyntaxError::new(what, span)
    }

    fn end(&mut self, after: &str) -> Result<(), SyntaxError> {
        self.space();
        if self.at == self.text.len() {
            return Ok(());
        }
        let error = self.expected(&format!("nothing after {after}"));
        Err(match self.peek() {
            Some('%') => error.with_help("a share is a number from 0 to 1: 40 % is `0.4`"),
            Some('*' | '+') => error.with_help("what the bound is relative to stands first: `baseline * 0.98`"),
            _ => error,
        })
    }

    fn criterion(&mut self) -> Result<(CriterionSpec, Option<Figure>), SyntaxError> {
        self.space();
        let name = self.name()?;
        let mut parameters = BTreeMap::new();
        let mut figure = None;
        self.space();
        let open = self.at;
        if self.eat("(") {
            self.parameters(open, &mut parameters)?;
        }
        loop {
            self.space();
            let start = self.at;
            if self.eat("@") {
                let value = self.layers()?;
                if parameters.contains_key("layers") {
                    return Err(SyntaxError::new("the layers are given twice", start..self.at)
                        .with_help("`@conv2` is `layers=\"conv2\"`; keep one"));
                }
                parameters.insert("layers".to_owned(), value);
            } else if self.eat(".") {
                if figure.replace(self.figure()?).is_some() {
                    return Err(SyntaxError::new("a second figure", start..self.at)
                        .with_help("a requirement bounds one figure"));
                }
            } else {
                return Ok((CriterionSpec { name, parameters }, figure));
            }
        }
    }

    /// `kmnc` or `acme::spread`.
    fn name(&mut self) -> Result<String, SyntaxError> {
        let Some(word) = self.word() else { return Err(self.expected("the name of a criterion")) };
        let mut name = word.to_owned();
        while self.rest().starts_with(':') {
            if !self.eat("::") {
                return Err(SyntaxError::new("a namespace ends in two colons", self.next_span())
                    .with_help("write it as in `cleanai::nc`"));
            }
            let Some(word) = self.word() else { return Err(self.expected(&format!("a name after `{name}::`"))) };
            name = format!("{name}::{word}");
        }
        Ok(name)
    }

    /// `k = 1000, layers = "conv2")`, the opening parenthesis at `open` read.
    fn parameters(&mut self, open: usize, parameters: &mut BTreeMap<String, Value>) -> Result<(), SyntaxError> {
        loop {
            self.space();
            if self.eat(")") {
                return Ok(());
            }
            if self.at == self.text.len() {
                return Err(SyntaxError::new("`(` is not closed", open..open + 1));
            }
            let start = self.at;
            let Some(word) = self.word() else { return Err(self.expected("the name of a parameter or `)`")) };
            let name_span = start..self.at;
            self.space();
            if !self.eat("=") {
                return Err(self
                    .expected(&format!("`=` after `{word}`"))
                    .with_help("a parameter is written `name = value`"));
            }
            self.space();
            let value_start = self.at;
            let mut value = self.value(0)?;
            let value_span = value_start..self.at;
            // `layer` reads better for criteria of one layer; both are one parameter.
            let name = if word == "layer" { "layers" } else { word };
            if name == "layers" {
                let selector = Selector::from_value(&value).map_err(|error| error.over(value_span))?;
                value = layers_value(&selector, value);
            }
            if parameters.insert(name.to_owned(), value).is_some() {
                return Err(SyntaxError::new(format!("parameter `{word}` is given twice"), name_span));
            }
            self.space();
            if !self.eat(",") && !self.rest().starts_with(')') && self.at < self.text.len() {
                return Err(self.expected("`,` or `)`"));
            }
        }
    }

    /// What follows `@`: a string, a list of strings, or a bare selector up to the operator.
    fn layers(&mut self) -> Result<Value, SyntaxError> {
        self.space();
        let start = self.at;
        let value = if self.rest().starts_with('"') || is_list(self.rest()) {
            self.value(0)?
        } else {
            let text = self.until(is_operator).trim_end();
            if let Some(gap) = text.find(char::is_whitespace) {
                return Err(SyntaxError::new("a space within the layers", start + gap..start + gap + 1)
                    .with_help(format!("quote them: `@{text:?}`")));
            }
            figure::not_of_a_figure(text, start)?;
            Value::Text(text.to_owned())
        };
        let selector = match &value {
            Value::Text(text) if text.is_empty() => return Err(self.expected("layers after `@`")),
            value => Selector::from_value(value),
        };
        let selector =
            selector.map_err(|error| error.over(start..start + self.text[start..self.at].trim_end().len()))?;
        Ok(layers_value(&selector, value))
    }

    fn value(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        match self.peek() {
            Some('"') => self.string().map(Value::Text),
            Some('[') => self.list(depth),
            Some(c) if c.is_ascii_digit() || c == '-' || c == '.' || c == '+' => self.number_or_range(),
            Some(c) if c.is_alphabetic() || c == '_' => {
                let start = self.at;
                let word = self.until(|c| !is_word(c));
                match word {
                    "true" => Ok(Value::Bool(true)),
                    "false" => Ok(Value::Bool(false)),
                    "inf" | "nan" | "NaN" => Err(SyntaxError::new("a number must be finite", start..self.at)),
                    _ => Err(SyntaxError::new(format!("`{word}` is not a value"), start..self.at)
                        .with_help(format!("quote a string: `\"{word}\"`"))),
                }
            }
            _ => Err(self.expected("a value")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        let open = self.at;
        self.at += 1;
        if depth == MAX_DEPTH {
            return Err(SyntaxError::new("lists nest too deeply", open..open + 1));
        }
        let mut items = Vec::new();
        loop {
            self.space();
            if self.eat("]") {
                return Ok(Value::List(items));
            }
            if self.at == self.text.len() {
                return Err(SyntaxError::new("`[` is not closed", open..open + 1));
            }
            items.push(self.value(depth + 1)?);
            self.space();
            if !self.eat(",") && !self.rest().starts_with(']') && self.at < self.text.len() {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        let open = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            let Some(c) = self.peek() else {
                return Err(SyntaxError::new("the string is not closed", open..self.text.len()));
            };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\\' => match self.escape() {
                    Some(c) => text.push(c),
                    None => {
                        let end = self.next_span().end;
                        return Err(SyntaxError::new(
                            format!("unknown escape `{}`", &self.text[start..end]),
                            start..end,
                        )
                        .with_help("a backslash is written `\\\\`"));
                    }
                },
                c => text.push(c),
            }
        }
    }

    /// The character after a backslash; `None`, with nothing read, if that is no escape.
    fn escape(&mut self) -> Option<char> {
        let rest = self.rest();
        let (c, length) = match rest.chars().next()? {
            'n' => ('\n', 1),
            'r' => ('\r', 1),
            't' => ('\t', 1),
            '0' => ('\0', 1),
            c @ ('"' | '\'' | '\\') => (c, 1),
            'u' => {
                let (digits, _) = rest.strip_prefix("u{")?.split_once('}')?;
                let hexadecimal = digits.len() <= 6 && digits.chars().all(|c| c.is_ascii_hexdigit());
                let code = hexadecimal.then(|| u32::from_str_radix(digits, 16).ok())??;
                (char::from_u32(code)?, digits.len() + 3)
            }
            _ => return None,
        };
        self.at += length;
        Some(c)
    }

    fn number_or_range(&mut self) -> Result<Value, SyntaxError> {
        let start = self.at;
        let first = self.number()?;
        self.space();
        if !self.rest().starts_with("..") {
            if let Value::Number(number) = first
                && !number.is_finite()
            {
                return Err(SyntaxError::new("a number must be finite", start..self.at));
            }
            return Ok(first);
        }
        let dots = self.at;
        self.at += 2;
        let inclusive = self.eat("=");
        self.space();
        let last = match self.peek() {
            Some(c) if c.is_ascii_digit() || c == '-' => self.number()?,
            _ => return Err(self.expected("the end of the range")),
        };
        let span = start..self.at;
        let (Value::Integer(from), Value::Integer(to)) = (first, last) else {
            return Err(SyntaxError::new("a range goes from one integer to another", span));
        };
        if !inclusive {
            return Err(SyntaxError::new("a range names its last element", dots..dots + 2)
                .with_help(format!("`{from}..={to}` includes {to}")));
        }
        if from > to {
            return Err(
                SyntaxError::new("the range is empty", span).with_help(format!("did you mean `{to}..={from}`?"))
            );
        }
        Ok(Value::Range { from, to })
    }

    /// An integer, or any other decimal number; it may be out of f64's range, which is for the caller to say.
    fn number(&mut self) -> Result<Value, SyntaxError> {
        let start = self.at;
        self.eat("-");
        let digits = self.until(|c| !c.is_ascii_digit() && c != '_');
        let bytes = self.rest().as_bytes();
        let point = bytes.first() == Some(&b'.') && bytes.get(1) != Some(&b'.');
        if digits.is_empty() || digits.starts_with('_') {
            self.at = start;
            return Err(if self.rest().trim_start_matches('-').starts_with('.') {
                self.expected("a digit before the point").with_help("write `0.4`, not `.4`")
            } else {
                self.expected("a number")
            });
        }
        if point {
            self.at += 1;
            if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
                return Err(self.expected("a digit after the point"));
            }
            self.until(|c| !c.is_ascii_digit() && c != '_');
        }
        let exponent = self.peek().is_some_and(|c| matches!(c, 'e' | 'E'));
        if exponent {
            self.at += 1;
            if !self.eat("-") {
                self.eat("+");
            }
            if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
                return Err(self.expected("the digits of the exponent"));
            }
            self.until(|c| !c.is_ascii_digit());
        }
        if self.peek().is_some_and(is_word) {
            self.until(|c| !is_word(c));
            let text = &self.text[start..self.at];
            return Err(SyntaxError::new(format!("`{text}` is not a number"), start..self.at));
        }
        let text = self.text[start..self.at].replace('_', "");
        let bad = || SyntaxError::new(format!("`{text}` is out of range"), start..self.at);
        if point || exponent {
            text.parse().map(Value::Number).map_err(|_| bad())
        } else {
            text.parse().map(Value::Integer).map_err(|_| bad())
        }
    }

    fn comparison(&mut self) -> Result<Comparison, SyntaxError> {
        self.space();
        let start = self.at;
        let known = [">=", ">", "<=", "<"];
        let operator = self.until(|c| !is_operator(c) && c != '!');
        let meant = match operator {
            ">=" => return Ok(Comparison::AtLeast),
            ">" => return Ok(Comparison::Above),
            "<=" => return Ok(Comparison::AtMost),
            "<" => return Ok(Comparison::Below),
            "=>" | "≥" => Some("write `>=`"),
            "=<" | "≤" => Some("write `<=`"),
            "=" | "==" => Some("a figure is bounded: `>=` for at least, `<=` for at most"),
            _ => None,
        };
        let error = if operator.is_empty() {
            self.expected(&format!("one of {}", listed(known)))
        } else {
            SyntaxError::new(format!("`{operator}` is no comparison"), start..self.at)
        };
        Err(match meant {
            Some(help) => error.with_help(help),
            None if operator.is_empty() => error.with_help("a requirement is written `criterion >= number`"),
            None => error.with_help(format!("use one of {}", listed(known))),
        })
    }
}

/// The canonical value of a selector: a list stays one however it was written, a text is trimmed.
fn layers_value(selector: &Selector, written: Value) -> Value {
    match (selector, written) {
        (Selector::Any(selectors), _) => {
            Value::List(selectors.iter().map(|one| Value::Text(one.to_string())).collect())
        }
        (one, Value::Text(_)) => Value::Text(one.to_string()),
        (_, other) => other,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_operator(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '≥' | '≤')
}
