//! What stands behind the comparison.

use super::super::bound::{Adjustment, Bound, Reference};
use super::super::nearest::nearest;
use super::super::spec::{Comparison, Value};
use super::{Parser, SyntaxError};

impl Parser<'_> {
    /// A number, or `baseline` or `against` with what is added to it or multiplied.
    pub(super) fn bound(&mut self, comparison: Comparison) -> Result<Bound, SyntaxError> {
        self.space();
        match self.peek() {
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '.') => self.finite("a bound").map(Bound::Number),
            Some('i' | 'n' | 'N')
                if self.rest().starts_with("inf") || self.rest().to_lowercase().starts_with("nan") =>
            {
                Err(SyntaxError::new("a bound must be finite", self.next_span()))
            }
            _ => {
                let error = self.expected(&format!("a number, `baseline` or `against` after `{comparison}`"));
                let start = self.at;
                let to = match self.word() {
                    Some("baseline") => Reference::Baseline,
                    Some("against") => Reference::Against,
                    word => {
                        self.at = start;
                        return Err(match word.and_then(|word| nearest(word, ["baseline", "against"])) {
                            Some(near) => error.with_help(format!("did you mean `{near}`?")),
                            None => error,
                        });
                    }
                };
                self.adjustment(to).map(|adjustment| Bound::Relative { to, adjustment })
            }
        }
    }

    fn adjustment(&mut self, to: Reference) -> Result<Adjustment, SyntaxError> {
        let before = self.at;
        self.space();
        let Some(operator @ ('+' | '-' | '*')) = self.peek() else {
            self.at = before;
            return Ok(Adjustment::None);
        };
        self.at += 1;
        self.space();
        let start = self.at;
        if !self.peek().is_some_and(|c| c.is_ascii_digit() || c == '.') {
            return Err(self.expected(&format!("a number after `{} {operator}`", to.as_str())).with_help(format!(
                "as in `{} {operator} {}`",
                to.as_str(),
                if operator == '*' { "0.98" } else { "0.01" }
            )));
        }
        let number = self.finite("a number")?;
        match operator {
            '*' if number == 0.0 => Err(SyntaxError::new(format!("`{} * 0` is no bound", to.as_str()), start..self.at)
                .with_help("write the number itself: `0`")),
            '*' => Ok(Adjustment::Times(number)),
            _ if number == 0.0 => Ok(Adjustment::None),
            '-' => Ok(Adjustment::Add(-number)),
            _ => Ok(Adjustment::Add(number)),
        }
    }

    /// A number that an f64 holds.
    fn finite(&mut self, what: &str) -> Result<f64, SyntaxError> {
        let start = self.at;
        let number = match self.number()? {
            Value::Number(number) => number,
            // Above 2^53 the nearest f64, as for any decimal number.
            Value::Integer(integer) => integer as f64,
            _ => return Err(self.expected("a number")),
        };
        if number.is_finite() {
            Ok(number)
        } else {
            Err(SyntaxError::new(format!("{what} must be finite"), start..self.at))
        }
    }
}
