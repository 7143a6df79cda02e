//! One requirement in tokens: `criterion[(params)][@layers][.figure] op bound`.

mod bound;
mod figure;

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Punct, Spacing, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Error, Ident, LitStr, Result, Token};

use crate::names::{CRITERIA, Criterion, Kind};
use crate::nearest::{did_you_mean, nearest};
use crate::value::Value;
use bound::{Bound, impossible};
use figure::{Figure, not_of_a_figure};

/// A requirement, ready to be registered.
pub struct Requirement {
    /// What is bounded: the criterion in canonical text, with its figure.
    pub subject: String,
    /// `>=`, `>`, `<=` or `<`.
    pub operator: &'static str,
    /// The criterion's name, or the figure's that stands for itself: for errors, and where it stands.
    pub span: Span,
    bound: Bound,
    /// The criterion in canonical text, for a figure behind it.
    criterion: String,
    builtin: Option<&'static Criterion>,
}

impl Requirement {
    /// The text cleanai-harness reads.
    pub fn text(&self) -> String {
        format!("{} {} {}", self.subject, self.operator, self.bound.text)
    }

    /// Whether both bound the same figure from the same side against the same kind of bound.
    pub fn repeats(&self, other: &Self) -> bool {
        self.subject == other.subject
            && self.operator.as_bytes()[0] == other.operator.as_bytes()[0]
            && self.bound.reference == other.bound.reference
    }

    /// Reads a requirement up to the comma or end after it; a figure without a criterion is one of that of `before`.
    pub fn parse(input: ParseStream, before: Option<&Self>) -> Result<Self> {
        let Subject { criterion, builtin, figure, span, last } = match figure::lone(input)? {
            Some((figure, span)) => {
                let Some(before) = before else {
                    let what = format!(
                        "`{figure}` is a figure, and no criterion stands before it; name the criterion, as in `nc.{figure}`"
                    );
                    return Err(Error::new(span, what));
                };
                let (criterion, builtin) = (before.criterion.clone(), before.builtin);
                Subject { criterion, builtin, span, last: figure.span, figure: Some(figure) }
            }
            None => Subject::parse(input)?,
        };
        let (operator, operator_span) = operator(input, last)?;
        let bound = bound::parse(input, operator, operator_span)?;
        if let Some(why) = impossible(builtin, figure.as_ref(), operator, &bound) {
            return Err(Error::new(bound.span, why));
        }
        let subject = match &figure {
            Some(figure) => format!("{criterion}.{figure}"),
            None => criterion.clone(),
        };
        Ok(Self { subject, operator, span, bound, criterion, builtin })
    }
}

/// What is bounded.
struct Subject {
    /// In canonical text.
    criterion: String,
    builtin: Option<&'static Criterion>,
    figure: Option<Figure>,
    /// The criterion's name.
    span: Span,
    /// Where something is missing if the tokens end early.
    last: Span,
}

impl Subject {
    /// `criterion[(params)][@layers][.figure]`
    fn parse(input: ParseStream) -> Result<Self> {
        let (name, span, mut last) = name(input)?;
        let builtin = builtin(&name, span)?;
        let mut parameters = BTreeMap::new();
        let mut figure: Option<Figure> = None;
        if input.peek(syn::token::Paren) {
            last = parse_parameters(input, &name, builtin, &mut parameters)?;
        }
        loop {
            if input.peek(Token![@]) {
                let at: Token![@] = input.parse()?;
                if let Some(criterion) = builtin.filter(|criterion| !criterion.observes_layers()) {
                    return Err(Error::new_spanned(at, format!("`{}` looks at no layers", criterion.name)));
                }
                let (value, layers) = parse_layers(input, at)?;
                if parameters.insert("layers".to_owned(), value).is_some() {
                    return Err(Error::new(layers, "the layers are given twice: `@conv2` is `layers = \"conv2\"`"));
                }
                last = layers;
            } else if input.peek(Token![.]) {
                let dot: Token![.] = input.parse()?;
                let read = Figure::parse(input, dot)?;
                last = read.span;
                if figure.is_some() {
                    return Err(Error::new(read.span, "a second figure: a requirement bounds one"));
                }
                figure = Some(read);
            } else {
                break;
            }
        }
        let mut criterion = name;
        if !parameters.is_empty() {
            let texts: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            criterion = format!("{criterion}({})", texts.join(","));
        }
        Ok(Self { criterion, builtin, figure, span, last })
    }
}

/// `kmnc` or `acme::spread`: the name, its span for errors, the span of its last part.
fn name(input: ParseStream) -> Result<(String, Span, Span)> {
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let said = text.value();
        return Err(Error::new(text.span(), format!("a requirement is written without quotes: {said}")));
    }
    if !input.peek(Ident::peek_any) {
        return Err(input.error("expected `name = value` or a requirement such as `nc >= 0.4`"));
    }
    let first = input.call(Ident::parse_any)?;
    let (span, mut last) = (first.span(), first.span());
    let mut name = first.unraw().to_string();
    while input.peek(Token![:]) {
        if !input.peek(Token![::]) {
            let colon: Token![:] = input.parse()?;
            return Err(Error::new_spanned(colon, "a namespace ends in two colons, as in `cleanai::nc`"));
        }
        let colons: Token![::] = input.parse()?;
        if !input.peek(Ident::peek_any) {
            return Err(Error::new_spanned(colons, format!("expected a name after `{name}::`")));
        }
        let word = input.call(Ident::parse_any)?;
        last = word.span();
        name = format!("{name}::{}", word.unraw());
    }
    Ok((name, span, last))
}

/// The criterion of this name; `None` with a namespace, which is looked up when the test is planned.
fn builtin(name: &str, span: Span) -> Result<Option<&'static Criterion>> {
    if name.contains("::") {
        return Ok(None);
    }
    let unknown = || {
        let names: Vec<_> = CRITERIA.iter().map(|criterion| criterion.name).collect();
        let namespace = "a criterion of your own needs a namespace: `acme::name`";
        let help = match nearest(name, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("{}; {namespace}", did_you_mean(name, &names)),
        };
        Error::new(span, format!("unknown criterion `{name}`; {help}"))
    };
    Criterion::find(name).map(Some).ok_or_else(unknown)
}

/// `(k = 100, layers = "conv2")`; gives the span of the closing parenthesis.
fn parse_parameters(
    input: ParseStream,
    criterion: &str,
    builtin: Option<&Criterion>,
    parameters: &mut BTreeMap<String, Value>,
) -> Result<Span> {
    let content;
    let parentheses = syn::parenthesized!(content in input);
    while !content.is_empty() {
        if !content.peek(Ident::peek_any) {
            return Err(content.error("expected a parameter, `name = value`"));
        }
        let key = content.call(Ident::parse_any)?;
        let name = key.unraw().to_string();
        let kind = match builtin {
            None => matches!(name.as_str(), "layers" | "layer").then_some(Kind::Layers),
            Some(builtin) => match builtin.parameters().find(|(known, _)| *known == name) {
                Some((_, kind)) => Some(kind),
                None => {
                    let known: Vec<_> =
                        builtin.parameters().map(|(name, _)| name).filter(|name| *name != "layer").collect();
                    let help = if known.is_empty() { "it has none".to_owned() } else { did_you_mean(&name, &known) };
                    return Err(Error::new(key.span(), format!("unknown parameter `{name}` of `{criterion}`; {help}")));
                }
            },
        };
        if !content.peek(Token![=]) || content.peek(Token![==]) {
            return Err(Error::new(
                key.span(),
                format!("expected `=` after `{name}`: a parameter is written `name = value`"),
            ));
        }
        let equals: Token![=] = content.parse()?;
        let (mut value, span) = Value::parse(&content, equals.span())?;
        if let Some(kind) = kind {
            value.check(&name, kind, span)?;
        }
        let canonical = if name == "layer" { "layers" } else { &name };
        if canonical == "layers" {
            value = value.trimmed();
        }
        if parameters.insert(canonical.to_owned(), value).is_some() {
            return Err(Error::new(key.span(), format!("parameter `{name}` is given twice")));
        }
        if !content.is_empty() {
            if !content.peek(Token![,]) {
                return Err(content.error("expected `,` or `)`"));
            }
            content.parse::<Token![,]>()?;
        }
    }
    Ok(parentheses.span.close())
}

/// What follows `@`: a string, a list of strings, or tokens up to the operator.
fn parse_layers(input: ParseStream, at: Token![@]) -> Result<(Value, Span)> {
    let list = match input.cursor().group(Delimiter::Bracket) {
        Some((inside, _, _)) => {
            inside.literal().is_some_and(|(literal, _)| literal.to_string().starts_with('"')) || inside.eof()
        }
        None => false,
    };
    if input.peek(LitStr) || list {
        let (value, span) = Value::parse(input, at.span())?;
        value.check("layers", Kind::Layers, span)?;
        return Ok((value.trimmed(), span));
    }
    let mut tokens = Vec::new();
    while !(input.is_empty() || input.peek(Token![,]) || starts_comparison(input)) {
        tokens.push(input.parse::<TokenTree>()?);
    }
    let Some(last) = tokens.last() else {
        return Err(Error::new_spanned(at, "expected layers after `@`"));
    };
    let span = last.span();
    let text = bare_text(tokens)?;
    not_of_a_figure(&text, span)?;
    Ok((Value::Text(text), span))
}

fn starts_comparison(input: ParseStream) -> bool {
    input.cursor().punct().is_some_and(|(punct, _)| matches!(punct.as_char(), '<' | '>' | '='))
}

/// The text of tokens written without spaces; the compiler keeps no spaces, so two words in a row tell of one.
fn bare_text(tokens: impl IntoIterator<Item = TokenTree>) -> Result<String> {
    let mut text = String::new();
    for token in tokens {
        let piece = match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::None => ("", ""),
                };
                format!("{open}{}{close}", bare_text(group.stream())?)
            }
            other => other.to_string(),
        };
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if text.ends_with(is_word) && piece.starts_with(is_word) {
            return Err(Error::new(token.span(), "a space within the layers; quote them: `@\"a b\"`"));
        }
        if piece.contains('"') {
            return Err(Error::new(token.span(), "a string within the layers; quote all of them"));
        }
        text.push_str(&piece);
    }
    Ok(text)
}

fn operator(input: ParseStream, previous: Span) -> Result<(&'static str, Span)> {
    let mut text = String::new();
    let mut tokens = TokenStream::new();
    while let Some((punct, _)) = input.cursor().punct()
        && matches!(punct.as_char(), '<' | '>' | '=' | '!')
    {
        let punct: Punct = input.parse()?;
        text.push(punct.as_char());
        let joint = punct.spacing() == Spacing::Joint;
        tokens.extend([TokenTree::Punct(punct)]);
        if !joint {
            break;
        }
    }
    let span = tokens.span();
    let help = match text.as_str() {
        ">=" => return Ok((">=", span)),
        ">" => return Ok((">", span)),
        "<=" => return Ok(("<=", span)),
        "<" => return Ok(("<", span)),
        "" if input.is_empty() || input.peek(Token![,]) => {
            return Err(Error::new(previous, "expected a bound after this, as in `nc >= 0.4`"));
        }
        "" => return Err(input.error("expected one of `>=`, `>`, `<=`, `<`")),
        "=>" => "write `>=`",
        "=<" => "write `<=`",
        "=" | "==" => "a figure is bounded: `>=` for at least, `<=` for at most",
        _ => "use one of `>=`, `>`, `<=`, `<`",
    };
    Err(Error::new_spanned(tokens, format!("`{text}` is no comparison; {help}")))
}
