//! The report to print, archive and sign: PDF, A4, one section per test.
#[cfg(test)]
mod tests {
    #[test]
    fn probe() {
        use printpdf::BuiltinFont;
        for font in [BuiltinFont::Helvetica, BuiltinFont::HelveticaBold, BuiltinFont::Courier] {
            let parsed = font.get_parsed_font().unwrap();
            let mut missing = String::new();
            for c in (0x20u32..0x7f).chain(0xa0..0x100).chain([0x2026, 0x2022, 0x2013, 0x20ac]) {
                let w = parsed.lookup_glyph_index(c).and_then(|g| parsed.get_glyph_width(g));
                if w.is_none() || w == Some(0) { missing.push(char::from_u32(c).unwrap()); }
            }
            let w = |c: char| parsed.lookup_glyph_index(c as u32).and_then(|g| parsed.get_glyph_width(g));
            println!("{font:?} upem {} missing {missing:?} A {:?} space {:?} i {:?} é {:?} … {:?} gid0 {:?}", parsed.pdf_font_metrics.units_per_em, w('A'), w(' '), w('i'), w('é'), w('…'), parsed.get_glyph_width(0));
        }
    }
}
