//! The text of a `cleanai.toml`, for errors that show the place.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use crate::{Error, ErrorKind, Place};

/// Characters of a line shown at most, so that a file of one long line does not flood the terminal.
const SHOWN: usize = 100;

/// Lines by table (`[tests.lenet5]`) and key; the first element of the list `require` is `require[0]`.
pub type Lines = BTreeMap<(String, String), usize>;

/// A file's name and text.
pub(super) struct Document<'d> {
    path: &'d Path,
    pub text: &'d str,
    /// Where each line ends.
    ends: Vec<usize>,
    lines: RefCell<Lines>,
}

impl<'d> Document<'d> {
    pub fn new(path: &'d Path, text: &'d str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { path, text, ends, lines: RefCell::default() }
    }

    /// Notes on which line a key of a table stands.
    pub fn note(&self, table: &str, key: &str, at: usize) {
        self.lines.borrow_mut().insert((table.to_owned(), key.to_owned()), self.line(at));
    }

    /// The lines that were noted.
    pub fn into_lines(self) -> Lines {
        self.lines.into_inner()
    }

    /// The line of a byte, from 1.
    fn line(&self, at: usize) -> usize {
        self.ends.partition_point(|&end| end < at) + 1
    }

    /// An error about these bytes.
    pub fn error(&self, span: Range<usize>, what: impl Into<String>) -> Error {
        Error::new(ErrorKind::Configuration, what).at(self.place(span))
    }

    /// Line, column and the line with a marker below these bytes.
    pub fn place(&self, span: Range<usize>) -> Place {
        let start = floor_boundary(self.text, span.start);
        let end = floor_boundary(self.text, span.end).max(start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |newline| start + newline);
        let line = self.line(start);
        let before = self.text[line_start..start].chars().count();
        // What goes on in further lines is marked to the end of the first.
        let marked = self.text[start..end.min(line_end)].trim_end().chars().count().max(1);
        let characters: Vec<char> = self.text[line_start..line_end].trim_end().chars().map(printable).collect();
        let from = if before + marked > SHOWN { before.saturating_sub(SHOWN / 4) } else { 0 };
        let shown: String = characters.iter().skip(from).take(SHOWN).collect();
        let marker = "^".repeat(marked.min(SHOWN - (before - from).min(SHOWN - 1)));
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        let indent = " ".repeat(before - from);
        let snippet = format!("{gutter} |\n{number} | {shown}\n{gutter} | {indent}{marker}");
        Place { file: self.path.to_owned(), line, column: before + 1, snippet }
    }
}

/// The last character boundary at or before a byte.
fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// One column wide and harmless to a terminal.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Range<usize>) -> String {
        Document::new(Path::new("cleanai.toml"), text).error(span, "wrong").to_string()
    }

    #[test]
    fn marks_the_bytes() {
        assert_eq!(
            shown("a = 1\nlärm = 2\n", 12..13),
            "wrong\n  at cleanai.toml:2:6\n    |\n  2 | lärm = 2\n    |      ^"
        );
        assert_eq!(
            shown("a = \"\"\"x\ny\"\"\"\r\n", 4..13),
            "wrong\n  at cleanai.toml:1:5\n    |\n  1 | a = \"\"\"x\n    |     ^^^^"
        );
        assert_eq!(shown("", 0..0), "wrong\n  at cleanai.toml:1:1\n    |\n  1 | \n    | ^");
        assert_eq!(shown("a\n", 2..9), "wrong\n  at cleanai.toml:2:1\n    |\n  2 | \n    | ^");
        assert_eq!(
            shown("a\u{1b}[2J\tb", 6..7),
            "wrong\n  at cleanai.toml:1:7\n    |\n  1 | a\u{fffd}[2J b\n    |       ^"
        );
    }

    #[test]
    fn shows_a_window_of_a_long_line() {
        let text = format!("{}here{}", "x".repeat(5000), "y".repeat(5000));
        let error = shown(&text, 5000..5004);
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines[1], "  at cleanai.toml:1:5001");
        assert_eq!(lines[3].chars().count(), "  1 | ".len() + SHOWN);
        let column = lines[4].find('^').unwrap();
        assert_eq!(&lines[3][column..column + 4], "here");
        assert_eq!(shown(&text, 0..9000).lines().last().unwrap().matches('^').count(), SHOWN);
    }
}
