//! What a person reads in the terminal: one block per test and closing lines.
//!
//! The text holds ANSI styles; print it through `anstream`, which drops them where the output is no terminal.

mod grid;
mod proposal;

use std::path::Path;

use anstyle::{AnsiColor, Color, Effects, Style as Ink};
use grid::{Cell, Grid};

use super::explanation::{self, Section};
use super::figure::{self, Style};
use super::{Outcome, Status, message, text};
use crate::gate::{BaselineStatus, Change};
use crate::measure::Measurement;

/// No line of ours is wider, unless a word of the user's is.
const WIDTH: usize = 100;
/// Cells of a bar.
const BAR: usize = 10;

const PLAIN: Ink = Ink::new();
const DIM: Ink = Ink::new().effects(Effects::DIMMED);
const BOLD: Ink = Ink::new().effects(Effects::BOLD);
const GREEN: Ink = Ink::new().fg_color(Some(Color::Ansi(AnsiColor::Green)));
const RED: Ink = Ink::new().fg_color(Some(Color::Ansi(AnsiColor::Red)));
const YELLOW: Ink = Ink::new().fg_color(Some(Color::Ansi(AnsiColor::Yellow)));
const CYAN: Ink = Ink::new().fg_color(Some(Color::Ansi(AnsiColor::Cyan)));

/// One test as a block of lines that ends with a line break; no line is wider than 100 columns unless a path or command of
/// the user's is.
///
/// ```
/// # fn show(outcomes: &[cleanai_harness::report::Outcome]) {
/// use cleanai_harness::report::terminal;
/// for outcome in outcomes {
///     anstream::println!("{}", terminal::render(outcome));
/// }
/// anstream::print!("{}", terminal::summary(outcomes, &[]));
/// # }
/// ```
pub fn render(outcome: &Outcome) -> String {
    let mut block = Block::default();
    headline(&mut block, outcome);
    if let Some(measurement) = &outcome.measurement {
        facts(&mut block, outcome, measurement);
        table(&mut block, outcome, measurement);
        failing(&mut block, outcome);
        baseline(&mut block, outcome);
    }
    if let Some(body) = &outcome.body {
        block.blank();
        block.line(&[(BOLD.fg_color(RED.get_fg_color()), "  test body".into())]);
        block.wrapped(4, PLAIN, body);
    }
    if let Some(error) = &outcome.error {
        block.blank();
        block.wrapped(2, BOLD, error.what());
        if let Some(place) = error.place() {
            let place_text = format!("at {}:{}:{}", place.file.display(), place.line, place.column);
            block.line(&[(DIM, format!("  {}", text::line(&place_text)))]);
            for line in text::lines(&place.snippet) {
                block.line(&[(DIM, "    │ ".into()), (PLAIN, line)]);
            }
        }
        if let Some(help) = error.help() {
            block.labelled("help", CYAN, help);
        }
    }
    commands(&mut block, outcome);
    block.text
}

/// The closing lines of a run: how many tests passed, the first reason of each that did not, and where reports lie (each a
/// format's name and its file).
pub fn summary(outcomes: &[Outcome], reports: &[(&str, &Path)]) -> String {
    let mut block = Block::default();
    let overall = message::overall(outcomes);
    block.line(&[badge(overall), (BOLD, format!(" {}", message::counts(outcomes)))]);
    for outcome in outcomes {
        let reasons = message::reasons(outcome);
        let Some(reason) = reasons.first() else { continue };
        let more = if reasons.len() > 1 { format!(" (and {} more)", reasons.len() - 1) } else { String::new() };
        let name = text::ellipsis(&text::line(&outcome.test.name), 40).into_owned();
        let room = (WIDTH - 4).saturating_sub(text::width(&name) + 2 + text::width(&more));
        let why = text::ellipsis(&reason.message, room).into_owned();
        block.line(&[(RED, "  ✗ ".into()), (PLAIN, name), (DIM, format!("  {why}{more}"))]);
    }
    let label = reports.iter().map(|(name, _)| text::width(name)).max().unwrap_or(0);
    for (name, path) in reports {
        let path = path.display().to_string();
        block.line(&[(DIM, format!("  {name:label$}  ")), (CYAN, text::line(&path).into_owned())]);
    }
    block.text
}

/// Lines being put together.
#[derive(Default)]
struct Block {
    text: String,
}

impl Block {
    fn line(&mut self, pieces: &[(Ink, String)]) {
        let mut line = String::new();
        for (ink, piece) in pieces {
            push(&mut line, *ink, piece);
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A text of the user's, its lines kept and broken at spaces.
    fn wrapped(&mut self, indent: usize, ink: Ink, body: &str) {
        for line in text::lines(body).flat_map(|line| text::wrap(&line, WIDTH - indent)) {
            self.line(&[(ink, format!("{:indent$}{line}", ""))]);
        }
    }

    /// `  label  text`, later lines below the text.
    fn labelled(&mut self, label: &str, ink: Ink, body: &str) {
        let indent = text::width(label) + 4;
        let mut first = true;
        for line in text::lines(body).flat_map(|line| text::wrap(&line, WIDTH - indent)) {
            let label = if std::mem::take(&mut first) { format!("  {label}  ") } else { " ".repeat(indent) };
            self.line(&[(ink, label), (PLAIN, line)]);
        }
    }

    fn grid(&mut self, grid: &Grid, indent: usize) {
        for line in grid.render(indent, WIDTH) {
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }
}

/// Adds styled text; unstyled where there is nothing to style, so that lines can be trimmed.
fn push(line: &mut String, ink: Ink, piece: &str) {
    if ink.is_plain() || piece.trim().is_empty() {
        line.push_str(piece);
    } else {
        use std::fmt::Write;
        let _ = write!(line, "{ink}{piece}{ink:#}");
    }
}

fn badge(status: Status) -> (Ink, String) {
    let colour = match status {
        Status::Passed => AnsiColor::Green,
        Status::Failed => AnsiColor::Red,
        Status::Error => AnsiColor::Yellow,
    };
    let ink = Ink::new().fg_color(Some(Color::Ansi(AnsiColor::Black))).bg_color(Some(Color::Ansi(colour))).bold();
    (ink, format!(" {} ", message::status_word(status)))
}

fn headline(block: &mut Block, outcome: &Outcome) {
    let place = format!("{}:{}", outcome.test.file.display(), outcome.test.line);
    let mut seconds = text::seconds(outcome.seconds);
    if let Some(attempts) = message::attempts(outcome) {
        seconds = format!("{seconds}, {attempts}");
    }
    let name = text::line(&outcome.test.name);
    let taken = 10 + text::width(&seconds) + 4;
    let name = text::ellipsis(&name, (WIDTH - taken).min(60)).into_owned();
    let place = text::ellipsis(&text::line(&place), (WIDTH - taken).saturating_sub(text::width(&name))).into_owned();
    block.line(&[badge(outcome.status), (BOLD, format!(" {name}")), (DIM, format!("  {place}  {seconds}"))]);
}

fn facts(block: &mut Block, outcome: &Outcome, measurement: &Measurement) {
    let (model, data) = (&measurement.model, &measurement.data);
    let inputs = text::counted(data.inputs as u64, "input", "inputs");
    let mut line = |label: &str, main: &str, rest: &[String]| {
        let rest: String = rest.iter().map(|part| format!(" · {}", text::line(part))).collect();
        let room = WIDTH - 11;
        let main = text::ellipsis(&text::line(main), room.saturating_sub(text::width(&rest)).max(24)).into_owned();
        let rest = text::ellipsis(&rest, room - text::width(&main)).into_owned();
        block.line(&[(DIM, format!("  {label:<7}  ")), (PLAIN, main), (DIM, rest)]);
    };
    if outcome.status == Status::Passed {
        let device = std::iter::once(measurement.settings.device.clone());
        line("model", &model.path, &device.chain(message::cached(measurement)).collect::<Vec<_>>());
        line("data", &data.path, &[vec![inputs], message::augmented(data)].concat());
    } else {
        let layers = text::counted(model.layers.len() as u64, "layer", "layers");
        let parameters = text::counted(model.parameters, "parameter", "parameters");
        line("model", &model.path, &[model.format.clone(), layers, parameters]);
        let mut parts = [vec![inputs], message::augmented(data)].concat();
        if let Some(profile) = &data.profile {
            let inputs =
                data.profile_inputs.map(|inputs| format!(", {}", text::counted(inputs as u64, "input", "inputs")));
            parts.push(format!("profile {profile}{}", inputs.unwrap_or_default()));
        }
        line("data", &data.path, &parts);
        let mut settings = message::settings(&measurement.settings).into_iter().chain(message::cached(measurement));
        line("device", &settings.next().unwrap_or_default(), &settings.collect::<Vec<_>>());
    }
    if let Some(other) = &measurement.against {
        let sha256: String = other.sha256.chars().take(12).collect();
        line("against", &other.path, &if sha256.is_empty() { Vec::new() } else { vec![format!("SHA-256 {sha256}…")] });
    }
    for warning in message::warnings(measurement).into_iter().chain(message::idle_requirements(outcome)) {
        block.labelled("warning", YELLOW, &warning);
    }
}

/// All figures: those required in the order declared, then those only measured.
fn table(block: &mut Block, outcome: &Outcome, measurement: &Measurement) {
    let changes = &outcome.baseline.changes;
    let change_of = |criterion: &str| changes.iter().find(|change| change.criterion == criterion);
    let compared = outcome.requirements.iter().any(|verdict| verdict.baseline.is_some())
        || !matches!(outcome.baseline.status, BaselineStatus::Disabled | BaselineStatus::NotReached);
    let mut grid = Grid::new("criterion");
    grid.right("observed").left("").right("required");
    if compared {
        grid.right("baseline").right("delta");
    }
    let other = measurement.against.as_ref();
    if other.is_some() {
        grid.right("against");
    }
    grid.left("verdict");
    for verdict in &outcome.requirements {
        let style = message::style_of(outcome, verdict);
        let result = measurement.criteria.get(&verdict.criterion);
        let ink = if verdict.holds { GREEN } else { RED };
        let is_value = figure::label(verdict) == verdict.criterion;
        let share = verdict.observed.filter(|_| is_value && result.is_some_and(|result| result.total.is_some()));
        let mut row = vec![
            Cell::new(PLAIN, figure::label(verdict)),
            Cell::new(ink.bold(), &figure::observed(verdict, style)),
            bar(share, ink),
            Cell::new(PLAIN, &figure::required(verdict)),
        ];
        if compared {
            let change = change_of(figure::label(verdict)).map(|change| change.change);
            row.push(Cell::new(PLAIN, &figure::value(verdict.baseline, style)));
            row.push(Cell::new(change_ink(change), &figure::delta(verdict.observed, verdict.baseline, style)));
        }
        if other.is_some() {
            row.push(Cell::new(PLAIN, &figure::value(verdict.against, style)));
        }
        let mark = if verdict.holds { "✓" } else { "✗" };
        row.push(match verdict.is_judged() {
            false => Cell::new(YELLOW, "- not yet"),
            true => Cell::new(
                if verdict.holds { ink } else { ink.bold() },
                &format!("{mark} {}", message::verdict_word(verdict)),
            ),
        });
        grid.row(row);
    }
    for (criterion, result) in &measurement.criteria {
        if outcome
            .requirements
            .iter()
            .any(|verdict| &verdict.criterion == criterion && figure::label(verdict) == criterion)
        {
            continue;
        }
        let style = Style::of(result);
        let share = result.value.filter(|_| result.total.is_some());
        let mut row = vec![
            Cell::new(PLAIN, criterion),
            Cell::new(BOLD, &figure::value(result.value, style)),
            bar(share, CYAN),
            Cell::new(DIM, "-"),
        ];
        if compared {
            let change = change_of(criterion);
            let held = change.and_then(|change| change.baseline);
            row.push(Cell::new(PLAIN, &figure::value(held, style)));
            row.push(Cell::new(
                change_ink(change.map(|change| change.change)),
                &figure::delta(result.value, held, style),
            ));
        }
        if let Some(other) = other {
            let value = other.figures.get(criterion).copied().flatten();
            row.push(Cell::new(PLAIN, &figure::value(value, style)));
        }
        row.push(Cell::new(DIM, "  measured"));
        grid.row(row);
    }
    block.blank();
    if grid.is_empty() {
        block.line(&[(DIM, "  no criterion was required or measured".into())]);
    } else {
        block.grid(&grid, 2);
    }
}

/// One table of what lies behind a figure.
fn table_of(block: &mut Block, section: &Section) {
    let mut grid = Grid::new(section.columns[0]);
    for (index, column) in section.columns.iter().enumerate().skip(1) {
        if section.words.contains(&index) {
            grid.left(column)
        } else {
            grid.right(column)
        };
    }
    for row in &section.rows {
        grid.row(row.iter().map(|cell| Cell::new(PLAIN, cell)).collect());
    }
    block.line(&[(PLAIN, format!("      {}", section.title))]);
    block.grid(&grid, 8);
    if let Some(more) = &section.more {
        block.line(&[(DIM, format!("        {more}"))]);
    }
}

/// The commands that a reader of a failure can copy, each on a line of its own.
fn commands(block: &mut Block, outcome: &Outcome) {
    let Some(commands) = outcome.commands.as_ref().filter(|_| outcome.status != Status::Passed) else { return };
    let mut line = |label: &str, command: &str| {
        block.line(&[(CYAN.bold(), format!("  {label:<6}  ")), (PLAIN, text::line(command).into_owned())]);
    };
    line("rerun", &commands.rerun);
    if let Some(accept) = &commands.accept {
        line("accept", accept);
    }
}

fn change_ink(change: Option<Change>) -> Ink {
    match change {
        Some(Change::Improved) => GREEN,
        Some(Change::Regressed | Change::NotFinite) => RED,
        _ => DIM,
    }
}

/// A share of one as a bar; blank where the figure is none.
fn bar(share: Option<f64>, ink: Ink) -> Cell {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let Some(share) = share.filter(|share| share.is_finite()) else { return Cell::new(PLAIN, "") };
    let eighths = (share.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    // Something is never drawn as nothing, and not all never as all.
    let eighths = eighths.clamp(usize::from(share > 0.0), BAR * 8 - usize::from(share < 1.0));
    let filled = format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8]);
    let rest = "·".repeat(BAR - text::width(&filled));
    Cell::new(ink, &filled).and(DIM, &rest)
}

/// What is behind each requirement that fails.
fn failing(block: &mut Block, outcome: &Outcome) {
    for verdict in outcome.requirements.iter().filter(|verdict| !verdict.holds) {
        let style = message::style_of(outcome, verdict);
        block.blank();
        let label = text::line(figure::label(verdict)).into_owned();
        let why = text::line(&message::requirement_failure(verdict, style)).into_owned();
        // The figures stay together: where the whole is too wide, they get a line of their own.
        let figures = why
            .strip_prefix(&label)
            .filter(|_| text::width(&why) > WIDTH - 4)
            .map(|rest| rest.trim_start_matches([':', ' ']));
        let (first, rest) = figures.map_or((why.as_str(), ""), |figures| (label.as_str(), figures));
        block.line(&[(RED.bold(), "  ✗ ".into()), (BOLD, first.into())]);
        if !rest.is_empty() {
            block.wrapped(4, BOLD, rest);
        }
        if let Some(bound) = message::passing_bound(verdict) {
            block.wrapped(4, PLAIN, &bound);
        }
        if !verdict.worst_layers.is_empty() {
            let rows = verdict.worst_layers.iter().map(|it| (it.name.as_str(), it.value, it.covered.zip(it.total)));
            block.grid(&worst(message::worst_layers(verdict), rows, style), 4);
        }
        if !verdict.worst_classes.is_empty() {
            let classes = verdict.worst_classes.iter().map(|class| (&class.name, &class.figures));
            let rows = classes.map(|(name, it)| (name.as_str(), it.value, it.covered.zip(it.total)));
            block.grid(&worst(message::worst_classes(verdict), rows, style), 4);
        }
    }
}

/// Layers or classes with their values, and counts where both are known.
fn worst<'o>(
    title: &'static str,
    rows: impl Iterator<Item = (&'o str, Option<f64>, Option<(u64, u64)>)>,
    style: Style,
) -> Grid {
    let mut grid = Grid::new(title);
    grid.right("value").left("").right("covered");
    for (name, value, counts) in rows {
        let counted = counts.map(|(covered, total)| format!("{} / {}", text::grouped(covered), text::grouped(total)));
        grid.row(vec![
            Cell::new(PLAIN, name),
            Cell::new(PLAIN, &figure::value(value, style)),
            bar(value.filter(|_| counts.is_some()), RED),
            Cell::new(DIM, counted.as_deref().unwrap_or("-")),
        ]);
    }
    grid
}

fn baseline(block: &mut Block, outcome: &Outcome) {
    let verdict = &outcome.baseline;
    match verdict.status {
        BaselineStatus::Disabled | BaselineStatus::NotReached if !verdict.fails => return,
        BaselineStatus::Unchanged if !verdict.fails && outcome.status == Status::Passed => return,
        _ => {}
    }
    let ink = match verdict.status {
        _ if verdict.fails => RED.bold(),
        BaselineStatus::Improved => GREEN,
        BaselineStatus::Unchanged => PLAIN,
        _ => YELLOW,
    };
    block.blank();
    block.line(&[(BOLD, "  baseline  ".into()), (ink, message::baseline_sentence(verdict.status).into())]);
    let path = |block: &mut Block, label: &str, path: &Path| {
        let path = path.display().to_string();
        block.line(&[(DIM, format!("    {label:<9}{}", text::line(&path)))]);
    };
    if let Some(file) = &verdict.file {
        path(block, "file", file);
    }
    if let Some(pending) = &verdict.pending {
        path(block, "pending", pending);
    }
    // A baseline that is not there says the same of every figure.
    if !matches!(verdict.status, BaselineStatus::Missing | BaselineStatus::Unreadable) {
        let mut grid = Grid::new("");
        grid.right("baseline").right("observed").right("delta").left("").right("tolerance");
        for change in verdict.changes.iter().filter(|change| change.change != Change::Unchanged) {
            let style = message::style(outcome, &change.criterion);
            let ink = change_ink(Some(change.change));
            grid.row(vec![
                Cell::new(PLAIN, &change.criterion),
                Cell::new(PLAIN, &figure::value(change.baseline, style)),
                Cell::new(PLAIN, &figure::value(change.observed, style)),
                Cell::new(ink, &figure::delta(change.observed, change.baseline, style)),
                Cell::new(ink, message::change_word(change.change)),
                Cell::new(DIM, &figure::bound_text(change.tolerance)),
            ]);
        }
        let unchanged = verdict.changes.iter().filter(|change| change.change == Change::Unchanged).count();
        if !grid.is_empty() {
            block.grid(&grid, 4);
            if unchanged > 0 {
                block.line(&[(DIM, format!("    {unchanged} within tolerance"))]);
            }
        }
    }
    for (change, sections) in explanation::explained(outcome) {
        block.line(&[(BOLD, format!("    {}", text::line(&change.criterion)))]);
        sections.iter().for_each(|section| table_of(block, section));
    }
    if verdict.status == BaselineStatus::Missing {
        proposal::show(block, outcome);
    }
    let unknown = verdict.changes.iter().find_map(explanation::unknown);
    if let Some(why) = unknown {
        block.labelled("  note", YELLOW, why);
    }
    if let Some(next) = message::next_step(verdict) {
        // A command stays on one line, so that it can be copied.
        for line in text::lines(&next) {
            block.line(&[(CYAN.bold(), "  next  ".into()), (PLAIN, line)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn checked(outcome: &Outcome) -> String {
        let text = plain(&render(outcome));
        for line in text.lines() {
            assert_eq!(line, line.trim_end());
            let command = line.starts_with("  rerun  ") || line.starts_with("  accept ");
            assert!(command || text::width(line) <= WIDTH, "{} columns: {line}", text::width(line));
        }
        text
    }

    #[test]
    fn golden_blocks() {
        let outcomes = [
            ("passed", sample::passed()),
            ("threshold", sample::threshold_failure()),
            ("regression", sample::regression()),
            ("missing_local", sample::missing_local()),
            ("missing_ci", sample::missing_ci()),
            ("error", sample::error()),
            ("everything", sample::everything_fails()),
        ];
        for (name, outcome) in outcomes {
            insta::assert_snapshot!(name, checked(&outcome));
        }
    }

    #[test]
    fn golden_summary() {
        let reports = [
            ("PDF", Path::new("target/cleanai/digits/coverage.pdf")),
            ("JUnit", Path::new("target/cleanai/digits/coverage.junit.xml")),
        ];
        insta::assert_snapshot!("summary", plain(&summary(&sample::all(), &reports)));
    }

    #[test]
    fn colours_mark_verdicts() {
        let failed = render(&sample::threshold_failure());
        assert!(failed.contains("\u{1b}[1m\u{1b}[31m✗ FAIL\u{1b}[0m"), "{failed:?}");
        assert!(failed.contains("\u{1b}[32m✓ pass\u{1b}[0m"), "{failed:?}");
        assert!(!render(&sample::passed()).contains("\u{1b}[31m"), "nothing red in a passing block");
    }

    #[test]
    fn a_bar_is_empty_only_for_nothing_and_full_only_for_all() {
        let shown = |share| {
            let mut grid = Grid::new("");
            grid.row(vec![bar(share, RED)]);
            plain(&grid.render(0, 40).pop().unwrap()).trim().to_string()
        };
        assert_eq!(shown(Some(0.0)), "··········");
        assert_eq!(shown(Some(1e-9)), "▏·········");
        assert_eq!(shown(Some(0.5)), "█████·····");
        assert_eq!(shown(Some(0.999_999)), "█████████▉");
        assert_eq!(shown(Some(1.0)), "██████████");
        assert_eq!(shown(Some(7.0)), "██████████");
        assert_eq!(shown(None), "");
    }

    #[test]
    fn hostile_names_neither_steer_the_terminal_nor_break_the_grid() {
        let mut outcome = sample::everything_fails();
        let name = "\u{1b}]0;owned\u{7}\u{1b}[2J層層\n".repeat(9);
        outcome.test.name = name.clone();
        outcome.requirements[0].requirement = format!("{name} >= 0.25");
        outcome.requirements[3].worst_layers[0].name = name.clone();
        outcome.measurement.as_mut().unwrap().model.path = name;
        let text = checked(&outcome);
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
    }

    #[test]
    fn a_figure_other_than_the_value_finds_its_baseline() {
        let mut outcome = sample::regression();
        let mut verdict = sample::requirement("nc", crate::declare::Comparison::AtLeast, 0.9, Some(0.95), Some(0.97));
        verdict.requirement = "nc.auroc >= 0.9".into();
        outcome.requirements.push(verdict);
        let mut change = outcome.baseline.changes[0].clone();
        (change.criterion, change.baseline, change.observed) = ("nc.auroc".into(), Some(0.97), Some(0.95));
        outcome.baseline.changes.push(change);
        let text = render(&outcome);
        let row = text.lines().find(|line| line.contains("nc.auroc")).unwrap();
        assert!(row.contains("\u{1b}[31m-0.0200"), "{row:?}");
        assert!(!row.contains('█'), "no bar: the ratio is not known: {row:?}");
        assert!(plain(&text).lines().any(|line| line.starts_with("  nc ")), "the value itself is still listed");
    }

    #[test]
    fn what_is_compared_with_another_model_or_not_judged_yet_is_shown() {
        let mut outcome = sample::missing_local();
        let measurement = outcome.measurement.as_mut().unwrap();
        let figures = [("nbc", Some(0.25)), ("accuracy", Some(0.97))].map(|(name, value)| (name.to_owned(), value));
        let (path, sha256) = ("models/old.pt".to_owned(), "5d".repeat(32));
        measurement.against = Some(crate::measure::OtherModel { path, sha256, figures: figures.into() });
        let verdict = |text: &str| crate::gate::RequirementVerdict {
            requirement: text.into(),
            bound: None,
            bound_text: Some(text.rsplit(' ').next().unwrap().into()),
            ..sample::requirement(
                text.split(' ').next().unwrap(),
                crate::declare::Comparison::AtLeast,
                0.0,
                Some(0.25),
                None,
            )
        };
        let pending = crate::gate::RequirementVerdict {
            note: Some("no baseline yet".into()),
            ..verdict("kmnc(k=1000) >= baseline")
        };
        let against = crate::gate::RequirementVerdict {
            bound: Some(0.27),
            bound_text: Some("against + 0.02".into()),
            against: Some(0.25),
            holds: false,
            worst_classes: vec![crate::gate::ClassValue {
                name: "seven".into(),
                figures: crate::measure::ClassFigures {
                    inputs: 36,
                    value: Some(0.2),
                    covered: Some(20),
                    total: Some(100),
                },
            }],
            ..verdict("nbc.per_class(min) >= against")
        };
        let idle = crate::gate::RequirementVerdict {
            bound: Some(0.0),
            bound_text: None,
            note: Some("it always holds: a share is never below 0".into()),
            ..verdict("nc >= 0")
        };
        outcome.requirements = vec![pending, against, idle];
        insta::assert_snapshot!("against", checked(&outcome));
    }

    #[test]
    fn any_figure_can_be_shown() {
        for value in [
            None,
            Some(f64::NAN),
            Some(f64::INFINITY),
            Some(-0.0),
            Some(1e300),
            Some(5e-324),
            Some(0.299_999_999_999_999_9),
        ] {
            let mut outcome = sample::threshold_failure();
            outcome.requirements[0].observed = value;
            outcome.requirements[0].baseline = value;
            outcome.requirements[0].worst_layers[0].value = value;
            checked(&outcome);
        }
    }
}
