//! Markdown: a run as a reviewer reads it, for the summary of a GitHub Actions step or a comment on a merge request.
//!
//! Tests that changed or failed come first and in full; the others are folded. Names and messages from outside are escaped, so that they stay
//! text whatever characters they have.

use std::path::Path;

use super::explanation::{self, Section};
use super::figure::{self, Style};
use super::{Outcome, Status, message, text};
use crate::gate::{BaselineStatus, Change, RequirementVerdict};

/// Characters of a name or a reason in the table of tests.
const SHORT: usize = 160;

/// The run as Markdown of at most `limit` bytes: what does not fit is left out test by test, which the text then says. `reports` are other
/// reports, each a format's name and its file. Empty where not even the verdict fits.
///
/// ```
/// let text = cleanai_harness::report::markdown::render(&[], &[], 1 << 20);
/// assert!(text.starts_with("## CleanAI: PASS"));
/// ```
pub fn render(outcomes: &[Outcome], reports: &[(&str, &Path)], limit: usize) -> String {
    let mut page = Page { text: String::new(), limit };
    let overall = message::overall(outcomes);
    let verdict = format!("## CleanAI: {}\n\n{}.\n\n", message::status_word(overall), message::counts(outcomes));
    if !page.add(&verdict) {
        return String::new();
    }
    // What is said at the end has its place kept.
    let end = end(reports);
    page.limit = limit.saturating_sub(end.len() + LEFT_OUT);
    let (told, quiet): (Vec<&Outcome>, Vec<&Outcome>) = outcomes.iter().partition(|outcome| is_told(outcome));
    let mut left_out = 0;
    for outcome in told {
        left_out += u64::from(!page.add(&block(outcome, false)));
    }
    for outcome in quiet {
        left_out += u64::from(!page.add(&block(outcome, true)));
    }
    page.limit = limit;
    if left_out > 0 {
        let tests = text::counted(left_out, "test", "tests");
        page.add(&format!("{tests} left out: there is no room for more here. The other reports have all.\n\n"));
    }
    page.add(&end);
    page.text
}

/// Room for the sentence on what is left out.
const LEFT_OUT: usize = 128;

/// A text that does not grow beyond its limit.
struct Page {
    text: String,
    limit: usize,
}

impl Page {
    /// Adds a part, whole or not at all.
    fn add(&mut self, part: &str) -> bool {
        let fits = self.text.len() + part.len() <= self.limit;
        if fits {
            self.text += part;
        }
        fits
    }
}

/// Whether a test failed or its figures changed.
fn is_told(outcome: &Outcome) -> bool {
    outcome.status != Status::Passed
        || !matches!(
            outcome.baseline.status,
            BaselineStatus::Unchanged | BaselineStatus::Disabled | BaselineStatus::NotReached
        )
}

/// One test; a quiet one is folded.
fn block(outcome: &Outcome, quiet: bool) -> String {
    let test = &outcome.test;
    let name = text::ellipsis(&text::line(&test.name), SHORT).into_owned();
    let head = format!("{} {}", mark(outcome.status), message::status_word(outcome.status));
    let mut block = if quiet {
        format!("<details><summary>{head} {}</summary>\n\n", html_code(&name))
    } else {
        format!("### {head} {}\n\n", code(&name))
    };
    let place = code(&format!("{}:{}", test.file.display(), test.line));
    let parts =
        [Some(place), Some(text::seconds(outcome.seconds)), outcome.measurement.as_ref().and_then(message::cached)];
    block += &format!("{}\n\n", parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    let reasons = message::reasons(outcome);
    // An error is told in full below.
    if !reasons.is_empty() && (outcome.error.is_none() || reasons.len() > 1) {
        block += &reasons.iter().map(|reason| format!("- {}\n", plain(&reason.message))).collect::<String>();
        block.push('\n');
    }
    error(&mut block, outcome);
    for warning in outcome.measurement.iter().flat_map(message::warnings) {
        block += &format!("Warning: {}.\n\n", plain(&warning));
    }
    figures(&mut block, outcome);
    for verdict in outcome.requirements.iter().filter(|verdict| !verdict.holds) {
        failure(&mut block, verdict, message::style_of(outcome, verdict));
    }
    behind(&mut block, outcome);
    if let Some(next) = message::next_step(&outcome.baseline) {
        block += &format!("Next: {}\n\n", with_code(&next));
    }
    commands(&mut block, outcome);
    if quiet {
        block += "</details>\n\n";
    }
    block
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Passed => "✅",
        Status::Failed => "❌",
        Status::Error => "⚠️",
    }
}

fn error(block: &mut String, outcome: &Outcome) {
    let Some(error) = &outcome.error else { return };
    let mut lines: Vec<String> = text::lines(error.what()).collect();
    if let Some(place) = error.place() {
        lines.push(format!("at {}:{}:{}", place.file.display(), place.line, place.column));
        lines.extend(text::lines(&place.snippet));
    }
    if let Some(help) = error.help() {
        lines.push(format!("help: {help}"));
    }
    *block += &fenced(&lines);
}

/// Base, now, delta and what is required, what changed first.
fn figures(block: &mut String, outcome: &Outcome) {
    let Some(measurement) = &outcome.measurement else { return };
    let mut rows: Vec<(bool, Vec<String>)> = Vec::new();
    let compares = outcome.requirements.iter().any(|verdict| verdict.against.is_some());
    let change_of = |criterion: &str| outcome.baseline.changes.iter().find(|change| change.criterion == criterion);
    for verdict in &outcome.requirements {
        let style = message::style_of(outcome, verdict);
        let label = figure::label(verdict);
        let change = change_of(label).map(|change| change.change);
        let mut row = vec![
            code(label),
            figure::value(verdict.baseline, style),
            bold(&figure::observed(verdict, style), !verdict.holds),
            figure::delta(verdict.observed, verdict.baseline, style),
            inline(&figure::required(verdict)),
        ];
        if compares {
            row.push(figure::value(verdict.against, style));
        }
        row.push(format!("{} {}", if verdict.holds { "✅" } else { "❌" }, changed(change)).trim_end().to_owned());
        rows.push((!verdict.holds || change.is_some_and(|change| change != Change::Unchanged), row));
    }
    let required = |criterion: &str| {
        outcome.requirements.iter().any(|verdict| verdict.criterion == criterion && figure::label(verdict) == criterion)
    };
    for (criterion, result) in measurement.criteria.iter().filter(|(criterion, _)| !required(criterion)) {
        let change = change_of(criterion);
        let (style, held) = (Style::of(result), change.and_then(|change| change.baseline));
        let mut row = vec![
            code(criterion),
            figure::value(held, style),
            figure::value(result.value, style),
            figure::delta(result.value, held, style),
            "-".to_owned(),
        ];
        if compares {
            row.push("-".to_owned());
        }
        row.push(changed(change.map(|change| change.change)).to_owned());
        rows.push((change.is_some_and(|change| change.change != Change::Unchanged), row));
    }
    rows.sort_by_key(|(is_changed, _)| !is_changed);
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    let mut columns = vec!["criterion", "base", "now", "delta", "required"];
    if compares {
        columns.push("other model");
    }
    columns.push("");
    let last = columns.len() - 1;
    *block += &table(&columns, |at| at == 0 || at == last, &rows);
}

fn changed(change: Option<Change>) -> &'static str {
    match change {
        None | Some(Change::Unchanged) => "",
        Some(change) => message::change_word(change),
    }
}

/// What is behind a requirement that does not hold.
fn failure(block: &mut String, verdict: &RequirementVerdict, style: Style) {
    if let Some(bound) = message::passing_bound(verdict) {
        *block += &format!("{}: {}\n\n", code(figure::label(verdict)), inline(&bound));
    }
    if verdict.worst_layers.is_empty() {
        return;
    }
    let row = |layer: &crate::criteria::LayerFigures| {
        let counts = match (layer.covered, layer.total) {
            (Some(covered), Some(total)) => format!("{} / {}", text::grouped(covered), text::grouped(total)),
            _ => "-".to_owned(),
        };
        vec![code(&layer.name), counts, figure::value(layer.value, style)]
    };
    let rows: Vec<Vec<String>> = verdict.worst_layers.iter().map(row).collect();
    *block += &table(&[message::worst_layers(verdict), "covered / total", "value"], |at| at == 0, &rows);
}

/// The tables on what fell.
fn behind(block: &mut String, outcome: &Outcome) {
    for (change, sections) in explanation::explained(outcome) {
        let line = message::change_line(change, message::style(outcome, &change.criterion));
        *block += &format!("<details><summary>What lies behind {}</summary>\n\n", html_code(&line));
        for section in &sections {
            behind_one(block, section);
        }
        *block += "</details>\n\n";
    }
    if let Some(why) = outcome.baseline.changes.iter().find_map(explanation::unknown) {
        *block +=
            &format!("Neurons, classes and inputs of the baseline are not known: {}.\n\n", plain(&text::line(why)));
    }
}

fn behind_one(block: &mut String, section: &Section) {
    let is_words = |at: usize| at == 0 || section.words.contains(&at);
    let row = |row: &Vec<String>| {
        let cell = |(at, cell): (usize, &String)| if is_words(at) && cell != "-" { code(cell) } else { inline(cell) };
        row.iter().enumerate().map(cell).collect()
    };
    let rows: Vec<Vec<String>> = section.rows.iter().map(row).collect();
    *block += &format!("**{}**\n\n", plain(&section.title));
    *block += &table(&section.columns, is_words, &rows);
    if let Some(more) = &section.more {
        *block += &format!("{}\n\n", plain(more));
    }
}

/// The commands that can be copied.
fn commands(block: &mut String, outcome: &Outcome) {
    let Some(commands) = outcome.commands.as_ref().filter(|_| outcome.status != Status::Passed) else { return };
    let mut lines = vec![text::line(&commands.rerun).into_owned()];
    lines.extend(commands.accept.as_ref().map(|accept| text::line(accept).into_owned()));
    *block += &fenced(&lines);
}

/// Where other reports lie.
fn end(reports: &[(&str, &Path)]) -> String {
    let listed = reports.iter().map(|(name, path)| format!("{name} {}", code(&path.display().to_string())));
    let listed: Vec<String> = listed.collect();
    if listed.is_empty() { String::new() } else { format!("Reports: {}\n", listed.join(" · ")) }
}

/// A table; `left` says which columns hold words.
fn table(columns: &[&str], left: impl Fn(usize) -> bool, rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let rule: Vec<&str> = (0..columns.len()).map(|at| if left(at) { ":--" } else { "--:" }).collect();
    let rows: String = rows.iter().map(|row| line(row.iter().map(String::as_str).collect())).collect();
    format!("{}{}{rows}\n", line(columns.to_vec()), line(rule))
}

fn bold(text: &str, is_bold: bool) -> String {
    if is_bold { format!("**{text}**") } else { text.to_owned() }
}

/// Lines as they are, to be copied.
fn fenced(lines: &[String]) -> String {
    let body = lines.join("\n");
    let longest = body.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{body}\n{fence}\n\n")
}

/// A name in the letters of code.
fn code(name: &str) -> String {
    let name = text::line(name);
    let name = name.trim();
    // In these a code span would have to be escaped, which renderers do not agree on.
    if name.is_empty() || name.contains(['`', '|', '\\']) { html_code(name) } else { format!("`{name}`") }
}

/// The same where Markdown is not read, or a code span will not do.
fn html_code(name: &str) -> String {
    format!("<code>{}</code>", entities(text::line(name).trim()))
}

/// Every character that Markdown or HTML could take for its own as a number.
fn entities(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let characters: Vec<char> = text.chars().collect();
    for (at, character) in characters.iter().enumerate() {
        let within_a_word =
            *character == '_' && is_word(&characters, at.checked_sub(1)) && is_word(&characters, Some(at + 1));
        if character.is_ascii_punctuation() && !within_a_word && !",./-=():;%+>".contains(*character) {
            escaped += &format!("&#{};", u32::from(*character));
        } else {
            escaped.push(*character);
        }
    }
    escaped
}

/// Whether there is a letter or a digit at this place.
fn is_word(characters: &[char], at: Option<usize>) -> bool {
    at.and_then(|at| characters.get(at)).is_some_and(|character| character.is_alphanumeric())
}

/// A text in which nothing is markup, at the beginning of a line too.
fn plain(body: &str) -> String {
    let body = inline(body);
    match body.chars().next() {
        Some('>') => format!("&gt;{}", &body[1..]),
        Some('#' | '+' | '-' | '=') => format!("\\{body}"),
        _ => body,
    }
}

/// A text in which nothing is markup, within a line.
fn inline(body: &str) -> String {
    let body = text::line(body);
    let mut escaped = String::with_capacity(body.len());
    let characters: Vec<char> = body.trim().chars().collect();
    for (at, character) in characters.iter().enumerate() {
        match character {
            '&' => escaped += "&amp;",
            // Before a space it begins no tag.
            '<' if characters.get(at + 1).is_some_and(|next| !matches!(next, ' ' | '=')) => escaped += "&lt;",
            '@' => escaped += "&#64;",
            '_' if is_word(&characters, at.checked_sub(1)) && is_word(&characters, Some(at + 1)) => escaped.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => escaped.extend(['\\', *character]),
            _ => escaped.push(*character),
        }
    }
    escaped
}

/// A sentence of ours: what stands between backticks is code.
fn with_code(sentence: &str) -> String {
    let parts: Vec<&str> = sentence.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return plain(sentence);
    }
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        if at % 2 == 1 {
            text += &code(part);
        } else {
            // `plain` trims, and these have spaces at their ends.
            let trimmed = part.trim();
            let (head, tail) = (part.starts_with(' '), part.ends_with(' ') && !trimmed.is_empty());
            text += if head { " " } else { "" };
            text += &if at == 0 { plain(trimmed) } else { inline(trimmed) };
            text += if tail { " " } else { "" };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn samples() {
        let reports = [("PDF", Path::new("target/cleanai/digits/coverage.pdf")), ("HTML", Path::new("a|b`.html"))];
        insta::assert_snapshot!("all", render(&sample::all(), &reports, usize::MAX));
    }

    #[test]
    fn compared_with_another_model() {
        let mut outcome = sample::passed();
        outcome.requirements[0].against = Some(0.26);
        outcome.requirements[0].bound_text = Some("against - 0.02".into());
        let text = render(&[outcome], &[], usize::MAX);
        assert!(text.contains("| criterion | base | now | delta | required | other model |  |"), "{text}");
        assert!(
            text.contains("| `kmnc(k=1000)` | 0.2540 | 0.2542 | +0.0002 | >= 0.25 (against - 0.02) | 0.2600 | ✅ |"),
            "{text}"
        );
    }

    #[test]
    fn names_stay_names() {
        assert_eq!(code("kmnc(k=1000)"), "`kmnc(k=1000)`");
        assert_eq!(code("a|b"), "<code>a&#124;b</code>");
        assert_eq!(code("`<b>\\`"), "<code>&#96;&#60;b>&#92;&#96;</code>");
        assert_eq!(code(""), "<code></code>");
        assert_eq!(
            plain("a | b *c* _d_ snake_case [x](y) <script> & `e`"),
            "a \\| b \\*c\\* \\_d\\_ snake_case \\[x\\](y) &lt;script> &amp; \\`e\\`"
        );
        assert_eq!(plain("# no heading\nno line\u{202e}"), "\\# no heading no line");
        assert_eq!(plain("> 3"), "&gt; 3");
        assert_eq!(
            (plain("-0.04"), inline("-0.04"), inline(">= 0.3 < 0.4 <b")),
            ("\\-0.04".into(), "-0.04".into(), ">= 0.3 < 0.4 &lt;b".into())
        );
        assert_eq!(plain("@everyone"), "&#64;everyone");
        assert_eq!(
            with_code("look at it with `cargo insta review`, then commit"),
            "look at it with `cargo insta review`, then commit"
        );
        assert_eq!(with_code("odd ` one"), "odd \\` one");
        assert_eq!(fenced(&["a ```` b".to_owned()]), "`````\na ```` b\n`````\n\n");
    }

    #[test]
    fn hostile_tests_keep_tables_whole() {
        let mut outcome = sample::everything_fails();
        let hostile = "</details><script>alert(1)</script>|`x`\n# y\u{202e}";
        outcome.test.name = hostile.into();
        outcome.body = Some(hostile.into());
        outcome.requirements[0].worst_layers[0..].iter_mut().for_each(|layer| layer.name = hostile.into());
        let explained = outcome.baseline.changes.iter_mut().filter_map(|change| change.explanation.as_mut());
        for explanation in explained {
            explanation.classes.iter_mut().for_each(|class| class.name = hostile.into());
        }
        let text = render(&[outcome], &[], usize::MAX);
        assert!(!text.contains("<script") && !text.contains('\u{202e}'), "{text}");
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        // Every row of a table has as many cells as its head.
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        for pair in text.lines().collect::<Vec<_>>().windows(2) {
            if pair.iter().all(|line| line.starts_with('|')) {
                assert_eq!(cells(pair[0]), cells(pair[1]), "{pair:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_said() {
        let all: Vec<Outcome> = (0..400).flat_map(|_| [sample::passed(), sample::everything_fails()]).collect();
        let reports = [("HTML", Path::new("target/cleanai/digits/coverage.html"))];
        let whole = render(&all, &reports, usize::MAX);
        assert!(whole.len() > 1 << 20, "{}", whole.len());
        let text = render(&all, &reports, 1 << 20);
        assert!(text.len() <= 1 << 20);
        assert!(text.contains("left out: there is no room for more here."));
        assert!(text.ends_with("Reports: HTML `target/cleanai/digits/coverage.html`\n"));
        assert_eq!(render(&all, &reports, 10), "");
        for limit in [100, 200, 400, 5_000] {
            assert!(render(&all, &reports, limit).len() <= limit);
        }
    }
}
