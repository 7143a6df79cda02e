//! The three built-in fonts: what they can write and how wide it is.

use std::collections::HashMap;

use printpdf::BuiltinFont;

use crate::{Error, ErrorKind, Result};

/// A typeface of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// Text.
    Regular,
    /// Titles and verdicts.
    Bold,
    /// Hashes and source.
    Mono,
}

impl Face {
    const ALL: [Self; 3] = [Self::Regular, Self::Bold, Self::Mono];

    /// The font as PDF names it.
    pub(super) fn builtin(self) -> BuiltinFont {
        match self {
            Self::Regular => BuiltinFont::Helvetica,
            Self::Bold => BuiltinFont::HelveticaBold,
            Self::Mono => BuiltinFont::Courier,
        }
    }
}

/// Widths of every character the fonts have, in ems.
pub(super) struct Fonts {
    widths: [HashMap<char, f32>; 3],
}

impl Fonts {
    /// Reads the widths out of the fonts' own tables.
    pub(super) fn new() -> Result<Self> {
        let mut widths = Face::ALL.map(|_| HashMap::new());
        for (face, widths) in Face::ALL.into_iter().zip(&mut widths) {
            let font = face.builtin();
            let parsed = font.get_parsed_font().ok_or_else(|| {
                Error::new(ErrorKind::Io, format!("the built-in PDF font {font:?} cannot be read"))
                    .with_help("turn the PDF report off and report this as a bug of CleanAI")
            })?;
            let em = f32::from(parsed.pdf_font_metrics.units_per_em);
            for character in (' '..='~').chain('\u{a0}'..='ÿ').chain(TYPOGRAPHIC) {
                let glyph = parsed.lookup_glyph_index(character.into());
                let width = glyph.and_then(|glyph| parsed.get_glyph_width(glyph)).filter(|width| *width > 0);
                // A character without a glyph is as wide as the widest letters, so that nothing overlaps.
                widths.insert(character, width.map_or(1.0, |width| f32::from(width) / em));
            }
            // The tables leave out the space, which draws nothing; its width is that of Adobe's metrics.
            widths.insert(' ', if face == Face::Mono { 0.6 } else { 0.278 });
        }
        Ok(Self { widths })
    }

    /// Width in points of a text that went through [`encode`].
    pub(super) fn width(&self, face: Face, size: f32, text: &str) -> f32 {
        let widths = &self.widths[face as usize];
        text.chars().map(|character| widths.get(&character).copied().unwrap_or(1.0)).sum::<f32>() * size
    }

    /// The text, its middle replaced by `…` where it is wider than `limit` points.
    pub(super) fn ellipsis(&self, face: Face, size: f32, text: &str, limit: f32) -> String {
        if self.width(face, size, text) <= limit {
            return text.to_string();
        }
        let one = |character: char| self.width(face, size, character.encode_utf8(&mut [0; 4]));
        let room = limit - one('…');
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        let (mut left, mut right) = (0.0, 0.0);
        let characters: Vec<char> = text.chars().collect();
        let mut ends = characters.iter();
        loop {
            // The side with less on it takes the next character.
            let from_head = left <= right;
            let next = if from_head { ends.next() } else { ends.next_back() };
            let Some(next) = next.copied().filter(|next| left + right + one(*next) <= room) else { break };
            if from_head {
                left += one(next);
                head.push(next);
            } else {
                right += one(next);
                tail.push(next);
            }
        }
        if room < 0.0 {
            return String::new();
        }
        head.into_iter().chain(['…']).chain(tail.into_iter().rev()).collect()
    }

    /// Lines no wider than `limit` points, broken at spaces, and within a word only where it is too wide by itself.
    pub(super) fn wrap(&self, face: Face, size: f32, text: &str, limit: f32) -> Vec<String> {
        let indent: String = text.chars().take_while(|character| *character == ' ').collect();
        let mut lines = Vec::new();
        let mut line = indent.clone();
        for word in text.split_whitespace() {
            let mut word = word;
            let spaced = if line.len() == indent.len() { line.clone() } else { format!("{line} ") };
            if self.width(face, size, &format!("{spaced}{word}")) <= limit {
                line = spaced + word;
                continue;
            }
            if line.len() > indent.len() {
                lines.push(std::mem::replace(&mut line, indent.clone()));
            }
            while self.width(face, size, &format!("{line}{word}")) > limit {
                let fits = word.char_indices().map(|(at, character)| at + character.len_utf8());
                let fits =
                    fits.take_while(|end| self.width(face, size, &format!("{line}{}", &word[..*end])) <= limit).last();
                // At least one character, or it would never end.
                let end = fits.or_else(|| word.chars().next().map(char::len_utf8)).unwrap_or(0);
                lines.push(format!("{line}{}", &word[..end]));
                word = &word[end..];
                if word.is_empty() {
                    break;
                }
            }
            line.push_str(word);
        }
        if line.len() > indent.len() || lines.is_empty() {
            lines.push(line);
        }
        lines
    }
}

/// Characters of WinAnsi outside Latin-1 that we keep.
const TYPOGRAPHIC: [char; 12] = ['…', '–', '—', '‘', '’', '“', '”', '•', '€', '™', '†', '‰'];

/// The text in characters the fonts have, and whether anything had to be written as `\u{...}`.
///
/// The built-in fonts know WinAnsi only, and anything else would silently become `?`, so that two layers could look the
/// same. Common signs get their ASCII spelling (`>=`), control characters become spaces.
pub(super) fn encode(text: &str) -> (String, bool) {
    let mut encoded = String::with_capacity(text.len());
    let mut replaced = false;
    for character in text.chars() {
        match character {
            ' '..='~' => encoded.push(character),
            '\u{ad}' => encoded.push('-'),
            '\u{a0}' => encoded.push(' '),
            '\u{a1}'..='ÿ' => encoded.push(character),
            _ if TYPOGRAPHIC.contains(&character) => encoded.push(character),
            '≥' => encoded.push_str(">="),
            '≤' => encoded.push_str("<="),
            '≠' => encoded.push_str("!="),
            '→' => encoded.push_str("->"),
            '−' | '‐' | '‑' => encoded.push('-'),
            _ if character.is_control() => encoded.push(' '),
            _ => {
                replaced = true;
                encoded.extend(character.escape_unicode());
            }
        }
    }
    (encoded, replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_standard_fonts() {
        let fonts = Fonts::new().unwrap();
        let close = |face, text: &str, thousandths: f32| {
            let width = fonts.width(face, 1000.0, text);
            assert!((width - thousandths).abs() < 1.0, "{text}: {width}, not {thousandths}");
        };
        // Adobe's metrics of Helvetica, Helvetica-Bold and Courier.
        close(Face::Regular, "A", 667.0);
        close(Face::Regular, " ", 278.0);
        close(Face::Regular, "i", 222.0);
        close(Face::Regular, "W…é", 944.0 + 1000.0 + 556.0);
        close(Face::Bold, "A ", 722.0 + 278.0);
        close(Face::Mono, "i W", 1800.0);
    }

    #[test]
    fn what_the_fonts_lack_is_spelt_out() {
        assert_eq!(encode("kmnc ≥ 0.5 é…"), ("kmnc >= 0.5 é…".into(), false));
        assert_eq!(encode("層1\t\u{1b}"), ("\\u{5c64}1  ".into(), true));
        assert_ne!(encode("層").0, encode("層層").0);
    }

    #[test]
    fn ellipsis_fits_and_keeps_both_ends() {
        let fonts = Fonts::new().unwrap();
        let name = "encoder.layers.11.self_attention.output_projection";
        for limit in 0..300 {
            let cut = fonts.ellipsis(Face::Regular, 8.0, name, limit as f32);
            assert!(fonts.width(Face::Regular, 8.0, &cut) <= limit as f32, "{limit}: {cut}");
            if limit > 60 {
                assert!(cut.starts_with("encod") && cut.ends_with("ection"), "{cut}");
            }
        }
    }

    #[test]
    fn wrapped_lines_fit_and_lose_nothing() {
        let fonts = Fonts::new().unwrap();
        let text = format!("a test with words and {} and more", "x".repeat(200));
        for limit in [1.0, 20.0, 55.5, 300.0, 5000.0] {
            let lines = fonts.wrap(Face::Regular, 9.0, &text, limit);
            assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
            if limit > 10.0 {
                assert!(lines.iter().all(|line| fonts.width(Face::Regular, 9.0, line) <= limit), "{lines:?}");
            }
        }
        assert_eq!(fonts.wrap(Face::Regular, 9.0, "", 50.0), [""]);
    }
}
