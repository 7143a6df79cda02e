//! A bar for long passes, on a terminal: what runs, how many inputs are through, how many a second, and the time left. Nothing of it stays.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fmt};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};
use unicode_width::UnicodeWidthChar;

use crate::measure::observer::{self, Observer, Stage};

/// What is over sooner is not shown.
const PATIENCE: Duration = Duration::from_millis(400);

/// How often it is drawn in a second.
const DRAWN: u8 = 8;

/// With less room it is not shown.
const LEAST_ROOM: usize = 24;

/// The bar of this process, where there is one.
static SHOWN: Mutex<Option<Arc<Progress>>> = Mutex::new(None);

/// Shows the progress of all passes of this process from now on, where that is of use: on a terminal that people watch. `CLEANAI_PROGRESS=off`, `CI`
/// and nextest turn it off.
pub fn show() {
    show_after(0);
}

/// The same behind what already stands in the line, so many columns.
pub(crate) fn show_after(columns: usize) {
    if !is_wanted() {
        return;
    }
    let progress = Arc::new(Progress { line: Line::new(columns, Box::new(io::stderr())), shown: Mutex::default() });
    *lock(&SHOWN) = Some(Arc::clone(&progress));
    observer::install(Some(progress));
}

fn is_wanted() -> bool {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is = |name: &str, word: &str| env::var_os(name).is_some_and(|value| value == word);
    let off = is("CLEANAI_PROGRESS", "off") || is("TERM", "dumb") || is("NEXTEST", "1") || set("CI");
    !off && io::stderr().is_terminal()
}

/// Does something that writes to the terminal, with the bar out of the way.
pub(crate) fn hidden<T>(work: impl FnOnce() -> T) -> T {
    let shown = lock(&SHOWN).clone();
    match shown {
        Some(progress) => {
            let bar = lock(&progress.shown).as_ref().and_then(|shown| shown.bar.clone());
            match bar {
                Some(bar) => bar.suspend(work),
                None => work(),
            }
        }
        None => work(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Draws one bar; of runs at the same time the last that began.
struct Progress {
    line: Line,
    shown: Mutex<Option<Shown>>,
}

struct Shown {
    what: String,
    inputs: u64,
    done: u64,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Observer for Progress {
    fn begin(&self, Stage { model, role, inputs }: Stage<'_>) {
        self.start(format!("{model}, {role}"), inputs as u64);
    }

    fn advance(&self, inputs: usize) {
        let mut shown = lock(&self.shown);
        let Some(shown) = shown.as_mut() else { return };
        shown.done += inputs as u64;
        match &shown.bar {
            Some(bar) => bar.set_position(shown.done),
            None if shown.began.elapsed() >= PATIENCE => shown.bar = Some(self.bar(shown)),
            None => {}
        }
    }

    fn wait(&self) {
        self.start("waiting for another process that measures the same".to_owned(), 0);
        let mut shown = lock(&self.shown);
        if let Some(shown) = shown.as_mut() {
            shown.bar = Some(self.bar(shown));
        }
    }

    fn end(&self) {
        if let Some(bar) = lock(&self.shown).take().and_then(|shown| shown.bar) {
            bar.finish_and_clear();
        }
    }
}

impl Progress {
    fn start(&self, what: String, inputs: u64) {
        self.end();
        *lock(&self.shown) = Some(Shown { what, inputs, done: 0, began: Instant::now(), bar: None });
    }

    fn bar(&self, shown: &Shown) -> ProgressBar {
        let target = if self.line.room() < LEAST_ROOM {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::term_like_with_hz(Box::new(self.line.clone()), DRAWN)
        };
        // Hidden until all is set: every setting draws.
        let bar = ProgressBar::with_draw_target(Some(shown.inputs), ProgressDrawTarget::hidden());
        bar.set_elapsed(shown.began.elapsed());
        bar.set_message(shown.what.clone());
        let template = match (shown.inputs, self.line.room() >= 100) {
            (0, _) => "{msg}",
            (_, true) => "{msg} [{bar:20}] {human_pos}/{human_len} inputs, {rate}, {left} left",
            (_, false) => "{msg} {human_pos}/{human_len}, {rate}, {left} left",
        };
        // The templates are constants; one that is wrong leaves the default style.
        if let Ok(style) = ProgressStyle::with_template(template) {
            // The mean since it began: batches come one by one, too few for a rate of the last moments. Nobody is told where a text cannot be made.
            let mean = |state: &ProgressState| state.pos() as f64 / state.elapsed().as_secs_f64().max(1e-3);
            let rate =
                move |state: &ProgressState, to: &mut dyn fmt::Write| _ = write!(to, "{}/s", rate_text(mean(state)));
            let left = move |state: &ProgressState, to: &mut dyn fmt::Write| {
                let rest = state.len().unwrap_or(0).saturating_sub(state.pos());
                _ = to.write_str(&time_text(rest as f64 / mean(state)));
            };
            bar.set_style(style.progress_chars("=> ").with_key("rate", rate).with_key("left", left));
        }
        bar.set_position(shown.done);
        bar.set_draw_target(target);
        bar.tick();
        bar
    }
}

/// `0.42`, `12`, `5300`
fn rate_text(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.2}") } else { format!("{rate:.0}") }
}

/// `8 s`, `3 min`, `2.5 h`
fn time_text(seconds: f64) -> String {
    match seconds {
        _ if !seconds.is_finite() => "?".to_owned(),
        ..100.0 => format!("{seconds:.0} s"),
        ..6000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// The rest of a terminal's line, behind what stands in it: drawn from the place where the cursor was, which it gets back.
#[derive(Clone)]
struct Line {
    columns: usize,
    to: Arc<Mutex<To>>,
}

struct To {
    out: Box<dyn Write + Send>,
    /// Whether the cursor's place is kept.
    kept: bool,
}

impl Line {
    fn new(columns: usize, out: Box<dyn Write + Send>) -> Self {
        Self { columns, to: Arc::new(Mutex::new(To { out, kept: false })) }
    }

    /// Columns that are free; one is left, lest the terminal starts a new line.
    fn room(&self) -> usize {
        let (_, width) = console::Term::stderr().size();
        usize::from(width).saturating_sub(self.columns + 1)
    }

    fn draw(&self, text: &str, room: usize) -> io::Result<()> {
        let to = &mut *lock(&self.to);
        // Kept anew for every line that a test stands in.
        if !std::mem::replace(&mut to.kept, true) {
            to.out.write_all(b"\x1b7")?;
        }
        to.out.write_all(fitted(text.trim_end(), room).as_bytes())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// The start of a text that fits into so many columns.
fn fitted(text: &str, room: usize) -> String {
    let mut left = room;
    let fits = |sign: &char| {
        let width = sign.width().unwrap_or(0);
        left.checked_sub(width).map(|rest| left = rest).is_some()
    };
    text.chars().filter(|sign| !sign.is_control()).take_while(fits).collect()
}

impl TermLike for Line {
    /// More than any text has: what does not fit is cut off here, not broken into lines.
    fn width(&self) -> u16 {
        512
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.trim().is_empty() { Ok(()) } else { self.draw(text, self.room()) }
    }

    /// Erases what was drawn, and puts the cursor back.
    fn clear_line(&self) -> io::Result<()> {
        let to = &mut *lock(&self.to);
        if std::mem::take(&mut to.kept) { to.out.write_all(b"\x1b8\x1b[K") } else { Ok(()) }
    }

    fn flush(&self) -> io::Result<()> {
        lock(&self.to).out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::observer::Role;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a terminal shows of these bytes, which keep to one line.
    fn screen(bytes: &[u8]) -> String {
        let (mut line, mut at, mut kept) = (Vec::new(), 0, 0);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let mut signs = text.chars().peekable();
        while let Some(sign) = signs.next() {
            match sign {
                '\x1b' => match signs.next().unwrap() {
                    '7' => kept = at,
                    '8' => at = kept,
                    '[' if signs.next() == Some('K') => line.truncate(at),
                    other => panic!("escape {other:?}"),
                },
                '\n' | '\r' => panic!("it leaves its line"),
                sign => {
                    line.truncate(at);
                    line.push(sign);
                    at += 1;
                }
            }
        }
        line.into_iter().collect()
    }

    #[test]
    fn it_is_drawn_behind_the_test_and_leaves_nothing() {
        let written = Written::default();
        let line = Line::new(19, Box::new(written.clone()));
        let progress = Progress { line, shown: Mutex::default() };
        let mut terminal = written.clone();
        terminal.write_all(b"test lenet5    ... ").unwrap();
        progress.begin(Stage { model: "lenet5.pt", role: Role::Profile, inputs: 60_000 });
        progress.advance(64);
        let before = lock(&written.0).clone();
        assert_eq!(screen(&before), "test lenet5    ... ", "nothing before it takes long");
        let long_ago = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        lock(&progress.shown).as_mut().unwrap().began = long_ago;
        progress.advance(1_000);
        let shown = screen(&lock(&written.0).clone());
        assert!(shown.starts_with("test lenet5    ... lenet5.pt, profile set 1,064/60,000, "), "{shown}");
        // 1064 in two seconds.
        let rate: f64 = shown.split(", ").nth(2).unwrap().strip_suffix("/s").unwrap().parse().unwrap();
        assert!((400.0..=532.0).contains(&rate), "{shown}");
        assert!(shown.ends_with(" min left") || shown.ends_with(" s left"), "{shown}");
        assert!(!String::from_utf8_lossy(&lock(&written.0)).contains('░'), "drawn before it has its style");
        progress.end();
        terminal.write_all(b"ok").unwrap();
        assert_eq!(screen(&lock(&written.0).clone()), "test lenet5    ... ok");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.417, 9.99, 12.4, 5300.2].map(rate_text), ["0.42", "9.99", "12", "5300"]);
        assert_eq!([0.2, 99.0, 150.0, 9000.0, f64::INFINITY].map(time_text), ["0 s", "99 s", "2 min", "2.5 h", "?"]);
    }

    #[test]
    fn a_text_too_long_is_cut() {
        assert_eq!(fitted("lenet5.pt, test set", 9), "lenet5.pt");
        assert_eq!(fitted("模型模型", 5), "模型");
        assert_eq!(fitted("a\u{1b}[2Jb", 10), "a[2Jb");
        assert_eq!(fitted("abc", 0), "");
    }
}
