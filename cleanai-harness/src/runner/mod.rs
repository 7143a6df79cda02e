//! The test binary's main: which tests run, one after another, and what is printed and written about them.
//!
//! Speaks the command line of libtest (through `libtest-mimic`), so that `cargo test`, `cargo nextest run` and
//! `cargo insta test` drive it as they drive any test binary. Listing opens no file and loads no libtorch.
//!
//! Exit codes: 0 if all tests pass, 101 if one fails, 2 for a wrong argument, a broken `cleanai.toml` or a report that
//! cannot be written, 130 after Ctrl-C and 143 after SIGTERM ([`interrupt`]): the test under way stops, others do not start, and the
//! reports hold those that finished.

mod arguments;
mod github;
mod leftovers;
mod places;
mod ratchet;
#[cfg(feature = "torch")]
pub(crate) mod registered;
mod reports;
#[cfg(feature = "torch")]
mod show;
mod trial;
mod warnings;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs, io};

use libtest_mimic::{ColorSetting, Completion, Failed, FormatSetting, Trial};

use crate::config::Config;
use crate::declare::{Declaration, TestIdentity};
use crate::gate::snapshot;
use crate::measure::Measurement;
use crate::report::{Outcome, Status, junit};
use crate::{Error, ErrorKind, Result, interrupt};

use arguments::Invocation;
use places::Places;
use reports::Reports;

/// One registered test, before anything of it is looked at.
pub struct Test {
    /// Its name, and where it stands.
    pub identity: TestIdentity,
    /// The function's name.
    pub function: &'static str,
    /// `module_path!()` where it stands.
    pub module_path: &'static str,
    /// `file!()` where it stands.
    pub file: &'static str,
    /// The package's folder, as it is now.
    pub package_dir: PathBuf,
    /// Whether it runs only when asked for.
    pub ignored: bool,
    /// Resolves attribute, `[tests.NAME]` and `[defaults]`.
    pub declare: Declare,
    /// What else must hold, as text where it does not.
    pub body: Option<Body>,
    /// Asserts the snapshot from the user's crate.
    pub assert_snapshot: fn(name: &str, text: &str),
}

/// Resolves what one test declares.
pub type Declare = Box<dyn Fn(&Config) -> Result<Declaration> + Send + Sync>;

/// The body of a test.
pub type Body = Box<dyn Fn(&Measurement) -> Result<(), String> + Send + Sync>;

/// Measures the declaration of this index; tests that can share a pass share it in there. Called from any thread.
pub type Measure = dyn Fn(usize) -> Result<Measurement> + Send + Sync;

/// What the runner has others do.
pub struct Parts {
    /// The registered tests.
    pub tests: Vec<Test>,
    /// Finds the configuration of a package.
    pub configuration: fn(package_dir: &Path) -> Result<Config>,
    /// Plans the passes over the declarations of the tests that will run.
    pub plan: Box<dyn FnOnce(Vec<Declaration>) -> Arc<Measure>>,
    /// Words and files.
    pub reporters: Reporters,
}

/// The reporters. The writers replace a file whole or leave it.
#[derive(Clone, Copy)]
pub struct Reporters {
    /// A test's block, with ANSI styles.
    pub render: fn(&Outcome) -> String,
    /// The closing lines: counts, and where each report (by its format's name) lies.
    pub summary: Summarise,
    /// The PDF; `None` in a build without it.
    pub pdf: Option<WriteReport>,
    /// JUnit XML.
    pub junit: WriteJunit,
    /// JSON.
    pub json: WriteReport,
    /// HTML.
    pub html: WriteReport,
    /// Markdown.
    pub markdown: Digest,
    /// Lines for GitHub Actions about these tests; the folder is that of the workspace below its repository's.
    pub annotations: fn(&[Outcome], workspace: &Path) -> String,
    /// Writes one outcome into a folder of such fragments; a later one of the same test replaces it.
    pub write_fragment: fn(folder: &Path, &Outcome) -> Result<PathBuf>,
    /// Reads all fragments of a folder, in the order of the source.
    pub read_fragments: fn(folder: &Path) -> Result<Vec<Outcome>>,
}

/// The closing lines on several tests, and on the reports (format and file) written about them.
pub type Summarise = fn(&[Outcome], &[(&str, &Path)]) -> String;

/// A text on several tests and on the reports written about them, of so many bytes at most.
pub type Digest = fn(&[Outcome], &[(&str, &Path)], limit: usize) -> String;

/// Writes a report on several tests.
pub type WriteReport = fn(&[Outcome], &Path) -> Result<()>;

/// Writes a JUnit report on several tests.
pub type WriteJunit = fn(&[Outcome], &Path, &junit::Options) -> Result<()>;

/// Runs the tests that the arguments (the program's name first) ask for. This is what `main!()` comes down to: the first
/// thing in the process, before any thread, because it sets environment variables that `insta` reads.
#[doc(hidden)]
pub fn run(parts: Parts, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match arguments::parse(arguments).and_then(|invocation| run_tests(parts, &invocation)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            print_error(&error);
            ExitCode::from(CONFIGURATION)
        }
    }
}

const FAILED: u8 = 101;
const CONFIGURATION: u8 = 2;

const WARNING: anstyle::Style = anstyle::AnsiColor::Yellow.on_default().bold();

fn print_error(error: &Error) {
    let style = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{style}error{style:#}: {error}");
}

fn print_warning(warning: &str) {
    let style = anstyle::AnsiColor::Yellow.on_default().bold();
    anstream::eprintln!("{style}warning{style:#}: {warning}");
}

fn run_tests(parts: Parts, invocation: &Invocation) -> Result<u8> {
    let Parts { mut tests, configuration, plan, reporters } = parts;
    tests.sort_by(|a, b| place(&a.identity).cmp(&place(&b.identity)));
    reject_duplicates(&tests)?;
    let arguments = &invocation.arguments;
    let selected: Vec<bool> = tests
        .iter()
        .map(listed)
        .map(|trial| !arguments.list && !arguments.is_filtered_out(&trial) && !arguments.is_ignored(&trial))
        .collect();
    let Some(first) = tests.iter().zip(&selected).find_map(|(test, selected)| selected.then_some(test)) else {
        // A list, or nothing to run: no file is opened.
        let trials = tests.iter().map(listed).collect();
        return Ok(if libtest_mimic::run(arguments, trials).has_failed() { FAILED } else { 0 });
    };

    interrupt::listen();
    #[cfg(feature = "torch")]
    show_progress(invocation, &tests);
    // SAFETY: `main!()` calls this first thing, and nothing before it starts a thread.
    unsafe { snapshot::prepare_environment(&snapshot::workspace_root(&first.package_dir, first.file)) };
    let root = PathBuf::from(env::var_os("INSTA_WORKSPACE_ROOT").unwrap_or_default());
    let configs = configurations(&tests, &selected, configuration)?;
    let places = Places::find(&first.identity, &root);
    warnings::of(&tests, &configs, places.nextest).iter().for_each(|warning| print_warning(warning));
    let config = configs.get(&first.package_dir).cloned().unwrap_or_default();
    let reports = Reports::open(reporters, &config, places)?;

    let shared = Arc::new(Shared::plan(tests, &selected, &configs, plan, root, invocation.json, reporters));
    let trials = (0..shared.tests.len()).map(|index| shared.trial(index, selected[index])).collect();
    let conclusion = libtest_mimic::run(arguments, trials);

    let finished = shared.finished();
    let blocks: Vec<&(Outcome, String)> = finished.iter().filter(|it| it.0.status == Status::Passed).collect();
    let outcomes: Vec<Outcome> = finished.iter().map(|(outcome, _)| outcome.clone()).collect();
    // Before anything is printed: whoever reads the output may have gone.
    let (written, errors) = reports.write(&outcomes);
    let mut output = Output::of(invocation)?;
    for (_, text) in blocks {
        output.block(text)?;
    }
    if !reports.places().nextest {
        let written: Vec<(&str, &Path)> = written.iter().map(|(name, path)| (*name, path.as_path())).collect();
        output.block(&(reporters.summary)(&outcomes, &written))?;
    }
    if arguments.filter.is_none() && arguments.skip.is_empty() && !reports.places().nextest {
        for line in leftovers::lines(&shared.tests, &outcomes, &shared.root) {
            output.block(&format!("{WARNING}warning{WARNING:#}: {line}"))?;
        }
    }
    if github::is_there() && !invocation.json {
        github::annotate(&(reporters.annotations)(&outcomes, &github::workspace(&reports.places().root)))?;
    }
    shared.leave_for_the_ratchet(&outcomes, reports.places(), selected.iter().all(|selected| *selected))?;
    errors.iter().for_each(print_error);
    if let Some(code) = interrupt::exit_code() {
        let (all, done) = (selected.iter().filter(|selected| **selected).count(), outcomes.len());
        let what = format!("interrupted: {done} of {all} tests finished, and the reports hold no others");
        print_error(&Error::new(ErrorKind::Interrupted, what));
        return Ok(code);
    }
    Ok(match (conclusion.has_failed(), errors.is_empty()) {
        (true, _) => FAILED,
        (false, false) => CONFIGURATION,
        (false, true) => 0,
    })
}

/// Shows how far a pass is, behind the name of the test that waits for it; nowhere where tests run side by side or output is terse or JSON.
#[cfg(feature = "torch")]
fn show_progress(invocation: &Invocation, tests: &[Test]) {
    use std::io::IsTerminal;
    let arguments = &invocation.arguments;
    let terse = arguments.quiet || arguments.format == Some(FormatSetting::Terse);
    if invocation.json || terse || arguments.test_threads != Some(1) {
        return;
    }
    let trials = tests.iter().map(listed).filter(|trial| !arguments.is_filtered_out(trial));
    let longest = trials.map(|trial| trial.name().chars().count()).max().unwrap_or(0);
    // As libtest-mimic writes it: `test NAME ... `, names to one width.
    let named = arguments.logfile.is_none() && io::stdout().is_terminal();
    crate::progress::show_after(if named { "test ".len() + longest + " ... ".len() } else { 0 });
}

/// The order of tests: as they stand in the source.
fn place(test: &TestIdentity) -> (&Path, u32, &str) {
    (&test.file, test.line, &test.name)
}

/// A trial that is only listed or counted.
fn listed(test: &Test) -> Trial {
    Trial::test(test.identity.name.clone(), || Ok(())).with_ignored_flag(test.ignored)
}

/// Filters, `--exact` of nextest and snapshots know a test by its name alone.
fn reject_duplicates(tests: &[Test]) -> Result<()> {
    let mut seen: BTreeMap<&str, &TestIdentity> = BTreeMap::new();
    for test in tests.iter().map(|test| &test.identity) {
        if let Some(other) = seen.insert(&test.name, test) {
            let at = |test: &TestIdentity| format!("{}:{}", test.file.display(), test.line);
            let what = format!("two tests are named `{}`: {} and {}", test.name, at(other), at(test));
            return Err(Error::new(ErrorKind::Configuration, what).with_help("rename one, or put it into a module"));
        }
    }
    // `a::b__c` and `a__b::c` lie in one file, and on disks that fold case so do `Lenet` and `lenet`.
    let mut baselines: BTreeMap<String, &TestIdentity> = BTreeMap::new();
    for test in tests {
        let file = snapshot::file_name(test.module_path, test.file, test.function);
        if let Some(other) = baselines.insert(file.to_string_lossy().to_lowercase(), &test.identity) {
            let test = &test.identity;
            let what = format!(
                "`{}` ({}:{}) and `{}` ({}:{}) have one baseline, {}",
                other.name,
                other.file.display(),
                other.line,
                test.name,
                test.file.display(),
                test.line,
                file.display()
            );
            return Err(Error::new(ErrorKind::Configuration, what).with_help("rename one of them, or its module"));
        }
    }
    Ok(())
}

/// The configurations of the packages whose tests run (one, unless a test binary links tests of another crate).
fn configurations(
    tests: &[Test],
    selected: &[bool],
    find: fn(&Path) -> Result<Config>,
) -> Result<BTreeMap<PathBuf, Config>> {
    let mut found = BTreeMap::new();
    for (test, _) in tests.iter().zip(selected).filter(|(_, selected)| **selected) {
        if !found.contains_key(&test.package_dir) {
            found.insert(test.package_dir.clone(), find(&test.package_dir)?);
        }
    }
    Ok(found)
}

/// What the trials share.
struct Shared {
    tests: Vec<Test>,
    /// What each selected test declares, with its index in the plan.
    declared: Vec<Option<Result<(usize, Declaration)>>>,
    measure: Arc<Measure>,
    /// `insta`'s workspace root.
    root: PathBuf,
    json: bool,
    reporters: Reporters,
    /// The variables that may change figures or verdicts, by package folder.
    overridden: BTreeMap<PathBuf, Vec<String>>,
    finished: Mutex<Vec<(usize, Outcome, String)>>,
}

impl Shared {
    fn plan(
        tests: Vec<Test>,
        selected: &[bool],
        configs: &BTreeMap<PathBuf, Config>,
        plan: Box<dyn FnOnce(Vec<Declaration>) -> Arc<Measure>>,
        root: PathBuf,
        json: bool,
        reporters: Reporters,
    ) -> Self {
        let mut planned = Vec::new();
        let declared = tests
            .iter()
            .zip(selected)
            .map(|(test, selected)| {
                let config = configs.get(&test.package_dir).filter(|_| *selected)?;
                Some((test.declare)(config).map(|declaration| {
                    planned.push(declaration.clone());
                    (planned.len() - 1, declaration)
                }))
            })
            .collect();
        let deciding = |config: &Config| config.environment.deciding();
        let overridden = configs.iter().map(|(folder, config)| (folder.clone(), deciding(config))).collect();
        let measure = plan(planned);
        Self { tests, declared, measure, root, json, reporters, overridden, finished: Mutex::default() }
    }

    fn trial(self: &Arc<Self>, index: usize, selected: bool) -> Trial {
        let test = &self.tests[index];
        if !selected {
            return listed(test);
        }
        let shared = Arc::clone(self);
        Trial::ignorable_test(test.identity.name.clone(), move || shared.run(index)).with_ignored_flag(test.ignored)
    }

    fn run(&self, index: usize) -> std::result::Result<Completion, Failed> {
        if interrupt::exit_code().is_some() {
            return Ok(Completion::ignored_with("interrupted"));
        }
        // Only selected trials get here, and those are declared.
        let Some(declared) = &self.declared[index] else { return Err("the test was not planned".into()) };
        let mut outcome = trial::run(&self.tests[index], declared, &*self.measure, &self.root);
        if outcome.error.as_ref().is_some_and(|error| error.kind() == ErrorKind::Interrupted) {
            // It neither passed nor failed, so that reports have nothing to say of it.
            return Err("interrupted".into());
        }
        if let (Some(measurement), Some(overridden)) =
            (&mut outcome.measurement, self.overridden.get(&self.tests[index].package_dir))
        {
            measurement.settings.overridden.clone_from(overridden);
        }
        let text = (self.reporters.render)(&outcome);
        let passed = outcome.status == Status::Passed;
        let message = if self.json { anstream::adapter::strip_str(&text).to_string() } else { text.clone() };
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).push((index, outcome, text));
        if passed { Ok(Completion::Completed) } else { Err(message.into()) }
    }

    /// Says which thresholds and baselines these outcomes would raise, where that is asked for.
    fn leave_for_the_ratchet(&self, outcomes: &[Outcome], places: &Places, complete: bool) -> Result<()> {
        let declared =
            self.declared.iter().flatten().filter_map(|it| it.as_ref().ok()).map(|(_, declaration)| declaration);
        let declared: BTreeMap<&str, &Declaration> = declared.map(|it| (it.test.name.as_str(), it)).collect();
        let tests: Vec<_> =
            outcomes.iter().filter_map(|it| Some((it, *declared.get(it.test.name.as_str())?))).collect();
        ratchet::write(&tests, &places.stem, &self.root, complete)
    }

    /// Outcomes and their blocks, in the order of the source.
    fn finished(&self) -> Vec<(Outcome, String)> {
        let mut finished = std::mem::take(&mut *self.finished.lock().unwrap_or_else(PoisonError::into_inner));
        finished.sort_by_key(|(index, ..)| *index);
        finished.into_iter().map(|(_, outcome, text)| (outcome, text)).collect()
    }
}

/// Where the blocks of passing tests go: beside libtest-mimic's own output, and nowhere where that is terse or JSON.
struct Output(Option<Box<dyn Write>>);

impl Output {
    fn of(invocation: &Invocation) -> Result<Self> {
        let arguments = &invocation.arguments;
        let terse = arguments.quiet || arguments.format == Some(FormatSetting::Terse);
        if terse || invocation.json {
            return Ok(Self(None));
        }
        let choice = match arguments.color {
            Some(ColorSetting::Always) => anstream::ColorChoice::Always,
            Some(ColorSetting::Never) => anstream::ColorChoice::Never,
            Some(ColorSetting::Auto) | None => anstream::ColorChoice::Auto,
        };
        Ok(Self(Some(match &arguments.logfile {
            Some(path) => {
                let open = fs::OpenOptions::new().append(true).open(path);
                let file = open.map_err(|why| Error::io("append to", Path::new(path), why))?;
                let always = choice == anstream::ColorChoice::Always;
                if always { Box::new(file) } else { Box::new(anstream::AutoStream::never(file)) }
            }
            None => Box::new(anstream::AutoStream::new(io::stdout(), choice)),
        })))
    }

    /// A block and an empty line.
    fn block(&mut self, text: &str) -> Result<()> {
        let Some(to) = &mut self.0 else { return Ok(()) };
        match writeln!(to, "{}\n", text.trim_end()).and_then(|()| to.flush()) {
            // Whoever read the output has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.0 = None,
            Err(error) => return Err(Error::io("write to", Path::new("the standard output"), error)),
            Ok(()) => {}
        }
        Ok(())
    }
}
