//! What stands behind the comparison.

use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Ident, LitStr, Result, Token};

use super::figure::Figure;
use crate::names::Criterion;
use crate::nearest::nearest;
use crate::value::{Value, number};

/// A bound.
pub struct Bound {
    /// As cleanai-harness reads it.
    pub text: String,
    /// `baseline` or `against`, where it is relative to one.
    pub reference: Option<&'static str>,
    /// The number, or the word.
    pub span: Span,
    number: Option<f64>,
}

/// Reads a number, or `baseline` or `against` with what is added to it or multiplied.
pub fn parse(input: ParseStream, operator: &str, operator_span: Span) -> Result<Bound> {
    let wanted = format!("expected a number, `baseline` or `against` after `{operator}`");
    if input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new(operator_span, wanted));
    }
    let bound = if input.peek(Ident::peek_any) {
        relative(input, &wanted)?
    } else if input.peek(LitStr) {
        let found: TokenTree = input.parse()?;
        return Err(Error::new(found.span(), format!("{wanted}, found `{found}`")));
    } else {
        let (value, span) = number(input)?;
        Bound { text: value.to_string(), reference: None, span, number: Some(as_number(&value)) }
    };
    if input.peek(Token![%]) {
        return Err(input.error("a share is a number from 0 to 1: 40 % is `0.4`"));
    }
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(input.error("expected `,` after the bound"));
    }
    Ok(bound)
}

fn relative(input: ParseStream, wanted: &str) -> Result<Bound> {
    let word = input.call(Ident::parse_any)?;
    let said = word.unraw().to_string();
    let Some(reference) = ["baseline", "against"].into_iter().find(|known| *known == said) else {
        let help = nearest(&said, &["baseline", "against"]).map(|near| format!("; did you mean `{near}`?"));
        return Err(Error::new(word.span(), format!("{wanted}, found `{word}`{}", help.unwrap_or_default())));
    };
    let mut bound = Bound { text: said, reference: Some(reference), span: word.span(), number: None };
    let operator = match () {
        () if input.peek(Token![+]) => '+',
        () if input.peek(Token![-]) => '-',
        () if input.peek(Token![*]) => '*',
        () => return Ok(bound),
    };
    let sign: TokenTree = input.parse()?;
    let example = if operator == '*' { "0.98" } else { "0.01" };
    if input.is_empty() || input.peek(Token![,]) || input.peek(Token![-]) || input.peek(Ident::peek_any) {
        let what =
            format!("expected a number after `{reference} {operator}`, as in `{reference} {operator} {example}`");
        return Err(Error::new(sign.span(), what));
    }
    let (value, span) = number(input)?;
    match (operator, as_number(&value) == 0.0) {
        ('*', true) => Err(Error::new(span, format!("`{reference} * 0` is no bound; write the number itself: `0`"))),
        (_, true) => Ok(bound),
        (_, false) => {
            bound.text = format!("{reference} {operator} {value}");
            Ok(bound)
        }
    }
}

fn as_number(value: &Value) -> f64 {
    match value {
        Value::Integer(integer) => *integer as f64,
        Value::Number(number) => *number,
        _ => f64::NAN,
    }
}

/// Why no share can meet the bound, if it is one of a share.
pub fn impossible(
    criterion: Option<&Criterion>,
    figure: Option<&Figure>,
    operator: &str,
    bound: &Bound,
) -> Option<String> {
    let share = criterion.is_some_and(|criterion| criterion.is_share) && figure.is_none_or(Figure::is_value);
    let number = bound.number.filter(|_| share)?;
    match operator {
        ">=" | ">" if number > 1.0 => Some(match number {
            // Nobody means more than all; somebody may mean per cent.
            2.0..=100.0 => {
                let share = (number * 1e10).round() / 1e12;
                format!("a share is never above 1: {number} % is `{share}`")
            }
            _ => "a share is never above 1: the most that can be asked for is `>= 1`".to_owned(),
        }),
        ">" if number == 1.0 => Some("a share is never above 1: write `>= 1`".to_owned()),
        "<=" | "<" if number < 0.0 => {
            Some("a share is never below 0: the least that can be asked for is `<= 0`".to_owned())
        }
        "<" if number == 0.0 => Some("a share is never below 0: write `<= 0`".to_owned()),
        _ => None,
    }
}
