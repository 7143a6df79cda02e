//! "Did you mean": the known name nearest to one that is not known.

use std::fs;
use std::path::{Path, PathBuf};

/// The candidate nearest to `name`, if one is near enough to be meant.
///
/// Near enough is a third of the longer name in edits (a swap of neighbours is one), at least one; ties go to the
/// first in the order given.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lower = name.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        let longer = name.chars().count().max(candidate.chars().count());
        let near = distance <= (longer / 3).max(1) && distance < longer;
        if near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The file beside a missing one that is nearest to it by name.
pub(crate) fn nearest_file(missing: &Path) -> Option<PathBuf> {
    let wanted = missing.file_name()?.to_str()?;
    let folder = missing.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = entries.collect();
    names.sort_unstable();
    nearest(wanted, names.iter().map(String::as_str)).map(|name| folder.join(name))
}

/// `` `a`, `b` and `c` ``, for help that lists what there is.
pub(crate) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

/// Help for a name that is not known: the nearest one, else all there are.
pub(crate) fn did_you_mean<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str> + Clone) -> String {
    match nearest(name, candidates.clone()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("known: {}", listed(candidates)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_swaps_but_nothing_far() {
        let names = ["kmnc", "nbc", "snac", "accuracy"];
        assert_eq!(nearest("kmcn", names), Some("kmnc"));
        assert_eq!(nearest("acuracy", names), Some("accuracy"));
        assert_eq!(nearest("KMNC", names), Some("kmnc"));
        assert_eq!(nearest("zzz", names), None);
        assert_eq!(nearest("x", ["y"]), None, "one letter for another is no likeness");
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn lists() {
        assert_eq!(listed([]), "none");
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(did_you_mean("zzz", ["a", "b"]), "known: `a` and `b`");
    }
}
