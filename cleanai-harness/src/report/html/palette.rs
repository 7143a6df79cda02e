//! The colours of both schemes.

use std::fmt::Write;

/// Name in the style sheet, on light and on dark ground.
const COLOURS: [(&str, &str, &str); 29] = [
    ("paper", "#ffffff", "#0f141a"),
    ("card", "#f5f7f9", "#171e26"),
    ("line", "#d3dae1", "#333e4a"),
    ("ink", "#1b2129", "#e4eaf0"),
    ("muted", "#56616d", "#9aa6b2"),
    ("good", "#1a7336", "#4cc066"),
    ("bad", "#c11f2c", "#ff7b78"),
    ("warn", "#8a5d00", "#dba53c"),
    ("link", "#0a5bc4", "#6db1ff"),
    ("fill", "#3f7ed0", "#4d94ea"),
    ("track", "#e1e7ed", "#28323d"),
    ("h0", "#e9eff7", "#1c2733"),
    ("h1", "#d5e2f2", "#1c3248"),
    ("h2", "#bcd3ec", "#1d3d5c"),
    ("h3", "#9fc1e5", "#1f4a72"),
    ("h4", "#80addd", "#235889"),
    ("h5", "#6198d3", "#2b68a0"),
    ("h6", "#4681c5", "#3a7bb9"),
    ("h7", "#3069b1", "#5391cf"),
    ("h8", "#1f5198", "#77abe2"),
    ("h9", "#123a79", "#a5cbf5"),
    ("hn", "#f6e7c8", "#453718"),
    ("c0", "#2f6fc0", "#5aa0f2"),
    ("c1", "#b06c00", "#e0a440"),
    ("c2", "#2b8a4b", "#52c274"),
    ("c3", "#8250c4", "#b48cf0"),
    ("c4", "#c43a4b", "#f47c85"),
    ("c5", "#0f7f8a", "#3fbac4"),
    ("shade", "#fff6e2", "#2a2416"),
];

/// The colours as variables of a style sheet.
pub(super) fn variables() -> String {
    let mut text = String::from(":root{");
    for (name, light, dark) in COLOURS {
        // Writing to a string cannot fail.
        let _ = write!(text, "--{name}:light-dark({light},{dark});");
    }
    text + "}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let level = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn colour(name: &str) -> [&'static str; 2] {
        let found = COLOURS.iter().find(|(known, ..)| *known == name).unwrap();
        [found.1, found.2]
    }

    #[test]
    fn text_can_be_read_in_both_schemes() {
        for (scheme, name) in ["light", "dark"].iter().enumerate() {
            for ink in ["ink", "muted", "good", "bad", "warn", "link"] {
                for ground in ["paper", "card", "shade"] {
                    let found = contrast(colour(ink)[scheme], colour(ground)[scheme]);
                    assert!(found >= 4.5, "{ink} on {ground}, {name}: {found:.2}");
                }
            }
        }
    }

    #[test]
    fn drawings_can_be_told_from_the_ground_in_both_schemes() {
        for scheme in 0..2 {
            for ink in ["fill", "good", "bad", "warn", "c0", "c1", "c2", "c3", "c4", "c5", "h9"] {
                let found = contrast(colour(ink)[scheme], colour("paper")[scheme]);
                assert!(found >= 3.0, "{ink}, scheme {scheme}: {found:.2}");
            }
        }
        // The warmth of cells goes one way.
        for scheme in 0..2 {
            let steps: Vec<f64> = (0..10).map(|step| luminance(colour(&format!("h{step}"))[scheme])).collect();
            let (down, up) = (steps.windows(2).all(|two| two[0] > two[1]), steps.windows(2).all(|two| two[0] < two[1]));
            assert!(if scheme == 0 { down } else { up }, "{steps:?}");
        }
    }

    #[test]
    fn variables_hold_both() {
        assert!(variables().starts_with(":root{--paper:light-dark(#ffffff,#0f141a);"));
    }
}
