//! What a person reads in the terminal: one block per test and closing lines.
//!
//! The text holds ANSI styles; print it through `anstream`, which drops them where the output is no terminal.

mod baseline;
mod block;
mod failing;
mod figures;
mod grid;
mod proposal;
#[cfg(test)]
mod tests;

use std::path::Path;

use anstyle::{AnsiColor, Color, Style as Ink};

use self::block::{BOLD, Block, CYAN, DIM, PLAIN, RED, WIDTH, YELLOW};
use super::{Outcome, Status, message, text};
use crate::measure::Measurement;

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
        figures::table(&mut block, outcome, measurement);
        failing::failing(&mut block, outcome);
        baseline::baseline(&mut block, outcome);
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
        let mut settings = message::settings(&measurement.settings).into_iter();
        line("device", &settings.next().unwrap_or_default(), &settings.collect::<Vec<_>>());
        if let Some(cached) = message::cached(measurement) {
            line("figures", &cached, &[]);
        }
    }
    if let Some(other) = &measurement.against {
        let sha256: String = other.sha256.chars().take(12).collect();
        line("against", &other.path, &if sha256.is_empty() { Vec::new() } else { vec![format!("SHA-256 {sha256}…")] });
    }
    for warning in message::warnings(measurement).into_iter().chain(message::idle_requirements(outcome)) {
        block.labelled("warning", YELLOW, &warning);
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
