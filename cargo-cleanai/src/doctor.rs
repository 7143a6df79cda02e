//! `cargo cleanai doctor`: what is set up, what is not, and the one fix.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::error::Result;
use crate::libtorch::find::Wanted;
use crate::libtorch::platform::{Platform, System};
use crate::libtorch::{Libtorch, VERSION};
use crate::process;
use crate::python::Python;
use crate::run::tool;
use crate::setup;
use crate::workspace::Workspace;

const PATIENCE: Duration = Duration::from_secs(20);

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As it should be.
    Good,
    /// Not there, and not needed.
    Optional,
    /// To be fixed.
    Bad,
}

struct Finding {
    state: State,
    what: &'static str,
    text: String,
    fix: Option<String>,
}

impl Finding {
    fn new(state: State, what: &'static str, text: impl Into<String>) -> Finding {
        Finding { state, what, text: text.into(), fix: None }
    }

    fn fix(mut self, fix: impl Into<String>) -> Finding {
        self.fix = Some(fix.into());
        self
    }
}

/// Prints what is found; the exit code is 1 if something is to be fixed.
pub fn doctor() -> Result<u8> {
    let workspace = Workspace::find();
    let mut findings = Vec::new();
    let project = match &workspace {
        Ok(project) => project.as_ref(),
        Err(error) => {
            let finding = Finding::new(State::Bad, "project", error.to_string());
            findings.push(finding.fix(error.fix().unwrap_or_default()));
            None
        }
    };
    match setup::wanted(project) {
        Err(error) => {
            let finding = Finding::new(State::Bad, "libtorch", error.to_string());
            findings.push(finding.fix(error.fix().unwrap_or_default()));
        }
        Ok(wanted) => examine(&wanted, project, &mut findings),
    }
    findings.push(compiler());
    findings.push(python());
    findings.push(cargo_tool("cargo-nextest", "nextest", "only for cargo cleanai test --nextest"));
    findings.push(cargo_tool("cargo-insta", "insta", "only to review and accept baselines"));
    print(project, &findings);
    Ok(u8::from(findings.iter().any(|finding| finding.state == State::Bad)))
}

fn examine(wanted: &Wanted, project: Option<&Workspace>, findings: &mut Vec<Finding>) {
    const SETUP: &str = "cargo cleanai setup";
    let used = used(wanted, project);
    match &used {
        Ok(libtorch) => {
            let abi = match libtorch.cxx11_abi(wanted.platform) {
                Some(true) => ", C++11 ABI",
                Some(false) => ", pre-C++11 ABI",
                None => "",
            };
            let finding = Finding::new(State::Good, "libtorch", format!("{}{abi}", libtorch.describe()));
            findings.push(match libtorch.cxx11_abi(wanted.platform) {
                Some(false) if env::var_os("LIBTORCH_CXX11_ABI").is_none_or(|abi| abi != "0") => {
                    Finding { state: State::Bad, ..finding }.fix("export LIBTORCH_CXX11_ABI=0")
                }
                _ => finding,
            });
        }
        Err(finding) => {
            let text = format!("{} (wanted: {})", finding, wanted.version);
            let fix = match &wanted.own {
                Some((setting, _)) => {
                    format!("point {setting} at libtorch {}, or unset it and run {SETUP}", wanted.version)
                }
                None => SETUP.to_string(),
            };
            findings.push(Finding::new(State::Bad, "libtorch", text).fix(fix));
        }
    }
    if let Some(project) = project {
        findings.push(match (project.linked(wanted.platform), &wanted.own) {
            (Ok(linked), _) => {
                Finding::new(State::Good, "link", format!(".cargo/libtorch -> {}", linked.root.display()))
            }
            (Err(problem), Some((setting, _))) => {
                Finding::new(State::Optional, "link", format!(".cargo/libtorch: {problem}; {setting} stands in for it"))
            }
            (Err(problem), None) => Finding::new(State::Bad, "link", format!(".cargo/libtorch: {problem}")).fix(SETUP),
        });
    }
    if let Ok(libtorch) = &used {
        findings.push(cuda(libtorch, wanted.platform));
        findings.push(Finding::new(
            State::Good,
            "loader path",
            format!(
                "cargo puts {} on {} for all it runs",
                libtorch.library_folder().display(),
                wanted.platform.loader_variable()
            ),
        ));
    }
}

/// The libtorch that a build would take now, without fetching anything.
fn used(wanted: &Wanted, project: Option<&Workspace>) -> Result<Libtorch, String> {
    if let Some(own) = wanted.own().map_err(|error| error.to_string())? {
        return Ok(own);
    }
    if let Some(linked) = project.and_then(|project| project.linked(wanted.platform).ok()) {
        return Ok(linked);
    }
    match wanted.cached().map_err(|error| error.to_string())? {
        Ok(cached) => Ok(cached),
        Err(_) => {
            wanted.python_torch().map_err(|problem| format!("none: LIBTORCH is not set, {problem}, none is cached"))
        }
    }
}

fn cuda(libtorch: &Libtorch, platform: Platform) -> Finding {
    const CPU: &str = "models run on the CPU";
    if platform.system == System::Macos {
        return Finding::new(State::Optional, "CUDA", format!("no: there is none for macOS; {CPU}"));
    }
    if !libtorch.has_cuda(platform) {
        return Finding::new(State::Optional, "CUDA", format!("no: this libtorch has no libtorch_cuda; {CPU}"));
    }
    match driver() {
        Some(place) => {
            Finding::new(State::Good, "CUDA", format!("yes: libtorch_cuda is there, and the driver ({place})"))
        }
        None => {
            let text = format!("no: libtorch_cuda is there, but no driver (libcuda.so.1); {CPU}");
            Finding::new(State::Optional, "CUDA", text)
        }
    }
}

/// Where the loader would find NVIDIA's driver library.
fn driver() -> Option<String> {
    let library = "libcuda.so.1";
    let paths = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    if let Some(path) = env::split_paths(&paths).map(|folder| folder.join(library)).find(|path| path.is_file()) {
        return Some(path.display().to_string());
    }
    let configured = ["ldconfig", "/sbin/ldconfig"].iter().find_map(|program| {
        let answer = process::ask(Command::new(program).arg("-p"), PATIENCE).filter(|answer| answer.success)?;
        let line = answer.output.lines().find(|line| line.trim_start().starts_with(library))?.to_string();
        line.split("=>").nth(1).map(|path| path.trim().to_string())
    });
    configured.or_else(|| {
        ["/usr/lib/wsl/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"]
            .iter()
            .map(|folder| Path::new(folder).join(library))
            .find(|path| path.is_file())
            .map(|path| path.display().to_string())
    })
}

fn compiler() -> Finding {
    let own = env::var("CXX").ok().filter(|name| !name.trim().is_empty());
    let program = own.unwrap_or_else(|| "c++".into());
    // CXX may hold options as well.
    let mut words = program.split_whitespace();
    let name = words.next().unwrap_or("c++");
    let answer = process::ask(Command::new(name).args(words).arg("--version"), PATIENCE);
    match answer.filter(|answer| answer.success) {
        Some(answer) => {
            let version = answer.output.lines().next().unwrap_or_default().trim().to_string();
            Finding::new(State::Good, "C++ compiler", format!("{name}: {version}"))
        }
        None => Finding::new(State::Bad, "C++ compiler", format!("{name} is not there or does not run"))
            .fix("install a C++ compiler (Debian and Ubuntu: apt install g++; macOS: xcode-select --install)"),
    }
}

fn python() -> Finding {
    const USE: &str = "only to fetch libtorch";
    let Some(python) = Python::find() else {
        return Finding::new(State::Optional, "python3", format!("not found ({USE})"));
    };
    let version = python.version().unwrap_or_else(|| "of unknown version".into());
    match python.pip() {
        Ok(pip) => {
            Finding::new(State::Good, "python3", format!("{version} with pip {pip}: {} ({USE})", python.path.display()))
        }
        Err(said) => Finding::new(State::Optional, "python3", format!("{version} without pip: {said} ({USE})")),
    }
}

fn cargo_tool(program: &'static str, short: &str, purpose: &str) -> Finding {
    let version = tool(program).and_then(|path| {
        let answer = process::ask(Command::new(path).args([short, "--version"]), PATIENCE)?;
        let first = answer.output.lines().next()?;
        first.split_whitespace().nth(1).map(str::to_string)
    });
    match (version, tool(program)) {
        (Some(version), _) => Finding::new(State::Good, program, version),
        (None, Some(path)) => Finding::new(State::Good, program, path.display().to_string()),
        (None, None) => {
            Finding::new(State::Optional, program, format!("not found ({purpose}): cargo install --locked {program}"))
        }
    }
}

fn print(project: Option<&Workspace>, findings: &[Finding]) {
    let machine = Platform::host().map_or_else(|name| name, |platform| platform.to_string());
    anstream::println!("cargo-cleanai {} on {machine}", env!("CARGO_PKG_VERSION"));
    match project {
        Some(project) => {
            anstream::println!("project {} (torch-sys takes libtorch {})\n", project.root.display(), project.version)
        }
        None => anstream::println!("outside a Cargo project (libtorch {VERSION} is wanted)\n"),
    }
    for finding in findings {
        let (colour, mark) = match finding.state {
            State::Good => (AnsiColor::Green, "ok"),
            State::Optional => (AnsiColor::Yellow, "--"),
            State::Bad => (AnsiColor::Red, "no"),
        };
        let style = Style::new().bold().fg_color(Some(colour.into()));
        anstream::println!("  {style}{mark}{style:#}  {:<13} {}", finding.what, finding.text);
    }
    let bold = Style::new().bold();
    let first = findings.iter().filter(|finding| finding.state == State::Bad).find_map(|finding| finding.fix.as_ref());
    match first {
        Some(fix) => anstream::println!("\n{bold}To fix it:{bold:#} {fix}"),
        None => anstream::println!("\n{bold}All is well:{bold:#} cargo cleanai test"),
    }
}
