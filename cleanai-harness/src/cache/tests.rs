//! The bound, locks, what killed processes leave, and cleaning, on folders of their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use super::{Cache, Kind};

/// The contents of this key, if they are kept.
fn read(cache: &Cache, key: &str) -> Option<Vec<u8>> {
    cache.read_measurement(&key.to_owned(), |contents| Some(contents.to_vec()))
}

fn path(cache: &Cache, key: &str) -> PathBuf {
    cache.path(Kind::Measurements, &key.to_owned()).unwrap()
}

/// Marks an entry as used so many seconds ago.
fn age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn least_recently_used_entries_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache { size: 10_000, ..Cache::at(folder.path()) };
    for (key, used) in [("a", 40), ("b", 30), ("c", 20)] {
        cache.write_measurement(&key.to_owned(), &[0; 3_000]);
        age(&path(&cache, key), used);
    }
    // Read, so that it is newer than the others.
    assert!(read(&cache, "a").is_some());
    cache.write_measurement(&"d".to_owned(), &[0; 3_000]);
    let kept = ["a", "b", "c", "d"].map(|key| path(&cache, key).exists());
    assert_eq!(kept, [true, false, true, true]);
    // Both were used just now, by clocks of different grain.
    age(&path(&cache, "d"), 10);
    // One bound for all kinds.
    cache.write(Kind::Digests, &"e".to_owned(), &[0; 4_500]);
    let kept = ["a", "c", "d"].map(|key| path(&cache, key).exists());
    assert_eq!(kept, [true, false, false]);
    // What takes more than half of it is not kept, and pushes nothing out.
    cache.write_measurement(&"f".to_owned(), &[0; 6_000]);
    assert!(!path(&cache, "f").exists() && path(&cache, "a").exists());
}

#[test]
fn what_is_read_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache { size: 10_000, ..Cache::at(folder.path()) };
    cache.write_measurement(&"a".to_owned(), &[0; 4_500]);
    age(&path(&cache, "a"), 40);
    let reader = File::open(path(&cache, "a")).unwrap();
    reader.lock_shared().unwrap();
    for key in ["b", "c"] {
        cache.write_measurement(&key.to_owned(), &[0; 4_500]);
        age(&path(&cache, key), 20);
    }
    assert!(path(&cache, "a").exists() && !path(&cache, "b").exists());
    let cleaned = cache.clean(&Kind::ALL).unwrap();
    assert_eq!((cleaned.in_use, path(&cache, "a").exists(), path(&cache, "c").exists()), (1, true, false));
    drop(reader);
    assert_eq!(
        cache.clean(&Kind::ALL).unwrap().removed,
        [(Kind::Profiles, 0), (Kind::Traces, 0), (Kind::Measurements, 1), (Kind::Digests, 0)]
    );
}

#[test]
fn only_entries_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache { size: 0, ..Cache::at(folder.path()) };
    let own = folder.path().join("profiles");
    let hash = "0f".repeat(32);
    fs::create_dir_all(&own).unwrap();
    let foreign = ["thesis.profile", "notes.txt", &format!("{hash}.txt"), &format!("{}.profile", &hash[1..])];
    // Damaged, of an older version, left by a process that was killed.
    let ours = [format!("{hash}.profile"), format!("{hash}.traces"), ".cleanai-x1y2.tmp".to_owned()];
    for name in foreign.iter().copied().chain(ours.iter().map(String::as_str)) {
        fs::write(own.join(name), "whatever").unwrap();
    }
    fs::create_dir(own.join(format!("{}.profile", "ab".repeat(32)))).unwrap();
    let cleaned = cache.clean(&Kind::ALL).unwrap();
    assert_eq!((cleaned.temporary, cleaned.bytes, cleaned.in_use), (1, 24, 0));
    assert_eq!(cleaned.removed.iter().map(|(_, count)| count).sum::<usize>(), 2);
    assert!(foreign.iter().all(|name| own.join(name).exists()));
    assert!(ours.iter().all(|name| !own.join(name).exists()));
    // A folder that is not there holds nothing.
    assert_eq!(Cache::at(&folder.path().join("none")).clean(&Kind::ALL).unwrap().text(), "nothing to remove\n");
}

#[test]
fn files_in_the_making_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let making = cache.temporary(Kind::Traces).unwrap();
    let left = making.path().with_file_name(".cleanai-left.tmp");
    fs::write(&left, "by a process that was killed").unwrap();
    assert_eq!(cache.sweep(), (1, 28));
    assert!(making.path().exists() && !left.exists());
    let path = making.path().to_owned();
    drop(making);
    assert!(!path.exists());
    assert_eq!(cache.sweep(), (0, 0));
}

#[test]
fn one_at_a_time_makes_an_entry() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let (at_once, most, made) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let one = || {
        let path = path(&cache, "key");
        let _held = cache.hold([(Kind::Measurements, path.as_path())]).unwrap();
        most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if read(&cache, "key").is_none() {
            thread::sleep(Duration::from_millis(30));
            cache.write_measurement(&"key".to_owned(), b"contents");
            made.fetch_add(1, Ordering::SeqCst);
        }
        at_once.fetch_sub(1, Ordering::SeqCst);
    };
    thread::scope(|scope| (0..6).for_each(|_| _ = scope.spawn(one)));
    assert_eq!((most.into_inner(), made.into_inner()), (1, 1));
    // Two entries with one lock are no reason to wait for oneself.
    let twice = path(&cache, "key");
    let held = cache.hold([(Kind::Profiles, twice.as_path()), (Kind::Profiles, twice.as_path())]).unwrap();
    drop(held);
}

#[test]
fn hostile_files_are_no_entries() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    cache.write_measurement(&"key".to_owned(), b"contents");
    let own = path(&cache, "key");
    let whole = fs::read(&own).unwrap();
    assert_eq!(read(&cache, "key").unwrap(), b"contents");
    // A length that reaches past the end, with a checksum that fits.
    let mut hostile = whole[..whole.len() - 32].to_vec();
    hostile[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
    let sum: [u8; 32] =
        sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), &hostile)).into();
    hostile.extend(sum);
    for bytes in [&hostile[..], b"", b"CLEANAI\0", &whole[..whole.len() - 1]] {
        fs::write(&own, bytes).unwrap();
        assert_eq!(read(&cache, "key"), None);
        assert!(!own.exists(), "it was removed");
    }
    // What is no file at all is none.
    fs::create_dir(&own).unwrap();
    assert_eq!(read(&cache, "key"), None);
    // Contents that are none of the kind.
    fs::remove_dir(&own).unwrap();
    fs::write(&own, &whole).unwrap();
    assert_eq!(cache.read_measurement(&"key".to_owned(), |_| None::<()>), None);
    assert!(!own.exists());
}
