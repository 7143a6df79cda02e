//! Parameter values in tokens, with the canonical text cleanai-harness reads.

use std::fmt;

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Error, Lit, Result, Token};

use crate::names::Kind;
use crate::nearest::did_you_mean;

/// A parameter's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Range(i64, i64),
    Text(String),
    List(Vec<Value>),
}

/// Canonical, as cleanai-harness writes it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value:?}"),
            Self::Range(from, to) => write!(f, "{from}..={to}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::to_string).collect();
                write!(f, "[{}]", items.join(","))
            }
        }
    }
}

impl Value {
    /// Reads a value; `span` is where one is missing if none follows.
    pub fn parse(input: ParseStream, span: Span) -> Result<(Self, Span)> {
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new(span, "expected a value"));
        }
        if input.peek(syn::token::Bracket) {
            let content;
            let bracket = syn::bracketed!(content in input);
            let mut items = Vec::new();
            while !content.is_empty() {
                items.push(Self::parse(&content, bracket.span.join())?.0);
                if !content.is_empty() {
                    content.parse::<Token![,]>()?;
                }
            }
            return Ok((Self::List(items), bracket.span.join()));
        }
        if input.peek(syn::LitStr) {
            let text: syn::LitStr = input.parse()?;
            return Ok((Self::Text(text.value()), text.span()));
        }
        if input.peek(syn::LitBool) {
            let value: syn::LitBool = input.parse()?;
            return Ok((Self::Bool(value.value), value.span()));
        }
        if input.peek(syn::Ident) {
            let word: syn::Ident = input.parse()?;
            return Err(Error::new(word.span(), format!("`{word}` is not a value; quote a string: \"{word}\"")));
        }
        let (first, first_span) = number(input)?;
        if !input.peek(Token![..]) {
            return Ok((first, first_span));
        }
        if !input.peek(Token![..=]) {
            let dots: Token![..] = input.parse()?;
            return Err(Error::new_spanned(dots, "a range names its last element: `2..=4` includes 4"));
        }
        let dots: Token![..=] = input.parse()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new_spanned(dots, "expected the end of the range"));
        }
        let (last, last_span) = number(input)?;
        match (first, last) {
            (Self::Integer(from), Self::Integer(to)) if from <= to => Ok((Self::Range(from, to), first_span)),
            (Self::Integer(from), Self::Integer(to)) => {
                Err(Error::new(first_span, format!("the range is empty; did you mean `{to}..={from}`?")))
            }
            (Self::Integer(_), _) => Err(Error::new(last_span, "a range goes from one integer to another")),
            _ => Err(Error::new(first_span, "a range goes from one integer to another")),
        }
    }

    /// Checks the value against what a parameter takes.
    pub fn check(&self, parameter: &str, kind: Kind, span: Span) -> Result<()> {
        let wanted = match (kind, self) {
            (Kind::Count, Self::Integer(1..)) => return Ok(()),
            (Kind::Count, _) => "an integer of at least 1",
            (Kind::Number, Self::Integer(_) | Self::Number(_)) => return Ok(()),
            (Kind::Number, _) => "a number",
            (Kind::Distance, Self::Integer(0..)) => return Ok(()),
            (Kind::Distance, Self::Number(number)) if *number >= 0.0 => return Ok(()),
            (Kind::Distance, _) => "a number of at least 0",
            (Kind::Layers, Self::Text(text)) if !text.trim().is_empty() => return Ok(()),
            (Kind::Layers, Self::Text(_)) => return Err(Error::new(span, "no layers are named")),
            (Kind::Layers, Self::List(items)) if items.is_empty() => {
                return Err(Error::new(span, "an empty list names no layers"));
            }
            (Kind::Layers, Self::List(items)) if items.iter().all(|item| matches!(item, Self::Text(_))) => {
                return Ok(());
            }
            (Kind::Layers, _) => "a string or a list of strings",
            (Kind::Neurons, Self::Text(text)) if text == "channel" || text == "unit" => return Ok(()),
            (Kind::Neurons, Self::Text(text)) => {
                return Err(Error::new(
                    span,
                    format!("unknown neurons `{text}`; {}", did_you_mean(text, &["channel", "unit"])),
                ));
            }
            (Kind::Neurons, _) => "\"channel\" or \"unit\"",
            (Kind::Data, Self::Text(text)) if !text.trim().is_empty() => return Ok(()),
            (Kind::Data, Self::Text(_)) => return Err(Error::new(span, "no inputs are named")),
            (Kind::Data, _) => "a path in quotes",
            (Kind::Word(words), Self::Text(text)) if words.contains(&text.as_str()) => return Ok(()),
            (Kind::Word(words), Self::Text(text)) => {
                return Err(Error::new(span, format!("unknown {parameter} `{text}`; {}", did_you_mean(text, words))));
            }
            (Kind::Word(_), _) => "a word in quotes",
            (Kind::Range, Self::Range(2.., _)) => return Ok(()),
            (Kind::Range, _) => "a range of integers from 2 on, `2..=4`",
        };
        Err(Error::new(span, format!("`{parameter}` is {wanted}, not `{self}`")))
    }

    /// The canonical form of a selector: texts without spaces around them.
    pub fn trimmed(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.trim().to_owned()),
            Self::List(items) => Self::List(items.into_iter().map(Self::trimmed).collect()),
            other => other,
        }
    }
}

/// A decimal number with an optional minus, finite.
pub fn number(input: ParseStream) -> Result<(Value, Span)> {
    let minus: Option<Token![-]> = input.parse()?;
    let literal: Lit = match input.fork().parse::<Lit>() {
        Ok(_) => input.parse()?,
        Err(_) if input.peek(Token![.]) => {
            return Err(input.error("expected a digit before the point: write `0.4`, not `.4`"));
        }
        Err(_) if input.is_empty() => {
            return Err(minus.map_or_else(
                || input.error("expected a number"),
                |minus| Error::new_spanned(minus, "expected a number after `-`"),
            ));
        }
        Err(_) => return Err(input.error("expected a number")),
    };
    let span = literal.span();
    let sign = if minus.is_some() { "-" } else { "" };
    let text = format!("{sign}{}", literal_text(&literal)).replace('_', "");
    match &literal {
        Lit::Int(integer)
            if integer.suffix().is_empty() && text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) =>
        {
            text.parse()
                .map(|integer| (Value::Integer(integer), span))
                .map_err(|_| Error::new(span, format!("`{text}` is out of range")))
        }
        Lit::Float(float) if float.suffix().is_empty() => match text.parse::<f64>() {
            _ if text.ends_with('.') => Err(Error::new(span, "expected a digit after the point")),
            Ok(number) if number.is_finite() => Ok((Value::Number(number), span)),
            _ => Err(Error::new(span, "a number must be finite")),
        },
        Lit::Int(_) | Lit::Float(_) => Err(Error::new(span, format!("`{text}` is not a plain decimal number"))),
        _ => Err(Error::new(span, format!("expected a number, found `{}`", literal_text(&literal)))),
    }
}

fn literal_text(literal: &Lit) -> String {
    quote::ToTokens::to_token_stream(literal).to_string()
}
