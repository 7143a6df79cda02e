//! The three fonts, which every report has embedded: what they can write and how wide it is.

use std::collections::HashMap;

use printpdf::{FontId, ParsedFont, PdfFont};

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

    /// Name and bytes of the font. The letters before the plus say that it is a subset, as PDF wants it.
    fn font(self) -> (&'static str, &'static [u8]) {
        match self {
            Self::Regular => ("CLEANR+Arimo-Regular", include_bytes!("fonts/Arimo-Regular.ttf")),
            Self::Bold => ("CLEANB+Arimo-Bold", include_bytes!("fonts/Arimo-Bold.ttf")),
            Self::Mono => ("CLEANM+Cousine-Regular", include_bytes!("fonts/Cousine-Regular.ttf")),
        }
    }

    /// What the document knows the font by. An id of our own: those of the library differ from call to call.
    pub(super) fn id(self) -> FontId {
        FontId(["Regular", "Bold", "Mono"][self as usize].to_string())
    }
}

/// The fonts, and the widths of the characters that all of them have, in ems.
pub(super) struct Fonts {
    parsed: [(Face, ParsedFont); 3],
    widths: [HashMap<char, f32>; 3],
}

impl Fonts {
    /// Reads the widths out of the fonts' own tables.
    pub(super) fn new() -> Result<Self> {
        let [regular, bold, mono] = Face::ALL.map(parse);
        let parsed = [(Face::Regular, regular?), (Face::Bold, bold?), (Face::Mono, mono?)];
        let has = |code: &u32| parsed.iter().all(|(_, font)| font.codepoint_to_glyph.contains_key(code));
        let common: Vec<u32> = parsed[0].1.codepoint_to_glyph.keys().copied().filter(has).collect();
        let widths = [0, 1, 2].map(|face: usize| {
            let font = &parsed[face].1;
            let em = f32::from(font.units_per_em);
            let width = |code: u32| {
                let glyph = font.lookup_glyph_index(code)?;
                Some((char::from_u32(code)?, f32::from(font.get_glyph_width(glyph)?) / em))
            };
            common.iter().filter_map(|code| width(*code)).collect()
        });
        Ok(Self { parsed, widths })
    }

    /// The fonts as a document holds them.
    pub(super) fn embedded(self) -> impl Iterator<Item = (FontId, PdfFont)> {
        self.parsed.into_iter().map(|(face, font)| (face.id(), PdfFont::new(font)))
    }

    /// The text in characters that the fonts have, and whether anything had to be written as `\u{...}`.
    ///
    /// Anything else would show as an empty box, so that two layers could look the same. Control characters become spaces.
    pub(super) fn encode(&self, text: &str) -> (String, bool) {
        let mut encoded = String::with_capacity(text.len());
        let mut replaced = false;
        for character in text.chars() {
            match character {
                '\u{ad}' | '\u{2010}' | '\u{2011}' => encoded.push('-'),
                '\u{a0}' => encoded.push(' '),
                _ if character.is_control() => encoded.push(' '),
                _ if self.widths[0].contains_key(&character) => encoded.push(character),
                _ => {
                    replaced = true;
                    encoded.extend(character.escape_unicode());
                }
            }
        }
        (encoded, replaced)
    }

    /// Width in points of a text that went through [`Fonts::encode`].
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

fn parse(face: Face) -> Result<ParsedFont> {
    let (name, bytes) = face.font();
    let mut parsed = ParsedFont::from_bytes(bytes, 0, &mut Vec::new()).ok_or_else(|| {
        Error::new(ErrorKind::Io, format!("the font {name} of the PDF report cannot be read"))
            .with_help("turn the PDF report off and report this as a bug of CleanAI")
    })?;
    parsed.font_name = Some(name.to_string());
    Ok(parsed)
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
        // Those of Helvetica, Helvetica-Bold and Courier, in Adobe's metrics.
        close(Face::Regular, "A", 667.0);
        close(Face::Regular, " ", 278.0);
        close(Face::Regular, "i", 222.0);
        close(Face::Regular, "W…é", 944.0 + 1000.0 + 556.0);
        close(Face::Bold, "A ", 722.0 + 278.0);
        close(Face::Mono, "i W", 1800.0);
    }

    #[test]
    fn what_the_fonts_lack_is_spelt_out() {
        let encode = |text: &str| Fonts::new().unwrap().encode(text);
        assert_eq!(encode("kmnc ≥ 0.5 é… Δ → Я"), ("kmnc ≥ 0.5 é… Δ → Я".into(), false));
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
