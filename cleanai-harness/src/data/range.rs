//! The range suffix of a data location: `#0..500`, `#..500`, `#500..`.

use std::ops::Range;

use crate::{Error, ErrorKind, Result};

/// Which inputs of a file or folder are meant, by position from 0, the end excluded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct InputRange {
    start: usize,
    end: Option<usize>,
}

impl InputRange {
    /// Reads the text after `#`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let fault = |why: &str| {
            Error::new(ErrorKind::Configuration, format!("range `#{text}` {why}")).with_help(
                "write `#START..END`, `#..END` or `#START..`; inputs count from 0 and END is left out, as in `#0..500`",
            )
        };
        let (start, end) = text.split_once("..").ok_or_else(|| fault("has no `..`"))?;
        let number = |digits: &str| -> Result<Option<usize>> {
            if digits.is_empty() {
                return Ok(None);
            }
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(fault(&format!("has `{digits}` where a whole number belongs")));
            }
            digits.parse().map(Some).map_err(|_| fault(&format!("has a number too large: {digits}")))
        };
        let range = Self { start: number(start)?.unwrap_or(0), end: number(end)? };
        match range.end {
            Some(end) if end < range.start => Err(fault("ends before it starts")),
            Some(end) if end == range.start => Err(fault("is empty")),
            _ => Ok(range),
        }
    }

    /// The positions meant among `inputs` inputs; an error if there are not that many.
    pub(crate) fn of(self, inputs: usize) -> Result<Range<usize>> {
        let end = self.end.unwrap_or(inputs);
        if end > inputs || self.start >= end {
            let error = Error::new(
                ErrorKind::Data,
                format!("range `{self}` reaches past the end: there are {}", counted(inputs, "input")),
            );
            return Err(if self.start < inputs {
                error.with_help(format!("the last range that fits is `#{}..{inputs}`", self.start))
            } else {
                error.with_help(format!("start below {inputs}"))
            });
        }
        Ok(self.start..end)
    }
}

impl std::fmt::Display for InputRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.end {
            Some(end) => write!(f, "#{}..{end}", self.start),
            None => write!(f, "#{}..", self.start),
        }
    }
}

/// `1 input`, `2 inputs`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_selects_what_it_says() {
        for (text, inputs, expected) in
            [("0..500", 600, 0..500), ("..500", 500, 0..500), ("500..", 501, 500..501), ("..", 3, 0..3)]
        {
            assert_eq!(InputRange::parse(text).unwrap().of(inputs).unwrap(), expected, "{text}");
        }
        assert_eq!(InputRange::default().of(7).unwrap(), 0..7);
    }

    #[test]
    fn nonsense_is_named() {
        for (text, says) in [
            ("5", "has no `..`"),
            ("5..3", "ends before it starts"),
            ("5..5", "is empty"),
            ("0..=5", "`=5` where a whole number belongs"),
            ("-1..5", "`-1`"),
            ("0..99999999999999999999999", "too large"),
        ] {
            let error = InputRange::parse(text).unwrap_err();
            assert!(error.what().contains(says), "{text}: {error}");
            assert!(error.help().unwrap().contains("#START..END"));
        }
    }

    #[test]
    fn a_range_past_the_end_says_how_many_there_are() {
        let error = InputRange::parse("0..500").unwrap().of(100).unwrap_err();
        assert_eq!(error.what(), "range `#0..500` reaches past the end: there are 100 inputs");
        assert_eq!(error.help(), Some("the last range that fits is `#0..100`"));
        assert_eq!(InputRange::parse("100..").unwrap().of(100).unwrap_err().help(), Some("start below 100"));
    }
}
