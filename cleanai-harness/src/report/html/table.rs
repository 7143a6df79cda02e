//! Tables.

use maud::{Markup, html};

use crate::report::explanation::Section;

/// A column.
pub(super) struct Column {
    /// Its name; for a column of drawings what they are.
    pub name: &'static str,
    /// Whether it stands to the right, as numbers do.
    pub number: bool,
}

/// A column of words or drawings.
pub(super) const fn words(name: &'static str) -> Column {
    Column { name, number: false }
}

/// A column of numbers.
pub(super) const fn numbers(name: &'static str) -> Column {
    Column { name, number: true }
}

/// Tables with more columns may be wider than the page: they scroll by themselves, by keyboard too.
const NARROW: usize = 3;

/// A table whose rows are named by their first cell; nothing without rows.
pub(super) fn table(caption: &str, columns: &[Column], rows: &[Vec<Markup>]) -> Markup {
    let wide = columns.len() > NARROW;
    html! {
        @if !rows.is_empty() {
            div.scroll tabindex=[wide.then_some("0")] role=[wide.then_some("region")] aria-label=[wide.then_some(caption)] {
                table {
                    caption { span { (caption) } }
                    thead {
                        tr {
                            @for column in columns {
                                th.n[column.number] scope="col" { (column.name) }
                            }
                        }
                    }
                    tbody {
                        @for row in rows {
                            tr {
                                @for (at, (cell, column)) in row.iter().zip(columns).enumerate() {
                                    @if at == 0 {
                                        th.n[column.number] scope="row" { (cell) }
                                    } @else {
                                        td.n[column.number] { (cell) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A table of what lies behind a figure.
pub(super) fn section(section: &Section) -> Markup {
    let column = |(at, name): (usize, &&'static str)| Column { name, number: at > 0 && !section.words.contains(&at) };
    let columns: Vec<Column> = section.columns.iter().enumerate().map(column).collect();
    let rows: Vec<Vec<Markup>> =
        section.rows.iter().map(|row| row.iter().map(|cell| html! { (cell) }).collect()).collect();
    html! {
        div {
            (table(&section.title, &columns, &rows))
            @if let Some(more) = &section.more {
                p.more { (more) }
            }
        }
    }
}
