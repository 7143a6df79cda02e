//! The cache as a user meets it: what `cargo cleanai cache` shows and removes, a folder that cannot be written, a full disk, runs that are killed,
//! interrupted, or go on at once.

#![cfg(unix)]

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use common::root;

const TRANSFORM: &str = "[\"grayscale\", \"scale\", { normalize = { mean = [0.5], std = [0.5] } }]";

/// The engine with the cache in this folder.
fn engine(cache: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleanai-engine"));
    command.current_dir(root().join("examples/digits")).env("CLEANAI_CACHE", cache).args(words);
    command.env_remove("CLEANAI_CACHE_SIZE").stdin(Stdio::null());
    command
}

fn measure(cache: &Path, criteria: &[&str]) -> Command {
    let words = ["measure", "--model", "models/lenet5.pt", "--transform", TRANSFORM, "--data", "data/test"];
    let mut command = engine(cache, &words);
    command.args(["--profile", "data/train", "--json", "-"]);
    command.args(criteria.iter().flat_map(|criterion| ["--criterion", criterion]));
    command
}

/// How a run ended: its exit code, output and errors.
fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn run(command: &mut Command) -> (i32, String, String) {
    ended(command.output().unwrap())
}

/// The record without what tells when it was made, and whether it is from the cache.
fn record(text: &str) -> (Value, bool) {
    let mut record: Value = serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"));
    let fields = record.as_object_mut().unwrap();
    fields.remove("seconds").unwrap();
    let cached = fields.remove("cached").is_some();
    (record, cached)
}

fn good(command: &mut Command) -> (Value, bool) {
    let (code, output, errors) = run(command);
    assert_eq!((code, errors.as_str()), (0, ""));
    record(&output)
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let inside = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    inside.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

/// Files in the making, wherever they lie in the cache.
fn temporary(cache: &Path) -> Vec<PathBuf> {
    ["profiles", "traces", "measurements", "digests"].iter().flat_map(|kind| files(&cache.join(kind), ".tmp")).collect()
}

#[test]
fn status_and_clean() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path();
    let status = || {
        let (code, output, errors) = run(&mut engine(cache, &["cache", "status", "--json"]));
        assert_eq!((code, errors.as_str()), (0, ""));
        serde_json::from_str::<Value>(&output).unwrap()
    };
    let entries =
        || status()["kinds"].as_array().unwrap().iter().map(|kind| kind["entries"].as_u64().unwrap()).collect();
    let empty: Vec<u64> = entries();
    assert_eq!(empty, [0, 0, 0, 0]);
    assert!(!cache.join("locks").exists(), "looking writes nothing");
    good(&mut measure(cache, &["nbc", "dsa", "accuracy"]));
    let full: Vec<u64> = entries();
    assert_eq!(&full[..3], [1, 1, 1]);
    let known = status();
    assert_eq!((&known["folder"], &known["bound"]), (&cache.to_str().unwrap().into(), &(4u64 << 30).into()));
    assert_eq!(known["kinds"][1]["kind"], "traces");
    let used = known["kinds"][2]["newest_use"].as_u64().unwrap();
    assert!(used > 1_700_000_000 && known["kinds"][2]["bytes"].as_u64().unwrap() > 100);
    let (_, text, _) = run(engine(cache, &["cache", "status"]).env("CLEANAI_CACHE_SIZE", "500MB"));
    assert!(text.contains("measurements        1") && text.contains("at most 500.0 MB"), "{text}");

    let (code, text, _) = run(&mut engine(cache, &["cache", "clean", "--measurements"]));
    assert!(code == 0 && text.starts_with("removed 1 measurements: "), "{text}");
    assert_eq!(entries()[..3], [1, 1, 0]);
    // A damaged cache can be cleaned as well, and what is not ours stays.
    for file in files(&cache.join("profiles"), ".profile") {
        fs::write(file, "").unwrap();
    }
    fs::write(cache.join("profiles/notes.txt"), "not ours").unwrap();
    let (code, text, _) = run(&mut engine(cache, &["cache", "clean", "--json"]));
    let cleaned: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &cleaned["removed"][0], &cleaned["removed"][1]),
        (0, &Value::from(vec![Value::from("profiles"), 1.into()]), &Value::from(vec![Value::from("traces"), 1.into()]))
    );
    assert!(entries().iter().all(|entries: &u64| *entries == 0) && cache.join("profiles/notes.txt").exists());
    assert_eq!(run(&mut engine(cache, &["cache", "clean", "--all"])).1, "nothing to remove\n");
    let (code, text, _) = run(&mut engine(Path::new("off"), &["cache", "status"]));
    assert_eq!((code, text.as_str()), (0, "The cache is turned off (CLEANAI_CACHE=off).\n"));
}

#[test]
fn a_size_that_is_none_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let (code, output, errors) = run(measure(folder.path(), &["nc"]).env("CLEANAI_CACHE_SIZE", "much"));
    assert_eq!((code, output.as_str()), (2, ""));
    assert_eq!(errors.matches("error").count(), 1);
    assert!(
        errors.contains("CLEANAI_CACHE_SIZE is `much`, which is no size") && errors.contains("500MB or 4GiB"),
        "{errors}"
    );
}

#[test]
fn it_grows_no_larger_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let size = || {
        let kinds = ["profiles", "traces", "measurements", "digests"];
        let files = kinds.iter().flat_map(|kind| files(&folder.path().join(kind), ""));
        files.map(|file| fs::metadata(file).unwrap().len()).sum::<u64>()
    };
    let limited = |criteria: &[&str]| good(measure(folder.path(), criteria).env("CLEANAI_CACHE_SIZE", "1MB"));
    for k in 2..7 {
        limited(&["dsa", &format!("kmnc(k={k}, neurons=\"unit\")"), &format!("tknc(k={k})")]);
        assert!(size() <= 1_000_000, "{}", size());
    }
    assert!(limited(&["dsa", "kmnc(k=6, neurons=\"unit\")", "tknc(k=6)"]).1, "the last is there");
    // The first has gone, and is measured again to the same figures.
    let first = ["dsa", "kmnc(k=2, neurons=\"unit\")", "tknc(k=2)"];
    assert_eq!(limited(&first).0, good(&mut measure(Path::new("off"), &first)).0);
}

/// One warning, and the same figures as without a cache.
fn goes_on(cache: &Path, fault: &str) {
    let criteria = ["nbc", "dsa", "kmnc(k=10, neurons=\"unit\")"];
    let (code, output, errors) = run(&mut measure(cache, &criteria));
    assert_eq!(code, 0, "{errors}");
    assert_eq!(errors.matches("warning").count(), 1, "{errors}");
    let said = format!("warning: cannot keep results in the cache {}: {fault}", cache.display());
    assert!(errors.starts_with(&said) && errors.contains("\n  help: "), "{errors}\n{said}");
    assert_eq!(record(&output), good(&mut measure(Path::new("off"), &criteria)));
    assert!(temporary(cache).is_empty());
}

#[test]
fn a_folder_that_cannot_be_written_is_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    goes_on(&file, "");
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}

/// A file system of its own; nothing, loudly, where only root may mount one.
struct Mounted(PathBuf);

impl Mounted {
    fn at(folder: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(folder).output();
        if mount.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self(folder.to_owned()));
        }
        eprintln!("SKIPPED: a small file system cannot be mounted here (it takes root): {mount:?}");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("full");
    let Some(disk) = Mounted::at(&place, "size=256k") else { return };
    // Traces of 1197 inputs begin to be written, and do not fit.
    goes_on(&disk.0, "No space left on device");
    // Not even a byte fits.
    let filler = fs::File::create(place.join("filler")).and_then(|mut file| file.write_all(&[0; 1 << 20]));
    assert!(filler.is_err());
    goes_on(&disk.0, "");
}

#[test]
fn a_cache_that_can_only_be_read_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("cache");
    let Some(disk) = Mounted::at(&place, "size=64m") else { return };
    let first = good(&mut measure(&disk.0, &["nbc"]));
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&place).status();
    assert!(remounted.unwrap().success());
    let (code, output, errors) = run(&mut measure(&disk.0, &["nbc"]));
    assert_eq!((code, record(&output)), (0, (first.0, true)), "{errors}");
    assert_eq!(errors, "", "nothing had to be kept");
    goes_on(&disk.0, "Read-only file system");
    let (code, _, errors) = run(&mut engine(&disk.0, &["cache", "clean"]));
    assert!(code == 1 && errors.contains("cannot remove") && errors.contains("Read-only file system"), "{errors}");
    assert_eq!(run(&mut engine(&disk.0, &["cache", "status"])).0, 0);
}

/// A measurement that goes on for seconds: a profile set of many inputs, of which traces are written.
struct Long {
    folder: tempfile::TempDir,
}

impl Long {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A .npy file of 30000 grey images and one of their labels.
        let array = |element: &str, shape: &str, bytes: usize| {
            let header = format!("{{'descr': '{element}', 'fortran_order': False, 'shape': {shape}, }}");
            let header = format!("{header:<117}\n");
            let mut file = b"\x93NUMPY\x01\x00".to_vec();
            file.extend((header.len() as u16).to_le_bytes());
            file.extend(header.bytes());
            file.extend((0..bytes).map(|at| if element == "|u1" { (at * at / 784 % 251) as u8 } else { 0 }));
            file
        };
        let images = array("|u1", "(30000, 28, 28)", 30_000 * 784);
        let labels = array("<i8", "(30000,)", 30_000 * 8);
        fs::write(folder.path().join("x.npy"), images).unwrap();
        fs::write(folder.path().join("y.npy"), labels).unwrap();
        Self { folder }
    }

    fn start(&self, cache: &Path, batch: &str) -> Child {
        let (images, labels) = (self.folder.path().join("x.npy"), self.folder.path().join("y.npy"));
        let profile = format!("{},{}", images.display(), labels.display());
        let words =
            ["measure", "--model", "models/lenet5.pt", "--transform", TRANSFORM, "--data", "data/test", "--batch"];
        let mut command = engine(cache, &words);
        command.args([batch, "--profile", &profile, "--criterion", "dsa(layer=\"relu3\")", "--json", "-"]);
        command.env("TMPDIR", self.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// Waits until traces are being written.
fn under_way(cache: &Path, child: &mut Child) {
    let start = Instant::now();
    while files(&cache.join("traces"), ".tmp").is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended already");
        assert!(start.elapsed() < Duration::from_secs(120), "it does not begin");
        sleep(Duration::from_millis(2));
    }
}

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn after_a_kill_the_next_run_recovers() {
    let (folder, long) = (tempfile::tempdir().unwrap(), Long::new());
    let cache = folder.path();
    let mut child = long.start(cache, "16");
    under_way(cache, &mut child);
    send("-KILL", &child);
    assert_eq!(child.wait().unwrap().code(), None);
    assert_eq!(temporary(cache).len(), 1, "nobody could remove it");
    assert!(files(&cache.join("measurements"), "").is_empty());
    // Its locks went with it, and so goes what it left.
    let (first, cached) = good(&mut measure(cache, &["nbc", "dsa"]));
    assert!(!cached && temporary(cache).is_empty());
    assert_eq!(good(&mut measure(cache, &["nbc", "dsa"])), (first, true));
}

#[test]
fn an_interruption_stops_after_the_batch() {
    let long = Long::new();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = long.start(folder.path(), "16");
        under_way(folder.path(), &mut child);
        send(signal, &child);
        let (found, output, errors) = ended(child.wait_with_output().unwrap());
        assert_eq!((found, output.as_str(), errors.as_str()), (code, "", "error: interrupted\n"));
        assert!(temporary(folder.path()).is_empty(), "its temporary files went with it");
        assert!(files(&folder.path().join("traces"), "").is_empty());
    }
}

#[test]
fn a_second_interruption_ends_it_at_once() {
    let (folder, long) = (tempfile::tempdir().unwrap(), Long::new());
    // One batch of all: the first signal would wait for it.
    let mut child = long.start(folder.path(), "30000");
    under_way(folder.path(), &mut child);
    // Traces are begun a little before the batch, which takes a second or more; before it the first signal would do.
    sleep(Duration::from_millis(100));
    send("-INT", &child);
    sleep(Duration::from_millis(20));
    send("-INT", &child);
    let (code, _, errors) = ended(child.wait_with_output().unwrap());
    assert_eq!((code, errors.as_str()), (130, ""));
    // The cache is whole.
    assert!(!good(&mut measure(folder.path(), &["nc"])).1);
    assert!(temporary(folder.path()).is_empty());
}

#[test]
fn of_two_runs_at_once_one_measures() {
    let (folder, long) = (tempfile::tempdir().unwrap(), Long::new());
    let mut first = long.start(folder.path(), "64");
    under_way(folder.path(), &mut first);
    let second = long.start(folder.path(), "64");
    let (first, second) = (ended(first.wait_with_output().unwrap()), ended(second.wait_with_output().unwrap()));
    assert_eq!((first.0, second.0), (0, 0), "{}{}", first.2, second.2);
    let (first, second) = (record(&first.1), record(&second.1));
    assert_eq!((first.1, second.1), (false, true), "the second waits, then reads");
    assert_eq!(first.0, second.0);
}

#[test]
fn damage_is_said_once_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let criteria = ["nbc", "dsa"];
    let (first, _) = good(&mut measure(folder.path(), &criteria));
    for kind in ["measurements", "profiles", "traces", "digests"] {
        for file in files(&folder.path().join(kind), "") {
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&file, bytes).unwrap();
        }
    }
    let damaged = |kind| files(&folder.path().join(kind), "").len();
    let all: usize = ["measurements", "profiles", "traces", "digests"].into_iter().map(damaged).sum();
    let (code, output, errors) = run(&mut measure(folder.path(), &criteria));
    assert_eq!((code, record(&output)), (0, (first.clone(), false)), "{errors}");
    assert_eq!(errors.matches("in the cache is damaged; it was removed and is made again").count(), all, "{errors}");
    assert_eq!(errors.lines().count(), all, "{errors}");
    assert_eq!(good(&mut measure(folder.path(), &criteria)), (first, true));
}
