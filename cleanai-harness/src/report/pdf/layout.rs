//! Pages: a cursor that moves down an A4 sheet, breaks pages, and draws text, rules and bars on one grid.

use image::RgbImage;
use printpdf::{
    Color, Line, LinePoint, Op, PaintMode, PdfFontHandle, Point, Pt, Rect, Rgb, TextItem, WindingOrder,
    XObjectTransform,
};

use super::font::{Face, Fonts};
use super::pages::image_id;
use crate::Result;

/// A4 in points.
pub(super) const WIDTH: f32 = 595.276;
pub(super) const HEIGHT: f32 = 841.89;
/// The left edge of everything.
pub(super) const LEFT: f32 = 48.0;
/// The right edge of everything.
pub(super) const RIGHT: f32 = WIDTH - LEFT;
/// Where the body of a page starts and ends, from the top.
const TOP: f32 = 72.0;
const BOTTOM: f32 = HEIGHT - 64.0;

/// A colour, 0 to 255 per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink(u8, u8, u8);

pub(super) const BLACK: Ink = Ink(31, 41, 51);
pub(super) const GREY: Ink = Ink(104, 117, 130);
pub(super) const HAIRLINE: Ink = Ink(224, 229, 234);
pub(super) const SHADE: Ink = Ink(244, 246, 248);
pub(super) const BLUE: Ink = Ink(47, 93, 138);
pub(super) const GREEN: Ink = Ink(31, 122, 77);
pub(super) const RED: Ink = Ink(176, 48, 42);
pub(super) const AMBER: Ink = Ink(163, 98, 8);
pub(super) const VIOLET: Ink = Ink(112, 72, 150);
pub(super) const TEAL: Ink = Ink(20, 130, 140);
pub(super) const WHITE: Ink = Ink(255, 255, 255);

impl Ink {
    fn color(self) -> Color {
        let channel = |value: u8| f32::from(value) / 255.0;
        Color::Rgb(Rgb::new(channel(self.0), channel(self.1), channel(self.2), None))
    }
}

/// What text is written with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub(super) face: Face,
    pub(super) size: f32,
    pub(super) ink: Ink,
}

/// A pen.
pub(super) const fn pen(face: Face, size: f32, ink: Ink) -> Pen {
    Pen { face, size, ink }
}

/// Running text.
pub(super) const BODY: Pen = pen(Face::Regular, 8.5, BLACK);
/// What stands beside it.
pub(super) const NOTE: Pen = pen(Face::Regular, 8.5, GREY);
/// What stands out.
pub(super) const STRONG: Pen = pen(Face::Bold, 8.5, BLACK);

/// Hashes, commands and source.
pub(super) const MONO: Pen = pen(Face::Mono, 7.5, BLACK);

/// Where a text hangs on its x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
    Centre,
}

pub(super) struct Sheet {
    pub(super) ops: Vec<Op>,
    /// What the running head says.
    pub(super) section: String,
}

/// A part of the report that the contents and the outline lead to.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) sheet: usize,
    /// Whether it belongs to the section before it that does not.
    pub(super) is_part: bool,
}

/// A reference on one sheet to a section, whose page is known at the end.
pub(super) struct Reference {
    pub(super) sheet: usize,
    pub(super) section: usize,
    pub(super) top: f32,
    pub(super) bottom: f32,
    pub(super) baseline: f32,
}

/// The sheets drawn so far and the place where the next thing goes.
pub(super) struct Canvas {
    pub(super) fonts: Fonts,
    pub(super) sheets: Vec<Sheet>,
    /// Distance of the cursor from the top of the sheet.
    y: f32,
    pub(super) sections: Vec<Section>,
    pub(super) references: Vec<Reference>,
    pub(super) images: Vec<RgbImage>,
    replaced: bool,
}

impl Canvas {
    /// One empty sheet.
    pub(super) fn new() -> Result<Self> {
        let sheets = vec![Sheet { ops: Vec::new(), section: String::new() }];
        Ok(Self {
            fonts: Fonts::new()?,
            sheets,
            y: TOP,
            sections: Vec::new(),
            references: Vec::new(),
            images: Vec::new(),
            replaced: false,
        })
    }

    /// The cursor, from the top of the sheet.
    pub(super) fn y(&self) -> f32 {
        self.y
    }

    /// Moves down.
    pub(super) fn space(&mut self, points: f32) {
        self.y += points;
    }

    /// Whether this much fits above the foot of this sheet.
    pub(super) fn fits(&self, points: f32) -> bool {
        self.y + points <= BOTTOM
    }

    /// Starts a new sheet unless this much fits on this one; says whether it did.
    pub(super) fn ensure(&mut self, points: f32) -> bool {
        let breaks = !self.fits(points) && self.y > TOP;
        if breaks {
            self.new_page();
        }
        breaks
    }

    /// Starts a new sheet.
    pub(super) fn new_page(&mut self) {
        let own = self.sections.iter().rev().find(|section| !section.is_part);
        let section = own.map(|section| section.name.clone()).unwrap_or_default();
        self.sheets.push(Sheet { ops: Vec::new(), section });
        self.y = TOP;
    }

    /// Starts a section at the cursor: later sheets name it in their running head, contents and outline lead to it.
    pub(super) fn section(&mut self, name: &str) {
        let sheet = self.sheets.len() - 1;
        self.sections.push(Section { name: name.to_string(), sheet, is_part: false });
        if self.y <= TOP {
            self.sheets[sheet].section = name.to_string();
        }
    }

    /// Starts a part of the section at the cursor; call it once there is room for what follows.
    pub(super) fn part(&mut self, name: &str) {
        let sheet = self.sheets.len() - 1;
        self.sections.push(Section { name: name.to_string(), sheet, is_part: true });
    }

    /// Whether some character had to be written as `\u{...}`.
    pub(super) fn replaced(&self) -> bool {
        self.replaced
    }

    /// Width of a text in points.
    pub(super) fn width(&self, pen: Pen, text: &str) -> f32 {
        self.fonts.width(pen.face, pen.size, &self.fonts.encode(text).0)
    }

    /// One line at this baseline, hanging on `x`, cut in the middle to `limit` points.
    pub(super) fn text(&mut self, x: f32, baseline: f32, align: Align, limit: f32, pen: Pen, text: &str) {
        let (text, replaced) = self.fonts.encode(text);
        self.replaced |= replaced;
        let text = self.fonts.ellipsis(pen.face, pen.size, &text, limit);
        if text.trim().is_empty() {
            return;
        }
        let width = self.fonts.width(pen.face, pen.size, &text);
        let x = match align {
            Align::Left => x,
            Align::Right => x - width,
            Align::Centre => x - width / 2.0,
        };
        let sheet = self.sheets.len() - 1;
        show(&mut self.sheets[sheet].ops, x, baseline, pen, text);
    }

    /// Lines below each other within these edges, over as many sheets as they need; the cursor ends below them.
    pub(super) fn paragraph(&mut self, left: f32, right: f32, pen: Pen, text: &str) {
        let height = line_height(pen);
        for line in crate::report::text::lines(text) {
            for line in self.fonts.wrap(pen.face, pen.size, &self.fonts.encode(&line).0, right - left) {
                self.ensure(height);
                self.text(left, self.y + pen.size, Align::Left, right - left, pen, &line);
                self.y += height;
            }
            self.replaced |= self.fonts.encode(&line).1;
        }
    }

    /// How high [`Canvas::paragraph`] is.
    pub(super) fn height(&self, left: f32, right: f32, pen: Pen, text: &str) -> f32 {
        let lines = crate::report::text::lines(text);
        let count: usize = lines
            .map(|line| self.fonts.wrap(pen.face, pen.size, &self.fonts.encode(&line).0, right - left).len())
            .sum();
        count as f32 * line_height(pen)
    }

    /// A filled rectangle; `top` is measured from the top of the sheet.
    pub(super) fn fill(&mut self, x: f32, top: f32, width: f32, height: f32, ink: Ink) {
        if width <= 0.0 {
            return;
        }
        let sheet = self.sheets.len() - 1;
        self.sheets[sheet].ops.extend(filled(x, top, width, height, ink));
    }

    /// A line through these points, each measured from the left and the top of the sheet.
    pub(super) fn line(&mut self, points: &[(f32, f32)], thickness: f32, ink: Ink) {
        let point = |&(x, y): &(f32, f32)| LinePoint { p: Point { x: Pt(x), y: Pt(HEIGHT - y) }, bezier: false };
        let line = Line { points: points.iter().map(point).collect(), is_closed: false };
        let sheet = self.sheets.len() - 1;
        self.sheets[sheet].ops.extend([
            Op::SetOutlineColor { col: ink.color() },
            Op::SetOutlineThickness { pt: Pt(thickness) },
            Op::DrawLine { line },
        ]);
    }

    /// A rule across the page at the cursor.
    pub(super) fn rule(&mut self, thickness: f32, ink: Ink) {
        self.fill(LEFT, self.y, RIGHT - LEFT, thickness, ink);
    }

    /// A share of one as a bar; something is never drawn as nothing, and not all never as all.
    pub(super) fn bar(&mut self, x: f32, top: f32, width: f32, share: f64, ink: Ink) {
        self.fill(x, top, width, 5.0, HAIRLINE);
        if share > 0.0 {
            let full = if share >= 1.0 { width } else { (share as f32 * width).clamp(0.6, width - 0.6) };
            self.fill(x, top, full, 5.0, ink);
        }
    }

    /// A picture of this size, whatever pixels it has; `top` is measured from the top of the sheet.
    pub(super) fn image(&mut self, x: f32, top: f32, width: f32, height: f32, pixels: RgbImage) {
        let transform = XObjectTransform {
            translate_x: Some(Pt(x)),
            translate_y: Some(Pt(HEIGHT - top - height)),
            scale_x: Some(width),
            scale_y: Some(height),
            // An image is one wide and high, else it would have the size of its pixels.
            no_auto_scale: true,
            ..XObjectTransform::default()
        };
        let sheet = self.sheets.len() - 1;
        self.sheets[sheet].ops.push(Op::UseXobject { id: image_id(self.images.len()), transform });
        self.images.push(pixels);
    }

    /// A link over the row between `top` and `bottom` to a section (by its number), with its page at the right edge.
    pub(super) fn reference(&mut self, section: usize, top: f32, bottom: f32, baseline: f32) {
        self.references.push(Reference { sheet: self.sheets.len() - 1, section, top, bottom, baseline });
    }
}

/// Height of a line of running text.
fn line_height(pen: Pen) -> f32 {
    (pen.size * 1.4).ceil()
}

pub(super) fn show(ops: &mut Vec<Op>, x: f32, baseline: f32, pen: Pen, text: String) {
    ops.extend([
        Op::SetFillColor { col: pen.ink.color() },
        Op::StartTextSection,
        Op::SetFont { font: PdfFontHandle::External(pen.face.id()), size: Pt(pen.size) },
        Op::SetTextCursor { pos: Point { x: Pt(x), y: Pt(HEIGHT - baseline) } },
        Op::ShowText { items: vec![TextItem::Text(text)] },
        Op::EndTextSection,
    ]);
}

pub(super) fn filled(x: f32, top: f32, width: f32, height: f32, ink: Ink) -> [Op; 2] {
    let rectangle = Rect {
        x: Pt(x),
        y: Pt(HEIGHT - top - height),
        width: Pt(width),
        height: Pt(height),
        mode: Some(PaintMode::Fill),
        winding_order: Some(WindingOrder::NonZero),
    };
    [Op::SetFillColor { col: ink.color() }, Op::DrawRectangle { rectangle }]
}
