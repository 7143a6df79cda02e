//! Where the number of a requirement stands in a file: its bytes, and nothing but them.

use std::ops::Range;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

use super::record::{Source, Threshold};

/// The bytes of the bound.
///
/// # Errors
/// Why it is not found: what stands there is no longer the requirement that was measured, or it is written so that it cannot be edited.
pub fn bound(text: &str, threshold: &Threshold) -> Result<Range<usize>, String> {
    let start = offset(text, threshold.line, threshold.column).ok_or_else(|| changed(threshold))?;
    match threshold.source {
        Source::Attribute => in_attribute(text, start, threshold),
        Source::Test | Source::Defaults => in_table(text, start, threshold),
    }
}

fn changed(threshold: &Threshold) -> String {
    format!("line {} no longer says `{}`", threshold.line, threshold.requirement)
}

/// The byte at which a column of a line begins.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let start = match line.checked_sub(1)? {
        0 => 0,
        before => text.match_indices('\n').nth(before - 1)?.0 + 1,
    };
    let rest = text[start..].split('\n').next()?;
    let characters = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    characters.into_iter().nth(column.checked_sub(1)?).map(|at| start + at)
}

/// A string of a `cleanai.toml` that begins at a byte.
fn in_table(text: &str, start: usize, threshold: &Threshold) -> Result<Range<usize>, String> {
    let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| text[start..].starts_with(quotes));
    let quotes = quotes.ok_or_else(|| changed(threshold))?;
    let inside = start + quotes.len();
    let rest = &text[inside..];
    if !rest.starts_with(&threshold.text) || !rest[threshold.text.len()..].starts_with(quotes) {
        // With an escape in it the text in the file is not the text that is meant.
        let string = rest.split(quotes).next().unwrap_or_default();
        let escaped = quotes.starts_with('"') && string.contains('\\');
        return Err(if escaped {
            format!("`{}` is written with escapes: change it by hand", threshold.requirement)
        } else {
            changed(threshold)
        });
    }
    let (from, to) = threshold.bound;
    let old = threshold.text.get(from..to).and_then(number);
    if old == Some(threshold.old) { Ok(inside + from..inside + to) } else { Err(changed(threshold)) }
}

/// A requirement of an attribute that begins at a byte: its tokens up to the comma.
fn in_attribute(text: &str, start: usize, threshold: &Threshold) -> Result<Range<usize>, String> {
    let tokens: TokenStream = text.parse().map_err(|why| format!("it cannot be read as Rust: {why}"))?;
    let inside = within(tokens, start).ok_or_else(|| changed(threshold))?;
    let own = inside.into_iter().skip_while(|token| token.span().byte_range().start != start);
    let own: Vec<TokenTree> = own.take_while(|token| !is_punct(token, ',')).collect();
    let found = read(&own, threshold).ok_or_else(|| changed(threshold))?;
    Ok(found)
}

/// The tokens of the innermost group among which one begins at a byte.
fn within(tokens: TokenStream, start: usize) -> Option<Vec<TokenTree>> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for token in &tokens {
        let range = token.span().byte_range();
        if range.start == start {
            return Some(tokens);
        }
        if let TokenTree::Group(group) = token
            && range.contains(&start)
        {
            return within(group.stream(), start);
        }
    }
    None
}

/// The bytes of the bound, if the tokens are the requirement.
fn read(tokens: &[TokenTree], threshold: &Threshold) -> Option<Range<usize>> {
    let TokenTree::Ident(first) = tokens.first()? else { return None };
    let first = first.to_string();
    let first = first.strip_prefix("r#").unwrap_or(&first);
    let operator = tokens.iter().position(|token| is_punct(token, '<') || is_punct(token, '>'))?;
    let mut text = String::new();
    let mut rest = &tokens[operator..];
    while let [TokenTree::Punct(punct), more @ ..] = rest {
        text.push(punct.as_char());
        rest = more;
        if punct.spacing() == Spacing::Alone {
            break;
        }
    }
    if !threshold.words.iter().any(|word| word == first) || text != threshold.operator {
        return None;
    }
    // A bound that a macro was given comes in a group of its own.
    let bound = match rest {
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::None => return bound_of_group(group, threshold),
        bound => bound,
    };
    bytes(bound, threshold.old)
}

fn bound_of_group(group: &proc_macro2::Group, threshold: &Threshold) -> Option<Range<usize>> {
    bytes(&group.stream().into_iter().collect::<Vec<_>>(), threshold.old)
}

/// The bytes of a number with an optional minus, if it is this one.
fn bytes(tokens: &[TokenTree], old: f64) -> Option<Range<usize>> {
    let (minus, literal) = match tokens {
        [TokenTree::Literal(literal)] => (None, literal),
        [TokenTree::Punct(minus), TokenTree::Literal(literal)] if minus.as_char() == '-' => (Some(minus), literal),
        _ => return None,
    };
    let written = format!("{}{literal}", if minus.is_some() { "-" } else { "" });
    let start = minus.map_or(literal.span().byte_range().start, |minus| minus.span().byte_range().start);
    (number(&written)? == old).then(|| start..literal.span().byte_range().end)
}

fn number(text: &str) -> Option<f64> {
    text.replace('_', "").parse().ok()
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(source: Source, line: usize, column: usize, words: &[&str], operator: &str, old: f64) -> Threshold {
        Threshold {
            requirement: "kmnc(k=100) >= 0.83".into(),
            source,
            file: "x".into(),
            line,
            column,
            text: String::new(),
            bound: (0, 0),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            operator: operator.into(),
            lower: operator.starts_with('>'),
            old,
            candidate: None,
            candidate_text: String::new(),
        }
    }

    const SOURCE: &str = "//! Größe.\nuse x::y;\n\n/// Text, with >= 0.83 in it.\n#[cleanai::coverage(\n    model = \"lenet5\", // a, b\n    \
                          kmnc(k = 100)@conv2 >= 0.8_3, /* ü */ nbc <= 1e-2, uncovered < 12,\n    acme::own(a = [1, 2]).auroc > -0.25\n)]\nfn lenet5() {}\n";

    #[test]
    fn finds_the_number_in_an_attribute() {
        for (line, column, words, operator, old, written) in [
            (7, 5, ["kmnc", "x"], ">=", 0.83, "0.8_3"),
            (7, 43, ["nbc", "x"], "<=", 0.01, "1e-2"),
            (7, 56, ["kmnc", "uncovered"], "<", 12.0, "12"),
            (8, 5, ["acme", "auroc"], ">", -0.25, "-0.25"),
        ] {
            let wanted = threshold(Source::Attribute, line, column, &words, operator, old);
            let found = bound(SOURCE, &wanted).unwrap_or_else(|why| panic!("{words:?}: {why}"));
            assert_eq!(&SOURCE[found], written);
        }
    }

    #[test]
    fn refuses_what_is_no_longer_there() {
        for (line, column, word, operator, old) in [
            (7, 5, "kmnc", ">=", 0.84),
            (7, 5, "kmnc", "<=", 0.83),
            (7, 5, "tknc", ">=", 0.83),
            (7, 6, "kmnc", ">=", 0.83),
            (7, 500, "kmnc", ">=", 0.83),
            (99, 1, "kmnc", ">=", 0.83),
            (0, 0, "kmnc", ">=", 0.83),
            (6, 5, "model", ">=", 0.83),
            (10, 1, "fn", ">=", 0.83),
        ] {
            let wanted = threshold(Source::Attribute, line, column, &[word], operator, old);
            let why = bound(SOURCE, &wanted).unwrap_err();
            assert!(why.contains("no longer says"), "{line}:{column} {word}: {why}");
        }
        let wanted = threshold(Source::Attribute, 1, 1, &["kmnc"], ">=", 0.83);
        assert!(bound("fn (", &wanted).unwrap_err().starts_with("it cannot be read as Rust"));
        assert!(bound("", &wanted).is_err());
    }

    #[test]
    fn finds_the_number_in_a_table() {
        let file = "# ä\n[tests.a]\nrequire = [\n    \"nc >= 0.40\",   # why\n    'tknp >= 1_0 ', \"\"\"nac>=0.5\"\"\", \"nbc\\u0020<= 0.2\",\n]\n";
        let wanted = |line, column, text: &str, bound, operator: &str, old| Threshold {
            text: text.to_owned(),
            bound,
            ..threshold(Source::Test, line, column, &[], operator, old)
        };
        let found = |wanted: &Threshold| bound(file, wanted).map(|found| &file[found]);
        assert_eq!(found(&wanted(4, 5, "nc >= 0.40", (6, 10), ">=", 0.4)), Ok("0.40"));
        assert_eq!(found(&wanted(5, 5, "tknp >= 1_0 ", (8, 11), ">=", 10.0)), Ok("1_0"));
        assert_eq!(found(&wanted(5, 21, "nac>=0.5", (5, 8), ">=", 0.5)), Ok("0.5"));
        assert!(found(&wanted(5, 37, "nbc <= 0.2", (7, 10), "<=", 0.2)).unwrap_err().contains("with escapes"));
        assert!(found(&wanted(4, 5, "nc >= 0.41", (6, 10), ">=", 0.41)).unwrap_err().contains("no longer says"));
        assert!(found(&wanted(4, 5, "nc >= 0.40", (6, 10), ">=", 0.41)).is_err());
        assert!(found(&wanted(4, 6, "nc >= 0.40", (6, 10), ">=", 0.4)).is_err());
        assert!(found(&wanted(4, 5, "nc >= 0.40", (6, 99), ">=", 0.4)).is_err());
    }
}
