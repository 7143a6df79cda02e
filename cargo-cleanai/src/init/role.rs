//! What names say of data: for training, for validation or for testing; inputs or labels.

/// What data is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What the model learnt from.
    Training,
    /// What training was watched with.
    Validation,
    /// What the model never saw.
    Test,
}

/// What a path's words say its data is for, and the path with that word left out, by which parts of one set find each other.
///
/// The last word that says so counts: `tests/data/train` is for training.
pub fn role(path: &str) -> Option<(Role, String)> {
    let of = |word: &str| match word {
        "train" | "training" | "trainset" => Some(Role::Training),
        "val" | "valid" | "validation" | "dev" => Some(Role::Validation),
        "test" | "testing" | "testset" | "t10k" | "eval" | "evaluation" | "holdout" => Some(Role::Test),
        _ => None,
    };
    let lower = path.to_lowercase();
    let (start, word, role) = words(&lower).filter_map(|(start, word)| Some((start, word, of(word)?))).last()?;
    // Whatever else is for the same is left out too: `x_test.npy,y_test.npy`.
    let key = words(&lower).filter(|(at, other)| *at != start && *other != word).map(|(_, word)| word);
    Some((role, key.collect::<Vec<_>>().join(" ")))
}

/// The words of a path in lower case.
pub fn stem(path: &str) -> Vec<String> {
    words(&path.to_lowercase()).map(|(_, word)| word.to_string()).collect()
}

/// Words and where they start.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |sign: char| sign.is_alphanumeric();
    let starts = text.char_indices().scan(false, move |inside, (at, sign)| {
        let first = is_word(sign) && !*inside;
        *inside = is_word(sign);
        Some(first.then_some(at))
    });
    starts.flatten().map(move |at| {
        let rest = &text[at..];
        (at, &rest[..rest.find(|sign| !is_word(sign)).unwrap_or(rest.len())])
    })
}

/// The names that a file of labels has beside this file of inputs.
pub fn labels_of(name: &str) -> Vec<String> {
    let pairs =
        [("x", "y"), ("X", "y"), ("images", "labels"), ("inputs", "labels"), ("inputs", "targets"), ("data", "labels")];
    let replaced = pairs.into_iter().filter_map(|(inputs, labels)| {
        let (at, _) = words(name).find(|(_, word)| *word == inputs)?;
        Some(format!("{}{labels}{}", &name[..at], &name[at + inputs.len()..]))
    });
    let ending = name.rsplit_once('.').map(|(stem, ending)| format!("{stem}_labels.{ending}"));
    replaced.chain(ending).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_that_says_so_counts() {
        for (path, expected) in [
            ("data/train", Some((Role::Training, "data"))),
            ("data/TEST", Some((Role::Test, "data"))),
            ("tests/data/train", Some((Role::Training, "tests data"))),
            ("t10k-images-idx3-ubyte.gz", Some((Role::Test, "images idx3 ubyte gz"))),
            ("a/x_test.npy,a/y_test.npy", Some((Role::Test, "a x npy a y npy"))),
            ("val.npz", Some((Role::Validation, "npz"))),
            ("contest/latest", None),
            ("", None),
        ] {
            assert_eq!(role(path), expected.map(|(role, key)| (role, key.to_string())), "{path}");
        }
    }

    #[test]
    fn labels_are_named_after_inputs() {
        assert!(labels_of("x_test.npy").contains(&"y_test.npy".to_string()));
        assert!(labels_of("test-images.npy").contains(&"test-labels.npy".to_string()));
        assert!(labels_of("digits.npy").contains(&"digits_labels.npy".to_string()));
        assert!(!labels_of("max.npy").contains(&"may.npy".to_string()));
    }
}
