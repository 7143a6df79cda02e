//! From sheets to a document: running heads, page numbers, the contents put where it belongs, links, fonts and the outline.

use printpdf::{
    Actions, BorderArray, ColorArray, Destination, HighlightingMode, LinkAnnotation, Mm, Op, PdfDocument, PdfPage, Pt,
    RawImage, RawImageData, RawImageFormat, Rect, XObject, XObjectId,
};

use super::font::{Face, Fonts};
use super::layout::{Canvas, GREY, HAIRLINE, HEIGHT, LEFT, NOTE, RIGHT, Section, WIDTH, filled, pen, show};

/// A finished document, and the sections that its outline shall name.
pub(super) struct Pages {
    pub(super) document: PdfDocument,
    pub(super) outline: Vec<Section>,
}

impl Canvas {
    /// Moves the sheets from `first` on to behind the first sheet: the contents are known last and read first.
    pub(super) fn move_behind_cover(&mut self, first: usize) {
        let moved = self.sheets.len() - first;
        self.sheets[1..].rotate_right(moved);
        let place = |sheet: usize| match sheet {
            0 => 0,
            _ if sheet >= first => sheet - first + 1,
            _ => sheet + moved,
        };
        self.sections.iter_mut().for_each(|section| section.sheet = place(section.sheet));
        self.references.iter_mut().for_each(|reference| reference.sheet = place(reference.sheet));
    }

    /// The document, with running heads and feet.
    pub(super) fn finish(mut self, title: &str, foot: &str) -> Pages {
        for reference in std::mem::take(&mut self.references) {
            let Some(section) = self.sections.get(reference.section) else { continue };
            let page = section.sheet + 1;
            let number = page.to_string();
            let width = self.fonts.width(NOTE.face, NOTE.size, &number);
            let ops = &mut self.sheets[reference.sheet].ops;
            show(ops, RIGHT - width, reference.baseline, NOTE, number);
            ops.push(link(reference.top, reference.bottom, page));
        }
        let pages = self.sheets.len();
        for number in 0..pages {
            let section = std::mem::take(&mut self.sheets[number].section);
            self.frame(number, pages, title, &section, foot);
        }
        let mut document = PdfDocument::new(title);
        for (number, pixels) in self.images.into_iter().enumerate() {
            let image = RawImage {
                width: pixels.width() as usize,
                height: pixels.height() as usize,
                pixels: RawImageData::U8(pixels.into_raw()),
                data_format: RawImageFormat::RGB8,
                tag: Vec::new(),
            };
            document.resources.xobjects.map.insert(image_id(number), XObject::Image(image));
        }
        document.resources.fonts.map.extend(self.fonts.embedded());
        let pages = self.sheets.into_iter().map(|sheet| PdfPage::new(mm(WIDTH), mm(HEIGHT), sheet.ops)).collect();
        document.with_pages(pages);
        // In the order of the pages, whatever was drawn last.
        let mut outline = self.sections;
        outline.sort_by_key(|section| section.sheet);
        Pages { document, outline }
    }

    /// Running head and foot.
    fn frame(&mut self, number: usize, pages: usize, title: &str, section: &str, foot: &str) {
        let small = pen(Face::Regular, 7.5, GREY);
        let mut ops = Vec::new();
        let mut put = |fonts: &Fonts, x: f32, baseline: f32, right: bool, limit: f32, text: &str| {
            let text = fonts.ellipsis(small.face, small.size, &fonts.encode(text).0, limit);
            if text.is_empty() {
                return;
            }
            let x = if right { x - fonts.width(small.face, small.size, &text) } else { x };
            show(&mut ops, x, baseline, small, text);
        };
        put(&self.fonts, LEFT, 44.0, false, 200.0, title);
        put(&self.fonts, RIGHT, 44.0, true, 280.0, section);
        put(&self.fonts, LEFT, HEIGHT - 36.0, false, 380.0, foot);
        put(&self.fonts, RIGHT, HEIGHT - 36.0, true, 100.0, &format!("{} / {pages}", number + 1));
        ops.extend(filled(LEFT, 51.0, RIGHT - LEFT, 0.5, HAIRLINE));
        ops.extend(filled(LEFT, HEIGHT - 50.0, RIGHT - LEFT, 0.5, HAIRLINE));
        self.sheets[number].ops.extend(ops);
    }
}

/// Ids of our own: those of the library differ from call to call.
pub(super) fn image_id(number: usize) -> XObjectId {
    XObjectId(format!("image{number}"))
}

fn link(top: f32, bottom: f32, page: usize) -> Op {
    let rect = Rect::from_xywh(Pt(LEFT), Pt(HEIGHT - bottom), Pt(RIGHT - LEFT), Pt(bottom - top));
    let target = Destination::Xyz { page, left: None, top: Some(HEIGHT), zoom: None };
    let link = LinkAnnotation::new(
        rect,
        Actions::go_to(target),
        Some(BorderArray::Solid([0.0, 0.0, 0.0])),
        Some(ColorArray::Transparent),
        Some(HighlightingMode::None),
    );
    Op::LinkAnnotation { link }
}

fn mm(points: f32) -> Mm {
    Pt(points).into()
}
