//! Where baselines lie: the workspace, the folder and the name of a snapshot.

use std::env;
use std::path::{Path, PathBuf};

use crate::declare::BaselinePolicy;
use crate::measure::Settings;

/// Where a test's baseline lies and who asserts it.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The test function's name, which is the snapshot's.
    pub name: &'a str,
    /// `module_path!()` of the test.
    pub module_path: &'a str,
    /// `file!()` of the test.
    pub file: &'a str,
    /// Calls `insta::assert_snapshot!(name, text)` from the user's crate, so that the snapshot lies beside its source.
    pub assert: fn(name: &str, text: &str),
}

/// The folder that `file!()` starts from, looked for at run time: the binary may have moved since it was built.
///
/// First the workspace nextest names, then the nearest folder from the package upwards in which the test's source lies, then
/// the nearest with a `Cargo.lock`, then the package itself.
pub fn workspace_root(manifest_dir: &Path, file: &str) -> PathBuf {
    let named = env::var_os("NEXTEST_WORKSPACE_ROOT").map(PathBuf::from);
    let holds = |folder: &&Path, name: &str| folder.join(name).is_file();
    let upwards = || manifest_dir.ancestors();
    named
        .as_deref()
        .filter(|folder| holds(folder, file))
        .or_else(|| upwards().find(|folder| holds(folder, file)))
        .or_else(|| upwards().find(|folder| holds(folder, "Cargo.lock")))
        .unwrap_or(manifest_dir)
        .to_path_buf()
}

/// What the name of a baseline ends with, after an `@`: the device and the release of libtorch, where each has its own.
pub(super) fn suffix(site: &Site<'_>, root: &Path, policy: &BaselinePolicy, settings: &Settings) -> Option<String> {
    let device = (policy.by_device && settings.device.starts_with("cuda")).then_some("cuda");
    let release: Vec<&str> = settings.libtorch.split('.').take(2).collect();
    let release = format!("libtorch-{}", release.join("."));
    let with_release = device.map_or_else(|| release.clone(), |device| format!("{device}-{release}"));
    let has_own = policy.by_libtorch || snapshot_file(site, root, Some(&with_release)).exists();
    if has_own { Some(with_release) } else { device.map(str::to_owned) }
}

/// Where `insta` keeps the snapshot.
pub(in crate::gate) fn snapshot_file(site: &Site<'_>, root: &Path, suffix: Option<&str>) -> PathBuf {
    let suffix = suffix.map(|suffix| format!("@{suffix}")).unwrap_or_default();
    root.join(file_name(site.module_path, site.file, &format!("{}{suffix}", site.name)))
}

/// The same relative to the workspace, for a name with its suffix.
pub(crate) fn file_name(module_path: &str, file: &str, name: &str) -> PathBuf {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    folder.join("snapshots").join(format!("{}__{name}.snap", module_path.replace("::", "__")))
}
