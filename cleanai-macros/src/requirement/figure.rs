//! What stands behind the point, or alone behind another requirement.

use std::fmt;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Ident, Result, Token};

use crate::nearest::did_you_mean;

/// Figures that every criterion may have, whatever else it reports.
const OF_ALL: [&str; 4] = ["covered", "uncovered", "per_class", "per_layer"];

/// What may be made of the values of classes and layers.
const AGGREGATES: [&str; 3] = ["min", "max", "mean"];

/// A figure.
pub struct Figure {
    name: String,
    aggregate: Option<String>,
    /// Its last token.
    pub span: Span,
}

/// Canonical, as cleanai-harness writes it.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.aggregate {
            Some(aggregate) => write!(f, "{}({aggregate})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Figure {
    /// Whether it is made of the criterion's values, so that it lies where they do.
    pub fn is_value(&self) -> bool {
        self.aggregate.is_some()
    }

    /// Reads what is behind a point.
    pub fn parse(input: ParseStream, dot: Token![.]) -> Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(Error::new_spanned(dot, "expected the name of a figure after `.`"));
        }
        let word = input.call(Ident::parse_any)?;
        let name = word.unraw().to_string();
        if !matches!(name.as_str(), "per_class" | "per_layer") {
            return Ok(Self { name, aggregate: None, span: word.span() });
        }
        let help = format!("write `{name}(min)`, `{name}(max)` or `{name}(mean)`");
        if !input.peek(syn::token::Paren) {
            let what = format!("`{name}` does not say what of its values is bounded; {help}");
            return Err(Error::new(word.span(), what));
        }
        let content;
        let parentheses = syn::parenthesized!(content in input);
        let span = parentheses.span.close();
        if content.is_empty() {
            return Err(Error::new(parentheses.span.join(), help));
        }
        if !content.peek(Ident::peek_any) {
            return Err(content.error(help));
        }
        let inside = content.call(Ident::parse_any)?;
        let aggregate = inside.unraw().to_string();
        if !AGGREGATES.contains(&aggregate.as_str()) {
            let what = format!("`{aggregate}` of values is not known; {}", did_you_mean(&aggregate, &AGGREGATES));
            return Err(Error::new(inside.span(), what));
        }
        if !content.is_empty() {
            return Err(content.error("expected `)`"));
        }
        Ok(Self { name, aggregate: Some(aggregate), span })
    }
}

/// A figure that every criterion may have, at the start, with the span of its name.
pub fn lone(input: ParseStream) -> Result<Option<(Figure, Span)>> {
    let ahead = input.fork();
    let Ok(word) = ahead.call(Ident::parse_any) else { return Ok(None) };
    if !OF_ALL.contains(&word.to_string().as_str()) || ahead.peek(Token![:]) {
        return Ok(None);
    }
    let dot = Token![.](word.span());
    Figure::parse(input, dot).map(|figure| Some((figure, word.span())))
}

/// A bare selector takes dots and parentheses for its own; what looks like a figure is told rather than looked for among layers.
pub fn not_of_a_figure(selector: &str, span: Span) -> Result<()> {
    let Some((layers, figure)) = selector.rsplit_once('.') else { return Ok(()) };
    let word = figure.split('(').next().unwrap_or(figure);
    let is_figure = OF_ALL.contains(&word) && (word != figure || !word.starts_with("per"));
    if !is_figure || layers.is_empty() {
        return Ok(());
    }
    let help = format!("quote the layers, `@{layers:?}.{figure}`; a layer of this name is `@{selector:?}`");
    Err(Error::new(span, format!("`.{figure}` stands within the layers; {help}")))
}
