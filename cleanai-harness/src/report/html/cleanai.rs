//! The tables of the CleanAI library's report, where the style of the report wants them.

use maud::{Markup, html};

use super::table::{Column, table};
use crate::measure::Measurement;
use crate::report::cleanai::{Section, Settings, Sources};

/// All of them; nothing where they were not measured.
pub(super) fn sections(measurement: &Measurement) -> Markup {
    let settings = Settings::default();
    let Some(sources) = Sources::of_test(measurement, &settings) else { return html! {} };
    html! {
        h3 { "CleanAI library's report" }
        @for section in sources.sections() { (of(&section)) }
    }
}

fn of(section: &Section) -> Markup {
    // The first column names the row, and may have no name of its own.
    let name = |(at, name): (usize, &&'static str)| Column {
        name: if name.is_empty() { "name" } else { name },
        number: at > 0,
    };
    let columns: Vec<Column> = section.columns.iter().enumerate().map(name).collect();
    let rows: Vec<Vec<Markup>> =
        section.rows.iter().map(|row| row.iter().map(|cell| html! { (cell) }).collect()).collect();
    html! {
        h4 { (section.title) }
        p.note { (section.text) }
        (table(&section.title, &columns, &rows))
    }
}
