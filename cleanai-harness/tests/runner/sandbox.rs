//! A workspace for one test, with the binary under test in its target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cleanai_harness::report::Outcome;
use tempfile::TempDir;

use crate::child::{SCENARIO, Scenario};

/// Variables of whoever runs these tests that would change what the binary under test does.
const FOREIGN: [&str; 5] = ["INSTA_", "NEXTEST", "CI", "RUST_TEST_THREADS", "GITHUB_"];

/// A workspace.
pub struct Sandbox {
    folder: TempDir,
    binary: PathBuf,
}

/// How the binary ended.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// The outcomes in the JSON report.
    pub outcomes: Vec<Outcome>,
}

impl Sandbox {
    pub fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let binary = folder.path().join("target/debug/deps/coverage-0123456789abcdef");
        fs::create_dir_all(binary.parent().expect("a parent")).expect("a folder");
        let this = std::env::current_exe().expect("a binary");
        if fs::hard_link(&this, &binary).is_err() {
            fs::copy(&this, &binary).expect("a copy");
        }
        let source = folder.path().join(file!());
        fs::create_dir_all(source.parent().expect("a parent")).expect("a folder");
        fs::write(source.with_file_name("child.rs"), "").expect("a file");
        Self { folder, binary }
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the binary, as cargo would from the package's folder.
    pub fn run(&self, scenario: &Scenario, environment: &[(&str, &str)], arguments: &[&str]) -> Run {
        self.run_while(scenario, environment, arguments, |_| ())
    }

    /// The same, while `meanwhile` does something to the process of this id.
    pub fn run_while(
        &self,
        scenario: &Scenario,
        environment: &[(&str, &str)],
        arguments: &[&str],
        meanwhile: impl FnOnce(u32),
    ) -> Run {
        let scenario = Scenario { root: self.root().to_path_buf(), ..scenario.clone() };
        let scenario = serde_json::to_string(&scenario).expect("a scenario is JSON");
        let report = self.root().join("target/cleanai/app/coverage.json");
        let _ = fs::remove_file(&report);
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            if FOREIGN.iter().any(|it| name.to_string_lossy().starts_with(it)) {
                command.env_remove(name);
            }
        }
        command.current_dir(self.root()).env(SCENARIO, scenario).args(arguments);
        command.env_remove("TF_BUILD").env_remove("RUST_BACKTRACE").envs(environment.iter().copied());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        meanwhile(child.id());
        let output = child.wait_with_output().expect("the binary ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let outcomes = fs::read_to_string(report).map(|it| serde_json::from_str(&it).expect("outcomes"));
        Run { code: output.status.code().expect("an exit"), stdout, stderr, outcomes: outcomes.unwrap_or_default() }
    }

    /// Runs the test `lenet5` alone and returns its outcome.
    pub fn lenet5(&self, scenario: &Scenario, environment: &[(&str, &str)]) -> (i32, Outcome) {
        let mut run = self.run(scenario, environment, &["lenet5", "--exact"]);
        assert_eq!(run.outcomes.len(), 1, "{}{}", run.stdout, run.stderr);
        assert_eq!(run.stderr, "", "nothing but errors of the run itself goes there");
        assert!(!run.stdout.contains("thread '"), "{}", run.stdout);
        (run.code, run.outcomes.remove(0))
    }

    pub fn baseline(&self) -> PathBuf {
        self.snapshots().join("runner__child__lenet5.snap")
    }

    pub fn pending(&self) -> PathBuf {
        self.baseline().with_extension("snap.new")
    }

    pub fn snapshots(&self) -> PathBuf {
        self.root().join(Path::new(file!()).parent().expect("a parent")).join("snapshots")
    }

    /// The figures in a snapshot file, or nothing where there is no file.
    pub fn figures(path: &Path) -> Option<String> {
        let text = fs::read_to_string(path).ok()?;
        Some(text.rsplit("---\n").next().expect("a body").to_owned())
    }

    /// Accepts what is pending, as `cargo insta accept` does.
    pub fn accept(&self) {
        let text = fs::read_to_string(self.pending()).expect("a pending snapshot");
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("assertion_line:")).collect();
        fs::write(self.baseline(), kept.join("\n") + "\n").expect("the snapshots can be written");
        fs::remove_file(self.pending()).expect("the snapshots can be written");
    }
}
