//! The report in the style of the CleanAI library: for a test, below its requirements, and as a document of its own.

use super::content::heading;
use super::facts::group;
use super::font::Face;
use super::layout::{Align, BLACK, BODY, Canvas, GREY, LEFT, MONO, NOTE, Pen, RIGHT, STRONG, pen};
use super::pages::Pages;
use super::table::{Cell, Column, head_height};
use crate::Result;
use crate::report::cleanai::{Analysis, Draw, Section, Sources};
use crate::report::{date, text};

/// The library's title.
pub(super) const TITLE: &str = "CleanAI Analysis Report";

impl<'m> Sources<'m> {
    /// Those of a report of its own.
    fn of_analysis(analysis: &'m Analysis) -> Option<Self> {
        let data = &analysis.pair.data;
        Some(Self {
            settings: &analysis.settings,
            measurement: &analysis.pair,
            criteria: &analysis.pair.criteria,
            several: analysis.several.criteria.get("cleanai::nc")?,
            boundary_inputs: data.profile_inputs.unwrap_or(0),
            has_profile: data.profile.is_some(),
        })
    }
}

/// The whole document.
pub(super) fn document(analysis: &Analysis, date: u64) -> Result<Pages> {
    let mut canvas = Canvas::new()?;
    let y = canvas.y();
    canvas.text(LEFT, y + 8.0, Align::Left, RIGHT - LEFT, pen(Face::Bold, 23.0, BLACK), TITLE);
    canvas.space(28.0);
    let line = format!("{}  ·  {}", analysis.pair.model.path, date::readable(date));
    let y = canvas.y();
    canvas.text(LEFT, y, Align::Left, RIGHT - LEFT, pen(Face::Regular, 10.0, GREY), &line);
    canvas.space(16.0);
    facts(&mut canvas, analysis);
    canvas.space(14.0);
    if let Some(sources) = Sources::of_analysis(analysis) {
        sections(&mut canvas, &sources, true);
    }
    drawn(&mut canvas, &analysis.draw);
    notes(&mut canvas);
    let foot = format!(
        "CleanAI {}  ·  libtorch {}  ·  seed {}  ·  {}",
        analysis.pair.settings.cleanai,
        analysis.pair.settings.libtorch,
        analysis.draw.seed,
        date::readable(date)
    );
    Ok(canvas.finish(TITLE, &foot))
}

/// The tables, each with its title and its words.
pub(super) fn sections(canvas: &mut Canvas, sources: &Sources<'_>, outlined: bool) {
    for section in sources.sections() {
        let text_height = canvas.height(LEFT, RIGHT, BODY, &section.text);
        canvas.ensure(24.0 + text_height + 6.0 + head_height(section.rows.len()));
        if outlined {
            canvas.section(&section.title);
        } else {
            canvas.part(&section.title);
        }
        heading(canvas, &section.title, 0.0);
        canvas.paragraph(LEFT, RIGHT, BODY, &section.text);
        canvas.space(6.0);
        table(canvas, &section);
        canvas.space(22.0);
    }
}

fn table(canvas: &mut Canvas, section: &Section) {
    let columns: Vec<Column> =
        section.columns.iter().enumerate().map(|(index, title)| column(section, index, title)).collect();
    let cells = |row: &Vec<String>| {
        // Sums stand out from layers.
        let pen = if row.first().is_some_and(|name| name == "All model") { STRONG } else { BODY };
        row.iter().map(|text| Cell::with(pen, text)).collect()
    };
    let rows: Vec<Vec<Cell>> = section.rows.iter().map(cells).collect();
    canvas.table(&columns, &rows, |_| None);
}

/// Names to the left, numbers to the right, each as wide as its title asks for.
fn column(section: &Section, index: usize, title: &'static str) -> Column {
    let number = |text: &String| text.trim_end_matches('%').parse::<f64>().is_ok();
    let numbers = |index: usize| index > 0 && section.rows.iter().filter_map(|row| row.get(index)).all(number);
    let by_layer = section.columns.len() > 4;
    match (index, numbers(index)) {
        (0, _) if title.is_empty() => Column::left(title, 70.0),
        (0, _) => Column::left(title, if by_layer { 56.0 } else { 130.0 }),
        (_, false) if by_layer => Column::left(title, 78.0),
        (_, false) => Column::rest(title),
        (2, true) if by_layer => Column::right(title, 100.0),
        (3, true) if by_layer => Column::right(title, 92.0),
        // Beside a name that may be long, no wider than it must be.
        (_, true) if !by_layer && !numbers(1) => Column::right(title, 80.0),
        (_, true) => Column::rest_right(title),
    }
}

/// A label, and a value with its pen.
type Fact = (&'static str, Pen, String);

/// Model, data and versions: label and value in two columns.
fn facts(canvas: &mut Canvas, analysis: &Analysis) {
    let (model, data, settings) = (&analysis.pair.model, &analysis.pair.data, &analysis.pair.settings);
    let draw = &analysis.draw;
    let inputs = |count: usize| text::counted(count as u64, "input", "inputs");
    let mut rows: Vec<(&str, Vec<Fact>)> = vec![
        (
            "Model",
            vec![
                ("path", BODY, model.path.clone()),
                ("SHA-256", MONO, model.sha256.clone()),
                ("format", BODY, model.format.clone()),
            ],
        ),
        (
            "Data",
            vec![
                ("path", BODY, data.path.clone()),
                ("inputs", BODY, format!("{} of shape {}", text::grouped(draw.of as u64), text::shape(&data.shape))),
                (
                    "transform",
                    BODY,
                    if ["", "[]"].contains(&data.transform.as_str()) { "none".into() } else { data.transform.clone() },
                ),
            ],
        ),
        (
            "Drawn",
            vec![
                ("seed", BODY, draw.seed.to_string()),
                ("first input", BODY, draw.pair[0].clone()),
                ("second input", BODY, draw.pair[1].clone()),
                ("several", BODY, format!("{}, named at the end", inputs(draw.several.len()))),
            ],
        ),
        (
            "Versions",
            vec![
                ("CleanAI", BODY, settings.cleanai.clone()),
                ("libtorch", BODY, settings.libtorch.clone()),
                ("run", BODY, format!("on {}, {} in a batch", settings.device, inputs(settings.batch))),
            ],
        ),
    ];
    if let Some(profile) = &data.profile {
        let profile = format!("{profile}, {}", inputs(data.profile_inputs.unwrap_or(0)));
        rows[1].1.push(("profile set", BODY, profile));
    }
    for (title, rows) in rows {
        group(canvas, title, &rows);
    }
}

/// Which inputs were drawn, and how.
fn drawn(canvas: &mut Canvas, draw: &Draw) {
    let how = match (draw.several.len() < draw.wanted, draw.distinct) {
        (true, _) => format!(
            "All of them: the data set has fewer than the {} asked for, so the first two are among them.",
            draw.wanted
        ),
        (false, true) => "All drawn inputs are different, the first two included.".to_owned(),
        (false, false) => {
            "They are different from each other, but the first two may be among them: the data set has no more."
                .to_owned()
        }
    };
    let names = text::join(&draw.several, ", ");
    heading(canvas, "Inputs", 40.0);
    canvas.paragraph(
        LEFT,
        RIGHT,
        BODY,
        &format!(
            "Drawn from {} by the generator SplitMix64 from the seed {}. First input: {}. Second input: {}. Several inputs: {}. {how}",
            text::counted(draw.of as u64, "input", "inputs"),
            draw.seed,
            draw.pair[0],
            draw.pair[1],
            draw.several.len()
        ),
    );
    canvas.space(4.0);
    canvas.paragraph(LEFT, RIGHT, NOTE, &names);
    canvas.space(12.0);
}

fn notes(canvas: &mut Canvas) {
    let mut text = "Shares and means are rounded to two decimals. A dash stands for nothing to say.".to_owned();
    if canvas.replaced() {
        text += " Characters that the fonts of this report lack are written as \\u{...}, by their Unicode number.";
    }
    let small = pen(Face::Regular, 7.5, GREY);
    canvas.ensure(canvas.height(LEFT, RIGHT, small, &text) + 4.0);
    canvas.paragraph(LEFT, RIGHT, small, &text);
}
