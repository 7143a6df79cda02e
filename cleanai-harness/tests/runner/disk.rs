//! A target folder that is full or read-only: one clear error, no half-written file, nothing lost. Needs root, to mount a small disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child::Scenario;
use crate::command_line::good;
use crate::sandbox::Sandbox;

pub const TESTS: &[(&str, fn())] = &[("disk::full", full), ("disk::read_only", read_only)];

/// A file system of 256 kB in a folder, unmounted in the end.
struct Disk(PathBuf);

impl Disk {
    /// `None`, said aloud, where the tests may not mount.
    fn mount(folder: PathBuf) -> Option<Self> {
        fs::create_dir_all(&folder).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&folder);
        if cfg!(target_os = "linux") && mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: a small file system cannot be mounted here (that takes root)");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The scenario with its baseline, which lies on another disk, accepted: only the reports can fail.
fn accepted(sandbox: &Sandbox) -> Scenario {
    let scenario = good();
    let run = sandbox.run(&scenario, &[], &[]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    scenario
}

fn full() {
    let sandbox = Sandbox::new();
    let Some(disk) = Disk::mount(sandbox.root().join("target/cleanai")) else { return };
    let scenario = accepted(&sandbox);
    let junit = disk.0.join("app/coverage.junit.xml");
    let before = fs::read(&junit).expect("a report");
    fs::remove_file(disk.0.join("app/coverage.json")).expect("a report");
    fs::write(disk.0.join("filler"), vec![0; 1 << 20]).expect_err("the disk is small");

    let run = sandbox.run(&scenario, &[], &[]);
    assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("2 passed"), "the tests themselves do not fail: {}", run.stdout);
    assert_eq!(run.stderr.matches("error").count(), 1 + run.stderr.matches("(os error").count(), "{}", run.stderr);
    assert!(run.stderr.contains("No space left on device") && run.stderr.contains("help: "), "{}", run.stderr);
    assert_eq!(fs::read(&junit).expect("a report"), before, "the old report is whole");
    let half = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "tmp");
    assert!(!files(&disk.0).iter().any(half), "{:?}", files(&disk.0));

    // With room again, all is as before.
    fs::remove_file(disk.0.join("filler")).expect("a file");
    let run = sandbox.run(&scenario, &[], &[]);
    assert_eq!((run.code, run.stderr.as_str(), run.outcomes.len()), (0, "", 2), "{}", run.stdout);
}

fn read_only() {
    let sandbox = Sandbox::new();
    let Some(disk) = Disk::mount(sandbox.root().join("target/cleanai")) else { return };
    let scenario = accepted(&sandbox);
    let before = files(&disk.0);
    let status = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk.0).status().expect("mount runs");
    assert!(status.success());
    let run = sandbox.run(&scenario, &[], &[]);
    assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("Read-only file system") && run.stderr.contains("help: "), "{}", run.stderr);
    assert_eq!(run.stderr.matches("error").count(), 1 + run.stderr.matches("(os error").count(), "{}", run.stderr);
    assert!(!run.stdout.contains("BLOCK"), "nothing was measured: {}", run.stdout);
    assert_eq!(files(&disk.0), before);
}
