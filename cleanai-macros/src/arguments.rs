//! The attribute's arguments: options `key = value` and requirements, in any order.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Error, Ident, LitStr, Path, Result, Token};

use crate::names::{Criterion, Kind};
use crate::nearest::{did_you_mean, nearest};
use crate::requirement::Requirement;
use crate::value::Value;

/// Inputs per forward pass that cleanai-harness accepts.
const MAX_BATCH: i64 = 65536;

/// The options' keys; `crate` is one too, but no one misspells it.
const KEYS: [&str; 8] = ["model", "against", "data", "layers", "neurons", "batch", "device", "non_finite"];

/// What the attribute says, and everything that is wrong with it.
#[derive(Default)]
pub struct Arguments {
    pub model: Option<String>,
    /// The model it is compared with.
    pub against: Option<String>,
    pub data: Option<String>,
    /// A selector's text.
    pub layers: Option<String>,
    /// `channel` or `unit`.
    pub neurons: Option<String>,
    pub batch: Option<usize>,
    pub device: Option<String>,
    /// `error` or `ignore`.
    pub non_finite: Option<String>,
    pub krate: Option<Path>,
    pub requirements: Vec<Requirement>,
    pub errors: Vec<Error>,
    /// Keys given so far.
    seen: Vec<String>,
}

/// Reads all arguments; what is wrong with one does not hide what is wrong with the next.
pub fn parse(tokens: TokenStream) -> Arguments {
    let mut arguments = Arguments::default();
    for argument in split(tokens) {
        if let Err(error) = (|input: ParseStream| arguments.argument(input)).parse2(argument) {
            arguments.errors.push(error);
        }
    }
    if !arguments.seen.iter().any(|key| key == "model") {
        let error = Error::new(
            Span::call_site(),
            "missing `model`: name a key of `[models]` or a file, as in `model = \"lenet5.pt\"`",
        );
        arguments.errors.push(error);
    }
    arguments
}

/// The arguments between the commas; the last may be empty.
fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut arguments = vec![TokenStream::new()];
    let mut commas = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => {
                commas.push(punct);
                arguments.push(TokenStream::new());
            }
            token => arguments.last_mut().expect("there is always one").extend([token]),
        }
    }
    // Two commas in a row leave a comma to complain about; a last comma is welcome.
    if arguments.last().is_some_and(TokenStream::is_empty) {
        arguments.pop();
    }
    for (argument, comma) in arguments.iter_mut().zip(commas) {
        if argument.is_empty() {
            argument.extend([TokenTree::Punct(comma)]);
        }
    }
    arguments
}

impl Arguments {
    fn argument(&mut self, input: ParseStream) -> Result<()> {
        let ahead = input.fork();
        let is_option = ahead.call(Ident::parse_any).is_ok_and(|key| {
            let bare_equals = ahead.peek(Token![=]) && !ahead.peek(Token![==]) && !ahead.peek(Token![=>]);
            // `nc = 0.4` is a slip in a requirement, not an unknown option.
            bare_equals && Criterion::find(&key.unraw().to_string()).is_none()
        });
        if is_option {
            return self.option(input);
        }
        let requirement = Requirement::parse(input, self.requirements.last())?;
        if let Some(first) = self.requirements.iter().find(|other| other.repeats(&requirement)) {
            let message = format!("`{}` is required twice; it is `{}` already", requirement.subject, first.text());
            return Err(Error::new(requirement.span, message));
        }
        self.requirements.push(requirement);
        Ok(())
    }

    fn option(&mut self, input: ParseStream) -> Result<()> {
        let key = input.call(Ident::parse_any)?;
        let equals: Token![=] = input.parse()?;
        let name = key.unraw().to_string();
        if name != "crate" && !KEYS.contains(&name.as_str()) {
            let help = match name.as_str() {
                "profile" | "test" | "transform" => "it belongs to `[data.NAME]` in cleanai.toml".to_owned(),
                name => did_you_mean(name, &KEYS),
            };
            return Err(Error::new(key.span(), format!("unknown option `{name}`; {help}")));
        }
        if self.seen.contains(&name) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice")));
        }
        self.seen.push(name.clone());
        if name == "crate" {
            self.krate = Some(input.call(Path::parse_mod_style)?);
            return end(input, &name);
        }
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new_spanned(equals, format!("expected a value after `{name} =`")));
        }
        match name.as_str() {
            "batch" => {
                let (value, span) = Value::parse(input, equals.span())?;
                match value {
                    Value::Integer(batch @ 1..=MAX_BATCH) => self.batch = usize::try_from(batch).ok(),
                    other => {
                        return Err(Error::new(
                            span,
                            format!("`batch` is an integer from 1 to {MAX_BATCH}, not `{other}`"),
                        ));
                    }
                }
            }
            "layers" => {
                let (value, span) = Value::parse(input, equals.span())?;
                value.check("layers", Kind::Layers, span)?;
                self.layers = Some(match value.trimmed() {
                    Value::Text(text) => text,
                    other => other.to_string(),
                });
            }
            "neurons" => self.neurons = Some(one_of(&["channel", "unit"], &name, string(input, &name)?)?),
            "non_finite" => self.non_finite = Some(one_of(&["error", "ignore"], &name, string(input, &name)?)?),
            "device" => self.device = Some(device(string(input, &name)?)?),
            "against" => self.against = Some(not_empty(&name, string(input, &name)?)?),
            "data" => self.data = Some(not_empty(&name, string(input, &name)?)?),
            _ => self.model = Some(not_empty(&name, string(input, &name)?)?),
        }
        end(input, &name)
    }
}

fn string(input: ParseStream, key: &str) -> Result<LitStr> {
    if input.peek(LitStr) {
        return input.parse();
    }
    let found: TokenTree = input.parse()?;
    let help = match &found {
        TokenTree::Ident(word) => format!("; quote it: \"{word}\""),
        _ => String::new(),
    };
    Err(Error::new(found.span(), format!("`{key}` is a string, not `{found}`{help}")))
}

fn end(input: ParseStream, key: &str) -> Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(input.error(format!("expected `,` after the value of `{key}`")))
}

fn not_empty(key: &str, text: LitStr) -> Result<String> {
    match text.value() {
        value if value.trim().is_empty() => Err(Error::new(text.span(), format!("`{key}` is empty"))),
        value => Ok(value),
    }
}

fn one_of(known: &[&str], key: &str, text: LitStr) -> Result<String> {
    let value = text.value();
    if known.contains(&value.as_str()) {
        return Ok(value);
    }
    Err(Error::new(text.span(), format!("unknown `{key}` `{value}`; {}", did_you_mean(&value, known))))
}

fn device(text: LitStr) -> Result<String> {
    let value = text.value();
    let index =
        value.strip_prefix("cuda:").map(|index| (!index.starts_with('+')).then(|| index.parse::<u8>().ok()).flatten());
    match (value.as_str(), index) {
        ("auto" | "cpu" | "cuda", _) | (_, Some(Some(0..=127))) => Ok(value),
        (_, Some(_)) => {
            Err(Error::new(text.span(), format!("`{value}` does not name a GPU; the index is a number from 0 to 127")))
        }
        (word, None) => {
            let help = match nearest(word, &["auto", "cpu", "cuda"]).filter(|_| !word.starts_with("gpu")) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write `auto`, `cpu`, `cuda` or `cuda:1`".to_owned(),
            };
            Err(Error::new(text.span(), format!("unknown device `{word}`; {help}")))
        }
    }
}
