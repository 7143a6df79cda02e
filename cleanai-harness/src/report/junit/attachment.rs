//! Lines that GitLab and Jenkins turn into links to other reports of the run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A line per file that the CI system of these variables can show: GitLab wants paths from the project's folder, and takes the first
/// only; Jenkins wants absolute ones.
pub(super) fn lines(files: &[PathBuf], variable: impl Fn(&str) -> Option<OsString>) -> String {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let absolute = |path: &Path| std::path::absolute(path).ok();
    let paths: Vec<PathBuf> = if let Some(project) = set("CI_PROJECT_DIR") {
        let below = |path: &PathBuf| Some(absolute(path)?.strip_prefix(&project).ok()?.to_path_buf());
        files.iter().filter_map(below).take(1).collect()
    } else if set("JENKINS_URL").is_some() {
        files.iter().filter_map(|path| absolute(path)).collect()
    } else {
        Vec::new()
    };
    let line = |path: &PathBuf| {
        let text = path.to_str()?;
        // What would end the line, or the mark, early names no file for the reader.
        let plain = !text.contains("]]") && !text.chars().any(char::is_control);
        plain.then(|| format!("[[ATTACHMENT|{text}]]\n"))
    };
    paths.iter().filter_map(line).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn of(files: &[&str], variables: &[(&str, &str)]) -> String {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        lines(&files, |name| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn each_system_gets_the_paths_it_wants() {
        let files = ["/builds/p/target/a.html", "/builds/p/target/a.pdf"];
        assert_eq!(of(&files, &[("CI_PROJECT_DIR", "/builds/p")]), "[[ATTACHMENT|target/a.html]]\n");
        assert_eq!(
            of(&files, &[("JENKINS_URL", "https://ci")]),
            "[[ATTACHMENT|/builds/p/target/a.html]]\n[[ATTACHMENT|/builds/p/target/a.pdf]]\n"
        );
        let here = std::env::current_dir().unwrap().join("a.pdf");
        assert_eq!(of(&["a.pdf"], &[("JENKINS_URL", "u")]), format!("[[ATTACHMENT|{}]]\n", here.display()));
    }

    #[test]
    fn nothing_is_said_elsewhere_or_of_files_that_cannot_be_named() {
        assert_eq!(of(&["/builds/p/a.pdf"], &[]), "");
        assert_eq!(of(&["/builds/p/a.pdf"], &[("CI_PROJECT_DIR", "")]), "");
        assert_eq!(of(&["/elsewhere/a.pdf"], &[("CI_PROJECT_DIR", "/builds/p")]), "");
        assert_eq!(of(&["/p/a]].pdf", "/p/a\n.pdf"], &[("JENKINS_URL", "u")]), "");
        assert_eq!(of(&[], &[("JENKINS_URL", "u")]), "");
    }
}
