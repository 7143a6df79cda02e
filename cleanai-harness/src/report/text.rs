//! Text that comes from outside (names, paths, messages) made fit to be shown: no control characters, never too wide.

use std::borrow::Cow;
use std::fmt::Display;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// One line without control characters: names come from files and must neither break a table nor steer a terminal.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hostile) {
        Cow::Owned(text.chars().map(|character| if is_hostile(character) { ' ' } else { character }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The lines of a longer text, each as [`line`] makes it; tabs become four spaces.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(|one| line(&one.replace('\t', "    ")).into_owned())
}

/// A whole document: what [`line`] takes out of lines is taken out, its line breaks stay.
pub(crate) fn document(text: &str) -> String {
    let cleaned = |character| if character != '\n' && is_hostile(character) { ' ' } else { character };
    text.chars().map(cleaned).collect()
}

/// Control characters, and the marks that turn the direction of writing or are no characters at all.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// Columns a text takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text, its middle replaced by `…` where it is wider than `limit` columns: the ends of layer names and paths tell most.
pub(crate) fn ellipsis(text: &str, limit: usize) -> Cow<'_, str> {
    if width(text) <= limit {
        return Cow::Borrowed(text);
    }
    let Some(room) = limit.checked_sub(1) else { return Cow::Borrowed("") };
    let head = take(text.chars(), room - room / 2);
    let tail: Vec<char> = take(text.chars().rev(), room - head.iter().map(|c| columns(*c)).sum::<usize>());
    Cow::Owned(head.into_iter().chain(std::iter::once('…')).chain(tail.into_iter().rev()).collect())
}

fn take(characters: impl Iterator<Item = char>, limit: usize) -> Vec<char> {
    let mut used = 0;
    characters
        .take_while(|character| {
            used += columns(*character);
            used <= limit
        })
        .collect()
}

fn columns(character: char) -> usize {
    character.width().unwrap_or(0)
}

/// Breaks a line at spaces so that no part is wider than `limit`; a word that is wider stays whole, so that it can be copied.
pub(crate) fn wrap(text: &str, limit: usize) -> Vec<String> {
    let indent: String = text.chars().take_while(|character| *character == ' ').collect();
    let mut parts = Vec::new();
    let mut part = indent.clone();
    for word in text.split_whitespace() {
        let empty = part.len() == indent.len();
        if !empty && width(&part) + 1 + width(word) > limit {
            parts.push(std::mem::replace(&mut part, indent.clone()));
        } else if !empty {
            part.push(' ');
        }
        part.push_str(word);
    }
    parts.push(part);
    parts
}

/// A whole number with commas between thousands: `61,706`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 input`, `2,000 inputs`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A duration: `35 ms`, `1.24 s`, `3 min 20 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        "-".to_string()
    } else if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 59.995 {
        format!("{seconds:.2} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

/// A shape: `1 x 28 x 28`.
pub(crate) fn shape(shape: &[usize]) -> String {
    if shape.is_empty() { "scalar".to_string() } else { join(shape, " x ") }
}

/// A criterion's detail in one line: `relu3 32, relu4 17`, shares as `59 / 60`, entries that are 0 left out.
pub(crate) fn detail(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => items.iter().map(detail).collect::<Vec<_>>().join(", "),
        serde_json::Value::Object(entries) => {
            let part = ["correct", "covered"].iter().find_map(|key| entries.get(*key));
            if let (Some(part), Some(total), 2) = (part, entries.get("total"), entries.len()) {
                return format!("{part} / {total}");
            }
            let shown = entries.iter().filter(|(_, value)| value.as_f64() != Some(0.0));
            let shown: Vec<String> = shown.map(|(name, value)| format!("{name} {}", detail(value))).collect();
            if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
        }
        other => other.to_string(),
    }
}

/// The items with `separator` between them.
pub(crate) fn join<T: Display>(items: &[T], separator: &str) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_read_not_parsed() {
        let layers = serde_json::json!({ "relu1": 0, "relu3": 32, "relu4": 17 });
        assert_eq!(detail(&layers), "relu3 32, relu4 17");
        assert_eq!(detail(&serde_json::json!({ "relu1": 0 })), "none");
        let classes = serde_json::json!({ "0": { "correct": 59, "total": 60 } });
        assert_eq!(detail(&classes), "0 59 / 60");
        assert_eq!(detail(&serde_json::json!([1, "b"])), "1, b");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(line("conv\u{1b}[31m1\n\u{202e}x"), "conv [31m1  x");
        assert_eq!(line("layer1.0.relu"), "layer1.0.relu");
        assert_eq!(document("<p>\u{202e}\0a\n\u{61c}b</p>"), "<p>  a\n b</p>");
        assert_eq!(lines("a\tb\r\nc\u{7}").collect::<Vec<_>>(), ["a    b", "c "]);
    }

    #[test]
    fn ellipsis_keeps_both_ends_and_the_limit() {
        assert_eq!(ellipsis("layer4.2.conv3", 14), "layer4.2.conv3");
        assert_eq!(ellipsis("encoder.layers.11.mlp.relu", 13), "encode…p.relu");
        assert_eq!(ellipsis("abc", 1), "…");
        assert_eq!(ellipsis("abc", 0), "");
        let wide = "層層層層層層層層";
        for limit in 0..=16 {
            assert!(width(&ellipsis(wide, limit)) <= limit, "{limit}");
        }
    }

    #[test]
    fn wrap_breaks_at_spaces_only() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("  see models/very/long/path.pt now", 10), ["  see", "  models/very/long/path.pt", "  now"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn numbers_and_durations() {
        assert_eq!([0, 999, 1000, 61_706, 13_948_928].map(grouped), ["0", "999", "1,000", "61,706", "13,948,928"]);
        assert_eq!(
            [0.0, 0.0354, 0.9999, 1.239, 200.4].map(seconds),
            ["0 ms", "35 ms", "1.00 s", "1.24 s", "3 min 20 s"]
        );
        assert_eq!(seconds(f64::NAN), "-");
        assert_eq!(counted(1, "input", "inputs"), "1 input");
        assert_eq!(shape(&[1, 28, 28]), "1 x 28 x 28");
    }
}
